//! The target over log records.

use logrecord_model::{LogRecord, RecordDecoder};
use pickle_codec::{DecodeOptions, Globals, Py2Str};

const POLICIES: [Globals; 3] = [Globals::Reject, Globals::Known, Globals::Inert];
const PY2_STRS: [Py2Str; 4] = [Py2Str::Auto, Py2Str::Utf8, Py2Str::Latin1, Py2Str::Bytes];

/// The fast way and the general way give the same record or the same error, from a decoder that was used before
/// as well; its message is bounded; and both ways to write it give the same bytes.
pub fn record(data: &[u8]) {
    for &globals in super::chosen(data, 0, &POLICIES) {
        for &py2_str in super::chosen(data, 1, &PY2_STRS) {
            record_with(data, DecodeOptions::new().globals(globals).py2_str(py2_str));
        }
    }
}

fn record_with(data: &[u8], options: DecodeOptions) {
    let mut decoder = RecordDecoder::with_options(options.clone());
    let general = RecordDecoder::with_options(options).decode_general(data);
    let ways: [fn(&mut RecordDecoder, &[u8], &Outcome<'_>); 3] = [first, second, written];
    for way in super::chosen(data, 2, &ways) {
        way(&mut decoder, data, &general);
    }
}

type Outcome<'a> = logrecord_model::Result<LogRecord<'a>>;

fn first(decoder: &mut RecordDecoder, data: &[u8], general: &Outcome<'_>) {
    let fast = decoder.decode(data);
    agree(&fast, general);
    if let Ok(fast) = fast {
        let len = fast.message().as_bytes().len();
        assert!(len <= 1 << 20, "a message of {len} bytes");
    }
}

fn second(decoder: &mut RecordDecoder, data: &[u8], general: &Outcome<'_>) {
    drop(decoder.decode(data));
    agree(&decoder.decode(data), general);
}

fn agree(fast: &Outcome<'_>, general: &Outcome<'_>) {
    match (fast, general) {
        // What is not public counts as well, and a NaN is itself: so the texts are compared.
        (Ok(fast), Ok(general)) => assert_eq!(format!("{fast:?}"), format!("{general:?}")),
        (Err(fast), Err(general)) => assert_eq!(fast, general),
        (fast, general) => panic!("{fast:?} and {general:?}"),
    }
}

fn written(decoder: &mut RecordDecoder, data: &[u8], general: &Outcome<'_>) {
    let Ok(record) = general else { return };
    let (mut direct, mut through_document) = (Vec::new(), Vec::new());
    let outcome = record.to_pickle(&mut direct);
    assert_eq!(outcome, record.to_pickle_general(&mut through_document), "{data:02x?}");
    assert_eq!(direct, through_document);
    if outcome.is_ok() {
        // What the policy or a limit refuses the second time is named.
        match decoder.decode(&direct) {
            Ok(again) => assert_eq!(again.message(), record.message()),
            Err(error) => assert_eq!(error.kind(), logrecord_model::ErrorKind::Pickle),
        }
    }
}
