//! The listing of `inspect` against `pickletools.dis`, over every golden pickle and odd literals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests may fail loudly")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pickle_codec::inspect::disassemble;

/// Reads hexadecimal lines and answers each with the listing (or the error) in hexadecimal.
const DIS: &str = r"
import io, pickletools, sys
for line in sys.stdin:
    out = io.StringIO()
    try:
        pickletools.dis(bytes.fromhex(line), out)
        text = out.getvalue()
    except Exception as error:
        text = 'error'
    print(text.encode('utf-8', 'surrogatepass').hex())
";

/// Lines of text that `pickletools` reads in its own way behind the opcodes that take a number.
const LITERALS: &[&str] = &[
    "0",
    "-0",
    "00",
    "01",
    "+0",
    "007",
    "-5",
    "+5",
    " 5",
    "5\r",
    "\t5 ",
    "1_0",
    "1__0",
    "_1",
    "1_",
    "5L",
    "1_0L",
    "00L",
    "01L",
    "0x10",
    "0b1",
    "1.5",
    "1_0.0",
    "1_.0",
    ".5",
    "5.",
    "1e5",
    "1e1_0",
    "1e400",
    "-1e400",
    "1e-400",
    "nan",
    "-nan",
    "iNf",
    "+infinity",
    " 1.0",
    "1.0\x0b",
    "1\0",
    "",
    "99999999999999999999",
    "'",
    "''",
    "\"'\"",
];

fn listing(pickle: &[u8]) -> String {
    let mut listing = String::new();
    let verdict = disassemble(pickle, &mut |line: &str| {
        listing.push_str(line);
        listing.push('\n');
        Ok::<(), std::convert::Infallible>(())
    });
    assert!(verdict.is_ok());
    listing
}

#[test]
fn the_listing_is_pickletools_own() {
    let Some(python) = testkit::python::python_3(8..u16::MAX).pop() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/pickles");
    let mut pickles = Vec::new();
    for literal in LITERALS {
        for opcode in ["I", "L", "F", "S", "Np", "Np1\n0g"] {
            let pickle = format!("{opcode}{literal}\n.");
            pickles.push((pickle.clone().into(), pickle.into_bytes()));
        }
    }
    let literals = pickles.len();
    for entry in std::fs::read_dir(folder).expect("testdata/pickles is there").flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "pickle") {
            let pickle = std::fs::read(entry.path()).expect("a golden pickle can be read");
            if pickle.len() < 200_000 {
                pickles.push((entry.file_name(), pickle));
            }
        }
    }
    let input: String = pickles
        .iter()
        .map(|(_, pickle)| pickle.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect();
    let mut child = Command::new(python.path)
        .args(["-c", DIS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("Python ends");
    writer.join().expect("the writer ends").expect("Python reads everything");
    let listings = String::from_utf8(output.stdout).expect("hexadecimal");
    let mut compared = 0;
    for ((name, pickle), expected) in pickles.iter().zip(listings.lines()) {
        let ours: String = listing(pickle).bytes().map(|byte| format!("{byte:02x}")).collect();
        // `pickletools.dis` refuses memo entries that are stored twice, and more; we go on.
        if expected != "6572726f72" {
            assert_eq!(unhex(&ours), shallow(&unhex(expected)), "{name:?}");
            compared += 1;
        }
    }
    assert!(
        compared > (pickles.len() - literals) / 2 + literals / 3,
        "{compared} of {} listings",
        pickles.len()
    );
}

/// What `pickletools` prints, indented no deeper than the listing here is.
fn shallow(listing: &str) -> String {
    let line = |line: &str| {
        // Offset, colon and opcode byte come before the indentation.
        let Some(begin) = line.find(": ").map(|colon| colon + 7) else { return line.to_owned() };
        let Some((head, rest)) = line.split_at_checked(begin) else { return line.to_owned() };
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        format!("{head}{}", &rest[blanks.saturating_sub(40)..])
    };
    listing.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn unhex(hex: &str) -> String {
    String::from_utf8_lossy(&testkit::bytes::unhex(hex)).into_owned()
}
