//! The names of the known types, as both Pythons spell them.
//!
//! A name goes through up to three tables: that of [`lookup_spelled`] for the types that have a reading of their
//! own, then (under the name that Python 3 has for it) the exceptions of the standard library and its enums.
//! None of them decides by a pattern alone what a name is: a module's attribute that looks like an exception
//! but is not in the table is refused, because `mypkg.Error(1)` and `os.system("id")` look alike.

use super::stdlib::{EXCEPTIONS as STDLIB_EXCEPTIONS, MOVED_NAMES, RENAMED_MODULES};
use crate::document::KnownClass;
use crate::wire::text::Str;

/// The built-in exceptions of CPython 2.7 and 3.6 to 3.13, sorted.
#[rustfmt::skip]
const EXCEPTIONS: &[&str] = &[
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BaseExceptionGroup",
    "BlockingIOError", "BrokenPipeError", "BufferError", "BytesWarning", "ChildProcessError",
    "ConnectionAbortedError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError",
    "DeprecationWarning", "EOFError", "EncodingWarning", "EnvironmentError", "Exception", "ExceptionGroup",
    "FileExistsError", "FileNotFoundError", "FloatingPointError", "FutureWarning", "GeneratorExit",
    "IOError", "ImportError", "ImportWarning", "IndentationError", "IndexError", "InterruptedError",
    "IsADirectoryError", "KeyError", "KeyboardInterrupt", "LookupError", "MemoryError",
    "ModuleNotFoundError", "NameError", "NotADirectoryError", "NotImplementedError", "OSError",
    "OverflowError", "PendingDeprecationWarning", "PermissionError", "ProcessLookupError",
    "PythonFinalizationError", "RecursionError", "ReferenceError", "ResourceWarning", "RuntimeError",
    "RuntimeWarning", "StandardError", "StopAsyncIteration", "StopIteration", "SyntaxError",
    "SyntaxWarning", "SystemError", "SystemExit", "TabError", "TimeoutError", "TypeError",
    "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError",
    "UnicodeTranslateError", "UnicodeWarning", "UserWarning", "ValueError", "Warning", "WindowsError",
    "ZeroDivisionError", "_IncompleteInputError",
];

/// The enums of the standard library of CPython 3.6 to 3.13 whose values are numbers or text.
const ENUMS: &[(&str, &[&str])] = &[
    ("ast", &["_Precedence"]),
    ("asyncio.constants", &["_SendfileMode"]),
    ("asyncio.locks", &["_BarrierState"]),
    ("asyncio.runners", &["_State"]),
    ("asyncio.sslproto", &["AppProtocolState", "SSLProtocolState"]),
    ("asyncio.timeouts", &["_State"]),
    ("calendar", &["Day", "Month"]),
    ("enum", &["EnumCheck", "FlagBoundary"]),
    ("http", &["HTTPMethod", "HTTPStatus"]),
    ("inspect", &["BufferFlags", "_ParameterKind"]),
    ("plistlib", &["PlistFormat"]),
    ("pstats", &["SortKey"]),
    ("py_compile", &["PycInvalidationMode"]),
    ("re", &["RegexFlag"]),
    ("signal", &["Handlers", "Sigmasks", "Signals"]),
    ("socket", &["AddressFamily", "AddressInfo", "MsgFlag", "SocketKind"]),
    (
        "ssl",
        &[
            "AlertDescription",
            "Options",
            "SSLErrorNumber",
            "TLSVersion",
            "VerifyFlags",
            "VerifyMode",
            "_SSLMethod",
            "_TLSAlertType",
            "_TLSContentType",
            "_TLSMessageType",
        ],
    ),
    ("symtable", &["SymbolTableType"]),
    ("tkinter", &["EventType"]),
    ("uuid", &["SafeUUID"]),
];

/// Members that CPython 3.6 to 3.10 pickles as a module's attribute: `signal.SIGINT` for
/// `signal.Signals(2)`. The number is not in the pickle, so the name is all there is.
const MEMBERS: &[(&str, &[&str])] = &[
    ("signal", &["SIG"]),
    ("socket", &["AF_", "AI_", "MSG_", "SOCK_"]),
    ("ssl", &["ALERT_DESCRIPTION_", "CERT_", "OP_", "PROTOCOL_", "SSL_ERROR_", "VERIFY_"]),
];

