//! What `inspect` writes, and what its exit code will be.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use logrecord::pickle::inspect::{Inspection, Meaning, Verdict, disassemble, disassemble_json, meaning};
use logrecord::pickle::json::write_string;

use super::magic;
use crate::args::{FailOn, InspectArgs};
use crate::exit::{Failure, REJECTED};
use crate::stderr;
use crate::terminal;

/// How often a terminal shows how far it is.
const PROGRESS: Duration = Duration::from_millis(200);

/// Where it is written, and what was counted.
pub(super) struct Report<'a> {
    args: &'a InspectArgs,
    out: BufWriter<StdoutLock<'static>>,
    files: usize,
    pickles: usize,
    data_only: usize,
    naming: usize,
    running: usize,
    passed_over: usize,
    problems: usize,
    failed: bool,
    in_folder: bool,
    /// Bytes that were read, expanded ones.
    bytes: u64,
    /// What is read is kept for its listing.
    lists: bool,
    /// Names whose meaning was said on standard error.
    said: BTreeSet<String>,
    shown: Option<Instant>,
}

impl<'a> Report<'a> {
    pub(super) fn new(args: &'a InspectArgs) -> Self {
        Self {
            args,
            out: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            files: 0,
            pickles: 0,
            data_only: 0,
            naming: 0,
            running: 0,
            passed_over: 0,
            problems: 0,
            failed: false,
            in_folder: false,
            bytes: 0,
            lists: args.instructions,
            said: BTreeSet::new(),
            shown: (io::stderr().is_terminal() && !terminal::is_quiet()).then(Instant::now),
        }
    }

    /// Whether what is read is to be kept for its listing.
    pub(super) const fn lists(&self) -> bool {
        self.lists
    }

    /// Lists what is read even where the command line does not ask for it.
    pub(super) fn keeps_all(&mut self, lists: bool) {
        self.lists |= lists;
    }

    /// One more file was read.
    pub(super) fn file(&mut self) {
        self.files += 1;
        self.went_on(0);
    }

    /// So many bytes were read; says on a terminal how far it is.
    pub(super) fn went_on(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.shown.is_some_and(|shown| shown.elapsed() >= PROGRESS) {
            self.shown = Some(Instant::now());
            let (files, pickles, mebibytes) = (self.files, self.pickles, self.bytes >> 20);
            stderr::progress(&format!("{files} files, {pickles} pickles, {mebibytes} MiB"));
        }
    }

    /// A file or member that holds no pickle.
    pub(super) fn passed_over(&mut self) {
        self.passed_over += 1;
    }

    /// How many pickles name something.
    #[cfg(feature = "archives")]
    pub(super) fn named(&self) -> usize {
        self.naming
    }

