//! A model file in memory, read in as it is used.
#![allow(unsafe_code)] // Mapping a file is unsafe: another process could change it meanwhile.

use std::{fs::File, io, path::Path};

use memmap2::Mmap;

/// Maps a file for reading.
///
/// The file must not be changed or cut while it is mapped, as with every program that maps its
/// models: replace it under a new inode (write beside it, then rename).
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    // SAFETY: the map is only read, as plain bytes of which every pattern is valid and whose
    // contents no code relies on between two reads for memory safety.
    unsafe { Mmap::map(&file) }
}