/// The enums of these members, by the starts of their names; the first that fits.
#[cfg(feature = "json")]
const MEMBER_CLASSES: &[(&str, &str, &str)] = &[
    ("signal", "SIG_BLOCK", "Sigmasks"),
    ("signal", "SIG_UNBLOCK", "Sigmasks"),
    ("signal", "SIG_SETMASK", "Sigmasks"),
    ("signal", "SIG_", "Handlers"),
    ("signal", "SIG", "Signals"),
    ("socket", "AF_", "AddressFamily"),
    ("socket", "AI_", "AddressInfo"),
    ("socket", "MSG_", "MsgFlag"),
    ("socket", "SOCK_", "SocketKind"),
    ("ssl", "ALERT_DESCRIPTION_", "AlertDescription"),
    ("ssl", "CERT_", "VerifyMode"),
    ("ssl", "OP_", "Options"),
    ("ssl", "PROTOCOL_", "_SSLMethod"),
    ("ssl", "SSL_ERROR_", "SSLErrorNumber"),
    ("ssl", "VERIFY_", "VerifyFlags"),
];

/// Class and name of an enum member that is pickled by its name.
#[cfg(feature = "json")]
pub(crate) fn member<'d>(module: &'d str, name: &'d str) -> Option<(&'d str, &'d str)> {
    if let Some(parts) = name.rsplit_once('.') {
        return Some(parts);
    }
    let fits = |row: &&(&str, &str, &str)| row.0 == module && name.starts_with(row.1);
    MEMBER_CLASSES.iter().find(fits).map(|row| (row.2, name))
}

/// Module and name as Python 3 has them, where Python 2 had another one: `Queue.Full` is `queue.Full`.
pub(crate) fn canonical<'n>(module: &'n str, name: &'n str) -> (&'n str, &'n str) {
    if let Ok(place) = MOVED_NAMES.binary_search_by_key(&(module, name), |(old, _)| *old)
        && let Some((_, new)) = MOVED_NAMES.get(place)
    {
        return *new;
    }
    match RENAMED_MODULES.binary_search_by_key(&module, |(old, _)| old) {
        Ok(place) => (RENAMED_MODULES.get(place).map_or(module, |(_, new)| new), name),
        Err(_) => (module, name),
    }
}

fn in_stdlib(module: &str) -> &'static [&'static str] {
    let place = STDLIB_EXCEPTIONS.binary_search_by_key(&module, |(module, _)| module);
    place.ok().and_then(|place| STDLIB_EXCEPTIONS.get(place)).map_or(&[], |(_, names)| names)
}

