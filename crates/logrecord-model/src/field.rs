//! The attributes that CPython gives every LogRecord, by name.

/// An attribute of a LogRecord. The order of the first 21 is the order in which CPython 3 sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Field {
    /// `name`: the logger's name.
    Name,
    /// `msg`: the message, before or after its arguments are merged in.
    Msg,
    /// `args`: the arguments of the message.
    Args,
    /// `levelname`.
    LevelName,
    /// `levelno`.
    LevelNo,
    /// `pathname`: the source file.
    PathName,
    /// `filename`: the last part of `pathname`.
    FileName,
    /// `module`: `filename` without its extension.
    Module,
    /// `exc_info`: null in a record that was sent.
    ExcInfo,
    /// `exc_text`: the formatted exception.
    ExcText,
    /// `stack_info`: the formatted stack.
    StackInfo,
    /// `lineno`: the source line.
    LineNo,
    /// `funcName`.
    FuncName,
    /// `created`: seconds since the epoch.
    Created,
    /// `msecs`: the milliseconds of `created`.
    Msecs,
    /// `relativeCreated`: milliseconds since logging was loaded.
    RelativeCreated,
    /// `thread`: the thread's identifier.
    Thread,
    /// `threadName`.
    ThreadName,
    /// `processName`.
    ProcessName,
    /// `process`: the process id.
    Process,
    /// `taskName`: the asyncio task, from CPython 3.12 on.
    TaskName,
    /// `message`: what Python 2.7 keeps of a formatted record.
    Message,
    /// `asctime`: what a Formatter leaves behind.
    AscTime,
}

/// How many attributes hold text.
pub(crate) const TEXTS: usize = 13;
/// How many attributes hold any value.
pub(crate) const VALUES: usize = 3;
/// How many attributes hold an integer.
pub(crate) const INTS: usize = 4;
/// How many attributes hold a float.
pub(crate) const FLOATS: usize = 3;

/// A type of attribute, and a place among those of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Text(usize),
    Value(usize),
    Int(usize),
    Float(usize),
}

/// How many attributes there are.
pub(crate) const FIELDS: usize = 23;

impl Field {
    /// Every attribute, in order.
    pub const ALL: [Self; FIELDS] = [
        Self::Name,
        Self::Msg,
        Self::Args,
        Self::LevelName,
        Self::LevelNo,
        Self::PathName,
        Self::FileName,
        Self::Module,
        Self::ExcInfo,
        Self::ExcText,
        Self::StackInfo,
        Self::LineNo,
        Self::FuncName,
        Self::Created,
        Self::Msecs,
        Self::RelativeCreated,
        Self::Thread,
        Self::ThreadName,
        Self::ProcessName,
        Self::Process,
        Self::TaskName,
        Self::Message,
        Self::AscTime,
    ];

