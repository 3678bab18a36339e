//! The fonts, and how wide their words are.

use std::collections::HashMap;

use krilla::text::{Font, GlyphId, KrillaGlyph};
use notebook_core::{Error, ErrorKind, Result};
use rustybuzz::{Face, UnicodeBuffer};

/// Noto Sans, under the SIL Open Font License 1.1 (beside it).
const REGULAR: &[u8] = include_bytes!("../fonts/NotoSans-Regular.ttf");
/// Its bold weight has the same characters.
const BOLD: &[u8] = include_bytes!("../fonts/NotoSans-Bold.ttf");
/// How many words' widths are kept.
const MOST_WIDTHS: usize = 50_000;
/// Only widths of shorter texts are kept, in bytes: those come again.
const WORD: usize = 64;

/// A font as the shaper and the PDF hold it.
struct Weight {
    face: Face<'static>,
    font: Font,
    per_em: f32,
    /// Widths of words, in ems.
    widths: HashMap<String, f32>,
}

impl Weight {
    fn new(data: &'static [u8]) -> Result<Self> {
        let broken = || Error::new(ErrorKind::Internal, "read built-in font");
        let face = Face::from_slice(data, 0).ok_or_else(broken)?;
        let font = Font::new(data.into(), 0).ok_or_else(broken)?;
        #[allow(clippy::cast_precision_loss, reason = "an em has a few thousand units")]
        let per_em = face.units_per_em() as f32;
        Ok(Self { face, font, per_em, widths: HashMap::new() })
    }
}

/// Shapes text with the fonts.
pub(super) struct Shaper {
    regular: Weight,
    bold: Weight,
    /// How many characters the fonts lack, so far.
    pub(super) replaced: u64,
}

impl Shaper {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { regular: Weight::new(REGULAR)?, bold: Weight::new(BOLD)?, replaced: 0 })
    }

    const fn weight(&self, bold: bool) -> &Weight {
        if bold { &self.bold } else { &self.regular }
    }

    /// The font as the PDF holds it.
    pub(super) fn font(&self, bold: bool) -> Font {
        self.weight(bold).font.clone()
    }

    /// The text as the font can show it: what it lacks becomes U+FFFD, and is counted.
    pub(super) fn shown(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_whitespace() || c.is_control() {
                shown.push(' ');
            } else if self.regular.face.glyph_index(c).is_some() {
                shown.push(c);
            } else if !is_invisible(c) {
                shown.push('\u{FFFD}');
                self.replaced += 1;
            }
        }
        shown
    }

    /// The width of a shown text, in ems.
    pub(super) fn width(&mut self, text: &str, bold: bool) -> f32 {
        if let Some(width) = self.weight(bold).widths.get(text) {
            return *width;
        }
        let width = self.glyphs(text, bold).iter().map(|glyph| glyph.x_advance).sum();
        if text.len() >= WORD {
            return width;
        }
        let weight = if bold { &mut self.bold } else { &mut self.regular };
        if weight.widths.len() >= MOST_WIDTHS {
            weight.widths.clear();
        }
        weight.widths.insert(text.to_owned(), width);
        width
    }

    /// The glyphs of a shown text, measured in ems.
    pub(super) fn glyphs(&self, text: &str, bold: bool) -> Vec<KrillaGlyph> {
        let weight = self.weight(bold);
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let shaped = rustybuzz::shape(&weight.face, &[], buffer);
        let (infos, places) = (shaped.glyph_infos(), shaped.glyph_positions());
        #[allow(clippy::cast_precision_loss, reason = "font units are small")]
        let ems = |units: i32| units as f32 / weight.per_em;
        let mut glyphs: Vec<KrillaGlyph> = infos
            .iter()
            .zip(places)
            .map(|(info, place)| {
                let start = info.cluster as usize;
                KrillaGlyph::new(
                    GlyphId::new(info.glyph_id),
                    ems(place.x_advance),
                    ems(place.x_offset),
                    ems(place.y_offset),
                    ems(place.y_advance),
                    start..text.len(),
                    None,
                )
            })
            .collect();
        // A cluster ends where the next one begins.
        let mut end = text.len();
        for at in (0..glyphs.len()).rev() {
            let next = glyphs.get(at + 1).map(|next| next.text_range.clone());
            let Some(glyph) = glyphs.get_mut(at) else { continue };
            if let Some(next) = next
                && next.start != glyph.text_range.start
            {
                end = next.start;
            }
            glyph.text_range.end = end;
        }
        glyphs
    }
}

/// Joiners, marks of direction and selectors of variants: nobody misses them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0100}'..='\u{E01EF}')
}
