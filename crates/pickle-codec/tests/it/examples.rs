//! The examples do what they assert.
#![cfg(all(feature = "serde", feature = "std"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "an example fails by panicking, and shows what a user would write"
)]

#[path = "../../examples/carbon_receiver.rs"]
mod carbon_receiver;
#[path = "../../examples/cifar10.rs"]
mod cifar10;
#[path = "../../examples/deluge_state.rs"]
mod deluge_state;
#[path = "../../examples/django_session.rs"]
mod django_session;
#[path = "../../examples/pandas_frame.rs"]
mod pandas_frame;

#[test]
fn carbon_receiver() {
    carbon_receiver::main().unwrap();
}

#[test]
fn cifar10() {
    cifar10::main().unwrap();
}

#[test]
fn deluge_state() {
    deluge_state::main().unwrap();
}

#[test]
fn django_session() {
    django_session::main().unwrap();
}

#[test]
fn pandas_frame() {
    pandas_frame::main().unwrap();
}
