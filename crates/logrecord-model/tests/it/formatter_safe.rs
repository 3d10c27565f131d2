//! The formatter against hostile records: nothing forges a line or a colour, and nothing costs
//! more than its limits.

use std::time::{Duration, Instant};

use logrecord_model::{Field, Formatter, LogRecord, PercentFormat, Style, Zone};
use pickle_codec::Value;

const HOSTILE: &str =
    "x\n2026-01-01 00:00:00,000 ERROR root forged\r\x1b[31m\u{85}\u{2028}\u{202e}\u{7f}\0\u{9b}é日";

fn hostile_record() -> LogRecord<'static> {
    let mut record = LogRecord::builder(HOSTILE, 30, HOSTILE).created(0.0).build();
    for field in [
        Field::LevelName,
        Field::PathName,
        Field::FileName,
        Field::Module,
        Field::FuncName,
        Field::ThreadName,
        Field::ProcessName,
        Field::TaskName,
    ] {
        record.set(field, Value::from(HOSTILE));
    }
    record.set_extra("user", Value::from(HOSTILE));
    record.set_extra("odd", Value::Wtf8(b"\xed\xa0\x80\n".as_slice().into()));
    record.set_extra("list", Value::List(vec![Value::from(HOSTILE)]));
    record.set_extra("width", Value::from("\n^9"));
    record
}

fn check(text: &str, lines: usize) {
    assert_eq!(text.split('\n').count(), lines, "{text:?}");
    for character in text.chars().filter(|character| *character != '\n') {
        let is_control = character.is_control();
        let is_steering =
            matches!(u32::from(character), 0x2028..=0x202e | 0x2066..=0x2069 | 0x200e | 0x200f | 0x61c);
        assert!(!is_control && !is_steering, "{character:?} in {text:?}");
    }
}

#[test]
fn no_field_forges_a_line() {
    let record = hostile_record();
    let formats = [
        (
            Style::Percent,
            "%(levelname)s %(name)-5s %(message)s %(pathname).20s %(filename)20s %(module)s %(funcName)s",
        ),
        (Style::Percent, "%(threadName)r %(processName)a %(taskName)s %(user)s %(odd)s %(list)s %(message)c"),
        (Style::Brace, "{name} {message!r} {message:>5} {message:.3} {list[0]} {odd} {list} {user!a}"),
        (Style::Dollar, "$name ${message} $user $odd $list"),
    ];
    for (style, format) in formats {
        let formatter = Formatter::builder().format(format).style(style).safe(true).build().unwrap();
        match formatter.format(&record) {
            Ok(text) => {
                check(&text, 1);
                assert!(text.contains("é日") || text.contains("\\xe9"), "{text}");
            }
            Err(error) => assert_eq!(error.python_type(), "TypeError", "{error}"),
        }
    }
    // A specification from the record cannot bring a control character in as fill.
    let formatter =
        Formatter::builder().format("{message:{width}}").style(Style::Brace).safe(true).build().unwrap();
    assert_eq!(formatter.format(&record).unwrap_err().python_type(), "ValueError");
}

#[test]
fn exceptions_stand_below_and_are_indented() {
    let mut record = hostile_record();
    record.set(Field::ExcText, Value::from("Traceback\r\n  File\n\nE: \x1b[0m\u{2028}\n"));
    record.set(Field::StackInfo, Value::from("Stack"));
    let text = Formatter::text(false).format(&record).unwrap();
    check(&text, 7);
    let below: Vec<&str> = text.split('\n').skip(2).collect();
    assert_eq!(below, ["    Traceback", "      File", "    ", "    E: \\x1b[0m\\u2028", "    Stack"]);
}

#[test]
fn colour_stands_around_the_level_only() {
    let record = LogRecord::builder("app", 40, "a \x1b[0m b").created(0.0).build();
    let text = Formatter::text(true).format(&record).unwrap();
    assert!(text.contains("\x1b[31mERROR   \x1b[0m app a \\x1b[0m b"), "{text:?}");
    assert_eq!(text.matches('\x1b').count(), 2);
}

#[test]
fn the_text_format() {
    let record = LogRecord::builder("app.db", 30, "disk full").created(1_767_323_045.25).build();
    let formatter = Formatter::builder()
        .format("%(asctime)s %(levelname)-8s %(name)s %(message)s")
        .zone(Zone::utc())
        .build()
        .unwrap();
    assert_eq!(formatter.format(&record).unwrap(), "2026-01-02 03:04:05,250 WARNING  app.db disk full");
}

