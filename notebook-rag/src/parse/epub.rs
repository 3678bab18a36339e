//! Electronic books: the chapters in reading order.

use std::collections::HashMap;

use notebook_core::document::{Document, DocumentBuilder};

use super::html::append_xhtml;
use super::ooxml::resolve;
use super::xml::{Node, read_bytes};
use super::zip::Archive;
use super::{FailureCode, Limits, ParseFailure};

pub(super) fn parse_epub(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let mut archive = Archive::open(bytes, limits)?;
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    let package_name = package_name(&mut archive, limits)?;
    let package = Package::read(&archive.read_small(&package_name)?, limits)?;
    let locked = locked_parts(&mut archive, limits)?;
    builder.set_title(&package.title);
    let folder = package_name.rsplit_once('/').map_or("", |(folder, _)| folder);
    for href in &package.chapters {
        let name = resolve(folder, &percent_decode(href));
        if locked.contains(&name) {
            return Err(ParseFailure::new(FailureCode::PasswordProtected).with_message(
                "The book is locked by its shop's copy protection. Upload a copy without it.",
            ));
        }
        if archive.contains(&name) {
            append_xhtml(&archive.read_small(&name)?, &mut builder, limits)?;
        }
    }
    Ok(builder.finish())
}

/// The package file that the container names.
fn package_name(archive: &mut Archive<'_>, limits: &Limits) -> Result<String, ParseFailure> {
    let bytes = archive.read_small("META-INF/container.xml")?;
    let mut found = None;
    read_bytes(&bytes, limits, |node| {
        if let Node::Start { tag, .. } = node
            && tag.name() == "rootfile"
            && found.is_none()
        {
            found = tag.get("full-path");
        }
        Ok(())
    })?;
    found
        .map(|name| resolve("", &name))
        .ok_or_else(|| ParseFailure::damaged("the container names no package"))
}

/// Parts that are encrypted. Fonts often are, in honest books; only chapters matter.
fn locked_parts(archive: &mut Archive<'_>, limits: &Limits) -> Result<Vec<String>, ParseFailure> {
    let mut locked = Vec::new();
    if archive.contains("META-INF/encryption.xml") {
        let bytes = archive.read_small("META-INF/encryption.xml")?;
        read_bytes(&bytes, limits, |node| {
            if let Node::Start { tag, .. } = node
                && tag.name() == "CipherReference"
            {
                locked.extend(tag.get("URI").map(|uri| resolve("", &percent_decode(&uri))));
            }
            Ok(())
        })?;
    }
    Ok(locked)
}

#[derive(Default)]
struct Package {
    title: String,
    chapters: Vec<String>,
}

impl Package {
    fn read(bytes: &[u8], limits: &Limits) -> Result<Self, ParseFailure> {
        let mut package = Self::default();
        let mut manifest: HashMap<String, String> = HashMap::new();
        let mut in_title = false;
        read_bytes(bytes, limits, |node| {
            match node {
                Node::Start { tag, empty } => match tag.name() {
                    "title" => in_title = !empty && package.title.is_empty(),
                    "item" if is_page(&tag.get("media-type").unwrap_or_default()) => {
                        if let (Some(id), Some(href)) = (tag.get("id"), tag.get("href")) {
                            manifest.insert(id, href);
                        }
                    }
                    "itemref" => {
                        let href = tag.get("idref").and_then(|id| manifest.get(&id));
                        package.chapters.extend(href.cloned());
                    }
                    _ => {}
                },
                Node::End(_) => in_title = false,
                Node::Text(text) if in_title => package.title.push_str(text),
                Node::Text(_) => {}
            }
            Ok(())
        })?;
        if package.chapters.len() > limits.archive_entries {
            return Err(FailureCode::TooManyPages.into());
        }
        Ok(package)
    }
}

fn is_page(media_type: &str) -> bool {
    matches!(media_type, "application/xhtml+xml" | "text/html" | "application/html+xml" | "")
}

/// Undoes `%20` and the like; a fragment is cut off.
fn percent_decode(href: &str) -> String {
    let href = href.split('#').next().unwrap_or_default();
    let mut out = Vec::with_capacity(href.len());
    let mut bytes = href.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = (byte == b'%').then(|| Some([ahead.next()?, ahead.next()?])).flatten();
        let decoded = pair
            .and_then(|pair| String::from_utf8(pair.to_vec()).ok())
            .and_then(|pair| u8::from_str_radix(&pair, 16).ok());
        if decoded.is_some() {
            bytes = ahead;
        }
        out.push(decoded.unwrap_or(byte));
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn percent_signs() {
        assert_eq!(super::percent_decode("a%20b%2Fc%zz%4#x"), "a b/c%zz%4");
    }
}
