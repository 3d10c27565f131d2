//! Known types from tagged JSON: the calls that CPython 3.13 pickles for them.
//!
//! What a tag says is made into the arguments of the call, and the call is then read as a decoder reads
//! it, so that nothing is encoded that would not be read again.
//!
//! ```text
//! {"$date":"2026-01-02"}          date(b"\x07\xea\x01\x02")
//! {"$decimal":"1.10"}             Decimal("1.10")
//! {"$uuid":"...-000000000005"}    UUID.__new__(), state {"int": 5}
//! {"$deque":[1],"maxlen":5}       deque((), 5), items [1]
//! ```
//!
//! Dicts and deques can hold themselves, so that [`Maker::open`] makes the object before its contents are read;
//! all others are made by [`Maker::close`] from contents that are complete.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use num_bigint::BigInt;

use crate::build::construct::{self, Constructed};
use crate::build::fill::Builder;
use crate::document::{Construct, Instance, Kind, KnownClass, NodeId, ObjectRepr};
use crate::known;
use crate::wire::error::ErrorKind;
use crate::wire::text::Str;

/// What a tag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Date,
    Time,
    DateTime,
    TimeDelta,
    TimeZone,
    ZoneInfo,
    Decimal,
    Fraction,
    Uuid,
    Path,
    Ip,
    OrderedDict,
    DefaultDict,
    Counter,
    Deque,
    Range,
    Slice,
    Enum,
    Exception,
    Global,
}

impl Tag {
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"$date" => Self::Date,
            b"$time" => Self::Time,
            b"$datetime" => Self::DateTime,
            b"$timedelta" => Self::TimeDelta,
            b"$timezone" => Self::TimeZone,
            b"$zoneinfo" => Self::ZoneInfo,
            b"$decimal" => Self::Decimal,
            b"$fraction" => Self::Fraction,
            b"$uuid" => Self::Uuid,
            b"$path" => Self::Path,
            b"$ip" => Self::Ip,
            b"$ordereddict" => Self::OrderedDict,
            b"$defaultdict" => Self::DefaultDict,
            b"$counter" => Self::Counter,
            b"$deque" => Self::Deque,
            b"$range" => Self::Range,
            b"$slice" => Self::Slice,
            b"$enum" => Self::Enum,
            b"$exception" => Self::Exception,
            b"$global" => Self::Global,
            _ => return None,
        })
    }

    /// What may stand beside the tag.
    pub(super) const fn extras(self) -> &'static [&'static str] {
        match self {
            Self::Time | Self::DateTime => &["fold", "tz"],
            Self::TimeZone => &["name"],
            Self::Path | Self::Ip => &["class"],
            Self::OrderedDict => &["state"],
            Self::DefaultDict => &["factory"],
            Self::Deque => &["maxlen"],
            _ => &[],
        }
    }

    /// The class of what can hold itself, because it is filled after it is made.
    const fn open_class(self) -> Option<(&'static str, KnownClass)> {
        Some(match self {
            Self::OrderedDict => ("OrderedDict", KnownClass::OrderedDict),
            Self::DefaultDict => ("defaultdict", KnownClass::DefaultDict),
            Self::Counter => ("Counter", KnownClass::Counter),
            Self::Deque => ("deque", KnownClass::Deque),
            _ => return None,
        })
    }
}

/// Why a tag stands for nothing that can be encoded.
pub(super) enum Fault {
    Kind(ErrorKind),
    /// Its contents are not what it takes.
    Unfit,
    /// A name that is not known, and so only describes.
    Global(String),
}

impl From<ErrorKind> for Fault {
    fn from(kind: ErrorKind) -> Self {
        Self::Kind(kind)
    }
}

type Made = Result<NodeId, Fault>;

/// The globals so far: classes of one module share its text, and one class is one object.
#[derive(Default)]
pub(super) struct Classes {
    modules: BTreeMap<String, NodeId>,
    globals: BTreeMap<(String, String), NodeId>,
}

impl Classes {
    fn global(
        &mut self,
        builder: &mut Builder<'_>,
        module: &str,
        name: &str,
        known: Option<KnownClass>,
    ) -> Result<NodeId, ErrorKind> {
        let key = (String::from(module), String::from(name));
        if let Some(&id) = self.globals.get(&key) {
            return Ok(id);
        }
        let module = match self.modules.get(module) {
            Some(&id) if !known::owns_module_text(Str::Utf8(module), Str::Utf8(name)) => id,
            _ => {
                let id = builder.owned_str(module)?;
                self.modules.insert(key.0.clone(), id);
                id
            }
        };
        let name = builder.owned_str(name)?;
        let id = builder.object(ObjectRepr::Global { module, name, known })?;
        self.globals.insert(key, id);
        Ok(id)
    }

