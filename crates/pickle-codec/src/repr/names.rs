//! Names of classes and functions in what is printed.

use alloc::string::String;

use super::printer::Printer;
use crate::document::KnownClass;
use crate::known;
use crate::wire::text::Str;

/// A name in a description, with what could forge a line escaped.
pub(super) fn name_text(text: Str<'_>) -> String {
    let mut safe = String::new();
    let mut printer = Printer { out: &mut safe, left: 1_000, ascii: false };
    // A name that is cut is still a name.
    if printer.text(text).is_err() {
        safe.push_str("...'");
    }
    match safe.strip_prefix('\'').and_then(|safe| safe.strip_suffix('\'')) {
        Some(bare) => String::from(bare),
        None => safe,
    }
}

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
