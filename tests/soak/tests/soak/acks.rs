//! The cases of acknowledged records: a receiver that is killed again and again, and how many it takes a second.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use logrecord::SocketHandler;
use logrecord::frame::envelope::{AckStatus, Key, KeyId, KeyRing, Sealer, Verifier};
use logrecord::model::LogRecord;
use logrecord::transport::Backoff;
use logrecord::transport::sender::SenderStats;

use super::server::{self, Server};
use super::{Outcome, Trial, client, output, until};

/// How long the senders may take for what waits at the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a rate is measured.
const MEASURE: Duration = Duration::from_secs(10);

fn read_key(argument: &str) -> Result<Key> {
    let (id, path) = argument.split_once('=').context("ID=FILE")?;
    Ok(Key::from_file(KeyId::new(id.as_bytes())?, PathBuf::from(path).as_path())?)
}

fn handler(port: u16, key: &Key) -> Result<SocketHandler> {
    let backoff = Backoff::new().retry_start(Duration::from_millis(5)).retry_max(Duration::from_millis(50));
    let builder = SocketHandler::builder("127.0.0.1", port).hmac(key.clone(), "").backoff(backoff);
    Ok(builder.acks(1024).build()?)
}

/// A sender that logs until it is told to stop, as fast as it is answered.
fn log_until(
    name: String,
    handler: SocketHandler,
    stop: Arc<AtomicBool>,
) -> thread::JoinHandle<Result<SenderStats>> {
    thread::spawn(move || {
        let mut number = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            if handler.stats().sender.queued > 2_000 {
                thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            for _ in 0..50 {
                handler.handle(&LogRecord::builder("soak", 20, format!("{name} {number}")).now().build())?;
                number += 1;
            }
        }
        handler.flush(PATIENCE)?;
        Ok(handler.close(PATIENCE).sender)
    })
}

