//! What people call things.

use notebook_core::model::Source;

/// What people call a source: its own title where it has one, and else the name that it was added under.
#[must_use]
pub fn shown_name(source: &Source) -> &str {
    source.title.as_deref().unwrap_or(&source.name)
}
