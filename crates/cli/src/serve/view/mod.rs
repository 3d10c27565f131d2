//! The live view: a page, and the stream of records that it follows.

mod filter;
mod page;
mod request;
mod stream;
mod tally;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use logrecord_spool::RunId;
use tokio::sync::{Notify, mpsc};

pub(crate) use self::page::{ICON, PAGE};
use self::request::Request;
use self::stream::{Seat, Stream};
use super::hub::Hub;
use crate::clock::now_ns;

/// Viewers at a time. Each has a thread and reads the log for itself.
pub(crate) const MAX_VIEWERS: usize = 16;

/// Pieces of the stream that wait for a viewer's connection. One is about 256 KiB, or one record.
const MAX_WAITING: usize = 4;

/// Who is looking.
#[derive(Debug)]
pub(crate) struct Viewers {
    looking: Arc<AtomicUsize>,
    /// Tells the records of this process from those of another one, where the log does not outlive it.
    run: RunId,
}

/// Why somebody cannot look.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request is wrong in this way.
    Malformed(String),
    /// All seats are taken.
    Full,
    /// No thread can be started.
    NoThread,
}

impl Viewers {
    pub(crate) fn new(run: RunId) -> Self {
        Self { looking: Arc::default(), run }
    }

    /// Begins a stream. `cut` is told when its connection has taken nothing for so long that it must end.
    pub(crate) fn open(
        &self,
        hub: &Arc<Hub>,
        query: &str,
        last_event: Option<&str>,
        cut: Arc<Notify>,
    ) -> Result<Feed, Refusal> {
        let request = Request::parse(query, last_event, now_ns() as f64 / 1e9).map_err(Refusal::Malformed)?;
        let take = |looking: usize| (looking < MAX_VIEWERS).then_some(looking + 1);
        if self.looking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(Refusal::Full);
        }
        let seat = Seat(Arc::clone(&self.looking));
        let (sender, chunks) = mpsc::channel(MAX_WAITING);
        let stream = Stream::new(Arc::clone(hub), request, seat, self.run, sender, cut);
        // Not on the runtime's threads: decoding and reading a disk would hold up the receiving.
        std::thread::Builder::new()
            .name("view".to_owned())
            .spawn(move || stream.run())
            .map_err(|_| Refusal::NoThread)?;
        Ok(Feed { chunks })
    }
}

/// The body of a stream.
#[derive(Debug)]
pub(crate) struct Feed {
    chunks: mpsc::Receiver<Bytes>,
}

impl Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.chunks.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
