//! Where the names of a format are looked up.

use std::borrow::Cow;

use pickle_codec::{DecodeOptions, Globals, Value};

/// Where a format string's names are looked up: the attributes of a record, or any map.
pub trait Fields {
    /// The value of a name.
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>>;

    /// All names and values as one dict, for the rare directive that asks for the whole.
    fn all(&self) -> Value<'_>;

    /// The values of an application's own names as one dict, where they are known from the others.
    fn extra(&self) -> Option<Value<'_>> {
        None
    }
}

impl Fields for Value<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, Value<'_>>> {
        match find(pairs_of(self)?, name).0 {
            Some(value) => Some(Cow::Borrowed(value)),
            None => missing(self).map(Cow::Owned),
        }
    }

    fn all(&self) -> Value<'_> {
        self.clone()
    }
}

/// The pairs of a dict; OrderedDict, defaultdict and Counter are dicts too.
pub(crate) fn pairs_of<'v, 'a>(value: &'v Value<'a>) -> Option<&'v [(Value<'a>, Value<'a>)]> {
    match value {
        Value::Dict(pairs) => Some(pairs),
        Value::Object(object) if is_dict_class(&object.class) => {
            Some(object.pairs.as_deref().unwrap_or_default())
        }
        _ => None,
    }
}

fn is_dict_class(class: &Value<'_>) -> bool {
    matches!(class, Value::Global(global)
        if global.module == "collections"
            && matches!(&*global.name, "OrderedDict" | "defaultdict" | "Counter"))
}

/// What a dict has for a key that is not in it: a Counter has 0, a defaultdict what its factory makes.
///
/// None for a dict without such a value, and for one whose factory is no type that can be made here.
pub(crate) fn missing(dict: &Value<'_>) -> Option<Value<'static>> {
    let Value::Object(object) = dict else { return None };
    match object.class_name()? {
        ("collections", "Counter") => Some(Value::Int(0)),
        ("collections", "defaultdict") => match object.args.first()? {
            Value::Global(factory) => empty(&factory.module, &factory.name),
            _ => None,
        },
        _ => None,
    }
}

/// What a type makes of no arguments.
fn empty(module: &str, name: &str) -> Option<Value<'static>> {
    Some(match (module, name) {
        ("builtins" | "__builtin__", name) => match name {
            "int" | "long" => Value::Int(0),
            "float" => Value::Float(0.0),
            "bool" => Value::Bool(false),
            "str" | "unicode" => Value::from(""),
            "bytes" => Value::Bytes(Cow::Borrowed(b"")),
            "bytearray" => Value::ByteArray(Cow::Borrowed(b"")),
            "list" => Value::List(Vec::new()),
            "tuple" => Value::Tuple(Vec::new()),
            "dict" => Value::Dict(Vec::new()),
            "set" => Value::Set(Vec::new()),
            "frozenset" => Value::FrozenSet(Vec::new()),
            "complex" => from_pickle(b"cbuiltins\ncomplex\n(F0.0\nF0.0\ntR.")?,
            _ => return None,
        },
        ("collections", "OrderedDict") => from_pickle(b"ccollections\nOrderedDict\n(tR.")?,
        ("collections", "Counter") => from_pickle(b"ccollections\nCounter\n(tR.")?,
        ("collections", "deque") => from_pickle(b"ccollections\ndeque\n(tR.")?,
        _ => return None,
    })
}

