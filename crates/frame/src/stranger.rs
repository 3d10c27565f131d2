//! Naming who is on the line when it is not a sender of log records.
//!
//! Every protocol that is asked to speak to a log port begins with bytes that make no sense as a length prefix.
//! Recognising the common ones turns "frame of 1195725856 bytes" into "this is an HTTP request", which is what
//! the person who reads the report needs.

use core::fmt;

/// What a stream, or the payload of a frame, looks like when it is not what was expected.
///
/// ```
/// use logrecord_frame::Stranger;
///
/// let stranger = Stranger::identify(b"GET / HTTP/1.1\r\n");
/// assert_eq!(stranger, Some(Stranger::Http));
/// assert_eq!(Stranger::Http.to_string(), "an HTTP request");
/// // A stock frame is no stranger.
/// assert_eq!(Stranger::identify(b"\0\0\x02\x0c}q\0(X"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stranger {
    /// An HTTP request, of version 1 or 2.
    Http,
    /// A TLS hello, or another TLS record.
    Tls,
    /// The banner of an SSH client.
    Ssh,
    /// A syslog message, framed by lines or by octet counts.
    Syslog,
    /// JSON, most often one object a line.
    Json,
    /// A pickle without the prefix that makes it a frame.
    BarePickle,
    /// A configuration for `logging.config.listen`.
    LoggingConfig,
    /// A control frame of cutelog.
    Cutelog,
    /// A header of the PROXY protocol, which a load balancer puts in front.
    ProxyHeader,
    /// GELF: JSON, chunked or compressed.
    Gelf,
    /// A stream of serialized Java objects, as log4j's `SocketAppender` sends it.
    JavaObjects,
    /// A frame whose prefix is little-endian.
    LittleEndianPrefix,
    /// A signed envelope without the prefix that makes it a frame.
    BareEnvelope,
    /// `MessagePack`: a map, or the array of Fluentd's forward protocol.
    MessagePack,
    /// Lines of text: a log without frames, or the commands of another protocol.
    Text,
    /// A pickled `logging.LogRecord`, where a record travels as the dict of its attributes.
    RecordObject,
}

impl Stranger {
    /// Names what begins with `head`, if that is known.
    ///
    /// `head` is the beginning of a stream, or of a frame's payload: 64 bytes are enough, four often are. Ask
    /// only about what was refused: a payload that is a pickle is a bare pickle to this function.
    #[must_use]
    pub fn identify(head: &[u8]) -> Option<Self> {
        if let Some(stranger) = Self::identify_start(head) {
            return Some(stranger);
        }
        // What travels in frames of the same form: look behind the prefix.
        if let Some((prefix, payload)) = head.split_first_chunk::<4>() {
            if u32::from_be_bytes(*prefix) <= MAX_PLAUSIBLE_LEN {
                return match Self::identify_start(payload) {
                    framed @ Some(Self::Cutelog | Self::LoggingConfig | Self::Json | Self::Gelf) => framed,
                    _ => None,
                };
            }
            if u32::from_le_bytes(*prefix) <= MAX_PLAUSIBLE_LEN && is_pickle(payload) {
                return Some(Self::LittleEndianPrefix);
            }
            // Four letters are a length that no frame has.
            return is_text(head).then_some(Self::Text);
        }
        None
    }

    /// Names what stands in a whole frame and is no record, if that is known.
    ///
    /// A pickle is what belongs there, so that only one of a record object has a name.
    ///
    /// ```
    /// use logrecord_frame::Stranger;
    ///
    /// assert_eq!(Stranger::identify_payload(b"{\"msg\": \"hi\"}"), Some(Stranger::Json));
    /// assert_eq!(Stranger::identify_payload(b"clogging\nLogRecord\n"), Some(Stranger::RecordObject));
    /// assert_eq!(Stranger::identify_payload(b"cos\nsystem\n(S'id'\ntR."), None);
    /// ```
    #[must_use]
    pub fn identify_payload(payload: &[u8]) -> Option<Self> {
        if is_record_object(payload) {
            return Some(Self::RecordObject);
        }
        // What a pickle begins with is a pickle, whatever else it may look like.
        Self::identify_start(payload).filter(|stranger| *stranger != Self::BarePickle)
    }

