//! Graphite's pickle protocol: lists of `(path, (timestamp, value))`, each behind its length in four bytes.
//!
//! The frames come from a socket in pieces of any size; here they are cut in the middle.

use bytes::Bytes;
use logrecord_frame::{FrameDecoder, encode_frame};
use pickle_codec::from_slice;

type Error = Box<dyn std::error::Error>;

/// `pickle.dumps([("servers.web1.load", (1700000000, 1.5)), ("servers.web1.users", (1700000000, 42))], 2)`
const METRICS: &[u8] =
    b"\x80\x02]q\0(X\x11\0\0\0servers.web1.loadq\x01J\0\xf1SeG?\xf8\0\0\0\0\0\0\x86q\x02\x86q\x03X\x12\
    \0\0\0servers.web1.usersq\x04J\0\xf1SeK*\x86q\x05\x86q\x06e.";

/// One batch: names borrowed from the frame, integers read as floats.
fn metrics(frame: &[u8]) -> pickle_codec::Result<Vec<(&str, (f64, f64))>> {
    from_slice(frame)
}

pub(crate) fn main() -> Result<(), Error> {
    let mut stream = Vec::new();
    encode_frame(METRICS, &mut stream)?;
    encode_frame(b"cos\nsystem\n(S'id'\ntR.", &mut stream)?;

    let mut decoder = FrameDecoder::new();
    let mut received = Vec::new();
    let mut refused = Vec::new();
    for piece in stream.chunks(50) {
        decoder.feed(Bytes::copy_from_slice(piece));
        while let Some(frame) = decoder.next_frame()? {
            match metrics(&frame) {
                Ok(batch) => {
                    received.extend(batch.into_iter().map(|(path, point)| (path.to_owned(), point)));
                }
                // A pickle that wants to run something is refused, and says what.
                Err(error) => refused.push(error.to_string()),
            }
        }
    }
    assert_eq!(
        received,
        [
            ("servers.web1.load".to_owned(), (1_700_000_000.0, 1.5)),
            ("servers.web1.users".to_owned(), (1_700_000_000.0, 42.0)),
        ],
    );
    assert_eq!(refused, ["global is not allowed: os.system (GLOBAL at byte 0)"]);
    Ok(())
}
