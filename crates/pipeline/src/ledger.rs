//! What became of every record, by types: nobody can forget one, and no count can be made twice.
//!
//! Frames that arrive are a [`Receipt`], which settles in counts. For each output the records of the log are a
//! [`Run`] after another, and each run settles likewise. What is dropped unsettled, by a panic or a cancelled task,
//! counts as `dropped{lost}`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

/// How many reasons are counted by their names; further ones are `other`.
const MAX_REASONS: usize = 64;

/// Counts by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    fn add(&mut self, reason: &str, records: u64) {
        if records == 0 {
            return;
        }
        if let Some(count) = self.0.get_mut(reason) {
            *count += records;
            return;
        }
        let name = if self.0.len() < MAX_REASONS { reason } else { "other" };
        *self.0.entry(name.to_owned()).or_default() += records;
    }

    fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|(reason, count)| self.add(reason, count));
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each reason with its count, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(reason, count)| (reason.as_str(), *count))
    }

    fn write(&self, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|(reason, count)| write!(f, " {word}{{{reason}}}={count}"))
    }
}

/// What became of what arrived: `received + resumed = logged + rejected + dropped`, but for what is being looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntakeCounts {
    /// Records that arrived, good or bad.
    pub received: u64,
    /// Records that were found in the spool at the start and not delivered everywhere.
    pub resumed: u64,
    /// Records that went into the log, the resumed ones included.
    pub logged: u64,
    /// Refused before they went into the log.
    pub rejected: Reasons,
    /// Given up before they went into the log.
    pub dropped: Reasons,
}

/// What became of the log's records at one output: `logged = written + filtered + rejected + dropped + buffered`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputCounts {
    /// Records that are this output's to settle.
    pub logged: u64,
    /// Records that it has.
    pub written: u64,
    /// Records that a route or level did not want here.
    pub filtered: u64,
    /// Records that cannot be had: no record, or refused by what the output writes to.
    pub rejected: Reasons,
    /// Records that were given up.
    pub dropped: Reasons,
}

impl OutputCounts {
    /// Records that are still on their way.
    pub fn buffered(&self) -> u64 {
        self.logged
            .saturating_sub(self.written + self.filtered + self.rejected.total() + self.dropped.total())
    }
}

/// Whether what is logged is an output's to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It takes nothing any more: what is logged is given up at once, for this reason.
    Ended(&'static str),
    /// It is configured away, and has no part in what is logged.
    Gone,
}

#[derive(Debug)]
struct Book {
    name: String,
    counts: OutputCounts,
    state: State,
}

#[derive(Debug, Default)]
struct Books {
    intake: IntakeCounts,
    outputs: Vec<Book>,
    /// What is no record for anybody, as the first output has found it.
    undecodable: Reasons,
    /// The last such record of the log. Another output that becomes the first tells only of those behind it.
    told: u64,
}

impl Books {
    fn first(&self) -> Option<usize> {
        self.outputs.iter().position(|book| book.state == State::Open)
    }
}

