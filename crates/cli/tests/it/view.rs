//! The stream behind the live view: what a viewer gets, what it does not get, and that nobody waits for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use common::{PATIENCE, Server, frame, record, until};

/// One server-sent event.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Vec<Value>,
}

/// A viewer's connection.
struct Viewer {
    status: u16,
    lines: BufReader<TcpStream>,
}

/// The address and the token of the admin server.
fn told(server: &Server) -> (String, String) {
    let line = server.seen().iter().find_map(|line| line.strip_prefix("admin on http://")).unwrap();
    let (address, token) = line.split_once("/?token=").unwrap();
    (address.to_owned(), token.to_owned())
}

impl Viewer {
    fn open(server: &Server, query: &str, headers: &str) -> Self {
        let (address, token) = told(server);
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // In HTTP/1.0 a body has no chunks.
        write!(
            stream,
            "GET /events?{query} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self { status: head[9..12].parse().unwrap(), lines }
    }

    fn next(&mut self) -> Event {
        let mut event = Event { name: String::new(), id: None, data: Vec::new() };
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream has ended");
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => event.data.push(serde_json::from_str(data).unwrap()),
                Some(_) => {}
                // A comment, which says that the server goes on reading.
                None if event.name.is_empty() => {}
                None => return event,
            }
        }
    }

    /// Events until one of a name, with that.
    fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.name != name) {
            events.push(self.next());
        }
        events
    }
}

fn messages(events: &[Event]) -> Vec<String> {
    let records = events.iter().filter(|event| event.name == "records").flat_map(|event| &event.data);
    records.map(|record| record["message"].as_str().unwrap().to_owned()).collect()
}

fn gaps(events: &[Event], why: &str) -> u64 {
    let gaps = events.iter().filter(|event| event.name == "gap" && event.data[0]["why"] == why);
    gaps.map(|gap| gap.data[0]["records"].as_u64().unwrap()).sum()
}

fn counted(events: &[Event]) -> u64 {
    let counts = events.iter().filter(|event| event.name == "status");
    counts
        .flat_map(|event| event.data[0]["levels"].as_array().unwrap())
        .map(|count| count.as_u64().unwrap())
        .sum()
}

/// A connection that sends.
struct Sender(TcpStream);

impl Sender {
    fn to(server: &Server) -> Self {
        Self(TcpStream::connect(server.address("tcp")).unwrap())
    }

    fn send(&mut self, messages: impl IntoIterator<Item = impl AsRef<str>>) {
        let bytes: Vec<u8> =
            messages.into_iter().flat_map(|message| frame(&record(message.as_ref()))).collect();
        self.0.write_all(&bytes).unwrap();
    }
}

