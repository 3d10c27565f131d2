//! The outputs, one file each.

mod file;
mod gzip;
mod lines;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "otlp")]
mod otlp;
mod stdout;
#[cfg(any(feature = "nats", feature = "otlp"))]
mod uid;

#[cfg(feature = "nats")]
pub use self::nats::{NatsConfig, NatsEncoder, NatsOutput};
#[cfg(feature = "otlp")]
pub use self::otlp::{OtlpConfig, OtlpEncoder, OtlpOutput};
pub use self::{
    file::{FileOutput, Rotation},
    lines::{LineFormat, Lines, OnWritten},
    stdout::stdout,
};