    /// A short name for counters and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Ssh => "ssh",
            Self::Syslog => "syslog",
            Self::Json => "json",
            Self::BarePickle => "bare_pickle",
            Self::LoggingConfig => "logging_config",
            Self::Cutelog => "cutelog",
            Self::ProxyHeader => "proxy_header",
            Self::Gelf => "gelf",
            Self::JavaObjects => "java_objects",
            Self::LittleEndianPrefix => "little_endian_prefix",
            Self::BareEnvelope => "bare_envelope",
            Self::MessagePack => "message_pack",
            Self::Text => "text",
            Self::RecordObject => "record_object",
        }
    }

    fn identify_start(head: &[u8]) -> Option<Self> {
        let starts = |with: &[u8]| head.starts_with(with);
        // A client of NATS says `CONNECT {`.
        if HTTP_STARTS.iter().any(|with| starts(with)) && !starts(b"CONNECT {") {
            return Some(Self::Http);
        }
        let stranger = match head {
            // A handshake record (0x16) or an alert (0x15) of TLS 1.0 to 1.3.
            [0x15 | 0x16, 0x03, 0x00..=0x04, ..] => Self::Tls,
            [b'S', b'S', b'H', b'-', ..] => Self::Ssh,
            [0xFF, b'L', b'R', 0x01, ..] => Self::BareEnvelope,
            [0x1E, 0x0F, ..] | [0x1F, 0x8B, ..] | [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..] => Self::Gelf,
            [0xAC, 0xED, 0x00, 0x05, ..] => Self::JavaObjects,
            [0x81..=0x8F | 0x92..=0x95, 0xA0..=0xBF | 0xD9, ..] => Self::MessagePack,
            _ if starts(b"!!cutelog!!") => Self::Cutelog,
            _ if starts(b"PROXY ") || starts(b"\r\n\r\n\0\r\nQUIT\n") => Self::ProxyHeader,
            _ if is_syslog(head) => Self::Syslog,
            _ if is_file_config(head) => Self::LoggingConfig,
            _ if is_json(head) => json_dialect(head),
            _ if is_pickle(head) => Self::BarePickle,
            _ => return None,
        };
        Some(stranger)
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "an HTTP request",
            Self::Tls => "a TLS record, where the listener expects plain frames",
            Self::Ssh => "an SSH client",
            Self::Syslog => "a syslog message",
            Self::Json => "JSON, not a pickled record",
            Self::BarePickle => "a pickle without its 4-byte length prefix",
            Self::LoggingConfig => "a configuration for logging.config.listen",
            Self::Cutelog => "a control frame of cutelog",
            Self::ProxyHeader => "a PROXY protocol header",
            Self::Gelf => "a GELF message",
            Self::JavaObjects => "serialized Java objects",
            Self::LittleEndianPrefix => "a frame with a little-endian length prefix",
            Self::BareEnvelope => "a signed envelope without its 4-byte length prefix",
            Self::MessagePack => "MessagePack, such as Fluentd's forward protocol",
            Self::Text => "plain text without the 4-byte length prefix of a frame",
            Self::RecordObject => "a pickled LogRecord object, not the dict of its attributes",
        })
    }
}

