//! The sender's state with acknowledgements, on a simulated link in virtual time: what comes back is late, cut,
//! reordered, repeated, forged, or does not come. For any sequence of that, the sender forgets nothing that is not
//! durable at the receiver, and sends the same bytes again in their order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use logrecord_frame::FrameDecoder;
use logrecord_transport::{
    ErrorKind,
    sender::{Ack, AckReader, Acks, FullPolicy, Message, SenderConfig, SenderState, SenderStats, Step},
};
use proptest::{collection::vec, prelude::*};

const WINDOW: u64 = 8;
/// Acknowledgements as this test writes them: status, stream, number, seal.
struct Reader;

/// Stands for a tag: whoever changes a byte cannot make it.
fn seal(content: &[u8]) -> [u8; 8] {
    let hash = content.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(7)
    });
    hash.to_be_bytes()
}

impl AckReader for Reader {
    fn read(&self, payload: &[u8]) -> Option<Ack> {
        let (content, tag) = payload.split_last_chunk::<8>()?;
        if seal(content) != *tag {
            return None;
        }
        let [status, stream, rest @ ..] = content else { return None };
        let number = u64::from_be_bytes(rest.try_into().ok()?);
        Some(match (stream, status) {
            (1.., _) => Ack::Other,
            (0, 0) => Ack::UpTo(number),
            (0, &status) => Ack::Refused { number, status },
        })
    }
}

fn ack(status: u8, stream: u8, number: u64) -> Vec<u8> {
    let content = [&[status, stream], &number.to_be_bytes()[..]].concat();
    [&[0, 0, 0, 18], &content[..], &seal(&content)].concat()
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The program logs a record with so many bytes behind its number.
    Record(usize),
    /// The system takes this much.
    Take(usize),
    /// The connection breaks; so many bytes of the way are destroyed.
    Reset(usize),
    /// The receiver stores what it has and says so. Whether that arrives is another matter.
    Sync,
    /// So many bytes come back.
    Hear(usize),
    /// The receiver refuses every third number from now on, or does not.
    Refuse(bool),
    /// The receiver is killed: what is not synced is gone.
    Kill,
    /// An acknowledgement that was seen before comes again, on this connection.
    Replay(usize),
    /// Somebody without the key says that all is well.
    Forge,
    /// An acknowledgement of another stream.
    Stranger,
    /// Time passes.
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_usize..100).prop_map(Event::Record),
        5 => (0_usize..300).prop_map(Event::Take),
        1 => (0_usize..200).prop_map(Event::Reset),
        3 => Just(Event::Sync),
        4 => (1_usize..60).prop_map(Event::Hear),
        1 => any::<bool>().prop_map(Event::Refuse),
        1 => Just(Event::Kill),
        1 => (0_usize..20).prop_map(Event::Replay),
        1 => Just(Event::Forge),
        1 => Just(Event::Stranger),
        2 => (0_u64..40_000).prop_map(Event::Pass),
    ]
}

/// A receiver with a disk: a window in memory that a kill empties to what the disk has.
#[derive(Default)]
struct Receiver {
    durable: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    /// Taken and not synced.
    queued: Vec<u64>,
    /// The highest number of this connection.
    came: Option<u64>,
    refuses: bool,
    decoder: Option<FrameDecoder>,
    /// All that were ever said, for replays.
    said: Vec<Vec<u8>>,
}

struct Link {
    state: SenderState,
    receiver: Receiver,
    sent: Vec<Bytes>,
    /// Bytes on their way to the receiver, and back.
    there: Vec<u8>,
    back: Vec<u8>,
    start: Instant,
    now: Duration,
}

impl Link {
    fn new(config: SenderConfig) -> Self {
        let config = config.acks(Acks::new(Arc::new(Reader)).window(WINDOW).max_bytes(2000));
        Self {
            state: SenderState::stream(&config),
            receiver: Receiver::default(),
            sent: Vec::new(),
            there: Vec::new(),
            back: Vec::new(),
            start: Instant::now(),
            now: Duration::ZERO,
        }
    }

    fn record(&mut self, len: usize) {
        let number = self.sent.len() as u64;
        let payload = Bytes::from(format!("{number:06}{}", "x".repeat(len)));
        self.sent.push(payload.clone());
        // A refusal of the newest is counted by the state.
        drop(self.state.handle_record(Message::numbered(payload, number)));
    }

