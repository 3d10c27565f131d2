//! What a record may become when it is written out is in proportion to its frame, whatever it shares, escapes or
//! spells at length; and an ordinary record passes whole.
#![allow(missing_docs, clippy::unwrap_used, clippy::use_self, reason = "this is a test")]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use logrecord_frame::envelope::{Key, KeyId, MAX_OVERHEAD, Sealer};
use logrecord_model::{Formatter, LogRecord, RecordDecoder, Style, Zone, output_limit};
use peak_alloc::PeakAlloc;
use pickle_codec::json::is_unsafe;
use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, Limits};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The allocator counts for the whole process, so the tests go one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// No record keeps a worker from others for longer; it is far more than any of these takes of a processor.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// A moment in a thread's time on a processor, where the system says it: others may keep this machine busy.
struct Moment(Instant, Option<Duration>);

impl Moment {
    fn now() -> Self {
        Self(Instant::now(), Self::on_processor())
    }

    fn on_processor() -> Option<Duration> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }

    fn elapsed(&self) -> Duration {
        let waited = self.0.elapsed();
        self.1
            .zip(Self::on_processor())
            .map_or(waited, |(before, now)| now.saturating_sub(before).min(waited))
    }
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(text: &[u8]) -> Vec<u8> {
    let mut pickle = vec![b'X'];
    pickle.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
    pickle.extend_from_slice(text);
    pickle
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    let mut pickle = vec![b'B'];
    pickle.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
    pickle.extend_from_slice(bytes);
    pickle
}

/// A record whose extra `x` is what these opcodes make, between a message and another extra.
fn record(value: &[u8]) -> Vec<u8> {
    [&b"}("[..], &text(b"msg"), &text(b"order placed"), &text(b"x"), value, &text(b"y"), b"K\x07u."].concat()
}

/// `leaf` in a list `width` times, that list in a list as often, and so on.
fn ladder(leaf: &[u8], depth: u8, width: usize) -> Vec<u8> {
    let mut value = [leaf, b"q\0"].concat();
    for level in 0..depth {
        let fetch = [b'h', level].repeat(width);
        value = [&value, &b"0]("[..], &fetch, &[b'e', b'q', level + 1]].concat();
    }
    value
}

/// As `ladder`, of dicts, whose keys are fetched as well.
fn dicts(depth: u8, width: u8) -> Vec<u8> {
    let mut value = [text(&[1; 90]), b"q\0".to_vec()].concat();
    for level in 0..depth {
        let pairs: Vec<u8> =
            (0..width).flat_map(|key| [text(&[b'a' + key]), vec![b'h', level]].concat()).collect();
        value = [&value, &b"0}("[..], &pairs, &[b'u', b'q', level + 1]].concat();
    }
    value
}

/// One leaf, fetched as often as the size lets it, in one list.
fn flat(leaf: &[u8], size: usize) -> Vec<u8> {
    [leaf, b"q\0", b"0](", &b"h\0".repeat(size / 2), b"e"].concat()
}

