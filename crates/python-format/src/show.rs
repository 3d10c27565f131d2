//! `str`, `repr` and `ascii` of values, with the errors that Python raises.

use std::borrow::Cow;

use pickle_codec::{Str, Value};

use crate::class::Integer;
use crate::error::FormatError;
use crate::output::{CUT, Extent, FLOAT_STEPS, Output};
use crate::text::Text;

/// Steps of beginning to print a container.
const PRINT_STEPS: usize = 2;

/// How a value becomes text: the conversions of `%s`, `%r` and `%a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversion {
    Str,
    Repr,
    Ascii,
}

/// Writes a value within its extent. What would be cut off is not made.
pub(crate) fn write_value(
    value: &Value<'_>,
    conversion: Conversion,
    extent: Extent,
    output: &mut Output<'_>,
) -> Result<(), FormatError> {
    if conversion == Conversion::Str {
        match value {
            Value::Str(text) => {
                write_text(&Text::from(&**text), extent, output);
                return Ok(());
            }
            Value::Wtf8(bytes) => {
                write_text(&Text::from(Str::Wtf8(bytes)), extent, output);
                return Ok(());
            }
            _ => {}
        }
    }
    if output.is_full() {
        return Ok(());
    }
    let mut digits = itoa::Buffer::new();
    let text = match value {
        Value::None => Text::from("None"),
        Value::Bool(true) => Text::from("True"),
        Value::Bool(false) => Text::from("False"),
        Value::Int(number) => Text::from(digits.format(*number)),
        Value::Float(_) => {
            output.spend(FLOAT_STEPS);
            // The longest float has 24 characters.
            let mut text = String::new();
            value
                .py_repr(&mut text, 64)
                .map_err(|_| FormatError::value_error("a float that cannot be written"))?;
            Text::from(text)
        }
        // On its own such an integer is refused as CPython refuses it; inside a container the
        // printer has a spelling that does not cost the whole text.
        Value::BigInt(_) => match Integer::of(value) {
            Some(integer) => {
                output.spend(integer.steps(10));
                Text::from(integer.decimal()?)
            }
            None => Text::EMPTY,
        },
        _ => {
            print_value(value, conversion, extent, output);
            return Ok(());
        }
    };
    write_text(&text, extent, output);
    Ok(())
}

/// Writes text within its extent.
pub(crate) fn write_text(text: &Text<'_>, extent: Extent, output: &mut Output<'_>) {
    if extent.width == 0 && extent.precision.is_none() && !output.safe {
        output.push_text(text);
    } else {
        output.push_field(text, extent);
    }
}

fn print_value(value: &Value<'_>, conversion: Conversion, extent: Extent, output: &mut Output<'_>) {
    output.spend(object_steps(value).saturating_add(PRINT_STEPS));
    if let Some(precision) = extent.precision {
        output.spend(text_steps(value, precision));
    }
    if output.is_full() {
        return;
    }
    let mut field = output.field(extent);
    let room = field.room();
    if room > 0 {
        let printed = match conversion {
            Conversion::Str => value.py_str(&mut field, room),
            Conversion::Repr => value.py_repr(&mut field, room),
            Conversion::Ascii => value.py_ascii(&mut field, room),
        };
        if printed.is_err() {
            field.cut();
        }
    }
    field.finish();
}

/// What the quotes of the texts cost that a precision lets through: for these a text is looked at to
/// its end, however little of it is written.
fn text_steps(value: &Value<'_>, precision: usize) -> usize {
    /// How many values are looked at; with more of them a precision lets so much through that it
    /// cannot be repeated often.
    const MOST: usize = 64;
    let (mut steps, mut seen) = (0_usize, 0);
    let mut open = vec![value];
    while let Some(value) = open.pop()
        && seen <= MOST.min(precision)
    {
        seen += 1;
        match value {
            Value::Str(text) => steps = steps.saturating_add(text.len() / 2048),
            Value::Wtf8(bytes) | Value::Bytes(bytes) | Value::ByteArray(bytes) => {
                steps = steps.saturating_add(bytes.len() / 2048);
            }
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                open.extend(items.iter().take(MOST).rev());
            }
            Value::Dict(pairs) => {
                open.extend(pairs.iter().take(MOST).rev().flat_map(|(key, value)| [value, key]));
            }
            Value::Object(object) => {
                steps = steps.saturating_add(object_steps(value));
                open.extend(object.args.iter().take(MOST).rev());
            }
            _ => {}
        }
    }
    steps
}

/// What reading an object of the standard library costs: it is built from its arguments each time.
pub(crate) fn object_steps(value: &Value<'_>) -> usize {
    /// Steps for one such object.
    const OBJECT: usize = 16;
    let Value::Object(object) = value else { return 0 };
    let len: usize = object.args.iter().map(|arg| arg.as_str().map_or(0, str::len)).sum();
    OBJECT.saturating_add(len / 64)
}

