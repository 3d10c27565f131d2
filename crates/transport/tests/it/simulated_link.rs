//! The sender's state on a simulated link in virtual time: partial writes, resets, ends at every byte.
//! For any sequence of faults, what was received and what was counted as lost is what was sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::time::{Duration, Instant};

use bytes::Bytes;
use logrecord_frame::FrameDecoder;
use logrecord_transport::sender::{FullPolicy, SenderConfig, SenderState, SenderStats, Step};
use proptest::{collection::vec, prelude::*};

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The program logs a record with so many bytes behind its number.
    Record(usize),
    /// The system takes this much of the next write.
    Take(usize),
    /// The next write fails after it took this much.
    Reset(usize),
    /// The peer closes; the next look sees it.
    Close,
    /// So many attempts to connect fail.
    Refuse(u32),
    /// Time passes.
    Pass(u64),
}

/// The other side: what arrives, connection by connection.
#[derive(Default)]
struct Peer {
    decoder: Option<FrameDecoder>,
    received: Vec<Bytes>,
    closed: bool,
}

struct Link {
    state: SenderState,
    peer: Peer,
    start: Instant,
    now: Duration,
    refuse: u32,
    /// How much of the last taken bytes a reset destroys on the way.
    swallow: usize,
    /// Bytes that were taken since the peer was last seen to be well, and are not delivered yet.
    transit: Vec<u8>,
    attempts: Vec<u64>,
}

impl Link {
    fn new(config: &SenderConfig, swallow: usize) -> Self {
        Self {
            state: SenderState::stream(config),
            peer: Peer::default(),
            start: Instant::now(),
            now: Duration::ZERO,
            refuse: 0,
            swallow,
            transit: Vec::new(),
            attempts: Vec::new(),
        }
    }

    fn deliver(&mut self) {
        if let Some(decoder) = &mut self.peer.decoder {
            decoder.feed_slice(&self.transit);
            while let Some(frame) = decoder.next_frame().unwrap() {
                self.peer.received.push(frame);
            }
        }
        self.transit.clear();
    }

    fn broken(&mut self) {
        let kept = self.transit.len().saturating_sub(self.swallow);
        self.transit.truncate(kept);
        self.deliver();
        self.peer.decoder = None;
        self.state.handle_broken();
    }

    /// Lets the sender do what it wants until it waits, with at most one write of `take` bytes; a write may
    /// also fail behind them. Without `take` it writes everything.
    fn run(&mut self, mut take: Option<usize>, reset: bool) {
        for _ in 0..10_000 {
            let now = self.start + self.now;
            match self.state.poll(now) {
                Step::Connect => {
                    self.attempts.push(self.now.as_secs());
                    self.state.handle_connecting(now);
                    if self.refuse > 0 {
                        self.refuse -= 1;
                        self.state.handle_connect_failed();
                    } else {
                        self.state.handle_connected();
                        self.peer.decoder = Some(FrameDecoder::new());
                        self.peer.closed = false;
                    }
                }
                Step::Write => {
                    if self.peer.closed {
                        // The look before the write.
                        self.broken();
                        continue;
                    }
                    self.state.handle_alive();
                    self.deliver();
                    let mut segments = Vec::new();
                    self.state.segments(8, 1000, &mut segments);
                    let bytes: Vec<u8> = segments
                        .iter()
                        .flat_map(|segment| [segment.prefix(), segment.payload()].concat())
                        .collect();
                    let written = take.unwrap_or(usize::MAX).min(bytes.len());
                    self.transit.extend_from_slice(&bytes[..written]);
                    if written > 0 {
                        self.state.handle_written(written);
                    }
                    if reset {
                        self.broken();
                        return;
                    }
                    match &mut take {
                        Some(left) if *left > written => *left -= written,
                        Some(_) => return,
                        None => {}
                    }
                }
                Step::Idle | Step::Wait(_) => return,
                other => panic!("{other:?}"),
            }
        }
        panic!("the sender never rests");
    }

    fn play(&mut self, events: &[Event]) -> Vec<Bytes> {
        let mut sent = Vec::new();
        for event in events {
            match *event {
                Event::Record(len) => {
                    let payload = Bytes::from(format!("{:06}{}", sent.len(), "x".repeat(len)));
                    sent.push(payload.clone());
                    // A refusal of the newest is counted by the state.
                    drop(self.state.handle_record(payload));
                }
                Event::Take(bytes) => self.run(Some(bytes), false),
                Event::Reset(bytes) => self.run(Some(bytes), true),
                Event::Close => {
                    self.deliver();
                    self.peer.closed = true;
                }
                Event::Refuse(times) => self.refuse = times,
                Event::Pass(ms) => self.now += Duration::from_millis(ms),
            }
            check(self.state.stats());
        }
        sent
    }
}

