//! Extractors that fail with a [`Problem`].

use std::marker::PhantomData;

use axum::{
    extract::{FromRequest, FromRequestParts},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use notebook_auth::{Principal, rbac::Permission};
use notebook_core::TenantScope;
use tokio_util::sync::CancellationToken;

use crate::{access::gate::unauthenticated, app::App, problem::Problem};

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Path parameters.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

/// Query parameters.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// Somebody who was recognised, whatever they may do: for what concerns nobody but them.
pub(crate) struct Who(pub(crate) Principal);

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Principal>().cloned().map(Self).ok_or_else(unauthenticated)
    }
}

/// A permission as a type, so that a handler's signature says what it needs.
pub(crate) trait Need: Send + Sync {
    /// The permission.
    const PERMISSION: Permission;
}

/// The types of the permissions that routes need.
pub(crate) mod need {
    use super::{Need, Permission};

    macro_rules! needs {
        ($($name:ident),*) => {$(
            /// The permission of this name.
            pub(crate) struct $name;
            impl Need for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )*};
    }

    needs!(
        NotebookRead,
        NotebookWrite,
        NotebookDelete,
        SourceWrite,
        Chat,
        Export,
        MemberRead,
        ApiKeyCreate,
        MemberManage,
        AuditRead,
        WorkspaceManage,
        UsageRead
    );
}

/// The right to touch a workspace's data, of somebody who has the permission. The only way for a handler to get one.
pub(crate) struct Scope<N>(pub(crate) TenantScope, pub(crate) PhantomData<N>);

impl<S: Send + Sync, N: Need> FromRequestParts<S> for Scope<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        May::<N>::from_request_parts(parts, state).await.map(|may| Self(may.0.scope, PhantomData))
    }
}

/// The same with who it is, for what is logged or depends on them.
pub(crate) struct May<N>(pub(crate) Principal, pub(crate) PhantomData<N>);

impl<S: Send + Sync, N: Need> FromRequestParts<S> for May<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Who(principal) = Who::from_request_parts(parts, state).await?;
        principal.require(N::PERMISSION)?;
        Ok(Self(principal, PhantomData))
    }
}

/// Ends a stream: when the server goes down, or the session that it is for is over.
pub(crate) struct Ending(pub(crate) CancellationToken);

impl FromRequestParts<App> for Ending {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Who(principal) = Who::from_request_parts(parts, app).await?;
        Ok(Self(app.access.ending(&principal, &app.ending)))
    }
}
