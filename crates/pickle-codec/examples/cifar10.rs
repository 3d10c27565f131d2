//! A batch of CIFAR-10: a dict with keys of bytes and a numpy array, read without numpy.

use pickle_codec::{DecodeOptions, Globals, from_slice_with};
use serde::Deserialize;

/// Two pictures of three bytes each, in the form of the dataset's `data_batch_1`.
const BATCH: &[u8] =
    b"\x80\x03}q\0(C\x0bbatch_labelq\x01C\x15training batch 1 of 5q\x02C\x06labelsq\x03]q\x04(K\x06K\
    \x09eC\x04dataq\x05cnumpy.core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\0\x85q\x08\
    C\x01bq\x09\x87q\nRq\x0b(K\x01K\x02K\x03\x86q\x0ccnumpy\ndtype\nq\x0dX\x02\0\0\0u1q\x0e\x89\x88\
    \x87q\x0fRq\x10(K\x03X\x01\0\0\0|q\x11NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tq\x12b\x89C\x06;+\
    2\x9a~iq\x13tq\x14bC\x09filenamesq\x15]q\x16(C(leptodactylus_pentadactylus_s_000004.pngq\x17C\
    \x13camion_s_000148.pngq\x18eu.";

#[derive(Debug, Deserialize)]
struct Batch {
    batch_label: String,
    labels: Vec<u8>,
    data: Array,
    filenames: Vec<String>,
}

/// An array by the names that `numpy.ndarray` has for its parts.
#[derive(Debug, Deserialize)]
struct Array {
    shape: (usize, usize),
    dtype: String,
    #[serde(rename = "buffer", with = "serde_bytes")]
    data: Vec<u8>,
    order: char,
}

pub(crate) fn main() -> Result<(), pickle_codec::Error> {
    let options = DecodeOptions::new()
        .globals(Globals::Known)
        .allow("numpy.core.multiarray._reconstruct")
        .allow("numpy.ndarray")
        .allow("numpy.dtype");
    let batch: Batch = from_slice_with(BATCH, &options)?;
    assert_eq!(batch.batch_label, "training batch 1 of 5");
    assert_eq!(batch.labels, [6, 9]);
    assert_eq!(batch.filenames[1], "camion_s_000148.png");
    let Array { shape: (pictures, size), dtype, data, order } = &batch.data;
    assert_eq!((*pictures, *size, dtype.as_str(), *order), (2, 3, "|u1", 'C'));
    let second = data.chunks(*size).nth(1);
    assert_eq!(second, Some(&[154, 126, 105][..]));
    Ok(())
}
