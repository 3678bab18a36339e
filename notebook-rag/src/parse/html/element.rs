//! What each element means for the text.

/// How an element acts on the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Left out with all it holds.
    Skipped,
    /// Begins and ends a paragraph.
    Block,
    Heading(u8),
    Item,
    List,
    Pre,
    Caption,
    Title,
    Table,
    Row,
    Cell,
    LineBreak,
    /// A line across the page.
    Rule,
    /// No end tag, no text.
    Void,
    /// Part of the line.
    Inline,
}

pub(super) fn role(name: &str) -> Role {
    match name {
        "script" | "style" | "noscript" | "template" | "svg" | "iframe" | "object" | "canvas"
        | "audio" | "video" | "nav" | "select" | "button" | "textarea" | "noembed" | "noframes"
        | "datalist" | "dialog" | "map" => Role::Skipped,
        "h1" => Role::Heading(1),
        "h2" => Role::Heading(2),
        "h3" => Role::Heading(3),
        "h4" => Role::Heading(4),
        "h5" => Role::Heading(5),
        "h6" => Role::Heading(6),
        "li" => Role::Item,
        "ul" | "ol" | "menu" | "dir" => Role::List,
        "pre" | "listing" | "xmp" | "plaintext" => Role::Pre,
        "caption" | "figcaption" | "legend" => Role::Caption,
        "title" => Role::Title,
        "table" => Role::Table,
        "tr" => Role::Row,
        "td" | "th" => Role::Cell,
        "br" => Role::LineBreak,
        "area" | "base" | "col" | "embed" | "img" | "input" | "link" | "meta" | "param"
        | "source" | "track" | "wbr" | "frame" | "basefont" | "bgsound" | "keygen" => Role::Void,
        "hr" => Role::Rule,
        "p" | "div" | "section" | "article" | "aside" | "header" | "footer" | "main" | "body"
        | "html" | "head" | "blockquote" | "dl" | "dt" | "dd" | "figure" | "fieldset" | "form"
        | "address" | "center" | "details" | "summary" | "hgroup" | "search" | "thead"
        | "tbody" | "tfoot" | "colgroup" | "option" | "optgroup" => Role::Block,
        _ => Role::Inline,
    }
}

/// Elements whose start tag ends an open `open` element without an end tag, and the
/// elements that such a search does not look past.
pub(super) fn closes(name: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    const TABLE: &[&str] = &["table"];
    const LIST: &[&str] = &["ul", "ol", "menu", "table", "td", "th"];
    Some(match name {
        "li" => (&["li"], LIST),
        "dt" | "dd" => (&["dt", "dd"], &["dl", "table", "td", "th"]),
        "td" | "th" => (&["td", "th"], &["table", "tr"]),
        "tr" => (&["tr"], TABLE),
        "thead" | "tbody" | "tfoot" => (&["thead", "tbody", "tfoot", "tr"], TABLE),
        "option" | "optgroup" => (&["option"], &["select"]),
        "table" | "p" | "div" | "section" | "article" | "aside" | "header" | "footer" | "main"
        | "ul" | "ol" | "menu" | "dl" | "pre" | "blockquote" | "form" | "figure" | "hr"
        | "fieldset" | "address" | "center" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "nav" => {
            (&["p"], &["table", "td", "th", "caption", "object", "button"])
        }
        _ => return None,
    })
}

/// Whether an inline style hides the element from a person.
pub(super) fn hides(style: &str) -> bool {
    let style: String =
        style.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    style.split(';').any(|rule| {
        matches!(rule, "font-size:0" | "font-size:0px" | "font-size:0pt" | "opacity:0")
            || rule.starts_with("display:none")
            || rule.starts_with("visibility:hidden")
    })
}
