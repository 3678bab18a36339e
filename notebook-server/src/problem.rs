//! Errors on the wire: `application/problem+json` (RFC 9457).

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use notebook_core::{Error, ErrorKind, Retry};
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every error reply.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// Stable snake-case code.
    code: String,
    /// A sentence for a person, with the fix.
    detail: String,
    /// The input field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The id of the request, as in the header `x-request-id` and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// The labels for which a question was refused (`code` is `question_refused`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// The result of a handler.
pub(crate) type Reply<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            field: None,
            request_id: None,
            labels: Vec::new(),
            retry_after: None,
        }
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// The same of a field that has another name for this caller.
    pub(crate) fn renamed(mut self, name: &str) -> Self {
        if let Some(field) = self.field.replace(name.to_owned()) {
            self.detail = self.detail.replacen(&format!("`{field}`"), &format!("`{name}`"), 1);
        }
        self
    }

    /// The sentence for a person.
    pub(crate) fn sentence(&self) -> &str {
        &self.detail
    }

    /// The field that is wrong.
    pub(crate) fn at(&self) -> Option<&str> {
        self.field.as_deref()
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = status_of(error.kind());
        if status.is_server_error() {
            tracing::error!(?error, "request failed");
        }
        let mut problem = Self::new(status, error.kind().code(), detail(&error));
        problem.field = error.context("field").map(str::to_owned);
        if let Some(labels) = error.context("labels") {
            problem.code = "question_refused".to_owned();
            problem.labels = labels.split(',').map(str::to_owned).collect();
        }
        problem.retry_after = match error.retry_status() {
            Retry::After(wait) => Some(wait.as_secs().max(1)),
            _ => None,
        };
        problem
    }
}

const fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::InvalidInput => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooLarge | ErrorKind::ContextTooLong => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        // A provider's refusal of the server's credentials is no refusal of the caller's.
        ErrorKind::Unauthorized | ErrorKind::Protocol => StatusCode::BAD_GATEWAY,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A sentence for a person. Causes and paths stay in the log.
pub(crate) fn detail(error: &Error) -> String {
    let fix = error
        .context("fix")
        .or_else(|| error.context("reason"))
        .or_else(|| error.context("expected"));
    match (error.kind(), error.context("field"), fix) {
        (ErrorKind::NotFound, _, fix) => {
            let what = error.context("what").unwrap_or("thing");
            fix.map_or_else(
                || format!("There is no such {what}."),
                |fix| format!("There is no such {what}: {fix}."),
            )
        }
        (ErrorKind::StorageFull, ..) => {
            "The server's disk is full. Free some space and try again.".to_owned()
        }
        (ErrorKind::Internal | ErrorKind::Corrupt, ..) => {
            "Something went wrong in the server. The log has the details under this request id."
                .to_owned()
        }
        (ErrorKind::Unauthenticated, _, None) => {
            "Sign in: the request carries no access token or API key that is good.".to_owned()
        }
        (ErrorKind::Forbidden, _, fix) => forbidden(error.context("permission"), fix),
        (_, Some(field), Some(fix)) => match error.context("limit") {
            Some(limit) => format!("`{field}`: {fix} (the limit is {limit})."),
            None => format!("`{field}`: {fix}."),
        },
        (_, _, Some(fix)) => format!("Cannot {}: {fix}.", error.operation()),
        _ => format!("Cannot {} ({}).", error.operation(), error.kind().code()),
    }
}

fn forbidden(permission: Option<&str>, fix: Option<&str>) -> String {
    let what = permission.map_or_else(
        || "You may not do this".to_owned(),
        |permission| format!("This needs the permission `{permission}`"),
    );
    fix.map_or_else(|| format!("{what}."), |fix| format!("{what}: {fix}."))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after;
        let mut response = (self.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The guard adds the request id to the body on the way out.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let status = rejection.status();
        if let Some((field, detail)) = misfit(&rejection) {
            return Self::new(status, "invalid_input", detail).field(&field);
        }
        Self::new(status, "invalid_input", rejection.body_text()).field("body")
    }
}

/// Which field of a body does not fit, and how.
fn misfit(rejection: &JsonRejection) -> Option<(String, String)> {
    type Found = serde_path_to_error::Error<serde_json::Error>;
    let JsonRejection::JsonDataError(wrong) = rejection else { return None };
    let mut cause = std::error::Error::source(wrong);
    let found = loop {
        match cause?.downcast_ref::<Found>() {
            Some(found) => break found,
            None => cause = cause?.source(),
        }
    };
    let said = found.inner().to_string();
    // Where it stands in the bytes tells nobody anything who did not write them by hand.
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    // Of a field that is missing, or one too many, the path is that of what it is a field of.
    let about = ["missing field `", "unknown field `", "duplicate field `"];
    let name = about.iter().find_map(|about| said.strip_prefix(about)?.split('`').next());
    let path = found.path().to_string();
    let field = match name {
        Some(name) if path == "." => name.to_owned(),
        Some(name) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        None if path == "." => return None,
        _ => path,
    };
    let detail = format!("`{field}`: {said}.");
    Some((field, detail))
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "invalid_input", rejection.body_text()).field("path")
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "invalid_input", rejection.body_text()).field("query")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A provider that refuses our key is a bad gateway; a caller who is not known or may not is told so.
    #[test]
    fn who_is_refused_decides_the_status() {
        for (kind, status) in [
            (ErrorKind::Unauthenticated, 401),
            (ErrorKind::Forbidden, 403),
            (ErrorKind::Unauthorized, 502),
        ] {
            let problem = Problem::from(Error::new(kind, "sign in"));
            assert_eq!((problem.status, problem.code.as_str()), (status, kind.code()));
        }
    }

    #[test]
    fn a_refusal_names_the_permission_and_the_fix() {
        let refused = Error::new(ErrorKind::Forbidden, "check permission");
        assert_eq!(detail(&refused), "You may not do this.");
        let named = refused.with("permission", "chat").with("fix", "ask an admin of the workspace");
        assert_eq!(
            detail(&named),
            "This needs the permission `chat`: ask an admin of the workspace."
        );
        let wrong = Error::new(ErrorKind::Unauthenticated, "sign in")
            .with("reason", "address or password is wrong");
        assert_eq!(detail(&wrong), "Cannot sign in: address or password is wrong.");
    }
}
