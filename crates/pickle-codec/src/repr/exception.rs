//! The `str` of the built-in exceptions, which is that of their arguments for most of them.
//!
//! No argument prints nothing, one prints its `str`, several print as a tuple (`BaseException_str`). A
//! `KeyError` prints the `repr` of its key, an `OSError` its number and text, the Unicode errors what they could
//! not convert and where, a `SyntaxError` its place, and an exception group the number of its exceptions
//! (`Objects/exceptions.c`). Some of the library's exceptions have a text of their own, which is followed here
//! because they are what a log shows most.
//!
//! An exception whose arguments are not of the shape that its class makes (a subclass may pass anything on) prints
//! as `BaseException` does: each function here gives `None` then. What an argument prints may be an exception again,
//! so that parts are given back to the walk instead of being printed here.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::parts::KnownParts;
use super::task::PrintTask;
use crate::document::{Node, NodeId};

/// The parts of an exception's `str`.
pub(super) fn exception_str(object: KnownParts<'_, '_>) -> Vec<PrintTask> {
    let name = object.name();
    let own = match &*name {
        "ExceptionGroup" | "BaseExceptionGroup" => group_str(object),
        "UnicodeDecodeError" | "UnicodeEncodeError" | "UnicodeTranslateError" => unicode_str(object, &name),
        "SyntaxError" | "IndentationError" | "TabError" => syntax_str(object),
        "JSONDecodeError" => json_str(object),
        "HTTPError" => http_str(object),
        "CalledProcessError" => process_str(object),
        "IncompleteRead" => incomplete_str(object),
        _ if name.starts_with("SSL") => Some(ssl_str(object)),
        _ if is_os_error(object, &name) => os_str(object),
        _ => attribute_str(object).or_else(|| template_str(object, &name)),
    };
    own.unwrap_or_else(|| match (object.arg(0), object.arg(1)) {
        (None, _) => Vec::new(),
        (Some(only), None) => Vec::from([PrintTask::Str(only)]),
        _ => Vec::from([PrintTask::Repr(object.args())]),
    })
}

/// A piece of an exception's text: what stands there always, or an argument by its place.
enum Piece {
    Word(&'static str),
    Str(usize),
    Repr(usize),
    Len(usize),
}

/// Exceptions whose text is made of their arguments: the class, the least and the greatest number of arguments, and
/// the pieces.
///
/// Sources: `KeyError_str` in `Objects/exceptions.c`, and `Lib/asyncio/exceptions.py`, `Lib/subprocess.py`,
/// `Lib/urllib/error.py`, `Lib/importlib/metadata/__init__.py`, `Lib/calendar.py`, `Lib/zoneinfo/_common.py`.
const TEMPLATES: &[(&str, [usize; 2], &[Piece])] = &[
    ("KeyError", [1, 1], &[Piece::Repr(0)]),
    ("ZoneInfoNotFoundError", [1, 1], &[Piece::Repr(0)]),
    ("URLError", [1, 1], &[Piece::Word("<urlopen error "), Piece::Str(0), Piece::Word(">")]),
    (
        "TimeoutExpired",
        [2, usize::MAX],
        &[
            Piece::Word("Command '"),
            Piece::Str(0),
            Piece::Word("' timed out after "),
            Piece::Str(1),
            Piece::Word(" seconds"),
        ],
    ),
    (
        "IncompleteReadError",
        [2, 2],
        &[
            Piece::Len(0),
            Piece::Word(" bytes read on a total of "),
            Piece::Repr(1),
            Piece::Word(" expected bytes"),
        ],
    ),
    ("LimitOverrunError", [2, 2], &[Piece::Str(0)]),
    ("PackageNotFoundError", [1, 1], &[Piece::Word("No package metadata was found for "), Piece::Str(0)]),
    (
        "IllegalMonthError",
        [1, 1],
        &[Piece::Word("bad month number "), Piece::Repr(0), Piece::Word("; must be 1-12")],
    ),
    (
        "IllegalWeekdayError",
        [1, 1],
        &[
            Piece::Word("bad weekday number "),
            Piece::Repr(0),
            Piece::Word("; must be 0 (Monday) to 6 (Sunday)"),
        ],
    ),
];

/// The text of [`TEMPLATES`] with the arguments in it.
fn template_str(object: KnownParts<'_, '_>, name: &str) -> Option<Vec<PrintTask>> {
    let fits = |(class, [least, most], _): &&(&str, [usize; 2], &[Piece])| {
        *class == name && (*least..=*most).contains(&object.args_len())
    };
    let (_, _, pieces) = TEMPLATES.iter().find(fits)?;
    let task = |piece: &Piece| {
        Some(match *piece {
            Piece::Word(word) => PrintTask::Text(word),
            Piece::Str(place) => PrintTask::Str(object.arg(place)?),
            Piece::Repr(place) => PrintTask::Repr(object.arg(place)?),
            Piece::Len(place) => PrintTask::text(match object.view(place)? {
                Node::Bytes(bytes) | Node::ByteArray(bytes) => format!("{}", bytes.len()),
                Node::Str(text) => format!("{}", text.code_points().count()),
                _ => return None,
            }),
        })
    };
    pieces.iter().map(task).collect()
}

/// `configparser` and `getopt` keep the text of an exception as an attribute.
fn attribute_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let (module, _) = object.object.shown_class_name()?;
    let attribute = match module.as_str()? {
        "configparser" => "message",
        "getopt" => "msg",
        _ => return None,
    };
    Some(Vec::from([PrintTask::Str(object.attribute(attribute)?.id())]))
}

