//! The NATS output with a real server, where there is one.
#![cfg(all(unix, feature = "nats"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, stream::Config};
use common::{Pipeline, eventually, later, payload, spooled};
use logrecord_pipeline::outputs::{NatsConfig, NatsEncoder, NatsOutput};
use logrecord_pipeline::{Driver, Settings};
use testkit::process::NatsServer;

/// A server of its own, and where it is.
struct Server {
    _process: NatsServer,
    port: u16,
}

impl Server {
    fn start(directory: &Path, port: u16) -> Option<Self> {
        Some(Self { _process: NatsServer::start_or_skip(directory, port)?, port })
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn context(&self) -> jetstream::Context {
        for _ in 0..1_000 {
            if let Ok(client) = async_nats::connect(self.url()).await {
                return jetstream::new(client);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not answer");
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(pipeline: &Pipeline, url: &str) -> Driver {
    let said = pipeline.said.clone();
    let say = Arc::new(move |what: &str, why: &str| said.say(what, why));
    let mut config = NatsConfig::new(vec![url.to_owned()], "logs.{levelname}.{logger}", say);
    config.timeout = Duration::from_secs(5);
    let encoder = NatsEncoder::new(&config.subject, vec!["tcp"]).unwrap();
    Driver::start(&pipeline.shared, Settings::new("output"), encoder, NatsOutput::new(config).unwrap())
        .unwrap()
}

/// Without a stream it waits; then every record is there once, though the server is killed, and though the cursor
/// of an earlier run was lost.
#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_in_the_stream_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, spool) = (folder.path().join("store"), folder.path().join("spool"));
    let port = free_port();
    let Some(server) = Server::start(&store, port) else { return };
    let context = server.context().await;
    let pipeline = spooled(&spool);
    let driver = start(&pipeline, &server.url());
    pipeline.numbers(0, 100).await;
    eventually("it says that no stream is there", || pipeline.said.count("no stream takes this subject") > 0)
        .await;
    let stream = Config { name: "LOGS".to_owned(), subjects: vec!["logs.>".to_owned()], ..Config::default() };
    context.create_stream(stream).await.unwrap();
    driver.flush().await;
    pipeline.put(&[payload("shop cart", 40, "number 100")]).await;
    driver.flush().await;

    drop(server);
    pipeline.numbers(101, 50).await;
    let server = Server::start(&store, port).unwrap();
    let context = server.context().await;
    driver.flush().await;
    driver.close(later()).await;
    assert_eq!(pipeline.lines(), ["received=151 written=151"], "{:?}", pipeline.said.lines());
    let mut stream = context.get_stream("LOGS").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 151);
    let message = stream.get_last_raw_message_by_subject("logs.ERROR.shop_cart").await.unwrap();
    let record: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(record["message"], "number 100");
    assert_eq!(pipeline.shared.log().close(common::WAIT), 0);
    drop(pipeline);

    // All of it once more, as after a loss of the cursor: the ids say that it was there.
    std::fs::remove_file(spool.join("cursors/output")).unwrap();
    let pipeline = spooled(&spool);
    let driver = start(&pipeline, &server.url());
    driver.flush().await;
    driver.close(later()).await;
    assert_eq!(pipeline.lines(), ["received=0 resumed=151 written=151"]);
    assert_eq!(stream.info().await.unwrap().state.messages, 151);
    assert_eq!(pipeline.said.count("duplicate_window is 120 s"), 1, "{:?}", pipeline.said.lines());
}
