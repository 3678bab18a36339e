//! `notebook doctor`: what works, what does not, and what to do about it.

use std::{path::Path, sync::Arc, time::Instant};

use notebook_core::{clock::SystemClock, key_usage::memory::MemoryKeyUsage};

use notebook_core::chat::ChatModel;

use super::{Outcome, out};
use crate::{
    assets, compose,
    config::{Config, Loaded, Profile},
    models::{self, Layers},
};

/// Prints a line for each part. Fails when something that is needed does not work.
pub(super) async fn run(loaded: Loaded) -> Outcome {
    let mut report = Report::default();
    report.settings(&loaded);
    if !loaded.errors.is_empty() {
        return report.end();
    }
    let config = loaded.config;
    report.folder(&config.data_dir);
    report.parser(&config).await;
    report.images(&config).await;
    report.page();
    report.redis(&config).await;
    report.mail(&config).await;
    // Nothing is asked of a model here, so nothing is counted.
    let uncounted = Arc::new(MemoryKeyUsage::new());
    let layers = match models::layers(&config, uncounted, Arc::new(SystemClock)).await {
        Ok(layers) => layers,
        Err(error) => {
            report.bad("answers", &error.to_string());
            return report.end();
        }
    };
    match models::chat(&config, layers.clone()).await {
        Ok(chat) => {
            let status = chat.status();
            report.good("answers", &format!("{}: {}", status.label, status.reason));
            report.model(chat.default_model().as_ref(), &config);
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
    report.recordings(&config).await;
    match models::embedder(&config, &layers).await {
        Ok(embedding) if embedding.model.is_some() => report.good("search", &embedding.reason),
        Ok(embedding) => report.warn("search", &embedding.reason),
        Err(error) => report.bad("search", &error.to_string()),
    }
    report.reranking(&config, &layers).await;
    report.end()
}

#[derive(Default)]
struct Report {
    failed: usize,
}

impl Report {
    fn end(self) -> Outcome {
        if self.failed > 0 { Err(format!("{} checks failed", self.failed).into()) } else { Ok(()) }
    }

    /// What is wrong, and what is unsafe: an error in production, a warning before.
    fn settings(&mut self, loaded: &Loaded) {
        for error in &loaded.errors {
            self.bad("settings", error);
        }
        let profile = loaded.config.profile;
        for what in &loaded.unsafe_settings {
            match profile {
                Profile::Production => self.bad("settings", what),
                Profile::Dev | Profile::Staging => {
                    self.warn("settings", &format!("not for production: {what}"));
                }
            }
        }
        if loaded.errors.is_empty() && loaded.unsafe_settings.is_empty() {
            self.good("settings", &format!("nothing is unsafe (profile {})", profile.name()));
        }
    }

    /// What is known of the model that answers: how its tokens are counted, whether it has tools, what it costs.
    fn model(&self, model: &dyn ChatModel, config: &Config) {
        let info = model.info();
        let counted = if model.count_tokens("a").exact {
            "counted with the model's own tokenizer"
        } else {
            "estimated on the high side: the model's own tokenizer is not at hand"
        };
        self.good("tokens", counted);
        if !info.tools {
            self.warn("tools", "the model is offered none");
        }
        if config.chat.prices.is_empty() || info.local {
            return;
        }
        match models::price(config, info) {
            Some(price) => self.good(
                "costs",
                &format!("{} / {} USD for a million tokens", price.prompt, price.completion),
            ),
            None => {
                let label = info.label();
                self.warn("costs", &format!("not counted: chat.prices has no pattern for {label}"));
            }
        }
    }

    /// Whether there is a mail server, and whether it answers.
    async fn mail(&mut self, config: &Config) {
        match crate::mail::mailer(config) {
            Ok(None) => self.warn("mail", "none is sent: mail.url is not set"),
            Ok(Some(mailer)) => match mailer.check().await {
                Ok(()) => self.good("mail", "the server answers"),
                Err(error) => self.bad("mail", &error.to_string()),
            },
            Err(error) => self.bad("mail", &error.to_string()),
        }
    }

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
    async fn parser(&mut self, config: &Config) {
        let parsed = async {
            let mut file = tempfile::tempfile()?;
            std::io::Write::write_all(&mut file, b"# A test\n\nWith a sentence.\n")?;
            std::io::Seek::rewind(&mut file)?;
            let parser = compose::parser(config)?;
            let kind = notebook_core::document::SourceKind::Markdown;
            let document = parser.parse(file, kind).await.map_err(|failure| failure.message)?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(document.text.len())
        };
        match parsed.await {
            Ok(_) => self.good("parser", "files are parsed in a limited child process"),
            Err(error) => self.bad("parser", &error.to_string()),
        }
    }

    /// Recognises text in an empty picture. Without it everything but images is read.
    async fn images(&mut self, config: &Config) {
        let languages = config.parse.ocr.languages.join(", ");
        match compose::parser(config) {
            Ok(parser) => match parser.check_ocr().await {
                Ok(()) => self.good("images", &format!("text is recognised ({languages})")),
                Err(failure) => self.warn("images", &failure.message),
            },
            Err(error) => self.bad("images", &error.to_string()),
        }
    }

    /// Decodes some silence, and looks for the model. Without them everything but recordings is read.
    async fn recordings(&mut self, config: &Config) {
        let decoded = match compose::parser(config) {
            Ok(parser) => parser.check_decoder().await.map_err(|failure| failure.message),
            Err(error) => Err(error.to_string()),
        };
        match (models::transcriber(config), decoded) {
            (Err(error), _) => self.bad("speech", &error.to_string()),
            (Ok(listening), _) if !listening.is_ready => self.warn("speech", &listening.reason),
            (Ok(_), Err(lacking)) => self.warn("speech", &lacking),
            (Ok(listening), Ok(())) => self.good("speech", &listening.reason),
        }
    }

    /// Judges two passages, where a model does.
    async fn reranking(&mut self, config: &Config, layers: &Layers) {
        let last = match models::reranking(config, layers).await {
            Ok(None) => return,
            Ok(Some(last)) => last,
            Err(error) => return self.bad("rerank", &error.to_string()),
        };
        let passages = ["Bees dance.", "Ants follow trails."].map(str::to_owned);
        let since = Instant::now();
        let judged = last.model.scores("Why do bees dance?", &passages);
        match tokio::time::timeout(std::time::Duration::from_secs(5), judged).await {
            Ok(Ok(_)) => {
                let (model, place) = (last.model.model(), models::rerank_place(config));
                let millis = since.elapsed().as_millis();
                self.good("rerank", &format!("{model}, {place}: answers in {millis} ms"));
            }
            Ok(Err(error)) => self.bad("rerank", &error.to_string()),
            Err(_) => self.bad("rerank", "the model did not answer within 5 s"),
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
