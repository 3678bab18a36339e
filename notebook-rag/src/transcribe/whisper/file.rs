//! Reads `model.bin` of CTranslate2, version 6: names, shapes and numbers, one after the other.

use std::{collections::HashMap, path::Path};

use half::f16;
use notebook_core::{Error, ErrorKind, Result};

use super::net::{Conv, Linear, Norm};
use crate::models::mapped::map;

/// How many weights a file may name.
const MOST_WEIGHTS: u32 = 10_000;
const VERSION: u32 = 6;

/// The weights of a file, widened to 32 bits as they are taken out.
pub(super) struct Weights {
    file: String,
    entries: HashMap<String, Entry>,
    bytes: memmap2::Mmap,
}

struct Entry {
    shape: Vec<usize>,
    kind: u8,
    start: usize,
    length: usize,
}

/// How a file writes a number of this kind.
const F32: u8 = 0;
const I16: u8 = 2;
const F16: u8 = 4;

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn name(&mut self) -> Option<String> {
        let length = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        let text = std::str::from_utf8(self.take(length.into())?).ok()?;
        Some(text.trim_end_matches('\0').to_owned())
    }
}

impl Weights {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        let bytes = map(path).map_err(|error| {
            Error::new(ErrorKind::NotFound, "load speech model")
                .with("file", &file)
                .caused_by(error)
        })?;
        let entries = read(&bytes).ok_or_else(|| corrupt(&file, "it is no model of version 6"))?;
        Ok(Self { file, entries, bytes })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.get(name).ok_or_else(|| corrupt(&self.file, &format!("it lacks {name}")))
    }

    fn bytes_of(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.start..entry.start + entry.length).unwrap_or_default()
    }

    /// The numbers of a weight with this many of them on each side.
    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let entry = self.entry(name)?;
        if entry.shape != shape {
            let wrong = format!("{name} has the shape {:?}, not {shape:?}", entry.shape);
            return Err(corrupt(&self.file, &wrong));
        }
        let bytes = self.bytes_of(entry);
        let numbers: Vec<f32> = match entry.kind {
            F16 => {
                bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()
            }
            F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            _ => {
                let wrong = format!("{name} is quantised: take a model of 16 or 32 bits");
                return Err(corrupt(&self.file, &wrong));
            }
        };
        let is_whole = numbers.len() == shape.iter().product::<usize>();
        if !is_whole || numbers.iter().any(|number| !number.is_finite()) {
            return Err(corrupt(&self.file, &format!("{name} holds what is no number")));
        }
        Ok(numbers)
    }

    pub(super) fn shape(&self, name: &str) -> Result<&[usize]> {
        self.entry(name).map(|entry| entry.shape.as_slice())
    }

    /// A single whole number.
    pub(super) fn count(&self, name: &str) -> Result<usize> {
        let entry = self.entry(name)?;
        let known = match (entry.kind, self.bytes_of(entry)) {
            (I16, [a, b]) => usize::try_from(i16::from_le_bytes([*a, *b])).ok(),
            _ => None,
        };
        known
            .filter(|count| *count > 0)
            .ok_or_else(|| corrupt(&self.file, &format!("{name} is no count")))
    }

    pub(super) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Vec<f32>> {
        self.numbers(name, &[rows, columns])
    }

    pub(super) fn linear(&self, name: &str, from: usize, to: usize) -> Result<Linear> {
        let weight = self.numbers(&format!("{name}/weight"), &[to, from])?;
        let bias = self.numbers(&format!("{name}/bias"), &[to])?;
        Ok(Linear { weight, bias, from, to })
    }

    pub(super) fn conv(&self, name: &str, from: usize, to: usize, stride: usize) -> Result<Conv> {
        let weight = self.numbers(&format!("{name}/weight"), &[to, from, Conv::WIDTH])?;
        let bias = self.numbers(&format!("{name}/bias"), &[to])?;
        let linear = Linear { weight, bias, from: from * Conv::WIDTH, to };
        Ok(Conv { linear, stride })
    }

    pub(super) fn norm(&self, name: &str, width: usize) -> Result<Norm> {
        let weight = self.numbers(&format!("{name}/gamma"), &[width])?;
        let bias = self.numbers(&format!("{name}/beta"), &[width])?;
        Ok(Norm { weight, bias })
    }
}

fn read(bytes: &[u8]) -> Option<HashMap<String, Entry>> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.u32()? != VERSION || reader.name()? != "WhisperSpec" {
        return None;
    }
    let _revision = reader.u32()?;
    let count = reader.u32().filter(|count| *count <= MOST_WEIGHTS)?;
    let mut entries = HashMap::new();
    for _ in 0..count {
        let name = reader.name()?;
        let rank = reader.u8().filter(|rank| *rank <= 4)?;
        let shape =
            (0..rank).map(|_| reader.u32().map(|side| side as usize)).collect::<Option<_>>()?;
        let kind = reader.u8()?;
        let length = reader.u32()? as usize;
        let start = reader.at;
        reader.take(length)?;
        entries.insert(name, Entry { shape, kind, start, length });
    }
    Some(entries)
}

pub(super) fn corrupt(file: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "load speech model")
        .with("file", file)
        .with("reason", reason)
        .with("fix", "fetch the model again, in CTranslate2's form of 16 or 32 bits")
}
