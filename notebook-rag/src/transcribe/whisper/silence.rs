//! Silence: before speech the model would count it to the first words.

use notebook_core::transcribe::SAMPLE_RATE;

/// So much is looked at at once: 30 ms.
const FRAME: usize = SAMPLE_RATE * 3 / 100;
/// Sound that is no louder on average (-56 dB) is nothing that somebody says.
const LOUDEST: f32 = 0.001_6;
/// So much silence is left before the words, which begin softly.
const LEFT: usize = SAMPLE_RATE / 4;

/// How many seconds are louder than that.
pub(super) fn loud(samples: &[f32]) -> f32 {
    let loud: usize = samples.chunks(FRAME).filter(|frame| is_loud(frame)).map(<[f32]>::len).sum();
    loud as f32 / SAMPLE_RATE as f32
}

fn is_loud(frame: &[f32]) -> bool {
    let power: f32 = frame.iter().map(|sample| sample * sample).sum();
    power > LOUDEST * LOUDEST * frame.len() as f32
}

/// How many samples of silence may be left out at the start: all, when there is nothing else.
pub(super) fn lead(samples: &[f32]) -> usize {
    match samples.chunks(FRAME).position(is_loud) {
        Some(frame) => (frame * FRAME).saturating_sub(LEFT),
        None => samples.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_second_is_left_before_sound() {
        let mut samples = vec![0.000_1; 5 * SAMPLE_RATE];
        assert_eq!(lead(&samples), samples.len());
        samples.extend([0.1; SAMPLE_RATE]);
        let left = 5 * SAMPLE_RATE - lead(&samples);
        assert!((LEFT..LEFT + 2 * FRAME).contains(&left), "{left}");
        assert_eq!((lead(&[0.1; 100]), lead(&[])), (0, 0));
        assert!((1.0..1.05).contains(&loud(&samples)), "{}", loud(&samples));
    }
}
