//! Speech to text with Whisper tiny.en on two threads: our kernels beside faster-whisper (CTranslate2) in the same run, with the same weights and
//! the same sound, greedily. Both listen to a window of 30 seconds, however much of it is silence: longer speech is faster by the second.
//!
//! `cargo bench --bench speech -- PYTHON`, where PYTHON has the package `faster-whisper` (`pip install faster-whisper`); without one the
//! peer is left out, and the output says so. Needs what `scripts/fetch-models.py speech-model speech` fetches.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use notebook_core::transcribe::{SAMPLE_RATE, Transcriber as _};
use notebook_rag::transcribe::whisper::Whisper;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const THREADS: usize = 2;
const ROUNDS: usize = 5;
/// Between two clips.
const PAUSE: usize = SAMPLE_RATE * 2 / 5;

fn main() -> Outcome<()> {
    let cache = std::env::var_os("NOTEBOOK_CACHE").map(PathBuf::from);
    let cache = match cache {
        Some(cache) => cache,
        None => PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set")?)
            .join(".cache/notebook"),
    };
    let model = cache.join("models/faster-whisper-tiny.en");
    let sound = sound(&cache.join("speech"))?;
    let seconds = sound.len() as f64 / SAMPLE_RATE as f64;
    let whisper = Whisper::load("tiny.en", &model, THREADS)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut times = Vec::new();
    let mut text = String::new();
    for round in 0..=ROUNDS {
        let since = Instant::now();
        text = runtime.block_on(listen(&whisper, &sound))?;
        // The first round warms up.
        if round > 0 {
            times.push(since.elapsed().as_secs_f64());
        }
    }
    println!("{seconds:.1} s of speech: {text}");
    let ours = median(times);
    println!("  our kernels     {ours:.2} s, {:.1} times as fast as it is said", seconds / ours);
    // Cargo gives a bench `--bench` as well.
    match std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        Some(python) => {
            let peer = peer(&python, &model, &sound)?;
            println!(
                "  faster-whisper  {peer:.2} s, {:.1} times; ours takes {:.2} of it",
                seconds / peer,
                ours / peer
            );
        }
        None => println!("  faster-whisper is not measured: name a Python that has it"),
    }
    Ok(())
}

/// All of it, window by window, as recordings are written down.
async fn listen(whisper: &Whisper, sound: &[f32]) -> Outcome<String> {
    let (mut text, mut at) = (String::new(), 0);
    while at < sound.len() {
        let end = (at + whisper.window()).min(sound.len());
        let heard = whisper.transcribe(sound[at..end].to_vec(), end == sound.len()).await?;
        for segment in &heard.segments {
            text.push(' ');
            text.push_str(segment.text.trim());
        }
        at += heard.consumed.max(1);
    }
    Ok(text)
}

/// The clips, one after the other. Not again: words that repeat themselves are heard anew, for a model that has lost its way repeats itself.
fn sound(folder: &Path) -> Outcome<Vec<f32>> {
    let clips = ["quick_brown_fox.wav", "counting.wav", "hello_world.wav"];
    let clips: Vec<Vec<f32>> =
        clips.iter().map(|clip| samples(&folder.join(clip))).collect::<Outcome<_>>()?;
    let mut sound = Vec::new();
    for clip in &clips {
        sound.extend(clip);
        sound.extend(std::iter::repeat_n(0.0, PAUSE));
    }
    Ok(sound)
}

/// Of a file of 32-bit floats, one channel, at our rate, as these are.
fn samples(path: &Path) -> Outcome<Vec<f32>> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let data = bytes.windows(4).position(|four| four == b"data").ok_or("no samples")? + 8;
    let (floats, _) = bytes[data..].as_chunks::<4>();
    Ok(floats.iter().map(|four| f32::from_le_bytes(*four)).collect())
}

/// The best of a few rounds, in seconds; it prints what it heard.
fn peer(python: &str, model: &Path, sound: &[f32]) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let raw = folder.path().join("sound.f32");
    fs::write(&raw, sound.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("speech_peer.py");
    let output = Command::new(python)
        .arg(script)
        .args([model, folder.path()])
        .args([THREADS.to_string(), ROUNDS.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let said = String::from_utf8(output.stdout)?;
    let (seconds, text) = said.split_once(' ').ok_or("the peer says nothing")?;
    println!("  faster-whisper hears: {}", text.trim());
    Ok(seconds.parse()?)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
