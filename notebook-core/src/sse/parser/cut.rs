//! Lines that chunks cut: begun where one ends, and gone on with where the next begins.

use super::{Parser, Position};
use crate::sse::{
    line::{
        Field, LONGEST_NAME, LineEnd, Meaning, cut_ending, cut_line, read_field, without_space,
    },
    text::Full,
};

impl Parser {
    /// Goes on with the line that the last chunk left unfinished, if it did.
    #[inline]
    pub(super) fn resume_line<'i>(&mut self, input: &'i [u8]) -> Result<&'i [u8], Full> {
        match self.position {
            Position::LineStart => Ok(input),
            Position::Name { bytes, len } => self.resume_name(bytes, len, input),
            Position::Value { field, fresh } => self.resume_value(field, fresh, input),
            Position::Ignored { seen } => self.resume_ignored(seen, input),
            Position::Failed => Err(Full),
        }
    }

    fn resume_name<'i>(
        &mut self,
        mut bytes: [u8; LONGEST_NAME],
        mut len: usize,
        input: &'i [u8],
    ) -> Result<&'i [u8], Full> {
        let mut rest = input;
        while let [byte, after @ ..] = rest {
            let name = bytes.get(..len).unwrap_or_default();
            if let Some(ending) = cut_ending(rest) {
                // Without a colon, the whole line is the name.
                let Some(field) = Field::named(name) else {
                    return self.resume_ignored(len, rest);
                };
                self.read_value(field, &[])?;
                return Ok(self.end_line(ending));
            }
            if *byte == b':' {
                let Some(field) = Field::named(name) else {
                    return self.resume_ignored(len, rest);
                };
                self.begin_value(field)?;
                return self.resume_value(field, true, after);
            }
            let Some(slot) = bytes.get_mut(len) else {
                return self.resume_ignored(len, rest);
            };
            *slot = *byte;
            len += 1;
            rest = after;
        }
        self.position = Position::Name { bytes, len };
        Ok(rest)
    }

    fn resume_value<'i>(
        &mut self,
        field: Field,
        fresh: bool,
        input: &'i [u8],
    ) -> Result<&'i [u8], Full> {
        let LineEnd { line, after } = cut_line(input);
        self.push_value(field, if fresh { without_space(line) } else { line })?;
        let Some(after) = after else {
            self.position = Position::Value { field, fresh: fresh && line.is_empty() };
            return Ok(&[]);
        };
        self.finish_value(field)?;
        Ok(self.end_line(after))
    }

    fn resume_ignored<'i>(&mut self, seen: usize, input: &'i [u8]) -> Result<&'i [u8], Full> {
        let LineEnd { line, after } = cut_line(input);
        let seen = seen.saturating_add(line.len());
        if seen > self.limit {
            return Err(Full);
        }
        let Some(after) = after else {
            self.position = Position::Ignored { seen };
            return Ok(&[]);
        };
        Ok(self.end_line(after))
    }

    /// Reads the beginning of a line whose end has not come: `line` holds none.
    #[inline]
    pub(super) fn open_line(&mut self, line: &[u8]) -> Result<(), Full> {
        let meaning = read_field(line);
        self.block.open |= !matches!(meaning, Meaning::Comment);
        self.position = match meaning {
            Meaning::Value(field, value) => {
                self.begin_value(field)?;
                self.push_value(field, without_space(value))?;
                Position::Value { field, fresh: value.is_empty() }
            }
            Meaning::Undecided => {
                let mut bytes = [0; LONGEST_NAME];
                for (slot, byte) in bytes.iter_mut().zip(line) {
                    *slot = *byte;
                }
                Position::Name { bytes, len: line.len() }
            }
            Meaning::Comment | Meaning::Unknown => {
                self.check_ignored(line)?;
                Position::Ignored { seen: line.len() }
            }
        };
        Ok(())
    }
}