const ADMIN: [&str; 4] = ["--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

#[test]
fn a_stream_begins_with_what_was_kept_and_goes_on_where_it_broke_off() {
    let server = Server::start(&ADMIN);
    let mut sender = Sender::to(&server);
    sender.send(["one", "two", "three"]);
    server.wait_for_output(3);
    let mut viewer = Viewer::open(&server, "history=2", "");
    let events = viewer.until("live");
    assert_eq!((events[0].name.as_str(), &events[0].data[0]["resumed"]), ("hello", &Value::Bool(false)));
    assert_eq!(
        (messages(&events), gaps(&events, "history")),
        (vec!["two".to_owned(), "three".to_owned()], 1)
    );
    let status = events.iter().find(|event| event.name == "status").unwrap();
    assert_eq!(status.data[0]["levels"], serde_json::json!([0, 0, 3, 0, 0, 0]));
    assert_eq!(status.data[0]["loggers"], serde_json::json!({ "app": 3 }));
    assert_eq!(status.data[0]["senders"][0][3], 3);
    assert_eq!(status.data[0]["server"]["received"], 3);
    let first = &events.iter().find(|event| event.name == "records").unwrap().data[0];
    assert_eq!(
        (&first["index"], &first["levelname"], &first["source"]["transport"]),
        (&2.into(), &"INFO".into(), &"tcp".into())
    );

    sender.send(["four"]);
    let events = viewer.until("records");
    assert_eq!(messages(&events), ["four"]);
    let id = events.last().unwrap().id.clone().unwrap();
    drop(viewer);
    sender.send(["five"]);
    server.wait_for_output(5);
    for (query, headers) in
        [(format!("seen={id}"), String::new()), (String::new(), format!("Last-Event-ID: {id}\r\n"))]
    {
        let mut again = Viewer::open(&server, &query, &headers);
        let events = again.until("live");
        assert_eq!(events[0].data[0]["resumed"], true);
        assert_eq!((messages(&events), counted(&events)), (vec!["five".to_owned()], 1));
    }
    // The whole again, without counting it again.
    let events = Viewer::open(&server, &format!("seen={id}&after=0&counted=5"), "").until("live");
    assert_eq!((messages(&events).len(), counted(&events)), (5, 0));
    // An id of another process is none of this one.
    let events = Viewer::open(&server, "seen=00000000000000ff-4", "").until("live");
    assert_eq!(
        (&events[0].data[0]["resumed"], messages(&events).len(), counted(&events)),
        (&false.into(), 5, 5)
    );
}

#[test]
fn a_filter_is_held_against_each_record_and_the_counts_ignore_it() {
    let server = Server::start(&ADMIN);
    let mut sender = Sender::to(&server);
    sender.send(["red", "green", "blue", "greenish"]);
    server.wait_for_output(4);
    let mut viewer = Viewer::open(&server, "q=GREEN+-blue+level%3Ainfo+logger%3Aapp", "");
    let events = viewer.until("live");
    assert_eq!((messages(&events), counted(&events)), (vec!["green".to_owned(), "greenish".to_owned()], 4));
    sender.send(["black", "evergreen"]);
    let events = viewer.until("records");
    assert_eq!(messages(&events), ["evergreen"]);
    assert_eq!(messages(&Viewer::open(&server, "q=level:error", "").until("live")), [""; 0]);
    assert_eq!(Viewer::open(&server, "q=level:loud", "").status, 400);
}

#[test]
fn what_is_more_than_a_viewer_may_have_is_a_gap_with_its_count() {
    let server = Server::start(&ADMIN);
    let mut viewer = Viewer::open(&server, "", "");
    viewer.until("live");
    const SENT: u64 = 12_000;
    Sender::to(&server).send((0..SENT).map(|number| number.to_string()));
    let mut events = Vec::new();
    let seen = |events: &[Event]| messages(events).len() as u64 + gaps(events, "rate") + gaps(events, "slow");
    while seen(&events) < SENT || counted(&events) < SENT {
        events.push(viewer.next());
    }
    assert_eq!((seen(&events), counted(&events)), (SENT, SENT));
    assert!(gaps(&events, "rate") > 0);
    assert_eq!(server.wait_for_output(12_000).len(), 12_000);
}

#[test]
fn nobody_waits_for_a_viewer_that_does_not_read() {
    let server = Server::start(&ADMIN);
    let mut viewer = Viewer::open(&server, "", "");
    viewer.until("live");
    let text = "x".repeat(20_000);
    let mut sender = Sender::to(&server);
    // 40 MB: several times what sockets hold.
    const SENT: usize = 2_000;
    for _ in 0..SENT / 100 {
        sender.send((0..100).map(|_| &text));
    }
    server.wait_for_output(SENT);
    let mut events = Vec::new();
    let seen = |events: &[Event]| {
        messages(events).len() as u64
            + ["rate", "slow", "busy", "gone"].map(|why| gaps(events, why)).iter().sum::<u64>()
    };
    while seen(&events) < SENT as u64 {
        events.push(viewer.next());
    }
    assert_eq!(seen(&events), SENT as u64);
    assert!(messages(&events).len() < SENT, "everything fitted");
}

#[test]
fn viewers_are_bounded_and_a_seat_is_free_again() {
    let server = Server::start(&ADMIN);
    let mut viewers: Vec<Viewer> = (0..16).map(|_| Viewer::open(&server, "", "")).collect();
    assert!(viewers.iter().all(|viewer| viewer.status == 200));
    assert_eq!(Viewer::open(&server, "", "").status, 503);
    viewers.truncate(15);
    until(|| (Viewer::open(&server, "", "").status == 200).then_some(()));
    drop(viewers);
    let (code, _, _) = server.stop("TERM");
    assert_eq!(code, Some(0));
}

#[test]
fn with_a_spool_an_id_outlives_the_process() {
    let args = [&ADMIN[..], &["--spool", "DIR/spool"]].concat();
    let server = Server::start(&args);
    Sender::to(&server).send(["one", "two"]);
    server.wait_for_output(2);
    let mut viewer = Viewer::open(&server, "", "");
    let events = viewer.until("live");
    assert_eq!(messages(&events), ["one", "two"]);
    let id = events.last().unwrap().id.clone().unwrap();
    drop(viewer);
    let (_, _, folder) = server.stop("TERM");
    let server = Server::start_in(folder, &args);
    Sender::to(&server).send(["three"]);
    server.wait_for_output(3);
    let mut viewer = Viewer::open(&server, &format!("seen={id}"), "");
    let mut events = viewer.until("live");
    if messages(&events).is_empty() {
        events.extend(viewer.until("records"));
    }
    assert_eq!((&events[0].data[0]["resumed"], messages(&events)), (&true.into(), vec!["three".to_owned()]));
    // Nor is it lost where nothing came in between.
    let mut id = events.last().unwrap().id.clone().unwrap();
    for _ in 0..3 {
        let events = Viewer::open(&server, &format!("seen={id}"), "").until("live");
        assert_eq!((&events[0].data[0]["resumed"], messages(&events).len()), (&true.into(), 0));
        id = events.last().unwrap().id.clone().unwrap();
    }
}

#[test]
fn a_record_that_is_longer_than_a_view_can_use_is_cut_and_told() {
    let server = Server::start(&[&ADMIN[..], &["--max-frame", "8MiB"]].concat());
    let mut viewer = Viewer::open(&server, "", "");
    viewer.until("live");
    let mut sender = Sender::to(&server);
    sender.send(["y".repeat(3 << 20), "z".repeat(1_000_000)]);
    let mut events = viewer.until("records");
    while messages(&events).len() < 2 {
        events.extend(viewer.until("records"));
    }
    let found = messages(&events);
    assert!(found[0].len() < 5_000 && found[0].ends_with("y...(cut)"), "{}", found[0].len());
    assert_eq!(found[1].len(), 1_000_000);
    // Time goes on for everybody else.
    sender.0.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    sender.send(["after"]);
    assert_eq!(messages(&viewer.until("records")), ["after"]);
}

#[test]
fn what_there_was_no_time_for_is_a_gap_and_is_not_counted() {
    let server = Server::start(&ADMIN);
    // With all seats taken, and a filter for which each record has to be written out, there is little time for each.
    let mut viewers: Vec<Viewer> = (0..16).map(|_| Viewer::open(&server, "q=nothing", "")).collect();
    let mut viewer = viewers.remove(0);
    viewer.until("live");
    let mut sender = Sender::to(&server);
    let (mut sent, mut events) = (0, Vec::new());
    while gaps(&events, "busy") == 0 {
        assert!(sent < 1_000_000, "there was time for all of {sent}");
        sender.send((0..10_000).map(|number| number.to_string()));
        sent += 10_000;
        events.extend(viewer.until("status"));
    }
    while counted(&events) + gaps(&events, "busy") + gaps(&events, "gone") < sent {
        events.extend(viewer.until("status"));
    }
    assert_eq!(counted(&events) + gaps(&events, "busy") + gaps(&events, "gone"), sent);
}
