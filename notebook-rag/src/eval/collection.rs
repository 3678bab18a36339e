//! Reads a test collection: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use notebook_core::{
    Error, ErrorKind, Result,
    document::{Document, DocumentBuilder},
};
use serde::{Deserialize, de::DeserializeOwned};

const LOAD: &str = "load test collection";
const MAX_TEXT: usize = 64 << 20;

/// One query with what it should find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The question.
    pub text: String,
    /// The relevant documents, as places in [`Collection::documents`]; at least one.
    pub relevant: BTreeSet<usize>,
}

/// A test collection.
#[derive(Debug, Clone)]
pub struct Collection {
    /// The documents.
    pub documents: Vec<Document>,
    /// The queries that have a relevant document.
    pub queries: Vec<Query>,
    /// Questions that the documents do not answer, if the collection has any.
    pub unanswerable: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

impl Collection {
    /// Reads the collection in `folder`. Grades above 0 mean relevant. Judgements of documents
    /// that are not in the collection are left out, as are queries without any.
    ///
    /// # Errors
    /// `NotFound` when a file is missing, `InvalidInput` with file and line when one is not as
    /// expected.
    pub fn load(folder: &Path) -> Result<Self> {
        let corpus: Vec<Entry> = json_lines(&folder.join("corpus.jsonl"))?;
        let places: HashMap<&str, usize> =
            corpus.iter().enumerate().map(|(place, entry)| (entry.id.as_str(), place)).collect();
        let mut relevant = judgements(&folder.join("qrels").join("test.tsv"), &places)?;
        let queries: Vec<Entry> = json_lines(&folder.join("queries.jsonl"))?;
        let judged = queries.into_iter().filter_map(|query| {
            let relevant = relevant.remove(&query.id)?;
            Some(Query { text: query.text, relevant })
        });
        let queries: Vec<Query> = judged.collect();
        if queries.is_empty() {
            return Err(Error::invalid(LOAD, "queries.jsonl", "give a query that has a judgement"));
        }
        let extra = folder.join("unanswerable.jsonl");
        let unanswerable: Vec<Entry> =
            if extra.exists() { json_lines(&extra)? } else { Vec::new() };
        let documents: Result<_> = corpus.iter().map(document).collect();
        Ok(Self {
            documents: documents?,
            queries,
            unanswerable: unanswerable.into_iter().map(|entry| entry.text).collect(),
        })
    }
}

/// The title is the heading unless the text starts with it.
fn document(entry: &Entry) -> Result<Document> {
    let mut builder = DocumentBuilder::new(MAX_TEXT);
    let built = if entry.title.is_empty() || entry.text.starts_with(&entry.title) {
        builder.paragraph(&entry.text)
    } else {
        builder.heading(1, &entry.title).and_then(|()| builder.paragraph(&entry.text))
    };
    built.map_err(|error| Error::new(ErrorKind::TooLarge, LOAD).caused_by(error))?;
    Ok(builder.finish())
}

fn lines(path: &Path) -> Result<impl Iterator<Item = Result<(usize, String)>>> {
    let file = File::open(path).map_err(|error| {
        Error::new(ErrorKind::NotFound, LOAD)
            .with("file", path.display().to_string())
            .with("fix", "name a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv")
            .caused_by(error)
    })?;
    let path = path.to_owned();
    Ok(BufReader::new(file).lines().zip(1..).filter_map(move |(line, number)| match line {
        Ok(line) if line.trim().is_empty() => None,
        Ok(line) => Some(Ok((number, line))),
        Err(error) => Some(Err(malformed(&path, number).caused_by(error))),
    }))
}

fn malformed(path: &Path, line: usize) -> Error {
    Error::new(ErrorKind::InvalidInput, LOAD)
        .with("file", path.display().to_string())
        .with("line", line.to_string())
}

fn json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let parse = |entry: Result<(usize, String)>| {
        let (number, line) = entry?;
        serde_json::from_str(&line).map_err(|error| malformed(path, number).caused_by(error))
    };
    lines(path)?.map(parse).collect()
}

/// The relevant documents of each query.
fn judgements(
    path: &Path,
    places: &HashMap<&str, usize>,
) -> Result<BTreeMap<String, BTreeSet<usize>>> {
    let mut relevant: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    // The first line names the columns.
    for entry in lines(path)?.skip(1) {
        let (number, line) = entry?;
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [query, document, grade] = fields.as_slice() else {
            return Err(malformed(path, number).with("wanted", "query-id, corpus-id, score"));
        };
        let grade: i64 = grade.parse().map_err(|error| malformed(path, number).caused_by(error))?;
        if let Some(place) = places.get(document).filter(|_| grade > 0) {
            relevant.entry((*query).to_owned()).or_default().insert(*place);
        }
    }
    Ok(relevant)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(corpus: &str, queries: &str, qrels: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("qrels")).unwrap();
        fs::write(folder.path().join("corpus.jsonl"), corpus).unwrap();
        fs::write(folder.path().join("queries.jsonl"), queries).unwrap();
        fs::write(folder.path().join("qrels/test.tsv"), qrels).unwrap();
        folder
    }

    const CORPUS: &str = r#"{"_id":"a","title":"Bees","text":"They dance."}
        {"_id":"b","title":"","text":"Ants march."}"#;
    const QUERIES: &str =
        "{\"_id\":\"1\",\"text\":\"who dances\"}\n\n{\"_id\":\"2\",\"text\":\"who swims\"}\n";
    const QRELS: &str = "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n2\tgone\t1\n";

    #[test]
    fn a_collection_is_read() {
        let collection = Collection::load(folder(CORPUS, QUERIES, QRELS).path()).unwrap();
        assert_eq!(collection.documents[0].text, "Bees\n\nThey dance.");
        assert_eq!(collection.documents[1].text, "Ants march.");
        let query = Query { text: "who dances".to_owned(), relevant: BTreeSet::from([0]) };
        assert_eq!(collection.queries, [query]);
        assert!(collection.unanswerable.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let missing = Collection::load(Path::new("no such folder")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.context("file").unwrap().ends_with("corpus.jsonl"));
        for (corpus, qrels, line) in [
            ("{\"_id\":\"a\"}", QRELS, Some("1")),
            (CORPUS, "h\n1\ta\t1\n1 a 1\n", Some("3")),
            (CORPUS, "h\n1\ta\tmuch\n", Some("2")),
            (CORPUS, "h\n", None),
        ] {
            let error = Collection::load(folder(corpus, QUERIES, qrels).path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(error.context("line"), line, "{error}");
        }
    }
}