fn from_pickle(pickle: &'static [u8]) -> Option<Value<'static>> {
    let options = DecodeOptions::new().globals(Globals::Known);
    Value::from_slice_with(pickle, &options).ok()
}

/// The value of a name, of which the last one counts as in a dict that was filled in this order; and what looking
/// for it cost, in steps of an output.
pub(crate) fn find<'v, 'a>(
    pairs: &'v [(Value<'a>, Value<'a>)],
    name: &str,
) -> (Option<&'v Value<'a>>, usize) {
    let mut compared = 0_usize;
    let found = pairs.iter().rev().position(|(key, _)| match key {
        Value::Str(key) if key.len() == name.len() => {
            compared = compared.saturating_add(name.len());
            key == name
        }
        _ => false,
    });
    let looked_at = found.map_or(pairs.len(), |place| place.saturating_add(1));
    let value = found.and_then(|place| pairs.iter().rev().nth(place)).map(|(_, value)| value);
    (value, looked_at / 64 + compared / 2048)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Output;

    #[test]
    fn a_dict_with_a_default_has_a_value_for_every_name() {
        // What CPython 3.13 makes of `"%(z)s"`, an error where there is no text.
        let rows: &[(&str, Option<&str>)] = &[
            ("ccollections\nCounter\n((dVa\nI1\nstR.", Some("0")),
            ("ccollections\nCounter\n(tR.", Some("0")),
            ("ccollections\nOrderedDict\n(tRVa\nI1\ns.", None),
            ("ccollections\ndefaultdict\n(tRVa\nI1\ns.", None),
            ("ccollections\ndefaultdict\n(NtRVa\nI1\ns.", None),
            ("ccollections\ndefaultdict\n(c__builtin__\nrange\ntRVa\nI1\ns.", None),
            ("ccollections\ndefaultdict\n(c__builtin__\nint\ntRVz\nI7\ns.", Some("7")),
        ];
        let types = [
            ("__builtin__\nint", "0"),
            ("__builtin__\nlong", "0"),
            ("builtins\nfloat", "0.0"),
            ("builtins\nbool", "False"),
            ("builtins\nstr", ""),
            ("__builtin__\nunicode", ""),
            ("builtins\nbytes", "b''"),
            ("builtins\nbytearray", "bytearray(b'')"),
            ("builtins\nlist", "[]"),
            ("builtins\ntuple", "()"),
            ("builtins\ndict", "{}"),
            ("builtins\nset", "set()"),
            ("builtins\nfrozenset", "frozenset()"),
            ("builtins\ncomplex", "0j"),
            ("collections\nOrderedDict", "OrderedDict()"),
            ("collections\nCounter", "Counter()"),
            ("collections\ndeque", "deque([])"),
        ];
        let mut rows: Vec<(String, Option<&str>)> =
            rows.iter().map(|(pickle, shown)| (String::from(*pickle), *shown)).collect();
        for (class, shown) in types {
            rows.push((format!("ccollections\ndefaultdict\n(c{class}\ntRVa\nI1\ns."), Some(shown)));
        }
        let options = DecodeOptions::new().globals(Globals::Known);
        for (pickle, expected) in &rows {
            let dict = Value::from_slice_with(pickle.as_bytes(), &options).unwrap();
            let shown = crate::PercentFormat::new().format("%(z)s", &dict);
            match expected {
                Some(expected) => assert_eq!(shown.unwrap(), *expected, "{pickle}"),
                None => assert_eq!(shown.unwrap_err().python_type(), "KeyError", "{pickle}"),
            }
            let fields = Value::Dict(vec![(Value::from("dict"), dict)]);
            let (mut brace, mut item) = (String::new(), String::new());
            let written =
                crate::brace::brace("{dict[z]!s}", &fields, &mut Output::new(&mut brace, 99, 99, false));
            assert_eq!(written.is_ok().then_some(&*brace), *expected, "{pickle}");
            let written =
                crate::brace::brace("{dict[0]!s}", &fields, &mut Output::new(&mut item, 99, 99, false));
            assert_eq!(written.is_ok(), expected.is_some(), "{pickle}");
        }
    }

    #[test]
    fn the_last_of_a_name_counts_and_searches_are_paid_for() {
        let mut pairs: Vec<_> =
            (0..1000).map(|place| (Value::from(format!("key {place}")), Value::Int(place))).collect();
        pairs.push((Value::Int(1), Value::None));
        pairs.push((Value::from("key 7"), Value::from("last")));
        assert_eq!(find(&pairs, "key 7"), (Some(&Value::from("last")), 0));
        assert_eq!(find(&pairs, "key 0"), (Some(&Value::Int(0)), 1002 / 64));
        assert_eq!(find(&pairs, "none"), (None, 1002 / 64));
        let long = vec![(Value::from("k".repeat(100_000)), Value::None); 9];
        assert_eq!(
            find(&long, &"x".repeat(100_000)),
            (None, 900_000 / 2048),
            "so are the bytes that are compared"
        );
    }
}
