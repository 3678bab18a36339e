//! Numbers as the bytes that lie in a file, and back, without a copy.
// A slice of one type seen as a slice of another is something only unsafe code can say.
#![allow(unsafe_code)]

/// Numbers without padding, of which every bit pattern is one.
///
/// # Safety
/// Both must be so of the type: [`bytes`] reads all its bytes, [`numbers`] makes it of any.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: integers and floats have no padding, and all bit patterns are values of theirs.
unsafe impl Plain for i8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for f32 {}

/// The memory of some numbers.
pub(crate) fn bytes<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: the same memory for as long as it is borrowed; `T` has no padding, so that all its
    // bytes are initialised, and a byte needs no alignment.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// The numbers in some memory; `None` when it is not aligned for them or ends inside one.
pub(crate) fn numbers<T: Plain>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: every bit pattern is a `T`.
    let (before, numbers, after) = unsafe { bytes.align_to() };
    (before.is_empty() && after.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_parts_of_them_are_refused() {
        let stored = [1.5_f32, -0.0, f32::MAX];
        assert_eq!(numbers::<f32>(bytes(&stored)), Some(&stored[..]));
        assert_eq!(bytes(&[0x0403_0201_u32]), [1, 2, 3, 4]);
        assert_eq!(bytes(&[-1_i8, 2]), [255, 2]);
        assert_eq!(numbers::<u64>(&[]), Some(&[][..]));
        let bytes = bytes(&[1_u64, 2]);
        assert_eq!(numbers::<u64>(&bytes[..12]), None, "ends inside a number");
        assert_eq!(numbers::<u64>(&bytes[4..12]), None, "not aligned");
    }
}
