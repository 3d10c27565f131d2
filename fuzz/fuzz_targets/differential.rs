//! The decoder beside serde-pickle's.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logrecord_fuzz::differential(data));
