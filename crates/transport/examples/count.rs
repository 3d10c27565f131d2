//! Listens on the endpoints that are named on the command line and counts what arrives.
//!
//! It stops when its standard input ends, and then says how many frames and bytes there were.
#![allow(clippy::print_stderr, reason = "an example is a program")]
use std::{
    error::Error,
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use logrecord_transport::{
    Endpoint, Fault, Source,
    listener::{FrameHandler, Listener, ListenerConfig, Replies, Verdict},
};
use tokio::{runtime::Builder, sync::watch, task::JoinSet};

struct Count;

impl FrameHandler for Count {
    type Connection = ();

    fn connected(&self, _: &Source, _: Replies) {}

    async fn frames(&self, (): &mut (), _: &Source, _: &mut Vec<Bytes>) -> Verdict {
        Verdict::Continue
    }

    fn fault(&self, source: &Source, fault: Fault) {
        eprintln!("{source}: {fault}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let handed_over = Listener::from_systemd(&ListenerConfig::new())?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(());
        let mut serving = JoinSet::new();
        let named = std::env::args().skip(1).map(|text| {
            let endpoint: Endpoint = text.parse()?;
            Listener::bind(&endpoint, ListenerConfig::new())
        });
        for listener in handed_over.into_iter().map(Ok).chain(named) {
            let listener = listener?;
            eprintln!("listening on {}", listener.local_endpoint());
            let mut stopped = stopped.clone();
            // The channel closes when its sender goes away, which is the signal.
            serving.spawn(listener.serve(Arc::new(Count), async move { drop(stopped.changed().await) }));
        }
        tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
        drop(stop);
        while let Some(summary) = serving.join_next().await {
            let summary = summary?;
            eprintln!(
                "{} frames, {} bytes, {} lost",
                summary.frames(),
                summary.bytes(),
                summary.frames_lost()
            );
        }
        Ok(())
    })
}
