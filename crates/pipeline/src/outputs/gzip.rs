//! Rotated files: their names, how many are kept, and compressing them aside.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

const SUFFIX: &str = ".gz";
const HALF: &str = ".gz.part";

/// The name of a file that is rotated now: the time in UTC behind its own name, so that names sort by age.
pub(super) fn rotated_name(path: &Path) -> PathBuf {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros) = (since.as_secs(), since.subsec_micros());
    // Days since 0000-03-01, in eras of 400 years: Howard Hinnant's civil_from_days.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{micros:06}"));
    name.into()
}

/// The files that were rotated away from a path, oldest first.
pub(super) fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut prefix = name.to_owned();
    prefix.push(".");
    let prefix = prefix.to_string_lossy().into_owned();
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let time = name.strip_prefix(&prefix).map(|rest| rest.strip_suffix(SUFFIX).unwrap_or(rest));
        let digits =
            |text: &str, len: usize| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_ours = time.and_then(|time| time.split_once('T')).is_some_and(|(day, rest)| {
            digits(day, 8)
                && rest.split_once('.').is_some_and(|(time, part)| digits(time, 6) && digits(part, 6))
        });
        if is_ours {
            found.push(path.with_file_name(entry.file_name()));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes all but the newest.
pub(super) fn prune(path: &Path, keep: usize) -> io::Result<()> {
    let files = rotated(path)?;
    let surplus = files.len().saturating_sub(keep);
    // Two rotations in a row tidy up at the same time, so that a file may be gone already.
    files.iter().take(surplus).try_for_each(|file| match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Compresses a file, and puts the result in its place when it is whole.
pub(super) fn compress(path: &Path) -> io::Result<()> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (half, whole) = (with(HALF), with(SUFFIX));
    let write = || -> io::Result<()> {
        let mut input = File::open(path)?;
        let mut encoder = GzEncoder::new(File::create(&half)?, Compression::default());
        io::copy(&mut input, &mut encoder)?;
        let mut file = encoder.finish()?;
        file.flush()?;
        file.sync_all()?;
        fs::rename(&half, &whole)?;
        fs::remove_file(path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&half)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_times_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.jsonl");
        let name = rotated_name(&path);
        fs::write(&name, "new").unwrap();
        let old = folder.path().join("all.jsonl.20200229T235959.000001.gz");
        for other in
            ["all.jsonl", "all.jsonl.1", "all.jsonl.2020T.gz", "all.jsonl.bak", "all.jsonl.20200229T235959"]
        {
            fs::write(folder.path().join(other), "").unwrap();
        }
        fs::write(&old, "").unwrap();
        assert_eq!(rotated(&path).unwrap(), [old.clone(), name.clone()]);
        prune(&path, 1).unwrap();
        assert!(!old.exists() && name.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
        let year = name.to_string_lossy().split_once("jsonl.").unwrap().1[..4].parse::<u64>().unwrap();
        assert!((2024..2200).contains(&year));
        compress(&name).unwrap();
        assert!(!name.exists());
        assert_eq!(rotated(&path).unwrap().len(), 1);
    }
}
