//! Which sources this process's indexes may hold: a file of lines, so that what was deleted while the process was
//! away is found and removed.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    str::FromStr as _,
};

use notebook_core::{Error, ErrorKind, Result, SourceId, TenantId};

type Key = (TenantId, SourceId);

/// Lines that are allowed for each source that is known, before the file is written anew.
const SLACK: usize = 4;
/// Lines that are always allowed.
const LEAST: usize = 1_000;

/// A line is `+ tenant source` or `- tenant source`. A source is written down before anything of it is indexed; a
/// line that a crash has cut off counts as not written.
pub(super) struct Known {
    path: PathBuf,
    file: File,
    lines: usize,
    keys: BTreeSet<Key>,
}

impl Known {
    /// Reads the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut keys = BTreeSet::new();
        let mut lines = 0;
        match File::open(path) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    lines += 1;
                    let line = line.map_err(io)?;
                    match parse(&line) {
                        Some((true, key)) => drop(keys.insert(key)),
                        Some((false, key)) => drop(keys.remove(&key)),
                        // Cut off by a crash: what it was for was not begun.
                        None => {}
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
        let file = File::options().create(true).append(true).open(path).map_err(io)?;
        let mut known = Self { path: path.to_owned(), file, lines, keys };
        // A torn last line must not swallow the next one.
        known.rewrite()?;
        Ok(known)
    }

    /// The sources of a tenant.
    pub(super) fn of(&self, tenant: TenantId) -> BTreeSet<SourceId> {
        let (first, last) = (SourceId::from_u128(0), SourceId::from_u128(u128::MAX));
        self.keys.range((tenant, first)..=(tenant, last)).map(|(_, source)| *source).collect()
    }

    /// Writes down that the indexes may hold something of these; it is on the disk when this returns.
    pub(super) fn add(&mut self, new: &[Key]) -> Result<()> {
        let new: Vec<Key> = new.iter().filter(|key| !self.keys.contains(key)).copied().collect();
        self.write('+', &new)?;
        if !new.is_empty() {
            self.file.sync_data().map_err(io)?;
        }
        self.keys.extend(new);
        Ok(())
    }

    /// Writes down that nothing of these is left.
    pub(super) fn remove(&mut self, gone: &[Key]) -> Result<()> {
        self.write('-', gone)?;
        for key in gone {
            self.keys.remove(key);
        }
        if self.lines > self.keys.len() * SLACK + LEAST {
            self.rewrite()?;
        }
        Ok(())
    }

    /// The tenants that there are sources of.
    pub(super) fn tenants(&self) -> BTreeSet<TenantId> {
        self.keys.iter().map(|(tenant, _)| *tenant).collect()
    }

    /// Takes all of a tenant out, from the file too.
    pub(super) fn forget(&mut self, tenant: TenantId) -> Result<()> {
        self.keys.retain(|(of, _)| *of != tenant);
        self.rewrite()
    }

    fn write(&mut self, sign: char, keys: &[Key]) -> Result<()> {
        let lines: String =
            keys.iter().map(|(tenant, source)| format!("{sign} {tenant} {source}\n")).collect();
        self.file.write_all(lines.as_bytes()).map_err(io)?;
        self.lines += keys.len();
        Ok(())
    }

    fn rewrite(&mut self) -> Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        let lines: String =
            self.keys.iter().map(|(tenant, source)| format!("+ {tenant} {source}\n")).collect();
        new.write_all(lines.as_bytes()).map_err(io)?;
        new.as_file().sync_data().map_err(io)?;
        new.persist(&self.path).map_err(|error| io(error.error))?;
        self.file = File::options().append(true).open(&self.path).map_err(io)?;
        self.lines = self.keys.len();
        Ok(())
    }
}

fn parse(line: &[u8]) -> Option<(bool, Key)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (sign, tenant, source) = (words.next()?, words.next()?, words.next()?);
    // An id that is cut off is none.
    let key = (TenantId::from_str(tenant).ok()?, SourceId::from_str(source).ok()?);
    match sign {
        "+" => Some((true, key)),
        "-" => Some((false, key)),
        _ => None,
    }
}

fn io(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull => ErrorKind::StorageFull,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "note indexed sources").caused_by(error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(number: u128) -> Key {
        (TenantId::from_u128(7), SourceId::from_u128(number))
    }

    #[test]
    fn what_was_written_is_known_after_a_crash_that_tore_the_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let mut known = Known::open(&path).unwrap();
        known.add(&[key(1), key(2), key(3)]).unwrap();
        known.remove(&[key(2)]).unwrap();
        drop(known);
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend_from_slice(b"+ 0000");
        std::fs::write(&path, &torn).unwrap();
        let mut known = Known::open(&path).unwrap();
        assert_eq!(known.of(TenantId::from_u128(7)), [key(1).1, key(3).1].into());
        assert_eq!(known.of(TenantId::from_u128(8)), [].into());
        known.add(&[key(4)]).unwrap();
        let known = Known::open(&path).unwrap();
        assert_eq!(known.of(TenantId::from_u128(7)).len(), 3);
    }

    /// T27: of a tenant that is gone no line is left, not even that it is.
    #[test]
    fn t27_a_forgotten_tenant_is_in_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let mut known = Known::open(&path).unwrap();
        let other = (TenantId::from_u128(8), key(1).1);
        known.add(&[key(1), key(2), other]).unwrap();
        known.remove(&[key(2)]).unwrap();
        known.forget(key(1).0).unwrap();
        assert_eq!(known.tenants(), [other.0].into());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&key(1).0.to_string()), "{text}");
        assert_eq!(Known::open(&path).unwrap().of(other.0), [other.1].into());
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let mut known = Known::open(&path).unwrap();
        for round in 0..2_000 {
            known.add(&[key(round)]).unwrap();
            known.remove(&[key(round)]).unwrap();
        }
        assert!(std::fs::read_to_string(&path).unwrap().lines().count() <= LEAST + 1);
    }
}
