//! Streams with known outcomes, from the `*.jsonl` files of the folder that `LOGRECORD_CONFORMANCE_DIR` names:
//! `cargo xtask conformance --dir PATH`.
//!
//! Two kinds of JSON lines are read. One has `expect`, `value` or `reject:kind`, with alternatives in `alt`;
//! the other has `expected`, an object with `value` or `reject`, and `used` where bytes follow STOP. The bytes are
//! in `hex`, or made by the Python expression in `py`. Values are tagged lists such as `["int","5"]`. Every stream
//! is decoded in this one process, and each within a second and a bound of memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a helper of a test fails the test, and its figures are worth a look"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use peak_alloc::PeakAlloc;
use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, Py2Str};
use serde_json::{Value, json};

use conformance::canon;
use testkit::bytes::try_unhex;
use testkit::{process, python};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What a decode to a document may take at its peak, beside 32 bytes for each byte of input. What is done with the
/// document afterwards is not counted: the canonical form of a short pickle may be long.
const HEAP_BASE: usize = 64 << 10;

/// Rows whose recorded outcome is another one on purpose, each with what it is here and why.
const ON_PURPOSE: [(&str, &[u8], &str); 1] = [(
    "irmen+pickle/UnpicklerTest.java:423 (known)",
    b"a5:\x01\x02\x7f\x80\xff",
    "CPython 2.7 writes a bytearray as a call with Latin-1 text and the codec's name, which is plain data; \
     the row's table of what is allowed knows `_codecs.encode` alone",
)];

/// Values of more nodes than this are compared no further than that they are values.
const BUDGET: usize = 3_000_000;

/// Decodes every stream under the folder.
///
/// # Errors
///
/// When one has another outcome than the file says, takes a second, or exceeds the bound of memory.
fn run(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut total = Tally::default();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file)?;
        let mut tally = Tally::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let row: Value = serde_json::from_str(line).with_context(|| name.clone())?;
            tally.row(&row)?;
        }
        println!(
            "{name}: {} streams, {} as expected, {} on purpose not, {} left out, {} failures; slowest {:.0} ms ({}), \
             most heap {:.2} of what is allowed ({})",
            tally.streams,
            tally.good,
            tally.on_purpose,
            tally.left_out,
            tally.failures.len(),
            tally.slowest.0.as_secs_f64() * 1000.0,
            tally.slowest.1,
            tally.heap.0,
            tally.heap.1,
        );
        for failure in &tally.failures {
            println!("  {failure}");
        }
        total.streams += tally.streams;
        total.failures.extend(tally.failures);
    }
    ensure!(total.streams > 0, "no *.jsonl with streams in {}", folder.display());
    ensure!(
        total.failures.is_empty(),
        "replay: {} failures in {} streams",
        total.failures.len(),
        total.streams
    );
    println!("replay: {} streams as expected", total.streams);
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "jsonl") {
            files.push(path);
        }
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "a figure to look at")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[derive(Default)]
struct Tally {
    streams: usize,
    good: usize,
    left_out: usize,
    on_purpose: usize,
    failures: Vec<String>,
    slowest: (Duration, String),
    heap: (f64, String),
}

/// What a row allows.
struct Expected {
    value: bool,
    form: Option<Vec<u8>>,
    kinds: Vec<String>,
}

impl Tally {
    fn row(&mut self, row: &Value) -> Result<()> {
        let id = row["id"].as_str().unwrap_or("?").to_owned();
        let input = bytes(row).with_context(|| id.clone())?;
        if !row["disagree"].is_null() {
            self.streams += 1;
            self.left_out += 1;
            // No outcome to compare, and yet it must end well.
            drop(self.measure(&id, &input, &DecodeOptions::new(), false));
            return Ok(());
        }
        if row["expect"].is_string() {
            let options = DecodeOptions::new().py2_str(Py2Str::Bytes);
            self.check(&id, &input, &options, false, None, &expect(row)?);
        } else if row["expected"].is_object() {
            let used = row["used"].as_u64().and_then(|used| usize::try_from(used).ok());
            let options = DecodeOptions::new().py2_str(Py2Str::Bytes);
            self.check(&id, &input, &options, true, used, &expected(&row["expected"])?);
            if row["expected_allow"].is_object() {
                let known = options.globals(Globals::Known);
                let id = format!("{id} (known)");
                self.check(&id, &input, &known, true, used, &expected(&row["expected_allow"])?);
            }
        } else {
            bail!("{id}: neither `expect` nor `expected`");
        }
        Ok(())
    }

