//! Types, ports, in-memory and SQLite backends, model providers and SSE for an AI notebook.
