//! Markdown to plain text: the words that a reader of the rendered page sees.

use notebook_core::document::{Document, DocumentBuilder};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::decode::decode;
use super::html::append_html;
use super::{Limits, ParseFailure};

/// Link and image texts are kept, addresses are not; embedded HTML becomes its text.
pub(super) fn parse_markdown(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let decoded = decode(bytes, None);
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    decoded.flag.into_iter().for_each(|flag| builder.flag(flag));
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut writer = Writer {
        builder: &mut builder,
        limits,
        text: String::new(),
        cells: Vec::new(),
        html: String::new(),
        item_depth: 0,
        code: false,
        skip: false,
    };
    for event in Parser::new_ext(&decoded.text, options) {
        writer.event(event)?;
    }
    writer.flush()?;
    Ok(builder.finish())
}

struct Writer<'b> {
    builder: &'b mut DocumentBuilder,
    limits: &'b Limits,
    text: String,
    cells: Vec<String>,
    html: String,
    item_depth: usize,
    code: bool,
    skip: bool,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<(), ParseFailure> {
        match event {
            Event::Start(tag) => self.start(&tag)?,
            Event::End(tag) => self.end(tag)?,
            Event::Text(text) if !self.skip => self.text.push_str(&text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.text.push('\n'),
            Event::Html(html) => self.html.push_str(&html),
            Event::InlineHtml(tag) if tag.starts_with("<br") => self.text.push('\n'),
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: &Tag<'_>) -> Result<(), ParseFailure> {
        match tag {
            Tag::Item => {
                self.flush()?;
                self.item_depth += 1;
            }
            Tag::CodeBlock(_) => {
                self.flush()?;
                self.code = true;
            }
            Tag::MetadataBlock(_) => self.skip = true,
            Tag::Paragraph
            | Tag::Heading { .. }
            | Tag::Table(_)
            | Tag::BlockQuote(_)
            | Tag::List(_) => {
                self.flush()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), ParseFailure> {
        match tag {
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.text);
                if level == HeadingLevel::H1 && !self.builder.has_title() {
                    self.builder.set_title(&text);
                }
                self.builder.heading(level as u8, &text)?;
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.text)),
            TagEnd::TableRow | TagEnd::TableHead => {
                self.builder.row(std::mem::take(&mut self.cells))?;
            }
            TagEnd::HtmlBlock => {
                append_html(&std::mem::take(&mut self.html), self.builder, self.limits)?;
            }
            TagEnd::MetadataBlock(_) => self.skip = false,
            TagEnd::Item => {
                self.flush()?;
                self.item_depth = self.item_depth.saturating_sub(1);
            }
            TagEnd::Paragraph | TagEnd::CodeBlock => self.flush()?,
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ParseFailure> {
        let text = std::mem::take(&mut self.text);
        let code = std::mem::take(&mut self.code);
        if code {
            self.builder.code(&text)?;
        } else if self.item_depth > 0 {
            self.builder.list_item(&text)?;
        } else {
            self.builder.paragraph(&text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notebook_core::document::BlockKind;

    #[test]
    fn keeps_words_and_structure() {
        let source = "---\nkey: v\n---\n# Title *here*\n\nSee [the site](https://x.example/y) and `code`.\nNext.\n\n\
            - one\n  - two\n- three\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\n```rust\nfn f() {\n    1\n}\n```\n\n<div>raw <b>html</b><script>evil()</script></div>\n";
        let d = parse_markdown(source.as_bytes(), &Limits::default()).unwrap();
        d.validate().unwrap();
        assert_eq!(
            d.text,
            "Title here\n\nSee the site and code. Next.\n\none\ntwo\nthree\n\na | b\n1 | 2\n\nfn f() {\n    1\n}\n\nraw html"
        );
        assert_eq!(d.title.as_deref(), Some("Title here"));
        assert_eq!(d.blocks[0].kind, BlockKind::Heading { level: 1 });
        assert_eq!(d.blocks[2].kind, BlockKind::ListItem);
    }

    #[test]
    fn deep_nesting_ends() {
        let deep = "> ".repeat(50_000) + "x";
        assert!(parse_markdown(deep.as_bytes(), &Limits::default()).is_ok());
        let deep = "* ".repeat(20_000) + "x";
        assert!(parse_markdown(deep.as_bytes(), &Limits::default()).is_ok());
    }
}
