//! The stream of one viewer: what the log has kept, then what comes, as server-sent events.
//!
//! It is written by a thread of its own that reads the log without a cursor, so that nothing waits for it: neither the
//! log's segments, nor senders, nor outputs. What a viewer cannot have is a gap with a count.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use logrecord::model::LogRecord;
use logrecord_pipeline::outputs::{LineFormat, Lines};
use logrecord_pipeline::{Encoder as _, LogReader, Logged};
use logrecord_spool::RunId;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use super::filter::Filter;
use super::request::{Place, Request};
use super::tally::Tally;
use crate::clock::now_ns;
use crate::serve::hub::Hub;
use crate::serve::metrics;
use crate::serve::receive::TRANSPORTS;

/// How often new records are sent.
const TICK: Duration = Duration::from_millis(50);

/// How often the counts are sent.
const STATUS: Duration = Duration::from_secs(1);

/// The most records a second for one viewer; a viewer that has taken none for a second may have as many at once.
const MAX_RATE: f64 = 2_000.0;

/// The part of one processor that all viewers together may use for what is new: a quarter.
const SHARE: u32 = 4;

/// Records between two looks at the clock.
const STEP: u64 = 64;

/// A viewer that has not been able to look at more records than this gives them up.
const MAX_BEHIND: u64 = 20_000;

/// About the bytes of one piece.
const CHUNK: usize = 256 << 10;

/// The longest record, as JSON. Of a longer one only the beginning of its message is sent.
const MAX_LINE: usize = 1 << 20;

/// Letters of the message of a record that is longer.
const MAX_MESSAGE: usize = 4_096;

/// How long a connection that takes nothing is left alone while the history is sent.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a connection may take nothing.
const STALLED: Duration = Duration::from_secs(30);

/// Why records were not sent.
#[derive(Clone, Copy)]
enum Why {
    /// More than [`MAX_RATE`] a second.
    Rate,
    /// The connection does not take what is sent.
    Slow,
    /// There was no time to look at them, so that they are not counted either.
    Busy,
    /// The log does not have them any more.
    Gone,
    /// There are more than the history that was asked for.
    History,
}

const WORDS: [&str; 5] = ["rate", "slow", "busy", "gone", "history"];

