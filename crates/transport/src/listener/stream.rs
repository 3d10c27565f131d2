//! One connection of a stream listener: read, find frames, hand them over, watch the clock.
//!
//! The task waits for readability before it takes any buffer, so an idle connection holds none. It reads
//! with a buffer of its thread: a large read is handed on as it is, a small one is copied out so that a few
//! bytes never keep a large buffer alive. Time is the monotonic clock's; the wall clock is never asked.
use std::{
    cell::RefCell,
    future::Future,
    io, mem,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use logrecord_frame::{FrameDecoder, Stranger};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    handler::{FrameHandler, Panicked, Verdict, contain, contain_future},
    shared::{PeerSlot, Share, Shared, Stop, stopped},
};
use crate::{fault::Fault, source::Source};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// A read of at least this much is handed on without a copy; below it a copy costs less than the memory
/// that the rest of the buffer would hold.
const KEEP: usize = CHUNK / 4;
/// Frames handed over in one call.
const BATCH: usize = 256;
/// Reads in a row before other tasks get their turn.
const READS_PER_TURN: u32 = 4;
/// How long a draining connection is given to show that it has more.
const GRACE: Duration = Duration::from_millis(50);

/// A byte stream that says when it can be read, and is read without waiting.
pub(super) trait Stream: Send + 'static {
    /// Waits until a read would give something.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Reads into the spare capacity of `buffer` without waiting.
    fn try_read(&mut self, buffer: &mut BytesMut) -> io::Result<usize>;
}

impl Stream for TcpStream {
    async fn readable(&self) -> io::Result<()> {
        Self::readable(self).await
    }

    fn try_read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.try_read_buf(buffer)
    }
}

#[cfg(unix)]
impl Stream for tokio::net::UnixStream {
    async fn readable(&self) -> io::Result<()> {
        Self::readable(self).await
    }

    fn try_read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.try_read_buf(buffer)
    }
}

thread_local! {
    /// The buffer into which this thread reads next. It is never held across an await.
    static NEXT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Reads what is there, at most a chunk. Empty means the end of the stream.
fn read_chunk<S: Stream>(stream: &mut S) -> io::Result<Bytes> {
    NEXT.with_borrow_mut(|buffer| {
        buffer.clear();
        if buffer.capacity() < CHUNK {
            *buffer = BytesMut::with_capacity(CHUNK);
        }
        let read = stream.try_read(buffer)?;
        if read >= KEEP {
            Ok(mem::take(buffer).freeze())
        } else {
            Ok(Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default()))
        }
    })
}

/// Gives a chunk's memory back to the thread, if nobody holds any of it.
fn recycle(chunk: Bytes) {
    if chunk.len() < KEEP {
        return;
    }
    if let Ok(mut buffer) = chunk.try_into_mut() {
        buffer.clear();
        if buffer.capacity() >= CHUNK {
            NEXT.with_borrow_mut(|next| {
                if next.capacity() < CHUNK {
                    *next = buffer;
                }
            });
        }
    }
}

/// Why a connection ends: quietly, or with something to report.
type End = Option<Fault>;

/// One accepted connection and what its task needs.
pub(super) struct Connection<S, H: FrameHandler> {
    pub(super) stream: S,
    pub(super) source: Source,
    pub(super) shared: Arc<Shared<H>>,
    pub(super) slot: Option<PeerSlot>,
    pub(super) stop: Stop,
}

impl<S: Stream, H: FrameHandler> Connection<S, H> {
    /// Serves the connection to its end.
    pub(super) async fn run(self) {
        let Self { mut stream, source, shared, slot, mut stop } = self;
        let handler = &shared.handler;
        let Ok(mut state) = contain(|| handler.connected(&source)) else {
            shared.fault(&source, Fault::HandlerPanicked { frames: 0, bytes: 0 });
            return;
        };
        let share = Share::new(&shared.flight, slot.as_ref().map(|slot| &slot.state.flight));
        let mut pump = Pump {
            source: &source,
            shared: &shared,
            share,
            decoder: FrameDecoder::with_max_frame_len(shared.config.max_frame_len),
            frames: Vec::new(),
            authenticate_by: None,
            frame_by: None,
        };
        let end = pump.run(&mut stream, &mut state, &mut stop).await;
        drop(pump);
        if let Some(fault) = end {
            shared.fault(&source, fault);
        }
        if contain(|| handler.disconnected(&source, state)).is_err() {
            shared.fault(&source, Fault::HandlerPanicked { frames: 0, bytes: 0 });
        }
    }
}

