//! Turns the tokens of a page into blocks.

use std::cell::RefCell;

use html5ever::LocalName;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};
use notebook_core::document::{DocumentBuilder, Flag};

use super::element::{Role, closes, hides, role};
use crate::parse::{Limits, ParseFailure};

/// Open elements remembered; deeper ones only count as text.
const MAX_OPEN: usize = 4_096;
/// How far up an end tag looks for its start tag.
const MAX_SEARCH: usize = 256;
/// A cell with more text than this is layout, not data.
const MAX_CELL: usize = 4_000;

/// What of a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extract {
    /// Everything that a person can see.
    All,
    /// All but what stands around the text on every page.
    Page,
    /// What is marked as main part or article.
    Article,
}

/// The sink of the tokeniser. The tokeniser wants `&self`, hence the cell.
pub(super) struct Writer<'b>(RefCell<State<'b>>);

impl<'b> Writer<'b> {
    pub(super) fn new(
        builder: &'b mut DocumentBuilder,
        limits: &'b Limits,
        xml: bool,
        extract: Extract,
    ) -> Self {
        Self(RefCell::new(State {
            builder,
            limits,
            xml,
            open: Vec::new(),
            // Outside of an article nothing is read.
            skipped: usize::from(extract == Extract::Article),
            extract,
            inside: 0,
            text: String::new(),
            tables: Vec::new(),
            failure: None,
        }))
    }

    pub(super) fn failed(&self) -> bool {
        self.0.borrow().failure.is_some()
    }

    pub(super) fn finish(&self) -> Result<(), ParseFailure> {
        let mut state = self.0.borrow_mut();
        while !state.open.is_empty() && state.failure.is_none() {
            state.pop();
        }
        state.flush();
        state.failure.take().map_or(Ok(()), Err)
    }
}

impl TokenSink for Writer<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        if state.failure.is_some() {
            return TokenSinkResult::Continue;
        }
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return state.start(tag),
            Token::TagToken(tag) => state.end(&tag.name),
            Token::CharacterTokens(text) => state.characters(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

struct Open {
    name: LocalName,
    role: Role,
    skipped: bool,
    main: bool,
}

/// A table being read. In a layout table, cells are not data but parts of the page.
#[derive(Default)]
struct Table {
    cells: Vec<String>,
    layout: bool,
}

struct State<'b> {
    builder: &'b mut DocumentBuilder,
    limits: &'b Limits,
    xml: bool,
    open: Vec<Open>,
    /// How many open elements are left out.
    skipped: usize,
    extract: Extract,
    /// How many main parts and articles are open.
    inside: usize,
    text: String,
    tables: Vec<Table>,
    failure: Option<ParseFailure>,
}

