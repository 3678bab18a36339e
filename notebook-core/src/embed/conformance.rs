//! What every [`Embedder`] must do, as scenarios that an adapter's tests run.

use futures::future::BoxFuture;

use super::{EmbedKind, Embedder};
pub use crate::conformance::Report;

/// What an adapter promises beyond the port.
#[derive(Debug, Clone, Copy, Default)]
pub struct Capabilities {
    /// Texts of like meaning are near, also without a shared word.
    pub knows_meaning: bool,
    /// Texts that share words are nearer than texts that share none.
    pub knows_words: bool,
}

type Outcome = Result<(), String>;

struct Scenario {
    name: &'static str,
    promised: fn(&Capabilities) -> bool,
    run: for<'a> fn(&'a dyn Embedder) -> BoxFuture<'a, Outcome>,
}

macro_rules! scenarios {
    ($($name:ident if $promised:expr),* $(,)?) => {
        const SCENARIOS: &[Scenario] = &[$(Scenario {
            name: stringify!($name),
            promised: $promised,
            run: |embedder| Box::pin($name(embedder)),
        }),*];
    };
}

scenarios!(
    the_space_is_named if |_| true,
    no_text_gives_no_vector if |_| true,
    vectors_are_of_unit_length if |_| true,
    order_and_batching_do_not_matter if |_| true,
    calls_at_once_do_not_mix if |_| true,
    a_dropped_call_harms_no_other if |_| true,
    tokens_are_counted if |_| true,
    shared_words_are_near if |capabilities| capabilities.knows_words,
    like_meanings_are_near if |capabilities| capabilities.knows_meaning,
);

/// Runs all scenarios that the adapter promises.
pub async fn run_all(embedder: &dyn Embedder, capabilities: &Capabilities) -> Report {
    let mut report = Report::default();
    for scenario in SCENARIOS {
        let promised = (scenario.promised)(capabilities);
        report.add(scenario.name, promised, (scenario.run)(embedder)).await;
    }
    report
}

fn require(condition: bool, reason: &str) -> Outcome {
    if condition { Ok(()) } else { Err(reason.to_owned()) }
}

async fn embed(
    embedder: &dyn Embedder,
    kind: EmbedKind,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, String> {
    let vectors = embedder.embed(kind, texts).await.map_err(|error| format!("{error:?}"))?;
    require(vectors.len() == texts.len(), "another number of vectors than of texts")?;
    Ok(vectors)
}

/// Texts of many lengths and scripts, with what trips tokenizers.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "a",
        "Bees make honey.",
        "日本語のテキスト",
        "🙂 👩\u{200d}👩\u{200d}👧",
        "\u{0}\u{fffd}\r\n\t",
        "naïve cafe\u{301}",
        "[CLS] [SEP] <|endoftext|>",
        "x".repeat(3000).as_str(),
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("many words ".repeat(2000));
    texts.extend((1..40).map(|n| format!("Sentence number {n} {}", "and more ".repeat(n % 7))));
    texts
}

fn near(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4)
}

async fn the_space_is_named(embedder: &dyn Embedder) -> Outcome {
    let space = embedder.space();
    require(!space.model.is_empty() && space.dimensions > 0, "no name or no dimensions")?;
    require(embedder.max_tokens() > 0, "no tokens are read")
}

async fn no_text_gives_no_vector(embedder: &dyn Embedder) -> Outcome {
    embed(embedder, EmbedKind::Query, &[]).await.map(|_| ())
}

async fn vectors_are_of_unit_length(embedder: &dyn Embedder) -> Outcome {
    for kind in [EmbedKind::Query, EmbedKind::Passage] {
        for (text, vector) in texts().iter().zip(embed(embedder, kind, &texts()).await?) {
            let norm = near(&vector, &vector).sqrt();
            let start: String = text.chars().take(20).collect();
            require(vector.len() == embedder.space().dimensions, "another length of vector")?;
            require((norm - 1.0).abs() < 1e-3, &format!("{start:?} has the length {norm}"))?;
        }
    }
    Ok(())
}

async fn order_and_batching_do_not_matter(embedder: &dyn Embedder) -> Outcome {
    let all = texts();
    let together = embed(embedder, EmbedKind::Passage, &all).await?;
    let reversed: Vec<String> = all.iter().rev().cloned().collect();
    let backwards = embed(embedder, EmbedKind::Passage, &reversed).await?;
    let equal = together.iter().zip(backwards.iter().rev()).all(|(a, b)| same(a, b));
    require(equal, "the order changes vectors")?;
    for (text, expected) in all.iter().zip(&together).step_by(7) {
        let alone = embed(embedder, EmbedKind::Passage, std::slice::from_ref(text)).await?;
        require(alone.first().is_some_and(|v| same(v, expected)), "a batch changes vectors")?;
    }
    Ok(())
}

async fn calls_at_once_do_not_mix(embedder: &dyn Embedder) -> Outcome {
    let (one, two) = (vec!["one thing".to_owned()], vec!["another matter".to_owned(); 3]);
    let (a, b, c) = futures::join!(
        embed(embedder, EmbedKind::Passage, &one),
        embed(embedder, EmbedKind::Passage, &two),
        embed(embedder, EmbedKind::Passage, &one),
    );
    let (a, b, c) = (a?, b?, c?);
    require(a.iter().zip(&c).all(|(a, c)| same(a, c)), "the same text has two vectors")?;
    require(a.iter().zip(&b).all(|(a, b)| !same(a, b)), "two texts have the same vector")
}

async fn a_dropped_call_harms_no_other(embedder: &dyn Embedder) -> Outcome {
    let text = vec!["dropped".to_owned()];
    let mut call = Box::pin(embedder.embed(EmbedKind::Passage, &text));
    let polled = futures::poll!(&mut call);
    drop((call, polled));
    embed(embedder, EmbedKind::Passage, &text).await.map(|_| ())
}

async fn tokens_are_counted(embedder: &dyn Embedder) -> Outcome {
    require(embedder.count_tokens("") == 0, "an empty text has tokens")?;
    require(embedder.count_tokens("two words") >= 2, "two words are fewer than two tokens")?;
    let long = embedder.count_tokens(&"two words ".repeat(500));
    require(long >= 1000, "a long text has too few tokens")
}

/// Whether the first text is nearer to the second than to the third.
async fn nearer(embedder: &dyn Embedder, texts: [&str; 3]) -> Outcome {
    let vectors = embed(embedder, EmbedKind::Passage, &texts.map(str::to_owned)).await?;
    let [a, b, c] = vectors.as_slice() else { return Err("not three vectors".into()) };
    let (close, far) = (near(a, b), near(a, c));
    require(close > far, &format!("{texts:?}: {close} is not over {far}"))
}

async fn shared_words_are_near(embedder: &dyn Embedder) -> Outcome {
    let far = "The central bank raised interest rates";
    nearer(embedder, ["Bees make honey from nectar", "Honey comes from bees and nectar", far]).await
}

async fn like_meanings_are_near(embedder: &dyn Embedder) -> Outcome {
    let far = "The central bank raised interest rates";
    nearer(embedder, ["A physician treats the ill", "Doctors help sick people", far]).await
}
