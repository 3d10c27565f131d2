//! A CPython that is given inputs in batches and answers each.

use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result};
use testkit::python::Python;

/// One process, which is started again when an input has ended it.
#[derive(Debug)]
pub struct Worker {
    python: Python,
    script: &'static str,
    arguments: &'static [&'static str],
    process: Process,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a script of this package.
    ///
    /// # Errors
    ///
    /// When Python does not start.
    pub fn start(python: &Python, script: &'static str, arguments: &'static [&'static str]) -> Result<Self> {
        let process = Process::start(python, script, arguments)?;
        Ok(Self { python: python.clone(), script, arguments, process })
    }

    /// Sends a batch, whose answers [`receive`](Self::receive) gives: meanwhile the caller can do its own part.
    ///
    /// # Errors
    ///
    /// When the process has ended.
    pub fn send(&mut self, batch: &[Vec<u8>]) -> Result<()> {
        self.process.send(batch)
    }

    /// The answers to the batch that was sent last; `None` for an input that ended the process.
    ///
    /// # Errors
    ///
    /// When Python does not start again.
    pub fn receive(&mut self, batch: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        if let Ok(answers) = self.process.receive(batch.len()) {
            return Ok(answers.into_iter().map(Some).collect());
        }
        // Each in turn, to find the one that did it.
        self.restart()?;
        let mut answers = Vec::new();
        for input in batch {
            let single = std::slice::from_ref(input);
            let answer = self.process.send(single).and_then(|()| self.process.receive(1));
            match answer {
                Ok(answer) => answers.extend(answer.into_iter().map(Some)),
                Err(_) => {
                    self.restart()?;
                    answers.push(None);
                }
            }
        }
        Ok(answers)
    }

    fn restart(&mut self) -> Result<()> {
        self.process = Process::start(&self.python, self.script, self.arguments)?;
        Ok(())
    }
}

impl Process {
    fn start(python: &Python, script: &str, arguments: &[&str]) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut command = python.command();
        command
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start CPython {}", python.full))?;
        let input = BufWriter::new(child.stdin.take().context("no input")?);
        let output = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, input, output })
    }

    fn send(&mut self, batch: &[Vec<u8>]) -> Result<()> {
        self.input.write_all(&u32::try_from(batch.len())?.to_be_bytes())?;
        for input in batch {
            self.input.write_all(&u32::try_from(input.len())?.to_be_bytes())?;
            self.input.write_all(input)?;
        }
        self.input.flush()?;
        Ok(())
    }

    fn receive(&mut self, count: usize) -> Result<Vec<Vec<u8>>> {
        (0..count).map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length)?;
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length))?];
        self.output.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killing what has already ended fails, and that is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
