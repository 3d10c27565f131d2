//! TLS over a tokio socket, driven by readiness: rustls does the cryptography, nothing waits inside of it.
use std::io::{self, BufRead, Read, Write};

use bytes::BytesMut;
use rustls::Connection;
use tokio::net::TcpStream;

/// A TLS connection, of either side.
#[derive(Debug)]
pub(crate) struct TlsStream {
    tcp: TcpStream,
    tls: Connection,
}

/// The socket as rustls wants to see it: reads and writes that do not wait.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_again(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl TlsStream {
    /// Shakes hands. The caller sets the time limit.
    pub(crate) async fn establish(tcp: TcpStream, tls: Connection) -> io::Result<Self> {
        let mut stream = Self { tcp, tls };
        loop {
            while stream.tls.wants_write() {
                match stream.tls.write_tls(&mut Socket(&stream.tcp)) {
                    Ok(_) => {}
                    Err(error) if is_again(&error) => stream.tcp.writable().await?,
                    Err(error) => return Err(error),
                }
            }
            if !stream.tls.is_handshaking() {
                return Ok(stream);
            }
            match stream.tls.read_tls(&mut Socket(&stream.tcp)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    if let Err(error) = stream.tls.process_new_packets() {
                        // The alert tells the other side why; whether it arrives changes nothing here.
                        drop(stream.tls.write_tls(&mut Socket(&stream.tcp)));
                        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                    }
                }
                Err(error) if is_again(&error) => stream.tcp.readable().await?,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.tcp.writable().await
    }

    /// Reads plaintext into the spare capacity of `buffer`, without waiting. 0 is the end, be it a proper
    /// farewell or a bare close: frames say by themselves whether one was cut.
    pub(crate) fn try_read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            let mut reader = self.tls.reader();
            match reader.fill_buf() {
                Ok([]) => return Ok(0),
                Ok(plain) => {
                    let room = buffer.capacity() - buffer.len();
                    let plain = plain.get(..room).unwrap_or(plain);
                    let read = plain.len();
                    buffer.extend_from_slice(plain);
                    reader.consume(read);
                    return Ok(read);
                }
                Err(error) if is_again(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
            self.tls.read_tls(&mut Socket(&self.tcp))?;
            if let Err(error) = self.tls.process_new_packets() {
                drop(self.tls.write_tls(&mut Socket(&self.tcp)));
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            if self.tls.wants_write() {
                // Answers to key updates. What finds no room goes with a later one.
                match self.tls.write_tls(&mut Socket(&self.tcp)) {
                    Ok(_) => {}
                    Err(error) if is_again(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Takes plaintext of at most one TLS record; [`try_flush`](Self::try_flush) sends it.
    pub(crate) fn take(&mut self, plain: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(plain)
    }

    /// Sends what was taken, without waiting.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut Socket(&self.tcp))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.tls.send_close_notify();
        drop(self.try_flush());
    }
}
