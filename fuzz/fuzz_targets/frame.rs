//! A stream of frames in any split gives the same frames as unsplit.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logrecord_fuzz::frame(data));
