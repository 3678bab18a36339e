//! Statements about sources, their texts and their chunks.

macro_rules! columns {
    () => {
        "id, notebook_id, name, kind, bytes, sha256, blob, stage, progress_done, progress_total, \
         keywords_ready, vectors_ready, failure, title, pages, text_bytes, chunks, notes, \
         created_at, updated_at, revision, origin"
    };
}

macro_rules! chunk_columns {
    () => {
        "source_id, ordinal, span_start, span_end, page, headings, tokens, text"
    };
}

pub(in crate::store::sql) const INSERT: &str = concat!(
    "INSERT INTO sources (tenant_id, ",
    columns!(),
    ", unfinished) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
     $16, $17, $18, $19, $20, $21, $22, $23, $24) ON CONFLICT DO NOTHING"
);

pub(in crate::store::sql) const SELECT: &str =
    concat!("SELECT ", columns!(), " FROM sources WHERE tenant_id = $1 AND id = $2");

pub(in crate::store::sql) const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sources WHERE tenant_id = $1 AND notebook_id = $2 ORDER BY id"
);

pub(in crate::store::sql) const UNFINISHED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sources WHERE tenant_id = $1 AND unfinished = 1 ORDER BY id"
);

/// What is found by its words.
pub(in crate::store::sql) const INDEXED: &str =
    "SELECT id, notebook_id, chunks, vectors_ready, stage FROM sources
    WHERE tenant_id = $1 AND keywords_ready = 1 ORDER BY id";

pub(in crate::store::sql) const UPDATE: &str = "UPDATE sources
    SET name = $1, kind = $2, bytes = $3, sha256 = $4, blob = $5, stage = $6,
        progress_done = $7, progress_total = $8, keywords_ready = $9, vectors_ready = $10,
        failure = $11, title = $12, pages = $13, text_bytes = $14, chunks = $15, notes = $16,
        origin = $17, updated_at = $18, unfinished = $19, revision = revision + 1
    WHERE tenant_id = $20 AND id = $21 AND revision = $22";

/// Takes text and chunks with it, by foreign keys.
pub(in crate::store::sql) const DELETE: &str =
    "DELETE FROM sources WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const EXISTS: &str =
    "SELECT 1 FROM sources WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const INSERT_DOCUMENT: &str = "INSERT INTO documents
    (tenant_id, source_id, text_bytes, title, pages, blocks, flags, picture)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// One row for a source, with nulls where it has no document.
pub(in crate::store::sql) const SELECT_LAYOUT: &str =
    "SELECT d.text_bytes, d.title, d.pages, d.blocks, d.flags, d.picture
    FROM sources s LEFT JOIN documents d ON d.tenant_id = s.tenant_id AND d.source_id = s.id
    WHERE s.tenant_id = $1 AND s.id = $2";

/// One row for a source, with null where it has no document.
pub(in crate::store::sql) const SELECT_LENGTH: &str = "SELECT d.text_bytes
    FROM sources s LEFT JOIN documents d ON d.tenant_id = s.tenant_id AND d.source_id = s.id
    WHERE s.tenant_id = $1 AND s.id = $2";

/// Takes the text with it, by foreign keys.
pub(in crate::store::sql) const DELETE_DOCUMENT: &str =
    "DELETE FROM documents WHERE tenant_id = $1 AND source_id = $2";

pub(in crate::store::sql) const INSERT_SEGMENT: &str =
    "INSERT INTO text_segments (tenant_id, source_id, start_at, text) VALUES ($1, $2, $3, $4)";

/// The same for many segments, as arrays.
pub(in crate::store::sql) const INSERT_SEGMENTS: &str =
    "INSERT INTO text_segments (tenant_id, source_id, start_at, text)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::text[])";

/// The segment that holds byte `$3` and those that begin after it and before `$4`.
pub(in crate::store::sql) const SELECT_SEGMENTS: &str = "SELECT start_at, text FROM text_segments
    WHERE tenant_id = $1 AND source_id = $2 AND start_at >= (
        SELECT COALESCE(MAX(start_at), 0) FROM text_segments
        WHERE tenant_id = $1 AND source_id = $2 AND start_at <= $3
    ) AND start_at < $4 ORDER BY start_at";

