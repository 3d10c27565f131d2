//! The opcodes that name or call things, under the policy. Nothing is looked up and nothing is run.
//!
//! | | `Reject` | `Known` | `Inert` |
//! |---|---|---|---|
//! | GLOBAL, STACK_GLOBAL, INST | refused | the table and what is allowed | any name |
//! | REDUCE, OBJ, NEWOBJ, NEWOBJ_EX | refused | shapes that CPython writes | any, the rest as a description |
//! | BUILD | refused | states that the class takes | any, once |
//! | EXT1, EXT2, EXT4 | refused | refused | the code |
//! | PERSID, BINPERSID | refused | if persistent ids are allowed | the value that names it |
//! | NEXT_BUFFER, READONLY_BUFFER | refused | refused | the number of the buffer |
//!
//! A name is refused where it stands, before any later byte is looked at, because a name that is not called may
//! be all that an attacker needs somebody else to see. What is refused is named in the error.

use super::machine::{StackMachine, Stepped};
use crate::build::construct::{self, Constructed};
use crate::build::fill::Builder;
use crate::document::{Construct, Instance, KnownClass, ObjectRepr};
use crate::document::{Kind, NodeId};
use crate::known;
use crate::options::Globals;
use crate::wire::error::ErrorKind;
use crate::wire::opcode::Opcode;
use crate::wire::reader::{uint1, uint2, uint4};
use crate::wire::text::Str;

/// The longest name of an inner class, in bytes.
const MAX_ATTRIBUTE: usize = 1_000;