/// Shapes that share, for frames of about this size.
fn shapes(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let part = (size / 3).max(8);
    let controls = vec![1; part];
    let bidi = "\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{85}\u{2028}\u{7f}\u{1b}[2J\n"
        .repeat(part / 34 + 1);
    let bidi = bidi.into_bytes();
    let many = |value: &[u8]| -> Vec<u8> {
        // Extras of their own, each the same object.
        let mut pairs = [&text(b"k"), value, b"q\0"].concat();
        for number in 0..size / 12 {
            pairs.extend([text(number.to_string().as_bytes()), b"h\0".to_vec()].concat());
        }
        [b"}(".as_slice(), &pairs, b"u."].concat()
    };
    let own = |value: &[u8]| -> Vec<u8> {
        let mut pairs = [&text(b"msg")[..], value, b"q\0"].concat();
        for name in
            ["name", "levelname", "pathname", "filename", "module", "exc_text", "stack_info", "funcName"]
        {
            pairs.extend([text(name.as_bytes()), b"h\0".to_vec()].concat());
        }
        [b"}(".as_slice(), &pairs, &text(b"extra key"), b"K\x01u."].concat()
    };
    let args = |value: &[u8], format: &[u8]| {
        [&b"}("[..], &text(b"msg"), &text(format), &text(b"args"), value, b"u."].concat()
    };
    let global = |name: &str, argument: &[u8]| [b"c", name.as_bytes(), b"\n", argument, b"\x85R"].concat();
    let big = [&[0x8b], &u32::try_from(part).unwrap().to_le_bytes()[..], &vec![0x7f; part]].concat();
    let mut shapes = vec![
        ("lists of controls", record(&ladder(&text(&vec![1; part.min(110)]), 4, 10))),
        ("lists of empty lists", record(&ladder(b"]", 6, 20))),
        ("lists of bytes", record(&ladder(&bytes(&vec![0xff; part]), 3, 12))),
        ("dicts", record(&dicts(4, 10))),
        ("one list of a text", record(&flat(&text(&controls), part))),
        ("one list of bidi controls", record(&flat(&text("\u{202e}".repeat(part / 3).as_bytes()), part))),
        ("one list of bytes", record(&flat(&bytes(&controls), part))),
        ("one list of an integer", record(&flat(&big, part))),
        ("an integer", record(&big)),
        ("one list of surrogates", record(&flat(&text(&b"\xed\xa0\x80".repeat(part / 3)), part))),
        ("extras of one text", many(&text(&controls))),
        ("extras of one list", many(&ladder(&text(&[1; 20]), 3, 6))),
        ("extras of one date", many(&global("datetime\ndate", b"C\x04\x07\xea\x01\x02"))),
        ("attributes of one text", own(&text(&controls))),
        (
            "arguments of one text",
            args(&[&text(&controls), b"q\0h\0h\0\x87".as_slice()].concat(), b"%s %r %a"),
        ),
        ("arguments of lists", args(&[ladder(&text(&[1; 90]), 4, 10), vec![0x85]].concat(), b"%s")),
        ("a path", record(&flat(&global("pathlib\nPurePosixPath", &text(&controls)), part))),
        ("a deque", record(&flat(&global("collections\ndeque", &ladder(&text(&controls), 2, 9)), part))),
        ("a decimal", record(&flat(&global("decimal\nDecimal", &text(&vec![b'7'; part.min(4000)])), part))),
        ("a path of bidi controls", record(&global("pathlib\nPurePosixPath", &text(&bidi)))),
        (
            "a deque of bidi controls",
            record(&global("collections\ndeque", &[b"](", &text(&bidi)[..], b"e"].concat())),
        ),
        ("an exception of bidi controls", record(&global("builtins\nValueError", &text(&bidi)))),
        ("a dict of bidi controls", record(&[&b"}"[..], &text(&bidi), &text(&bidi), b"s"].concat())),
        ("a name of bidi controls", record(&[&b"c"[..], &bidi[..18], b"\nC\n"].concat())),
        ("a key of bidi controls", [&b"}("[..], &text(&bidi), &text(b"m"), b"u."].concat()),
        ("a text that is odd", [&b"}("[..], &text(b"levelno"), &text(&bidi), b"u."].concat()),
        ("an exception", record(&flat(&global("__builtin__\nValueError", &text(&controls)), part))),
        ("something unknown", record(&flat(&global("shop\nStatus", &text(&controls)), part))),
    ];
    // A key that is no text is written as its repr.
    let key = [&text(&controls)[..], b"q\0", b"h\0h\0\x87", b"K\x01"].concat();
    shapes.push(("keys", [&b"}("[..], &key, b"h\0h\0\x86K\x02h\0\x85K\x03u."].concat()));
    // Keys that are the same as text.
    let nans = [b"G\x7f\xf8\0\0\0\0\0\0K\x01".as_slice()].concat().repeat(size / 11);
    shapes.push(("keys of one text", [b"}(".as_slice(), &nans, b"u."].concat()));
    shapes
}

fn formatters() -> Vec<Formatter> {
    let formats = [
        (Style::Percent, "%(asctime)s %(levelname)-8s %(name)s %(message)s %(x)s"),
        (Style::Percent, "%(extra)s %(x)r %(x)a"),
        (Style::Brace, "{message} {extra} {x!r:>10}"),
        (Style::Dollar, "$message $extra $x"),
    ];
    let mut all = Vec::new();
    for (style, format) in formats {
        for safe in [true, false] {
            let builder = Formatter::builder().format(format).style(style).safe(safe).lenient(true);
            all.push(builder.zone(Zone::utc()).build().unwrap());
        }
    }
    all.push(Formatter::text(false));
    all
}

/// Asserts that the text is one JSON object in which no key stands twice.
fn parsed(json: &str) -> serde_json::Value {
    struct Keys;
    impl<'de> serde::de::DeserializeSeed<'de> for Keys {
        type Value = ();
        fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }
    impl<'de> serde::de::Visitor<'de> for Keys {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }
        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }
        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }
        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
            while items.next_element_seed(Keys)?.is_some() {}
            Ok(())
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut seen = std::collections::HashSet::new();
            while let Some(key) = map.next_key::<String>()? {
                assert!(seen.insert(key.clone()), "{key:?} stands twice");
                map.next_value_seed(Keys)?;
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.disable_recursion_limit();
    serde::de::DeserializeSeed::deserialize(Keys, &mut deserializer).unwrap();
    serde_json::from_str(json).unwrap()
}

