//! The way back: what a handler sends to the peer of a stream connection.
//!
//! The handler says what is to go back, at any time and from any task; the task of the connection writes it.
//! A peer that asked for nothing gets nothing: no byte is written unless the handler says so.
use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::lock::lock;

/// How many frames may wait to be written, of each kind. A peer that asks for answers and does not read
/// them is closed when there are more.
const MAX_WAITING: usize = 1024;

/// Sends frames back to the peer of one connection. Cheap to clone.
///
/// What is sent after the connection has ended goes nowhere: an answer is of use on its own connection only.
/// Of datagrams nothing goes back.
#[derive(Clone)]
pub struct Replies {
    waiting: Option<Arc<Mutex<Waiting>>>,
}

#[derive(Default)]
struct Waiting {
    /// In order, before any of `latest`.
    ordered: Vec<Bytes>,
    /// At most one for each stream. A connection has a few streams, most often one.
    latest: Vec<([u8; 16], Bytes)>,
    /// The connection's task, while it has nothing to write.
    task: Option<Waker>,
    overflown: bool,
    ended: bool,
}

impl Replies {
    /// A way back that leads nowhere, as datagrams have it.
    pub const fn none() -> Self {
        Self { waiting: None }
    }

    pub(super) fn new() -> Self {
        Self { waiting: Some(Arc::default()) }
    }

