//! Any bytes through the decoder, under every policy, with its memory counted.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logrecord_fuzz::decode(data));
