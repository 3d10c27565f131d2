//! The service manager that has started this program (sd_notify(3)): what it is told, and what it keeps until the next
//! start.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use anyhow::anyhow;
use logrecord::transport::listener::Handed;
use logrecord::transport::store::Store;
use logrecord::transport::takeover::Message;
use sd_notify::NotifyState;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::hub::Hub;
use super::listeners::Listeners;
use super::takeover::pass;

/// The name under which everything is kept. It stands once for each connection in one variable of the environment, which
/// Linux bounds at 128 KiB.
const NAME: &str = "serve";

/// How many descriptors go with one word: Linux takes 253.
const MANY: usize = 250;

/// How long everything may take to come to rest, a second of reading included.
const REST: Duration = Duration::from_secs(3);

/// How long the manager may take to hear of it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says something to the manager, if it waits to be told (`Type=notify`).
pub(crate) fn tell(state: NotifyState<'_>) {
    // Whoever does not listen any more has no use for it either.
    sd_notify::notify(&[state]).ok();
}

/// Whether there is a manager, and it does not say that it keeps nothing.
fn keeps() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some() && std::env::var_os("FDSTORE").is_none_or(|most| most != "0")
}

/// What it has kept of the run before this one.
pub(crate) fn kept(handed: &mut Handed) -> std::io::Result<Vec<Message>> {
    let (sockets, files) = handed.kept(NAME);
    Store::take(sockets, files)
}

/// Whether there is something of the run before this one.
pub(crate) fn has_kept() -> bool {
    std::env::var("LISTEN_FDNAMES").is_ok_and(|names| names.split(':').any(|name| name == NAME))
}

/// Has it forget what it has kept.
pub(crate) fn forget() {
    sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(NAME)]).ok();
}

/// Leaves sockets, connections and begun frames to the manager, at an orderly stop; gives whether it did.
pub(crate) async fn leave(hub: &Hub, listeners: &mut Listeners) -> bool {
    if !keeps() {
        return false;
    }
    match put_away(hub, listeners).await {
        Ok(count) => {
            listeners.leave();
            hub.report.line(format_args!("logrecord: {count} sockets are left to the service manager"));
            true
        }
        Err(error) => {
            forget();
            hub.report.line(format_args!("logrecord: not left to the service manager: {error:#}"));
            false
        }
    }
}

async fn put_away(hub: &Hub, listeners: &Listeners) -> anyhow::Result<usize> {
    let mut store = Store::new()?;
    let mut count = 0;
    pass(listeners.pause(true), Instant::now() + REST, |message| {
        count += 1;
        store.put(message)
    })
    .await?;
    if hub.shared.log().as_spool().is_none() {
        store.put(Message::State(hub.keys.export()))?;
    }
    let keeping = spawn_blocking(move || keep(&store.into_descriptors()));
    timeout(PATIENCE, keeping).await.map_err(|_| anyhow!("it does not listen"))???;
    Ok(count)
}

fn keep(descriptors: &[OwnedFd]) -> std::io::Result<()> {
    for some in descriptors.chunks(MANY) {
        let some: Vec<_> = some.iter().map(OwnedFd::as_fd).collect();
        // A connection whose peer has said all and left is to be kept, too: what it has said is still to be read.
        let words = [NotifyState::FdStore, NotifyState::FdName(NAME), NotifyState::Custom("FDPOLL=0")];
        sd_notify::notify_with_fds(&words, &some)?;
    }
    Ok(())
}
