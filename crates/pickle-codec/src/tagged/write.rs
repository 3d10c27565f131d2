//! The writer of tagged JSON: a stack of tasks instead of recursion, and a budget for what it writes.
//!
//! A container pushes what is to be written of it in reverse: its end, then the items from a place on. The
//! task of the items writes scalars until it meets a container, pushes itself again for the place behind that,
//! and goes down. So the stack is as high as the nesting is deep, whatever the number of items.
//!
//! # Passes
//!
//! The text may be 64 times as long as the pickle, and whether it fits the budget is known at its end only.
//! Up to [`AT_ONCE`] bytes are written on trial and cut off again if they do not fit. A longer text is counted
//! first, by the same code over a sink that only counts, and then written into room that is reserved at once.
//! With `--refs` one more counting pass comes before, which finds the objects that are met again.
//!
//! Work that shows in no byte of output (the arguments of an exception that prints none of them) counts
//! against the same limit, because a shared object can be visited without end.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Display;

use num_bigint::BigInt;

use super::json::{self, Count, JsonSink};
use crate::budget::Budget;
use crate::document::walk::{Layout, NodeSet, limit_or_cycle};
use crate::document::{BigIntRef, Document, Node, NodeRef};
use crate::document::{Instance, Object, ObjectRepr};
use crate::document::{Kind, KnownClass, NodeId};
use crate::known::{self, Known, Zone, global_name};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::text::Str;

/// What is written straight away; a longer text is counted first, so that a hostile document is
/// refused before it takes much memory.
const AT_ONCE: usize = 4 << 20;

/// Writes a node at the end of a buffer, or leaves the buffer as it was.
pub(super) fn write(node: NodeRef<'_, '_>, refs: bool, budget: &mut Budget, out: &mut Vec<u8>) -> Result<()> {
    let mut pass = Pass { node, limit: budget.attempt(), shares: Shares::default(), produced: 0 };
    let start = out.len();
    let outcome = pass.all(refs, out);
    let produced = if outcome.is_ok() { out.len() - start } else { pass.produced };
    budget.settle(produced, outcome.is_ok());
    outcome.map_err(|stop| {
        out.truncate(start);
        Error::plain(match stop {
            Halt::Kind(kind) if !refs => limit_or_cycle(kind, node),
            Halt::Kind(kind) => kind,
            Halt::Full => ErrorKind::Budget,
        })
    })
}

/// The passes over a node: counting, or writing.
struct Pass<'d, 'a> {
    node: NodeRef<'d, 'a>,
    limit: usize,
    shares: Shares,
    /// Bytes that all passes together have counted or written.
    produced: usize,
}

impl Pass<'_, '_> {
    fn all(&mut self, refs: bool, out: &mut Vec<u8>) -> Written {
        if refs {
            self.shares = Shares::find(self.node.document);
            self.over(&mut Count::default(), usize::MAX)?;
        }
        let start = out.len();
        match self.over(out, AT_ONCE) {
            Err(Halt::Full) => out.truncate(start),
            done => return done,
        }
        let mut count = Count::default();
        self.over(&mut count, usize::MAX)?;
        out.try_reserve_exact(count.len()).map_err(|_| Halt::Full)?;
        self.over(out, usize::MAX)
    }

    fn over(&mut self, sink: &mut impl JsonSink, at_once: usize) -> Written {
        self.shares.begin();
        let start = sink.len();
        let (limit, at_once) = (self.limit.saturating_add(start), at_once.saturating_add(start));
        let outcome =
            JsonWriter::new(self.node.document, sink, limit, at_once, &mut self.shares).run(self.node.id);
        self.produced = self.produced.saturating_add(sink.len() - start);
        self.shares.end();
        outcome
    }
}

/// Why a writer ended early.
enum Halt {
    Kind(ErrorKind),
    /// More than what is written without counting first.
    Full,
}

impl From<ErrorKind> for Halt {
    fn from(kind: ErrorKind) -> Self {
        Self::Kind(kind)
    }
}

type Written = core::result::Result<(), Halt>;

