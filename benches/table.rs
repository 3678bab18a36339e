//! `query_table` over a table of a million rows: the first question, for which it is loaded, and the ones after it. The lower
//! bound is the same SQL asked directly of the same engine as it is by itself, over a table with the same rows that is there already.
//!
//! `cargo bench --bench table`. The target is half a second for a question of a table that is loaded.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use notebook_agent::{
    graph::{CallInfo, ToolCall, Tools as _},
    tools::{
        Bound, Observation, Place, Registry,
        builtin::table::{QueryTable, TableLimits},
    },
};
use notebook_core::{
    RunId, TenantScope,
    document::{Document, DocumentBuilder, SourceKind},
    model::{Source, Stage},
    store::{NotebookStore, SourceStore, conformance::samples, memory::MemoryStore},
};
use rusqlite::Connection;
use serde_json::json;

const ROWS: u32 = 1_000_000;
const ROUNDS: usize = 7;
const TARGET: Duration = Duration::from_millis(500);
/// What people ask of tables: a count, groups, the greatest, and a search in texts.
const QUESTIONS: [(&str, &str); 4] = [
    ("count and sum", "SELECT count(*), sum(people), avg(share) FROM data"),
    ("groups", "SELECT city, count(*), avg(share) FROM data GROUP BY city ORDER BY 2 DESC"),
    ("the greatest", "SELECT city, people FROM data ORDER BY people DESC LIMIT 10"),
    ("words in a text", "SELECT count(*) FROM data WHERE city LIKE '%town 77%'"),
];

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let (scope, store) = (samples::tenant(), MemoryStore::new());
    let notebook = store.create_notebook(&scope, samples::notebook()).await?.id;
    let document = document()?;
    let source = Source {
        kind: SourceKind::Csv,
        stage: Stage::Ready,
        text_bytes: document.text.len() as u64,
        ..samples::source(notebook)
    };
    let id = source.id.to_string();
    store.create_source(&scope, source.clone()).await?;
    store.put_document(&scope, source.id, document).await?;
    let tool = QueryTable::new(Arc::new(store), TableLimits::default());
    let tools = Registry::new().with(tool)?.at(Place::of(notebook));

    let since = Instant::now();
    ask(&tools, &scope, &id, "SELECT 1").await?;
    println!("{ROWS} rows are loaded in {:.2} s", since.elapsed().as_secs_f64());
    let engine = engine()?;
    for (name, sql) in QUESTIONS {
        let (mut through, mut direct) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            // In turn, so that what the machine does meanwhile is the same for both.
            let since = Instant::now();
            let rows = directly(&engine, sql)?;
            direct.push(since.elapsed());
            let since = Instant::now();
            let said = ask(&tools, &scope, &id, sql).await?;
            through.push(since.elapsed());
            assert!(said.contains(&format!("({rows} rows)")) || rows > 200, "{said}");
        }
        let (through, direct) = (median(&mut through), median(&mut direct));
        println!(
            "{name:<18} {:>7.1} ms, {:.2}x the engine alone{}",
            through.as_secs_f64() * 1e3,
            through.as_secs_f64() / direct.as_secs_f64(),
            if through > TARGET { "; over the target" } else { "" }
        );
    }
    Ok(())
}

async fn ask(tools: &Bound, scope: &TenantScope, source: &str, sql: &str) -> Outcome<String> {
    let info = CallInfo {
        scope: scope.clone(),
        run: RunId::new(),
        node: "bench".into(),
        key: "k".into(),
        timeout: Duration::from_secs(60),
        most_bytes: 256 << 10,
    };
    let call = ToolCall::new("query_table", json!({ "source": source, "sql": sql }));
    let reply = tools.call(&info, call).await.map_err(|failure| failure.to_string())?;
    Ok(serde_json::from_value::<Observation>(reply.output)?.text)
}

fn row(row: u32) -> (String, u32, f64) {
    let mixed = row.wrapping_mul(2_654_435_761);
    (format!("town {}", mixed % 1_000), mixed % 1_000_003, f64::from(mixed % 997) / 4.0)
}

fn document() -> Outcome<Document> {
    let mut builder = DocumentBuilder::new(128 << 20);
    builder.row(["city", "people", "share"])?;
    for (city, people, share) in (0..ROWS).map(row) {
        builder.row([city, people.to_string(), share.to_string()])?;
    }
    Ok(builder.finish())
}

fn engine() -> Outcome<Connection> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute("CREATE TABLE data (city TEXT, people INTEGER, share REAL)", [])?;
    let tx = connection.transaction()?;
    let mut insert = tx.prepare("INSERT INTO data VALUES (?1, ?2, ?3)")?;
    for values in (0..ROWS).map(row) {
        insert.execute(values)?;
    }
    drop(insert);
    tx.commit()?;
    Ok(connection)
}

/// How many rows there are.
fn directly(engine: &Connection, sql: &str) -> Outcome<usize> {
    let mut statement = engine.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
