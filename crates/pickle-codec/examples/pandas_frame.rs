//! A table of pandas, read without pandas: `DataFrame.to_pickle` describes a table by blocks of columns of one type,
//! each a numpy array, and by the two indexes of its axes.

use std::collections::BTreeMap;

use pickle_codec::{
    DecodeOptions, Error, ErrorKind, Globals, Value, from_slice, from_slice_with, from_value,
};
use serde::Deserialize;

/// `DataFrame({"city": ["Bergen", "Oslo"], "rain": [2.5, 0.75], "days": [19, 11]})`, by pandas 3.1.
const TABLE: &[u8] =
    b"\x80\x04\x95+\x03\0\0\0\0\0\0\x8c\x06pandas\x94\x8c\x09DataFrame\x94\x93\x94)\x81\x94}\x94(\x8c\
    \x04_mgr\x94\x8c\x1epandas.core.internals.managers\x94\x8c\x0cBlockManager\x94\x93\x94\x8c\x16pand\
    as._libs.internals\x94\x8c\x0f_unpickle_block\x94\x93\x94\x8c\x16numpy._core.multiarray\x94\x8c\
    \x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\0\x85\x94C\x01b\x94\x87\
    \x94R\x94(K\x01K\x01K\x02\x86\x94h\x0f\x8c\x05dtype\x94\x93\x94\x8c\x02O8\x94\x89\x88\x87\x94R\x94\
    (K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?t\x94b\x89]\x94(\x8c\x06Bergen\x94\x8c\
    \x04Oslo\x94et\x94b\x8c\x08builtins\x94\x8c\x05slice\x94\x93\x94K\0K\x01K\x01\x87\x94R\x94K\x02\
    \x87\x94R\x94h\x0bh\x0eh\x11K\0\x85\x94h\x13\x87\x94R\x94(K\x01K\x01K\x02\x86\x94h\x18\x8c\x02f8\
    \x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0t\x94b\x89C\
    \x10\0\0\0\0\0\0\x04@\0\0\0\0\0\0\xe8?\x94t\x94bh$K\x01K\x02K\x01\x87\x94R\x94K\x02\x87\x94R\x94h\
    \x0bh\x0eh\x11K\0\x85\x94h\x13\x87\x94R\x94(K\x01K\x01K\x02\x86\x94h\x18\x8c\x02i8\x94\x89\x88\x87\
    \x94R\x94(K\x03h0NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0t\x94b\x89C\x10\x13\0\0\0\0\0\0\0\x0b\0\0\
    \0\0\0\0\0\x94t\x94bh$K\x02K\x03K\x01\x87\x94R\x94K\x02\x87\x94R\x94\x87\x94]\x94(\x8c\x18pandas.c\
    ore.indexes.base\x94\x8c\n_new_Index\x94\x93\x94h\0\x8c\x05Index\x94\x93\x94}\x94(\x8c\x04data\x94\
    h\x0eh\x11K\0\x85\x94h\x13\x87\x94R\x94(K\x01K\x03\x85\x94h\x1b\x89]\x94(\x8c\x04city\x94\x8c\x04r\
    ain\x94\x8c\x04days\x94et\x94b\x8c\x04name\x94Nu\x86\x94R\x94hJh\0\x8c\nRangeIndex\x94\x93\x94}\
    \x94(hXN\x8c\x05start\x94K\0\x8c\x04stop\x94K\x02\x8c\x04step\x94K\x01u\x86\x94R\x94e\x86\x94R\x94\
    \x8c\x04_typ\x94\x8c\x09dataframe\x94\x8c\x09_metadata\x94]\x94\x8c\x05attrs\x94}\x94\x8c\x06_flag\
    s\x94}\x94\x8c\x17allows_duplicate_labels\x94\x88sub.";

#[derive(Debug, PartialEq)]
enum Column {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
    Objects(Vec<Value<'static>>),
}

/// A table's attributes, of which there are more.
#[derive(Deserialize)]
struct Frame {
    _mgr: Manager,
}

/// The arguments of `BlockManager`: the blocks, and the indexes of columns and rows.
#[derive(Deserialize)]
struct Manager(Vec<Block>, (Index, Index));

/// The arguments of `_unpickle_block`: the values, which columns these are, and how many dimensions.
#[derive(Deserialize)]
struct Block(Value<'static>, (usize, usize, usize), u8);

/// The arguments of `_new_Index`: the class, and what makes it, which depends on the class.
#[derive(Deserialize)]
struct Index(String, BTreeMap<String, Value<'static>>);

/// An array of numbers, by the names that `numpy.ndarray` has for its parts.
#[derive(Deserialize)]
struct Array {
    shape: (usize, usize),
    dtype: String,
    #[serde(with = "serde_bytes")]
    buffer: Vec<u8>,
}

/// The items of an array of Python objects: its state is version, shape, type, order and a list.
fn objects<'v>(array: &'v Value<'static>) -> Option<&'v [Value<'static>]> {
    array.as_object()?.state.as_ref()?.get(4)?.as_list()
}

/// The columns of a block.
fn columns(values: &Value<'static>, width: usize) -> Result<Vec<Column>, Error> {
    if let Some(items) = objects(values) {
        return Ok(items
            .chunks(items.len() / width)
            .map(|column| Column::Objects(column.to_vec()))
            .collect());
    }
    let Array { shape: (_, rows), dtype, buffer } = from_value(values.clone())?;
    let columns = buffer.chunks(rows * 8);
    Ok(columns
        .map(|column| {
            let numbers = column.as_chunks::<8>().0.iter().copied();
            match dtype.as_str() {
                "<f8" => Column::Floats(numbers.map(f64::from_le_bytes).collect()),
                _ => Column::Integers(numbers.map(i64::from_le_bytes).collect()),
            }
        })
        .collect())
}

pub(crate) fn main() -> Result<(), Error> {
    // Nothing that is named is allowed unless you say so; described, nothing is called.
    assert_eq!(from_slice::<Frame>(TABLE).err().map(|error| error.kind()), Some(ErrorKind::Global));
    let options = DecodeOptions::new().globals(Globals::Inert);
    let Frame { _mgr: Manager(blocks, (names, rows)) } = from_slice_with(TABLE, &options)?;

    assert_eq!(names.0, "pandas.Index");
    let names: Vec<&str> =
        objects(&names.1["data"]).unwrap_or_default().iter().filter_map(Value::as_str).collect();
    assert_eq!(names, ["city", "rain", "days"]);
    assert_eq!((rows.0.as_str(), rows.1["stop"].as_i64()), ("pandas.RangeIndex", Some(2)));

    let mut table = BTreeMap::new();
    for Block(values, (start, stop, step), dimensions) in &blocks {
        assert_eq!(*dimensions, 2);
        let places = (*start..*stop).step_by(*step);
        let columns = columns(values, places.len())?;
        table.extend(places.filter_map(|place| names.get(place).copied()).zip(columns));
    }
    assert_eq!(table["city"], Column::Objects(vec!["Bergen".into(), "Oslo".into()]));
    assert_eq!(table["rain"], Column::Floats(vec![2.5, 0.75]));
    assert_eq!(table["days"], Column::Integers(vec![19, 11]));
    Ok(())
}
