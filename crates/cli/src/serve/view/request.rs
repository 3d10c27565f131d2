//! What a viewer asks for.

use logrecord_spool::RunId;

use super::filter::Filter;

/// Records that a stream begins with, if it does not ask for another number.
const HISTORY: usize = 1_000;

/// The most records that a stream begins with.
const MAX_HISTORY: usize = 200_000;

/// A place in the log that outlives a connection: the run that wrote the record, and its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) run: RunId,
    pub(super) index: u64,
}

impl Place {
    /// Reads `RUN-INDEX`.
    fn parse(text: &str) -> Option<Self> {
        let (run, index) = text.split_once('-')?;
        let run = u64::from_str_radix(run, 16).ok().filter(|_| run.len() == 16)?;
        Some(Self { run: run.to_be_bytes(), index: index.parse().ok()? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{}", u64::from_be_bytes(self.run), self.index)
    }
}

/// What a viewer asks for.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) filter: Filter,
    /// The last event that the viewer has had, which tells whether its numbers are those of this log.
    pub(super) seen: Option<Place>,
    /// Records behind this one are wanted: behind the last event, if it is not said otherwise.
    pub(super) after: Option<u64>,
    /// Records behind this one are counted: behind the last event, if it is not said otherwise.
    pub(super) counted: Option<u64>,
    /// How many records that are there already are wanted, the newest ones.
    pub(super) history: usize,
}

impl Request {
    /// Reads a query: `q`, `seen`, `after`, `counted`, `history`. The place that a browser gives when it comes again counts
    /// more than the one in its query.
    pub(super) fn parse(query: &str, last_event: Option<&str>, now: f64) -> Result<Self, String> {
        let mut request = Self { history: HISTORY, ..Self::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode(value).ok_or_else(|| format!("{name}: not UTF-8"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{name}: not a number"));
            match name {
                "q" => request.filter = Filter::parse(&value, now)?,
                "seen" => request.seen = Some(Place::parse(&value).ok_or("seen: not the id of an event")?),
                "after" => request.after = Some(number()?),
                "counted" => request.counted = Some(number()?),
                "history" => {
                    request.history = usize::try_from(number()?).unwrap_or(MAX_HISTORY).min(MAX_HISTORY);
                }
                _ => return Err(format!("{name}: there are q, seen, after, counted and history")),
            }
        }
        if let Some(place) = last_event.and_then(Place::parse) {
            (request.seen, request.after, request.counted) = (Some(place), None, None);
        }
        Ok(request)
    }
}

/// Undoes `%41` and `+`. `None` if the bytes are no text.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        let digits = more.split_at_checked(2).and_then(|(digits, behind)| {
            let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, behind))
        });
        match (first, digits) {
            (b'%', Some((byte, behind))) => {
                bytes.push(byte);
                rest = behind;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back() {
        let place = Place { run: [0xab, 0, 0, 0, 0, 0, 0, 1], index: 42 };
        assert_eq!(place.to_string(), "ab00000000000001-42");
        assert_eq!(Place::parse("ab00000000000001-42"), Some(place));
        for wrong in ["", "-", "1-1", "ab00000000000001", "ab00000000000001-x", "gb00000000000001-1"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn queries_are_read_or_refused() {
        let request =
            Request::parse("q=level%3Aerror+%22a%20b%22&history=9999999999&counted=7", None, 0.0).unwrap();
        assert_eq!(request.filter, Filter::parse("level:error \"a b\"", 0.0).unwrap());
        assert_eq!((request.history, request.counted, request.seen), (MAX_HISTORY, Some(7), None));
        let again = Request::parse("counted=1", Some("0000000000000001-5"), 0.0).unwrap();
        assert_eq!((again.counted, again.seen.map(|place| place.index)), (None, Some(5)));
        for wrong in ["history=x", "seen=1", "after=x", "since=1", "q=level:loud", "q=%ff"] {
            assert!(Request::parse(wrong, None, 0.0).is_err(), "{wrong}");
        }
        for (text, decoded) in [("a%41%zz%4", "aA%zz%4"), ("%+1", "% 1"), ("%C3%A4", "ä")] {
            assert_eq!(percent_decode(text).as_deref(), Some(decoded));
        }
    }
}
