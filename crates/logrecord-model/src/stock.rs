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
//! A memo index is not compared, because it means nothing until something is fetched by it, and
//! the first BINGET, like any other surprise, ends the attempt; the caller starts over in a more
//! general way. What this reader accepts, the decoder accepts too, and reads the same.

use std::borrow::Cow;

use pickle_codec::Value;

use crate::field::Field;
use crate::loose::{self, Scratch};
use crate::record::{LogRecord, Order, Scalar};
use crate::scan::Cursor;
use crate::text::Text;

/// Beyond this many extras the search for duplicate keys is left to the decoder.
pub(crate) const MAX_EXTRAS: usize = 48;

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
        $cursor.exactly(&KEY)?;
        $cursor.byte()?;
    }};
}

/// Text with its BINPUT, or null, which clears the attribute's bit.
#[inline(always)]
fn text<'a>(cursor: &mut Cursor<'a>, field: Field, set: &mut u32) -> Option<Text<'a>> {
    match cursor.byte()? {
        b'X' => {
            let text = cursor.text4()?;
            let [b'q', _] = cursor.chunk::<2>()? else { return None };
            Some(Text::Utf8(Cow::Borrowed(text)))
        }
        b'N' => {
            *set &= !field.bit();
            Some(Text::EMPTY)
        }
        _ => None,
    }
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

/// Reads a stock record; `None` at the first surprise.
pub(crate) fn read<'a>(payload: &'a [u8], scratch: &mut Scratch<'static>) -> Option<LogRecord<'a>> {
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
    // The places are those of `Field::slot`.
    let mut record = LogRecord {
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
            Text::EMPTY,
            Text::EMPTY,
        ],
        values: [msg.into_value(), Value::None, Value::None],
        ints: [level_no, line_no, thread, process],
        floats: [created, msecs, relative_created],
        extra: Vec::new(),
        order,
        set,
        whole: 0,
        odd: 0,
    };
    if cursor.rest != b"u." {
        extras(&mut cursor, &mut record, scratch)?;
    }
    Some(record)
}

/// `taskName`, which CPython 3.12 and later send, where it is there with text or null.
#[inline(always)]
fn task_name<'a>(cursor: &mut Cursor<'a>, set: &mut u32) -> Option<(Order, Text<'a>)> {
    let mut ahead = *cursor;
    if ahead.exactly(b"X\x08\x00\x00\x00taskNameq").is_none() {
        return Some((Order::STOCK, Text::EMPTY));
    }
    ahead.byte()?;
    *set |= Field::TaskName.bit();
    let task_name = text(&mut ahead, Field::TaskName, set)?;
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
                return loose::resume(*cursor, opcode, key, record, scratch);
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
            None => add_extra(record, key, scalar.into_value())?,
        }
    }
}

/// Adds an attribute that is none of CPython's own and must not be there yet.
#[inline]
pub(crate) fn add_extra<'a>(record: &mut LogRecord<'a>, key: &'a str, value: Value<'a>) -> Option<()> {
    if record.extra.len() >= MAX_EXTRAS
        || record.extra.iter().any(|extra| matches!(&extra.key, Value::Str(name) if name == key))
    {
        return None;
    }
    record.push_extra(Value::Str(Cow::Borrowed(key)), value);
    Some(())
}
