//! Lines onto pages.

use krilla::{
    Document,
    color::luma,
    geom::{PathBuilder, Point},
    metadata::Metadata,
    page::PageSettings,
    paint::{Fill, Stroke},
    surface::Surface,
};
use notebook_core::{Error, ErrorKind, Result};

use super::flow::{Flow, Line, MARGIN, Run, WIDTH};
use super::font::Shaper;

/// A4, in points.
const PAGE: (f32, f32) = (595.0, 842.0);
/// From one baseline to the next, in sizes of the font.
const LEADING: f32 = 1.42;
/// Where text ends at the latest.
const BOTTOM: f32 = PAGE.1 - MARGIN - 8.0;

/// The document as a file.
pub(super) fn draw(title: &str, flow: Flow) -> Result<Vec<u8>> {
    let Flow { shaper, lines, .. } = flow;
    let pages = pages(&lines);
    let mut document = Document::new();
    let described = Metadata::new().title(title.to_owned()).producer("AI notebook".to_owned());
    document.set_metadata(described);
    let count = pages.len();
    for (index, page) in pages.iter().enumerate() {
        let settings = PageSettings::from_wh(PAGE.0, PAGE.1)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "lay out PDF"))?;
        let mut sheet = document.start_page_with(settings);
        let mut surface = sheet.surface();
        for (baseline, line) in page {
            draw_line(&mut surface, &shaper, line, *baseline);
        }
        let number = Run { text: format!("{} / {count}", index + 1), bold: false, grey: true };
        draw_run(&mut surface, &shaper, &number, (MARGIN, PAGE.1 - MARGIN / 2.0), 8.0);
        surface.finish();
        sheet.finish();
    }
    document.finish().map_err(|error| {
        Error::new(ErrorKind::Internal, "write PDF").with("cause", format!("{error:?}"))
    })
}

/// Which lines are on which page, each with its baseline.
fn pages(lines: &[Line]) -> Vec<Vec<(f32, &Line)>> {
    let mut pages = vec![Vec::new()];
    let mut y = MARGIN;
    for (index, line) in lines.iter().enumerate() {
        // A heading moves with the lines that it belongs to.
        let group = lines.get(index..).unwrap_or_default();
        let mut needed = 0.0;
        for each in group.iter().take(4) {
            needed += height(each);
            if !each.keep {
                break;
            }
        }
        let fresh = pages.last().is_none_or(Vec::is_empty);
        if y + needed > BOTTOM && !fresh {
            pages.push(Vec::new());
            y = MARGIN;
        }
        let before = if pages.last().is_some_and(Vec::is_empty) { 0.0 } else { line.before };
        y += before + line.size * LEADING;
        if let Some(page) = pages.last_mut() {
            page.push((y, line));
        }
    }
    pages
}

fn height(line: &Line) -> f32 {
    line.before + line.size * LEADING
}

fn draw_line(surface: &mut Surface<'_>, shaper: &Shaper, line: &Line, baseline: f32) {
    let mut x = MARGIN + line.indent;
    if line.rule {
        let mut path = PathBuilder::new();
        path.move_to(x, baseline - line.size / 2.0);
        path.line_to(MARGIN + WIDTH, baseline - line.size / 2.0);
        if let Some(path) = path.finish() {
            surface.set_fill(None);
            surface.set_stroke(Some(Stroke { width: 0.5, ..Stroke::default() }));
            surface.draw_path(&path);
        }
        return;
    }
    for run in &line.runs {
        x += draw_run(surface, shaper, run, (x, baseline), line.size);
    }
}

/// Draws a run and says how wide it is.
fn draw_run(
    surface: &mut Surface<'_>,
    shaper: &Shaper,
    run: &Run,
    at: (f32, f32),
    size: f32,
) -> f32 {
    let color = luma::Color::new(if run.grey { 96 } else { 0 });
    surface.set_stroke(None);
    surface.set_fill(Some(Fill { paint: color.into(), ..Fill::default() }));
    let glyphs = shaper.glyphs(&run.text, run.bold);
    let width: f32 = glyphs.iter().map(|glyph| glyph.x_advance).sum();
    if !glyphs.is_empty() {
        surface.draw_glyphs(
            Point::from_xy(at.0, at.1),
            &glyphs,
            shaper.font(run.bold),
            &run.text,
            size,
            false,
        );
    }
    width * size
}
