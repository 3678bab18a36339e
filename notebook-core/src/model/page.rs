//! Cursor pages: a list stays correct while things are added and removed.

use serde::{Deserialize, Serialize};

/// Which part of a list to return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The id after which to start, exclusive, in text form; `None` for the first page.
    pub after: Option<String>,
    /// The most items to return: 1 to 1,000.
    pub limit: usize,
}

impl PageRequest {
    /// The first `limit` items.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }
}

/// One part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items, in the order that the method documents.
    pub items: Vec<T>,
    /// What to pass as [`PageRequest::after`] for the next page; `None` on the last.
    pub next: Option<String>,
}
