//! What numpy pickles, described: a scalar as the number or text that it is, an array by its parts.
//!
//! numpy makes an array by functions of its own and fills it by BUILD, and a scalar from raw bytes. A reader
//! would have to know those functions, so they are read here, where every name stands that the policy lets
//! stand. An array becomes the call `numpy.ndarray(shape=(2, 3), dtype="<f8", buffer=b"...", order="C")`,
//! which says the same in Python and gives the same array there; the bytes stay where they are.
//!
//! What has to agree is checked: the shape times the size of an item is the length of the bytes, and the type is one
//! that says by itself what an item is. Structures and arrays of Python objects stay the calls that they are.

use alloc::vec::Vec;

use super::machine::{StackMachine, Stepped};
use crate::build::keys::KeyWork;
use crate::document::{Construct, Document, Instance, KnownClass, NodeId, ObjectRepr};
use crate::known::{Dtype, NumpyScalar, global_name};
use crate::wire::text::Str;

impl<'a> StackMachine<'_, 'a> {
    /// A call of a function of numpy's, where it makes a scalar or an array that can be said.
    pub(super) fn numpy_call(&mut self, class: NodeId, args: NodeId) -> Stepped<Option<NodeId>> {
        let document = &self.builder.document;
        match (self.numpy_function(class), document.items(args)) {
            (Some("scalar"), &[dtype, bytes]) => self.numpy_scalar(dtype, bytes),
            (Some("_frombuffer"), &[buffer, dtype, shape, order]) => {
                let order = match document.text(order).and_then(Str::as_str) {
                    Some("C") => "C",
                    Some("F") => "F",
                    _ => return Ok(None),
                };
                let Some(kwargs) = self.array_parts(shape, dtype, buffer, order)? else { return Ok(None) };
                let class = self.global_of("numpy", "ndarray", Some(KnownClass::Allowed))?;
                let array = Instance::new(class, Construct::New, NodeId::EMPTY_TUPLE, kwargs);
                self.builder.instance(array).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The name of a function in one of numpy's modules that its pickles call.
    fn numpy_function(&self, class: NodeId) -> Option<&str> {
        const MODULES: [&str; 4] =
            ["numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric"];
        let document = &self.builder.document;
        let ([module, name], _) = document.global(class)?;
        let is_numpy = MODULES.contains(&document.text(module)?.as_str()?);
        if is_numpy { document.text(name)?.as_str() } else { None }
    }

    /// The state of an array that `_reconstruct` began: version, shape, type, whether it is in Fortran's
    /// order, and its bytes. Tells whether the object has become the call that says them.
    pub(super) fn numpy_state(
        &mut self,
        target: NodeId,
        instance: &Instance,
        state: NodeId,
    ) -> Stepped<bool> {
        let document = &self.builder.document;
        let (&[class, ..], &[version, shape, dtype, fortran, buffer]) =
            (document.items(instance.args), document.items(state))
        else {
            return Ok(false);
        };
        let is_array = NodeId::small(1) == Some(version)
            && self.numpy_function(instance.class) == Some("_reconstruct")
            && global_name(document, class) == Some((Str::Utf8("numpy"), Str::Utf8("ndarray")));
        let order = match fortran {
            NodeId::FALSE => "C",
            NodeId::TRUE => "F",
            _ => return Ok(false),
        };
        if !is_array {
            return Ok(false);
        }
        let Some(kwargs) = self.array_parts(shape, dtype, buffer, order)? else { return Ok(false) };
        if let Some(place) = self.builder.instance_mut(target) {
            *place =
                Instance { construct: Construct::New, class, args: NodeId::EMPTY_TUPLE, kwargs, ..*instance };
        }
        self.builder.deepen(target, kwargs)?;
        Ok(true)
    }

    /// The parts of an array by the names that `numpy.ndarray` has for them, or `None` if its type cannot be
    /// said or its bytes are not as many as it takes.
    fn array_parts(
        &mut self,
        shape: NodeId,
        dtype: NodeId,
        buffer: NodeId,
        order: &'static str,
    ) -> Stepped<Option<NodeId>> {
        let document = &self.builder.document;
        let Some(dtype) = Dtype::read(document, dtype) else { return Ok(None) };
        let Some(len) = dtype.array_len(document, shape) else { return Ok(None) };
        let text = dtype.text();
        let is_out_of_band = matches!(document.object(buffer), Some(ObjectRepr::Buffer(..)));
        let found = document.bytearray(buffer).or_else(|| document.byte_string(buffer)).map(<[u8]>::len);
        let buffer = match found {
            _ if is_out_of_band => buffer,
            Some(found) if found == len => buffer,
            Some(_) => return Ok(None),
            // Python 2's `str`, which was read as text.
            None => match raw_bytes(document, &mut self.builder.work, buffer, len)? {
                Some(bytes) => self.builder.owned_bytes(&bytes)?,
                None => return Ok(None),
            },
        };
        let dtype = self.builder.owned_str(&text)?;
        let order = self.builder.str(order)?;
        let mut parts = [NodeId::NONE; 8];
        let named = [("shape", shape), ("dtype", dtype), ("buffer", buffer), ("order", order)];
        for (pair, (name, part)) in parts.chunks_exact_mut(2).zip(named) {
            pair.copy_from_slice(&[self.builder.str(name)?, part]);
        }
        let kwargs = self.builder.empty_dict()?;
        self.builder.set_items(kwargs, &parts)?;
        Ok(Some(kwargs))
    }

    /// `scalar(dtype, bytes)`: the number or the text that it is.
    fn numpy_scalar(&mut self, dtype: NodeId, bytes: NodeId) -> Stepped<Option<NodeId>> {
        let document = &self.builder.document;
        let Some(dtype) = Dtype::read(document, dtype) else { return Ok(None) };
        let bytes = raw_bytes(document, &mut self.builder.work, bytes, dtype.size())?;
        let scalar = bytes.and_then(|bytes| dtype.scalar(&bytes));
        let Some(scalar) = scalar else { return Ok(None) };
        Ok(Some(match scalar {
            NumpyScalar::Bool(true) => NodeId::TRUE,
            NumpyScalar::Bool(false) => NodeId::FALSE,
            NumpyScalar::Int(value) => self.builder.int(value)?,
            NumpyScalar::Uint(value) => match i64::try_from(value) {
                Ok(value) => self.builder.int(value)?,
                // A ninth byte, for the sign.
                Err(_) => self.builder.int_owned(&u128::from(value).to_le_bytes()[..9])?,
            },
            NumpyScalar::Float(value) => self.builder.float(value)?,
            NumpyScalar::Complex(real, imaginary) => {
                let class = self.global_of("builtins", "complex", Some(KnownClass::Complex))?;
                let parts = [self.builder.float(real)?, self.builder.float(imaginary)?];
                let args = self.builder.tuple(&parts)?;
                let complex = Instance::new(class, Construct::Call, args, NodeId::ABSENT);
                self.builder.instance(Instance { known: Some(KnownClass::Complex), ..complex })?
            }
            NumpyScalar::Text(text) => self.owned_text(&text)?,
            NumpyScalar::Bytes(bytes) => self.builder.owned_bytes(&bytes)?,
            NumpyScalar::Time(name, count, unit) => {
                let class = self.global_of("numpy", name, Some(KnownClass::Allowed))?;
                let count = match count {
                    Some(count) => self.builder.int(count)?,
                    None => self.builder.str("NaT")?,
                };
                let unit = self.builder.owned_str(&unit)?;
                let args = self.builder.tuple(&[count, unit])?;
                self.builder.instance(Instance::new(class, Construct::Call, args, NodeId::ABSENT))?
            }
        }))
    }
}

/// A copy of bytes, if they are so many. Python 2's `str` may have been read as text, by UTF-8 or by Latin-1:
/// the length tells which.
fn raw_bytes(
    document: &Document<'_>,
    work: &mut KeyWork,
    id: NodeId,
    len: usize,
) -> Stepped<Option<Vec<u8>>> {
    let text = document.text(id);
    let Some(bytes) = text.map(Str::as_bytes).or_else(|| document.byte_string(id)) else { return Ok(None) };
    if bytes.len() == len {
        // One text may be the bytes of many objects, and is copied for each.
        work.charge(len)?;
        return Ok(Some(bytes.to_vec()));
    }
    let Some(text) = text.filter(|_| bytes.len() <= len.saturating_mul(2)) else { return Ok(None) };
    work.charge(bytes.len())?;
    let bytes: Option<Vec<u8>> = text.code_points().map(|point| u8::try_from(point).ok()).collect();
    Ok(bytes.filter(|bytes| bytes.len() == len))
}
