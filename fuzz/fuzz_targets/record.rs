//! Any bytes as a log record, by the fast way and the general one.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logrecord_fuzz::record(data));
