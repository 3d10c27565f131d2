//! Running out of file descriptors. A process of its own, because the limit is the process's.
#![cfg(all(feature = "tokio", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#[path = "it/common/mod.rs"]
mod common;

use std::{fs::File, time::Duration};

use common::{Recorder, Running, frame};
use logrecord_transport::{
    Endpoint, Fault,
    listener::{Listener, ListenerConfig},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

#[tokio::test]
async fn without_descriptors_the_listener_waits_and_lives_on() {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: before.maximum }).unwrap();
    let listener = Listener::bind(&Endpoint::tcp("127.0.0.1:0").unwrap(), ListenerConfig::new()).unwrap();
    let running = Running::start(listener, Recorder::default());
    let mut old = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
    old.write_all(&frame(b"before")).await.unwrap();
    running.recorder.until("before", |r| r.count() == 1).await;
    // Everything is taken but one descriptor, and the client's own end takes that.
    let mut hogs = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hogs.push(file);
    }
    hogs.pop();
    let begin = Instant::now();
    let mut new = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
    new.write_all(&frame(b"new")).await.unwrap();
    running.recorder.until("faults", |r| r.reasons().len() >= 3).await;
    // Three reports lie at least 0.1 s and 0.2 s apart: the loop does not spin.
    assert!(begin.elapsed() >= Duration::from_millis(300));
    // Connections that stand are not touched.
    old.write_all(&frame(b"meanwhile")).await.unwrap();
    running.recorder.until("meanwhile", |r| r.count() == 2).await;
    drop(hogs);
    let free = Instant::now();
    running.recorder.until("new", |r| r.count() == 3).await;
    assert!(free.elapsed() < Duration::from_millis(1500));
    let faults = running.recorder.faults.lock().unwrap();
    assert!(faults.len() < 10);
    for (_, fault) in faults.iter() {
        let Fault::Accept { error, .. } = fault else { panic!("{fault}") };
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    }
}