/// A value as text of at most `room` bytes, plain text of any length.
pub(crate) fn show<'v>(
    value: &'v Value<'_>,
    conversion: Conversion,
    room: usize,
) -> Result<Text<'v>, FormatError> {
    if conversion == Conversion::Str {
        match value {
            Value::Str(text) => return Ok(Text::from(&**text)),
            Value::Wtf8(bytes) => return Ok(Text::from(Str::Wtf8(bytes))),
            _ => {}
        }
    }
    let mut text = String::new();
    write_value(value, conversion, Extent::PLAIN, &mut Output::new(&mut text, room, 0, false))?;
    Ok(Text::from(text))
}

/// `str` of a value, of at most `room` bytes; text of any length.
///
/// # Errors
///
/// ValueError for an integer of more than 4,300 digits, as in Python.
pub fn text_of<'v>(value: Cow<'v, Value<'v>>, room: usize) -> Result<Text<'v>, FormatError> {
    match value {
        Cow::Borrowed(value) => show(value, Conversion::Str, room),
        Cow::Owned(Value::Str(text)) => Ok(Text::from(text)),
        Cow::Owned(value) => show(&value, Conversion::Str, room).map(Text::into_owned),
    }
}

/// `repr` of text, no more than a few thousand characters of it.
pub(crate) fn repr_str(text: &str) -> String {
    const ENOUGH: usize = 4096;
    let end = (0..=text.len().min(ENOUGH)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let mut out = String::new();
    let printed = Value::from(text.get(..end).unwrap_or_default()).py_repr(&mut out, ENOUGH);
    if printed.is_err() || end < text.len() {
        out.push_str(CUT);
    }
    out
}

#[cfg(test)]
mod tests {
    use pickle_codec::{DecodeOptions, Globals};

    use super::*;
    use crate::PercentFormat;

    const JSON_FAULT: &str = "Expecting value: line 3 column 2 (char 4)";
    const FAILED: &str = "Command '['ls']' returned non-zero exit status 2.";

    #[test]
    fn exceptions_and_flags_are_written_as_cpython_3_13_writes_them() {
        let group = "c__builtin__\nExceptionGroup\n(Vg\n(lcexceptions\nValueError\n(I1\ntRatR.";
        let decode = "cexceptions\nUnicodeDecodeError\n(Vutf-8\nc_codecs\nencode\n(V\\u00ffA\nVlatin1\ntRI0\nI1\nVr\ntR.";
        let encode = "cexceptions\nUnicodeEncodeError\n(Vascii\nV\\u00e9\\u0100\nI1\nI2\nVr\ntR.";
        let translate = "cexceptions\nUnicodeTranslateError\n(Vab\nI0\nI2\nVr\ntR.";
        let rows = [
            (group, "%s", "g (1 sub-exception)"),
            (group, "%r", "ExceptionGroup('g', [ValueError(1)])"),
            (group, "%22s|%.3s", "   g (1 sub-exception)|"),
            (decode, "%s", "'utf-8' codec can't decode byte 0xff in position 0: r"),
            (encode, "%s", "'ascii' codec can't encode character '\\u0100' in position 1: r"),
            (translate, "%s", "can't translate characters in position 0-1: r"),
            ("cexceptions\nSyntaxError\n(Vm\n(V/a/f.py\nI3\nI1\nVt\nttR.", "%s", "m (f.py, line 3)"),
            (
                "cjson.decoder\nJSONDecodeError\n(VExpecting value\nV{\\u000a\\u000a ,\nI4\ntR.",
                "%s",
                JSON_FAULT,
            ),
            ("curllib.error\nURLError\n(Vrefused\ntR.", "%s", "<urlopen error refused>"),
            ("csubprocess\nCalledProcessError\n(I2\n(lVls\natR.", "%s", FAILED),
            (
                "csubprocess\nCalledProcessError\n(I-15\nVls\ntR.",
                "%s",
                "Command 'ls' died with <Signals.SIGTERM: 15>.",
            ),
            (
                "csubprocess\nCalledProcessError\n(I-99\nVls\ntR.",
                "%s",
                "Command 'ls' died with unknown signal 99.",
            ),
            (
                "csubprocess\nTimeoutExpired\n(Vls\nF1.5\ntR.",
                "%s",
                "Command 'ls' timed out after 1.5 seconds",
            ),
            ("csocket\ngaierror\n(I-2\nVunknown\ntR.", "%s", "[Errno -2] unknown"),
            ("csocket\ntimeout\n(Vtimed out\ntR.", "%s", "timed out"),
            ("c__builtin__\nOSError\n(I18\nVCross\nVa\nNVb\ntR.", "%s", "[Errno 18] Cross: 'a' -> 'b'"),
            ("c__builtin__\nOSError\n(I18\nVCross\nVa\nNVb\ntR.", "%r", "OSError(18, 'Cross')"),
            ("c__builtin__\nOSError\n(I2\nVx\nNtR.", "%s", "[Errno 2] x"),
            ("c__builtin__\nOSError\n(I2\nVx\nNtR.", "%r", "FileNotFoundError(2, 'x', None)"),
            ("cbuiltins\nBlockingIOError\n(I11\nVx\nI3\ntR.", "%s", "[Errno 11] x"),
            ("cbuiltins\nBlockingIOError\n(I11\nVx\nI3\ntR.", "%r", "BlockingIOError(11, 'x', 3)"),
            ("cssl\nSSLError\n(I1\nVx\ntR.", "%s", "x"),
            ("cssl\nSSLError\n(Vx\ntR.", "%s", "('x',)"),
            ("cshutil\nSameFileError\n(I1\nVx\ntR.", "%s", "[Errno 1] x"),
            ("cmultiprocessing.context\nTimeoutError\n(I1\nVx\ntR.", "%s", "(1, 'x')"),
            ("czoneinfo._common\nZoneInfoNotFoundError\n(Vx\ntR.", "%s", "'x'"),
            (
                "casyncio.exceptions\nIncompleteReadError\n(c_codecs\nencode\n(Vab\nVlatin1\ntRI5\ntR.",
                "%s",
                "2 bytes read on a total of 5 expected bytes",
            ),
            (
                "cconfigparser\nNoOptionError\n(Vo\nVs\ntR(dVmessage\nVNo option 'o' in section: 's'\nsb.",
                "%s",
                "No option 'o' in section: 's'",
            ),
            ("cconfigparser\nNoOptionError\n(Vo\nVs\ntR.", "%s", "('o', 's')"),
            (
                "chttp.client\nIncompleteRead\n(c_codecs\nencode\n(Vab\nVlatin1\ntRtR(dVexpected\nI5\nsb.",
                "%s",
                "IncompleteRead(2 bytes read, 5 more expected)",
            ),
            (
                "cimportlib.metadata\nPackageNotFoundError\n(Vx\ntR.",
                "%s",
                "No package metadata was found for x",
            ),
            ("cre\nRegexFlag\n(I10\ntR.", "%s", "re.IGNORECASE|re.MULTILINE"),
            ("cre\nRegexFlag\n(I514\ntR.", "%r", "re.IGNORECASE|0x200"),
            ("cre\nRegexFlag\n(I0\ntR.", "%s", "re.NOFLAG"),
            ("cre\nRegexFlag\n(I512\ntR.", "%s", "re.RegexFlag(512)"),
            ("cre\nRegexFlag\n(I10\ntR.", "%d", "10"),
            ("csignal\nSignals\n(I2\ntR.", "%s", "2"),
        ];
        let options = DecodeOptions::new().globals(Globals::Known);
        for (pickle, format, expected) in rows {
            let value = Value::from_slice_with(pickle.as_bytes(), &options).unwrap();
            let args = if format.contains('|') { Value::Tuple(vec![value, Value::from("")]) } else { value };
            assert_eq!(PercentFormat::new().format(format, &args).unwrap(), expected, "{pickle}");
        }
    }

    #[test]
    fn what_is_only_described_reads_as_python_prints_it() {
        const TIME: &str =
            "cdatetime\ndatetime\n(c_codecs\nencode\n(V\u{7}\\u00e4\u{7}\u{2}\u{3}\u{4}\0\0\0\0\nVlatin1\ntR";
        let rows = [
            ("cpytz\n_p\n(VEurope/Berlin\nI7200\nI3600\nVCEST\ntRtR.", "2020-07-02 03:04:00+02:00"),
            (
                "cdateutil.tz.tz\ntzfile\n(NV/usr/share/zoneinfo/Europe/Berlin\ntRtR.",
                "2020-07-02 03:04:00[Europe/Berlin]",
            ),
            ("cm\ntz\n(V/etc/passwd\ntRtR.", "2020-07-02 03:04:00[m.tz]"),
        ];
        let options = DecodeOptions::new().globals(Globals::Inert);
        let shown = |pickle: &str| {
            let value = Value::from_slice_with(pickle.as_bytes(), &options).unwrap();
            PercentFormat::new().format("%s", &value).unwrap()
        };
        for (zone, expected) in rows {
            assert_eq!(shown(&format!("{TIME}{zone}")), expected);
        }
        assert_eq!(shown("c__builtin__\nEllipsis\n."), "Ellipsis");
        assert_eq!(shown("cbuiltins\nNotImplemented\n."), "NotImplemented");
        assert_eq!(shown("ccopy_reg\n_reconstructor\n(cm\nP\nc__builtin__\ntuple\n(I1\nI2\nttR."), "P(1, 2)");
    }
}