fn check(stats: SenderStats) {
    assert_eq!(stats.accepted, stats.written + stats.dropped + stats.queued);
    assert_eq!(stats.dropped, stats.dropped_full + stats.dropped_error + stats.dropped_closed);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_usize..200).prop_map(Event::Record),
        3 => (0_usize..300).prop_map(Event::Take),
        1 => (0_usize..300).prop_map(Event::Reset),
        1 => Just(Event::Close),
        1 => (0_u32..4).prop_map(Event::Refuse),
        2 => (0_u64..40_000).prop_map(Event::Pass),
    ]
}

fn config(policy: FullPolicy) -> SenderConfig {
    SenderConfig::new()
        .queue(6, 600)
        .full_policy(policy)
        .loss_report(|losses| Some(format!("LOST {} {}", losses.records, losses.bytes).into_bytes()))
}

fn policies() -> impl Strategy<Value = FullPolicy> {
    prop_oneof![Just(FullPolicy::DropOldest), Just(FullPolicy::DropNewest)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn received_and_counted_losses_are_what_was_sent(events in vec(event(), 0..200), policy in policies()) {
        let mut link = Link::new(&config(policy), 0);
        let sent = link.play(&events);
        // In the end the line is well, and everything that waits goes out.
        link.refuse = 0;
        for _ in 0..4 {
            link.now += Duration::from_secs(60);
            link.run(None, false);
        }
        link.deliver();
        let stats = link.state.stats();
        check(stats);
        prop_assert_eq!(stats.queued, 0);
        let (reports, received): (Vec<_>, Vec<_>) =
            link.peer.received.iter().cloned().partition(|frame| frame.starts_with(b"LOST"));
        prop_assert_eq!(received.len() as u64 + stats.dropped, sent.len() as u64);
        prop_assert_eq!(received.len() as u64, stats.written);
        // In order, unchanged, none twice: a subsequence of what was sent.
        let mut rest = sent.iter();
        prop_assert!(received.iter().all(|frame| rest.any(|other| other == frame)));
        // The reports on the wire and what no report has told yet are the losses.
        let told: u64 = reports
            .iter()
            .map(|report| std::str::from_utf8(report).unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap())
            .sum();
        prop_assert_eq!(told + link.state.unreported().records, stats.dropped);
        prop_assert_eq!(reports.len() as u64, stats.reports);
    }

    #[test]
    fn what_a_reset_destroys_on_the_way_is_at_most_what_is_in_doubt(
        events in vec(event(), 0..200),
        swallow in 0_usize..2000,
    ) {
        let mut link = Link::new(&config(FullPolicy::DropOldest), swallow);
        let sent = link.play(&events);
        link.refuse = 0;
        for _ in 0..4 {
            link.now += Duration::from_secs(60);
            link.run(None, false);
        }
        link.deliver();
        let stats = link.state.stats();
        let received = link.peer.received.iter().filter(|frame| !frame.starts_with(b"LOST")).count() as u64;
        let sent = sent.len() as u64;
        prop_assert!(received + stats.dropped <= sent);
        prop_assert!(sent <= received + stats.dropped + stats.in_doubt, "{received} {stats:?} of {sent}");
    }

    #[test]
    fn closing_at_any_moment_leaves_nothing_uncounted(events in vec(event(), 0..100), policy in policies()) {
        let mut link = Link::new(&config(policy), 0);
        let sent = link.play(&events);
        link.state.handle_closed();
        let stats = link.state.stats();
        check(stats);
        prop_assert_eq!(stats.queued, 0);
        prop_assert_eq!(stats.written + stats.dropped, sent.len() as u64);
    }
}

#[test]
fn an_end_at_every_byte_loses_nothing() {
    for reset in [false, true] {
        for cut in 0..60 {
            let mut link = Link::new(&SenderConfig::new(), 0);
            let mut events = vec![Event::Record(3), Event::Record(20), Event::Record(0)];
            events.push(if reset { Event::Reset(cut) } else { Event::Take(cut) });
            if !reset {
                events.push(Event::Close);
            }
            let sent = link.play(&events);
            link.now += Duration::from_secs(60);
            link.run(None, false);
            link.deliver();
            assert_eq!(link.peer.received, sent, "cut at {cut}");
            assert_eq!(link.state.stats().dropped, 0);
        }
    }
}

#[test]
fn attempts_follow_the_back_off_and_the_queue_survives_them() {
    let mut link = Link::new(&SenderConfig::new(), 0);
    link.refuse = 7;
    let mut events = vec![Event::Record(1)];
    for _ in 0..100 {
        events.extend([Event::Take(1000), Event::Pass(1000)]);
    }
    let sent = link.play(&events);
    link.deliver();
    assert_eq!(link.attempts, [0, 1, 3, 7, 15, 31, 61, 91]);
    assert_eq!(link.peer.received, sent);
}
