//! Send and receive Python LogRecords from Rust: the facade over the crates of the workspace.
#![forbid(unsafe_code)]

pub use logrecord_frame as frame;
pub use logrecord_model as model;
pub use logrecord_transport as transport;
pub use pickle_codec as pickle;
