//! What a listener hands its frames to.
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use bytes::Bytes;
use logrecord_frame::Oversized;

use super::replies::Replies;
use crate::{fault::Fault, source::Source};

/// What is to become of a connection after a batch of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Read on.
    Continue,
    /// Read past an oversized frame, and [show](FrameHandler::passed) what goes by. Elsewhere as `Continue`.
    Watch,
    /// End the connection. Datagram listeners have none to end and read on.
    Close,
}

/// Takes what a listener receives. One handler serves all connections of all its listeners.
///
/// The way of a frame has no channel in it: the task of a connection reads up to 256 KiB, finds the whole
/// frames in them, and awaits [`frames`](FrameHandler::frames) with the batch. While that future is pending,
/// nothing more is read from this connection, so that a slow handler reaches the sender's socket. (Unix
/// datagram sockets are the exception; see [`ListenerConfig::datagram_queue`](super::ListenerConfig::datagram_queue).)
///
/// A handler that writes to something slow awaits it, or wraps the call in `tokio::task::block_in_place`: a
/// thread of the runtime that blocks without saying so can keep every other connection, and the signal to stop,
/// from being seen.
///
/// A panic in a handler ends the connection it happened on and is reported as
/// [`Fault::HandlerPanicked`].
pub trait FrameHandler: Send + Sync + 'static {
    /// What the handler keeps of one connection; `()` if nothing.
    type Connection: Send;

    /// A connection was made. A datagram socket counts as one connection that never ends.
    ///
    /// A handler that answers keeps `replies`. Stock senders read nothing, so that only a peer that has asked
    /// for answers gets any; to a datagram's sender no way leads back.
    fn connected(&self, source: &Source, replies: Replies) -> Self::Connection;

    /// Whole frames arrived, in order; prefixes are gone. The payloads share the memory they were read
    /// into. Whatever is left in `frames` afterwards is dropped.
    ///
    /// For datagrams `source` names the sender of this batch; all frames of a batch have the same.
    fn frames(
        &self,
        connection: &mut Self::Connection,
        source: &Source,
        frames: &mut Vec<Bytes>,
    ) -> impl Future<Output = Verdict> + Send;

    /// Whether a frame of this connection has been accepted. It is asked at the start and after each
    /// batch; as long as it says no, the connection has
    /// [`authentication_timeout`](super::ListenerConfig::authentication_timeout) to live.
    /// By default nobody has to authenticate.
    fn is_authenticated(&self, connection: &Self::Connection) -> bool {
        let _ = connection;
        true
    }

    /// A frame is longer than [the limit](super::ListenerConfig::max_frame_len), and not so long that no sender
    /// would mean it. To continue is to read past it, within the frame's time limit; either way it is lost, and
    /// a [fault](Fault::Oversized) says so. By default the connection is closed.
    fn oversized(
        &self,
        connection: &mut Self::Connection,
        source: &Source,
        oversized: &Oversized,
    ) -> Verdict {
        let _ = (connection, source, oversized);
        Verdict::Close
    }

    /// Bytes of an oversized frame that is [watched](Verdict::Watch), in order, from behind its
    /// [head](Oversized::payload) on. None of them is kept.
    fn passed(&self, connection: &mut Self::Connection, source: &Source, bytes: &[u8]) -> Verdict {
        let _ = (connection, source, bytes);
        Verdict::Continue
    }

    /// The connection is about to be passed to another process: waits until its peer has been told all that is to be
    /// told of what it has sent. It is not waited for long.
    fn settle(&self, connection: &mut Self::Connection) -> impl Future<Output = ()> + Send {
        let _ = connection;
        async {}
    }

    /// The connection comes from another process, in which a frame of it was accepted.
    fn adopted(&self, connection: &mut Self::Connection) {
        let _ = connection;
    }

    /// Something went wrong. It is called on the task that met it and must not block.
    fn fault(&self, source: &Source, fault: Fault);

    /// A connection ended, for whatever reason; a fault, if there was one, has been reported before.
    fn disconnected(&self, source: &Source, connection: Self::Connection) {
        let _ = (source, connection);
    }
}

/// A handler panicked.
pub(super) struct Panicked;

/// Runs a piece of the handler's code and stops a panic there.
pub(super) fn contain<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}

/// The same for a future: each poll is guarded.
pub(super) async fn contain_future<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match contain(|| future.as_mut().poll(context)) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}
