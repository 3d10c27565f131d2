//! Sends a few records over a stream, as Python's `SocketHandler` does.
//!
//! `cargo run --example send_socket -- tcp://127.0.0.1:9020`
#![allow(clippy::print_stdout, reason = "an example is a program")]
use std::{env, error::Error, time::Duration};

use logrecord::{SocketHandler, model::LogRecord, pickle::Value};

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = env::args().nth(1).unwrap_or_else(|| "tcp://127.0.0.1:9020".to_owned());
    let handler = SocketHandler::to(endpoint.parse()?).build()?;
    for number in 1..=3 {
        let record = LogRecord::builder("example.send", 20, format!("record {number}"))
            .pathname(file!())
            .lineno(i64::from(line!()))
            .now()
            .extra("number", Value::Int(number))
            .build();
        handler.handle(&record)?;
    }
    let stats = handler.close(Duration::from_secs(5));
    println!("{} written to {endpoint}, {} lost", stats.sender.written, stats.lost());
    if let Some(error) = handler.last_error().filter(|_| stats.lost() > 0) {
        println!("{error}");
    }
    Ok(())
}
