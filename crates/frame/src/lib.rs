//! The wire of Python's SocketHandler, sans-IO: length-prefixed frames and an HMAC envelope.
#![forbid(unsafe_code)]
