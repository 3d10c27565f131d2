//! `logrecord serve` when what it writes to is full, closed or never read, and when a peer means ill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use bytes::Bytes;
use logrecord::frame::envelope::{Key, KeyId, Sealer};

use common::{Server, counts, frame, read_lines, record, run, signal, until, wait};

const ATTACK: &[u8] = b"cos\nsystem\n(S'id'\ntR.";

/// Starts `serve` on a Unix socket in a folder, with standard error as given.
fn serve_with_stderr(folder: &std::path::Path, stderr: Stdio) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_logrecord"))
        .arg("serve")
        .arg("--unix")
        .arg(folder.join("socket"))
        .arg("--output")
        .arg(folder.join("out"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

#[test]
fn standard_error_that_is_full_or_gone_harms_nothing() {
    for gone in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        // What a pipe holds, so that the first line finds no room.
        writer.write_all(&[b'\n'; 64 << 10]).unwrap();
        let mut child = serve_with_stderr(folder.path(), writer.into());
        let reader = (!gone).then_some(reader);
        let mut client = until(|| UnixStream::connect(folder.path().join("socket")).ok());
        for number in 0..100 {
            client.write_all(&frame(ATTACK)).unwrap();
            client.write_all(&frame(b"hello")).unwrap();
            client.write_all(&frame(&record(&number.to_string()))).unwrap();
        }
        until(|| (read_lines(&folder.path().join("out")).len() == 100).then_some(()));
        signal(&child, "HUP");
        client.write_all(&frame(&record("after"))).unwrap();
        until(|| (read_lines(&folder.path().join("out")).len() == 101).then_some(()));
        signal(&child, "TERM");
        assert_eq!(wait(&mut child).code(), Some(0), "gone: {gone}");
        drop(reader);
    }
}

#[test]
fn a_hangup_neither_waits_for_a_stalled_output_nor_keeps_it_from_ending() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_logrecord"))
        .args(["serve", "--drain-timeout", "100ms", "--unix"])
        .arg(folder.path().join("socket"))
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut client = until(|| UnixStream::connect(folder.path().join("socket")).ok());
    let sender = std::thread::spawn(move || {
        let long = frame(&record(&"x".repeat(50_000)));
        // It ends when the program does.
        while client.write_all(&long).is_ok() {}
    });
    signal(&child, "HUP");
    signal(&child, "TERM");
    wait(&mut child);
    drop(reader);
    sender.join().unwrap();
}

#[test]
fn a_full_disk_is_left_by_rotation() {
    // A link that leads to a device which is always full, and then to a file: what a rotation does.
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::os::unix::fs::symlink("/dev/full", &out).unwrap();
    let mut server = Server::start_in(folder, &["--tcp", "127.0.0.1:0"]);
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    client.write_all(&frame(&record("kept"))).unwrap();
    server.wait_for(|seen| seen.iter().any(|line| line.contains("cannot write output")));
    std::fs::remove_file(&out).unwrap();
    server.signal("HUP");
    assert_eq!(server.wait_for_output(1).len(), 1);
    let (code, seen, _) = server.stop("TERM");
    assert_eq!((code, counts(&seen)), (Some(0), (1, 1, 0)), "{seen:#?}");
}

