use std::{fmt, time::Duration};

use notebook_core::model::RetrievalMode;

/// How well one way of searching did, as means over the queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// The way.
    pub mode: RetrievalMode,
    /// Whether a reranker had the last word.
    pub reranked: bool,
    /// nDCG of the first 10 documents.
    pub ndcg_10: f64,
    /// Share of the relevant documents among the first 100.
    pub recall_100: f64,
}

/// How often the answer would have been "the sources do not say".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abstention {
    /// The searches that the decision rests on.
    pub mode: RetrievalMode,
    /// Queries that have a relevant document.
    pub answerable: usize,
    /// Those of them for which it would have been said, wrongly.
    pub answerable_refused: usize,
    /// Questions that the documents do not answer.
    pub unanswerable: usize,
    /// Those of them for which it would have been said, rightly.
    pub unanswerable_refused: usize,
}

/// The result of an evaluation. `Display` prints it as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Name of the collection: that of its folder.
    pub collection: String,
    /// Number of documents.
    pub documents: usize,
    /// Number of chunks that they were cut into.
    pub chunks: usize,
    /// Number of queries that have a relevant document.
    pub queries: usize,
    /// Name of the embedding model, if there was one.
    pub model: Option<String>,
    /// Name of the reranker, if there was one.
    pub reranker: Option<String>,
    /// One row for each way of searching.
    pub rows: Vec<Quality>,
    /// One row for each way of deciding that nothing relevant was found.
    pub abstention: Vec<Abstention>,
    /// Wall time of the whole.
    pub took: Duration,
}

fn name(mode: RetrievalMode) -> &'static str {
    match mode {
        RetrievalMode::Keyword => "keyword",
        RetrievalMode::Vector => "vector",
        RetrievalMode::Hybrid => "fused",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} documents, {} chunks, {} queries, {:.1} s",
            self.collection,
            self.documents,
            self.chunks,
            self.queries,
            self.took.as_secs_f64()
        )?;
        writeln!(f, "embedding model: {}", self.model.as_deref().unwrap_or("none"))?;
        if let Some(reranker) = &self.reranker {
            writeln!(f, "reranker: {reranker}")?;
        }
        writeln!(f, "{:<10}{:>9}{:>12}", "search", "nDCG@10", "recall@100")?;
        for row in &self.rows {
            let name = if row.reranked { "reranked" } else { name(row.mode) };
            writeln!(f, "{name:<10}{:>9.3}{:>12.3}", row.ndcg_10, row.recall_100)?;
        }
        for row in &self.abstention {
            write!(
                f,
                "{}: \"the sources do not say\" to {} of {} answerable questions",
                name(row.mode),
                row.answerable_refused,
                row.answerable
            )?;
            if row.unanswerable > 0 {
                write!(f, ", {} of {} others", row.unanswerable_refused, row.unanswerable)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_reads_as_a_table() {
        let report = Report {
            collection: "bees".to_owned(),
            documents: 2,
            chunks: 3,
            queries: 4,
            model: None,
            reranker: Some("judge".to_owned()),
            rows: vec![
                Quality {
                    mode: RetrievalMode::Keyword,
                    reranked: false,
                    ndcg_10: 0.5,
                    recall_100: 0.98765,
                },
                Quality {
                    mode: RetrievalMode::Keyword,
                    reranked: true,
                    ndcg_10: 0.75,
                    recall_100: 0.98765,
                },
            ],
            abstention: vec![Abstention {
                mode: RetrievalMode::Keyword,
                answerable: 4,
                answerable_refused: 1,
                unanswerable: 2,
                unanswerable_refused: 2,
            }],
            took: Duration::from_millis(1500),
        };
        assert_eq!(
            report.to_string(),
            "bees: 2 documents, 3 chunks, 4 queries, 1.5 s\n\
             embedding model: none\n\
             reranker: judge\n\
             search      nDCG@10  recall@100\n\
             keyword       0.500       0.988\n\
             reranked      0.750       0.988\n\
             keyword: \"the sources do not say\" to 1 of 4 answerable questions, 2 of 2 others\n"
        );
    }
}
