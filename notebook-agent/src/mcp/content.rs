//! What a tool of another program answers, as text for a model: pure.

use std::fmt::Write as _;

use notebook_core::approval::visible;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use crate::{graph::Failure, tools::Observation};

/// The most bytes of an answer that are looked at; a model is shown fewer.
const MOST: usize = 256 << 10;
/// The most bytes of what a failure says.
const MOST_FAILURE: usize = 4 << 10;
/// The most bytes of a name or a kind that is told.
const TOLD: usize = 200;

/// The answer as text, which says where it is from. What is no text is told, and left out.
///
/// # Errors
/// `tool_failed` with what the tool says of its failure.
pub(super) fn observation(server: &str, result: &CallToolResult) -> Result<Observation, Failure> {
    let mut said = String::new();
    for block in &result.content {
        if said.len() >= MOST {
            break;
        }
        block_text(&mut said, block);
    }
    // Servers that structure their answers say the same as text, for those that read no structure.
    if let (true, Some(structured)) = (said.trim().is_empty(), &result.structured_content) {
        said = structured.to_string();
    }
    said.truncate(said.floor_char_boundary(MOST));
    if said.trim().is_empty() {
        said = "(nothing)".to_owned();
    }
    if result.is_error == Some(true) {
        said.truncate(said.floor_char_boundary(MOST_FAILURE));
        return Err(Failure::new("tool_failed", format!("the MCP server {server} says: {said}")));
    }
    Ok(Observation::text(format!("What the MCP server {server} answered:\n{said}")))
}

fn block_text(said: &mut String, block: &ContentBlock) {
    let _ = match block {
        ContentBlock::Text(text) => writeln!(said, "{}", text.text),
        ContentBlock::Image(image) => {
            left_out(said, "an image", &image.mime_type, image.data.len())
        }
        ContentBlock::Audio(audio) => {
            left_out(said, "a recording", &audio.mime_type, audio.data.len())
        }
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                writeln!(said, "{}:\n{text}", short(uri))
            }
            ResourceContents::BlobResourceContents { mime_type, blob, .. } => {
                left_out(said, "a file", mime_type.as_deref().unwrap_or("unknown kind"), blob.len())
            }
            _ => writeln!(said, "(A resource of an unknown kind was left out.)"),
        },
        ContentBlock::ResourceLink(link) => {
            writeln!(
                said,
                "(A link to {}, {}, which was not followed.)",
                short(&link.name),
                short(&link.uri)
            )
        }
        _ => writeln!(said, "(Something of an unknown kind was left out.)"),
    };
}

fn left_out(said: &mut String, what: &str, kind: &str, base64: usize) -> std::fmt::Result {
    let bytes = base64 / 4 * 3;
    writeln!(
        said,
        "(Left out: {what}, {}, about {bytes} bytes. Only text can be read.)",
        short(kind)
    )
}

fn short(text: &str) -> String {
    let mut text = text.replace('\n', " ");
    text.truncate(text.floor_char_boundary(TOLD));
    visible(&text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: serde_json::Value) -> Result<Observation, Failure> {
        observation("things", &serde_json::from_value(value).unwrap())
    }

    #[test]
    fn d4_what_is_no_text_is_told_as_such() {
        let said = of(json!({ "content": [
            { "type": "text", "text": "one" },
            { "type": "image", "mimeType": "image/png\u{202e}", "data": "AAAABBBB" },
            { "type": "audio", "mimeType": "audio/wav", "data": "AAAA" },
            { "type": "resource", "resource": { "uri": "file:///a", "text": "inside" } },
            { "type": "resource", "resource": { "uri": "file:///b", "blob": "AAAA" } },
            { "type": "resource_link", "name": "c", "uri": "file:///c" },
        ] }))
        .unwrap()
        .text;
        assert!(said.starts_with("What the MCP server things answered:\none\n"), "{said}");
        for part in
            ["image/png⟨U+202E⟩, about 6 bytes", "audio/wav", "file:///a:\ninside", "file:///c"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("AAAA"), "{said}");
    }

    #[test]
    fn d4_failures_structures_and_nothing_are_told() {
        let failed = of(json!({ "content": [{ "type": "text", "text": "no" }], "isError": true }));
        let failure = failed.unwrap_err();
        assert_eq!(
            (failure.code.as_ref(), failure.message.contains("says: no")),
            ("tool_failed", true)
        );
        assert!(
            of(json!({ "content": [], "structuredContent": { "a": 1 } }))
                .unwrap()
                .text
                .ends_with(r#"{"a":1}"#)
        );
        assert!(of(json!({ "content": [] })).unwrap().text.ends_with("(nothing)"));
    }

    #[test]
    fn d4_an_answer_of_50_mb_is_cut_before_anything_is_done_with_it() {
        let block = json!({ "type": "text", "text": "ü".repeat(1 << 20) });
        let said = of(json!({ "content": vec![block; 25] })).unwrap();
        assert!(said.text.len() <= MOST + 100);
    }
}
