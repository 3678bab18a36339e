use std::fmt::Write as _;

/// Bytes as lower-case hexadecimal digits, two for each: how hashes are written everywhere here.
#[must_use]
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_digits_a_byte() {
        assert_eq!(super::hex([0, 10, 255]), "000aff");
        assert_eq!(super::hex([]), "");
    }
}
