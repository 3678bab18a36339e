//! A source's text: outline, ranges, a quote in its surroundings, the original.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use notebook_core::{
    Error, ErrorKind, SourceId, TenantScope,
    document::{Block, BlockKind, Span},
    model::{Source, Stage},
    store::Layout,
};
use object_store::{GetResult, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Json, Path, Query, Scope, need},
    problem::{Problem, Reply},
};

/// The most bytes of text in one reply.
const MOST_TEXT: usize = 65_536;
/// The most bytes of surroundings on each side of a quote.
const MOST_CONTEXT: usize = 8_192;

#[derive(Serialize, ToSchema)]
pub(super) struct Outline {
    title: Option<String>,
    pages: Vec<OutlinePage>,
    headings: Vec<OutlineHeading>,
    text_bytes: usize,
}

#[derive(Serialize, ToSchema)]
struct OutlinePage {
    number: u32,
    start: usize,
    end: usize,
}

#[derive(Serialize, ToSchema)]
struct OutlineHeading {
    level: u8,
    text: String,
    start: usize,
    end: usize,
}

/// Pages and headings of a source's text.
#[utoipa::path(get, path = "/api/sources/{id}/outline", params(("id" = SourceId, Path)),
    responses((status = 200, body = Outline), (status = 404, body = Problem)))]
