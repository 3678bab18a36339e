//! What is heard in a window: sound to tokens to words with times.

use std::{path::Path, time::Duration};

use notebook_core::{
    Error, ErrorKind, Result,
    transcribe::{Heard, SAMPLE_RATE, Segment, duration, samples},
};

use super::{
    MODEL_FILES,
    file::Weights,
    mel::Mel,
    net::{Decoder, Encoder, Memory},
    sense::{Spoken, before_loop},
    silence,
    tokens::Tokens,
};

/// Sound that is nowhere louder is silence, which needs no model.
const SILENCE: f32 = 0.001;
/// How sure the model must be that nobody speaks, before what it wrote with doubt is left out.
const NOBODY_SPEAKS: f32 = 0.6;
/// Less than this, on average, is doubt: a logarithm.
const DOUBT: f32 = -1.0;
/// How freely it chooses, from attempt to attempt.
const TEMPERATURES: [f32; 4] = [0.0, 0.2, 0.5, 0.8];
/// The first words begin within so many fiftieths of a second.
const LATEST_BEGIN: u32 = 50;
/// Where the model has lost its way, the next window begins so much later at least.
const LEAST_STEP: usize = 5 * SAMPLE_RATE;
/// How long a time mark is.
const TICK: Duration = Duration::from_millis(20);

/// A model with all that it needs.
pub(super) struct Listener {
    mel: Mel,
    encoder: Encoder,
    decoder: Decoder,
    tokens: Tokens,
    threads: usize,
}

/// What the model wrote of a window.
struct Written {
    tokens: Vec<u32>,
    /// How sure it was of them, on average: a logarithm.
    sure: f32,
    /// Whether it found an end by itself.
    ended: bool,
}

/// What is made of a window.
enum Best {
    Written(Vec<u32>),
    /// The model lost its way after these.
    Lost(Vec<u32>),
    Nobody,
}

impl Listener {
    pub(super) fn load(folder: &Path, threads: usize) -> Result<Self> {
        let [model, tokenizer] = MODEL_FILES;
        let weights = Weights::open(&folder.join(model))?;
        let encoder = Encoder::load(&weights)?;
        let decoder = Decoder::load(&weights)?;
        let tokens = Tokens::load(&folder.join(tokenizer), decoder.vocabulary())?;
        Ok(Self { mel: Mel::new(encoder.bands()), encoder, decoder, tokens, threads })
    }

    pub(super) fn hear(&self, sound: &[f32], last: bool) -> Result<Heard> {
        let nothing = Heard { segments: Vec::new(), consumed: sound.len() };
        if sound.iter().all(|sample| sample.abs() < SILENCE) {
            return Ok(nothing);
        }
        let mel = self.mel.frames(sound, self.threads).ok_or_else(broken)?;
        let seen = self.encoder.listen(&mel, self.threads)?;
        let memory = self.decoder.begin(&seen, self.threads)?;
        let (memory, logits, nobody) = self.prompt(memory)?;
        Ok(match self.best(&memory, &logits, nobody, silence::loud(sound))? {
            Best::Written(tokens) => self.heard(&tokens, sound.len(), last),
            Best::Lost(tokens) => {
                let mut heard = self.heard(&tokens, sound.len(), false);
                // What is said after it is heard with the next window.
                let said = heard.segments.last().map_or(0, |segment| samples(segment.end));
                heard.consumed = said.max(LEAST_STEP).min(sound.len());
                heard
            }
            Best::Nobody => nothing,
        })
    }

