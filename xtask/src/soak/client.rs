//! Clients made by hand: connections from many addresses, and frames as `SocketHandler` sends them.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

/// A read or write that takes longer fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to `port`. The `index` chooses one of eight loopback addresses to come from, because one address
/// has only some 28,000 ports, and many of them may still be in TIME_WAIT from the case before.
pub(super) fn dial(port: u16, index: usize) -> Result<TcpStream> {
    let octet = u8::try_from(2 + index % 8).unwrap_or(2);
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .with_context(|| format!("no descriptor for connection {index}"))?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, octet), 0))
        .with_context(|| format!("no port for connection {index}"))?;
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("connection {index} is not accepted"))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// `count` connections to `port`.
pub(super) fn crowd(port: u16, count: usize) -> Result<Vec<TcpStream>> {
    (0..count).map(|index| dial(port, index)).collect()
}

/// Waits until the peer has closed, and fails when it has not by `deadline`.
pub(super) fn closed_by(stream: &mut TcpStream, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(count) => ensure!(count == 0, "a receiver never answers, but this one did"),
        // A close with unread bytes is a reset, which is as good.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error).context("a connection was not closed"),
    }
    Ok(())
}

/// A frame: the pickle, protocol 1, of a record whose message is `message`, as Python 3 sends it.
pub(super) fn frame(message: &str) -> Vec<u8> {
    let mut pickle = b"}(".to_vec();
    let text = |pickle: &mut Vec<u8>, text: &str| {
        pickle.push(b'X');
        pickle.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        pickle.extend_from_slice(text.as_bytes());
    };
    for (key, value) in [
        ("name", "soak"),
        ("msg", message),
        ("levelname", "INFO"),
        ("pathname", "/srv/app/soak.py"),
        ("filename", "soak.py"),
        ("module", "soak"),
        ("funcName", "run"),
        ("threadName", "MainThread"),
        ("processName", "MainProcess"),
    ] {
        text(&mut pickle, key);
        text(&mut pickle, value);
    }
    for key in ["args", "exc_info", "exc_text", "stack_info", "taskName"] {
        text(&mut pickle, key);
        pickle.push(b'N');
    }
    for (key, value) in [("levelno", 20_u8), ("lineno", 3)] {
        text(&mut pickle, key);
        pickle.extend_from_slice(&[b'K', value]);
    }
    for (key, value) in [("process", 4_242_u32), ("thread", 42)] {
        text(&mut pickle, key);
        pickle.push(b'J');
        pickle.extend_from_slice(&value.to_le_bytes());
    }
    for (key, value) in [("created", 1_767_225_600.25_f64), ("msecs", 250.0), ("relativeCreated", 12.5)] {
        text(&mut pickle, key);
        pickle.push(b'G');
        pickle.extend_from_slice(&value.to_be_bytes());
    }
    pickle.extend_from_slice(b"u.");
    let mut frame = u32::try_from(pickle.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    frame.append(&mut pickle);
    frame
}

#[cfg(test)]
mod tests {
    use logrecord_model::LogRecord;

    use super::frame;

    #[test]
    fn frame_is_a_prefix_and_a_record() {
        let frame = frame("m1");
        let length = u32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), frame.len() - 4);
        let record = LogRecord::from_pickle(&frame[4..]).unwrap();
        assert_eq!(record.message(), "m1");
    }
}
