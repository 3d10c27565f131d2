//! Hostile pickles, made by code: what memory, time and panics are tried with.
//!
//! A family makes a pickle of any size. Most are one kind of value in one kind of place, which gives every opcode
//! in every place where it can be repeated; the others are shapes of their own.
#![allow(dead_code, reason = "each program that includes this uses its own part")]

pub(crate) mod encodings;
pub(crate) mod shapes;
pub(crate) mod values;

/// Pickles of one shape, of any size.
pub(crate) struct Family {
    pub(crate) name: String,
    /// An object is referred to again, so that its expansion is bounded by a budget only.
    pub(crate) shares: bool,
    pub(crate) make: Box<dyn Fn(usize) -> Vec<u8>>,
}

/// Every family.
pub(crate) fn families() -> Vec<Family> {
    let mut all = shapes::families();
    for (value, one) in values::VALUES {
        for (place, many) in values::PLACES {
            let make = Box::new(move |count: usize| {
                let parts: Vec<Vec<u8>> = (0..count).map(one).collect();
                many(&parts)
            });
            all.push(Family { name: format!("{value} {place}"), shares: false, make });
        }
    }
    all
}
