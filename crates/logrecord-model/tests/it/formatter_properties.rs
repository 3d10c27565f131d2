//! Properties of the formatters: no input makes them panic or write without end, and safe output
//! is one line.

use logrecord_model::{Field, Formatter, LogRecord, PercentFormat, Style, Traceback, Zone, escape_line};
use pickle_codec::Value;
use proptest::prelude::*;

/// Pieces that formats are made of, and pieces that they are not.
fn format() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::from("%(message)s")),
        Just(String::from("{message}")),
        Just(String::from("$message")),
        "%\\((message|name|user|list|n|f)\\)[-+ #0]{0,2}[0-9*]{0,3}(\\.[0-9*]{0,2})?[a-zA-Z%]",
        "\\{(message|name|user|list|n|f|list\\[[0-9a]{0,2}\\]|n\\.[a-z]{0,4})(![a-z])?(:[ -~]{0,8})?\\}",
        "\\$\\{?(message|name|user|n)\\}?",
        "[%{}$()!:.\\[\\]a-z0-9é]{0,4}",
        "\\PC{0,3}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        any::<String>().prop_map(Value::from),
        Just(Value::Wtf8(b"\n\xed\xa0\x80".as_slice().into())),
        proptest::collection::vec(any::<String>().prop_map(Value::from), 0..3).prop_map(Value::List),
    ]
}

proptest! {
    #[test]
    fn formatters_end_and_safe_output_is_one_line(
        format in format(),
        message in any::<String>(),
        user in value(),
        n in any::<i64>(),
        f in any::<f64>(),
        created in any::<f64>(),
        datefmt in "(%[-_0^#+]{0,2}[0-9]{0,4}[EO]?[ -~é]|[ -~]){0,5}",
        tz in "(UTC|Europe/London|[A-Z]{3,4}[-+]?[0-9]{1,2}([A-Z]{3})?(,M[0-9]{1,2}\\.[0-9]\\.[0-9]){0,2}|[ -~]{0,12})",
    ) {
        let mut record = LogRecord::builder("app\x1b[1m", 20, message).created(created).build();
        record.set(Field::Created, Value::Float(created));
        record.set_extra("user", user.clone());
        record.set_extra("list", Value::List(vec![user, Value::Int(n)]));
        record.set_extra("n", Value::Int(n));
        record.set_extra("f", Value::Float(f));
        for style in [Style::Percent, Style::Brace, Style::Dollar] {
            for safe in [false, true] {
                let formatter = Formatter::builder()
                    .format(format.clone())
                    .style(style)
                    .validate(false)
                    .safe(safe)
                    .limit(2000)
                    .date_format(datefmt.clone())
                    .zone(Zone::from_tz(&tz))
                    .build()
                    .unwrap();
                let Ok(text) = formatter.format(&record) else { continue };
                prop_assert!(text.len() <= 2000 + 100);
                if safe && !format.contains(|c: char| c.is_control() || !c.is_ascii()) {
                    prop_assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
                }
            }
            let checked = Formatter::builder().format(format.clone()).style(style).build();
            if let Err(error) = checked {
                prop_assert_eq!(error.python_type(), "ValueError");
            }
        }
        let at = Zone::from_tz(&tz).strftime(&datefmt, created);
        if let Ok(text) = at {
            prop_assert!(text.len() < 64 * 1024);
        }
    }

    #[test]
    fn percent_never_panics(format in format(), args in proptest::collection::vec(value(), 0..4)) {
        for args in [Value::Tuple(args.clone()), Value::List(args)] {
            if let Ok(text) = PercentFormat::new().limit(500).format(&format, &args) {
                prop_assert!(text.len() <= 500 + 20);
            }
        }
    }

    #[test]
    fn tracebacks_never_panic(text in "(  [+|] |    \\||  \\+-\\+---- 1 ----|Traceback \\(most recent call last\\):|  File \"a\", line 1|, in f|\n|E: |\\^|[a-z]{0,3}|\\PC{0,2}| ){0,40}") {
        let traceback = Traceback::read(&text);
        for (place, exception) in traceback.exceptions.iter().enumerate() {
            prop_assert!(exception.group.is_none_or(|group| group < place));
        }
    }

    #[test]
    fn escaped_text_has_no_control_character(text in any::<String>()) {
        let mut line = String::new();
        escape_line(&text, &mut line);
        prop_assert!(!line.contains(|c: char| c.is_control()));
    }
}
