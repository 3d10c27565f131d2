//! The names of the known types, as both Pythons spell them.
//!
//! Which names there are is data. `names.tsv` has a line for each class of CPython 2.7 and 3.6 to 3.13 that is plain
//! data: module and name as Python 3 has them, and the word of its [`KnownClass`]. `renamed.tsv` is
//! `Lib/_compat_pickle.py`: module and name in Python 2, and in Python 3; a line without names is a whole module. Both
//! are sorted, cut into rows by the compiler and searched by halves, so that a name costs no memory and a few
//! comparisons. What the exceptions and enums of the standard library are was found by `xtask/python/stdlib_rows.py`,
//! and a test holds the table against the pickles of all these versions.
//!
//! No pattern alone decides what a name is: a module's attribute that looks like an exception but is not in the table
//! is refused, because `mypkg.Error(1)` and `os.system("id")` look alike. The members of enums in [`MEMBERS`] are no
//! departure from that: to what they stand for nothing can be passed.

use crate::document::KnownClass;
use crate::wire::text::Str;

const NAMES_TEXT: &str = include_str!("names.tsv");
const RENAMED_TEXT: &str = include_str!("renamed.tsv");

/// Module, name and word of every class, sorted.
static NAMES: [[&str; 3]; lines(NAMES_TEXT)] = table(NAMES_TEXT);

/// Module and name in Python 2, sorted, and in Python 3. Both names are empty for a whole module.
static RENAMED: [[&str; 4]; lines(RENAMED_TEXT)] = table(RENAMED_TEXT);

const fn lines(text: &str) -> usize {
    let (mut place, mut lines) = (0, 0);
    while place < text.len() {
        lines += (text.as_bytes()[place] == b'\n') as usize;
        place += 1;
    }
    lines
}

/// Cuts a text of lines into rows, whose columns end with a tab and the last with the line.
const fn table<const ROWS: usize, const COLUMNS: usize>(mut text: &str) -> [[&str; COLUMNS]; ROWS] {
    let mut rows = [[""; COLUMNS]; ROWS];
    let mut cell = 0;
    while cell < ROWS * COLUMNS {
        let mut len = 0;
        while !matches!(text.as_bytes()[len], b'\t' | b'\n') {
            len += 1;
        }
        (rows[cell / COLUMNS][cell % COLUMNS], text) = text.split_at(len);
        text = text.split_at(1).1;
        cell += 1;
    }
    rows
}

/// The enums whose members CPython 3.6 to 3.10 pickles as a module's attribute, `signal.SIGINT` for
/// `signal.Signals(2)`, by the starts of the members' names; the first that fits. The number is not in the pickle,
/// so the name is all there is.
const MEMBERS: &[(&str, &str, &str)] = &[
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
pub(crate) fn member<'d>(module: &'d str, name: &'d str) -> Option<(&'d str, &'d str)> {
    if let Some(parts) = name.rsplit_once('.') {
        return Some(parts);
    }
    let fits = |row: &&(&str, &str, &str)| row.0 == module && name.starts_with(row.1);
    // `OP_NO_SSLv2` has the one small letter.
    let is_loud = |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'v');
    MEMBERS.iter().find(fits).filter(|_| name.bytes().all(is_loud)).map(|row| (row.2, name))
}

/// Module and name as Python 3 has them, where Python 2 had another one: `Queue.Full` is `queue.Full`.
pub(crate) fn canonical<'n>(module: &'n str, name: &'n str) -> (&'n str, &'n str) {
    let renamed = |name: &str| {
        let place = RENAMED.binary_search_by(|&[old, old_name, ..]| (old, old_name).cmp(&(module, name)));
        place.ok().and_then(|place| RENAMED.get(place))
    };
    match (renamed(name), renamed("")) {
        (Some(&[_, _, module, name]), _) => (module, name),
        (None, Some(&[_, _, module, _])) => (module, name),
        (None, None) => (module, name),
    }
}

/// Whether a class is known only for a class inside of it.
pub(crate) fn names_outer(module: &str, name: &str) -> bool {
    let (module, name) = canonical(module, name);
    let start = NAMES.partition_point(|&[other, inner, _]| (other, inner) < (module, name));
    let inner = NAMES.iter().skip(start).take_while(|row| row[0] == module).map(|row| row[1]);
    inner.map_while(|inner| inner.strip_prefix(name)).any(|rest| rest.starts_with('.'))
}

/// The known class of a name, under Python 3's and Python 2's spelling.
pub(crate) fn lookup(module: &str, name: &str) -> Option<KnownClass> {
    // Python 2 has its exceptions in a module of their own, which `pickle` reads name by name.
    if module == "exceptions" {
        return lookup("builtins", name).filter(|&class| class == KnownClass::Exception);
    }
    let exact = |module: &str, name: &str| {
        let place = NAMES.binary_search_by(|&[other, inner, _]| (other, inner).cmp(&(module, name)));
        KnownClass::of_word(NAMES.get(place.ok()?)?[2])
    };
    exact(module, name).or_else(|| {
        let (new_module, new_name) = canonical(module, name);
        let is_member = || !name.contains('.') && member(module, name).is_some();
        exact(new_module, new_name).or_else(|| is_member().then_some(KnownClass::Member))
    })
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
        assert!(NAMES.is_sorted_by(|one, other| one[..2] < other[..2]));
        assert!(RENAMED.is_sorted_by(|one, other| one[..2] < other[..2]));
        assert!(NAMES.iter().all(|row| KnownClass::of_word(row[2]).is_some()));
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
