//! Datagram listeners: UDP, which may push back into the kernel's buffer, and Unix datagrams, which may not.
//!
//! A stock sender on a Unix datagram socket blocks for good once eleven records wait, so that socket is
//! always read, whatever the handler does; what does not fit into a bounded queue is given up and counted.
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::{
    collections::VecDeque,
    future::Future,
    io, mem,
    ops::ControlFlow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use logrecord_frame::{PREFIX_LEN, Stranger, decode_datagram};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

#[cfg(unix)]
use super::pass::Part;
use super::{
    handler::{FrameHandler, Panicked, contain, contain_future},
    lock::lock,
    replies::Replies,
    shared::{Order, Shared, Stop, Stopping, drained, ordered, unpaused},
};
use crate::{
    fault::Fault,
    source::{Peer, Source},
};

/// Datagrams read in a row before the handler gets them and other tasks get their turn.
const BATCH: usize = 256;
/// How often losses that have no moment of their own are reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long a draining socket is given to show that it has more.
const GRACE: Duration = Duration::from_millis(50);
/// Waits after a failed read: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// The longest datagram that any of the transports carries, and a byte more.
const MAX_DATAGRAM: usize = 1024 * 1024;
/// What a frame costs in memory beside its bytes: its entry in the list, and the allocation.
const FRAME_COST: usize = 64;
/// What a batch costs in memory beside its frames.
const BATCH_COST: usize = 192;

/// A datagram socket.
pub(super) trait Datagrams: Send + Sync + 'static {
    /// Waits until there is a datagram.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Receives one datagram into the spare capacity of `buffer`, without waiting.
    fn try_recv(&self, buffer: &mut BytesMut) -> io::Result<(usize, Peer)>;

    /// The same socket once more, for another process.
    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd>;

    /// Whether the kernel says how many datagrams it drops.
    fn tells_drops(&self) -> bool;

    /// How many datagrams the kernel has dropped since the socket was made, if it tells.
    fn kernel_drops(&self) -> Option<u64>;
}

/// One sender's datagrams, in order.
struct Batch {
    peer: Peer,
    frames: Vec<Bytes>,
    bytes: usize,
}

impl Batch {
    /// What it takes of the memory.
    const fn cost(&self) -> usize {
        BATCH_COST + self.bytes + FRAME_COST * self.frames.len()
    }
}

/// Reads datagrams and sorts them by sender, keeping the order of each.
struct Reader<'a, D, H: FrameHandler> {
    socket: &'a D,
    shared: &'a Shared<H>,
    source: &'a Source,
    /// What the socket writes into. Each datagram is copied out, so that a frame that is kept keeps no more
    /// than itself.
    buffer: BytesMut,
    drops_seen: u64,
}

impl<'a, D: Datagrams, H: FrameHandler> Reader<'a, D, H> {
    fn new(socket: &'a D, shared: &'a Shared<H>, source: &'a Source) -> Self {
        let drops_seen = socket.kernel_drops().unwrap_or(0);
        Self { socket, shared, source, buffer: BytesMut::new(), drops_seen }
    }

    /// Reads what is there, at most a batch. An empty answer means that nothing was there.
    fn read(&mut self, batches: &mut VecDeque<Batch>) -> io::Result<usize> {
        // One byte more than the longest frame, so that a longer datagram shows.
        let max_len = self.shared.config.get().max_frame_len;
        let room = (max_len as usize).saturating_add(PREFIX_LEN + 1).clamp(2048, MAX_DATAGRAM);
        if self.buffer.capacity() < room {
            self.buffer = BytesMut::with_capacity(room);
        }
        let mut read = 0;
        while read < BATCH {
            self.buffer.clear();
            let (len, peer) = match self.socket.try_recv(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if read > 0 => break,
                Err(error) => return Err(error),
            };
            read += 1;
            let datagram = Bytes::copy_from_slice(self.buffer.get(..len).unwrap_or_default());
            match decode_datagram(datagram.clone(), max_len) {
                // A frame of no bytes carries nothing.
                Ok(frame) if frame.is_empty() => {}
                Ok(frame) => {
                    self.shared.counts.frames.fetch_add(1, Ordering::Relaxed);
                    self.shared.counts.bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
                    let len = frame.len();
                    match batches.back_mut() {
                        Some(batch) if batch.peer == peer && batch.frames.len() < BATCH => {
                            batch.frames.push(frame);
                            batch.bytes += len;
                        }
                        _ => batches.push_back(Batch { peer, frames: vec![frame], bytes: len }),
                    }
                }
                Err(_) => {
                    let declared = datagram.first_chunk().map(|prefix| u32::from_be_bytes(*prefix));
                    let stranger = Stranger::identify(&datagram);
                    let source = Source::new(self.source.listener().clone(), peer, 0);
                    self.shared.fault(&source, Fault::Malformed { declared, datagram, stranger });
                }
            }
        }
        Ok(read)
    }

