//! One connection of a stream listener: read, find frames, hand them over, write answers, watch the clock.
//!
//! A buffer is taken only when there is something to read, so an idle connection holds none. It reads
//! with a buffer of its thread: a large read is handed on as it is, a small one is copied out so that a few
//! bytes never keep a large buffer alive. Time is the monotonic clock's; the wall clock is never asked.
#[cfg(unix)]
use std::os::fd::{AsFd as _, OwnedFd};
use std::{
    cell::RefCell,
    future::{Future, pending, poll_fn},
    io, mem,
    mem::MaybeUninit,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use logrecord_frame::{FrameDecoder, Oversized, Stranger};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

#[cfg(unix)]
use super::pass::{Part, PassedConnection};
use super::{
    config::ListenerConfig,
    flight::ConnectionShare,
    handler::{FrameHandler, Panicked, Verdict, contain, contain_future},
    pass::Pause,
    peers::PeerSlot,
    replies::{Replies, ReplyWriter},
    shared::{Active, Order, Shared, Stop, Stopping, drained, ordered, unpaused},
};
use crate::{fault::Fault, source::Source};

/// How much is read at once: what one call of the system takes is for many records.
const CHUNK: usize = 256 * 1024;
/// A read of at least this much is handed on without a copy; below it a copy costs less than the memory
/// that the rest of the buffer would hold.
const KEEP: usize = CHUNK / 4;
/// Frames handed over in one call.
const BATCH: usize = 512;
/// Reads in a row before other tasks get their turn.
const READS_PER_TURN: u32 = 2;
/// How long the farewell of a connection may take.
const FAREWELL: Duration = Duration::from_millis(100);
/// How long a connection that is passed on waits for what its peer is to be told.
const SETTLE: Duration = Duration::from_secs(1);

/// A byte stream whose socket can be asked what it holds.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether the socket has something to read, be it its end or an error. Unlike the runtime, which may not
    /// have looked yet, the system knows at once.
    fn has_more(&self) -> bool;

    /// The same socket once more, for another process; nothing where what this process alone knows belongs to it.
    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd>;
}

fn peeks<'s>(socket: impl Into<SockRef<'s>>) -> bool {
    let peeked = socket.into().peek(&mut [MaybeUninit::uninit(); 1]);
    !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl Stream for TcpStream {
    fn has_more(&self) -> bool {
        peeks(self)
    }

    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd> {
        self.as_fd().try_clone_to_owned().ok()
    }
}

#[cfg(unix)]
impl Stream for tokio::net::UnixStream {
    fn has_more(&self) -> bool {
        peeks(self)
    }

    fn duplicate(&self) -> Option<OwnedFd> {
        self.as_fd().try_clone_to_owned().ok()
    }
}

#[cfg(feature = "tls")]
impl Stream for tokio_rustls::server::TlsStream<TcpStream> {
    fn has_more(&self) -> bool {
        peeks(self.get_ref().0)
    }

    #[cfg(unix)]
    fn duplicate(&self) -> Option<OwnedFd> {
        None
    }
}

thread_local! {
    /// The buffer into which this thread reads next. It is never held across an await.
    static NEXT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Reads what is there, at most a chunk. Empty means the end of the stream.
fn poll_chunk<S: Stream>(stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    NEXT.with_borrow_mut(|buffer| {
        buffer.clear();
        if buffer.capacity() < CHUNK {
            *buffer = BytesMut::with_capacity(CHUNK);
        }
        pin!(stream.read_buf(buffer)).poll(context)
    })
    .map(|read| {
        let read = match read {
            // Frames say by themselves whether one was cut, so that a TLS peer may leave without a farewell.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        Ok(NEXT.with_borrow_mut(|buffer| {
            if read >= KEEP {
                mem::take(buffer).freeze()
            } else {
                Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default())
            }
        }))
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

/// Writes what goes back, and reads what is there. What was received counts before what cannot be sent.
fn poll_event<S: Stream>(
    writer: &mut ReplyWriter,
    stream: &mut S,
    context: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    let written = writer.poll(stream, context);
    if writer.is_overflown() {
        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
    }
    match poll_chunk(stream, context) {
        Poll::Pending => written.map(Err),
        read => read,
    }
}

/// Waits for something, and writes what goes back meanwhile.
async fn alongside<F: Future, S: Stream>(future: F, writer: &mut ReplyWriter, stream: &mut S) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let outcome = future.as_mut().poll(context);
        if outcome.is_pending() {
            // A failure is found again when the connection is read next.
            drop(writer.poll(stream, context));
        }
        outcome
    })
    .await
}

