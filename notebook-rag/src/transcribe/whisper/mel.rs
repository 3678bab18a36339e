//! What the model sees of sound: how loud each of some bands is, a hundred times a second.

use super::{SAMPLE_RATE, WINDOW};
use crate::kernels::{Matrix, MatrixMut, multiply};

/// Samples of one look at the sound, and from one to the next.
const LOOK: usize = 400;
const STEP: usize = 160;
/// Frequencies of a look.
const FREQUENCIES: usize = LOOK / 2 + 1;
/// Looks at a window.
pub(super) const FRAMES: usize = WINDOW / STEP;

/// Turns sound into bands.
pub(super) struct Mel {
    bands: usize,
    /// For each sample of a look the cosines, then the sines, of all frequencies, windowed.
    waves: Vec<f32>,
    /// For each band how much of each frequency is in it.
    filters: Vec<f32>,
}

impl Mel {
    pub(super) fn new(bands: usize) -> Self {
        Self { bands, waves: waves(), filters: filters(bands) }
    }

    /// The bands of a window that begins with `samples` and goes on with silence: for each frame its bands.
    pub(super) fn frames(&self, samples: &[f32], threads: usize) -> Option<Vec<f32>> {
        let looks = looks(samples);
        let columns = 2 * FREQUENCIES;
        let mut parts = vec![0.0; FRAMES * columns];
        let out = MatrixMut::new(&mut parts, FRAMES, columns, columns);
        let (looks, waves) = (
            Matrix::new(&looks, FRAMES, LOOK, LOOK),
            Matrix::new(&self.waves, LOOK, columns, columns),
        );
        multiply(out, looks, waves, threads).then_some(())?;
        let power: Vec<f32> = parts
            .chunks_exact(columns)
            .flat_map(|row| {
                let (cosines, sines) = row.split_at(FREQUENCIES);
                cosines.iter().zip(sines).map(|(c, s)| c * c + s * s)
            })
            .collect();
        let mut mel = vec![0.0; FRAMES * self.bands];
        let out = MatrixMut::new(&mut mel, FRAMES, self.bands, self.bands);
        let power = Matrix::new(&power, FRAMES, FREQUENCIES, FREQUENCIES);
        let filters = Matrix::new(&self.filters, self.bands, FREQUENCIES, FREQUENCIES).transposed();
        multiply(out, power, filters, threads).then_some(())?;
        scale(&mut mel);
        Some(mel)
    }
}

/// The samples of each look, one after the other. The first and last look past the ends: there the sound is mirrored.
fn looks(samples: &[f32]) -> Vec<f32> {
    let at = |index: isize| -> f32 {
        let last = WINDOW as isize - 1;
        let index = if index < 0 { -index } else { index };
        let index = if index > last { 2 * last - index } else { index };
        usize::try_from(index).ok().and_then(|index| samples.get(index)).copied().unwrap_or(0.0)
    };
    let mut looks = Vec::with_capacity(FRAMES * LOOK);
    for frame in 0..FRAMES {
        let first = (frame * STEP) as isize - (LOOK / 2) as isize;
        looks.extend((first..first + LOOK as isize).map(at));
    }
    looks
}

/// Decibels of a sort, the quiet ones cut off eight powers of ten below the loudest.
fn scale(mel: &mut [f32]) {
    let mut loudest = f32::NEG_INFINITY;
    for value in mel.iter_mut() {
        *value = value.max(1e-10).log10();
        loudest = loudest.max(*value);
    }
    for value in mel.iter_mut() {
        *value = (value.max(loudest - 8.0) + 4.0) / 4.0;
    }
}

fn waves() -> Vec<f32> {
    let mut waves = vec![0.0; LOOK * 2 * FREQUENCIES];
    let turn = std::f64::consts::TAU / LOOK as f64;
    for (sample, row) in waves.chunks_exact_mut(2 * FREQUENCIES).enumerate() {
        // Hann's window, periodic.
        let window = 0.5 - 0.5 * (turn * sample as f64).cos();
        let (cosines, sines) = row.split_at_mut(FREQUENCIES);
        for (frequency, (cosine, sine)) in cosines.iter_mut().zip(sines).enumerate() {
            // The angle is taken within one turn, for exactness.
            let angle = turn * ((sample * frequency) % LOOK) as f64;
            *cosine = (window * angle.cos()) as f32;
            *sine = (window * angle.sin()) as f32;
        }
    }
    waves
}

/// Triangles on Slaney's scale, which is even up to 1,000 Hz and logarithmic above; each of the same area.
fn filters(bands: usize) -> Vec<f32> {
    let to_mel = |hertz: f64| {
        if hertz < 1_000.0 {
            hertz * 3.0 / 200.0
        } else {
            15.0 + (hertz / 1_000.0).ln() * 27.0 / 6.4_f64.ln()
        }
    };
    let to_hertz = |mel: f64| {
        if mel < 15.0 {
            mel * 200.0 / 3.0
        } else {
            1_000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp()
        }
    };
    let highest = to_mel(SAMPLE_RATE as f64 / 2.0);
    let edge = |index: usize| to_hertz(highest * index as f64 / (bands + 1) as f64);
    let mut filters = vec![0.0; bands * FREQUENCIES];
    for (band, row) in filters.chunks_exact_mut(FREQUENCIES).enumerate() {
        let (low, middle, high) = (edge(band), edge(band + 1), edge(band + 2));
        for (index, share) in row.iter_mut().enumerate() {
            let hertz = index as f64 * SAMPLE_RATE as f64 / LOOK as f64;
            let rise = (hertz - low) / (middle - low);
            let fall = (high - hertz) / (high - middle);
            *share = (rise.min(fall).max(0.0) * 2.0 / (high - low)) as f32;
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_in_its_band() {
        let tone = |hertz: f64| -> Vec<f32> {
            let turn = std::f64::consts::TAU * hertz / SAMPLE_RATE as f64;
            (0..SAMPLE_RATE * 2).map(|n| (turn * n as f64).sin() as f32).collect()
        };
        let mel = Mel::new(80);
        let loudest = |hertz: f64| {
            let frames = mel.frames(&tone(hertz), 1).unwrap();
            let row = &frames[100 * 80..101 * 80];
            row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0
        };
        // 80 bands up to 8,000 Hz: those of some tones by the formula of the scale.
        let mels = |hertz: f64| {
            if hertz < 1e3 {
                hertz * 0.015
            } else {
                15.0 + (hertz / 1e3).ln() * 27.0 / 6.4_f64.ln()
            }
        };
        for hertz in [440.0, 1_000.0, 3_000.0, 6_500.0] {
            let wanted = mels(hertz) / mels(8_000.0) * 81.0 - 1.0;
            let found = loudest(hertz) as f64;
            assert!((found - wanted).abs() <= 1.0, "{hertz}: {found} {wanted}");
        }
    }

    #[test]
    fn silence_is_even() {
        let frames = Mel::new(80).frames(&[], 1).unwrap();
        assert_eq!(frames.len(), FRAMES * 80);
        assert!(frames.iter().all(|value| *value == -1.5));
    }
}
