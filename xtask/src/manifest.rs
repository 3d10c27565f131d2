//! `testdata/MANIFEST`: which CPython wrote which file, and its SHA-256.
//!
//! One line per file with tabs between its columns: path, case, the minor versions that wrote these very bytes
//! (commas between them), protocol (`-` where there is none), SHA-256. Comment lines begin with `#`; those that
//! begin with `# CPython` name the whole versions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use testkit::python::Version;

/// The folders under `testdata/` that the MANIFEST speaks for.
pub(crate) const FOLDERS: [&str; 2] = ["pickles", "frames"];

/// Files by path below the root of the workspace, or of `testdata`.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// One file of the golden data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) case: String,
    pub(crate) versions: BTreeSet<Version>,
    pub(crate) protocol: String,
    pub(crate) sha256: String,
}

/// The whole file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Manifest {
    /// The whole versions of the interpreters, by minor version.
    pub(crate) pythons: BTreeMap<Version, String>,
    /// Entries by path relative to `testdata/`, with `/` in it everywhere.
    pub(crate) entries: BTreeMap<String, Entry>,
}

impl Manifest {
    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// When a line has not five columns or a version is no version.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut manifest = Self::default();
        for (number, line) in text.lines().enumerate() {
            if let Some(comment) = line.strip_prefix('#') {
                if let Some(full) = comment.trim().strip_prefix("CPython ") {
                    manifest.pythons.insert(full.parse()?, full.to_owned());
                }
                continue;
            }
            let columns: Vec<&str> = line.split('\t').collect();
            let [path, case, versions, protocol, sha256] = columns[..] else {
                bail!("MANIFEST line {}: five columns expected", number + 1);
            };
            let entry = Entry {
                case: case.to_owned(),
                versions: versions.split(',').map(str::parse).collect::<Result<_>>()?,
                protocol: protocol.to_owned(),
                sha256: sha256.to_owned(),
            };
            manifest.entries.insert(path.to_owned(), entry);
        }
        Ok(manifest)
    }

    /// Writes the text form.
    pub(crate) fn write(&self) -> String {
        let mut text = String::from(
            "# Made by `cargo xtask golden`: path, case, CPython versions, protocol, SHA-256.\n",
        );
        for full in self.pythons.values() {
            text.push_str(&format!("# CPython {full}\n"));
        }
        for (path, entry) in &self.entries {
            let versions: Vec<String> = entry.versions.iter().map(Version::to_string).collect();
            let Entry { case, protocol, sha256, .. } = entry;
            text.push_str(&format!("{path}\t{case}\t{}\t{protocol}\t{sha256}\n", versions.join(",")));
        }
        text
    }

    /// Compares the files under `testdata` with the hashes; returns one line per difference.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read.
    pub(crate) fn differences(&self, testdata: &Path) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for (path, entry) in &self.entries {
            match std::fs::read(testdata.join(path)) {
                Ok(bytes) if sha256(&bytes) == entry.sha256 => {}
                Ok(_) => found.push(format!("{path}: its SHA-256 is not the one in MANIFEST")),
                Err(error) => found.push(format!("{path}: {error}")),
            }
        }
        for folder in FOLDERS {
            let folder_path = testdata.join(folder);
            let files = std::fs::read_dir(&folder_path)
                .with_context(|| format!("cannot read {}", folder_path.display()))?;
            for file in files {
                let path = format!("{folder}/{}", file?.file_name().to_string_lossy());
                if !self.entries.contains_key(&path) {
                    found.push(format!("{path}: not in MANIFEST"));
                }
            }
        }
        Ok(found)
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Manifest, sha256};

    #[test]
    fn text_form_round_trips() {
        let text = "# Made by `cargo xtask golden`: path, case, CPython versions, protocol, SHA-256.\n\
                    # CPython 3.13.0\n\
                    pickles/none.3.13.p0.pickle\tnone\t3.9,3.13\t0\tabcd\n";
        let manifest = Manifest::read(text).unwrap();
        assert_eq!(manifest.write(), text);
        assert_eq!(manifest.entries["pickles/none.3.13.p0.pickle"].versions.len(), 2);
    }

    #[test]
    fn refuses_a_line_with_a_column_missing() {
        assert!(Manifest::read("a\tb\tc\n").is_err());
    }

    #[test]
    fn sha256_is_the_standard_one() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    /// The committed golden data is what its MANIFEST says, without any Python at hand.
    #[test]
    fn committed_files_have_their_hashes() {
        let testdata = testkit::process::root().join("testdata");
        let text = std::fs::read_to_string(testdata.join("MANIFEST")).unwrap();
        let manifest = Manifest::read(&text).unwrap();
        assert!(manifest.entries.len() > 1000, "the MANIFEST is nearly empty");
        assert_eq!(manifest.differences(&testdata).unwrap(), Vec::<String>::new());
    }
}
