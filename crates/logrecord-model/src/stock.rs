//! The fastest way to read a record: what CPython 3's SocketHandler sends, and nothing else.
//!
//! The attributes come in a fixed order at protocol 1, each string followed by a BINPUT. So the
//! bytes of each key, opcodes included, are compared with a constant and only the value between
//! two keys is looked at:
//!
//! ```text
//! } q 00 (   X 04 00 00 00 "name" q xx   X len "app" q xx   X 03 00 00 00 "msg" q xx   ...   u .
//! ```
//!
//! What is text is checked to be UTF-8 in runs: of several texts with only opcodes between them, which are ASCII as long
//! as the texts are short, the whole run is checked at once.
//!
//! A memo index is not compared, because it means nothing until something is fetched by it, and
//! the first BINGET, like any other surprise, ends the attempt; the caller starts over in a more
//! general way. What this reader accepts, the decoder accepts too, and reads the same.

use std::borrow::Cow;

use pickle_codec::Value;
use pickle_codec::direct::{self, Cursor, Scalar, Scratch};

use crate::convert::MAX_FETCHES;
use crate::field::{FLOATS, Field, INTS};
use crate::record::{LogRecord, Order};
use python_format::Text;

/// A key as CPython writes it: BINUNICODE, its length, the text, BINPUT. One byte of memo index follows.
macro_rules! key {
    ($cursor:ident, $name:literal) => {{
        const NAME: &[u8] = $name.as_bytes();
        const LEN: usize = NAME.len() + 6;
        const KEY: [u8; LEN] = {
            let mut key = [0; LEN];
            key[0] = b'X';
            key[1] = NAME.len() as u8;
            let mut place = 0;
            while place < NAME.len() {
                key[place + 5] = NAME[place];
                place += 1;
            }
            key[LEN - 1] = b'q';
            key
        };
        let (key, rest) = $cursor.rest.split_first_chunk::<{ LEN + 1 }>()?;
        if key.first_chunk::<LEN>() != Some(&KEY) {
            return None;
        }
        $cursor.rest = rest;
    }};
}

/// What is to be text, and where it stands in the payload, counted from the payload's end.
#[derive(Clone, Copy)]
struct Raw<'a> {
    bytes: &'a [u8],
    from_end: usize,
}

/// Texts that stand one behind the other; `None` if one of them is no UTF-8.
#[inline(always)]
fn run<'a, const N: usize>(payload: &'a [u8], texts: [Raw<'a>; N]) -> Option<[&'a str; N]> {
    let (first, last) = (texts.first()?, texts.last()?);
    let start = payload.len().checked_sub(first.from_end)?;
    let end = payload.len().checked_sub(last.from_end)?.checked_add(last.bytes.len())?;
    let mut found = [""; N];
    match std::str::from_utf8(payload.get(start..end)?) {
        Ok(run) => {
            for (text, raw) in found.iter_mut().zip(texts) {
                let at = first.from_end.checked_sub(raw.from_end)?;
                *text = run.get(at..at.checked_add(raw.bytes.len())?)?;
            }
        }
        // The length of a longer text is not ASCII.
        Err(_) => {
            for (text, raw) in found.iter_mut().zip(texts) {
                *text = std::str::from_utf8(raw.bytes).ok()?;
            }
        }
    }
    Some(found)
}

/// What is to be text with its BINPUT, or null, which clears the attribute's bit.
#[inline(always)]
fn text<'a>(cursor: &mut Cursor<'a>, field: Field, set: &mut u32) -> Option<Raw<'a>> {
    if let Some(([b'X', count @ ..], rest)) = cursor.rest.split_first_chunk::<5>() {
        // BINPUT and its argument follow.
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let from_end = rest.len();
        let (text, rest) = rest.split_at_checked(count.checked_add(2)?)?;
        let (bytes, [b'q', _]) = text.split_last_chunk::<2>()? else { return None };
        cursor.rest = rest;
        return Some(Raw { bytes, from_end });
    }
    cursor.exactly(b"N")?;
    *set &= !field.bit();
    Some(Raw { bytes: b"", from_end: cursor.rest.len() })
}

