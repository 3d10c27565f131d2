//! Accepting connections: limits first, then a task for each.
//!
//! Running out of file descriptors is ordinary. The loop then waits (0.1 s, growing to 1 s) instead of
//! asking again at once, reports it, and lives on; connections that stand are not touched.
use std::{
    future::Future,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    handler::Handler,
    shared::{Rate, Shared, Stop, stopped},
    stream::{Connection, Stream},
};
use crate::{
    fault::{Fault, Limit},
    source::{Peer, Source},
};

/// Waits after a failed accept: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long a listener that stops is given to show connections that are already made.
const GRACE: Duration = Duration::from_millis(20);

/// A socket that accepts.
pub(super) trait Accept: Send + 'static {
    type Stream: Stream;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;

    /// Sets the options of a fresh connection. A failure means that the connection is gone already,
    /// which its first read will say.
    fn prepare(stream: &Self::Stream, keepalive: Option<Duration>);
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        Ok((stream, Peer::Ip(address)))
    }

    fn prepare(stream: &TcpStream, keepalive: Option<Duration>) {
        if let Some(after) = keepalive {
            let options =
                socket2::TcpKeepalive::new().with_time(after).with_interval(Duration::from_secs(15));
            drop(socket2::SockRef::from(stream).set_tcp_keepalive(&options));
        }
    }
}

#[cfg(unix)]
impl Accept for tokio::net::UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        let peer = match stream.peer_cred() {
            Ok(cred) => Peer::Unix { pid: cred.pid(), uid: cred.uid(), gid: cred.gid() },
            Err(_) => Peer::Unnamed,
        };
        Ok((stream, peer))
    }

    fn prepare(_: &Self::Stream, _: Option<Duration>) {}
}

/// The accept loop of one listener.
pub(super) struct Acceptor<H: Handler> {
    shared: Arc<Shared<H>>,
    source: Source,
    stop: Stop,
    tasks: JoinSet<()>,
    rate: Option<Rate>,
    last_id: u64,
}

impl<H: Handler> Acceptor<H> {
    pub(super) fn new(shared: Arc<Shared<H>>, source: Source, stop: Stop) -> Self {
        let rate = shared.config.accept_rate.map(|rate| Rate::new(rate, Instant::now()));
        Self { shared, source, stop, tasks: JoinSet::new(), rate, last_id: 0 }
    }

    /// Accepts until told to stop, then waits for the connections to drain.
    pub(super) async fn run<A: Accept>(mut self, listener: A) {
        let mut retry = RETRY.0;
        let deadline = loop {
            if let Some(rate) = &mut self.rate
                && !rate.take(Instant::now())
            {
                let wait = rate.wait();
                tokio::select! {
                    () = sleep(wait) => continue,
                    deadline = stopped(&mut self.stop) => break deadline,
                }
            }
            let accepted = tokio::select! {
                biased;
                deadline = stopped(&mut self.stop) => break deadline,
                Some(_) = self.tasks.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    retry = RETRY.0;
                    self.admit::<A>(stream, peer);
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    self.shared.fault(&self.source, Fault::Accept { error, retry_in: retry });
                    tokio::select! {
                        () = sleep(retry) => {}
                        deadline = stopped(&mut self.stop) => break deadline,
                    }
                    retry = (retry * 2).min(RETRY.1);
                }
            }
        };
        // Connections that the kernel has made already count as made: their senders believe that their
        // records have arrived.
        while let Ok(Ok((stream, peer))) =
            timeout_at(deadline.min(Instant::now() + GRACE), listener.accept()).await
        {
            self.admit::<A>(stream, peer);
            if Instant::now() >= deadline {
                break;
            }
        }
        drop(listener);
        // Each connection keeps to the deadline by itself. What is still there a while later hangs in the
        // handler's synchronous code and cannot be waited for.
        let last = deadline + Duration::from_millis(500);
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => if ended.is_none() { break },
                () = sleep_until(last) => {
                    let stuck = self.tasks.len() as u64;
                    self.shared.counts.undrained.fetch_add(stuck, Ordering::Relaxed);
                    self.tasks.abort_all();
                    break;
                }
            }
        }
    }

    fn admit<A: Accept>(&mut self, stream: A::Stream, peer: Peer) {
        let shared = &self.shared;
        let config = &shared.config;
        let admitted = if self.tasks.len() >= config.max_connections {
            Err(Limit::Connections)
        } else {
            shared.peers.admit(&peer, config, Instant::now())
        };
        let slot = match admitted {
            Ok(slot) => slot,
            Err(limit) => {
                shared.counts.refused.fetch_add(1, Ordering::Relaxed);
                let source = Source::new(self.source.listener().clone(), peer, 0);
                shared.fault(&source, Fault::Refused { limit });
                return;
            }
        };
        A::prepare(&stream, config.keepalive);
        shared.counts.connections.fetch_add(1, Ordering::Relaxed);
        self.last_id += 1;
        let source = Source::new(self.source.listener().clone(), peer, self.last_id);
        let connection =
            Connection { stream, source, shared: Arc::clone(shared), slot, stop: self.stop.clone() };
        self.tasks.spawn(connection.run());
    }
}

/// Errors that accept passes on from a connection that died while it waited. The next one is fine.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
