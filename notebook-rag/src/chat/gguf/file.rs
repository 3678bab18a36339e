//! The GGUF container: settings and tensors, read in place from a mapped file.
//!
//! Layout (version 2 and 3, little endian): magic `GGUF`, version, number of tensors, number of
//! settings, the settings, the tensors' names, shapes, types and offsets, padding, the tensors.

use std::{collections::HashMap, ops::Range};

use notebook_core::{Error, ErrorKind, Result};

pub(super) const OPERATION: &str = "load chat model";

/// The most entries of a list: several times the largest vocabularies and their merges.
const LONGEST_LIST: usize = 1 << 22;

/// A setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    List(Vec<Value>),
}

/// A tensor: `shape` begins with the length of a row.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo {
    pub(super) shape: Vec<usize>,
    /// The number of its type in GGUF.
    pub(super) kind: u32,
    offset: u64,
}

/// What the file says about itself.
#[derive(Debug)]
pub(super) struct Gguf {
    /// The file's name, for errors.
    pub(super) file: String,
    settings: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
    data_start: usize,
}

/// Reads numbers from the front of the file.
struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
}

/// The file ends too early, or says something that cannot be.
type Broken = &'static str;

impl<'a> Cursor<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8], Broken> {
        let n = usize::try_from(n).map_err(|_| "a length is too large")?;
        let (head, rest) = self.rest.split_at_checked(n).ok_or("the file ends too early")?;
        self.rest = rest;
        self.at += n;
        Ok(head)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N as u64)?.try_into().map_err(|_| "the file ends too early")
    }

    fn u32(&mut self) -> Result<u32, Broken> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, Broken> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A number of things of at least `least` bytes each: no more than the file can hold.
    fn count(&mut self, least: usize) -> Result<usize, Broken> {
        let count = usize::try_from(self.u64()?).map_err(|_| "a count is too large")?;
        if count > self.rest.len() / least {
            Err("a count is larger than the file")
        } else {
            Ok(count)
        }
    }

    fn text(&mut self) -> Result<String, Broken> {
        let length = self.u64()?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn value(&mut self, kind: u32) -> Result<Value, Broken> {
        Ok(match kind {
            0 => Value::Unsigned(u8::from_le_bytes(self.bytes()?).into()),
            1 => Value::Signed(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Unsigned(self.u32()?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(u8::from_le_bytes(self.bytes()?) != 0),
            8 => Value::Text(self.text()?),
            9 => {
                let kind = self.u32()?;
                if kind == 9 {
                    return Err("a list holds lists");
                }
                let count = self.count(1)?;
                if count > LONGEST_LIST {
                    return Err("a list is too long");
                }
                Value::List((0..count).map(|_| self.value(kind)).collect::<Result<_, _>>()?)
            }
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.bytes()?)),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => return Err("a setting has an unknown type"),
        })
    }

    fn tensor(&mut self) -> Result<(String, TensorInfo), Broken> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > 4 {
            return Err("a tensor has more than four dimensions");
        }
        let length = |n: u64| usize::try_from(n).map_err(|_| "a dimension is too large");
        let shape = (0..dimensions).map(|_| length(self.u64()?)).collect::<Result<_, _>>()?;
        Ok((name, TensorInfo { shape, kind: self.u32()?, offset: self.u64()? }))
    }
}

