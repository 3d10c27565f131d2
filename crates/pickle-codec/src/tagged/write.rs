//! The writer of tagged JSON: a stack of tasks instead of recursion, and a budget for what it writes.
//!
//! A container pushes what is to be written of it in reverse: its end, then the places from one on. That task
//! writes scalars until it meets a container, pushes itself again for the place behind that, and goes down. So the
//! stack is as high as the nesting is deep, whatever the number of items:
//!
//! ```text
//! [1,{"a":[]},2]         written          tasks, the next one last
//!                        [                Close "]", Places 0
//!                        [1,{             Close "]", Places 2, Close "}", Places 0
//!                        [1,{"a":[        Close "]", Places 2, Close "}", Places 2, Close "]", Places 0
//!                        [1,{"a":[]},2]   none
//! ```
//!
//! A known type pushes its parts in the order in which they are read, and [`JsonWriter::in_order`] turns them round.
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
//!
//! # Sharing
//!
//! With `--refs` an object that is met again is written `{"$def":[n,value]}` the first time and `{"$ref":n}` after
//! that. The first time, nobody knows yet that it will be met again: hence the pass before. Numbers are given in the
//! order in which definitions appear, whatever the memo of the pickle was, so that equal graphs give equal text. Text
//! and bytes that CPython keeps once in a process are always written out, because there they are one object
//! however they came about, and sharing them says nothing.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use num_bigint::BigInt;

use super::json::{self, Count, JsonSink};
use crate::budget::Budget;
use crate::document::walk::{Layout, NodeSet, limit_or_cycle};
use crate::document::{
    BigIntRef, Document, Instance, Kind, KnownClass, Node, NodeId, NodeRef, Object, ObjectRepr, Pairs,
};
use crate::encode::singles::Single;
use crate::known::{self, Known, TimeDelta, Zone, global_name};
use crate::repr::uuid;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::text::Str;

/// What is written straight away; a longer text is counted first, so that a hostile document is
/// refused before it takes much memory.
const AT_ONCE: usize = 4 << 20;

/// Writes a node at the end of a buffer, or leaves the buffer as it was. The budget is settled either way: what was
/// produced in vain took time as well, and a caller that tries again and again has to come to an end.
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

/// The passes over a node, each of them counting or writing. They go the same way, so that what one has found
/// holds in the next.
struct Pass<'d, 'a> {
    node: NodeRef<'d, 'a>,
    limit: usize,
    shares: Shares,
    /// Bytes that all passes together have counted or written.
    produced: usize,
}

