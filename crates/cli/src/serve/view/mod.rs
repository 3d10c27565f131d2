//! The live view: a page, and the stream of records that it follows.

mod filter;
mod page;
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

use self::filter::Filter;
pub(crate) use self::page::{ICON, PAGE};
use self::stream::Stream;
use super::hub::Hub;
use crate::clock::now_ns;

/// Viewers at a time. Each has a thread and reads the log for itself.
pub(crate) const MAX_VIEWERS: usize = 16;

/// Pieces of the stream that wait for a viewer's connection. One is about 256 KiB, or one record.
const MAX_WAITING: usize = 4;

/// Records that a stream begins with, if it does not ask for another number.
const HISTORY: usize = 1_000;

/// The most records that a stream begins with.
const MAX_HISTORY: usize = 200_000;

/// Who is looking.
#[derive(Debug)]
pub(crate) struct Viewers {
    looking: Arc<AtomicUsize>,
    /// Tells the records of this process from those of another one, where the log does not outlive it.
    run: RunId,
}

/// The place of one viewer, which is free again when its thread ends.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place in the log that outlives a connection: the run that wrote the record, and its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    run: RunId,
    index: u64,
}

impl Place {
    /// Reads `RUN-INDEX`.
    fn parse(text: &str) -> Option<Self> {
        let (run, index) = text.split_once('-')?;
        let run = u64::from_str_radix(run, 16).ok().filter(|_| run.len() == 16)?;
        Some(Self { run: run.to_be_bytes(), index: index.parse().ok()? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{}", u64::from_be_bytes(self.run), self.index)
    }
}

/// What a viewer asks for.
#[derive(Debug, Default)]
struct Request {
    filter: Filter,
    /// The last event that the viewer has had, which tells whether its numbers are those of this log.
    seen: Option<Place>,
    /// Records behind this one are wanted: behind the last event, if it is not said otherwise.
    after: Option<u64>,
    /// Records behind this one are counted: behind the last event, if it is not said otherwise.
    counted: Option<u64>,
    /// How many records that are there already are wanted, the newest ones.
    history: usize,
}

impl Request {
    /// Reads a query: `q`, `seen`, `after`, `counted`, `history`. The place that a browser gives when it comes again counts
    /// more than the one in its query.
    fn parse(query: &str, last_event: Option<&str>, now: f64) -> Result<Self, String> {
        let mut request = Self { history: HISTORY, ..Self::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode(value).ok_or_else(|| format!("{name}: not UTF-8"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{name}: not a number"));
            match name {
                "q" => request.filter = Filter::parse(&value, now)?,
                "seen" => request.seen = Some(Place::parse(&value).ok_or("seen: not the id of an event")?),
                "after" => request.after = Some(number()?),
                "counted" => request.counted = Some(number()?),
                "history" => {
                    request.history = usize::try_from(number()?).unwrap_or(MAX_HISTORY).min(MAX_HISTORY)
                }
                _ => return Err(format!("{name}: there are q, seen, after, counted and history")),
            }
        }
        if let Some(place) = last_event.and_then(Place::parse) {
            (request.seen, request.after, request.counted) = (Some(place), None, None);
        }
        Ok(request)
    }
}

/// Undoes `%41` and `+`. `None` if the bytes are no text.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        let digits = more.split_at_checked(2).and_then(|(digits, behind)| {
            let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, behind))
        });
        match (first, digits) {
            (b'%', Some((byte, behind))) => {
                bytes.push(byte);
                rest = behind;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back() {
        let place = Place { run: [0xab, 0, 0, 0, 0, 0, 0, 1], index: 42 };
        assert_eq!(place.to_string(), "ab00000000000001-42");
        assert_eq!(Place::parse("ab00000000000001-42"), Some(place));
        for wrong in ["", "-", "1-1", "ab00000000000001", "ab00000000000001-x", "gb00000000000001-1"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn queries_are_read_or_refused() {
        let request =
            Request::parse("q=level%3Aerror+%22a%20b%22&history=9999999999&counted=7", None, 0.0).unwrap();
        assert_eq!(request.filter, Filter::parse("level:error \"a b\"", 0.0).unwrap());
        assert_eq!((request.history, request.counted, request.seen), (MAX_HISTORY, Some(7), None));
        let again = Request::parse("counted=1", Some("0000000000000001-5"), 0.0).unwrap();
        assert_eq!((again.counted, again.seen.map(|place| place.index)), (None, Some(5)));
        for wrong in ["history=x", "seen=1", "after=x", "since=1", "q=level:loud", "q=%ff"] {
            assert!(Request::parse(wrong, None, 0.0).is_err(), "{wrong}");
        }
        for (text, decoded) in [("a%41%zz%4", "aA%zz%4"), ("%+1", "% 1"), ("%C3%A4", "ä")] {
            assert_eq!(percent_decode(text).as_deref(), Some(decoded));
        }
    }
}
