//! The rules that every adapter applies to its input, in one place.

use super::{VectorRecord, VectorSpace};
use crate::{Error, ErrorKind, Result};

/// The most hits that one search returns.
pub const MAX_LIMIT: usize = 1_000;

/// How far the length of a stored vector may be from 1.
const UNIT_TOLERANCE: f32 = 1e-3;

/// The inner product of two vectors of one length.
///
/// Summed in sixteen lanes in a fixed order, so that every adapter gets the same bits for the
/// same vectors, and equal scores stay equal.
///
/// ```
/// use notebook_core::vector::inner_product;
///
/// assert_eq!(inner_product(&[0.5, 0.25], &[0.5, -1.0]), 0.0);
/// ```
#[must_use]
pub fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += x * y;
    }
    let (left, right) = lanes.split_at(8);
    let mut sums = [0.0_f32; 8];
    for ((sum, x), y) in sums.iter_mut().zip(left).zip(right) {
        *sum = x + y;
    }
    sums.iter().sum()
}

/// Checks what [`VectorIndex::upsert`](super::VectorIndex::upsert) is given.
///
/// # Errors
/// `InvalidInput` that names the chunk when its vector has another length than the space, holds
/// a number that is not finite, or is not of unit length.
pub fn check_records(space: &VectorSpace, records: &[VectorRecord]) -> Result<()> {
    records.iter().try_for_each(|record| {
        let fault = |fix: String| {
            let chunk = format!("{}#{}", record.key.source, record.key.ordinal);
            Err(Error::invalid("upsert vectors", "vector", fix).with("chunk", chunk))
        };
        if record.vector.len() != space.dimensions {
            return fault(length_fix(space, record.vector.len()));
        }
        if !record.vector.iter().all(|x| x.is_finite()) {
            return fault("give finite numbers only".into());
        }
        let length = inner_product(&record.vector, &record.vector).sqrt();
        // Written so that a length that is not a number fails too.
        if (length - 1.0).abs() <= UNIT_TOLERANCE {
            return Ok(());
        }
        fault(format!("divide the vector by its length, {length}"))
    })
}

/// Checks what [`VectorIndex::search`](super::VectorIndex::search) is given.
///
/// # Errors
/// `InvalidInput` that names the field when the vector has another length than the space or holds
/// a number that is not finite, or the limit is not 1 to [`MAX_LIMIT`].
pub fn check_query(space: &VectorSpace, vector: &[f32], limit: usize) -> Result<()> {
    let fault = |field, fix: String| Err(Error::invalid("search vectors", field, fix));
    if vector.len() != space.dimensions {
        return fault("vector", length_fix(space, vector.len()));
    }
    if !vector.iter().all(|x| x.is_finite()) {
        return fault("vector", "give finite numbers only".into());
    }
    if !(1..=MAX_LIMIT).contains(&limit) {
        return fault("limit", format!("give 1 to {MAX_LIMIT}, not {limit}"));
    }
    Ok(())
}

/// Checks that stored vectors and the caller speak of one space.
///
/// # Errors
/// `Conflict` that names both models when they differ.
pub fn check_space(
    operation: &'static str,
    stored: &VectorSpace,
    wanted: &VectorSpace,
) -> Result<()> {
    if stored == wanted {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("stored", describe(stored))
        .with("wanted", describe(wanted))
        .with("fix", "embed the sources again, or configure the stored model"))
}

fn describe(space: &VectorSpace) -> String {
    format!("{} ({} dimensions)", space.model, space.dimensions)
}

fn length_fix(space: &VectorSpace, found: usize) -> String {
    format!("give {} numbers, as model {} does, not {found}", space.dimensions, space.model)
}
