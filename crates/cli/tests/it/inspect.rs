//! `logrecord inspect` on files as people have them: bare pickles, streams, folders, archives, and what is neither.
#![cfg(feature = "archives")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails the test"
)]

use crate::common;

use std::io::Write as _;
use std::path::Path;

use common::{lines, run};

const EVIL: &[u8] = b"cos\nsystem\n(S'id'\ntR.";
const GOOD: &[u8] = b"\x80\x02]q\0K\x01a.";
const SAID: &str = "names or calls: os.system at 0";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The lines and the exit code of `inspect` with these arguments, in a folder.
fn inspect(folder: &Path, args: &[&str]) -> (Vec<String>, Option<i32>) {
    let place = folder.display().to_string();
    let args: Vec<String> = args.iter().map(|arg| arg.replace("DIR", &place)).collect();
    let mut words = vec!["inspect"];
    words.extend(args.iter().map(String::as_str));
    let output = run(&words, b"");
    let lines = lines(&output).into_iter().map(|line| line.replace(&format!("{place}/"), "")).collect();
    (lines, output.status.code())
}

#[test]
fn one_file_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let nested =
        gzip(&tar(&[("models/m.pt", &zip(&[("archive/data.pkl", EVIL), ("archive/data/0", b"\0\0")]))]));
    let mut npy = b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".to_vec();
    npy.resize(10 + 118, b' ');
    npy.extend_from_slice(EVIL);
    let numbers =
        [b"\x93NUMPY\x01\0\x2a\0{'descr': '<f8', 'shape': (1,), }         \n".as_slice(), b"12345678"]
            .concat();
    let rows: &[(&str, Vec<u8>, &[&str], i32)] = &[
        ("stream.pkl", GOOD.repeat(3), &["data only", "data only", "data only"], 0),
        (
            "spaced.pkl",
            [GOOD, b"\n", EVIL, b"\n"].concat(),
            &["data only", "names or calls: os.system at 10"],
            1,
        ),
        (
            "m.pt",
            zip(&[("archive/data.pkl", EVIL), ("archive/version", b"3\n")]),
            &["m.pt!archive/data.pkl: SAID"],
            1,
        ),
        ("ok.pt", zip(&[("archive/data.pkl", GOOD)]), &["ok.pt!archive/data.pkl: data only"], 0),
        ("bad.pt", zip(&[("data.pkl", b"\xff")]), &["bad.pt!data.pkl: not a pickle: not an opcode at 0"], 1),
        ("a.pkl.gz", gzip(EVIL), &["a.pkl.gz: SAID"], 1),
        ("a.joblib", zlib(GOOD), &["a.joblib: data only"], 0),
        ("old.joblib", [b"ZF0x16".as_slice(), &[b' '; 16], &zlib(EVIL)].concat(), &["old.joblib: SAID"], 1),
        (
            "older.joblib",
            [b"ZF0x16".as_slice(), &[b' '; 15], &zlib(EVIL)].concat(),
            &["older.joblib: SAID"],
            1,
        ),
        ("all.tar.gz", nested, &["all.tar.gz!models/m.pt!archive/data.pkl: SAID"], 1),
        ("objects.npy", npy, &["objects.npy: SAID"], 1),
        ("numbers.npy", numbers, &["numbers.npy: not a pickle: a numpy array without objects"], 0),
        ("a.npz", zip(&[("a", b"12")]), &["a.npz: not a pickle: an archive in which no member is one"], 0),
        (
            "stream.bin",
            [b"\0\0\0\x07", GOOD].concat(),
            &["highest protocol", "not a pickle: not an opcode at 3 (frames, it seems: try --input frames)"]
                [1..],
            1,
        ),
        ("cut.zip", b"PK\x03\x04cut off".to_vec(), &["cut.zip: cannot be read: "], 1),
    ];
    for (name, bytes, expected, code) in rows {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let (lines, status) = inspect(folder.path(), &[&format!("DIR/{name}")]);
        let expected: Vec<String> = expected.iter().map(|line| line.replace("SAID", SAID)).collect();
        if name.starts_with("cut") {
            assert!(lines[0].starts_with(&expected[0]), "{lines:?}");
        } else {
            assert_eq!(lines, expected, "{name}");
        }
        assert_eq!(status, Some(*code), "{name}");
    }
    // Bare pickles are listed, from a file and from frames and hexadecimal.
    let frame = [&u32::try_from(EVIL.len()).unwrap().to_be_bytes(), EVIL].concat();
    let hex: String = EVIL.iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, bytes, input) in
        [("evil", EVIL.to_vec(), "pickle"), ("frames", frame, "frames"), ("hex", hex.into_bytes(), "hex")]
    {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let (lines, status) = inspect(folder.path(), &["--input", input, &format!("DIR/{name}")]);
        assert_eq!((lines.len(), lines[0].as_str()), (8, "    0: c    GLOBAL     'os system'"), "{name}");
        assert_eq!((lines[7].as_str(), status), (SAID, Some(1)), "{name}");
    }
}