    /// Whether the kernel says how many datagrams it drops.
    fn tells_drops(&self) -> bool {
        self.socket.tells_drops()
    }

    fn report_drops(&mut self) {
        let Some(drops) = self.socket.kernel_drops() else { return };
        let new = drops.wrapping_sub(self.drops_seen);
        // The kernel's counter has 32 bits on some systems; a step backwards is its wrap or a new socket.
        if new > 0 && new < u64::from(u32::MAX) {
            self.shared.fault(self.source, Fault::KernelDrops { datagrams: new });
        }
        self.drops_seen = drops;
    }
}

/// Hands batches to the handler, one after another.
struct Deliverer<'a, H: FrameHandler> {
    shared: &'a Shared<H>,
    source: &'a Source,
    state: Option<H::Connection>,
    last: Option<Source>,
}

impl<H: FrameHandler> Deliverer<'_, H> {
    fn new<'a>(shared: &'a Shared<H>, source: &'a Source) -> Deliverer<'a, H> {
        let mut deliverer = Deliverer { shared, source, state: None, last: None };
        deliverer.connect();
        deliverer
    }

    fn connect(&mut self) {
        match contain(|| self.shared.handler.connected(self.source, Replies::none())) {
            Ok(state) => self.state = Some(state),
            Err(Panicked) => self.shared.fault(self.source, Fault::HandlerPanicked { frames: 0, bytes: 0 }),
        }
    }

    async fn deliver(&mut self, batch: Batch, stop: &mut Stop) -> Result<(), Fault> {
        let Batch { peer, mut frames, bytes } = batch;
        let source = match self.last.take() {
            Some(source) if *source.peer() == peer => source,
            _ => Source::new(self.source.listener().clone(), peer, 0),
        };
        let (count, bytes) = (frames.len() as u64, bytes as u64);
        if self.state.is_none() {
            self.connect();
        }
        let handler = &self.shared.handler;
        let Some(state) = &mut self.state else {
            self.shared.fault(&source, Fault::HandlerPanicked { frames: count, bytes });
            return Ok(());
        };
        let call = contain_future(async { handler.frames(state, &source, &mut frames).await });
        let outcome = tokio::select! {
            biased;
            outcome = call => Some(outcome),
            () = drained(stop) => None,
        };
        match outcome {
            Some(Ok(_)) => {}
            Some(Err(Panicked)) => {
                self.shared.fault(&source, Fault::HandlerPanicked { frames: count, bytes });
                // What the handler kept may be half changed. It begins anew, as on a new connection.
                self.disconnect();
                self.connect();
            }
            None => return Err(Fault::DrainTimeout { frames: count, bytes }),
        }
        self.last = Some(source);
        Ok(())
    }

    /// Reports what is left when the time to drain is over.
    fn undelivered(&self, first: Option<Fault>, rest: impl IntoIterator<Item = Batch>) {
        let (mut frames, mut bytes) = first.map_or((0, 0), |fault| (fault.frames(), fault.bytes()));
        for batch in rest {
            frames += batch.frames.len() as u64;
            bytes += batch.bytes as u64;
        }
        if frames > 0 {
            self.shared.counts.undrained.fetch_add(1, Ordering::Relaxed);
            self.shared.fault(self.source, Fault::DrainTimeout { frames, bytes });
        }
    }

    fn disconnect(&mut self) {
        if let Some(state) = self.state.take()
            && contain(|| self.shared.handler.disconnected(self.source, state)).is_err()
        {
            self.shared.fault(self.source, Fault::HandlerPanicked { frames: 0, bytes: 0 });
        }
    }
}

