//! Reading bytes: opcodes, their arguments, numbers and text, and the error that says what was wrong.

pub(crate) mod error;
pub(crate) mod escape;
pub(crate) mod float;
pub(crate) mod instruction;
pub(crate) mod number;
pub(crate) mod opcode;
pub(crate) mod protocol;
pub(crate) mod reader;
pub(crate) mod text;