/// Whether a class is known only for a class inside of it.
pub(crate) fn names_outer(module: &str, name: &str) -> bool {
    let (module, name) = canonical(module, name);
    in_stdlib(module).iter().any(|inner| inner.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// The known class of a name, under Python 3's and Python 2's spelling.
pub(crate) fn lookup(module: &str, name: &str) -> Option<KnownClass> {
    let known = lookup_spelled(module, name);
    if known.is_some() || matches!(module, "builtins" | "__builtin__" | "exceptions") {
        return known;
    }
    let (module, name) = canonical(module, name);
    if in_stdlib(module).binary_search(&name).is_ok() {
        return Some(KnownClass::Exception);
    }
    enumeration(module, name)
}

fn lookup_spelled(module: &str, name: &str) -> Option<KnownClass> {
    match module {
        "builtins" | "__builtin__" => builtin(name),
        "exceptions" => exception(name),
        "_codecs" => (name == "encode").then_some(KnownClass::Encode),
        "copyreg" | "copy_reg" => (name == "_reconstructor").then_some(KnownClass::Reconstructor),
        "collections" => match name {
            "OrderedDict" => Some(KnownClass::OrderedDict),
            "defaultdict" => Some(KnownClass::DefaultDict),
            "Counter" => Some(KnownClass::Counter),
            "deque" => Some(KnownClass::Deque),
            _ => None,
        },
        "datetime" => match name {
            "date" => Some(KnownClass::Date),
            "time" => Some(KnownClass::Time),
            "datetime" => Some(KnownClass::DateTime),
            "timedelta" => Some(KnownClass::TimeDelta),
            "timezone" => Some(KnownClass::TimeZone),
            _ => None,
        },
        "decimal" => (name == "Decimal").then_some(KnownClass::Decimal),
        "fractions" => (name == "Fraction").then_some(KnownClass::Fraction),
        "pathlib" | "pathlib._local" => match name {
            "Path" | "PurePath" | "PosixPath" | "PurePosixPath" => Some(KnownClass::PosixPath),
            "WindowsPath" | "PureWindowsPath" => Some(KnownClass::WindowsPath),
            _ => None,
        },
        "ipaddress" => match name {
            "IPv4Address" => Some(KnownClass::Ipv4Address),
            "IPv6Address" => Some(KnownClass::Ipv6Address),
            "IPv4Network" => Some(KnownClass::Ipv4Network),
            "IPv6Network" => Some(KnownClass::Ipv6Network),
            "IPv4Interface" => Some(KnownClass::Ipv4Interface),
            "IPv6Interface" => Some(KnownClass::Ipv6Interface),
            _ => None,
        },
        "uuid" if name == "UUID" => Some(KnownClass::Uuid),
        "zoneinfo" | "backports.zoneinfo" => {
            matches!(name, "ZoneInfo" | "ZoneInfo._unpickle").then_some(KnownClass::ZoneInfo)
        }
        _ => enumeration(module, name),
    }
}

fn builtin(name: &str) -> Option<KnownClass> {
    Some(match name {
        "bytes" => KnownClass::Bytes,
        "bytearray" => KnownClass::ByteArray,
        "set" => KnownClass::Set,
        "frozenset" => KnownClass::FrozenSet,
        "complex" => KnownClass::Complex,
        "range" | "xrange" => KnownClass::Range,
        "slice" => KnownClass::Slice,
        "getattr" => KnownClass::GetAttr,
        "bool" | "dict" | "float" | "int" | "list" | "long" | "object" | "str" | "tuple" | "unicode" => {
            KnownClass::Type
        }
        _ => return exception(name),
    })
}

fn exception(name: &str) -> Option<KnownClass> {
    EXCEPTIONS.binary_search(&name).is_ok().then_some(KnownClass::Exception)
}

fn enumeration(module: &str, name: &str) -> Option<KnownClass> {
    let of = |table: &'static [(&'static str, &'static [&'static str])]| {
        let place = table.binary_search_by_key(&module, |(module, _)| module).ok()?;
        table.get(place).map(|(_, names)| *names)
    };
    if of(ENUMS)?.contains(&name) {
        return Some(KnownClass::Enum);
    }
    // `OP_NO_SSLv2` has the one small letter.
    let is_loud =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'v');
    let shouted = name.bytes().all(is_loud);
    let member = shouted && of(MEMBERS)?.iter().any(|prefix| name.starts_with(prefix));
    member.then_some(KnownClass::Member)
}

/// Whether a class that a caller allowed looks like an exception: PEP 8 asks for these endings. It decides how
/// the call is shown, never whether it may stand.
pub(crate) fn names_an_exception(name: &str) -> bool {
    ["Error", "Exception", "Warning"].iter().any(|ending| name.ends_with(ending))
}

/// A class's name as Python 3 has it, where the class is known or allowed; any other name is left as it is.
pub(crate) fn shown<'d>(known: Option<KnownClass>, module: Str<'d>, name: Str<'d>) -> (Str<'d>, Str<'d>) {
    let Some(known) = known else { return (module, name) };
    let (Some(plain_module), Some(plain_name)) = (module.as_str(), name.as_str()) else {
        return (module, name);
    };
    match plain_module {
        "__builtin__" | "builtins" | "exceptions" if known == KnownClass::Allowed => (module, name),
        "__builtin__" | "builtins" | "exceptions" => {
            let shown = match plain_name {
                "unicode" => "str",
                "long" => "int",
                "xrange" => "range",
                "StandardError" => "Exception",
                "EnvironmentError" | "IOError" | "WindowsError" => "OSError",
                other => other,
            };
            (Str::Utf8("builtins"), Str::Utf8(shown))
        }
        _ => {
            let (module, name) = canonical(plain_module, plain_name);
            (Str::Utf8(module), Str::Utf8(name))
        }
    }
}

/// The types in `builtins` that are no exceptions. Its functions have another text for their module.
#[rustfmt::skip]
const BUILTIN_TYPES: [&str; 25] = [
    "bool", "bytearray", "bytes", "classmethod", "complex", "dict", "enumerate", "filter", "float",
    "frozenset", "int", "list", "map", "memoryview", "object", "property", "range", "reversed", "set",
    "slice", "staticmethod", "str", "super", "tuple", "type",
];

