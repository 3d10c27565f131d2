//! Receivers: records that were verified and decoded, with their source, and an item for everything else.
//!
//! Listeners need tokio. [`AsyncReceiver`] lives on the caller's runtime; [`Receiver`] has a thread with a small
//! one of its own and is a blocking iterator. Both push back: what nobody takes stays in the sockets.
mod asynchronous;
mod blocking;
mod builder;
mod inbox;
mod item;

pub use self::{
    asynchronous::AsyncReceiver,
    blocking::Receiver,
    builder::ReceiverBuilder,
    inbox::{ReceiverHandle, ReceiverStats},
    item::{Received, Rejected},
};
