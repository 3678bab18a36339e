//! Recordings: decoded a packet at a time to one channel of 16,000 samples a second, so that what hears speech gets
//! nothing but samples, and memory does not grow with the length.

use std::io::{Cursor, ErrorKind};

use notebook_core::{document::SourceKind, transcribe::SAMPLE_RATE};
use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions},
    errors::Error,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

use super::{FailureCode, ParseFailure, resample::Resampler};

/// More broken packets in a row than any player would skip.
const MOST_BROKEN: u32 = 1_000;

/// A recording that is being decoded.
pub(super) struct Sound {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// How long it says that it is.
    pub(super) seconds: Option<f64>,
    /// Whether some of it could not be decoded.
    pub(super) damaged: bool,
    resampler: Option<(u32, Resampler)>,
    ended: bool,
}

/// Opens a recording.
pub(super) fn open(bytes: Vec<u8>, kind: SourceKind) -> Result<Sound, ParseFailure> {
    let mut hint = Hint::new();
    hint.with_extension(kind.as_str());
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let reader = symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(failure)?;
    let track = reader.default_track(TrackType::Audio).ok_or_else(|| {
        ParseFailure::new(FailureCode::NoText).with_message("There is no sound in the recording.")
    })?;
    let codec = track.codec_params.as_ref().and_then(|params| params.audio());
    let codec = codec.ok_or_else(|| ParseFailure::damaged("no codec"))?;
    let seconds = codec
        .sample_rate
        .zip(track.num_frames)
        .map(|(rate, frames)| frames as f64 / f64::from(rate.max(1)))
        .filter(|seconds| seconds.is_finite());
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(codec, &AudioDecoderOptions::default())
        .map_err(failure)?;
    let track = track.id;
    let (damaged, ended) = (false, false);
    Ok(Sound { reader, decoder, track, seconds, damaged, resampler: None, ended })
}

fn failure(error: Error) -> ParseFailure {
    match error {
        Error::Unsupported(what) => {
            ParseFailure::new(FailureCode::UnsupportedType).with_detail(what).with_message(
                "Recordings of this format cannot be read. Save it as WAV, MP3, FLAC, Ogg Vorbis or M4A (AAC).",
            )
        }
        error => ParseFailure::damaged(error),
    }
}

impl Sound {
    /// Some more samples; none at the end. What cannot be decoded is left out.
    pub(super) fn next(&mut self) -> Option<Vec<i16>> {
        let mut broken = 0;
        while !self.ended {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.damaged = true;
                    break;
                }
                Err(_) if broken < MOST_BROKEN => {
                    broken += 1;
                    self.damaged = true;
                    continue;
                }
                Err(_) => break,
            };
            if packet.track_id != self.track {
                continue;
            }
            match self.decode(&packet) {
                Some(samples) if !samples.is_empty() => return Some(samples),
                Some(_) => {}
                None => {
                    self.damaged = true;
                    broken += 1;
                    if broken > MOST_BROKEN {
                        break;
                    }
                }
            }
        }
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        let rest = self.resampler.take().map(|(_, resampler)| resampler.finish());
        rest.map(|samples| to_i16(&samples)).filter(|samples| !samples.is_empty())
    }

    fn decode(&mut self, packet: &symphonia::core::packet::Packet) -> Option<Vec<i16>> {
        let buffer = self.decoder.decode(packet).ok()?;
        let (rate, channels) = (buffer.spec().rate(), buffer.num_planes().max(1));
        let mut mixed: Vec<f32> = Vec::new();
        buffer.copy_to_vec_interleaved(&mut mixed);
        let share = 1.0 / channels as f32;
        let mono: Vec<f32> =
            mixed.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share).collect();
        let resampler = match &mut self.resampler {
            Some((known, resampler)) if *known == rate => resampler,
            other => &mut other.insert((rate, Resampler::new(rate, SAMPLE_RATE as u32)?)).1,
        };
        Some(to_i16(&resampler.push(&mono)))
    }
}

fn to_i16(samples: &[f32]) -> Vec<i16> {
    let convert = |sample: &f32| {
        let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        (sample * 32_767.0).round() as i16
    };
    samples.iter().map(convert).collect()
}
