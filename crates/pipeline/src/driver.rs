//! What is around an output: a reader of the log, batches, tries, time, counts, and a control channel of its own.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use logrecord::transport::Backoff;
use logrecord_spool::CursorState;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ledger::{OutputLedger, Run};
use crate::log::{LogCursor, LogReader};
use crate::output::{Batch, Delivery, Encoder, End, Output};
use crate::pending::{Fate, Pending, note};
use crate::settings::{Settings, Shared, WhenBehind};

/// How often the cursor of an output is stored durably.
const STORE: Duration = Duration::from_secs(1);
/// How often a driver that waits for its output looks whether it is too far behind.
const LOOK: Duration = Duration::from_millis(100);
/// How long a segment that cannot be opened is tried again.
const UNREADABLE: Duration = Duration::from_secs(30);

/// A batch of so many records says that more are coming.
const BUSY: usize = 100;

/// What a driver is told, apart from the records.
#[derive(Debug)]
enum Control {
    Reopen,
    Flush(oneshot::Sender<()>),
    Close(Instant),
    /// The output is configured away: what it has not delivered stays for whoever has its name next.
    Stop,
}

/// A running output.
#[derive(Debug)]
pub struct Driver {
    name: String,
    control: mpsc::UnboundedSender<Control>,
    closed: watch::Receiver<Option<End>>,
    task: JoinHandle<()>,
}

impl Driver {
    /// Starts an output. The first of those that are driven with a `Shared` tells of what is no record.
    ///
    /// # Errors
    ///
    /// If its cursor cannot be stored.
    pub fn start<E: Encoder, O: Output>(
        shared: &Shared,
        settings: Settings,
        encoder: E,
        output: O,
    ) -> io::Result<Self> {
        let cursor = shared.log.cursor(&settings.name, settings.start)?;
        let done = cursor.state().done;
        let agreement = shared.ledger.agree();
        let outputs = shared.ledger.outputs();
        let is_first = outputs.first().is_none_or(|(first, _)| *first == settings.name);
        // What one of the same name has left is in the book already.
        let left = outputs.iter().find(|(name, _)| *name == settings.name);
        let left = left.map_or(0, |(_, counts)| counts.buffered());
        let behind = shared.log.last().saturating_sub(done).saturating_sub(left);
        if is_first {
            shared.ledger.resume(behind);
        }
        let book = shared.ledger.open(&settings.name, behind);
        drop(agreement);
        let (control, commands) = mpsc::unbounded_channel();
        let (closing, closed) = watch::channel(None);
        let name = settings.name.clone();
        let task = Task {
            reader: shared.log.reader(done),
            shared: shared.clone(),
            book,
            cursor: Some(cursor),
            done,
            rejected: 0,
            stored: Instant::now(),
            backoff: settings.backoff.clone(),
            settings,
            encoder,
            pending: Pending::default(),
            next: None,
            busy: false,
            there: 0,
            spare: None,
            unreadable: None,
            commands,
            flushes: Vec::new(),
            reopen: false,
            deadline: None,
            stop: false,
            closing,
        };
        Ok(Self { name, control, closed, task: tokio::spawn(task.run(output)) })
    }

    /// The output's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn tell(&self, control: Control) {
        // An output that has ended needs to hear nothing.
        self.control.send(control).ok();
    }

    /// Opens the output again. It never waits.
    pub fn reopen(&self) {
        self.tell(Control::Reopen);
    }

    /// Waits until everything that is in the log now is dealt with.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.tell(Control::Flush(done));
        wait.await.ok();
    }

    /// Completes when the output can never take anything again, and gives why.
    pub async fn closed(&self) -> End {
        let mut closed = self.closed.clone();
        if let Ok(closed) = closed.wait_for(Option::is_some).await
            && let Some(why) = *closed
        {
            return why;
        }
        std::future::pending().await
    }

    /// Delivers what is in the log until a time, then ends and settles the rest.
    pub async fn close(self, by: std::time::Instant) {
        self.tell(Control::Close(by.into()));
        self.task.await.ok();
    }

    /// Ends behind the batch at hand. The cursor stays.
    pub async fn stop(self) {
        self.tell(Control::Stop);
        self.task.await.ok();
    }
}

