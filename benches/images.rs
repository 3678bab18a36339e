//! Text recognition of a clean page: the product's whole way (its parser as a limited child, which starts tesseract as a child of its own,
//! reads its words with their places and makes paragraphs of them) beside tesseract alone on the same file.
//!
//! `cargo bench --bench images`. Needs tesseract (`scripts/need-test.sh`). The bench is its own parser: it starts itself as the child.

use std::{
    error::Error,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use notebook_rag::parse::{ChildParser, Ocr, child_main};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROUNDS: usize = 9;
const CHILD: &str = "parse-one-file";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(CHILD) {
        return child_main();
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebook-rag/tests/parse/images");
    let parser = ChildParser::new(std::env::current_exe()?, [CHILD]).with_ocr(Ocr::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for name in ["page.png", "photo.jpg"] {
        let path = folder.join(name);
        let (mut ours, mut alone) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let since = Instant::now();
            let parsed = runtime
                .block_on(parser.parse_detected(File::open(&path)?, name, None))
                .map_err(|failure| format!("{failure:?}"))?;
            let (whole, words) = (since.elapsed(), words(&parsed.document.text));
            let since = Instant::now();
            let said = tesseract(&path)?;
            // The first round warms up.
            if round > 0 {
                ours.push(whole);
                alone.push(since.elapsed());
            } else {
                println!("{name}: {words} words, of which tesseract alone says {}", said.len());
            }
        }
        let (ours, alone) = (median(ours), median(alone));
        println!(
            "  the whole way {:.2} s, tesseract alone {:.2} s, {:.2}x",
            ours.as_secs_f64(),
            alone.as_secs_f64(),
            ours.as_secs_f64() / alone.as_secs_f64()
        );
    }
    Ok(())
}

/// On as many cores as there are, as it comes.
fn tesseract(path: &PathBuf) -> Outcome<Vec<String>> {
    let output = Command::new("tesseract").arg(path).arg("-").stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(format!("tesseract ended with {}", output.status).into());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