    /// The global of a dotted name, whichever of its dots ends the module, if a class of this kind is known.
    fn dotted(
        &mut self,
        builder: &mut Builder<'_>,
        whole: &str,
        fits: impl Fn(KnownClass) -> bool,
    ) -> Result<NodeId, Fault> {
        match split(whole, fits) {
            Some((module, name, known)) => Ok(self.global(builder, module, name, Some(known))?),
            None => Err(Fault::Global(String::from(whole))),
        }
    }
}

/// Module, name and class of a dotted name.
fn split(whole: &str, fits: impl Fn(KnownClass) -> bool) -> Option<(&str, &str, KnownClass)> {
    whole.rmatch_indices('.').find_map(|(dot, _)| {
        let (module, name) = (whole.get(..dot)?, whole.get(dot + 1..)?);
        let known = known::lookup(module, name).filter(|&known| fits(known))?;
        Some((module, name, known))
    })
}

/// Makes known values out of nodes.
pub(super) struct Maker<'m, 'a> {
    pub(super) builder: &'m mut Builder<'a>,
    pub(super) classes: &'m mut Classes,
}

impl Maker<'_, '_> {
    /// The object of a tag whose contents may refer to it.
    pub(super) fn open(&mut self, tag: Tag) -> Result<Option<NodeId>, ErrorKind> {
        let Some((name, known)) = tag.open_class() else { return Ok(None) };
        let class = self.classes.global(self.builder, "collections", name, Some(known))?;
        let mut instance = Instance::new(class, Construct::Call, NodeId::EMPTY_TUPLE, NodeId::ABSENT);
        instance.known = Some(known);
        self.builder.instance(instance).map(Some)
    }

    /// The value of a tag, from its contents and what stands beside it.
    pub(super) fn close(
        &mut self,
        tag: Tag,
        open: Option<NodeId>,
        contents: NodeId,
        beside: impl Fn(&str) -> Option<NodeId>,
    ) -> Made {
        match tag {
            Tag::Date => {
                let bytes = date(&self.text(contents)?).ok_or(Fault::Unfit)?;
                let bytes = self.builder.owned_bytes(&bytes)?;
                self.call("datetime", "date", &[bytes])
            }
            Tag::Time => {
                let text = self.text(contents)?;
                let (mut bytes, offset) = clock(&text).ok_or(Fault::Unfit)?;
                if self.fold(beside("fold"))? {
                    bytes[0] |= 0x80;
                }
                self.moment("time", &bytes, offset, beside("tz"))
            }
            Tag::DateTime => {
                let text = self.text(contents)?;
                let (day, time) = text.split_once('T').ok_or(Fault::Unfit)?;
                let mut day = date(day).ok_or(Fault::Unfit)?;
                let (time, offset) = clock(time).ok_or(Fault::Unfit)?;
                if self.fold(beside("fold"))? {
                    day[2] |= 0x80;
                }
                let bytes = [day.as_slice(), &time].concat();
                self.moment("datetime", &bytes, offset, beside("tz"))
            }
            Tag::TimeDelta => {
                let parts = self.three(contents)?;
                self.call("datetime", "timedelta", &parts)
            }
            Tag::TimeZone => {
                let offset = offset(&self.text(contents)?).ok_or(Fault::Unfit)?;
                self.zone(offset, beside("name"))
            }
            Tag::ZoneInfo => {
                self.text(contents)?;
                let from_cache = self.builder.int(1)?;
                self.call("zoneinfo", "ZoneInfo._unpickle", &[contents, from_cache])
            }
            Tag::Decimal => {
                self.text(contents)?;
                self.call("decimal", "Decimal", &[contents])
            }
            Tag::Fraction => {
                let text = self.text(contents)?;
                let (numerator, denominator) = text.split_once('/').ok_or(Fault::Unfit)?;
                let parts = [self.digits(numerator)?, self.digits(denominator)?];
                self.call("fractions", "Fraction", &parts)
            }
            Tag::Uuid => self.uuid(contents),
            Tag::Path => {
                let class = match beside("class") {
                    Some(class) => self.text(class)?,
                    None => String::from("pathlib.PosixPath"),
                };
                let is_path = |known| matches!(known, KnownClass::PosixPath | KnownClass::WindowsPath);
                let class = self.classes.dotted(self.builder, &class, is_path)?;
                self.call_of(class, &[contents])
            }
            Tag::Ip => self.ip(contents, beside("class")),
            Tag::OrderedDict | Tag::DefaultDict | Tag::Counter | Tag::Deque => {
                self.fill(tag, open.ok_or(Fault::Unfit)?, contents, beside)
            }
            Tag::Range => {
                let parts = self.three(contents)?;
                self.call("builtins", "range", &parts)
            }
            Tag::Slice => {
                let parts = self.three(contents)?;
                self.call("builtins", "slice", &parts)
            }
            Tag::Enum => self.member(contents),
            Tag::Exception => self.exception(contents),
            Tag::Global => {
                let name = self.text(contents)?;
                let is_class = |known| {
                    !matches!(known, KnownClass::Encode | KnownClass::Reconstructor | KnownClass::GetAttr)
                };
                self.classes.dotted(self.builder, &name, is_class)
            }
        }
    }

