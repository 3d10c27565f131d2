//! Python pickles as data: a decoder that can face a network, an encoder that writes CPython's bytes, a disassembler.
#![forbid(unsafe_code)]