    /// Writes `take` bytes at most, connecting if the time has come.
    fn write(&mut self, mut take: usize) {
        for _ in 0..10_000 {
            let now = self.start + self.now;
            match self.state.poll(now) {
                Step::Connect => {
                    self.state.handle_connecting(now);
                    self.state.handle_connected();
                    self.receiver.decoder = Some(FrameDecoder::new());
                    self.receiver.came = None;
                    self.there.clear();
                    self.back.clear();
                }
                Step::Write if take > 0 => {
                    let mut segments = Vec::new();
                    self.state.segments(4, 500, &mut segments);
                    let bytes: Vec<u8> = segments
                        .iter()
                        .flat_map(|segment| [segment.prefix(), segment.payload()].concat())
                        .collect();
                    let written = take.min(bytes.len());
                    self.there.extend_from_slice(&bytes[..written]);
                    self.state.handle_written(written);
                    take -= written;
                }
                _ => return,
            }
        }
        panic!("the sender never rests");
    }

    /// What is on its way arrives.
    fn arrive(&mut self) {
        let receiver = &mut self.receiver;
        let Some(decoder) = &mut receiver.decoder else { return };
        decoder.feed_slice(&self.there);
        self.there.clear();
        while let Some(frame) = decoder.next_frame().unwrap() {
            let number: u64 = std::str::from_utf8(&frame[..6]).unwrap().parse().unwrap();
            assert_eq!(frame, self.sent[number as usize], "the bytes were changed");
            assert!(receiver.came.is_none_or(|came| came < number), "not lowest first");
            receiver.came = Some(number);
            if receiver.refuses && number.is_multiple_of(3) && !receiver.durable.contains(&number) {
                receiver.refused.insert(number);
                let refusal = ack(4, 0, number);
                receiver.said.push(refusal.clone());
                self.back.extend_from_slice(&refusal);
            } else if !receiver.durable.contains(&number) {
                receiver.queued.push(number);
            }
        }
    }

    fn sync(&mut self) {
        self.arrive();
        self.receiver.durable.extend(self.receiver.queued.drain(..));
        if let Some(came) = self.receiver.came {
            let ack = ack(0, 0, came);
            self.receiver.said.push(ack.clone());
            self.back.extend_from_slice(&ack);
        }
    }

    fn hear(&mut self, bytes: usize) {
        let bytes: Vec<u8> = self.back.drain(..bytes.min(self.back.len())).collect();
        self.input(&bytes);
    }

    fn input(&mut self, bytes: &[u8]) {
        if let Err(error) = self.state.handle_input(bytes) {
            assert_eq!(error.kind(), ErrorKind::BadAck);
            self.broken();
        }
    }

    fn broken(&mut self) {
        self.state.handle_broken();
        self.receiver.decoder = None;
        self.receiver.came = None;
        self.there.clear();
        self.back.clear();
    }

    fn play(&mut self, events: &[Event]) {
        for event in events {
            match *event {
                Event::Record(len) => self.record(len),
                Event::Take(bytes) => self.write(bytes),
                Event::Reset(destroyed) => {
                    let kept = self.there.len().saturating_sub(destroyed);
                    self.there.truncate(kept);
                    self.arrive();
                    self.broken();
                }
                Event::Sync => self.sync(),
                Event::Hear(bytes) => self.hear(bytes),
                Event::Refuse(refuses) => self.receiver.refuses = refuses,
                Event::Kill => {
                    self.receiver.queued.clear();
                    self.broken();
                }
                Event::Replay(index) => {
                    if self.back.is_empty()
                        && let Some(ack) = self.receiver.said.get(index).cloned()
                    {
                        self.input(&ack);
                    }
                }
                Event::Forge => {
                    let mut forged = ack(0, 0, u64::MAX);
                    forged[10] ^= 1;
                    self.input(&forged);
                }
                Event::Stranger => {
                    if self.back.is_empty() {
                        self.input(&ack(0, 1, u64::MAX));
                    }
                }
                Event::Pass(ms) => self.now += Duration::from_millis(ms),
            }
            self.check();
        }
    }

    fn check(&self) -> SenderStats {
        let stats = self.state.stats();
        assert_eq!(stats.accepted, stats.acked + stats.refused + stats.dropped + stats.queued);
        assert!(stats.in_flight <= stats.queued && stats.in_flight <= WINDOW);
        // Nothing is forgotten that the receiver has neither stored nor refused. (An acknowledgement of an older
        // connection that comes again may cover a refusal that was lost with that connection.)
        let known = self.receiver.durable.union(&self.receiver.refused).count() as u64;
        assert!(stats.acked + stats.refused <= known, "{stats:?} of {known}");
        assert!(stats.refused <= self.receiver.refused.len() as u64);
        stats
    }