/// `OSError_str`: number, text and the names of the files, each of which may be `None`.
fn os_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let (number, reason) = object.arg(0).zip(object.arg(1)).filter(|_| object.args_len() <= 5)?;
    let mut parts = Vec::from([
        PrintTask::Text("[Errno "),
        PrintTask::Str(number),
        PrintTask::Text("] "),
        PrintTask::Str(reason),
    ]);
    if let Some(file) = os_file(object) {
        parts.extend([PrintTask::Text(": "), PrintTask::Repr(file)]);
        let second = object.arg(4).filter(|_| !matches!(object.view(4), Some(Node::None)));
        parts.extend(second.into_iter().flat_map(|file| [PrintTask::Text(" -> "), PrintTask::Repr(file)]));
    }
    Some(parts)
}

/// The name of the file that an OSError is about (`oserror_init`): a `BlockingIOError` has the number of
/// characters that were written in its place.
pub(super) fn os_file(object: KnownParts<'_, '_>) -> Option<NodeId> {
    match object.view(2)? {
        Node::None => None,
        Node::Int(_) | Node::Bool(_) | Node::Float(_) if object.name() == "BlockingIOError" => None,
        _ => object.arg(2),
    }
}

/// `SSLError_str`: the reason alone, and the tuple of the arguments where there is none.
fn ssl_str(object: KnownParts<'_, '_>) -> Vec<PrintTask> {
    match (object.arg(1), object.view(1)) {
        (Some(reason), Some(Node::Str(_))) if object.args_len() <= 5 => Vec::from([PrintTask::Str(reason)]),
        _ => Vec::from([PrintTask::Repr(object.args())]),
    }
}

/// `http.client.IncompleteRead`: how much of a body came, and how much was to come if that is known.
fn incomplete_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let (Node::Bytes(partial) | Node::ByteArray(partial)) = object.view(0)? else { return None };
    let mut parts = Vec::from([PrintTask::text(format!("IncompleteRead({} bytes read", partial.len()))]);
    let expected = object.attribute("expected").filter(|node| !matches!(node.view(), Node::None));
    if let Some(expected) = expected {
        parts.extend([
            PrintTask::Text(", "),
            PrintTask::Str(expected.id()),
            PrintTask::Text(" more expected"),
        ]);
    }
    parts.push(PrintTask::Text(")"));
    Some(parts)
}

/// `BaseExceptionGroup_str`, as in `several (2 sub-exceptions)`: the message, and how many exceptions there are.
fn group_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let (Node::Str(_), Node::List(members) | Node::Tuple(members)) = (object.view(0)?, object.view(1)?)
    else {
        return None;
    };
    let count = members.len();
    let plural = if count == 1 { "" } else { "s" };
    let message = object.arg(0).filter(|_| object.args_len() == 2)?;
    Some(Vec::from([PrintTask::Str(message), PrintTask::text(format!(" ({count} sub-exception{plural})"))]))
}

