//! Receives records without any async code and prints them as Python's Formatter would.
//!
//! `cargo run --features tokio --example receive_blocking -- tcp://127.0.0.1:9020 [COUNT]`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example is a program")]
use std::{env, error::Error};

use logrecord::{
    Receiver,
    model::Formatter,
    pickle::{DecodeOptions, Globals},
};

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = env::args().nth(1).unwrap_or_else(|| "tcp://127.0.0.1:9020".to_owned());
    let count = env::args().nth(2).map_or(Ok(u64::MAX), |count| count.parse())?;
    let mut receiver = Receiver::builder()
        .listen(endpoint.parse()?)
        // A datetime among the extras is everyday life; os.system is still refused.
        .decode_options(DecodeOptions::new().globals(Globals::Known))
        .build()?;
    for endpoint in receiver.local_endpoints() {
        println!("listening on {endpoint}");
    }
    let formatter = Formatter::builder().format("%(asctime)s %(levelname)s %(name)s %(message)s").build()?;
    let handle = receiver.handle();
    for item in receiver.by_ref() {
        match item {
            Ok(received) => match formatter.format(&received.record) {
                Ok(line) => println!("{line}"),
                Err(error) => eprintln!("{}: {error}", received.source),
            },
            Err(rejected) => eprintln!("{} from {}: {rejected}", rejected.reason(), rejected.origin()),
        }
        if handle.stats().received >= count {
            handle.stop();
        }
    }
    println!("{:?}", receiver.stats());
    Ok(())
}
