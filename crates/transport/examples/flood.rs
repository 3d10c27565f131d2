//! Sends records to an endpoint as fast as they go: `flood tcp://127.0.0.1:9020 1000000 600`.
#![allow(clippy::print_stderr, reason = "an example is a program")]
use std::{
    error::Error,
    time::{Duration, Instant},
};

use bytes::Bytes;
use logrecord_transport::sender::{FullPolicy, Sender, SenderConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().ok_or("an endpoint, such as tcp://127.0.0.1:9020")?.parse()?;
    let records: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let len: usize = arguments.next().map_or(Ok(600), |text| text.parse())?;
    let limit = Duration::from_secs(60);
    let sender = Sender::new(endpoint, SenderConfig::new().full_policy(FullPolicy::Block(limit)))?;
    let payload = Bytes::from(vec![b'.'; len]);
    let begin = Instant::now();
    for _ in 0..records {
        sender.send(payload.clone())?;
    }
    let stats = sender.close(limit);
    let rate = (stats.written as f64) / begin.elapsed().as_secs_f64();
    eprintln!("{} written, {} dropped, {rate:.0} a second", stats.written, stats.dropped);
    Ok(())
}
