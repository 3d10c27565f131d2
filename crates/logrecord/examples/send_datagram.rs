//! Sends a few records as datagrams, as Python's `DatagramHandler` does.
//!
//! `cargo run --example send_datagram -- udp://127.0.0.1:9021`
#![allow(clippy::print_stdout, reason = "an example is a program")]
use std::{env, error::Error, time::Duration};

use logrecord::{DatagramHandler, model::LogRecord, pickle::Value};

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = env::args().nth(1).unwrap_or_else(|| "udp://127.0.0.1:9021".to_owned());
    let handler = DatagramHandler::to(endpoint.parse()?).build()?;
    for number in 1..=3 {
        let record = LogRecord::builder("example.send", 20, format!("record {number}"))
            .now()
            .extra("number", Value::Int(number))
            .build();
        handler.handle(&record)?;
    }
    let stats = handler.close(Duration::from_secs(5));
    println!("{} written to {endpoint}, {} lost", stats.sender.written, stats.lost());
    Ok(())
}
