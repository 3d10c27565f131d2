//! What a decoder may do: [`DecodeOptions`] and the policies.

use alloc::string::String;
use alloc::vec::Vec;

use crate::known;
use crate::limits::{Limits, setters};

/// What to do with opcodes that name or call things.
///
/// Nothing is ever imported, resolved or run under any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Globals {
    /// The first such opcode ends the decode.
    #[default]
    Reject,
    /// A fixed table of standard-library types that are plain data gets a Rust reading; any name
    /// that is neither in the table nor [allowed](DecodeOptions::allow) ends the decode where it stands.
    Known,
    /// As `Known`, and everything else becomes an inert description.
    Inert,
}

/// How the text of Python 2's `str` (STRING, BINSTRING, SHORT_BINSTRING) is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Py2Str {
    /// Text if it is UTF-8, else bytes.
    #[default]
    Auto,
    /// Text; what is not UTF-8 is an error.
    Utf8,
    /// Text, a character a byte.
    Latin1,
    /// Bytes.
    Bytes,
}

/// What happens to lone surrogates in text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Surrogates {
    /// They are an error of kind `utf8`.
    Strict,
    /// Each becomes U+FFFD.
    Replace,
    /// They are kept: the text is WTF-8. CPython keeps them too.
    #[default]
    Keep,
}

/// How to decode: policy, text handling and limits.
///
/// ```
/// use pickle_codec::{DecodeOptions, Globals};
/// let options = DecodeOptions::new().globals(Globals::Known).allow("mypkg.Status");
/// assert!(options.is_allowed("mypkg", "Status"));
/// // What the methods set can be read, and set, by its name.
/// assert_eq!(options.globals, Globals::Known);
/// ```
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// The policy for opcodes that name or call things. Default: [`Globals::Reject`].
    pub globals: Globals,
    /// How Python 2's `str` is read. Default: [`Py2Str::Auto`].
    pub py2_str: Py2Str,
    /// What happens to lone surrogates. Default: [`Surrogates::Keep`].
    pub surrogates: Surrogates,
    /// How far a decoder goes.
    pub limits: Limits,
    /// Whether persistent ids stand under [`Globals::Known`]. Default: they are refused.
    pub persistent_ids: bool,
    allowed: Vec<String>,
}

impl DecodeOptions {
    /// The defaults: no globals, Python 2 text by [`Py2Str::Auto`], surrogates kept, default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        globals: Globals, globals;
        py2_str: Py2Str, py2_str;
        surrogates: Surrogates, surrogates;
        limits: Limits, limits;
    }

    /// Allows one further global, as `module.name`; it becomes an inert node under
    /// [`Globals::Known`]. Under [`Globals::Reject`] it has no effect.
    ///
    /// Python 2's and Python 3's names of one class are one: `queue.Full` allows `Queue.Full`. An inner
    /// class is allowed by its whole name, `mypkg.Outer.Inner`, in whichever way the protocol spells it.
    #[must_use]
    pub fn allow(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        for (dot, _) in name.match_indices('.') {
            let (module, class) =
                (name.get(..dot).unwrap_or_default(), name.get(dot + 1..).unwrap_or_default());
            let (new_module, new_class) = known::canonical(module, class);
            if new_module != module || new_class != class {
                self.insert(alloc::format!("{new_module}.{new_class}"));
            }
        }
        self.insert(name);
        self
    }

    fn insert(&mut self, name: String) {
        if let Err(place) = self.allowed.binary_search(&name) {
            self.allowed.insert(place, name);
        }
    }

    /// Lets persistent ids stand under [`Globals::Known`]: inert, with the value that names each. Default:
    /// they are refused.
    ///
    /// With the names that PyTorch's `weights_only` loads this reads its checkpoints as data.
    ///
    /// ```
    /// use pickle_codec::{DecodeOptions, Decoder, Globals};
    /// let options = DecodeOptions::new().globals(Globals::Known).persistent_ids(true).allow("torch.FloatStorage");
    /// let document = Decoder::with_options(options).decode(b"ctorch\nFloatStorage\nX\x01\0\0\x000\x86Q.")?;
    /// assert!(matches!(document.root().view(), pickle_codec::Node::PersistentId(_)));
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    #[must_use]
    pub const fn persistent_ids(mut self, allowed: bool) -> Self {
        self.persistent_ids = allowed;
        self
    }

    /// Whether [`allow`](Self::allow) was given this global.
    #[must_use]
    pub fn is_allowed(&self, module: &str, name: &str) -> bool {
        let (new_module, new_name) = known::canonical(module, name);
        self.has(module, name) || self.has(new_module, new_name)
    }

    /// Whether a class inside of this one was allowed.
    pub(crate) fn allows_inner(&self, module: &str, name: &str) -> bool {
        let outer = alloc::format!("{module}.{name}.");
        let place = self.allowed.partition_point(|allowed| allowed.as_str() < outer.as_str());
        self.allowed.get(place).is_some_and(|allowed| allowed.starts_with(&outer))
    }

    fn has(&self, module: &str, name: &str) -> bool {
        self.allowed
            .binary_search_by(|allowed| {
                allowed.bytes().cmp(module.bytes().chain(core::iter::once(b'.')).chain(name.bytes()))
            })
            .is_ok()
    }
}
