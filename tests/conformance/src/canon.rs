//! The canonical form in which two decoders' values are compared.
//!
//! It is the form that `unpickle.py` writes: values only, members of a set sorted, and a cycle as the
//! distance to the container that it closes. Sharing shows only through what it does to values.

use pickle_codec::{Items, Node, NodeId, NodeRef, Str};

/// More nodes than this are not written, here and by the script.
pub const BUDGET: usize = 20_000;

/// Why there is no form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a test matches both")]
pub enum NoForm {
    /// More nodes than the budget.
    TooBig,
    /// A node that stands for a name or a call.
    Object,
}

/// Writes the form of one node and all below it, unless they are more than `budget`.
///
/// # Errors
///
/// When there is no form.
pub fn form(root: NodeRef<'_, '_>, budget: usize) -> Result<Vec<u8>, NoForm> {
    let mut writer = Writer { left: budget, path: Vec::new() };
    let mut out = Vec::new();
    writer.form(root, &mut out)?;
    Ok(out)
}

struct Writer {
    left: usize,
    path: Vec<NodeId>,
}

impl Writer {
    fn form(&mut self, node: NodeRef<'_, '_>, out: &mut Vec<u8>) -> Result<(), NoForm> {
        self.charge(1)?;
        let (name, items) = match node.view() {
            Node::None => return plain(out, b"N"),
            Node::Bool(value) => return plain(out, if value { b"T" } else { b"F" }),
            Node::Int(value) => {
                return plain(out, int(value < 0, format!("{:x}", value.unsigned_abs())).as_bytes());
            }
            Node::BigInt(value) => {
                let digits = value.to_bigint().magnitude().to_str_radix(16);
                return plain(out, int(value.is_negative(), digits).as_bytes());
            }
            Node::Float(value) => return plain(out, format!("f{:016x}", value.to_bits()).as_bytes()),
            Node::Str(text) => return self.long(out, 's', text.as_bytes()),
            Node::Bytes(bytes) => return self.long(out, 'b', bytes),
            Node::ByteArray(bytes) => return self.long(out, 'a', bytes),
            Node::List(items) => (b'l', Some(items)),
            Node::Tuple(items) => (b't', Some(items)),
            Node::Set(items) => (b'S', Some(items)),
            Node::FrozenSet(items) => (b'Z', Some(items)),
            Node::Dict(_) => (b'd', None),
            _ => return Err(NoForm::Object),
        };
        if let Some(distance) = self.path.iter().rev().position(|id| *id == node.id()) {
            return plain(out, format!("^{distance};").as_bytes());
        }
        self.path.push(node.id());
        out.extend([name, b'(']);
        match (node.view(), items) {
            (Node::Dict(pairs), _) => {
                for (key, value) in pairs.iter() {
                    self.form(key, out)?;
                    self.form(value, out)?;
                }
            }
            (Node::Set(_) | Node::FrozenSet(_), Some(items)) => self.members(items, out)?,
            (_, items) => {
                for item in items.iter().flat_map(|items| items.iter()) {
                    self.form(item, out)?;
                }
            }
        }
        self.path.pop();
        out.push(b')');
        Ok(())
    }

    fn charge(&mut self, cost: usize) -> Result<(), NoForm> {
        self.left = self.left.checked_sub(cost).ok_or(NoForm::TooBig)?;
        Ok(())
    }

    /// Text and bytes cost what they are long, or a shared one could be written out without end.
    fn long(&mut self, out: &mut Vec<u8>, name: char, bytes: &[u8]) -> Result<(), NoForm> {
        self.charge(bytes.len() / 256)?;
        counted(out, name, bytes);
        Ok(())
    }

    fn members(&mut self, items: Items<'_, '_>, out: &mut Vec<u8>) -> Result<(), NoForm> {
        let mut members = Vec::new();
        for item in items.iter() {
            let mut member = Vec::new();
            self.form(item, &mut member)?;
            members.push(member);
        }
        members.sort();
        out.extend(members.concat());
        Ok(())
    }
}

/// An integer in hexadecimal, which is linear to write however long it is.
#[must_use]
pub fn int(negative: bool, digits: String) -> String {
    format!("i{}{digits};", if negative { "-" } else { "" })
}

fn plain(out: &mut Vec<u8>, text: &[u8]) -> Result<(), NoForm> {
    out.extend_from_slice(text);
    Ok(())
}

/// Text or bytes behind their length.
pub fn counted(out: &mut Vec<u8>, name: char, bytes: &[u8]) {
    out.extend_from_slice(format!("{name}{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

/// The form as a person can read it, cut to a line.
#[must_use]
pub fn shown(form: &[u8]) -> String {
    let text: String = Str::Wtf8(form).to_string_lossy();
    text.chars().take(160).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::{BUDGET, NoForm, form};

    fn of(pickle: &[u8]) -> Result<String, NoForm> {
        let document = pickle_codec::decode(pickle).unwrap();
        form(document.root(), BUDGET).map(|form| String::from_utf8(form).unwrap())
    }

    #[test]
    fn forms_are_those_of_the_script() {
        assert_eq!(of(b"]q\x00(K\x01J\xff\xff\xff\xffNe."), Ok("l(i1;i-1;N)".to_owned()));
        assert_eq!(of(b"]q\x00h\x00a."), Ok("l(^0;)".to_owned()));
        assert_eq!(
            of(b"}X\x01\x00\x00\x00aG\x3f\xf8\x00\x00\x00\x00\x00\x00s."),
            Ok("d(s1:af3ff8000000000000)".to_owned())
        );
        assert_eq!(of(b"\x80\x04\x8f(K\x02K\x01\x90."), Ok("S(i1;i2;)".to_owned()));
        assert_eq!(
            of(b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."),
            Ok("i10000000000000000;".to_owned())
        );
    }
}
