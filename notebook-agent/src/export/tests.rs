use notebook_core::{
    ConversationId, MessageId, NotebookId,
    document::{Flag, SourceKind, Span},
};
use notebook_rag::parse::{Limits, parse_bytes};
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;

fn conversation(title: &str) -> Conversation {
    Conversation {
        id: ConversationId::from_u128(1),
        notebook: NotebookId::from_u128(1),
        title: title.to_owned(),
        excluded_sources: Vec::new(),
        created_at: Timestamp::from_millis(1_795_000_000_000),
        updated_at: Timestamp::from_millis(1_795_000_000_000),
    }
}

fn message(id: u128, parent: Option<u128>, role: Role, text: &str) -> Message {
    Message {
        id: MessageId::from_u128(id),
        conversation: ConversationId::from_u128(1),
        parent: parent.map(MessageId::from_u128),
        role,
        text: text.to_owned(),
        citations: Vec::new(),
        dropped_citations: 0,
        run: None,
        model: (role == Role::Assistant).then(|| "ollama/llama_3".to_owned()),
        usage: None,
        timings: Vec::new(),
        warnings: Vec::new(),
        partial: false,
        created_at: Timestamp::from_millis(1_795_000_060_000),
    }
}

fn cite(text: &str, after: &str, source: u128, quote: &str) -> Citation {
    let at = text.find(after).unwrap() + after.len();
    Citation {
        number: 1,
        at,
        at_utf16: at,
        source: SourceId::from_u128(source),
        span: Span::new(0, quote.len()),
        page: Some(4),
        quote: quote.to_owned(),
    }
}

fn transcript(title: &str, question: &str, answer: Message, source: &str) -> Transcript {
    let branch = [message(1, None, Role::User, question), answer];
    let kind = if source.ends_with(".mp3") { SourceKind::Mp3 } else { SourceKind::Pdf };
    let cited = Cited { name: source.to_owned(), kind };
    let sources = HashMap::from([(SourceId::from_u128(1), cited)]);
    let exported = Timestamp::from_millis(1_795_000_120_000);
    Transcript::of(&conversation(title), &branch, &sources, exported)
}

const GFM: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_MATH)
    .union(Options::ENABLE_TASKLISTS);

/// F2: title, dates, questions, answers with their own markup, citations as footnotes with source, page and words.
#[test]
fn f2_a_conversation_as_markdown() {
    let text = "Herons are **tall**.\n\n- grey\n- white\n\n```\nlet x = `1`;\n```\n";
    let mut answer = message(2, Some(1), Role::Assistant, text);
    answer.citations = vec![
        cite(text, "tall**", 1, "stands 98 cm\ntall"),
        cite(text, "white", 1, "white herons"),
        cite(text, "x = ", 2, "gone"),
    ];
    answer.partial = true;
    let transcript = transcript("Birds", "How tall?\n- really", answer, "heron_book.pdf");
    let expected = "\
# Birds

Conversation of 2026-11-18 11:06 UTC, exported 2026-11-18 11:08 UTC.

## Question 1

*2026-11-18 11:07 UTC*

How tall?\\
\\- really

### Answer

*2026-11-18 11:07 UTC*, ollama/llama\\_3

Herons are **tall**[^1].

- grey
- white[^2]

```
let x = `1`;
```

[^3]

*This answer was ended early.*

[^1]: heron\\_book.pdf, page 4: “stands 98 cm\\
    tall”

[^2]: heron\\_book.pdf, page 4: “white herons”

[^3]: (a source that was deleted), page 4: “gone”
";
    assert_eq!(markdown(&transcript), expected);
}

