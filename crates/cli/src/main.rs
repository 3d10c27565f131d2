//! The `logrecord` program: receives, sends, decodes and inspects the pickled LogRecords of Python
//! programs, without running them. Everything it does is in the libraries; here is what prints,
//! exits, reads files and catches signals.
#![forbid(unsafe_code)]

mod args;
mod clock;
mod config;
mod decode;
mod encode;
mod exit;
mod input;
mod inspect;
mod key;
mod send;
mod serve;
mod shell;
mod spool;
mod stderr;
mod tail;
mod terminal;
mod units;
mod validate;

use std::process::ExitCode;

use crate::args::{Command, KeyCommand};

fn main() -> ExitCode {
    let cli = terminal::parse();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Encode(args) => encode::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Spool { command } => spool::run(&command),
        Command::Key { command: KeyCommand::New(args) } => key::new(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // A reader that has seen enough, such as `head`, is no fault.
            if exit::is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            stderr::say(format_args!("{error:#}{}", exit::way_out(&error)));
            exit::code_of(&error)
        }
    }
}
