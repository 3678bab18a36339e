//! Another rate of samples, by a windowed sinc of as many phases as the ratio has.

/// Zero crossings of the sinc on each side.
const CROSSINGS: usize = 16;
/// Rates of samples that there are.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=768_000;

/// Changes the rate of a stream of samples, a piece at a time.
pub(super) struct Resampler {
    /// `up` samples come out where `down` go in, in lowest terms.
    up: usize,
    down: usize,
    /// For each phase its taps.
    phases: Vec<f32>,
    taps: usize,
    /// What is still needed of what came in; the first sample lies `before` the place of `next`.
    held: Vec<f32>,
    /// Where the next sample that goes out lies, in steps of one `up`-th of an input sample, from the first held.
    next: usize,
}

impl Resampler {
    /// None for rates that no recording has.
    pub(super) fn new(from: u32, to: u32) -> Option<Self> {
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return None;
        }
        let divisor = greatest_common_divisor(from, to);
        let (up, down) = ((to / divisor) as usize, (from / divisor) as usize);
        // Frequencies that the slower of both rates cannot have are left out.
        let cutoff = (f64::from(to) / f64::from(from)).min(1.0);
        let half = (CROSSINGS as f64 / cutoff).ceil() as usize;
        let taps = 2 * half;
        let mut phases = Vec::with_capacity(up * taps);
        for phase in 0..up {
            let offset = phase as f64 / up as f64;
            let row: Vec<f64> = (0..taps)
                .map(|tap| {
                    let distance = tap as f64 - (half as f64 - 1.0) - offset;
                    sinc(distance * cutoff) * window(distance / half as f64)
                })
                .collect();
            // Constant sound stays as loud as it is.
            let sum: f64 = row.iter().sum();
            phases.extend(row.iter().map(|tap| (tap / sum) as f32));
        }
        // As if silence came before the first sample.
        Some(Self { up, down, phases, taps, held: vec![0.0; half - 1], next: 0 })
    }

    /// What comes out for what came in so far.
    pub(super) fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        if self.up == self.down {
            return samples.to_vec();
        }
        self.held.extend_from_slice(samples);
        let mut out = Vec::with_capacity(samples.len() * self.up / self.down + 1);
        loop {
            let (first, phase) = (self.next / self.up, self.next % self.up);
            let Some(seen) = self.held.get(first..first + self.taps) else { break };
            let taps = self.phases.chunks_exact(self.taps).nth(phase).unwrap_or_default();
            out.push(seen.iter().zip(taps).map(|(sample, tap)| sample * tap).sum());
            self.next += self.down;
        }
        let done = (self.next / self.up).min(self.held.len());
        self.held.drain(..done);
        self.next -= done * self.up;
        out
    }

    /// What is left when nothing follows.
    pub(super) fn finish(mut self) -> Vec<f32> {
        if self.up == self.down {
            return Vec::new();
        }
        let half = self.taps / 2;
        self.push(&vec![0.0; half])
    }
}

fn sinc(x: f64) -> f64 {
    let x = std::f64::consts::PI * x;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// Hann's.
fn window(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { 0.5 + 0.5 * (std::f64::consts::PI * x).cos() }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let turn = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..(f64::from(rate) * seconds) as usize).map(|n| (turn * n as f64).sin() as f32).collect()
    }

    fn resampled(samples: &[f32], from: u32, piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, 16_000).unwrap();
        let mut out: Vec<f32> =
            samples.chunks(piece).flat_map(|piece| resampler.push(piece)).collect();
        out.extend(resampler.finish());
        out
    }

    #[test]
    fn a_tone_stays_what_it_is() {
        for rate in [8_000, 11_025, 22_050, 24_000, 44_100, 48_000, 96_000] {
            let out = resampled(&tone(1_000.0, rate, 1.0), rate, 997);
            let wanted = tone(1_000.0, 16_000, 1.0);
            assert!(out.len().abs_diff(16_000) <= 2, "{rate}: {}", out.len());
            let middle = 2_000..14_000;
            let worst = out[middle.clone()]
                .iter()
                .zip(&wanted[middle])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.01, "{rate}: {worst}");
        }
    }

    #[test]
    fn what_the_rate_cannot_have_is_left_out() {
        let out = resampled(&tone(12_000.0, 48_000, 1.0), 48_000, 480);
        assert!(out[1_000..15_000].iter().all(|sample| sample.abs() < 0.01));
    }

    #[test]
    fn pieces_make_no_difference() {
        let samples = tone(440.0, 44_100, 0.5);
        assert_eq!(resampled(&samples, 44_100, 1), resampled(&samples, 44_100, 1 << 20));
    }

    #[test]
    fn rates_of_no_recording_are_refused() {
        for rate in [0, 1, 3_999, 1_000_000, u32::MAX] {
            assert!(Resampler::new(rate, 16_000).is_none());
        }
    }
}