    /// Python's name of the attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Msg => "msg",
            Self::Args => "args",
            Self::LevelName => "levelname",
            Self::LevelNo => "levelno",
            Self::PathName => "pathname",
            Self::FileName => "filename",
            Self::Module => "module",
            Self::ExcInfo => "exc_info",
            Self::ExcText => "exc_text",
            Self::StackInfo => "stack_info",
            Self::LineNo => "lineno",
            Self::FuncName => "funcName",
            Self::Created => "created",
            Self::Msecs => "msecs",
            Self::RelativeCreated => "relativeCreated",
            Self::Thread => "thread",
            Self::ThreadName => "threadName",
            Self::ProcessName => "processName",
            Self::Process => "process",
            Self::TaskName => "taskName",
            Self::Message => "message",
            Self::AscTime => "asctime",
        }
    }

    /// The attribute of a name.
    #[must_use]
    #[inline]
    pub const fn from_name(name: &[u8]) -> Option<Self> {
        let Some((head, tail)) = ends(name) else {
            return if matches!(name, b"msg") { Some(Self::Msg) } else { None };
        };
        let entry = &NAMES[hash(head, tail, NAME_FACTOR)];
        if entry.len == name.len() && entry.head == head && entry.tail == tail {
            Some(entry.field)
        } else {
            None
        }
    }

    /// Where its value is kept in a record.
    #[inline]
    pub(crate) const fn slot(self) -> Slot {
        match self {
            Self::Name => Slot::Text(0),
            Self::LevelName => Slot::Text(1),
            Self::PathName => Slot::Text(2),
            Self::FileName => Slot::Text(3),
            Self::Module => Slot::Text(4),
            Self::ExcText => Slot::Text(5),
            Self::StackInfo => Slot::Text(6),
            Self::FuncName => Slot::Text(7),
            Self::ThreadName => Slot::Text(8),
            Self::ProcessName => Slot::Text(9),
            Self::TaskName => Slot::Text(10),
            Self::Message => Slot::Text(11),
            Self::AscTime => Slot::Text(12),
            Self::Msg => Slot::Value(0),
            Self::Args => Slot::Value(1),
            Self::ExcInfo => Slot::Value(2),
            Self::LevelNo => Slot::Int(0),
            Self::LineNo => Slot::Int(1),
            Self::Thread => Slot::Int(2),
            Self::Process => Slot::Int(3),
            Self::Created => Slot::Float(0),
            Self::Msecs => Slot::Float(1),
            Self::RelativeCreated => Slot::Float(2),
        }
    }

    /// Its bit in a set of fields.
    #[allow(clippy::as_conversions, reason = "the discriminant is below 23")]
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A name in the table that names are looked up in. The ends overlap or meet, and so with the length
/// they are the whole name: none is longer than sixteen bytes.
#[derive(Clone, Copy)]
struct Name {
    len: usize,
    head: u64,
    tail: u64,
    field: Field,
}

/// The first and last eight bytes, or four where the name is shorter than eight. `None` for a name of
/// fewer bytes.
#[inline(always)]
const fn ends(name: &[u8]) -> Option<(u64, u64)> {
    if let (Some(head), Some(tail)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        return Some((u64::from_le_bytes(*head), u64::from_le_bytes(*tail)));
    }
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        return Some((
            u64::from_le_bytes([*a, *b, *c, *d, 0, 0, 0, 0]),
            u64::from_le_bytes([*e, *f, *g, *h, 0, 0, 0, 0]),
        ));
    }
    None
}

/// The place of a name among [`NAMES`].
#[inline(always)]
#[allow(clippy::as_conversions, reason = "six bits are left")]
const fn hash(head: u64, tail: u64, factor: u64) -> usize {
    ((head ^ tail.rotate_left(29)).wrapping_mul(factor) >> 58) as usize
}

/// The table for a factor; `None` if two names have the same place.
const fn names(factor: u64) -> Option<[Name; 64]> {
    let mut names = [Name { len: 0, head: 0, tail: 0, field: Field::Name }; 64];
    let mut next = 0;
    while next < FIELDS {
        let field = Field::ALL[next];
        let name = field.as_str().as_bytes();
        if let Some((head, tail)) = ends(name) {
            let place = hash(head, tail, factor);
            if names[place].len != 0 {
                return None;
            }
            names[place] = Name { len: name.len(), head, tail, field };
        }
        next += 1;
    }
    Some(names)
}

/// The first factor, in a row that begins at the golden ratio, that gives each name a place of its own.
const NAME_FACTOR: u64 = {
    let mut factor = 0x9e37_79b9_7f4a_7c15_u64;
    while names(factor).is_none() {
        factor = factor.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(2);
    }
    factor
};

/// The names at their places.
const NAMES: [Name; 64] = match names(NAME_FACTOR) {
    Some(names) => names,
    None => [Name { len: 0, head: 0, tail: 0, field: Field::Name }; 64],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_fields_correspond() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(Field::from_name(field.as_str().as_bytes()), Some(field));
            assert_eq!(field.bit(), 1 << place);
        }
        for name in
            ["", "user", "ms", "nam", "names", "Msg", "pathnamepathname", "asctim", "relativeXCreated"]
        {
            assert_eq!(Field::from_name(name.as_bytes()), None, "{name}");
        }
    }
}