/// The bytes of the spool's segments.
fn spooled(trial: &Trial) -> u64 {
    let files = std::fs::read_dir(trial.path("spool")).into_iter().flatten().flatten();
    files
        .filter(|file| file.file_name().as_encoded_bytes().ends_with(b".seg"))
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

/// A receiver is killed in mid-stream, with an output that takes nothing and with one that writes: what was sent is
/// what was acknowledged, refused and dropped, and each acknowledged record stands in the output once.
pub(super) fn kills(trial: &Trial) -> Result<Outcome> {
    const SENDERS: usize = 3;
    let argument = output::key(trial, "app")?;
    let key = read_key(&argument)?;
    let (spool, out) = (trial.path("spool"), trial.path("out"));
    let start = |port: u16, output: &str| {
        let mut command = Command::new(&trial.program);
        command.args(["serve", "--tcp", &format!("127.0.0.1:{port}"), "--hmac-key", &argument, "--spool"]);
        command.arg(&spool).args(["--output", output]).stdout(Stdio::null());
        Server::spawn(trial, &mut command)
    };
    let mut server = start(0, "/dev/full")?;
    let port = server.port;
    let stop = Arc::new(AtomicBool::new(false));
    let senders = (0..SENDERS)
        .map(|index| Ok(log_until(format!("s{index}"), handler(port, &key)?, Arc::clone(&stop))))
        .collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    let mut down = Vec::new();
    for round in 0..trial.rounds {
        // A different amount each time, so that it is killed in different moments of a sync.
        let enough = spooled(trial) + 10_000 + (round as u64 * 7_919) % 200_000;
        until("records go into the spool", Duration::from_secs(30), || Ok(spooled(trial) >= enough))?;
        server::kill(&server.child);
        let killed = Instant::now();
        let stalled = round + 2 < trial.rounds && round % 3 != 2;
        server = start(port, if stalled { "/dev/full" } else { out.to_str().context("a path")? })?;
        down.push(killed.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let mut sum = SenderStats::default();
    for sender in senders {
        let Ok(stats) = sender.join() else { bail!("a sender has panicked") };
        let stats = stats?;
        ensure!(stats.accepted == stats.acked + stats.refused + stats.dropped, "{stats:?}");
        sum.accepted += stats.accepted;
        sum.acked += stats.acked;
        sum.refused += stats.refused;
        sum.dropped += stats.dropped;
    }
    let took = begin.elapsed().as_secs_f64();
    server::kill(&server.child);
    let server = start(port, out.to_str().context("a path")?)?;
    let wanted = usize::try_from(sum.acked)?;
    until("all of it is written", PATIENCE, || Ok(super::lines(&out) >= wanted))?;
    server::kill(&server.child);
    let messages = super::messages(&out)?;
    let distinct: HashSet<&String> = messages.iter().collect();
    ensure!(distinct.len() == messages.len(), "{} records twice", messages.len() - distinct.len());
    ensure!(messages.len() == wanted, "{} written, {} acknowledged", messages.len(), sum.acked);
    down.sort();
    let median = down.get(down.len() / 2).copied().unwrap_or_default();
    Ok(Outcome::Passed(format!(
        "{} kills in {took:.0} s: sent {}, acked {} ({:.0} a second, dead time included), refused {}, dropped {}; each acked \
         record once in the output; up again after {} ms (median)",
        trial.rounds,
        sum.accepted,
        sum.acked,
        sum.acked as f64 / took,
        sum.refused,
        sum.dropped,
        median.as_millis()
    )))
}

/// A connection made by hand, with records that are sealed before.
struct Connection {
    stream: TcpStream,
    sealer: Sealer,
    sent: u64,
    acked: u64,
}

impl Connection {
    fn new(port: u16, key: &Key, index: usize) -> Result<Self> {
        let id = (index as u128 + 1).to_be_bytes();
        let sealer = Sealer::new(key, b"", id)?.with_acks();
        Ok(Self { stream: client::dial(port, index)?, sealer, sent: 0, acked: 0 })
    }

    fn send(&mut self, payload: &[u8], count: u64) -> Result<()> {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
        let mut wire = Vec::new();
        for _ in 0..count {
            let start = wire.len();
            wire.extend_from_slice(&[0; 4]);
            self.sealer.seal_into(now, payload, &mut wire)?;
            let len = u32::try_from(wire.len() - start - 4)?;
            wire.get_mut(start..start + 4).context("the prefix")?.copy_from_slice(&len.to_be_bytes());
        }
        self.stream.write_all(&wire)?;
        self.sent += count;
        Ok(())
    }

    /// Waits until at most so many records are not acknowledged.
    fn wait(&mut self, verifier: &Verifier, most: u64) -> Result<()> {
        while self.sent - self.acked > most {
            let mut prefix = [0; 4];
            self.stream.read_exact(&mut prefix)?;
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes(prefix))?];
            self.stream.read_exact(&mut payload)?;
            let ack = verifier.open_ack(&payload).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
            ensure!(ack.status == AckStatus::Durable, "{ack:?}");
            self.acked = self.acked.max(ack.seq + 1);
        }
        Ok(())
    }
}

/// How many records of 600 bytes are acknowledged and synced in a second, over one connection and over many.
pub(super) fn rate(trial: &Trial) -> Result<Outcome> {
    const WINDOW: u64 = 1024;
    const THREADS: usize = 4;
    let argument = output::key(trial, "app")?;
    let key = read_key(&argument)?;
    let mut ring = KeyRing::new();
    ring.accept(key.clone())?;
    let verifier = Verifier::new(&ring, b"")?;
    let payload = testkit::bytes::record(&"x".repeat(500));
    let arguments =
        ["--hmac-key", &argument, "--spool", &trial.path("spool").to_string_lossy(), "--output", "/dev/null"]
            .map(str::to_owned);
    let server = Server::start(trial, &arguments)?;
    let mut figures = Vec::new();
    let many = trial.possible(4_000).min(trial.connections);
    for count in [1, many] {
        let stop = Instant::now() + MEASURE;
        let total = AtomicU64::new(0);
        thread::scope(|scope| {
            let threads = THREADS.min(count);
            let running: Vec<_> = (0..threads)
                .map(|thread| {
                    let (key, verifier, payload, total) = (&key, &verifier, &payload, &total);
                    scope.spawn(move || -> Result<()> {
                        let own = (thread..count).step_by(threads);
                        // The streams of both measurements are different ones.
                        let mut connections = own
                            .map(|index| Connection::new(server.port, key, index + count))
                            .collect::<Result<Vec<_>>>()?;
                        let each = if count == 1 { WINDOW / 4 } else { 16 };
                        while Instant::now() < stop {
                            for connection in &mut connections {
                                connection.send(payload, each)?;
                                if count == 1 {
                                    connection.wait(verifier, WINDOW - each)?;
                                }
                            }
                            if count > 1 {
                                for connection in &mut connections {
                                    connection.wait(verifier, 0)?;
                                }
                            }
                        }
                        for connection in &mut connections {
                            connection.wait(verifier, 0)?;
                            total.fetch_add(connection.acked, Ordering::Relaxed);
                        }
                        Ok(())
                    })
                })
                .collect();
            running
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a sender has panicked")))
        })?;
        let took = (Instant::now() - (stop - MEASURE)).as_secs_f64();
        let rate = total.load(Ordering::Relaxed) as f64 / took;
        figures.push(format!("{rate:.0} records a second acked and synced over {count} connections"));
    }
    server::kill(&server.child);
    Ok(Outcome::Passed(figures.join(", ")))
}
