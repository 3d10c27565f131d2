//! Names of classes and functions in what is printed.
//!
//! A name comes from the pickle and is as good as any text: it may hold line breaks and terminal sequences, or be a
//! megabyte long. So a name is printed as `repr` prints a text, without the quotes, and cut.

use alloc::string::String;

use super::printer::Printer;
use crate::document::KnownClass;
use crate::known;
use crate::wire::text::Str;

/// A text as `repr` writes it, cut if it is longer than any path or name of a program.
pub(super) fn quoted(text: Str<'_>, most: usize) -> String {
    let mut out = String::new();
    let mut printer = Printer { out: &mut out, left: most, ascii: false };
    if printer.text(text).is_err() {
        out.push_str("...'");
    }
    out
}

/// A name in a description, with what could forge a line escaped. A name that is cut is still a name.
pub(super) fn name_text(text: Str<'_>) -> String {
    let safe = quoted(text, 1_000);
    match safe.strip_prefix('\'').and_then(|safe| safe.strip_suffix('\'')) {
        Some(bare) => String::from(bare),
        None => safe,
    }
}

/// A bare name as Python prints what it stands for, `<class 'decimal.Decimal'>`; `<global 'mypkg.f'>` if that may be
/// anything.
pub(super) fn global_text(known: Option<KnownClass>, module: Str<'_>, name: Str<'_>) -> String {
    let (module, name) = known::shown(known, module, name);
    // The two constants of Python that have no opcode.
    if let (Str::Utf8("builtins" | "__builtin__"), Str::Utf8(constant @ ("Ellipsis" | "NotImplemented"))) =
        (module, name)
    {
        return String::from(constant);
    }
    let full = match module {
        Str::Utf8("builtins") => name_text(name),
        _ => alloc::format!("{}.{}", name_text(module), name_text(name)),
    };
    // What a name stands for is certain only where the name is known.
    let is_class = !matches!(
        known,
        None | Some(
            KnownClass::Allowed | KnownClass::Member | KnownClass::Encode | KnownClass::Reconstructor
        )
    );
    alloc::format!("<{} '{full}'>", if is_class { "class" } else { "global" })
}
