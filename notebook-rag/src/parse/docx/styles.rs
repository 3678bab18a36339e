//! Which styles are headings.

use std::collections::HashMap;

use crate::parse::xml::{Node, read_bytes};
use crate::parse::{Limits, ParseFailure};

/// What a paragraph style means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StyleRole {
    Heading(u8),
    Title,
    Caption,
    List,
}

/// Paragraph styles by id.
#[derive(Debug, Default)]
pub(super) struct Styles {
    roles: HashMap<String, StyleRole>,
}

#[derive(Default)]
struct Style {
    id: String,
    based_on: Option<String>,
    role: Option<StyleRole>,
}

impl Styles {
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, ParseFailure> {
        let mut styles: Vec<Style> = Vec::new();
        read_bytes(bytes, limits, |node| {
            let Node::Start { tag, .. } = node else { return Ok(()) };
            if tag.name() == "style" {
                let id = tag.get("styleId").unwrap_or_default();
                styles.push(Style { id, ..Style::default() });
                return Ok(());
            }
            let Some(style) = styles.last_mut() else { return Ok(()) };
            match tag.name() {
                "name" => style.role = style.role.or(by_name(&tag.get("val").unwrap_or_default())),
                "basedOn" => style.based_on = tag.get("val"),
                "outlineLvl" => {
                    let level = tag.get("val").and_then(|level| level.parse::<u8>().ok());
                    style.role =
                        style.role.or(level.filter(|l| *l < 9).map(|l| StyleRole::Heading(l + 1)));
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self { roles: inherit(&styles) })
    }

    /// The role of a style. Without a style sheet the usual ids are understood.
    pub(super) fn role(&self, id: &str) -> Option<StyleRole> {
        self.roles.get(id).copied().or_else(|| by_name(id))
    }
}

/// Names are stored in English whatever the program's language.
fn by_name(name: &str) -> Option<StyleRole> {
    let name: String = name.to_ascii_lowercase().split_whitespace().collect();
    match name.as_str() {
        "title" => return Some(StyleRole::Title),
        "caption" => return Some(StyleRole::Caption),
        _ => {}
    }
    if let Some(level) = name.strip_prefix("heading") {
        return level.parse().ok().filter(|l| (1..=9).contains(l)).map(StyleRole::Heading);
    }
    (name.starts_with("listbullet") || name.starts_with("listnumber")).then_some(StyleRole::List)
}

/// A style without a role of its own has that of the style it is based on.
fn inherit(styles: &[Style]) -> HashMap<String, StyleRole> {
    let by_id: HashMap<&str, &Style> =
        styles.iter().map(|style| (style.id.as_str(), style)).collect();
    let mut roles = HashMap::new();
    for style in styles {
        let mut at = Some(style);
        // Chains are short; a loop ends here too.
        for _ in 0..16 {
            let Some(style) = at else { break };
            if style.role.is_some() {
                break;
            }
            at = style.based_on.as_deref().and_then(|id| by_id.get(id).copied());
        }
        if let Some(role) = at.and_then(|style| style.role) {
            roles.insert(style.id.clone(), role);
        }
    }
    roles
}
