//! Keys, their names, and the ring of those that are accepted.
//!
//! The secret itself is not kept: a key holds the state of HMAC after it has taken the secret in, which is as
//! secret, is wiped on drop, and spares every message two blocks of SHA-256.

use alloc::vec::Vec;
use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind};

/// HMAC-SHA256 with a secret taken in. The `zeroize` features of its crates wipe it on drop.
pub(super) type Prepared = Hmac<Sha256>;

/// The shortest secret that is taken: as long as the tag.
pub const MIN_KEY_LEN: usize = 32;

/// An algorithm of tags. It belongs to the key: what a message says is only compared with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA256, the tag of 32 bytes in full. Its number is 1.
    #[default]
    HmacSha256,
}

impl Algorithm {
    /// The number that stands for it in a header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::HmacSha256 => 1,
        }
    }
}

/// The public name of a key: 1 to 32 bytes, most often ASCII.
///
/// Shown with everything else but printable ASCII escaped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// Bytes from `len` on are zero, so that comparing the array compares the id.
    bytes: [u8; Self::MAX_LEN],
    /// Between 1 and `MAX_LEN`.
    len: u8,
}

impl KeyId {
    /// The longest id.
    pub const MAX_LEN: usize = 32;

    /// Names a key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyIdLength`] unless there are 1 to 32 bytes.
    pub fn new(id: &[u8]) -> Result<Self, Error> {
        let error = Error::new(ErrorKind::KeyIdLength, Error::count(id.len()), Error::count(Self::MAX_LEN));
        let mut bytes = [0; Self::MAX_LEN];
        match (bytes.get_mut(..id.len()), u8::try_from(id.len())) {
            (Some(slot), Ok(len @ 1..)) => {
                slot.copy_from_slice(id);
                Ok(Self { bytes, len })
            }
            _ => Err(error),
        }
    }

    /// The bytes of the id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub(super) const fn len_byte(&self) -> u8 {
        self.len
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key of version 1: an id, a secret, an algorithm, and perhaps the time in which it counts.
///
/// Nothing shows the secret: `Debug` prints the id, and `Display` does not exist.
///
/// ```compile_fail
/// let key = logrecord_frame::envelope::Key::new(logrecord_frame::envelope::KeyId::new(b"a")?, &[1; 32])?;
/// println!("{key}");
/// # Ok::<(), logrecord_frame::Error>(())
/// ```
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    algorithm: Algorithm,
    prepared: Prepared,
    not_before_ns: Option<i64>,
    not_after_ns: Option<i64>,
}

impl Key {
    /// A key from its secret.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyTooShort`] below [`MIN_KEY_LEN`] bytes.
    pub fn new(id: KeyId, secret: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            id,
            algorithm: Algorithm::HmacSha256,
            prepared: prepare(secret)?,
            not_before_ns: None,
            not_after_ns: None,
        })
    }

    /// A key from the contents of a key file: one line of hexadecimal, with or without its line end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyNotHex`] with the place of the first byte that does not belong there,
    /// [`ErrorKind::KeyTooShort`] below [`MIN_KEY_LEN`] bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use logrecord_frame::envelope::{Key, KeyId};
    ///
    /// let line = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    /// let key = Key::from_hex(KeyId::new(b"app")?, line.as_bytes())?;
    /// assert_eq!(format!("{key:?}"), "Key(app)");
    /// # Ok::<(), logrecord_frame::Error>(())
    /// ```
    pub fn from_hex(id: KeyId, line: &[u8]) -> Result<Self, Error> {
        Self::new(id, &decode_hex(line)?)
    }

    /// Refuses the key before a moment, in nanoseconds since 1970.
    #[must_use]
    pub fn not_before(mut self, time_ns: i64) -> Self {
        self.not_before_ns = Some(time_ns);
        self
    }

    /// Refuses the key after a moment, in nanoseconds since 1970.
    #[must_use]
    pub fn not_after(mut self, time_ns: i64) -> Self {
        self.not_after_ns = Some(time_ns);
        self
    }

    /// The key's public name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The algorithm that its tags are made with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether a message means this key. Byte by byte: ids are too short for anything better.
    pub(super) fn has_id(&self, id: &[u8]) -> bool {
        usize::from(self.id.len) == id.len() && self.id.bytes.iter().zip(id).all(|(own, other)| own == other)
    }

    /// Whether the key counts at `now_ns`.
    #[must_use]
    pub fn is_valid_at(&self, now_ns: i64) -> bool {
        self.not_before_ns.is_none_or(|from| from <= now_ns)
            && self.not_after_ns.is_none_or(|to| now_ns <= to)
    }

    /// The state of HMAC after the secret, a domain label and the audience: what every tag of this key for this
    /// use and this audience begins with.
    pub(super) fn begin(&self, domain: &[u8], audience: &[u8]) -> Result<Prepared, Error> {
        let len = u16::try_from(audience.len()).map_err(|_| {
            Error::new(ErrorKind::AudienceTooLong, Error::count(audience.len()), u32::from(u16::MAX))
        })?;
        let mut mac = self.prepared.clone();
        mac.update(domain);
        mac.update(&len.to_be_bytes());
        mac.update(audience);
        Ok(mac)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// The keys that a receiver accepts, and the one that signs.
///
/// To rotate a key, accept both, let the senders change over, and stop accepting the old one:
/// `Opener::set_keys` takes the new ring and forgets no replay window.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: Vec<Key>,
    signing: Option<KeyId>,
}

