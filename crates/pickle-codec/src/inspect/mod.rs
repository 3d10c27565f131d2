//! Looking into pickles without running them: what they name and call, and the listing of `pickletools.dis`.
//!
//! # The guarantee
//!
//! For every input, whatever any CPython unpickler names or calls stands in the result: its C and its Python
//! unpickler, from 2.7 to 3.14, from bytes or from a file. A name that stands in the pickle is given as such; one
//! that the pickle computes (the result of a call, used as a name) is given as [`UNKNOWN_NAME`] with its offset.
//!
//! Unpicklers differ in what they accept, and a hostile pickle is made so that tools give up early. So reading goes
//! on as the most tolerant of them would: a number in text may be anything up to its line feed, quotes may be odd,
//! the memo may have been filled by an earlier pickle. It ends where all of them end, at an opcode that does not
//! exist, at the end of the input, or where every stack is empty. Where two unpicklers read different bytes, because
//! a FRAME ends inside of an argument or goes on behind STOP, both readings are followed.
//!
//! More may be listed than an unpickler would reach, and a name says nothing of what would be done with it;
//! [`meaning()`] says what is known of the name. Nothing is ever resolved or run.
//!
//! [`inspect()`] takes bytes that are there, an [`Inspector`] takes them in pieces and needs a few MiB however many
//! there are. [`disassemble()`] lists the instructions of one pickle, and a [`Lister`] does so in pieces.

mod arrays;
mod finding;
mod hunt;
mod listing;
mod machine;
mod meaning;
mod memory;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use finding::{NameList, to_u64, to_usize};
use hunt::Hunt;
use listing::push_json_text;
use machine::{Ended, Reading};

pub use finding::{MAX_NAME_LEN, MAX_NAMES, MAX_READINGS, Name, Stop, UNKNOWN_NAME};
pub use listing::{Lister, MAX_SHOWN, disassemble};
pub use meaning::{Meaning, meaning};

/// What a pickle is, as far as one can see without running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is named or called.
    DataOnly,
    /// Something is named or called.
    NamesOrCalls,
    /// No unpickler gets to its end, and none names anything on the way.
    NotAPickle,
}

impl Verdict {
    /// The word of the machine-readable form: `data_only`, `names_or_calls`, `not_a_pickle`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DataOnly => "data_only",
            Self::NamesOrCalls => "names_or_calls",
            Self::NotAPickle => "not_a_pickle",
        }
    }
}

/// What was seen of one pickle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Where the pickle begins, in bytes from the start of the input.
    pub offset: u64,
    /// Where it ends: behind STOP, or where reading ended.
    pub end: u64,
    /// What it is.
    pub verdict: Verdict,
    /// Each distinct name once, with its first offset, in the order of the input; a computed one each time.
    pub names: Vec<Name>,
    /// Where Python 3 stops with an error, if it does not get to the end.
    pub stop: Option<Stop>,
    /// Where bytes begin that stand behind the pickle and are none.
    pub trailing: Option<u64>,
}

impl fmt::Display for Inspection {
    /// The verdict as one line: `names or calls: os.system at 12; Python stops at 40: stack underflow`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.verdict, self.stop) {
            (Verdict::DataOnly, _) => f.write_str("data only")?,
            (Verdict::NotAPickle, Some(stop)) => {
                return write!(f, "not a pickle: {} at {}", stop.reason, stop.offset);
            }
            (Verdict::NotAPickle, None) => return f.write_str("not a pickle"),
            (Verdict::NamesOrCalls, _) => {
                f.write_str("names or calls: ")?;
                for (place, Name { name, offset }) in self.names.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{} at {offset}", Escaped(name))?;
                }
            }
        }
        if let Some(stop) = self.stop {
            write!(f, "; Python stops at {}: {}", stop.offset, stop.reason)?;
        }
        match self.trailing {
            Some(offset) => write!(f, "; the bytes from {offset} on are no pickle"),
            None => Ok(()),
        }
    }
}

/// A name in which nothing can steer a terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use core::fmt::Write as _;
        for character in self.0.chars() {
            if character.is_alphanumeric() || (' '..='~').contains(&character) && character != '\\' {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_default())?;
            }
        }
        Ok(())
    }
}

