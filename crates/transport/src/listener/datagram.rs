//! Datagram listeners: UDP, which may push back into the kernel's buffer, and Unix datagrams, which may not.
//!
//! A stock sender on a Unix datagram socket blocks for good once eleven records wait, so that socket is
//! always read, whatever the handler does; what does not fit into a bounded queue is given up and counted.
use std::{
    collections::VecDeque,
    future::Future,
    io, mem,
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
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    handler::{FrameHandler, Panicked, contain, contain_future},
    shared::{Shared, Stop, lock, stopped},
};
use crate::{
    fault::Fault,
    source::{Peer, Source},
};

/// Datagrams read in a row before the handler gets them and other tasks get their turn.
const BATCH: usize = 256;
/// Room that is allocated at once; many small datagrams share it.
const ARENA: usize = 256 * 1024;
/// How often losses that have no moment of their own are reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long a draining socket is given to show that it has more.
const GRACE: Duration = Duration::from_millis(50);
/// Waits after a failed read: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// A datagram socket.
pub(super) trait Datagrams: Send + Sync + 'static {
    /// Waits until there is a datagram.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Receives one datagram into the spare capacity of `buffer`, without waiting.
    fn try_recv(&self, buffer: &mut BytesMut) -> io::Result<(usize, Peer)>;

    /// How many datagrams the kernel has dropped since the socket was made, if it tells.
    fn kernel_drops(&self) -> Option<u64>;
}

/// One sender's datagrams, in order.
struct Batch {
    peer: Peer,
    frames: Vec<Bytes>,
    bytes: usize,
}

/// Reads datagrams and sorts them by sender, keeping the order of each.
struct Reader<'a, D, H: FrameHandler> {
    socket: &'a D,
    shared: &'a Shared<H>,
    source: &'a Source,
    arena: BytesMut,
    drops_seen: u64,
}

impl<D: Datagrams, H: FrameHandler> Reader<'_, D, H> {
    /// Reads what is there, at most a batch. An empty answer means that nothing was there.
    fn read(&mut self, batches: &mut VecDeque<Batch>) -> io::Result<usize> {
        // One byte more than the longest frame, so that a longer datagram shows.
        let room = (self.shared.config.max_frame_len as usize)
            .saturating_add(PREFIX_LEN + 1)
            .clamp(2048, MAX_DATAGRAM);
        let mut read = 0;
        while read < BATCH {
            if self.arena.capacity() < room {
                self.arena = BytesMut::with_capacity(ARENA.max(room));
            }
            let (len, peer) = match self.socket.try_recv(&mut self.arena) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if read > 0 => break,
                Err(error) => return Err(error),
            };
            read += 1;
            let datagram = self.arena.split_to(len).freeze();
            match decode_datagram(datagram.clone(), self.shared.config.max_frame_len) {
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
                    // A copy, so that a report that is kept does not keep its neighbours.
                    let datagram = Bytes::copy_from_slice(&datagram);
                    let source = Source::new(self.source.listener().clone(), peer, 0);
                    self.shared.fault(&source, Fault::Malformed { declared, datagram, stranger });
                }
            }
        }
        Ok(read)
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

/// The longest datagram that any of the transports carries, and a byte more.
const MAX_DATAGRAM: usize = 1024 * 1024;

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
        match contain(|| self.shared.handler.connected(self.source)) {
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
            () = async { sleep_until(stopped(stop).await).await } => None,
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

    fn disconnect(&mut self) {
        if let Some(state) = self.state.take()
            && contain(|| self.shared.handler.disconnected(self.source, state)).is_err()
        {
            self.shared.fault(self.source, Fault::HandlerPanicked { frames: 0, bytes: 0 });
        }
    }
}

