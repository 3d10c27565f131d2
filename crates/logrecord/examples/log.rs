//! A program that logs with the `log` crate into a Python log server.
//!
//! `cargo run --features log --example log -- 127.0.0.1 9020`
use std::{env, error::Error};

use logrecord::{SocketHandler, log::Logger};

fn main() -> Result<(), Box<dyn Error>> {
    let host = env::args().nth(1).unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = env::args().nth(2).unwrap_or_else(|| "9020".to_owned()).parse()?;
    let handler = SocketHandler::new(&host, port)?;
    // The guard waits at the end until everything is sent.
    let _guard = Logger::builder(handler).level(log::LevelFilter::Debug).try_init()?;

    log::info!("started");
    log::warn!(ms = 731, table = "users"; "slow query");
    log::error!(target: "example::audit", "no such user: {}", "ada");
    Ok(())
}