/// Where the batches go that were read.
trait Outlet: Send {
    /// Takes what was read. `Break` ends the reading: the handler's time is over.
    fn take(
        &mut self,
        batches: &mut VecDeque<Batch>,
        stop: &mut Stop,
    ) -> impl Future<Output = ControlFlow<()>> + Send;

    /// Waits until everything that was taken is delivered.
    fn settled(&mut self) -> impl Future<Output = ()> + Send;

    /// Whether there is something to report.
    fn has_report(&self) -> bool;

    /// Reports what could not be taken since the last time.
    fn report(&mut self);
}

/// Reads until told to stop and nothing more is there, or the time to read is over.
async fn pump<D: Datagrams, H: FrameHandler>(
    reader: &mut Reader<'_, D, H>,
    outlet: &mut impl Outlet,
    stop: &mut Stop,
    file: impl Send,
) {
    let mut file = Some(file);
    let mut batches = VecDeque::new();
    let mut stopping: Option<Stopping> = None;
    let mut grace = true;
    let mut retry = RETRY.0;
    let mut report = Instant::now();
    loop {
        let order = stop.borrow().clone();
        match order {
            Order::Pause(pause) => {
                if pause.reads_on()
                    && matches!(timeout(GRACE, reader.socket.readable()).await, Ok(Ok(())))
                    && matches!(reader.read(&mut batches), Ok(read) if read > 0)
                {
                    if outlet.take(&mut batches, stop).await.is_break() {
                        break;
                    }
                    continue;
                }
                tokio::select! {
                    () = outlet.settled() => {}
                    () = unpaused(stop) => continue,
                }
                #[cfg(unix)]
                if let Some(socket) = reader.socket.duplicate() {
                    pause.report(Part::Listener(socket)).await;
                }
                drop(pause);
                unpaused(stop).await;
                continue;
            }
            Order::Leave => {
                // The socket has a new owner, and so has what makes it found.
                mem::forget(file.take());
                break;
            }
            Order::Serve | Order::Drain(_) => {}
        }
        match reader.read(&mut batches) {
            Ok(0) => {
                if let Some(Stopping { read_by, .. }) = stopping {
                    if !mem::take(&mut grace) {
                        break;
                    }
                    let until = read_by.min(Instant::now() + GRACE);
                    if !matches!(timeout_at(until, reader.socket.readable()).await, Ok(Ok(()))) {
                        break;
                    }
                } else {
                    // Without traffic the memory goes back.
                    reader.buffer = BytesMut::new();
                    let reports = reader.tells_drops() || outlet.has_report();
                    tokio::select! {
                        biased;
                        ready = reader.socket.readable() => {
                            if ready.is_err() {
                                sleep(retry).await;
                            }
                        }
                        order = ordered(stop) => stopping = order.stopping(),
                        () = sleep_until(report), if reports => {}
                    }
                }
            }
            Ok(_) => {
                retry = RETRY.0;
                if outlet.take(&mut batches, stop).await.is_break()
                    || stopping.is_some_and(|stopping| Instant::now() >= stopping.read_by)
                {
                    break;
                }
                tokio::task::yield_now().await;
            }
            Err(error) => {
                reader.shared.fault(reader.source, Fault::Receive { error, retry_in: retry });
                if stopping.is_some() {
                    break;
                }
                tokio::select! {
                    () = sleep(retry) => {}
                    order = ordered(stop) => stopping = order.stopping(),
                }
                retry = (retry * 2).min(RETRY.1);
            }
        }
        if stopping.is_some() {
            // Nobody is to find the socket any more; what is in it is read.
            drop(file.take());
        }
        // The first loss is reported at once, later ones once a second with their sum.
        let now = Instant::now();
        if now >= report {
            report = now + REPORT_EVERY;
            reader.report_drops();
            outlet.report();
        }
    }
    reader.report_drops();
    outlet.report();
}

