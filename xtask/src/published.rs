//! What strangers get: the crates as they would be published, tried away from the workspace that they come from.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use testkit::process::{self, cargo, output, run};
use testkit::python;

/// The libraries, and the folders of `crates/` that they are in.
pub(crate) const LIBRARIES: [(&str, &str); 8] = [
    ("pickle-codec", "pickle-codec"),
    ("python-format", "python-format"),
    ("logrecord-model", "logrecord-model"),
    ("logrecord-frame", "frame"),
    ("logrecord-transport", "transport"),
    ("logrecord", "logrecord"),
    ("logrecord-spool", "spool"),
    ("logrecord-pipeline", "pipeline"),
];

/// A step's end: done, or what it lacks on this machine.
pub(crate) type Done = Result<Option<&'static str>>;

/// A cargo that can be told a toolchain, in the workspace's root: only the one in `PATH` knows of them.
fn toolchain(name: &str) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(process::root()).arg(format!("+{name}")).env("RUSTUP_AUTO_INSTALL", "0");
    command
}

fn is_there(command: &mut Command) -> bool {
    output(command.arg("--version")).is_ok()
}

/// Packs all crates, unpacks them into an empty folder, and makes a workspace of them in which they find each other.
fn unpack() -> Result<PathBuf> {
    let target = process::root().join("target");
    let (archives, folder) = (target.join("package"), target.join("published"));
    for old in [&archives, &folder] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    fs::create_dir_all(&folder)?;
    let mut pack = cargo();
    pack.args(["package", "--no-verify", "--allow-dirty", "--locked", "--quiet", "-p", "logrecord-cli"]);
    pack.args(LIBRARIES.iter().flat_map(|(package, _)| ["-p", package]));
    run(&mut pack)?;
    let mut manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"*-*\"]\n\n[patch.crates-io]\n".to_owned();
    for archive in fs::read_dir(archives)? {
        let archive = archive?.path();
        let Some(name) = archive.file_name().and_then(|name| name.to_str()?.strip_suffix(".crate")) else {
            continue;
        };
        run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder))?;
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            ensure!(folder.join(name).join(file).is_file(), "{name} would be published without {file}");
        }
        let (package, _) = name.rsplit_once('-').context("an archive's name has a version")?;
        manifest.push_str(&format!("{package} = {{ path = \"{name}\" }}\n"));
    }
    // As the workspace's own profile, so that no dependency is compiled again.
    manifest.push_str(
        "\n[profile.dev.package.\"*\"]\ndebug = false\n\n[profile.dev.package.sha2]\nopt-level = 3\n",
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(process::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(folder)
}

/// The crates as they would be published have their texts, compile, and pass the tests that travel with them.
pub(crate) fn package() -> Done {
    let folder = unpack()?;
    let mut test = cargo();
    test.current_dir(folder).env("CARGO_TARGET_DIR", process::root().join("target"));
    run(test.args(["test", "--workspace", "--all-features", "--quiet", "--no-fail-fast"]))?;
    Ok(None)
}

/// The lowest versions that the manifests allow compile with all features; each feature alone is checked with the
/// versions of the lock file.
pub(crate) fn lowest() -> Done {
    if !is_there(&mut toolchain("nightly")) {
        return Ok(Some("no nightly is installed, which finds the lowest versions"));
    }
    let folder = unpack()?;
    run(toolchain("nightly").current_dir(&folder).args([
        "update",
        "--quiet",
        "-Z",
        "direct-minimal-versions",
    ]))?;
    let mut check = cargo();
    check.current_dir(&folder).args(["check", "--workspace", "--all-features", "--locked", "--quiet"]);
    run(&mut check)?;
    Ok(None)
}

/// The oldest compilers that the manifests promise.
pub(crate) fn oldest() -> Done {
    // NATS needs a newer compiler than the crate that it is a feature of.
    let libraries = LIBRARIES.map(|(name, _)| name).into_iter().filter(|name| *name != "logrecord-pipeline");
    let mut checked = 0;
    for (version, packages) in [("1.88", libraries.collect()), ("1.89", vec!["logrecord-cli"])] {
        if !is_there(&mut toolchain(version)) {
            println!("   SKIPPED: Rust {version} is not installed");
            continue;
        }
        let mut check = toolchain(version);
        check.args(["check", "--locked", "--quiet", "--all-features"]);
        run(check.args(packages.iter().flat_map(|name| ["-p", name])))?;
        checked += 1;
    }
    Ok((checked == 0).then_some("neither Rust 1.88 nor 1.89 is installed"))
}

/// The public items of each library are those of its `api.txt`, so that a change shows in review.
pub(crate) fn api(write: bool) -> Done {
    if !is_there(&mut toolchain("nightly")) {
        return Ok(Some("no nightly is installed, which lists public items"));
    }
    if !is_there(cargo().arg("public-api")) {
        return Ok(Some("cargo-public-api is not installed"));
    }
    let mut changed = Vec::new();
    for (package, folder) in LIBRARIES {
        let mut list = toolchain("nightly");
        list.args(["public-api", "-p", package, "--all-features", "-sss", "--color", "never"]);
        let items = String::from_utf8(output(&mut list)?)?;
        let file = process::root().join("crates").join(folder).join("api.txt");
        let before = fs::read_to_string(&file).unwrap_or_default();
        if items == before {
            continue;
        }
        fs::write(&file, &items)?;
        let lines = |text: &str, other: &str, sign: char| {
            let other: std::collections::HashSet<&str> = other.lines().collect();
            text.lines()
                .filter(|line| !other.contains(line))
                .map(|line| format!("{sign} {line}\n"))
                .collect::<String>()
        };
        print!("{package}\n{}{}", lines(&before, &items, '-'), lines(&items, &before, '+'));
        changed.push(package);
    }
    if !write && !changed.is_empty() {
        bail!(
            "the public items of {} have changed; their api.txt are written anew, for review",
            changed.join(", ")
        );
    }
    Ok(None)
}

/// `pip install` makes a wheel in which the program and the Python side work.
pub(crate) fn wheel() -> Done {
    let Some(python) = python::find().into_iter().rev().find(|python| python.version.major == 3) else {
        return Ok(Some("no CPython 3 found"));
    };
    let folder = process::root().join("target/wheel");
    run(python.command().args(["-m", "venv", "--clear"]).arg(&folder))?;
    let bin = folder.join("bin");
    let mut fetch = Command::new(bin.join("pip"));
    fetch.args(["install", "--quiet", "--disable-pip-version-check", "maturin>=1.9,<2"]);
    if process::run_within(&mut fetch, Duration::from_secs(120)).is_err() {
        return Ok(Some("maturin cannot be had from PyPI"));
    }
    // The profile of the tests, because nothing else is built for it.
    let mut install = Command::new(bin.join("pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--no-build-isolation"]);
    install.env("MATURIN_PEP517_ARGS", "--profile dev").env("PATH", path_with(&bin)?);
    run(install.arg(process::root().join("crates/cli")))?;
    run(Command::new(bin.join("logrecord")).arg("--version"))?;
    run(Command::new(bin.join("python")).args(["-c", "from logrecord_hmac import HMACSocketHandler"]))?;
    Ok(None)
}

fn path_with(bin: &std::path::Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(bin.to_path_buf()).chain(std::env::split_paths(&path)))?)
}