/// The place of one viewer, which is free again when its thread ends.
#[derive(Debug)]
pub(super) struct Seat(pub(super) Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The viewer is gone.
struct Ended;

/// The other side of a viewer's connection.
pub(super) struct Stream {
    hub: Arc<Hub>,
    filter: Filter,
    request: Request,
    seat: Seat,
    run: RunId,
    outlet: Outlet,
    lines: Lines,
    /// One record as JSON, with a line feed.
    line: Vec<u8>,
    /// The data of the event that is being made.
    records: Vec<u8>,
    tally: Tally,
    gaps: [u64; WORDS.len()],
    /// The last record that was looked at.
    at: Place,
    tokens: f64,
    /// The last of the program's own lines that was sent.
    reported: u64,
}

impl Stream {
    pub(super) fn new(
        hub: Arc<Hub>,
        mut request: Request,
        seat: Seat,
        run: RunId,
        sender: mpsc::Sender<Bytes>,
        cut: Arc<Notify>,
    ) -> Self {
        Self {
            hub,
            filter: std::mem::take(&mut request.filter),
            request,
            seat,
            run,
            outlet: Outlet { sender, cut, waiting: None },
            lines: Lines::new(LineFormat::Json, TRANSPORTS.to_vec()),
            line: Vec::new(),
            records: Vec::new(),
            tally: Tally::default(),
            gaps: [0; WORDS.len()],
            at: Place { run, index: 0 },
            tokens: MAX_RATE,
            reported: 0,
        }
    }

    /// Serves the viewer until it goes away.
    pub(super) fn run(mut self) {
        let mut reader = self.hub.shared.log().reader(0);
        if self.replay(&mut reader).is_ok() {
            self.follow(&mut reader);
        }
    }

    /// Whether a place is one of this log; what is behind it has not been seen then.
    fn knows(&self, place: Place) -> bool {
        let log = self.hub.shared.log();
        if log.as_spool().is_none() {
            return place.run == self.run && place.index <= log.last();
        }
        let Some(before) = place.index.checked_sub(1).filter(|_| place.index <= log.durable()) else {
            return false;
        };
        let mut reader = log.reader(before);
        match reader.read() {
            // What is gone by now cannot be told from what was never there; it is a gap.
            Ok(Some(found)) => found.index > place.index || found.run == place.run,
            _ => false,
        }
    }

    /// Sends what is wanted of what is there already, after counting all of it.
    fn replay(&mut self, reader: &mut LogReader) -> Result<(), Ended> {
        let log = self.hub.shared.log().clone();
        let end = log.durable();
        let oldest = log.oldest();
        let before = oldest.saturating_sub(1);
        let resumed = self.request.seen.filter(|place| self.knows(*place));
        let (after, counted) = match resumed {
            Some(seen) => {
                (self.request.after.unwrap_or(seen.index), self.request.counted.unwrap_or(seen.index))
            }
            None => (before, before),
        };
        if let Some(seen) = resumed {
            // If nothing is read now, the next place is still one of the run that wrote the last record.
            self.at = seen;
        }
        let mut out = Vec::new();
        let hello = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "resumed": resumed.is_some(),
            "oldest": oldest,
            "last": end,
            "rate": MAX_RATE,
        });
        // A browser that lost the connection comes again after this many milliseconds.
        out.extend_from_slice(b"retry: 1000\n");
        put_event(&mut out, "hello", None, &hello);
        self.outlet.send_patiently(out)?;

        let mut wanted = VecDeque::new();
        let start = after.min(counted).max(before);
        // Nobody misses what came before its time.
        if after > 0 {
            self.gap(Why::Gone, before.saturating_sub(after));
        }
        reader.seek(start);
        self.each(reader, end, |stream, record, logged| {
            if logged.index > counted {
                stream.tally.add(record, logged);
            }
            if logged.index > after && stream.wants(record, logged) {
                wanted.push_back(logged.index);
                if wanted.len() > stream.request.history {
                    wanted.pop_front();
                    stream.gap(Why::History, 1);
                }
            }
            Ok(())
        })?;
        self.at.index = self.at.index.max(end);
        let here = self.at;
        let mut out = Vec::new();
        self.put_gaps(&mut out, None);
        // Without an id: whoever comes again from here has not had the records yet.
        self.put_status(&mut out, None);
        self.outlet.send_patiently(out)?;

        if let Some(first) = wanted.front() {
            reader.seek(first - 1);
            self.each(reader, end, |stream, record, logged| {
                // A record that is gone by now is passed over.
                while wanted.front().is_some_and(|next| *next < logged.index) {
                    wanted.pop_front();
                    stream.gap(Why::Gone, 1);
                }
                if wanted.front() == Some(&logged.index) {
                    wanted.pop_front();
                    stream.encode(record, logged);
                    stream.put_record(logged);
                    if stream.records.len() >= CHUNK {
                        let mut out = Vec::with_capacity(stream.records.len() + 64);
                        stream.put_records(&mut out);
                        stream.outlet.send_patiently(out)?;
                    }
                }
                Ok(())
            })?;
        }
        reader.seek(end.max(reader.done()));
        self.at = here;
        let mut out = Vec::new();
        self.put_records(&mut out);
        self.put_gaps(&mut out, Some(self.at));
        put_event(&mut out, "live", Some(self.at), &json!({}));
        self.outlet.send_patiently(out)
    }

    /// Goes through the records up to one. While that lasts, an empty comment every second says that it goes on: a viewer
    /// takes silence for the end.
    fn each(
        &mut self,
        reader: &mut LogReader,
        end: u64,
        mut look: impl FnMut(&mut Self, &LogRecord<'_>, &Logged<'_>) -> Result<(), Ended>,
    ) -> Result<(), Ended> {
        let hub = Arc::clone(&self.hub);
        let engine = hub.shared.engine();
        let mut decoder = engine.decoder();
        let mut told = Instant::now();
        while reader.done() < end {
            let Ok(Some(logged)) = reader.read() else { break };
            self.see(&logged);
            if logged.index.is_multiple_of(STEP) {
                if told.elapsed() >= STATUS {
                    told = Instant::now();
                    self.outlet.send_patiently(b":\n\n".to_vec())?;
                }
                if self.outlet.sender.is_closed() {
                    return Err(Ended);
                }
            }
            if let Ok(record) = decoder.decode(logged.entry.payload) {
                look(self, &record, &logged)?;
            }
        }
        Ok(())
    }

    fn see(&mut self, logged: &Logged<'_>) {
        let run = if logged.run == RunId::default() { self.run } else { logged.run };
        self.at = Place { run, index: logged.index };
    }

    /// Sends what comes, tick by tick.
    fn follow(&mut self, reader: &mut LogReader) {
        let mut tick = Instant::now();
        let mut told = Instant::now();
        loop {
            tick = (tick + TICK).max(Instant::now());
            std::thread::sleep(tick.saturating_duration_since(Instant::now()));
            if self.outlet.sender.is_closed() {
                return;
            }
            self.tokens = (self.tokens + MAX_RATE * TICK.as_secs_f64()).min(MAX_RATE);
            if self.outlet.retry(Instant::now()).is_err() {
                return;
            }
            self.look(reader);
            let mut out = Vec::new();
            if self.outlet.waiting.is_none() {
                self.put_records(&mut out);
                self.put_gaps(&mut out, Some(self.at));
                if told.elapsed() >= STATUS {
                    told = Instant::now();
                    self.put_status(&mut out, Some(self.at));
                }
            }
            if !out.is_empty() {
                self.outlet.offer(out.into(), Instant::now());
            }
        }
    }

    /// Looks at what is new, as long as this viewer's share of the time lasts.
    fn look(&mut self, reader: &mut LogReader) {
        let hub = Arc::clone(&self.hub);
        let log = hub.shared.log();
        let durable = log.durable();
        if reader.done() >= durable {
            return;
        }
        let viewers = u32::try_from(self.seat.0.load(Ordering::Relaxed)).unwrap_or(1).max(1);
        let end = Instant::now() + TICK / SHARE / viewers;
        let engine = hub.shared.engine();
        let mut decoder = engine.decoder();
        for step in 1_u64.. {
            if step.is_multiple_of(STEP) && Instant::now() >= end {
                let behind = log.durable().saturating_sub(reader.done());
                if behind > MAX_BEHIND {
                    self.gap(Why::Busy, behind);
                    reader.seek(reader.done() + behind);
                    self.at.index = reader.done();
                }
                return;
            }
            let before = reader.done();
            let logged = match reader.read() {
                Ok(Some(logged)) => logged,
                Ok(None) => {
                    self.gap(Why::Gone, reader.done().saturating_sub(before));
                    return;
                }
                // A segment that cannot be opened is passed over together with what came behind it.
                Err(_) => {
                    self.gap(Why::Gone, durable.saturating_sub(before));
                    return reader.seek(durable.max(before));
                }
            };
            self.gap(Why::Gone, logged.index - before - 1);
            self.see(&logged);
            let Ok(record) = decoder.decode(logged.entry.payload) else { continue };
            self.tally.add(&record, &logged);
            if !self.wants(&record, &logged) {
                continue;
            }
            if self.outlet.waiting.is_some() {
                self.gap(Why::Slow, 1);
            } else if self.tokens < 1.0 {
                self.gap(Why::Rate, 1);
            } else {
                self.tokens -= 1.0;
                self.encode(&record, &logged);
                self.put_record(&logged);
            }
            if self.records.len() >= CHUNK && self.outlet.waiting.is_none() {
                let mut out = Vec::with_capacity(self.records.len() + 64);
                self.put_records(&mut out);
                self.outlet.offer(out.into(), Instant::now());
            }
        }
    }

    fn wants(&mut self, record: &LogRecord<'_>, logged: &Logged<'_>) -> bool {
        if !self.filter.wants(record, logged) {
            return false;
        }
        if !self.filter.needs_json() {
            return true;
        }
        self.encode(record, logged);
        self.filter.wants_json(&self.line)
    }

    /// Makes the line of a record.
    fn encode(&mut self, record: &LogRecord<'_>, logged: &Logged<'_>) {
        self.line.clear();
        // JSON takes every record.
        self.lines.encode(record, logged, &mut self.line).unwrap_or_default();
        if self.line.len() > MAX_LINE {
            let message: String = record.message().to_string().chars().take(MAX_MESSAGE).collect();
            let short = LogRecord::builder(
                record.name().map(ToString::to_string).unwrap_or_default(),
                record.level().number(),
                format!("{message}...(cut)"),
            );
            let short = short.created(record.created().unwrap_or(logged.entry.received as f64 / 1e9)).build();
            self.line.clear();
            self.lines.encode(&short, logged, &mut self.line).unwrap_or_default();
        }
    }

    /// Adds the line to the event, with its number and the time of its arrival in front.
    fn put_record(&mut self, logged: &Logged<'_>) {
        let micros = logged.entry.received.div_euclid(1_000);
        let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
        write!(self.records, "data: {{\"index\":{},\"received\":{seconds}.{micros:06},", logged.index)
            .unwrap_or_default();
        self.records.extend_from_slice(self.line.get(1..).unwrap_or_default());
    }

    fn put_records(&mut self, out: &mut Vec<u8>) {
        if self.records.is_empty() {
            return;
        }
        out.extend_from_slice(b"event: records\n");
        out.append(&mut self.records);
        // Writing to memory cannot fail.
        write!(out, "id: {}\n\n", self.at).unwrap_or_default();
    }

    fn gap(&mut self, why: Why, records: u64) {
        if let Some(gap) = self.gaps.get_mut(why as usize) {
            *gap += records;
        }
    }

    fn put_gaps(&mut self, out: &mut Vec<u8>, id: Option<Place>) {
        for (records, why) in std::mem::take(&mut self.gaps).into_iter().zip(WORDS) {
            if records > 0 {
                put_event(out, "gap", id, &json!({ "records": records, "why": why }));
            }
        }
    }

    /// The counts since the last time, and what `/status` says.
    fn put_status(&mut self, out: &mut Vec<u8>, id: Option<Place>) {
        let mut status: Map<String, Value> =
            self.tally.take().into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect();
        let mut reports = Vec::new();
        for (number, time, text) in self.hub.report.recent(self.reported) {
            self.reported = number;
            reports.push(json!([number, time, text]));
        }
        status.insert("time".to_owned(), json!(now_ns() as f64 / 1e9));
        status.insert("counted".to_owned(), json!(self.at.index));
        status.insert("oldest".to_owned(), json!(self.hub.shared.log().oldest()));
        status.insert("viewers".to_owned(), json!(self.seat.0.load(Ordering::Relaxed)));
        status.insert("reports".to_owned(), reports.into());
        status.insert("server".to_owned(), metrics::status(&self.hub));
        put_event(out, "status", id, &status.into());
    }
}

