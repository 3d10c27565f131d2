//! The counts for machines: Prometheus' text format for `/metrics`, and JSON for `/status`.
//!
//! The catalogue is `docs/metrics.md`, which a test holds against this file. No label is made of
//! what a record holds, but for the names of globals, of which 256 are kept.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use super::counts::Loss;
use super::hub::Hub;

/// What a metric is.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

struct Page {
    text: String,
}

impl Page {
    /// A metric and its rows: labels as they are written, and the value.
    fn metric(&mut self, name: &str, kind: Kind, help: &str, rows: impl IntoIterator<Item = (String, u64)>) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to text cannot fail.
        write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
        for (labels, value) in rows {
            writeln!(self.text, "{name}{labels} {value}").ok();
        }
    }
}

/// `{name="value"}`.
fn label(name: &str, value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            _ => escaped.push(letter),
        }
    }
    format!("{{{name}=\"{escaped}\"}}")
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn one(value: u64) -> [(String, u64); 1] {
    [(String::new(), value)]
}

/// The page of `/metrics`.
pub(crate) fn metrics(hub: &Hub) -> String {
    use Kind::{Counter, Gauge};
    let mut page = Page { text: String::new() };
    let counts = hub.counts.snapshot();
    let stage = hub.stage();
    let lag = stage.sink.lag();
    let output = label("output", &stage.name);
    let version = label("version", env!("CARGO_PKG_VERSION"));
    page.metric("logrecord_build_info", Gauge, "The version of the program; always 1.", [(version, 1)]);
    page.metric(
        "logrecord_uptime_seconds",
        Gauge,
        "Seconds since the start.",
        one(hub.started.elapsed().as_secs()),
    );
    page.metric(
        "logrecord_received_total",
        Counter,
        "Frames that arrived, good or bad.",
        one(counts.received),
    );
    let by = |wanted: Loss| {
        let lost = counts.lost.iter().filter(move |((loss, _), _)| *loss == wanted);
        lost.map(|((_, reason), count)| (label("reason", reason), *count))
    };
    let help = "Frames that were wrong: malformed, refused, cut off by their sender.";
    page.metric("logrecord_rejected_total", Counter, help, by(Loss::Rejected));
    let help = "Frames that were right and given up here or in the kernel.";
    page.metric("logrecord_dropped_total", Counter, help, by(Loss::Dropped));
    let help = "Records that are on their way from the listeners to the outputs.";
    page.metric("logrecord_buffered", Gauge, help, one(counts.buffered()));
    let described = counts.noted.iter().filter(|((kind, _), _)| *kind == "described");
    let help = "Records that name a global which is only described; 256 names at most, then other.";
    let described = described.map(|((_, name), count)| (label("name", name), *count));
    page.metric("logrecord_described_total", Counter, help, described);
    let noted = |wanted: &'static str| {
        let noted = counts.noted.iter().filter(move |((kind, _), _)| *kind == wanted);
        noted.map(|(_, count)| (String::new(), *count))
    };
    let help_cut = "Records of which something was cut off, because they would have become too long.";
    page.metric("logrecord_cut_total", Counter, help_cut, noted("cut"));
    let help_format = "Records that did not suit the output's format, and were written all the same.";
    page.metric("logrecord_unformatted_total", Counter, help_format, noted("unformatted"));
    let help = "Numbers of signed streams that were skipped and did not come late.";
    page.metric("logrecord_missing_total", Counter, help, one(hub.keys.missing()));
    let help = "Records that the output has taken.";
    page.metric("logrecord_output_written_total", Counter, help, [(output.clone(), counts.written)]);
    let help = "Bytes that wait for the output.";
    page.metric("logrecord_output_lag_bytes", Gauge, help, [(output.clone(), lag.bytes)]);
    let help = "Records that wait for the output.";
    page.metric("logrecord_output_lag_records", Gauge, help, [(output.clone(), lag.records)]);
    let help = "Seconds since the output last took something, while something waits for it.";
    page.metric("logrecord_output_lag_seconds", Gauge, help, [(output.clone(), lag.seconds)]);
    let help = "1 while the output takes nothing.";
    page.metric("logrecord_output_failing", Gauge, help, [(output, u64::from(lag.failing))]);
    let help = "Dead letters that could not be kept.";
    page.metric("logrecord_dead_letters_lost_total", Counter, help, one(stage.dead_letters.lost()));
    let reloads =
        [(label("result", "ok"), load(&hub.reloads)), (label("result", "failed"), load(&hub.failed_reloads))];
    page.metric(
        "logrecord_reloads_total",
        Counter,
        "SIGHUPs, and whether the configuration was taken.",
        reloads,
    );
    let listeners = hub.listeners();
    let rows = |of: fn(&super::hub::ListenerCounts) -> &AtomicU64| {
        listeners.iter().map(move |(address, counts)| (label("listener", address), load(of(counts))))
    };
    let help = "Frames that arrived at a listener, good or bad.";
    page.metric("logrecord_listener_received_total", Counter, help, rows(|counts| &counts.received));
    let help = "Connections that are open; a datagram socket counts as one.";
    page.metric("logrecord_listener_connections", Gauge, help, rows(|counts| &counts.connections));
    let help = "Connections that were made.";
    page.metric("logrecord_listener_connections_total", Counter, help, rows(|counts| &counts.connected));
    drop(listeners);
    page.text
}

/// The object of `/status`.
pub(crate) fn status(hub: &Hub) -> Value {
    let counts = hub.counts.snapshot();
    let stage = hub.stage();
    let lag = stage.sink.lag();
    let by = |wanted: Loss| {
        let lost = counts.lost.iter().filter(|((loss, _), _)| *loss == wanted);
        Value::Object(lost.map(|((_, reason), count)| (reason.clone(), json!(count))).collect::<Map<_, _>>())
    };
    let listeners: Vec<Value> = hub
        .listeners()
        .iter()
        .map(|(address, counts)| {
            json!({
                "address": address,
                "received": load(&counts.received),
                "connections": load(&counts.connections),
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "configuration": hub.hash(),
        "uptime_seconds": hub.started.elapsed().as_secs(),
        "received": counts.received,
        "rejected": by(Loss::Rejected),
        "dropped": by(Loss::Dropped),
        "buffered": counts.buffered(),
        "noted": counts.noted.iter().map(|((kind, name), count)| {
            (if name.is_empty() { (*kind).to_owned() } else { format!("{kind}{{{name}}}") }, json!(count))
        }).collect::<Map<_, _>>(),
        "missing": hub.keys.missing(),
        "dead_letters_lost": stage.dead_letters.lost(),
        "reloads": { "ok": load(&hub.reloads), "failed": load(&hub.failed_reloads) },
        "listeners": listeners,
        "outputs": [{
            "name": stage.name,
            "written": counts.written,
            "failing": lag.failing,
            "lag": { "records": lag.records, "bytes": lag.bytes, "seconds": lag.seconds },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label("a", "x\"y\\z\n"), "{a=\"x\\\"y\\\\z\\n\"}");
    }
}
