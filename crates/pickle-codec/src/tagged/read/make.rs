//! What a tag stands for, made from what it holds: plain values that JSON has no word for, and known types as
//! the calls that CPython 3.13 pickles for them.
//!
//! What a tag says is made into the arguments of the call, and the call is then read as a decoder reads
//! it, so that nothing is encoded that would not be read again:
//!
//! ```text
//! {"$date":"2026-01-02"}          date(b"\x07\xea\x01\x02")
//! {"$decimal":"1.10"}             Decimal("1.10")
//! {"$uuid":"...-000000000005"}    UUID.__new__(), state {"int": 5}
//! {"$deque":[1],"maxlen":5}       deque((), 5), items [1]
//! ```
//!
//! | tag | what it is made into |
//! |---|---|
//! | `$date`, `$time`, `$datetime` | their packed bytes, with a zone behind them; the fold is the high bit of month or hour |
//! | `$timezone` | `timezone(timedelta(...))`, with its name if it was given one |
//! | `$zoneinfo` | `ZoneInfo._unpickle(key, 1)` |
//! | `$fraction` | two integers; `$range`, `$slice`, `$timedelta` three of what they hold |
//! | `$ip` | an address by its number, a network or interface by its text, as each reduces itself |
//! | `$counter` | a dict as the argument; `$ordereddict`, `$defaultdict` pairs that SETITEMS gives |
//! | `$enum` | the class called with the value, or the bare name of the member |
//! | `$exception` | the class called with its arguments, then the state |
//!
//! What can hold itself is made by [`JsonReader::open_result`] before its contents are read; everything else by
//! [`JsonReader::make`] from contents that are complete.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;

use super::super::tag::JsonTag;
use super::{JsonReader, Misread, Parsed};
use crate::build::construct::{self, Constructed};
use crate::document::{Construct, Instance, Kind, KnownClass, Node, NodeId, ObjectRepr};
use crate::known;
use crate::limits::MAX_INT_DIGITS;
use crate::wire::text::{Str, is_wtf8};