/// Where the pieces go.
struct Outlet {
    sender: mpsc::Sender<Bytes>,
    cut: Arc<Notify>,
    /// A piece that the connection has not taken, and since when.
    waiting: Option<(Bytes, Instant)>,
}

impl Outlet {
    /// Sends a piece, and waits until the connection takes it: what is kept is not lost meanwhile.
    fn send_patiently(&mut self, chunk: Vec<u8>) -> Result<(), Ended> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.offer(chunk.into(), Instant::now());
        while self.waiting.is_some() {
            std::thread::sleep(PAUSE);
            self.retry(Instant::now())?;
        }
        if self.sender.is_closed() { Err(Ended) } else { Ok(()) }
    }

    /// Sends a piece if the connection takes it, or keeps it for later.
    fn offer(&mut self, chunk: Bytes, since: Instant) {
        if let Err(TrySendError::Full(chunk)) = self.sender.try_send(chunk) {
            self.waiting = Some((chunk, since));
        }
    }

    /// Offers again what waits. A connection that has taken nothing for [`STALLED`] is cut.
    fn retry(&mut self, now: Instant) -> Result<(), Ended> {
        let Some((chunk, since)) = self.waiting.take() else { return Ok(()) };
        if now.saturating_duration_since(since) >= STALLED {
            self.cut.notify_one();
            return Err(Ended);
        }
        self.offer(chunk, since);
        Ok(())
    }
}

fn put_event(out: &mut Vec<u8>, name: &str, id: Option<Place>, data: &Value) {
    write!(out, "event: {name}\ndata: {data}\n").unwrap_or_default();
    if let Some(id) = id {
        writeln!(out, "id: {id}").unwrap_or_default();
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_takes_nothing_for_30_seconds_is_cut() {
        let (sender, mut chunks) = mpsc::channel(1);
        let cut = Arc::new(Notify::new());
        let mut outlet = Outlet { sender, cut: Arc::clone(&cut), waiting: None };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        outlet.offer(Bytes::from_static(b"one"), at(0));
        outlet.offer(Bytes::from_static(b"two"), at(0));
        assert!(outlet.retry(at(29)).is_ok() && outlet.waiting.is_some());
        // One that takes a piece in time has 30 seconds for the next one.
        assert_eq!(chunks.try_recv().unwrap(), "one");
        assert!(outlet.retry(at(29)).is_ok() && outlet.waiting.is_none());
        outlet.offer(Bytes::from_static(b"three"), at(29));
        assert!(outlet.retry(at(58)).is_ok());
        assert!(outlet.retry(at(59)).is_err());
        // The connection is told, whenever it listens.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(cut.notified());
    }
}
