//! `logrecord completions` and `logrecord man`: what a shell and `man` are told about the command line.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs, ManArgs, VERSION};
use crate::exit::Failure;
use crate::stderr;

/// Prints a completion script.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "logrecord", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)
        .and_then(|()| out.flush())
        .context(Failure::unavailable("cannot write the output"))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the man pages.
pub(crate) fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    // `logrecord help serve` is the same as `man logrecord-serve`, and needs no page.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    fs::create_dir_all(&args.directory)
        .and_then(|()| pages(&command, &args.directory))
        .with_context(|| format!("{}", args.directory.display()))
        .context(Failure::unavailable("cannot write the man pages"))?;
    stderr::note(format_args!("{}: a page for each command, see `man logrecord`", args.directory.display()));
    Ok(ExitCode::SUCCESS)
}

/// The page of a command and those of the commands below it.
fn pages(command: &clap::Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands() {
        pages(below, directory)?;
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    // What stands behind the options is written here, because the generator would fill examples like prose.
    let page = clap_mangen::Man::new(command.clone().after_help(None))
        .source(format!("logrecord {VERSION}"))
        .manual("logrecord");
    let mut text = Vec::new();
    page.render(&mut text)?;
    roff(&after, &mut text);
    fs::write(directory.join(page.get_filename()), text)
}

/// The text behind a command's options as sections of its page: prose is filled, indented lines stay as they are.
fn roff(text: &str, out: &mut Vec<u8>) {
    let mut is_verbatim = false;
    let request = |out: &mut Vec<u8>, line: &str| out.extend_from_slice(format!("{line}\n").as_bytes());
    if !text.is_empty() && !HEADINGS.iter().any(|(begin, _)| text.starts_with(begin)) {
        request(out, ".SH NOTES");
    }
    for line in text.lines() {
        if line.starts_with("  ") != is_verbatim && !line.is_empty() {
            is_verbatim = !is_verbatim;
            request(out, if is_verbatim { ".nf" } else { ".fi" });
        }
        let heading = HEADINGS.iter().find_map(|(begin, name)| Some((line.strip_prefix(begin)?, name)));
        let rest = match heading {
            Some((rest, name)) => {
                request(out, &format!(".SH {name}"));
                rest.trim_start()
            }
            None if line.is_empty() && !is_verbatim => ".PP",
            None => line,
        };
        if rest == ".PP" {
            request(out, rest);
        } else if !rest.is_empty() || is_verbatim {
            // A dot or a quote at the start of a line would be a request.
            request(out, &format!("\\&{}", rest.replace('\\', "\\e").replace('-', "\\-")));
        }
    }
    if is_verbatim {
        request(out, ".fi");
    }
}

/// How a part of the text begins, and what its section is called.
const HEADINGS: [(&str, &str); 4] = [
    ("Examples:", "EXAMPLES"),
    ("Example:", "EXAMPLES"),
    ("Signals:", "SIGNALS"),
    ("Exit codes:", "\"EXIT STATUS\""),
];