/// Writes a payload out in every way; the number of ways in which something was cut.
fn check(name: &str, payload: &[u8], formatters: &[Formatter]) -> usize {
    let limit = output_limit(payload.len());
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let start = Moment::now();
    let mut decoder = RecordDecoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    let record = decoder.decode(payload).unwrap();
    let mut line = Vec::new();
    let cut = record.write_json(None, &mut line).cut;
    let (took, peak) = (start.elapsed(), HEAP.peak_usage().saturating_sub(before));
    assert!(took < TIME, "{name}: {took:?}");
    // The graph, the record itself, and a line that grows by doubling, with one value beside it.
    let most = (64 << 10) + 32 * payload.len() + (16 << 10) + 64 * payload.len() + 6 * limit;
    assert!(peak <= most, "{name}: {peak} of {most} bytes in memory for {}", payload.len());
    let json = String::from_utf8(line).unwrap();
    assert!(json.len() <= limit, "{name}: {} of {limit} bytes of JSON for {}", json.len(), payload.len());
    let value = parsed(&json);
    assert_eq!(value.get("cut"), cut.then_some(&serde_json::Value::Bool(true)), "{name}");
    // Where not even a key fits, only the member says so.
    assert!(json.contains("...(cut)\"") <= cut, "{name}");
    assert!(!json.contains(is_unsafe), "{name}");
    let start = Moment::now();
    let through_serde = serde_json::to_string(&record).unwrap();
    assert!(start.elapsed() < TIME, "{name}: {:?} by serde", start.elapsed());
    assert!(through_serde.len() <= limit * 3 / 2, "{name}: {} bytes by serde", through_serde.len());
    let mut cuts = usize::from(cut);
    for formatter in formatters {
        let start = Moment::now();
        let mut out = String::from("kept ");
        let written = formatter.format_into(&record, None, &mut out).unwrap();
        let len = out.len() - 5;
        let format = formatter.format_string();
        assert!(start.elapsed() < TIME, "{name}: {:?} by {format}", start.elapsed());
        assert!(len <= limit + 16, "{name}: {len} of {limit} bytes by {format}");
        assert!(out.ends_with("...(cut)") <= written.cut, "{name}: {format}");
        cuts += usize::from(written.cut);
    }
    let mut again = Vec::new();
    // An integer of many digits has no spelling in protocol 1.
    let _refused = record.to_pickle(&mut again).is_err();
    assert!(again.len() <= 2 * limit, "{name}: {} bytes of pickle", again.len());
    let mut sealed = Vec::new();
    let key = Key::new(KeyId::new(b"k").unwrap(), &[7; 32]).unwrap();
    Sealer::new(&key, b"", [7; 16]).unwrap().seal_into(0, &again, &mut sealed).unwrap();
    assert!(sealed.len() <= again.len() + MAX_OVERHEAD, "{name}: an envelope of {} bytes", sealed.len());
    document(name, payload);
    cuts
}

/// The same for who has the document and no record: tagged JSON, which is refused where it does not fit, and `repr`,
/// which is cut.
fn document(name: &str, payload: &[u8]) {
    let most = (16 << 10) + 64 * payload.len();
    let start = Moment::now();
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
    let document = decoder.decode(payload).unwrap();
    for refs in [false, true] {
        let limits = Limits { max_expansion: Some(most), ..Limits::default() };
        match tagged::to_string(&document, &TaggedOptions::new().limits(limits).refs(refs)) {
            Ok(text) => assert!(text.len() <= most, "{name}: {} of {most} bytes, tagged", text.len()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Budget | ErrorKind::Recursive), "{name}: {error}");
            }
        }
    }
    let mut repr = String::new();
    let whole = document.root().py_repr(&mut repr, most).is_ok();
    assert!(repr.len() <= most, "{name}: {} of {most} bytes of repr, whole: {whole}", repr.len());
    assert!(start.elapsed() < TIME, "{name}: {:?} for a document", start.elapsed());
}

fn sharing(sizes: &[usize]) {
    let formatters = formatters();
    for &size in sizes {
        let cuts: usize = shapes(size)
            .iter()
            .map(|(name, payload)| check(&format!("{name} at {size}"), payload, &formatters))
            .sum();
        assert!(size < 400 || cuts > 20, "{cuts} cuts at {size}");
    }
}

#[test]
fn sharing_is_bounded() {
    let _turn = turn();
    sharing(&[100, 400, 2_000]);
}

#[test]
#[ignore = "takes minutes without optimizations: cargo xtask output"]
fn sharing_is_bounded_up_to_a_mebibyte() {
    let _turn = turn();
    sharing(&[40_000, 300_000, 1 << 20]);
}