/// A disk of its own that goes with the test.
#[cfg(target_os = "linux")]
struct SmallDisk(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    /// `None`, and it is said, where no disk can be mounted.
    fn mount_or_skip(path: &std::path::Path) -> Option<Self> {
        std::fs::create_dir(path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(path).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(path.to_owned()));
        }
        testkit::process::skip("no tmpfs can be mounted here; nothing was tried on a full disk");
        None
    }

    /// Writes until there is no room any more.
    fn fill(&self) {
        let mut filler =
            std::fs::File::options().create(true).append(true).open(self.0.join("filler")).unwrap();
        let mut part = &[0; 64 << 10][..];
        while !part.is_empty() {
            if filler.write_all(part).is_err() {
                part = &part[..part.len() / 2];
            }
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// A disk that fills up under spool, output and standard error, one after the other and under all of them: every
/// record that was sent is written or counted as dropped, and what is written is there.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_everything_is_counted_to_the_record() {
    const SENT: u64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount_or_skip(&folder.path().join("disk")) else { return };
    let places = ["spool", "out", "err"];
    for full in [&places[..1], &places[1..2], &places[2..], &places[..]] {
        let round = folder.path().join(full.join("-"));
        std::fs::create_dir(&round).unwrap();
        let place = |name: &str| if full.contains(&name) { disk.0.join(name) } else { round.join(name) };
        let (out, err) = (place("out"), place("err"));
        let socket = round.join("socket");
        let mut child = Command::new(env!("CARGO_BIN_EXE_logrecord"))
            .args(["serve", "--unix"])
            .arg(&socket)
            .arg("--output")
            .arg(&out)
            .arg("--spool")
            .arg(place("spool"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let mut client = until(|| UnixStream::connect(&socket).ok());
        client.write_all(&frame(&record("first"))).unwrap();
        until(|| (read_lines(&out).len() == 1).then_some(()));
        disk.fill();
        // More than the queue before the disk holds, and something to report.
        for number in 0..SENT {
            client.write_all(&frame(&record(&format!("{number} {}", "x".repeat(50_000))))).unwrap();
            client.write_all(&frame(ATTACK)).unwrap();
        }
        let received = || {
            signal(&child, "USR1");
            let seen = read_lines(&err);
            seen.iter().any(|line| line.starts_with(&format!("received={} ", 2 * SENT + 1))).then_some(())
        };
        if !full.contains(&"err") {
            until(received);
        }
        disk.free();
        // What is said from now on has a line of its own.
        until(received);
        client.write_all(&frame(&record("last"))).unwrap();
        until(|| read_lines(&out).last()?.contains("\"last\"").then_some(()));
        signal(&child, "TERM");
        assert_eq!(wait(&mut child).code(), Some(0), "{full:?}");
        let seen = read_lines(&err);
        let lines = read_lines(&out);
        let (all, written, others) = counts(&seen);
        assert_eq!((all, lines.len() as u64), (2 * SENT + 2, written), "{full:?} {seen:#?}");
        assert_eq!(all, written + others, "{full:?} {seen:#?}");
        let line = seen.last().unwrap();
        assert!(line.contains("rejected{global}="), "{full:?} {line}");
        assert_eq!(line.contains("dropped{"), full.contains(&"spool"), "{full:?} {line}");
        for line in lines {
            serde_json::from_str::<serde_json::Value>(&line).unwrap();
        }
        for name in full {
            let path = disk.0.join(name);
            std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path)).unwrap();
        }
    }
}

#[test]
fn what_strangers_send_fills_no_disk() {
    let server =
        Server::start(&["--tcp", "127.0.0.1:0", "--dead-letter", "DIR/dead", "--dead-letter-max", "64KiB"]);
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    let mut junk = ATTACK.to_vec();
    junk.resize(1_000, b'j');
    for _ in 0..1_000 {
        client.write_all(&frame(&junk)).unwrap();
    }
    client.write_all(&frame(&record("honest"))).unwrap();
    server.wait_for_output(1);
    let (code, seen, folder) = server.stop("TERM");
    assert_eq!((code, counts(&seen)), (Some(0), (1_001, 1, 1_000)), "{seen:#?}");
    let len = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    let (older, newer) = (len("dead.1"), len("dead"));
    assert!(older > 16 << 10 && newer > 0 && older + newer <= 64 << 10, "{older} {newer}");
    for line in read_lines(&folder.path().join("dead.1")) {
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }
}

#[test]
fn a_number_that_comes_after_a_restart_is_no_negative_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.key");
    assert!(run(&["key", "new", &path.display().to_string()], b"").status.success());
    let line = std::fs::read(&path).unwrap();
    let key = Key::from_hex(KeyId::new(b"k").unwrap(), line.trim_ascii()).unwrap();
    let option = format!("k={}", path.display());
    let state = folder.path().join("state");
    // A link that somebody has put where the state is written first.
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("state.new")).unwrap();
    let state = state.display().to_string();
    let args = ["--tcp", "127.0.0.1:0", "--hmac-key", &option, "--replay-state", &state];
    let server = Server::start(&args);
    let mut sealer = Sealer::new(&key, b"", [7; 16]).unwrap();
    let now = jiff::Timestamp::now().as_nanosecond();
    let mut sealed = || {
        let mut payload = Vec::new();
        sealer.seal_into(i64::try_from(now).unwrap(), &record("r"), &mut payload).unwrap();
        Bytes::from(frame(&payload))
    };
    let (first, second, third) = (sealed(), sealed(), sealed());
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    client.write_all(&[first, third].concat()).unwrap();
    server.wait_for_output(2);
    drop(client);
    let (_, seen, _) = server.stop("TERM");
    assert!(seen.last().unwrap().ends_with(" missing=1"), "{seen:#?}");
    let server = Server::start(&args);
    let mut client = TcpStream::connect(server.address("tcp")).unwrap();
    client.write_all(&second).unwrap();
    server.wait_for_output(1);
    let (_, seen, _) = server.stop("TERM");
    assert!(!seen.last().unwrap().contains("missing"), "{seen:#?}");
    assert_eq!(counts(&seen), (1, 1, 0), "{seen:#?}");
    let mut text = String::new();
    std::fs::File::open(victim).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "untouched");
}

