//! Numbers and text that are not in the pickle as they are: escapes, surrogates, Python 2's `str`.
//!
//! Three policies meet here. [`Surrogates`] is for text with code points that no Rust string can hold; [`Py2Str`] for
//! the `str` of Python 2, which is bytes or text, as its program meant it:
//!
//! | `Py2Str` | UTF-8 | anything else |
//! |---|---|---|
//! | `Auto` | text | bytes |
//! | `Utf8` | text | an error |
//! | `Latin1` | text, a character a byte | text |
//! | `Bytes` | bytes | bytes |
//!
//! Whatever can be borrowed is: text without an escape stands in the input as it is. The rest is copied into the
//! document's own buffers, which are charged.

use super::machine::{StackMachine, Stepped};
use crate::document::NodeId;
use crate::options::{Py2Str, Surrogates};
use crate::wire::error::ErrorKind;
use crate::wire::escape::{raw_unicode_escape, string_literal};
use crate::wire::number::TextInteger;
use crate::wire::text::{is_wtf8, latin1, replace_surrogates};

impl<'a> StackMachine<'_, 'a> {
    /// The node of an integer in text.
    pub(super) fn integer(&mut self, integer: TextInteger) -> Stepped<NodeId> {
        Ok(match integer {
            TextInteger::Bool(true) => NodeId::TRUE,
            TextInteger::Bool(false) => NodeId::FALSE,
            TextInteger::Small(value) => self.builder.int(value)?,
            TextInteger::Big(bytes) => self.builder.int_owned(&bytes)?,
        })
    }

    /// Text that is no UTF-8: WTF-8, by the policy, or an error.
    #[cold]
    pub(super) fn surrogates(&mut self, bytes: &'a [u8]) -> Stepped<NodeId> {
        if !is_wtf8(bytes) {
            return Err(ErrorKind::Utf8);
        }
        Ok(match self.options.surrogates {
            Surrogates::Strict => return Err(ErrorKind::Utf8),
            Surrogates::Replace => self.builder.owned_str(&replace_surrogates(bytes))?,
            Surrogates::Keep => self.builder.wtf8(bytes)?,
        })
    }

    /// The argument of UNICODE. Only ASCII is the same in raw-unicode-escape, whose other bytes are Latin-1.
    pub(super) fn unicode_line(&mut self, line: &'a [u8]) -> Stepped<NodeId> {
        if line.is_ascii() && !line.contains(&b'\\') {
            return self.builder.str(core::str::from_utf8(line).map_err(|_| ErrorKind::Utf8)?);
        }
        self.owned_text(&raw_unicode_escape(line)?)
    }

    /// Text that does not stand in the input, from WTF-8.
    pub(super) fn owned_text(&mut self, bytes: &[u8]) -> Stepped<NodeId> {
        Ok(match core::str::from_utf8(bytes) {
            Ok(text) => self.builder.owned_str(text)?,
            Err(_) => match self.options.surrogates {
                Surrogates::Strict => return Err(ErrorKind::Utf8),
                Surrogates::Replace => self.builder.owned_str(&replace_surrogates(bytes))?,
                Surrogates::Keep => self.builder.owned_wtf8(bytes)?,
            },
        })
    }

    /// The argument of STRING. Without an escape its body stands in the input as it is.
    pub(super) fn string_line(&mut self, line: &'a [u8]) -> Stepped<NodeId> {
        if let [b'\'' | b'"', body @ .., last] = line
            && Some(last) == line.first()
            && !body.contains(&b'\\')
        {
            return self.py2_str(body);
        }
        let bytes = string_literal(line)?;
        Ok(match self.options.py2_str {
            Py2Str::Bytes => self.builder.owned_bytes(&bytes)?,
            Py2Str::Latin1 => self.builder.owned_str(&latin1(&bytes))?,
            policy => match core::str::from_utf8(&bytes) {
                Ok(text) => self.builder.owned_str(text)?,
                Err(_) if policy == Py2Str::Utf8 => return Err(ErrorKind::Utf8),
                Err(_) => self.builder.owned_bytes(&bytes)?,
            },
        })
    }

    /// Python 2's usual text, which the default policy reads as text where it is UTF-8.
    pub(super) fn short_py2_str(&mut self, len: u8) -> Stepped<NodeId> {
        match self.reader.text(u64::from(len))? {
            Ok(text) if self.options.py2_str == Py2Str::Auto => self.builder.str(text),
            Ok(text) => self.py2_str(text.as_bytes()),
            Err(bytes) => self.py2_str(bytes),
        }
    }

    /// Python 2's `str` from the input, by the policy.
    pub(super) fn py2_str(&mut self, bytes: &'a [u8]) -> Stepped<NodeId> {
        Ok(match self.options.py2_str {
            Py2Str::Bytes => self.builder.bytes(bytes)?,
            Py2Str::Latin1 if !bytes.is_ascii() => self.builder.owned_str(&latin1(bytes))?,
            policy => match core::str::from_utf8(bytes) {
                Ok(text) => self.builder.str(text)?,
                Err(_) if policy == Py2Str::Utf8 => return Err(ErrorKind::Utf8),
                Err(_) => self.builder.bytes(bytes)?,
            },
        })
    }
}