#[test]
fn a_frame_of_222_bytes_stays_small() {
    let _turn = turn();
    let payload = [
        &b"\x80\x02}q\0X\x01\0\0\0aq\x01]q\x02(]q\x03(]q\x04(]q\x05(Xn\0\0\0"[..],
        &[1; 110],
        b"q\x06h\x06h\x06h\x06h\x06h\x06h\x06h\x06h\x06h\x06eh\x05h\x05h\x05h\x05h\x05h\x05h\x05h\x05h\x05e",
        b"h\x04h\x04h\x04h\x04h\x04h\x04h\x04h\x04eh\x03h\x03h\x03h\x03h\x03h\x03h\x03es.",
    ]
    .concat();
    let record = LogRecord::from_pickle(&payload).unwrap();
    let json = record.to_json();
    assert_eq!(json, r#"{"message":"","extra":{"a":"...(cut)"},"cut":true}"#);
    assert!(record.is_cut());
}

#[test]
fn an_ordinary_record_passes_whole() {
    let _turn = turn();
    // Ten rows that share a list of tags, three times over.
    let tags: Vec<u8> = (0..20).flat_map(|number| text(format!("tag {number}").as_bytes())).collect();
    let shared = [&b"](]("[..], &tags, b"eq\0", &b"h\0".repeat(30), b"e"].concat();
    for payload in [record(&shared), record(&text(&vec![1; 600_000])), record(&bytes(&vec![0; 600_000]))] {
        let record = LogRecord::from_pickle(&payload).unwrap();
        let mut line = Vec::new();
        assert!(!record.write_json(None, &mut line).cut);
        let value = parsed(std::str::from_utf8(&line).unwrap());
        assert_eq!(value["extra"]["y"], 7);
        assert!(value.get("cut").is_none());
    }
}

#[test]
fn a_text_keeps_its_beginning_and_own_attributes_come_first() {
    let _turn = turn();
    // Each of these attributes is a megabyte of JSON.
    let controls = [b"begin ".as_slice(), &[1; 170_000]].concat();
    let mut pairs = [&text(b"msg")[..], &text(&controls), b"q\0"].concat();
    for name in ["name", "pathname", "exc_text", "stack_info"] {
        pairs.extend([text(name.as_bytes()), b"h\0".to_vec()].concat());
    }
    let lines: Vec<u8> =
        (0..8).flat_map(|number| [text(&[b'a' + number]), b"h\0".to_vec()].concat()).collect();
    let payload = [b"}(".as_slice(), &pairs, &lines, &text(b"z"), b"K\x01u."].concat();
    let record = LogRecord::from_pickle(&payload).unwrap();
    let value = parsed(&record.to_json());
    assert_eq!(value["message"].as_str().unwrap().len(), controls.len());
    assert_eq!(value["stack_info"].as_str().unwrap().len(), controls.len());
    let last = value["extra"]["e"].as_str().unwrap();
    assert!(last.starts_with("begin \u{1}") && last.ends_with("...(cut)"), "{} bytes", last.len());
    let last = value["extra"]["h"].as_str().unwrap();
    assert!(last.starts_with("begin") && last.ends_with("...(cut)"), "{} bytes", last.len());
    assert_eq!(value["extra"]["z"], 1);
    assert_eq!(value["cut"], true);
}

#[test]
fn keys_that_are_the_same_as_text_stand_apart() {
    let _turn = turn();
    let payload = [
        &b"}("[..],
        &text(b"msg"),
        &text(b"m"),
        b"K*K\x01",
        &text(b"42"),
        b"K\x02N",
        b"K\x03",
        &text(b"None"),
        b"K\x04",
        &text(b"42 (int)"),
        b"K\x05u.",
    ]
    .concat();
    let record = LogRecord::from_pickle(&payload).unwrap();
    assert_eq!(
        record.to_json(),
        r#"{"message":"m","extra":{"42 (int) #2":1,"42":2,"None (NoneType)":3,"None":4,"42 (int)":5}}"#
    );
    parsed(&record.to_json());
}

#[test]
fn attributes_do_not_take_the_decoders_note() {
    let _turn = turn();
    // A file name that is a list which contains itself, and one that is nested deeper than values may be.
    let deep = [&b"]".repeat(600)[..], &b"a".repeat(599)].concat();
    for (name, kept) in [(&b"]q\0h\0a"[..], r#"["[...]"]"#), (&deep, r#""<not kept: nested too deep>""#)] {
        let payload = [&b"}("[..], &text(b"filename"), name, &text(b"msg"), &text(b"m"), b"u."].concat();
        let record = LogRecord::from_pickle(&payload).unwrap();
        assert_eq!(record.filename(), None);
        assert_eq!(record.to_json(), format!(r#"{{"message":"m","extra":{{"filename":{kept}}}}}"#));
    }
}