#[test]
fn what_is_counted_as_written_is_what_the_reader_of_a_pipe_finds() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_logrecord"))
        .args(["serve", "--drain-timeout", "100ms", "--unix"])
        .arg(folder.path().join("socket"))
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = until(|| UnixStream::connect(folder.path().join("socket")).ok());
        for number in 0..100 {
            client.write_all(&frame(&record(&format!("{number} {}", "x".repeat(500))))).unwrap();
        }
        clients.push(client);
    }
    signal(&child, "TERM");
    wait(&mut child);
    let mut seen = String::new();
    child.stderr.take().unwrap().read_to_string(&mut seen).unwrap();
    let seen: Vec<String> = seen.lines().map(str::to_owned).collect();
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    assert!(output.is_empty() || output.ends_with('\n'));
    let (received, written, others) = counts(&seen);
    assert_eq!(written, output.lines().count() as u64, "{seen:#?}");
    assert_eq!(received, written + others, "{seen:#?}");
    assert!(received <= 500, "{seen:#?}");
}

#[test]
fn a_torn_end_of_the_output_costs_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::write(&out, "{\"message\":\"torn").unwrap();
    let server = Server::start_in(folder, &["--tcp", "127.0.0.1:0"]);
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&frame(&record("whole"))).unwrap();
    let lines = server.wait_for_output(2);
    assert_eq!(lines[0], "{\"message\":\"torn");
    assert!(lines[1].contains("\"message\":\"whole\""), "{lines:?}");
}

/// A record of 222 bytes whose shared lists would be 4.8 MB of JSON: `{"a": [l3]*8}`, `l3=[l2]*9`, `l2=[l1]*10`,
/// `l1=["\x01"*110]*10`.
fn sharing_bomb() -> Vec<u8> {
    let mut pickle = b"\x80\x02}q\0X\x01\0\0\0aq\x01]q\x02(]q\x03(]q\x04(]q\x05(Xn\0\0\0".to_vec();
    pickle.extend_from_slice(&[1; 110]);
    pickle.extend_from_slice(b"q\x06");
    // Each list has its first element on the stack already.
    for (memo, more) in [(6, 9), (5, 9), (4, 8), (3, 7)] {
        pickle.extend_from_slice(&[b'h', memo].repeat(more));
        pickle.push(b'e');
    }
    pickle.extend_from_slice(b"s.");
    pickle
}

#[cfg(target_os = "linux")]
#[test]
fn small_frames_that_would_become_megabytes_are_cut_and_counted() {
    let server = Server::start(&["--tcp", "127.0.0.1:0"]);
    let bomb = frame(&sharing_bomb());
    assert!(bomb.len() < 300, "{}", bomb.len());
    for _ in 0..3 {
        let mut client = TcpStream::connect(server.address("tcp")).unwrap();
        client.write_all(&bomb.repeat(290)).unwrap();
    }
    let lines = server.wait_for_output(3 * 290);
    assert!(lines.iter().all(|line| line.len() < 64 << 10 && line.contains("\"cut\":true")));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 128 << 10, "{peak} KiB");
    let (_, seen, _) = server.stop("TERM");
    assert_eq!(seen.last().unwrap(), "received=870 written=870 cut=870", "{seen:#?}");
}

