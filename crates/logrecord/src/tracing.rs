//! A layer for [`tracing-subscriber`](https://docs.rs/tracing-subscriber).
//!
//! | of the event | in the LogRecord |
//! |---|---|
//! | target | `name`, with `.` for `::`, so that Python's loggers form the same tree |
//! | level | `levelno`: error 40, warn 30, info 20, debug 10, trace 5 (`levelname` is `Level 5`) |
//! | field `message` | `msg`; the event's name where there is none |
//! | other fields | extra attributes: numbers, booleans, text and bytes as such, anything else as its text |
//! | a field that is an `Error` | its text as an extra attribute, and with all its causes `exc_text` |
//! | spans around it | extra `spans`: a list, the outermost first, of `{"name", "target", "fields"}` |
//! | file, line | `pathname`, `filename`, `lineno` |
//! | module path | `module`, as it is (`app::db`) |
//!
//! With [`LayerBuilder::flatten_spans`] the fields of the spans are extra attributes, too, so that a Python
//! format can say `%(request_id)s`; inner spans win over outer ones, and the event over both. Time, process and
//! thread are those of the call. A field that has the name of an attribute gets an underscore behind it.
//! Events that `tracing-log` made of `log` records have the target, module and place of those.
//!
//! Every level is taken; `with_filter` of tracing-subscriber chooses. What this project's crates and threads
//! say is ignored, so that nothing feeds itself.
//!
//! ```
//! use std::time::Duration;
//! use logrecord::SocketHandler;
//! use tracing_subscriber::prelude::*;
//!
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let port = listener.local_addr()?.port();
//! let handler = SocketHandler::new("127.0.0.1", port)?;
//! let guard = handler.guard(Duration::from_secs(5));
//! let subscriber = tracing_subscriber::registry().with(logrecord::tracing::layer(handler));
//! tracing::subscriber::with_default(subscriber, || {
//!     let _request = tracing::info_span!("request", id = 7).entered();
//!     tracing::warn!(ms = 731, "slow query");
//! });
//! drop(guard); // It waits until the record is sent.
//! # use std::io::Read;
//! # let mut frame = [0; 4096];
//! # let len = listener.accept()?.0.read(&mut frame)?;
//! # let record = logrecord::model::LogRecord::from_pickle(&frame[4..len])?;
//! # assert_eq!(record.message(), "slow query");
//! # assert_eq!(record.extra_value("spans").unwrap()[0]["fields"]["id"], logrecord::pickle::Value::Int(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::{error, fmt, sync::Arc};

use ::tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use logrecord_model::Level;
use pickle_codec::Value;
use tracing_subscriber::{layer::Context, registry::LookupSpan};

use crate::{
    extra::{extra_key, text},
    feedback,
    handler::Handler,
    origin::Origin,
};

/// The longest chain of causes that is written out. A chain can be a ring.
const MAX_CAUSES: usize = 64;

/// A layer that gives its events to a handler, with all defaults.
pub fn layer(handler: impl Handler + 'static) -> Layer {
    Layer::builder(handler).build()
}

/// A layer that makes LogRecords of events and gives them to a [`Handler`].
pub struct Layer {
    handler: Arc<dyn Handler>,
    origin: Origin,
    spans: bool,
    flatten: bool,
}

impl Layer {
    /// Begins to set up a layer.
    pub fn builder(handler: impl Handler + 'static) -> LayerBuilder {
        LayerBuilder { handler: Arc::new(handler), process_name: None, spans: true, flatten: false }
    }
}

/// Sets up a [`Layer`].
#[must_use]
pub struct LayerBuilder {
    handler: Arc<dyn Handler>,
    process_name: Option<String>,
    spans: bool,
    flatten: bool,
}

impl LayerBuilder {
    /// Whether the spans around an event are its extra attribute `spans`; on by default.
    pub const fn spans(mut self, spans: bool) -> Self {
        self.spans = spans;
        self
    }

    /// Whether the fields of the spans are extra attributes of their own, too; off by default.
    pub const fn flatten_spans(mut self, flatten: bool) -> Self {
        self.flatten = flatten;
        self
    }

    /// The process's name in the records. By default it is the executable's.
    pub fn process_name(mut self, name: impl Into<String>) -> Self {
        self.process_name = Some(name.into());
        self
    }

