//! Finds the commit that `logrecord --version` names. A build without git has none, which is no fault.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let commit = published().or_else(cloned);
    let shown = commit.map(|commit| format!(" ({})", commit.get(..9).unwrap_or(&commit)));
    println!("cargo::rustc-env=LOGRECORD_COMMIT={}", shown.unwrap_or_default());
}

/// The commit that a published crate was made from, as cargo notes it in the archive.
fn published() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = info.split_once("\"sha1\": \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The commit of the clone, unless it is somebody else's that these sources were copied into.
fn cloned() -> Option<String> {
    if git(&["rev-parse", "--show-prefix"])? != "crates/cli/" {
        return None;
    }
    // Each commit and each checkout is a line of this file.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
}
