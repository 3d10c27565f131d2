//! The gates of the listeners, the keys that they ask for, and the replay state over a restart.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::{KeyId, KeyRing, Opener, Policy, Replay, Snapshot, Verifier};
use logrecord::intake::Gate;
use logrecord_pipeline::Log;
use logrecord_spool::Spool;

use crate::clock::now_ns;
use crate::config::{Require, Signing, keys_in};
use crate::exit::Failure;
use crate::key;

use super::report::Report;

/// How often the spool gets the replay state.
const CHECKPOINT: Duration = Duration::from_secs(5);

/// How much of the spool may lie behind a checkpoint before it gets another one sooner.
const CHECKPOINT_BYTES: u64 = 16 << 20;

/// How much of the spool a start reads in order to know again what was accepted.
const READ_BACK: u64 = 256 << 20;

/// How long the spool has to make durable what the state knows.
const DURABLE: Duration = Duration::from_secs(1);

/// All gates, and what changes while they stand.
pub(crate) struct Keys {
    opener: Arc<Opener>,
    state: Option<PathBuf>,
    /// One for each thing that listeners ask for. None goes, because its counts would.
    gates: Mutex<Vec<(Require, Arc<Gate>)>>,
    /// What the gates had let through, or the spool had, when the state was stored, and one more; 0 before that.
    stored: AtomicU64,
    /// When the spool got the state last.
    checkpoint: Mutex<Option<Instant>>,
}

impl Keys {
    /// Reads the keys and the replay state.
    pub(crate) fn new(
        signing: &Signing,
        spool: Option<&Spool>,
        inherited: Option<&[u8]>,
        report: &Report,
    ) -> anyhow::Result<Self> {
        let start = now_ns();
        let policy = Policy::new();
        let replay = match (spool, inherited, &signing.replay_state) {
            (Some(spool), _, _) => remember(spool, policy, start, report)?,
            // The program before this one knows best.
            (None, Some(state), _) => Replay::import(policy, state, start)
                .map_err(|error| anyhow!("{error}"))
                .context(Failure::unavailable("unusable replay state of the other program"))?,
            (None, None, Some(path)) => load(path, policy, start)?,
            (None, None, None) => Replay::new(policy, start),
        };
        let opener = Opener::with_replay(&ring(signing)?, signing.audience.as_bytes(), replay)
            .map_err(|error| anyhow!("the audience: {error}"))
            .context(Failure::usage("unusable audience"))?;
        Ok(Self {
            opener: Arc::new(opener),
            state: signing.replay_state.clone(),
            gates: Mutex::default(),
            stored: AtomicU64::new(0),
            checkpoint: Mutex::new(None),
        })
    }

