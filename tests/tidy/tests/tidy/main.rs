//! `cargo xtask tidy`: what the compiler and clippy do not check about the text of the workspace.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod layers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use testkit::process;

/// A source file may be this long, its unit tests not counted.
const MAX_LINES: usize = 800;

/// Crates that work without the standard library.
const NO_STD: [&str; 2] = ["crates/pickle-codec", "crates/frame"];

/// Every finding, as `path:line: what`.
fn findings(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let files = files(root)?;
    let unstd = unstd_files(root, &files);
    for file in &files {
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        let name = file.to_string_lossy().replace('\\', "/");
        words(&name, &text, &mut found);
        if name.ends_with(".rs") {
            rust(&name, &text, &mut found);
            if NO_STD.iter().any(|krate| name.starts_with(&format!("{krate}/src/"))) && !unstd.contains(file)
            {
                std_paths(&name, &text, &std_features(root, &name), &mut found);
            }
        }
        if name.ends_with(".md") {
            links(root, file, &text, &mut found);
        }
    }
    for folder in crates(root)? {
        package(root, &folder, &mut found);
        layers::check(root, &folder, &files, &mut found);
    }
    for folder in ["xtask", "benches", "tests/conformance", "fuzz"].map(Path::new) {
        crate_root(root, folder, &mut found);
    }
    for folder in ["xtask", "tests/conformance", "fuzz"].map(Path::new) {
        layers::check(root, folder, &files, &mut found);
    }
    for file in ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE", "deny.toml"] {
        if !root.join(file).is_file() {
            found.push(format!("{file}: missing"));
        }
    }
    Ok(found)
}

/// Text files that git knows or would add, golden data and seeds left out.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut command = Command::new("git");
    command.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let list = match process::output(&mut command) {
        Ok(output) => String::from_utf8_lossy(&output).lines().map(PathBuf::from).collect(),
        // An unpacked archive has no git: everything that is there counts.
        Err(_) => walk(root, root)?,
    };
    let skipped = |file: &PathBuf| {
        ["testdata", "fuzz/corpus", "fuzz/dictionaries", "target"]
            .iter()
            .any(|folder| file.starts_with(folder))
    };
    let mut list: Vec<PathBuf> = list.into_iter().filter(|file| !skipped(file)).collect();
    list.sort();
    Ok(list)
}

fn walk(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with(".git") {
                found.extend(walk(root, &path)?);
            }
        } else if let Ok(relative) = path.strip_prefix(root) {
            found.push(relative.to_path_buf());
        }
    }
    Ok(found)
}

/// Words that must not stand anywhere: notes to oneself, and places that exist on one machine only.
fn words(name: &str, text: &str, found: &mut Vec<String>) {
    // Joined here, so that this file does not hold them.
    let notes = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let places = ["/ro ot/", "/wo rk/", "../sha red"].map(|place| place.replace(' ', ""));
    for (number, line) in text.lines().enumerate() {
        for word in &notes {
            if line.split(|c: char| !c.is_ascii_alphabetic()).any(|part| part == word) {
                found.push(format!("{name}:{}: {word}: do it, or leave it out", number + 1));
            }
        }
        for place in &places {
            if line.contains(place.as_str()) {
                found.push(format!("{name}:{}: {place} is a place on one machine", number + 1));
            }
        }
    }
}

fn rust(name: &str, text: &str, found: &mut Vec<String>) {
    if !text.starts_with("//!") {
        found.push(format!("{name}:1: begins without a `//!` line that says what the file is for"));
    }
    let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    if code > MAX_LINES && !name.contains("/tests/") {
        found.push(format!("{name}:{code}: over {MAX_LINES} lines without its tests"));
    }
}

