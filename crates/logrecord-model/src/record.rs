//! The record: every attribute that CPython gives a LogRecord, typed, and everything else in `extra`.

use std::borrow::Cow;

use pickle_codec::Value;

use crate::field::{FIELDS, Field};
use crate::text::Text;

/// A LogRecord, borrowing from the payload it was read from.
///
/// An attribute is absent, null (Python's `None`) or has a value; [`has`](Self::has) tells absent
/// from null, and the typed accessors give `None` for both. The order in which the attributes came
/// is kept, so that [`to_pickle`](Self::to_pickle) writes them in that order again.
///
/// Nothing that a sender puts into a record makes it unreadable. A value of a type that an
/// attribute does not hold (a `levelno` that is text) leaves the attribute absent and stands in
/// [`extra`](Self::extra) under the attribute's name; [`is_odd`](Self::is_odd) tells.
///
/// ```
/// use logrecord_model::LogRecord;
/// let record = LogRecord::from_pickle(b"}(X\x04\x00\x00\x00nameX\x03\x00\x00\x00appX\x03\x00\x00\x00msgX\x02\x00\x00\x00hiX\x04\x00\x00\x00userK\x07u.")?;
/// assert_eq!(record.name().and_then(|name| name.as_str()), Some("app"));
/// assert_eq!(record.message(), "hi");
/// assert_eq!(record.extra().len(), 1);
/// # Ok::<(), logrecord_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogRecord<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) msg: Value<'a>,
    pub(crate) args: Value<'a>,
    pub(crate) level_name: Text<'a>,
    pub(crate) level_no: i64,
    pub(crate) path_name: Text<'a>,
    pub(crate) file_name: Text<'a>,
    pub(crate) module: Text<'a>,
    pub(crate) exc_info: Value<'a>,
    pub(crate) exc_text: Text<'a>,
    pub(crate) stack_info: Text<'a>,
    pub(crate) line_no: i64,
    pub(crate) func_name: Text<'a>,
    pub(crate) created: f64,
    pub(crate) msecs: f64,
    pub(crate) relative_created: f64,
    pub(crate) thread: i64,
    pub(crate) thread_name: Text<'a>,
    pub(crate) process_name: Text<'a>,
    pub(crate) process: i64,
    pub(crate) task_name: Text<'a>,
    pub(crate) message: Text<'a>,
    pub(crate) asc_time: Text<'a>,
    pub(crate) extra: Vec<Extra<'a>>,
    /// The attributes that are there, null ones included, in the order in which they came.
    pub(crate) order: Order,
    /// Attributes with a value: a subset of those in `order`.
    pub(crate) set: u32,
    /// Time attributes that Python had as an `int`: a subset of `set`.
    pub(crate) whole: u32,
    /// Attributes whose value has the wrong type and stands in `extra`: none of them is in `order`.
    pub(crate) odd: u32,
}

/// An attribute that is none of CPython's own.
#[derive(Clone, Debug)]
pub(crate) struct Extra<'a> {
    pub(crate) key: Value<'a>,
    pub(crate) value: Value<'a>,
    /// How many entries of `LogRecord::order` came before it.
    pub(crate) after: u8,
}

/// The attributes that a record has, in order and without duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    fields: [Field; FIELDS],
    len: u8,
    present: u32,
}

impl Order {
    pub(crate) const EMPTY: Self = Self { fields: Field::ALL, len: 0, present: 0 };
    /// What CPython 3.6 to 3.11 send.
    pub(crate) const STOCK: Self = Self { fields: Field::ALL, len: 20, present: (1 << 20) - 1 };
    /// What CPython 3.12 and later send.
    pub(crate) const STOCK_WITH_TASK: Self = Self { fields: Field::ALL, len: 21, present: (1 << 21) - 1 };

    #[inline]
    pub(crate) const fn len(&self) -> u8 {
        self.len
    }

    /// The set of the fields.
    #[inline]
    pub(crate) const fn present(&self) -> u32 {
        self.present
    }

    #[inline]
    pub(crate) const fn contains(&self, field: Field) -> bool {
        self.present & field.bit() != 0
    }

    #[inline]
    pub(crate) fn push(&mut self, field: Field) {
        if self.contains(field) {
            return;
        }
        if let Some(slot) = self.fields.get_mut(usize::from(self.len)) {
            *slot = field;
            self.len += 1;
            self.present |= field.bit();
        }
    }

