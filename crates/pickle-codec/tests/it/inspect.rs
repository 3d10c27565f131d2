//! The listing of `inspect` against `pickletools.dis`, over every golden pickle and odd literals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests may fail loudly")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pickle_codec::inspect::{Lister, MAX_SHOWN, disassemble};

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

/// The lines that a pickle in pieces of a length gives.
fn listing_in_pieces(pickle: &[u8], len: usize) -> String {
    let mut listing = String::new();
    let mut take = |line: &str| {
        listing.push_str(line);
        listing.push('\n');
        Ok::<(), std::convert::Infallible>(())
    };
    let mut lister = Lister::text();
    for piece in pickle.chunks(len) {
        assert!(lister.feed(piece, &mut take).is_ok());
    }
    assert!(lister.finish(&mut take).is_ok());
    listing
}

#[test]
fn a_listing_is_the_same_in_pieces() {
    let long = "x".repeat(MAX_SHOWN + 1);
    let counted = |opcode: &[u8], len: usize| {
        [opcode, &u64::try_from(len).unwrap().to_le_bytes(), &vec![b'a'; len.min(MAX_SHOWN + 5)], b"N."]
            .concat()
    };
    let mut pickles: Vec<Vec<u8>> = vec![
        counted(b"\x8e", MAX_SHOWN),
        counted(b"\x8e", MAX_SHOWN + 1),
        counted(b"(\x8d", MAX_SHOWN + 5),
        counted(b"\x96", usize::MAX),
        [b"\x8d\x02\0\x10\0\0\0\0\0".as_slice(), &vec![0xff; 0x10_0002], b"."].concat(),
        format!("V{long}\nI{long}\n(c{long}\n{long}\ni{long}\nn\n.").into_bytes(),
        format!("I0x10\nS'a\n(lp0\n{long}").into_bytes(),
        format!("P{long}").into_bytes(),
        b"T\xff\xff\xff\xff.".to_vec(),
        b"(((t0t\x85(1(0\x94\x94q\x01\x94p7\n\x94q\x06\x94p-1\n\x94.".to_vec(),
        b"N\xff.".to_vec(),
        b"X\x02\0\0\0\xff\xff.".to_vec(),
        b"Nrest\x80".to_vec(),
        b"cos\nsystem".to_vec(),
        b"".to_vec(),
    ];
    for literal in LITERALS {
        pickles
            .push(format!("(I{literal}\nS{literal}\nF{literal}\nNp{literal}\nL{literal}\nt.").into_bytes());
    }
    for pickle in &pickles {
        let whole = listing(pickle);
        let start = pickle.get(..20).unwrap_or(pickle).escape_ascii().to_string();
        let lens: &[usize] = if pickle.len() < 1000 { &[1, 2, 7] } else { &[4096, 1 << 19, (1 << 20) + 3] };
        for len in lens {
            assert_eq!(listing_in_pieces(pickle, *len), whole, "{start} in pieces of {len}");
        }
        assert!(whole.len() < 5 * MAX_SHOWN, "{start}");
    }
    let omitted = format!("    0: \\x8e BINBYTES8  <an argument of {} bytes>\n", MAX_SHOWN + 1);
    assert!(listing(&pickles[1]).starts_with(&omitted), "{}", &listing(&pickles[1])[..80]);
    assert_eq!(listing(&pickles[5]).matches("<an argument of ").count(), 4);
}

#[test]
fn marks_and_memo_entries_without_end_are_listed() {
    let many = 100_000;
    let puts: Vec<u8> =
        (0..many).flat_map(|index: u32| [b"r".as_slice(), &(2 * index).to_le_bytes()].concat()).collect();
    let deep =
        [b"(".repeat(many as usize), b"1".repeat(many as usize), b"1N".to_vec(), puts, b"\x94.".to_vec()]
            .concat();
    let listing = listing(&deep);
    assert!(listing.contains("POP_MARK   (MARK at 99999)") && listing.contains("POP_MARK   (MARK)\n"));
    assert_eq!(listing.matches("no MARK exists on stack").count(), 1);
    assert!(listing.contains("MEMOIZE\n"), "the index is not known any more");
}
