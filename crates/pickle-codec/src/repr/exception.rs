//! The `str` of the built-in exceptions, which is that of their arguments for most of them.
//!
//! No argument prints nothing, one prints its `str`, several print as a tuple (`BaseException_str`). A
//! `KeyError` prints the `repr` of its key, an `OSError` its number and text, the Unicode errors what they could
//! not convert and where, a `SyntaxError` its place, and an exception group the number of its exceptions
//! (`Objects/exceptions.c`). What an argument prints may be an exception again, so that parts are given back
//! to the walk instead of being printed here.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::parts::{Parts, StrPart};
use crate::document::{Node, NodeId};

/// The parts of an exception's `str`.
pub(super) fn exception_str(object: Parts<'_, '_>) -> Vec<StrPart> {
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
        (Some(only), None) => Vec::from([StrPart::Str(only)]),
        _ => Vec::from([StrPart::Repr(object.args())]),
    })
}

/// Exceptions whose text is made of their arguments: the class, how many arguments it takes, and the text, in
/// which `{0}` is the first argument's `str`, `{0!r}` its `repr` and `{0:len}` its length.
///
/// Sources: `KeyError_str` in `Objects/exceptions.c`, and `Lib/asyncio/exceptions.py`, `Lib/subprocess.py`,
/// `Lib/urllib/error.py`, `Lib/importlib/metadata/__init__.py`, `Lib/calendar.py`, `Lib/zoneinfo/_common.py`.
const TEMPLATES: &[(&str, usize, &str)] = &[
    ("KeyError", 1, "{0!r}"),
    ("ZoneInfoNotFoundError", 1, "{0!r}"),
    ("URLError", 1, "<urlopen error {0}>"),
    ("TimeoutExpired", 2, "Command '{0}' timed out after {1} seconds"),
    ("IncompleteReadError", 2, "{0:len} bytes read on a total of {1!r} expected bytes"),
    ("LimitOverrunError", 2, "{0}"),
    ("PackageNotFoundError", 1, "No package metadata was found for {0}"),
    ("IllegalMonthError", 1, "bad month number {0!r}; must be 1-12"),
    ("IllegalWeekdayError", 1, "bad weekday number {0!r}; must be 0 (Monday) to 6 (Sunday)"),
];

/// The text of [`TEMPLATES`] with the arguments in it.
fn template_str(object: Parts<'_, '_>, name: &str) -> Option<Vec<StrPart>> {
    let (_, _, template) = TEMPLATES.iter().find(|(class, args, _)| {
        *class == name && (object.args_len() == *args || name == "TimeoutExpired")
    })?;
    let mut parts = Vec::new();
    let mut rest = *template;
    while let Some((before, (field, behind))) =
        rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        let place = usize::from(field.starts_with('1'));
        parts.extend([
            text(before),
            match field.get(1..)? {
                "!r" => StrPart::Repr(object.arg(place)?),
                ":len" => StrPart::Text(match object.view(place)? {
                    Node::Bytes(bytes) | Node::ByteArray(bytes) => format!("{}", bytes.len()),
                    Node::Str(text) => format!("{}", text.code_points().count()),
                    _ => return None,
                }),
                _ => StrPart::Str(object.arg(place)?),
            },
        ]);
        rest = behind;
    }
    parts.push(text(rest));
    Some(parts)
}

/// `configparser` and `getopt` keep the text of an exception as an attribute.
fn attribute_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
    let (module, _) = object.object.shown_class_name()?;
    let attribute = match module.as_str()? {
        "configparser" => "message",
        "getopt" => "msg",
        _ => return None,
    };
    Some(Vec::from([StrPart::Str(object.attribute(attribute)?.id())]))
}

/// `OSError_str`: number, text and the names of the files, each of which may be `None`.
fn os_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
    let (number, reason) = object.arg(0).zip(object.arg(1)).filter(|_| object.args_len() <= 5)?;
    let mut parts = Vec::from([text("[Errno "), StrPart::Str(number), text("] "), StrPart::Str(reason)]);
    if let Some(file) = os_file(object) {
        parts.extend([text(": "), StrPart::Repr(file)]);
        let second = object.arg(4).filter(|_| !matches!(object.view(4), Some(Node::None)));
        parts.extend(second.into_iter().flat_map(|file| [text(" -> "), StrPart::Repr(file)]));
    }
    Some(parts)
}

/// The name of the file that an OSError is about (`oserror_init`): a `BlockingIOError` has the number of
/// characters that were written in its place.
pub(super) fn os_file(object: Parts<'_, '_>) -> Option<NodeId> {
    match object.view(2)? {
        Node::None => None,
        Node::Int(_) | Node::Bool(_) | Node::Float(_) if object.name() == "BlockingIOError" => None,
        _ => object.arg(2),
    }
}

/// `SSLError_str`: the reason alone, and the tuple of the arguments where there is none.
fn ssl_str(object: Parts<'_, '_>) -> Vec<StrPart> {
    match (object.arg(1), object.view(1)) {
        (Some(reason), Some(Node::Str(_))) if object.args_len() <= 5 => Vec::from([StrPart::Str(reason)]),
        _ => Vec::from([StrPart::Repr(object.args())]),
    }
}