#[inline(always)]
fn int(cursor: &mut Cursor<'_>, field: Field, set: &mut u32) -> Option<i64> {
    match cursor.byte()? {
        b'N' => {
            *set &= !field.bit();
            Some(0)
        }
        opcode => cursor.int(opcode),
    }
}

#[inline(always)]
fn float(cursor: &mut Cursor<'_>) -> Option<f64> {
    let [b'G', bytes @ ..] = cursor.chunk::<9>()? else { return None };
    Some(f64::from_be_bytes(*bytes))
}

/// What a stock record says, before it is put into a [`LogRecord`].
///
/// A record is large, and each move of one costs as much as reading ten attributes. So the small parts are
/// kept apart until the place is known where the caller wants them.
pub(crate) struct Stock<'a> {
    /// In the places of `Field::slot`, but for the two that CPython never sends.
    texts: [&'a str; 11],
    msg: &'a str,
    ints: [i64; INTS],
    floats: [f64; FLOATS],
    order: Order,
    set: u32,
    cursor: Cursor<'a>,
}

impl<'a> Stock<'a> {
    /// Whether the record ends behind CPython's own attributes.
    #[inline(always)]
    pub(crate) fn is_whole(&self) -> bool {
        self.cursor.rest == b"u."
    }

    /// The record without what follows CPython's own attributes.
    #[inline(always)]
    pub(crate) fn into_record(self, limit: usize) -> LogRecord<'a> {
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10] = self.texts;
        let text = |text| Text::Utf8(Cow::Borrowed(text));
        LogRecord {
            texts: [
                text(t0),
                text(t1),
                text(t2),
                text(t3),
                text(t4),
                text(t5),
                text(t6),
                text(t7),
                text(t8),
                text(t9),
                text(t10),
                Text::EMPTY,
                Text::EMPTY,
            ],
            values: [Value::Str(Cow::Borrowed(self.msg)), Value::None, Value::None],
            ints: self.ints,
            floats: self.floats,
            extra: Vec::new(),
            order: self.order,
            set: self.set,
            whole: 0,
            odd: 0,
            limit,
            remarks: None,
        }
    }

    /// The record with the attributes of the application's own; `None` at the first surprise.
    #[inline(always)]
    pub(crate) fn into_record_with_extras(
        self,
        limit: usize,
        scratch: &mut Scratch<'static>,
    ) -> Option<LogRecord<'a>> {
        let mut cursor = self.cursor;
        let mut record = self.into_record(limit);
        extras(&mut cursor, &mut record, scratch)?;
        Some(record)
    }
}

