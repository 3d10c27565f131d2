//! Inputs shared by the benchmarks.
#![forbid(unsafe_code)]