impl JsonReader<'_> {
    /// What a tag stands for, if its contents may refer to it.
    pub(super) fn open_result(&mut self, tag: JsonTag) -> Parsed<Option<NodeId>> {
        let (name, known) = match tag {
            JsonTag::Dict => return Ok(Some(self.builder.empty_dict()?)),
            JsonTag::Set => return Ok(Some(self.builder.empty_set()?)),
            JsonTag::FrozenSet => return Ok(Some(self.builder.frozenset(&[])?)),
            JsonTag::Tuple if self.pending.is_some() => return Ok(Some(self.builder.open_tuple()?)),
            JsonTag::OrderedDict => ("OrderedDict", KnownClass::OrderedDict),
            JsonTag::DefaultDict => ("defaultdict", KnownClass::DefaultDict),
            JsonTag::Counter => ("Counter", KnownClass::Counter),
            JsonTag::Deque => ("deque", KnownClass::Deque),
            _ => return Ok(None),
        };
        let class = self.global("collections", name, Some(known))?;
        let mut instance = Instance::new(class, Construct::Call, NodeId::EMPTY_TUPLE, NodeId::ABSENT);
        instance.known = Some(known);
        Ok(Some(self.builder.instance(instance)?))
    }

    /// What a tag stands for, from its contents and what stands beside it.
    pub(super) fn make(
        &mut self,
        tag: JsonTag,
        open: Option<NodeId>,
        contents: NodeId,
        beside: impl Fn(&str) -> Option<NodeId>,
    ) -> Parsed<NodeId> {
        match tag {
            JsonTag::Int => self.int_of(&self.text_of(contents)?),
            JsonTag::Float => Ok(self.builder.float(match self.text_of(contents)?.as_str() {
                "nan" => f64::NAN,
                "inf" => f64::INFINITY,
                "-inf" => f64::NEG_INFINITY,
                _ => return Err("`$float` takes nan, inf or -inf".into()),
            })?),
            JsonTag::Complex => {
                let [real, imaginary] = self.array(contents)?;
                let parts = [self.float_of(real)?, self.float_of(imaginary)?];
                self.call("builtins", "complex", &parts)
            }
            JsonTag::Str | JsonTag::Bytes | JsonTag::ByteArray => {
                let bytes = STANDARD.decode(self.text_of(contents)?).map_err(|_| "not base64")?;
                Ok(match (tag, core::str::from_utf8(&bytes)) {
                    (JsonTag::Bytes, _) => self.builder.owned_bytes(&bytes)?,
                    (JsonTag::ByteArray, _) => self.builder.owned_bytearray(&bytes)?,
                    (_, Ok(text)) => self.builder.owned_str(text)?,
                    (_, Err(_)) if is_wtf8(&bytes) => self.builder.owned_wtf8(&bytes)?,
                    (_, Err(_)) => return Err("`$str` takes the base64 of WTF-8".into()),
                })
            }
            JsonTag::Tuple => {
                let items = self.items(contents)?;
                match open {
                    Some(open) if !items.is_empty() => self.builder.extend(open, &items).map(|()| open),
                    _ => self.builder.tuple(&items),
                }
                .map_err(Misread::Kind)
            }
            JsonTag::Set | JsonTag::FrozenSet => {
                let (items, set) = (self.items(contents)?, open.ok_or(Misread::Unfit)?);
                self.builder.add(set, &items)?;
                if self.builder.document.items(set).len() != items.len() {
                    return Err("a member twice".into());
                }
                Ok(set)
            }
            JsonTag::Dict => Ok(contents),
            JsonTag::Date => {
                let bytes = date(&self.text_of(contents)?).ok_or(Misread::Unfit)?;
                let bytes = self.builder.owned_bytes(&bytes)?;
                self.call("datetime", "date", &[bytes])
            }
            JsonTag::Time | JsonTag::DateTime => self.moment(tag, contents, beside("fold"), beside("tz")),
            JsonTag::TimeDelta | JsonTag::Range | JsonTag::Slice => {
                let parts: [NodeId; 3] = self.array(contents)?;
                match tag {
                    JsonTag::TimeDelta => self.call("datetime", "timedelta", &parts),
                    JsonTag::Range => self.call("builtins", "range", &parts),
                    _ => self.call("builtins", "slice", &parts),
                }
            }
            JsonTag::TimeZone => {
                let offset = offset(&self.text_of(contents)?).ok_or(Misread::Unfit)?;
                self.zone(offset, beside("name"))
            }
            JsonTag::ZoneInfo => {
                self.text_of(contents)?;
                let from_cache = self.builder.int(1)?;
                self.call("zoneinfo", "ZoneInfo._unpickle", &[contents, from_cache])
            }
            JsonTag::Decimal => {
                self.text_of(contents)?;
                self.call("decimal", "Decimal", &[contents])
            }
            JsonTag::Fraction => {
                let text = self.text_of(contents)?;
                let (numerator, denominator) = text.split_once('/').ok_or(Misread::Unfit)?;
                if numerator.len().max(denominator.len()) > MAX_INT_DIGITS + 1 {
                    return Err(Misread::Unfit);
                }
                let parts = [self.digits(numerator)?, self.digits(denominator)?];
                self.call("fractions", "Fraction", &parts)
            }
            JsonTag::Uuid => self.uuid(&self.text_of(contents)?),
            JsonTag::Path => {
                let class = beside("class").map(|class| self.text_of(class)).transpose()?;
                let is_path = |known| matches!(known, KnownClass::PosixPath | KnownClass::WindowsPath);
                let class = self.dotted(class.as_deref().unwrap_or("pathlib.PosixPath"), is_path)?;
                self.call_of(class, &[contents])
            }
            JsonTag::Ip => self.ip(contents, beside("class")),
            JsonTag::OrderedDict | JsonTag::DefaultDict | JsonTag::Counter | JsonTag::Deque => {
                self.fill(open.ok_or(Misread::Unfit)?, contents, beside)
            }
            JsonTag::Enum => self.member(contents),
            JsonTag::Exception => {
                let [class, args, state] = self.parts(contents, ["class", "args", "state"])?;
                let class = self.text_of(class.ok_or(Misread::Unfit)?)?;
                let args = self.items(args.ok_or(Misread::Unfit)?)?;
                let class = self.dotted(&class, |known| known == KnownClass::Exception)?;
                let object = self.call_of(class, &args)?;
                self.give_state(object, state)
            }
            JsonTag::Global => {
                let is_class = |known| {
                    !matches!(known, KnownClass::Encode | KnownClass::Reconstructor | KnownClass::GetAttr)
                };
                self.dotted(&self.text_of(contents)?, is_class)
            }
        }
    }

    /// Text without lone surrogates, as the contents of most tags are.
    fn text_of(&self, id: NodeId) -> Parsed<String> {
        let text = self.builder.document.text(id).and_then(Str::as_str);
        text.map(String::from).ok_or(Misread::Unfit)
    }

    /// The items of an array.
    fn items(&self, id: NodeId) -> Parsed<Vec<NodeId>> {
        if id.kind() == Kind::List {
            Ok(self.builder.document.items(id).to_vec())
        } else {
            Err(Misread::Unfit)
        }
    }

    /// The items of an array of so many.
    fn array<const N: usize>(&self, id: NodeId) -> Parsed<[NodeId; N]> {
        self.items(id)?.try_into().map_err(|_| Misread::Unfit)
    }

    /// A float, or an integer that is one exactly.
    fn float_of(&mut self, id: NodeId) -> Parsed<NodeId> {
        match self.builder.document.node(id).view() {
            Node::Float(_) => Ok(id),
            Node::Int(value) if value.unsigned_abs() <= 1 << 53 => {
                let value = format!("{value}").parse().map_err(|_| Misread::Unfit)?;
                Ok(self.builder.float(value)?)
            }
            _ => Err(Misread::Unfit),
        }
    }

    /// Decimal digits without leading zeros, or hexadecimal ones behind `0x`.
    fn int_of(&mut self, text: &str) -> Parsed<NodeId> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if let Some(hex) = digits.strip_prefix("0x") {
            let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            let value = BigInt::parse_bytes(hex.as_bytes(), 16).filter(|_| is_hex);
            let value = value.ok_or("not a hexadecimal integer")?;
            return self.big_int(&if text.starts_with('-') { -value } else { value });
        }
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return Err("`$int` takes decimal digits, or hexadecimal ones behind `0x`".into());
        }
        self.digits(text)
    }

    /// An integer of decimal digits, in whose number the time is quadratic: [`integer`](Self::integer) charges it.
    fn digits(&mut self, text: &str) -> Parsed<NodeId> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.integer(text);
        }
        Err("`$int` takes decimal digits, or hexadecimal ones behind `0x`".into())
    }

    /// The global of these names, which is one object wherever it stands. Classes of one module share the text of its
    /// name as in CPython, so that the pickle has the same memo entries.
    fn global(&mut self, module: &str, name: &str, known: Option<KnownClass>) -> Parsed<NodeId> {
        let key = (String::from(module), String::from(name));
        if let Some(&id) = self.globals.get(&key) {
            return Ok(id);
        }
        let module = match self.modules.get(module) {
            Some(&id) if !known::owns_module_text(Str::Utf8(module), Str::Utf8(name)) => id,
            _ => {
                let id = self.builder.owned_str(module)?;
                self.modules.insert(key.0.clone(), id);
                id
            }
        };
        let name = self.builder.owned_str(name)?;
        let id = self.builder.object(ObjectRepr::Global { module, name, known })?;
        self.globals.insert(key, id);
        Ok(id)
    }

    /// The global of a dotted name, if a class of this kind is known by it.
    fn dotted(&mut self, whole: &str, fits: impl Fn(KnownClass) -> bool) -> Parsed<NodeId> {
        let (module, name, known) = split(whole, fits)?;
        self.global(module, name, Some(known))
    }

    /// A call of a class of the standard library, as a decoder reads it.
    fn call(&mut self, module: &str, name: &str, args: &[NodeId]) -> Parsed<NodeId> {
        let class = self.global(module, name, known::lookup(module, name))?;
        self.call_of(class, args)
    }

    /// A call as a decoder reads it: a node of another kind, or an object whose arguments were checked.
    fn call_of(&mut self, class: NodeId, args: &[NodeId]) -> Parsed<NodeId> {
        let args = self.builder.tuple(args)?;
        let mut instance = Instance::new(class, Construct::Call, args, NodeId::ABSENT);
        let known = known::role(&self.builder.document, class).ok_or(Misread::Unfit)?;
        match construct::call(&mut self.builder, known, &mut instance)? {
            Constructed::Node(id) => Ok(id),
            Constructed::Instance => Ok(self.builder.instance(instance)?),
            Constructed::Unknown => Err(Misread::Unfit),
        }
    }

    /// Gives an object its state, if there is one and an object of its class takes it.
    fn give_state(&mut self, object: NodeId, state: Option<NodeId>) -> Parsed<NodeId> {
        let Some(state) = state else { return Ok(object) };
        let instance = self.builder.instance_mut(object).copied().ok_or(Misread::Unfit)?;
        let known = known::with_state(&self.builder.document, &instance, state).ok_or(Misread::Unfit)?;
        if let Some(instance) = self.builder.instance_mut(object) {
            instance.state = state;
            instance.known = Some(known);
        }
        self.builder.deepen(object, state)?;
        Ok(object)
    }

    /// A time or datetime as its packed bytes (`__getstate__` in `Lib/_pydatetime.py`), with the zone that stands beside it or that its offset makes.
    fn moment(
        &mut self,
        tag: JsonTag,
        contents: NodeId,
        fold: Option<NodeId>,
        tz: Option<NodeId>,
    ) -> Parsed<NodeId> {
        let text = self.text_of(contents)?;
        let (name, day, time) = match text.split_once('T') {
            Some((day, time)) if tag == JsonTag::DateTime => {
                ("datetime", date(day).ok_or(Misread::Unfit)?.to_vec(), time)
            }
            None if tag == JsonTag::Time => ("time", Vec::new(), text.as_str()),
            _ => return Err(Misread::Unfit),
        };
        let (time, offset) = clock(time).ok_or(Misread::Unfit)?;
        let mut bytes = [day.as_slice(), &time].concat();
        if let Some(fold) = fold {
            // The high bit of the month, or of the hour where there is none.
            let place = if day.is_empty() { bytes.first_mut() } else { bytes.get_mut(2) };
            let place = place.filter(|_| NodeId::small(1) == Some(fold)).ok_or(Misread::Unfit)?;
            *place |= 0x80;
        }
        let mut args = Vec::from([self.builder.owned_bytes(&bytes)?]);
        match (tz, offset) {
            (Some(zone), _) => args.push(zone),
            (None, Some(offset)) => args.push(self.zone(offset, None)?),
            (None, None) => {}
        }
        self.call("datetime", name, &args)
    }

    /// A `timezone`, whose offset is a `timedelta`: the days are negative west of Greenwich, all else is not.
    fn zone(&mut self, microseconds: i64, name: Option<NodeId>) -> Parsed<NodeId> {
        let (seconds, micros) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
        let (days, seconds) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let parts = [self.builder.int(days)?, self.builder.int(seconds)?, self.builder.int(micros)?];
        let mut args = Vec::from([self.call("datetime", "timedelta", &parts)?]);
        args.extend(name);
        self.call("datetime", "timezone", &args)
    }

    /// A UUID in its plain spelling, with which it is a NEWOBJ whose state has the number.
    fn uuid(&mut self, text: &str) -> Parsed<NodeId> {
        let is_sound = text.len() == 36
            && text.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        let number = u128::from_str_radix(&text.replace('-', ""), 16).ok().filter(|_| is_sound);
        let number = self.big_int(&BigInt::from(number.ok_or(Misread::Unfit)?))?;
        let known = Some(KnownClass::Uuid);
        let class = self.global("uuid", "UUID", known)?;
        let mut instance = Instance::new(class, Construct::New, NodeId::EMPTY_TUPLE, NodeId::ABSENT);
        instance.known = known;
        let object = self.builder.instance(instance)?;
        let state = self.builder.empty_dict()?;
        let key = self.builder.str("int")?;
        self.builder.set_items(state, &[key, number])?;
        self.give_state(object, Some(state))
    }

    /// An address by its number, a network or an interface by its text: what `__reduce__` of each gives. The tag shows
    /// which it is by its slash, and by the class beside it for an interface, which looks like a network.
    fn ip(&mut self, contents: NodeId, class: Option<NodeId>) -> Parsed<NodeId> {
        let text = self.text_of(contents)?;
        if let Some(class) = class {
            let is_interface = |known| matches!(known, KnownClass::Ipv4Interface | KnownClass::Ipv6Interface);
            let class = self.dotted(&self.text_of(class)?, is_interface)?;
            return self.call_of(class, &[contents]);
        }
        let (argument, kind) = match (text.parse::<Ipv4Addr>(), text.parse::<Ipv6Addr>()) {
            _ if text.contains('/') => (contents, "Network"),
            (Ok(address), _) => (self.builder.int(i64::from(address.to_bits()))?, "Address"),
            (_, Ok(address)) => (self.big_int(&BigInt::from(address.to_bits()))?, "Address"),
            // With a scope, which the number does not have.
            _ => (contents, "Address"),
        };
        let version = if text.contains(':') { 6 } else { 4 };
        self.call("ipaddress", &format!("IPv{version}{kind}"), &[argument])
    }

    /// Fills a dict or deque that is there already, empty. What the call says is read once more with its arguments,
    /// because a factory has to be a class and a `maxlen` a number; what the contents say is given to the object.
    fn fill(
        &mut self,
        object: NodeId,
        contents: NodeId,
        beside: impl Fn(&str) -> Option<NodeId>,
    ) -> Parsed<NodeId> {
        let mut instance = self.builder.instance_mut(object).copied().ok_or(Misread::Unfit)?;
        let known = instance.known.ok_or(Misread::Unfit)?;
        let is_empty = self.builder.document.items(contents).is_empty();
        let part = if known == KnownClass::Deque { &mut instance.items } else { &mut instance.pairs };
        if contents.kind() != (if known == KnownClass::Deque { Kind::List } else { Kind::Dict }) {
            return Err(Misread::Unfit);
        }
        if !is_empty {
            *part = contents;
        }
        if known == KnownClass::Counter {
            instance.args = self.builder.tuple(&[contents])?;
        } else if let Some(most) = beside("maxlen") {
            instance.args = self.builder.tuple(&[NodeId::EMPTY_TUPLE, most])?;
        } else if let Some(factory) = beside("factory") {
            instance.args = self.builder.tuple(&[factory])?;
        }
        let mut call = Instance::new(instance.class, Construct::Call, instance.args, NodeId::ABSENT);
        let Constructed::Instance = construct::call(&mut self.builder, known, &mut call)? else {
            return Err(Misread::Unfit);
        };
        if known == KnownClass::Counter {
            instance.pairs = call.pairs;
        }
        if let Some(place) = self.builder.instance_mut(object) {
            *place = Instance { meta: place.meta, ..instance };
        }
        for part in [instance.args, instance.items, instance.pairs] {
            if part != NodeId::ABSENT {
                self.builder.deepen(object, part)?;
            }
        }
        self.give_state(object, beside("state"))
    }

    /// The parts of a plain object by their names, of which there are no others: a part that is spelt wrong would
    /// otherwise be lost without a word.
    fn parts<const N: usize>(&self, object: NodeId, names: [&str; N]) -> Parsed<[Option<NodeId>; N]> {
        let document = &self.builder.document;
        let (pairs, _) = document.items(object).as_chunks::<2>();
        let parts = names.map(|name| {
            let pair = pairs.iter().find(|[key, _]| document.text(*key).and_then(Str::as_str) == Some(name));
            pair.map(|&[_, value]| value)
        });
        let is_whole = pairs.len() == parts.iter().flatten().count();
        if object.kind() == Kind::Dict && is_whole { Ok(parts) } else { Err(Misread::Unfit) }
    }

    /// `{"class":"http.HTTPStatus","value":404}`, or the name of the member as `{"class":...,"name":"SIGINT"}`. Whether
    /// the class has such a member is not known here; a name is one word, so that nothing but a member is named.
    fn member(&mut self, contents: NodeId) -> Parsed<NodeId> {
        let [class, value, name] = self.parts(contents, ["class", "value", "name"])?;
        let class = self.text_of(class.ok_or(Misread::Unfit)?)?;
        let (module, class, known) = split(&class, |known| known == KnownClass::Enum)?;
        match (value, name) {
            (Some(value), None) => {
                let class = self.global(module, class, Some(known))?;
                self.call_of(class, &[value])
            }
            (None, Some(name)) => {
                let name = self.text_of(name)?;
                let is_name = name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
                if name.is_empty() || !is_name {
                    return Err(Misread::Unfit);
                }
                self.global(module, &format!("{class}.{name}"), Some(KnownClass::Member))
            }
            _ => Err(Misread::Unfit),
        }
    }
}

