//! The target over log records.

use logrecord_model::RecordDecoder;
use pickle_codec::{DecodeOptions, Globals};

/// The fast way and the general way give the same record or the same error, and what came in goes out again and
/// comes in the same.
pub fn record(data: &[u8]) {
    for globals in [Globals::Reject, Globals::Known, Globals::Inert] {
        let options = DecodeOptions::new().globals(globals);
        let mut decoder = RecordDecoder::with_options(options.clone());
        let fast = decoder.decode(data);
        let general = RecordDecoder::with_options(options).decode_general(data);
        match (fast, general) {
            (Ok(fast), Ok(general)) => {
                assert_eq!(format!("{fast:?}"), format!("{general:?}"));
                let message = fast.message();
                assert!(
                    message.as_bytes().len() <= 1 << 20,
                    "a message of {} bytes",
                    message.as_bytes().len()
                );
            }
            (Err(fast), Err(general)) => assert_eq!(fast.to_string(), general.to_string()),
            (fast, general) => panic!("{fast:?} and {general:?}"),
        }
    }
}
