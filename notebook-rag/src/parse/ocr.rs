//! Text recognition by tesseract, which is told a language and reads grey pixels.
//!
//! It runs as the same kind of child as a parser: forked by the fork server, limited before it begins, killed with its
//! parent. It sees its own program and data, and nothing else of the machine. What it never sees is the uploaded file:
//! that was decoded by another child, and only pixels came out.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use notebook_core::document::{Area, Document, DocumentBuilder, Flag};
use serde::{Deserialize, Serialize};

use super::{
    FailureCode, Limits, ParseFailure, image,
    places::{self, Seen},
    program::{Program, is_missing},
};

/// Words of which it is less sure, in percent, are specks and lines that look like words.
const LEAST_CONFIDENCE: f32 = 20.0;

/// How text in images is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ocr {
    /// The program `tesseract`: a path, or a name that is looked up in the usual folders.
    pub program: PathBuf,
    /// The languages that texts are in, by their names in tesseract, such as `eng`.
    pub languages: Vec<String>,
    /// The folder of the languages' files; the program's own when absent.
    pub data: Option<PathBuf>,
}

impl Default for Ocr {
    fn default() -> Self {
        Self { program: "tesseract".into(), languages: vec!["eng".into()], data: None }
    }
}

impl Ocr {
    /// Becomes the program, with the picture as its standard input. Returns only when that fails.
    pub(super) fn become_program(&self, limits: &Limits) -> ExitCode {
        let program = Program {
            name: &self.program,
            arguments: self.arguments(),
            // One thread: others work on other files.
            variables: &[("OMP_THREAD_LIMIT", "1")],
            readable: self.data.as_deref(),
            seeks: false,
            threads: false,
        };
        program.begin(limits)
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["stdin".into(), "stdout".into()];
        arguments.extend(["-l".into(), self.languages.join("+").into()]);
        if let Some(data) = &self.data {
            arguments.extend(["--tessdata-dir".into(), data.into()]);
        }
        // Columns and lines of text are found, and which side is up. Positions tell where paragraphs end.
        arguments.extend(["--psm", "1", "-c", "tessedit_create_tsv=1"].map(OsString::from));
        // What is ink is told from what is around it: photographs are lit unevenly.
        arguments.extend(["-c", "thresholding_method=2"].map(OsString::from));
        arguments
    }

    /// Why the program ended without a text.
    pub(super) fn failure(&self, code: Option<i32>, complaints: &str) -> Option<ParseFailure> {
        let unavailable = |message: String| {
            ParseFailure::new(FailureCode::OcrUnavailable)
                .with_message(message)
                .with_detail(complaints)
        };
        if is_missing(code) {
            return Some(unavailable(format!(
                "Text in images is not recognised here: the program {} is missing. Install it (Debian, Ubuntu: apt install tesseract-ocr), then choose retry.",
                self.program.display()
            )));
        }
        let lacking = |language: &&String| complaints.contains(&format!("{language}.traineddata"));
        let lacking = self.languages.iter().find(lacking)?;
        Some(unavailable(format!(
            "Text in images is not recognised here: the language {lacking} is missing. Install it (Debian, Ubuntu: apt install tesseract-ocr-{}), or take it out of parse.ocr.languages, then choose retry.",
            lacking.replace('_', "-")
        )))
    }
}

/// A word with its place, as a line of the program's table says it.
pub(super) struct Word<'t> {
    block: &'t str,
    paragraph: &'t str,
    line: &'t str,
    pub(super) area: Area,
    confidence: f32,
    pub(super) text: &'t str,
}

impl<'t> Word<'t> {
    /// None for lines that are no words.
    fn read(row: &'t str) -> Option<Self> {
        let mut cells = row.splitn(12, '\t');
        if cells.next()? != "5" {
            return None;
        }
        let _page = cells.next()?;
        let (block, paragraph, line) = (cells.next()?, cells.next()?, cells.next()?);
        let _word = cells.next()?;
        let mut pixels = || cells.next()?.parse().ok();
        let (left, top, width, height) = (pixels()?, pixels()?, pixels()?, pixels()?);
        let area = Area { left, top, width, height };
        let confidence = cells.next()?.parse().ok()?;
        let text = cells.next()?.trim();
        (!text.is_empty()).then_some(Self { block, paragraph, line, area, confidence, text })
    }

    /// Whether both stand in the same line.
    pub(super) fn shares_line(&self, other: &Self) -> bool {
        (self.block, self.paragraph, self.line) == (other.block, other.paragraph, other.line)
    }

    fn is_doubtful(&self) -> bool {
        self.confidence < LEAST_CONFIDENCE
    }
}

/// Words of which it is so sure on average lie the right way up.
const UPRIGHT: f32 = 60.0;

/// What the program found: its table, and how sure it is of the words on average.
pub(super) struct Table {
    text: String,
    sure: f32,
    seen: Seen,
}