/// Nothing but printable ASCII and what ends lines.
fn is_text(head: &[u8]) -> bool {
    head.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

/// `<` priority `>`, or an octet count before it.
fn is_syslog(head: &[u8]) -> bool {
    let after_count = match head.iter().position(|byte| !byte.is_ascii_digit()) {
        Some(digits @ 1..=6) => match head.get(digits..) {
            Some([b' ', rest @ ..]) => rest,
            _ => return false,
        },
        _ => head,
    };
    let Some((b'<', rest)) = after_count.split_first() else { return false };
    match rest.iter().position(|byte| !byte.is_ascii_digit()) {
        Some(1..=3) => rest.iter().find(|byte| !byte.is_ascii_digit()) == Some(&b'>'),
        Some(_) => false,
        // Too little has been read to see the end of the number.
        None => !rest.is_empty(),
    }
}

/// The first section of a file for `logging.config.fileConfig`, behind blank lines and comments.
fn is_file_config(head: &[u8]) -> bool {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let Some(head) = lines.find(|line| !matches!(line, [] | [b'#' | b';', ..])) else { return false };
    [&b"[loggers]"[..], b"[handlers]", b"[formatters]", b"[logger_", b"[handler_", b"[formatter_"]
        .iter()
        .any(|with| head.starts_with(with))
}

/// `{` or `[`, white space, and then a byte that JSON allows there and that no pickle has there.
fn is_json(head: &[u8]) -> bool {
    let trimmed = head.trim_ascii_start();
    let Some((open @ (b'{' | b'['), rest)) = trimmed.split_first() else { return false };
    match (open, rest.trim_ascii_start().first()) {
        (b'{', Some(b'"' | b'}')) | (b'[', Some(b'"' | b'{' | b'[' | b']')) => true,
        // An opening bracket alone says too little.
        _ => false,
    }
}

/// Whose JSON it is, by the keys that only one of them has.
fn json_dialect(head: &[u8]) -> Stranger {
    let value_of = |key: &[u8]| {
        let at = head.windows(key.len()).position(|window| window == key)?.saturating_add(key.len());
        Some(head.get(at..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
    };
    let has = |key: &[u8]| value_of(key).is_some();
    // A configuration says `"version": 1`, GELF `"version": "1.1"`, and anybody else what he likes.
    let version = value_of(b"\"version\"").unwrap_or_default();
    if has(b"\"short_message\"") || version.starts_with(b"\"1.") && has(b"\"host\"") {
        Stranger::Gelf
    } else if has(b"\"disable_existing_loggers\"")
        || matches!(version, [b'1', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_alphanumeric))
        || [&b"\"handlers\""[..], b"\"formatters\"", b"\"loggers\""]
            .iter()
            .any(|key| value_of(key).is_some_and(|value| value.starts_with(b"{")))
    {
        Stranger::LoggingConfig
    } else {
        Stranger::Json
    }
}

/// What `pickle.dumps(record)` begins with: the class, and below protocol 2 the function that makes an object of it.
fn is_record_object(payload: &[u8]) -> bool {
    let mut rest = payload;
    if let [0x80, 0..=5, behind @ ..] = rest {
        rest = behind;
    }
    if let [0x95, _, _, _, _, _, _, _, _, behind @ ..] = rest {
        rest = behind;
    }
    for maker in [&b"ccopy_reg\n_reconstructor\n"[..], b"ccopyreg\n_reconstructor\n"] {
        if let Some(behind) = rest.strip_prefix(maker) {
            rest = match behind {
                [b'p', b'0', b'\n', b'(', behind @ ..]
                | [b'q', 0, b'(', behind @ ..]
                | [b'(', behind @ ..] => behind,
                _ => return false,
            };
        }
    }
    let Some(behind) = rest.strip_prefix(b"\x8c\x07logging") else {
        return rest.starts_with(b"clogging\nLogRecord\n");
    };
    behind.strip_prefix(b"\x94").unwrap_or(behind).starts_with(b"\x8c\x09LogRecord")
}

/// The ways in which pickles of dicts begin, of all protocols, and the classic exploit.
fn is_pickle(head: &[u8]) -> bool {
    matches!(
        head,
        [0x80, 0x02..=0x05, ..] | [b'}', b'q' | b'r' | b'.' | b'(', ..] | [b'(', b'd' | b'l', b'p', ..]
    ) || (head.first() == Some(&b'c') && head.iter().filter(|&&byte| byte == b'\n').count() >= 2)
}

const HTTP_STARTS: [&[u8]; 11] =
    [b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"PATC", b"CONN", b"TRAC", b"PRI ", b"HTTP"];

/// A length that a real prefix may well say.
const MAX_PLAUSIBLE_LEN: u32 = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn known_beginnings_have_names() {
        let rows: [(&[u8], Option<Stranger>); 59] = [
            (b"{\"version\":\"1.1\",\"host\":\"h\",\"short_message\":\"x\"}\0", Some(Stranger::Gelf)),
            (b"{\"version\": \"1.0\", \"host\": \"a-very-long-name.example.org", Some(Stranger::Gelf)),
            (b"{\"short_message\": \"x\", \"level\": 3}", Some(Stranger::Gelf)),
            (b"\0\0\0\x30{\"version\":\"1.1\",\"host\":\"h\"}", Some(Stranger::Gelf)),
            (b"{\"version\": \"1.4.2\", \"msg\": \"started\"}", Some(Stranger::Json)),
            (b"{\"version\": 12, \"msg\": \"started\"}", Some(Stranger::Json)),
            (b"{\"handlers\": 3}", Some(Stranger::Json)),
            (b"{\"msg\": \"no handlers\"}", Some(Stranger::Json)),
            (b"{\"handlers\": {\"h\": {}}}", Some(Stranger::LoggingConfig)),
            (b"{\"version\": 1, \"root\": {\"level\": \"DEBUG\"}}", Some(Stranger::LoggingConfig)),
            (b"{ \"version\" : 1}", Some(Stranger::LoggingConfig)),
            (b"\0\0\x01\0# made by hand\n\n[formatters]\nkeys=x\n", Some(Stranger::LoggingConfig)),
            (b"# nothing\n", Some(Stranger::Text)),
            (b"[section]\n", Some(Stranger::Text)),
            (b"2026-01-02 03:04:05 INFO started\r\n", Some(Stranger::Text)),
            (b"*1\r\n$4\r\nPING\r\n", Some(Stranger::Text)),
            (b"CONNECT {\"verbose\":false}\r\n", Some(Stranger::Text)),
            (b"CONNECT example.org:443 HTTP/1.1\r\n", Some(Stranger::Http)),
            (b"CONN", Some(Stranger::Http)),
            (b"abc", None),
            (b"abcd\0", None),
            (b"\x93\xa3tag\xce\x5f\0\0\0\x81", Some(Stranger::MessagePack)),
            (b"\x82\xa4name\xa1x", Some(Stranger::MessagePack)),
            (b"", None),
            (b"\0\0\x02\x0c", None),
            (b"\0\0\x02\x0c}q\0(X\x04\0\0\0name", None),
            (b"\0\0\x02\x0c\xffLR\x01", None),
            (b"GET ", Some(Stranger::Http)),
            (b"POST /ingest HTTP/1.1", Some(Stranger::Http)),
            (b"PRI * HTTP/2.0\r\n\r\nSM", Some(Stranger::Http)),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", Some(Stranger::Tls)),
            (b"SSH-2.0-OpenSSH_9.2", Some(Stranger::Ssh)),
            (b"<134", Some(Stranger::Syslog)),
            (b"<134>Jan  1 00:00:00 host app: x", Some(Stranger::Syslog)),
            (b"<13", Some(Stranger::Syslog)),
            (b"<0>x", Some(Stranger::Syslog)),
            (b"<1340>x", Some(Stranger::Text)),
            (b"<html>", Some(Stranger::Text)),
            (b"83 <34>1 2003-10-11T22:14:15Z", Some(Stranger::Syslog)),
            (b"{\"na", Some(Stranger::Json)),
            (b"{\"name\": \"app\"}\n", Some(Stranger::Json)),
            (b"{ \"a\": 1}", Some(Stranger::Json)),
            (b"[{\"a\":1}]", Some(Stranger::Json)),
            (b"\0\0\0\x0e{\"name\": \"app\"}", Some(Stranger::Json)),
            (b"}q\0(X\x04\0\0\0name", Some(Stranger::BarePickle)),
            (b"\x80\x04\x95", Some(Stranger::BarePickle)),
            (b"(dp0\nS'name'\n", Some(Stranger::BarePickle)),
            (b"cos\nsystem\n(S'id'\ntR.", Some(Stranger::BarePickle)),
            (b"{\"version\": 1, \"handlers\": {}}", Some(Stranger::LoggingConfig)),
            (b"\0\0\0\x20{\"version\": 1, \"handlers\": {}}", Some(Stranger::LoggingConfig)),
            (b"\0\0\x01\0[loggers]\nkeys=root\n", Some(Stranger::LoggingConfig)),
            (b"!!cutelog!!format=json", Some(Stranger::Cutelog)),
            (b"\0\0\0\x16!!cutelog!!format=json", Some(Stranger::Cutelog)),
            (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", Some(Stranger::ProxyHeader)),
            (b"\x1e\x0f12345678\0\x02", Some(Stranger::Gelf)),
            (b"\xac\xed\0\x05sr\0!org.apache.log4j", Some(Stranger::JavaObjects)),
            (b"\x0c\x02\0\0}q\0(X\x04\0\0\0name", Some(Stranger::LittleEndianPrefix)),
            (b"\xffLR\x01\x01\0\x02ab", Some(Stranger::BareEnvelope)),
            (b"\x01\x02\x03\x04\x05", None),
        ];
        for (head, expected) in rows {
            assert_eq!(Stranger::identify(head), expected, "{:?}", head.escape_ascii().to_string());
        }
    }

    #[test]
    fn what_stands_in_a_frame_has_a_name() {
        let rows: [(&[u8], Option<Stranger>); 21] = [
            (b"", None),
            (b"}q\0.", None),
            (b"\x80\x04}\x94.", None),
            (b"cos\nsystem\n(S'id'\ntR.", None),
            (b"\x80\x02clogging\ngetLogger\nq\0", None),
            (b"cmylogging\nLogRecord\n", None),
            (b"\x80\x04\x95T\x01\0\0\0\0\0\0}\x94(\x8c\x07logging\x94\x8c\tLogRecord\x94", None),
            (b"ccopy_reg\n_reconstructor\np0\n(clogging\nLogRecord\np1\n", Some(Stranger::RecordObject)),
            (b"ccopy_reg\n_reconstructor\nq\0(clogging\nLogRecord\nq\x01", Some(Stranger::RecordObject)),
            (b"ccopyreg\n_reconstructor\n(clogging\nLogRecord\n", Some(Stranger::RecordObject)),
            (b"\x80\x02clogging\nLogRecord\nq\0)\x81q\x01}", Some(Stranger::RecordObject)),
            (b"\x80\x03clogging\nLogRecord\nq\0)\x81q\x01}", Some(Stranger::RecordObject)),
            (
                b"\x80\x04\x95T\x01\0\0\0\0\0\0\x8c\x07logging\x94\x8c\tLogRecord\x94\x93\x94)\x81",
                Some(Stranger::RecordObject),
            ),
            (b"\x80\x05\x8c\x07logging\x8c\tLogRecord\x93)\x81", Some(Stranger::RecordObject)),
            (b"{\"name\": \"x\", \"msg\": \"hi\"}", Some(Stranger::Json)),
            (b"{\"version\": 1, \"root\": {\"level\": \"DEBUG\"}}", Some(Stranger::LoggingConfig)),
            (b"[loggers]\nkeys=root\n", Some(Stranger::LoggingConfig)),
            (b"{\"version\":\"1.1\",\"host\":\"h\",\"short_message\":\"x\"}", Some(Stranger::Gelf)),
            (b"!!cutelog!!format=json", Some(Stranger::Cutelog)),
            (b"\x82\xa4name\xa1x", Some(Stranger::MessagePack)),
            (b"<134>Jan  1 00:00:00 host app: x", Some(Stranger::Syslog)),
        ];
        for (payload, expected) in rows {
            assert_eq!(Stranger::identify_payload(payload), expected, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn every_known_beginning_is_over_the_default_limit() {
        // That is what makes the length check stop them before anything else is tried, and most of them at once,
        // because nobody skips that much.
        for head in [b"GET ", b"SSH-", b"<134", b"{\"na", b"\x16\x03\x01\x02", b"PROX", b"\xffLR\x01"] {
            assert!(u32::from_be_bytes(*head) > crate::MAX_SKIP_LEN);
        }
    }
}
