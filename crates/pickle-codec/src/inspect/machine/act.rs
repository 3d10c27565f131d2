//! What opcodes do to the stacks of Python 3 and Python 2, and what they name.
//!
//! # Why no name is missed
//!
//! Few opcodes ask for something: GLOBAL and INST, whose two lines are read in [`super`]; STACK_GLOBAL, which takes two
//! texts off the stack; EXT1, EXT2 and EXT4, which ask the registry of extensions; PERSID, BINPERSID and NEXT_BUFFER,
//! which ask the loading program. All but STACK_GLOBAL are listed before the stack is looked at, because the unpickler in
//! Python looks an INST's class up before it looks for the MARK, and the two of Python 2 do not stop where Python 3
//! does. REDUCE, NEWOBJ, NEWOBJ_EX, OBJ and BUILD call what was asked for earlier, or a method of what such a call has
//! given. So they are listed only where nothing is: by the first of them.
//!
//! # Why a part of a name is known, or known to be unknown
//!
//! STACK_GLOBAL takes text alone, and no subclass of it (`PyUnicode_CheckExact` in `load_stack_global` of
//! `Modules/_pickle.c`). Text comes from opcodes that spell it, which is [`Slot::Text`]; from what was asked for, such
//! as a call, a persistent id or the attribute of a module, which is [`Slot::Unknown`]; and from nowhere else, because
//! text cannot be changed in place: whatever APPEND, SETITEMS or BUILD do to an object, it is no other object after
//! that. Numbers, bytes and containers are [`Slot::Other`]. An object that was not kept for want of room is unknown as
//! well. So at each STACK_GLOBAL both parts are the very texts of the unpickler, or one of them is unknown, or Python
//! stops.

use alloc::format;
use alloc::string::String;

use super::{Operand, PROTOCOL, Reading};
use crate::inspect::arrays;
use crate::inspect::finding::{NameList, UNKNOWN_NAME};
use crate::inspect::memory::Slot;
use crate::wire::escape::{raw_unicode_escape, string_literal};
use crate::wire::number::index_as_c_reads;
use crate::wire::opcode::Opcode;

const UNDERFLOW: &str = "stack underflow";
const NO_MARK: &str = "no MARK on the stack";
const NO_MEMO: &str = "nothing in the memo";
const NO_TEXT: &str = "STACK_GLOBAL of what is no text";

impl Reading {
    /// What a name stands for, which is listed.
    pub(super) fn name(&mut self, module: &str, name: &str, names: &mut NameList) -> Slot {
        names.add(&full_name(module, name), self.offset);
        let Some(class) = arrays::class(module, name) else { return Slot::Unknown };
        if !self.is_plain {
            self.arrays.get_or_insert_default();
        }
        class
    }

    /// What an opcode does whose argument has come later than itself.
    #[inline(never)]
    pub(super) fn act_later(&mut self, opcode: Opcode, argument: Operand<'_>, names: &mut NameList) {
        self.act(opcode, argument, names);
    }

    /// What an opcode does, to Python 3 as long as that goes on, then to Python 2.
    #[inline]
    pub(super) fn act(&mut self, opcode: Opcode, argument: Operand<'_>, names: &mut NameList) {
        if self.three {
            let Err(reason) = self.act_three(opcode, argument, names) else { return };
            self.stop_three(opcode, reason);
        }
        if self.two {
            self.act_two(opcode, argument, names);
        }
    }

    /// Notes what stands for a name. The first call stands for all where nothing is named.
    #[inline(never)]
    fn note(&mut self, opcode: Opcode, argument: Operand<'_>, names: &mut NameList) {
        match (opcode, argument) {
            (Opcode::Reduce | Opcode::Newobj | Opcode::NewobjEx | Opcode::Build | Opcode::Obj, _)
                if self.call.is_none() && names.is_empty() =>
            {
                self.call = Some((opcode, self.offset));
            }
            (Opcode::Persid | Opcode::Binpersid | Opcode::NextBuffer, _) => {
                names.add(opcode.name(), self.offset);
            }
            (Opcode::Ext1 | Opcode::Ext2 | Opcode::Ext4, Operand::Number(code)) => {
                names.add(&format!("{opcode} {code}"), self.offset);
            }
            _ => {}
        }
    }