impl Table {
    pub(super) fn of(text: String, seen: Seen) -> Self {
        let (mut sum, mut count) = (0.0, 0_u32);
        for word in text.lines().filter_map(Word::read) {
            sum += word.confidence;
            count = count.saturating_add(1);
        }
        let sure = if count == 0 { 0.0 } else { sum / count as f32 };
        Self { text, sure, seen }
    }

    pub(super) fn sure(&self) -> f32 {
        self.sure
    }

    /// Whether there are words, and they make little sense.
    pub(super) fn is_doubtful(&self) -> bool {
        self.sure > 0.0 && self.sure < UPRIGHT
    }

    pub(super) fn document(&self, limits: &Limits) -> Result<Document, ParseFailure> {
        let mut document = document(&self.text, limits)?;
        document.picture = places::map(words(&self.text), &document.text, self.seen);
        Ok(document)
    }
}

/// The words that it is sure enough of.
fn words(table: &str) -> impl Iterator<Item = Word<'_>> {
    table.lines().filter_map(Word::read).filter(|word| !word.is_doubtful())
}

/// The program's table as a document: a paragraph for each of its paragraphs, lines joined.
fn document(table: &str, limits: &Limits) -> Result<Document, ParseFailure> {
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    let mut last: Option<Word<'_>> = None;
    let mut line = String::new();
    let (mut sure, mut count) = (0.0, 0_u32);
    let mut new_paragraph = true;
    for word in words(table) {
        if let Some(last) = &last {
            let same_paragraph = (last.block, last.paragraph) == (word.block, word.paragraph);
            if !same_paragraph || last.line != word.line {
                add(&mut builder, &line, new_paragraph)?;
                line.clear();
                new_paragraph = !same_paragraph;
            }
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word.text);
        sure += word.confidence;
        count = count.saturating_add(1);
        last = Some(word);
    }
    add(&mut builder, &line, new_paragraph)?;
    if !builder.is_empty() {
        let mean = sure / count.max(1) as f32;
        builder.flag(Flag::Recognised { confidence: mean.clamp(0.0, 100.0).round() as u8 });
    }
    let document = builder.finish();
    // Without a letter or a digit, it was never text.
    if !document.text.chars().any(char::is_alphanumeric) {
        return Err(image::no_text());
    }
    Ok(document)
}

fn add(builder: &mut DocumentBuilder, line: &str, new: bool) -> Result<(), ParseFailure> {
    if new {
        builder.paragraph(line)?;
    } else {
        builder.continue_words(line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";

    fn table(words: &[(u8, u8, u8, f32, &str)]) -> String {
        let mut table = HEAD.to_owned();
        table.push_str("1\t1\t0\t0\t0\t0\t0\t0\t9\t9\t-1\t\n");
        for (block, paragraph, line, confidence, text) in words {
            table.push_str(&format!(
                "5\t1\t{block}\t{paragraph}\t{line}\t1\t0\t0\t9\t9\t{confidence}\t{text}\n"
            ));
        }
        table
    }

    #[test]
    fn lines_become_paragraphs() {
        let table = table(&[
            (1, 1, 1, 96.0, "Bees"),
            (1, 1, 1, 90.0, "com-"),
            (1, 1, 2, 92.0, "municate"),
            (1, 1, 3, 94.0, "well."),
            (1, 2, 1, 95.0, "Second"),
            (2, 1, 1, 3.0, "|~"),
            (2, 1, 1, 97.0, "Third"),
        ]);
        let document = document(&table, &Limits::default()).unwrap();
        document.validate().unwrap();
        assert_eq!(document.text, "Bees communicate well.\n\nSecond\n\nThird");
        assert_eq!(document.blocks.len(), 3);
        assert_eq!(document.flags, [Flag::Recognised { confidence: 94 }]);
    }

    #[test]
    fn specks_are_no_text() {
        for words in [&[][..], &[(1, 1, 1, 80.0, "—"), (1, 1, 1, 70.0, "|")]] {
            let failure = document(&table(words), &Limits::default()).unwrap_err();
            assert_eq!(failure.code, FailureCode::NoText);
        }
    }

    #[test]
    fn what_is_no_table_is_no_text() {
        for nonsense in ["", "5", "5\t1\t1", "5\t1\t1\t1\t1\t1\t1\t1\t1\t1\tx\tword", HEAD] {
            assert!(document(nonsense, &Limits::default()).is_err(), "{nonsense:?}");
        }
    }

    #[test]
    fn a_language_that_is_missing_is_named() {
        let ocr = Ocr { languages: vec!["eng".into(), "chi_sim".into()], ..Ocr::default() };
        let said = "Error opening data file /usr/share/tessdata/chi_sim.traineddata";
        let failure = ocr.failure(Some(1), said).unwrap();
        assert_eq!(failure.code, FailureCode::OcrUnavailable);
        assert!(failure.message.contains("apt install tesseract-ocr-chi-sim"), "{failure}");
        assert!(ocr.failure(Some(127), "").unwrap().message.contains("apt install tesseract-ocr)"));
        assert!(ocr.failure(Some(1), "something else").is_none());
    }
}
