//! `cargo xtask golden`: golden data from every CPython of this machine.
//!
//! Each interpreter runs `python/golden.py` into a folder of its own. What several of them wrote alike becomes
//! one file under `testdata/`, named after the newest: `pickles/<case>.<version>.p<N>.pickle` beside
//! `pickles/<case>.json`, its value in tagged JSON; `frames/<case>.<version>.frames` beside a `.jsonl`, in which
//! each line is what that Python's own `pickle.loads` makes of one frame. The tables of [`rows`] come along.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::manifest::{Entry, FOLDERS, Files, Manifest, sha256};
use testkit::python::{Python, Version};
use testkit::{process, python};

use crate::{rows, seeds};

/// Options of `cargo xtask golden`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Make the data again in a temporary folder and compare; change nothing.
    #[arg(long)]
    check: bool,
    /// Write even where an interpreter that MANIFEST names is missing, and lose its files.
    #[arg(long)]
    force: bool,
}

/// What one interpreter wrote: contents by `(folder, case, ending)`, where the ending is `p2.pickle`, `json`,
/// `frames` or `jsonl`.
type Written = BTreeMap<(String, String, String), Vec<u8>>;

/// Writes or checks the golden data.
///
/// # Errors
///
/// When no interpreter is there, one of them fails, or `--check` finds a difference.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.check {
        return check();
    }
    let pythons = python::select("all")?;
    let testdata = process::root().join("testdata");
    if let Ok(text) = std::fs::read_to_string(testdata.join("MANIFEST"))
        && !options.force
    {
        for (version, full) in Manifest::read(&text)?.pythons {
            ensure!(
                pythons.iter().any(|python| python.version == version),
                "CPython {full} wrote a part of testdata/ and is not here: --force goes on without it"
            );
        }
    }
    let (manifest, files) = merge(&pythons, &run_all(&pythons)?)?;
    for folder in FOLDERS {
        replace_folder(&testdata.join(folder))?;
    }
    for (path, bytes) in &files {
        std::fs::write(testdata.join(path), bytes).with_context(|| format!("cannot write {path}"))?;
    }
    std::fs::write(testdata.join("MANIFEST"), manifest.write())?;
    let seeds = write_seeds(&files)?;
    let rows = rows::write(&pythons)?;
    let bytes: usize = files.values().map(Vec::len).sum();
    println!(
        "golden: {} files, {} KiB, from {}; {rows} rows, {seeds} seeds for the fuzz targets",
        files.len(),
        bytes / 1024,
        names(&pythons)
    );
    Ok(())
}

/// Checks the hashes of MANIFEST, and with every interpreter at hand that the same data comes out again.
///
/// # Errors
///
/// When anything differs, or a Python is required and none is there.
pub(crate) fn check() -> Result<()> {
    let testdata = process::root().join("testdata");
    let manifest = Manifest::read(&std::fs::read_to_string(testdata.join("MANIFEST"))?)?;
    let mut differences = manifest.differences(&testdata)?;
    let files = read_files(&testdata, &manifest)?;
    for (path, bytes) in seeds::all(&files)? {
        match std::fs::read(process::root().join("fuzz").join(&path)) {
            Ok(found) if found == bytes => {}
            _ => differences.push(format!("fuzz/{path}: not what the golden data gives")),
        }
    }
    let pythons = python::find();
    if pythons.is_empty() {
        ensure!(!python::required(), "no CPython found, and LOGRECORD_REQUIRE_PYTHON=1 asks for one");
        println!("golden: SKIPPED the comparison with CPython, for there is none; hashes only");
    }
    for (python, written) in pythons.iter().zip(run_all(&pythons)?) {
        let found = compare(&manifest, &files, python, &written);
        match manifest.pythons.get(&python.version) {
            Some(full) if *full == python.full => differences.extend(found),
            // A newer patch release may word a traceback differently, which is worth a look and no failure.
            other => {
                let known = other.map_or("none of its minor version", String::as_str);
                println!(
                    "golden: CPython {} (MANIFEST has {known}): {} differences",
                    python.full,
                    found.len()
                );
                found.iter().take(5).for_each(|line| println!("  {line}"));
            }
        }
    }
    differences.extend(rows::differences(&pythons)?);
    for line in differences.iter().take(20) {
        println!("  {line}");
    }
    ensure!(
        differences.is_empty(),
        "the golden data differs in {} places: cargo xtask golden",
        differences.len()
    );
    println!("golden: {} files as MANIFEST says; compared with {}", files.len(), names(&pythons));
    Ok(())
}

fn names(pythons: &[Python]) -> String {
    if pythons.is_empty() {
        return "no CPython".to_owned();
    }
    let names: Vec<&str> = pythons.iter().map(|python| python.full.as_str()).collect();
    format!("CPython {}", names.join(", "))
}

fn replace_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    Ok(())
}

