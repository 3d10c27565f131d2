//! The rows of `cargo xtask golden`: pickles of the standard library's objects, one a line.
//!
//! A script in `python/` prints what one interpreter makes, with tabs between the columns, of which the last is
//! a pickle in hexadecimal. The table of the same name beside the tests that read it holds the lines of all
//! interpreters, the oldest first, without those whose pickle an older one has written already.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use testkit::process;
use testkit::python::Python;

/// The scripts, by name.
const SCRIPTS: [&str; 2] = ["known_rows", "stdlib_rows"];

/// Where the table of a script is.
fn table(script: &str) -> PathBuf {
    process::root().join(format!("crates/pickle-codec/tests/{script}.tsv"))
}

/// What one interpreter prints.
fn print(script: &str, python: &Python) -> Result<String> {
    let path = process::root().join(format!("xtask/python/{script}.py"));
    let printed = process::output(python.command().arg(path));
    let printed = printed.with_context(|| format!("{script}.py under CPython {}", python.full))?;
    String::from_utf8(printed).with_context(|| format!("{script}.py under CPython {}", python.full))
}

/// The pickle of a line.
fn pickle(line: &str) -> &str {
    line.rsplit('\t').next().unwrap_or_default()
}

/// Writes the tables anew. Gives the number of their lines.
///
/// # Errors
///
/// When an interpreter fails, or a table cannot be written.
pub(crate) fn write(pythons: &[Python]) -> Result<usize> {
    let mut lines = 0;
    for script in SCRIPTS {
        let mut seen = BTreeSet::new();
        let mut rows = String::new();
        for python in pythons {
            for line in print(script, python)?.lines() {
                if seen.insert(pickle(line).to_owned()) {
                    rows.push_str(line);
                    rows.push('\n');
                    lines += 1;
                }
            }
        }
        std::fs::write(table(script), rows)?;
    }
    Ok(lines)
}

/// One line for each pickle that an interpreter at hand makes and that is in no table.
///
/// # Errors
///
/// When an interpreter fails, or a table cannot be read.
pub(crate) fn differences(pythons: &[Python]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for script in SCRIPTS {
        let rows = std::fs::read_to_string(table(script))?;
        let known: BTreeSet<&str> = rows.lines().map(pickle).collect();
        for python in pythons {
            let printed = print(script, python)?;
            let fresh = printed.lines().filter(|line| !known.contains(pickle(line)));
            found.extend(
                fresh.map(|line| format!("{script}.tsv lacks what CPython {} writes: {line}", python.full)),
            );
        }
    }
    Ok(found)
}
