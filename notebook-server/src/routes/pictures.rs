//! The picture that a text was recognised in, and where words of the text stand in it.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use notebook_core::{
    Error, SourceId,
    document::{Area, PictureMap, PlacedWord, SourceKind},
    model::Source,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::source_text::{Range, checked, opened, readable, too_long};
use crate::{
    app::App,
    extract::{Json, Path, Query, Scope, need},
    problem::{Problem, Reply},
};

/// The types of pictures that browsers show and that can carry no script: SVG is none of them, and TIFF no browser shows.
const fn media_type(kind: SourceKind) -> Option<&'static str> {
    match kind {
        SourceKind::Png => Some("image/png"),
        SourceKind::Jpeg => Some("image/jpeg"),
        SourceKind::Webp => Some("image/webp"),
        SourceKind::Gif => Some("image/gif"),
        SourceKind::Bmp => Some("image/bmp"),
        _ => None,
    }
}

/// The source's picture as it was uploaded, to be shown: PNG, JPEG, WebP, GIF or BMP. 404 for any other source.
#[utoipa::path(get, path = "/api/sources/{id}/picture", params(("id" = SourceId, Path)),
    responses((status = 200, content_type = "image/*"), (status = 304, description = "as `If-None-Match` says"), (status = 404, body = Problem)))]
pub(super) async fn picture(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<SourceId>,
    sent: HeaderMap,
) -> Reply<Response> {
    let source = readable(&app, &scope, id).await?;
    let (media_type, tag) = shown(&source).ok_or_else(none)?;
    let mut response = if sent.get(header::IF_NONE_MATCH) == Some(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let got = opened(&app, &source).await?;
        let size = got.meta.size;
        let mut response = Body::from_stream(got.into_stream()).into_response();
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        // Kept, and asked for each time: one that is deleted is gone.
        (header::CACHE_CONTROL, "private, no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The type and the tag of a picture that was read and can be shown.
fn shown(source: &Source) -> Option<(&'static str, HeaderValue)> {
    // What was not decoded yet is a picture by its first bytes alone.
    let media_type = media_type(source.kind).filter(|_| source.text_bytes > 0)?;
    let tag = HeaderValue::from_str(&format!("\"{}\"", source.sha256)).ok()?;
    Some((media_type, tag))
}

fn none() -> Error {
    Error::not_found("read picture", "picture")
}

/// Places in a picture, in pixels of it as it is shown: turned as the file says (EXIF), not scaled.
#[derive(Serialize, ToSchema)]
pub(super) struct Regions {
    /// Pixels across.
    width: u32,
    /// Pixels down.
    height: u32,
    /// Quarters of a turn, clockwise, after which the text stands upright.
    quarters: u8,
    words: Vec<Region>,
}

/// Where a word stands, in the text and in the picture.
#[derive(Serialize, ToSchema)]
struct Region {
    start: usize,
    end: usize,
    #[serde(flatten)]
    area: Area,
}

impl Regions {
    fn of(map: &PictureMap, words: &[PlacedWord]) -> Self {
        let region = |word: &PlacedWord| Region {
            start: word.span.start,
            end: word.span.end,
            area: word.area,
        };
        let PictureMap { width, height, quarters, .. } = *map;
        Self { width, height, quarters, words: words.iter().map(region).collect() }
    }
}

/// Where the words of a range of the text stand in the picture that they were recognised in. 404 for a source that is no
/// picture, and for one that was read before places were kept: add it again.
#[utoipa::path(get, path = "/api/sources/{id}/regions", params(("id" = SourceId, Path), Range),
    responses((status = 200, body = Regions), (status = 404, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn regions(
    State(app): State<App>,
    Scope(scope, ..): Scope<need::NotebookRead>,
    Path(id): Path<SourceId>,
    Query(range): Query<Range>,
) -> Reply<Json<Regions>> {
    readable(&app, &scope, id).await?;
    let layout = app.store.layout(&scope, id).await?;
    let map = layout.picture.ok_or_else(none)?;
    let span = checked(range.start, range.end, layout.text_bytes)?;
    if too_long(span) {
        return Err(super::source_text::too_large().into());
    }
    Ok(Json(Regions::of(&map, map.words_in(span))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b4_nothing_that_could_carry_a_script_is_shown() {
        let shown = ["png", "jpeg", "webp", "gif", "bmp"];
        for kind in
            ["png", "jpeg", "webp", "gif", "bmp", "tiff", "pdf", "html", "text", "code", "wav"]
        {
            let kind: SourceKind = kind.parse().unwrap();
            let expected = shown.contains(&kind.to_string().as_str());
            assert_eq!(media_type(kind).is_some(), expected, "{kind}");
            assert!(
                media_type(kind)
                    .is_none_or(|kind| kind.starts_with("image/") && !kind.contains("svg"))
            );
        }
    }
}