async fn sleep_to(wake: Option<Instant>) {
    match wake {
        Some(by) => sleep_until(by).await,
        None => pending().await,
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
    pub(super) active: Active<H>,
    /// What is known of it from another process.
    pub(super) past: Past,
    /// The limits with which it began.
    pub(super) config: Arc<ListenerConfig>,
}

/// What another process has done with a connection.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) begun: Vec<u8>,
    pub(super) unsent: Vec<u8>,
    pub(super) authenticated: bool,
}

impl<S: Stream, H: FrameHandler> Connection<S, H> {
    /// Serves the connection to its end.
    pub(super) async fn run(self) {
        let Self { mut stream, source, shared, slot, mut stop, active, past, config } = self;
        let handler = &shared.handler;
        let replies = Replies::new();
        let Ok(mut state) = contain(|| handler.connected(&source, replies.clone())) else {
            shared.fault(&source, Fault::HandlerPanicked { frames: 0, bytes: 0 });
            return;
        };
        if past.authenticated && contain(|| handler.adopted(&mut state)).is_err() {
            shared.fault(&source, Fault::HandlerPanicked { frames: 0, bytes: 0 });
            return;
        }
        let share = ConnectionShare::new(&shared.flight, slot.as_ref().map(|slot| &slot.state.flight));
        let mut pump = Pump {
            source: &source,
            shared: &shared,
            config: &config,
            share,
            decoder: FrameDecoder::with_max_frame_len(config.max_frame_len),
            writer: ReplyWriter::new(replies).with_unsent(past.unsent),
            active,
            left: false,
            is_watching: false,
            frames: Vec::new(),
            authenticate_by: None,
            frame_by: None,
            stopping: None,
            is_silent: true,
        };
        let end = match pump.take_up(past.begun, &mut stream, &mut state, &mut stop).await {
            Ok(()) => pump.run(&mut stream, &mut state, &mut stop).await,
            Err(end) => end,
        };
        let is_passed = pump.left;
        drop(pump);
        if let Some(fault) = end {
            shared.fault(&source, fault);
        }
        if contain(|| handler.disconnected(&source, state)).is_err() {
            shared.fault(&source, Fault::HandlerPanicked { frames: 0, bytes: 0 });
        }
        #[cfg(unix)]
        if is_passed && stream.duplicate().is_some() {
            // Another process goes on with it; the peer notices nothing.
            return;
        }
        // A peer that does not take the farewell does without it.
        drop(timeout(FAREWELL, stream.shutdown()).await);
    }
}

struct Pump<'a, H: FrameHandler> {
    source: &'a Source,
    shared: &'a Shared<H>,
    config: &'a ListenerConfig,
    share: ConnectionShare<'a>,
    decoder: FrameDecoder,
    writer: ReplyWriter,
    active: Active<H>,
    /// Whether the connection is left to another process.
    left: bool,
    /// Whether the handler sees what goes by of a frame over the limit.
    is_watching: bool,
    frames: Vec<Bytes>,
    /// As long as no frame has been accepted and one has to be.
    authenticate_by: Option<Instant>,
    /// As long as a frame is begun and not complete.
    frame_by: Option<Instant>,
    /// Once the listener stops.
    stopping: Option<Stopping>,
    /// Whether the peer has sent nothing at all, as health checks do.
    is_silent: bool,
}

