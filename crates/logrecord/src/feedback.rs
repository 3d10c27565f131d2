//! No feedback: what this crate's own machinery logs never enters it again.
//!
//! Nothing here logs, but what it stands on may (rustls in a sender's thread, a handler of the user's own, a
//! runtime under the receiver). Three checks keep such records out: by the target, by the thread, and by the
//! call that is going on.
use std::{
    cell::{Cell, OnceCell},
    thread,
};

/// The crates of this project, by the first part of a target.
const OWN_CRATES: [&str; 8] = [
    "logrecord",
    "logrecord_frame",
    "logrecord_model",
    "logrecord_pipeline",
    "logrecord_spool",
    "logrecord_transport",
    "pickle_codec",
    "python_format",
];

/// The names of this project's threads: a sender has one, and a blocking receiver.
const OWN_THREADS: [&str; 2] = ["logrecord-sender", "logrecord-receiver"];

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
    static OWN_THREAD: OnceCell<bool> = const { OnceCell::new() };
}

/// Whether a record of this target, logged by this thread at this moment, is to be ignored.
pub(crate) fn is_own(target: &str) -> bool {
    let first = target.split("::").next().unwrap_or_default();
    OWN_CRATES.contains(&first) || BUSY.try_with(Cell::get).unwrap_or(false) || is_own_thread()
}

fn is_own_thread() -> bool {
    let look = || thread::current().name().is_some_and(|name| OWN_THREADS.contains(&name));
    OWN_THREAD.try_with(|own| *own.get_or_init(look)).unwrap_or(false)
}

/// Runs a handler; what it logs meanwhile on this thread is ignored.
pub(crate) fn guarded<T>(handle: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            // Without the local there is nothing to reset.
            BUSY.try_with(|busy| busy.set(self.0)).unwrap_or_default();
        }
    }
    let _reset = Reset(BUSY.try_with(|busy| busy.replace(true)).unwrap_or(false));
    handle()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_targets_threads_and_calls_are_ignored() {
        let rows = [
            ("logrecord", true),
            ("logrecord_transport::sender", true),
            ("pickle_codec", true),
            ("logrecord_demo", false),
            ("app::logrecord", false),
            ("", false),
        ];
        for (target, expected) in rows {
            assert_eq!(is_own(target), expected, "{target}");
        }
        assert!(guarded(|| is_own("app")));
        assert!(!is_own("app"));
        let named = thread::Builder::new().name("logrecord-sender".to_owned());
        assert!(named.spawn(|| is_own("rustls")).unwrap().join().unwrap());
    }
}
