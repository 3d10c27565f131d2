//! A handler that writes down what it sees, and small helpers.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test file uses a part of this"
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use logrecord_frame::Oversized;
use logrecord_transport::{
    Fault, Source,
    listener::{FrameHandler, Listener, Replies, Summary, Verdict},
};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
};

pub use testkit::bytes::frame;

/// Keeps everything; can be told to stall, to panic, to close and to ask for authentication.
pub struct Recorder {
    pub frames: Mutex<Vec<(Source, Bytes)>>,
    pub faults: Mutex<Vec<(Source, Fault)>>,
    pub connected: AtomicUsize,
    pub disconnected: AtomicUsize,
    pub changed: Notify,
    /// Batches may pass as long as there are permits.
    pub gate: Semaphore,
    pub authenticate: AtomicBool,
    /// The ways back of all connections.
    pub replies: Mutex<Vec<Replies>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            frames: Mutex::default(),
            faults: Mutex::default(),
            connected: AtomicUsize::new(0),
            disconnected: AtomicUsize::new(0),
            changed: Notify::new(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            authenticate: AtomicBool::new(false),
            replies: Mutex::default(),
        }
    }
}

impl FrameHandler for Recorder {
    type Connection = bool;

    fn connected(&self, _: &Source, replies: Replies) -> bool {
        self.replies.lock().unwrap().push(replies);
        self.connected.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        !self.authenticate.load(Ordering::SeqCst)
    }

    async fn frames(&self, accepted: &mut bool, source: &Source, frames: &mut Vec<Bytes>) -> Verdict {
        self.gate.acquire().await.unwrap().forget();
        let mut close = false;
        for frame in frames.drain(..) {
            match &frame[..] {
                b"panic" => panic!("told to"),
                b"close" => close = true,
                b"password" => *accepted = true,
                _ => {}
            }
            self.frames.lock().unwrap().push((source.clone(), frame));
        }
        self.changed.notify_waiters();
        if close { Verdict::Close } else { Verdict::Continue }
    }

    fn oversized(&self, accepted: &mut bool, _: &Source, oversized: &Oversized) -> Verdict {
        if *accepted && oversized.payload().starts_with(b"skip") { Verdict::Continue } else { Verdict::Close }
    }

    fn is_authenticated(&self, accepted: &bool) -> bool {
        *accepted
    }

    fn fault(&self, source: &Source, fault: Fault) {
        self.faults.lock().unwrap().push((source.clone(), fault));
        self.changed.notify_waiters();
    }

    fn disconnected(&self, _: &Source, _: bool) {
        self.disconnected.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

impl Recorder {
    /// Waits until `condition` holds; a minute is an answer too.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting)
            .await
            .unwrap_or_else(|_| panic!("{what}: {} frames, faults {:?}", self.count(), self.reasons()));
    }

    pub fn count(&self) -> usize {
        self.frames.lock().unwrap().len()
    }

    pub fn payloads(&self) -> Vec<Bytes> {
        self.frames.lock().unwrap().iter().map(|(_, frame)| frame.clone()).collect()
    }

    pub fn reasons(&self) -> Vec<&'static str> {
        self.faults.lock().unwrap().iter().map(|(_, fault)| fault.reason()).collect()
    }

    pub fn frames_lost(&self) -> u64 {
        self.faults.lock().unwrap().iter().map(|(_, fault)| fault.frames()).sum()
    }
}

/// A listener that serves, and the way to stop it.
pub struct Running {
    pub recorder: Arc<Recorder>,
    pub port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Summary>,
}

impl Running {
    pub fn start(listener: Listener, recorder: Recorder) -> Self {
        let recorder = Arc::new(recorder);
        let port = listener.local_endpoint().port().unwrap_or(0);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(listener.serve(Arc::clone(&recorder), async { drop(stopped.await) }));
        Self { recorder, port, stop, task }
    }

    pub async fn stop(self) -> Summary {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(60), self.task).await.unwrap().unwrap()
    }
}