    /// In the end the line and the receiver are well.
    fn settle(&mut self) -> SenderStats {
        self.receiver.refuses = false;
        for _ in 0..80 {
            self.now += Duration::from_secs(60);
            self.write(usize::MAX);
            self.sync();
            self.hear(usize::MAX);
        }
        self.check()
    }
}

fn config(policy: FullPolicy) -> SenderConfig {
    SenderConfig::new().queue(20, 3000).full_policy(policy)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_is_forgotten_that_is_not_durable(
        events in vec(event(), 0..250),
        newest in any::<bool>(),
    ) {
        let policy = if newest { FullPolicy::DropNewest } else { FullPolicy::DropOldest };
        let mut link = Link::new(config(policy));
        link.play(&events);
        let stats = link.settle();
        prop_assert_eq!((stats.queued, stats.in_flight, stats.dropped_unanswered), (0, 0, 0));
        prop_assert_eq!(stats.acked + stats.refused + stats.dropped, link.sent.len() as u64);
    }

    #[test]
    fn without_drops_everything_sent_is_durable_or_refused(events in vec(event(), 0..250)) {
        let mut link = Link::new(SenderConfig::new());
        link.play(&events);
        let stats = link.settle();
        prop_assert_eq!((stats.queued, stats.dropped), (0, 0));
        for number in 0..link.sent.len() as u64 {
            prop_assert!(
                link.receiver.durable.contains(&number) || link.receiver.refused.contains(&number),
                "{number} is nowhere"
            );
        }
    }
}

#[test]
fn a_receiver_that_is_stopped_holds_the_window_and_no_more() {
    let mut link = Link::new(SenderConfig::new());
    for _ in 0..100 {
        link.record(10);
    }
    link.write(usize::MAX);
    assert_eq!(link.state.stats().in_flight, WINDOW);
    assert!(link.state.is_window_full() && !link.state.is_empty());
    let Step::AwaitAcks(at) = link.state.poll(link.start) else { panic!() };
    assert_eq!(at - link.start, Duration::from_secs(3600));
    // Half of an acknowledgement is none; the rest of it makes it whole.
    link.sync();
    link.hear(7);
    assert_eq!(link.state.stats().acked, 0);
    link.hear(100);
    assert_eq!((link.state.stats().acked, link.state.stats().in_flight), (WINDOW, 0));
    assert_eq!(link.settle().acked, 100);
}

#[test]
fn what_gets_no_answer_for_an_hour_is_dropped_and_counted() {
    let mut link = Link::new(SenderConfig::new());
    link.record(1);
    link.write(usize::MAX);
    link.now += Duration::from_secs(3599);
    link.write(0);
    assert_eq!(link.check().dropped, 0);
    link.now += Duration::from_secs(1);
    link.record(2);
    link.write(0);
    let stats = link.check();
    assert_eq!((stats.dropped, stats.dropped_unanswered, stats.queued), (1, 1, 1));
    // An hour without a connection is no hour without an answer.
    link.write(usize::MAX);
    link.broken();
    link.now += Duration::from_secs(7200);
    assert_eq!(link.settle().acked, 1);
}

#[test]
fn a_receiver_that_closes_without_an_answer_is_tried_with_pauses_and_known_from_the_fifth_on() {
    let mut link = Link::new(SenderConfig::new());
    link.record(1);
    let mut told = Vec::new();
    let mut attempts = Vec::new();
    for second in 0..100 {
        link.now = Duration::from_secs(second);
        link.write(usize::MAX);
        if link.state.is_connected() {
            attempts.push(second);
            link.broken();
            told.push(link.state.is_unheard());
        }
    }
    assert_eq!(attempts, [0, 1, 3, 7, 15, 31, 61, 91]);
    assert_eq!(told, [false, false, false, false, true, true, true, true]);
    assert_eq!(link.settle().acked, 1);
    assert!(!link.state.is_unheard());
}

#[test]
fn refusals_are_counted_by_their_status_and_never_sent_again() {
    let mut link = Link::new(SenderConfig::new());
    link.receiver.refuses = true;
    for _ in 0..7 {
        link.record(1);
    }
    link.write(usize::MAX);
    link.sync();
    link.hear(usize::MAX);
    let stats = link.check();
    assert_eq!((stats.acked, stats.refused, stats.queued), (4, 3, 0));
    assert_eq!(stats.refused_by_status, [0, 0, 0, 0, 3, 0, 0, 0]);
}