/// Module, name and class of a dotted name, whichever of its dots ends the module: `imaplib.IMAP4.error` is a class
/// inside of a class, and `xml.etree.ElementTree.ParseError` one in a package. Only what is known is looked up, so the
/// longest module that has such a name is the right one.
fn split(whole: &str, fits: impl Fn(KnownClass) -> bool) -> Parsed<(&str, &str, KnownClass)> {
    let found = whole.rmatch_indices('.').find_map(|(dot, _)| {
        let (module, name) = (whole.get(..dot)?, whole.get(dot + 1..)?);
        let known = known::lookup(module, name).filter(|&known| fits(known))?;
        Some((module, name, known))
    });
    found.ok_or_else(|| Misread::Global(String::from(whole)))
}

/// A number of so many digits.
fn number(text: &str, len: usize) -> Option<u32> {
    (text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The packed bytes of `YYYY-MM-DD`; a decoder checks them.
fn date(text: &str) -> Option<[u8; 4]> {
    let mut parts = text.split('-');
    let mut next = |len| number(parts.next()?, len);
    let [high, low] = u16::try_from(next(4)?).ok()?.to_be_bytes();
    let (month, day) = (u8::try_from(next(2)?).ok()?, u8::try_from(next(2)?).ok()?);
    parts.next().is_none().then_some([high, low, month, day])
}

/// Hours, minutes, seconds and microseconds of `HH:MM[:SS[.ffffff]]`.
fn fields(text: &str) -> Option<[u32; 4]> {
    let (clock, micros) = text.split_once('.').unwrap_or((text, "000000"));
    let (clock, seconds) = match clock.len() {
        5 if clock.len() == text.len() => (clock, "00"),
        _ => clock.rsplit_once(':')?,
    };
    let (hours, minutes) = clock.split_once(':')?;
    Some([number(hours, 2)?, number(minutes, 2)?, number(seconds, 2)?, number(micros, 6)?])
}

/// The packed bytes of a time of day, and its offset in microseconds; a decoder checks the bytes.
fn clock(text: &str) -> Option<([u8; 6], Option<i64>)> {
    let (time, zone) = match text.find(['+', '-']) {
        Some(place) => (text.get(..place)?, Some(offset(text.get(place..)?)?)),
        None => (text, None),
    };
    let [hours, minutes, seconds, micros] = fields(time)?;
    let [_, high, middle, low] = micros.to_be_bytes();
    let byte = |value: u32| u8::try_from(value).ok();
    Some(([byte(hours)?, byte(minutes)?, byte(seconds)?, high, middle, low], zone))
}

/// An offset in microseconds, less than a day either way.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let [hours, minutes, seconds, micros] = fields(rest)?;
    let total = i64::from(hours * 3600 + minutes * 60 + seconds) * 1_000_000 + i64::from(micros);
    (minutes < 60 && seconds < 60 && total < 86_400_000_000).then_some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_rows() {
        let rows = [
            ("+00:00", Some(0)),
            ("-05:30:07.000001", Some(-19_807_000_001)),
            ("+23:59", Some(86_340_000_000)),
            ("+24:00", None),
            ("+1:00", None),
            ("+01:60", None),
            ("+01:00.5", None),
            ("01:00", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(offset(text), expected, "{text}");
        }
    }

    #[test]
    fn clock_rows() {
        assert_eq!(clock("03:04:05.000006"), Some(([3, 4, 5, 0, 0, 6], None)));
        assert_eq!(clock("03:04:05-01:00"), Some(([3, 4, 5, 0, 0, 0], Some(-3_600_000_000))));
        assert_eq!(clock("3:04:05"), None);
        assert_eq!(clock("03:04:05.5"), None);
        assert_eq!(date("2026-01-02"), Some([7, 234, 1, 2]));
        assert_eq!(date("2026-1-2"), None);
        assert_eq!(date("2026-01-02-03"), None);
    }
}
