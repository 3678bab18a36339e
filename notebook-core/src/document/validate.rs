//! The rules that a document has to keep.

use super::{Block, BlockKind, Document, PictureMap, Span};

/// A document that breaks a rule of [`Document::validate`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid document: {0}")]
pub struct InvalidDocument(String);

type Checked = Result<(), InvalidDocument>;

fn fail(why: String) -> Checked {
    Err(InvalidDocument(why))
}

pub(super) fn validate(document: &Document) -> Checked {
    check_text(&document.text)?;
    check_pages(document)?;
    check_blocks(document)?;
    document.picture.as_ref().map_or(Ok(()), |picture| check_picture(&document.text, picture))
}

fn check_text(text: &str) -> Checked {
    let bad = text.char_indices().find(|(_, c)| c.is_control() && *c != '\n' && *c != '\t');
    if let Some((at, c)) = bad {
        return fail(format!("control character {c:?} at byte {at}"));
    }
    let trailing = text.contains(" \n") || text.contains("\t\n") || text.ends_with([' ', '\t']);
    if trailing {
        return fail("a line ends in white space".into());
    }
    Ok(())
}

fn check_pages(document: &Document) -> Checked {
    let mut at = 0;
    let mut number = 0;
    for page in &document.pages {
        check_span(&document.text, page.span, at)?;
        if page.number <= number {
            return fail(format!("page {} follows page {number}", page.number));
        }
        at = page.span.end;
        number = page.number;
    }
    Ok(())
}

fn check_blocks(document: &Document) -> Checked {
    let mut at = 0;
    for block in &document.blocks {
        check_span(&document.text, block.span, at)?;
        check_gap(&document.text, at, block.span.start)?;
        check_block(&document.text, block)?;
        at = block.span.end;
    }
    check_gap(&document.text, at, document.text.len())
}

fn check_picture(text: &str, picture: &PictureMap) -> Checked {
    let PictureMap { width, height, quarters, words } = picture;
    if *width == 0 || *height == 0 || *quarters > 3 || words.len() > PictureMap::MOST_WORDS {
        return fail(format!(
            "a picture of {width} x {height} pixels, turned {quarters} times, with {} words",
            words.len()
        ));
    }
    let mut at = 0;
    for word in words {
        check_span(text, word.span, at)?;
        if word.span.is_empty() || !picture.holds(&word.area) {
            return fail(format!("a word at byte {} is not in the picture", word.span.start));
        }
        at = word.span.end;
    }
    Ok(())
}

fn check_span(text: &str, span: Span, at: usize) -> Checked {
    if span.start < at || span.end < span.start || span.of(text).is_none() {
        return fail(format!(
            "span {}..{} after byte {at} of {} is out of order, out of range or cuts a character",
            span.start,
            span.end,
            text.len()
        ));
    }
    Ok(())
}

fn check_gap(text: &str, from: usize, to: usize) -> Checked {
    match text.get(from..to) {
        Some(gap) if gap.trim().is_empty() => Ok(()),
        _ => fail(format!("text outside any block between bytes {from} and {to}")),
    }
}

fn check_block(text: &str, block: &Block) -> Checked {
    let inner = block.span.of(text).unwrap_or_default();
    if inner.trim().is_empty() {
        return fail(format!("empty block at byte {}", block.span.start));
    }
    if block.kind != BlockKind::Code && inner.contains('\n') {
        return fail(format!("{:?} of several lines at byte {}", block.kind, block.span.start));
    }
    match block.kind {
        BlockKind::Heading { level } if !(1..=6).contains(&level) => {
            fail(format!("heading level {level}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, DocumentBuilder, Page, PlacedWord};
    use super::*;

    fn sample() -> Document {
        let mut builder = DocumentBuilder::new(1000);
        builder.start_page(1).unwrap();
        builder.paragraph("Zwölf Boxkämpfer").unwrap();
        builder.start_page(2).unwrap();
        builder.row(["a", "b"]).unwrap();
        let area = Area { left: 10, top: 20, width: 30, height: 10 };
        let word = |start, end| PlacedWord { span: Span { start, end }, area };
        let words = vec![word(0, 6), word(7, 18)];
        let picture = Some(PictureMap { width: 40, height: 30, quarters: 1, words });
        Document { picture, ..builder.finish() }
    }

    fn picture(document: &mut Document) -> &mut PictureMap {
        document.picture.as_mut().unwrap()
    }

    #[test]
    fn good_passes() {
        assert_eq!(sample().validate(), Ok(()));
        assert_eq!(Document::default().validate(), Ok(()));
    }

    #[test]
    fn each_rule_is_checked() {
        let breaks: [fn(&mut Document); 18] = [
            |d| d.text.push('\0'),
            |d| d.text.push(' '),
            |d| d.text.push('x'),
            |d| d.blocks[0].span.end = 3,
            |d| d.blocks[1].span.end += 1,
            |d| d.blocks.swap(0, 1),
            |d| d.pages.swap(0, 1),
            |d| d.pages.push(Page { number: 2, span: Span::new(0, 0) }),
            |d| d.blocks[0].kind = BlockKind::Heading { level: 0 },
            |d| picture(d).width = 0,
            |d| picture(d).height = 29,
            |d| picture(d).quarters = 4,
            |d| picture(d).words.swap(0, 1),
            |d| picture(d).words[0].span.end = 8,
            |d| picture(d).words[1].span.end = 7,
            |d| picture(d).words[1].area.left = u32::MAX,
            |d| {
                let word = picture(d).words[0];
                picture(d).words = vec![word; PictureMap::MOST_WORDS + 1];
            },
            |d| {
                d.blocks.pop();
                d.blocks[0].span.end = d.text.len();
            },
        ];
        for (i, change) in breaks.iter().enumerate() {
            let mut document = sample();
            change(&mut document);
            assert!(document.validate().is_err(), "break {i}");
        }
    }
}
