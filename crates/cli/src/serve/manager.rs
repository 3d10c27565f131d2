//! The service manager that has started this program (sd_notify(3)): what it is told, and what it keeps until the next
//! start.

use std::os::fd::{AsFd as _, OwnedFd};

use logrecord::transport::listener::Handed;
use logrecord::transport::store::Store;
use logrecord::transport::takeover::Message;
use sd_notify::NotifyState;

/// The name under which everything is kept. It stands once for each connection in one variable of the environment, which
/// Linux bounds at 128 KiB.
const NAME: &str = "serve";

/// How many descriptors go with one word: Linux takes 253.
const MANY: usize = 250;

/// Says something to the manager, if it waits to be told (`Type=notify`).
pub(crate) fn tell(state: NotifyState<'_>) {
    // Whoever does not listen any more has no use for it either.
    sd_notify::notify(&[state]).ok();
}

/// Whether there is a manager, and it does not say that it keeps nothing.
pub(crate) fn keeps() -> bool {
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

/// Leaves descriptors to the manager.
pub(crate) fn keep(descriptors: &[OwnedFd]) -> std::io::Result<()> {
    let kept = descriptors.chunks(MANY).try_for_each(|some| {
        let some: Vec<_> = some.iter().map(OwnedFd::as_fd).collect();
        // A connection whose peer has said all and left is to be kept, too: what it has said is still to be read.
        let words = [NotifyState::FdStore, NotifyState::FdName(NAME), NotifyState::Custom("FDPOLL=0")];
        sd_notify::notify_with_fds(&words, &some)
    });
    if kept.is_err() {
        forget();
    }
    kept
}