impl Gguf {
    /// Reads the front of a file named `file`.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        Self::read(file, bytes).map_err(|reason| {
            Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file)
                .with("reason", reason)
                .with("fix", "fetch the file again; it must be GGUF, version 2 or 3")
        })
    }

    fn read(file: &str, bytes: &[u8]) -> Result<Self, Broken> {
        let mut cursor = Cursor { rest: bytes, at: 0 };
        if cursor.bytes()? != *b"GGUF" {
            return Err("it does not begin with GGUF");
        }
        if !matches!(cursor.u32()?, 2 | 3) {
            return Err("its version is neither 2 nor 3");
        }
        let (tensor_count, setting_count) = (cursor.count(24)?, cursor.count(13)?);
        let mut settings = HashMap::new();
        for _ in 0..setting_count {
            let (name, kind) = (cursor.text()?, cursor.u32()?);
            settings.insert(name, cursor.value(kind)?);
        }
        let tensors = (0..tensor_count).map(|_| cursor.tensor()).collect::<Result<_, _>>()?;
        let align = match settings.get("general.alignment") {
            None => 32,
            Some(Value::Unsigned(n)) if (1..=1 << 20).contains(n) => {
                usize::try_from(*n).map_err(|_| "general.alignment is too large")?
            }
            Some(_) => return Err("general.alignment is not between 1 and 2^20"),
        };
        Ok(Self {
            file: file.into(),
            settings,
            tensors,
            data_start: cursor.at.next_multiple_of(align),
        })
    }

    fn wrong(&self, kind: ErrorKind, field: &str, reason: impl Into<String>) -> Error {
        Error::new(kind, OPERATION)
            .with("file", self.file.clone())
            .with("field", field)
            .with("reason", reason)
    }

    /// An error about a setting or a tensor that this program cannot work with.
    pub(super) fn unsupported(&self, field: &str, reason: impl Into<String>) -> Error {
        self.wrong(ErrorKind::Unsupported, field, reason)
    }

    /// An error about a setting or a tensor that contradicts the rest of the file.
    pub(super) fn corrupt(&self, field: &str, reason: impl Into<String>) -> Error {
        self.wrong(ErrorKind::Corrupt, field, reason)
    }

    /// A setting that may be absent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.settings.get(name)
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Ok(text),
            Some(_) => Err(self.corrupt(name, "it is not a text")),
            None => Err(self.corrupt(name, "there is no such setting")),
        }
    }

    /// A whole number that may be absent.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Unsigned(n)) => usize::try_from(*n).ok(),
            Some(Value::Signed(n)) => usize::try_from(*n).ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| self.corrupt(name, "it is not a whole number, zero or more"))
    }

    /// A whole number from 1 to `most`, that must be there.
    pub(super) fn size(&self, name: &str, most: usize) -> Result<usize> {
        let size =
            self.number(name)?.ok_or_else(|| self.corrupt(name, "there is no such setting"))?;
        if (1..=most).contains(&size) {
            Ok(size)
        } else {
            Err(self.corrupt(name, format!("it is not between 1 and {most}")))
        }
    }

    /// A number with a fraction that may be absent.
    pub(super) fn float(&self, name: &str) -> Result<Option<f32>> {
        match self.get(name) {
            None => Ok(None),
            #[expect(clippy::cast_possible_truncation)]
            Some(Value::Float(n)) if n.is_finite() => Ok(Some(*n as f32)),
            Some(_) => Err(self.corrupt(name, "it is not a finite number")),
        }
    }

    /// A list that must be there.
    pub(super) fn list(&self, name: &str) -> Result<&[Value]> {
        match self.get(name) {
            Some(Value::List(list)) => Ok(list),
            Some(_) => Err(self.corrupt(name, "it is not a list")),
            None => Err(self.corrupt(name, "there is no such setting")),
        }
    }

    /// A tensor that may be absent.
    pub(super) fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// Where `length` bytes of a tensor lie in the file of `file_length` bytes.
    pub(super) fn place(
        &self,
        name: &str,
        tensor: &TensorInfo,
        length: usize,
        file_length: usize,
    ) -> Result<Range<usize>> {
        let start = usize::try_from(tensor.offset)
            .ok()
            .and_then(|offset| offset.checked_add(self.data_start));
        let end = start.and_then(|start| start.checked_add(length));
        match (start, end) {
            (Some(start), Some(end)) if end <= file_length => Ok(start..end),
            _ => Err(self.corrupt(name, "the tensor lies beyond the end of the file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    /// Two settings and one tensor of two rows of three numbers; 32 bytes of weights.
    fn file() -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend([text("name"), 8_u32.to_le_bytes().to_vec(), text("small")].concat());
        bytes.extend([text("sizes"), 9_u32.to_le_bytes().to_vec()].concat());
        bytes.extend([4_u32.to_le_bytes().as_slice(), &2_u64.to_le_bytes()].concat());
        bytes.extend([5_u32.to_le_bytes(), 6_u32.to_le_bytes()].concat());
        bytes.extend([text("weight"), 2_u32.to_le_bytes().to_vec()].concat());
        bytes.extend([3_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat());
        bytes.extend([0_u32.to_le_bytes().as_slice(), &0_u64.to_le_bytes()].concat());
        let head = bytes.len().next_multiple_of(32);
        bytes.resize(head + 32, 0);
        bytes
    }

    #[test]
    fn settings_and_tensors_are_read() {
        let bytes = file();
        let gguf = Gguf::parse("f", &bytes).unwrap();
        assert_eq!(gguf.text("name").unwrap(), "small");
        assert_eq!(gguf.list("sizes").unwrap(), [Value::Unsigned(5), Value::Unsigned(6)]);
        let tensor = gguf.tensor("weight").unwrap();
        assert_eq!((tensor.shape.as_slice(), tensor.kind), ([3, 2].as_slice(), 0));
        let place = gguf.place("weight", tensor, 24, bytes.len()).unwrap();
        assert_eq!(place, bytes.len() - 32..bytes.len() - 8);
        let error = gguf.place("weight", tensor, 33, bytes.len()).unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::Corrupt, Some("weight")));
    }

    #[test]
    fn a_file_cut_anywhere_in_its_front_is_corrupt() {
        let bytes = file();
        let front = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        for end in 0..front {
            let error = Gguf::parse("f", &bytes[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {end}");
        }
    }

    #[test]
    fn any_byte_may_be_wrong_without_a_panic() {
        let bytes = file();
        let mut refused = 0;
        for at in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] = 0xFF;
            refused += usize::from(Gguf::parse("f", &spoilt).is_err());
        }
        assert!(refused >= 8, "only {refused} of the spoilt files were refused");
    }

    #[test]
    fn a_setting_that_is_wrong_is_named() {
        let bytes = file();
        let gguf = Gguf::parse("f", &bytes).unwrap();
        for error in [
            gguf.size("name", 9).unwrap_err(),
            gguf.float("name").unwrap_err(),
            gguf.list("name").unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.context("field")), (ErrorKind::Corrupt, Some("name")));
        }
        assert_eq!(gguf.text("none").unwrap_err().context("field"), Some("none"));
    }
}
