//! The wire of Python's `SocketHandler` and `DatagramHandler`, without any socket.
//!
//! A log record travels as a *frame*: four bytes, big-endian, that count the payload, and the payload.
//! This crate finds frames in a stream of bytes, writes them, and checks or makes the HMAC envelope that can
//! stand inside of them. It never looks into a payload before its tag is verified, knows no clock (time is an
//! argument), makes no randomness, and opens nothing but the key file that it is told to (`Key::from_file`).
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use logrecord_frame::{FrameDecoder, encode_frame};
//!
//! let mut wire = BytesMut::new();
//! encode_frame(b"}q\x00.", &mut wire)?;
//! encode_frame(b"}.", &mut wire)?;
//!
//! let mut decoder = FrameDecoder::new();
//! decoder.feed(wire.freeze());
//! assert_eq!(decoder.next_frame()?, Some(Bytes::from_static(b"}q\x00.")));
//! assert_eq!(decoder.next_frame()?, Some(Bytes::from_static(b"}.")));
//! assert_eq!(decoder.next_frame()?, None); // More input is needed; that is not an error.
//! decoder.finish()?; // The stream ended between two frames.
//! # Ok::<(), logrecord_frame::Error>(())
//! ```
//!
//! # Limits
//!
//! | what | limit | where |
//! |---|---|---|
//! | payload of one frame | 1 MiB, settable up to 2^32 - 1 | [`DEFAULT_MAX_FRAME_LEN`], [`FrameDecoder::with_max_frame_len`] |
//! | a frame over that limit that can be skipped | 256 MiB, of which 64 bytes are kept | [`MAX_SKIP_LEN`], [`Oversized`] |
//! | memory of a decoder | what has arrived and is not yet taken, and one started frame | [`FrameDecoder`] |
//! | [`Error`] | 16 bytes, no heap | [`Error`] |
//!
//! # Features
//!
//! - `std` (default): `FrameReader` and `FrameWriter` over `std::io`. Without it the crate is
//!   `no_std + alloc`.
//! - `hmac` (default): the module `envelope`, with the HMAC envelope.
//! - `codec`: `FrameCodec` for `tokio_util::codec`.
//!
//! # Panics
//!
//! None: no input makes a function of this crate panic. The one exception is the contract of [`bytes::Buf`]:
//! `advance` beyond the end is the caller's mistake.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may count"))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "codec")]
mod codec;
mod datagram;
mod decoder;
mod encoder;
#[cfg(feature = "hmac")]
pub mod envelope;
mod error;
#[cfg(feature = "std")]
mod io;
mod limits;
mod oversized;
mod stranger;

#[cfg(feature = "codec")]
pub use crate::codec::FrameCodec;
pub use crate::datagram::{MAX_UDP_DATAGRAM_LEN, decode_datagram};
pub use crate::decoder::FrameDecoder;
pub use crate::encoder::{Frame, encode_frame, prefix};
pub use crate::error::{Error, ErrorKind};
#[cfg(feature = "std")]
pub use crate::io::{FrameReader, FrameWriter};
pub use crate::limits::{DEFAULT_MAX_FRAME_LEN, PREFIX_LEN};
pub use crate::oversized::{MAX_SKIP_LEN, Oversized};
pub use crate::stranger::Stranger;

#[cfg(all(doctest, feature = "std", feature = "hmac"))]
#[doc = include_str!("../README.md")]
struct Readme;