/// `UnicodeDecodeError_str` and its likes: what the codec stopped at, where and why.
///
/// ```text
/// 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
/// 'ascii' codec can't encode characters in position 1-3: ordinal not in range(128)
/// ```
///
/// One unit is shown, of several only where they are. The arguments are the encoding (not for a translation), the
/// subject, the first and the last place, and the reason; places that lie outside of the subject show no unit.
fn unicode_str(object: KnownParts<'_, '_>, name: &str) -> Option<Vec<PrintTask>> {
    let (verb, first) = match name {
        "UnicodeDecodeError" => ("decode", 1),
        "UnicodeEncodeError" => ("encode", 1),
        _ => ("translate", 0),
    };
    let (start, end) = (object.int(first + 1)?, object.int(first + 2)?);
    let (Node::Str(_), true) = (object.view(first + 3)?, object.args_len() == first + 4) else { return None };
    let place = usize::try_from(start).ok().filter(|_| start.checked_add(1) == Some(end));
    let (unit, one) = match (object.view(first)?, verb) {
        (Node::Bytes(bytes) | Node::ByteArray(bytes), "decode") => {
            let byte = place.and_then(|place| bytes.get(place));
            ("byte", byte.map(|byte| format!("0x{byte:02x}")))
        }
        (Node::Str(subject), "encode" | "translate") => {
            let point = place.and_then(|place| subject.code_points().nth(place));
            ("character", point.map(|point| format!("'{}'", code_point(point))))
        }
        _ => return None,
    };
    let middle = match one {
        Some(one) => format!("can't {verb} {unit} {one} in position {start}: "),
        None => format!("can't {verb} {unit}s in position {start}-{}: ", end.saturating_sub(1)),
    };
    let mut segments = Vec::new();
    if first == 1 {
        let Node::Str(_) = object.view(0)? else { return None };
        segments.extend([PrintTask::Text("'"), PrintTask::Str(object.arg(0)?), PrintTask::Text("' codec ")]);
    }
    segments.extend([PrintTask::text(middle), PrintTask::Str(object.arg(first + 3)?)]);
    Some(segments)
}

/// A code point as the shortest escape of a literal, even where it could stand for itself.
fn code_point(point: u32) -> String {
    match point {
        ..=0xff => format!("\\x{point:02x}"),
        0x100..=0xffff => format!("\\u{point:04x}"),
        _ => format!("\\U{point:08x}"),
    }
}

/// `SyntaxError_str`, as in `invalid syntax (shop.py, line 3)`: the message, and the file's name and the line where they are known.
fn syntax_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let Some(message) = object.arg(0) else { return Some(Vec::from([PrintTask::Text("None")])) };
    let mut segments = Vec::from([PrintTask::Str(message)]);
    if object.args_len() != 2 {
        return Some(segments);
    }
    let (Node::Tuple(place) | Node::List(place)) = object.view(1)? else { return None };
    let file = match place.get(0)?.view() {
        Node::Str(path) => {
            let path = path.to_string_lossy();
            Some(String::from(path.rsplit('/').next().unwrap_or_default()))
        }
        _ => None,
    };
    let line = match place.get(1)?.view() {
        Node::Int(line) => Some(line),
        _ => None,
    };
    segments.extend(match (file, line) {
        (Some(file), Some(line)) => Some(PrintTask::text(format!(" ({file}, line {line})"))),
        (Some(file), None) => Some(PrintTask::text(format!(" ({file})"))),
        (None, Some(line)) => Some(PrintTask::text(format!(" (line {line})"))),
        (None, None) => None,
    });
    Some(segments)
}

