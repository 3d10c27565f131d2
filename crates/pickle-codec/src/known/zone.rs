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
//! | `tzoffset` and any other class | a timedelta as its first argument, or as its only attribute that is named after an offset |
//!
//! Zones with a table of changes (`tzfile`, `tzlocal`) do not say which of their offsets holds.

use super::calendar::{TimeDelta, UtcOffset, Zone};
use crate::document::{Document, Instance, KnownClass, Node, NodeId, NodeRef, Object};

/// The zone behind a packed time, if there is one; the outer `None` if what stands there can be none.
pub(super) fn zone<'d, 'a>(document: &'d Document<'a>, rest: &[NodeId]) -> Option<Option<Zone<'d, 'a>>> {
    let zone = match *rest {
        [] | [NodeId::NONE] => return Some(None),
        [id] => document.node(id),
        _ => return None,
    };
    let Node::Object(object) = zone.view() else { return None };
    let fixed = match object.instance.known {
        Some(KnownClass::TimeZone) => offset(document, &object.instance),
        Some(KnownClass::ZoneInfo) => None,
        // A class that the caller allowed, or any under `Globals::Inert`, may be a `tzinfo`.
        None | Some(KnownClass::Enum | KnownClass::Allowed) => foreign_offset(object),
        Some(_) => return None,
    };
    Some(Some(fixed.map_or(Zone::Other(zone), Zone::Fixed)))
}

/// The offset of a `datetime.timezone`.
pub(super) fn offset(document: &Document<'_>, instance: &Instance) -> Option<UtcOffset> {
    delta(document.node(*document.items(instance.args).first()?))
}

pub(super) fn timedelta(document: &Document<'_>, instance: &Instance) -> Option<TimeDelta> {
    let [days, seconds, micros] = document.items(instance.args) else { return None };
    let part = |id: NodeId| int(document.node(id));
    TimeDelta::read(part(*days)?, part(*seconds)?, part(*micros)?)
}

/// The offset that the zone of another library was pickled with.
fn foreign_offset(zone: Object<'_, '_>) -> Option<UtcOffset> {
    let number = |place: usize| int(zone.args().get(place)?);
    let (mut module, mut name) = zone.shown_class_name()?;
    if name.as_str() == Some("_reconstructor")
        && let Some(Node::Global(class_module, class_name)) = zone.args().get(0).map(NodeRef::view)
    {
        // Protocols 0 and 1 make an instance of a subclass of `tzinfo` so.
        (module, name) = (class_module, class_name);
    }
    let seconds = match (module.as_str()?, name.as_str()?) {
        ("pytz", "_UTC") | ("dateutil.tz.tz", "tzutc") | ("iso8601.iso8601", "Utc") => 0,
        ("pytz", "_p") => number(1)?,
        ("pytz", "FixedOffset") => number(0)?.checked_mul(60)?,
        _ => return zone.args().get(0).and_then(delta).or_else(|| state_offset(zone)),
    };
    TimeDelta::read(seconds.div_euclid(86_400), seconds.rem_euclid(86_400), 0)?.to_utc_offset()
}

/// The one attribute whose name ends in `offset`: with several, such as those of summer and winter, none holds.
fn state_offset(zone: Object<'_, '_>) -> Option<UtcOffset> {
    let Node::Dict(attributes) = zone.state()?.view() else { return None };
    let is_offset = |name: Node<'_, '_>| match name {
        Node::Str(name) => name.as_str().is_some_and(|name| name.ends_with("offset")),
        _ => false,
    };
    let mut offsets = attributes.iter().filter(|(name, _)| is_offset(name.view()));
    let (_, only) = offsets.next()?;
    if offsets.next().is_some() { None } else { delta(only) }
}

/// A timedelta as an offset, if it is shorter than a day.
fn delta(node: NodeRef<'_, '_>) -> Option<UtcOffset> {
    match node.view() {
        Node::Object(object) if object.instance.known == Some(KnownClass::TimeDelta) => {
            timedelta(object.document, &object.instance)?.to_utc_offset()
        }
        _ => None,
    }
}

fn int(node: NodeRef<'_, '_>) -> Option<i64> {
    match node.view() {
        Node::Int(value) => Some(value),
        _ => None,
    }
}