/// All counts of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    // One lock, so that what is read together belongs together. It is taken once a batch.
    books: Mutex<Books>,
    /// Shared by those who put records into the log until they have counted them, so that an output which begins finds
    /// log and books in agreement.
    agreement: RwLock<()>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records arrived. They are settled by the receipt, or count as lost.
    pub fn receive(self: &Arc<Self>, records: u64) -> Receipt {
        self.books().intake.received += records;
        Receipt { ledger: Arc::clone(self), left: records }
    }

    /// Records were found in the spool at the start.
    pub fn resume(&self, records: u64) {
        let intake = &mut self.books().intake;
        intake.resumed += records;
        intake.logged += records;
    }

    /// Waits until every record of the log is counted, and lets no other one in as long as the guard lives.
    pub(crate) fn agree(&self) -> RwLockWriteGuard<'_, ()> {
        self.agreement.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the book of an output, which has `logged` records of the log to settle from the start. Its place is the
    /// first of all, and so its lines, if it is the first.
    pub fn open(self: &Arc<Self>, name: &str, logged: u64) -> OutputLedger {
        let mut books = self.books();
        let place = books.outputs.iter().position(|book| book.name == name).unwrap_or_else(|| {
            let counts = OutputCounts::default();
            books.outputs.push(Book { name: name.to_owned(), counts, state: State::Open });
            books.outputs.len() - 1
        });
        if let Some(book) = books.outputs.get_mut(place) {
            book.counts.logged += logged;
            book.state = State::Open;
        }
        OutputLedger { ledger: Arc::clone(self), place }
    }

    fn end(&self, name: &str, reason: &str, state: State) {
        // A record of the log that the output has settled, and that is not counted as logged yet, would be given up
        // once more.
        let _agreement = self.agree();
        if let Some(book) = self.books().outputs.iter_mut().find(|book| book.name == name) {
            let left = book.counts.buffered();
            book.counts.dropped.add(reason, left);
            book.state = state;
        }
    }

    /// An output is no more: what it has not settled is given up, and what is logged from now on is not its own.
    pub fn remove(&self, name: &str) {
        self.end(name, "removed", State::Gone);
    }

    /// An output takes nothing any more: what it has not settled is given up, and so is what is still logged.
    pub fn give_up(&self, name: &str, reason: &'static str) {
        self.end(name, reason, State::Ended(reason));
    }

    /// Whether an output is the first of those that are driven, which tells what is to be told of a record.
    pub fn is_first(&self, name: &str) -> bool {
        let books = self.books();
        books.first().and_then(|first| books.outputs.get(first)).is_some_and(|first| first.name == name)
    }

    /// What became of what arrived.
    pub fn intake(&self) -> IntakeCounts {
        self.books().intake.clone()
    }

    /// What became of it at each output, in the order of their opening.
    pub fn outputs(&self) -> Vec<(String, OutputCounts)> {
        self.books().outputs.iter().map(|book| (book.name.clone(), book.counts.clone())).collect()
    }

    /// The lines of counts: one if there is one output, otherwise one for the intake and one for each output.
    ///
    /// What is no record is found out at each output, and counts once in the first line.
    pub fn lines(&self) -> Vec<String> {
        let books = self.books();
        let intake = &books.intake;
        if let [Book { counts: output, .. }] = books.outputs.as_slice() {
            let mut rejected = intake.rejected.clone();
            rejected.add_all(&output.rejected);
            let mut dropped = intake.dropped.clone();
            dropped.add_all(&output.dropped);
            return vec![One { intake, output, rejected, dropped }.to_string()];
        }
        let first = Intake { intake, undecodable: books.undecodable.clone() }.to_string();
        std::iter::once(first)
            .chain(books.outputs.iter().map(|book| Line(&book.name, &book.counts).to_string()))
            .collect()
    }
}

fn received(intake: &IntakeCounts, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "received={}", intake.received)?;
    if intake.resumed > 0 {
        write!(f, " resumed={}", intake.resumed)?;
    }
    Ok(())
}

struct One<'a> {
    intake: &'a IntakeCounts,
    output: &'a OutputCounts,
    rejected: Reasons,
    dropped: Reasons,
}

impl fmt::Display for One<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        received(self.intake, f)?;
        write!(f, " written={}", self.output.written)?;
        if self.output.filtered > 0 {
            write!(f, " filtered={}", self.output.filtered)?;
        }
        self.rejected.write("rejected", f)?;
        self.dropped.write("dropped", f)?;
        match self.output.buffered() {
            0 => Ok(()),
            buffered => write!(f, " buffered={buffered}"),
        }
    }
}

struct Intake<'a> {
    intake: &'a IntakeCounts,
    undecodable: Reasons,
}

impl fmt::Display for Intake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        received(self.intake, f)?;
        write!(f, " logged={}", self.intake.logged.saturating_sub(self.undecodable.total()))?;
        let mut rejected = self.intake.rejected.clone();
        rejected.add_all(&self.undecodable);
        rejected.write("rejected", f)?;
        self.intake.dropped.write("dropped", f)
    }
}

struct Line<'a>(&'a str, &'a OutputCounts);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, counts) = self;
        write!(
            f,
            "output {name}: logged={} written={} filtered={}",
            counts.logged, counts.written, counts.filtered
        )?;
        counts.rejected.write("rejected", f)?;
        counts.dropped.write("dropped", f)?;
        write!(f, " buffered={}", counts.buffered())
    }
}

/// Records that have arrived and of which it is not known yet what becomes of them.
#[derive(Debug)]
#[must_use = "what is not settled counts as lost"]
pub struct Receipt {
    ledger: Arc<Ledger>,
    left: u64,
}