    fn text(&self, id: NodeId) -> Result<String, Fault> {
        let text = self.builder.document.text(id).and_then(Str::as_str);
        text.map(String::from).ok_or(Fault::Unfit)
    }

    fn items(&self, id: NodeId) -> Result<Vec<NodeId>, Fault> {
        if id.kind() != Kind::List {
            return Err(Fault::Unfit);
        }
        Ok(self.builder.document.items(id).to_vec())
    }

    fn three(&self, id: NodeId) -> Result<[NodeId; 3], Fault> {
        self.items(id)?.try_into().map_err(|_| Fault::Unfit)
    }

    fn fold(&self, fold: Option<NodeId>) -> Result<bool, Fault> {
        match fold {
            None => Ok(false),
            Some(fold) if NodeId::small(1) == Some(fold) => Ok(true),
            Some(_) => Err(Fault::Unfit),
        }
    }

    fn call(&mut self, module: &str, name: &str, args: &[NodeId]) -> Made {
        let class = self.classes.global(self.builder, module, name, known::lookup(module, name))?;
        self.call_of(class, args)
    }

    /// A call as a decoder reads it.
    fn call_of(&mut self, class: NodeId, args: &[NodeId]) -> Made {
        let args = self.builder.tuple(args)?;
        let mut instance = Instance::new(class, Construct::Call, args, NodeId::ABSENT);
        let known = known::role(&self.builder.document, class).ok_or(Fault::Unfit)?;
        match construct::call(self.builder, known, &mut instance)? {
            Constructed::Node(id) => Ok(id),
            Constructed::Instance => Ok(self.builder.instance(instance)?),
            Constructed::Unknown => Err(Fault::Unfit),
        }
    }

    fn give_state(&mut self, object: NodeId, state: NodeId) -> Result<(), Fault> {
        let Some(instance) = self.builder.instance_mut(object).copied() else { return Err(Fault::Unfit) };
        let known = known::with_state(&self.builder.document, &instance, state);
        if known.is_none() {
            return Err(Fault::Unfit);
        }
        if let Some(instance) = self.builder.instance_mut(object) {
            instance.state = state;
            instance.known = known;
        }
        Ok(self.builder.deepen(object, state)?)
    }

    /// A time or datetime with its zone.
    fn moment(&mut self, name: &str, bytes: &[u8], offset: Option<i64>, zone: Option<NodeId>) -> Made {
        let bytes = self.builder.owned_bytes(bytes)?;
        let zone = match (zone, offset) {
            (Some(zone), _) => Some(zone),
            (None, Some(offset)) => Some(self.zone(offset, None)?),
            (None, None) => None,
        };
        match zone {
            Some(zone) => self.call("datetime", name, &[bytes, zone]),
            None => self.call("datetime", name, &[bytes]),
        }
    }

    fn zone(&mut self, microseconds: i64, name: Option<NodeId>) -> Made {
        let (seconds, micros) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
        let (days, seconds) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let parts = [self.builder.int(days)?, self.builder.int(seconds)?, self.builder.int(micros)?];
        let delta = self.call("datetime", "timedelta", &parts)?;
        match name {
            Some(name) => self.call("datetime", "timezone", &[delta, name]),
            None => self.call("datetime", "timezone", &[delta]),
        }
    }

