//! Text into lines: words of one look after the other until the line is full.

use std::collections::VecDeque;

use super::{super::block::Inline, font::Shaper};

/// Points of a line between the margins.
pub(super) const WIDTH: f32 = 595.0 - 2.0 * MARGIN;
/// Points around the text.
pub(super) const MARGIN: f32 = 62.0;

/// How many characters are measured at once: a word without blanks may be as long as a whole answer, and each line
/// that is cut off it measures what is left anew.
const PIECE: usize = 200;

/// How a paragraph looks. Lengths are in points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    size: f32,
    bold: bool,
    grey: bool,
    before: f32,
    indent: f32,
    /// Stays with what comes after it.
    keep: bool,
}

impl Look {
    const PLAIN: Self =
        Self { size: 10.5, bold: false, grey: false, before: 7.0, indent: 0.0, keep: false };
    pub(super) const TITLE: Self = Self { size: 20.0, bold: true, before: 0.0, ..Self::PLAIN };
    pub(super) const HEADING: Self =
        Self { size: 13.0, bold: true, before: 20.0, keep: true, ..Self::PLAIN };
    pub(super) const SUBHEADING: Self =
        Self { size: 11.0, bold: true, before: 11.0, keep: true, ..Self::PLAIN };
    pub(super) const BODY: Self = Self::PLAIN;
    pub(super) const CODE: Self = Self { size: 9.5, before: 2.0, ..Self::PLAIN };
    pub(super) const SMALL: Self = Self { size: 9.0, grey: true, before: 4.0, ..Self::PLAIN };
    pub(super) const NOTE: Self =
        Self { size: 8.5, grey: true, before: 5.0, indent: 10.0, ..Self::PLAIN };

    pub(super) const fn at(self, indent: f32) -> Self {
        Self { indent, ..self }
    }

    pub(super) const fn after(self, before: f32) -> Self {
        Self { before, ..self }
    }
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) bold: bool,
    pub(super) grey: bool,
}

/// A line of the document.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// From the left margin.
    pub(super) indent: f32,
    /// From the line above.
    pub(super) before: f32,
    pub(super) size: f32,
    pub(super) runs: Vec<Run>,
    /// Whether it must not be a page's last.
    pub(super) keep: bool,
    /// Whether it is a line across instead.
    pub(super) rule: bool,
}

/// The lines so far.
pub(super) struct Flow {
    pub(super) shaper: Shaper,
    pub(super) lines: Vec<Line>,
    /// The marker of a list item that the next line begins with.
    marker: Option<(String, f32)>,
}

/// A word with what it looks like, or the end of a line.
enum Piece {
    Word { text: String, bold: bool, grey: bool, space: bool },
    End,
}

impl Flow {
    pub(super) const fn new(shaper: Shaper) -> Self {
        Self { shaper, lines: Vec::new(), marker: None }
    }

    pub(super) const fn replaced(&self) -> u64 {
        self.shaper.replaced
    }

    /// Puts a list item's marker before the next line. One that is waiting already gets a line to itself.
    pub(super) fn marker(&mut self, text: String, indent: f32) {
        self.end_item();
        self.marker = Some((text, indent));
    }

    /// Ends a list item: one that held nothing to put its marker before has it alone.
    pub(super) fn end_item(&mut self) {
        if self.marker.is_some() {
            self.line(Look::BODY, Vec::new());
        }
    }

    /// A line across.
    pub(super) fn rule(&mut self, indent: f32) {
        self.end_item();
        let size = Look::PLAIN.size;
        self.lines.push(Line {
            indent,
            before: 6.0,
            size,
            runs: Vec::new(),
            keep: false,
            rule: true,
        });
    }

    /// Adds a line of code with its blanks, also one of nothing else.
    pub(super) fn code_line(&mut self, look: Look, code: &str) {
        let mut pieces = Vec::new();
        self.code(code, look.bold, &mut pieces);
        let before = self.lines.len();
        self.line(look, pieces);
        if self.lines.len() == before {
            let (mut look, mut empty) = (look, Vec::new());
            self.end_line(&mut look, &mut empty, &mut None);
        }
    }

    /// Adds a paragraph.
    pub(super) fn paragraph(&mut self, look: Look, text: &[Inline]) {
        let mut pieces = Vec::new();
        self.pieces(text, (look.bold, look.grey), &mut pieces);
        self.line(look, pieces);
    }

    /// Adds lines of words, behind the marker that waits for them.
    fn line(&mut self, look: Look, pieces: Vec<Piece>) {
        // However deep it lies, there is room for some words.
        let mut look = Look { indent: look.indent.min(WIDTH / 2.0), ..look };
        let Some((marker, indent)) = self.marker.take() else {
            return self.fill(look, pieces, (Vec::new(), 0.0), None);
        };
        let indent = indent.min(WIDTH / 2.0);
        let text = self.shaper.shown(&format!("{marker} "));
        let used = look.size * self.shaper.width(&text, false) - (look.indent - indent);
        look.before = 3.0;
        let line = vec![Run { text, bold: false, grey: true }];
        self.fill(look, pieces, (line, used), Some(indent));
    }

