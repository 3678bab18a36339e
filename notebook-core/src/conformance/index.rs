//! What the suites of the two search indexes share. Their scenarios return what is wrong, and a report lists it.

use std::fmt::Debug;

use crate::{
    Error, ErrorKind, SourceId,
    model::ChunkKey,
    vector::{ChunkFilter, Hit},
};

/// Why a scenario failed.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("{error:?}"))
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// What a scenario finds.
pub(crate) type Outcome = Result<(), Failure>;

pub(crate) fn keys(hits: &[Hit]) -> Vec<ChunkKey> {
    hits.iter().map(|hit| hit.key).collect()
}

pub(crate) fn of_sources(sources: impl IntoIterator<Item = SourceId>) -> ChunkFilter {
    ChunkFilter { notebook: None, sources: Some(sources.into_iter().collect()) }
}

pub(crate) fn equal<T: PartialEq + Debug>(what: &str, found: &T, wanted: &T) -> Outcome {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, wanted {wanted:?}").into())
}

/// The error of a call that must fail with `kind`.
pub(crate) fn refused<T>(
    what: &str,
    result: crate::Result<T>,
    kind: ErrorKind,
) -> Result<Error, Failure> {
    match result {
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => Err(format!("{what}: {error}, wanted {}", kind.code()).into()),
        Ok(_) => Err(format!("{what}: accepted, wanted {}", kind.code()).into()),
    }
}