#[test]
fn a_message_that_python_refuses_is_shown_in_safe_output() {
    let mut record = LogRecord::builder("a", 20, "%d").created(0.0).build();
    record.set(Field::Args, Value::Tuple(vec![Value::from("x")]));
    let safe = Formatter::builder().safe(true).build().unwrap();
    assert_eq!(
        safe.format(&record).unwrap(),
        "%d [TypeError: %d format: a real number is required, not str]"
    );
    let raw = Formatter::builder().build().unwrap();
    let mut out = String::from("kept");
    assert_eq!(raw.format_into(&record, None, &mut out).unwrap_err().python_type(), "TypeError");
    assert_eq!(out, "kept");
}

#[test]
fn formats_are_bounded() {
    let big = "y".repeat(300_000);
    let wide: Vec<Value<'_>> = (0..100_000).map(Value::Int).collect();
    let mapping =
        Value::Dict((0..100_000).map(|n| (Value::from(format!("k{n}")), Value::from("v"))).collect());
    let rows: Vec<(String, Value<'_>)> = vec![
        (String::from("%0200000000d"), Value::Int(1)),
        (String::from("%200000000s|"), Value::from("x")),
        (String::from("%.200000000f"), Value::Float(1.5)),
        (String::from("%.200000000e"), Value::Float(1.5)),
        (String::from("%#.200000000g"), Value::Float(1.5)),
        (String::from("%.200000000d"), Value::Int(1)),
        (String::from("%*d"), Value::Tuple(vec![Value::Int(100_000_000), Value::Int(1)])),
        (String::from("%-*d"), Value::Tuple(vec![Value::Int(-100_000_000), Value::Int(1)])),
        ("%(x)s".repeat(100_000), Value::Dict(vec![(Value::from("x"), Value::from("z"))])),
        ("%(x).0s".repeat(100_000), Value::Dict(vec![(Value::from("x"), Value::from(big.as_str()))])),
        ("%(x).0r".repeat(100_000), Value::Dict(vec![(Value::from("x"), Value::List(wide.clone()))])),
        ("%(x).1s".repeat(100_000), Value::Dict(vec![(Value::from("x"), Value::from(big.as_str()))])),
        ("%s".repeat(100_000), Value::Tuple(wide)),
        ((0..100_000).map(|n| format!("%(k{n})s")).collect(), mapping),
    ];
    let limit = if cfg!(debug_assertions) { Duration::from_secs(1) } else { Duration::from_millis(20) };
    for (format, args) in rows {
        let start = Instant::now();
        let text = PercentFormat::new().format(&format, &args).unwrap();
        let elapsed = start.elapsed();
        let shown: String = format.chars().take(20).collect();
        assert!(text.len() <= 128 * 1024, "{shown}: {} bytes", text.len());
        assert!(text.ends_with("...(cut)"), "{shown}");
        assert!(elapsed < limit, "{shown}: {elapsed:?}");
    }
}

#[test]
fn a_records_width_is_bounded_in_every_style() {
    let mut record = LogRecord::builder("a", 20, "m").created(0.0).build();
    record.set_extra("width", Value::Int(1_000_000_000));
    record.set_extra("n", Value::Int(5));
    for format in ["{message:{width}}", "{n:0{width},}", "{n:.{width}f}", "{n:{width}d}"] {
        let formatter = Formatter::builder().format(format).style(Style::Brace).build().unwrap();
        let text = formatter.format(&record).unwrap();
        assert!(text.len() < 9 << 20, "{format}: {} bytes", text.len());
        assert!(text.ends_with("...(cut)"), "{format}");
    }
}

#[test]
fn further_lines_of_a_message_stand_below_it_in_text_and_are_escaped_in_other_formats() {
    let rows = [
        ("one\ntwo\n\nthree\n", "one\n    two\n    \n    three"),
        ("one\r\ntwo\r\n", "one\n    two"),
        ("one\n", "one"),
        ("one\n\u{1b}[2J\ttwo", "one\n    \\x1b[2J\\ttwo"),
    ];
    for (message, expected) in rows {
        let record = LogRecord::builder("app", 20, message).build();
        let text = Formatter::text(false).format(&record).unwrap();
        assert!(text.ends_with(&format!(" app {expected}")), "{text}");
        let other = Formatter::builder().format("%(name)s %(message)s").safe(true).build().unwrap();
        assert!(!other.format(&record).unwrap().contains('\n'), "{message:?}");
        let raw = Formatter::builder().format("%(message)s").build().unwrap();
        assert_eq!(raw.format(&record).unwrap(), message);
    }
}
