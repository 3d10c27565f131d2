//! Acknowledgements: forged, changed and genuine ones.
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logrecord_fuzz::ack(data));
