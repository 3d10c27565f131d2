//! The plain form: a tag in front of the body, as Python's documentation suggests it. (wire-format 3)

use core::fmt;

use bytes::{Buf, BufMut, Bytes};
use hmac::Mac;

use super::key::{Prepared, decode_hex, prepare};
use super::{Refusal, TAG_LEN};
use crate::error::{Error, ErrorKind};

/// A key of the plain form: it makes and checks tags, and has no name.
///
/// The tag covers the body and nothing else. A message can be recorded and sent again by anybody, to any receiver
/// that has the same key; [`Sealer`](super::Sealer) and [`Replay`](super::Replay) prevent that.
///
/// ```
/// use bytes::Bytes;
/// use logrecord_frame::envelope::{PlainKey, Refusal};
///
/// let key = PlainKey::new(&[7; 32])?;
/// let mut sealed = Vec::new();
/// key.seal_into(b"}.", &mut sealed)?;
/// assert_eq!(sealed.len(), 34);
/// assert_eq!(key.open(Bytes::from(sealed.clone())), Ok(Bytes::from_static(b"}.")));
/// sealed[33] ^= 1;
/// assert_eq!(key.open(Bytes::from(sealed)), Err(Refusal::BadMac));
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
#[derive(Clone)]
pub struct PlainKey {
    prepared: Prepared,
}

impl PlainKey {
    /// A key from its secret.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyTooShort`] below [`MIN_KEY_LEN`](super::MIN_KEY_LEN) bytes.
    pub fn new(secret: &[u8]) -> Result<Self, Error> {
        Ok(Self { prepared: prepare(secret)? })
    }

    /// A key from the contents of a key file: one line of hexadecimal, with or without its line end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyNotHex`] and [`ErrorKind::KeyTooShort`].
    pub fn from_hex(line: &[u8]) -> Result<Self, Error> {
        Self::new(&decode_hex(line)?)
    }

    /// Writes tag and body to `dst`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoRoom`] when `dst` cannot take them; nothing is written then.
    pub fn seal_into(&self, body: &[u8], dst: &mut impl BufMut) -> Result<(), Error> {
        let need = body.len().saturating_add(TAG_LEN);
        if dst.remaining_mut() < need {
            return Err(Error::new(ErrorKind::NoRoom, Error::count(dst.remaining_mut()), Error::count(need)));
        }
        dst.put_slice(&self.tag(body));
        dst.put_slice(body);
        Ok(())
    }

    /// The tag of a body, for those who write the parts themselves.
    #[must_use]
    pub fn tag(&self, body: &[u8]) -> [u8; TAG_LEN] {
        let mut mac = self.prepared.clone();
        mac.update(body);
        mac.finalize().into_bytes().into()
    }

    /// The body of a sealed payload, as a slice of it, when the tag is right.
    ///
    /// # Errors
    ///
    /// [`Refusal::Truncated`] when there is no room for a tag, else [`Refusal::BadMac`]: an unsigned payload
    /// cannot be told from a wrong tag in this form.
    pub fn open(&self, mut sealed: Bytes) -> Result<Bytes, Refusal> {
        let Some((tag, body)) = sealed.split_first_chunk::<TAG_LEN>() else { return Err(Refusal::Truncated) };
        let mut mac = self.prepared.clone();
        mac.update(body);
        mac.verify_slice(tag).map_err(|_| Refusal::BadMac)?;
        sealed.advance(TAG_LEN);
        Ok(sealed)
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey")
    }
}
