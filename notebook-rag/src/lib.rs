//! Parsing, chunking, embedding, indexes, retrieval and exact citations for an AI notebook.