/// A key file with a fresh key, and the key.
fn fresh_key(path: &std::path::Path) -> Key {
    std::fs::remove_file(path).ok();
    assert!(run(&["key", "new", &path.display().to_string()], b"").status.success());
    let line = std::fs::read(path).unwrap();
    Key::from_hex(KeyId::new(b"k").unwrap(), line.trim_ascii()).unwrap()
}

/// Frames of records that a key has signed now, in a stream of their own.
fn sealed(key: &Key, stream: u8, count: usize) -> Vec<u8> {
    let mut sealer = Sealer::new(key, b"", [stream; 16]).unwrap();
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
    let mut frames = Vec::new();
    for _ in 0..count {
        sealer.seal_frame_into(now, &record("signed"), &mut frames).unwrap();
    }
    frames
}

#[test]
fn dead_letters_that_go_nowhere_hold_up_no_reload_and_no_end() {
    // A device that is always full, and a pipe that nobody reads.
    for stalled in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (path, dead) = (folder.path().join("k.key"), folder.path().join("dead"));
        let old = fresh_key(&path);
        let reader = if stalled {
            assert!(Command::new("mkfifo").arg(&dead).status().unwrap().success());
            // Opened for both, so that neither side waits for the other.
            Some(std::fs::File::options().read(true).write(true).open(&dead).unwrap())
        } else {
            std::os::unix::fs::symlink("/dev/full", &dead).unwrap();
            None
        };
        let option = format!("k={}", path.display());
        let mut server = Server::start_in(
            folder,
            &[
                "--tcp",
                "127.0.0.1:0",
                "--hmac-key",
                &option,
                "--dead-letter",
                "DIR/dead",
                "--drain-timeout",
                "1s",
            ],
        );
        let connect = || TcpStream::connect(server.address("tcp")).unwrap();
        let mut honest = connect();
        honest.write_all(&sealed(&old, 1, 1)).unwrap();
        server.wait_for_output(1);
        // More junk than a pipe holds.
        let mut junk = ATTACK.to_vec();
        junk.resize(1_000, b'j');
        connect().write_all(&frame(&junk).repeat(600)).unwrap();
        let new = fresh_key(&path);
        server.signal("HUP");
        server.wait_for(|seen| seen.iter().any(|line| line.ends_with("logrecord: reloaded")));
        // The retired key is refused from now on, also on a connection that it opened, and the new one is taken.
        honest.write_all(&sealed(&old, 2, 3)).unwrap();
        TcpStream::connect(server.address("tcp")).unwrap().write_all(&sealed(&new, 3, 2)).unwrap();
        server.wait_for_output(3);
        let (code, seen, folder) = server.stop("TERM");
        assert_eq!(code, Some(0), "{seen:#?}");
        let (received, written, rejected) = counts(&seen);
        assert_eq!((written, received), (3, written + rejected), "{seen:#?}");
        assert_eq!(read_lines(&folder.path().join("out")).len(), 3);
        drop(reader);
    }
}