impl<H: FrameHandler> Pump<'_, H> {
    /// Takes what another process has read.
    async fn take_up<S: Stream>(
        &mut self,
        begun: Vec<u8>,
        stream: &mut S,
        state: &mut H::Connection,
        stop: &mut Stop,
    ) -> Result<(), End> {
        if begun.is_empty() {
            return Ok(());
        }
        self.is_silent = false;
        self.deliver(begun.into(), stream, state, stop).await
    }

    /// Says what there is, and reads nothing until the pause is over.
    async fn pause<S: Stream>(
        &mut self,
        pause: Pause,
        stream: &mut S,
        state: &mut H::Connection,
        stop: &mut Stop,
    ) {
        let before = Instant::now();
        #[cfg(unix)]
        {
            // A panic there shows again with the next frame.
            let settling = contain_future(async { self.shared.handler.settle(state).await });
            let settling = timeout(SETTLE, alongside(settling, &mut self.writer, stream));
            drop(settling.await);
            // Of a frame that is skipped nobody else could know where it ends.
            if let Some(socket) = stream.duplicate().filter(|_| !self.is_skipping()) {
                let connection = PassedConnection {
                    socket,
                    begun: self.decoder.unfinished(),
                    unsent: self.writer.unsent(),
                    authenticated: self.authenticate_by.is_none(),
                };
                pause.report(Part::Connection(connection)).await;
            }
        }
        drop(pause);
        self.active.park();
        unpaused(stop).await;
        self.active.unpark();
        self.postpone(before.elapsed());
    }

    async fn run<S: Stream>(&mut self, stream: &mut S, state: &mut H::Connection, stop: &mut Stop) -> End {
        let config = self.config;
        match contain(|| self.shared.handler.is_authenticated(state)) {
            Ok(true) => {}
            Ok(false) => self.authenticate_by = Some(Instant::now() + config.authentication_timeout),
            Err(Panicked) => return Some(self.panicked(0, 0)),
        }
        let mut active = Instant::now();
        let mut reads = 0;
        loop {
            let order = stop.borrow().clone();
            let mut reads_on = false;
            match order {
                Order::Pause(pause) => {
                    reads_on = pause.reads_on()
                        && !self.share.is_delivered_full()
                        && self.share.claim_partial()
                        && stream.has_more();
                    if !reads_on {
                        self.pause(pause, stream, state, stop).await;
                        continue;
                    }
                }
                Order::Leave => {
                    self.left = true;
                    return None;
                }
                Order::Serve | Order::Drain(_) => {}
            }
            if self.share.is_delivered_full() {
                let before = Instant::now();
                let drain_by = self.stopping.map(|stopping| stopping.drain_by);
                tokio::select! {
                    biased;
                    () = alongside(self.share.delivered_room(), &mut self.writer, stream) => {}
                    order = ordered(stop), if drain_by.is_none() => self.stopping = order.stopping(),
                    () = sleep_to(drain_by) => return Some(self.drain_timeout(0, 0)),
                }
                // The peer is not to blame for time in which nobody read.
                self.postpone(before.elapsed());
                continue;
            }
            if !self.share.claim_partial() {
                // The clocks run on: if they did not, a crowd of begun frames would wait for each other.
                let wake = self.deadline(None);
                let is_stopping = self.stopping.is_some();
                tokio::select! {
                    biased;
                    () = alongside(self.share.partial_room(), &mut self.writer, stream) => {}
                    order = ordered(stop), if !is_stopping => self.stopping = order.stopping(),
                    () = sleep_to(wake) => {
                        if let Some(end) = self.overdue(Instant::now()) {
                            return end;
                        }
                    }
                }
                continue;
            }
            // A task that is awake reads without looking at anything else; only one that waits sets timers.
            let at_once = poll_fn(|context| Poll::Ready(poll_event(&mut self.writer, stream, context))).await;
            let event = match at_once {
                Poll::Ready(event) => event,
                Poll::Pending => {
                    reads = 0;
                    // An idle connection holds no list either.
                    self.frames = Vec::new();
                    if self.stopping.is_some() && !self.is_mid_frame() && !stream.has_more() {
                        return None;
                    }
                    let idle_by = match config.idle_timeout {
                        Some(limit) if self.frame_by.is_none() => active.checked_add(limit),
                        _ => None,
                    };
                    let wake = self.deadline(idle_by);
                    let is_stopping = self.stopping.is_some() || reads_on;
                    tokio::select! {
                        biased;
                        event = poll_fn(|context| poll_event(&mut self.writer, stream, context)) => event,
                        order = ordered(stop), if !is_stopping => {
                            self.stopping = order.stopping();
                            continue;
                        }
                        () = sleep_to(wake) => {
                            let now = Instant::now();
                            if let Some(end) = self.overdue(now) {
                                return end;
                            }
                            if idle_by.is_some_and(|by| now >= by) {
                                return Some(Fault::IdleTimeout);
                            }
                            continue;
                        }
                    }
                }
            };
            match event {
                Ok(chunk) if chunk.is_empty() => return self.ended(),
                Ok(chunk) => {
                    self.is_silent = false;
                    if let Err(end) = self.deliver(chunk, stream, state, stop).await {
                        return end;
                    }
                    active = Instant::now();
                    if let Some(end) = self.overdue(active) {
                        return end;
                    }
                    reads += 1;
                    if reads >= READS_PER_TURN {
                        reads = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken(error),
            }
        }
    }

    /// Finds the whole frames behind `chunk` and hands them over.
    async fn deliver<S: Stream>(
        &mut self,
        chunk: Bytes,
        stream: &mut S,
        state: &mut H::Connection,
        stop: &mut Stop,
    ) -> Result<(), End> {
        let counts = &self.shared.counts;
        let kept = if chunk.len() >= KEEP { chunk.clone() } else { Bytes::new() };
        let was_skipping = self.is_skipping();
        self.decoder.feed(chunk);
        let mut completed = false;
        loop {
            let mut bytes = 0;
            let mut more = true;
            let mut refused = None;
            while self.frames.len() < BATCH {
                let next = self.decoder.next_frame();
                if self.is_watching {
                    // What has gone by came before what `next` is.
                    self.show_passed(state)?;
                }
                match next {
                    Ok(Some(frame)) => {
                        bytes += frame.len() as u64;
                        self.frames.push(frame);
                    }
                    Ok(None) => {
                        more = false;
                        break;
                    }
                    Err(oversized) => {
                        refused = Some(oversized);
                        break;
                    }
                }
            }
            if !self.frames.is_empty() {
                completed = true;
                let count = self.frames.len() as u64;
                let delivered =
                    usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(self.decoder.buffered());
                self.share.set_partial(0);
                self.share.set_delivered(delivered);
                counts.frames.fetch_add(count, Ordering::Relaxed);
                counts.bytes.fetch_add(bytes, Ordering::Relaxed);
                let before = Instant::now();
                let outcome = {
                    let handler = &self.shared.handler;
                    let (source, frames) = (self.source, &mut self.frames);
                    let call = contain_future(async { handler.frames(state, source, frames).await });
                    // What the peer waits for goes out while the handler is busy.
                    let call = alongside(call, &mut self.writer, stream);
                    tokio::select! {
                        biased;
                        outcome = call => Some(outcome),
                        () = drained(stop) => None,
                    }
                };
                self.postpone(before.elapsed());
                self.frames.clear();
                match outcome {
                    Some(Ok(Verdict::Continue | Verdict::Watch)) => {}
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
            if let Some(oversized) = refused {
                let fault = self.oversized(state, oversized)?;
                self.shared.fault(self.source, fault);
                continue;
            }
            if !more {
                break;
            }
        }
        // A frame that was skipped has ended as a whole one has.
        completed |= was_skipping && !self.is_skipping();
        self.share.set_delivered(0);
        self.share.set_partial(self.decoder.buffered());
        if !self.decoder.is_mid_frame() {
            self.frame_by = None;
        } else if completed || self.frame_by.is_none() {
            self.frame_by = self.config.frame_timeout.and_then(|limit| Instant::now().checked_add(limit));
        }
        recycle(kept);
        Ok(())
    }

    /// Reads past a frame over the limit, if the handler wants it so, or ends the connection. The answer is what is
    /// to be reported.
    fn oversized(&mut self, state: &mut H::Connection, oversized: Oversized) -> Result<Fault, End> {
        let stranger = Stranger::identify(&oversized.head);
        let verdict = if oversized.is_skippable() {
            contain(|| self.shared.handler.oversized(state, self.source, &oversized))
        } else {
            Ok(Verdict::Close)
        };
        let skipped = match verdict {
            Ok(Verdict::Continue) => self.decoder.skip_oversized(),
            Ok(Verdict::Watch) => {
                self.is_watching = self.decoder.watch_oversized();
                self.is_watching
            }
            Ok(Verdict::Close) => false,
            Err(Panicked) => return Err(Some(self.panicked(1, 0))),
        };
        let fault = Fault::Oversized { declared: oversized.len, head: oversized.head, stranger, skipped };
        if skipped { Ok(fault) } else { Err(Some(fault)) }
    }

    /// Shows the handler what has gone by of a frame over the limit.
    fn show_passed(&mut self, state: &mut H::Connection) -> Result<(), End> {
        for bytes in self.decoder.take_passed() {
            match contain(|| self.shared.handler.passed(state, self.source, &bytes)) {
                Ok(Verdict::Close) => return Err(self.closed()),
                Ok(_) => {}
                Err(Panicked) => return Err(Some(self.panicked(0, 0))),
            }
        }
        self.is_watching = self.is_skipping();
        Ok(())
    }

    /// Whether the frame that is begun is over the limit, and reported already.
    fn is_skipping(&self) -> bool {
        self.decoder.declared().is_some_and(|declared| declared > self.decoder.max_frame_len())
    }

    fn postpone(&mut self, by: Duration) {
        for deadline in [&mut self.frame_by, &mut self.authenticate_by].into_iter().flatten() {
            *deadline += by;
        }
    }

    /// The next moment at which time is over for something.
    fn deadline(&self, idle_by: Option<Instant>) -> Option<Instant> {
        let read_by = self.stopping.map(|stopping| stopping.read_by);
        [self.frame_by, self.authenticate_by, idle_by, read_by].into_iter().flatten().min()
    }

    /// How the connection ends, if its time is over.
    fn overdue(&self, now: Instant) -> Option<End> {
        if self.frame_by.is_some_and(|by| now >= by) {
            if self.is_skipping() {
                return Some(self.broken(io::ErrorKind::TimedOut.into()));
            }
            let declared = self.decoder.declared();
            return Some(Some(Fault::FrameTimeout { declared, partial: self.partial() }));
        }
        if self.authenticate_by.is_some_and(|by| now >= by) {
            return Some(Some(Fault::AuthenticationTimeout { partial: self.partial() }));
        }
        self.stopping.is_some_and(|stopping| now >= stopping.read_by).then(|| self.ended())
    }

    /// The bytes of the frame that is cut by the end of the connection.
    fn partial(&self) -> Bytes {
        if self.is_skipping() {
            return Bytes::new();
        }
        self.decoder.unfinished().into()
    }

    fn ended(&self) -> End {
        self.is_mid_frame()
            .then(|| Fault::Truncated { declared: self.decoder.declared(), partial: self.partial() })
    }

    /// Whether a frame is begun that is still wanted.
    fn is_mid_frame(&self) -> bool {
        self.decoder.is_mid_frame() && !self.is_skipping()
    }

    fn broken(&self, error: io::Error) -> End {
        // A health check may leave by a reset, too.
        (!self.is_silent).then(|| Fault::Broken { error, partial: self.partial() })
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
