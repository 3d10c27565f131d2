//! Numbers as JSON has them.

/// An integer in decimal.
#[inline]
pub(crate) fn write_int(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A float in tagged JSON: always with a point or an exponent.
#[inline]
pub(crate) fn write_float(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
        return;
    }
    let name: &[u8] = if number.is_nan() {
        b"{\"$float\":\"nan\"}"
    } else if number > 0.0 {
        b"{\"$float\":\"inf\"}"
    } else {
        b"{\"$float\":\"-inf\"}"
    };
    out.extend_from_slice(name);
}
