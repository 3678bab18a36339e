//! `/audio/transcriptions` as OpenAI and many other servers speak it.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::{Heard, SAMPLE_RATE, Segment, Transcriber, duration, samples};
use crate::{
    Error, Result, Secret,
    chat::openai::error,
    http::{BaseUrl, HttpClient, HttpRequest, Timeouts, success},
};

const OPERATION: &str = "transcribe";
/// Ten minutes are 19 MB: servers take 25.
const WINDOW: usize = 600 * SAMPLE_RATE;
/// The most bytes of an answer.
const MOST_ANSWER: usize = 4 << 20;
/// What stands between the parts of the form. None of them holds it: the only long one is of our own samples, and those
/// are looked at.
const BOUNDARY: &str = "notebook-form-7d1c5a0e93b84f26";
/// Sound that is nowhere louder is silence, and is sent to nobody.
const SILENCE: f32 = 0.001;
/// What begins later before the end of a piece may go on after it.
const OPEN_END: Duration = Duration::from_secs(2);

/// Which model to call, and where.
#[derive(Debug, Clone)]
pub struct OpenAiTranscribeConfig {
    /// The address that `/audio/transcriptions` is appended to, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name at the provider.
    pub model: String,
    /// Sent as `Authorization: Bearer`; local servers often need none.
    pub api_key: Option<Secret>,
    /// More headers for every call.
    pub headers: Vec<(String, Secret)>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl OpenAiTranscribeConfig {
    /// Settings without a key. An answer may take five minutes.
    #[must_use]
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        let wait = Duration::from_secs(300);
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            headers: Vec::new(),
            timeouts: Timeouts { first_byte: wait, idle: wait },
        }
    }
}

/// A speech model behind OpenAI's dialect. What is sent is never the recording itself, but its samples as WAV.
pub struct OpenAiTranscriber {
    http: HttpClient,
    base: BaseUrl,
    config: OpenAiTranscribeConfig,
}

impl OpenAiTranscriber {
    /// A transcriber with these settings. Calls nobody yet.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(http: HttpClient, config: OpenAiTranscribeConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        if config.model.is_empty() || config.model.contains(['\r', '\n']) {
            return Err(Error::invalid(OPERATION, "model", "name the model of the provider"));
        }
        Ok(Self { http, base, config })
    }

    async fn call(&self, samples: &[f32]) -> Result<Answer> {
        let config = &self.config;
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [("content-type", kind)];
        let body = form(&config.model, samples);
        let url = self.base.join("audio/transcriptions");
        let call = HttpRequest::post(OPERATION, url, config.timeouts, &headers, body)?;
        let call = call.bearer(config.api_key.as_ref())?;
        let call = config
            .headers
            .iter()
            .try_fold(call, |call, (name, value)| call.secret_header("headers", name, value))?;
        let response = self.http.send(call).await?;
        let mut response = success(OPERATION, response, |_, body| error::of_body(body)).await?;
        response.json(MOST_ANSWER).await
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    text: String,
    #[serde(default)]
    segments: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    start: f64,
    end: f64,
    text: String,
}

#[async_trait]
impl Transcriber for OpenAiTranscriber {
    fn model(&self) -> &str {
        &self.config.model
    }

    fn window(&self) -> usize {
        WINDOW
    }

    async fn transcribe(&self, mut given: Vec<f32>, last: bool) -> Result<Heard> {
        let cut = given.len() > WINDOW;
        given.truncate(WINDOW);
        if given.iter().all(|sample| sample.abs() < SILENCE) {
            return Ok(Heard { segments: Vec::new(), consumed: given.len() });
        }
        let answer = self.call(&given).await?;
        Ok(heard(answer, given.len(), last && !cut))
    }
}