impl Receipt {
    fn settle(&mut self, records: u64, book: impl FnOnce(&mut IntakeCounts, u64)) {
        // More than were received cannot become anything.
        let records = records.min(self.left);
        self.left -= records;
        book(&mut self.ledger.books().intake, records);
    }

    /// Puts records into the log and counts them, so that no output begins in between.
    pub(crate) fn log<T>(&mut self, put: impl FnOnce() -> (u64, T)) -> T {
        let ledger = Arc::clone(&self.ledger);
        let _agreement = ledger.agreement.read().unwrap_or_else(PoisonError::into_inner);
        let (records, rest) = put();
        self.logged(records);
        rest
    }

    /// So many went into the log, and are now to be settled at each output.
    pub fn logged(&mut self, records: u64) {
        let records = records.min(self.left);
        self.left -= records;
        let mut books = self.ledger.books();
        books.intake.logged += records;
        for Book { counts, state, .. } in &mut books.outputs {
            match state {
                State::Open => counts.logged += records,
                State::Ended(reason) => {
                    counts.logged += records;
                    counts.dropped.add(reason, records);
                }
                State::Gone => {}
            }
        }
    }

    /// So many were refused for a reason.
    pub fn rejected(&mut self, reason: &str, records: u64) {
        self.settle(records, |intake, records| intake.rejected.add(reason, records));
    }

    /// So many were given up for a reason.
    pub fn dropped(&mut self, reason: &str, records: u64) {
        self.settle(records, |intake, records| intake.dropped.add(reason, records));
    }

    /// How many are not settled yet.
    pub const fn left(&self) -> u64 {
        self.left
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let left = self.left;
        if left > 0 {
            self.dropped("lost", left);
        }
    }
}

/// The book of one output.
#[derive(Clone, Debug)]
pub struct OutputLedger {
    ledger: Arc<Ledger>,
    place: usize,
}

impl OutputLedger {
    /// Takes so many of the output's records to be settled.
    pub fn take(&self, records: u64) -> Run {
        Run { output: self.clone(), left: records }
    }

    fn book(&self, book: impl FnOnce(&mut OutputCounts)) {
        if let Some(found) = self.ledger.books().outputs.get_mut(self.place) {
            book(&mut found.counts);
        }
    }

    /// What has become of its records.
    pub fn counts(&self) -> OutputCounts {
        let books = self.ledger.books();
        books.outputs.get(self.place).map(|book| book.counts.clone()).unwrap_or_default()
    }

    /// Counts a record of the log that is none for anybody, if this output is the one that tells of it and it is not
    /// told yet; gives whether it is to be told now.
    pub(crate) fn tells(&self, index: u64, reason: &str) -> bool {
        let mut books = self.ledger.books();
        let tells = books.first() == Some(self.place) && index > books.told;
        if tells {
            books.told = index;
            books.undecodable.add(reason, 1);
        }
        tells
    }
}

/// Records that an output is dealing with.
#[derive(Debug)]
#[must_use = "what is not settled counts as lost"]
pub struct Run {
    output: OutputLedger,
    left: u64,
}

impl Run {
    fn settle(&mut self, records: u64, book: impl FnOnce(&mut OutputCounts, u64)) {
        let records = records.min(self.left);
        self.left -= records;
        self.output.book(|counts| book(counts, records));
    }

    /// The output has so many.
    pub fn written(&mut self, records: u64) {
        self.settle(records, |counts, records| counts.written += records);
    }

    /// So many are not wanted here.
    pub fn filtered(&mut self, records: u64) {
        self.settle(records, |counts, records| counts.filtered += records);
    }

    /// So many cannot be had by this output.
    pub fn rejected(&mut self, reason: &str, records: u64) {
        self.settle(records, |counts, records| counts.rejected.add(reason, records));
    }

    /// So many were given up.
    pub fn dropped(&mut self, reason: &str, records: u64) {
        self.settle(records, |counts, records| counts.dropped.add(reason, records));
    }

    /// The rest stays in the log for later.
    pub fn keep(mut self) {
        self.left = 0;
    }

