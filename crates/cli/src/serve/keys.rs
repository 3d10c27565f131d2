//! The keys that the gate asks for, and its replay state over a restart.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::{KeyRing, Opener, Policy, Replay, Snapshot};
use logrecord::intake::Gate;

use crate::args::ServeArgs;
use crate::clock::now_ns;
use crate::exit::Failure;
use crate::key;

/// The gate, and what changes while it runs.
pub(crate) struct Keys {
    pub(crate) gate: Gate,
    opener: Option<Arc<Opener>>,
    state: Option<PathBuf>,
    /// What the gate had let through when the state was stored, and one more; 0 before that.
    stored: AtomicU64,
}

impl Keys {
    /// Reads the keys that the arguments name, and the replay state.
    pub(crate) fn new(args: &ServeArgs) -> anyhow::Result<Self> {
        let without_state = |gate| Self { gate, opener: None, state: None, stored: AtomicU64::new(0) };
        if let Some(file) = &args.hmac_plain_key {
            return Ok(without_state(Gate::plain(key::read_plain(file)?)));
        }
        if args.hmac_key.is_empty() {
            return Ok(without_state(Gate::open()));
        }
        let ring = ring(&args.hmac_key)?;
        let start = now_ns();
        let policy = Policy::new();
        let replay = match &args.replay_state {
            None => Replay::new(policy, start),
            Some(path) => load(path, policy, start)?,
        };
        let opener = Opener::with_replay(&ring, args.audience.as_bytes(), replay)
            .map_err(|error| anyhow!("--audience: {error}"))
            .context(Failure::usage("unusable audience"))?;
        let opener = Arc::new(opener);
        Ok(Self {
            gate: Gate::signed(Arc::clone(&opener)),
            opener: Some(opener),
            state: args.replay_state.clone(),
            stored: AtomicU64::new(0),
        })
    }

    /// Reads the key files again. On an error the old keys stay.
    pub(crate) fn reload(&self, args: &ServeArgs) -> anyhow::Result<()> {
        if let Some(opener) = &self.opener {
            opener.set_keys(&ring(&args.hmac_key)?).map_err(|error| anyhow!("{error}"))?;
        }
        if let Some(file) = &args.hmac_plain_key {
            self.gate.set_plain_key(key::read_plain(file)?);
        }
        Ok(())
    }

    /// Stores the replay state, if there is a file for it and if it has changed: a new file that takes the old
    /// one's place. It waits for the disk.
    pub(crate) fn store(&self, snapshot: Snapshot) -> anyhow::Result<()> {
        let (Some(opener), Some(path)) = (&self.opener, &self.state) else { return Ok(()) };
        // Read before the state is, so that what is accepted meanwhile is stored the next time.
        let now = self.gate.accepted().saturating_add(1);
        if snapshot == Snapshot::Running && now == self.stored.load(Ordering::Relaxed) {
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
        self.stored.store(now, Ordering::Relaxed);
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