    fn integer(&mut self, value: &BigInt) -> Result<NodeId, ErrorKind> {
        match i64::try_from(value) {
            Ok(value) => self.builder.int(value),
            Err(_) => self.builder.int_owned(&value.to_signed_bytes_le()),
        }
    }

    /// An integer of at most 4,300 digits.
    fn digits(&mut self, text: &str) -> Made {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.len() > 4_300 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Unfit);
        }
        let limbs = digits.len() / 19;
        self.builder.work.charge(limbs * limbs)?;
        let value: BigInt = text.parse().map_err(|_| Fault::Unfit)?;
        Ok(self.integer(&value)?)
    }

    fn uuid(&mut self, contents: NodeId) -> Made {
        let text = self.text(contents)?;
        let is_sound = text.len() == 36
            && text.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        let number = u128::from_str_radix(&text.replace('-', ""), 16).ok().filter(|_| is_sound);
        let number = self.integer(&BigInt::from(number.ok_or(Fault::Unfit)?))?;
        let known = Some(KnownClass::Uuid);
        let class = self.classes.global(self.builder, "uuid", "UUID", known)?;
        let mut instance = Instance::new(class, Construct::New, NodeId::EMPTY_TUPLE, NodeId::ABSENT);
        instance.known = known;
        let object = self.builder.instance(instance)?;
        let state = self.builder.empty_dict()?;
        let key = self.builder.str("int")?;
        self.builder.set_items(state, &[key, number])?;
        self.give_state(object, state)?;
        Ok(object)
    }

    /// An address by its number, a network or an interface by its text.
    fn ip(&mut self, contents: NodeId, class: Option<NodeId>) -> Made {
        let text = self.text(contents)?;
        let is_v4 = !text.contains(':');
        if let Some(class) = class {
            let class = self.text(class)?;
            let is_interface = |known| matches!(known, KnownClass::Ipv4Interface | KnownClass::Ipv6Interface);
            let class = self.classes.dotted(self.builder, &class, is_interface)?;
            return self.call_of(class, &[contents]);
        }
        if text.contains('/') {
            return self.call("ipaddress", if is_v4 { "IPv4Network" } else { "IPv6Network" }, &[contents]);
        }
        let argument = match (text.parse::<Ipv4Addr>(), text.parse::<Ipv6Addr>()) {
            (Ok(address), _) => self.builder.int(i64::from(address.to_bits()))?,
            (_, Ok(address)) => self.integer(&BigInt::from(address.to_bits()))?,
            // With a scope, which the number does not have.
            _ => contents,
        };
        self.call("ipaddress", if is_v4 { "IPv4Address" } else { "IPv6Address" }, &[argument])
    }

    /// A dict of `[[key, value], ...]`.
    fn dict(&mut self, contents: NodeId) -> Made {
        let dict = self.builder.empty_dict()?;
        let mut pairs = Vec::new();
        for pair in self.items(contents)? {
            match self.items(pair)?.as_slice() {
                &[key, value] => pairs.extend([key, value]),
                _ => return Err(Fault::Unfit),
            }
        }
        self.builder.set_items(dict, &pairs)?;
        if self.builder.document.items(dict).len() == pairs.len() { Ok(dict) } else { Err(Fault::Unfit) }
    }

    /// Fills an object that is there already.
    fn fill(
        &mut self,
        tag: Tag,
        object: NodeId,
        contents: NodeId,
        beside: impl Fn(&str) -> Option<NodeId>,
    ) -> Made {
        let Some(mut instance) = self.builder.instance_mut(object).copied() else { return Err(Fault::Unfit) };
        let known = instance.known.ok_or(Fault::Unfit)?;
        match tag {
            Tag::Deque => {
                if !self.items(contents)?.is_empty() {
                    instance.items = contents;
                }
                if let Some(most) = beside("maxlen") {
                    instance.args = self.builder.tuple(&[NodeId::EMPTY_TUPLE, most])?;
                }
            }
            Tag::Counter => {
                let counts = self.dict(contents)?;
                instance.args = self.builder.tuple(&[counts])?;
            }
            _ => {
                let pairs = self.dict(contents)?;
                if !self.builder.document.items(pairs).is_empty() {
                    instance.pairs = pairs;
                }
                if let Some(factory) = beside("factory") {
                    instance.args = self.builder.tuple(&[factory])?;
                }
            }
        }
        let mut call = Instance::new(instance.class, Construct::Call, instance.args, NodeId::ABSENT);
        match construct::call(self.builder, known, &mut call)? {
            Constructed::Instance => {}
            _ => return Err(Fault::Unfit),
        }
        if tag == Tag::Counter {
            instance.pairs = call.pairs;
        }
        if let Some(place) = self.builder.instance_mut(object) {
            place.args = instance.args;
            place.items = instance.items;
            place.pairs = instance.pairs;
        }
        for part in [instance.args, instance.items, instance.pairs] {
            if part != NodeId::ABSENT {
                self.builder.deepen(object, part)?;
            }
        }
        if let Some(state) = beside("state") {
            self.give_state(object, state)?;
        }
        Ok(object)
    }

    /// A member of a plain object.
    fn part(&self, object: NodeId, name: &str) -> Option<NodeId> {
        let document = &self.builder.document;
        let (pairs, _) = document.items(object).as_chunks::<2>();
        let fits = |&&[key, _]: &&[NodeId; 2]| document.text(key).and_then(Str::as_str) == Some(name);
        pairs.iter().find(fits).map(|&[_, value]| value)
    }

    /// The parts of a plain object, of which there are no others.
    fn parts<const N: usize>(&self, object: NodeId, names: [&str; N]) -> Result<[Option<NodeId>; N], Fault> {
        let parts = names.map(|name| self.part(object, name));
        let there = parts.iter().filter(|part| part.is_some()).count();
        if object.kind() != Kind::Dict || self.builder.document.items(object).len() != there * 2 {
            return Err(Fault::Unfit);
        }
        Ok(parts)
    }

    /// `{"class":"http.HTTPStatus","value":404}`, or the name of the member.
    fn member(&mut self, contents: NodeId) -> Made {
        let [class, value, name] = self.parts(contents, ["class", "value", "name"])?;
        let class = self.text(class.ok_or(Fault::Unfit)?)?;
        let is_enum = |known| known == KnownClass::Enum;
        match (value, name) {
            (Some(value), None) => {
                let class = self.classes.dotted(self.builder, &class, is_enum)?;
                self.call_of(class, &[value])
            }
            (None, Some(name)) => {
                let name = self.text(name)?;
                let Some((module, class_name, _)) = split(&class, is_enum) else {
                    return Err(Fault::Global(class));
                };
                let is_name = name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
                if name.is_empty() || !is_name {
                    return Err(Fault::Unfit);
                }
                let whole = [class_name, ".", &name].concat();
                Ok(self.classes.global(self.builder, module, &whole, Some(KnownClass::Member))?)
            }
            _ => Err(Fault::Unfit),
        }
    }

    /// `{"class":"builtins.ValueError","args":["x"],"state":{}}`.
    fn exception(&mut self, contents: NodeId) -> Made {
        let [class, args, state] = self.parts(contents, ["class", "args", "state"])?;
        let class = self.text(class.ok_or(Fault::Unfit)?)?;
        let args = self.items(args.ok_or(Fault::Unfit)?)?;
        let class = self.classes.dotted(self.builder, &class, |known| known == KnownClass::Exception)?;
        let object = self.call_of(class, &args)?;
        if let Some(state) = state {
            self.give_state(object, state)?;
        }
        Ok(object)
    }
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
fn fields(text: &str) -> Option<(u32, u32, u32, u32)> {
    let (clock, micros) = text.split_once('.').map_or((text, None), |(clock, micros)| (clock, Some(micros)));
    let mut parts = clock.split(':');
    let (hours, minutes) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let seconds = match parts.next() {
        Some(seconds) => number(seconds, 2)?,
        None if micros.is_some() => return None,
        None => 0,
    };
    let micros = match micros {
        Some(micros) => number(micros, 6)?,
        None => 0,
    };
    parts.next().is_none().then_some((hours, minutes, seconds, micros))
}

/// The packed bytes of a time of day, and its offset in microseconds; a decoder checks the bytes.
fn clock(text: &str) -> Option<([u8; 6], Option<i64>)> {
    let (time, zone) = match text.find(['+', '-']) {
        Some(place) => (text.get(..place)?, Some(offset(text.get(place..)?)?)),
        None => (text, None),
    };
    let (hours, minutes, seconds, micros) = fields(time)?;
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
    let (hours, minutes, seconds, micros) = fields(rest)?;
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