/// What a reader of the Markdown sees: its text without white space, and how many marked-up things of each kind.
fn seen(text: &str) -> (String, Vec<&'static str>) {
    let (mut words, mut tags) = (String::new(), Vec::new());
    for event in Parser::new_ext(text, GFM) {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::Html(_) | Event::InlineHtml(_) => tags.push("html"),
            Event::InlineMath(_) | Event::DisplayMath(_) => tags.push("math"),
            Event::Rule => tags.push("rule"),
            Event::TaskListMarker(_) => tags.push("task"),
            Event::FootnoteReference(_) => tags.push("mark"),
            Event::Start(Tag::Heading { .. }) => tags.push("heading"),
            Event::Start(Tag::List(_)) => tags.push("list"),
            Event::Start(Tag::BlockQuote(_)) => tags.push("quote"),
            Event::Start(Tag::CodeBlock(_)) => tags.push("code"),
            Event::Start(Tag::Table(_)) => tags.push("table"),
            Event::Start(Tag::Link { .. }) => tags.push("link"),
            Event::Start(Tag::Image { .. }) => tags.push("image"),
            Event::Start(Tag::FootnoteDefinition(_)) => tags.push("note"),
            Event::Start(Tag::Strong) => tags.push("strong"),
            Event::Start(Tag::Strikethrough) => tags.push("struck"),
            _ => {}
        }
    }
    words.retain(|c| !c.is_whitespace());
    (words, tags)
}

const HOSTILE: &[&str] = &[
    "# not a heading",
    "heading\n=======\nheading\n---",
    "<script>alert(1)</script> <b>x</b> &lt;i&gt; &amp;",
    "[a](http://evil) ![b](http://evil/x.png) <http://evil>",
    "[a]: http://evil\n[a]",
    "[^1]: mine\n\n[^1]",
    "- a\n+ b\n* c\n1. d\n2) e",
    "> quoted",
    "```\ncode\n```\n~~~\nx\n~~~",
    "    indented code",
    "| a | b |\n| - | - |\n| c | d |",
    "*x* **y** _z_ ~~w~~ `v` $m$ $$n$$",
    "***\n___\n- - -",
    "trailing\\",
    "\\*x\\* \\\\",
    "- [ ] task",
    ": definition",
];

/// Whatever is in titles, questions, names of sources and quotes stays text, and all of it.
/// P15: what a source says is in an export too the quotation of one source, under its name, whatever it says.
#[test]
fn f2_text_never_becomes_markup() {
    for hostile in HOSTILE {
        let text = "Fine.";
        let mut answer = message(2, Some(1), Role::Assistant, text);
        answer.citations = vec![cite(text, "Fine.", 1, hostile)];
        let transcript = transcript(hostile, hostile, answer, hostile);
        let (words, tags) = seen(&markdown(&transcript));
        assert_eq!(tags, ["heading", "heading", "heading", "mark", "note"], "{hostile:?}");
        let bare: String = hostile.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(words.matches(&bare).count(), 4, "{hostile:?} in {words}");
    }
}