struct Task<E> {
    shared: Shared,
    settings: Settings,
    encoder: E,
    reader: LogReader,
    book: OutputLedger,
    /// Away while it is being stored.
    cursor: Option<LogCursor>,
    /// The last record that is settled.
    done: u64,
    rejected: u64,
    stored: Instant,
    backoff: Backoff,
    pending: Pending,
    /// What was made ready while the output was busy with the pending batch.
    next: Option<Pending>,
    /// The last batch was a large one.
    busy: bool,
    /// How many records of the pending batch the output had before it began.
    there: usize,
    spare: Option<Batch>,
    /// Since when the log cannot be read.
    unreadable: Option<Instant>,
    commands: mpsc::UnboundedReceiver<Control>,
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    reopen: bool,
    deadline: Option<Instant>,
    stop: bool,
    closing: watch::Sender<Option<End>>,
}

/// What a wait has ended with.
enum Ended {
    /// What was waited for is there.
    Ready,
    /// There is something to do for the output itself.
    Interrupted,
    /// The time is over.
    Deadline,
}

impl<E: Encoder> Task<E> {
    async fn run<O: Output>(mut self, mut output: O) {
        self.resume(&mut output).await;
        if self.cursor.as_ref().is_some_and(|cursor| cursor.state().inode == 0) {
            // From the first record on, a killed process can be told what it has written.
            self.store(&mut output, true).await;
        }
        while !self.stop && self.deadline.is_none_or(|by| by > Instant::now()) {
            self.serve_output(&mut output).await;
            if self.stop {
                break;
            }
            self.drop_oldest();
            if self.pending.last <= self.done {
                if self.busy {
                    // Those that receive come first, so that there is more for one batch.
                    tokio::task::yield_now().await;
                }
                self.fill();
            }
            if self.pending.last <= self.done {
                self.store(&mut output, false).await;
                self.answer_flushes();
                // What is not durable yet is on its way.
                if self.deadline.is_some() && self.done >= self.shared.log.last() {
                    break;
                }
                self.wait_for_records().await;
                continue;
            }
            if !self.is_full() && !self.settings.wait.is_zero() && self.deadline.is_none() {
                self.gather().await;
            }
            if !self.deliver(&mut output).await {
                break;
            }
            self.store(&mut output, false).await;
            self.answer_flushes();
        }
        self.finish(output).await;
    }

    /// Takes commands that have come.
    fn obey(&mut self, control: Option<Control>) {
        match control {
            Some(Control::Reopen) => self.reopen = true,
            Some(Control::Flush(done)) => self.flushes.push((self.shared.log.last(), done)),
            Some(Control::Close(by)) => self.deadline = Some(by),
            Some(Control::Stop) => self.stop = true,
            // Whoever started it is gone: what is there is delivered as far as it goes at once.
            None => self.deadline = Some(Instant::now()),
        }
    }

    fn answer_flushes(&mut self) {
        let done = self.done;
        for (_, waiting) in self.flushes.extract_if(.., |(target, _)| *target <= done) {
            waiting.send(()).ok();
        }
    }

    /// Does what the output has been told to do.
    async fn serve_output<O: Output>(&mut self, output: &mut O) {
        while let Ok(control) = self.commands.try_recv() {
            self.obey(Some(control));
        }
        if std::mem::take(&mut self.reopen) {
            self.store(output, true).await;
            match output.reopen().await {
                Ok(()) => self.store(output, true).await,
                Err(error) => self.say("cannot reopen", &error.to_string()),
            }
            self.backoff.succeeded();
        }
    }

    fn say(&self, what: &str, why: &str) {
        let name = &self.settings.name;
        (self.shared.say)(&format!("{what} {name}"), why);
    }

    /// Waits for records, commands, or the time to store the cursor.
    async fn wait_for_records(&mut self) {
        let log = self.shared.log.clone();
        let changed = log.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if self.reader.done() < log.durable() && self.unreadable.is_none() {
            return;
        }
        let dirty = self.cursor.as_ref().is_some_and(|c| c.is_durable() && c.state().done < self.done);
        let pause = if self.unreadable.is_some() { LOOK } else { STORE };
        let end = self.deadline;
        tokio::select! {
            () = changed => {}
            control = self.commands.recv(), if end.is_none() => self.obey(control),
            () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {}
            () = tokio::time::sleep(pause), if dirty || self.unreadable.is_some() => {}
        }
    }