/// `http.client.IncompleteRead`: how much of a body came, and how much was to come if that is known.
fn incomplete_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
    let (Node::Bytes(partial) | Node::ByteArray(partial)) = object.view(0)? else { return None };
    let mut parts = Vec::from([StrPart::Text(format!("IncompleteRead({} bytes read", partial.len()))]);
    let expected = object.attribute("expected").filter(|node| !matches!(node.view(), Node::None));
    if let Some(expected) = expected {
        parts.extend([text(", "), StrPart::Str(expected.id()), text(" more expected")]);
    }
    parts.push(text(")"));
    Some(parts)
}

fn text(text: &str) -> StrPart {
    StrPart::Text(String::from(text))
}

/// `BaseExceptionGroup_str`: the message, and how many exceptions there are.
fn group_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
    let (Node::Str(_), Node::List(members) | Node::Tuple(members)) = (object.view(0)?, object.view(1)?)
    else {
        return None;
    };
    let count = members.len();
    let plural = if count == 1 { "" } else { "s" };
    (object.args_len() == 2).then(|| {
        let behind = StrPart::Text(format!(" ({count} sub-exception{plural})"));
        object.arg(0).map(|message| Vec::from([StrPart::Str(message), behind]))
    })?
}

/// `UnicodeDecodeError_str` and its likes: what the codec stopped at, where and why.
fn unicode_str(object: Parts<'_, '_>, name: &str) -> Option<Vec<StrPart>> {
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
        segments.extend([text("'"), StrPart::Str(object.arg(0)?), text("' codec ")]);
    }
    segments.extend([StrPart::Text(middle), StrPart::Str(object.arg(first + 3)?)]);
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

/// `SyntaxError_str`: the message, and the file's name and the line where they are known.
fn syntax_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
    let Some(message) = object.arg(0) else { return Some(Vec::from([text("None")])) };
    let mut segments = Vec::from([StrPart::Str(message)]);
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
    match (file, line) {
        (Some(file), Some(line)) => segments.push(StrPart::Text(format!(" ({file}, line {line})"))),
        (Some(file), None) => segments.push(StrPart::Text(format!(" ({file})"))),
        (None, Some(line)) => segments.push(StrPart::Text(format!(" (line {line})"))),
        (None, None) => {}
    }
    Some(segments)
}

/// `json.JSONDecodeError`: what is wrong, and where in the document that is.
fn json_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
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
    Some(Vec::from([StrPart::Str(object.arg(0)?), StrPart::Text(place)]))
}

/// `urllib.error.HTTPError`, of URL, code, message, headers and body.
fn http_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
    let (Node::Int(_), 4..) = (object.view(1)?, object.args_len()) else { return None };
    let (code, message) = (object.arg(1)?, object.arg(2)?);
    Some(Vec::from([text("HTTP Error "), StrPart::Str(code), text(": "), StrPart::Str(message)]))
}

/// `subprocess.CalledProcessError`, of the exit status and the command.
fn process_str(object: Parts<'_, '_>) -> Option<Vec<StrPart>> {
    let status = object.int(0)?;
    let how = match usize::try_from(status.checked_neg()?) {
        Ok(number @ 1..) => match SIGNALS.get(number - 1) {
            Some(name) => format!("' died with <Signals.{name}: {number}>."),
            None => format!("' died with unknown signal {number}."),
        },
        _ => format!("' returned non-zero exit status {status}."),
    };
    Some(Vec::from([text("Command '"), StrPart::Str(object.arg(1)?), StrPart::Text(how)]))
}

/// The signals of Linux from number 1 on, as `signal.Signals` names them.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// Whether a class is OSError or one of its subclasses that print as it does.
pub(super) fn is_os_error(object: Parts<'_, '_>, name: &str) -> bool {
    match name {
        "OSError"
        | "IOError"
        | "EnvironmentError"
        | "WindowsError"
        | "BlockingIOError"
        | "BrokenPipeError"
        | "ChildProcessError"
        | "ConnectionAbortedError"
        | "ConnectionError"
        | "ConnectionRefusedError"
        | "ConnectionResetError"
        | "FileExistsError"
        | "FileNotFoundError"
        | "InterruptedError"
        | "IsADirectoryError"
        | "NotADirectoryError"
        | "PermissionError"
        | "ProcessLookupError"
        | "BadGzipFile"
        | "LoadError"
        | "RemoteDisconnected"
        | "UnsupportedOperation"
        | "SMTPException"
        | "SMTPNotSupportedError"
        | "SMTPServerDisconnected"
        | "gaierror"
        | "herror"
        | "timeout" => true,
        // Others have classes of the same name that are no OSError.
        "TimeoutError" | "Error" | "ExecError" | "ReadError" | "SameFileError" | "SpecialFileError" => {
            let class = object.object.shown_class_name();
            class.is_some_and(|(module, _)| matches!(module.as_str(), Some("builtins" | "shutil")))
        }
        _ => false,
    }
}

/// What `OSError(number, text)` makes, by Linux's numbers.
pub(super) const fn os_error(number: i64) -> &'static str {
    match number {
        1 | 13 => "PermissionError",
        2 => "FileNotFoundError",
        3 => "ProcessLookupError",
        4 => "InterruptedError",
        10 => "ChildProcessError",
        11 | 114 | 115 => "BlockingIOError",
        17 => "FileExistsError",
        20 => "NotADirectoryError",
        21 => "IsADirectoryError",
        32 | 108 => "BrokenPipeError",
        103 => "ConnectionAbortedError",
        104 => "ConnectionResetError",
        110 => "TimeoutError",
        111 => "ConnectionRefusedError",
        _ => "OSError",
    }
}
