//! `msg % args` and `format()` against CPython: seeded random pairs, those that raise included.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use crate::formatter_python as python;

use logrecord_model::{Formatter, LogRecord, PercentFormat, Style};
use num_bigint::BigInt;
use pickle_codec::Value;
use python::{Python, Random};
use serde_json::json;

/// A value, and how Python spells it.
type Pair = (Value<'static>, String);

fn plain(value: Value<'static>, source: &str) -> Pair {
    (value, source.to_owned())
}

fn float(random: &mut Random) -> Pair {
    let number = match random.below(6) {
        0 => random.pick(&[
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            2.5,
            1e16,
            1e22,
            123_456.789,
            1e-5,
            9.995,
            5e-324,
            1e308,
        ]),
        1 => f64::from_bits(random.next()),
        2 => f64::from(u32::try_from(random.next() >> 40).unwrap()) / 1000.0,
        3 => -f64::from(u32::try_from(random.next() >> 44).unwrap()) * 1e10,
        _ => f64::from(u32::try_from(random.next() >> 34).unwrap()) / 65536.0,
    };
    if number.is_nan() {
        return plain(Value::Float(f64::NAN), "float('nan')");
    }
    if number.is_infinite() {
        let source = if number < 0.0 { "float('-inf')" } else { "float('inf')" };
        return plain(Value::Float(number), source);
    }
    (Value::Float(number), format!("{number:e}"))
}

fn integer(random: &mut Random) -> Pair {
    match random.below(5) {
        0 => {
            let big = BigInt::from(random.next()) * BigInt::from(random.next()) * BigInt::from(7);
            let big = if random.chance(50) { -big } else { big };
            let source = format!("({big})");
            (Value::BigInt(Box::new(big)), source)
        }
        1 => plain(Value::Bool(true), "True"),
        2 => {
            let number = i64::try_from(random.next() >> 1).unwrap();
            (Value::Int(-number), format!("(-{number})"))
        }
        _ => {
            let number = i64::try_from(random.next() >> 52).unwrap() - 1000;
            (Value::Int(number), format!("({number})"))
        }
    }
}

fn text(random: &mut Random) -> Pair {
    let texts = [
        "",
        "x",
        "abc",
        "it's",
        "say \"hi\"",
        "both ' and \"",
        "a\nb\t\\",
        "héllo",
        "日本",
        "😀",
        "\x1b[0m\u{7f}",
        "\u{a0}\u{200b}",
    ];
    let text = random.pick(&texts);
    let source: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    (Value::from(text), format!("'{source}'"))
}

fn value(random: &mut Random) -> Pair {
    match random.below(12) {
        0 => plain(Value::None, "None"),
        1 => plain(Value::Bytes(b"a\xff'\n".as_slice().into()), "b\"a\\xff'\\n\""),
        2 => plain(Value::Wtf8(b"a\xed\xb2\x80".as_slice().into()), "'a\\udc80'"),
        3 => {
            let (one, one_source) = text(random);
            let (two, two_source) = float(random);
            (Value::List(vec![one, two]), format!("[{one_source}, {two_source}]"))
        }
        4 => plain(Value::Tuple(vec![Value::Int(1)]), "(1,)"),
        5 => {
            let (inner, source) = text(random);
            (Value::Dict(vec![(Value::from("k"), inner)]), format!("{{'k': {source}}}"))
        }
        6 | 7 => float(random),
        8 | 9 => integer(random),
        _ => text(random),
    }
}

/// A directive and the arguments that it takes.
fn directive(random: &mut Random, key: Option<&str>, args: &mut Vec<Pair>) -> String {
    let mut text = String::from("%");
    if let Some(key) = key {
        text.push_str(&format!("({key})"));
    }
    for flag in ["#", "0", "-", " ", "+"] {
        if random.chance(15) {
            text.push_str(flag);
        }
    }
    if key.is_none() && random.chance(8) {
        text.push('*');
        let number = i64::try_from(random.below(30)).unwrap() - 15;
        args.push((Value::Int(number), number.to_string()));
    } else if random.chance(40) {
        text.push_str(&random.below(25).to_string());
    }
    if random.chance(30) {
        text.push('.');
        if key.is_none() && random.chance(15) {
            text.push('*');
            let number = i64::try_from(random.below(12)).unwrap() - 2;
            args.push((Value::Int(number), number.to_string()));
        } else if random.chance(85) {
            text.push_str(&random.below(25).to_string());
        }
    }
    if random.chance(6) {
        text.push_str(random.pick(&["h", "l", "L"]));
    }
    let kind = random.pick(&[
        's', 's', 'r', 'a', 'd', 'd', 'i', 'u', 'o', 'x', 'X', 'e', 'E', 'f', 'F', 'g', 'G', 'c', '%', 'y',
        'é',
    ]);
    if kind == 'y' && random.chance(70) {
        text.push('s');
    } else {
        text.push(kind);
    }
    if kind != '%' || text.len() > 2 {
        let fitting = random.chance(85);
        args.push(match kind {
            'd' | 'i' | 'u' if fitting => {
                if random.chance(70) {
                    integer(random)
                } else {
                    float(random)
                }
            }
            'o' | 'x' | 'X' if fitting => integer(random),
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' if fitting => float(random),
            'c' if fitting => {
                if random.chance(50) {
                    plain(Value::Int(8364), "8364")
                } else {
                    plain(Value::from("c"), "'c'")
                }
            }
            _ => value(random),
        });
    }
    text
}

/// A format and its arguments.
fn question(random: &mut Random) -> (String, Value<'static>, String) {
    let mut format = String::new();
    let mut args = Vec::new();
    if random.chance(25) {
        // A mapping.
        let keys = ["a", "b c", "p(q)r", "é"];
        let mut taken = Vec::new();
        for _ in 0..=random.below(3) {
            format.push_str(random.pick(&["", "x ", "-", "日"]));
            let key = random.pick(&keys);
            taken.clear();
            let piece = directive(random, Some(key), &mut taken);
            format.push_str(&piece);
            if let Some((value, source)) = taken.pop()
                && random.chance(95)
                && !args.iter().any(|(have, ..): &(&str, Value<'_>, String)| *have == key)
            {
                args.push((key, value, source));
            }
        }
        let source: Vec<String> = args.iter().map(|(key, _, source)| format!("'{key}': {source}")).collect();
        let pairs = args.into_iter().map(|(key, value, _)| (Value::from(key), value)).collect();
        return (format, Value::Dict(pairs), format!("{{{}}}", source.join(", ")));
    }
    let mut args: Vec<Pair> = Vec::new();
    for _ in 0..random.below(4) {
        format.push_str(random.pick(&["", "x ", "-", "日", "%%"]));
        let piece = directive(random, None, &mut args);
        format.push_str(&piece);
    }
    if random.chance(4) {
        format.push('%');
    }
    if random.chance(5) {
        args.pop();
    }
    if random.chance(5) {
        args.push(value(random));
    }
    if args.len() == 1 && random.chance(40) {
        let (value, source) = args.remove(0);
        return (format, value, source);
    }
    let source: String = args.iter().map(|(_, source)| format!("{source}, ")).collect();
    (format, Value::Tuple(args.into_iter().map(|(value, _)| value).collect()), format!("({source})"))
}

#[test]
fn percent_is_pythons() {
    for mut python in Python::all() {
        let mut random = Random::new(0x5eed_0001);
        let count = if python.minor == 13 { 20_000 } else { 4_000 };
        let mut raised = 0;
        for _ in 0..count {
            let (format, args, source) = question(&mut random);
            let expected = python.ask(&json!({"ask": "percent", "format": format, "args": source}));
            let got = PercentFormat::new()
                .format(&format, &args)
                .map_err(|error| (error.python_type().to_owned(), error.to_string()));
            raised += u32::from(expected.is_err());
            let context = format!("3.{}: {format:?} % {source}", python.minor);
            match (&got, &expected) {
                // The words of some errors changed between versions; the newest ones are taken.
                (Err(_), Err(_)) if python.minor < 13 => {}
                _ => assert_eq!(got, expected, "{context}"),
            }
        }
        assert!(raised > count / 50, "too few of the pairs raise: {raised} of {count}");
    }
}

/// A specification for `format()`.
fn spec(random: &mut Random) -> String {
    let mut spec = String::new();
    if random.chance(40) {
        if random.chance(50) {
            spec.push(random.pick(&['*', '0', '日', ' ', '<']));
        }
        spec.push(random.pick(&['<', '>', '=', '^']));
    }
    for (part, percent) in [("+", 10), (" ", 8), ("-", 4), ("z", 6), ("#", 15), ("0", 15)] {
        if random.chance(percent) {
            spec.push_str(part);
        }
    }
    if random.chance(50) {
        spec.push_str(&random.below(30).to_string());
    }
    if random.chance(15) {
        spec.push_str(random.pick(&[",", "_", ",_", "__"]));
    }
    if random.chance(25) {
        spec.push('.');
        if random.chance(90) {
            spec.push_str(&random.below(20).to_string());
        }
    }
    if random.chance(75) {
        spec.push(random.pick(&[
            's', 'd', 'd', 'b', 'c', 'o', 'x', 'X', 'e', 'E', 'f', 'F', 'g', 'G', '%', 'n', 'y', 'é',
        ]));
    }
    if random.chance(3) {
        spec.push('!');
    }
    spec
}

#[test]
fn format_specifications_are_pythons() {
    for mut python in Python::all() {
        // The mini-language grew until 3.11, and some words of its errors later still.
        if python.minor != 13 {
            continue;
        }
        let mut random = Random::new(0x5eed_0002);
        for _ in 0..20_000 {
            let spec = spec(&mut random);
            let (value, source) = match random.below(4) {
                0 => text(&mut random),
                1 => integer(&mut random),
                2 => float(&mut random),
                _ => value(&mut random),
            };
            if spec.contains('{') || spec.contains('}') {
                continue;
            }
            let expected = python.ask(&json!({"ask": "spec", "value": source, "spec": spec}));
            let formatter = Formatter::builder()
                .format(format!("{{v:{spec}}}"))
                .style(Style::Brace)
                .validate(false)
                .build()
                .unwrap();
            let mut record = LogRecord::builder("n", 20, "m").build();
            record.set_extra("v", value);
            let got = formatter
                .format(&record)
                .map_err(|error| (error.python_type().to_owned(), error.to_string()));
            assert_eq!(got, expected, "format({source}, {spec:?})");
        }
    }
}
