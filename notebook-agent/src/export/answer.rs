//! An answer's Markdown as blocks, with the marks of its citations in their places.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::block::{Block, Inline, last_text};

/// How deep blocks and stresses may lie in each other; what lies deeper is flattened.
const DEEPEST: usize = 24;

/// Text without markup: paragraphs and lines as they were typed.
pub(super) fn plain(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines: Vec<Inline> = Vec::new();
    for line in text.split('\n').chain([""]) {
        if !line.trim().is_empty() {
            if !lines.is_empty() {
                lines.push(Inline::Break);
            }
            lines.push(Inline::Text(line.trim_end().to_owned()));
        } else if !lines.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(&mut lines)));
        }
    }
    blocks
}

/// Markdown as the page shows it: raw HTML is text, images are their descriptions, links lead to the web or are text.
///
/// `marks` are byte offsets into `text`, in order, each with a note's number. A mark belongs to what it follows; one
/// that falls on syntax or into code goes behind it.
pub(super) fn parse(text: &str, marks: &[(usize, usize)]) -> Vec<Block> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut builder = Builder {
        source: text,
        marks,
        opened: Vec::new(),
        frames: vec![Frame::blocks(Kind::Root)],
    };
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        builder.event(event, &range);
    }
    builder.finish()
}

/// What an open part is.
enum Kind {
    Root,
    Heading(u8),
    Paragraph,
    /// Text right in a list item or a quote, without a paragraph of its own.
    Loose,
    List(Option<u64>),
    Item,
    Code,
    Quote,
    Table,
    Row,
    Cell,
    Emphasis,
    Strong,
    Struck,
    Link(Option<String>),
    Image,
}

/// An open part with what it holds so far.
struct Frame {
    kind: Kind,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    /// Of a list: its items. Of a table: its rows. Of a row: its cells.
    items: Vec<Vec<Block>>,
    rows: Vec<Vec<Vec<Inline>>>,
    cells: Vec<Vec<Inline>>,
    code: String,
}

impl Frame {
    const fn blocks(kind: Kind) -> Self {
        Self {
            kind,
            blocks: Vec::new(),
            inlines: Vec::new(),
            items: Vec::new(),
            rows: Vec::new(),
            cells: Vec::new(),
            code: String::new(),
        }
    }

    /// Whether it holds running text.
    const fn is_inline(&self) -> bool {
        matches!(
            self.kind,
            Kind::Heading(_)
                | Kind::Paragraph
                | Kind::Loose
                | Kind::Cell
                | Kind::Emphasis
                | Kind::Strong
                | Kind::Struck
                | Kind::Link(_)
                | Kind::Image
        )
    }
}

