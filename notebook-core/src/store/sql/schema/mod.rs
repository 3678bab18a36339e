//! The tables, in each engine's words. Both have the same, so that the statements are.

#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;
