//! Locks that outlive a panic.
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, and takes a lock that a panic left behind as it is: every state here is whole at every step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
