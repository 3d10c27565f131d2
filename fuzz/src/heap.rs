//! How much memory a decode takes, counted where the allocator can be trusted to count nothing else.

/// Runs `work` and asserts that it takes no more than a decode may: 64 KiB and 32 bytes for each byte of input.
///
/// Only a fuzzer's process has one thread, so that only there the figure belongs to the input.
pub(super) fn within_bound<T>(input_len: usize, work: impl FnOnce() -> T) -> T {
    #[cfg(fuzzing)]
    {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let result = work();
        let taken = HEAP.peak_usage().saturating_sub(before);
        assert!(taken <= (64 << 10) + 32 * input_len, "{taken} bytes of heap for an input of {input_len}");
        result
    }
    #[cfg(not(fuzzing))]
    {
        let _ = input_len;
        work()
    }
}

#[cfg(fuzzing)]
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
