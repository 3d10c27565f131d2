//! Hostile pickles, made by code: what memory, time and panics are tried with.
//!
//! A family makes a pickle of any size. Most are one kind of value in one kind of place, which gives every opcode
//! in every place where it can be repeated; the others are shapes of their own.

pub mod encodings;
pub mod shapes;
pub mod values;

/// Pickles of one shape, of any size.
#[allow(missing_debug_implementations, reason = "it holds a function")]
pub struct Family {
    /// What it is.
    pub name: String,
    /// An object is referred to again, so that its expansion is bounded by a budget only.
    pub shares: bool,
    /// Makes one of so many units.
    pub make: Box<dyn Fn(usize) -> Vec<u8>>,
}

/// Every family.
#[must_use]
pub fn families() -> Vec<Family> {
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