    /// Fills lines with words, from a line that is begun already and how much of it is used.
    fn fill(
        &mut self,
        mut look: Look,
        pieces: Vec<Piece>,
        (mut line, mut used): (Vec<Run>, f32),
        mut first_indent: Option<f32>,
    ) {
        let room = WIDTH - look.indent;
        let mut any = false;
        let mut pending = VecDeque::from(pieces);
        while let Some(piece) = pending.pop_front() {
            let Piece::Word { text, bold, grey, space } = piece else {
                self.end_line(&mut look, &mut line, &mut first_indent);
                (used, any) = (0.0, false);
                continue;
            };
            let gap = if space && any { look.size * self.shaper.width(" ", bold) } else { 0.0 };
            let width = look.size * self.shaper.width(&text, bold);
            if used + gap + width > room && any {
                self.end_line(&mut look, &mut line, &mut first_indent);
                (used, any) = (0.0, false);
                pending.push_front(Piece::Word { text, bold, grey, space: false });
                continue;
            }
            if width > room && text.chars().count() > 1 {
                let (head, tail) = self.cut(&text, bold, (room - used) / look.size);
                pending.push_front(Piece::Word { text: tail, bold, grey, space: false });
                pending.push_front(Piece::Word { text: head, bold, grey, space });
                continue;
            }
            add(&mut line, gap > 0.0, text, bold, grey);
            used += gap + width;
            any = true;
        }
        if !line.is_empty() {
            self.end_line(&mut look, &mut line, &mut first_indent);
        }
    }

    /// A word that is longer than a line: what fits, at least a character, and the rest.
    fn cut(&mut self, word: &str, bold: bool, ems: f32) -> (String, String) {
        let mut used = 0.0;
        for (at, c) in word.char_indices() {
            used += self.shaper.width(c.encode_utf8(&mut [0; 4]), bold);
            if used > ems && at > 0 {
                let (head, tail) = word.split_at(at);
                return (head.to_owned(), tail.to_owned());
            }
        }
        let at = word.char_indices().next_back().map_or(0, |(at, _)| at);
        let (head, tail) = word.split_at(at);
        (head.to_owned(), tail.to_owned())
    }

    fn end_line(&mut self, look: &mut Look, line: &mut Vec<Run>, first_indent: &mut Option<f32>) {
        self.lines.push(Line {
            indent: first_indent.take().unwrap_or(look.indent),
            before: look.before,
            size: look.size,
            runs: std::mem::take(line),
            keep: look.keep,
            rule: false,
        });
        look.before = 0.0;
    }

    /// Running text as words.
    fn pieces(&mut self, all: &[Inline], (bold, grey): (bool, bool), out: &mut Vec<Piece>) {
        for inline in all {
            match inline {
                Inline::Text(text) => self.words(text, bold, grey, out),
                Inline::Code(code) => self.code(code, bold, out),
                Inline::Emphasis(inner) | Inline::Struck(inner) => {
                    self.pieces(inner, (bold, grey), out)
                }
                Inline::Strong(inner) => self.pieces(inner, (true, grey), out),
                Inline::Link { text, address } => {
                    self.pieces(text, (bold, grey), out);
                    self.words(&format!(" ({address})"), false, true, out);
                }
                Inline::Break => out.push(Piece::End),
                Inline::Mark(number) => {
                    let text = format!("[{number}]");
                    out.push(Piece::Word { text, bold: false, grey: true, space: true });
                }
            }
        }
    }

    fn words(&mut self, text: &str, bold: bool, grey: bool, out: &mut Vec<Piece>) {
        let shown = self.shaper.shown(text);
        let mut space = shown.starts_with(' ');
        for word in shown.split_ascii_whitespace() {
            push(out, word, (bold, grey), space);
            space = true;
        }
        if shown.ends_with(' ') {
            out.push(Piece::Word { text: String::new(), bold, grey, space: true });
        }
    }

    /// Code keeps its blanks; a line ends between two words all the same.
    fn code(&mut self, code: &str, bold: bool, out: &mut Vec<Piece>) {
        let shown = self.shaper.shown(&code.replace('\t', "    "));
        let (mut rest, mut begins) = (shown.as_str(), true);
        while !rest.is_empty() {
            let (blanks, after) = rest.split_at(rest.len() - rest.trim_start_matches(' ').len());
            let (word, after) = after.split_at(after.find(' ').unwrap_or(after.len()));
            // One blank between two words is where a line may end.
            let gap = !begins && !word.is_empty() && !blanks.is_empty();
            push(out, blanks.get(usize::from(gap)..).unwrap_or_default(), (bold, false), false);
            push(out, word, (bold, false), gap);
            (rest, begins) = (after, false);
        }
    }
}

/// Adds a word in pieces that nothing stands between.
fn push(out: &mut Vec<Piece>, word: &str, (bold, grey): (bool, bool), mut space: bool) {
    let mut rest = word;
    while !rest.is_empty() {
        let at = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
        let (head, tail) = rest.split_at(at);
        out.push(Piece::Word { text: head.to_owned(), bold, grey, space });
        (rest, space) = (tail, false);
    }
}

/// Adds a word to a line.
fn add(line: &mut Vec<Run>, space: bool, text: String, bold: bool, grey: bool) {
    let gap = if space { " " } else { "" };
    match line.last_mut() {
        Some(last) if last.bold == bold && last.grey == grey => {
            last.text.push_str(gap);
            last.text.push_str(&text);
        }
        Some(last) => {
            last.text.push_str(gap);
            line.push(Run { text, bold, grey });
        }
        None => line.push(Run { text, bold, grey }),
    }
}
