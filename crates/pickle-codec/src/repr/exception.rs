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
use crate::document::Node;

/// The parts of an exception's `str`.
pub(super) fn exception_str(object: Parts<'_, '_>) -> Vec<StrPart> {
    let name = object.name();
    let own = match &*name {
        "ExceptionGroup" | "BaseExceptionGroup" => group_str(object),
        "UnicodeDecodeError" | "UnicodeEncodeError" | "UnicodeTranslateError" => unicode_str(object, &name),
        "SyntaxError" | "IndentationError" | "TabError" => syntax_str(object),
        "JSONDecodeError" => json_str(object),
        "URLError" => object
            .arg(0)
            .filter(|_| object.args_len() == 1)
            .map(|reason| Vec::from([text("<urlopen error "), StrPart::Str(reason), text(">")])),
        "HTTPError" => http_str(object),
        "CalledProcessError" => process_str(object),
        "TimeoutExpired" => object.arg(0).zip(object.arg(1)).map(|(command, seconds)| {
            let (before, behind) = (text("Command '"), text("' timed out after "));
            Vec::from([before, StrPart::Str(command), behind, StrPart::Str(seconds), text(" seconds")])
        }),
        _ => None,
    };
    if let Some(own) = own {
        return own;
    }
    match (object.arg(0), object.arg(1)) {
        (None, _) => Vec::new(),
        (Some(only), None) if name == "KeyError" => Vec::from([StrPart::Repr(only)]),
        (Some(only), None) => Vec::from([StrPart::Str(only)]),
        (Some(number), Some(reason)) if is_os_error(&name) && object.args_len() <= 5 => {
            let mut segments =
                Vec::from([text("[Errno "), StrPart::Str(number), text("] "), StrPart::Str(reason)]);
            if let Some(file) = object.arg(2) {
                segments.extend([text(": "), StrPart::Repr(file)]);
            }
            segments
        }
        _ => Vec::from([StrPart::Repr(object.args())]),
    }
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

/// The subclasses of OSError, which print their number and text.
pub(super) fn is_os_error(name: &str) -> bool {
    matches!(
        name,
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
            | "TimeoutError"
    )
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
