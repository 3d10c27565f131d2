//! What `inspect` writes, and what its exit code will be.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal as _, SeekFrom, StdoutLock, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use logrecord::pickle::inspect::{Inspection, Lister, Meaning, Verdict, inspect, meaning};
use logrecord::pickle::json::write_string;

use super::magic;
use super::source::{self, BUFFER, READ, Source};
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
    /// Lines and objects that were written.
    lines: usize,
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
            lines: 0,
            said: BTreeSet::new(),
            shown: (io::stderr().is_terminal() && !terminal::is_quiet()).then(Instant::now),
        }
    }

    /// Whether every pickle is listed.
    pub(super) const fn lists(&self) -> bool {
        self.args.instructions
    }

    /// Whether text is written.
    pub(super) const fn is_text(&self) -> bool {
        !self.args.json
    }

    /// How many lines or objects were written for files.
    pub(super) const fn lines(&self) -> usize {
        self.lines
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
        source: Option<Box<dyn Source + '_>>,
    ) -> anyhow::Result<()> {
        let is_named = !self.in_folder || [".pkl", ".pickle"].iter().any(|ending| name.ends_with(ending));
        let magic = magic::known_magic(start);
        // The beginnings of some images are opcodes: a persistent id, and then nothing that an unpickler reads. So are
        // those of programs: `import os` and the line behind it are a name to Python's unpickler.
        let is_none = |seen: &Inspection| {
            let is_foreign = |name: &str| name == "PERSID" || magic == Some("text") && name.contains(' ');
            let is_other = seen.stop.is_some() && seen.names.iter().all(|name| is_foreign(&name.name));
            seen.verdict == Verdict::NotAPickle || magic.is_some() && is_other
        };
        if seen.iter().all(is_none) {
            if let Some(what) = magic::unread_archive(start).filter(|_| self.in_folder) {
                return self.problem(name, what);
            }
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
        self.pickles(name, seen, source, is_named)
    }

    /// A container that was named and holds no pickle, which is no reason to fail.
    pub(super) fn no_pickle(&mut self, name: &str, kind: magic::Kind) -> anyhow::Result<()> {
        if self.in_folder {
            return Ok(());
        }
        let verdict = match kind {
            magic::Kind::Npy => "not a pickle: a numpy array without objects",
            _ => "not a pickle: an archive in which no member is one",
        };
        if !self.args.json {
            return self.line(format!("{}: {verdict}", shown(name)).as_bytes());
        }
        let mut json = b"{\"path\":".to_vec();
        write_string(name, &mut json);
        json.extend_from_slice(b",\"verdict\":");
        write_string(verdict, &mut json);
        json.extend_from_slice(b",\"kind\":\"not_a_pickle\",\"offset\":0,\"end\":0,\"globals\":[]}");
        self.line(&json)
    }

    /// A line or an object for each pickle.
    pub(super) fn pickles(
        &mut self,
        name: &str,
        seen: &[Inspection],
        mut source: Option<Box<dyn Source + '_>>,
        is_named: bool,
    ) -> anyhow::Result<()> {
        self.judge(seen, is_named);
        for inspection in seen {
            let source = source.as_mut().filter(|_| self.args.instructions);
            if self.args.json {
                self.object(Some(name), inspection, source)?;
            } else {
                if let Some(source) = source {
                    self.listing(inspection, source)?;
                }
                self.line(format!("{}: {inspection}", shown(name)).as_bytes())?;
            }
        }
        Ok(())
    }

    /// A pickle of a path with several ones, or with this one alone.
    pub(super) fn named_or_bare(
        &mut self,
        name: Option<&str>,
        pickle: &[u8],
        is_one: bool,
    ) -> anyhow::Result<()> {
        let seen = inspect(pickle);
        let source = source::kept(Some(pickle));
        match name {
            Some(name) => self.pickles(name, &seen, source, true),
            None => self.bare(pickle, &seen, source, is_one),
        }
    }

    /// The pickles of the only path; one alone is listed. `start` tells what it is where it holds none.
    pub(super) fn bare(
        &mut self,
        start: &[u8],
        seen: &[Inspection],
        mut source: Option<Box<dyn Source + '_>>,
        is_one: bool,
    ) -> anyhow::Result<()> {
        self.judge(seen, true);
        let is_listed = is_one && seen.len() == 1 && !self.args.json || self.args.instructions;
        for inspection in seen {
            let source = source.as_mut().filter(|_| is_listed);
            if self.args.json {
                self.object(None, inspection, source)?;
                continue;
            }
            if let Some(source) = source {
                self.listing(inspection, source)?;
            }
            let magic = magic::known_magic(start).filter(|_| inspection.verdict == Verdict::NotAPickle);
            match magic {
                Some(what) if inspection.stop.is_some() => {
                    self.line(format!("{inspection} ({what})").as_bytes())?;
                }
                _ => self.line(inspection.to_string().as_bytes())?,
            }
        }
        Ok(())
    }

    fn listing(&mut self, inspection: &Inspection, source: &mut dyn Source) -> anyhow::Result<()> {
        self.list(Lister::text(), inspection, source, &mut |out, line| {
            out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"))
        })
    }

    /// Lists a pickle in pieces that are no larger than it, as there may be a great many in a file.
    fn list(
        &mut self,
        mut lister: Lister,
        inspection: &Inspection,
        source: &mut dyn Source,
        write: &mut dyn FnMut(&mut dyn Write, &str) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        source.seek(SeekFrom::Start(inspection.offset)).context(READ)?;
        let len = usize::try_from(inspection.end - inspection.offset).unwrap_or(usize::MAX);
        let mut buffer = vec![0; len.clamp(64, BUFFER)];
        let out = &mut self.out;
        let mut line = |line: &str| write(out, line);
        while !lister.is_over() {
            match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => lister.feed(buffer.get(..len).unwrap_or_default(), &mut line).context(WRITE)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context(READ),
            }
        }
        lister.finish(&mut line).context(WRITE)
    }

    fn object(
        &mut self,
        name: Option<&str>,
        inspection: &Inspection,
        source: Option<&mut Box<dyn Source + '_>>,
    ) -> anyhow::Result<()> {
        let mut json = b"{".to_vec();
        if let Some(name) = name {
            json.extend_from_slice(b"\"path\":");
            write_string(name, &mut json);
            json.push(b',');
        }
        json.extend_from_slice(inspection.to_json_members().as_bytes());
        self.out.write_all(&json).context(WRITE)?;
        if let Some(source) = source {
            self.out.write_all(b",\"instructions\":[").context(WRITE)?;
            let mut separator: &[u8] = b"";
            self.list(Lister::json(), inspection, source, &mut |out, line| {
                out.write_all(separator)?;
                separator = b",";
                out.write_all(line.as_bytes())
            })?;
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
        self.lines += 1;
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
