use axum::{
    extract::{MatchedPath, Request},
    http::Method,
};

/// What requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// Reading anything.
    Read,
    /// Changing anything that has no class of its own.
    Write,
    /// Questions.
    Ask,
    /// Uploads, pasted texts and imports.
    Upload,
    /// New notebooks.
    Notebooks,
    /// Registering, signing in, resetting passwords.
    SignIn,
}

impl Class {
    /// The class of a setting's name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "read" => Self::Read,
            "write" => Self::Write,
            "ask" => Self::Ask,
            "upload" => Self::Upload,
            "notebooks" => Self::Notebooks,
            "sign_in" => Self::SignIn,
            _ => return None,
        })
    }

    /// The names of its limits in replies: somebody's own, and their workspace's.
    pub(super) const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Read => ["read", "read-workspace"],
            Self::Write => ["write", "write-workspace"],
            Self::Ask => ["ask", "ask-workspace"],
            Self::Upload => ["upload", "upload-workspace"],
            Self::Notebooks => ["notebooks", "notebooks-workspace"],
            Self::SignIn => ["sign-in", "sign-in-workspace"],
        }
    }

    /// What cannot be done when there is too much of it.
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::Read => "read so often",
            Self::Write => "change so much",
            Self::Ask => "ask so often",
            Self::Upload => "upload so much",
            Self::Notebooks => "make so many notebooks",
            Self::SignIn => "try so often",
        }
    }
}

/// The class of a request; none for what is not of the interface, such as the page.
pub(super) fn class_of(request: &Request) -> Option<Class> {
    let path = request.uri().path();
    if !["/api/", "/v1/", "/ws/", crate::mcp::PATH].iter().any(|start| path.starts_with(start)) {
        return None;
    }
    // As the router knows it: no spelling of a path leads to another class.
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let resumes = request.headers().contains_key("last-event-id");
    Some(class(request.method(), route, resumes))
}

fn class(method: &Method, route: &str, resumes: bool) -> Class {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match route {
        // Asks and reads at once; who comes back only reads.
        "/api/projects/{id}/messages/stream" if !resumes => Class::Ask,
        // Every request is a POST; a question counts as one besides.
        crate::mcp::PATH => Class::Read,
        "/api/auth/oidc/{name}/start" | "/api/auth/oidc/{name}/callback" => Class::SignIn,
        _ if reads => Class::Read,
        "/api/conversations/{id}/runs"
        | "/api/conversations/{id}/ui-messages"
        | "/v1/chat/completions"
        | "/v1/responses" => Class::Ask,
        "/api/notebooks/{id}/sources"
        | "/api/notebooks/{id}/sources/text"
        | "/api/notebooks/{id}/sources/link"
        | "/api/imports" => {
            Class::Upload
        }
        "/api/notebooks" => Class::Notebooks,
        "/api/auth/register"
        | "/api/auth/login"
        | "/api/auth/account"
        | "/api/auth/password"
        | "/api/auth/password/forgot"
        | "/api/auth/password/reset"
        | "/api/auth/invitation"
        // It sends mail to an address that anybody may have.
        | "/api/invitations" => Class::SignIn,
        // Whole offices do this from one address, and nobody is to be signed out because others try passwords.
        "/api/auth/refresh" | "/api/auth/logout" => Class::Read,
        _ => Class::Write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g6_routes_have_classes() {
        for (method, route, expected) in [
            (Method::GET, "/api/notebooks", Class::Read),
            (Method::GET, "/api/auth/oidc", Class::Read),
            (Method::GET, "/api/auth/oidc/{name}/start", Class::SignIn),
            (Method::POST, "/api/auth/oidc/{name}/start", Class::SignIn),
            (Method::GET, "/api/auth/oidc/{name}/callback", Class::SignIn),
            (Method::POST, "/api/notebooks", Class::Notebooks),
            (Method::PATCH, "/api/notebooks/{id}", Class::Write),
            (Method::GET, "/api/notebooks/{id}/sources", Class::Read),
            (Method::POST, "/api/notebooks/{id}/sources", Class::Upload),
            (Method::POST, "/api/notebooks/{id}/sources/text", Class::Upload),
            (Method::POST, "/api/imports", Class::Upload),
            (Method::GET, "/api/conversations/{id}/runs", Class::Read),
            (Method::POST, "/api/conversations/{id}/runs", Class::Ask),
            (Method::GET, "/api/projects/{id}/messages/stream", Class::Ask),
            (Method::POST, "/v1/chat/completions", Class::Ask),
            (Method::POST, "/v1/responses", Class::Ask),
            (Method::POST, "/mcp", Class::Read),
            (Method::POST, "/v1/embeddings", Class::Write),
            (Method::POST, "/api/conversations/{id}/ui-messages", Class::Ask),
            (Method::GET, "/api/conversations/{id}/ui-messages/{chat}/stream", Class::Read),
            (Method::GET, "/ws/chat/{conversation}", Class::Read),
            (Method::POST, "/api/auth/login", Class::SignIn),
            (Method::POST, "/api/auth/password/reset", Class::SignIn),
            (Method::POST, "/api/auth/refresh", Class::Read),
            (Method::POST, "/api/auth/workspace", Class::Write),
            (Method::DELETE, "", Class::Write),
        ] {
            assert_eq!(class(&method, route, false), expected, "{method} {route}");
        }
        assert_eq!(class(&Method::GET, "/api/projects/{id}/messages/stream", true), Class::Read);
    }

    /// What is asked by other routes than these would not count as a question.
    #[test]
    fn g6_the_routes_that_are_named_are_there() {
        let routes = include_str!("../routes/runs.rs").to_owned()
            + include_str!("../routes/event_source.rs")
            + include_str!("../routes/sources.rs")
            + include_str!("../routes/exports.rs")
            + include_str!("../routes/notebooks.rs")
            + include_str!("../routes/websocket.rs")
            + include_str!("../facade/completions.rs")
            + include_str!("../facade/responses.rs")
            + include_str!("../facade/ui.rs");
        for route in [
            "post, path = \"/api/conversations/{id}/runs\"",
            "get, path = \"/api/projects/{id}/messages/stream\"",
            "post, path = \"/api/notebooks/{id}/sources\"",
            "post, path = \"/api/notebooks/{id}/sources/text\"",
            "post, path = \"/api/imports\"",
            "post, path = \"/api/notebooks\"",
            "get, path = \"/ws/chat/{conversation}\"",
            "post, path = \"/v1/chat/completions\"",
            "post, path = \"/v1/responses\"",
            "post, path = \"/api/conversations/{id}/ui-messages\"",
        ] {
            assert!(routes.contains(route), "{route} is called otherwise now: name it here too");
        }
    }
}
