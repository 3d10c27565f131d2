//! Sizes and durations on the command line: `1048576`, `1MiB`, `30s`, `5m`.

use std::time::Duration;

use logrecord::model::Level;

/// Reads a number of bytes: plain, or with `K`, `M`, `G` (powers of 1,024), `KiB`, `MB` and so on.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| "not a number of bytes, such as 1048576 or 1MiB".to_owned())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(format!("unknown unit {unit:?}: use K, M or G, or KiB, MB and so on")),
    };
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

/// Reads a frame length: bytes that fit the 4-byte prefix, and that let a record through.
pub(crate) fn frame_len(text: &str) -> Result<u32, String> {
    match u32::try_from(bytes(text)?) {
        Ok(0) => Err("no record has 0 bytes".to_owned()),
        Ok(len) => Ok(len),
        Err(_) => Err("a frame's length has 32 bits".to_owned()),
    }
}

/// Reads a duration: a number of seconds, or with `ms`, `s`, `m`, `h`, `d`. `off` and `0` are none.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    if text == "off" {
        return Ok(Limit(None));
    }
    let duration = duration(text)?;
    Ok(Limit((!duration.is_zero()).then_some(duration)))
}

/// Reads a level by its name in Python, or by its number.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text)
        .or_else(|| text.parse().ok().map(Level::new))
        .ok_or_else(|| "expected DEBUG, INFO, WARNING, ERROR, CRITICAL or a number".to_owned())
}

/// Reads a file mode: octal, `0660`.
pub(crate) fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text.trim_start_matches("0o"), 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("not a file mode, such as 0660".to_owned()),
    }
}

/// A time limit that can be off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

/// Reads a duration: a number of seconds, or with `ms`, `s`, `m`, `h`, `d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| "not a duration, such as 30s, 500ms or 5m".to_owned())?;
    let factor = match unit.trim() {
        "ms" => 0.001,
        "" | "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("unknown unit {unit:?}: use ms, s, m, h or d")),
    };
    Duration::try_from_secs_f64(number * factor).map_err(|_| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_rows() {
        let rows = [
            ("1048576", Some(1 << 20)),
            ("1MiB", Some(1 << 20)),
            ("8M", Some(8 << 20)),
            ("2kb", Some(2_000)),
            ("x", None),
            ("1parsec", None),
            ("99999999999G", None),
        ];
        for (text, expected) in rows {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn duration_rows() {
        let rows = [
            ("30", Some(30_000)),
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("1.5m", Some(90_000)),
            ("2h", Some(7_200_000)),
            ("", None),
            ("-1s", None),
            ("1w", None),
        ];
        for (text, expected) in rows {
            assert_eq!(duration(text).ok().map(|duration| duration.as_millis()), expected, "{text}");
        }
        assert!(limit("off").is_ok_and(|limit| limit.0.is_none()));
    }
}
