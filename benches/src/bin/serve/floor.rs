//! The least that a receiver of records can cost: it reads the same bytes and writes as many, and looks at none.
//!
//! It runs as a process of its own, like the program that it is compared with, and its kernel time is nearly all of its
//! time, so that it makes no difference how it was compiled.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// How much is read and written at once.
const CHUNK: usize = 256 * 1024;

/// Takes so many connections, copies what comes into a file, and ends behind the last one.
///
/// # Errors
///
/// When a socket or the file fails.
pub(super) fn run(output: &Path, connections: u64) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(std::io::stderr(), "listening on tcp://{}", listener.local_addr()?)?;
    let output = File::options().append(true).create(true).open(output)?;
    std::thread::scope(|scope| {
        let copies: Vec<_> = listener
            .incoming()
            .take(usize::try_from(connections).unwrap_or(usize::MAX))
            .map(|stream| {
                let mut output = &output;
                scope.spawn(move || -> Result<()> {
                    let mut stream = stream?;
                    let mut chunk = vec![0; CHUNK];
                    loop {
                        match stream.read(&mut chunk)? {
                            0 => return Ok(()),
                            read => output
                                .write_all(chunk.get(..read).context("read more than there is room")?)?,
                        }
                    }
                })
            })
            .collect();
        copies.into_iter().try_for_each(|copy| copy.join().unwrap_or_else(|_| bail!("a copy panicked")))
    })
}
