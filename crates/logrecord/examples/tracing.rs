//! A program that uses `tracing` and sends its events into a Python log server.
//!
//! `cargo run --features tracing --example tracing -- 127.0.0.1 9020`
use std::{env, error::Error, time::Duration};

use logrecord::{SocketHandler, tracing::Layer};
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let host = env::args().nth(1).unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = env::args().nth(2).unwrap_or_else(|| "9020".to_owned()).parse()?;
    let handler = SocketHandler::new(&host, port)?;
    // The guard waits at the end until everything is sent.
    let _guard = handler.guard(Duration::from_secs(5));
    let layer = Layer::builder(handler).flatten_spans(true).build();
    let subscriber = tracing_subscriber::registry().with(layer);

    tracing::subscriber::with_default(subscriber, || {
        let _request = tracing::info_span!("request", id = 7, user = "ada").entered();
        tracing::info!(rows = 3, "query done");
        if let Err(error) = "x".parse::<u16>() {
            let error: &(dyn Error + 'static) = &error;
            tracing::error!(error, "not a port");
        }
    });
    Ok(())
}