/// `json.JSONDecodeError`: what is wrong, and where in the document that is, as in
/// `Expecting value: line 2 column 5 (char 12)`. Its pickle has message, document and place, from which line and
/// column are counted as its constructor does.
fn json_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let (Node::Str(_), Node::Str(document), position) = (object.view(0)?, object.view(1)?, object.int(2)?)
    else {
        return None;
    };
    let before = usize::try_from(position).ok().filter(|_| object.args_len() == 3)?;
    let (mut line, mut column) = (1_usize, 1_usize);
    for point in document.code_points().take(before) {
        (line, column) = if point == u32::from('\n') { (line + 1, 1) } else { (line, column + 1) };
    }
    // Behind the document's end the columns go on.
    column += before.saturating_sub(document.code_points().take(before).count());
    let place = format!(": line {line} column {column} (char {position})");
    Some(Vec::from([PrintTask::Str(object.arg(0)?), PrintTask::text(place)]))
}

/// `urllib.error.HTTPError`, as in `HTTP Error 404: Not Found`, of URL, code, message, headers and body.
fn http_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let (Node::Int(_), 4..) = (object.view(1)?, object.args_len()) else { return None };
    let (code, message) = (object.arg(1)?, object.arg(2)?);
    Some(Vec::from([
        PrintTask::Text("HTTP Error "),
        PrintTask::Str(code),
        PrintTask::Text(": "),
        PrintTask::Str(message),
    ]))
}

/// `subprocess.CalledProcessError`, of the exit status and the command. A negative status is a signal:
///
/// ```text
/// Command 'make' returned non-zero exit status 2.
/// Command 'make' died with <Signals.SIGKILL: 9>.
/// ```
fn process_str(object: KnownParts<'_, '_>) -> Option<Vec<PrintTask>> {
    let status = object.int(0)?;
    let how = match usize::try_from(status.checked_neg()?) {
        Ok(number @ 1..) => match SIGNALS.split(' ').nth(number - 1) {
            Some(name) => format!("' died with <Signals.SIG{name}: {number}>."),
            None => format!("' died with unknown signal {number}."),
        },
        _ => format!("' returned non-zero exit status {status}."),
    };
    Some(Vec::from([PrintTask::Text("Command '"), PrintTask::Str(object.arg(1)?), PrintTask::text(how)]))
}

/// The signals of Linux from number 1 on, as `signal.Signals` names them.
const SIGNALS: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP \
     TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// `OSError` and its subclasses that print as it does, with the numbers of Linux for which `OSError(number, text)` makes
/// them.
const OS_ERRORS: &[(&str, &[i64])] = &[
    ("OSError", &[]),
    ("BlockingIOError", &[11, 114, 115]),
    ("BrokenPipeError", &[32, 108]),
    ("ChildProcessError", &[10]),
    ("ConnectionAbortedError", &[103]),
    ("ConnectionRefusedError", &[111]),
    ("ConnectionResetError", &[104]),
    ("FileExistsError", &[17]),
    ("FileNotFoundError", &[2]),
    ("InterruptedError", &[4]),
    ("IsADirectoryError", &[21]),
    ("NotADirectoryError", &[20]),
    ("PermissionError", &[1, 13]),
    ("ProcessLookupError", &[3]),
    ("TimeoutError", &[110]),
];

/// Others that no number makes.
const OTHER_OS_ERRORS: &str = "IOError EnvironmentError WindowsError ConnectionError BadGzipFile LoadError \
     RemoteDisconnected UnsupportedOperation SMTPException SMTPNotSupportedError SMTPServerDisconnected gaierror herror \
     timeout";

/// Whether a class is OSError or one of its subclasses that print as it does.
pub(super) fn is_os_error(object: KnownParts<'_, '_>, name: &str) -> bool {
    match name {
        // Others have classes of the same name that are no OSError.
        "TimeoutError" | "Error" | "ExecError" | "ReadError" | "SameFileError" | "SpecialFileError" => {
            let class = object.object.shown_class_name();
            class.is_some_and(|(module, _)| matches!(module.as_str(), Some("builtins" | "shutil")))
        }
        _ => {
            OS_ERRORS.iter().any(|(other, _)| *other == name)
                || OTHER_OS_ERRORS.split(' ').any(|other| other == name)
        }
    }
}

/// What `OSError(number, text)` makes.
pub(super) fn os_error(number: i64) -> &'static str {
    OS_ERRORS.iter().find(|(_, numbers)| numbers.contains(&number)).map_or("OSError", |(name, _)| name)
}
