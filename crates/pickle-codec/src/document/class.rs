//! What a name of the standard library stands for. Knows nothing else of this crate.

macro_rules! classes {
    ($($(#[$doc:meta])* $class:ident,)*) => {
        /// What a name of Python's standard library stands for, or what an object was read as.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum KnownClass {
            $($(#[$doc])* $class,)*
        }

        impl KnownClass {
            /// The class that a word of the table of names stands for: its name here.
            pub(crate) fn of_word(word: &str) -> Option<Self> {
                match word {
                    $(stringify!($class) => Some(Self::$class),)*
                    _ => None,
                }
            }
        }
    };
}

classes! {
    /// `_codecs.encode`, by which protocols 0 to 2 spell bytes.
    Encode,
    /// `bytes`.
    Bytes,
    /// `bytearray`.
    ByteArray,
    /// `set`.
    Set,
    /// `frozenset`.
    FrozenSet,
    /// `complex`.
    Complex,
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `collections.defaultdict`.
    DefaultDict,
    /// `collections.Counter`.
    Counter,
    /// `collections.deque`.
    Deque,
    /// `datetime.date`.
    Date,
    /// `datetime.time`.
    Time,
    /// `datetime.datetime`.
    DateTime,
    /// `datetime.timedelta`.
    TimeDelta,
    /// `datetime.timezone`.
    TimeZone,
    /// `decimal.Decimal`.
    Decimal,
    /// `fractions.Fraction`.
    Fraction,
    /// `uuid.UUID`.
    Uuid,
    /// A path of `pathlib` with slashes.
    PosixPath,
    /// A path of `pathlib` with backslashes and drives.
    WindowsPath,
    /// `ipaddress.IPv4Address`.
    Ipv4Address,
    /// `ipaddress.IPv6Address`.
    Ipv6Address,
    /// `ipaddress.IPv4Network`.
    Ipv4Network,
    /// `ipaddress.IPv6Network`.
    Ipv6Network,
    /// `ipaddress.IPv4Interface`.
    Ipv4Interface,
    /// `ipaddress.IPv6Interface`.
    Ipv6Interface,
    /// `range`, and Python 2's `xrange`.
    Range,
    /// `slice`.
    Slice,
    /// A built-in exception.
    Exception,
    /// An enum of the standard library.
    Enum,
    /// A bare name that stands for an enum member, such as `signal.SIGINT`.
    Member,
    /// A built-in type: the factory of a `defaultdict`, the base of a subclass, or called with a value that
    /// it gives back as it is.
    Type,
    /// `zoneinfo.ZoneInfo`, and its `_unpickle`.
    ZoneInfo,
    /// `getattr`, by which protocols 0 to 3 spell the names of inner classes.
    GetAttr,
    /// A class that is named only because a class inside of it is known or allowed.
    Outer,
    /// `copyreg._reconstructor`, by which protocols 0 and 1 spell instances.
    Reconstructor,
    /// An instance of a subclass of `str`, `int` or another built-in type.
    Instance,
    /// A name that the caller allowed.
    Allowed,
}

impl KnownClass {
    /// Whether its objects can be dict keys.
    pub(crate) const fn is_hashable(self) -> bool {
        !matches!(self, Self::OrderedDict | Self::DefaultDict | Self::Counter | Self::Deque)
    }
}
