//! The seed of every hash table that an input fills.

/// A seed that a sender cannot know, where there is a standard library to ask for one.
pub(crate) fn seed() -> u64 {
    #[cfg(feature = "std")]
    {
        use core::hash::BuildHasher;
        std::hash::RandomState::new().hash_one(0_u8)
    }
    #[cfg(not(feature = "std"))]
    {
        0x5851_f42d_4c95_7f2d
    }
}