    /// The layer.
    pub fn build(self) -> Layer {
        Layer {
            handler: self.handler,
            origin: Origin::new(self.process_name),
            spans: self.spans,
            flatten: self.flatten,
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer")
            .field("spans", &self.spans)
            .field("flatten_spans", &self.flatten)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerBuilder")
            .field("spans", &self.spans)
            .field("flatten_spans", &self.flatten)
            .finish_non_exhaustive()
    }
}

/// The fields of a span, kept with it. A type of its own, so that two layers do not share them by accident.
struct SpanFields(Vec<(&'static str, Value<'static>)>);

impl<S> tracing_subscriber::Layer<S> for Layer
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        // Another layer of this kind in the same subscriber has seen to it.
        if extensions.get_mut::<SpanFields>().is_none() {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            extensions.insert(SpanFields(fields.into_pairs()));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        let mut extensions = span.extensions_mut();
        if let Some(SpanFields(known)) = extensions.get_mut() {
            for (name, value) in fields.into_pairs() {
                match known.iter_mut().find(|(have, _)| *have == name) {
                    Some((_, place)) => *place = value,
                    None => known.push((name, value)),
                }
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if feedback::is_own(metadata.target()) {
            return;
        }
        let mut fields = Fields { is_log: metadata.target() == "log", ..Fields::default() };
        event.record(&mut fields);
        let bridged = fields.bridged;
        let target = bridged.target.as_deref().unwrap_or_else(|| metadata.target());
        if bridged.target.is_some() && feedback::is_own(target) {
            return;
        }

        let message = fields.message.unwrap_or_else(|| metadata.name().to_owned());
        let level = Level::from(*metadata.level()).number();
        let mut record = self.origin.record(target.replace("::", "."), level, message);
        if let Some(file) = bridged.file.as_deref().or_else(|| metadata.file()) {
            record = record.pathname(file);
        }
        if let Some(module) = bridged.module.as_deref().or_else(|| metadata.module_path()) {
            record = record.module(module);
        }
        if let Some(line) = bridged.line.or_else(|| metadata.line().map(i64::from)) {
            record = record.lineno(line);
        }
        if let Some(causes) = fields.causes {
            record = record.exc_text(causes);
        }

        let mut spans = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let known = extensions.get::<SpanFields>().map_or(&[][..], |fields| &fields.0);
            if self.flatten {
                for (name, value) in known {
                    record = record.extra(extra_key(name), value.clone());
                }
            }
            if self.spans {
                spans.push(Value::dict([
                    ("name", Value::from(span.name())),
                    ("target", Value::from(span.metadata().target())),
                    ("fields", Value::dict(known.iter().map(|(name, value)| (*name, value.clone())))),
                ]));
            }
        }
        if !spans.is_empty() {
            record = record.extra("spans", Value::List(spans));
        }
        for (name, value) in fields.pairs {
            record = record.extra(extra_key(name), value);
        }
        let record = record.build();
        // The handler counts what it cannot take, and there is nobody else to tell.
        drop(feedback::guarded(|| self.handler.handle(&record)));
    }
}

/// What an event of `tracing-log` says of the `log` record that it was.
#[derive(Default)]
struct Bridged {
    target: Option<String>,
    module: Option<String>,
    file: Option<String>,
    line: Option<i64>,
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    pairs: Vec<(&'static str, Value<'static>)>,
    causes: Option<String>,
    /// Whether `log.` fields are the bridge's.
    is_log: bool,
    bridged: Bridged,
}

impl Fields {
    /// All fields of a span; it has no message of its own.
    fn into_pairs(self) -> Vec<(&'static str, Value<'static>)> {
        let mut pairs = self.pairs;
        if let Some(message) = self.message {
            pairs.insert(0, ("message", Value::from(message)));
        }
        pairs
    }

    fn push(&mut self, field: &Field, value: impl Into<Value<'static>>) {
        self.pairs.push((field.name(), value.into()));
    }

    fn text(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = Some(text),
            "log.target" if self.is_log => self.bridged.target = Some(text),
            "log.module_path" if self.is_log => self.bridged.module = Some(text),
            "log.file" if self.is_log => self.bridged.file = Some(text),
            _ => self.push(field, text),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.is_log && field.name() == "log.line" {
            self.bridged.line = i64::try_from(value).ok();
        } else {
            self.push(field, value);
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.push(field, Value::Bytes(value.to_vec().into()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn error::Error + 'static)) {
        self.text(field, text(format_args!("{value}")));
        let causes = self.causes.get_or_insert_default();
        if !causes.is_empty() {
            causes.push('\n');
        }
        causes.push_str(&text(format_args!("{}: {value}", field.name())));
        let mut cause = value.source();
        for _ in 0..MAX_CAUSES {
            let Some(error) = cause else { break };
            causes.push_str(&text(format_args!("\ncaused by: {error}")));
            cause = error.source();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, text(format_args!("{value:?}")));
    }
}
