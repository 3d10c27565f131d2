//! `logrecord decode`: pickles to lines of tagged JSON.

use std::io::{self, BufRead, BufWriter, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use logrecord::frame::FrameReader;
use logrecord::pickle::json;
use logrecord::pickle::tagged::{self, TaggedOptions};
use logrecord::pickle::{DecodeOptions, Decoder, Document, Error, PushDecoder};

use crate::args::{DecodeArgs, InputArg};
use crate::exit::{Failure, REJECTED};
use crate::input::{self, Line};

/// Decodes the input and writes a line for each pickle.
pub(crate) fn run(args: &DecodeArgs) -> anyhow::Result<ExitCode> {
    let mut input = input::open(&args.file)?;
    let mut options = DecodeOptions::new()
        .globals(args.globals.into())
        .py2_str(args.py2_str.into())
        .surrogates(args.surrogates.into());
    for name in &args.allow_global {
        options = options.allow(name);
    }
    let mut lines = Lines {
        out: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
        line: Vec::new(),
        tagged: TaggedOptions::new().refs(args.refs),
        rejected: false,
    };
    match args.input {
        InputArg::Pickle => pickles(&mut input, options, &mut lines)?,
        InputArg::Frames => frames(&mut input, options, &mut lines)?,
        InputArg::Hex => hex_lines(&mut input, options, &mut lines)?,
    }
    lines.out.flush().context(WRITE)?;
    Ok(if lines.rejected { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

const READ: Failure = Failure::unavailable("cannot read the input");
const WRITE: Failure = Failure::unavailable("cannot write the output");

/// The lines of output.
struct Lines<W: io::Write> {
    out: W,
    line: Vec<u8>,
    tagged: TaggedOptions,
    rejected: bool,
}

impl<W: io::Write> Lines<W> {
    /// Writes one value; gives whether it could be written as JSON.
    fn document(&mut self, document: &Document<'_>) -> anyhow::Result<bool> {
        self.line.clear();
        match tagged::write(document, &self.tagged, &mut self.line) {
            Ok(()) => {
                self.line.push(b'\n');
                self.out.write_all(&self.line).context(WRITE)?;
                Ok(true)
            }
            Err(error) => {
                self.error(&error, false)?;
                Ok(false)
            }
        }
    }

    /// Writes why a pickle was rejected. Errors of the conversion have no place in the pickle.
    fn error(&mut self, error: &Error, placed: bool) -> anyhow::Result<()> {
        let mut parts = format!(r#"{{"$error":{{"kind":"{}""#, error.kind().as_str());
        if placed {
            parts.push_str(&format!(r#","offset":{}"#, error.offset()));
        }
        if let Some(opcode) = error.opcode() {
            parts.push_str(&format!(r#","opcode":"{opcode}""#));
        }
        self.rejected = true;
        self.out.write_all(parts.as_bytes()).context(WRITE)?;
        if let Some(global) = error.global() {
            self.line.clear();
            json::write_string(global, &mut self.line);
            self.out.write_all(b",\"global\":").context(WRITE)?;
            self.out.write_all(&self.line).context(WRITE)?;
        }
        self.out.write_all(b"}}\n").context(WRITE)
    }

    /// Writes that something was wrong before there was a pickle.
    fn no_pickle(&mut self, kind: &str) -> anyhow::Result<()> {
        self.rejected = true;
        writeln!(self.out, r#"{{"$error":{{"kind":"{kind}"}}}}"#).context(WRITE)
    }

    /// Decodes one input and writes its line; gives whether it was good.
    fn decode(&mut self, decoder: &mut Decoder, pickle: &[u8]) -> anyhow::Result<bool> {
        match decoder.decode(pickle) {
            Ok(document) => {
                let good = self.document(&document)?;
                decoder.recycle(document);
                Ok(good)
            }
            Err(error) => {
                self.error(&error, true)?;
                Ok(false)
            }
        }
    }
}

/// Pickles one after another, each written as soon as it is complete; the first bad one ends it.
fn pickles<W: io::Write>(
    input: &mut impl BufRead,
    options: DecodeOptions,
    lines: &mut Lines<W>,
) -> anyhow::Result<()> {
    let mut decoder = PushDecoder::with_options(options);
    let mut any = false;
    loop {
        let chunk = input.fill_buf().context(READ)?;
        if chunk.is_empty() {
            break;
        }
        any = true;
        let len = chunk.len();
        let fed = decoder.feed(chunk);
        input.consume(len);
        // What was complete before the bad byte is written first.
        loop {
            match decoder.next_document() {
                Ok(Some(document)) => {
                    if !lines.document(&document)? {
                        return Ok(());
                    }
                }
                Ok(None) => break,
                Err(error) => return lines.error(&error, true),
            }
        }
        if let Err(error) = fed {
            return lines.error(&error, true);
        }
        lines.out.flush().context(WRITE)?;
    }
    if !any {
        return lines.decode(&mut Decoder::new(), b"").map(|_| ());
    }
    match decoder.finish() {
        Ok(()) => Ok(()),
        Err(error) => lines.error(&error, true),
    }
}

/// Frames, whose length is limited by nothing but the prefix; a bad one does not end it.
fn frames<W: io::Write>(
    input: &mut impl BufRead,
    options: DecodeOptions,
    lines: &mut Lines<W>,
) -> anyhow::Result<()> {
    let mut decoder = Decoder::with_options(options);
    let mut reader = FrameReader::with_max_frame_len(input, u32::MAX);
    loop {
        match reader.read_frame() {
            Ok(Some(payload)) => lines.decode(&mut decoder, &payload)?,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return lines.no_pickle("cut"),
            Err(error) => return Err(error).context(READ),
        };
    }
}

/// A pickle a line, in hexadecimal; a bad one does not end it.
fn hex_lines<W: io::Write>(
    input: &mut impl BufRead,
    options: DecodeOptions,
    lines: &mut Lines<W>,
) -> anyhow::Result<()> {
    let mut decoder = Decoder::with_options(options);
    let mut line = Vec::new();
    let mut pickle = Vec::new();
    while let Some(read) = input::line(input, input::MAX_LINE, &mut line)? {
        if read == Line::TooLong {
            lines.no_pickle("input")?;
        } else if input::unhex(line.trim_ascii(), &mut pickle) {
            lines.decode(&mut decoder, &pickle)?;
        } else {
            lines.no_pickle("hex")?;
        }
    }
    Ok(())
}