/// Runs the script under every interpreter.
fn run_all(pythons: &[Python]) -> Result<Vec<Written>> {
    let script = process::root().join("xtask/python/golden.py");
    let mut all = Vec::new();
    for python in pythons {
        let folder = tempfile::tempdir()?;
        process::output(python.command().arg(&script).arg(folder.path()))
            .with_context(|| format!("CPython {}", python.full))?;
        let mut written = Written::new();
        for part in FOLDERS {
            for file in std::fs::read_dir(folder.path().join(part))? {
                let file = file?;
                let name = file.file_name().to_string_lossy().into_owned();
                let (case, ending) = name.split_once('.').context("a file without an ending")?;
                let key = (part.to_owned(), case.to_owned(), ending.to_owned());
                written.insert(key, std::fs::read(file.path())?);
            }
        }
        all.push(written);
    }
    Ok(all)
}

/// Joins what the interpreters wrote into files and their MANIFEST.
fn merge(pythons: &[Python], all: &[Written]) -> Result<(Manifest, Files)> {
    // What one version wrote that belongs together: a case's stream and its lines are named after one version.
    type Group<'a> = Vec<(&'a str, &'a [u8])>;
    let mut groups: BTreeMap<(&str, &str, &str), BTreeMap<Group<'_>, BTreeSet<Version>>> = BTreeMap::new();
    for (python, written) in pythons.iter().zip(all) {
        for ((folder, case, ending), bytes) in written {
            if ending == "jsonl" {
                continue;
            }
            let mut group = vec![(ending.as_str(), bytes.as_slice())];
            if ending == "frames" {
                let lines = written.get(&(folder.clone(), case.clone(), "jsonl".to_owned()));
                group.push(("jsonl", lines.context("a stream without its lines")?));
            }
            let same = groups.entry((folder, case, ending)).or_default().entry(group).or_default();
            same.insert(python.version);
        }
    }
    let mut manifest = Manifest::default();
    manifest.pythons.extend(pythons.iter().map(|python| (python.version, python.full.clone())));
    let mut files = Files::new();
    for ((folder, case, ending), contents) in groups {
        if ending == "json" && contents.len() != 1 {
            bail!("{case}: the interpreters do not agree on its value");
        }
        for (group, versions) in contents {
            let newest = versions.last().context("no version")?;
            for (ending, bytes) in group {
                let path = match ending {
                    "json" => format!("{folder}/{case}.json"),
                    _ => format!("{folder}/{case}.{newest}.{ending}"),
                };
                let protocol = match ending.split_once('.') {
                    Some((protocol, _)) => protocol.trim_start_matches('p'),
                    None => "-",
                };
                let entry = Entry {
                    case: case.to_owned(),
                    versions: versions.clone(),
                    protocol: protocol.to_owned(),
                    sha256: sha256(bytes),
                };
                manifest.entries.insert(path.clone(), entry);
                files.insert(path, bytes.to_vec());
            }
        }
    }
    Ok((manifest, files))
}

/// One line for each file that this interpreter writes otherwise than it is committed.
fn compare(manifest: &Manifest, files: &Files, python: &Python, written: &Written) -> Vec<String> {
    let mut committed: BTreeMap<(&str, &str, String), &[u8]> = BTreeMap::new();
    for (path, entry) in &manifest.entries {
        if !entry.versions.contains(&python.version) {
            continue;
        }
        let (folder, name) = path.split_once('/').unwrap_or_default();
        let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
        let ending =
            if ending == "pickle" { format!("p{}.pickle", entry.protocol) } else { ending.to_owned() };
        if let Some(bytes) = files.get(path) {
            committed.insert((folder, &entry.case, ending), bytes);
        }
    }
    let mut found = Vec::new();
    for ((folder, case, ending), bytes) in written {
        match committed.remove(&(folder.as_str(), case.as_str(), ending.clone())) {
            Some(expected) if expected == bytes => {}
            Some(_) => {
                found
                    .push(format!("{folder}/{case} {ending}: CPython {} writes it differently", python.full));
            }
            None => found
                .push(format!("{folder}/{case} {ending}: CPython {} writes it, none is kept", python.full)),
        }
    }
    for (folder, case, ending) in committed.keys() {
        found.push(format!("{folder}/{case} {ending}: CPython {} no longer writes it", python.full));
    }
    found
}

fn read_files(testdata: &Path, manifest: &Manifest) -> Result<Files> {
    let mut files = Files::new();
    for path in manifest.entries.keys() {
        let bytes = std::fs::read(testdata.join(path)).with_context(|| format!("cannot read {path}"))?;
        files.insert(path.clone(), bytes);
    }
    Ok(files)
}

/// Writes the seeds and the dictionary; seeds that a person or a fuzzer added under other names stay.
fn write_seeds(files: &Files) -> Result<usize> {
    let fuzz = process::root().join("fuzz");
    let seeds = seeds::all(files)?;
    for (path, bytes) in &seeds {
        let path = fuzz.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(seeds.len())
}