struct Pump<'a, H: FrameHandler> {
    source: &'a Source,
    shared: &'a Shared<H>,
    share: Share<'a>,
    decoder: FrameDecoder,
    frames: Vec<Bytes>,
    /// As long as no frame has been accepted and one has to be.
    authenticate_by: Option<Instant>,
    /// As long as a frame is begun and not complete.
    frame_by: Option<Instant>,
}

impl<H: FrameHandler> Pump<'_, H> {
    async fn run<S: Stream>(&mut self, stream: &mut S, state: &mut H::Connection, stop: &mut Stop) -> End {
        let config = &self.shared.config;
        match contain(|| self.shared.handler.is_authenticated(state)) {
            Ok(true) => {}
            Ok(false) => self.authenticate_by = Some(Instant::now() + config.authentication_timeout),
            Err(Panicked) => return Some(self.panicked(0, 0)),
        }
        let mut active = Instant::now();
        let mut drain: Option<Instant> = None;
        let mut grace = true;
        let mut reads = 0;
        loop {
            if self.share.is_handed_full() {
                let before = Instant::now();
                let waited = match drain {
                    Some(deadline) => timeout_at(deadline, self.share.handed_room()).await.is_ok(),
                    None => {
                        tokio::select! {
                            biased;
                            () = self.share.handed_room() => {}
                            deadline = stopped(stop) => drain = Some(deadline),
                        }
                        true
                    }
                };
                if !waited {
                    return Some(self.drain_timeout(0, 0));
                }
                // The peer is not to blame for time in which nobody read.
                self.postpone(before.elapsed());
                continue;
            }
            if self.share.is_held_full() {
                // The frame's clock runs on: if it did not, a crowd of begun frames would wait for each other.
                let wake = [self.frame_by, drain].into_iter().flatten().min();
                tokio::select! {
                    biased;
                    () = self.share.held_room() => {}
                    deadline = stopped(stop), if drain.is_none() => drain = Some(deadline),
                    () = sleep_until(wake.unwrap_or(active)), if wake.is_some() => {
                        let now = Instant::now();
                        if let Some(fault) = self.overdue(now) {
                            return Some(fault);
                        }
                        if drain.is_some_and(|deadline| now >= deadline) {
                            return Some(self.drain_timeout(0, 0));
                        }
                    }
                }
                continue;
            }
            match read_chunk(stream) {
                Ok(chunk) if chunk.is_empty() => return self.ended(),
                Ok(chunk) => {
                    if let Err(end) = self.deliver(chunk, state, stop).await {
                        return end;
                    }
                    active = Instant::now();
                    if let Some(fault) = self.overdue(active) {
                        return Some(fault);
                    }
                    if drain.is_some_and(|deadline| active >= deadline) {
                        return Some(self.drain_timeout(0, 0));
                    }
                    reads += 1;
                    if reads >= READS_PER_TURN {
                        reads = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    reads = 0;
                    // An idle connection holds no list either.
                    self.frames = Vec::new();
                    if let Some(deadline) = drain {
                        // The socket gets one moment to say that there is something after all (its readiness
                        // may not have been looked at yet), and a frame that has begun gets another.
                        let mid = self.decoder.is_mid_frame();
                        if !grace && !mid {
                            return None;
                        }
                        grace = false;
                        let until = deadline.min(Instant::now() + GRACE);
                        match timeout_at(until, stream.readable()).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => return Some(self.broken(error)),
                            Err(_) => return self.ended(),
                        }
                        continue;
                    }
                    let idle_by = match config.idle_timeout {
                        Some(limit) if self.frame_by.is_none() => active.checked_add(limit),
                        _ => None,
                    };
                    let wake = [self.frame_by, self.authenticate_by, idle_by].into_iter().flatten().min();
                    tokio::select! {
                        biased;
                        ready = stream.readable() => {
                            if let Err(error) = ready {
                                return Some(self.broken(error));
                            }
                        }
                        deadline = stopped(stop) => drain = Some(deadline),
                        () = sleep_until(wake.unwrap_or(active)), if wake.is_some() => {
                            let now = Instant::now();
                            if let Some(fault) = self.overdue(now) {
                                return Some(fault);
                            }
                            if idle_by.is_some_and(|by| now >= by) {
                                return Some(Fault::IdleTimeout);
                            }
                        }
                    }
                }
                Err(error) => return Some(self.broken(error)),
            }
        }
    }

    /// Finds the whole frames behind `chunk` and hands them over.
    async fn deliver(&mut self, chunk: Bytes, state: &mut H::Connection, stop: &mut Stop) -> Result<(), End> {
        let counts = &self.shared.counts;
        let kept = if chunk.len() >= KEEP { chunk.clone() } else { Bytes::new() };
        self.decoder.feed(chunk);
        let mut completed = false;
        loop {
            let mut bytes = 0;
            let mut more = true;
            let mut refused = None;
            while self.frames.len() < BATCH {
                match self.decoder.next_frame() {
                    Ok(Some(frame)) => {
                        bytes += frame.len() as u64;
                        self.frames.push(frame);
                    }
                    Ok(None) => {
                        more = false;
                        break;
                    }
                    Err(error) => {
                        refused = Some(error.found());
                        break;
                    }
                }
            }
            if !self.frames.is_empty() {
                completed = true;
                let count = self.frames.len() as u64;
                let handed =
                    usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(self.decoder.buffered());
                self.share.set_held(0);
                self.share.set_handed(handed);
                counts.frames.fetch_add(count, Ordering::Relaxed);
                counts.bytes.fetch_add(bytes, Ordering::Relaxed);
                let before = Instant::now();
                let outcome = {
                    let handler = &self.shared.handler;
                    let (source, frames) = (self.source, &mut self.frames);
                    let call = contain_future(async { handler.frames(state, source, frames).await });
                    tokio::select! {
                        biased;
                        outcome = call => Some(outcome),
                        () = async { sleep_until(stopped(stop).await).await } => None,
                    }
                };
                self.postpone(before.elapsed());
                self.frames.clear();
                match outcome {
                    Some(Ok(Verdict::Continue)) => {}
                    Some(Ok(Verdict::Close)) => return Err(self.closed()),
                    Some(Err(Panicked)) => return Err(Some(self.panicked(count, bytes))),
                    None => return Err(Some(self.drain_timeout(count, bytes))),
                }
                if self.authenticate_by.is_some() {
                    match contain(|| self.shared.handler.is_authenticated(state)) {
                        Ok(true) => self.authenticate_by = None,
                        Ok(false) => {}
                        Err(Panicked) => return Err(Some(self.panicked(0, 0))),
                    }
                }
            }
            if let Some(declared) = refused {
                let head = Bytes::copy_from_slice(self.decoder.rejected());
                return Err(Some(Fault::Oversized { declared, stranger: Stranger::identify(&head), head }));
            }
            if !more {
                break;
            }
        }
        self.share.set_handed(0);
        self.share.set_held(self.decoder.buffered());
        if !self.decoder.is_mid_frame() {
            self.frame_by = None;
        } else if completed || self.frame_by.is_none() {
            self.frame_by =
                self.shared.config.frame_timeout.and_then(|limit| Instant::now().checked_add(limit));
        }
        recycle(kept);
        Ok(())
    }

    fn postpone(&mut self, by: Duration) {
        for deadline in [&mut self.frame_by, &mut self.authenticate_by].into_iter().flatten() {
            *deadline += by;
        }
    }

    fn overdue(&self, now: Instant) -> Option<Fault> {
        if self.frame_by.is_some_and(|by| now >= by) {
            return Some(Fault::FrameTimeout { declared: self.decoder.declared(), partial: self.partial() });
        }
        if self.authenticate_by.is_some_and(|by| now >= by) {
            return Some(Fault::AuthenticationTimeout { partial: self.partial() });
        }
        None
    }

    /// The bytes of the frame that is cut by the end of the connection.
    fn partial(&self) -> Bytes {
        self.decoder.unfinished().into()
    }

    fn ended(&self) -> End {
        self.decoder
            .is_mid_frame()
            .then(|| Fault::Truncated { declared: self.decoder.declared(), partial: self.partial() })
    }

    fn broken(&self, error: io::Error) -> Fault {
        Fault::Broken { error, partial: self.partial() }
    }

    /// What is read and not delivered: whole frames, and all their bytes.
    fn undelivered(&mut self) -> (u64, u64) {
        let bytes = self.decoder.buffered() as u64;
        let mut frames = 0;
        while let Ok(Some(_)) = self.decoder.next_frame() {
            frames += 1;
        }
        (frames, bytes)
    }

    fn closed(&mut self) -> End {
        let (frames, bytes) = self.undelivered();
        (bytes > 0).then_some(Fault::Closed { frames, bytes })
    }

    fn panicked(&mut self, frames: u64, bytes: u64) -> Fault {
        let (more, rest) = self.undelivered();
        Fault::HandlerPanicked { frames: frames + more, bytes: bytes + rest }
    }

    fn drain_timeout(&mut self, frames: u64, bytes: u64) -> Fault {
        self.shared.counts.undrained.fetch_add(1, Ordering::Relaxed);
        let (more, rest) = self.undelivered();
        Fault::DrainTimeout { frames: frames + more, bytes: bytes + rest }
    }
}
