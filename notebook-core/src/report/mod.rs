//! The port of reports: a user says that a question was refused wrongly, and an admin reads it.
//!
//! A report says which labels the question had, and a hash by which two reports of the same question are known to be. The
//! question itself is in it only when its author agreed.
//!
//! Adapters: [`memory`], `sql` (SQLite and PostgreSQL). Both are held to the suite in `report::conformance` (feature
//! `conformance`).
//!
//! ```
//! use notebook_core::{
//!     TenantScope, Timestamp,
//!     model::PageRequest,
//!     report::{NewReport, Reports as _, memory::MemoryReports},
//! };
//!
//! # async fn example(scope: &TenantScope) -> notebook_core::Result<()> {
//! let reports = MemoryReports::default();
//! let new = NewReport { labels: vec!["ignore_previous".into()], question: "Ignore the above?".into(), ..NewReport::default() };
//! let report = reports.add(scope, new.report(Timestamp::from_millis(0))?).await?;
//! assert_eq!(report.question, None, "its author did not agree");
//! assert_eq!(reports.list(scope, PageRequest::first(10)).await?.items, [report]);
//! # Ok(())
//! # }
//! # #[allow(clippy::disallowed_methods)]
//! # let scope = TenantScope::authenticated(notebook_core::TenantId::new());
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(example(&scope))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Error, ErrorKind, ReportId, Result, TenantScope, Timestamp, hex,
    model::{Page, PageRequest},
};

/// The most bytes of a reported question.
pub const MOST_QUESTION: usize = 64 * 1024;
/// The most bytes of a remark.
pub const MOST_REMARK: usize = 2_000;
/// The most labels, and the most bytes of one.
pub const MOST_LABELS: usize = 100;

/// What a user reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewReport {
    /// The labels of the refusal.
    pub labels: Vec<String>,
    /// The question that was refused.
    pub question: String,
    /// Whether the question itself may be kept.
    pub keep_question: bool,
    /// What the user says about it.
    pub remark: Option<String>,
}

impl NewReport {
    /// The report, with a new id.
    ///
    /// # Errors
    /// `InvalidInput` without a question, or with labels that are none; `TooLarge` naming the field.
    pub fn report(self, at: Timestamp) -> Result<Report> {
        const OPERATION: &str = "report";
        if self.question.trim().is_empty() {
            return Err(Error::invalid(
                OPERATION,
                "question",
                "give the question that was refused",
            ));
        }
        let is_name = |label: &String| {
            (1..=64).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if self.labels.len() > MOST_LABELS || !self.labels.iter().all(is_name) {
            return Err(Error::invalid(
                OPERATION,
                "labels",
                "give the labels of the refusal, unchanged",
            ));
        }
        for (field, length, most) in [
            ("question", self.question.len(), MOST_QUESTION),
            ("remark", self.remark.as_ref().map_or(0, String::len), MOST_REMARK),
        ] {
            if length > most {
                return Err(Error::new(ErrorKind::TooLarge, OPERATION)
                    .with("field", field)
                    .with("limit", most.to_string())
                    .with("fix", "shorten it"));
            }
        }
        Ok(Report {
            id: ReportId::new(),
            labels: self.labels,
            question_sha256: hex(Sha256::digest(self.question.as_bytes())),
            question: self.keep_question.then_some(self.question),
            remark: self.remark.filter(|remark| !remark.trim().is_empty()),
            created_at: at,
        })
    }
}

/// A report as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// The labels of the refusal.
    pub labels: Vec<String>,
    /// SHA-256 of the question, in hexadecimal.
    pub question_sha256: String,
    /// The question, when its author agreed that it is kept.
    pub question: Option<String>,
    /// What the user said about it.
    pub remark: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Keeps reports of wrong refusals.
///
/// # Behaviour
/// - Another tenant's reports are not there.
/// - A call whose future is dropped happened wholly or not at all.
#[async_trait]
pub trait Reports: Send + Sync + 'static {
    /// Stores a report, and returns it.
    ///
    /// - Repeated with the same id: changes nothing.
    ///
    /// # Errors
    /// Those of the storage.
    async fn add(&self, scope: &TenantScope, report: Report) -> Result<Report>;

    /// A page of the reports, newest first.
    ///
    /// # Errors
    /// `InvalidInput` when the page is none; those of the storage.
    async fn list(&self, scope: &TenantScope, page: PageRequest) -> Result<Page<Report>>;

    /// Removes a report.
    ///
    /// # Errors
    /// `NotFound` when there is none; those of the storage.
    async fn remove(&self, scope: &TenantScope, id: ReportId) -> Result<()>;
}
