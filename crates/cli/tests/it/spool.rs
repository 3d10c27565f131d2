//! `logrecord spool inspect` and `verify`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::time::Duration;

use common::run;
use logrecord_spool::{Config, Entry, Spool};

#[test]
fn a_spool_is_looked_into_and_its_damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let look = |what: &str| {
        let output = run(&["spool", what, path], b"");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = look("verify");
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("there is no spool here"), "{said}");

    let spool = Spool::open(folder.path(), Config::new()).unwrap();
    for _ in 0..3 {
        spool.append(&Entry { payload: b"}.", ..Entry::default() }, Duration::from_secs(5)).unwrap();
    }
    let (code, said) = look("inspect");
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("a program has this spool open"), "{said}");
    assert_eq!(spool.close(Duration::from_secs(20)), 0);

    let (code, said) = look("inspect");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("00000000000000000001.seg 152 bytes run "), "{said}");
    let (code, said) = look("verify");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("segments=1 bytes=152 records=3 damaged=0\n"), "{said}");

    let segment = folder.path().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (code, said) = look("verify");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with(" records=2 damaged=1\n"), "{said}");
}