    /// Whether the peer can still be reached.
    pub fn is_open(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !lock(waiting).ended)
    }

    /// Sends a frame behind all that were sent by this method before, and in front of every
    /// [latest](Self::send_latest) one that is not written yet. `frame` is written as it is, so that it has its
    /// length prefix.
    ///
    /// When 1,024 frames wait because the peer does not read them, its connection is closed.
    pub fn send(&self, frame: Bytes) {
        self.change(|waiting| {
            if waiting.ordered.len() < MAX_WAITING {
                waiting.ordered.push(frame);
            } else {
                waiting.overflown = true;
            }
        });
    }

    /// Sends a frame, length prefix included, for a stream, in place of one for the same stream that is not
    /// written yet.
    ///
    /// When the frames of 1,024 streams wait because the peer does not read them, its connection is closed.
    pub fn send_latest(&self, stream: [u8; 16], frame: Bytes) {
        self.change(|waiting| {
            if let Some((_, older)) = waiting.latest.iter_mut().find(|(known, _)| *known == stream) {
                *older = frame;
            } else if waiting.latest.len() < MAX_WAITING {
                waiting.latest.push((stream, frame));
            } else {
                waiting.overflown = true;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let Some(waiting) = &self.waiting else { return };
        let mut waiting = lock(waiting);
        if waiting.ended {
            return;
        }
        change(&mut waiting);
        let task = waiting.task.take();
        drop(waiting);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Whether more was to go back than the peer takes.
    fn is_overflown(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| lock(waiting).overflown)
    }

    /// Takes all that waits, as bytes of the wire, or registers the task to be woken.
    fn poll_take(&self, context: &Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let Some(waiting) = &self.waiting else { return Poll::Pending };
        let mut waiting = lock(waiting);
        if waiting.overflown {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if waiting.ordered.is_empty() && waiting.latest.is_empty() {
            if !waiting.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
                waiting.task = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        let mut wire = Vec::new();
        let Waiting { ordered, latest, .. } = &mut *waiting;
        for frame in ordered.drain(..).chain(latest.drain(..).map(|(_, frame)| frame)) {
            wire.extend_from_slice(&frame);
        }
        Poll::Ready(Ok(wire))
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

/// Writes the replies of one connection, on the connection's task.
pub(super) struct ReplyWriter {
    replies: Replies,
    wire: Vec<u8>,
    written: usize,
    /// Whether the stream itself may hold back what it was given.
    flushed: bool,
    /// Why nothing can be written any more.
    failed: Option<io::ErrorKind>,
}

impl ReplyWriter {
    pub(super) const fn new(replies: Replies) -> Self {
        Self { replies, wire: Vec::new(), written: 0, flushed: true, failed: None }
    }

    /// Whether the peer asks for answers and does not read them. What it still sends is not worth reading.
    pub(super) fn is_overflown(&self) -> bool {
        self.replies.is_overflown()
    }

    /// Begins with bytes that another process was to write.
    pub(super) fn with_unsent(mut self, wire: Vec<u8>) -> Self {
        self.wire = wire;
        self
    }

    /// What is not written yet, all that waits included.
    pub(super) fn unsent(&mut self) -> Vec<u8> {
        if let Poll::Ready(Ok(more)) = self.replies.poll_take(&Context::from_waker(Waker::noop())) {
            self.wire.extend_from_slice(&more);
        }
        self.wire.get(self.written..).unwrap_or_default().to_vec()
    }

    /// Writes what waits, as far as the socket takes it. It completes only with an error, and then again and
    /// again.
    pub(super) fn poll(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Error> {
        loop {
            if let Some(kind) = self.failed {
                return Poll::Ready(kind.into());
            }
            let rest = self.wire.get(self.written..).unwrap_or_default();
            let progress = if !rest.is_empty() {
                Pin::new(&mut *stream).poll_write(context, rest).map_ok(|written| {
                    self.written += written;
                    self.flushed = false;
                    written > 0
                })
            } else if !self.flushed {
                Pin::new(&mut *stream).poll_flush(context).map_ok(|()| {
                    self.flushed = true;
                    true
                })
            } else {
                // An idle connection holds no buffer.
                self.wire = Vec::new();
                self.written = 0;
                self.replies.poll_take(context).map_ok(|wire| {
                    self.wire = wire;
                    true
                })
            };
            match progress {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => self.failed = Some(io::ErrorKind::WriteZero),
                Poll::Ready(Err(error)) => self.failed = Some(error.kind()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for ReplyWriter {
    fn drop(&mut self) {
        if let Some(waiting) = &self.replies.waiting {
            *lock(waiting) = Waiting { ended: true, ..Waiting::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(replies: &Replies) -> Option<Vec<u8>> {
        match replies.poll_take(&Context::from_waker(Waker::noop())) {
            Poll::Ready(wire) => Some(wire.unwrap()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn ordered_frames_come_first_and_a_stream_has_one_latest() {
        let replies = Replies::new();
        assert_eq!(taken(&replies), None);
        replies.send_latest([1; 16], Bytes::from_static(b"old"));
        replies.send(Bytes::from_static(b"a"));
        replies.send_latest([2; 16], Bytes::from_static(b"other"));
        replies.send_latest([1; 16], Bytes::from_static(b"new"));
        replies.send(Bytes::from_static(b"b"));
        assert_eq!(taken(&replies).unwrap(), b"abnewother");
        assert_eq!(taken(&replies), None);
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up_and_memory_is_bounded() {
        for ordered in [true, false] {
            let replies = Replies::new();
            for i in 0..2000_u128 {
                if ordered {
                    replies.send(Bytes::from_static(b"x"));
                } else {
                    replies.send_latest(i.to_be_bytes(), Bytes::from_static(b"x"));
                }
            }
            let waiting = lock(replies.waiting.as_ref().unwrap());
            assert_eq!(waiting.ordered.len() + waiting.latest.len(), MAX_WAITING);
            drop(waiting);
            assert!(matches!(replies.poll_take(&Context::from_waker(Waker::noop())), Poll::Ready(Err(_))));
        }
    }

    #[test]
    fn after_the_end_nothing_is_kept() {
        let replies = Replies::new();
        drop(ReplyWriter::new(replies.clone()));
        assert!(!replies.is_open());
        replies.send(Bytes::from_static(b"late"));
        assert!(lock(replies.waiting.as_ref().unwrap()).ordered.is_empty());
        assert!(!Replies::none().is_open());
    }
}
