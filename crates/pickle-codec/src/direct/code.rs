//! The opcodes that direct readers know, as the bytes that a pickle spells them with.
//!
//! The decoder turns a byte into an [`Opcode`] first, to name it in errors. A direct reader has no errors, and a
//! `match` on the byte itself is one jump.

use crate::wire::opcode::Opcode;

macro_rules! codes {
    ($($(#[$attribute:meta])* $name:ident $opcode:ident,)*) => {
        $($(#[$attribute])* pub(super) const $name: u8 = Opcode::$opcode.code();)*
    };
}

codes! {
    BINUNICODE Binunicode,
    SHORT_BINUNICODE ShortBinunicode,
    SHORT_BINSTRING ShortBinstring,
    BINSTRING Binstring,
    BINGET Binget,
    LONG_BINGET LongBinget,
    BINPUT Binput,
    LONG_BINPUT LongBinput,
    MEMOIZE Memoize,
    NONE None,
    NEWTRUE Newtrue,
    NEWFALSE Newfalse,
    INT Int,
    BININT1 Binint1,
    BININT2 Binint2,
    BININT Binint,
    LONG Long,
    LONG1 Long1,
    BINFLOAT Binfloat,
    MARK Mark,
    SETITEM Setitem,
    SETITEMS Setitems,
    APPEND Append,
    APPENDS Appends,
    EMPTY_LIST EmptyList,
    EMPTY_DICT EmptyDict,
    EMPTY_TUPLE EmptyTuple,
    TUPLE Tuple,
    TUPLE1 Tuple1,
    TUPLE3 Tuple3,
    BINBYTES Binbytes,
    SHORT_BINBYTES ShortBinbytes,
    PROTO Proto,
    FRAME Frame,
    STOP Stop,
    // These are in outlines alone.
    #[cfg(feature = "serde")]
    TUPLE2 Tuple2,
    #[cfg(feature = "serde")]
    EMPTY_SET EmptySet,
    #[cfg(feature = "serde")]
    ADDITEMS Additems,
    #[cfg(feature = "serde")]
    FROZENSET Frozenset,
    #[cfg(feature = "serde")]
    BINBYTES8 Binbytes8,
}
