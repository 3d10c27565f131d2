//! Receives records on tokio, over TCP and UDP at once.
//!
//! `cargo run --features tokio --example receive_async -- tcp://127.0.0.1:9020 udp://127.0.0.1:9021`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example is a program")]
use std::{env, error::Error};

use logrecord::AsyncReceiver;

async fn run() -> Result<(), Box<dyn Error>> {
    let mut builder = AsyncReceiver::builder();
    let endpoints: Vec<String> = env::args().skip(1).collect();
    for endpoint in &endpoints {
        builder = builder.listen(endpoint.parse()?);
    }
    if endpoints.is_empty() {
        builder = builder.listen("tcp://127.0.0.1:9020".parse()?).listen("udp://127.0.0.1:9021".parse()?);
    }
    let mut receiver = builder.build_async()?;
    for endpoint in receiver.local_endpoints() {
        println!("listening on {endpoint}");
    }
    while let Some(item) = receiver.recv().await {
        match item {
            Ok(received) => {
                let record = &received.record;
                println!("{}: {}", received.source, record.message().to_visible());
                for (name, value) in record.extra() {
                    println!("    {name} = {value}");
                }
            }
            Err(rejected) => eprintln!("{} from {}: {rejected}", rejected.reason(), rejected.origin()),
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}
