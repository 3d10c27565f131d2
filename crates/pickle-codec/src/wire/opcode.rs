//! The opcodes of protocols 0 to 5, with the names and metadata of CPython's `Lib/pickletools.py`.
//!
//! One table has everything that there is to say of an opcode; the enum and its methods are made from it. An opcode that
//! is not in it does not exist. How long an argument is follows from its kind, so that the instructions and the push
//! decoder, which both have to know, cannot disagree.

use core::fmt;

/// What an opcode's argument is, in pickletools' words (`ArgumentDescriptor.name`).
///
/// A name that ends in `Nl` is a line of text up to a line feed; a number behind a name is the width of a
/// binary argument, or of the length in front of it, in bytes. Binary numbers are little-endian but for
/// [`Float8`](Self::Float8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArgumentKind {
    /// Nothing follows the opcode.
    None,
    /// One byte: BININT1, PROTO, BINGET, BINPUT, EXT1.
    Uint1,
    /// Two bytes: BININT2, EXT2.
    Uint2,
    /// Four bytes with a sign: BININT; EXT4, whose code has to be above zero.
    Int4,
    /// Four bytes: LONG_BINGET, LONG_BINPUT.
    Uint4,
    /// Eight bytes: the length of a FRAME.
    Uint8,
    /// A decimal integer, `00` or `01` for the bools: INT, GET, PUT.
    DecimalNlShort,
    /// A decimal integer with an `L` behind it: LONG.
    DecimalNlLong,
    /// Python 2's `str` as a literal with quotes and escapes: STRING.
    StringNl,
    /// Text as it is: PERSID.
    StringNlNoescape,
    /// Two lines, module and name: GLOBAL, INST.
    StringNlNoescapePair,
    /// A length of one byte, and so many bytes: SHORT_BINSTRING.
    String1,
    /// A length of four bytes with a sign, and so many bytes: BINSTRING.
    String4,
    /// A length of one byte, and so many bytes: SHORT_BINBYTES.
    Bytes1,
    /// A length of four bytes, and so many bytes: BINBYTES.
    Bytes4,
    /// A length of eight bytes, and so many bytes: BINBYTES8.
    Bytes8,
    /// A length of eight bytes, and so many bytes: BYTEARRAY8.
    ByteArray8,
    /// Text with `\u` escapes, other bytes being Latin-1: UNICODE.
    UnicodeStringNl,
    /// A length of one byte, and so many bytes of UTF-8: SHORT_BINUNICODE.
    UnicodeString1,
    /// A length of four bytes, and so many bytes of UTF-8: BINUNICODE.
    UnicodeString4,
    /// A length of eight bytes, and so many bytes of UTF-8: BINUNICODE8.
    UnicodeString8,
    /// A float as `repr` writes it: FLOAT.
    FloatNl,
    /// Eight bytes, IEEE 754, big-endian: BINFLOAT.
    Float8,
    /// A length of one byte, and an integer as two's complement: LONG1.
    Long1,
    /// A length of four bytes with a sign, and an integer as two's complement: LONG4.
    Long4,
}

/// Where an argument ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentSpan {
    /// After so many bytes.
    Fixed(usize),
    /// After as many bytes as a number of this width says, which stands in front of them.
    Counted(usize),
    /// The same, with a number of four bytes that has a sign and must not be negative.
    CountedSigned,
    /// After so many line feeds.
    Lines(usize),
}

impl ArgumentKind {
    /// Where an argument of this kind ends.
    pub(crate) const fn span(self) -> ArgumentSpan {
        match self {
            Self::None => ArgumentSpan::Fixed(0),
            Self::Uint1 => ArgumentSpan::Fixed(1),
            Self::Uint2 => ArgumentSpan::Fixed(2),
            Self::Int4 | Self::Uint4 => ArgumentSpan::Fixed(4),
            Self::Uint8 | Self::Float8 => ArgumentSpan::Fixed(8),
            Self::String1 | Self::Bytes1 | Self::UnicodeString1 | Self::Long1 => ArgumentSpan::Counted(1),
            Self::Bytes4 | Self::UnicodeString4 => ArgumentSpan::Counted(4),
            Self::Bytes8 | Self::UnicodeString8 | Self::ByteArray8 => ArgumentSpan::Counted(8),
            Self::String4 | Self::Long4 => ArgumentSpan::CountedSigned,
            Self::DecimalNlShort
            | Self::DecimalNlLong
            | Self::StringNl
            | Self::StringNlNoescape
            | Self::UnicodeStringNl
            | Self::FloatNl => ArgumentSpan::Lines(1),
            Self::StringNlNoescapePair => ArgumentSpan::Lines(2),
        }
    }
}