    /// What an opcode does to Python 3, or why it stops, before anything has changed.
    #[inline]
    fn act_three(
        &mut self,
        opcode: Opcode,
        argument: Operand<'_>,
        names: &mut NameList,
    ) -> Result<(), &'static str> {
        match opcode {
            Opcode::Mark => {
                self.had_mark = true;
                self.memory.stack.push(Slot::Mark);
            }
            Opcode::Stop => {
                self.memory.stack.top().ok_or(UNDERFLOW)?;
                self.end(true);
            }
            // Python 3 takes a MARK off as well.
            Opcode::Pop => {
                self.memory.stack.pop().ok_or(UNDERFLOW)?;
            }
            Opcode::PopMark => {
                let count = self.memory.stack.above_mark().ok_or(NO_MARK)?.len();
                self.memory.stack.drop_to_mark(count);
            }
            Opcode::Dup => {
                let top = self.memory.stack.top().ok_or(UNDERFLOW)?;
                self.memory.stack.push(top);
            }
            // Whether the dict's keys can be hashed, or are as many as its values, does not matter: at worst Python stops
            // where reading goes on here.
            Opcode::Tuple | Opcode::List | Opcode::Dict | Opcode::Frozenset => {
                let values = self.memory.stack.above_mark().ok_or(NO_MARK)?;
                let count = values.len();
                let slot = self.arrays.as_mut().map_or(Slot::Other, |arrays| arrays.add(values));
                self.memory.stack.drop_to_mark(count);
                self.memory.stack.push(slot);
            }
            Opcode::Tuple1 => self.tuple(1)?,
            Opcode::Tuple2 => self.tuple(2)?,
            Opcode::Tuple3 => self.tuple(3)?,
            Opcode::EmptyTuple | Opcode::EmptyDict => self.tuple(0)?,
            Opcode::Append => {
                self.memory.stack.values(2).ok_or(UNDERFLOW)?;
                self.memory.stack.drop(1);
            }
            Opcode::Setitem => {
                let values = self.memory.stack.values(3).ok_or(UNDERFLOW)?;
                if let (Some(arrays), [dict, pair @ ..]) = (&mut self.arrays, values) {
                    arrays.fill(*dict, pair);
                }
                self.memory.stack.drop(2);
            }
            Opcode::Appends | Opcode::Setitems | Opcode::Additems => {
                let values = self.memory.stack.above_mark().ok_or(NO_MARK)?;
                let count = values.len();
                let below = self.memory.stack.below_mark(count).ok_or(UNDERFLOW)?;
                if let Some(arrays) = &mut self.arrays {
                    arrays.fill(below, values);
                }
                self.memory.stack.drop_to_mark(count);
            }
            Opcode::Put | Opcode::Binput | Opcode::LongBinput => {
                self.had_put = true;
                let slot = self.memory.stack.top().ok_or(UNDERFLOW)?;
                // Where it is no number, Python 3 stops. Reading goes on, as for all that depends on more than the stack.
                if let Some(index) = index(argument) {
                    self.memory.memo.put(index, slot);
                }
            }
            Opcode::Memoize => {
                let slot = self.memory.stack.top().ok_or(UNDERFLOW)?;
                self.memory.memo.memoize(slot);
            }
            Opcode::Get | Opcode::Binget | Opcode::LongBinget => {
                let known = index(argument).and_then(|index| self.memory.memo.get(index));
                // One unpickler may have read an earlier pickle, and has its memo still.
                if known.is_none() && self.is_first {
                    return Err(NO_MEMO);
                }
                self.memory.stack.push(known.unwrap_or(Slot::Unknown));
            }
            // A view of a buffer takes its place, which is no text, but an object that is no buffer stops Python.
            Opcode::ReadonlyBuffer => {
                self.memory.stack.top().ok_or(UNDERFLOW)?;
            }
            Opcode::Reduce | Opcode::Newobj => {
                self.note(opcode, argument, names);
                let values = self.memory.stack.values(2).ok_or(UNDERFLOW)?;
                let made = match (&mut self.arrays, values) {
                    (Some(arrays), [class, arguments]) => arrays.made(*class, *arguments, &self.memory),
                    _ => Slot::Unknown,
                };
                self.memory.stack.drop(2);
                self.memory.stack.push(made);
            }
            Opcode::NewobjEx => {
                self.note(opcode, argument, names);
                self.memory.stack.values(3).ok_or(UNDERFLOW)?;
                self.memory.stack.drop(3);
                self.memory.stack.push(Slot::Unknown);
            }
            Opcode::Build => {
                self.note(opcode, argument, names);
                let values = self.memory.stack.values(2).ok_or(UNDERFLOW)?;
                let array = match (&mut self.arrays, values) {
                    (Some(arrays), [object, state]) => arrays.build(*object, *state, &self.memory),
                    _ => None,
                };
                self.memory.stack.drop(1);
                if let Some(array) = array {
                    self.follow(array);
                }
            }
            // OBJ takes its class from above the MARK, INST has it from its lines.
            Opcode::Obj | Opcode::Inst if !matches!(argument, Operand::Later) => {
                self.note(opcode, argument, names);
                let count = self.memory.stack.above_mark().ok_or(NO_MARK)?.len();
                if opcode == Opcode::Obj {
                    self.memory.stack.top().ok_or(UNDERFLOW)?;
                }
                self.memory.stack.drop_to_mark(count);
                self.memory.stack.push(Slot::Unknown);
            }
            Opcode::Binpersid => {
                self.note(opcode, argument, names);
                self.memory.stack.top().ok_or(UNDERFLOW)?;
                self.memory.stack.drop(1);
                self.memory.stack.push(Slot::Unknown);
            }
            Opcode::Persid | Opcode::Ext1 | Opcode::Ext2 | Opcode::Ext4 | Opcode::NextBuffer => {
                self.note(opcode, argument, names);
                self.memory.stack.push(Slot::Unknown);
            }
            Opcode::StackGlobal => self.stack_global(names)?,
            Opcode::Proto | Opcode::Frame => self.header(opcode, argument),
            // The name follows, and then the opcode acts.
            Opcode::Global | Opcode::Inst if matches!(argument, Operand::Later) => {}
            _ => {
                let slot = self.value(opcode, argument);
                self.memory.stack.push(slot);
            }
        }
        Ok(())
    }

    /// Makes a tuple, or an empty dict, of so many values.
    #[inline]
    fn tuple(&mut self, count: usize) -> Result<(), &'static str> {
        let values = self.memory.stack.values(count).ok_or(UNDERFLOW)?;
        let slot = self.arrays.as_mut().map_or(Slot::Other, |arrays| arrays.add(values));
        self.memory.stack.drop(count);
        self.memory.stack.push(slot);
        Ok(())
    }

    /// What is known of the value that an opcode pushes. A number matters only as a side of an array of joblib's.
    #[inline]
    fn value(&mut self, opcode: Opcode, argument: Operand<'_>) -> Slot {
        match (opcode, argument) {
            (Opcode::Binint | Opcode::Binint1 | Opcode::Binint2, Operand::Number(number)) => {
                // A negative one looks like one that is too large.
                u32::try_from(number).ok().filter(|number| *number >> 31 == 0).map_or(Slot::Other, Slot::Int)
            }
            (Opcode::Long1, Operand::Payload([low @ .., high])) if *high == 0 && low.len() <= 4 => {
                let mut number = [0; 4];
                for (number, low) in number.iter_mut().zip(low) {
                    *number = *low;
                }
                Slot::Int(u32::from_le_bytes(number))
            }
            (Opcode::ShortBinunicode | Opcode::Binunicode | Opcode::Binunicode8, Operand::Payload(text)) => {
                self.memory.text(text)
            }
            (Opcode::Binstring | Opcode::ShortBinstring, Operand::Payload(text)) => self.py2_text(text),
            (Opcode::Unicode, Operand::Line(line)) => {
                if line.is_ascii() && !line.contains(&b'\\') {
                    return self.memory.text(line);
                }
                let text = raw_unicode_escape(line).unwrap_or_else(|_| line.to_vec());
                self.memory.text(&text)
            }
            (Opcode::String, Operand::Line(line)) => {
                let text = string_literal(line).unwrap_or_else(|_| line.to_vec());
                self.py2_text(&text)
            }
            (Opcode::Global, Operand::Named(slot)) => slot,
            _ => Slot::Other,
        }
    }

    /// Python 2's text. What is not ASCII depends on the unpickler's `encoding`, so that it is no name to rely on.
    fn py2_text(&mut self, bytes: &[u8]) -> Slot {
        if bytes.is_ascii() { self.memory.text(bytes) } else { Slot::Unknown }
    }

    #[inline(never)]
    fn stack_global(&mut self, names: &mut NameList) -> Result<(), &'static str> {
        let values = self.memory.stack.values(2).ok_or(UNDERFLOW)?;
        let (module, name) = match *values {
            [module, name] => (module, name),
            [name] => (Slot::Unknown, name),
            _ => (Slot::Unknown, Slot::Unknown),
        };
        let slot = match (self.memory.get_text(module), self.memory.get_text(name)) {
            (Some(module), Some(name)) => {
                let (module, name) = (module.into_owned(), name.into_owned());
                self.name(&module, &name, names)
            }
            (module_text, name_text)
                if (module_text.is_some() || module.may_be_text())
                    && (name_text.is_some() || name.may_be_text()) =>
            {
                names.add(UNKNOWN_NAME, self.offset);
                Slot::Unknown
            }
            _ => return Err(NO_TEXT),
        };
        self.memory.note_use(module);
        self.memory.note_use(name);
        self.memory.stack.drop(2);
        self.memory.stack.push(slot);
        Ok(())
    }

    /// PROTO and FRAME touch no stack. PROTO may stand anywhere, and every unpickler refuses a protocol above its own: 5
    /// for the newest ones, 2 for Python 2.
    fn header(&mut self, opcode: Opcode, argument: Operand<'_>) {
        let Operand::Number(number) = argument else { return };
        if opcode == Opcode::Frame {
            // A FRAME in another one is in what the C unpickler has read already.
            self.frame_end = self.frame_end.max(self.position.saturating_add(number));
        } else if number > 5 {
            self.stop_all(PROTOCOL);
        } else {
            self.two &= number <= 2;
            self.check();
        }
    }

    /// What an opcode does to Python 2, where Python 3 has stopped.
    ///
    /// Protocol 2 has no STACK_GLOBAL, so that no name depends on what lies on the stack. All that matters is whether
    /// some unpickler of Python 2 is still reading: it stops where the stack is too short, where there was never a MARK
    /// but one is needed, and where the memo is empty. Its C unpickler drops objects from below a MARK, its Python one
    /// takes MARKs for objects, so that nothing else stops both for sure.
    fn act_two(&mut self, opcode: Opcode, argument: Operand<'_>, names: &mut NameList) {
        match (opcode, argument) {
            (Opcode::Proto, _) => return self.header(opcode, argument),
            (_, Operand::Later) => return,
            _ => self.note(opcode, argument, names),
        }
        // What it needs on the stack, what it takes at least, and what it leaves: `at_most` stays a bound from above,
        // because from each of Python 2's unpicklers the one is taken that needs and takes less.
        let (needs, takes, gives) = match opcode {
            Opcode::Mark => {
                self.had_mark = true;
                (0, 0, 1)
            }
            Opcode::Stop | Opcode::Pop => (1, 1, 0),
            Opcode::PopMark | Opcode::Tuple | Opcode::List | Opcode::Dict | Opcode::Obj | Opcode::Inst => {
                self.two &= self.had_mark;
                (1, 1, u64::from(opcode != Opcode::PopMark))
            }
            Opcode::Appends | Opcode::Setitems => {
                self.two &= self.had_mark;
                (2, 1, 0)
            }
            Opcode::Dup => (1, 0, 1),
            Opcode::Tuple1 | Opcode::Binpersid => (1, 1, 1),
            Opcode::Tuple2 | Opcode::Reduce | Opcode::Newobj => (2, 2, 1),
            Opcode::Tuple3 => (3, 3, 1),
            Opcode::Append | Opcode::Build => (2, 1, 0),
            Opcode::Setitem => (3, 2, 0),
            Opcode::Put | Opcode::Binput | Opcode::LongBinput => {
                self.had_put = true;
                (1, 0, 0)
            }
            Opcode::Get | Opcode::Binget | Opcode::LongBinget => {
                self.two &= self.had_put || !self.is_first;
                (0, 0, 1)
            }
            _ => (0, 0, 1),
        };
        self.two &= self.at_most >= needs;
        self.at_most = self.at_most.saturating_sub(takes).saturating_add(gives);
        if self.two && opcode == Opcode::Stop {
            self.end(true);
        }
        self.check();
    }
}

/// The memo index in an argument.
#[inline]
fn index(argument: Operand<'_>) -> Option<u64> {
    match argument {
        Operand::Number(index) => Some(index),
        Operand::Line(line) => index_as_c_reads(line),
        _ => None,
    }
}

/// A module and a name in it.
fn full_name(module: &str, name: &str) -> String {
    format!("{module}.{name}")
}
