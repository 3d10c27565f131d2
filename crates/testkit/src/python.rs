//! Finding the CPython interpreters of this machine.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// A minor version of CPython, such as 3.13. What a pickle looks like changes with it and not below it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split('.');
        let mut part = || parts.next().and_then(|part| part.parse().ok());
        match (part(), part()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => bail!("{text:?} is no Python version"),
        }
    }
}

/// One interpreter.
#[derive(Clone, Debug)]
pub struct Python {
    /// Where it is.
    pub path: PathBuf,
    /// Its minor version.
    pub version: Version,
    /// The whole version, such as 3.13.0.
    pub full: String,
}

impl Python {
    /// A command that runs the interpreter so that two runs do the same.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONIOENCODING", "utf-8")
            .env("TZ", "UTC")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONWARNINGS");
        command
    }

    fn ask(path: PathBuf) -> Option<Self> {
        let question =
            "import platform; print(platform.python_implementation() + ' ' + platform.python_version())";
        let answer = process::output(Command::new(&path).args(["-c", question])).ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let full = answer.trim().strip_prefix("CPython ")?.to_owned();
        Some(Self { path, version: full.parse().ok()?, full })
    }
}

/// Every CPython: those that `LOGRECORD_PYTHONS` lists, else those of pyenv, else `python3` in `PATH`. One per
/// minor version, oldest first.
#[must_use]
pub fn find() -> Vec<Python> {
    let mut pythons: Vec<Python> = candidates().into_iter().filter_map(Python::ask).collect();
    pythons.sort_by_key(|python| python.version);
    pythons.dedup_by_key(|python| python.version);
    pythons
}

fn candidates() -> Vec<PathBuf> {
    if let Some(list) = std::env::var_os("LOGRECORD_PYTHONS") {
        return std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut found: Vec<PathBuf> = std::fs::read_dir(home.join(".pyenv/versions"))
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin/python"))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    if found.is_empty() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        found.extend(std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|p| p.is_file()));
    }
    found
}

/// The interpreters that [`find`] looks at, not asked for their versions, for a test; says that the test is skipped
/// where there is none.
///
/// # Panics
///
/// As [`find_or_skip`].
#[must_use]
pub fn paths_or_skip() -> Vec<PathBuf> {
    some_or_skip(candidates(), "no Python was found")
}

/// Those of [`find`] from one minor version of Python 3 on and below another, for a test; says that the test is skipped
/// where there is none.
///
/// # Panics
///
/// As [`find_or_skip`].
#[must_use]
pub fn python_3(minors: std::ops::Range<u16>) -> Vec<Python> {
    let fits = |python: &Python| python.version.major == 3 && minors.contains(&python.version.minor);
    some_or_skip(
        find().into_iter().filter(fits).collect(),
        &format!("no CPython of the versions 3.{minors:?} was found"),
    )
}

/// [`find`] for a test: says that the test is skipped where there is no Python.
///
/// # Panics
///
/// When there is none and `LOGRECORD_REQUIRE_PYTHON=1` asks for one.
#[must_use]
pub fn find_or_skip() -> Vec<Python> {
    some_or_skip(find(), "no CPython was found")
}

fn some_or_skip<T>(found: Vec<T>, why: &str) -> Vec<T> {
    if found.is_empty() {
        assert!(!required(), "{why}, and LOGRECORD_REQUIRE_PYTHON=1 asks for one");
        process::skip(why);
    }
    found
}

/// Whether a missing Python is a failure, as `LOGRECORD_REQUIRE_PYTHON=1` asks for.
#[must_use]
pub fn required() -> bool {
    std::env::var_os("LOGRECORD_REQUIRE_PYTHON").is_some_and(|value| value == "1")
}

/// The newest CPython 3 of those that `wanted` names, as [`select`] reads it.
///
/// # Errors
///
/// As [`select`], and when all of them are Python 2.
pub fn newest(wanted: &str) -> Result<Python> {
    let found = select(wanted)?.into_iter().rev().find(|python| python.version.major == 3);
    found.context("no CPython 3 found")
}

/// Those of `find` that `wanted` names: `all`, or versions with commas between them.
///
/// # Errors
///
/// When none is found, or one that was asked for is not there.
pub fn select(wanted: &str) -> Result<Vec<Python>> {
    let found = find();
    if found.is_empty() {
        bail!("no CPython found: list interpreters in LOGRECORD_PYTHONS, with colons between them");
    }
    if wanted == "all" {
        return Ok(found);
    }
    wanted
        .split(',')
        .map(|version| {
            let version: Version = version.trim().parse()?;
            let python = found.iter().find(|python| python.version == version);
            python.cloned().with_context(|| format!("no CPython {version} found"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_order_by_number() {
        let new: Version = "3.10.13".parse().unwrap();
        let old: Version = "3.9".parse().unwrap();
        assert!(old < new);
        assert_eq!(new.to_string(), "3.10");
        assert!("three".parse::<Version>().is_err());
        assert!("3".parse::<Version>().is_err());
    }
}