proptest! {
    /// The same for any text made of what markup is made of.
    #[test]
    fn f2_no_text_becomes_markup(hostile in "[-a1 \n\t#>*_`~|:.()!=+<&;$^{}/\\[\\]\\\\]{1,40}") {
        prop_assume!(!hostile.trim().is_empty());
        let text = "Fine.";
        let mut answer = message(2, Some(1), Role::Assistant, text);
        answer.citations = vec![cite(text, "Fine.", 1, &hostile)];
        let transcript = transcript(&hostile, &hostile, answer, &hostile);
        let written = markdown(&transcript);
        let (words, tags) = seen(&written);
        prop_assert_eq!(&tags, &["heading", "heading", "heading", "mark", "note"], "{}", written);
        let bare: String = hostile.chars().filter(|c| !c.is_whitespace()).collect();
        prop_assert!(words.matches(&bare).count() >= 4, "{} in {}", bare, written);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// An answer's own markup is kept as it was, HTML apart, and every mark is there once.
    #[test]
    fn f2_an_answer_keeps_its_markup(
        answer in "([a-c]{1,3}|[-*+>#`_|\\[\\]()<>/!~.1]{1,3}| {1,4}|\n{1,2}){1,30}", at in 0_usize..60,
    ) {
        let at = at.min(answer.len());
        let mut message = message(2, Some(1), Role::Assistant, &answer);
        message.citations = vec![Citation { at, ..cite("", "", 1, "words") }];
        let transcript = transcript("T", "Q", message, "S");
        let written = markdown(&transcript);
        let (_, tags) = seen(&written);
        prop_assert_eq!(tags.iter().filter(|tag| **tag == "mark").count(), 1, "{:?} {}", answer, written);
        prop_assert!(!tags.contains(&"html") || written.contains("<!-- -->"), "{}", written);
        prop_assert!(!tags.contains(&"image"), "{}", written);
        // It is also a PDF.
        prop_assert!(pdf(&transcript).is_ok());
    }
}

/// F2: empty items of lists are items, and code is what it was, wherever it lies.
#[test]
fn f2_empty_items_and_the_blanks_of_code_are_kept() {
    let text = "- a\n-\n- b\n\n1.\n2. c\n\n```\nx  y  \n\n   \n\n```\n\n- in\n\n  ```\n  deep  \n     \n  ```\n\n\
        > ```\n> quoted  \n>   \n> ```";
    let of = |text: &str| {
        let (mut items, mut code, mut inside) = (0, Vec::new(), false);
        for event in Parser::new_ext(text, GFM) {
            match event {
                Event::Start(Tag::Item) => items += 1,
                Event::Start(Tag::CodeBlock(_)) => {
                    inside = true;
                    code.push(String::new());
                }
                Event::End(pulldown_cmark::TagEnd::CodeBlock) => inside = false,
                Event::Text(text) if inside => code.last_mut().unwrap().push_str(&text),
                _ => {}
            }
        }
        (items, code)
    };
    let written = markdown(&transcript("T", "Q", message(2, Some(1), Role::Assistant, text), "S"));
    let (items, code) = of(text);
    assert_eq!((items, code.len()), (6, 3));
    assert_eq!(code[0], "x  y  \n\n   \n\n");
    assert_eq!(of(&written), (items, code), "{written}");
}

/// H2: the branch that is shown is the newest, or the one through a message; below that, the newest again.
#[test]
fn f2_the_branch_that_is_shown() {
    let user = |id, parent| message(id, parent, Role::User, "q");
    let answer = |id, parent| message(id, Some(parent), Role::Assistant, "a");
    // 1 - 2 - 3 - 4, another answer 5 to 1, asked on as 6 - 7 and as 8.
    let all = || {
        vec![
            user(8, Some(5)),
            answer(7, 6),
            user(6, Some(5)),
            answer(5, 1),
            answer(4, 3),
            user(3, Some(2)),
            answer(2, 1),
            user(1, None),
        ]
    };
    let ids = |through: Option<u128>| -> Vec<u128> {
        let path = shown(all(), through.map(MessageId::from_u128));
        path.iter().map(|message| message.id.as_u128()).collect()
    };
    assert_eq!(ids(None), [1, 5, 8]);
    assert_eq!(ids(Some(7)), [1, 5, 6, 7]);
    assert_eq!(ids(Some(6)), [1, 5, 6, 7]);
    assert_eq!(ids(Some(2)), [1, 2, 3, 4]);
    assert_eq!(ids(Some(99)), [1, 5, 8], "one that is not there");
    let mut circle = all();
    circle.retain(|message| message.id.as_u128() > 2);
    circle[5].parent = Some(MessageId::from_u128(4));
    assert!(shown(circle, Some(MessageId::from_u128(4))).len() <= 6);
}

/// F2: read back by the product's own parser, the PDF has every word, in three scripts, and says what it lacks.
#[test]
fn f2_a_pdf_has_every_word() {
    let text = "# Größe\n\nDer **Graureiher** steht 98 Zentimeter hoch.\n\nΟ ερωδιός είναι ψηλός.\n\n\
        1. Серая цапля высокая\n2. naïve façade\n\n| Vogel | Höhe |\n|---|---|\n| Reiher | 98 |\n\n鷺 and more";
    let mut answer = message(2, Some(1), Role::Assistant, text);
    answer.citations = vec![cite(text, "hoch.", 1, "98 Zentimeter hoch")];
    let written = pdf(&transcript("Reiher", "Wie groß?", answer, "vögel.pdf")).unwrap();
    let document = parse_bytes(&written.bytes, SourceKind::Pdf, &Limits::default()).unwrap();
    let read = document.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Reiher",
        "Conversation of 2026-11-18 11:06 UTC",
        "Question 1",
        "Wie groß?",
        "Answer",
        "ollama/llama_3",
        "Größe",
        "Der Graureiher steht 98 Zentimeter hoch. [1]",
        "Ο ερωδιός είναι ψηλός.",
        "Серая цапля высокая",
        "naïve façade",
        "Reiher | 98",
        "and more",
        "[1] vögel.pdf, page 4: “98 Zentimeter hoch”",
        "1 characters are not in this document's font",
    ] {
        assert!(read.contains(words), "{words:?} is not in {read}");
    }
    assert_eq!(written.replaced, 1);
    // The parser counts the character that stands for it, there and where it is told.
    assert!(document.flags.contains(&Flag::UnmappedGlyphs { count: 2 }), "{:?}", document.flags);
    assert_eq!(document.title.as_deref(), Some("Reiher"));
}

