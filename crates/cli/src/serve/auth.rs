//! Who may send: keys, envelopes, and the replay state over a restart.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use logrecord::frame::envelope::{KeyRing, PlainKey, Policy, Refusal, Replay, SharedOpener, Snapshot};

use crate::args::ServeArgs;
use crate::clock::now_ns;
use crate::exit::Failure;
use crate::key;

/// What frames have to be signed with, if with anything.
pub(crate) enum Auth {
    /// Unsigned frames; signed ones are refused.
    Off,
    /// The v1 envelope.
    Signed { opener: Box<SharedOpener>, state: Option<PathBuf>, accepted: AtomicU64, stored: AtomicU64 },
    /// The plain form.
    Plain(RwLock<Arc<PlainKey>>),
}

/// A payload that may be decoded, and what is known of its sender.
pub(crate) struct Opened {
    pub(crate) payload: Bytes,
    pub(crate) key_id: Option<String>,
    /// Numbers of the stream that were skipped right before this one.
    pub(crate) gap: u64,
    /// It was counted as skipped before.
    pub(crate) late: bool,
}

impl Auth {
    /// Reads the keys that the arguments name, and the replay state.
    pub(crate) fn new(args: &ServeArgs) -> anyhow::Result<Self> {
        if let Some(file) = &args.hmac_plain_key {
            return Ok(Self::Plain(RwLock::new(Arc::new(key::read_plain(file)?))));
        }
        if args.hmac_key.is_empty() {
            return Ok(Self::Off);
        }
        let ring = ring(&args.hmac_key)?;
        let start = now_ns();
        let policy = Policy::new();
        let replay = match &args.replay_state {
            None => Replay::new(policy, start),
            Some(path) => load(path, policy, start)?,
        };
        let opener = SharedOpener::with_replay(&ring, args.audience.as_bytes(), replay)
            .map_err(|error| anyhow!("--audience: {error}"))
            .context(Failure::usage("unusable audience"))?;
        Ok(Self::Signed {
            opener: Box::new(opener),
            state: args.replay_state.clone(),
            accepted: AtomicU64::new(1),
            stored: AtomicU64::new(0),
        })
    }

    /// Whether frames have to be signed.
    pub(crate) const fn is_required(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Checks a frame's payload, before anybody looks into it.
    pub(crate) fn open(&self, frame: Bytes) -> Result<Opened, Refusal> {
        match self {
            Self::Off => Ok(Opened { payload: frame, key_id: None, gap: 0, late: false }),
            Self::Signed { opener, accepted, .. } => {
                let opened = opener.open(now_ns(), frame)?;
                accepted.fetch_add(1, Ordering::Relaxed);
                Ok(Opened {
                    payload: opened.payload,
                    key_id: Some(String::from_utf8_lossy(opened.key_id.as_bytes()).into_owned()),
                    gap: opened.gap,
                    late: opened.fills_gap,
                })
            }
            Self::Plain(key) => {
                let key = Arc::clone(&key.read().unwrap_or_else(PoisonError::into_inner));
                Ok(Opened { payload: key.open(frame)?, key_id: None, gap: 0, late: false })
            }
        }
    }

    /// Reads the key files again. On an error the old keys stay.
    pub(crate) fn reload(&self, args: &ServeArgs) -> anyhow::Result<()> {
        match self {
            Self::Off => Ok(()),
            Self::Signed { opener, .. } => {
                opener.set_keys(&ring(&args.hmac_key)?).map_err(|error| anyhow!("{error}"))
            }
            Self::Plain(key) => {
                if let Some(file) = &args.hmac_plain_key {
                    let fresh = Arc::new(key::read_plain(file)?);
                    *key.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                }
                Ok(())
            }
        }
    }

    /// Stores the replay state, if there is a file for it and if it has changed: a new file that takes the old
    /// one's place. It waits for the disk.
    pub(crate) fn store(&self, snapshot: Snapshot) -> anyhow::Result<()> {
        let Self::Signed { opener, state: Some(path), accepted, stored } = self else { return Ok(()) };
        // Read before the state is, so that what is accepted meanwhile is stored the next time.
        let now = accepted.load(Ordering::Relaxed);
        if snapshot == Snapshot::Running && now == stored.load(Ordering::Relaxed) {
            return Ok(());
        }
        let bytes = opener.export(snapshot);
        let mut fresh = path.clone().into_os_string();
        fresh.push(".new");
        let write = || -> std::io::Result<()> {
            // What stands there is a rest of a run that was killed, or a link that somebody has put there.
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, path)
        };
        write().with_context(|| format!("{}", path.display()))?;
        stored.store(now, Ordering::Relaxed);
        Ok(())
    }
}

fn ring(arguments: &[String]) -> anyhow::Result<KeyRing> {
    let mut ring = KeyRing::new();
    for argument in arguments {
        ring.accept(key::read(argument)?)
            .map_err(|error| anyhow!("--hmac-key {argument}: {error}"))
            .context(Failure::usage("unusable keys"))?;
    }
    Ok(ring)
}

/// A file that is not there is a first start; one that is damaged is refused, because to go on
/// without it would accept what was here before.
fn load(path: &Path, policy: Policy, start: i64) -> anyhow::Result<Replay> {
    match fs::read(path) {
        Ok(bytes) => Replay::import(policy, &bytes, start)
            .map_err(|error| anyhow!("{}: {error}; remove the file to start without it", path.display()))
            .context(Failure::config("unusable replay state")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Replay::new(policy, start)),
        Err(error) => Err(error)
            .with_context(|| format!("{}", path.display()))
            .context(Failure::config("unusable replay state")),
    }
}
