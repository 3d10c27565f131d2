//! Globals and what else CPython has only once by name.
//!
//! A pickler memoizes a class by identity, and every class exists once, so that the second mention of a name is
//! a GET. The texts in a STACK_GLOBAL are objects of their own: CPython has a class's `__module__` and
//! `__qualname__` interned or not depending on how the class was made, and classes of one module share the text
//! of its name ([`owns_module_text`] has the exceptions).

use alloc::vec::Vec;

use super::{Spelling, Writer, misuse};
use crate::encode::open::{NO_MEMO, Open};
use crate::encode::singles::{OwnName, Single};
use crate::encode::sink::Sink;
use crate::known::owns_module_text;
use crate::wire::error::Result;
use crate::wire::protocol::Protocol;
use crate::wire::text::Str;

impl<'v, S: Sink<'v>> Writer<'v, S> {
    /// A global that the encoder names on its own account, as a part of a call. It is no item: the call is.
    pub(crate) fn name(&mut self, name: OwnName) -> Result<()> {
        if self.pos >= self.full {
            self.flush()?;
        }
        let single = Some(Single::name(name));
        if self.get_single(single) {
            return Ok(());
        }
        let (module, name) = name.names(self.protocol < Protocol::V3);
        self.global_opcode(Str::Utf8(module), Str::Utf8(name))?;
        self.put_single(single);
        Ok(())
    }

    /// Whether a name takes calls of `getattr`: below protocol 4 that of an inner class, and everywhere the
    /// method by which a zone is made.
    pub(crate) fn takes_getattr(&self, name: &str) -> bool {
        let parts = name.split('.').filter(|part| !part.is_empty()).count();
        let dotted = parts > 1 && parts == name.split('.').count();
        dotted && (self.protocol < Protocol::V4 || name.ends_with("._unpickle"))
    }

    /// A name inside of a class as calls of `getattr`; the second time a GET. It is an item of its own.
    ///
    /// CPython reduces a method to a call like any other, with memo entries for class and arguments. For an
    /// inner class it writes the calls by hand since 3.13, without those.
    pub(crate) fn attribute(&mut self, module: Str<'_>, name: &str) -> Result<()> {
        self.item()?;
        if self.get_global(module, Str::Utf8(name)) {
            return Ok(());
        }
        self.push(Open::parts());
        if let Some((outer, method)) = name.rsplit_once('.').filter(|(_, method)| *method == "_unpickle") {
            self.item()?;
            self.name(OwnName::GetAttr)?;
            self.begin_tuple(2)?;
            if self.takes_getattr(outer) {
                self.attribute(module, outer)?;
            } else {
                self.global(module, Str::Utf8(outer))?;
            }
            self.text(method.as_bytes())?;
            self.end()?;
            self.emit(*b"R");
        } else {
            let mut parts = name.split('.');
            let outer = parts.next().unwrap_or_default();
            for _ in parts.clone() {
                self.item()?;
                self.name(OwnName::GetAttr)?;
                if self.protocol < Protocol::V2 {
                    self.emit(*b"(");
                }
            }
            self.global_opcode(module, Str::Utf8(outer))?;
            for part in parts {
                self.text(part.as_bytes())?;
                self.emit([if self.protocol < Protocol::V2 { b't' } else { 0x86 }, b'R']);
            }
        }
        self.end_call(None);
        let last = self.last;
        self.pop();
        self.last = last;
        self.put_global_entry(module, name);
        Ok(())
    }

    /// Notes the memo entry of what was written last as that of a global.
    fn put_global_entry(&mut self, module: Str<'_>, name: &str) {
        if self.last != NO_MEMO {
            self.singles.intern(Self::global_key(module, Str::Utf8(name)), self.last);
        }
    }

    /// A global by its names; the second time a GET. It is an item of its own.
    pub(crate) fn global(&mut self, module: Str<'_>, name: Str<'_>) -> Result<()> {
        self.item()?;
        if self.get_global(module, name) {
            return Ok(());
        }
        self.global_opcode(module, name)?;
        self.put_global(module, name);
        Ok(())
    }

    /// The single that a global's names mean: a class is one object, whoever names it. It is that of Python 2's names
    /// as well, because a document may have been read from either, if the encoder writes it by itself, too.
    fn named(module: Str<'_>, name: Str<'_>) -> Option<Single> {
        OwnName::of(module.as_str()?, name.as_str()?).map(Single::name)
    }

    /// What names a global in the table of names. No module has a NUL in it.
    fn global_key(module: Str<'_>, name: Str<'_>) -> Vec<u8> {
        let mut key = module.as_bytes().to_vec();
        key.push(0);
        key.extend_from_slice(name.as_bytes());
        key
    }

    /// GET of a global that has been written; tells whether it was one.
    pub(crate) fn get_global(&mut self, module: Str<'_>, name: Str<'_>) -> bool {
        if let Some(single) = Self::named(module, name) {
            return self.get_single(Some(single));
        }
        match self.singles.interned(&Self::global_key(module, name)) {
            Some(index) => {
                self.get_opcode(index);
                true
            }
            None => false,
        }
    }

    /// PUT of the global that was just written.
    pub(crate) fn put_global(&mut self, module: Str<'_>, name: Str<'_>) {
        let single = Self::named(module, name);
        self.put_single(single);
        if single.is_none() && self.last != NO_MEMO {
            self.singles.intern(Self::global_key(module, name), self.last);
        }
    }

    /// GLOBAL with two lines, or STACK_GLOBAL with two texts, of which that of the module is interned.
    pub(crate) fn global_opcode(&mut self, module: Str<'_>, name: Str<'_>) -> Result<()> {
        if self.style == Spelling::Framed {
            self.push(Open::parts());
            if owns_module_text(module, name) {
                self.text(module.as_bytes())?;
            } else {
                self.interned(module)?;
            }
            self.text(name.as_bytes())?;
            self.pop();
            self.emit([0x93]);
            return Ok(());
        }
        let is_line =
            |text: Str<'_>| text.as_str().is_some_and(|text| !text.is_empty() && !text.contains('\n'));
        if !is_line(module) || !is_line(name) {
            return Err(misuse("the name of a global is no line of text"));
        }
        self.emit(*b"c");
        self.emit_slice(module.as_bytes());
        self.emit(*b"\n");
        self.emit_slice(name.as_bytes());
        self.emit(*b"\n");
        Ok(())
    }

    /// A persistent id of protocol 0.
    pub(crate) fn persid_line(&mut self, line: &[u8]) {
        self.emit(*b"P");
        self.emit_slice(line);
        self.emit(*b"\n");
        self.last = NO_MEMO;
    }

    /// A text that CPython interns because it names something.
    pub(crate) fn interned(&mut self, text: Str<'_>) -> Result<()> {
        if let Some(index) = self.singles.interned(text.as_bytes()) {
            return self.get(index);
        }
        self.text(text.as_bytes())?;
        if self.last != NO_MEMO {
            self.singles.intern(text.as_bytes().to_vec(), self.last);
        }
        Ok(())
    }
}
