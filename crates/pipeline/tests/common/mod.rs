//! A pipeline with a log, and records to put into it.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use logrecord::intake::Engine;
use logrecord::model::LogRecord;
use logrecord::pickle::DecodeOptions;
use logrecord_pipeline::outputs::{LineFormat, Lines};
use logrecord_pipeline::{Intake, Log, Routes, Shared};
use logrecord_spool::{Config, Entry, Spool};

pub const WAIT: Duration = Duration::from_secs(20);

pub fn payload(name: &str, level: i64, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    LogRecord::builder(name, level, message).created(1_767_323_045.5).build().to_pickle(&mut out).unwrap();
    out
}

/// What was said and which records were rejected.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn say(&self, what: &str, why: &str) {
        self.0.lock().unwrap().push(format!("{what}: {why}"));
    }

    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(text)).count()
    }
}

pub struct Pipeline {
    pub shared: Shared,
    pub intake: Intake,
    pub said: Said,
}

pub fn pipeline_on(log: Log, routes: Routes) -> Pipeline {
    let said = Said::default();
    let (say, rejected) = (said.clone(), said.clone());
    let shared = Shared::new(
        log.clone(),
        Engine::new(DecodeOptions::new()),
        routes,
        Arc::new(move |key, text| say.0.lock().unwrap().push(format!("{key}: {text}"))),
        Arc::new(move |logged, rejection| {
            rejected.0.lock().unwrap().push(format!("rejected {} {rejection}", logged.index));
        }),
    );
    Pipeline { shared, intake: Intake::new(log, Some(Duration::from_millis(50))), said }
}

pub fn memory(max_bytes: usize) -> Pipeline {
    pipeline_on(Log::memory(max_bytes), Routes::all(["output", "a", "b"], None))
}

pub fn spooled(directory: &Path) -> Pipeline {
    let spool = Spool::open(directory, Config::new()).unwrap();
    pipeline_on(Log::spool(spool), Routes::all(["output", "a", "b"], None))
}

impl Pipeline {
    /// Receives payloads and waits for room.
    pub async fn put(&self, payloads: &[Vec<u8>]) {
        let entries: Vec<Entry<'_>> =
            payloads.iter().map(|payload| Entry { payload, ..Entry::default() }).collect();
        let mut receipt = self.shared.ledger().receive(entries.len() as u64);
        self.intake.log(&mut receipt, &mut entries.as_slice()).await;
    }

    /// Receives so many records whose messages are numbers, from one on.
    pub async fn numbers(&self, first: u64, count: u64) {
        let payloads: Vec<_> =
            (first..first + count).map(|n| payload("app", 20, &format!("number {n}"))).collect();
        self.put(&payloads).await;
    }

    pub fn lines(&self) -> Vec<String> {
        self.shared.ledger().lines()
    }

    /// Everything that arrived is accounted for, at every output.
    pub fn check(&self) {
        let ledger = self.shared.ledger();
        let intake = ledger.intake();
        let sum = intake.logged + intake.rejected.total() + intake.dropped.total();
        assert_eq!(intake.received + intake.resumed, sum, "{:?}", self.lines());
        for (name, counts) in ledger.outputs() {
            let settled = counts.written + counts.filtered + counts.rejected.total() + counts.dropped.total();
            assert!(settled <= counts.logged, "{name}: {:?}", self.lines());
        }
    }
}

pub fn json() -> Lines {
    Lines::new(LineFormat::Json, vec!["tcp"])
}

/// The numbers in lines of JSON; panics at a line that is none.
pub fn numbers_in(text: &str) -> Vec<u64> {
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the last line is torn: {:?}",
        &text[text.len().saturating_sub(80)..]
    );
    text.lines()
        .map(|line| {
            let value: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|_| panic!("not a line: {line}"));
            value["message"].as_str().unwrap().strip_prefix("number ").unwrap().parse().unwrap()
        })
        .collect()
}

pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_millis(400)
}

pub fn later() -> Instant {
    Instant::now() + WAIT
}