/// An answer in the port's words.
fn heard(answer: Answer, length: usize, last: bool) -> Heard {
    let whole = duration(length);
    let time = |seconds: f64| {
        let known = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        known.min(whole)
    };
    let mut segments: Vec<Segment> = Vec::with_capacity(answer.segments.len());
    for part in answer.segments {
        let text = part.text.trim();
        let earliest = segments.last().map_or(Duration::ZERO, |before| before.start);
        let start = time(part.start).max(earliest);
        if !text.is_empty() {
            segments.push(Segment { start, end: time(part.end).max(start), text: text.to_owned() });
        }
    }
    let text = answer.text.trim();
    if segments.is_empty() && !text.is_empty() {
        // A server that knows no times.
        segments.push(Segment { start: Duration::ZERO, end: whole, text: text.to_owned() });
        return Heard { segments, consumed: length };
    }
    if !last
        && segments.len() > 1
        && let Some(open) = segments.pop_if(|end| whole.saturating_sub(end.end) < OPEN_END)
        && samples(open.start) > 0
    {
        return Heard { segments, consumed: samples(open.start).min(length) };
    }
    Heard { segments, consumed: length }
}

/// The form with its fields and the samples as a file.
fn form(model: &str, samples: &[f32]) -> Vec<u8> {
    let mut body = Vec::with_capacity(samples.len() * 2 + 1_024);
    let fields = [
        ("model", model),
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "segment"),
    ];
    for (name, value) in fields {
        let field = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(field.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"recording.wav\"\r\ncontent-type: audio/wav\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    wav(samples, &mut body);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Samples as a WAV file of 16 bits.
fn wav(samples: &[f32], out: &mut Vec<u8>) {
    let bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let rate = SAMPLE_RATE as u32;
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&bytes.saturating_add(36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, one channel.
    out.extend_from_slice(&[1, 0, 1, 0]);
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&(rate * 2).to_le_bytes());
    // Two bytes a sample, of 16 bits.
    out.extend_from_slice(&[2, 0, 16, 0]);
    out.extend_from_slice(b"data");
    out.extend_from_slice(&bytes.to_le_bytes());
    for sample in samples {
        let value = (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16;
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(parts: &[(f64, f64, &str)]) -> Answer {
        let part = |(start, end, text): &(f64, f64, &str)| Part {
            start: *start,
            end: *end,
            text: (*text).to_owned(),
        };
        Answer { text: "all".into(), segments: parts.iter().map(part).collect() }
    }

    #[test]
    fn what_may_go_on_is_given_again() {
        let length = 10 * SAMPLE_RATE;
        let parts = [(0.0, 4.0, " One. "), (4.0, 5.0, "  "), (5.0, 9.5, "Two")];
        let heard = super::heard(answer(&parts), length, false);
        assert_eq!(heard.segments.len(), 1);
        assert_eq!(heard.consumed, 5 * SAMPLE_RATE);
        assert_eq!(super::heard(answer(&parts), length, true).segments.len(), 2);
        // The only one cannot be given again for ever.
        let one = super::heard(answer(&[(0.0, 10.0, "One")]), length, false);
        assert_eq!((one.segments.len(), one.consumed), (1, length));
    }

    #[test]
    fn times_that_lie_are_brought_into_order() {
        let parts = [(3.0, 99.0, "a"), (-1.0, f64::NAN, "b"), (f64::INFINITY, 2.0, "c")];
        let heard = super::heard(answer(&parts), 10 * SAMPLE_RATE, true);
        let starts: Vec<u64> = heard.segments.iter().map(|s| s.start.as_secs()).collect();
        assert_eq!(starts, [3, 3, 3]);
        assert!(heard.segments.iter().all(|s| s.end >= s.start && s.end.as_secs() <= 10));
    }

    #[test]
    fn without_times_the_text_is_one_segment() {
        let heard = super::heard(answer(&[]), SAMPLE_RATE, false);
        assert_eq!(heard.segments.len(), 1);
        assert_eq!(heard.consumed, SAMPLE_RATE);
    }
}