impl<H: FrameHandler> Outlet for Deliverer<'_, H> {
    async fn take(&mut self, batches: &mut VecDeque<Batch>, stop: &mut Stop) -> ControlFlow<()> {
        while let Some(batch) = batches.pop_front() {
            if let Err(fault) = self.deliver(batch, stop).await {
                self.undelivered(Some(fault), batches.drain(..));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    async fn settled(&mut self) {
        // What is taken is delivered before the next is read.
    }

    fn has_report(&self) -> bool {
        false
    }

    fn report(&mut self) {}
}

/// Serves a socket whose kernel buffer may fill: read, deliver, read.
pub(super) async fn serve_direct<D: Datagrams, H: FrameHandler>(
    socket: D,
    shared: Arc<Shared<H>>,
    source: Source,
    mut stop: Stop,
) {
    let mut deliverer = Deliverer::new(&shared, &source);
    pump(&mut Reader::new(&socket, &shared, &source), &mut deliverer, &mut stop, ()).await;
    deliverer.disconnect();
}

/// Between the task that reads and the task that delivers.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    ready: Notify,
    /// All that was in it is delivered.
    empty: Notify,
    closed: AtomicBool,
}

impl Waiting {
    fn is_settled(&self) -> bool {
        self.batches.is_empty() && !self.busy
    }
}

/// What the queue holds.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    frames: usize,
    /// Whether the last one that was taken is being delivered.
    busy: bool,
    /// Their memory, and not their bytes alone, so that empty frames are not free.
    cost: usize,
}

impl Queue {
    /// Takes what fits, and says how many frames and bytes do not.
    fn push(&self, batches: &mut VecDeque<Batch>, max_frames: usize, max_bytes: usize) -> (u64, u64) {
        let mut lost = (0, 0);
        {
            let mut waiting = lock(&self.waiting);
            for mut batch in batches.drain(..) {
                let room = max_frames.saturating_sub(waiting.frames);
                let mut cost = waiting.cost + BATCH_COST;
                let fit = batch.frames.iter().take(room).take_while(|frame| {
                    cost += FRAME_COST + frame.len();
                    cost <= max_bytes
                });
                let fit = fit.count();
                for frame in batch.frames.drain(fit..) {
                    lost.0 += 1;
                    lost.1 += (frame.len() + PREFIX_LEN) as u64;
                    batch.bytes -= frame.len();
                }
                if fit > 0 {
                    waiting.frames += fit;
                    waiting.cost += batch.cost();
                    waiting.batches.push_back(batch);
                }
            }
        }
        self.ready.notify_one();
        lost
    }

    fn pop(&self) -> Option<Batch> {
        let mut waiting = lock(&self.waiting);
        let Some(batch) = waiting.batches.pop_front() else {
            waiting.busy = false;
            self.empty.notify_waiters();
            return None;
        };
        waiting.busy = true;
        waiting.frames -= batch.frames.len();
        waiting.cost -= batch.cost();
        Some(batch)
    }
}

impl Queue {
    /// Waits until all that was put into it is delivered.
    async fn settled(&self) {
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            empty.as_mut().enable();
            if lock(&self.waiting).is_settled() {
                return;
            }
            empty.await;
        }
    }
}

