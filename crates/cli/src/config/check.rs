//! What a configuration file names is looked at: key files, certificates, hosts.

use std::fs::File;
use std::io::Read as _;
use std::net::ToSocketAddrs as _;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use logrecord::frame::envelope::{KeyFileFault, KeyId};
use logrecord::transport::Endpoint;

use super::TlsFiles;
use super::problems::Problems;
use super::section::At;
use crate::key;

/// The folder in which systemd puts a unit's credentials.
const CREDENTIALS: &str = "${CREDENTIALS_DIRECTORY}/";

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checks {
    /// Names are resolved.
    pub(super) resolve: bool,
}

/// A file with a secret: the only place where something of the environment is put in.
pub(super) fn secret(text: &str) -> Result<PathBuf, String> {
    let Some(name) = text.strip_prefix(CREDENTIALS) else { return Ok(PathBuf::from(text)) };
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) => Ok(Path::new(&folder).join(name)),
        None => {
            Err("CREDENTIALS_DIRECTORY is not set: systemd sets it for units with LoadCredential=".to_owned())
        }
    }
}

/// The folder's keys, `ID.key`.
pub(crate) fn keys_in(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    use anyhow::Context as _;
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry.with_context(|| format!("{}", folder.display()))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let (Some(id), Some("key")) = (stem, path.extension().and_then(|end| end.to_str())) {
            keys.push((id.to_owned(), path));
        }
    }
    keys.sort();
    Ok(keys)
}

/// A key file must hold a key.
pub(super) fn key_file(problems: &mut Problems<'_>, id: &str, path: &Path, span: Range<usize>) {
    let id = match KeyId::new(id.as_bytes()) {
        Ok(id) => id,
        Err(error) => return problems.add(span, format!("key id {id:?}: {error}")),
    };
    if let Err(error) = key::read_file(id, path) {
        problems.add(span, reason(&error));
    }
}

/// The key of the plain form.
pub(super) fn plain_key(problems: &mut Problems<'_>, path: &At<PathBuf>) {
    if let Err(error) = key::read_plain(&path.value) {
        problems.add(path.span.clone(), reason(&error));
    }
}

/// A file that must be there and readable.
pub(super) fn readable(problems: &mut Problems<'_>, path: &At<PathBuf>) {
    let read = File::open(&path.value).and_then(|mut file| {
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("not a regular file"));
        }
        file.read(&mut [0]).map(|_| ())
    });
    if let Err(error) = read {
        problems.add(path.span.clone(), format!("{}: {error}", path.value.display()));
    }
}

/// A file with a secret must keep others out, as a key file.
pub(super) fn private(problems: &mut Problems<'_>, path: &At<PathBuf>) {
    // One that is not there is told elsewhere.
    let Ok(metadata) = std::fs::metadata(&path.value) else { return };
    if let Some(fault) = KeyFileFault::of_mode(metadata.mode() & 0o7777, metadata.uid()) {
        problems.add(path.span.clone(), format!("{}: {fault}", path.value.display()));
    }
}

/// The content of a file that must be there, and of a size that makes sense.
pub(super) fn content(problems: &mut Problems<'_>, path: &At<PathBuf>, most: u64) -> Option<Vec<u8>> {
    let read = || {
        let file = File::open(&path.value)?;
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("not a regular file"));
        }
        let mut content = Vec::new();
        if file.take(most.saturating_add(1)).read_to_end(&mut content)? as u64 > most {
            return Err(std::io::Error::other(format!("more than {most} bytes")));
        }
        Ok(content)
    };
    match read() {
        Ok(content) => Some(content),
        Err(error) => {
            problems.add(path.span.clone(), format!("{}: {error}", path.value.display()));
            None
        }
    }
}

/// Certificate and key must fit each other.
pub(super) fn tls(problems: &mut Problems<'_>, files: &TlsFiles, span: Range<usize>) {
    if let Err(error) = files.read() {
        problems.add(span, format!("{:#}", anyhow::Error::new(error)));
    }
}

/// The host of a listener.
pub(super) fn endpoint(problems: &mut Problems<'_>, endpoint: &Endpoint, span: Range<usize>) {
    if let (Some(host), Some(port)) = (endpoint.host(), endpoint.port()) {
        host_and_port(problems, host, port, span);
    }
}

/// The host of a URL.
pub(super) fn url(problems: &mut Problems<'_>, url: &At<String>) {
    let rest = url.value.split_once("://").map_or(url.value.as_str(), |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(0)),
        _ => (authority, 0),
    };
    host_and_port(problems, host, port, url.span.clone());
}

fn host_and_port(problems: &mut Problems<'_>, host: &str, port: u16, span: Range<usize>) {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Err(error) = (host, port).to_socket_addrs() {
        problems.add(span, format!("cannot resolve {host:?}: {error}"));
    }
}

/// The causes of an error without its outermost word, which only sets the exit code.
fn reason(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    match causes.as_slice() {
        [only] => only.clone(),
        [_, causes @ ..] => causes.join(": "),
        [] => String::new(),
    }
}