#[test]
fn a_folder_has_a_line_a_pickle_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    write("a.pkl", GOOD);
    write("notes.txt", b"hello\nmusic\nfoo\n");
    write("program.py", b"import os\nimport sys\n");
    write("image.png", b"\x89PNG\r\n\x1a\n");
    write("sub/b.bin", EVIL);
    write("sub/c.pkl", b"no pickle");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("sub/loop")).unwrap();
    let (lines, status) = inspect(folder.path(), &["DIR"]);
    assert_eq!(lines[0], "a.pkl: data only");
    assert_eq!(lines[1], format!("sub/b.bin: {SAID}"));
    assert_eq!(lines[2], "sub/c.pkl: not a pickle: text");
    assert!(lines[3].starts_with("2 pickles in 6 files: 1 data only, 1 with names or calls"), "{}", lines[3]);
    assert_eq!((lines.len(), status), (4, Some(1)));
}

#[test]
fn the_exit_code_is_what_the_options_say() {
    let numpy = b"cnumpy\ndtype\n.".as_slice();
    let unknown = b"cmypkg\nModel\n.".as_slice();
    let computed = b"\x80\x04cmypkg\nname\n)R\x8c\x01x\x93.".as_slice();
    let rows: &[(&[u8], [i32; 4])] = &[
        (GOOD, [0, 0, 0, 0]),
        (numpy, [1, 0, 0, 0]),
        (unknown, [1, 1, 0, 0]),
        (computed, [1, 1, 1, 0]),
        (EVIL, [1, 1, 1, 0]),
        (b"no pickle", [1, 1, 1, 0]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (pickle, codes) in rows {
        std::fs::write(folder.path().join("p"), pickle).unwrap();
        for (word, code) in ["names", "unknown", "calls", "never"].iter().zip(codes) {
            let (_, status) = inspect(folder.path(), &["--fail-on", word, "DIR/p"]);
            assert_eq!(status, Some(*code), "--fail-on {word}: {}", pickle.escape_ascii());
        }
    }
    std::fs::write(folder.path().join("p"), unknown).unwrap();
    let (_, status) = inspect(folder.path(), &["--allow", "mypkg.Model", "DIR/p"]);
    assert_eq!(status, Some(0));
    assert_eq!(inspect(folder.path(), &["DIR/absent"]).1, Some(69));
}

#[test]
fn json_has_an_object_a_pickle() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.pt"), zip(&[("data.pkl", EVIL)])).unwrap();
    std::fs::write(folder.path().join("g.pkl"), GOOD).unwrap();
    let (lines, _) = inspect(folder.path(), &["--json", "DIR/m.pt", "DIR/g.pkl"]);
    let objects: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["path"], "m.pt!data.pkl");
    assert_eq!(objects[0]["verdict"], SAID);
    assert_eq!(objects[0]["kind"], "names_or_calls");
    assert_eq!(objects[0]["globals"][0]["name"], "os.system");
    assert_eq!(objects[0]["globals"][0]["meaning"], "runs_code");
    assert_eq!(objects[1]["kind"], "data_only");
    let (lines, _) = inspect(folder.path(), &["--json", "--instructions", "DIR/g.pkl"]);
    let object: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(object["instructions"][0]["opcode"], "PROTO");
    assert_eq!(object["instructions"].as_array().unwrap().len(), 6);
}

#[test]
fn what_is_written_as_json_is_what_the_schema_says() {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/inspect.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("m.pt", &zip(&[("data.pkl", EVIL), ("odd.pkl", b"\xff")]));
    write("cut.zip", b"PK\x03\x04cut off");
    write("text.pkl", b"hello");
    let every = b"\x80\x05N\x88I01\nI7\nL9L\nF1.5\nG?\xf8\0\0\0\0\0\0Vtext\n\x8c\x01tC\x01b\x8a\x02\0\x01U\x01sPid\n\x82\x05Gx\xff";
    write("every.pkl", every);
    write("more.pkl", &[GOOD, b"\xff\xff"].concat());
    write("stopped.pkl", b"(Nb.");
    let (lines, status) = inspect(folder.path(), &["--json", "--instructions", "DIR"]);
    let has = |member: &str| lines.iter().any(|line| line.contains(&format!("\"{member}\":")));
    for member in ["path", "problem", "stop", "trailing", "why", "instructions", "argument"] {
        assert!(has(member), "{member} in {lines:?}");
    }
    for line in &lines {
        let object = serde_json::from_str(line).unwrap();
        testkit::schema::check(&schema, &object, &schema).unwrap_or_else(|fault| panic!("{fault} in {line}"));
    }
    assert_eq!((lines.len(), status), (7, Some(1)), "{lines:?}");
}

