//! Hexadecimal, frames, and the pickle of a plain record.

/// The bytes that hexadecimal digits stand for; `None` where there is an odd number of digits, or something else.
#[must_use]
pub fn try_unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

/// The bytes that hexadecimal digits stand for.
///
/// # Panics
///
/// Where they are no such digits: the text is a test's own.
#[must_use]
#[allow(clippy::panic, reason = "a test whose data is wrong fails")]
pub fn unhex(text: &str) -> Vec<u8> {
    try_unhex(text).unwrap_or_else(|| panic!("{text:?} is not hexadecimal"))
}

/// A frame as `SocketHandler` sends it: the length in four bytes, big-endian, and the payload.
#[must_use]
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    frame.extend_from_slice(payload);
    frame
}

/// The pickle, protocol 1, of a record whose message is `message`, with the attributes that Python 3 sends.
#[must_use]
pub fn record(message: &str) -> Vec<u8> {
    let mut pickle = b"}(".to_vec();
    let text = |pickle: &mut Vec<u8>, text: &str| {
        pickle.push(b'X');
        pickle.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        pickle.extend_from_slice(text.as_bytes());
    };
    for (key, value) in [
        ("name", "app"),
        ("msg", message),
        ("levelname", "INFO"),
        ("pathname", "/srv/app/run.py"),
        ("filename", "run.py"),
        ("module", "run"),
        ("funcName", "run"),
        ("threadName", "MainThread"),
        ("processName", "MainProcess"),
    ] {
        text(&mut pickle, key);
        text(&mut pickle, value);
    }
    for key in ["args", "exc_info", "exc_text", "stack_info", "taskName"] {
        text(&mut pickle, key);
        pickle.push(b'N');
    }
    for (key, value) in [("levelno", 20_u8), ("lineno", 3)] {
        text(&mut pickle, key);
        pickle.extend_from_slice(&[b'K', value]);
    }
    for (key, value) in [("process", 4_242_u32), ("thread", 42)] {
        text(&mut pickle, key);
        pickle.push(b'J');
        pickle.extend_from_slice(&value.to_le_bytes());
    }
    for (key, value) in [("created", 1_767_225_600.25_f64), ("msecs", 250.0), ("relativeCreated", 12.5)] {
        text(&mut pickle, key);
        pickle.push(b'G');
        pickle.extend_from_slice(&value.to_be_bytes());
    }
    pickle.extend_from_slice(b"u.");
    pickle
}

#[cfg(test)]
mod tests {
    use logrecord_model::LogRecord;

    use super::{frame, record, try_unhex, unhex};

    #[test]
    fn hexadecimal() {
        assert_eq!(unhex("00ff"), [0, 255]);
        for wrong in ["0", "zz", "0x12"] {
            assert_eq!(try_unhex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_frame_is_a_prefix_and_a_record() {
        let pickle = record("m1");
        let frame = frame(&pickle);
        let length = u32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), pickle.len());
        assert_eq!(LogRecord::from_pickle(&frame[4..]).unwrap().message(), "m1");
    }
}