/// A kind of object that an opcode takes from the stack or leaves there (`StackObject.name`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StackObject {
    /// An integer.
    Int,
    /// An integer, or a bool as INT spells it.
    IntOrBool,
    /// A bool.
    Bool,
    /// A float.
    Float,
    /// Python 2's `str`, which is bytes or text.
    BytesOrStr,
    /// `bytes`.
    Bytes,
    /// A `bytearray`.
    ByteArray,
    /// Text.
    Str,
    /// `None`.
    None,
    /// A tuple.
    Tuple,
    /// A list.
    List,
    /// A dict.
    Dict,
    /// A set.
    Set,
    /// A frozenset.
    FrozenSet,
    /// An out-of-band buffer.
    Buffer,
    /// An object of any kind.
    Any,
    /// A mark, as MARK puts it there.
    Mark,
    /// All objects above the last mark.
    StackSlice,
}

macro_rules! opcodes {
    ($($variant:ident = $code:literal, $name:literal, $proto:literal, $arg:ident,
       [$($before:ident),*] => [$($after:ident),*], $doc:literal;)*) => {
        /// An opcode. The discriminant is its byte.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Opcode {
            $(#[doc = $doc] $variant = $code,)*
        }

        impl Opcode {
            /// Every opcode, in the order of `pickletools.opcodes`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The opcode that a byte stands for.
            #[inline(always)]
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name as `pickletools` spells it, such as `BINUNICODE`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The first protocol that has this opcode. Decoders accept it under every protocol.
            #[inline]
            #[must_use]
            pub const fn protocol(self) -> u8 {
                match self { $(Self::$variant => $proto,)* }
            }

            /// What follows the opcode in the pickle.
            #[inline]
            #[must_use]
            pub const fn argument_kind(self) -> ArgumentKind {
                match self { $(Self::$variant => ArgumentKind::$arg,)* }
            }

            /// What the opcode takes from the stack, deepest first.
            #[must_use]
            pub const fn stack_before(self) -> &'static [StackObject] {
                match self { $(Self::$variant => &[$(StackObject::$before),*],)* }
            }

            /// What the opcode leaves on the stack, deepest first.
            #[must_use]
            pub const fn stack_after(self) -> &'static [StackObject] {
                match self { $(Self::$variant => &[$(StackObject::$after),*],)* }
            }

            /// One sentence about what the opcode does.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

opcodes! {
    Int = 0x49, "INT", 0, DecimalNlShort, [] => [IntOrBool], "An integer or bool in decimal text.";
    Binint = 0x4a, "BININT", 1, Int4, [] => [Int], "A four-byte signed integer.";
    Binint1 = 0x4b, "BININT1", 1, Uint1, [] => [Int], "A one-byte unsigned integer.";
    Binint2 = 0x4d, "BININT2", 1, Uint2, [] => [Int], "A two-byte unsigned integer.";
    Long = 0x4c, "LONG", 0, DecimalNlLong, [] => [Int], "An integer in decimal text with an `L` behind it.";
    Long1 = 0x8a, "LONG1", 2, Long1, [] => [Int], "An integer in two's complement, up to 255 bytes.";
    Long4 = 0x8b, "LONG4", 2, Long4, [] => [Int], "An integer in two's complement, with a four-byte length.";
    String = 0x53, "STRING", 0, StringNl, [] => [BytesOrStr], "A Python 2 `str` as a quoted literal.";
    Binstring = 0x54, "BINSTRING", 1, String4, [] => [BytesOrStr], "A Python 2 `str` with a four-byte length.";
    ShortBinstring = 0x55, "SHORT_BINSTRING", 1, String1, [] => [BytesOrStr], "A Python 2 `str` of up to 255 bytes.";
    Binbytes = 0x42, "BINBYTES", 3, Bytes4, [] => [Bytes], "`bytes` with a four-byte length.";
    ShortBinbytes = 0x43, "SHORT_BINBYTES", 3, Bytes1, [] => [Bytes], "`bytes` of up to 255 bytes.";
    Binbytes8 = 0x8e, "BINBYTES8", 4, Bytes8, [] => [Bytes], "`bytes` with an eight-byte length.";
    Bytearray8 = 0x96, "BYTEARRAY8", 5, ByteArray8, [] => [ByteArray], "A `bytearray` with an eight-byte length.";
    NextBuffer = 0x97, "NEXT_BUFFER", 5, None, [] => [Buffer], "The next out-of-band buffer.";
    ReadonlyBuffer = 0x98, "READONLY_BUFFER", 5, None, [Buffer] => [Buffer], "Makes the out-of-band buffer on the stack read-only.";
    None = 0x4e, "NONE", 0, None, [] => [None], "`None`.";
    Newtrue = 0x88, "NEWTRUE", 2, None, [] => [Bool], "`True`.";
    Newfalse = 0x89, "NEWFALSE", 2, None, [] => [Bool], "`False`.";
    Unicode = 0x56, "UNICODE", 0, UnicodeStringNl, [] => [Str], "Text in raw-unicode-escape, ended by a line feed.";
    ShortBinunicode = 0x8c, "SHORT_BINUNICODE", 4, UnicodeString1, [] => [Str], "UTF-8 text of up to 255 bytes.";
    Binunicode = 0x58, "BINUNICODE", 1, UnicodeString4, [] => [Str], "UTF-8 text with a four-byte length.";
    Binunicode8 = 0x8d, "BINUNICODE8", 4, UnicodeString8, [] => [Str], "UTF-8 text with an eight-byte length.";
    Float = 0x46, "FLOAT", 0, FloatNl, [] => [Float], "A float in decimal text.";
    Binfloat = 0x47, "BINFLOAT", 1, Float8, [] => [Float], "A float as eight big-endian bytes.";
    EmptyList = 0x5d, "EMPTY_LIST", 1, None, [] => [List], "A new empty list.";
    Append = 0x61, "APPEND", 0, None, [List, Any] => [List], "Appends the top of the stack to the list below it.";
    Appends = 0x65, "APPENDS", 1, None, [List, Mark, StackSlice] => [List], "Appends everything above the mark to the list below it.";
    List = 0x6c, "LIST", 0, None, [Mark, StackSlice] => [List], "A list of everything above the mark.";
    EmptyTuple = 0x29, "EMPTY_TUPLE", 1, None, [] => [Tuple], "The empty tuple.";
    Tuple = 0x74, "TUPLE", 0, None, [Mark, StackSlice] => [Tuple], "A tuple of everything above the mark.";
    Tuple1 = 0x85, "TUPLE1", 2, None, [Any] => [Tuple], "A tuple of the top of the stack.";
    Tuple2 = 0x86, "TUPLE2", 2, None, [Any, Any] => [Tuple], "A tuple of the two topmost items.";
    Tuple3 = 0x87, "TUPLE3", 2, None, [Any, Any, Any] => [Tuple], "A tuple of the three topmost items.";
    EmptyDict = 0x7d, "EMPTY_DICT", 1, None, [] => [Dict], "A new empty dict.";
    Dict = 0x64, "DICT", 0, None, [Mark, StackSlice] => [Dict], "A dict of the keys and values above the mark.";
    Setitem = 0x73, "SETITEM", 0, None, [Dict, Any, Any] => [Dict], "Stores one key and value in the dict below them.";
    Setitems = 0x75, "SETITEMS", 1, None, [Dict, Mark, StackSlice] => [Dict], "Stores the keys and values above the mark in the dict below it.";
    EmptySet = 0x8f, "EMPTY_SET", 4, None, [] => [Set], "A new empty set.";
    Additems = 0x90, "ADDITEMS", 4, None, [Set, Mark, StackSlice] => [Set], "Adds everything above the mark to the set below it.";
    Frozenset = 0x91, "FROZENSET", 4, None, [Mark, StackSlice] => [FrozenSet], "A frozenset of everything above the mark.";
    Pop = 0x30, "POP", 0, None, [Any] => [], "Discards the top of the stack.";
    Dup = 0x32, "DUP", 0, None, [Any] => [Any, Any], "Pushes the top of the stack again.";
    Mark = 0x28, "MARK", 0, None, [] => [Mark], "Pushes the mark object.";
    PopMark = 0x31, "POP_MARK", 1, None, [Mark, StackSlice] => [], "Discards everything down to and with the mark.";
    Get = 0x67, "GET", 0, DecimalNlShort, [] => [Any], "Pushes the memo entry of a decimal index.";
    Binget = 0x68, "BINGET", 1, Uint1, [] => [Any], "Pushes the memo entry of a one-byte index.";
    LongBinget = 0x6a, "LONG_BINGET", 1, Uint4, [] => [Any], "Pushes the memo entry of a four-byte index.";
    Put = 0x70, "PUT", 0, DecimalNlShort, [] => [], "Stores the top of the stack at a decimal memo index.";
    Binput = 0x71, "BINPUT", 1, Uint1, [] => [], "Stores the top of the stack at a one-byte memo index.";
    LongBinput = 0x72, "LONG_BINPUT", 1, Uint4, [] => [], "Stores the top of the stack at a four-byte memo index.";
    Memoize = 0x94, "MEMOIZE", 4, None, [Any] => [Any], "Stores the top of the stack at the next memo index.";
    Ext1 = 0x82, "EXT1", 2, Uint1, [] => [Any], "An extension registry entry, one-byte code.";
    Ext2 = 0x83, "EXT2", 2, Uint2, [] => [Any], "An extension registry entry, two-byte code.";
    Ext4 = 0x84, "EXT4", 2, Int4, [] => [Any], "An extension registry entry, four-byte code.";
    Global = 0x63, "GLOBAL", 0, StringNlNoescapePair, [] => [Any], "Names a global by two lines, module and name.";
    StackGlobal = 0x93, "STACK_GLOBAL", 4, None, [Str, Str] => [Any], "Names a global by the two strings on the stack.";
    Reduce = 0x52, "REDUCE", 0, None, [Any, Any] => [Any], "Calls the callable below with the tuple on top.";
    Build = 0x62, "BUILD", 0, None, [Any, Any] => [Any], "Gives the object below the state on top.";
    Inst = 0x69, "INST", 0, StringNlNoescapePair, [Mark, StackSlice] => [Any], "Names a class by two lines and calls it with everything above the mark.";
    Obj = 0x6f, "OBJ", 1, None, [Mark, Any, StackSlice] => [Any], "Calls the class above the mark with everything above it.";
    Newobj = 0x81, "NEWOBJ", 2, None, [Any, Any] => [Any], "Calls `cls.__new__(cls, *args)`.";
    NewobjEx = 0x92, "NEWOBJ_EX", 4, None, [Any, Any, Any] => [Any], "Calls `cls.__new__(cls, *args, **kwargs)`.";
    Proto = 0x80, "PROTO", 2, Uint1, [] => [], "States the protocol.";
    Stop = 0x2e, "STOP", 0, None, [Any] => [], "Ends the pickle; the top of the stack is its value.";
    Frame = 0x95, "FRAME", 4, Uint8, [] => [], "States the length of the pickle FRAME that follows.";
    Persid = 0x50, "PERSID", 0, StringNlNoescape, [] => [Any], "A persistent id in text.";
    Binpersid = 0x51, "BINPERSID", 1, None, [Any] => [Any], "Takes a persistent id from the stack.";
}

impl Opcode {
    /// The byte that stands for this opcode in a pickle.
    #[inline]
    #[must_use]
    #[allow(clippy::as_conversions, reason = "the discriminant of a repr(u8) enum is its byte")]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Whether the opcode names, calls or fetches something that is not in the pickle, so that
    /// [`Globals::Reject`](crate::Globals::Reject) ends the decode at it.
    #[must_use]
    pub const fn names_or_calls(self) -> bool {
        use Opcode::{Binpersid, Build, Ext1, Ext2, Ext4, Global, Inst, Newobj, NextBuffer};
        use Opcode::{NewobjEx, Obj, Persid, ReadonlyBuffer, Reduce, StackGlobal};
        match self {
            Global | StackGlobal | Inst | Obj | Newobj | NewobjEx | Reduce | Build | Ext1 | Ext2 | Ext4 => {
                true
            }
            _ => matches!(self, Persid | Binpersid | NextBuffer | ReadonlyBuffer),
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_maps_back_to_its_opcode() {
        let known = (0..=u8::MAX).filter_map(Opcode::from_byte).count();
        assert_eq!(known, Opcode::ALL.len());
        assert_eq!(Opcode::ALL.len(), 68);
        for &opcode in Opcode::ALL {
            assert_eq!(Opcode::from_byte(opcode.code()), Some(opcode));
        }
    }
}