    /// Takes a field out and gives the place it had.
    fn remove(&mut self, field: Field) -> Option<u8> {
        let place = self.as_slice().iter().position(|have| *have == field)?;
        if let Some(tail) = self.fields.get_mut(place..usize::from(self.len)) {
            tail.rotate_left(1);
        }
        self.len -= 1;
        self.present &= !field.bit();
        u8::try_from(place).ok()
    }

    pub(crate) fn as_slice(&self) -> &[Field] {
        self.fields.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// One attribute of a record, own or extra, in the order of the payload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot<'r, 'a> {
    Field(Field),
    Extra(&'r Extra<'a>),
}

/// A field's name as a value, for odd fields.
pub(crate) const fn key_of(field: Field) -> Value<'static> {
    Value::Str(Cow::Borrowed(field.as_str()))
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $method:ident: $kind:ident $slot:ident $field:ident;)*) => {
        $(accessors!(@ $(#[$doc])* $method $kind $slot $field);)*
    };
    (@ $(#[$doc:meta])* $method:ident text $slot:ident $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub const fn $method(&self) -> Option<&Text<'a>> {
            if self.set & Field::$field.bit() != 0 { Some(&self.$slot) } else { None }
        }
    };
    (@ $(#[$doc:meta])* $method:ident value $slot:ident $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub const fn $method(&self) -> Option<&Value<'a>> {
            if self.set & Field::$field.bit() != 0 { Some(&self.$slot) } else { None }
        }
    };
    (@ $(#[$doc:meta])* $method:ident int $slot:ident $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub const fn $method(&self) -> Option<i64> {
            if self.set & Field::$field.bit() != 0 { Some(self.$slot) } else { None }
        }
    };
    (@ $(#[$doc:meta])* $method:ident float $slot:ident $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub const fn $method(&self) -> Option<f64> {
            if self.set & Field::$field.bit() != 0 { Some(self.$slot) } else { None }
        }
    };
}

impl<'a> LogRecord<'a> {
    /// A record without a single attribute.
    pub(crate) const EMPTY: Self = Self {
        name: Text::EMPTY,
        msg: Value::None,
        args: Value::None,
        level_name: Text::EMPTY,
        level_no: 0,
        path_name: Text::EMPTY,
        file_name: Text::EMPTY,
        module: Text::EMPTY,
        exc_info: Value::None,
        exc_text: Text::EMPTY,
        stack_info: Text::EMPTY,
        line_no: 0,
        func_name: Text::EMPTY,
        created: 0.0,
        msecs: 0.0,
        relative_created: 0.0,
        thread: 0,
        thread_name: Text::EMPTY,
        process_name: Text::EMPTY,
        process: 0,
        task_name: Text::EMPTY,
        message: Text::EMPTY,
        asc_time: Text::EMPTY,
        extra: Vec::new(),
        order: Order::EMPTY,
        set: 0,
        whole: 0,
        odd: 0,
    };

    /// A record without a single attribute; [`LogRecord::builder`] makes one that a Python
    /// receiver expects.
    #[must_use]
    pub const fn new() -> Self {
        Self::EMPTY
    }

    accessors! {
        /// The logger's name.
        name: text name Name;
        /// The message before its arguments are merged in; [`message`](Self::message) merges them.
        msg: value msg Msg;
        /// The arguments of the message: a tuple or a dict where they can be merged in.
        args: value args Args;
        /// The level's name.
        levelname: text level_name LevelName;
        /// The level's number.
        levelno: int level_no LevelNo;
        /// The path of the source file.
        pathname: text path_name PathName;
        /// The name of the source file.
        filename: text file_name FileName;
        /// The module.
        module: text module Module;
        /// The exception, which is null in every record that a stock handler sent.
        exc_info: value exc_info ExcInfo;
        /// The formatted exception.
        exc_text: text exc_text ExcText;
        /// The formatted stack.
        stack_info: text stack_info StackInfo;
        /// The line in the source file.
        lineno: int line_no LineNo;
        /// The function.
        func_name: text func_name FuncName;
        /// When the record was made, in seconds since the epoch.
        created: float created Created;
        /// The milliseconds of `created`.
        msecs: float msecs Msecs;
        /// Milliseconds from the start of logging to the record.
        relative_created: float relative_created RelativeCreated;
        /// The thread's identifier.
        thread: int thread Thread;
        /// The thread's name.
        thread_name: text thread_name ThreadName;
        /// The process's name.
        process_name: text process_name ProcessName;
        /// The process id.
        process: int process Process;
        /// The asyncio task's name.
        task_name: text task_name TaskName;
        /// The `message` attribute, which Python 2.7 sends along; the rendered message is
        /// [`message`](Self::message).
        message_attribute: text message Message;
        /// The time as a Formatter at the sender wrote it.
        asctime: text asc_time AscTime;
    }

    /// Whether the attribute is there, be it null.
    #[must_use]
    pub const fn has(&self, field: Field) -> bool {
        self.order.contains(field)
    }

    /// Whether the attribute came with a type that it does not hold, so that its value stands in
    /// [`extra`](Self::extra) under its name.
    #[must_use]
    pub const fn is_odd(&self, field: Field) -> bool {
        self.odd & field.bit() != 0
    }

    /// The attributes that came with a type they do not hold.
    pub fn odd_fields(&self) -> impl Iterator<Item = Field> {
        let odd = self.odd;
        Field::ALL.into_iter().filter(move |field| odd & field.bit() != 0)
    }

    /// All keys that are no attribute of CPython's own, with their values, in order. Keys are
    /// mostly text, but Python sends others too.
    pub fn extra(&self) -> impl ExactSizeIterator<Item = (&Value<'a>, &Value<'a>)> + DoubleEndedIterator {
        self.extra.iter().map(|extra| (&extra.key, &extra.value))
    }

    /// The value of a text key in `extra`; a linear search.
    #[must_use]
    pub fn extra_value(&self, key: &str) -> Option<&Value<'a>> {
        self.extra
            .iter()
            .find(|extra| matches!(&extra.key, Value::Str(name) if name == key))
            .map(|extra| &extra.value)
    }

    /// What `record.__dict__[name]` is in Python after `logging.makeLogRecord`: the attribute, or
    /// the extra of that name, or Python's default for an attribute that is absent. The attributes
    /// that Python would fill from its own clock, thread and process are `None` where absent.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        if let Some(field) = Field::from_name(name.as_bytes()) {
            if self.order.contains(field) {
                return Some(self.field_value(field));
            }
            if !self.is_odd(field) {
                return default_of(field).map(Cow::Owned);
            }
        }
        self.extra_value(name).map(Cow::Borrowed)
    }

    /// The value of an attribute; `None` where it is null or absent.
    pub(crate) fn field_value(&self, field: Field) -> Cow<'_, Value<'_>> {
        if self.set & field.bit() == 0 {
            return Cow::Owned(Value::None);
        }
        if let Some(text) = self.text_of(field) {
            return Cow::Owned(text.borrowed().into_value());
        }
        Cow::Owned(match field {
            Field::Msg => return Cow::Borrowed(&self.msg),
            Field::Args => return Cow::Borrowed(&self.args),
            Field::ExcInfo => return Cow::Borrowed(&self.exc_info),
            Field::LevelNo => Value::Int(self.level_no),
            Field::LineNo => Value::Int(self.line_no),
            Field::Thread => Value::Int(self.thread),
            Field::Process => Value::Int(self.process),
            Field::Created => self.time_value(field, self.created),
            Field::Msecs => self.time_value(field, self.msecs),
            Field::RelativeCreated => self.time_value(field, self.relative_created),
            _ => Value::None,
        })
    }

    #[allow(clippy::as_conversions, reason = "only floats that an i64 was turned into exactly are whole")]
    const fn time_value(&self, field: Field, value: f64) -> Value<'static> {
        if self.whole & field.bit() != 0 { Value::Int(value as i64) } else { Value::Float(value) }
    }

    pub(crate) const fn text_of(&self, field: Field) -> Option<&Text<'a>> {
        Some(match field {
            Field::Name => &self.name,
            Field::LevelName => &self.level_name,
            Field::PathName => &self.path_name,
            Field::FileName => &self.file_name,
            Field::Module => &self.module,
            Field::ExcText => &self.exc_text,
            Field::StackInfo => &self.stack_info,
            Field::FuncName => &self.func_name,
            Field::ThreadName => &self.thread_name,
            Field::ProcessName => &self.process_name,
            Field::TaskName => &self.task_name,
            Field::Message => &self.message,
            Field::AscTime => &self.asc_time,
            _ => return None,
        })
    }

    pub(crate) const fn text_slot(&mut self, field: Field) -> Option<&mut Text<'a>> {
        Some(match field {
            Field::Name => &mut self.name,
            Field::LevelName => &mut self.level_name,
            Field::PathName => &mut self.path_name,
            Field::FileName => &mut self.file_name,
            Field::Module => &mut self.module,
            Field::ExcText => &mut self.exc_text,
            Field::StackInfo => &mut self.stack_info,
            Field::FuncName => &mut self.func_name,
            Field::ThreadName => &mut self.thread_name,
            Field::ProcessName => &mut self.process_name,
            Field::TaskName => &mut self.task_name,
            Field::Message => &mut self.message,
            Field::AscTime => &mut self.asc_time,
            _ => return None,
        })
    }

    /// Sets an attribute, behind those that are there unless it is there already. A value that the
    /// attribute does not hold goes to `extra`, as in a record that was read.
    pub fn set(&mut self, field: Field, value: Value<'a>) {
        self.forget_odd(field);
        self.store(field, value);
    }

    /// Takes an attribute away.
    pub fn remove(&mut self, field: Field) {
        self.forget_odd(field);
        self.set &= !field.bit();
        self.whole &= !field.bit();
        if let Some(place) = self.order.remove(field) {
            for extra in &mut self.extra {
                extra.after -= u8::from(extra.after > place);
            }
        }
    }

    /// Sets an extra attribute; one of CPython's own names sets that attribute. A linear search.
    pub fn set_extra(&mut self, key: impl Into<Text<'a>>, value: Value<'a>) {
        let key = key.into();
        if let Some(field) = Field::from_name(key.as_bytes()) {
            return self.set(field, value);
        }
        let same = self.extra.iter_mut().find(|extra| match &extra.key {
            Value::Str(name) => name.as_bytes() == key.as_bytes(),
            Value::Wtf8(name) => **name == *key.as_bytes(),
            _ => false,
        });
        match same {
            Some(extra) => extra.value = value,
            None => self.push_extra(key.into_value(), value),
        }
    }

    fn forget_odd(&mut self, field: Field) {
        if self.is_odd(field) {
            self.odd &= !field.bit();
            self.extra.retain(|extra| !matches!(&extra.key, Value::Str(name) if name == field.as_str()));
        }
    }

    #[inline]
    pub(crate) fn push_extra(&mut self, key: Value<'a>, value: Value<'a>) {
        self.extra.push(Extra { key, value, after: self.order.len() });
    }

    /// Stores a value under an attribute that is not odd so far.
    pub(crate) fn store(&mut self, field: Field, value: Value<'a>) {
        self.set &= !field.bit();
        self.whole &= !field.bit();
        match value {
            Value::None => self.order.push(field),
            value if matches!(field, Field::Msg | Field::Args | Field::ExcInfo) => {
                match field {
                    Field::Msg => self.msg = value,
                    Field::Args => self.args = value,
                    _ => self.exc_info = value,
                }
                self.mark(field);
            }
            Value::Str(_) | Value::Wtf8(_) if self.text_of(field).is_some() => {
                if let (Ok(text), Some(slot)) = (Text::from_value(value), self.text_slot(field)) {
                    *slot = text;
                    self.mark(field);
                }
            }
            Value::Int(number) => self.store_int(field, number),
            Value::Float(number) => self.store_float(field, number),
            other => self.store_odd(field, other),
        }
    }

    #[inline]
    fn store_int(&mut self, field: Field, number: i64) {
        match field {
            Field::LevelNo => self.level_no = number,
            Field::LineNo => self.line_no = number,
            Field::Thread => self.thread = number,
            Field::Process => self.process = number,
            Field::Created | Field::Msecs | Field::RelativeCreated => {
                // Beyond 2^53 a float does not hold every integer.
                const EXACT: u64 = 1 << 53;
                if number.unsigned_abs() > EXACT {
                    return self.store_odd(field, Value::Int(number));
                }
                #[allow(clippy::as_conversions, reason = "within 2^53 every integer is a float")]
                let float = number as f64;
                self.store_float(field, float);
                self.whole |= field.bit();
                return;
            }
            _ => return self.store_odd(field, Value::Int(number)),
        }
        self.mark(field);
    }

    #[inline]
    fn store_float(&mut self, field: Field, number: f64) {
        match field {
            Field::Created => self.created = number,
            Field::Msecs => self.msecs = number,
            Field::RelativeCreated => self.relative_created = number,
            _ => return self.store_odd(field, Value::Float(number)),
        }
        self.mark(field);
    }

    #[inline]
    fn mark(&mut self, field: Field) {
        self.order.push(field);
        self.set |= field.bit();
    }

    #[cold]
    pub(crate) fn store_odd(&mut self, field: Field, value: Value<'a>) {
        if self.order.contains(field) {
            self.remove(field);
        }
        self.odd |= field.bit();
        self.push_extra(key_of(field), value);
    }

    /// Own attributes and extras in the order in which they came.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot<'_, 'a>> {
        let mut fields = self.order.as_slice().iter();
        let mut extras = self.extra.iter().peekable();
        let mut place = 0_u8;
        std::iter::from_fn(move || {
            if let Some(extra) = extras.next_if(|extra| extra.after <= place) {
                return Some(Slot::Extra(extra));
            }
            match fields.next() {
                Some(field) => {
                    place += 1;
                    Some(Slot::Field(*field))
                }
                None => extras.next().map(Slot::Extra),
            }
        })
    }

    /// The same record with its own memory.
    #[must_use]
    pub fn into_owned(self) -> OwnedLogRecord {
        LogRecord {
            name: self.name.into_owned(),
            msg: self.msg.into_owned(),
            args: self.args.into_owned(),
            level_name: self.level_name.into_owned(),
            level_no: self.level_no,
            path_name: self.path_name.into_owned(),
            file_name: self.file_name.into_owned(),
            module: self.module.into_owned(),
            exc_info: self.exc_info.into_owned(),
            exc_text: self.exc_text.into_owned(),
            stack_info: self.stack_info.into_owned(),
            line_no: self.line_no,
            func_name: self.func_name.into_owned(),
            created: self.created,
            msecs: self.msecs,
            relative_created: self.relative_created,
            thread: self.thread,
            thread_name: self.thread_name.into_owned(),
            process_name: self.process_name.into_owned(),
            process: self.process,
            task_name: self.task_name.into_owned(),
            message: self.message.into_owned(),
            asc_time: self.asc_time.into_owned(),
            extra: self
                .extra
                .into_iter()
                .map(|extra| Extra {
                    key: extra.key.into_owned(),
                    value: extra.value.into_owned(),
                    after: extra.after,
                })
                .collect(),
            order: self.order,
            set: self.set,
            whole: self.whole,
            odd: self.odd,
        }
    }
}