impl Pass<'_, '_> {
    /// All passes that this text takes: most take one.
    fn all(&mut self, refs: bool, out: &mut Vec<u8>) -> Result<(), Halt> {
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

    /// One pass over the node, into a sink.
    fn over(&mut self, sink: &mut impl JsonSink, at_once: usize) -> Result<(), Halt> {
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

/// Which objects are met again, and the numbers they have been given.
#[derive(Default)]
struct Shares {
    phase: Phase,
    layout: Option<Layout>,
    seen: Vec<u64>,
    numbers: BTreeMap<NodeId, Option<u32>>,
    next: u32,
}

/// What sharing means for the pass at hand.
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

    /// Notes a visit; whether it is the first. In this pass the parts of an object are visited the first time alone,
    /// so that it takes time in proportion to the graph and not to the tree that it stands for.
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
enum JsonTask<'d> {
    Value(NodeId),
    Text(&'static str),
    /// The most that a deque holds, beside its items.
    MaxLen(u64),
    /// The end of a container.
    Close(NodeId, &'static str),
    /// What stands between brackets, from a place on.
    Places(&'d [NodeId], usize, JsonStyle),
}

/// How the places of a container are written.
#[derive(Clone, Copy, PartialEq)]
enum JsonStyle {
    /// `a,b`
    Items,
    /// Keys and values as `[key,value],[key,value]`
    Pairs,
    /// Keys and values as `"key":value,"key":value`
    Members,
}

/// One pass over a node.
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
    tasks: Vec<JsonTask<'d>>,
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

    /// Does task after task. Before each one the limit is looked at, so that what writes little and does much ends too.
    fn run(mut self, root: NodeId) -> Result<(), Halt> {
        self.tasks.push(JsonTask::Value(root));
        while let Some(task) = self.tasks.pop() {
            self.charge(0)?;
            match task {
                JsonTask::Value(id) => self.value(id)?,
                JsonTask::Text(text) => self.put(text),
                JsonTask::MaxLen(most) => self.format(format_args!(",\"maxlen\":{most}")),
                JsonTask::Close(id, text) => {
                    self.open.remove(id);
                    self.put(text);
                }
                JsonTask::Places(ids, from, style) => self.places(ids, from, style)?,
            }
        }
        self.charge(0)
    }

    fn put(&mut self, text: &str) {
        self.sink.put(text.as_bytes());
    }

    /// Writes what `Display` gives, which needs no escape.
    fn format(&mut self, text: fmt::Arguments<'_>) {
        json::display(text, self.sink);
    }

    /// Refuses what would pass the limit, before it is written.
    fn charge(&self, more: usize) -> Result<(), Halt> {
        let produced = self.sink.len().saturating_add(more);
        if produced > self.limit || self.work > self.limit {
            return Err(Halt::Kind(ErrorKind::Budget));
        }
        if produced > self.at_once { Err(Halt::Full) } else { Ok(()) }
    }

    /// Writes what stands between brackets, from a place on. A container ends this for now: the places behind it
    /// are a task that waits until it is written.
    fn places(&mut self, ids: &'d [NodeId], from: usize, style: JsonStyle) -> Result<(), Halt> {
        for (place, &id) in ids.iter().enumerate().skip(from) {
            let is_value = style != JsonStyle::Items && place % 2 == 1;
            self.put(match style {
                JsonStyle::Members if is_value => ":",
                JsonStyle::Pairs if place == 0 => "[",
                JsonStyle::Pairs if !is_value => "],[",
                _ if place == 0 => "",
                _ => ",",
            });
            if style == JsonStyle::Members && !is_value {
                self.string(self.document.text(id).and_then(Str::as_str).unwrap_or_default())?;
            } else if id.is_container() {
                self.tasks.push(JsonTask::Places(ids, place + 1, style));
                return self.value(id);
            } else {
                self.scalar(id)?;
            }
        }
        if style == JsonStyle::Pairs && !ids.is_empty() {
            self.put("]");
        }
        Ok(())
    }

    /// Writes a scalar, or opens a container: what it begins with, and tasks for all that follows. A container that is
    /// open already holds itself, which only a reference can write.
    fn value(&mut self, id: NodeId) -> Result<(), Halt> {
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
                Share::Define => self.tasks.push(JsonTask::Text("]}")),
                Share::Plain => {}
            }
        }
        if !self.open.insert(id) {
            // An empty tuple has one id wherever it stands, so it is never open.
            return Err(Halt::Kind(ErrorKind::Recursive));
        }
        match id.kind() {
            Kind::List => self.container(id, "[", JsonStyle::Items, "]"),
            Kind::Tuple => self.container(id, "{\"$tuple\":[", JsonStyle::Items, "]}"),
            Kind::Set => self.container(id, "{\"$set\":[", JsonStyle::Items, "]}"),
            Kind::FrozenSet => self.container(id, "{\"$frozenset\":[", JsonStyle::Items, "]}"),
            Kind::Dict if self.is_plain(id) => self.container(id, "{", JsonStyle::Members, "}"),
            Kind::Dict => self.container(id, "{\"$dict\":[", JsonStyle::Pairs, "]}"),
            _ => return self.object(id),
        }
        Ok(())
    }

    /// Begins a container; its places and its end are tasks.
    fn container(&mut self, id: NodeId, open: &str, style: JsonStyle, close: &'static str) {
        self.put(open);
        let ids = self.document.items(id);
        self.tasks.extend([JsonTask::Close(id, close), JsonTask::Places(ids, 0, style)]);
    }

    /// Whether a dict is a plain JSON object: all keys are text without a leading `$`, and none of them needs a
    /// place for its definition.
    fn is_plain(&self, dict: NodeId) -> bool {
        let (pairs, _) = self.document.items(dict).as_chunks::<2>();
        pairs.iter().all(|[key, _]| {
            let text = self.document.text(*key).and_then(Str::as_str);
            let is_shared = match self.shares.phase {
                Phase::Off => false,
                // The keys have to be visited to find out.
                Phase::Find => true,
                Phase::Use => self.shares.numbers.contains_key(key),
            };
            text.is_some_and(|text| !text.starts_with('$')) && !is_shared
        })
    }

    /// How an object that may be shared is to be written.
    ///
    /// In the pass that finds what is shared, an object that was visited is not visited again. In the passes that
    /// use it, the first visit begins a definition, which the caller ends, and every other one is a reference.
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
                    self.format(format_args!("{{\"$ref\":{number}}}"));
                    Share::Done
                }
                Some(number) => {
                    *number = Some(self.shares.next);
                    let number = self.shares.next;
                    self.format(format_args!("{{\"$def\":[{number},"));
                    self.shares.next += 1;
                    Share::Define
                }
            },
        }
    }

    /// Writes a value that holds no others, with its definition if it is shared. Unlike a container it has no task for
    /// its end.
    fn scalar(&mut self, id: NodeId) -> Result<(), Halt> {
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

    /// Whether text or bytes are none of those that CPython has only once. A number is no object to speak of: whether
    /// two equal ones are the same depends on the implementation.
    fn is_sharable(&self, id: NodeId) -> bool {
        let (text, bytes) = (self.document.text(id), self.document.byte_string(id));
        match id.kind() {
            Kind::Str | Kind::Text => text.is_some_and(|text| Single::text(text.as_bytes()).is_none()),
            Kind::Bytes | Kind::Blob => bytes.is_some_and(|bytes| Single::bytes(bytes).is_none()),
            kind => kind == Kind::ByteArray,
        }
    }

    /// Writes a scalar without a definition.
    fn bare_scalar(&mut self, id: NodeId) -> Result<(), Halt> {
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

    fn text(&mut self, text: Str<'_>) -> Result<(), Halt> {
        match text {
            Str::Utf8(text) => self.string(text),
            Str::Wtf8(bytes) => self.base64("{\"$str\":\"", bytes),
        }
    }

    /// Writes a quoted string, if it fits with its escapes. Near the limit they are counted first, so that the text is
    /// refused and not cut.
    fn string(&mut self, text: &str) -> Result<(), Halt> {
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

    /// Writes a tag with bytes. Base64 needs no count: its length is known before.
    fn base64(&mut self, open: &str, bytes: &[u8]) -> Result<(), Halt> {
        self.charge(bytes.len().div_ceil(3).saturating_mul(4))?;
        self.put(open);
        self.sink.base64(bytes);
        self.put("\"}");
        Ok(())
    }

    fn big_int(&mut self, value: BigIntRef<'_>) -> Result<(), Halt> {
        self.charge(value.as_signed_bytes_le().len())?;
        self.put("{\"$int\":\"");
        self.digits(&value.to_bigint())?;
        self.put("\"}");
        Ok(())
    }

    /// Decimal up to the 4,300 digits that CPython prints, hexadecimal beyond: decimal digits take
    /// quadratic time.
    fn digits(&mut self, value: &BigInt) -> Result<(), Halt> {
        if value.bits() <= MAX_DECIMAL_BITS {
            json::display(value, self.sink);
            return self.charge(0);
        }
        self.charge(usize::try_from(value.bits() / 4).unwrap_or(usize::MAX))?;
        json::display(format_args!("{value:#x}"), self.sink);
        self.charge(0)
    }

    /// The bare name of something. Where it stands for a member of an enum, such as `signal.SIGINT`, it is written as
    /// one: `{"$enum":{"class":"signal.Signals","name":"SIGINT"}}`.
    fn global(&mut self, id: NodeId) -> Result<(), Halt> {
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

    /// Writes `"module.name"`. Names come from the pickle like any text, so they are charged and escaped like one.
    fn name(&mut self, (module, name): (Str<'_>, Str<'_>)) -> Result<(), Halt> {
        let [module, name] = [module, name].map(|part| part.as_str().unwrap_or_default());
        self.charge(module.len() + name.len())?;
        self.string(&format!("{module}.{name}"))
    }

    /// Anything that is no plain container. The arguments count as work at once, for a reading may take as long as
    /// they are and print nothing.
    fn object(&mut self, id: NodeId) -> Result<(), Halt> {
        self.tasks.push(JsonTask::Close(id, ""));
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
                self.tasks.extend([JsonTask::Text("}"), JsonTask::Value(*value)]);
                Ok(())
            }
            Some(ObjectRepr::Extension(code)) => {
                self.format(format_args!("{{\"$ext\":{code}}}"));
                Ok(())
            }
            Some(ObjectRepr::Buffer(index, _)) => {
                self.format(format_args!("{{\"$buffer\":{index}}}"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An object as the pickle describes it, with the parts that there are:
    ///
    /// ```text
    /// {"$object":{"class":"shop.Cart","args":[],"kwargs":{...},"state":{...},"items":[...],"pairs":[[k,v],...]}}
    /// ```
    ///
    /// A class that is no global (what a call gives back can be called again) is written as any value.
    fn described(&mut self, instance: &Instance) -> Result<(), Halt> {
        let document = self.document;
        self.put("{\"$object\":{\"class\":");
        let start = self.tasks.len();
        match global_name(document, instance.class) {
            Some(name) => self.name(name)?,
            None => self.tasks.push(JsonTask::Value(instance.class)),
        }
        let present = |id: NodeId| Some(id).filter(|&id| id != NodeId::ABSENT);
        let ids = |id: NodeId| document.items(id);
        self.tasks.extend([
            JsonTask::Text(",\"args\":["),
            JsonTask::Places(ids(instance.args), 0, JsonStyle::Items),
            JsonTask::Text("]"),
        ]);
        self.beside(",\"kwargs\":", present(instance.kwargs));
        self.beside(",\"state\":", present(instance.state));
        if let Some(items) = present(instance.items) {
            self.tasks.extend([
                JsonTask::Text(",\"items\":["),
                JsonTask::Places(ids(items), 0, JsonStyle::Items),
                JsonTask::Text("]"),
            ]);
        }
        if let Some(pairs) = present(instance.pairs) {
            self.tasks.extend([
                JsonTask::Text(",\"pairs\":["),
                JsonTask::Places(ids(pairs), 0, JsonStyle::Pairs),
                JsonTask::Text("]"),
            ]);
        }
        self.tasks.push(JsonTask::Text("}}"));
        self.in_order(start);
        Ok(())
    }

    /// Turns round the tasks from a place on, which were pushed in the order in which they are to be done.
    fn in_order(&mut self, start: usize) {
        if let Some(tasks) = self.tasks.get_mut(start..) {
            tasks.reverse();
        }
    }

    /// A known type by its reading. What it is made of was checked in the decode, so only what may be long is
    /// charged before it is written: names, numbers of any size, texts of any length.
    fn known(&mut self, known: Known<'d, 'a>, object: Object<'d, 'a>) -> Result<(), Halt> {
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
            Known::OrderedDict(pairs) => self.known_pairs("{\"$ordereddict\":[", pairs, None, state),
            Known::DefaultDict(factory, pairs) => {
                self.known_pairs("{\"$defaultdict\":[", pairs, factory, state);
            }
            Known::Counter(pairs) => self.known_pairs("{\"$counter\":[", pairs, None, state),
            Known::Deque(items, maxlen) => {
                self.put("{\"$deque\":[");
                self.tasks.extend([JsonTask::Places(items.ids, 0, JsonStyle::Items), JsonTask::Text("]")]);
                self.tasks.extend(maxlen.map(JsonTask::MaxLen));
                self.tasks.push(JsonTask::Text("}"));
            }
            Known::Date(date) => self.format(format_args!("{{\"$date\":\"{date}\"}}")),
            Known::Time(time, zone) => {
                self.format(format_args!("{{\"$time\":\"{time}"));
                self.zone(time.fold, zone, object);
            }
            Known::DateTime(date, time, zone) => {
                self.format(format_args!("{{\"$datetime\":\"{date}T{time}"));
                self.zone(time.fold, zone, object);
            }
            Known::TimeDelta(TimeDelta { days, seconds, microseconds }) => {
                self.format(format_args!("{{\"$timedelta\":[{days},{seconds},{microseconds}]}}"));
            }
            Known::TimeZone(offset, name) => {
                self.format(format_args!("{{\"$timezone\":\"{offset}\""));
                if let Some(name) = name.and_then(|name| self.document.text(name.id)) {
                    self.put(",\"name\":");
                    self.text(name)?;
                }
                self.put("}");
            }
            Known::ZoneInfo(key) => self.format(format_args!("{{\"$zoneinfo\":\"{key}\"}}")),
            Known::Decimal(text) => {
                self.charge(text.len())?;
                self.format(format_args!("{{\"$decimal\":\"{text}\"}}"));
            }
            Known::Fraction(numerator, denominator) => {
                self.put("{\"$fraction\":\"");
                self.digits(&numerator)?;
                self.put("/");
                self.digits(&denominator)?;
                self.put("\"}");
            }
            Known::Uuid(number) => {
                let text = uuid(number);
                self.format(format_args!("{{\"$uuid\":\"{text}\"}}"));
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
                self.tasks.extend([JsonTask::Places(args.ids, 0, JsonStyle::Items), JsonTask::Text("]")]);
                self.beside(",\"state\":", state.map(|state| state.id));
                self.tasks.push(JsonTask::Text("}}"));
            }
            Known::Enum(class, value) => {
                self.put("{\"$enum\":{\"class\":");
                self.name(class)?;
                self.tasks.extend([
                    JsonTask::Text(",\"value\":"),
                    JsonTask::Value(value.id),
                    JsonTask::Text("}}"),
                ]);
            }
            Known::Instance(class, value, state) => {
                self.put("{\"$instance\":{\"class\":");
                self.name(class)?;
                self.tasks.extend([JsonTask::Text(",\"value\":"), JsonTask::Value(value.id)]);
                self.beside(",\"state\":", state.map(|state| state.id));
                self.tasks.push(JsonTask::Text("}}"));
            }
        }
        self.in_order(start);
        self.charge(0)
    }

    /// Ends a path or address, with the class beside what there is unless it is one of the plain ones.
    fn class_beside(&mut self, object: Object<'d, 'a>, plain: &[&str]) -> Result<(), Halt> {
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

    /// A dict of a class of its own: pairs that need not have text as keys, and what there is beside.
    fn known_pairs(
        &mut self,
        open: &str,
        pairs: Pairs<'d, 'a>,
        factory: Option<NodeRef<'d, 'a>>,
        state: Option<NodeId>,
    ) {
        self.put(open);
        self.tasks.extend([JsonTask::Places(pairs.ids, 0, JsonStyle::Pairs), JsonTask::Text("]")]);
        self.beside(",\"factory\":", factory.map(|factory| factory.id));
        self.beside(",\"state\":", state);
        self.tasks.push(JsonTask::Text("}"));
    }

    /// A part that is written with its name, if it is there.
    fn beside(&mut self, name: &'static str, part: Option<NodeId>) {
        if let Some(part) = part {
            self.tasks.extend([JsonTask::Text(name), JsonTask::Value(part)]);
        }
    }

    /// Start, stop and step, which for a slice may be anything.
    fn three(&mut self, open: &str, parts: [NodeRef<'d, 'a>; 3]) {
        self.put(open);
        let [first, second, third] = parts.map(|part| JsonTask::Value(part.id));
        self.tasks.extend([
            first,
            JsonTask::Text(","),
            second,
            JsonTask::Text(","),
            third,
            JsonTask::Text("]}"),
        ]);
    }

    /// What follows the time of day. A zone that says more than an offset stands beside:
    ///
    /// ```text
    /// "03:04:05+01:00"}                                             a fixed offset without a name
    /// "03:04:05+01:00","tz":{"$timezone":"+01:00","name":"CET"}}    one with a name
    /// "02:30:00","fold":1,"tz":{"$zoneinfo":"Europe/Berlin"}}       a zone, of which no offset is known here
    /// ```
    fn zone(&mut self, fold: bool, zone: Option<Zone<'d, 'a>>, object: Object<'d, 'a>) {
        if let Some(Zone::Fixed(offset)) = zone {
            self.format(format_args!("{offset}"));
        }
        self.put(if fold { "\",\"fold\":1" } else { "\"" });
        let named = object.args().get(1).filter(|zone| match zone.view() {
            Node::Object(zone) => !matches!(zone.known(), Some(Known::TimeZone(_, None))),
            _ => false,
        });
        let beside = match zone {
            Some(Zone::Other(zone)) => Some(zone),
            _ => named,
        };
        self.beside(",\"tz\":", beside.map(|zone| zone.id));
        self.tasks.push(JsonTask::Text("}"));
    }
}

/// How an object that may be shared is written at the place at hand.
enum Share {
    /// It is written out.
    Plain,
    /// A reference has been written.
    Done,
    /// The start of a definition has been written.
    Define,
}
