//! Deluge's `torrents.state`: instances of its own classes, read without the classes.

use std::collections::BTreeMap;

use pickle_codec::{DecodeOptions, ErrorKind, Globals, from_slice, from_slice_with};
use serde::Deserialize;

/// A state of two torrents, in protocol 2 as Deluge writes it.
const STATE: &[u8] =
    b"\x80\x02cdeluge.core.torrentmanager\nTorrentManagerState\nq\0)\x81q\x01}q\x02X\x08\0\0\0torrents\
    q\x03]q\x04(cdeluge.core.torrentmanager\nTorrentState\nq\x05)\x81q\x06}q\x07(X\n\0\0\0torrent_id\
    q\x08X\x04\0\0\x000a1bq\x09X\x08\0\0\0filenameq\nX\x12\0\0\0ubuntu.iso.torrentq\x0bX\x0e\0\0\0tota\
    l_uploadedq\x0cM\0\x04X\x06\0\0\0pausedq\x0d\x89X\x05\0\0\0queueq\x0eK\0X\x08\0\0\0trackersq\x0f\
    ]q\x10}q\x11(X\x04\0\0\0tierq\x12K\0X\x03\0\0\0urlq\x13X\x19\0\0\0udp://tracker.example.orgq\x14\
    uaX\x10\0\0\0max_upload_speedq\x15G\xbf\xf0\0\0\0\0\0\0ubh\x05)\x81q\x16}q\x17(h\x08X\x04\0\0\x002\
    c3dq\x18h\nNh\x0c\x8a\x06\0\0\0\0\0\x03h\x0d\x88h\x0eNh\x0fNh\x15G@I\0\0\0\0\0\0ubesb.";

#[derive(Debug, Deserialize)]
struct State {
    torrents: Vec<Torrent>,
}

#[derive(Debug, Deserialize)]
struct Torrent {
    torrent_id: String,
    filename: Option<String>,
    total_uploaded: u64,
    paused: bool,
    #[serde(default)]
    trackers: Option<Vec<BTreeMap<String, pickle_codec::Value<'static>>>>,
    max_upload_speed: f64,
}

pub(crate) fn main() -> Result<(), pickle_codec::Error> {
    // Nothing that is named is allowed unless you say so.
    if let Err(error) = from_slice::<State>(STATE) {
        assert_eq!(error.kind(), ErrorKind::Global);
        assert_eq!(error.global(), Some("deluge.core.torrentmanager.TorrentManagerState"));
    }

    let options = DecodeOptions::new()
        .globals(Globals::Known)
        .allow("deluge.core.torrentmanager.TorrentManagerState")
        .allow("deluge.core.torrentmanager.TorrentState");
    let state: State = from_slice_with(STATE, &options)?;
    assert_eq!(state.torrents.len(), 2);
    let (first, second) = (&state.torrents[0], &state.torrents[1]);
    assert_eq!((first.torrent_id.as_str(), first.filename.as_deref()), ("0a1b", Some("ubuntu.iso.torrent")));
    assert_eq!(first.trackers.as_ref().map(|trackers| trackers[0]["tier"] == 0), Some(true));
    assert_eq!((second.total_uploaded, second.paused, second.max_upload_speed), (3 << 40, true, 50.0));
    Ok(())
}
