//! Documents that own what they borrowed, so that they can outlive their input.
//!
//! Text and bytes that stand in the input are nodes of kinds without a buffer, so that they change their kind, and with
//! that their id, when they are copied. Everything that holds ids is gone through once.

use super::id::{Kind, NodeId};
use super::tables::{Borrowed, BytesRepr, Document, ObjectRepr, TextRepr};
use crate::wire::error::{Error, ErrorKind, Result};

/// Where text and bytes begin and how long they are, in one of the document's buffers.
type OwnedRun = (u32, u32);

fn run(start: usize, len: usize) -> Result<OwnedRun, ErrorKind> {
    let narrow = |value: usize| u32::try_from(value).map_err(|_| ErrorKind::Budget);
    narrow(start.saturating_add(len))?;
    Ok((narrow(start)?, narrow(len)?))
}

impl Document<'_> {
    /// Copies what is borrowed from the input, so that the document outlives it. Sharing stays.
    ///
    /// Ids of text and bytes that this document gave out before mean nothing in the new one.
    ///
    /// # Errors
    /// `budget` if the text or the bytes are more than 4 GiB.
    ///
    /// ```
    /// let document = {
    ///     let input = b"]X\x04\0\0\0spama.".to_vec();
    ///     pickle_codec::decode(&input)?.into_owned()?
    /// };
    /// assert_eq!(document.to_string(), "['spam']");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn into_owned(self) -> Result<Document<'static>> {
        self.owned().map_err(Error::plain)
    }

    fn owned(self) -> Result<Document<'static>, ErrorKind> {
        let (mut document, Borrowed { bigs, strs, texts, bytes, bytearrays }) = self.split();
        // Text and bytes in the input are nodes of kinds of their own, so that their ids change.
        let (first_text, first_blob) = (texts.len(), document.blobs.len());
        let moved = |id: NodeId| match id.kind() {
            Kind::Str => NodeId::new(Kind::Text, first_text + id.index()),
            Kind::Bytes => NodeId::new(Kind::Blob, first_blob + id.index()),
            _ => Ok(id),
        };
        let mut own = |bytes: &[u8]| {
            let run = run(document.owned_bytes.len(), bytes.len())?;
            document.owned_bytes.extend_from_slice(bytes);
            Ok::<_, ErrorKind>(run)
        };
        let mut own_repr = |repr: BytesRepr<'_>| {
            Ok::<_, ErrorKind>(match repr {
                BytesRepr::Owned { start, len } => BytesRepr::Owned { start, len },
                BytesRepr::Input(bytes) => {
                    let (start, len) = own(bytes)?;
                    BytesRepr::Owned { start, len }
                }
            })
        };
        document.bigs = bigs.into_iter().map(&mut own_repr).collect::<Result<_, _>>()?;
        document.bytearrays = bytearrays.into_iter().map(&mut own_repr).collect::<Result<_, _>>()?;
        let mut owned_texts = alloc::vec::Vec::with_capacity(texts.len() + strs.len());
        for text in texts {
            owned_texts.push(match text {
                TextRepr::Owned { start, len } => TextRepr::Owned { start, len },
                TextRepr::OwnedWtf8 { start, len } => TextRepr::OwnedWtf8 { start, len },
                TextRepr::Wtf8(bytes) => {
                    let (start, len) = own(bytes)?;
                    TextRepr::OwnedWtf8 { start, len }
                }
            });
        }
        for text in strs {
            let (start, len) = run(document.owned_text.len(), text.len())?;
            document.owned_text.push_str(text);
            owned_texts.push(TextRepr::Owned { start, len });
        }
        for bytes in bytes {
            let run = own(bytes)?;
            document.blobs.push(run);
        }
        for id in &mut document.pool {
            *id = moved(*id)?;
        }
        for object in &mut document.objects {
            match object {
                ObjectRepr::Global { module, name, .. } => {
                    *module = moved(*module)?;
                    *name = moved(*name)?;
                }
                ObjectRepr::Instance(instance) => {
                    instance.class = moved(instance.class)?;
                    instance.state = moved(instance.state)?;
                }
                ObjectRepr::PersistentId { value, .. } => *value = moved(*value)?,
                ObjectRepr::Extension(_) | ObjectRepr::Buffer(..) => {}
            }
        }
        document.root = super::tables::Root(moved(document.root.0)?);
        document.texts = owned_texts;
        Ok(document)
    }
}