impl KeyRing {
    /// A ring without keys, which accepts nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts a key. The first one also signs, until [`sign_with`](Self::sign_with) says otherwise.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DuplicateKeyId`] when the ring has a key of this id already: an id names one secret.
    pub fn accept(&mut self, key: Key) -> Result<(), Error> {
        if self.get(key.id).is_some() {
            return Err(Error::new(ErrorKind::DuplicateKeyId, Error::count(self.keys.len()), 1));
        }
        self.signing.get_or_insert(key.id);
        self.keys.push(key);
        Ok(())
    }

    /// Chooses the key that signs; whether the ring has it.
    #[must_use]
    pub fn sign_with(&mut self, id: KeyId) -> bool {
        let known = self.get(id).is_some();
        if known {
            self.signing = Some(id);
        }
        known
    }

    /// The key that signs: `None` only in an empty ring.
    #[must_use]
    pub fn signing(&self) -> Option<&Key> {
        self.get(self.signing?)
    }

    /// The key of an id.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// All keys, in the order in which they were accepted.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// Takes a secret in.
pub(super) fn prepare(secret: &[u8]) -> Result<Prepared, Error> {
    let too_short = Error::new(ErrorKind::KeyTooShort, Error::count(secret.len()), Error::count(MIN_KEY_LEN));
    if secret.len() < MIN_KEY_LEN {
        return Err(too_short);
    }
    // HMAC takes secrets of any length, so this second error never comes.
    Prepared::new_from_slice(secret).map_err(|_| too_short)
}

/// The bytes that a line of hexadecimal stands for.
pub(super) fn decode_hex(line: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let digits = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
    let error =
        |place: usize| Error::new(ErrorKind::KeyNotHex, Error::count(place), Error::count(digits.len()));
    // Sized at once: growing would leave copies of the secret behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for (index, pair) in digits.chunks(2).enumerate() {
        let mut byte = 0_u8;
        for side in 0..2 {
            let place = index.saturating_mul(2).saturating_add(side);
            let digit = pair.get(side).and_then(|&digit| hex_digit(digit)).ok_or_else(|| error(place))?;
            byte = (byte << 4) | digit;
        }
        secret.push(byte);
    }
    Ok(secret)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn prepared_secrets_are_wiped_on_drop() {
        // HMAC is two states of SHA-256 and a buffer; the states are what the secret has become.
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<sha2::block_api::Sha256VarCore>();
    }

    #[test]
    fn key_ids_have_1_to_32_bytes() {
        for len in 0..40 {
            let bytes = [b'k'; 40];
            let id = KeyId::new(&bytes[..len]);
            assert_eq!(id.is_ok(), (1..=32).contains(&len), "length {len}");
            if let Ok(id) = id {
                assert_eq!(id.as_bytes(), &bytes[..len]);
            }
        }
        // A trailing zero byte makes another id.
        assert_ne!(KeyId::new(b"a").unwrap(), KeyId::new(b"a\0").unwrap());
        assert_eq!(format!("{}", KeyId::new(b"a\x1b\n").unwrap()), r"a\x1b\n");
    }

    #[test]
    fn key_lines_are_read_strictly() {
        let good = "00ff".repeat(16);
        let id = KeyId::new(b"a").unwrap();
        for line in [good.clone(), good.to_uppercase(), format!("{good}\n"), format!("{good}\r\n")] {
            assert!(Key::from_hex(id, line.as_bytes()).is_ok(), "{line:?}");
        }
        let rows: [(String, ErrorKind, u32); 9] = [
            (format!("{good} "), ErrorKind::KeyNotHex, 64),
            (format!("{good}\n\n"), ErrorKind::KeyNotHex, 64),
            (format!("{good}\r"), ErrorKind::KeyNotHex, 64),
            (String::new(), ErrorKind::KeyTooShort, 0),
            ("00".repeat(31), ErrorKind::KeyTooShort, 31),
            (format!("{good}0"), ErrorKind::KeyNotHex, 65),
            (format!(" {good}"), ErrorKind::KeyNotHex, 0),
            (format!("{good}\n{good}"), ErrorKind::KeyNotHex, 64),
            (format!("{good}0g"), ErrorKind::KeyNotHex, 65),
        ];
        for (line, kind, found) in rows {
            let error = Key::from_hex(id, line.as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.found()), (kind, found), "{line:?}");
        }
    }

    #[test]
    fn a_ring_has_each_id_once() {
        let key = |id: &[u8], fill| Key::new(KeyId::new(id).unwrap(), &[fill; 32]).unwrap();
        let mut ring = KeyRing::new();
        assert!(ring.signing().is_none());
        ring.accept(key(b"old", 1)).unwrap();
        ring.accept(key(b"new", 2)).unwrap();
        assert_eq!(ring.accept(key(b"old", 3)).unwrap_err().kind(), ErrorKind::DuplicateKeyId);
        assert_eq!(format!("{ring:?}"), "KeyRing { keys: [Key(old), Key(new)], signing: Some(KeyId(old)) }");
        assert!(ring.sign_with(KeyId::new(b"new").unwrap()));
        assert!(!ring.sign_with(KeyId::new(b"none").unwrap()));
        assert_eq!(ring.signing().unwrap().id().as_bytes(), b"new");
    }
}
