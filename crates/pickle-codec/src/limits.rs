//! How far a decoder, and what is made from its documents, may go: [`Limits`].
//!
//! A pickle of n bytes can ask for far more than n bytes of memory, work and output. Each way to do so has one
//! budget, and every place that spends from it charges before it works:
//!
//! | way | example | budget |
//! |---|---|---|
//! | many small objects | `]]]]`: a list a byte | memory: 64 KiB + 32 x n, counted by every table as it grows |
//! | a large number that promises data | `B\xff\xff\xff\x7f` | none needed: a length is checked against what is left |
//! | sharing, written out | `h\0h\0\x86` doubles with 5 bytes | expansion: 64 MiB or 64 x n, in bytes of what is produced |
//! | sharing, looked at | one long key a thousand times | work on keys and on copies: as much as the expansion |
//! | nesting | `((((` | depth: 1,000 in a document, 128 where Rust code recurses |
//! | digits | `I999...` | 4,300 digits, because the conversion takes quadratic time |

/// Most digits that CPython reads and prints of an integer in decimal, and this crate by default:
/// `sys.int_info.default_max_str_digits`. The conversion takes quadratic time.
pub(crate) const MAX_INT_DIGITS: usize = 4_300;

/// How far a decoder goes. Every limit is on by default and none can be taken away by a cargo feature.
///
/// ```
/// use pickle_codec::Limits;
/// let limits = Limits::default();
/// assert_eq!(limits.max_input_len, 256 << 20);
/// assert_eq!(limits.max_depth, 1_000);
/// // By update or by methods of the same names.
/// let flat = Limits { max_depth: 10, ..Limits::default() };
/// assert_eq!(flat, Limits::new().max_depth(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "so that it can be made by update")]
pub struct Limits {
    /// Longest input in bytes: 256 MiB.
    pub max_input_len: usize,
    /// Deepest nesting of a `Document`: 1,000. A scalar has depth 0, `[]` has depth 1.
    pub max_depth: usize,
    /// Deepest nesting of a `Value` and of what serde reads: 128, and never more than 1,024,
    /// because their code recurses.
    pub max_value_depth: usize,
    /// Most digits of an integer in text: 4,300, as CPython's `sys.int_info.default_max_str_digits`.
    pub max_int_digits: usize,
    /// Most bytes that the tables of one decode may take; `None` is 64 KiB + 32 x the input.
    pub max_memory: Option<usize>,
    /// Most bytes that the expansion of shared nodes may produce; `None` is 64 MiB or 64 x the
    /// input, whichever is more.
    pub max_expansion: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_input_len: 256 << 20,
            max_depth: 1_000,
            max_value_depth: 128,
            max_int_digits: MAX_INT_DIGITS,
            max_memory: None,
            max_expansion: None,
        }
    }
}

/// A method that sets it for each field; what the field is for and its default stand at the field.
macro_rules! setters {
    ($($field:ident: $type:ty, $set:expr;)*) => {
        $(
            #[doc = concat!("Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
            #[must_use]
            pub fn $field(mut self, $field: $type) -> Self {
                self.$field = $set;
                self
            }
        )*
    };
}

pub(crate) use setters;

impl Limits {
    /// The default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        max_input_len: usize, max_input_len;
        max_depth: usize, max_depth;
        max_value_depth: usize, max_value_depth;
        max_int_digits: usize, max_int_digits;
        max_memory: usize, Some(max_memory);
        max_expansion: usize, Some(max_expansion);
    }

    /// The memory limit for an input of this length.
    #[must_use]
    pub fn memory(&self, input_len: usize) -> usize {
        self.max_memory.unwrap_or_else(|| input_len.saturating_mul(32).saturating_add(64 << 10))
    }

    /// The expansion limit for an input of this length.
    #[must_use]
    pub fn expansion(&self, input_len: usize) -> usize {
        self.max_expansion.unwrap_or_else(|| input_len.saturating_mul(64).max(64 << 20))
    }

    /// The depth limit of `Value` and serde.
    #[must_use]
    pub fn value_depth(&self) -> usize {
        self.max_value_depth.min(1_024)
    }
}

/// The limits of what is made from a document later: a [`Value`](crate::Value), or a type of serde's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueLimits {
    /// Bytes that may be produced.
    pub(crate) expansion: usize,
    pub(crate) depth: usize,
}

impl ValueLimits {
    pub(crate) fn new(limits: &Limits, input_len: usize) -> Self {
        Self { expansion: limits.expansion(input_len), depth: limits.value_depth() }
    }
}

impl Default for ValueLimits {
    fn default() -> Self {
        Self::new(&Limits::default(), 0)
    }
}