    /// Decodes once, with the clock and the heap watched.
    fn measure(&mut self, id: &str, input: &[u8], options: &DecodeOptions, prefix: bool) -> Answer {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let start = Instant::now();
        let mut decoder = Decoder::with_options(options.clone());
        let result = match prefix {
            true => decoder.decode_prefix(input),
            false => decoder.decode(input).map(|document| (document, input.len())),
        };
        drop(decoder);
        let took = start.elapsed();
        let heap = HEAP.peak_usage().saturating_sub(before);
        if took > Duration::from_secs(1) {
            self.failures.push(format!("{id}: took {:.1} s", took.as_secs_f64()));
        }
        let allowed = HEAP_BASE + 32 * input.len();
        if heap > allowed {
            self.failures.push(format!("{id}: {heap} bytes of heap for {} bytes", input.len()));
        }
        if took > self.slowest.0 {
            self.slowest = (took, id.to_owned());
        }
        if share(heap, allowed) > self.heap.0 {
            self.heap = (share(heap, allowed), id.to_owned());
        }
        match result {
            Ok((document, used)) => Ok((canon::form(document.root(), BUDGET), used)),
            Err(error) => Err(error.kind()),
        }
    }

    fn check(
        &mut self,
        id: &str,
        input: &[u8],
        options: &DecodeOptions,
        prefix: bool,
        used: Option<usize>,
        expected: &Expected,
    ) {
        self.streams += 1;
        let fault = match self.measure(id, input, options, prefix) {
            Ok((Err(canon::NoForm::Object), _)) => {
                // The wider table of known types read what the row's narrower one refuses.
                self.left_out += 1;
                return;
            }
            Ok((form, end)) => match (&form, &expected.form) {
                _ if !expected.value => Some(format!("read as {}", shown(&form))),
                (Ok(form), Some(wanted)) if form != wanted => {
                    Some(format!("read as {}, expected {}", canon::shown(form), canon::shown(wanted)))
                }
                _ => used.filter(|used| *used != end).map(|used| format!("ends at {end}, expected {used}")),
            },
            Err(kind) if expected.kinds.iter().any(|wanted| wanted == "error" || wanted == kind.as_str()) => {
                None
            }
            Err(kind) => {
                let value = if expected.value { " or a value" } else { "" };
                Some(format!("refused as {}, expected {:?}{value}", kind.as_str(), expected.kinds))
            }
        };
        match fault {
            None => self.good += 1,
            Some(fault) => match on_purpose(id, &fault) {
                Some(why) => {
                    println!("{id}: {fault}, on purpose: {why}");
                    self.on_purpose += 1;
                }
                None => self.failures.push(format!("{id}: {fault}")),
            },
        }
    }
}

/// Why a difference is wanted, if it is one of those, to the byte.
fn on_purpose(id: &str, fault: &str) -> Option<&'static str> {
    let (_, _, why) = ON_PURPOSE
        .iter()
        .find(|(row, form, _)| *row == id && fault == format!("read as {}", canon::shown(form)))?;
    Some(why)
}

type Answer = Result<(Result<Vec<u8>, canon::NoForm>, usize), ErrorKind>;

fn shown(form: &Result<Vec<u8>, canon::NoForm>) -> String {
    form.as_ref().map_or_else(|_| "a large value".to_owned(), |form| canon::shown(form))
}

/// The stream of a row.
fn bytes(row: &Value) -> Result<Vec<u8>> {
    if let Some(hex) = row["hex"].as_str() {
        return unhex(hex);
    }
    let expression = row["py"].as_str().context("neither `hex` nor `py`")?;
    let pythons = python::find();
    let python = pythons.last().context("`py` needs a CPython, and there is none")?;
    let program = format!("import sys; sys.stdout.buffer.write({expression})");
    process::output(python.command().args(["-I", "-c", &program]))
}

fn unhex(hex: &str) -> Result<Vec<u8>> {
    try_unhex(hex).context("not hexadecimal")
}

fn expect(row: &Value) -> Result<Expected> {
    let mut words: Vec<&str> = row["expect"].as_str().into_iter().collect();
    words.extend(row["alt"].as_array().into_iter().flatten().filter_map(Value::as_str));
    let loose = words.iter().any(|word| word.starts_with("value:"));
    let form = match &row["value"] {
        value @ Value::Array(_) if !loose => known_form(value)?,
        _ => None,
    };
    let kinds = words.iter().filter_map(|word| word.strip_prefix("reject:")).map(str::to_owned).collect();
    Ok(Expected { value: words.iter().any(|word| word.starts_with("value")), form, kinds })
}

fn expected(outcome: &Value) -> Result<Expected> {
    match outcome["reject"].as_str() {
        // Which of two faults a stream is refused for depends on the order of the checks.
        Some(_) => Ok(Expected { value: false, form: None, kinds: vec!["error".to_owned()] }),
        None => Ok(Expected { value: true, form: known_form(&outcome["value"])?, kinds: Vec::new() }),
    }
}

/// The canonical form, unless the value is tagged as one for which the list has no words.
fn known_form(value: &Value) -> Result<Option<Vec<u8>>> {
    if value.to_string().contains("[\"other\"") { Ok(None) } else { tagged(value).map(Some) }
}

/// The canonical form of a tagged list.
fn tagged(value: &Value) -> Result<Vec<u8>> {
    let mut writer = Tagged { defined: Vec::new(), path: Vec::new(), left: BUDGET };
    let mut out = Vec::new();
    writer.form(value, None, &mut out)?;
    Ok(out)
}

