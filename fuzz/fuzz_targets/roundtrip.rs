//! What decodes encodes, and decodes to the same graph.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logrecord_fuzz::roundtrip(data));
