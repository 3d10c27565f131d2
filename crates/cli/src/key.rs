//! `logrecord key new`, and the key files that other commands read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use logrecord::frame::envelope::{Key, KeyId, PlainKey};

use crate::args::KeyNewArgs;
use crate::exit::Failure;
use crate::stderr::note;

const UNUSABLE: Failure = Failure::config("unusable key file (`logrecord key new FILE` makes one)");

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
    note(format_args!(
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
        .ok_or_else(|| anyhow!("--hmac-key {argument}: expected ID=FILE, such as web=web.key"))
        .context(Failure::usage("malformed key argument"))?;
    let id = KeyId::new(id.as_bytes())
        .map_err(|error| anyhow!("--hmac-key {argument}: {error}"))
        .context(Failure::usage("malformed key argument"))?;
    Ok((id, Path::new(file)))
}

/// Reads the key of one `--hmac-key` argument.
pub(crate) fn read(argument: &str) -> anyhow::Result<Key> {
    let (id, file) = split(argument)?;
    read_file(id, file)
}

/// Reads a key file.
pub(crate) fn read_file(id: KeyId, file: &Path) -> anyhow::Result<Key> {
    Key::from_file(id, file).context(UNUSABLE)
}

/// Reads the key of `--hmac-plain-key`.
pub(crate) fn read_plain(file: &Path) -> anyhow::Result<PlainKey> {
    PlainKey::from_file(file).context(UNUSABLE)
}
