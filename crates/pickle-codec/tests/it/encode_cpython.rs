//! What CPython's C pickler writes, decoded and encoded again, is the same bytes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it skips"
)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use pickle_codec::{DecodeOptions, Decoder, EncodeOptions, Globals, Limits, Protocol};
use testkit::bytes::unhex;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/encode_graphs.py");

#[test]
fn encoding_again_gives_the_same_bytes() {
    // The C pickler's bytes are those of today since 3.8.
    let pythons = testkit::python::python_3(8..14);
    let seeds: u32 =
        std::env::var("LOGRECORD_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(250);
    let options = DecodeOptions::new().globals(Globals::Inert).limits(Limits::default());
    let mut decoder = Decoder::with_options(options);
    for python in pythons {
        let mut child = Command::new(&python.path)
            .args([SCRIPT, "0", &seeds.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter was there a moment ago");
        let mut compared = 0;
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("ASCII");
            let (number, hex) = line.split_once(' ').expect("two words");
            let protocol = Protocol::new(number.parse().expect("a number")).expect("0 to 5");
            let pickle = unhex(hex);
            let document = match decoder.decode(&pickle) {
                Ok(document) => document,
                Err(error) => panic!("{}: {error}: {}", python.path.display(), pickle.escape_ascii()),
            };
            let again = document.to_vec(protocol).expect("CPython wrote it under this protocol");
            if again != pickle {
                let at = again.iter().zip(&pickle).take_while(|(left, right)| left == right).count();
                let from = at.saturating_sub(200);
                panic!(
                    "{} protocol {number} differs at byte {at} of {}, lengths {}:\n ours  {}\n theirs {}",
                    python.path.display(),
                    pickle.len(),
                    again.len(),
                    again[from..(at + 60).min(again.len())].escape_ascii(),
                    pickle[from..(at + 60).min(pickle.len())].escape_ascii(),
                );
            }
            compared += 1;
            if compared % 7 == 0 {
                // Without the memo opcodes that nobody needs, it is the same graph.
                let lean = document.to_vec_with(EncodeOptions::new(protocol).memo(false)).expect("as above");
                let other = Decoder::with_options(decoder.options().clone())
                    .decode(&lean)
                    .expect("still a pickle")
                    .to_vec(protocol)
                    .expect("as above");
                assert!(other == pickle, "{}", pickle.escape_ascii());
            }
            decoder.recycle(document);
        }
        assert!(child.wait().expect("it ran").success());
        assert!(compared > u64::from(seeds) * 3, "{compared} pickles only");
        println!("{}: {compared} pickles are the same", python.path.display());
    }
}