    /// Waits until the batch is full, but not longer than a batch may wait.
    async fn gather(&mut self) {
        let until = Instant::now() + self.settings.wait;
        while !self.is_full() && self.deadline.is_none() && !self.stop && !self.reopen {
            let log = self.shared.log.clone();
            let changed = log.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.reader.done() < log.durable() {
                self.fill();
                continue;
            }
            tokio::select! {
                () = changed => {}
                control = self.commands.recv() => self.obey(control),
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    fn is_full(&self) -> bool {
        let batch = &self.pending.batch;
        batch.len() >= self.settings.records || batch.bytes.len() >= self.settings.bytes
    }

    /// A batch that begins behind a record.
    fn begin(&mut self, last: u64) -> Pending {
        let batch = self.spare.take().unwrap_or_default();
        Pending { batch: Arc::new(batch), last, ..Pending::default() }
    }

    /// Fills the pending batch, or the first one behind what is done.
    fn fill(&mut self) {
        let mut pending = if self.pending.last <= self.done {
            self.begin(self.done)
        } else {
            std::mem::take(&mut self.pending)
        };
        self.read_into(&mut pending);
        self.pending = pending;
    }

    /// Makes the next batch ready.
    fn fill_next(&mut self) {
        if self.next.is_some() {
            return;
        }
        let behind = self.pending.last;
        let mut next = self.begin(behind);
        self.read_into(&mut next);
        if next.last > behind {
            self.next = Some(next);
        } else {
            self.keep(next.batch);
        }
    }

    /// Keeps the memory of a batch for another one.
    fn keep(&mut self, batch: Arc<Batch>) {
        if let Ok(mut batch) = Arc::try_unwrap(batch)
            && batch.bytes.capacity() <= 4 * self.settings.bytes
        {
            batch.clear();
            self.spare = Some(batch);
        }
    }

    /// Reads, decodes, routes and encodes until the batch is full or the log has no more.
    fn read_into(&mut self, pending: &mut Pending) {
        let routes = self.shared.routes();
        let engine = self.shared.engine();
        let mut decoder = engine.decoder();
        // Nobody else has it while it is being filled.
        let Pending { batch, last, others, .. } = pending;
        let Some(batch) = Arc::get_mut(batch) else { return };
        // What is filtered fills no batch, but has to be settled now and then as well.
        let most = self.settings.records.saturating_mul(16);
        for _ in 0..most {
            if batch.len() >= self.settings.records || batch.bytes.len() >= self.settings.bytes {
                break;
            }
            let before = self.reader.done();
            let logged = match self.reader.read() {
                Ok(logged) => logged,
                Err(error) => {
                    let since = *self.unreadable.get_or_insert_with(Instant::now);
                    if since.elapsed() >= UNREADABLE {
                        self.unreadable = None;
                        self.reader.skip_segment();
                        note(others, batch.len(), Fate::Damaged, self.reader.done() - before);
                        *last = self.reader.done();
                    } else {
                        (self.shared.say)("cannot read the log", &error.to_string());
                    }
                    break;
                }
            };
            self.unreadable = None;
            let Some(logged) = logged else {
                let after = self.reader.done();
                note(others, batch.len(), Fate::Damaged, after - before);
                *last = after.max(*last);
                break;
            };
            note(others, batch.len(), Fate::Damaged, logged.index - before - 1);
            *last = logged.index;
            let record = match decoder.decode(logged.entry.payload) {
                Ok(record) => record,
                Err(rejection) => {
                    let reason = rejection.reason();
                    note(others, batch.len(), Fate::Rejected(reason), 1);
                    if self.book.tells(logged.index, reason) {
                        (self.shared.on_reject)(&logged, &rejection);
                    }
                    continue;
                }
            };
            let name = record.name().map(|name| name.to_visible()).unwrap_or_default();
            if !routes.wants(&self.settings.name, &name, record.level()) {
                note(others, batch.len(), Fate::Filtered, 1);
                continue;
            }
            drop(name);
            let start = batch.bytes.len();
            match self.encoder.encode(&record, &logged, &mut batch.bytes) {
                Ok(()) => {
                    batch.ends.push(batch.bytes.len());
                    batch.indices.push(logged.index);
                }
                Err(reason) => {
                    batch.bytes.truncate(start);
                    note(others, batch.len(), Fate::Rejected(reason), 1);
                }
            }
        }
    }

    /// Takes the records of the pending batch to be settled.
    fn take_run(&self) -> Run {
        let pending = &self.pending;
        self.book.take(pending.last.saturating_sub(self.done + pending.given_up))
    }

    /// Settles what is none of the batch's, up to its first record that is still to come.
    fn settle_others(&mut self, run: &mut Run, whole: usize) {
        for (_, fate, records) in self.pending.others.extract_if(.., |(place, ..)| *place <= whole) {
            match fate {
                Fate::Filtered => run.filtered(records),
                Fate::Damaged => run.dropped("damaged", records),
                Fate::Rejected(reason) => {
                    run.rejected(reason, records);
                    self.rejected += records;
                }
            }
        }
    }

    /// Delivers the pending batch. False if the output has ended, or the time has.
    async fn deliver<O: Output>(&mut self, output: &mut O) -> bool {
        let mut run = self.take_run();
        let batch = Arc::clone(&self.pending.batch);
        let mut from = std::mem::take(&mut self.there);
        run.written(from as u64);
        if from == 0 && !batch.is_empty() && output.rotates(&batch) {
            self.store(output, true).await;
            if let Err(error) = output.rotate().await {
                self.say("cannot rotate", &error.to_string());
            }
            self.store(output, true).await;
        }
        while from < batch.len() {
            let started = Instant::now();
            let delivery = {
                let time = output.timeout();
                let delivery = output.deliver(&batch, from);
                tokio::pin!(delivery);
                self.wait_for(delivery, time).await
            };
            let delivery = match delivery {
                Ok(Some(delivery)) => delivery,
                Ok(None) => {
                    output.abandon(&batch, from).await;
                    Delivery::Retry { after: None, why: "no answer in time".to_owned() }
                }
                Err(()) => {
                    let whole = output.abandon(&batch, from).await;
                    self.give_up(run, &batch, from, whole, "shutdown");
                    return false;
                }
            };
            let left = (batch.len() - from) as u64;
            match delivery {
                Delivery::Done { rejected } => {
                    let rejected = rejected.min(left);
                    run.rejected("refused", rejected);
                    self.rejected += rejected;
                    run.written(left - rejected);
                    from = batch.len();
                    self.recovered();
                }
                Delivery::Partly { done } => {
                    let done = done.clamp(from, batch.len());
                    run.written((done - from) as u64);
                    from = done;
                    self.note_done(&batch, from);
                }
                Delivery::Refused(why) => {
                    self.say("refused by", &why);
                    run.rejected("refused", left);
                    self.rejected += left;
                    from = batch.len();
                    self.recovered();
                }
                Delivery::Retry { after, why } => {
                    self.say("cannot write", &format!("{why}; trying again"));
                    self.backoff.failed(started.into_std());
                    let at = self.backoff.retry_at().map_or_else(Instant::now, Instant::from_std);
                    let at = after.map_or(at, |after| at.max(Instant::now() + after));
                    match self.wait_until(at).await {
                        Ended::Ready => {}
                        Ended::Interrupted => self.serve_output(output).await,
                        Ended::Deadline => {
                            self.give_up(run, &batch, from, from, "shutdown");
                            return false;
                        }
                    }
                    if self.lagging(self.done).is_some() {
                        run.dropped("lag", left);
                        from = batch.len();
                    } else if self.stop {
                        self.note_done(&batch, from);
                        self.settle_others(&mut run, from);
                        self.move_cursor();
                        run.keep();
                        return false;
                    }
                }
                Delivery::Closed => {
                    self.say("closed", "its reader has seen enough");
                    return self.end(End::Closed, run, &batch, from);
                }
                Delivery::Failed(why) => {
                    self.say("cannot write", &format!("{why}; giving up"));
                    return self.end(End::Failed, run, &batch, from);
                }
            }
        }
        self.settle_others(&mut run, usize::MAX);
        self.done = self.pending.last;
        self.move_cursor();
        drop(run);
        self.busy = batch.len() >= BUSY;
        let batch_of = std::mem::take(&mut self.pending.batch);
        drop(batch);
        self.keep(batch_of);
        if let Some(next) = self.next.take() {
            self.pending = next;
        }
        true
    }

    fn recovered(&mut self) {
        if self.backoff.retry_at().is_some() {
            self.say("writing again", "the output works");
        }
        self.backoff.succeeded();
    }

    /// Waits for a delivery. `None` if its time is over, an error if the driver's is.
    async fn wait_for<F: Future<Output = Delivery>>(
        &mut self,
        mut delivery: Pin<&mut F>,
        time: Option<Duration>,
    ) -> Result<Option<Delivery>, ()> {
        let timeout = time.map(|time| Instant::now() + time);
        // Once it is on its way there is time for the next batch.
        let at_once = std::future::poll_fn(|context| Poll::Ready(delivery.as_mut().poll(context))).await;
        match at_once {
            Poll::Ready(delivery) => return Ok(Some(delivery)),
            Poll::Pending => self.fill_next(),
        }
        loop {
            let end = self.deadline;
            tokio::select! {
                biased;
                delivery = &mut delivery => return Ok(Some(delivery)),
                control = self.commands.recv() => {
                    if control.is_none() && self.deadline.is_some() {
                        // Nobody will say anything more; only time ends it.
                        let by = end.unwrap_or_else(Instant::now);
                        tokio::select! {
                            biased;
                            delivery = &mut delivery => return Ok(Some(delivery)),
                            () = tokio::time::sleep_until(by) => return Err(()),
                        }
                    }
                    self.obey(control);
                }
                () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Err(()),
                () = tokio::time::sleep_until(timeout.unwrap_or_else(Instant::now)), if timeout.is_some() => {
                    return Ok(None);
                }
                () = tokio::time::sleep(LOOK) => self.drop_oldest(),
            }
        }
    }

    /// Waits before the next try.
    async fn wait_until(&mut self, at: Instant) -> Ended {
        loop {
            if self.deadline.is_some_and(|by| by <= Instant::now()) {
                return Ended::Deadline;
            }
            if self.reopen || self.stop {
                return Ended::Interrupted;
            }
            if self.lagging(self.done).is_some() {
                return Ended::Ready;
            }
            // With the end in sight it is tried more often.
            let at = if self.deadline.is_some() { at.min(Instant::now() + LOOK) } else { at };
            let look = at.min(Instant::now() + LOOK).min(self.deadline.unwrap_or(at));
            let open = !self.commands.is_closed() || !self.commands.is_empty();
            tokio::select! {
                control = self.commands.recv(), if open => self.obey(control),
                () = tokio::time::sleep_until(look) => {}
            }
            if Instant::now() >= at {
                return Ended::Ready;
            }
        }
    }

    /// Up to which record everything is too old, if the output may give up what is.
    fn lagging(&self, done: u64) -> Option<u64> {
        let WhenBehind::DropOldest { max_lag } = self.settings.when_behind else { return None };
        let behind = self.shared.log.bytes_behind(done);
        let last = self.shared.log.durable();
        if behind <= max_lag || last <= done {
            return None;
        }
        let keep = u128::from(last - done) * u128::from(max_lag) / u128::from(behind.max(1));
        Some(last - u64::try_from(keep).unwrap_or(0))
    }

    /// Gives up what lies too far back behind what is in hand.
    fn drop_oldest(&mut self) {
        let from = self.next.as_ref().map_or(self.pending.last, |next| next.last).max(self.done);
        let Some(until) = self.lagging(from) else { return };
        if until <= from || self.reader.done() > from {
            return;
        }
        self.book.take(until - from).dropped("lag", until - from);
        self.say("dropped", &format!("{} records: the output is too far behind", until - from));
        self.reader.seek(until);
        if from == self.done {
            self.done = until;
            self.move_cursor();
        } else {
            // What is in hand is on its way; what comes next begins behind the gap. That is all that a killed process
            // could lose, and the log must not wait for it.
            let in_hand = self.next.as_mut().unwrap_or(&mut self.pending);
            in_hand.last = until;
            in_hand.given_up += until - from;
            if let Some(cursor) = &mut self.cursor {
                let state = CursorState { done: until, rejected: self.rejected, ..CursorState::default() };
                if let Err(error) = cursor.store(state) {
                    self.say("cannot store the cursor of", &error.to_string());
                }
            }
        }
    }

    /// Nothing is taken any more; false, because nothing goes on.
    fn end(&mut self, end: End, run: Run, batch: &Batch, from: usize) -> bool {
        self.give_up(run, batch, from, from, end.reason());
        self.closing.send(Some(end)).ok();
        false
    }

    /// Settles what is left of a batch.
    fn give_up(&mut self, mut run: Run, batch: &Batch, from: usize, whole: usize, reason: &str) {
        run.written(whole.saturating_sub(from) as u64);
        if whole > 0 {
            self.note_done(batch, whole);
            self.settle_others(&mut run, whole);
        }
        if self.is_durable() && reason != "closed" {
            run.keep();
        } else {
            self.settle_others(&mut run, usize::MAX);
            let left = run.left();
            run.dropped(reason, left);
            self.done = self.pending.last;
        }
        self.move_cursor();
        self.pending.last = self.done;
    }

    /// So many records of the batch are delivered.
    fn note_done(&mut self, batch: &Batch, whole: usize) {
        // The records between, which the output did not want, are done as well.
        let next = batch.indices.get(whole).copied();
        self.done = self.done.max(next.map_or(self.pending.last, |next| next - 1));
    }

    fn is_durable(&self) -> bool {
        self.cursor.as_ref().is_some_and(LogCursor::is_durable)
    }

    /// In memory the cursor moves at once; on disk it is stored now and then.
    fn move_cursor(&mut self) {
        if let Some(cursor) = self.cursor.as_mut().filter(|cursor| !cursor.is_durable()) {
            // Memory does not fail.
            cursor.store(CursorState { done: self.done, ..CursorState::default() }).ok();
        }
    }

    /// Stores the cursor durably, behind what the output has made durable.
    async fn store<O: Output>(&mut self, output: &mut O, now: bool) {
        let due = now || self.stored.elapsed() >= STORE;
        let moved = self.cursor.as_ref().is_some_and(|c| now || c.state().done < self.done);
        if !due || !moved || !self.is_durable() {
            return;
        }
        self.stored = Instant::now();
        let place = match output.sync().await {
            Ok(place) => place.unwrap_or_default(),
            Err(error) => {
                self.say("cannot sync", &error.to_string());
                return;
            }
        };
        let Some(mut cursor) = self.cursor.take() else { return };
        let (inode, offset) = (place.inode, place.offset);
        let state = CursorState { done: self.done, in_flight: None, inode, offset, rejected: self.rejected };
        let stored = tokio::task::spawn_blocking(move || {
            let outcome = cursor.store(state);
            (cursor, outcome)
        });
        if let Ok((cursor, outcome)) = stored.await {
            self.cursor = Some(cursor);
            if let Err(error) = outcome {
                self.say("cannot store the cursor of", &error.to_string());
            }
        }
    }

    /// Finds out which records of the log the output has already.
    async fn resume<O: Output>(&mut self, output: &mut O) {
        let Some(state) = self.cursor.as_ref().map(|cursor| *cursor.state()) else { return };
        self.rejected = state.rejected;
        if state.inode == 0 {
            return;
        }
        output.resume(crate::output::Place { inode: state.inode, offset: state.offset }).await;
        loop {
            self.fill();
            if self.pending.last <= self.done {
                return;
            }
            let batch = Arc::clone(&self.pending.batch);
            let there = output.already(&batch).await.min(batch.len());
            if there < batch.len() || batch.is_empty() {
                // The rest is delivered like any other batch, from the first record that is not there.
                self.there = there;
                return;
            }
            let mut run = self.take_run();
            run.written(there as u64);
            self.settle_others(&mut run, usize::MAX);
            drop(run);
            self.done = self.pending.last;
            self.pending = Pending { last: self.done, ..Pending::default() };
        }
    }

    async fn finish<O: Output>(mut self, mut output: O) {
        self.store(&mut output, true).await;
        if !self.is_durable() && !self.stop {
            let reason = self.closing.borrow().map_or("shutdown", End::reason);
            if let Some(next) = self.next.take() {
                // What was found out about its records stays true.
                self.pending = next;
                let mut run = self.take_run();
                self.settle_others(&mut run, usize::MAX);
                let left = run.left();
                run.dropped(reason, left);
                self.done = self.pending.last;
            }
            // Nobody will read what is left in memory, nor what comes.
            self.shared.ledger.give_up(&self.settings.name, reason);
        }
        for (_, waiting) in self.flushes.drain(..) {
            waiting.send(()).ok();
        }
        output.close().await;
    }
}