    /// Runs something in which files are found, not named.
    pub(super) fn within_folder<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.in_folder, true);
        let result = run(self);
        self.in_folder = before;
        result
    }

    /// Something that cannot be read, or not to its end.
    pub(super) fn problem(&mut self, name: &str, why: &str) -> anyhow::Result<()> {
        self.problems += 1;
        self.failed |= self.args.fail_on != FailOn::Never;
        if self.args.json {
            let mut json = b"{\"path\":".to_vec();
            write_string(name, &mut json);
            json.extend_from_slice(b",\"problem\":");
            write_string(why, &mut json);
            json.push(b'}');
            return self.line(&json);
        }
        self.line(format!("{}: cannot be read: {}", shown(name), shown(why)).as_bytes())
    }

    /// The pickles of a file that is no container; `start` tells what it is where it holds none.
    pub(super) fn pickles_of(
        &mut self,
        name: &str,
        start: &[u8],
        seen: &[Inspection],
        bytes: Option<&[u8]>,
    ) -> anyhow::Result<()> {
        let is_named = !self.in_folder || [".pkl", ".pickle"].iter().any(|ending| name.ends_with(ending));
        let magic = magic::known_magic(start);
        // The beginnings of some images are opcodes: a persistent id, and then nothing that an unpickler reads.
        let is_none = |seen: &Inspection| {
            let is_image = seen.stop.is_some() && seen.names.iter().all(|name| name.name == "PERSID");
            seen.verdict == Verdict::NotAPickle || magic.is_some() && is_image
        };
        if seen.iter().all(is_none) {
            if !is_named {
                self.passed_over();
                return Ok(());
            }
            if let (Some(what), [first, ..]) = (magic, seen) {
                self.failed |= self.args.fail_on != FailOn::Never;
                self.passed_over += 1;
                return match self.args.json {
                    true => self.object(Some(name), first, None),
                    false => self.line(format!("{}: not a pickle: {what}", shown(name)).as_bytes()),
                };
            }
        }
        self.pickles(name, seen, bytes, is_named)
    }

    /// A line or an object for each pickle.
    pub(super) fn pickles(
        &mut self,
        name: &str,
        seen: &[Inspection],
        bytes: Option<&[u8]>,
        is_named: bool,
    ) -> anyhow::Result<()> {
        self.judge(seen, is_named);
        for inspection in seen {
            if self.args.json {
                self.object(Some(name), inspection, bytes)?;
            } else {
                if let Some(bytes) = bytes.filter(|_| self.args.instructions) {
                    self.listing(inspection, bytes)?;
                }
                self.line(format!("{}: {inspection}", shown(name)).as_bytes())?;
            }
        }
        Ok(())
    }

    /// The pickles of the only path; one alone is listed.
    pub(super) fn bare(&mut self, seen: &[Inspection], bytes: &[u8], is_one: bool) -> anyhow::Result<()> {
        self.judge(seen, true);
        let is_one = is_one && seen.len() == 1;
        for inspection in seen {
            if self.args.json {
                self.object(None, inspection, Some(bytes))?;
                continue;
            }
            if is_one || self.args.instructions {
                self.listing(inspection, bytes)?;
            }
            let magic = magic::known_magic(bytes).filter(|_| inspection.verdict == Verdict::NotAPickle);
            match magic {
                Some(what) if inspection.stop.is_some() => {
                    self.line(format!("{inspection} ({what})").as_bytes())?;
                }
                _ => self.line(inspection.to_string().as_bytes())?,
            }
        }
        Ok(())
    }

    /// The pickles of the only path, which is too large to be listed.
    pub(super) fn unlisted(&mut self, seen: &[Inspection]) -> anyhow::Result<()> {
        self.judge(seen, true);
        for inspection in seen {
            if self.args.json {
                self.object(None, inspection, None)?;
            } else {
                self.line(inspection.to_string().as_bytes())?;
            }
        }
        Ok(())
    }

    fn listing(&mut self, inspection: &Inspection, bytes: &[u8]) -> anyhow::Result<()> {
        let begin = usize::try_from(inspection.offset).unwrap_or(usize::MAX);
        let pickle = bytes.get(begin..).unwrap_or_default();
        disassemble(pickle, &mut |line: &str| {
            self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"))
        })
        .context(WRITE)?;
        Ok(())
    }

    fn object(
        &mut self,
        name: Option<&str>,
        inspection: &Inspection,
        bytes: Option<&[u8]>,
    ) -> anyhow::Result<()> {
        let mut json = b"{".to_vec();
        if let Some(name) = name {
            json.extend_from_slice(b"\"path\":");
            write_string(name, &mut json);
            json.push(b',');
        }
        json.extend_from_slice(inspection.to_json_members().as_bytes());
        self.out.write_all(&json).context(WRITE)?;
        if let Some(bytes) = bytes.filter(|_| self.args.instructions) {
            let begin = usize::try_from(inspection.offset).unwrap_or(usize::MAX);
            self.out.write_all(b",\"instructions\":").context(WRITE)?;
            let mut separator = b"[";
            disassemble_json(bytes.get(begin..).unwrap_or_default(), &mut |line: &str| {
                let written =
                    self.out.write_all(separator).and_then(|()| self.out.write_all(line.as_bytes()));
                separator = b",";
                written
            })
            .context(WRITE)?;
            if separator == b"[" {
                self.out.write_all(b"[").context(WRITE)?;
            }
            self.out.write_all(b"]").context(WRITE)?;
        }
        self.line(b"}")
    }

    /// Counts pickles, says what their names can do, and whether they are a reason to fail.
    fn judge(&mut self, seen: &[Inspection], is_named: bool) {
        for inspection in seen {
            match inspection.verdict {
                Verdict::DataOnly => self.data_only += 1,
                Verdict::NotAPickle => {
                    self.failed |= is_named && self.args.fail_on != FailOn::Never;
                    self.passed_over += 1;
                    continue;
                }
                _ => self.naming += 1,
            }
            self.pickles += 1;
            let mut runs = false;
            for name in &inspection.names {
                let meaning = meaning(&name.name);
                let is_allowed = self.args.allow.contains(&name.name);
                let severity = match meaning {
                    Meaning::RunsCode(_) => FailOn::Calls,
                    Meaning::Harmless => FailOn::Names,
                    _ => FailOn::Unknown,
                };
                self.failed |= !is_allowed && severity >= self.args.fail_on;
                if let Meaning::RunsCode(why) = meaning {
                    runs = true;
                    if self.said.len() < 1_000 && self.said.insert(name.name.clone()) {
                        stderr::note(format_args!("{}: {why}", shown(&name.name)));
                    }
                }
            }
            self.running += usize::from(runs);
        }
    }

    fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.out.write_all(line).and_then(|()| self.out.write_all(b"\n")).context(WRITE)
    }

    /// The summary, if there was more than one file, and the exit code.
    pub(super) fn finish(mut self) -> anyhow::Result<ExitCode> {
        if self.shown.is_some() {
            stderr::progress("");
        }
        if self.files > 1 && !self.args.json {
            let line = format!(
                "{} pickles in {} files: {} data only, {} with names or calls, {} of them can run code; {} files or members \
                 without a pickle, {} not read",
                self.pickles,
                self.files,
                self.data_only,
                self.naming,
                self.running,
                self.passed_over,
                self.problems
            );
            self.line(line.as_bytes())?;
        }
        self.out.flush().context(WRITE)?;
        Ok(if self.failed { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
    }
}

/// A name in which nothing can steer a terminal.
fn shown(name: &str) -> String {
    let mut quoted = Vec::new();
    logrecord::pickle::json::write_escaped(name, &mut quoted);
    let quoted = String::from_utf8_lossy(&quoted).into_owned();
    // Of a JSON string's escapes, those of quotes and backslashes are not needed here.
    quoted.replace("\\\"", "\"").replace("\\\\", "\\")
}

const WRITE: Failure = Failure::unavailable("cannot write the output");
