//! The glyphs of a page, joined into runs while they come.

use hayro_interpret::font::{Glyph, GlyphRun, PositionedGlyph};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::hayro_syntax::xref::XRef;
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt, interpret_page,
};

/// A gap of more than this, in ems, is a space between words.
pub(super) const SPACE: f64 = 0.17;
/// The same after a stop or comma: set to fill a line, the space there shrinks first.
const AFTER_STOP: f64 = 0.08;
/// A gap of more than this, in ems, is one between columns or cells.
pub(super) const COLUMN: f64 = 1.2;
/// Most runs kept of one page; far beyond any readable page.
const MAX_RUNS: usize = 1 << 20;

/// Which way the text runs on the upright page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Right,
    Down,
    Left,
    Up,
    /// Vertical writing: characters upright, one below the other.
    Vertical,
}

/// Characters drawn one after the other on one base line. Positions are in points along
/// the line (`start`, `end`) and across it (`base`), both growing in reading direction.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) base: f64,
    pub(super) size: f64,
    pub(super) direction: Direction,
    /// Whether a space was drawn before it.
    pub(super) spaced: bool,
}

/// What a page draws as text.
#[derive(Debug, Default)]
pub(super) struct Glyphs {
    pub(super) runs: Vec<Run>,
    /// Glyphs that the file does not map to Unicode.
    pub(super) unmapped: u64,
    /// Whether some text cannot be seen.
    pub(super) invisible: bool,
    spaced: bool,
    page: (f64, f64),
}

pub(super) fn collect<'a>(
    page: &'a Page<'a>,
    xref: &'a XRef,
    cache: &InterpreterCache<'a>,
    settings: &InterpreterSettings,
) -> Glyphs {
    let (width, height) = page.render_dimensions();
    let page_box = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let upright = page.initial_transform(true).to_kurbo();
    let mut context = Context::new(upright, page_box, cache, xref, settings.clone());
    let mut glyphs = Glyphs { page: (page_box.width(), page_box.height()), ..Glyphs::default() };
    interpret_page(page, &mut context, &mut glyphs);
    glyphs
}

impl Device<'_> for Glyphs {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, mode: &DrawMode) {
        let vertical = run.writing_mode() == WritingMode::Vertical;
        let invisible = matches!(mode, DrawMode::Invisible);
        for glyph in run.glyphs() {
            self.glyph(glyph, props.transform, vertical, invisible);
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_clip_rect(&mut self, _: &Rect) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {}
    fn draw_rect(&mut self, _: &Rect, _: DrawProps<'_>, _: &DrawMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

impl Glyphs {
    fn glyph(
        &mut self,
        glyph: &PositionedGlyph<'_>,
        text_to_page: Affine,
        vertical: bool,
        invisible: bool,
    ) {
        let transform = text_to_page * glyph.transform();
        let Some(text) = unicode(glyph) else {
            self.unmapped += 1;
            self.spaced = true;
            return;
        };
        let Some(text) = printable(text) else {
            self.spaced = true;
            return;
        };
        let Some(place) = place(transform, advance(glyph), vertical) else {
            return;
        };
        let origin = transform * Point::ZERO;
        let (width, height) = self.page;
        let outside = origin.x < 0.0 || origin.y < 0.0 || origin.x > width || origin.y > height;
        self.invisible |= invisible || outside || place.size < 1.0;
        self.add(&text, place);
    }

    /// Extends the last run when the glyph goes on from it, else begins one.
    fn add(&mut self, text: &str, place: Place) {
        let spaced = std::mem::take(&mut self.spaced);
        if let Some(last) = self.runs.last_mut() {
            let gap = (place.start - last.end) / place.size;
            let same_line = (place.base - last.base).abs() < 0.1 * place.size
                && place.direction == last.direction
                && (0.8..1.25).contains(&(place.size / last.size));
            if same_line && gap > -0.25 && gap < COLUMN {
                let narrow = gap > AFTER_STOP && begins_after_stop(&last.text, text);
                if gap > SPACE || (spaced && gap > 0.02) || narrow {
                    last.text.push(' ');
                }
                last.text.push_str(text);
                last.end = place.end.max(last.end);
                return;
            }
        }
        if self.runs.len() < MAX_RUNS {
            let Place { start, end, base, size, direction } = place;
            let text = text.to_owned();
            self.runs.push(Run { text, start, end, base, size, direction, spaced });
        }
    }
}

/// Whether a letter after these words most likely begins another: not those of a number or an address.
fn begins_after_stop(before: &str, text: &str) -> bool {
    let is_comma = before.ends_with([',', ';', ':']);
    let is_stop = before.ends_with(['.', '?', '!']);
    (is_comma && text.starts_with(char::is_alphabetic))
        || (is_stop && text.starts_with(char::is_uppercase))
}

fn advance(glyph: &Glyph<'_>) -> f64 {
    let advance = match glyph {
        Glyph::Outline(outline) => outline.advance_width(),
        Glyph::Type3(type3) => type3.advance_width(),
    };
    advance.map_or(500.0, f64::from)
}

fn unicode(glyph: &Glyph<'_>) -> Option<String> {
    match glyph.as_unicode()? {
        BfString::Char('\u{f0b7}') => Some("\u{2022}".to_owned()),
        BfString::Char(c) if is_private(c) || c == '\0' => None,
        BfString::Char(c) => Some(c.to_string()),
        BfString::String(text) if text.chars().all(is_private) => None,
        BfString::String(text) => Some(text),
    }
}

/// Private characters mean something only to the font.
fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' | '\u{fffd}')
}

/// None for white space and controls.
fn printable(text: String) -> Option<String> {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control()).then_some(text)
}

struct Place {
    start: f64,
    end: f64,
    base: f64,
    size: f64,
    direction: Direction,
}

/// Where a glyph stands. Glyph space has 1000 units to the em. None when the numbers
/// are no numbers, or the text has no size.
fn place(transform: Affine, advance: f64, vertical: bool) -> Option<Place> {
    let origin = transform * Point::ZERO;
    let right = transform * Point::new(1000.0, 0.0) - origin;
    let up = transform * Point::new(0.0, 1000.0) - origin;
    let size = up.hypot();
    let along = right.hypot() * advance.abs() / 1000.0;
    if !(origin.x.is_finite() && origin.y.is_finite() && size.is_finite() && along.is_finite())
        || size < 1e-3
    {
        return None;
    }
    let direction = match (right.x.abs() >= right.y.abs(), right.x >= 0.0, right.y >= 0.0) {
        _ if vertical => Direction::Vertical,
        (true, true, _) => Direction::Right,
        (true, false, _) => Direction::Left,
        (false, _, true) => Direction::Down,
        (false, _, false) => Direction::Up,
    };
    let (start, base) = match direction {
        Direction::Right => (origin.x, origin.y),
        Direction::Left => (-origin.x, -origin.y),
        Direction::Down => (origin.y, -origin.x),
        Direction::Up => (-origin.y, origin.x),
        Direction::Vertical => (origin.y, -origin.x),
    };
    let end = start + if vertical { size } else { along };
    Some(Place { start, end, base, size, direction })
}
