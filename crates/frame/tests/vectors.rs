//! The vectors of docs/wire-format.md, read from testdata/envelopes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a vector that is not as expected must fail the test"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use common::{pythons, unhex, workspace};
use logrecord_frame::envelope::{
    Ack, AckStatus, Key, KeyId, KeyRing, Opener, PlainKey, Policy, Refusal, Sealer, Verifier,
};
use logrecord_frame::{Error, FrameDecoder, decode_datagram, encode_frame};
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = workspace("testdata/envelopes").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn hex(value: &Value, field: &str) -> Vec<u8> {
    unhex(text(value, field))
}

fn limit(value: &Value) -> u32 {
    value["max_frame_len"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn streams() {
    for vector in read("frames.json")["streams"].as_array().unwrap() {
        let name = text(vector, "name");
        let stream = hex(vector, "stream");
        let expected: Vec<_> =
            vector["frames"].as_array().unwrap().iter().map(|frame| unhex(frame.as_str().unwrap())).collect();
        for step in [1, 3, 1000] {
            let mut decoder = FrameDecoder::with_max_frame_len(limit(vector));
            let mut frames = Vec::new();
            let mut skipped = Vec::new();
            for piece in stream.chunks(step) {
                decoder.feed(Bytes::copy_from_slice(piece));
                loop {
                    match decoder.next_frame() {
                        Ok(Some(frame)) => frames.push(frame.to_vec()),
                        Ok(None) => break,
                        Err(oversized) if decoder.skip_oversized() => skipped.push(oversized.len),
                        Err(_) => break,
                    }
                }
            }
            let end = decoder.finish().map_err(|error| error.kind().as_str());
            assert_eq!(frames, expected, "{name}");
            assert_eq!(serde_json::json!(skipped), vector["skipped"], "{name}");
            assert_eq!(end.err().unwrap_or("ok"), text(vector, "end"), "{name}");
        }
        if text(vector, "end") == "ok" && skipped(vector) == 0 && !name.contains("no bytes") {
            let mut wire = Vec::new();
            expected.iter().for_each(|payload| encode_frame(payload, &mut wire).unwrap());
            assert_eq!(wire, stream, "{name}");
        }
    }
}

fn skipped(vector: &Value) -> usize {
    vector["skipped"].as_array().unwrap().len()
}

#[test]
fn datagrams() {
    for vector in read("frames.json")["datagrams"].as_array().unwrap() {
        let result = decode_datagram(hex(vector, "datagram").into(), limit(vector));
        let verdict = result.as_ref().map_err(Error::kind).map_err(|kind| kind.as_str());
        assert_eq!(verdict.err().unwrap_or("ok"), text(vector, "verdict"), "{}", text(vector, "name"));
        if let Ok(payload) = result {
            assert_eq!(payload, hex(vector, "payload"));
        }
    }
}

#[test]
fn plain_form() {
    for vector in read("plain.json").as_array().unwrap() {
        let key = PlainKey::new(&hex(vector, "key")).unwrap();
        let sealed = Bytes::from(hex(vector, "envelope"));
        let result = key.open(sealed.clone());
        let verdict = result.as_ref().map_err(|refusal| refusal.as_str());
        assert_eq!(verdict.err().unwrap_or("ok"), text(vector, "verdict"), "{}", text(vector, "name"));
        if let Ok(body) = result {
            assert_eq!(body, hex(vector, "payload"));
            let mut again = Vec::new();
            key.seal_into(&body, &mut again).unwrap();
            assert_eq!(again, sealed);
        }
    }
}

#[test]
fn version_1() {
    let met = open_all(&read("v1.json"));
    let all: BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.as_str()).chain(["ok"]).collect();
    assert_eq!(met, all, "every refusal has a vector");
}

/// A receiver that was written from the document alone agrees with the vectors, and with this crate about messages
/// that it makes up.
#[test]
fn the_text_is_enough_for_another_receiver() {
    for python in pythons() {
        let is_new = Command::new(&python)
            .args(["-c", "import sys; sys.exit(sys.version_info < (3, 7))"])
            .status()
            .unwrap()
            .success();
        if !is_new {
            continue;
        }
        let run = |args: &[&str]| {
            let output = Command::new(&python)
                .arg("from_text.py")
                .args(args)
                .current_dir(workspace("crates/frame/python"))
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let text = String::from_utf8(run(&[])).unwrap();
        assert!(text.ends_with("verdicts as in testdata/envelopes\n"), "{text}");
        let made_up = serde_json::from_slice(&run(&["1", "300"])).unwrap();
        let met = open_all(&made_up);
        for verdict in ["ok", "replay", "too_old", "skew", "before_start", "flags", "bad_mac"] {
            assert!(met.contains(verdict), "{verdict} was not met");
        }
        return;
    }
}

/// Opens the steps of each vector, each by a receiver of its own, and gives the verdicts that were met.
fn open_all(vectors: &Value) -> BTreeSet<&'static str> {
    let mut met = BTreeSet::new();
    for vector in vectors.as_array().unwrap() {
        let name = text(vector, "name");
        let audience = text(vector, "audience").as_bytes();
        let mut ring = KeyRing::new();
        for (id, secret) in vector["keys"].as_object().unwrap() {
            let mut key =
                Key::new(KeyId::new(id.as_bytes()).unwrap(), &unhex(secret.as_str().unwrap())).unwrap();
            if let Some(time_ns) = vector["not_before_ns"][id].as_i64() {
                key = key.not_before(time_ns);
            }
            if let Some(time_ns) = vector["not_after_ns"][id].as_i64() {
                key = key.not_after(time_ns);
            }
            ring.accept(key).unwrap();
        }
        let number = |field: &str| vector[field].as_u64().unwrap();
        let policy = Policy::new()
            .max_skew(Duration::from_secs(number("max_skew_s")))
            .max_streams(number("max_streams").try_into().unwrap())
            .max_streams_per_key(number("max_streams_per_key").try_into().unwrap());
        let gives_acks = vector["acks"].as_bool().unwrap();
        let start_ns = vector["start_ns"].as_i64().unwrap();
        let opener = Opener::new(&ring, audience, policy, start_ns).unwrap();
        for step in vector["steps"].as_array().unwrap() {
            let sealed = Bytes::from(hex(step, "envelope"));
            let now_ns = step["now_ns"].as_i64().unwrap();
            let result = if gives_acks {
                opener.open_with_acks(now_ns, sealed.clone()).map_err(Refusal::from)
            } else {
                opener.open(now_ns, sealed.clone())
            };
            let verdict = result.as_ref().map_err(|refusal| refusal.as_str());
            met.insert(verdict.err().unwrap_or("ok"));
            assert_eq!(verdict.err().unwrap_or("ok"), text(step, "verdict"), "{name}");
            let Ok(opened) = result else { continue };
            assert_eq!(opened.payload, hex(step, "payload"), "{name}");
            assert_eq!(opened.key_id.as_bytes(), text(step, "key_id").as_bytes(), "{name}");
            assert_eq!(opened.stream_id.to_string(), text(step, "stream_id"), "{name}");
            assert_eq!(Some(opened.seq), step["seq"].as_u64(), "{name}");
            assert_eq!(Some(opened.time_ns), step["time_ns"].as_i64(), "{name}");
            assert_eq!(Some(opened.gap), step["gap"].as_u64(), "{name}");
            assert_eq!(u64::from(opened.wants_ack) * 2, step["flags"].as_u64().unwrap(), "{name}");
            if opened.seq == 0 {
                let key = ring.get(opened.key_id).unwrap();
                let mut sealer = Sealer::new(key, audience, *opened.stream_id.as_bytes()).unwrap();
                if opened.wants_ack {
                    sealer = sealer.with_acks();
                }
                let mut again = Vec::new();
                sealer.seal_into(opened.time_ns, &opened.payload, &mut again).unwrap();
                assert_eq!(again, sealed, "{name}");
            }
        }
    }
    met
}

#[test]
fn acknowledgements() {
    let mut met = BTreeSet::new();
    for vector in read("acks.json").as_array().unwrap() {
        let name = text(vector, "name");
        let mut ring = KeyRing::new();
        for (id, secret) in vector["keys"].as_object().unwrap() {
            let id = KeyId::new(id.as_bytes()).unwrap();
            ring.accept(Key::new(id, &unhex(secret.as_str().unwrap())).unwrap()).unwrap();
        }
        let verifier = Verifier::new(&ring, text(vector, "audience").as_bytes()).unwrap();
        let payload = hex(vector, "payload");
        let result = verifier.open_ack(&payload);
        let verdict = result.as_ref().map_err(|refusal| refusal.as_str()).err().unwrap_or("ok");
        assert_eq!(verdict, text(vector, "verdict"), "{name}");
        met.insert(verdict);
        let Ok(ack) = result else { continue };
        let expected = Ack {
            status: AckStatus::from_number(vector["status"].as_u64().unwrap().try_into().unwrap()),
            key_id: KeyId::new(text(vector, "key_id").as_bytes()).unwrap(),
            stream_id: <[u8; 16]>::try_from(hex(vector, "stream_id")).unwrap().into(),
            seq: vector["seq"].as_u64().unwrap(),
        };
        assert_eq!(ack, expected, "{name}");
        let mut frame = Vec::new();
        verifier.seal_ack_into(&ack, &mut frame).unwrap();
        assert_eq!(frame[4..], payload, "{name}");
        assert_eq!(decode_datagram(frame.into(), 95).unwrap(), payload, "{name}");
    }
    let all = BTreeSet::from([
        "ok",
        "unsigned",
        "version",
        "truncated",
        "malformed",
        "unknown_key",
        "algorithm",
        "bad_mac",
    ]);
    assert_eq!(met, all, "every refusal of an acknowledgement has a vector");
}

#[test]
fn the_document_shows_every_vector() {
    let document = fs::read_to_string(workspace("docs/wire-format.md")).unwrap();
    // In the document, long values stand on several lines.
    let document: String = document.split('\n').collect();
    let mut shown = 0;
    let mut check = |value: &str| {
        assert!(document.contains(value), "missing in the document: {value}");
        shown += 1;
    };
    for name in ["frames.json", "plain.json", "v1.json", "acks.json"] {
        let mut values = vec![read(name)];
        while let Some(value) = values.pop() {
            match value {
                Value::Array(items) => values.extend(items),
                Value::Object(fields) => {
                    for (field, value) in fields {
                        match value {
                            Value::String(hex)
                                if ["stream", "datagram", "envelope", "payload"]
                                    .contains(&field.as_str()) =>
                            {
                                check(&hex);
                            }
                            other => values.push(other),
                        }
                    }
                }
                _ => {}
            }
        }
    }
    assert!(shown > 100, "{shown} vectors");
}
