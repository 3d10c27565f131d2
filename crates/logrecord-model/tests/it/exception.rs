//! Exceptions read back from what CPython's `traceback` module writes.

use std::time::{Duration, Instant};

use logrecord_model::{Exception, Link, LogRecord, Traceback};

fn summary(exception: &Exception) -> (usize, &str, &str, usize, Option<Link>) {
    (exception.depth, &exception.class, &exception.message, exception.frames.len(), exception.link)
}

macro_rules! rows {
    ($($name:ident: $text:expr => [$($expected:expr),* $(,)?];)*) => {$(
        #[test]
        fn $name() {
            let traceback = Traceback::read($text);
            let got: Vec<_> = traceback.exceptions.iter().map(summary).collect();
            let expected: Vec<(usize, &str, &str, usize, Option<Link>)> = vec![$($expected),*];
            assert_eq!(got, expected);
            assert_eq!(traceback.unread, Vec::<String>::new());
        }
    )*};
}

rows! {
    plain: "Traceback (most recent call last):\n  File \"a.py\", line 6, in <module>\n    f(8)\n    ~^^^\n  File \"a.py\", line 5, in f\n    1/0\n    ~^~\nZeroDivisionError: division by zero"
        => [(0, "ZeroDivisionError", "division by zero", 2, None)];
    multi_line_message: "Traceback (most recent call last):\n  File \"a.py\", line 9, in <module>\nMyErr: line one\nline two: x\n\nline four"
        => [(0, "MyErr", "line one\nline two: x\n\nline four", 1, None)];
    no_message: "Traceback (most recent call last):\n  File \"a.py\", line 11, in <module>\nKeyError"
        => [(0, "KeyError", "", 1, None)];
    no_traceback: "mypkg.errors.Oops: x" => [(0, "mypkg.errors.Oops", "x", 0, None)];
    local_class: "a.f.<locals>.E: x" => [(0, "a.f.<locals>.E", "x", 0, None)];
    cause: "Traceback (most recent call last):\n  File \"a\", line 3, in m\nValueError: a\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"a\", line 4, in m\nTypeError: b"
        => [(0, "ValueError", "a", 1, None), (0, "TypeError", "b", 1, Some(Link::Cause))];
    context: "ValueError: a\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a\", line 4, in m\nTypeError: b"
        => [(0, "ValueError", "a", 0, None), (0, "TypeError", "b", 1, Some(Link::Context))];
    notes: "Traceback (most recent call last):\n  File \"a\", line 3, in m\nValueError: noted\nnote 1\nmore\nnote 2"
        => [(0, "ValueError", "noted\nnote 1\nmore\nnote 2", 1, None)];
    none: "" => [];
    group: "  + Exception Group Traceback (most recent call last):\n  |   File \"<string>\", line 5, in <module>\n  | ExceptionGroup: eg (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: 1\n    +---------------- 2 ----------------\n    | ExceptionGroup: inner (2 sub-exceptions)\n    +-+---------------- 1 ----------------\n      | KeyError: 'k'\n      +---------------- 2 ----------------\n      | MyErr: x\n      | y\n      +------------------------------------"
        => [
            (0, "ExceptionGroup", "eg (2 sub-exceptions)", 1, None),
            (1, "ValueError", "1", 0, None),
            (1, "ExceptionGroup", "inner (2 sub-exceptions)", 0, None),
            (2, "KeyError", "'k'", 0, None),
            (2, "MyErr", "x\ny", 0, None),
        ];
    group_as_cause: "  + Exception Group Traceback (most recent call last):\n  |   File \"<string>\", line 8, in <module>\n  | ExceptionGroup: eg (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File \"x\", line 1, in f\n    | ValueError: 1\n    | \n    | During handling of the above exception, another exception occurred:\n    | \n    | Traceback (most recent call last):\n    |   File \"x\", line 2, in f\n    | KeyError: 2\n    +------------------------------------\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"<string>\", line 9, in <module>\nTypeError: after"
        => [
            (0, "ExceptionGroup", "eg (1 sub-exception)", 1, None),
            (1, "ValueError", "1", 1, None),
            (1, "KeyError", "2", 1, Some(Link::Context)),
            (0, "TypeError", "after", 1, Some(Link::Cause)),
        ];
}