/// Long texts go over pages, and a word longer than a line over lines: nothing is lost.
#[test]
fn f2_long_texts_are_whole() {
    // Without digits: lines that differ in their numbers alone are running heads to the parser.
    let letter = |i: u32| char::from_digit(10 + i % 20, 36).unwrap();
    let words: Vec<String> = (0..4_000)
        .map(|i| format!("w{}{}{}w", letter(i), letter(i / 20), letter(i / 400)))
        .collect();
    let long = "z".repeat(400);
    let text = format!("{}\n\n{long}\n\n> > > > > > > > > > > > > > > > > > deep", words.join(" "));
    let answer = message(2, Some(1), Role::Assistant, &text);
    let written = pdf(&transcript("Long", "Q", answer, "S")).unwrap();
    let document = parse_bytes(&written.bytes, SourceKind::Pdf, &Limits::default()).unwrap();
    assert!(document.pages.len() > 5, "{} pages", document.pages.len());
    let read: String = document.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing: Vec<_> = words.iter().filter(|word| !read.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "{} missing, such as {:?}", missing.len(), missing.first());
    assert_eq!(read.matches('z').count(), 400);
    assert!(read.contains("deep"));
}

/// A word without blanks costs as much as so many words: each piece is measured for itself.
#[test]
fn f2_a_word_without_end_is_written() {
    let answer = message(2, Some(1), Role::Assistant, &"z".repeat(1 << 16));
    let written = pdf(&transcript("Long", "Q", answer, "S")).unwrap();
    assert!(written.bytes.starts_with(b"%PDF"));
}

/// A PDF has a limit, and says what to do; blocks however deep are written.
#[test]
fn f2_large_and_deep_answers() {
    let huge = message(2, Some(1), Role::Assistant, &"word ".repeat(1_700_000));
    let error = pdf(&transcript("T", "Q", huge, "S")).unwrap_err();
    assert_eq!(error.kind(), notebook_core::ErrorKind::TooLarge);
    assert!(error.context("fix").unwrap().contains("Markdown"));
    let deep = format!("{}core {}x", "> ".repeat(3_000), "*a **b ".repeat(3_000));
    let transcript = transcript("T", "Q", message(2, Some(1), Role::Assistant, &deep), "S");
    assert!(markdown(&transcript).contains("core"));
    assert!(pdf(&transcript).is_ok());
}