pub(super) async fn outline(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<SourceId>,
) -> Reply<Json<Outline>> {
    readable(&app, &scope, id).await?;
    let layout = app.store.layout(&scope, id).await?;
    let mut headings = Vec::new();
    for block in &layout.blocks {
        if let BlockKind::Heading { level } = block.kind {
            let text = app.store.text(&scope, id, block.span).await?;
            headings.push(OutlineHeading {
                level,
                text,
                start: block.span.start,
                end: block.span.end,
            });
        }
    }
    let pages = layout.pages.iter().map(|page| OutlinePage {
        number: page.number,
        start: page.span.start,
        end: page.span.end,
    });
    Ok(Json(Outline {
        pages: pages.collect(),
        title: layout.title,
        headings,
        text_bytes: layout.text_bytes,
    }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TextRange {
    start: usize,
    end: usize,
    text: String,
    blocks: Vec<TextBlock>,
}

#[derive(Serialize, ToSchema)]
struct TextBlock {
    #[serde(flatten)]
    kind: BlockKind,
    start: usize,
    end: usize,
    text: String,
}

/// A range of the text, widened to whole blocks.
#[utoipa::path(get, path = "/api/sources/{id}/text", params(("id" = SourceId, Path), Range),
    responses((status = 200, body = TextRange), (status = 404, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn text(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<SourceId>,
    Query(range): Query<Range>,
) -> Reply<Json<TextRange>> {
    readable(&app, &scope, id).await?;
    let layout = app.store.layout(&scope, id).await?;
    let asked = checked(range.start, range.end, layout.text_bytes)?;
    if too_long(asked) {
        return Err(too_large().into());
    }
    let blocks = touching(&layout, asked);
    let span = match (blocks.first(), blocks.last()) {
        (Some(first), Some(last)) => Span { start: first.span.start, end: last.span.end },
        _ => Span { start: asked.start, end: asked.start },
    };
    let text = app.store.text(&scope, id, span).await?;
    let blocks = blocks
        .iter()
        .map(|block| TextBlock {
            kind: block.kind,
            start: block.span.start,
            end: block.span.end,
            text: text
                .get(block.span.start - span.start..block.span.end - span.start)
                .unwrap_or_default()
                .to_owned(),
        })
        .collect();
    Ok(Json(TextRange { start: span.start, end: span.end, text, blocks }))
}

/// The blocks that share a byte with `span`.
fn touching(layout: &Layout, span: Span) -> &[Block] {
    let first = layout.blocks.partition_point(|block| block.span.end <= span.start);
    let last = layout.blocks.partition_point(|block| block.span.start < span.end);
    layout.blocks.get(first..last.max(first)).unwrap_or_default()
}

/// Whether a span has more text than one reply may hold.
pub(super) const fn too_long(span: Span) -> bool {
    span.len() > MOST_TEXT
}

pub(super) fn checked(start: usize, end: usize, length: usize) -> Result<Span, Error> {
    if start > end || start > length {
        return Err(Error::invalid(
            "read text",
            "start",
            format!("use start <= end, and start up to {length}"),
        ));
    }
    Ok(Span { start, end: end.min(length) })
}

pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "read text")
        .with("field", "end")
        .with("limit", format!("{MOST_TEXT} bytes"))
        .with("fix", "ask for a shorter range")
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PassageQuery {
    /// First byte of the quote.
    start: usize,
    /// One past its last byte.
    end: usize,
    /// Bytes of text on each side: at most 8,192; 1,200 when absent.
    context: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Passage {
    start: usize,
    end: usize,
    page: Option<u32>,
    before: String,
    quote: String,
    after: String,
    headings: Vec<String>,
}

/// A quote in its surroundings.
#[utoipa::path(get, path = "/api/sources/{id}/passage", params(("id" = SourceId, Path), PassageQuery),
    responses((status = 200, body = Passage), (status = 404, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn passage(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<SourceId>,
    Query(query): Query<PassageQuery>,
) -> Reply<Json<Passage>> {
    readable(&app, &scope, id).await?;
    let layout = app.store.layout(&scope, id).await?;
    let span = checked(query.start, query.end, layout.text_bytes)?;
    if too_long(span) {
        return Err(too_large().into());
    }
    let quote = app.store.text(&scope, id, span).await?;
    let context = query.context.unwrap_or(1_200).min(MOST_CONTEXT);
    let wide = widened(&layout, span, context);
    let before = app.store.text(&scope, id, Span { start: wide.start, end: span.start }).await?;
    let after = app.store.text(&scope, id, Span { start: span.end, end: wide.end }).await?;
    let page = layout
        .pages
        .iter()
        .rev()
        .find(|page| page.span.start <= span.start)
        .map(|page| page.number);
    let mut headings = Vec::new();
    for heading in headings_above(&layout, span.start) {
        headings.push(app.store.text(&scope, id, heading).await?);
    }
    Ok(Json(Passage { start: span.start, end: span.end, page, before, quote, after, headings }))
}

/// The source, if it is there for readers: one that is being deleted is gone for them from the moment that it was asked for.
pub(super) async fn readable(
    app: &App,
    scope: &TenantScope,
    id: SourceId,
) -> Result<Source, Error> {
    let source = app.store.source(scope, id).await?;
    if source.stage == Stage::Deleting {
        return Err(Error::not_found("read source", "source"));
    }
    Ok(source)
}

/// `span` with up to `context` bytes on each side, ending where blocks do: always a boundary of characters.
fn widened(layout: &Layout, span: Span, context: usize) -> Span {
    let from = span.start.saturating_sub(context);
    let to = span.end + context;
    let starts = layout.blocks.iter().map(|block| block.span.start);
    let start =
        starts.filter(|start| (from..=span.start).contains(start)).min().unwrap_or(span.start);
    let ends = layout.blocks.iter().map(|block| block.span.end);
    let end = ends.filter(|end| (span.end..=to).contains(end)).max().unwrap_or(span.end);
    Span { start, end }
}

/// The headings above a place, outermost first.
fn headings_above(layout: &Layout, at: usize) -> Vec<Span> {
    let mut path: Vec<(u8, Span)> = Vec::new();
    for block in layout.blocks.iter().take_while(|block| block.span.start <= at) {
        if let BlockKind::Heading { level } = block.kind {
            path.retain(|(above, _)| *above < level);
            path.push((level, block.span));
        }
    }
    path.into_iter().map(|(_, span)| span).collect()
}

/// The uploaded bytes, always as an attachment (U55).
#[utoipa::path(get, path = "/api/sources/{id}/original", params(("id" = SourceId, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub(super) async fn original(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<SourceId>,
) -> Reply<Response> {
    let source = readable(&app, &scope, id).await?;
    let got = opened(&app, &source).await?;
    let size = got.meta.size;
    let mut response = Body::from_stream(got.into_stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    if let Ok(value) = HeaderValue::from_str(&disposition(&source.name)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The uploaded file.
pub(super) async fn opened(app: &App, source: &Source) -> Result<GetResult, Error> {
    let missing = || Error::not_found("read original", "original");
    let key = source.blob.as_ref().ok_or_else(missing)?;
    app.blobs.get(&key.as_str().into()).await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => missing(),
        other => Error::new(ErrorKind::Unavailable, "read original").caused_by(other),
    })
}

/// RFC 6266: the name in UTF-8, percent-encoded, with nothing that could end the parameter.
pub(super) fn disposition(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(blocks: &[(BlockKind, usize, usize)]) -> Layout {
        let blocks = blocks
            .iter()
            .map(|&(kind, start, end)| Block { kind, span: Span { start, end } })
            .collect();
        Layout { text_bytes: 100, blocks, ..Layout::default() }
    }

    #[test]
    fn surroundings_end_where_blocks_do() {
        let p = BlockKind::Paragraph;
        let layout = layout(&[(p, 0, 10), (p, 12, 30), (p, 32, 50), (p, 52, 90)]);
        let span = |start, end| Span { start, end };
        assert_eq!(widened(&layout, span(15, 20), 12), span(12, 30));
        assert_eq!(widened(&layout, span(15, 20), 40), span(0, 50));
        assert_eq!(widened(&layout, span(15, 20), 2), span(15, 20));
        assert_eq!(touching(&layout, span(10, 12)).len(), 0);
        assert_eq!(touching(&layout, span(9, 13)).len(), 2);
    }

    #[test]
    fn the_heading_path_follows_levels() {
        let h = |level| BlockKind::Heading { level };
        let layout = layout(&[
            (h(1), 0, 1),
            (h(2), 2, 3),
            (h(2), 4, 5),
            (BlockKind::Paragraph, 6, 9),
            (h(1), 10, 11),
        ]);
        let starts: Vec<_> = headings_above(&layout, 7).iter().map(|span| span.start).collect();
        assert_eq!(starts, [0, 4]);
    }

    #[test]
    fn u55_a_name_cannot_leave_its_parameter() {
        assert_eq!(
            disposition("a\"; x=é\r\n"),
            "attachment; filename*=UTF-8''a%22%3B%20x%3D%C3%A9%0D%0A"
        );
    }
}
