//! Messages made to cost: each ends at its length or at its number of directives, visibly, and what is
//! above is not looked at. What is asserted is what was made, not the time that it took.

use logrecord_model::{
    DEFAULT_MAX_DIRECTIVES, DEFAULT_MESSAGE_LIMIT, Field, Formatter, LogRecord, PercentFormat, Zone,
};
use pickle_codec::Value;

const CUT: &str = "...(cut)";

fn message(format: &str, args: Value<'static>) -> String {
    let mut record = LogRecord::builder("app", 20, format).build();
    record.set(Field::Args, args);
    record.message().to_string()
}

fn named(value: Value<'static>) -> Value<'static> {
    Value::Dict(vec![(Value::from("x"), value)])
}

fn tuple(value: &Value<'static>, count: usize) -> Value<'static> {
    Value::Tuple(vec![value.clone(); count])
}

#[test]
fn as_many_directives_as_are_allowed_and_no_more() {
    let most = DEFAULT_MAX_DIRECTIVES;
    let rows: &[(&str, Value<'static>)] =
        &[("%d", tuple(&Value::Int(1), most)), ("%(x)s", named(Value::Int(1)))];
    for (directive, args) in rows {
        assert_eq!(message(&directive.repeat(most), args.clone()), "1".repeat(most), "{directive}");
        let args = match args {
            Value::Tuple(items) => tuple(&items[0], most + 1),
            other => other.clone(),
        };
        let above = message(&directive.repeat(most + 1), args);
        assert_eq!(above, "1".repeat(most) + CUT, "{directive}");
    }
    // A doubled percent sign is no directive.
    assert_eq!(
        message(&("%%".repeat(most * 2) + "%d"), tuple(&Value::Int(1), 1)),
        "%".repeat(most * 2) + "1"
    );
}

/// A format, its arguments, and how many of the marks are in what may be made.
type Row = (String, Value<'static>, char, std::ops::RangeInclusive<usize>);

#[test]
fn bombs_end_visibly() {
    let many = 100_000;
    let limit = DEFAULT_MESSAGE_LIMIT;
    let list = Value::List(vec![Value::Int(7); many]);
    let big = Value::BigInt(Box::new(num_bigint::BigInt::from(10).pow(4300) - 1));
    let huge = Value::BigInt(Box::new((num_bigint::BigInt::from(1) << 8_000_000) - 1));
    let keys = |count: usize| -> Value<'static> {
        Value::Dict((0..count).map(|key| (Value::from(format!("k{key}")), Value::Int(1))).collect())
    };
    let each_key = |count: usize| -> String { (0..count).map(|key| format!("%(k{key})s")).collect() };
    let rows: Vec<Row> = vec![
        // Widths and precisions.
        ("%0200000000d".into(), Value::Int(7), '0', limit..=limit),
        ("%*d".into(), Value::tuple([100_000_000, 7]), ' ', limit..=limit),
        ("%.200000000f".into(), Value::Float(0.5), '0', limit - 3..=limit),
        ("%.200000000e".into(), Value::Float(0.5), '0', limit - 3..=limit),
        ("%#.200000000g".into(), Value::Float(0.5), '0', limit - 3..=limit),
        ("%x".into(), tuple(&huge, 1), 'f', limit..=limit),
        ("%o".into(), tuple(&huge, 1), '7', limit - 1..=limit),
        // Numbers of directives that write little or nothing.
        ("%s".repeat(many), tuple(&Value::from(""), many), '.', 3..=3),
        ("%(x).0r".repeat(many), named(list.clone()), '7', 0..=0),
        ("%(x).2r".repeat(many), named(list.clone()), '7', 1..=DEFAULT_MAX_DIRECTIVES),
        ("%(x)r".repeat(many), named(list), '7', limit / 3..=limit / 3 + 1),
        // Dear ones: a float of 309 digits, an integer of 4,300.
        ("%(x).1f,".repeat(many), named(Value::Float(1e308)), ',', 10..=60),
        ("%(x)d,".repeat(many), named(big.clone()), ',', 3..=15),
        ("%(x).0s,".repeat(many), named(big), ',', 3..=15),
        // The quotes of a text are found by reading all of it.
        ("%(x).1r".repeat(many), named(Value::from("x".repeat(1 << 20))), '\'', 2..=20),
        // Names in small, large and larger dicts.
        (each_key(1000).repeat(100), keys(1000), '1', 500..=DEFAULT_MAX_DIRECTIVES),
        (each_key(8000).repeat(10), keys(8000), '1', 50..=DEFAULT_MAX_DIRECTIVES),
        (each_key(many), keys(many), '1', 4..=20),
        ("%(k0)s".repeat(many), keys(many), '1', 4..=20),
        // Directives made long.
        (format!("%{}d", "-".repeat(1000)).repeat(1000), tuple(&Value::Int(1), 1000), '1', 100..=700),
        // Text without end.
        ("a".repeat(1 << 20) + "%d", tuple(&Value::Int(1), 1), 'a', limit..=limit),
        ("%%".repeat(1 << 20) + "%d", tuple(&Value::Int(1), 1), '%', limit..=limit),
    ];
    for (format, args, mark, expected) in rows {
        let shown: String = format.chars().take(20).collect();
        let text = message(&format, args);
        let text = text.strip_suffix(CUT).unwrap_or_else(|| panic!("{shown} is not cut off"));
        assert!(text.len() <= DEFAULT_MESSAGE_LIMIT, "{shown}: {} bytes", text.len());
        let count = format!("{text}{CUT}").matches(mark).count() - CUT.matches(mark).count();
        let count = if mark == '.' { count + 3 } else { count };
        assert!(expected.contains(&count), "{shown}: {count} of {mark:?}");
    }
}

#[test]
fn refused_messages_end_too() {
    let long = "a".repeat(1 << 20);
    let rows = [
        (format!("%({long})s"), named(Value::Int(1)), "KeyError"),
        (format!("%({long}"), named(Value::Int(1)), "ValueError: incomplete format key"),
        ("%(".repeat(100_000), named(Value::Int(1)), "ValueError: incomplete format key"),
        ("%s".repeat(9_999) + "%d", tuple(&Value::from(""), 10_000), "TypeError: %d format"),
        (long, tuple(&Value::Int(1), 1), "TypeError: not all arguments"),
    ];
    for (format, args, expected) in rows {
        let text = message(&format, args.clone());
        let behind = text.rsplit_once(" [").map(|(_, behind)| behind).unwrap_or_default();
        assert!(behind.starts_with(expected), "{behind:.100}");
        assert!(text.len() < DEFAULT_MESSAGE_LIMIT + 5_000, "{expected}: {} bytes", text.len());
        let mut record = LogRecord::builder("app", 20, format).build();
        record.set(Field::Args, args);
        let safe = Formatter::builder().safe(true).zone(Zone::utc()).build().unwrap();
        assert_eq!(safe.format(&record).unwrap(), text, "{expected}");
    }
}

#[test]
fn a_message_that_is_no_text_ends_as_well() {
    let rows = [
        (Value::List(vec![Value::Int(7); 100_000]), "[7, 7, "),
        (Value::Wtf8(b"\xed\xa0\x80".repeat(1 << 20).into()), "\\ud800\\ud800"),
    ];
    for (msg, start) in rows {
        let format = PercentFormat::new();
        let text = format.message(&msg, &Value::tuple([1])).unwrap().to_string();
        assert!(text.starts_with(start) && text.ends_with(CUT), "{start}");
        assert!(text.len() <= DEFAULT_MESSAGE_LIMIT + CUT.len(), "{start}: {} bytes", text.len());
    }
    // A text that ends like a cut one is a format like any.
    let msg = Value::from(format!("%d{CUT}"));
    assert_eq!(PercentFormat::new().message(&msg, &Value::tuple([1])).unwrap(), "1...(cut)");
}

#[test]
fn a_value_of_the_room_that_is_left_is_whole() {
    // The last byte that fits is not cut, in pieces or in one.
    for room in 1..40 {
        for value in [Value::from("abcdefghij"), Value::List(vec![Value::Int(7); 3]), Value::Float(2.5)] {
            let text = value.to_string();
            let text = value.as_str().map_or(text, str::to_owned);
            let made = PercentFormat::new().limit(room).format("%s", &Value::Tuple(vec![value])).unwrap();
            if text.len() <= room {
                assert_eq!(made, text);
            } else {
                assert_eq!(made, format!("{}{CUT}", &text[..room]));
            }
        }
    }
}
