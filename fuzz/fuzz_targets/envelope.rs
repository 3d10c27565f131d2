//! Nothing gets past the tag without the key, and everything with it.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logrecord_fuzz::envelope(data));