impl<'a> StackMachine<'_, 'a> {
    /// The opcodes that name or call things, under the policy.
    pub(super) fn naming_step(&mut self, opcode: Opcode) -> Stepped<Option<NodeId>> {
        let policy = self.options.globals;
        match opcode {
            Opcode::Global => self.global_lines(),
            Opcode::Inst => {
                let class = self.global_lines()?;
                let args = self.above_mark(Builder::tuple)?;
                self.construct(Construct::Call, class, args, NodeId::ABSENT)
            }
            Opcode::StackGlobal => {
                let name = self.pop()?;
                let module = self.pop()?;
                if module.is_text() && name.is_text() {
                    self.global(module, name)
                } else {
                    Err(ErrorKind::Type)
                }
            }
            Opcode::Ext1 | Opcode::Ext2 | Opcode::Ext4 => {
                let code = match opcode {
                    Opcode::Ext1 => u32::from(self.reader.argument(uint1)?),
                    Opcode::Ext2 => u32::from(self.reader.argument(uint2)?),
                    _ => self.reader.argument(uint4)?,
                };
                // Codes are 1 to 2^31 - 1; what they stand for is known to the sender alone.
                if policy != Globals::Inert || code == 0 || i32::try_from(code).is_err() {
                    return Err(ErrorKind::Global);
                }
                self.builder.object(ObjectRepr::Extension(code))
            }
            Opcode::Persid | Opcode::Binpersid
                if policy != Globals::Inert && !(policy == Globals::Known && self.options.persistent_ids) =>
            {
                Err(ErrorKind::Persid)
            }
            Opcode::Persid => {
                let text = core::str::from_utf8(self.reader.line()?).ok().filter(|text| text.is_ascii());
                let value = self.builder.str(text.ok_or(ErrorKind::Persid)?)?;
                self.builder.persistent_id(value)
            }
            Opcode::Binpersid => {
                let value = self.pop()?;
                self.builder.persistent_id(value)
            }
            Opcode::NextBuffer if policy != Globals::Inert => Err(ErrorKind::Buffer),
            Opcode::NextBuffer => {
                let index = self.buffers;
                self.buffers = index.checked_add(1).ok_or(ErrorKind::Budget)?;
                self.builder.object(ObjectRepr::Buffer(index, false))
            }
            Opcode::ReadonlyBuffer => return self.readonly_buffer().map(|()| None),
            _ if policy == Globals::Reject => Err(ErrorKind::Call),
            Opcode::Reduce | Opcode::Newobj => {
                let args = self.pop()?;
                let class = self.pop()?;
                let is_call = opcode == Opcode::Reduce;
                let construct = if is_call { Construct::Call } else { Construct::New };
                self.construct(construct, class, args, NodeId::ABSENT)
            }
            Opcode::Obj => {
                let mut class = None;
                let args = self.above_mark(|builder, items| {
                    let (first, args) = items.split_first().ok_or(ErrorKind::Stack)?;
                    class = Some(*first);
                    builder.tuple(args)
                })?;
                self.construct(Construct::Call, class.ok_or(ErrorKind::Stack)?, args, NodeId::ABSENT)
            }
            Opcode::NewobjEx => {
                let kwargs = self.pop()?;
                let args = self.pop()?;
                let class = self.pop()?;
                if kwargs.kind() != Kind::Dict {
                    return Err(ErrorKind::Call);
                }
                self.construct(Construct::New, class, args, kwargs)
            }
            Opcode::Build => {
                let state = self.pop()?;
                let target = self.top()?;
                return self.build_into(target, state).map(|()| None);
            }
            // `step` and `rare_step` carry out every other opcode.
            _ => Err(ErrorKind::Opcode),
        }
        .map(Some)
    }

    /// The global that the two lines behind GLOBAL and INST name.
    fn global_lines(&mut self) -> Stepped<NodeId> {
        let (module, name) = (self.reader.line()?, self.reader.line()?);
        // A name that is no text names nothing that could be allowed.
        let text = |line| core::str::from_utf8(line).map_err(|_| ErrorKind::Global);
        let (module, name) = (text(module)?, text(name)?);
        let known = self.judge(module, name)?;
        self.global_of(module, name, known)
    }

    /// A global whose names stand in the input, or are the decoder's own.
    pub(super) fn global_of(
        &mut self,
        module: &'a str,
        name: &'a str,
        known: Option<KnownClass>,
    ) -> Stepped<NodeId> {
        let module = self.builder.str(module)?;
        let name = self.builder.str(name)?;
        self.builder.object(ObjectRepr::Global { module, name, known })
    }

    /// The global that two texts on the stack name.
    fn global(&mut self, module: NodeId, name: NodeId) -> Stepped<NodeId> {
        let known = self.judge(self.plain_text(module)?, self.plain_text(name)?)?;
        self.builder.object(ObjectRepr::Global { module, name, known })
    }

    /// Text that can be part of a name: what has surrogates names nothing that could be allowed.
    fn plain_text(&self, id: NodeId) -> Stepped<&str> {
        self.builder.document.text(id).and_then(Str::as_str).ok_or(ErrorKind::Global)
    }

    /// Whether the policy lets a global stand, and how it is read.
    fn judge(&self, module: &str, name: &str) -> Stepped<Option<KnownClass>> {
        let policy = self.options.globals;
        let is_named = policy != Globals::Reject && !module.is_empty() && !name.is_empty();
        match is_named.then(|| self.class_of(module, name)) {
            Some(known) if known.is_some() || policy == Globals::Inert => Ok(known),
            _ => Err(self.refuse(ErrorKind::Global, module, name)),
        }
    }

    /// What a name stands for, if it is known or allowed: a class, the member of an enum by its name, or a class
    /// that may be named because one inside of it is known or allowed.
    fn class_of(&self, module: &str, name: &str) -> Option<KnownClass> {
        let options = self.options;
        known::lookup(module, name)
            .or_else(|| options.is_allowed(module, name).then_some(KnownClass::Allowed))
            .or_else(|| {
                // The member of an enum, by its name.
                let (class, _) = name.rsplit_once('.')?;
                let is_enum = known::lookup(module, class) == Some(KnownClass::Enum);
                (is_enum || options.is_allowed(module, class)).then_some(KnownClass::Member)
            })
            .or_else(|| {
                let outer = known::names_outer(module, name) || options.allows_inner(module, name);
                outer.then_some(KnownClass::Outer)
            })
    }

    /// `getattr(class, "name")`, by which protocols 0 to 3 name an inner class and CPython 3.11 an enum's
    /// member, and every protocol `ZoneInfo._unpickle`: the name, judged as if it were spelled out. `None`
    /// if it is another call of `getattr`.
    fn attribute(&mut self, args: NodeId) -> Stepped<Option<NodeId>> {
        let document = &self.builder.document;
        let &[parent, attribute] = document.items(args) else { return Ok(None) };
        let Some(([module, name], _)) = document.global(parent) else { return Ok(None) };
        let text = |id| self.plain_text(id);
        let (Ok(module_text), Ok(name_text), Ok(attribute)) = (text(module), text(name), text(attribute))
        else {
            return Ok(None);
        };
        let is_name = attribute.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        if attribute.is_empty() || !is_name || name_text.len() + attribute.len() > MAX_ATTRIBUTE {
            return Ok(None);
        }
        let whole = alloc::format!("{name_text}.{attribute}");
        let class = self.class_of(module_text, &whole);
        if class.is_none() && self.options.globals == Globals::Known {
            return Err(self.refuse(ErrorKind::Global, module_text, &whole));
        }
        self.builder.work.charge(whole.len())?;
        let name = self.builder.owned_str(&whole)?;
        self.builder.object(ObjectRepr::Global { module, name, known: class }).map(Some)
    }

    /// An object from what is called and its arguments.
    fn construct(
        &mut self,
        construct: Construct,
        class: NodeId,
        args: NodeId,
        kwargs: NodeId,
    ) -> Stepped<NodeId> {
        if class.kind() != Kind::Object || (args.kind() != Kind::Tuple && args != NodeId::EMPTY_TUPLE) {
            return Err(ErrorKind::Call);
        }
        let strict = self.options.globals == Globals::Known;
        let mut instance = Instance::new(class, construct, args, kwargs);
        let is_call = construct == Construct::Call;
        let global = self.builder.document.global(class);
        let known = global.and_then(|(_, known)| known);
        let made = match known {
            None | Some(KnownClass::Allowed) if is_call && global.is_some() => {
                self.numpy_call(class, args)?
            }
            Some(KnownClass::GetAttr) if is_call => self.attribute(args)?,
            _ => None,
        };
        if let Some(id) = made {
            return Ok(id);
        }
        let is_read = match known {
            // Any name under `Inert`, or the result of a call that is called, as by `getattr(a, "b")()`.
            None => false,
            Some(known) => match construct::call(&mut self.builder, known, &mut instance)? {
                Constructed::Node(id) => return Ok(id),
                Constructed::Instance => true,
                Constructed::Unknown => false,
            },
        };
        match global {
            Some((names, _)) if strict && !is_read => Err(self.refused_call(names)),
            None if strict => Err(ErrorKind::Call),
            _ => self.builder.instance(instance),
        }
    }

    #[cold]
    fn refused_call(&self, [module, name]: [NodeId; 2]) -> ErrorKind {
        let text = |id| self.plain_text(id).unwrap_or_default();
        self.refuse(ErrorKind::Call, text(module), text(name))
    }

    /// POP of what a call gave: pickles call a state setter with an object and its state, and drop what
    /// it gives (the sixth item of `__reduce__`). The state is the object's, so that it is not lost,
    /// wherever the object lies by then. What is known makes an object of its arguments and sets none.
    pub(super) fn keep_popped_state(&mut self) -> Stepped {
        let Some(&call) = self.stack.last() else { return Ok(()) };
        if self.options.globals == Globals::Reject {
            return Ok(());
        }
        let Some(setter) = self.builder.document.instance(call).copied() else { return Ok(()) };
        let &[target, state] = self.builder.document.items(setter.args) else { return Ok(()) };
        let known = known::role(&self.builder.document, setter.class);
        if setter.construct != Construct::Call || known.is_some_and(|known| known != KnownClass::Allowed) {
            return Ok(());
        }
        match self.builder.document.instance(target) {
            Some(instance) if instance.state == NodeId::ABSENT => self.build_into(target, state),
            _ => Ok(()),
        }
    }

    fn build_into(&mut self, target: NodeId, state: NodeId) -> Stepped {
        let strict = self.options.globals == Globals::Known;
        let Some(instance) = self.builder.document.instance(target).copied() else {
            return Err(ErrorKind::Call);
        };
        // A second state would hide the first.
        if instance.state != NodeId::ABSENT {
            return Err(ErrorKind::Call);
        }
        if self.numpy_state(target, &instance, state)? {
            return Ok(());
        }
        let reading = known::with_state(&self.builder.document, &instance, state);
        if reading.is_none() && instance.known.is_some() && strict {
            return Err(ErrorKind::Call);
        }
        if let Some(place) = self.builder.instance_mut(target) {
            place.state = state;
            place.known = reading;
        }
        self.builder.deepen(target, state)
    }

    fn readonly_buffer(&mut self) -> Stepped {
        let top = self.top()?;
        match self.options.globals {
            // Bytes are read-only as they are.
            Globals::Known | Globals::Inert if matches!(top.kind(), Kind::Bytes | Kind::Blob) => Ok(()),
            Globals::Inert => match self.builder.document.objects.get_mut(top.index()) {
                Some(ObjectRepr::Buffer(_, read_only)) if top.kind() == Kind::Object => {
                    *read_only = true;
                    Ok(())
                }
                _ => Err(ErrorKind::Buffer),
            },
            _ => Err(ErrorKind::Buffer),
        }
    }
}
