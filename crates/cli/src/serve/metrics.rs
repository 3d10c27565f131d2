//! The counts for machines: Prometheus' text format for `/metrics`, and JSON for `/status`.
//!
//! The catalogue is `docs/metrics.md`, which a test holds against this file. No label is made of
//! what a record holds, but for the names of globals, of which 256 are kept.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use logrecord_pipeline::Reasons;

use super::hub::{Hub, Lag, ListenerCounts};

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
    let intake = hub.shared.ledger().intake();
    let outputs = hub.lags();
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
        one(intake.received),
    );
    let help = "Records that were found in the spool at the start.";
    page.metric("logrecord_resumed_total", Counter, help, one(intake.resumed));
    let help = "Records that went into the log, the resumed ones included.";
    page.metric("logrecord_logged_total", Counter, help, one(intake.logged));
    let by = |reasons: &Reasons| {
        reasons.iter().map(|(reason, count)| (label("reason", reason), count)).collect::<Vec<_>>()
    };
    let help = "Frames that were wrong: malformed, refused, cut off by their sender. What does not decode is an output's.";
    page.metric("logrecord_rejected_total", Counter, help, by(&intake.rejected));
    let help = "Frames that were right and given up before the log, here or in the kernel.";
    page.metric("logrecord_dropped_total", Counter, help, by(&intake.dropped));
    let help = "Bytes of the log that are in use.";
    page.metric("logrecord_log_bytes", Gauge, help, one(hub.shared.log().bytes()));
    let noted = hub.notes.counts();
    let noted = |wanted: &'static str| {
        let noted = noted.iter().filter(move |((kind, _), _)| *kind == wanted);
        noted.map(|((_, name), count)| {
            (if name.is_empty() { String::new() } else { label("name", name) }, *count)
        })
    };
    let help = "Records that name a global which is only described; 256 names at most, then other.";
    page.metric("logrecord_described_total", Counter, help, noted("described"));
    let help = "Records of which something was cut off, because they would have become too long.";
    page.metric("logrecord_cut_total", Counter, help, noted("cut"));
    let help = "Records that did not suit the output's format, and were written all the same.";
    page.metric("logrecord_unformatted_total", Counter, help, noted("unformatted"));
    let help = "Numbers of signed streams that were skipped and did not come late.";
    page.metric("logrecord_missing_total", Counter, help, one(hub.keys.missing()));
    let said = [
        (label("status", "durable"), load(&hub.acks.durable)),
        (label("status", "refused"), load(&hub.acks.refused)),
    ];
    let help =
        "Acknowledgements that were sent, one for each stream and sync, and refusals, one for each record.";
    page.metric("logrecord_acks_total", Counter, help, said);
    let each = |of: &dyn Fn(&Lag) -> u64| {
        outputs.iter().map(|(name, lag)| (label("output", name), of(lag))).collect::<Vec<_>>()
    };
    let help = "Records that the output has taken.";
    page.metric("logrecord_output_written_total", Counter, help, each(&|lag| lag.counts.written));
    let help = "Records that a route or a level did not want at the output.";
    page.metric("logrecord_output_filtered_total", Counter, help, each(&|lag| lag.counts.filtered));
    let by_reason = |of: &dyn Fn(&Lag) -> &Reasons| {
        let mut rows = Vec::new();
        for (name, lag) in &outputs {
            let rejected = of(lag).iter().map(|(reason, count)| {
                let labels = label("output", name).replace('}', &label("reason", reason).replace('{', ","));
                (labels, count)
            });
            rows.extend(rejected);
        }
        rows
    };
    let help = "Records that are none, or that the output cannot have.";
    page.metric("logrecord_output_rejected_total", Counter, help, by_reason(&|lag| &lag.counts.rejected));
    let help = "Records that were given up at the output.";
    page.metric("logrecord_output_dropped_total", Counter, help, by_reason(&|lag| &lag.counts.dropped));
    let help = "Bytes that wait for the output, about.";
    page.metric("logrecord_output_lag_bytes", Gauge, help, each(&|lag| lag.bytes));
    let help = "Records that wait for the output.";
    page.metric("logrecord_output_lag_records", Gauge, help, each(&|lag| lag.counts.buffered()));
    let help = "Seconds since the output last settled something, while something waits for it.";
    page.metric("logrecord_output_lag_seconds", Gauge, help, each(&|lag| lag.seconds));
    let help = "1 while the output takes nothing.";
    page.metric("logrecord_output_failing", Gauge, help, each(&|lag| u64::from(lag.failing)));
    let help = "Dead letters that could not be kept.";
    page.metric("logrecord_dead_letters_lost_total", Counter, help, one(hub.dead_letters().lost()));
    let reloads =
        [(label("result", "ok"), load(&hub.reloads)), (label("result", "failed"), load(&hub.failed_reloads))];
    page.metric(
        "logrecord_reloads_total",
        Counter,
        "SIGHUPs, and whether the configuration was taken.",
        reloads,
    );
    let listeners = hub.listeners();
    let rows = |of: fn(&ListenerCounts) -> &AtomicU64| {
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
    let intake = hub.shared.ledger().intake();
    let by = |reasons: &Reasons| {
        Value::Object(reasons.iter().map(|(reason, count)| (reason.to_owned(), json!(count))).collect())
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
    let outputs: Vec<Value> = hub
        .lags()
        .into_iter()
        .map(|(name, lag)| {
            json!({
                "name": name,
                "logged": lag.counts.logged,
                "written": lag.counts.written,
                "filtered": lag.counts.filtered,
                "rejected": by(&lag.counts.rejected),
                "dropped": by(&lag.counts.dropped),
                "failing": lag.failing,
                "lag": { "records": lag.counts.buffered(), "bytes": lag.bytes, "seconds": lag.seconds },
            })
        })
        .collect();
    let noted = hub.notes.counts();
    let noted = noted.iter().map(|((kind, name), count)| {
        (if name.is_empty() { (*kind).to_owned() } else { format!("{kind}{{{name}}}") }, json!(count))
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "configuration": hub.hash(),
        "uptime_seconds": hub.started.elapsed().as_secs(),
        "received": intake.received,
        "resumed": intake.resumed,
        "logged": intake.logged,
        "rejected": by(&intake.rejected),
        "dropped": by(&intake.dropped),
        "noted": noted.collect::<Map<_, _>>(),
        "missing": hub.keys.missing(),
        "acks": { "durable": load(&hub.acks.durable), "refused": load(&hub.acks.refused) },
        "log_bytes": hub.shared.log().bytes(),
        "dead_letters_lost": hub.dead_letters().lost(),
        "reloads": { "ok": load(&hub.reloads), "failed": load(&hub.failed_reloads) },
        "listeners": listeners,
        "outputs": outputs,
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