#[test]
fn the_members_of_a_container_are_listed_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.pt"), zip(&[("data.pkl", EVIL), ("b", &GOOD.repeat(2))])).unwrap();
    let (lines, _) = inspect(folder.path(), &["--instructions", "DIR/m.pt"]);
    assert_eq!(lines[0], "    0: c    GLOBAL     'os system'");
    assert_eq!(lines[7], format!("m.pt!data.pkl: {SAID}"));
    assert_eq!(lines.last().map(String::as_str), Some("m.pt!b: data only"));
    assert_eq!(lines.iter().filter(|line| line.contains("PROTO")).count(), 2);
    let (lines, _) = inspect(folder.path(), &["DIR/m.pt"]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_listing_is_no_longer_than_its_pickle_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("marks"), [b"(".repeat(20_000), b"N.".to_vec()].concat()).unwrap();
    let (lines, _) = inspect(folder.path(), &["DIR/marks"]);
    assert!(lines.iter().all(|line| line.len() < 70));
}

#[test]
fn a_large_file_is_listed_in_bounded_memory() {
    const LEN: u64 = 300 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.pkl");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&[b"\x80\x04\x8e".as_slice(), &LEN.to_le_bytes()].concat()).unwrap();
    file.set_len(11 + LEN).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(b"cos\nsystem\n.").unwrap();
    let program = env!("CARGO_BIN_EXE_logrecord");
    for args in ["inspect", "inspect --json --instructions"] {
        let script = format!("ulimit -v 200000; exec {program} {args} {}", path.display());
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let lines = lines(&output).join("\n");
        assert!(lines.contains(&format!("<an argument of {LEN} bytes>")), "{args}: {output:?}");
        assert!(lines.contains("STOP") && lines.contains("os.system at 314572811"), "{args}: {lines}");
    }
}

#[test]
fn a_pipe_is_read_once_where_it_is_named_and_passed_over_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(inspect(folder.path(), &["DIR"]), (Vec::new(), Some(0)));
    let archive = zip(&[("data.pkl", EVIL)]);
    for (bytes, last) in [(EVIL, SAID.to_owned()), (&archive, format!("pipe!data.pkl: {SAID}"))] {
        std::thread::scope(|scope| {
            scope.spawn(|| std::fs::write(&pipe, bytes).unwrap());
            let (lines, status) = inspect(folder.path(), &["DIR/pipe"]);
            assert_eq!((lines.last(), status), (Some(&last), Some(1)), "{lines:?}");
        });
    }
}

#[test]
fn containers_in_containers_are_followed_to_a_depth() {
    let folder = tempfile::tempdir().unwrap();
    for (depth, expected) in [(9, SAID), (10, "cannot be read: containers lie too deep in one another")] {
        let bomb = (0..depth).fold(EVIL.to_vec(), |inner, _| gzip(&inner));
        std::fs::write(folder.path().join("bomb"), bomb).unwrap();
        let (lines, status) = inspect(folder.path(), &["DIR/bomb"]);
        assert_eq!((lines, status), (vec![format!("bomb: {expected}")], Some(1)));
    }
}

/// An archive with one stored member, in which bytes are replaced: `(place, bytes)`, from the beginning of the entry in
/// the directory, or of the member's own header where it is `None`.
fn broken_zip(changes: &[(bool, usize, &[u8])]) -> Vec<u8> {
    let mut archive = zip(&[("archive/data.pkl", EVIL)]);
    let entry = archive.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    for (in_directory, place, bytes) in changes {
        let place = place + if *in_directory { entry } else { 0 };
        archive[place..place + bytes.len()].copy_from_slice(bytes);
    }
    archive
}

