//! Sockets for Python LogRecords: listeners, senders, back-off, bounded queues, TLS.
#![forbid(unsafe_code)]