/// Serves a socket that must always be read: one task reads, this one delivers.
pub(super) async fn serve_queued<D: Datagrams, H: FrameHandler>(
    socket: D,
    shared: Arc<Shared<H>>,
    source: Source,
    mut stop: Stop,
    file: impl Send + 'static,
) {
    let queue = Arc::new(Queue::default());
    // A task of its own, so that a handler that blocks its thread cannot keep the socket from being read.
    let mut reader = JoinSet::new();
    reader.spawn(fill(socket, Arc::clone(&shared), source.clone(), stop.clone(), Arc::clone(&queue), file));
    let mut deliverer = Deliverer::new(&shared, &source);
    let mut timed_out = None;
    loop {
        let ready = queue.ready.notified();
        let Some(batch) = queue.pop() else {
            if queue.closed.load(Ordering::Acquire) {
                break;
            }
            ready.await;
            continue;
        };
        if let Err(fault) = deliverer.deliver(batch, &mut stop).await {
            timed_out = Some(fault);
            break;
        }
        tokio::task::yield_now().await;
    }
    while reader.join_next().await.is_some() {}
    deliverer.undelivered(timed_out, std::iter::from_fn(|| queue.pop()));
    deliverer.disconnect();
}

/// Reads a socket into a queue until it is told to stop and nothing more is there.
async fn fill<D: Datagrams, H: FrameHandler>(
    socket: D,
    shared: Arc<Shared<H>>,
    source: Source,
    mut stop: Stop,
    queue: Arc<Queue>,
    file: impl Send,
) {
    let mut filler = Filler { shared: &shared, source: &source, queue: &queue, lost: (0, 0) };
    pump(&mut Reader::new(&socket, &shared, &source), &mut filler, &mut stop, file).await;
    queue.closed.store(true, Ordering::Release);
    queue.ready.notify_one();
}

/// Puts batches into the queue, and counts what finds no room.
struct Filler<'a, H: FrameHandler> {
    shared: &'a Shared<H>,
    source: &'a Source,
    queue: &'a Queue,
    /// Frames and bytes since the last report.
    lost: (u64, u64),
}

impl<H: FrameHandler> Outlet for Filler<'_, H> {
    async fn take(&mut self, batches: &mut VecDeque<Batch>, _: &mut Stop) -> ControlFlow<()> {
        let config = self.shared.config.get();
        let lost = self.queue.push(batches, config.datagram_queue_frames, config.datagram_queue_bytes);
        self.lost.0 += lost.0;
        self.lost.1 += lost.1;
        ControlFlow::Continue(())
    }

    async fn settled(&mut self) {
        self.queue.settled().await;
    }

    fn has_report(&self) -> bool {
        self.lost.0 > 0
    }

    fn report(&mut self) {
        let (frames, bytes) = mem::take(&mut self.lost);
        if frames > 0 {
            self.shared.fault(self.source, Fault::Overflow { frames, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(frames: usize, len: usize) -> Batch {
        let frames = vec![Bytes::from(vec![0; len]); frames];
        Batch { peer: Peer::Unnamed, bytes: frames.len() * len, frames }
    }

    #[test]
    fn the_queue_counts_memory_and_not_bytes_alone() {
        // (frames of a batch, their length, batches, most frames, most bytes) and how many are kept.
        let rows = [
            (10, 100, 3, 25, usize::MAX, 25),
            (10, 100, 3, 100, 2 * (BATCH_COST + 10 * (FRAME_COST + 100)), 20),
            // Frames of no bytes cost their entry, and a batch of one frame costs the batch.
            (100, 0, 1, 1000, BATCH_COST + 50 * FRAME_COST, 50),
            (1, 0, 100, 1000, 50 * (BATCH_COST + FRAME_COST), 50),
        ];
        for (frames, len, batches, max_frames, max_bytes, kept) in rows {
            let queue = Queue::default();
            let mut pushed: VecDeque<_> = (0..batches).map(|_| batch(frames, len)).collect();
            let lost = queue.push(&mut pushed, max_frames, max_bytes);
            let popped: usize = std::iter::from_fn(|| queue.pop()).map(|batch| batch.frames.len()).sum();
            assert_eq!((popped, lost.0 as usize), (kept, frames * batches - kept));
            assert_eq!(lost.1 as usize, (frames * batches - kept) * (len + PREFIX_LEN));
            let waiting = lock(&queue.waiting);
            assert_eq!((waiting.frames, waiting.cost), (0, 0));
        }
    }
}
