//! The standard-library types that are plain data: their names, the shapes that are read, and the
//! readings.
//!
//! Nothing here calls anything. A shape is what CPython 2.7 and 3.6 to 3.13 writes for an object of
//! the type; any other call of the same name has no reading, which [`Globals::Known`] refuses.
//!
//! [`Globals::Known`]: crate::Globals::Known

mod calendar;
mod names;
mod numpy;
mod path;
mod reading;
mod zone;

pub use calendar::{Date, Time, TimeDelta, UtcOffset, Zone};
#[cfg(feature = "json")]
pub(crate) use names::member;
pub(crate) use names::{canonical, lookup, names_outer, owns_module_text, shown};
pub(crate) use numpy::{Dtype, NumpyScalar};
pub use reading::Known;
pub(crate) use reading::{
    allowed_reading, equality_parts, global_name, is_global, is_int, is_sound, role, small_int, takes_items,
    takes_pairs, with_state, word,
};
