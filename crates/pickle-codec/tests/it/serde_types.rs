//! Fields of types that others have made: times of jiff and chrono, UUIDs, and what `#[serde(with)]` makes of them.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use pickle_codec::{
    DecodeOptions, ErrorKind, Globals, Protocol, from_slice, from_slice_with, to_value, to_vec,
};
use serde::{Deserialize, Serialize};

/// What CPython 3.13 writes in protocols 0 and 4 for a dict of a `datetime` in UTC, another with an offset, one
/// without, a `date`, a `time`, a `timedelta` and a `UUID`.
const PICKLES: [&[u8]; 2] = [
    b"(dp0\nVinstant\np1\ncdatetime\ndatetime\np2\n(c_codecs\nencode\np3\n(V\x07\xea\x01\x02\x03\
    \x04\x05\x09'\xc0\np4\nVlatin1\np5\ntp6\nRp7\ncdatetime\ntimezone\np8\n(cdatetime\ntimedelta\
    \np9\n(I0\nI0\nI0\ntp10\nRp11\ntp12\nRp13\ntp14\nRp15\nsVzoned\np16\ng2\n(g3\n(V\x07\xea\x01\
    \x02\x03\x04\x05\\u0000\\u0000\\u0000\np17\ng5\ntp18\nRp19\ng8\n(g9\n(I0\nI19800\nI0\ntp20\n\
    Rp21\ntp22\nRp23\ntp24\nRp25\nsVcivil\np26\ng2\n(g3\n(V\x07\xea\x01\x02\x03\x04\x05\\u0000\\\
    u0000\\u0000\np27\ng5\ntp28\nRp29\ntp30\nRp31\nsVday\np32\ncdatetime\ndate\np33\n(g3\n(V\x07\
    \xea\x01\x02\np34\ng5\ntp35\nRp36\ntp37\nRp38\nsVclock\np39\ncdatetime\ntime\np40\n(g3\n(V\
    \x03\x04\x05\\u0000\\u0000\\u0000\np41\ng5\ntp42\nRp43\ntp44\nRp45\nsVtook\np46\ng9\n(I-1\nI\
    2\nI3\ntp47\nRp48\nsVid\np49\nccopy_reg\n_reconstructor\np50\n(cuuid\nUUID\np51\nc__builtin_\
    _\nobject\np52\nNtp53\nRp54\n(dp55\nVint\np56\nL142388611405589196424065295435511451231L\nsb\
    s.",
    b"\x80\x04\x954\x01\0\0\0\0\0\0}\x94(\x8c\x07instant\x94\x8c\x08datetime\x94\x8c\x08datetime\
    \x94\x93\x94C\n\x07\xea\x01\x02\x03\x04\x05\x09'\xc0\x94h\x02\x8c\x08timezone\x94\x93\x94h\
    \x02\x8c\x09timedelta\x94\x93\x94K\0K\0K\0\x87\x94R\x94\x85\x94R\x94\x86\x94R\x94\x8c\x05zon\
    ed\x94h\x04C\n\x07\xea\x01\x02\x03\x04\x05\0\0\0\x94h\x07h\x09K\0MXMK\0\x87\x94R\x94\x85\x94\
    R\x94\x86\x94R\x94\x8c\x05civil\x94h\x04C\n\x07\xea\x01\x02\x03\x04\x05\0\0\0\x94\x85\x94R\
    \x94\x8c\x03day\x94h\x02\x8c\x04date\x94\x93\x94C\x04\x07\xea\x01\x02\x94\x85\x94R\x94\x8c\
    \x05clock\x94h\x02\x8c\x04time\x94\x93\x94C\x06\x03\x04\x05\0\0\0\x94\x85\x94R\x94\x8c\x04to\
    ok\x94h\x09J\xff\xff\xff\xffK\x02K\x03\x87\x94R\x94\x8c\x02id\x94\x8c\x04uuid\x94\x8c\x04UUI\
    D\x94\x93\x94)\x81\x94}\x94\x8c\x03int\x94\x8a\x10_N=,\x1b\n<\x9d^Kj/\x8e\x0c\x1fksbu.",
];

