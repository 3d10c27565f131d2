//! The `tzinfo` of a time: what a pickle says of it.
//!
//! A `datetime.timezone` is its offset. The zones of other libraries are never run either, but the common ones
//! pickle the offset that holds for the time at hand, and a time with its offset is worth more to a reader than
//! one with the name of a class:
//!
//! | class | what it is called with, or has as its state |
//! |---|---|
//! | `pytz._p` | name, seconds from UTC, seconds of summer time, abbreviation (`pytz/tzinfo.py`) |
//! | `pytz.FixedOffset` | minutes from UTC |
//! | `pytz._UTC`, `dateutil.tz.tz.tzutc`, `iso8601.iso8601.Utc` | nothing: UTC |
//! | `dateutil.tz.tz.tzoffset` and any other class | a timedelta as its first argument or as the one attribute that is named after an offset |
//!
//! Zones with a table of changes (`tzfile`, `tzlocal`) do not say which of their offsets holds.

use super::calendar::{TimeDelta, UtcOffset, Zone};
use super::reading::{global_name, offset, small_int, timedelta};
use crate::document::{Document, Instance, KnownClass, Node, NodeId};

/// The zone of a time, unless it is `None`.
pub(super) fn zone<'d, 'a>(document: &'d Document<'a>, id: Option<NodeId>) -> Option<Zone<'d, 'a>> {
    let id = id.filter(|&id| id != NodeId::NONE)?;
    let fixed = document.instance(id).and_then(|zone| match zone.known {
        Some(KnownClass::TimeZone) => offset(document, zone),
        Some(KnownClass::ZoneInfo) => None,
        _ => foreign_offset(document, zone),
    });
    Some(fixed.map_or_else(|| Zone::Other(document.node(id)), Zone::Fixed))
}

/// The offset that the zone of another library was pickled with.
fn foreign_offset(document: &Document<'_>, zone: &Instance) -> Option<UtcOffset> {
    let args = document.items(zone.args);
    let number = |place: usize| small_int(document, *args.get(place)?);
    let (mut module, mut name) = global_name(document, zone.class)?;
    if name.as_str() == Some("_reconstructor") {
        // Protocols 0 and 1 make an instance of a subclass of `tzinfo` so.
        (module, name) = global_name(document, *args.first()?)?;
    }
    let seconds = match (module.as_str()?, name.as_str()?) {
        ("pytz", "_UTC") | ("dateutil.tz.tz", "tzutc") | ("iso8601.iso8601", "Utc") => 0,
        ("pytz", "_p") => number(1)?,
        ("pytz", "FixedOffset") => number(0)?.checked_mul(60)?,
        _ => {
            let first = args.first().and_then(|&first| delta(document, first));
            return first.or_else(|| state_offset(document, zone));
        }
    };
    let (days, seconds) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    TimeDelta::read(days, seconds, 0)?.to_utc_offset()
}

/// The one attribute whose name ends in `offset`: with several, such as those of summer and winter, none holds.
fn state_offset(document: &Document<'_>, zone: &Instance) -> Option<UtcOffset> {
    let Node::Dict(attributes) = document.node(zone.state).view() else { return None };
    let is_offset = |name: Node<'_, '_>| match name {
        Node::Str(name) => name.as_str().is_some_and(|name| name.ends_with("offset")),
        _ => false,
    };
    let mut offsets = attributes.iter().filter(|(name, _)| is_offset(name.view()));
    let (_, only) = offsets.next()?;
    if offsets.next().is_some() { None } else { delta(document, only.id()) }
}

/// A timedelta as an offset, if it is shorter than a day.
pub(super) fn delta(document: &Document<'_>, id: NodeId) -> Option<UtcOffset> {
    let delta = document.instance(id).filter(|delta| delta.known == Some(KnownClass::TimeDelta))?;
    timedelta(document, delta)?.to_utc_offset()
}
