use notebook_core::{Error, ErrorKind, Result};

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "make random bytes").caused_by(error)
    })?;
    Ok(bytes)
}
