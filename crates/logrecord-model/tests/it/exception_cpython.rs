//! Tracebacks of every CPython that is there, read back: classes, messages and frames.

use crate::formatter_python as python;

use logrecord_model::Traceback;
use python::Python;
use serde_json::{Value as Json, json};

const PROGRAMS: &[&str] = &[
    "1 / 0",
    "def f(n): return f(n - 1) if n else 1 / 0\nf(30)",
    "def f(n):\n  if n: return g(n - 1)\n  raise KeyError('k')\ndef g(n): return f(n)\nf(12)",
    "class MyErr(Exception): pass\nraise MyErr('line one\\nline two: x\\n\\nline four')",
    "raise KeyError()",
    "raise ValueError('')",
    "raise ValueError('  File \"x\", line 3, in y')",
    "raise OSError(2, 'No such file', 'a:b')",
    "try:\n  raise ValueError('a')\nexcept ValueError as e:\n  raise TypeError('b') from e",
    "try:\n  raise ValueError('a')\nexcept ValueError as e:\n  raise TypeError('b\\n\\n')",
    "try:\n  raise ValueError('a')\nexcept ValueError as e:\n  raise TypeError('b') from None",
    "try:\n  try:\n    1 / 0\n  except Exception as e:\n    raise KeyError(1) from e\nexcept Exception:\n  [][3]",
    "import json\njson.loads('{')",
    "int('x' * 100)",
    "raise SystemExit(3)",
    "import subprocess\nraise subprocess.CalledProcessError(1, ['a', 'b'])",
    "def f():\n  class E(Exception): pass\n  raise E('local')\nf()",
];

#[test]
fn tracebacks_are_read_back() {
    for mut python in Python::all() {
        for program in PROGRAMS {
            let answer = python.ask(&json!({"ask": "exception", "code": program})).unwrap();
            let answer: Json = serde_json::from_str(&answer).unwrap();
            let traceback = Traceback::read(answer["text"].as_str().unwrap());
            let context = format!("3.{}: {program}\n{}", python.minor, answer["text"].as_str().unwrap());
            let got: Vec<Json> = traceback
                .exceptions
                .iter()
                .map(|exception| {
                    let frames = exception.frames.iter().map(|frame| frame.repeated + 1).sum::<u64>();
                    json!([exception.class_name(), exception.message, frames])
                })
                .collect();
            let mut expected = answer["chain"].as_array().unwrap().clone();
            // Empty lines at the end of a message before a link cannot be told from the link's own
            // only where there is one; there is none here.
            for exception in &mut expected {
                let message = exception[1].as_str().unwrap().to_owned();
                exception[1] = Json::from(message.trim_end_matches('\n'));
            }
            let got: Vec<Json> = got
                .into_iter()
                .map(|mut exception| {
                    let message = exception[1].as_str().unwrap().to_owned();
                    exception[1] = Json::from(message.trim_end_matches('\n'));
                    exception
                })
                .collect();
            assert_eq!(got, expected, "{context}");
            assert_eq!(traceback.unread, Vec::<String>::new(), "{context}");
        }
    }
}