    /// How many are not settled yet.
    pub const fn left(&self) -> u64 {
        self.left
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let left = self.left;
        if left > 0 {
            self.dropped("lost", left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_output_has_one_line() {
        let ledger = Arc::new(Ledger::default());
        let output = ledger.open("output", 0);
        let mut receipt = ledger.receive(10);
        receipt.rejected("bad_mac", 1);
        receipt.dropped("overflow", 2);
        receipt.logged(7);
        let mut run = output.take(6);
        run.written(4);
        run.rejected("global", 1);
        run.rejected("bad_mac", 1);
        assert_eq!(run.left(), 0);
        assert_eq!(
            ledger.lines(),
            ["received=10 written=4 rejected{bad_mac}=2 rejected{global}=1 dropped{overflow}=2 buffered=1"]
        );
    }

    #[test]
    fn several_outputs_have_a_line_each_and_what_is_no_record_counts_once() {
        let ledger = Arc::new(Ledger::default());
        ledger.resume(3);
        let (a, b) = (ledger.open("a", 3), ledger.open("b", 1));
        let mut receipt = ledger.receive(5);
        receipt.logged(4);
        drop(receipt);
        assert!(a.tells(3, "payload") && a.tells(5, "payload") && !b.tells(3, "payload"));
        let mut run = a.take(7);
        run.written(5);
        run.rejected("payload", 2);
        let mut run = b.take(3);
        run.filtered(1);
        run.rejected("payload", 1);
        run.keep();
        assert_eq!(
            ledger.lines(),
            [
                "received=5 resumed=3 logged=5 rejected{payload}=2 dropped{lost}=1",
                "output a: logged=7 written=5 filtered=0 rejected{payload}=2 buffered=0",
                "output b: logged=5 written=0 filtered=1 rejected{payload}=1 buffered=3",
            ]
        );
    }

    #[test]
    fn an_output_that_is_gone_has_no_part_in_what_comes_and_the_next_one_is_the_first() {
        let ledger = Arc::new(Ledger::default());
        let (a, b) = (ledger.open("a", 0), ledger.open("b", 0));
        let log = |records| ledger.receive(records).logged(records);
        log(5);
        assert!(ledger.is_first("a") && a.tells(2, "payload"));
        a.take(1).written(1);
        ledger.remove("a");
        log(3);
        // What the one before it has told is not told again.
        assert!(ledger.is_first("b") && !b.tells(2, "payload") && b.tells(6, "payload"));
        assert!(!a.tells(7, "payload"));
        ledger.give_up("b", "closed");
        log(2);
        ledger.open("a", 0);
        log(1);
        assert_eq!(
            ledger.lines(),
            [
                "received=11 logged=9 rejected{payload}=2",
                "output a: logged=6 written=1 filtered=0 dropped{removed}=4 buffered=1",
                "output b: logged=11 written=0 filtered=0 dropped{closed}=11 buffered=0",
            ]
        );
    }

    #[test]
    fn an_output_that_ends_while_a_record_goes_into_the_log_counts_it_once() {
        let ledger = Arc::new(Ledger::default());
        let output = ledger.open("output", 0);
        let ending = ledger.receive(1).log(|| {
            // The output has read the record before it is counted, and ends because of it.
            output.take(1).dropped("closed", 1);
            let (ledger, (begun, wait)) = (Arc::clone(&ledger), std::sync::mpsc::channel());
            let ending = std::thread::spawn(move || {
                begun.send(()).unwrap();
                ledger.give_up("output", "closed");
            });
            wait.recv().unwrap();
            (1, ending)
        });
        ending.join().unwrap();
        assert_eq!(ledger.lines(), ["received=1 written=0 dropped{closed}=1"]);
    }

    #[test]
    fn what_a_panic_leaves_is_lost_and_nothing_counts_twice() {
        let ledger = Arc::new(Ledger::default());
        let output = ledger.open("output", 0);
        let inner = Arc::clone(&ledger);
        std::thread::spawn(move || {
            let mut receipt = inner.receive(5);
            receipt.logged(2);
            panic!("as a handler may");
        })
        .join()
        .unwrap_err();
        let mut run = output.take(2);
        run.written(9);
        drop(run);
        assert_eq!(ledger.intake().dropped.iter().collect::<Vec<_>>(), [("lost", 3)]);
        assert_eq!((output.counts().written, output.counts().buffered()), (2, 0));
    }

    #[test]
    fn reasons_are_bounded() {
        let mut reasons = Reasons::default();
        for reason in 0..1000 {
            reasons.add(&reason.to_string(), 1);
        }
        assert_eq!(reasons.total(), 1000);
        assert!(reasons.iter().count() <= MAX_REASONS + 1);
    }
}
