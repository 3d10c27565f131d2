//! Intake: from a frame that arrived to a verified record that borrows from it.
//!
//! Every receiver goes through here, so that what a key asks for, why something is refused, and what is missing
//! are said in one place. It has two steps that can be far apart, with a queue or a disk between them:
//!
//! - the [`Gate`] looks at the envelope only: tag, replay window, or that there is none. It never decodes;
//! - a [`Decoder`] of the [`Engine`] makes a [`LogRecord`](crate::model::LogRecord) of what the gate let through.
//!
//! Neither knows sockets, runtimes or outputs.
//!
//! ```
//! use logrecord::intake::{Engine, Gate};
//! use logrecord::{model::LogRecord, pickle::DecodeOptions};
//!
//! let (gate, engine) = (Gate::open(), Engine::new(DecodeOptions::new()));
//! let mut frame = Vec::new();
//! LogRecord::builder("app", 20, "started").build().to_pickle(&mut frame)?;
//!
//! let mut session = gate.session();
//! let verified = gate.verify(&mut session, frame.into())?;
//! let mut decoder = engine.decoder();
//! assert_eq!(decoder.decode(&verified.payload)?.message(), "started");
//!
//! let attack = gate.verify(&mut session, (&b"cos\nsystem\n."[..]).into())?;
//! let rejection = decoder.decode(&attack.payload).unwrap_err();
//! assert_eq!((rejection.reason(), rejection.ends_connection()), ("global", false));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod engine;
mod gate;
mod rejection;

pub use self::{
    engine::{Decoder, Engine},
    gate::{Authentic, Gate, Session, Verified},
    rejection::Rejection,
};
