//! The tables, in PostgreSQL's words.
//!
//! Flags are numbers, so that the statements are those of SQLite. JSON is kept as text, as it came: PostgreSQL's
//! own types refuse some of it. Texts are compared by their bytes: what a machine's language says must not matter.

mod guards;
mod identity;
mod jobs;
mod notebooks;
mod row_security;
mod runs;
mod usage;
mod webhooks;

use crate::sql::Migration;

/// Every step of the schema, in order.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "notebooks, sources, conversations, runs", sql: notebooks::V1 },
    Migration { version: 2, name: "jobs", sql: jobs::V2 },
    Migration { version: 3, name: "dead jobs", sql: jobs::V3 },
    Migration { version: 4, name: "revisions of sources", sql: notebooks::V4 },
    Migration { version: 5, name: "requests to stop runs", sql: runs::V5 },
    Migration { version: 6, name: "vectors", sql: notebooks::V6 },
    Migration { version: 7, name: "pruned runs", sql: runs::V7 },
    Migration { version: 8, name: "webhooks", sql: webhooks::V8 },
    Migration { version: 9, name: "notebooks that are being deleted", sql: notebooks::V9 },
    Migration { version: 10, name: "usage by day", sql: usage::V10 },
    Migration { version: 11, name: "users, workspaces, sessions, audit log", sql: identity::V11 },
    Migration {
        version: 12,
        name: "invitations; several reset tokens of a user",
        sql: identity::V12,
    },
    Migration { version: 13, name: "rate limits", sql: guards::V13 },
    Migration { version: 14, name: "runs from elsewhere", sql: runs::V14 },
    Migration {
        version: 15,
        name: "ids of notebooks and conversations by tenant",
        sql: notebooks::V15,
    },
    Migration { version: 16, name: "row security", sql: row_security::V16 },
    Migration { version: 17, name: "accounts at OpenID providers", sql: identity::V17 },
    Migration { version: 18, name: "checkpoints", sql: runs::V18 },
    Migration { version: 19, name: "workspaces that are being deleted", sql: identity::V19 },
    Migration { version: 20, name: "uses of providers' keys", sql: guards::V20 },
    Migration { version: 21, name: "reports of wrong refusals", sql: guards::V21 },
    Migration { version: 22, name: "approvals", sql: runs::V22 },
    Migration { version: 23, name: "costs by day", sql: usage::V23 },
    Migration { version: 24, name: "sources from the web", sql: notebooks::V24 },
    Migration { version: 25, name: "recordings of runs", sql: runs::V25 },
    Migration { version: 26, name: "places of words in pictures", sql: notebooks::V26 },
    Migration { version: 27, name: "breakers set by hand", sql: guards::V27 },
    Migration { version: 28, name: "usage of runs without an answer", sql: runs::V28 },
    Migration { version: 29, name: "warnings of answers", sql: notebooks::V29 },
];