/// Which objects are met again, and the numbers they have been given.
#[derive(Default)]
struct Shares {
    phase: Phase,
    layout: Option<Layout>,
    seen: Vec<u64>,
    numbers: BTreeMap<NodeId, Option<u32>>,
    next: u32,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Phase {
    /// Shared objects are written out at each place.
    #[default]
    Off,
    /// The first pass finds what is met again.
    Find,
    /// Definitions and references are written.
    Use,
}

impl Shares {
    fn find(document: &Document<'_>) -> Self {
        let layout = Layout::of(document);
        let seen = alloc::vec![0; layout.len().div_ceil(64)];
        Self { phase: Phase::Find, layout: Some(layout), seen, ..Self::default() }
    }

    /// What one pass has found is used by the next.
    const fn end(&mut self) {
        if matches!(self.phase, Phase::Find) {
            self.phase = Phase::Use;
        }
    }

    /// Forgets the numbers, which every pass gives anew in order of appearance.
    fn begin(&mut self) {
        self.next = 0;
        for number in self.numbers.values_mut() {
            *number = None;
        }
    }

    /// Notes a visit; whether it is the first.
    fn visit(&mut self, id: NodeId) -> bool {
        let Some(place) = self.layout.and_then(|layout| layout.place(id)) else { return true };
        let Some(word) = self.seen.get_mut(place / 64) else { return true };
        let bit = 1 << (place % 64);
        if *word & bit == 0 {
            *word |= bit;
            return true;
        }
        self.numbers.insert(id, None);
        false
    }
}

/// What is still to be written. The last task is the next.
enum Task<'d> {
    Value(NodeId),
    Text(&'static str),
    /// A text and a number behind it.
    Number(&'static str, u64),
    /// The end of a container.
    Close(NodeId, &'static str),
    /// The items from a place on.
    Items(&'d [NodeId], usize),
    /// Keys and values as `[key,value]`, from a place on.
    Pairs(&'d [NodeId], usize),
    /// Keys and values as members of a JSON object, from a place on.
    Members(&'d [NodeId], usize),
}

struct JsonWriter<'w, 'd, 'a, S> {
    document: &'d Document<'a>,
    sink: &'w mut S,
    /// Most bytes in the sink, and most `work`.
    limit: usize,
    /// Bytes in the sink at which the writer gives up for now.
    at_once: usize,
    /// Work that shows in no byte of output.
    work: usize,
    open: NodeSet,
    shares: &'w mut Shares,
    tasks: Vec<Task<'d>>,
}

impl<'w, 'd, 'a, S: JsonSink> JsonWriter<'w, 'd, 'a, S> {
    fn new(
        document: &'d Document<'a>,
        sink: &'w mut S,
        limit: usize,
        at_once: usize,
        shares: &'w mut Shares,
    ) -> Self {
        let open = NodeSet::new(document);
        Self { document, sink, limit, at_once, work: 0, open, shares, tasks: Vec::new() }
    }

    fn run(mut self, root: NodeId) -> Written {
        self.tasks.push(Task::Value(root));
        while let Some(task) = self.tasks.pop() {
            self.charge(0)?;
            match task {
                Task::Value(id) => self.value(id)?,
                Task::Text(text) => self.put(text),
                Task::Number(text, number) => {
                    self.put(text);
                    json::display(number, self.sink);
                }
                Task::Close(id, text) => {
                    self.open.remove(id);
                    self.put(text);
                }
                Task::Items(ids, from) => self.items(ids, from)?,
                Task::Pairs(ids, from) => self.pairs(ids, from)?,
                Task::Members(ids, from) => self.members(ids, from)?,
            }
        }
        self.charge(0)
    }

    fn put(&mut self, text: &str) {
        self.sink.put(text.as_bytes());
    }

    /// Refuses what would pass the limit, before it is written.
    fn charge(&self, more: usize) -> Written {
        let produced = self.sink.len().saturating_add(more);
        if produced > self.limit || self.work > self.limit {
            return Err(Halt::Kind(ErrorKind::Budget));
        }
        if produced > self.at_once { Err(Halt::Full) } else { Ok(()) }
    }

    fn items(&mut self, ids: &'d [NodeId], from: usize) -> Written {
        for (place, &id) in ids.iter().enumerate().skip(from) {
            if place > 0 {
                self.put(",");
            }
            if id.is_container() {
                self.tasks.push(Task::Items(ids, place + 1));
                return self.value(id);
            }
            self.scalar(id)?;
        }
        Ok(())
    }

    fn pairs(&mut self, ids: &'d [NodeId], from: usize) -> Written {
        let Some(&[key, value, ..]) = ids.get(from..) else { return Ok(()) };
        self.put(if from > 0 { ",[" } else { "[" });
        self.tasks.extend([
            Task::Pairs(ids, from + 2),
            Task::Text("]"),
            Task::Value(value),
            Task::Text(","),
            Task::Value(key),
        ]);
        Ok(())
    }

    fn members(&mut self, ids: &'d [NodeId], from: usize) -> Written {
        let (pairs, _) = ids.as_chunks::<2>();
        for (place, &[key, value]) in pairs.iter().enumerate().skip(from) {
            if place > 0 {
                self.put(",");
            }
            let text = self.document.text(key).and_then(Str::as_str).unwrap_or_default();
            self.string(text)?;
            self.put(":");
            if value.is_container() {
                self.tasks.push(Task::Members(ids, place + 1));
                return self.value(value);
            }
            self.scalar(value)?;
        }
        Ok(())
    }

    fn value(&mut self, id: NodeId) -> Written {
        if !id.is_container() {
            return self.scalar(id);
        }
        if let Some(ObjectRepr::Global { .. }) = self.document.object(id) {
            // A name is no container: it is the same wherever it stands.
            return self.global(id);
        }
        if self.shares.phase != Phase::Off {
            match self.share(id) {
                Share::Done => return Ok(()),
                Share::Define => self.tasks.push(Task::Text("]}")),
                Share::Plain => {}
            }
        }
        if !self.open.insert(id) {
            // An empty tuple has one id wherever it stands, so it is never open.
            return Err(Halt::Kind(ErrorKind::Recursive));
        }
        let ids = self.document.items(id);
        match id.kind() {
            Kind::List => self.container(id, "[", ids, "]"),
            Kind::Tuple => self.container(id, "{\"$tuple\":[", ids, "]}"),
            Kind::Set => self.container(id, "{\"$set\":[", ids, "]}"),
            Kind::FrozenSet => self.container(id, "{\"$frozenset\":[", ids, "]}"),
            Kind::Dict => self.dict(id, ids),
            _ => return self.object(id),
        }
        Ok(())
    }

    fn container(&mut self, id: NodeId, open: &str, ids: &'d [NodeId], close: &'static str) {
        self.put(open);
        self.tasks.extend([Task::Close(id, close), Task::Items(ids, 0)]);
    }

    fn paired(&mut self, id: NodeId, open: &str, ids: &'d [NodeId], close: &'static str) {
        self.put(open);
        self.tasks.extend([Task::Close(id, close), Task::Pairs(ids, 0)]);
    }

    fn dict(&mut self, id: NodeId, ids: &'d [NodeId]) {
        let is_plain = |key: NodeId| {
            let text = self.document.text(key).and_then(Str::as_str);
            let shared = match self.shares.phase {
                Phase::Off => false,
                // The keys have to be visited to find out.
                Phase::Find => true,
                Phase::Use => self.shares.numbers.contains_key(&key),
            };
            text.is_some_and(|text| !text.starts_with('$')) && !shared
        };
        let (pairs, _) = ids.as_chunks::<2>();
        if pairs.iter().all(|[key, _]| is_plain(*key)) {
            self.put("{");
            self.tasks.extend([Task::Close(id, "}"), Task::Members(ids, 0)]);
        } else {
            self.paired(id, "{\"$dict\":[", ids, "]}");
        }
    }

    /// How an object that may be shared is to be written.
    fn share(&mut self, id: NodeId) -> Share {
        match self.shares.phase {
            Phase::Off => Share::Plain,
            Phase::Find => {
                if self.shares.visit(id) {
                    Share::Plain
                } else {
                    Share::Done
                }
            }
            Phase::Use => match self.shares.numbers.get_mut(&id) {
                None => Share::Plain,
                Some(Some(number)) => {
                    let number = *number;
                    self.tag("ref", number);
                    self.put("}");
                    Share::Done
                }
                Some(number) => {
                    *number = Some(self.shares.next);
                    self.put("{\"$def\":[");
                    json::display(self.shares.next, self.sink);
                    self.put(",");
                    self.shares.next += 1;
                    Share::Define
                }
            },
        }
    }

    /// Writes a value that holds no others, with its definition if it is shared.
    fn scalar(&mut self, id: NodeId) -> Written {
        if self.shares.phase == Phase::Off || !self.is_sharable(id) {
            return self.bare_scalar(id);
        }
        match self.share(id) {
            Share::Done => Ok(()),
            Share::Plain => self.bare_scalar(id),
            Share::Define => {
                self.bare_scalar(id)?;
                self.put("]}");
                Ok(())
            }
        }
    }

    /// Whether text or bytes are none of those that CPython has only once.
    fn is_sharable(&self, id: NodeId) -> bool {
        match id.kind() {
            Kind::Str | Kind::Text => self.document.text(id).is_some_and(|text| {
                let mut points = text.code_points();
                match (points.next(), points.next()) {
                    (None, _) => false,
                    (Some(point), None) => point > 0xff,
                    _ => true,
                }
            }),
            Kind::Bytes | Kind::Blob => self.document.byte_string(id).is_some_and(|bytes| bytes.len() > 1),
            Kind::ByteArray => true,
            _ => false,
        }
    }

    fn bare_scalar(&mut self, id: NodeId) -> Written {
        match self.document.node(id).view() {
            Node::Bool(true) => self.put("true"),
            Node::Bool(false) => self.put("false"),
            Node::Int(value) => json::display(value, self.sink),
            Node::BigInt(value) => return self.big_int(value),
            Node::Float(value) => json::float(value, self.sink),
            Node::Str(text) => return self.text(text),
            Node::Bytes(bytes) => return self.base64("{\"$bytes\":\"", bytes),
            Node::ByteArray(bytes) => return self.base64("{\"$bytearray\":\"", bytes),
            // `()` is the one container whose id holds it.
            Node::Tuple(_) => self.put("{\"$tuple\":[]}"),
            _ => self.put("null"),
        }
        self.charge(0)
    }

    fn text(&mut self, text: Str<'_>) -> Written {
        match text {
            Str::Utf8(text) => self.string(text),
            Str::Wtf8(bytes) => self.base64("{\"$str\":\"", bytes),
        }
    }

    /// Writes a quoted string, if it fits with its escapes.
    fn string(&mut self, text: &str) -> Written {
        self.charge(text.len() + 2)?;
        // The longest escape has six bytes for one.
        if self.charge(text.len().saturating_mul(6)).is_err() {
            let mut count = Count::default();
            json::string(text, &mut count);
            self.charge(count.len())?;
        }
        json::string(text, self.sink);
        Ok(())
    }

    fn base64(&mut self, open: &str, bytes: &[u8]) -> Written {
        self.charge(bytes.len().div_ceil(3).saturating_mul(4))?;
        self.put(open);
        self.sink.base64(bytes);
        self.put("\"}");
        Ok(())
    }

    fn big_int(&mut self, value: BigIntRef<'_>) -> Written {
        self.charge(value.as_signed_bytes_le().len())?;
        self.put("{\"$int\":\"");
        self.digits(&value.to_bigint())?;
        self.put("\"}");
        Ok(())
    }

    /// Decimal up to the 4,300 digits that CPython prints, hexadecimal beyond: decimal digits take
    /// quadratic time.
    fn digits(&mut self, value: &BigInt) -> Written {
        if value.bits() <= MAX_DECIMAL_BITS {
            json::display(value, self.sink);
            return self.charge(0);
        }
        self.charge(usize::try_from(value.bits() / 4).unwrap_or(usize::MAX))?;
        json::display(format_args!("{value:#x}"), self.sink);
        self.charge(0)
    }

    /// Writes `{"$tag":` and a number.
    fn tag(&mut self, tag: &str, value: impl Display) {
        self.put("{\"$");
        self.put(tag);
        self.put("\":");
        json::display(value, self.sink);
    }

    /// Writes `{"$tag":"value"`.
    fn quoted(&mut self, tag: &str, value: impl Display) {
        self.put("{\"$");
        self.put(tag);
        self.put("\":\"");
        json::display(value, self.sink);
        self.put("\"");
    }

    fn global(&mut self, id: NodeId) -> Written {
        if known::role(self.document, id) == Some(KnownClass::Member)
            && let Some((Str::Utf8(module), Str::Utf8(name))) = global_name(self.document, id)
            && let Some((class, member)) = known::member(module, name)
        {
            self.put("{\"$enum\":{\"class\":");
            self.name((Str::Utf8(module), Str::Utf8(class)))?;
            self.put(",\"name\":");
            self.string(member)?;
            self.put("}}");
            return Ok(());
        }
        if let Some(name) = global_name(self.document, id) {
            self.put("{\"$global\":");
            self.name(name)?;
            self.put("}");
        }
        Ok(())
    }

    /// Writes `"module.name"`.
    fn name(&mut self, (module, name): (Str<'_>, Str<'_>)) -> Written {
        let parts = [module, name].map(|part| part.as_str().unwrap_or_default());
        let len = parts.map(str::len).iter().sum::<usize>();
        self.charge(len)?;
        if self.charge(len.saturating_mul(6)).is_err() {
            let mut count = Count::default();
            parts.iter().for_each(|part| json::escaped(part, &mut count));
            self.charge(count.len())?;
        }
        self.put("\"");
        json::escaped(parts[0], self.sink);
        self.put(".");
        json::escaped(parts[1], self.sink);
        self.put("\"");
        Ok(())
    }

    fn object(&mut self, id: NodeId) -> Written {
        self.tasks.push(Task::Close(id, ""));
        match self.document.object(id) {
            Some(ObjectRepr::Instance(instance)) => {
                self.work = self.work.saturating_add(self.document.items(instance.args).len());
                self.charge(0)?;
                let object = Object { document: self.document, id, instance: *instance };
                match object.known() {
                    Some(known) => self.known(known, object),
                    None => self.described(instance),
                }
            }
            Some(ObjectRepr::PersistentId { value, .. }) => {
                self.put("{\"$persid\":");
                self.tasks.extend([Task::Text("}"), Task::Value(*value)]);
                Ok(())
            }
            Some(ObjectRepr::Extension(code)) => {
                self.tag("ext", *code);
                self.put("}");
                Ok(())
            }
            Some(ObjectRepr::Buffer(index, _)) => {
                self.tag("buffer", *index);
                self.put("}");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An object as the pickle describes it.
    fn described(&mut self, instance: &Instance) -> Written {
        let document = self.document;
        self.put("{\"$object\":{\"class\":");
        let start = self.tasks.len();
        match global_name(document, instance.class) {
            Some(name) => self.name(name)?,
            None => self.tasks.push(Task::Value(instance.class)),
        }
        let args = document.items(instance.args);
        self.tasks.extend([Task::Text(",\"args\":["), Task::Items(args, 0), Task::Text("]")]);
        if instance.kwargs != NodeId::ABSENT {
            self.tasks.extend([Task::Text(",\"kwargs\":"), Task::Value(instance.kwargs)]);
        }
        if instance.state != NodeId::ABSENT {
            self.tasks.extend([Task::Text(",\"state\":"), Task::Value(instance.state)]);
        }
        if instance.items != NodeId::ABSENT {
            let items = document.items(instance.items);
            self.tasks.extend([Task::Text(",\"items\":["), Task::Items(items, 0), Task::Text("]")]);
        }
        if instance.pairs != NodeId::ABSENT {
            let pairs = document.items(instance.pairs);
            self.tasks.extend([Task::Text(",\"pairs\":["), Task::Pairs(pairs, 0), Task::Text("]")]);
        }
        self.tasks.push(Task::Text("}}"));
        self.in_order(start);
        Ok(())
    }

    /// Turns round the tasks from a place on, which were pushed in the order in which they are to be done.
    fn in_order(&mut self, start: usize) {
        if let Some(tasks) = self.tasks.get_mut(start..) {
            tasks.reverse();
        }
    }

    fn known(&mut self, known: Known<'d, 'a>, object: Object<'d, 'a>) -> Written {
        let start = self.tasks.len();
        let state = object.state().map(|state| state.id);
        match known {
            Known::Complex(real, imaginary) => {
                self.put("{\"$complex\":[");
                json::float(real, self.sink);
                self.put(",");
                json::float(imaginary, self.sink);
                self.put("]}");
            }
            Known::OrderedDict(pairs) => self.known_pairs("{\"$ordereddict\":[", pairs.ids, state),
            Known::DefaultDict(factory, pairs) => {
                self.put("{\"$defaultdict\":[");
                self.tasks.extend([Task::Pairs(pairs.ids, 0), Task::Text("]")]);
                if let Some(factory) = factory {
                    self.tasks.extend([Task::Text(",\"factory\":"), Task::Value(factory.id)]);
                }
                self.state(state);
                self.tasks.push(Task::Text("}"));
            }
            Known::Counter(pairs) => self.known_pairs("{\"$counter\":[", pairs.ids, state),
            Known::Deque(items, maxlen) => {
                self.put("{\"$deque\":[");
                self.tasks.extend([Task::Items(items.ids, 0), Task::Text("]")]);
                self.tasks.push(match maxlen {
                    Some(most) => Task::Number(",\"maxlen\":", most),
                    None => Task::Text(""),
                });
                self.tasks.push(Task::Text("}"));
            }
            Known::Date(date) => {
                self.quoted("date", date);
                self.put("}");
            }
            Known::Time(time, zone) => {
                self.put("{\"$time\":\"");
                self.clock(time.fold, time, zone, object.args().get(1).map(|zone| zone.id));
            }
            Known::DateTime(date, time, zone) => {
                self.quoted_start("datetime", date);
                self.put("T");
                self.clock(time.fold, time, zone, object.args().get(1).map(|zone| zone.id));
            }
            Known::TimeDelta(delta) => {
                self.tag("timedelta", "[");
                json::display(delta.days, self.sink);
                self.put(",");
                json::display(delta.seconds, self.sink);
                self.put(",");
                json::display(delta.microseconds, self.sink);
                self.put("]}");
            }
            Known::TimeZone(offset, name) => {
                self.quoted("timezone", offset);
                if let Some(name) = name.and_then(|name| self.document.text(name.id)) {
                    self.put(",\"name\":");
                    self.text(name)?;
                }
                self.put("}");
            }
            Known::ZoneInfo(key) => {
                self.quoted("zoneinfo", key);
                self.put("}");
            }
            Known::Decimal(text) => {
                self.charge(text.len())?;
                self.quoted("decimal", text);
                self.put("}");
            }
            Known::Fraction(numerator, denominator) => {
                self.put("{\"$fraction\":\"");
                self.digits(&numerator)?;
                self.put("/");
                self.digits(&denominator)?;
                self.put("\"}");
            }
            Known::Uuid(number) => {
                self.put("{\"$uuid\":\"");
                let hex = alloc::format!("{number:032x}");
                for (place, digit) in hex.chars().enumerate() {
                    if matches!(place, 8 | 12 | 16 | 20) {
                        self.put("-");
                    }
                    json::display(digit, self.sink);
                }
                self.put("\"}");
            }
            Known::Path(path) => {
                self.put("{\"$path\":");
                self.text(core::str::from_utf8(&path).map_or(Str::Wtf8(&path), Str::Utf8))?;
                self.class_beside(object, &["PosixPath", "Path"])?;
            }
            Known::Ip(text) => {
                self.put("{\"$ip\":");
                self.string(&text)?;
                // Only an interface does not show what it is.
                let plain = ["IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network"];
                self.class_beside(object, &plain)?;
            }
            Known::Range(parts) => self.three("{\"$range\":[", parts),
            Known::Slice(parts) => self.three("{\"$slice\":[", parts),
            Known::Exception(class, args, state) => {
                self.put("{\"$exception\":{\"class\":");
                self.name(class)?;
                self.put(",\"args\":[");
                self.tasks.extend([Task::Items(args.ids, 0), Task::Text("]")]);
                self.state(state.map(|state| state.id));
                self.tasks.push(Task::Text("}}"));
            }
            Known::Enum(class, value) => {
                self.put("{\"$enum\":{\"class\":");
                self.name(class)?;
                self.tasks.extend([Task::Text(",\"value\":"), Task::Value(value.id), Task::Text("}}")]);
            }
            Known::Instance(class, value, state) => {
                self.put("{\"$instance\":{\"class\":");
                self.name(class)?;
                self.tasks.extend([Task::Text(",\"value\":"), Task::Value(value.id)]);
                self.state(state.map(|state| state.id));
                self.tasks.push(Task::Text("}}"));
            }
        }
        self.in_order(start);
        self.charge(0)
    }

    /// Ends an object, with the class beside what there is unless it is one of the plain ones.
    fn class_beside(&mut self, object: Object<'d, 'a>, plain: &[&str]) -> Written {
        if let Some((Str::Utf8(module), Str::Utf8(name))) = object.shown_class_name()
            && !plain.contains(&name)
        {
            self.put(",\"class\":");
            // CPython 3.13 pickles a module of `pathlib`'s own; the class is `pathlib`'s to everybody else.
            self.name((Str::Utf8(module.strip_suffix("._local").unwrap_or(module)), Str::Utf8(name)))?;
        }
        self.put("}");
        Ok(())
    }

    fn known_pairs(&mut self, open: &str, ids: &'d [NodeId], state: Option<NodeId>) {
        self.put(open);
        self.tasks.extend([Task::Pairs(ids, 0), Task::Text("]")]);
        self.state(state);
        self.tasks.push(Task::Text("}"));
    }

    fn state(&mut self, state: Option<NodeId>) {
        if let Some(state) = state {
            self.tasks.extend([Task::Text(",\"state\":"), Task::Value(state)]);
        }
    }

    fn three(&mut self, open: &str, parts: [NodeRef<'d, 'a>; 3]) {
        self.put(open);
        let [first, second, third] = parts.map(|part| Task::Value(part.id));
        self.tasks.extend([first, Task::Text(","), second, Task::Text(","), third, Task::Text("]}")]);
    }

    fn quoted_start(&mut self, tag: &str, value: impl Display) {
        self.put("{\"$");
        self.put(tag);
        self.put("\":\"");
        json::display(value, self.sink);
    }

    /// The time of day and what follows it. A zone that says more than an offset stands beside.
    fn clock(&mut self, fold: bool, time: impl Display, zone: Option<Zone<'d, 'a>>, id: Option<NodeId>) {
        json::display(time, self.sink);
        if let Some(Zone::Fixed(offset)) = zone {
            json::display(offset, self.sink);
        }
        self.put(if fold { "\",\"fold\":1" } else { "\"" });
        let named = id.filter(|&id| match self.document.node(id).view() {
            Node::Object(zone) => !matches!(zone.known(), Some(Known::TimeZone(_, None))),
            _ => false,
        });
        let beside = match zone {
            Some(Zone::Other(zone)) => Some(zone.id),
            _ => named,
        };
        match beside {
            Some(zone) => {
                self.put(",\"tz\":");
                self.tasks.extend([Task::Value(zone), Task::Text("}")]);
            }
            None => self.put("}"),
        }
    }
}

enum Share {
    /// It is written out.
    Plain,
    /// A reference has been written.
    Done,
    /// The start of a definition has been written.
    Define,
}