impl Inspection {
    /// The members of a JSON object, without its braces, so that a caller can put more beside them:
    /// `verdict` (the line), `kind`, `offset`, `end`, `globals` (objects of `name`, `offset`, `meaning` and `why`),
    /// and where there are, `stop` (`offset` and `reason`) and `trailing`.
    #[must_use]
    pub fn to_json_members(&self) -> String {
        let mut json = String::from("\"verdict\":");
        push_json_text(&self.to_string(), &mut json);
        json.push_str(&format!(
            ",\"kind\":\"{}\",\"offset\":{},\"end\":{},\"globals\":[",
            self.verdict.as_str(),
            self.offset,
            self.end
        ));
        for (place, Name { name, offset }) in self.names.iter().enumerate() {
            json.push_str(if place == 0 { "{\"name\":" } else { ",{\"name\":" });
            push_json_text(name, &mut json);
            let meaning = meaning(name);
            json.push_str(&format!(",\"offset\":{offset},\"meaning\":\"{}\"", meaning.as_str()));
            if let Meaning::RunsCode(why) = meaning {
                json.push_str(",\"why\":");
                push_json_text(why, &mut json);
            }
            json.push('}');
        }
        json.push(']');
        if let Some(Stop { offset, reason }) = self.stop {
            json.push_str(&format!(",\"stop\":{{\"offset\":{offset},\"reason\":\"{reason}\"}}"));
        }
        if let Some(trailing) = self.trailing {
            json.push_str(&format!(",\"trailing\":{trailing}"));
        }
        json
    }
}

/// Looks into every pickle of an input: one after another, with white space between them or without.
///
/// There is always one result at least. What stands behind the last pickle and is none is searched for names all the
/// same, because readers of some formats go on there.
///
/// ```
/// use pickle_codec::inspect::{Verdict, inspect};
/// assert_eq!(inspect(b"]K\x01a.")[0].verdict, Verdict::DataOnly);
/// let lines: Vec<String> = inspect(b"N.\ncos\nsystem\n.").iter().map(ToString::to_string).collect();
/// assert_eq!(lines, ["data only", "names or calls: os.system at 3"]);
/// ```
#[must_use]
pub fn inspect(input: &[u8]) -> Vec<Inspection> {
    let mut inspector = Inspector::new();
    inspector.feed(input);
    inspector.finish()
}

/// Looks into the pickles of an input that comes in pieces.
///
/// ```
/// use pickle_codec::inspect::Inspector;
/// let mut inspector = Inspector::new();
/// for byte in b"cos\nsystem\n(S'id'\ntR.".chunks(1) {
///     inspector.feed(byte);
/// }
/// assert_eq!(inspector.finish()[0].to_string(), "names or calls: os.system at 0");
/// ```
#[derive(Debug)]
pub struct Inspector {
    /// Where `held` begins in the input.
    base: u64,
    /// The end of what was fed: a part of an instruction, which is read when the rest of it is there.
    held: Vec<u8>,
    state: State,
    /// Reads as an unpickler reads that has all bytes in memory.
    machine: Box<Reading>,
    /// Other ways of reading what the pickles so far hold.
    forks: Vec<Fork>,
    /// Where such ended, behind the machine's position.
    fork_ends: Vec<u64>,
    /// NameList of the pickle that is read.
    names: NameList,
    /// NameList that stand in it in another way of reading, which has ended.
    aside: NameList,
    /// Names that stand behind a pickle in another way of reading. They are given with the last pickle, because where
    /// that reading finds pickles, the first one may find none.
    beside: NameList,
    /// Pickles that have been read, and are not taken.
    done: Vec<Inspection>,
    /// How many were taken.
    taken: usize,
}

/// Another way of reading a pickle, from a place in it on.
#[derive(Debug)]
struct Fork {
    machine: Reading,
    names: NameList,
    /// The number of the pickle, or [`LAST`] behind it.
    pickle: usize,
}

/// The number of the last pickle, whichever that will be.
const LAST: usize = usize::MAX;

impl Fork {
    /// The reading of who finds the next pickle elsewhere, behind a FRAME.
    fn behind(position: u64) -> Self {
        Self { machine: Reading::new(position, false), names: NameList::default(), pickle: LAST }
    }
}