/// Reads CPython's own attributes; `None` at the first surprise.
#[inline(always)]
pub(crate) fn read(payload: &[u8]) -> Option<Stock<'_>> {
    let mut cursor = Cursor::new(payload);
    let [b'}', b'q', _, b'('] = cursor.chunk::<4>()? else { return None };
    let mut set = Order::STOCK.present() & !(Field::Args.bit() | Field::ExcInfo.bit());
    key!(cursor, "name");
    let name = text(&mut cursor, Field::Name, &mut set)?;
    key!(cursor, "msg");
    let msg = text(&mut cursor, Field::Msg, &mut set)?;
    key!(cursor, "args");
    cursor.exactly(b"N")?;
    key!(cursor, "levelname");
    let level_name = text(&mut cursor, Field::LevelName, &mut set)?;
    key!(cursor, "levelno");
    let level_no = int(&mut cursor, Field::LevelNo, &mut set)?;
    key!(cursor, "pathname");
    let path_name = text(&mut cursor, Field::PathName, &mut set)?;
    key!(cursor, "filename");
    let file_name = text(&mut cursor, Field::FileName, &mut set)?;
    key!(cursor, "module");
    let module = text(&mut cursor, Field::Module, &mut set)?;
    key!(cursor, "exc_info");
    cursor.exactly(b"N")?;
    key!(cursor, "exc_text");
    let exc_text = text(&mut cursor, Field::ExcText, &mut set)?;
    key!(cursor, "stack_info");
    let stack_info = text(&mut cursor, Field::StackInfo, &mut set)?;
    key!(cursor, "lineno");
    let line_no = int(&mut cursor, Field::LineNo, &mut set)?;
    key!(cursor, "funcName");
    let func_name = text(&mut cursor, Field::FuncName, &mut set)?;
    key!(cursor, "created");
    let created = float(&mut cursor)?;
    key!(cursor, "msecs");
    let msecs = float(&mut cursor)?;
    key!(cursor, "relativeCreated");
    let relative_created = float(&mut cursor)?;
    key!(cursor, "thread");
    let thread = int(&mut cursor, Field::Thread, &mut set)?;
    key!(cursor, "threadName");
    let thread_name = text(&mut cursor, Field::ThreadName, &mut set)?;
    key!(cursor, "processName");
    let process_name = text(&mut cursor, Field::ProcessName, &mut set)?;
    key!(cursor, "process");
    let process = int(&mut cursor, Field::Process, &mut set)?;
    let (order, task_name) = task_name(&mut cursor, &mut set)?;
    let [name, msg, level_name] = run(payload, [name, msg, level_name])?;
    let [path_name, file_name, module, exc_text, stack_info] =
        run(payload, [path_name, file_name, module, exc_text, stack_info])?;
    let [func_name] = run(payload, [func_name])?;
    let [thread_name, process_name] = run(payload, [thread_name, process_name])?;
    Some(Stock {
        texts: [
            name,
            level_name,
            path_name,
            file_name,
            module,
            exc_text,
            stack_info,
            func_name,
            thread_name,
            process_name,
            task_name,
        ],
        msg,
        ints: [level_no, line_no, thread, process],
        floats: [created, msecs, relative_created],
        order,
        set,
        cursor,
    })
}

/// `taskName`, which CPython 3.12 and later send, where it is there with text or null.
#[inline(always)]
fn task_name<'a>(cursor: &mut Cursor<'a>, set: &mut u32) -> Option<(Order, &'a str)> {
    let mut ahead = *cursor;
    if ahead.exactly(b"X\x08\x00\x00\x00taskNameq").is_none() {
        return Some((Order::STOCK, ""));
    }
    ahead.byte()?;
    *set |= Field::TaskName.bit();
    let task_name = std::str::from_utf8(text(&mut ahead, Field::TaskName, set)?.bytes).ok()?;
    *cursor = ahead;
    Some((Order::STOCK_WITH_TASK, task_name))
}

/// The attributes of the application's own. At the first that is no scalar the stack machine takes
/// over.
#[inline(never)]
fn extras<'a>(
    cursor: &mut Cursor<'a>,
    record: &mut LogRecord<'a>,
    scratch: &mut Scratch<'static>,
) -> Option<()> {
    record.extra.reserve_exact(4);
    loop {
        match cursor.byte()? {
            b'X' => {}
            b'u' if cursor.rest == b"." => return Some(()),
            _ => return None,
        }
        let key = cursor.text4()?;
        let [b'q', _] = cursor.chunk::<2>()? else { return None };
        let scalar = match cursor.byte()? {
            opcode @ (b']' | b'}' | b'(' | b')') => {
                return direct::resume(*cursor, opcode, key, MAX_FETCHES, record, scratch);
            }
            b'X' => {
                let text = cursor.text4()?;
                let [b'q', _] = cursor.chunk::<2>()? else { return None };
                Scalar::Text(text)
            }
            b'N' => Scalar::None,
            b'G' => Scalar::Float(cursor.float8()?),
            b'I' => cursor.int_line()?,
            opcode => Scalar::Int(cursor.int(opcode)?),
        };
        match Field::from_name(key.as_bytes()) {
            Some(field) => record.store_new(field, scalar)?,
            None => record.add_extra(key, scalar.into_value())?,
        }
    }
}