/// Whether a class has a text of its own for its module. Classes of one module share it, except
/// for those of `collections` that C code defines.
pub(crate) fn owns_module_text(module: Str<'_>, name: Str<'_>) -> bool {
    let name = name.as_str().unwrap_or_default();
    match module {
        Str::Utf8("collections") => ["OrderedDict", "defaultdict", "deque"].contains(&name),
        Str::Utf8("builtins") => {
            !name.starts_with(|first: char| first.is_ascii_uppercase()) && !BUILTIN_TYPES.contains(&name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(EXCEPTIONS.is_sorted());
        assert!(STDLIB_EXCEPTIONS.is_sorted_by_key(|(module, _)| module));
        assert!(STDLIB_EXCEPTIONS.iter().all(|(_, names)| names.is_sorted()));
        assert!(RENAMED_MODULES.is_sorted_by_key(|(module, _)| module));
        assert!(MOVED_NAMES.is_sorted_by_key(|(old, _)| old));
        assert!(ENUMS.is_sorted_by_key(|(module, _)| module));
        assert!(MEMBERS.is_sorted_by_key(|(module, _)| module));
    }

    #[test]
    fn lookup_rows() {
        let rows: &[(&str, &str, Option<KnownClass>)] = &[
            ("__builtin__", "set", Some(KnownClass::Set)),
            ("builtins", "ValueError", Some(KnownClass::Exception)),
            ("exceptions", "StandardError", Some(KnownClass::Exception)),
            ("exceptions", "set", None),
            ("builtins", "eval", None),
            ("builtins", "getattr", Some(KnownClass::GetAttr)),
            ("Queue", "Full", Some(KnownClass::Exception)),
            ("queue", "Full", Some(KnownClass::Exception)),
            ("queue", "Queue", None),
            ("ConfigParser", "NoSectionError", Some(KnownClass::Exception)),
            ("urllib2", "URLError", Some(KnownClass::Exception)),
            ("subprocess", "CalledProcessError", Some(KnownClass::Exception)),
            ("subprocess", "Popen", None),
            ("imaplib", "IMAP4.error", Some(KnownClass::Exception)),
            ("imaplib", "IMAP4", None),
            ("Tkinter", "EventType", Some(KnownClass::Enum)),
            ("zoneinfo", "ZoneInfo", Some(KnownClass::ZoneInfo)),
            ("zoneinfo", "ZoneInfo._unpickle", Some(KnownClass::ZoneInfo)),
            ("builtins", "type", None),
            ("os", "system", None),
            ("_codecs", "decode", None),
            ("http", "HTTPStatus", Some(KnownClass::Enum)),
            ("http", "server", None),
            ("socket", "AF_INET", Some(KnownClass::Member)),
            ("socket", "socket", None),
            ("socket", "SO_REUSEADDR", None),
            ("signal", "SIGINT", Some(KnownClass::Member)),
            ("signal", "signal", None),
            ("uuid", "UUID", Some(KnownClass::Uuid)),
            ("uuid", "SafeUUID", Some(KnownClass::Enum)),
            ("uuid", "os.system", None),
            ("collections", "namedtuple", None),
            ("pathlib._local", "PosixPath", Some(KnownClass::PosixPath)),
        ];
        for (module, name, expected) in rows {
            assert_eq!(lookup(module, name), *expected, "{module}.{name}");
        }
    }

    #[test]
    fn known_names_are_shown_as_in_python_3() {
        let show = |known, module, name| {
            let (module, name) = shown(known, Str::Utf8(module), Str::Utf8(name));
            alloc::format!("{}.{}", module.to_string_lossy(), name.to_string_lossy())
        };
        assert_eq!(show(Some(KnownClass::Exception), "exceptions", "IOError"), "builtins.OSError");
        assert_eq!(show(Some(KnownClass::Type), "__builtin__", "unicode"), "builtins.str");
        assert_eq!(show(None, "__builtin__", "eval"), "__builtin__.eval");
        assert_eq!(show(Some(KnownClass::Allowed), "__builtin__", "eval"), "__builtin__.eval");
        assert_eq!(show(Some(KnownClass::Allowed), "Queue", "Queue"), "queue.Queue");
        assert_eq!(show(Some(KnownClass::Exception), "urllib2", "URLError"), "urllib.error.URLError");
    }
}
