//! Whether a server that is connected still replies: pure.

/// So many calls, one after the other, without an answer in their time, and it is asked whether it is there.
pub(super) const LATE: u32 = 3;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was answered, be it with an error.
    Answer,
    /// Its time ran out.
    Nothing,
}

/// What was heard on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Health {
    late: u32,
    /// How many answers there were.
    pub(super) answers: u64,
}

impl Health {
    /// What becomes of it, and whether the server is to be asked if it is there.
    pub(super) const fn step(self, heard: Heard) -> (Self, bool) {
        match heard {
            Heard::Answer => (Self { late: 0, answers: self.answers.wrapping_add(1) }, false),
            // From here it is counted anew: whoever answers then has as many again.
            Heard::Nothing if self.late + 1 >= LATE => (Self { late: 0, ..self }, true),
            Heard::Nothing => (Self { late: self.late + 1, ..self }, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_calls_in_a_row_without_an_answer_raise_a_doubt_and_an_answer_lays_it() {
        let asks = |heard: &str| -> String {
            let mut health = Health::default();
            let step = |heard| {
                let heard = if heard == 'a' { Heard::Answer } else { Heard::Nothing };
                let (next, asks) = health.step(heard);
                health = next;
                if asks { '?' } else { '.' }
            };
            heard.chars().map(step).collect()
        };
        assert_eq!(asks("nnn"), "..?");
        assert_eq!(asks("nnannannn"), "........?");
        assert_eq!(asks("nnnnnnann"), "..?..?...");
        assert_eq!(Health::default().step(Heard::Answer).0.answers, 1);
    }
}
