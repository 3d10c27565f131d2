//! What names a record for ever.

use std::fmt::Write as _;

use crate::output::Logged;

/// Key, stream and number of a signed record, otherwise its run and index in the log: the same one each time that
/// the record is delivered, and never the same for two records.
pub(super) fn put_uid(logged: &Logged<'_>, out: &mut String) {
    let entry = &logged.entry;
    if entry.stream.is_empty() {
        put_hex(&logged.run, out);
        put_number(logged.index, out);
    } else {
        // A key id may hold any byte, so that it is spelled like the rest.
        put_hex(entry.key_id, out);
        out.push('-');
        put_hex(entry.stream, out);
        put_number(entry.number, out);
    }
}

fn put_hex(bytes: &[u8], out: &mut String) {
    // Text takes whatever is written into it.
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")).ok();
}

fn put_number(number: u64, out: &mut String) {
    write!(out, "-{number}").ok();
}

#[cfg(test)]
mod tests {
    use logrecord_spool::{Entry, RunId};

    use super::*;

    #[test]
    fn signed_records_are_named_by_their_stream_and_others_by_their_place() {
        let run: RunId = [0xab; 8];
        let signed = Entry { key_id: b"web", stream: &[1; 16], number: 9, ..Entry::default() };
        for (entry, uid) in [
            (Entry::default(), "abababababababab-7".to_owned()),
            (signed, format!("776562-{}-9", "01".repeat(16))),
        ] {
            let mut out = String::new();
            put_uid(&Logged { index: 7, run, entry }, &mut out);
            assert_eq!(out, uid);
        }
    }
}
