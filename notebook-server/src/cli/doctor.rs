//! `notebook doctor`: what works, what does not, and what to do about it.

use std::{path::Path, time::Instant};

use super::{Outcome, out};
use crate::{assets, compose, config::Config, models};

/// Prints a line for each part. Fails when something that is needed does not work.
pub(super) async fn run(config: Config) -> Outcome {
    let mut report = Report::default();
    report.folder(&config.data_dir);
    report.parser().await;
    report.page();
    report.redis(&config).await;
    match models::chat(&config).await {
        Ok(chat) => {
            let status = chat.status();
            report.good("answers", &format!("{}: {}", status.label, status.reason));
            match tokio::time::timeout(
                std::time::Duration::from_secs(5),
                chat.default_model().check(),
            )
            .await
            {
                Ok(Ok(())) => {}
                Ok(Err(error)) => report.bad("answers", &error.to_string()),
                Err(_) => report.bad("answers", "the provider did not answer within 5 s"),
            }
        }
        Err(error) => report.bad("answers", &error.to_string()),
    }
    match models::embedder(&config.embedding, &config).await {
        Ok(embedding) if embedding.model.is_some() => report.good("search", &embedding.reason),
        Ok(embedding) => report.warn("search", &embedding.reason),
        Err(error) => report.bad("search", &error.to_string()),
    }
    if report.failed > 0 { Err(format!("{} checks failed", report.failed).into()) } else { Ok(()) }
}

#[derive(Default)]
struct Report {
    failed: usize,
}

impl Report {
    fn good(&self, what: &str, text: &str) {
        out::line(format!("✓ {what:<9}{text}"));
    }

    fn warn(&self, what: &str, text: &str) {
        out::line(format!("! {what:<9}{text}"));
    }

    fn bad(&mut self, what: &str, text: &str) {
        self.failed += 1;
        out::line(format!("✗ {what:<9}{text}"));
    }

    fn folder(&mut self, folder: &Path) {
        let shown = folder.display();
        if compose::is_locked(folder) {
            let server =
                compose::running_server(folder).unwrap_or_else(|| "another process".to_owned());
            return self.good("data", &format!("{shown} is in use by {server}"));
        }
        let tried =
            std::fs::create_dir_all(folder).and_then(|()| tempfile::NamedTempFile::new_in(folder));
        match tried {
            Ok(_) => self.good("data", &format!("{shown} can be written to")),
            Err(error) => self.bad(
                "data",
                &format!("{shown} cannot be written to ({error}); choose another --data-dir"),
            ),
        }
    }

    /// Parses a small file the way the server does: in a child process with limits.
    async fn parser(&mut self) {
        let parsed = async {
            let mut file = tempfile::tempfile()?;
            std::io::Write::write_all(&mut file, b"# A test\n\nWith a sentence.\n")?;
            std::io::Seek::rewind(&mut file)?;
            let parser = compose::parser()?;
            let kind = notebook_core::document::SourceKind::Markdown;
            let document = parser.parse(file, kind).await.map_err(|failure| failure.message)?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(document.text.len())
        };
        match parsed.await {
            Ok(_) => self.good("parser", "files are parsed in a limited child process"),
            Err(error) => self.bad("parser", &error.to_string()),
        }
    }

    /// Only where servers tell each other by Redis.
    async fn redis(&mut self, config: &Config) {
        let checked = async {
            let Some(redis) = compose::open_redis(config).await? else { return Ok(None) };
            // The connection is made, or met an error, when it is open.
            let since = Instant::now();
            redis.check().await?;
            Ok::<_, notebook_core::Error>(Some(since.elapsed()))
        };
        match checked.await {
            Ok(None) => {}
            Ok(Some(took)) => {
                self.good("redis", &format!("answers in {:.1} ms", took.as_secs_f64() * 1e3));
            }
            Err(error) if error.is_retryable() => {
                self.warn("redis", &format!("{error}; servers find out by looking meanwhile"));
            }
            Err(error) => self.bad("redis", &error.to_string()),
        }
    }

    fn page(&self) {
        if assets::is_built() {
            self.good("page", "built into this binary");
        } else {
            self.warn("page", "not built into this binary: run `make web` and build again");
        }
    }
}