#[derive(Debug)]
enum State {
    /// Between pickles, at this offset.
    Between(u64),
    /// In a pickle that began at this offset.
    Within(u64),
    /// Behind the last pickle.
    Behind(Hunt),
}

impl Default for Inspector {
    fn default() -> Self {
        Self::new()
    }
}

impl Inspector {
    /// Begins at offset 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            base: 0,
            held: Vec::new(),
            state: State::Between(0),
            machine: Box::new(Reading::new(0, true)),
            forks: Vec::new(),
            fork_ends: Vec::new(),
            names: NameList::default(),
            aside: NameList::default(),
            beside: NameList::default(),
            done: Vec::new(),
            taken: 0,
        }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        if self.held.is_empty() {
            let used = self.run(piece, false);
            self.held.extend_from_slice(piece.get(used..).unwrap_or_default());
        } else {
            let mut held = core::mem::take(&mut self.held);
            held.extend_from_slice(piece);
            let used = self.run(&held, false);
            held.drain(..used.min(held.len()));
            self.held = held;
        }
    }

    /// Whether nothing more can be found, whatever follows: the input does not begin with a pickle.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(&self.state, State::Behind(hunt) if !hunt.is_on()) && self.forks.is_empty()
    }

    /// Takes what is known of whole pickles, so that a long stream of them needs no memory. The last one stays, as
    /// what follows may belong to it, and so do those that are still read in another way.
    pub fn take_done(&mut self) -> Vec<Inspection> {
        let last = self.done.len().saturating_sub(1);
        let whole =
            self.forks.iter().map(|fork| fork.pickle.saturating_sub(self.taken)).fold(last, usize::min);
        self.taken += whole;
        self.done.drain(..whole).collect()
    }

    /// Ends the input and gives all that was not taken.
    #[must_use]
    pub fn finish(mut self) -> Vec<Inspection> {
        let held = core::mem::take(&mut self.held);
        self.run(&held, true);
        let end = self.base;
        if self.done.is_empty() {
            let stop = Some(Stop { offset: 0, reason: machine::EOF });
            self.close(0, Verdict::NotAPickle, end, stop);
        }
        for found in [core::mem::take(&mut self.names), core::mem::take(&mut self.beside)] {
            self.give(LAST, found);
        }
        self.done
    }

    /// Reads `bytes`, which begin at `base`, and returns how many of them nobody needs any more.
    fn run(&mut self, bytes: &[u8], is_last: bool) -> usize {
        let rest_at = rest_of(bytes, self.base);
        for fork in core::mem::take(&mut self.forks) {
            self.follow(fork, bytes, is_last);
        }
        let mut position = match &self.state {
            State::Between(position) => *position,
            State::Within(_) => self.machine.position(),
            State::Behind(hunt) => hunt.position(),
        };
        loop {
            let rest = rest_at(position);
            match &mut self.state {
                State::Between(at) => {
                    let blank = |byte: &&u8| byte.is_ascii_whitespace() || **byte == 0;
                    position += to_u64(rest.iter().take_while(blank).count());
                    *at = position;
                    if rest_at(position).is_empty() {
                        break;
                    }
                    self.machine.restart(position, self.taken == 0 && self.done.is_empty());
                    self.state = State::Within(position);
                }
                State::Within(begin) => {
                    let begin = *begin;
                    self.fork_ends.retain(|end| *end > position);
                    let may_fork = self.may_fork(position);
                    self.machine.run(rest, is_last, &mut self.names, may_fork);
                    position = self.machine.position();
                    let (forks, unfollowed) = self.machine.take_forks();
                    let goes_on = !forks.is_empty() || unfollowed.is_some();
                    let pickle = self.taken + self.done.len();
                    if let Some(offset) = unfollowed {
                        self.aside.add(UNKNOWN_NAME, offset);
                    }
                    for machine in forks {
                        self.follow(Fork { machine, names: NameList::default(), pickle }, bytes, is_last);
                    }
                    match self.machine.ended() {
                        None if goes_on => {}
                        None => break,
                        Some(ended) => {
                            let behind_frame = self.machine.behind_frame();
                            position = self.end(begin, position, ended);
                            match behind_frame {
                                Some(behind) if self.may_fork(position) > 0 => {
                                    self.follow(Fork::behind(behind), bytes, is_last);
                                }
                                Some(behind) => self.beside.add(UNKNOWN_NAME, behind),
                                None => {}
                            }
                        }
                    }
                }
                State::Behind(hunt) => {
                    hunt.run(rest, is_last, &mut self.names);
                    position = hunt.position();
                    break;
                }
            }
        }
        let needed = self.forks.iter().map(|fork| fork.machine.position()).fold(position, u64::min);
        let used = to_usize(needed.saturating_sub(self.base)).min(bytes.len());
        self.base += to_u64(used);
        used
    }

    /// How many more readings may be split off at a place.
    ///
    /// Those count that are still going on, and those that ended further on than this place: a hostile input could
    /// otherwise have the same bytes read once for each opcode before them. So every byte is read by [`MAX_READINGS`]
    /// readings at most, and time stays in proportion to the input.
    fn may_fork(&self, position: u64) -> usize {
        let ended = self.fork_ends.iter().filter(|end| **end > position).count();
        MAX_READINGS.saturating_sub(self.forks.len() + ended)
    }

    /// Goes on with another reading, and with those that are split off from it, as far as the bytes go.
    ///
    /// At STOP it begins the next pickle, because a file of several ones goes on for this reader where it has come to,
    /// and not where the first reading has.
    fn follow(&mut self, fork: Fork, bytes: &[u8], is_last: bool) {
        let rest_at = rest_of(bytes, self.base);
        let mut waiting = alloc::vec![fork];
        while let Some(mut fork) = waiting.pop() {
            loop {
                let position = fork.machine.position();
                let may_fork = self.may_fork(position).saturating_sub(waiting.len() + 1);
                fork.machine.run(rest_at(position), is_last, &mut fork.names, may_fork);
                let pickle = fork.pickle;
                let (forks, unfollowed) = fork.machine.take_forks();
                if let Some(offset) = unfollowed {
                    fork.names.add(UNKNOWN_NAME, offset);
                }
                let goes_on = !forks.is_empty() || unfollowed.is_some();
                waiting.extend(forks.into_iter().map(|machine| Fork {
                    machine,
                    names: NameList::default(),
                    pickle,
                }));
                if let Some(ended) = fork.machine.ended() {
                    let position = fork.machine.position();
                    let behind_frame = fork.machine.behind_frame();
                    let mut names = core::mem::take(&mut fork.names);
                    if let Some(behind) = behind_frame {
                        if self.may_fork(position) > waiting.len() + 1 {
                            waiting.push(Fork::behind(behind));
                        } else {
                            names.add(UNKNOWN_NAME, position);
                        }
                    }
                    // Its names are given to its pickle, when that has been read in the first way.
                    if pickle == LAST {
                        self.beside.add_all(names);
                    } else if pickle < self.taken + self.done.len() {
                        self.give(pickle, names);
                    } else {
                        self.aside.add_all(names);
                    }
                    if !ended.at_stop {
                        self.fork_ends.push(position);
                        break;
                    }
                    // Who reads in this way finds the next pickle here.
                    fork.pickle = LAST;
                    fork.machine.restart(position, false);
                    continue;
                }
                if !goes_on {
                    self.forks.push(fork);
                    break;
                }
            }
        }
    }

    /// The pickle that began at `begin` has been read up to `position`; returns where to go on.
    fn end(&mut self, begin: u64, position: u64, ended: Ended) -> u64 {
        let verdict = match (self.names.is_empty() && ended.call.is_none(), ended.at_stop) {
            (false, _) => Verdict::NamesOrCalls,
            (true, true) => Verdict::DataOnly,
            (true, false) => Verdict::NotAPickle,
        };
        if self.names.is_empty()
            && let Some((opcode, offset)) = ended.call
        {
            self.names.add(opcode.name(), offset);
        }
        match (verdict, self.done.last_mut()) {
            (Verdict::NotAPickle, Some(last)) => {
                // It is what stands behind the pickle before it.
                last.trailing = Some(begin);
                let aside = core::mem::take(&mut self.aside);
                self.give(LAST, aside);
                self.state = State::Behind(Hunt::new(position));
                return position;
            }
            (Verdict::NotAPickle, None) => {
                // A text or an image is full of what looks like a name, so that it is left alone.
                self.close(begin, verdict, position, ended.stop);
                self.state = State::Behind(Hunt::none(position));
                return position;
            }
            _ => self.close(begin, verdict, position, ended.stop),
        }
        if ended.at_stop {
            self.state = State::Between(position);
        } else {
            self.state = State::Behind(Hunt::new(position));
        }
        position
    }

    fn close(&mut self, offset: u64, verdict: Verdict, end: u64, stop: Option<Stop>) {
        let mut names = core::mem::take(&mut self.names).listed;
        names.sort_by(|one, other| (one.offset, &one.name).cmp(&(other.offset, &other.name)));
        self.done.push(Inspection { offset, end, verdict, names, stop, trailing: None });
        let aside = core::mem::take(&mut self.aside);
        self.give(LAST, aside);
    }

    /// Adds names to a pickle that has been read: to that of a number, or to the last one. What names something is no
    /// longer data alone, or no pickle.
    fn give(&mut self, pickle: usize, found: NameList) {
        if found.is_empty() {
            return;
        }
        let last = self.done.len().saturating_sub(1);
        let Some(inspection) = self.done.get_mut(pickle.saturating_sub(self.taken).min(last)) else { return };
        let known: BTreeSet<(String, u64)> = inspection.names.iter().map(Name::distinct).collect();
        inspection.names.extend(found.listed.into_iter().filter(|name| !known.contains(&name.distinct())));
        inspection.names.sort_by(|one, other| (one.offset, &one.name).cmp(&(other.offset, &other.name)));
        inspection.verdict = Verdict::NamesOrCalls;
    }
}

