//! The engine: from a verified payload to a record that borrows from it.
use std::sync::{Mutex, PoisonError};

use logrecord_model::{Error, ErrorKind, LogRecord, RecordDecoder};
use pickle_codec::{DecodeOptions, Globals};

use super::Rejection;

/// Decoders that wait for work; more than a few are never busy at once.
const IDLE_DECODERS: usize = 32;

/// Decoders with the same options, lent for a batch at a time, so that an idle connection holds none.
#[derive(Debug)]
pub struct Engine {
    options: DecodeOptions,
    idle: Mutex<Vec<RecordDecoder>>,
}

impl Engine {
    /// An engine whose decoders have these options.
    pub const fn new(options: DecodeOptions) -> Self {
        Self { options, idle: Mutex::new(Vec::new()) }
    }

    /// What is no record and names something is told by that name, although the options would have described it.
    #[cold]
    fn named(&self, error: Error, payload: &[u8]) -> Error {
        if error.kind() != ErrorKind::NotADict {
            return error;
        }
        let strict = self.options.clone().globals(Globals::Known);
        match RecordDecoder::with_options(strict).decode(payload) {
            Err(strict) if strict.pickle().is_some() => strict,
            _ => error,
        }
    }

    /// Lends a decoder. It goes back when it is dropped.
    pub fn decoder(&self) -> Decoder<'_> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let decoder = idle.unwrap_or_else(|| RecordDecoder::with_options(self.options.clone()));
        Decoder { engine: self, decoder: Some(decoder) }
    }
}

/// A decoder on loan from an [`Engine`].
#[derive(Debug)]
pub struct Decoder<'e> {
    engine: &'e Engine,
    /// It is there until the loan ends.
    decoder: Option<RecordDecoder>,
}

impl Decoder<'_> {
    /// Decodes a verified payload. The record borrows its text from it.
    ///
    /// # Errors
    ///
    /// [`Rejection::NoRecord`].
    pub fn decode<'p>(&mut self, payload: &'p [u8]) -> Result<LogRecord<'p>, Rejection> {
        self.decoder
            .get_or_insert_with(|| RecordDecoder::with_options(self.engine.options.clone()))
            .decode(payload)
            .map_err(|error| Rejection::no_record(self.engine.named(error, payload), payload))
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        let mut idle = self.engine.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_DECODERS {
            idle.extend(self.decoder.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_record_is_named() {
        let engine = Engine::new(DecodeOptions::new());
        let rows: [(&[u8], &str, &str); 5] = [
            (b"cos\nsystem\n.", "global", "os.system"),
            (b"]q\0.", "payload", "a list"),
            (b"{\"name\": \"x\", \"msg\": \"hi\"}", "opcode", "JSON, not a pickled record"),
            (b"GET / HTTP/1.1\r\n", "persid", "an HTTP request"),
            (b"", "eof", "ends"),
        ];
        for (payload, reason, detail) in rows {
            let rejection = engine.decoder().decode(payload).unwrap_err();
            let said = rejection.to_string();
            assert_eq!(rejection.reason(), reason, "{said}");
            assert!(said.contains(detail), "{said}");
            assert!(!rejection.ends_connection());
        }
        assert_eq!(engine.idle.lock().unwrap().len(), 1);
        let describing = Engine::new(DecodeOptions::new().globals(Globals::Inert));
        let rejection = describing.decoder().decode(b"cos\nsystem\n(S'id'\ntR.").unwrap_err();
        assert_eq!(rejection.reason(), "global", "{rejection}");
    }
}