impl State<'_> {
    fn start(&mut self, tag: Tag) -> TokenSinkResult<()> {
        let role = role(&tag.name);
        if let Some((open, stop)) = closes(&tag.name) {
            self.close_any(open, stop);
        }
        let empty = matches!(role, Role::Void | Role::LineBreak | Role::Rule)
            || (tag.self_closing && (self.xml || matches!(&*tag.name, "svg" | "math")));
        self.enter(role);
        if empty {
            return TokenSinkResult::Continue;
        }
        let raw = raw_text(&tag.name);
        if self.open.len() < MAX_OPEN {
            let hidden = self.is_hidden(&tag);
            let skipped = hidden || role == Role::Skipped || self.is_around(&tag.name);
            self.skipped += usize::from(skipped);
            let main = !skipped && is_main(&tag);
            if main {
                self.inside += 1;
                if self.extract == Extract::Article && self.inside == 1 {
                    self.skipped = self.skipped.saturating_sub(1);
                }
            }
            let name = tag.name;
            self.open.push(Open { name, role, skipped, main });
        }
        raw
    }

    /// Whether an element stands around the text, on pages of the web.
    fn is_around(&self, name: &str) -> bool {
        self.extract != Extract::All
            && match name {
                "aside" | "footer" => true,
                // That of an article has its title.
                "header" => self.inside == 0,
                _ => false,
            }
    }

    fn is_hidden(&mut self, tag: &Tag) -> bool {
        let hidden = tag.attrs.iter().any(|attr| match &*attr.name.local {
            "hidden" => &*attr.value != "until-found",
            "style" => hides(&attr.value),
            _ => false,
        });
        if hidden {
            self.builder.flag(Flag::InvisibleText);
        }
        hidden
            || tag.attrs.iter().any(|attr| match &*attr.name.local {
                "role" => &*attr.value == "navigation",
                "class" => &*attr.value == "headerlink",
                _ => false,
            })
    }

    /// What the start of an element does to the text before it.
    fn enter(&mut self, role: Role) {
        if self.skipped > 0 {
            return;
        }
        match role {
            Role::LineBreak => self.text.push('\n'),
            Role::Block | Role::List | Role::Item | Role::Rule => self.boundary(),
            Role::Heading(_) | Role::Pre => {
                self.spill();
                self.flush();
            }
            Role::Title | Role::Caption => self.flush(),
            Role::Table => {
                self.spill();
                self.flush();
                if self.tables.len() < self.limits.depth {
                    self.tables.push(Table::default());
                }
            }
            Role::Row => self.end_row(),
            Role::Cell => self.boundary_of_cell(),
            Role::Skipped | Role::Void | Role::Inline => {}
        }
    }

    /// Closes the innermost element of that name. An end tag does not reach out of a
    /// table, nor that of an inline element out of a block.
    fn end(&mut self, name: &LocalName) {
        let inline = role(name) == Role::Inline;
        let whole = matches!(&**name, "table" | "body" | "html");
        let depth = self
            .open
            .iter()
            .rev()
            .take(MAX_SEARCH)
            .take_while(|open| {
                open.name == *name
                    || if inline {
                        open.role == Role::Inline
                    } else {
                        whole || open.role != Role::Table
                    }
            })
            .position(|open| open.name == *name);
        for _ in 0..depth.map_or(0, |depth| depth + 1) {
            self.pop();
        }
    }

    /// Closes the innermost of `names`, unless one of `stop` stands before it.
    fn close_any(&mut self, names: &[&str], stop: &[&str]) {
        let depth = self
            .open
            .iter()
            .rev()
            .take(MAX_SEARCH)
            .take_while(|open| !stop.contains(&&*open.name))
            .position(|open| names.contains(&&*open.name));
        for _ in 0..depth.map_or(0, |depth| depth + 1) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(open) = self.open.last() else { return };
        if open.skipped {
            self.skipped = self.skipped.saturating_sub(1);
        } else if self.skipped == 0 {
            self.leave(open.role);
        }
        let Some(open) = self.open.pop() else { return };
        if open.main {
            self.inside = self.inside.saturating_sub(1);
            if self.extract == Extract::Article && self.inside == 0 {
                self.skipped += 1;
            }
        }
    }

    /// What the end of an element does to the text in it. The element is still open.
    fn leave(&mut self, role: Role) {
        match role {
            Role::Block | Role::List | Role::Item => self.boundary(),
            Role::Cell => self.boundary_of_cell(),
            Role::Row => self.end_row(),
            Role::Table => {
                self.end_row();
                self.flush();
                self.tables.pop();
            }
            Role::Inline | Role::Void | Role::LineBreak | Role::Rule | Role::Skipped => {}
            _ => self.flush(),
        }
    }

    fn characters(&mut self, text: &str) {
        if self.skipped > 0 {
            return;
        }
        if self.text.len() + text.len() > self.limits.text_bytes {
            self.failure = Some(crate::parse::FailureCode::TooLarge.into());
            return;
        }
        self.text.push_str(text);
        if self.text.len() > MAX_CELL {
            self.spill();
        }
    }

    fn in_data_table(&self) -> bool {
        self.tables.last().is_some_and(|table| !table.layout)
    }

    /// The edge of a block: in a cell a space, elsewhere the end of a paragraph.
    fn boundary(&mut self) {
        if self.in_data_table() && self.innermost(&[Role::Cell, Role::Caption]) == Some(Role::Cell)
        {
            self.text.push(' ');
        } else {
            self.flush();
        }
    }

    fn boundary_of_cell(&mut self) {
        if !self.in_data_table() {
            return self.flush();
        }
        let text = std::mem::take(&mut self.text);
        let in_cell = self.innermost(&[Role::Cell, Role::Table]) == Some(Role::Cell);
        if let (true, Some(table)) = (in_cell, self.tables.last_mut()) {
            table.cells.push(text);
        } else if !text.trim().is_empty() {
            self.text = text;
            self.flush();
        }
    }

    fn end_row(&mut self) {
        if !self.in_data_table() {
            return self.flush();
        }
        if !self.text.trim().is_empty() {
            self.boundary_of_cell();
        }
        let cells = self.tables.last_mut().map(|table| std::mem::take(&mut table.cells));
        let result = self.builder.row(cells.unwrap_or_default());
        self.note(result);
    }

    /// The open tables turn out to be layout: what was read of their rows is paragraphs.
    fn spill(&mut self) {
        if !self.in_data_table() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        for table in &mut self.tables {
            table.layout = true;
            for cell in std::mem::take(&mut table.cells) {
                let result = self.builder.paragraph(&cell);
                if let Err(limit) = result {
                    self.failure.get_or_insert(limit.into());
                }
            }
        }
        self.text = text;
    }

    fn innermost(&self, roles: &[Role]) -> Option<Role> {
        self.open
            .iter()
            .rev()
            .take(MAX_SEARCH)
            .map(|open| open.role)
            .find(|role| roles.contains(role))
    }

    /// Ends the current block; the innermost element that gives a kind decides which.
    fn flush(&mut self) {
        if self.text.trim().is_empty() {
            self.text.clear();
            return;
        }
        let text = std::mem::take(&mut self.text);
        let kind = self
            .open
            .iter()
            .rev()
            .take(MAX_SEARCH)
            .map(|open| open.role)
            .find(|role| !matches!(role, Role::Inline | Role::Block | Role::List));
        let result = match kind {
            Some(Role::Title) => {
                if !self.builder.has_title() {
                    self.builder.set_title(&text);
                }
                Ok(())
            }
            Some(Role::Heading(level)) => self.builder.heading(level, &text),
            Some(Role::Item) => self.builder.list_item(&text),
            Some(Role::Pre) => self.builder.code(&text),
            Some(Role::Caption) => self.builder.caption(&text),
            _ => self.builder.paragraph(&text),
        };
        self.note(result);
    }

    fn note<E: Into<ParseFailure>>(&mut self, result: Result<(), E>) {
        if let Err(failure) = result {
            self.failure.get_or_insert(failure.into());
        }
    }
}

fn is_main(tag: &Tag) -> bool {
    matches!(&*tag.name, "main" | "article")
        || tag.attrs.iter().any(|attr| &*attr.name.local == "role" && &*attr.value == "main")
}

/// The elements whose content is not markup.
fn raw_text(name: &str) -> TokenSinkResult<()> {
    match name {
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        "textarea" | "title" => TokenSinkResult::RawData(RawKind::Rcdata),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}
