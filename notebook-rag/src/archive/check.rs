//! What a row of an archive that is not trusted may hold: texts of bounded lengths, and settings that do no harm here.

use std::collections::BTreeSet;

use notebook_core::{
    Result, SourceId,
    document::Flag,
    model::{
        EventBody, Message, ModelSettings, Notebook, NotebookSettings, RunEvent, Source, Stage,
    },
};

use super::{LayoutFile, read::refused};
use crate::ingest::WAITING;

/// The most characters of a title or a note.
const MOST_TITLE: usize = 1_000;
/// The most notes of a source.
const MOST_NOTES: usize = 100;
/// The most characters of a failure's code or message.
const MOST_FAILURE: usize = 2_000;
/// The most bytes of a message's text.
const MOST_TEXT: usize = 4 << 20;
/// The most characters of an address.
const MOST_URL: usize = 2_048;
/// The most citations of a message.
const MOST_CITATIONS: usize = 10_000;
/// The most characters of a model's name.
const MOST_MODEL: usize = 200;

/// The notebook as it is stored here. What would steer answers, or send questions to a provider that nobody here chose,
/// is dropped.
///
/// # Errors
/// `InvalidInput` that names the entry.
pub(super) fn notebook(row: Notebook, entry: &str) -> Result<Notebook> {
    row.settings.model.validate().map_err(|error| {
        let (field, fix) = (error.context("field"), error.context("fix"));
        let (field, fix) = (field.unwrap_or("settings"), fix.unwrap_or("is out of range"));
        refused(entry, format_args!("has settings out of range (`{field}`: {fix})"))
    })?;
    let model =
        ModelSettings { provider: None, model: None, system_prompt: None, ..row.settings.model };
    // Which programs may be asked is said here, and not by a file.
    let settings = NotebookSettings { model, mcp_servers: Vec::new(), ..row.settings };
    let name = name(&row.name, 200, entry)?;
    Ok(Notebook { name, settings, ..row })
}

/// The source as it is stored here.
///
/// # Errors
/// `InvalidInput` that names the entry.
pub(super) fn source(row: Source, entry: &str) -> Result<Source> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if row.sha256.len() != 64 || !row.sha256.bytes().all(hex) {
        return Err(refused(entry, "has a sha256 that is not 64 hex digits in lower case"));
    }
    if let Some(origin) = &row.origin {
        let parts = [Some(&origin.url), origin.final_url.as_ref(), origin.content_type.as_ref()];
        for text in parts.into_iter().flatten() {
            shorter(text, MOST_URL, "origin", entry)?;
        }
    }
    if row.notes.len() > MOST_NOTES {
        return Err(refused(entry, format_args!("has more than {MOST_NOTES} notes")));
    }
    for text in row.title.iter().chain(&row.notes) {
        shorter(text, MOST_TITLE, "title or note", entry)?;
    }
    if let Some(failure) = &row.failure {
        reason(&failure.code, &failure.message, entry)?;
        if failure.code == WAITING
            || !matches!(
                failure.stage,
                Stage::Fetch | Stage::Parse | Stage::Chunk | Stage::Index | Stage::Embed
            )
        {
            return Err(refused(entry, "has a failure that no source ends with"));
        }
    }
    let name = name(&row.name, 300, entry)?;
    Ok(Source { name, ..row })
}

/// # Errors
/// `InvalidInput` that names the entry.
pub(super) fn layout(layout: &LayoutFile, entry: &str) -> Result<()> {
    if layout.flags.len() > MOST_NOTES {
        return Err(refused(entry, format_args!("has more than {MOST_NOTES} flags")));
    }
    let flags = layout.flags.iter().filter_map(|flag| match flag {
        Flag::Truncated { what } => Some(what),
        Flag::LegacyEncoding { name } => Some(name),
        _ => None,
    });
    for text in layout.title.iter().chain(flags) {
        shorter(text, MOST_TITLE, "title or flag", entry)?;
    }
    Ok(())
}

/// # Errors
/// `InvalidInput` that names the entry.
pub(super) fn message(message: &Message, entry: &str) -> Result<()> {
    if message.text.len() > MOST_TEXT {
        return Err(refused(entry, "has a message of more than 4 MB"));
    }
    if message.citations.len() > MOST_CITATIONS {
        return Err(refused(entry, format_args!("has more than {MOST_CITATIONS} citations")));
    }
    if message.warnings.len() > MOST_NOTES {
        return Err(refused(
            entry,
            format_args!("has a message with more than {MOST_NOTES} warnings"),
        ));
    }
    for warning in &message.warnings {
        shorter(&warning.code, MOST_FAILURE, "warning's code", entry)?;
        shorter(&warning.message, MOST_FAILURE, "warning's text", entry)?;
    }
    message.model.as_ref().map_or(Ok(()), |model| shorter(model, MOST_MODEL, "model", entry))
}

/// # Errors
/// `InvalidInput` that names the entry.
pub(super) fn end(end: &RunEvent, entry: &str) -> Result<()> {
    match &end.body {
        EventBody::Failed { code, message, detail, .. } => {
            reason(code, message, entry)?;
            detail
                .as_ref()
                .map_or(Ok(()), |it| shorter(it, MOST_FAILURE, "failure's detail", entry))
        }
        _ => Ok(()),
    }
}

/// Drops the citations of sources that came without a text, for nobody can check them, and counts them as those that
/// failed when the answer was made.
pub(super) fn drop_unverifiable(message: &mut Message, without_text: &BTreeSet<SourceId>) {
    let before = message.citations.len();
    message.citations.retain(|citation| !without_text.contains(&citation.source));
    let dropped = u32::try_from(before - message.citations.len()).unwrap_or(u32::MAX);
    message.dropped_citations = message.dropped_citations.saturating_add(dropped);
}

fn name(text: &str, most: usize, entry: &str) -> Result<String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > most {
        return Err(refused(entry, format_args!("has a name that is not 1 to {most} characters")));
    }
    Ok(name.to_owned())
}

fn reason(code: &str, message: &str, entry: &str) -> Result<()> {
    shorter(code, MOST_FAILURE, "failure's code", entry)?;
    shorter(message, MOST_FAILURE, "failure's message", entry)
}

fn shorter(text: &str, most: usize, what: &str, entry: &str) -> Result<()> {
    if text.chars().count() > most {
        return Err(refused(entry, format_args!("has a {what} of more than {most} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
