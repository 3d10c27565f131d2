//! `logrecord key new`, and the key files that other commands read.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::{Key, KeyId, PlainKey};

use crate::args::KeyNewArgs;
use crate::exit::Failure;
use crate::stderr::say;

/// The longest key file that is read.
const MAX_KEY_FILE: u64 = 64 << 10;

/// Makes a new key file.
pub(crate) fn new(args: &KeyNewArgs) -> anyhow::Result<ExitCode> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| anyhow!("{error}"))
        .context(Failure::unavailable("no randomness"))?;
    let mut line = String::with_capacity(secret.len() * 2 + 1);
    for byte in secret {
        line.push_str(&format!("{byte:02x}"));
    }
    line.push('\n');
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let place = || format!("{}", args.file.display());
    options
        .open(&args.file)
        .and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()))
        .with_context(place)
        .context(Failure::unavailable("cannot make the key file"))?;
    say(format_args!(
        "{}: a new key, mode 0600. Give it to both sides: --hmac-key ID={0}",
        args.file.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Splits `ID=FILE`.
pub(crate) fn split(argument: &str) -> anyhow::Result<(KeyId, &Path)> {
    let (id, file) = argument
        .split_once('=')
        .filter(|(id, file)| !id.is_empty() && !file.is_empty())
        .ok_or_else(|| anyhow!("--hmac-key {argument}: expected ID=FILE"))
        .context(Failure::usage("malformed key argument"))?;
    let id = KeyId::new(id.as_bytes())
        .map_err(|error| anyhow!("--hmac-key {argument}: {error}"))
        .context(Failure::usage("malformed key argument"))?;
    Ok((id, Path::new(file)))
}

/// Reads the key of one `--hmac-key` argument.
pub(crate) fn read(argument: &str) -> anyhow::Result<Key> {
    let (id, file) = split(argument)?;
    let line = read_line(file)?;
    Key::from_hex(id, &line).map_err(|error| refused(file, &error))
}

/// Reads the key of `--hmac-plain-key`.
pub(crate) fn read_plain(file: &Path) -> anyhow::Result<PlainKey> {
    let line = read_line(file)?;
    PlainKey::from_hex(&line).map_err(|error| refused(file, &error))
}

fn refused(file: &Path, error: &logrecord::frame::Error) -> anyhow::Error {
    anyhow!("{}: {error}; a key is one line of hexadecimal, 32 bytes or more", file.display())
        .context(Failure::config("unusable key file"))
}

/// Reads a key file, which nobody but its owner may read.
fn read_line(path: &Path) -> anyhow::Result<Vec<u8>> {
    let failed = || Failure::config("unusable key file");
    let file = File::open(path).with_context(|| format!("{}", path.display())).with_context(failed)?;
    let mode = file.metadata().with_context(failed)?.permissions().mode() & 0o777;
    if mode & 0o177 != 0 {
        return Err(anyhow!("{}: mode {mode:04o} lets others read it; use chmod 600", path.display())
            .context(failed()));
    }
    let mut line = Vec::new();
    file.take(MAX_KEY_FILE).read_to_end(&mut line).with_context(failed)?;
    Ok(line.trim_ascii().to_vec())
}
