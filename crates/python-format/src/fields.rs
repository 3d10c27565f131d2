//! Where the names of a format are looked up.

use std::borrow::Cow;

use pickle_codec::Value;

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
        find(pairs_of(self)?, name).0.map(Cow::Borrowed)
    }

    fn all(&self) -> Value<'_> {
        self.clone()
    }
}

/// The pairs of a dict; OrderedDict, defaultdict and Counter are dicts too.
pub(crate) fn pairs_of<'v, 'a>(value: &'v Value<'a>) -> Option<&'v [(Value<'a>, Value<'a>)]> {
    match value {
        Value::Dict(pairs) => Some(pairs),
        Value::Object(object) if is_dict_class(&object.class) => object.pairs.as_deref(),
        _ => None,
    }
}

fn is_dict_class(class: &Value<'_>) -> bool {
    matches!(class, Value::Global(global)
        if global.module == "collections"
            && matches!(&*global.name, "OrderedDict" | "defaultdict" | "Counter"))
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
