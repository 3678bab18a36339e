//! What the Office formats share: relations between parts, title, macros, embedded files.

use std::collections::HashMap;

use notebook_core::document::{DocumentBuilder, Flag};

use super::xml::{Node, read_bytes};
use super::zip::Archive;
use super::{Limits, ParseFailure};

/// A part that another part points to.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// The last step of its type, such as `slide` or `footnotes`.
    pub(super) kind: String,
    /// Its name in the archive.
    pub(super) target: String,
}

/// The relations of a part by their ids. Targets outside the file are left out.
pub(super) fn relations(
    archive: &mut Archive<'_>,
    part: &str,
    limits: &Limits,
) -> Result<HashMap<String, Relation>, ParseFailure> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = if folder.is_empty() {
        format!("_rels/{file}.rels")
    } else {
        format!("{folder}/_rels/{file}.rels")
    };
    let mut found = HashMap::new();
    if !archive.contains(&name) {
        return Ok(found);
    }
    let bytes = archive.read_small(&name)?;
    read_bytes(&bytes, limits, |node| {
        if let Node::Start { tag, .. } = node
            && tag.name() == "Relationship"
            && tag.get("TargetMode").as_deref() != Some("External")
            && let (Some(id), Some(kind), Some(target)) =
                (tag.get("Id"), tag.get("Type"), tag.get("Target"))
        {
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            let target = resolve(folder, &target);
            found.insert(id, Relation { kind, target });
        }
        Ok(())
    })?;
    Ok(found)
}

/// The name in the archive that `target` means when it stands in a part of `folder`.
/// Only a key to look up: it never becomes a path.
pub(super) fn resolve(folder: &str, target: &str) -> String {
    let (base, target) = match target.strip_prefix('/') {
        Some(absolute) => ("", absolute),
        None => (folder, target),
    };
    let mut steps: Vec<&str> = base.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The part that the package says is the document, such as `word/document.xml`.
pub(super) fn main_part(
    archive: &mut Archive<'_>,
    limits: &Limits,
) -> Result<String, ParseFailure> {
    relations(archive, "", limits)?
        .into_values()
        .find(|relation| relation.kind == "officeDocument")
        .map(|relation| relation.target)
        .ok_or_else(|| ParseFailure::damaged("the package names no document"))
}

/// Title and flags of the package.
pub(super) fn read_package(
    archive: &mut Archive<'_>,
    builder: &mut DocumentBuilder,
    limits: &Limits,
) -> Result<(), ParseFailure> {
    let has = |archive: &Archive<'_>, part: &str| archive.names().any(|name| name.contains(part));
    if has(archive, "vbaProject") {
        builder.flag(Flag::Script);
    }
    if has(archive, "/embeddings/") || has(archive, "/afchunk") {
        builder.flag(Flag::EmbeddedFile);
    }
    if !archive.contains("docProps/core.xml") {
        return Ok(());
    }
    let bytes = archive.read_small("docProps/core.xml")?;
    let (mut inside, mut title) = (false, String::new());
    read_bytes(&bytes, limits, |node| {
        match node {
            Node::Start { tag, empty } => inside = tag.name() == "title" && !empty,
            Node::End(_) => inside = false,
            Node::Text(text) if inside => title.push_str(text),
            Node::Text(_) => {}
        }
        Ok(())
    })?;
    builder.set_title(&title);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::resolve;

    /// U8: targets never leave the archive.
    #[test]
    fn u8_targets_stay_inside() {
        assert_eq!(resolve("word", "media/a.png"), "word/media/a.png");
        assert_eq!(resolve("ppt/slides", "../notes/n.xml"), "ppt/notes/n.xml");
        assert_eq!(resolve("a", "../../../../etc/passwd"), "etc/passwd");
        assert_eq!(resolve("a/b", "/x//./y"), "x/y");
    }
}
