//! CPython processes that say what CPython prints, and a seeded source of questions.
#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

/// One long-lived interpreter.
pub(crate) struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The minor version of Python 3.
    pub(crate) minor: u32,
}

/// What Python says: text, or the name and text of an exception.
pub(crate) type Answer = Result<String, (String, String)>;

impl Python {
    fn start(python: &testkit::python::Python) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/formatter_python/oracle.py");
        let mut child = Command::new(&python.path)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output, minor: python.version.minor.into() }
    }

    /// All interpreters of 3.8 and later that can be found, one of each minor version.
    pub(crate) fn all() -> Vec<Self> {
        testkit::python::python_3(8..u16::MAX).iter().map(Self::start).collect()
    }

    /// Asks one question.
    pub(crate) fn ask(&mut self, question: &Json) -> Answer {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Json = serde_json::from_str(&line).unwrap();
        let text = answer["text"].as_str().unwrap().to_owned();
        match answer["error"].as_str() {
            None => Ok(text),
            Some(error) => Err((error.to_owned(), text)),
        }
    }

    /// The pickle of a record's attributes, after `makeLogRecord`.
    pub(crate) fn payload(&mut self, record: &str) -> Vec<u8> {
        let hex = self.ask(&json!({"ask": "payload", "record": record})).unwrap();
        let digits: Vec<u8> =
            hex.bytes().map(|digit| char::from(digit).to_digit(16).unwrap().try_into().unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The process ends by itself when its input is closed; this is for one that hangs.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A seeded generator: the same questions in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