/// The features of the crate that `name` is in which bring the standard library along.
fn std_features(root: &Path, name: &str) -> Vec<String> {
    let krate = NO_STD.iter().find(|krate| name.starts_with(**krate)).copied().unwrap_or_default();
    let manifest = std::fs::read_to_string(root.join(krate).join("Cargo.toml")).unwrap_or_default();
    let mut features = vec!["feature = \"std\"".to_owned(), "test".to_owned()];
    for line in section(&manifest, "[features]") {
        if let Some((feature, parts)) = line.split_once('=')
            && parts.contains("\"std\"")
            && feature.trim() != "default"
        {
            features.push(format!("feature = \"{}\"", feature.trim()));
        }
    }
    features
}

/// Whether a line is a `cfg` attribute that leaves its item out of a build without the standard library.
fn behind_std(line: &str, features: &[String]) -> bool {
    let line = line.trim();
    let Some(condition) = line.strip_prefix("#[cfg(").or_else(|| line.strip_prefix("#![cfg(")) else {
        return false;
    };
    !condition.starts_with("not(")
        && !condition.starts_with("any(")
        && features.iter().any(|feature| condition.contains(feature.as_str()))
}

/// Files that are modules behind the `std` feature as a whole.
fn unstd_files(root: &Path, files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    for file in files {
        let name = file.to_string_lossy().replace('\\', "/");
        if !NO_STD.iter().any(|krate| name.starts_with(&format!("{krate}/src/"))) {
            continue;
        }
        let features = std_features(root, &name);
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        let mut hidden = false;
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("#[") || line.starts_with("///") {
                hidden |= behind_std(line, &features);
                continue;
            }
            let module = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            if hidden
                && let Some(module) = module.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'))
            {
                let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
                    Some("lib" | "mod") | None => file.with_file_name(""),
                    Some(stem) => file.with_file_name(stem),
                };
                out.insert(folder.join(format!("{module}.rs")));
                out.insert(folder.join(module).join("mod.rs"));
            }
            hidden = false;
        }
    }
    out
}

/// Paths of `std` outside what a build with the standard library alone compiles.
fn std_paths(name: &str, text: &str, features: &[String], found: &mut Vec<String>) {
    let mut hidden: Option<i32> = None;
    let mut depth = 0_i32;
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if hidden.is_none() && behind_std(code, features) {
            if code.trim().starts_with("#![") {
                return;
            }
            hidden = Some(depth);
            continue;
        }
        let opens = i32::try_from(code.matches(['{', '(', '[']).count()).unwrap_or(0);
        let closes = i32::try_from(code.matches(['}', ')', ']']).count()).unwrap_or(0);
        let used =
            code.contains("std::") && !code.contains("feature = \"std\"") && !code.contains("cfg_attr");
        if hidden.is_none() && used {
            found.push(format!("{name}:{}: a path of std outside the `std` feature", number + 1));
        }
        depth += opens - closes;
        // The item ends where the depth is again that of its attribute, with its last brace or semicolon.
        let ended = code.trim_end().ends_with(['}', ';', ',']);
        if let Some(start) = hidden
            && depth <= start
            && ended
            && !code.trim().starts_with("#[")
        {
            hidden = None;
        }
    }
}

/// Links to files that are not there.
fn links(root: &Path, file: &Path, text: &str, found: &mut Vec<String>) {
    let folder = root.join(file.parent().unwrap_or_else(|| Path::new("")));
    for (number, line) in text.lines().enumerate() {
        for part in line.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
            if local && !folder.join(target).exists() {
                found.push(format!("{}:{}: the link to {target} leads nowhere", file.display(), number + 1));
            }
        }
    }
}

fn crates(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file()
            && let Ok(relative) = path.strip_prefix(root)
        {
            folders.push(relative.to_path_buf());
        }
    }
    folders.sort();
    Ok(folders)
}

/// The lines of one section of a TOML file.
fn section<'a>(toml: &'a str, header: &str) -> impl Iterator<Item = &'a str> {
    let header = header.to_owned();
    toml.lines().skip_while(move |line| *line != header).skip(1).take_while(|line| !line.starts_with('['))
}

