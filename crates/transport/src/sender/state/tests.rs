//! Tests of the state, without any link.
use bytes::Bytes;

use super::*;

fn up(config: &SenderConfig) -> (SenderState, Instant) {
    let mut state = SenderState::stream(config);
    let now = Instant::now();
    state.handle_record(Bytes::from_static(b"first")).unwrap();
    assert_eq!(state.poll(now), Step::Connect);
    state.handle_connecting(now);
    state.handle_connected();
    assert_eq!(state.poll(now), Step::Write);
    (state, now)
}

fn wire(state: &mut SenderState) -> Vec<u8> {
    let mut segments = Vec::new();
    state.segments(64, usize::MAX, &mut segments);
    segments.iter().flat_map(|segment| [segment.prefix(), segment.payload()].concat()).collect()
}

#[test]
fn partial_writes_resume_where_they_ended() {
    let (mut state, now) = up(&SenderConfig::new());
    state.handle_record(Bytes::from_static(b"second")).unwrap();
    let whole = wire(&mut state);
    assert_eq!(whole, b"\0\0\0\x05first\0\0\0\x06second");
    let mut got = Vec::new();
    while state.poll(now) == Step::Write {
        let next = wire(&mut state);
        got.push(next[0]);
        state.handle_written(1);
    }
    assert_eq!(got, whole);
    assert_eq!(state.stats().written, 2);
}

#[test]
fn a_cut_record_is_sent_again_once() {
    let (mut state, now) = up(&SenderConfig::new());
    for connection in 0..2 {
        assert_eq!(wire(&mut state), b"\0\0\0\x05first");
        state.handle_written(6);
        state.handle_broken();
        if connection == 0 {
            let Step::Wait(at) = state.poll(now) else {
                panic!("an unproven connection is followed by a pause")
            };
            state.handle_connecting(at);
            state.handle_connected();
        }
    }
    let stats = state.stats();
    assert_eq!((stats.accepted, stats.written, stats.dropped, stats.dropped_error), (1, 0, 1, 1));
    assert_eq!(state.poll(now), Step::Idle);
}

#[test]
fn a_record_of_which_nothing_was_written_waits_as_long_as_it_takes() {
    let (mut state, mut now) = up(&SenderConfig::new());
    for _ in 0..10 {
        state.handle_broken();
        let Step::Wait(at) = state.poll(now) else { panic!() };
        now = at;
        state.handle_connecting(now);
        state.handle_connected();
    }
    assert_eq!(wire(&mut state), b"\0\0\0\x05first");
    assert_eq!(state.stats().queued, 1);
}

#[test]
fn full_queues_follow_their_policy_and_never_touch_what_is_begun() {
    for (policy, kept, newest_fails) in [
        (FullPolicy::DropOldest, ["first", "5", "6"], false),
        (FullPolicy::DropNewest, ["first", "2", "3"], true),
        (FullPolicy::Block(Duration::ZERO), ["first", "2", "3"], true),
    ] {
        let config = SenderConfig::new().queue(3, 1000).full_policy(policy);
        let (mut state, _) = up(&config);
        assert!(!wire(&mut state).is_empty());
        state.handle_written(2);
        let mut failed = false;
        for record in ["2", "3", "4", "5", "6"] {
            failed |= state.handle_record(Bytes::from_static(record.as_bytes())).is_err();
        }
        assert_eq!(failed, newest_fails);
        let queued: Vec<_> = state.queue.iter().map(|item| item.payload.clone()).collect();
        assert_eq!(queued, kept);
        let stats = state.stats();
        assert_eq!(stats.accepted, stats.written + stats.dropped + stats.queued);
        assert_eq!((stats.dropped, stats.dropped_full), (3, 3));
    }
}

#[test]
fn bytes_bound_the_queue_too_but_one_record_always_fits() {
    let config = SenderConfig::new().queue(100, 10).full_policy(FullPolicy::DropNewest);
    let mut state = SenderState::stream(&config);
    state.handle_record(Bytes::from(vec![0; 50])).unwrap();
    assert_eq!(state.handle_record(Bytes::from_static(b"x")).unwrap_err().kind(), ErrorKind::Full);
    let mut state = SenderState::datagram(&config, 49);
    assert_eq!(state.handle_record(Bytes::from(vec![0; 50])).unwrap_err().kind(), ErrorKind::TooLong);
    assert_eq!(state.stats().accepted, 0);
}

#[test]
fn losses_are_reported_once_the_line_is_back_and_in_their_place() {
    let config = SenderConfig::new()
        .queue(2, 1000)
        .loss_report(|losses| Some(format!("lost {}", losses.records).into_bytes()));
    let mut state = SenderState::stream(&config);
    let now = Instant::now();
    for record in ["1", "2", "3", "4", "5"] {
        state.handle_record(Bytes::from_static(record.as_bytes())).unwrap();
    }
    state.handle_connecting(now);
    state.handle_connected();
    assert_eq!(state.poll(now), Step::Write);
    let bytes = wire(&mut state);
    assert_eq!(bytes, b"\0\0\0\x06lost 3\0\0\0\x014\0\0\0\x015");
    // The report is cut twice: the losses are told by a later one.
    for _ in 0..2 {
        assert!(!wire(&mut state).is_empty());
        state.handle_written(1);
        state.handle_broken();
        let Step::Wait(at) = state.poll(now) else { panic!() };
        state.handle_connecting(at);
        state.handle_connected();
    }
    let later = now + Duration::from_secs(100);
    assert_eq!(state.poll(later), Step::Write);
    let bytes = wire(&mut state);
    assert_eq!(bytes, b"\0\0\0\x06lost 3\0\0\0\x014\0\0\0\x015");
    state.handle_written(bytes.len());
    let stats = state.stats();
    assert_eq!((stats.written, stats.reports, stats.dropped), (2, 1, 3));
    assert!(state.unreported().is_empty());
}

#[test]
fn records_written_since_the_last_look_are_in_doubt_when_the_connection_is_gone() {
    let (mut state, _) = up(&SenderConfig::new());
    let bytes = wire(&mut state);
    state.handle_written(bytes.len());
    state.handle_alive();
    state.handle_record(Bytes::from_static(b"second")).unwrap();
    let bytes = wire(&mut state);
    state.handle_written(bytes.len());
    state.handle_broken();
    assert_eq!(state.stats().in_doubt, 1);
}

#[test]
fn closing_counts_what_is_left() {
    let (mut state, _) = up(&SenderConfig::new());
    state.handle_record(Bytes::from_static(b"second")).unwrap();
    state.handle_closed();
    let stats = state.stats();
    assert_eq!((stats.dropped, stats.dropped_closed, stats.queued, stats.queued_bytes), (2, 2, 0, 0));
    assert_eq!(stats.dropped_bytes, 11);
}