#[test]
fn an_archive_that_is_broken_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let member = format!("m!archive/data.pkl: {SAID}");
    let both = zip(&[("archive/data.pkl", EVIL), ("archive/dat2.pkl", GOOD)]);
    let twice = replaced(&both, b"dat2", b"data");
    let bare = format!("m: {SAID}");
    let good = "m!archive/data.pkl: data only".to_owned();
    let encrypted = "m!archive/data.pkl: cannot be read: it is encrypted".to_owned();
    let seven = zip(&[("a.pt", b"7z\xbc\xaf\x27\x1c\0\x04")]);
    let old_tar = changed_tar(257, &[0; 8]);
    let odd_tar = changed_tar(156, b"7");
    let polyglot = tar(&[("cos\nsystem\n(S'id'\ntR.", b"\xff")]);
    let cut = gzip(&[EVIL, &noise(1 << 16)].concat());
    let rows: &[(&str, Vec<u8>, Vec<String>, i32)] = &[
        (
            "flag of encryption",
            broken_zip(&[(true, 8, b"\x01"), (false, 6, b"\x01")]),
            vec![member.clone()],
            1,
        ),
        ("other flags", broken_zip(&[(true, 8, b"\x60\x20")]), vec![member.clone()], 1),
        ("checksum", broken_zip(&[(true, 16, b"abcd"), (false, 14, b"abcd")]), vec![member.clone()], 1),
        ("name in the header", broken_zip(&[(false, 30, b"x")]), vec![member.clone()], 1),
        ("method in the header", broken_zip(&[(false, 8, b"\x63")]), vec![member.clone()], 1),
        ("lengths in the header", broken_zip(&[(false, 18, &[0xff; 8])]), vec![member.clone()], 1),
        ("length of what comes out", broken_zip(&[(true, 24, b"\x01")]), vec![member.clone()], 1),
        (
            "count of members",
            {
                let mut archive = zip(&[("archive/data.pkl", EVIL)]);
                let end = archive.len() - 22;
                archive[end + 8..end + 12].fill(0);
                archive
            },
            vec![member.clone()],
            1,
        ),
        ("a name twice", twice, vec![member.clone(), good], 1),
        (
            "behind a pickle",
            [GOOD, b"\xff", &zip(&[("archive/data.pkl", EVIL)])].concat(),
            vec!["m: data only; the bytes from 9 on are no pickle".into(), member.clone()],
            1,
        ),
        (
            "behind noise",
            [noise(70_000), zip(&[("archive/data.pkl", EVIL)])].concat(),
            vec!["m: not a pickle: ".into(), member.clone()],
            1,
        ),
        (
            "two of them",
            [zip(&[("a", GOOD)]), zip(&[("archive/data.pkl", EVIL)])].concat(),
            vec![member.clone()],
            1,
        ),
        (
            "another end record in the comment",
            [zip(&[("archive/data.pkl", EVIL)]), b"PK\x05\x06".repeat(9)].concat(),
            vec![member.clone()],
            1,
        ),
        ("something behind it", [zip(&[("archive/data.pkl", EVIL)]), noise(1000)].concat(), vec![member], 1),
        ("encrypted", broken_zip(&[(true, 8, b"\x01"), (false, 46, &[0xff; 8])]), vec![encrypted], 1),
        (
            "another method",
            broken_zip(&[(true, 10, b"\x63")]),
            vec![
                "m!archive/data.pkl: cannot be read: it is compressed by method 99, which is not looked into"
                    .into(),
            ],
            1,
        ),
        (
            "no directory",
            b"PK\x03\x04cut off".to_vec(),
            vec!["m: cannot be read: the archive has no directory".into()],
            1,
        ),
        (
            "an archive of another kind in it",
            seven,
            vec!["m!a.pt: cannot be read: a 7-Zip archive, which is not looked into".into()],
            1,
        ),
        ("the oldest tar", old_tar, vec![format!("m!data.pkl: {SAID}")], 1),
        ("an odd type in tar", odd_tar, vec![format!("m!data.pkl: {SAID}")], 1),
        ("a pickle that is a tar", polyglot, vec![bare.clone()], 1),
        ("a pickle that is cut", cut[..cut.len() - 20].to_vec(), vec![bare, "m: cannot be read: ".into()], 1),
    ];
    for (what, bytes, expected, code) in rows {
        std::fs::write(folder.path().join("m"), bytes).unwrap();
        // The second path makes it one of several, so that no listing is in the way.
        std::fs::write(folder.path().join("n"), GOOD).unwrap();
        let (mut lines, status) = inspect(folder.path(), &["DIR/m", "DIR/n"]);
        lines.retain(|line| line.starts_with("m"));
        assert_eq!((lines.len(), status), (expected.len(), Some(*code)), "{what}: {lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected.as_str()), "{what}: {lines:?}");
        }
    }
    // What is not looked into is not passed over in a folder either.
    std::fs::write(folder.path().join("m"), b"\x04\x22\x4d\x18").unwrap();
    let (lines, status) = inspect(folder.path(), &["DIR"]);
    assert_eq!(lines[0], "m: cannot be read: LZ4 data, which is not looked into");
    assert_eq!(status, Some(1));
}

/// A tar archive in whose header bytes are replaced, with the right checksum.
fn changed_tar(place: usize, bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar(&[("data.pkl", EVIL)]);
    archive[place..place + bytes.len()].copy_from_slice(bytes);
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive
}

/// Bytes of which none is an opcode.
fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|at| 0xa0 + (at * at % 61) as u8).collect()
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
        bytes[at..at + old.len()].copy_from_slice(new);
    }
    bytes
}
