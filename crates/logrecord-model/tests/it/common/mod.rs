//! What several tests share: the golden frames, and the Pythons of this machine.
#![allow(dead_code, unused_imports, reason = "each test uses its own part")]

use std::path::{Path, PathBuf};

pub(crate) use testkit::python::paths_or_skip as pythons;

/// The frames of one golden file, and the records that CPython read from them, as tagged JSON.
pub(crate) struct Golden {
    pub(crate) case: String,
    /// The Python version that wrote the file, such as `3.12`.
    pub(crate) version: String,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) records: Vec<serde_json::Value>,
}

/// Every golden file of frames.
pub(crate) fn golden() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/frames");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut all = Vec::new();
    for path in names.iter().filter(|path| path.extension().is_some_and(|end| end == "frames")) {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = &bytes[..];
        let mut payloads = Vec::new();
        while let Some((prefix, after)) = rest.split_first_chunk::<4>() {
            let (payload, after) = after.split_at(u32::from_be_bytes(*prefix) as usize);
            payloads.push(payload.to_vec());
            rest = after;
        }
        let lines = std::fs::read_to_string(path.with_extension("jsonl")).unwrap();
        let records: Vec<_> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), payloads.len(), "{}", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let (case, version) = stem.split_once('.').unwrap();
        all.push(Golden { case: case.to_owned(), version: version.to_owned(), payloads, records });
    }
    assert!(all.len() > 50);
    all
}
