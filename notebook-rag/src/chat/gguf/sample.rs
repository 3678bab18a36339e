//! Choosing the next token.

use std::hash::{BuildHasher, RandomState};

/// How tokens are chosen.
#[derive(Debug, Clone)]
pub(super) struct Sampler {
    temperature: f32,
    top_p: f32,
    state: u64,
}

impl Sampler {
    /// `temperature` 0 takes the likeliest token always; `seed` makes the others repeatable.
    pub(super) fn new(temperature: f32, top_p: f32, seed: Option<u64>) -> Self {
        // The standard library keys its hashers with random numbers of the operating system.
        Self {
            temperature,
            top_p,
            state: seed.unwrap_or_else(|| RandomState::new().hash_one(0_u8)),
        }
    }

    /// The index of the chosen number of `logits`; the first of equal ones when choosing greedily.
    pub(super) fn choose(&mut self, logits: &[f32]) -> usize {
        if self.temperature <= 0.0 {
            return largest(logits);
        }
        let mut order: Vec<usize> = (0..logits.len()).collect();
        let logit = |index: &usize| logits.get(*index).copied().unwrap_or(f32::NEG_INFINITY);
        order.sort_unstable_by(|a, b| logit(b).total_cmp(&logit(a)).then(a.cmp(b)));
        let top = order.first().map_or(0.0, logit);
        let weights: Vec<f32> =
            order.iter().map(|index| ((logit(index) - top) / self.temperature).exp()).collect();
        let kept = kept(&weights, self.top_p);
        let mut rest = self.unit() * weights.iter().take(kept).sum::<f32>();
        for (index, weight) in order.iter().zip(weights.iter().take(kept)) {
            rest -= weight;
            if rest < 0.0 {
                return *index;
            }
        }
        order.first().copied().unwrap_or(0)
    }

    /// A number from 0 up to but not including 1 (SplitMix64, Steele and others 2014).
    fn unit(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bits = (z ^ (z >> 31)) >> 40;
        #[expect(clippy::cast_precision_loss)]
        let unit = bits as f32 / 16_777_216.0;
        unit
    }
}

/// The least number of the sorted `weights` whose share is at least `top_p`.
fn kept(weights: &[f32], top_p: f32) -> usize {
    let bound = weights.iter().sum::<f32>() * top_p;
    let mut sum = 0.0;
    let below = weights.iter().take_while(|weight| {
        let below = sum < bound;
        sum += **weight;
        below
    });
    below.count().max(1)
}

fn largest(logits: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, logit) in logits.iter().enumerate() {
        if *logit > best.1 {
            best = (index, *logit);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [1.0, 3.0, 3.0, -2.0];

    fn counts(mut sampler: Sampler) -> [usize; 4] {
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[sampler.choose(&LOGITS)] += 1;
        }
        counts
    }

    #[test]
    fn zero_temperature_takes_the_first_of_the_likeliest() {
        assert_eq!(counts(Sampler::new(0.0, 1.0, None)), [0, 4000, 0, 0]);
    }

    #[test]
    fn tokens_come_in_proportion_to_their_likelihood() {
        let [a, b, c, d] = counts(Sampler::new(1.0, 1.0, Some(7)));
        // e^-2 : 1 : 1 : e^-5 of 4000, with five standard deviations to each side.
        assert!(
            (130..=380).contains(&a)
                && (1700..=2050).contains(&b)
                && (1700..=2050).contains(&c)
                && d <= 40,
            "{a} {b} {c} {d}"
        );
    }

    #[test]
    fn top_p_leaves_the_unlikely_out() {
        let [a, b, c, d] = counts(Sampler::new(1.0, 0.9, Some(7)));
        assert!(a == 0 && d == 0 && b > 1500 && c > 1500, "{a} {b} {c} {d}");
        assert_eq!(counts(Sampler::new(1.0, 0.1, Some(7))), [0, 4000, 0, 0]);
    }

    #[test]
    fn a_seed_repeats_the_choices() {
        let run = |seed| {
            let mut sampler = Sampler::new(1.0, 1.0, seed);
            (0..64).map(|_| sampler.choose(&LOGITS)).collect::<Vec<_>>()
        };
        assert_eq!(run(Some(3)), run(Some(3)));
        assert_ne!(run(Some(3)), run(Some(4)));
        assert_ne!(run(None), run(None));
    }
}