#[test]
fn what_a_stalled_output_leaves_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    let socket = folder.path().join("socket");
    std::fs::write(
        &config,
        format!(
            "drain_timeout = \"1s\"\n[log]\nmax_bytes = \"1MiB\"\n[[listen]]\naddress = \"unix://{}\"\n[output.all]\ntype = \"stdout\"\n",
            socket.display()
        ),
    )
    .unwrap();
    for roomy in [true, false] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_logrecord"));
        command.arg("serve");
        if roomy {
            command.args(["--drain-timeout", "200ms", "--unix"]).arg(&socket);
        } else {
            command.arg("--config").arg(&config);
        }
        let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        // It holds the writing end of the pipe as well.
        drop(command);
        let mut clients = Vec::new();
        let long = frame(&record(&"x".repeat(60_000)));
        let short = frame(&record("short"));
        for part in [long.repeat(261), short.repeat(100)].iter().chain(vec![&short.repeat(100); 19]) {
            let mut client = until(|| UnixStream::connect(&socket).ok());
            let part = part.clone();
            // It may be held up until the program ends.
            clients.push(std::thread::spawn(move || client.write_all(&part).is_ok()));
        }
        let sent = 261 + 2_000;
        let errors = common::follow(child.stderr.take().unwrap());
        let mut seen = Vec::new();
        if roomy {
            until(|| {
                signal(&child, "USR1");
                seen.extend(errors.recv_timeout(std::time::Duration::from_millis(50)));
                let all = format!("received={sent} ");
                seen.iter().any(|line| line.starts_with(&all)).then_some(())
            });
        }
        signal(&child, "TERM");
        // Who reads on gets whole lines, and as many as are counted; who does not keeps nobody from ending.
        if roomy {
            wait(&mut child);
        }
        let mut output = String::new();
        reader.read_to_string(&mut output).unwrap();
        wait(&mut child);
        seen.extend(errors.iter());
        let (received, written, others) = counts(&seen);
        assert_eq!(received, written + others, "{seen:#?}");
        // A pipe takes a part of a long line, and what it has taken cannot be taken back.
        assert_eq!(written, output.matches('\n').count() as u64, "{seen:#?}");
        assert!(if roomy { received == sent } else { received <= sent && received > 16 }, "{seen:#?}");
        for client in clients {
            client.join().unwrap();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_text_of_a_key_does_not_stay_in_memory() {
    use std::io::{Seek as _, SeekFrom};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.key");
    let key = fresh_key(&path);
    let text = std::fs::read(&path).unwrap().trim_ascii().to_vec();
    let raw: Vec<u8> = text
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let option = format!("k={}", path.display());
    let mut server = Server::start(&["--tcp", "127.0.0.1:0", "--hmac-key", &option]);
    server.signal("HUP");
    server.wait_for(|seen| seen.iter().any(|line| line.ends_with("logrecord: reloaded")));
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&sealed(&key, 1, 3)).unwrap();
    server.wait_for_output(3);
    let process = format!("/proc/{}", server.id());
    let Ok(mut memory) = std::fs::File::open(format!("{process}/mem")) else {
        std::io::stderr().write_all(b"SKIPPED: the memory of a child cannot be read here\n").unwrap();
        return;
    };
    let mut looked_at = 0;
    for line in std::fs::read_to_string(format!("{process}/maps")).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let mut part = vec![0; usize::try_from(end - start).unwrap()];
        // Some ranges, such as the kernel's own, are not to be read.
        if memory.seek(SeekFrom::Start(start)).is_err() || memory.read_exact(&mut part).is_err() {
            continue;
        }
        looked_at += part.len();
        for secret in [&text, &raw] {
            let found = part.windows(secret.len()).any(|window| window == secret.as_slice());
            assert!(!found, "{line}");
        }
    }
    assert!(looked_at > 64 << 10, "{looked_at} bytes");
}

#[test]
fn a_damaged_replay_state_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.key");
    let key = fresh_key(&path);
    let option = format!("k={}", path.display());
    let state = folder.path().join("state");
    let state_option = state.display().to_string();
    let args = ["--tcp", "127.0.0.1:0", "--hmac-key", &option, "--replay-state", &state_option];
    let server = Server::start(&args);
    TcpStream::connect(server.address("tcp")).unwrap().write_all(&sealed(&key, 1, 3)).unwrap();
    server.wait_for_output(3);
    assert_eq!(server.stop("TERM").0, Some(0));
    let whole = std::fs::read(&state).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len())
        .step_by(11)
        .map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            bytes
        })
        .collect();
    damaged.extend([Vec::new(), whole[..whole.len() - 1].to_vec(), [&whole[..], b"x"].concat()]);
    assert!(damaged.len() > 10, "{}", damaged.len());
    for bytes in damaged {
        std::fs::write(&state, &bytes).unwrap();
        let mut arguments = vec!["serve", "--output", "/dev/null"];
        arguments.extend(args);
        let output = run(&arguments, b"");
        assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(&state).unwrap(), bytes);
    }
}
