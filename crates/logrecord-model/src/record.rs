//! The record: every attribute that CPython gives a LogRecord, typed, and everything else in `extra`.

use std::borrow::Cow;
use std::time::SystemTime;

use pickle_codec::Value;
use pickle_codec::direct::Scalar;

use crate::field::{FIELDS, FLOATS, Field, INTS, Slot, TEXTS, VALUES};
use crate::level::Level;
use crate::plain::{latin1, plain};
use python_format::Text;

/// Beyond this many extras the search for duplicate keys is left to the decoder.
const MAX_SEARCHED: usize = 48;

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
    pub(crate) texts: [Text<'a>; TEXTS],
    pub(crate) values: [Value<'a>; VALUES],
    pub(crate) ints: [i64; INTS],
    pub(crate) floats: [f64; FLOATS],
    pub(crate) extra: Vec<Extra<'a>>,
    /// The attributes that are there, null ones included, in the order in which they came.
    pub(crate) order: Order,
    /// Attributes with a value: a subset of those in `order`.
    pub(crate) set: u32,
    /// Time attributes that Python had as an `int`: a subset of `set`.
    pub(crate) whole: u32,
    /// Attributes whose value has the wrong type and stands in `extra`: none of them is in `order`.
    pub(crate) odd: u32,
    /// The bytes that it may become when it is written out.
    pub(crate) limit: usize,
    /// What reading it left to say; mostly nothing.
    pub(crate) remarks: Option<Box<Remarks>>,
}

/// What is to be said of a record beside its attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remarks {
    /// A value was too large to be kept.
    pub(crate) cut: bool,
    /// The globals that are only described, in order.
    pub(crate) globals: Vec<Box<str>>,
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

    /// Adds a field that is not there; `None` only if it is.
    #[inline]
    fn push_new(&mut self, field: Field) -> Option<()> {
        *self.fields.get_mut(usize::from(self.len))? = field;
        self.len += 1;
        self.present |= field.bit();
        Some(())
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
pub(crate) enum Entry<'r, 'a> {
    Field(Field),
    Extra(&'r Extra<'a>),
}

/// A field's name as a value, for odd fields.
pub(crate) const fn key_of(field: Field) -> Value<'static> {
    Value::Str(Cow::Borrowed(field.as_str()))
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $method:ident: $slot:ident $field:ident;)*) => {
        $(accessors!(@ $(#[$doc])* $method $slot $field);)*
    };
    (@ $(#[$doc:meta])* $method:ident Text $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $method(&self) -> Option<&Text<'a>> {
            self.text(Field::$field)
        }
    };
    (@ $(#[$doc:meta])* $method:ident Value $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $method(&self) -> Option<&Value<'a>> {
            match Field::$field.slot() {
                Slot::Value(place) if self.is_set(Field::$field) => self.values.get(place),
                _ => None,
            }
        }
    };
    (@ $(#[$doc:meta])* $method:ident Int $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $method(&self) -> Option<i64> {
            match Field::$field.slot() {
                Slot::Int(place) if self.is_set(Field::$field) => self.ints.get(place).copied(),
                _ => None,
            }
        }
    };
    (@ $(#[$doc:meta])* $method:ident Float $field:ident) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $method(&self) -> Option<f64> {
            match Field::$field.slot() {
                Slot::Float(place) if self.is_set(Field::$field) => self.floats.get(place).copied(),
                _ => None,
            }
        }
    };
}

impl<'a> LogRecord<'a> {
    /// A record without a single attribute.
    pub(crate) const EMPTY: Self = Self {
        texts: [const { Text::EMPTY }; TEXTS],
        values: [const { Value::None }; VALUES],
        ints: [0; INTS],
        floats: [0.0; FLOATS],
        extra: Vec::new(),
        order: Order::EMPTY,
        set: 0,
        whole: 0,
        odd: 0,
        limit: usize::MAX,
        remarks: None,
    };

    /// A record without a single attribute; [`LogRecord::builder`] makes one that a Python
    /// receiver expects.
    #[must_use]
    pub const fn new() -> Self {
        Self::EMPTY
    }

    accessors! {
        /// The logger's name.
        name: Text Name;
        /// The message before its arguments are merged in; [`message`](Self::message) merges them.
        msg: Value Msg;
        /// The arguments of the message: a tuple or a dict where they can be merged in.
        args: Value Args;
        /// The level's name.
        levelname: Text LevelName;
        /// The level's number.
        levelno: Int LevelNo;
        /// The path of the source file.
        pathname: Text PathName;
        /// The name of the source file.
        filename: Text FileName;
        /// The module.
        module: Text Module;
        /// The exception, which is null in every record that a stock handler sent; what others send is an extra.
        exc_info: Value ExcInfo;
        /// The formatted exception.
        exc_text: Text ExcText;
        /// The formatted stack.
        stack_info: Text StackInfo;
        /// The line in the source file.
        lineno: Int LineNo;
        /// The function.
        func_name: Text FuncName;
        /// When the record was made, in seconds since the epoch.
        created: Float Created;
        /// The milliseconds of `created`.
        msecs: Float Msecs;
        /// Milliseconds from the start of logging to the record.
        relative_created: Float RelativeCreated;
        /// The thread's identifier.
        thread: Int Thread;
        /// The thread's name.
        thread_name: Text ThreadName;
        /// The process's name.
        process_name: Text ProcessName;
        /// The process id.
        process: Int Process;
        /// The asyncio task's name.
        task_name: Text TaskName;
        /// The `message` attribute, which Python 2.7 sends along; the rendered message is
        /// [`message`](Self::message).
        message_attribute: Text Message;
        /// The time as a Formatter at the sender wrote it.
        asctime: Text AscTime;
    }

    /// The time at which the record was made: `created`, or the `datetime` or time in text that stands in its place.
    /// `None` where there is none, or none that a clock can show.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// let record = logrecord_model::LogRecord::builder("app", 20, "m").created(1.5).build();
    /// assert_eq!(record.time(), Some(UNIX_EPOCH + Duration::from_millis(1500)));
    /// ```
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        self.timestamp().map(SystemTime::from)
    }

    /// As [`time`](Self::time), in microseconds as `datetime.fromtimestamp` has it.
    #[must_use]
    pub fn timestamp(&self) -> Option<jiff::Timestamp> {
        let seconds = self.created().or_else(|| self.odd_time())?;
        let (seconds, micros) = crate::time::split(seconds)?;
        jiff::Timestamp::new(seconds, i32::try_from(micros).ok()?.checked_mul(1000)?).ok()
    }

    /// The time in the place of `created` that is no number.
    pub(crate) fn odd_time(&self) -> Option<f64> {
        if !self.is_odd(Field::Created) {
            return None;
        }
        crate::created::seconds_of(self.extra_value(Field::Created.as_str())?)
    }

    /// The level: that of [`levelno`](Self::levelno), else the one that
    /// [`levelname`](Self::levelname) names, else 0, which is NOTSET. So a record with a level that
    /// is no number is still filtered and coloured by its name.
    ///
    /// ```
    /// use logrecord_model::{Field, Level, LogRecord};
    /// let mut record = LogRecord::builder("app", 40, "m").build();
    /// record.set(Field::LevelNo, "forty".into());
    /// assert_eq!(record.level(), Level::new(40));
    /// ```
    #[must_use]
    pub fn level(&self) -> Level {
        self.levelno()
            .map(Level::new)
            .or_else(|| self.levelname().and_then(Text::as_str).and_then(Level::from_name))
            .unwrap_or(Level::new(0))
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

    /// Whether a value was too large to be kept, so that `...(cut)` stands in its place. What a record may become
    /// is bounded by [`output_limit`](crate::output_limit) of its payload.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.remarks.as_ref().is_some_and(|remarks| remarks.cut)
    }

    /// The globals that the payload names and that are only described, as `module.name`, each once and in order: what
    /// [`Globals::Inert`](pickle_codec::Globals::Inert) lets pass beside the known types and what the caller allows.
    /// A record that names more than [`MAX_GLOBALS`](Self::MAX_GLOBALS) has `...` behind the last of them.
    ///
    /// ```
    /// use logrecord_model::LogRecord;
    /// use pickle_codec::{DecodeOptions, Globals};
    /// let options = DecodeOptions::new().globals(Globals::Inert);
    /// let record = LogRecord::from_pickle_with(b"}X\x03\0\0\0jobcos\nsystem\n(X\x02\0\0\0idtRs.", &options)?;
    /// assert_eq!(record.globals().collect::<Vec<_>>(), ["os.system"]);
    /// assert_eq!(
    ///     record.to_json(),
    ///     r#"{"message":"","extra":{"job":{"$object":{"class":"os.system","args":["id"]}}},"globals":["os.system"]}"#
    /// );
    /// # Ok::<(), logrecord_model::Error>(())
    /// ```
    pub fn globals(&self) -> impl Iterator<Item = &str> {
        self.remarks.iter().flat_map(|remarks| remarks.globals.iter().map(|name| &**name))
    }

    /// How many names of globals a record keeps: 256.
    pub const MAX_GLOBALS: usize = 256;

    /// The bytes that the record may become when it is written out: [`output_limit`](crate::output_limit) of its
    /// payload, and no bound for a record that was not read from one.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
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
    /// the extra of that name, or Python's default for an attribute that is absent: names, numbers and
    /// times of the process that asks, where Python takes them from there.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        if let Some(field) = Field::from_name(name.as_bytes()) {
            if self.order.contains(field) {
                return Some(self.field_value(field));
            }
            if !self.is_odd(field) {
                return self.default_of(field).map(Cow::Owned);
            }
        }
        self.extra_value(name).map(Cow::Borrowed)
    }

    /// The value of an attribute; `None` where it is null or absent.
    pub(crate) fn field_value(&self, field: Field) -> Cow<'_, Value<'_>> {
        if !self.is_set(field) {
            return Cow::Owned(Value::None);
        }
        match field.slot() {
            Slot::Text(place) => self.texts.get(place).map(|text| Cow::Owned(text.borrowed().into_value())),
            Slot::Value(place) => self.values.get(place).map(Cow::Borrowed),
            Slot::Int(place) => self.ints.get(place).map(|number| Cow::Owned(Value::Int(*number))),
            Slot::Float(place) => {
                self.floats.get(place).map(|number| Cow::Owned(self.time_value(field, *number)))
            }
        }
        .unwrap_or(Cow::Owned(Value::None))
    }

    #[allow(clippy::as_conversions, reason = "only floats that an i64 was turned into exactly are whole")]
    const fn time_value(&self, field: Field, value: f64) -> Value<'static> {
        if self.whole & field.bit() != 0 { Value::Int(value as i64) } else { Value::Float(value) }
    }

    #[inline]
    pub(crate) const fn is_set(&self, field: Field) -> bool {
        self.set & field.bit() != 0
    }

    /// The text of a text attribute that has a value.
    #[inline]
    pub(crate) fn text(&self, field: Field) -> Option<&Text<'a>> {
        match field.slot() {
            Slot::Text(place) if self.is_set(field) => self.texts.get(place),
            _ => None,
        }
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

    /// Takes an extra attribute out of the record. A linear search.
    pub fn take_extra(&mut self, key: &str) -> Option<Value<'a>> {
        let place =
            self.extra.iter().position(|extra| matches!(&extra.key, Value::Str(name) if name == key))?;
        Some(self.extra.remove(place).value)
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

    /// Adds an attribute that is none of CPython's own and must not be there yet; `None` if it is, or if there are
    /// so many that the search is left to the decoder.
    #[inline]
    pub(crate) fn add_extra(&mut self, key: &'a str, value: Value<'a>) -> Option<()> {
        let is_there = |extra: &Extra<'_>| matches!(&extra.key, Value::Str(name) if name == key);
        if self.extra.len() >= MAX_SEARCHED || self.extra.iter().any(is_there) {
            return None;
        }
        self.push_extra(Value::Str(Cow::Borrowed(key)), value);
        Some(())
    }

    /// Stores a value under an attribute that is not odd so far.
    #[inline]
    pub(crate) fn store(&mut self, field: Field, value: Value<'a>) {
        let bit = field.bit();
        self.set &= !bit;
        self.whole &= !bit;
        match (field.slot(), value) {
            (_, Value::None) => return self.order.push(field),
            (Slot::Text(place), Value::Str(text)) => {
                if let Some(slot) = self.texts.get_mut(place) {
                    *slot = Text::Utf8(text);
                }
            }
            (Slot::Int(place), Value::Int(number)) => {
                if let Some(slot) = self.ints.get_mut(place) {
                    *slot = number;
                }
            }
            (Slot::Float(place), Value::Float(number)) => {
                if let Some(slot) = self.floats.get_mut(place) {
                    *slot = number;
                }
            }
            // Stock handlers send null, and what others send has no place of its own in any output.
            (Slot::Value(_), value) if field == Field::ExcInfo => return self.store_odd(field, value),
            (Slot::Value(place), value) => {
                if let Some(slot) = self.values.get_mut(place) {
                    *slot = value;
                }
            }
            (_, value) => return self.store_rare(field, value),
        }
        self.order.push(field);
        self.set |= bit;
    }

    /// Stores a scalar under an attribute of a record that is being read; `None` if the attribute is
    /// there, or odd, already.
    #[inline]
    pub(crate) fn store_new(&mut self, field: Field, scalar: Scalar<'a>) -> Option<()> {
        match (field.slot(), scalar) {
            (_, Scalar::None) => self.store_new_null(field),
            (Slot::Text(place), Scalar::Text(text)) => self.store_new_text(field, place, text),
            (Slot::Int(place), Scalar::Int(number)) => self.store_new_int(field, place, number),
            (Slot::Float(place), Scalar::Float(number)) => self.store_new_float(field, place, number),
            (_, scalar) => {
                self.absent(field)?;
                self.store(field, scalar.into_value());
                Some(())
            }
        }
    }

    #[inline(always)]
    pub(crate) fn store_new_null(&mut self, field: Field) -> Option<()> {
        self.absent(field)?;
        self.order.push_new(field)
    }

    /// Stores text in its place. What the place holds was never set, and needs no drop.
    #[inline(always)]
    pub(crate) fn store_new_text(&mut self, field: Field, place: usize, text: &'a str) -> Option<()> {
        self.absent(field)?;
        let slot = self.texts.get_mut(place)?;
        std::mem::forget(std::mem::replace(slot, Text::Utf8(Cow::Borrowed(text))));
        self.set |= field.bit();
        self.order.push_new(field)
    }

    #[inline(always)]
    pub(crate) fn store_new_int(&mut self, field: Field, place: usize, number: i64) -> Option<()> {
        self.absent(field)?;
        *self.ints.get_mut(place)? = number;
        self.set |= field.bit();
        self.order.push_new(field)
    }

    #[inline(always)]
    pub(crate) fn store_new_float(&mut self, field: Field, place: usize, number: f64) -> Option<()> {
        self.absent(field)?;
        *self.floats.get_mut(place)? = number;
        self.set |= field.bit();
        self.order.push_new(field)
    }

    /// Whether an attribute is neither there nor odd.
    #[inline(always)]
    const fn absent(&self, field: Field) -> Option<()> {
        if (self.order.present | self.odd) & field.bit() == 0 { Some(()) } else { None }
    }

    /// Stores what is right for the attribute but seldom comes, and what is wrong for it.
    #[inline(never)]
    fn store_rare(&mut self, field: Field, value: Value<'a>) {
        // Beyond 2^53 a float does not hold every integer.
        const EXACT: u64 = 1 << 53;
        match (field.slot(), value) {
            (Slot::Text(place), Value::Wtf8(bytes)) => {
                if let Some(slot) = self.texts.get_mut(place) {
                    *slot = Text::Wtf8(Box::new(bytes));
                }
            }
            // Python 2's text of an unknown encoding.
            (Slot::Text(place), Value::Bytes(bytes)) => {
                if let Some(slot) = self.texts.get_mut(place) {
                    *slot = Text::from(latin1(&bytes));
                }
            }
            (Slot::Float(place), Value::Int(number)) if number.unsigned_abs() <= EXACT => {
                if let Some(slot) = self.floats.get_mut(place) {
                    #[allow(clippy::as_conversions, reason = "within 2^53 every integer is a float")]
                    let float = number as f64;
                    *slot = float;
                }
                self.whole |= field.bit();
            }
            (slot, value) => match plain(slot, &value) {
                Some(value) => return self.store(field, value),
                None => return self.store_odd(field, value),
            },
        }
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
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_, 'a>> {
        let mut fields = self.order.as_slice().iter();
        let mut extras = self.extra.iter().peekable();
        let mut place = 0_u8;
        std::iter::from_fn(move || {
            if let Some(extra) = extras.next_if(|extra| extra.after <= place) {
                return Some(Entry::Extra(extra));
            }
            match fields.next() {
                Some(field) => {
                    place += 1;
                    Some(Entry::Field(*field))
                }
                None => extras.next().map(Entry::Extra),
            }
        })
    }

    /// The same record with its own memory.
    #[must_use]
    pub fn into_owned(self) -> OwnedLogRecord {
        LogRecord {
            texts: self.texts.map(Text::into_owned),
            values: self.values.map(Value::into_owned),
            ints: self.ints,
            floats: self.floats,
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
            limit: self.limit,
            remarks: self.remarks,
        }
    }
}

/// Records are equal if they have the same attributes with equal values, and the same extras in the same order, however
/// they came to them. A NaN equals nothing.
impl PartialEq for LogRecord<'_> {
    fn eq(&self, other: &Self) -> bool {
        let sets = |record: &Self| (record.order.present(), record.set, record.whole, record.odd);
        let extras = |record: &Self| record.extra.len();
        sets(self) == sets(other)
            && extras(self) == extras(other)
            && Field::ALL.into_iter().filter(|field| self.is_set(*field)).all(|field| match field.slot() {
                Slot::Text(place) => self.texts.get(place) == other.texts.get(place),
                Slot::Value(place) => self.values.get(place) == other.values.get(place),
                Slot::Int(place) => self.ints.get(place) == other.ints.get(place),
                Slot::Float(place) => self.floats.get(place) == other.floats.get(place),
            })
            && self.extra().eq(other.extra())
    }
}

/// A record that borrows nothing.
pub type OwnedLogRecord = LogRecord<'static>;

impl Default for LogRecord<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
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
                .entries()
                .map(|slot| match slot {
                    Entry::Field(field) => field.as_str().to_owned(),
                    Entry::Extra(extra) => format!("+{:?}", extra.key),
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