#[test]
fn groups_know_their_parts() {
    let text = "  + Exception Group Traceback (most recent call last):\n  | ExceptionGroup: eg (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ExceptionGroup: one (1 sub-exception)\n    +-+---------------- 1 ----------------\n      | KeyError: 1\n      +------------------------------------\n    +---------------- 2 ----------------\n    | ValueError: 2\n    +------------------------------------";
    let traceback = Traceback::read(text);
    let groups: Vec<_> = traceback.exceptions.iter().map(|exception| exception.group).collect();
    assert_eq!(groups, [None, Some(0), Some(1), Some(0)]);
    assert_eq!(traceback.raised().unwrap().class, "ExceptionGroup");
}

#[test]
fn frames_are_read_whole() {
    let text = "Traceback (most recent call last):\n  File \"C:\\x \", line 2, in y\\a.py\", line 5, in Klass.f\n    def f(n): return f(n-1) if n else 1/0\n                     ~^^^^^\n  [Previous line repeated 6 more times]\n  File \"b.py\", line 7, in g\nmod.sub.Error: x";
    let traceback = Traceback::read(text);
    let raised = traceback.raised().unwrap();
    assert_eq!(raised.class_name(), "Error");
    let first = &raised.frames[0];
    assert_eq!(
        (first.file.as_str(), first.line, first.repeated),
        ("C:\\x \", line 2, in y\\a.py", Some(5), 6)
    );
    assert_eq!(first.function.as_deref(), Some("Klass.f"));
    assert_eq!(first.code.as_deref(), Some("def f(n): return f(n-1) if n else 1/0"));
    assert_eq!(raised.frames[1].code, None);
}

#[test]
fn a_syntax_error_has_a_place() {
    let text = "Traceback (most recent call last):\n  File \"/tmp/exc.py\", line 13, in <module>\n    try: exec(\"a = (1\\nb\")\n         ~~~~^^^^^^^^^^^^^\n  File \"<string>\", line 1\n    a = (1\n        ^\nSyntaxError: '(' was never closed";
    let traceback = Traceback::read(text);
    let raised = traceback.raised().unwrap();
    let place = raised.syntax.as_ref().unwrap();
    assert_eq!(
        (place.file.as_str(), place.line, place.code.as_deref(), place.column),
        ("<string>", Some(1), Some("a = (1"), Some(4))
    );
    assert_eq!((raised.frames.len(), raised.message.as_str()), (1, "'(' was never closed"));
}

#[test]
fn what_is_no_exception_is_kept() {
    for none in ["NoneType: None", "None"] {
        let traceback = Traceback::read(none);
        assert!(traceback.exceptions.is_empty());
        assert_eq!(traceback.unread, [none]);
        let mut record = LogRecord::builder("a", 40, "m").build();
        record.set(logrecord_model::Field::ExcText, pickle_codec::Value::from(none));
        assert!(record.exception().is_none());
    }
    let traceback = Traceback::read("something else happened here\nand more of it");
    assert!(traceback.exceptions.is_empty());
    assert_eq!(traceback.unread.len(), 2);
}

#[test]
fn hostile_text_costs_linear_time() {
    let header = "Traceback (most recent call last):\n";
    let group = "  + Exception Group Traceback (most recent call last):\n  | E: x\n";
    let rows = [
        header.repeat(30_000),
        format!("{header}{}", "  File \"x\", line 1, in f\n".repeat(40_000)),
        format!("{header}E: x\n{}", "\n".repeat(1_000_000)),
        format!("{group}{}", "  +-+---------------- 1 ----------------\n    | V: 1\n".repeat(20_000)),
        format!("{group}  +-+------- 1 -------\n{}", "    | V: 1\n    +------- 2 -------\n".repeat(30_000)),
        format!("{header}  File \"{}", "\", line ".repeat(120_000)),
        format!("{header}{}", "a.".repeat(500_000)),
        "  | ".repeat(250_000),
        (0..1400)
            .map(|depth| format!("{}+-+--- 1 ---\n{}| E: 1\n", "  ".repeat(depth), "  ".repeat(depth + 1)))
            .collect(),
    ];
    for text in rows {
        let start = Instant::now();
        let traceback = Traceback::read(&text);
        assert!(start.elapsed() < Duration::from_secs(5), "{} bytes took {:?}", text.len(), start.elapsed());
        assert!(traceback.exceptions.len() <= text.len());
    }
}