struct Tagged<'a> {
    defined: Vec<(u64, &'a Value)>,
    /// The number of each container on the way down, where it has one.
    path: Vec<Option<u64>>,
    left: usize,
}

impl<'a> Tagged<'a> {
    fn form(&mut self, value: &'a Value, number: Option<u64>, out: &mut Vec<u8>) -> Result<()> {
        self.left = self.left.checked_sub(1).context("a value that is too large")?;
        let tag = value[0].as_str().with_context(|| format!("{value} is no tagged list"))?;
        let text = || value[1].as_str().with_context(|| format!("{value}: text expected"));
        let put = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
        match tag {
            "none" => put(out, "N"),
            "bool" => put(out, if value[1] == true { "T" } else { "F" }),
            "int" | "inthex" => {
                let text = text()?;
                let (negative, digits) =
                    text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
                let (digits, radix) = digits.strip_prefix("0x").map_or((digits, 10), |digits| (digits, 16));
                let number =
                    num_bigint::BigUint::parse_bytes(digits.as_bytes(), radix).context("no integer")?;
                put(out, &canon::int(negative, number.to_str_radix(16)));
            }
            "float" => put(out, &format!("f{}", text()?)),
            "str" => canon::counted(out, 's', text()?.as_bytes()),
            "strsur" => canon::counted(out, 's', &unhex(text()?)?),
            "bytes" => canon::counted(out, 'b', &unhex(text()?)?),
            "bytearray" => canon::counted(out, 'a', &unhex(text()?)?),
            "def" => {
                let number = value[1].as_u64().context("a number expected")?;
                self.defined.push((number, &value[2]));
                self.form(&value[2], Some(number), out)?;
            }
            "ref" => {
                let number = value[1].as_u64().context("a number expected")?;
                match self.path.iter().rev().position(|at| *at == Some(number)) {
                    Some(distance) => put(out, &format!("^{distance};")),
                    None => {
                        let defined = self.defined.iter().find(|(at, _)| *at == number);
                        let (_, value) = *defined.context("a reference to nothing")?;
                        self.form(value, Some(number), out)?;
                    }
                }
            }
            _ => self.container(tag, &value[1], number, out)?,
        }
        Ok(())
    }

    fn container(
        &mut self,
        tag: &str,
        items: &'a Value,
        number: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let name = match tag {
            "list" => b'l',
            "tuple" => b't',
            "dict" => b'd',
            "set" => b'S',
            "frozenset" => b'Z',
            _ => bail!("{tag} is no tag"),
        };
        self.path.push(number);
        let mut parts = Vec::new();
        for item in items.as_array().context("items expected")? {
            let mut part = Vec::new();
            if name == b'd' {
                self.form(&item[0], None, &mut part)?;
                self.form(&item[1], None, &mut part)?;
            } else {
                self.form(item, None, &mut part)?;
            }
            parts.push(part);
        }
        self.path.pop();
        if matches!(name, b'S' | b'Z') {
            parts.sort();
        }
        out.extend([name, b'(']);
        out.extend(parts.concat());
        out.push(b')');
        Ok(())
    }
}

#[test]
#[ignore = "takes minutes, and the name of a folder: cargo xtask conformance --dir PATH"]
fn every_stream_of_a_folder_has_its_outcome() {
    let folder =
        std::env::var_os("LOGRECORD_CONFORMANCE_DIR").expect("LOGRECORD_CONFORMANCE_DIR names a folder");
    run(Path::new(&folder)).unwrap();
}

#[test]
fn tagged_lists_have_the_same_form_as_documents() {
    let cyclic = json!(["def", 0, ["list", [["int", "1"], ["ref", 0]]]]);
    assert_eq!(tagged(&cyclic).unwrap(), b"l(i1;^0;)");
    let shared = json!(["tuple", [["def", 0, ["list", []]], ["ref", 0]]]);
    assert_eq!(tagged(&shared).unwrap(), b"t(l()l())");
    assert_eq!(tagged(&json!(["int", "-18446744073709551616"])).unwrap(), b"i-10000000000000000;");
    assert!(tagged(&json!(["what"])).is_err());
}

#[test]
fn a_row_is_compared() {
    let mut tally = Tally::default();
    let rows = [
        (json!({"id": "a", "hex": "4b052e", "expect": "value", "value": ["int", "5"]}), true),
        (json!({"id": "b", "hex": "4b052e", "expect": "value", "value": ["int", "6"]}), false),
        (json!({"id": "c", "hex": "4b", "expect": "reject:eof"}), true),
        (json!({"id": "d", "hex": "4b", "expect": "reject:opcode", "alt": ["value"]}), false),
        (json!({"id": "e", "hex": "4e2e4e2e", "expected": {"value": ["none"]}, "used": 2}), true),
        (json!({"id": "f", "hex": "4e2e4e2e", "expected": {"reject": "error"}}), false),
    ];
    for (number, (row, good)) in rows.iter().enumerate() {
        let before = tally.good;
        tally.row(row).unwrap();
        assert_eq!(tally.good - before == 1, *good, "row {number}: {:?}", tally.failures);
    }
}