/// A record that borrows nothing.
pub type OwnedLogRecord = LogRecord<'static>;

impl Default for LogRecord<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What `logging.makeLogRecord({})` gives an attribute.
fn default_of(field: Field) -> Option<Value<'static>> {
    Some(match field {
        Field::Args => Value::Tuple(Vec::new()),
        Field::Msg | Field::PathName | Field::FileName | Field::Module => Value::Str(Cow::Borrowed("")),
        Field::LevelName => Value::Str(Cow::Borrowed("Level None")),
        Field::LineNo => Value::Int(0),
        // Only a Formatter makes these.
        Field::Message | Field::AscTime => return None,
        _ => Value::None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_survives_sets_and_removals() {
        let mut record = LogRecord::new();
        record.set(Field::Msg, "hi".into());
        record.set_extra("user", Value::Int(1));
        record.set(Field::LevelNo, "ten".into());
        record.set(Field::Created, Value::Int(5));
        assert!(record.is_odd(Field::LevelNo) && !record.has(Field::LevelNo));
        assert_eq!(record.levelno(), None);
        assert_eq!(record.created(), Some(5.0));
        let names = |record: &LogRecord<'_>| {
            record
                .slots()
                .map(|slot| match slot {
                    Slot::Field(field) => field.as_str().to_owned(),
                    Slot::Extra(extra) => format!("+{:?}", extra.key),
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(names(&record), r#"msg +Str("user") +Str("levelno") created"#);
        record.remove(Field::Msg);
        assert_eq!(names(&record), r#"+Str("user") +Str("levelno") created"#);
        record.set(Field::LevelNo, Value::Int(10));
        assert_eq!(names(&record), r#"+Str("user") created levelno"#);
        record.set(Field::LevelNo, Value::Float(1.5));
        assert_eq!(names(&record), r#"+Str("user") created +Str("levelno")"#);
    }

    #[test]
    fn absent_attributes_have_pythons_defaults() {
        let record = LogRecord::new();
        let shown = |name| record.attribute(name).map(|value| format!("{value:?}"));
        assert_eq!(shown("levelname").as_deref(), Some("Str(\"Level None\")"));
        assert_eq!(shown("levelno").as_deref(), Some("None"));
        assert_eq!(shown("args").as_deref(), Some("Tuple([])"));
        assert_eq!(shown("lineno").as_deref(), Some("Int(0)"));
        assert_eq!(shown("asctime"), None);
        assert_eq!(shown("user"), None);
    }
}
