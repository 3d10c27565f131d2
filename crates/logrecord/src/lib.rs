//! Send and receive Python LogRecords from Rust: SocketHandler, DatagramHandler, Receiver, log and tracing back ends.
#![forbid(unsafe_code)]