    /// The model after its prompt: what it would write, and how sure it is that nobody speaks.
    fn prompt(&self, mut memory: Memory) -> Result<(Memory, Vec<f32>, f32)> {
        let (first, rest) = self.tokens.prompt.split_first().ok_or_else(broken)?;
        let mut logits = self.decoder.step(&mut memory, *first)?;
        let chances = log_softmax(&logits);
        let nobody = self.tokens.silence.and_then(|token| chances.get(token as usize));
        let nobody = nobody.map_or(0.0, |chance| chance.exp());
        if let Some(languages) = self.tokens.languages() {
            let language = languages.max_by(|a, b| {
                let of = |token: &u32| logits.get(*token as usize).copied().unwrap_or(f32::MIN);
                of(a).total_cmp(&of(b))
            });
            logits = self.decoder.step(&mut memory, language.ok_or_else(broken)?)?;
        }
        for token in rest {
            logits = self.decoder.step(&mut memory, *token)?;
        }
        Ok((memory, logits, nobody))
    }

    /// The first attempt that makes sense and is not in doubt, or the surest of those that make sense. `seconds` are those that are not
    /// silent.
    fn best(&self, memory: &Memory, logits: &[f32], nobody: f32, seconds: f32) -> Result<Best> {
        let mut best: Option<Written> = None;
        let mut lost: Option<Vec<u32>> = None;
        for (attempt, temperature) in TEMPERATURES.into_iter().enumerate() {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ attempt as u64);
            let written = self.write(memory.clone(), logits.to_vec(), temperature, &mut dice)?;
            let in_doubt = written.sure < DOUBT;
            if in_doubt && nobody > NOBODY_SPEAKS {
                return Ok(Best::Nobody);
            }
            let words = self.words(&written.tokens);
            let spoken = Spoken { words, ended: written.ended, seconds };
            if spoken.is_lost() {
                lost.get_or_insert(written.tokens);
            } else if !in_doubt {
                return Ok(Best::Written(written.tokens));
            } else if best.as_ref().is_none_or(|best| best.sure < written.sure) {
                best = Some(written);
            }
        }
        Ok(match (best, lost) {
            (Some(best), _) => Best::Written(best.tokens),
            (None, Some(lost)) if nobody <= NOBODY_SPEAKS => Best::Lost(self.sensible(lost)),
            _ => Best::Nobody,
        })
    }

    fn words(&self, tokens: &[u32]) -> Vec<u32> {
        tokens.iter().copied().filter(|token| !self.tokens.is_time(*token)).collect()
    }

    /// What was written before it was the same again and again, with the time at its end.
    fn sensible(&self, mut tokens: Vec<u32>) -> Vec<u32> {
        let keep = before_loop(&self.words(&tokens));
        let mut words = 0;
        let end = tokens.iter().position(|token| {
            words += usize::from(!self.tokens.is_time(*token));
            words > keep
        });
        tokens.truncate(end.unwrap_or(tokens.len()));
        tokens
    }

    fn write(
        &self,
        mut memory: Memory,
        mut logits: Vec<f32>,
        temperature: f32,
        dice: &mut Dice,
    ) -> Result<Written> {
        let mut tokens = Vec::new();
        let (mut sum, mut count, mut ended) = (0.0, 0_u32, false);
        // Half of its places are for what was said before, as the model was taught.
        while tokens.len() < self.decoder.longest() / 2 {
            self.rule(&tokens, &mut logits);
            let chances = log_softmax(&logits);
            let token = choose(&chances, temperature, dice);
            sum += chances.get(token as usize).copied().unwrap_or(0.0);
            count += 1;
            if token == self.tokens.end {
                ended = true;
                break;
            }
            tokens.push(token);
            logits = self.decoder.step(&mut memory, token)?;
        }
        Ok(Written { tokens, sure: sum / count.max(1) as f32, ended })
    }

    /// Takes away what may not come next: times come in pairs around words, and rise.
    fn rule(&self, written: &[u32], logits: &mut [f32]) {
        let Tokens { first_time, end, .. } = self.tokens;
        let mut refuse = |from: u32, to: u32| {
            let range = from as usize..(to as usize).min(logits.len());
            logits
                .get_mut(range)
                .into_iter()
                .flatten()
                .for_each(|logit| *logit = f32::NEG_INFINITY);
        };
        for token in &self.tokens.never {
            refuse(*token, token + 1);
        }
        let is_time = |back: usize| {
            written
                .len()
                .checked_sub(back)
                .and_then(|at| written.get(at))
                .is_some_and(|t| self.tokens.is_time(*t))
        };
        match written.iter().rev().find(|token| self.tokens.is_time(**token)) {
            None => {
                // It begins with a time, an early one.
                refuse(0, first_time);
                refuse(first_time + LATEST_BEGIN + 1, u32::MAX);
                for token in &self.tokens.never_first {
                    refuse(*token, token + 1);
                }
            }
            Some(latest) => {
                let pair = is_time(1) && (written.len() < 2 || is_time(2));
                // The end of words may be the beginning of the next ones; words take time.
                refuse(first_time, if is_time(1) && !pair { *latest } else { latest + 1 });
                if pair {
                    refuse(first_time, u32::MAX);
                } else if is_time(1) {
                    refuse(0, end);
                }
            }
        }
        self.prefer_times(logits);
    }

    /// Where some time is likelier than each single word, it is a time.
    fn prefer_times(&self, logits: &mut [f32]) {
        let (words, times) =
            logits.split_at_mut((self.tokens.first_time as usize).min(logits.len()));
        let most = times.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if !most.is_finite() {
            return;
        }
        let all = most + times.iter().map(|logit| (logit - most).exp()).sum::<f32>().ln();
        if all > words.iter().copied().fold(f32::NEG_INFINITY, f32::max) {
            words.fill(f32::NEG_INFINITY);
        }
    }

    /// Words between times; those after the last pair of times are heard again with what follows.
    fn heard(&self, tokens: &[u32], length: usize, last: bool) -> Heard {
        let whole = duration(length);
        let time = |token: u32| (TICK * token.saturating_sub(self.tokens.first_time)).min(whole);
        let mut segments = Vec::new();
        // When the words begin that are being read, and when the last ones ended.
        let (mut start, mut words, mut done) = (None, Vec::new(), Duration::ZERO);
        for token in tokens {
            if !self.tokens.is_time(*token) {
                words.push(*token);
            } else if words.is_empty() {
                start = Some(time(*token));
            } else {
                let end = time(*token);
                segments.extend(self.segment(start.unwrap_or(done), end, &words));
                words.clear();
                (start, done) = (None, end);
            }
        }
        let open = !words.is_empty();
        let closed = !segments.is_empty();
        if open && (last || !closed) {
            segments.extend(self.segment(start.unwrap_or(done), whole, &words));
            return Heard { segments, consumed: length };
        }
        // With a single time at the end, nobody speaks after it. With two, somebody does.
        let consumed = samples(done).min(length);
        let rest = length - consumed;
        let goes_on = closed && consumed > 0 && (open || start.is_some());
        let consumed = if goes_on && !(last && rest < SAMPLE_RATE) { consumed } else { length };
        Heard { segments, consumed }
    }

    fn segment(&self, start: Duration, end: Duration, words: &[u32]) -> Option<Segment> {
        let text = self.tokens.text(words).trim().to_owned();
        (!text.is_empty()).then(|| Segment { start, end: end.max(start), text })
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::Internal, "run speech model")
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = logits.iter().map(|logit| (logit - most).exp()).sum::<f32>();
    let all = most + sum.ln();
    logits.iter().map(|logit| logit - all).collect()
}

/// The likeliest; or, the freer, one of the others now and then.
fn choose(chances: &[f32], temperature: f32, dice: &mut Dice) -> u32 {
    let index = |found: Option<usize>| found.and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
    let likeliest = || {
        let best = chances.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        index(best.map(|(at, _)| at))
    };
    if temperature <= 0.0 {
        return likeliest();
    }
    let weights: Vec<f32> = chances.iter().map(|chance| (chance / temperature).exp()).collect();
    let mut left = dice.share() * weights.iter().sum::<f32>();
    let found = weights.iter().position(|weight| {
        left -= weight;
        left <= 0.0 && *weight > 0.0
    });
    if found.is_some() { index(found) } else { likeliest() }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn share(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }
}