struct Builder<'t> {
    source: &'t str,
    marks: &'t [(usize, usize)],
    /// For each open tag, whether it has a frame of its own.
    opened: Vec<bool>,
    frames: Vec<Frame>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) => {
                self.place(|at| at <= range.start);
                self.start(tag);
            }
            Event::End(tag) => {
                // Behind a stress that ends here, but within a paragraph that does.
                let end = range.end;
                if is_stress(tag) {
                    self.place(|at| at < end);
                } else if self.frames.last().is_some_and(Frame::is_inline) {
                    self.place(|at| at <= end);
                }
                self.end();
            }
            Event::Text(text) => self.text(&text, range),
            Event::Code(code) => {
                self.place(|at| at <= range.start);
                self.push(Inline::Code(code.into_string()));
            }
            Event::SoftBreak => self.piece(Inline::Text(" ".to_owned()), range),
            Event::HardBreak => self.piece(Inline::Break, range),
            Event::Rule => {
                self.place(|at| at <= range.start);
                self.block(Block::Rule);
            }
            Event::Html(html) | Event::InlineHtml(html) => self.html(&html, range),
            // Off, or not of this dialect.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text, range);
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn piece(&mut self, inline: Inline, range: &Range<usize>) {
        self.place(|at| at <= range.start);
        self.push(inline);
    }

    fn html(&mut self, html: &str, range: &Range<usize>) {
        self.place(|at| at <= range.start);
        for (index, line) in html.trim_end_matches('\n').split('\n').enumerate() {
            if index > 0 {
                self.push(Inline::Break);
            }
            self.push(Inline::Text(line.to_owned()));
        }
    }

    /// Text, cut where marks stand in it.
    fn text(&mut self, text: &str, range: &Range<usize>) {
        self.place(|at| at <= range.start);
        if let Some(Frame { kind: Kind::Code, code, .. }) = self.frames.last_mut() {
            code.push_str(text);
            return;
        }
        let verbatim = self.source.get(range.clone()) == Some(text);
        let mut from = 0;
        while let Some(&(at, _)) = self.marks.first()
            && verbatim
            && at < range.end
        {
            let cut = at - range.start;
            let Some(piece) = text.get(from..cut) else { break };
            self.push(Inline::Text(piece.to_owned()));
            from = cut;
            self.place(|mark| mark <= at);
        }
        self.push(Inline::Text(text.get(from..).unwrap_or_default().to_owned()));
    }

    /// Puts the next marks for which `here` holds where the text is now.
    fn place(&mut self, here: impl Fn(usize) -> bool) {
        while let Some((&(at, number), rest)) = self.marks.split_first()
            && here(at)
        {
            if self.frames.last().is_some_and(|frame| matches!(frame.kind, Kind::Code)) {
                return;
            }
            self.marks = rest;
            self.mark(number);
        }
    }

    fn mark(&mut self, number: usize) {
        let mark = Inline::Mark(number);
        if self.frames.last().is_some_and(Frame::is_inline) {
            return self.push(mark);
        }
        // Nothing runs here: it goes behind the last text, or stands alone behind what is none.
        for frame in self.frames.iter_mut().rev() {
            let last = match frame.kind {
                Kind::Row => frame.cells.last_mut(),
                Kind::Table => frame.rows.last_mut().and_then(|row| row.last_mut()),
                Kind::List(_) => frame.items.last_mut().and_then(|item| last_text(item)),
                _ => last_text(&mut frame.blocks),
            };
            if let Some(text) = last {
                return text.push(mark);
            }
            if frame.holds_blocks()
                && (!frame.blocks.is_empty() || matches!(frame.kind, Kind::Root))
            {
                return frame.blocks.push(Block::Paragraph(vec![mark]));
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let kind = match tag {
            Tag::Paragraph => Kind::Paragraph,
            Tag::Heading { level, .. } => Kind::Heading(level as u8),
            Tag::BlockQuote(_) => Kind::Quote,
            Tag::CodeBlock(_) => Kind::Code,
            Tag::List(start) => Kind::List(start),
            Tag::Item => Kind::Item,
            Tag::Table(_) => Kind::Table,
            Tag::TableHead | Tag::TableRow => Kind::Row,
            Tag::TableCell => Kind::Cell,
            Tag::Emphasis => Kind::Emphasis,
            Tag::Strong => Kind::Strong,
            Tag::Strikethrough => Kind::Struck,
            Tag::Link { dest_url, .. } => Kind::Link(web(&dest_url)),
            Tag::Image { .. } => Kind::Image,
            // Raw HTML is text in a paragraph; the rest is not of this dialect.
            _ => Kind::Paragraph,
        };
        let misplaced = match kind {
            Kind::Item => !self.inner(|kind| matches!(kind, Kind::List(_))),
            Kind::Row => !self.inner(|kind| matches!(kind, Kind::Table)),
            Kind::Cell => !self.inner(|kind| matches!(kind, Kind::Row)),
            _ => false,
        };
        if misplaced || self.frames.len() >= DEEPEST {
            self.opened.push(false);
            return;
        }
        let frame = Frame::blocks(kind);
        if !frame.is_inline() || matches!(frame.kind, Kind::Heading(_) | Kind::Paragraph) {
            self.end_loose();
        } else if !matches!(frame.kind, Kind::Cell) {
            self.open_loose();
        }
        self.opened.push(true);
        self.frames.push(frame);
    }

    fn inner(&self, is: impl Fn(&Kind) -> bool) -> bool {
        self.frames.last().is_some_and(|frame| is(&frame.kind))
    }

    fn end(&mut self) {
        if self.opened.pop() != Some(true) {
            return;
        }
        self.end_loose();
        self.close();
    }

    /// Closes the innermost part and gives it to the one around it.
    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let Frame { kind, blocks, inlines, items, rows, cells, code } = frame;
        match kind {
            Kind::Root => {}
            Kind::Heading(level) => self.block(Block::Heading { level, text: inlines }),
            Kind::Paragraph | Kind::Loose if inlines.is_empty() => {}
            Kind::Paragraph | Kind::Loose => self.block(Block::Paragraph(inlines)),
            Kind::List(start) => self.block(Block::List { start, items }),
            Kind::Item => self.last(|outer| outer.items.push(blocks)),
            Kind::Code => self.block(Block::Code(code)),
            Kind::Quote => self.block(Block::Quote(blocks)),
            Kind::Table => self.block(Block::Table(rows)),
            Kind::Row => self.last(|outer| outer.rows.push(cells)),
            Kind::Cell => self.last(|outer| outer.cells.push(inlines)),
            Kind::Emphasis => self.push(Inline::Emphasis(inlines)),
            Kind::Strong => self.push(Inline::Strong(inlines)),
            Kind::Struck => self.push(Inline::Struck(inlines)),
            Kind::Link(Some(address)) => self.push(Inline::Link { text: inlines, address }),
            Kind::Link(None) => inlines.into_iter().for_each(|inline| self.push(inline)),
            Kind::Image => {
                self.push(Inline::Text("[".to_owned()));
                inlines.into_iter().for_each(|inline| self.push(inline));
                self.push(Inline::Text("]".to_owned()));
            }
        }
    }

    fn last(&mut self, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.frames.last_mut() {
            change(frame);
        }
    }

    fn block(&mut self, block: Block) {
        self.end_loose();
        if let Some(frame) = self.frames.iter_mut().rev().find(|frame| frame.holds_blocks()) {
            frame.blocks.push(block);
        }
    }

    fn push(&mut self, inline: Inline) {
        self.open_loose();
        let Some(frame) = self.frames.last_mut() else { return };
        match (inline, frame.inlines.last_mut()) {
            (Inline::Text(more), Some(Inline::Text(text))) => text.push_str(&more),
            (Inline::Text(text), _) if text.is_empty() => {}
            (inline, _) => frame.inlines.push(inline),
        }
    }

    /// Text right in an item gets a paragraph.
    fn open_loose(&mut self) {
        if !self.frames.last().is_some_and(Frame::is_inline) {
            self.frames.push(Frame::blocks(Kind::Loose));
        }
    }

    fn end_loose(&mut self) {
        if self.inner(is_loose) {
            self.close();
        }
    }

    fn finish(mut self) -> Vec<Block> {
        self.end_loose();
        self.place(|_| true);
        self.end_loose();
        self.frames.into_iter().next().map(|frame| frame.blocks).unwrap_or_default()
    }
}

const fn is_loose(kind: &Kind) -> bool {
    matches!(kind, Kind::Loose)
}

impl Frame {
    const fn holds_blocks(&self) -> bool {
        matches!(self.kind, Kind::Root | Kind::Item | Kind::Quote)
    }
}

/// Whether it lies within running text.
const fn is_stress(tag: TagEnd) -> bool {
    use TagEnd::{Emphasis, Image, Link, Strikethrough, Strong};
    matches!(tag, Emphasis | Strong | Strikethrough | Link | Image)
}

/// An address of the web; none for any other.
fn web(address: &str) -> Option<String> {
    let known = ["http://", "https://"].iter().any(|scheme| {
        address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let clean = !address.chars().any(|c| c.is_whitespace() || c.is_control() || "<>".contains(c));
    (known && clean).then(|| address.to_owned())
}
