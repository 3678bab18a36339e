//! PDF: glyphs with positions, gathered into lines, columns and paragraphs.
//!
//! The interpreter hands over every glyph of a page in the order it is drawn
//! ([`collect`]); glyphs become runs, those that count lines go
//! ([`line_numbers`]), runs become rows ([`rows`]), rows are put into
//! reading order column by column ([`layout`]), and joined into paragraphs
//! ([`paragraph`]). When all pages are read, running heads go, headings are told by
//! their size, and paragraphs that a page break cut are joined ([`assemble`]).

mod assemble;
mod bidi;
mod collect;
mod layout;
mod line_numbers;
mod paragraph;
mod rows;

use hayro_interpret::hayro_syntax::object::{Array, Dict, Name, Object};
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::{InterpreterCache, InterpreterSettings};
use notebook_core::document::{Document, DocumentBuilder, Flag};

use super::{FailureCode, Limits, ParseFailure};
use assemble::assemble;
use line_numbers::drop_line_numbers;
use paragraph::Paragraph;

pub(super) fn parse_pdf(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let pdf = Pdf::new(bytes.to_vec()).map_err(load_failure)?;
    let count = pdf.pages().len();
    if count == 0 {
        return Err(ParseFailure::damaged("no pages"));
    }
    if count > limits.pages as usize {
        return Err(FailureCode::TooManyPages.into());
    }
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    flag_contents(&pdf, bytes, &mut builder);
    if let Some(title) = &pdf.metadata().title {
        builder.set_title(&text_string(title));
    }
    let pages = read_pages(&pdf, limits, &mut builder)?;
    assemble(pages, &mut builder)?;
    Ok(builder.finish())
}

fn load_failure(error: LoadPdfError) -> ParseFailure {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => {
            FailureCode::PasswordProtected.into()
        }
        LoadPdfError::Decryption(other) => {
            ParseFailure::new(FailureCode::PasswordProtected).with_detail(format!("{other:?}"))
        }
        LoadPdfError::Invalid => ParseFailure::damaged("no valid cross-reference or page tree"),
    }
}

/// The paragraphs of each page, in reading order.
fn read_pages(
    pdf: &Pdf,
    limits: &Limits,
    builder: &mut DocumentBuilder,
) -> Result<Vec<Vec<Paragraph>>, ParseFailure> {
    let cache = InterpreterCache::new();
    let settings = InterpreterSettings::default();
    let mut pages = Vec::new();
    let (mut text, mut unmapped, mut without_text) = (0, 0, 0);
    for page in pdf.pages().iter() {
        let mut glyphs = collect::collect(page, pdf.xref(), &cache, &settings);
        if glyphs.invisible {
            builder.flag(Flag::InvisibleText);
        }
        unmapped += glyphs.unmapped;
        drop_line_numbers(&mut glyphs.runs);
        let paragraphs: Vec<Paragraph> = rows::rows(glyphs.runs)
            .into_iter()
            .flat_map(layout::reading_order)
            .flat_map(paragraph::paragraphs)
            .collect();
        text += paragraphs.iter().map(|p| p.text.len()).sum::<usize>();
        if text > limits.text_bytes {
            return Err(FailureCode::TooLarge.into());
        }
        without_text += u32::from(paragraphs.is_empty());
        pages.push(paragraphs);
    }
    if unmapped > 0 {
        builder.flag(Flag::UnmappedGlyphs { count: unmapped });
    }
    if without_text > 0 && without_text < pages.len() as u32 {
        builder.flag(Flag::PagesWithoutText { count: without_text });
    }
    Ok(pages)
}

/// Flags what the file carries beside its pages. None of it is opened.
fn flag_contents(pdf: &Pdf, bytes: &[u8], builder: &mut DocumentBuilder) {
    if bytes.windows(9).any(|window| window == b"/Encrypt ") {
        builder.flag(Flag::Encrypted);
    }
    let Some(catalog) = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()) else {
        return;
    };
    let names = catalog.get::<Dict<'_>>("Names");
    let named = |key: &str| names.as_ref().is_some_and(|names| names.contains_key(key));
    let opens_script = catalog
        .get::<Dict<'_>>("OpenAction")
        .and_then(|action| action.get::<Name<'_>>("S"))
        .is_some_and(|kind| matches!(kind.as_ref(), b"JavaScript" | b"Launch"));
    if named("JavaScript") || opens_script || catalog.contains_key("AA") {
        builder.flag(Flag::Script);
    }
    let attached =
        catalog.get::<Array<'_>>("AF").is_some_and(|af| af.iter::<Object<'_>>().next().is_some());
    if named("EmbeddedFiles") || attached {
        builder.flag(Flag::EmbeddedFile);
    }
}

/// A text string of the format: UTF-16 or UTF-8 with a mark, else close to Latin-1.
fn text_string(bytes: &[u8]) -> String {
    encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned()
}
