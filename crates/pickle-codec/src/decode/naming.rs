//! The opcodes that name or call things, under the policy. Nothing is looked up and nothing is run.

use super::{Machine, Step};
use crate::build::construct::{self, Constructed, read_state};
use crate::document::{Construct, Instance, ObjectRepr};
use crate::document::{Kind, NodeId};
use crate::known;
use crate::options::Globals;
use crate::wire::error::ErrorKind;
use crate::wire::opcode::Opcode;
use crate::wire::reader::{uint1, uint2, uint4};

impl<'a> Machine<'_, 'a> {
    /// The opcodes that name or call things, under the policy.
    pub(super) fn naming_step(&mut self, opcode: Opcode) -> Step<Option<NodeId>> {
        let policy = self.options.globals;
        Ok(Some(match opcode {
            Opcode::Global => {
                let (module, name) = self.global_lines()?;
                self.global(module, name)?
            }
            Opcode::Inst => {
                let (module, name) = self.global_lines()?;
                let class = self.global(module, name)?;
                let mark = self.pop_mark()?;
                let args = self.builder.tuple(self.stack.get(mark..).unwrap_or_default())?;
                self.stack.truncate(mark);
                self.construct(Construct::Call, class, args, NodeId::ABSENT)?
            }
            Opcode::StackGlobal => self.stack_global()?,
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
                self.builder.object(ObjectRepr::Extension(code))?
            }
            Opcode::Persid | Opcode::Binpersid if policy != Globals::Inert => {
                return Err(ErrorKind::Persid);
            }
            Opcode::Persid => {
                let line = self.reader.line()?;
                let text = core::str::from_utf8(line).ok().filter(|text| text.is_ascii());
                let value = self.builder.str(text.ok_or(ErrorKind::Persid)?)?;
                self.builder.persistent_id(value)?
            }
            Opcode::Binpersid => {
                let value = self.pop()?;
                self.builder.persistent_id(value)?
            }
            Opcode::NextBuffer if policy != Globals::Inert => return Err(ErrorKind::Buffer),
            Opcode::NextBuffer => {
                let index = self.buffers;
                self.buffers = index.checked_add(1).ok_or(ErrorKind::Budget)?;
                self.builder.object(ObjectRepr::Buffer(index, false))?
            }
            Opcode::ReadonlyBuffer => {
                self.readonly_buffer()?;
                return Ok(None);
            }
            _ if policy == Globals::Reject => return Err(ErrorKind::Call),
            Opcode::Reduce => {
                let args = self.pop()?;
                let class = self.pop()?;
                self.construct(Construct::Call, class, args, NodeId::ABSENT)?
            }
            Opcode::Obj => {
                let mark = self.pop_mark()?;
                let Some((&class, args)) = self.stack.get(mark..).and_then(<[_]>::split_first) else {
                    return Err(ErrorKind::Stack);
                };
                let args = self.builder.tuple(args)?;
                self.stack.truncate(mark);
                self.construct(Construct::Call, class, args, NodeId::ABSENT)?
            }
            Opcode::Newobj => {
                let args = self.pop()?;
                let class = self.pop()?;
                self.construct(Construct::New, class, args, NodeId::ABSENT)?
            }
            Opcode::NewobjEx => {
                let kwargs = self.pop()?;
                let args = self.pop()?;
                let class = self.pop()?;
                if kwargs.kind() != Kind::Dict {
                    return Err(ErrorKind::Call);
                }
                self.construct(Construct::New, class, args, kwargs)?
            }
            Opcode::Build => {
                let state = self.pop()?;
                self.build(state)?;
                return Ok(None);
            }
            // `step` and `rare_step` carry out every other opcode.
            _ => return Err(ErrorKind::Opcode),
        }))
    }

    /// The two lines behind GLOBAL and INST.
    fn global_lines(&mut self) -> Step<(&'a str, &'a str)> {
        let module = self.reader.line()?;
        let name = self.reader.line()?;
        match (core::str::from_utf8(module), core::str::from_utf8(name)) {
            (Ok(module), Ok(name)) => Ok((module, name)),
            // A name that is no text names nothing that could be allowed.
            _ => Err(ErrorKind::Global),
        }
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Step<NodeId> {
        let known = self.judge(module, name)?;
        let module = self.builder.str(module)?;
        let name = self.builder.str(name)?;
        self.builder.object(ObjectRepr::Global { module, name, known })
    }

    fn stack_global(&mut self) -> Step<NodeId> {
        let name = self.pop()?;
        let module = self.pop()?;
        if !module.is_text() || !name.is_text() {
            return Err(ErrorKind::Type);
        }
        let document = &self.builder.document;
        let (Some(module_text), Some(name_text)) = (
            document.text(module).and_then(|text| text.as_str()),
            document.text(name).and_then(|text| text.as_str()),
        ) else {
            return Err(ErrorKind::Global);
        };
        let known = self.judge(module_text, name_text)?;
        self.builder.object(ObjectRepr::Global { module, name, known })
    }

    /// Whether the policy lets a global stand, and how it is read.
    fn judge(&self, module: &str, name: &str) -> Step<Option<crate::document::KnownClass>> {
        let refused = || self.refuse(ErrorKind::Global, module, name);
        if module.is_empty() || name.is_empty() {
            return Err(refused());
        }
        if self.options.globals == Globals::Reject {
            return Err(refused());
        }
        let allowed =
            || self.options.is_allowed(module, name).then_some(crate::document::KnownClass::Allowed);
        match known::lookup(module, name).or_else(allowed) {
            None if self.options.globals == Globals::Known => Err(refused()),
            known => Ok(known),
        }
    }

    /// An object from what is called and its arguments.
    fn construct(
        &mut self,
        construct: Construct,
        class: NodeId,
        args: NodeId,
        kwargs: NodeId,
    ) -> Step<NodeId> {
        if class.kind() != Kind::Object || (args.kind() != Kind::Tuple && args != NodeId::EMPTY_TUPLE) {
            return Err(ErrorKind::Call);
        }
        let strict = self.options.globals == Globals::Known;
        let mut instance = Instance {
            class,
            construct,
            known: None,
            args,
            kwargs,
            state: NodeId::ABSENT,
            items: NodeId::ABSENT,
            pairs: NodeId::ABSENT,
            meta: 0,
        };
        match self.builder.document.objects.get(class.index()).copied() {
            Some(ObjectRepr::Global { module, name, known: Some(known) }) => {
                match construct::call(&mut self.builder, known, &mut instance)? {
                    Constructed::Node(id) => return Ok(id),
                    Constructed::Instance => {}
                    Constructed::Unknown if strict => return Err(self.refused_call(module, name)),
                    Constructed::Unknown => {}
                }
            }
            // Any name under `Inert`.
            Some(ObjectRepr::Global { .. }) => {}
            // The result of a call is called, as by `getattr(a, "b")()`.
            _ if strict => return Err(ErrorKind::Call),
            _ => {}
        }
        self.builder.instance(instance)
    }

    #[cold]
    fn refused_call(&self, module: NodeId, name: NodeId) -> ErrorKind {
        let document = &self.builder.document;
        let text = |id| document.text(id).and_then(|text| text.as_str()).unwrap_or_default();
        self.refuse(ErrorKind::Call, text(module), text(name))
    }

    fn build(&mut self, state: NodeId) -> Step {
        let target = self.top()?;
        let strict = self.options.globals == Globals::Known;
        let Some(instance) = self.builder.instance_mut(target).map(|instance| *instance) else {
            return Err(ErrorKind::Call);
        };
        // A second state would hide the first.
        if instance.state != NodeId::ABSENT {
            return Err(ErrorKind::Call);
        }
        let reading = read_state(&mut self.builder, &instance, state)?;
        if reading.is_none() && instance.known.is_some() && strict {
            return Err(ErrorKind::Call);
        }
        if let Some(place) = self.builder.instance_mut(target) {
            place.state = state;
            place.known = reading;
        }
        self.builder.deepen(target, state)?;
        Ok(())
    }

    fn readonly_buffer(&mut self) -> Step {
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