/// What is left when the time to drain is over.
fn drain_timeout(first: Option<Fault>, rest: impl IntoIterator<Item = Batch>) -> Fault {
    let (mut frames, mut bytes) = first.map_or((0, 0), |fault| (fault.frames(), fault.bytes()));
    for batch in rest {
        frames += batch.frames.len() as u64;
        bytes += batch.bytes as u64;
    }
    Fault::DrainTimeout { frames, bytes }
}

/// Serves a socket whose kernel buffer may fill: read, deliver, read.
pub(super) async fn serve_direct<D: Datagrams, H: FrameHandler>(
    socket: D,
    shared: Arc<Shared<H>>,
    source: Source,
    mut stop: Stop,
) {
    let mut deliverer = Deliverer::new(&shared, &source);
    let mut reader =
        Reader { socket: &socket, shared: &shared, source: &source, arena: BytesMut::new(), drops_seen: 0 };
    reader.drops_seen = socket.kernel_drops().unwrap_or(0);
    let mut batches = VecDeque::new();
    let mut drain: Option<Instant> = None;
    let mut grace = true;
    let mut retry = RETRY.0;
    let mut report = Instant::now() + REPORT_EVERY;
    loop {
        match reader.read(&mut batches) {
            Ok(0) => {
                if let Some(deadline) = drain {
                    if !mem::take(&mut grace) {
                        break;
                    }
                    let until = deadline.min(Instant::now() + GRACE);
                    if !matches!(timeout_at(until, socket.readable()).await, Ok(Ok(()))) {
                        break;
                    }
                } else {
                    // Without traffic the arena goes back.
                    reader.arena = BytesMut::new();
                    tokio::select! {
                        biased;
                        ready = socket.readable() => {
                            if ready.is_err() {
                                sleep(retry).await;
                            }
                        }
                        deadline = stopped(&mut stop) => drain = Some(deadline),
                        () = sleep_until(report) => {}
                    }
                }
            }
            Ok(_) => {
                retry = RETRY.0;
                while let Some(batch) = batches.pop_front() {
                    if let Err(fault) = deliverer.deliver(batch, &mut stop).await {
                        shared.counts.undrained.fetch_add(1, Ordering::Relaxed);
                        shared.fault(&source, drain_timeout(Some(fault), batches.drain(..)));
                        deliverer.disconnect();
                        reader.report_drops();
                        return;
                    }
                }
                if drain.is_some_and(|deadline| Instant::now() >= deadline) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            Err(error) => {
                shared.fault(&source, Fault::Receive { error, retry_in: retry });
                tokio::select! {
                    () = sleep(retry) => {}
                    deadline = stopped(&mut stop) => drain = Some(deadline),
                }
                retry = (retry * 2).min(RETRY.1);
                if drain.is_some() {
                    break;
                }
            }
        }
        let now = Instant::now();
        if now >= report {
            report = now + REPORT_EVERY;
            reader.report_drops();
        }
    }
    reader.report_drops();
    deliverer.disconnect();
}

/// Between the task that reads and the task that delivers.
#[derive(Default)]
struct Queue {
    batches: Mutex<(VecDeque<Batch>, usize, usize)>,
    ready: Notify,
    closed: AtomicBool,
}

impl Queue {
    /// Takes what fits, and says what does not.
    fn push(&self, batches: &mut VecDeque<Batch>, max_frames: usize, max_bytes: usize) -> (u64, u64) {
        let mut lost = (0, 0);
        {
            let mut queue = lock(&self.batches);
            for mut batch in batches.drain(..) {
                let room = max_frames.saturating_sub(queue.1);
                let mut bytes = 0;
                let mut fit = 0;
                for frame in batch.frames.iter().take(room) {
                    // A frame costs its entry in the list too, so that empty ones are not free.
                    if queue.2 + bytes + frame.len() > max_bytes {
                        break;
                    }
                    bytes += frame.len();
                    fit += 1;
                }
                for frame in batch.frames.drain(fit..) {
                    lost.0 += 1;
                    lost.1 += (frame.len() + PREFIX_LEN) as u64;
                }
                if fit > 0 {
                    batch.bytes = bytes;
                    queue.1 += fit;
                    queue.2 += bytes;
                    queue.0.push_back(batch);
                }
            }
        }
        self.ready.notify_one();
        lost
    }

    fn pop(&self) -> Option<Batch> {
        let mut queue = lock(&self.batches);
        let batch = queue.0.pop_front()?;
        queue.1 -= batch.frames.len();
        queue.2 -= batch.bytes;
        Some(batch)
    }
}

/// Serves a socket that must always be read: one task reads, this one delivers.
pub(super) async fn serve_queued<D: Datagrams, H: FrameHandler>(
    socket: D,
    shared: Arc<Shared<H>>,
    source: Source,
    mut stop: Stop,
) {
    let queue = Arc::new(Queue::default());
    // A task of its own, so that a handler that blocks its thread cannot keep the socket from being read.
    let mut reader = JoinSet::new();
    reader.spawn(fill(socket, Arc::clone(&shared), source.clone(), stop.clone(), Arc::clone(&queue)));
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
    let rest = drain_timeout(timed_out, std::iter::from_fn(|| queue.pop()));
    if rest.frames() > 0 {
        shared.counts.undrained.fetch_add(1, Ordering::Relaxed);
        shared.fault(&source, rest);
    }
    deliverer.disconnect();
}

/// Reads a socket into a queue until it is told to stop and nothing more is there.
async fn fill<D: Datagrams, H: FrameHandler>(
    socket: D,
    shared: Arc<Shared<H>>,
    source: Source,
    mut stop: Stop,
    queue: Arc<Queue>,
) {
    let config = &shared.config;
    let mut reader =
        Reader { socket: &socket, shared: &shared, source: &source, arena: BytesMut::new(), drops_seen: 0 };
    let mut batches = VecDeque::new();
    let mut lost = (0, 0);
    let mut drain: Option<Instant> = None;
    let mut grace = true;
    let mut retry = RETRY.0;
    let mut report = Instant::now();
    loop {
        match reader.read(&mut batches) {
            Ok(0) => {
                if let Some(deadline) = drain {
                    if !mem::take(&mut grace) {
                        break;
                    }
                    let until = deadline.min(Instant::now() + GRACE);
                    if !matches!(timeout_at(until, socket.readable()).await, Ok(Ok(()))) {
                        break;
                    }
                } else {
                    reader.arena = BytesMut::new();
                    tokio::select! {
                        biased;
                        ready = socket.readable() => {
                            if ready.is_err() {
                                sleep(retry).await;
                            }
                        }
                        deadline = stopped(&mut stop) => drain = Some(deadline),
                        () = sleep_until(report), if lost.0 > 0 => {}
                    }
                }
            }
            Ok(_) => {
                retry = RETRY.0;
                let more =
                    queue.push(&mut batches, config.datagram_queue_frames, config.datagram_queue_bytes);
                lost.0 += more.0;
                lost.1 += more.1;
                if drain.is_some_and(|deadline| Instant::now() >= deadline) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            Err(error) => {
                shared.fault(&source, Fault::Receive { error, retry_in: retry });
                sleep(retry).await;
                retry = (retry * 2).min(RETRY.1);
                if stop.borrow().is_some() {
                    break;
                }
            }
        }
        // The first loss is reported at once, later ones once a second with their sum.
        let now = Instant::now();
        if lost.0 > 0 && now >= report {
            report = now + REPORT_EVERY;
            let (frames, bytes) = mem::take(&mut lost);
            shared.fault(&source, Fault::GivenUp { frames, bytes });
        }
    }
    if lost.0 > 0 {
        shared.fault(&source, Fault::GivenUp { frames: lost.0, bytes: lost.1 });
    }
    queue.closed.store(true, Ordering::Release);
    queue.ready.notify_one();
}
