//! The reference server of the AI notebook.