/// What a crate needs in order to be published.
fn package(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let name = folder.display();
    let manifest = std::fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap_or_default();
    let keys: BTreeSet<&str> = section(&manifest, "[package]")
        .filter_map(|line| line.split(['=', '.']).next().map(str::trim))
        .filter(|key| !key.is_empty())
        .collect();
    for key in ["description", "license", "repository", "readme", "keywords", "categories", "rust-version"] {
        if !keys.contains(key) {
            found.push(format!("{name}/Cargo.toml: [package] has no {key}"));
        }
    }
    if !section(&manifest, "[lints]").any(|line| line == "workspace = true") {
        found.push(format!("{name}/Cargo.toml: the workspace's lints are not in force"));
    }
    let is_published = !section(&manifest, "[package]").any(|line| line == "publish = false");
    let mut files = vec!["README.md"];
    if is_published {
        files.extend(["LICENSE-MIT", "LICENSE-APACHE"]);
    }
    for file in files {
        if !root.join(folder).join(file).is_file() {
            found.push(format!("{name}: no {file}"));
        }
    }
    if is_published
        && root.join(folder).join("src/lib.rs").is_file()
        && !section(&manifest, "[package.metadata.docs.rs]").any(|line| line == "all-features = true")
    {
        found.push(format!("{name}/Cargo.toml: docs.rs would not show every feature"));
    }
    crate_root(root, folder, found);
}

/// The attributes at the top of a crate.
fn crate_root(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let tops: Vec<PathBuf> = ["src/lib.rs", "src/main.rs"]
        .iter()
        .map(|top| folder.join(top))
        .filter(|top| root.join(top).is_file())
        .collect();
    if tops.is_empty() {
        found.push(format!("{}: neither src/lib.rs nor src/main.rs", folder.display()));
    }
    for top in tops {
        let text = std::fs::read_to_string(root.join(&top)).unwrap_or_default();
        if !text.contains("#![forbid(unsafe_code)]") {
            found.push(format!("{}:1: no #![forbid(unsafe_code)]", top.display()));
        }
        if NO_STD.iter().any(|krate| folder == Path::new(krate)) && !text.contains("#![no_std]") {
            found.push(format!("{}:1: no #![no_std]", top.display()));
        }
    }
}

#[test]
fn workspace_is_tidy() {
    let found = findings(&process::root()).unwrap();
    assert!(found.is_empty(), "{} findings\n  {}", found.len(), found.join("\n  "));
}

fn std_lines(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let features = ["feature = \"std\"".to_owned(), "test".to_owned()];
    std_paths("x.rs", text, &features, &mut found);
    found
}

#[test]
fn finds_std_outside_its_feature() {
    assert_eq!(std_lines("use std::fmt;\n").len(), 1);
    assert_eq!(std_lines("// std::fmt\nuse core::fmt;\n").len(), 0);
    assert_eq!(std_lines("#[cfg(feature = \"std\")]\nimpl std::error::Error for E {}\n").len(), 0);
    assert_eq!(
        std_lines("#[cfg(feature = \"std\")]\nfn a() {\n  std::b();\n}\nfn c() { std::d(); }\n").len(),
        1
    );
    assert_eq!(std_lines("#[cfg(not(feature = \"std\"))]\nuse std::fmt;\n").len(), 1);
    assert_eq!(std_lines("#[cfg(test)]\nmod tests {\n  use std::fmt;\n}\n").len(), 0);
}

#[test]
fn finds_notes_and_long_files() {
    let mut found = Vec::new();
    words("a.rs", &["// TO", "DO: later\n"].concat(), &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    rust("crates/a/src/b.rs", &format!("//! B.\n{}", "x\n".repeat(800)), &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
    rust("crates/a/src/b.rs", &format!("//! B.\n#[cfg(test)]\n{}", "x\n".repeat(800)), &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
}