pub(in crate::store::sql) const UPSERT_CHUNK: &str = concat!(
    "INSERT INTO chunks (tenant_id, ",
    chunk_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (tenant_id, source_id, ordinal) DO UPDATE SET
        span_start = excluded.span_start, span_end = excluded.span_end, page = excluded.page,
        headings = excluded.headings, tokens = excluded.tokens, text = excluded.text"
);

/// The same for many chunks with keys that differ, as arrays.
pub(in crate::store::sql) const UPSERT_CHUNKS: &str = concat!(
    "INSERT INTO chunks (tenant_id, ",
    chunk_columns!(),
    ") SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[],
        $6::bigint[], $7::text[], $8::bigint[], $9::text[])
     ON CONFLICT (tenant_id, source_id, ordinal) DO UPDATE SET
        span_start = excluded.span_start, span_end = excluded.span_end, page = excluded.page,
        headings = excluded.headings, tokens = excluded.tokens, text = excluded.text"
);

pub(in crate::store::sql) const DELETE_CHUNKS: &str =
    "DELETE FROM chunks WHERE tenant_id = $1 AND source_id = $2";

pub(in crate::store::sql) const LIST_CHUNKS: &str = concat!(
    "SELECT ",
    chunk_columns!(),
    " FROM chunks WHERE tenant_id = $1 AND source_id = $2 AND ordinal >= $3
      ORDER BY ordinal LIMIT $4"
);

/// The stage of a source, which says whether its chunks may be seen.
pub(in crate::store::sql) const SELECT_STAGE: &str =
    "SELECT stage FROM sources WHERE tenant_id = $1 AND id = $2";

pub(in crate::store::sql) const SELECT_CHUNK: &str = concat!(
    "SELECT ",
    chunk_columns!(),
    " FROM chunks WHERE tenant_id = $1 AND source_id = $2 AND ordinal = $3"
);

pub(in crate::store::sql) const UPSERT_EMBEDDING: &str =
    "INSERT INTO embeddings (tenant_id, source_id, ordinal, space, vector) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (tenant_id, source_id, ordinal) DO UPDATE SET
        space = excluded.space, vector = excluded.vector";

/// The same for many vectors of chunks that differ, as arrays.
pub(in crate::store::sql) const UPSERT_EMBEDDINGS: &str =
    "INSERT INTO embeddings (tenant_id, source_id, ordinal, space, vector)
     SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::text[], $5::bytea[])
     ON CONFLICT (tenant_id, source_id, ordinal) DO UPDATE SET
        space = excluded.space, vector = excluded.vector";

pub(in crate::store::sql) const LIST_EMBEDDINGS: &str = "SELECT ordinal, vector FROM embeddings
    WHERE tenant_id = $1 AND source_id = $2 AND space = $3 AND ordinal >= $4
    ORDER BY ordinal LIMIT $5";

pub(in crate::store::sql) const COUNT_EMBEDDINGS: &str = "SELECT COUNT(*) FROM embeddings
    WHERE tenant_id = $1 AND source_id = $2 AND space = $3";

/// How many chunks a source has between two ordinals.
pub(in crate::store::sql) const COUNT_CHUNKS: &str = "SELECT COUNT(*) FROM chunks
    WHERE tenant_id = $1 AND source_id = $2 AND ordinal >= $3 AND ordinal <= $4";

#[cfg(test)]
pub(in crate::store::sql) const ALL: &[&str] = &[
    INSERT,
    SELECT,
    LIST,
    UNFINISHED,
    INDEXED,
    UPSERT_EMBEDDING,
    UPSERT_EMBEDDINGS,
    LIST_EMBEDDINGS,
    COUNT_EMBEDDINGS,
    COUNT_CHUNKS,
    UPDATE,
    DELETE,
    EXISTS,
    INSERT_DOCUMENT,
    SELECT_LAYOUT,
    SELECT_LENGTH,
    DELETE_DOCUMENT,
    INSERT_SEGMENT,
    INSERT_SEGMENTS,
    SELECT_SEGMENTS,
    UPSERT_CHUNK,
    UPSERT_CHUNKS,
    DELETE_CHUNKS,
    LIST_CHUNKS,
    SELECT_STAGE,
    SELECT_CHUNK,
];