/// What stands from an offset on in bytes that begin at `base`.
fn rest_of<'a>(bytes: &'a [u8], base: u64) -> impl Fn(u64) -> &'a [u8] {
    move |position| bytes.get(to_usize(position.saturating_sub(base))..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<String> {
        inspect(input).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn verdicts() {
        let rows: &[(&[u8], &[&str])] = &[
            (b"]K\x01a.", &["data only"]),
            (b"", &["not a pickle: the input ends at 0"]),
            (b"hello", &["not a pickle: nothing in the memo at 0"]),
            (b"\xff", &["not a pickle: not an opcode at 0"]),
            (b"]K", &["not a pickle: the input ends at 1"]),
            (b"N.]K\x01a.\r\n K\x02.\n", &["data only", "data only", "data only"]),
            (b"N.\xffabc", &["data only; the bytes from 2 on are no pickle"]),
            (b"\x93NUMPY\x01\0v\0{}\n", &["not a pickle: stack underflow at 0"]),
            // What Python 2 does where Python 3 has stopped.
            (b"(Nb.", &["names or calls: BUILD at 2; Python stops at 2: stack underflow"]),
            (b"(0t.cos\nsystem\n.", &["not a pickle: no MARK on the stack at 2"]),
            (
                b"K\x01(Nbcos\nsystem\n.",
                &["names or calls: os.system at 5; Python stops at 4: stack underflow"],
            ),
            // Every way to spell a name.
            (b"S'os'\nS'system'\n\x93.", &["names or calls: os.system at 16"]),
            (b"S'\\x6fs'\nS\"sys\\164em\"\n\x93.", &["names or calls: os.system at 22"]),
            (b"V\\u006fs\nVsystem\n\x93.", &["names or calls: os.system at 17"]),
            (b"U\x02osT\x06\0\0\0system\x93.", &["names or calls: os.system at 15"]),
            (b"Vos\np01\n0Vsystem\nq\x000g1\nh\x00\x93.", &["names or calls: os.system at 25"]),
            // Odd literals do not blind it, and the memo survives them.
            (b"F1e400\n0cos\nsystem\n.", &["names or calls: os.system at 8"]),
            (b"I0x10\n0I0x11\n0cos\ngetenv\n(VCANARY\ntR.", &["names or calls: os.getenv at 14"]),
            (b"L0x10L\n0L0b1\n0cos\nsystem\n(S'id'\ntR.", &["names or calls: os.system at 14"]),
            (b"Np1\0\np2\0\n0cos\nsystem\n(S'id'\ntR.", &["names or calls: os.system at 10"]),
            (b"\x8c\x02osq\0\x8c\x06systemq\x01I0x10\n00h\0h\x01\x93.", &["names or calls: os.system at 28"]),
            (b"cos\r\nsystem\r\n.", &["names or calls: os\\r.system\\r at 0"]),
            // Python's unpicklers take the last character of a line off, even where it is no line feed.
            (b"cos\nsystemX", &["names or calls: os.system at 0; Python stops at 11: the input ends"]),
            // A name that is computed.
            (
                b"\x80\x05cstatistics\nmean\nN(Va\nVos\ndb0cstatistics\nmean.a\nVgetenv\n\x93.",
                &["names or calls: statistics.mean at 2, statistics.mean.a at 31, unknown name at 58"],
            ),
            // Calls without a name, and what stands for names.
            (b"Pid\n.", &["names or calls: PERSID at 0"]),
            (b"K\x01Q.", &["names or calls: BINPERSID at 2"]),
            (b"\x82\x05.", &["names or calls: EXT1 5 at 0"]),
            (b"\x97.", &["names or calls: NEXT_BUFFER at 0"]),
            (b"}Nb.", &["names or calls: BUILD at 2"]),
            // A FRAME that ends inside of an argument is read in both ways.
            (
                b"\x80\x05N(\x95\x05\0\0\0\0\0\0\0B\x07\x01\0\0cos\nsystem\n.",
                &["not a pickle: the input ends at 13"],
            ),
            (
                b"\x95\x03\0\0\0\0\0\0\0B\x04\0\x05\0\0\0abcdecos\nsystem\n.",
                &["names or calls: os.system at 21; Python stops at 9: the input ends"],
            ),
            // Behind a FRAME that goes on behind STOP begins the next pickle of a file.
            (
                b"\x80\x04\x95\x05\0\0\0\0\0\0\0N.\xff\xff\xffVos\nVsystem\n\x93.",
                &["names or calls: os.system at 28; the bytes from 13 on are no pickle"],
            ),
            (
                b"\x95\x05\0\0\0\0\0\0\0K\x01QPid\n.\x8c\x03x y\x8c\x01z\x93.N.",
                &[
                    "names or calls: BINPERSID at 11, PERSID at 12",
                    "names or calls: x y.z at 25",
                    "names or calls: x y.z at 25",
                ],
            ),
            // An index that only the unpickler in Python takes.
            (
                b"Vos\np9223372036854775808\n0g9223372036854775808\nVsystem\n\x93.",
                &["names or calls: unknown name at 55"],
            ),
            // What a caller gives as a buffer may be text.
            (
                b"\x97\x97\x93cos\nsystem\n.",
                &["names or calls: NEXT_BUFFER at 0, unknown name at 2, os.system at 3"],
            ),
        ];
        for (input, expected) in rows {
            assert_eq!(lines(input), *expected, "{}", input.escape_ascii());
            let mut inspector = Inspector::new();
            for byte in input.chunks(1) {
                inspector.feed(byte);
            }
            assert_eq!(inspector.finish(), inspect(input), "in pieces: {}", input.escape_ascii());
        }
    }

    #[test]
    fn every_name_is_listed_once_however_many_there_are() {
        let mut pickle = Vec::new();
        for number in 0..1_000 {
            pickle.extend_from_slice(format!("cm\nf{}\n0", number % 500).as_bytes());
        }
        pickle.extend_from_slice(b"cos\nsystem\n)R.");
        let [seen] = &inspect(&pickle)[..] else { panic!("one pickle") };
        assert_eq!(seen.names.len(), 501);
        assert_eq!(seen.names[500].name, "os.system");
        assert!(seen.to_json_members().contains("{\"name\":\"os.system\",\"offset\":"));
    }

    #[test]
    fn a_long_name_is_cut_and_still_named() {
        let long = "x".repeat(MAX_NAME_LEN + 1);
        let cut = format!("{}...", "x".repeat(MAX_NAME_LEN));
        for (pickle, name) in [
            (format!("c{long}\nC\n.").into_bytes(), format!("{cut}.C")),
            ([b"Vm\nV", long.as_bytes(), b"\n\x93."].concat(), format!("m.{cut}")),
            ([b"cm\nC", "y".repeat(100_000).as_bytes(), b"\n0cos\nsystem\n."].concat(), "os.system".into()),
            ([b"I", "7".repeat(100_000).as_bytes(), b"\n0cos\nsystem\n."].concat(), "os.system".into()),
        ] {
            let [seen] = &inspect(&pickle)[..] else { panic!("{name}") };
            assert_eq!(seen.names.last().map(|name| name.name.as_str()), Some(name.as_str()));
            assert_eq!(seen.stop, None);
        }
    }

    #[test]
    fn names_behind_raw_bytes_are_found() {
        let rows: &[&[u8]] = &[
            b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R}b\xff\xfe\xfd\0\0cos\ngetenv\n.",
            b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n.\xff\0\x8c\x02os\x94\x8c\x06getenv\x94\x93.",
        ];
        for row in rows {
            for piece in [1, 7, row.len()] {
                let mut inspector = Inspector::new();
                row.chunks(piece).for_each(|piece| inspector.feed(piece));
                let seen = inspector.finish();
                assert!(seen[0].names.iter().any(|name| name.name == "os.getenv"), "{}", row.escape_ascii());
            }
        }
    }

    #[test]
    fn a_name_is_found_below_any_number_of_objects() {
        let mut pickle = b"\x80\x04Vos\nVsystem\n".to_vec();
        pickle.extend_from_slice(&b"(N".repeat(300_000));
        pickle.extend_from_slice(&b"1".repeat(300_000));
        pickle.extend_from_slice(b"\x93Vid\n\x85R.");
        let [seen] = &inspect(&pickle)[..] else { panic!("one pickle") };
        assert_eq!((seen.names.len(), seen.names[0].name.as_str()), (1, UNKNOWN_NAME));
        assert_eq!(seen.stop, None);
    }

    #[test]
    fn names_are_bounded_and_what_is_not_listed_is_said() {
        let mut pickle = Vec::new();
        for number in 0..=MAX_NAMES {
            pickle.extend_from_slice(format!("cm\nf{number}\n0").as_bytes());
        }
        pickle.extend_from_slice(b"cos\nsystem\n.");
        let [seen] = &inspect(&pickle)[..] else { panic!("one pickle") };
        assert_eq!(seen.names.len(), MAX_NAMES + 1);
        assert_eq!(seen.names[MAX_NAMES].name, UNKNOWN_NAME);
    }

    #[test]
    fn who_reads_one_array_as_opcodes_has_read_all_so() {
        // The second array would be a pickle that ends, if the first one had not ended the reading.
        let first = joblib("u1", b"K\x01\x85", b"\0\xff");
        let second = joblib("u1", b"K\x0f\x85", b"\0cposix\nsystem\n.");
        let pickle = [first.get(..first.len() - 15).unwrap(), second.get(2..).unwrap()].concat();
        let names: Vec<String> = inspect(&pickle)[0].names.iter().map(|name| name.name.clone()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }

    /// As joblib writes an array of this type and shape, with these bytes behind the BUILD.
    fn joblib(dtype: &str, shape: &[u8], raw: &[u8]) -> Vec<u8> {
        joblib_of(&[b"V", dtype.as_bytes(), b"\n\x89\x88\x87R"].concat(), shape, raw)
    }

    /// The same, with what stands behind the class of types.
    fn joblib_of(dtype: &[u8], shape: &[u8], raw: &[u8]) -> Vec<u8> {
        let mut pickle = b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(".to_vec();
        pickle.extend_from_slice(b"Vsubclass\ncnumpy\nndarray\nVshape\n");
        pickle.extend_from_slice(shape);
        pickle.extend_from_slice(b"Vdtype\ncnumpy\ndtype\n");
        pickle.extend_from_slice(dtype);
        pickle.extend_from_slice(b"Vnumpy_array_alignment_bytes\nK\x10ub");
        pickle.extend_from_slice(raw);
        pickle.extend_from_slice(b"\x8c\x02os\x8c\x06system\x93\x86.");
        pickle
    }

    #[test]
    fn an_array_of_joblib_is_passed_over_as_joblib_does() {
        let padded = b"\x03\xff\xff\xff";
        let rows: &[(&str, &[u8], Vec<u8>)] = &[
            // Bytes that are no opcodes, and bytes that end a pickle for everybody else.
            ("f8", b"K\x02K\x01\x86", [padded.as_slice(), &[0xff; 16]].concat()),
            ("i4", b"K\x03\x85", [padded.as_slice(), b"N..........."].concat()),
            ("U2", b"(K\x01K\x01K\x01K\x01t", [padded.as_slice(), &[b'.'; 8]].concat()),
            ("V5", b"K\x01\x85", [b"\0".as_slice(), &[b'.'; 5]].concat()),
            ("f8", b"K\x00\x85", b"\0".to_vec()),
            ("f8", b")", [b"\0".as_slice(), &[0xff; 8]].concat()),
            // An array of objects is a pickle of its own.
            ("O8", b"K\x01\x85", b"\x80\x04]q\0(h\0e.".to_vec()),
        ];
        for (dtype, shape, raw) in rows {
            let pickle = joblib(dtype, shape, raw);
            let seen = inspect(&pickle);
            let names: Vec<&str> = seen[0].names.iter().map(|name| name.name.as_str()).collect();
            assert_eq!(names.last(), Some(&"os.system"), "{dtype}: {seen:?}");
            assert_eq!((names.len(), seen[0].stop, seen.len()), (4, None, 1), "{dtype}: {seen:?}");
            assert_eq!(seen[0].end, to_u64(pickle.len()), "{dtype}");
            let mut inspector = Inspector::new();
            pickle.chunks(1).for_each(|piece| inspector.feed(piece));
            assert_eq!(inspector.finish(), seen, "{dtype}");
        }
    }

    #[test]
    fn an_array_of_a_type_with_objects_in_it_is_a_pickle() {
        // The BUILD that says so comes when the memo has the type already.
        let object = b"cnumpy\ndtype\nVO8\n\x89\x88\x87R";
        let state = [b"(K\x03V|\nN(Vy\nt}Vy\n".as_slice(), object, b"K\0\x86stb"].concat();
        let dtype = [b"VV8\n\x89\x88\x87Rq\x01".as_slice(), &state, b"0h\x01"].concat();
        let pickle = joblib_of(&dtype, b"K\x01\x85", b"\x80\x04]q\0(h\0cposix\nsystem\ne.");
        let [seen] = &inspect(&pickle)[..] else { panic!("one pickle") };
        let names: Vec<&str> = seen.names.iter().map(|name| name.name.as_str()).collect();
        assert_eq!((names.len(), seen.stop, seen.trailing), (5, None, None), "{seen:?}");
        assert!(names.contains(&"posix.system") && names.ends_with(&["os.system"]), "{names:?}");
    }

    #[test]
    fn what_others_read_in_an_array_of_joblib_is_listed() {
        let pickle = joblib("u1", b"K\x0d\x85", b"cposix\nsystem\n.");
        let names: Vec<String> = inspect(&pickle)[0].names.iter().map(|name| name.name.clone()).collect();
        assert!(names.contains(&"posix.system".into()), "{names:?}");
    }

    #[test]
    fn readings_are_bounded_and_what_is_not_followed_is_said() {
        // Either way of reading the bytes of SHORT_BINBYTES goes on to the next one.
        let crossing = b"\x95\x03\0\0\0\0\0\0\0C\x02NNN0N";
        let mut pickle = crossing.repeat(10 * MAX_READINGS);
        pickle.push(b'.');
        let seen = inspect(&pickle);
        assert!(seen[0].names.iter().any(|name| name.name == UNKNOWN_NAME));
        // Here the other way ends at once, so that each of them is followed.
        let crossing = b"\x95\x02\0\0\0\0\0\0\0M\0\0";
        let mut pickle = crossing.repeat(10 * MAX_READINGS);
        pickle.extend_from_slice(b"cos\nsystem\n.");
        assert_eq!(inspect(&pickle)[0].names.len(), 1);
    }
}
