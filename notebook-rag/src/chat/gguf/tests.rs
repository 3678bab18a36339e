//! The forward pass and the prompt against values computed elsewhere (numpy, single precision,
//! weights widened). Needs the model that scripts/fetch-models.py fetches.

use std::sync::{Arc, LazyLock};

use notebook_core::chat::{ChatMessage, ChatRole};

use super::{file::Gguf, llama::Llama, llama::State, template::Template, tokens::Tokens};
use crate::models::{ModelPlaces, mapped};

/// "What is the capital of France?", with the system text of the template.
const PROMPT: [u32; 37] = [
    1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407,
    19712, 8182, 2, 198, 1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531,
    198,
];
/// Some logits after it.
const LOGITS: [(usize, f32); 10] = [
    (0, 10.166),
    (2, 6.837),
    (28, 12.331),
    (47, 15.552),
    (60, 25.243),
    (504, 25.325),
    (1000, 12.274),
    (15319, 24.942),
    (20000, 4.347),
    (49151, 2.708),
];
/// "The capital of France is Paris", after which "." and "," are nearly as likely.
const ANSWER: [u32; 6] = [504, 3575, 282, 4649, 314, 7042];

static MODEL: LazyLock<(Llama, Tokens, Template)> = LazyLock::new(|| {
    let path = ModelPlaces::from_env().file("SmolLM2-135M-Instruct.Q4_1.gguf", None, None).unwrap();
    let map = Arc::new(mapped::map(&path).unwrap());
    let gguf = Gguf::parse("model", &map).unwrap();
    (
        Llama::load(&gguf, &map).unwrap(),
        Tokens::load(&gguf).unwrap(),
        Template::load(&gguf).unwrap(),
    )
});

fn best(logits: &[f32]) -> u32 {
    let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    u32::try_from(best.unwrap()).unwrap()
}

#[test]
fn the_prompt_has_the_tokens_of_the_reference() {
    let question = ChatMessage::new(ChatRole::User, "What is the capital of France?");
    let text = MODEL.2.render(&MODEL.1, &[question]).unwrap();
    assert_eq!(MODEL.1.ids(&text).unwrap(), PROMPT);
}

#[test]
fn logits_equal_the_reference_however_the_prompt_is_cut() {
    for part in [PROMPT.len(), 16] {
        let (mut state, mut logits) = (State::default(), Vec::new());
        for tokens in PROMPT.chunks(part) {
            MODEL.0.read(&mut state, tokens, &mut logits).unwrap();
        }
        assert_eq!((state.tokens(), logits.len()), (PROMPT.len(), 49_152));
        for (token, wanted) in LOGITS {
            let got = logits[token];
            assert!((got - wanted).abs() < 0.02, "parts of {part}, {token}: {got}, not {wanted}");
        }
    }
}

#[test]
fn token_by_token_the_answer_is_that_of_the_reference() {
    let (mut state, mut logits) = (State::default(), Vec::new());
    MODEL.0.read(&mut state, &PROMPT, &mut logits).unwrap();
    for wanted in ANSWER {
        assert_eq!(best(&logits), wanted);
        MODEL.0.read(&mut state, &[wanted], &mut logits).unwrap();
    }
}

#[test]
fn a_token_that_is_not_in_the_vocabulary_is_refused() {
    let (mut state, mut logits) = (State::default(), Vec::new());
    assert!(MODEL.0.read(&mut state, &[49_152], &mut logits).is_err());
}