/// A `timedelta` is its days, seconds and microseconds; the last two are never negative.
mod timedelta {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(took: &jiff::SignedDuration, to: S) -> Result<S::Ok, S::Error> {
        let seconds = took.as_secs().div_euclid(86_400);
        (seconds, took.as_secs().rem_euclid(86_400), took.subsec_micros()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<jiff::SignedDuration, D::Error> {
        let (days, seconds, micros) = <(i64, i64, i64)>::deserialize(from)?;
        Ok(jiff::SignedDuration::from_hours(days * 24)
            + jiff::SignedDuration::from_secs(seconds)
            + jiff::SignedDuration::from_micros(micros))
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct WithJiff {
    instant: jiff::Timestamp,
    zoned: jiff::Timestamp,
    civil: jiff::civil::DateTime,
    day: jiff::civil::Date,
    clock: jiff::civil::Time,
    #[serde(with = "timedelta")]
    took: jiff::SignedDuration,
    id: uuid::Uuid,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct WithChrono {
    instant: chrono::DateTime<chrono::Utc>,
    zoned: chrono::DateTime<chrono::FixedOffset>,
    civil: chrono::NaiveDateTime,
    day: chrono::NaiveDate,
    clock: chrono::NaiveTime,
    took: (i64, u32, u32),
    id: uuid::Uuid,
}

/// Reads what Python wrote, and again what is written of that as text.
fn read<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>() -> T {
    let options = DecodeOptions::new().globals(Globals::Known);
    let [first, second] = PICKLES.map(|pickle| from_slice_with::<T>(pickle, &options).unwrap());
    assert_eq!(first, second);
    for protocol in [Protocol::V0, Protocol::V5] {
        assert_eq!(from_slice::<T>(&to_vec(&first, protocol).unwrap()).unwrap(), first);
    }
    first
}

#[test]
fn times_and_uuids_are_read_and_written_as_text() {
    let jiff: WithJiff = read();
    let chrono: WithChrono = read();
    assert_eq!(jiff.instant.to_string(), "2026-01-02T03:04:05.6Z");
    assert_eq!(jiff.zoned.to_string(), "2026-01-01T21:34:05Z");
    assert_eq!(jiff.civil.to_string(), "2026-01-02T03:04:05");
    assert_eq!((jiff.day.to_string(), jiff.clock.to_string()), ("2026-01-02".into(), "03:04:05".into()));
    assert_eq!(jiff.took, jiff::SignedDuration::new(-86_398, 3_000));
    assert_eq!(chrono.instant.to_rfc3339(), "2026-01-02T03:04:05.600+00:00");
    assert_eq!(chrono.zoned.to_rfc3339(), "2026-01-02T03:04:05+05:30");
    assert_eq!(chrono.civil.to_string(), "2026-01-02 03:04:05");
    assert_eq!(chrono.took, (-1, 2, 3));
    for id in [jiff.id, chrono.id] {
        assert_eq!(id.to_string(), "6b1f0c8e-2f6a-4b5e-9d3c-0a1b2c3d4e5f");
    }
    // Python gets text, as JSON would have it.
    let value = to_value(&jiff).unwrap();
    assert_eq!(value["id"], "6b1f0c8e-2f6a-4b5e-9d3c-0a1b2c3d4e5f");
    assert_eq!(value["day"], "2026-01-02");
}

#[test]
fn a_time_without_its_offset_is_no_instant() {
    let options = DecodeOptions::new().globals(Globals::Known);
    let civil = b"cdatetime\ndatetime\n(C\x0a\x07\xea\x01\x02\x03\x04\x05\0\0\0tR.";
    assert_eq!(from_slice_with::<jiff::Timestamp>(civil, &options).unwrap_err().kind(), ErrorKind::Data);
    assert!(from_slice_with::<chrono::DateTime<chrono::Utc>>(civil, &options).is_err());
    // Without a policy that knows them nothing is read for a time.
    assert_eq!(from_slice::<jiff::civil::DateTime>(civil).unwrap_err().global(), Some("datetime.datetime"));
}
