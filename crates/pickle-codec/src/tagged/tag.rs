//! The tags of tagged JSON that are read: their words, and what may stand beside them.

/// The tags, each with its word and the names of what may stand beside it.
macro_rules! tags {
    ($($tag:ident $word:literal $($beside:literal)*;)*) => {
        /// What a tag stands for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum JsonTag { $($tag),* }

        impl JsonTag {
            pub(super) fn of(word: &[u8]) -> Option<Self> {
                [$(($word, Self::$tag)),*].iter().find(|(other, _)| other.as_bytes() == word).map(|&(_, tag)| tag)
            }

            /// What may stand beside the tag.
            pub(super) const fn beside(self) -> &'static [&'static str] {
                match self { $(Self::$tag => &[$($beside),*],)* }
            }
        }
    };
}

tags! {
    Int "$int";
    Float "$float";
    Complex "$complex";
    Str "$str";
    Bytes "$bytes";
    ByteArray "$bytearray";
    Tuple "$tuple";
    Set "$set";
    FrozenSet "$frozenset";
    Dict "$dict";
    Date "$date";
    Time "$time" "fold" "tz";
    DateTime "$datetime" "fold" "tz";
    TimeDelta "$timedelta";
    TimeZone "$timezone" "name";
    ZoneInfo "$zoneinfo";
    Decimal "$decimal";
    Fraction "$fraction";
    Uuid "$uuid";
    Path "$path" "class";
    Ip "$ip" "class";
    OrderedDict "$ordereddict" "state";
    DefaultDict "$defaultdict" "factory";
    Counter "$counter";
    Deque "$deque" "maxlen";
    Range "$range";
    Slice "$slice";
    Enum "$enum";
    Exception "$exception";
    Global "$global";
}

impl JsonTag {
    /// Whether it takes the items of an array, written there and then.
    pub(super) const fn takes_items(self) -> bool {
        matches!(self, Self::Tuple | Self::Set | Self::FrozenSet)
    }

    /// Whether it takes the pairs of a dict.
    pub(super) const fn takes_pairs(self) -> bool {
        matches!(self, Self::Dict | Self::OrderedDict | Self::DefaultDict | Self::Counter)
    }
}
