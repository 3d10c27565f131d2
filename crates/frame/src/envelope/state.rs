//! The replay state as bytes, for a file that lives over a restart. (wire-format 6)
//!
//! ```text
//! 'L' 'R' 'R' 'S' | version 02 | snapshot u8 | floor i64 | count u32 | key ... | SHA-256 of all before it
//! key    = key id length u8 | key id | floor i64 | count u32 | stream ...
//! stream = stream id 16 | highest u64 | trusted u8 | trusted from u64 | floor i64 | latest i64 | believed i64
//!          | seen, 16 words u64
//! ```
//!
//! The checksum finds damage, not an attacker: whoever can write the file can as well read the key beside it.

use alloc::vec::Vec;

use bytes::{Buf, BufMut};
use sha2::{Digest, Sha256};

use super::replay::{Stream, WINDOW_WORDS};
use super::{KeyId, Policy, Replay, StreamId};
use crate::error::{Error, ErrorKind};

/// When a replay state is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Snapshot {
    /// While messages go on to arrive. What comes after it is not in it.
    Running,
    /// After the last message, or of a state that a store completes ([`Replay::restore`]). A receiver that begins
    /// with it knows all that was here.
    Final,
}

impl Replay {
    /// The state as bytes.
    ///
    /// A receiver stores a [`Snapshot::Final`] when it ends. When it begins, it imports that and at once stores a
    /// [`Snapshot::Running`] in its place, because from then on more may arrive than is stored.
    #[must_use]
    pub fn export(&self, snapshot: Snapshot) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_slice(&MAGIC);
        out.put_u8(VERSION);
        out.put_u8(match snapshot {
            Snapshot::Running => 0,
            Snapshot::Final => 1,
        });
        out.put_i64(self.floor_ns);
        out.put_u32(Error::count(self.keys.len()));
        for (key_id, key) in &self.keys {
            out.put_u8(key_id.len_byte());
            out.put_slice(key_id.as_bytes());
            out.put_i64(key.floor_ns);
            out.put_u32(Error::count(key.streams.len()));
            // By use, so that reading them in order restores which was quiet for longest.
            let mut streams: Vec<_> = key.streams.iter().collect();
            streams.sort_by_key(|(_, stream)| stream.used);
            for (stream_id, stream) in streams {
                out.put_slice(stream_id.as_bytes());
                out.put_u64(stream.highest);
                out.put_u8(stream.trusted_from.is_some().into());
                out.put_u64(stream.trusted_from.unwrap_or(0));
                out.put_i64(stream.floor_ns);
                out.put_i64(stream.latest_ns);
                out.put_i64(stream.believed_ns);
                for word in stream.seen {
                    out.put_u64(word);
                }
            }
        }
        let sum = Sha256::digest(&out);
        out.put_slice(&sum);
        out
    }

    /// Goes on with a stored state.
    ///
    /// After a [`Snapshot::Final`] the windows are as they were: what a sender made while nobody listened is
    /// accepted, whatever its time. After a [`Snapshot::Running`] (the receiver was killed) something may have
    /// arrived unstored, so that the windows count and, besides, everything from before `start_ns` is refused.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StateVersion`] when another version wrote it, [`ErrorKind::StateDamaged`] when it is not
    /// what was written. A receiver should not start then: what it can still show to have accepted is gone, and
    /// whoever runs it has to know. Without the file it begins with [`Replay::new`].
    pub fn import(policy: Policy, state: &[u8], start_ns: i64) -> Result<Self, Error> {
        let damaged = Error::new(ErrorKind::StateDamaged, Error::count(state.len()), 0);
        let Some((content, sum)) = state.split_last_chunk::<SUM_LEN>() else { return Err(damaged) };
        let Some(mut rest) = content.strip_prefix(&MAGIC) else { return Err(damaged) };
        let version = rest.try_get_u8().map_err(|_| damaged)?;
        if version != VERSION {
            return Err(Error::new(ErrorKind::StateVersion, version.into(), VERSION.into()));
        }
        if Sha256::digest(content)[..] != sum[..] {
            return Err(damaged);
        }
        Self::read(policy, &mut rest, start_ns).ok_or(damaged)
    }

    fn read(policy: Policy, rest: &mut &[u8], start_ns: i64) -> Option<Self> {
        let is_final = match rest.try_get_u8().ok()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let floor = |stored_ns: i64| if is_final { stored_ns } else { stored_ns.max(start_ns) };
        let mut replay = Self::new(policy, floor(rest.try_get_i64().ok()?));
        let keys = rest.try_get_u32().ok()?;
        for _ in 0..keys {
            let id_len = usize::from(rest.try_get_u8().ok()?);
            let key_id = KeyId::new(rest.split_off(..id_len)?).ok()?;
            if replay.keys.contains_key(&key_id) {
                return None;
            }
            replay.key(key_id).floor_ns = floor(rest.try_get_i64().ok()?);
            let streams = rest.try_get_u32().ok()?;
            for _ in 0..streams {
                let (stream_id, mut stream) = Stream::read(rest)?;
                stream.floor_ns = floor(stream.floor_ns);
                stream.trusted_from = stream.trusted_from.filter(|_| is_final);
                stream.used = replay.tick();
                // A smaller table than the one that was stored follows the usual rule for a full one.
                replay.insert(start_ns, key_id, stream_id, stream);
            }
        }
        rest.is_empty().then_some(replay)
    }
}

impl Stream {
    fn read(rest: &mut &[u8]) -> Option<(StreamId, Self)> {
        let mut stream_id = [0; 16];
        rest.try_copy_to_slice(&mut stream_id).ok()?;
        let highest = rest.try_get_u64().ok()?;
        let is_trusted = match rest.try_get_u8().ok()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let trusted_from = rest.try_get_u64().ok()?;
        let floor_ns = rest.try_get_i64().ok()?;
        let latest_ns = rest.try_get_i64().ok()?;
        let believed_ns = rest.try_get_i64().ok()?;
        let mut seen = [0; WINDOW_WORDS];
        for word in &mut seen {
            *word = rest.try_get_u64().ok()?;
        }
        let stream = Self {
            highest,
            seen,
            trusted_from: is_trusted.then_some(trusted_from),
            // What was skipped before is no gap of this run.
            counted_from: highest,
            floor_ns,
            latest_ns,
            believed_ns,
            used: 0,
        };
        Some((StreamId::from(stream_id), stream))
    }
}

const MAGIC: [u8; 4] = *b"LRRS";
const VERSION: u8 = 2;
const SUM_LEN: usize = 32;