    /// The gate for what a listener asks for.
    pub(crate) fn gate(&self, require: &Require, signing: &Signing) -> anyhow::Result<Arc<Gate>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, gate)) = gates.iter().find(|(known, _)| known == require) {
            return Ok(Arc::clone(gate));
        }
        let gate = match (require, &signing.plain_key) {
            (Require::Nothing, _) => Gate::open(),
            (Require::Plain, Some(file)) => Gate::plain(key::read_plain(file)?),
            (Require::Plain, None) => return Err(anyhow!("there is no plain key")),
            (Require::Keys(ids), _) => {
                let ids: Result<Vec<KeyId>, _> = ids.iter().map(|id| KeyId::new(id.as_bytes())).collect();
                Gate::signed(Arc::clone(&self.opener)).only(ids.map_err(|error| anyhow!("{error}"))?)
            }
        };
        let gate = Arc::new(gate);
        gates.push((require.clone(), Arc::clone(&gate)));
        Ok(gate)
    }

    /// Reads the key files again. On an error the old keys stay.
    pub(crate) fn reload(&self, signing: &Signing) -> anyhow::Result<()> {
        let ring = ring(signing)?;
        let plain = signing.plain_key.as_deref().map(key::read_plain).transpose()?;
        self.opener.set_keys(&ring).map_err(|error| anyhow!("{error}"))?;
        if let Some(plain) = plain {
            let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, gate)) = gates.iter().find(|(require, _)| *require == Require::Plain) {
                gate.set_plain_key(plain);
            }
        }
        Ok(())
    }

    /// The keys as they are now, to sign acknowledgements with.
    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        self.opener.verifier()
    }

    /// All that is known of what was accepted, for a successor.
    pub(crate) fn export(&self) -> Vec<u8> {
        self.opener.export(Snapshot::Final)
    }

    fn sum(&self, of: impl Fn(&Gate) -> u64) -> u64 {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().fold(0, |sum: u64, (_, gate)| sum.saturating_add(of(gate)))
    }

    /// Numbers of signed streams that were skipped and did not come late.
    pub(crate) fn missing(&self) -> u64 {
        self.sum(Gate::missing)
    }

    /// Stores the replay state before the first message is taken: from here on more may arrive than is stored.
    pub(crate) fn begin(&self, log: &Log) -> anyhow::Result<()> {
        self.store(log, Snapshot::Running)
    }

    /// Stores the replay state if it has changed: in the spool, or in its file, if there is one, as a new file that
    /// takes the old one's place. It waits for the disk.
    pub(crate) fn store(&self, log: &Log, snapshot: Snapshot) -> anyhow::Result<()> {
        // Read before the state is, so that what is accepted meanwhile is stored the next time.
        // The spool's checkpoint also says where the next start begins to read, and which segments may go.
        let moved = if log.as_spool().is_some() { log.last() } else { self.sum(Gate::accepted) };
        let now = moved.saturating_add(1);
        let is_stored = now == self.stored.load(Ordering::Relaxed);
        if let Some(spool) = log.as_spool() {
            return if is_stored { Ok(()) } else { self.store_in(spool, log, now, snapshot) };
        }
        let Some(path) = &self.state else { return Ok(()) };
        if snapshot == Snapshot::Running && is_stored {
            return Ok(());
        }
        let bytes = self.opener.export(snapshot);
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

impl Keys {
    /// The spool is the replay state: a checkpoint, and what it holds behind that.
    fn store_in(&self, spool: &Spool, log: &Log, now: u64, snapshot: Snapshot) -> anyhow::Result<()> {
        let mut last_time = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = self.stored.load(Ordering::Relaxed).saturating_sub(1);
        let recent = last_time.is_some_and(|time| time.elapsed() < CHECKPOINT)
            && log.bytes_behind(stored) < CHECKPOINT_BYTES;
        if snapshot == Snapshot::Running && recent {
            return Ok(());
        }
        // What comes into the log meanwhile is in the state as well, and is looked at again after a restart. Nothing
        // is in the state that is not in the log by the time that its last index is asked for.
        let covered = log.last();
        let state = self.opener.export(Snapshot::Final);
        if !spool.wait_durable(log.last(), DURABLE) {
            // The state would be ahead of the spool. It is stored the next time.
            return Ok(());
        }
        spool.store_checkpoint(covered, &state).context("the spool's checkpoint")?;
        *last_time = Some(Instant::now());
        self.stored.store(now, Ordering::Relaxed);
        Ok(())
    }
}

/// Makes the replay state of what a spool has: its checkpoint, and the signed records behind it. If there is more of
/// these than a start may read, or no checkpoint, the newest of them have to do: what may lie before them is refused
/// by its time.
fn remember(spool: &Spool, policy: Policy, start: i64, report: &Report) -> anyhow::Result<Replay> {
    let recent = spool.recent(READ_BACK);
    let checkpoint = spool.take_checkpoint().filter(|checkpoint| checkpoint.index >= recent);
    let known = checkpoint.and_then(|checkpoint| {
        let replay = Replay::import(policy, &checkpoint.state, start).ok()?;
        Some((replay, checkpoint.index))
    });
    let (mut replay, index) = known.unwrap_or_else(|| {
        if recent == 0 {
            return (Replay::new(policy, start), 0);
        }
        report.line(format_args!(
            "logrecord: the spool has no checkpoint of its newest records: of signed records, those behind {recent} \
             are known again, and what is older than this start and of no stream among them is refused"
        ));
        (Replay::from_end(policy, start), recent)
    });
    spool
        .accepted_since(index, |record| {
            let entry = &record.entry;
            if let (Ok(key_id), Ok(stream)) = (KeyId::new(entry.key_id), <[u8; 16]>::try_from(entry.stream)) {
                replay.restore(entry.received, key_id, stream.into(), entry.number, entry.time);
            }
        })
        .context(Failure::unavailable("cannot read the spool"))?;
    Ok(replay)
}

fn ring(signing: &Signing) -> anyhow::Result<KeyRing> {
    let mut ring = KeyRing::new();
    let in_folder = match &signing.keys_dir {
        Some(folder) => keys_in(folder).context(Failure::config("cannot read the folder of keys"))?,
        None => Vec::new(),
    };
    for (id, file) in signing.keys.iter().chain(&in_folder) {
        let place = || format!("key {id}, {}", file.display());
        let key_id = KeyId::new(id.as_bytes()).map_err(|error| anyhow!("{}: {error}", place()));
        ring.accept(key::read_file(key_id.context(Failure::config("malformed key id"))?, file)?)
            .map_err(|error| anyhow!("{}: {error}", place()))
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
