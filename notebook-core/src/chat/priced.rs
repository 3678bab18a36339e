//! What answers cost: a layer that adds it to their token counts.
//!
//! It belongs right around the adapter, under all other layers, for each of these may ask another model.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};

use super::{
    ChatEvent, ChatMessage, ChatModel, ChatModelInfo, ChatRequest, ChatStream, ModelTable, Tally,
    TokenCount,
};
use crate::{Result, model::Usage};

/// What a model's tokens cost, in US dollars for a million of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Of prompts.
    pub prompt: f64,
    /// Of answers.
    pub completion: f64,
}

impl Price {
    /// What these tokens cost, in millionths of a dollar, rounded up: many small answers cost something too.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn micros(&self, usage: &Usage) -> u64 {
        // A dollar for a million tokens is a millionth of a dollar for each.
        let cost = usage.prompt_tokens as f64 * self.prompt
            + usage.completion_tokens as f64 * self.completion;
        // What a sum of products is off by is no millionth.
        (cost - 1e-6).ceil().max(0.0) as u64
    }
}

/// Models by pattern, and what they cost.
pub type PriceTable = ModelTable<Price>;

/// A model whose answers tell what they cost.
///
/// - Only counts of tokens become costs. Where a model tells none, they are estimated when its answer is whole, and say that they
///   are an estimate ([`Usage::exact`]).
/// - An answer that had begun and ends early, because it breaks or nobody wants it any more, used its prompt and what was written
///   until then: that is estimated too, and noted in the call's [`Tally`].
pub struct Priced {
    inner: Arc<dyn ChatModel>,
    price: Price,
}

impl Priced {
    /// A model with this price.
    #[must_use]
    pub fn new(inner: Arc<dyn ChatModel>, price: Price) -> Self {
        Self { inner, price }
    }

    /// A model with its price of a table, if it has one there.
    #[must_use]
    pub fn around(inner: Arc<dyn ChatModel>, prices: &PriceTable) -> Arc<dyn ChatModel> {
        match prices.get(inner.info()) {
            Some(price) => Arc::new(Self::new(inner, *price)),
            None => inner,
        }
    }
}

/// What a model was asked, and what it wrote until now.
struct Said {
    prompt: Vec<ChatMessage>,
    written: String,
}

impl Said {
    /// What that used, as far as the model has not told it.
    fn estimate(&self, model: &dyn ChatModel, told: Option<Usage>) -> Usage {
        let count = |text: &String| model.count_tokens(text).tokens as u64;
        let calls = self.prompt.iter().flat_map(|message| &message.tool_calls);
        let texts = self.prompt.iter().map(|message| &message.content);
        let prompt = || texts.chain(calls.map(|call| &call.arguments)).map(count).sum();
        let known = told.is_some_and(|told| told.prompt_tokens > 0);
        let prompt = if known { 0 } else { prompt() };
        Usage::so_far(told, prompt, count(&self.written))
    }
}

/// An answer on its way.
struct Account {
    stream: ChatStream,
    model: Arc<dyn ChatModel>,
    price: Price,
    /// Nearly all models tell counts, at the end, so nothing is counted before that: the first word would wait for it.
    said: Said,
    /// What the model has told last.
    told: Option<Usage>,
    /// The end, which waits for the estimate before it.
    end: Option<ChatEvent>,
    whole: bool,
    tally: Option<Tally>,
}

impl Account {
    async fn next(&mut self) -> Option<Result<ChatEvent>> {
        if let Some(end) = self.end.take() {
            return Some(Ok(end));
        }
        let event = match self.stream.next().await? {
            Ok(event) => event,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(match event {
            ChatEvent::Usage(usage) => {
                self.told = Some(usage);
                ChatEvent::Usage(self.priced(usage))
            }
            ChatEvent::Finish(reason) => {
                self.whole = true;
                match self.told {
                    Some(_) => ChatEvent::Finish(reason),
                    None => {
                        self.end = Some(ChatEvent::Finish(reason));
                        ChatEvent::Usage(self.priced(self.said.estimate(&*self.model, None)))
                    }
                }
            }
            ChatEvent::Delta(text) => {
                self.said.written.push_str(&text);
                ChatEvent::Delta(text)
            }
            ChatEvent::ToolCall(call) => {
                self.said.written.push_str(&call.arguments);
                ChatEvent::ToolCall(call)
            }
            replaced @ ChatEvent::Replaced(_) => replaced,
        }))
    }

    fn priced(&self, usage: Usage) -> Usage {
        Usage { cost_micros: Some(self.price.micros(&usage)), ..usage }
    }
}

/// An answer that nobody reads to its end.
impl Drop for Account {
    fn drop(&mut self) {
        if let Some(tally) = &self.tally
            && !self.whole
            && !self.said.written.is_empty()
        {
            tally.note(self.priced(self.said.estimate(&*self.model, self.told)));
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ChatModel for Priced {
    fn info(&self) -> &ChatModelInfo {
        self.inner.info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        let prompt = request.messages.clone();
        let tally = request.call.tally.clone();
        let account = Account {
            stream: self.inner.stream(request).await?,
            model: Arc::clone(&self.inner),
            price: self.price,
            said: Said { prompt, written: String::new() },
            told: None,
            end: None,
            whole: false,
            tally,
        };
        Ok(Box::pin(stream::unfold(account, |mut account| async move {
            let item = account.next().await?;
            Some((item, account))
        })))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.inner.count_tokens(text)
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{
        ChatRole, FinishReason,
        scripted::{Script, ScriptedChat, Step},
    };

    const PRICE: Price = Price { prompt: 0.15, completion: 0.6 };

    fn info(provider: &str, model: &str) -> ChatModelInfo {
        ChatModelInfo {
            provider: provider.into(),
            model: model.into(),
            context_tokens: None,
            local: false,
            tools: true,
        }
    }

    async fn events(script: Script, table: &PriceTable) -> Vec<ChatEvent> {
        let model = Priced::around(Arc::new(ScriptedChat::new(script)), table);
        let messages = vec![ChatMessage::new(ChatRole::User, "123456789")];
        let request = ChatRequest { messages, ..ChatRequest::default() };
        let stream = model.stream(request).await.unwrap();
        stream.map(Result::unwrap).collect().await
    }

    fn table(pattern: &str) -> PriceTable {
        PriceTable::new([(pattern.to_owned(), PRICE)])
    }

    /// C4: costs are exact in millionths, and rounded up.
    #[test]
    fn c4_costs_are_products() {
        for (prompt_tokens, completion_tokens, micros) in [
            (0, 0, 0),
            (1, 0, 1),
            (20, 0, 3),
            (1_000_000, 0, 150_000),
            (1_000_000, 1_000_000, 750_000),
            (100, 30, 33),
        ] {
            let usage = Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None };
            assert_eq!(PRICE.micros(&usage), micros, "{usage:?}");
        }
    }

    #[test]
    fn c4_the_pattern_that_says_most_has_the_price() {
        let price = |prompt| Price { prompt, completion: 0.0 };
        let rows =
            [("*", 1.0), ("openai/*", 2.0), ("openai/gpt-4.1*", 3.0), ("*/gpt-4.1-mini", 4.0)];
        let table = PriceTable::new(rows.map(|(name, usd)| (name.to_owned(), price(usd))));
        for (provider, model, usd) in [
            ("google", "gemini", 1.0),
            ("openai", "gpt-5", 2.0),
            ("openai", "gpt-4.1", 3.0),
            ("openai", "gpt-4.1-mini", 3.0),
            ("azure", "gpt-4.1-mini", 4.0),
        ] {
            assert_eq!(table.get(&info(provider, model)), Some(&price(usd)), "{provider}/{model}");
        }
        let table = PriceTable::new([("openai/a*b*c".to_owned(), PRICE)]);
        for (model, known) in [("abc", true), ("aXbYc", true), ("ab", false), ("acb", false)] {
            assert_eq!(table.get(&info("openai", model)).is_some(), known, "{model}");
        }
    }

    #[tokio::test]
    async fn c4_counts_get_a_cost_and_nothing_is_guessed_without_a_price() {
        let script = || Script::new([Step::text("a"), Step::usage(100, 30), Step::STOP]);
        let priced = events(script(), &table("scripted/*")).await;
        let ChatEvent::Usage(usage) = &priced[1] else { panic!("{priced:?}") };
        assert_eq!((usage.cost_micros, usage.exact, priced.len()), (Some(33), true, 3));
        let free = events(script(), &table("openai/*")).await;
        assert!(matches!(&free[1], ChatEvent::Usage(Usage { cost_micros: None, .. })));
    }

    #[tokio::test]
    async fn c4_a_model_that_counts_nothing_is_estimated_and_it_says_so() {
        let script = Script::new([Step::text("abc"), Step::text("def"), Step::STOP]);
        let events = events(script, &table("*")).await;
        let estimate =
            Usage { prompt_tokens: 3, completion_tokens: 2, exact: false, cost_micros: Some(2) };
        assert_eq!(events[2], ChatEvent::Usage(estimate));
        assert_eq!(events[3], ChatEvent::Finish(FinishReason::Stop));
        assert_eq!(events.len(), 4);
    }

    /// C4: an answer that breaks, or that nobody wants any more, used its prompt and what was written until then; one that was
    /// whole, or had not begun, is not told so.
    #[tokio::test]
    async fn c4_an_answer_that_ends_early_has_a_cost() {
        // Prompt 3 and text 2 tokens, as estimated; 5 of the prompt where the model has told that.
        let used = |prompt_tokens, completion_tokens| {
            let usage = Usage { prompt_tokens, completion_tokens, exact: false, cost_micros: None };
            Some(Usage { cost_micros: Some(PRICE.micros(&usage)), ..usage })
        };
        for (steps, read, expected) in [
            (vec![Step::text("abc"), Step::text("def"), Step::STOP], 2, used(3, 2)),
            (vec![Step::text("abc"), Step::text("def"), Step::STOP], 4, None),
            (vec![Step::usage(5, 1), Step::text("abcdef"), Step::STOP], 2, used(5, 2)),
            (vec![Step::usage(5, 9), Step::text("abcdef"), Step::STOP], 2, used(5, 9)),
            (vec![Step::text("abc"), Step::STOP], 0, None),
        ] {
            let tally = Tally::default();
            let mut stream = early(Script::new(steps), &tally).await;
            for _ in 0..read {
                assert!(stream.next().await.unwrap().is_ok());
            }
            drop(stream);
            assert_eq!(tally.used(), expected, "after {read}");
        }
        let tally = Tally::default();
        let broken = Step::Fail(crate::ErrorKind::Timeout, crate::Retry::Never);
        let steps = [Step::text("abc"), Step::text("def"), broken];
        let stream = early(Script::new(steps), &tally).await;
        assert!(stream.collect::<Vec<_>>().await.last().unwrap().is_err());
        assert_eq!(tally.used(), used(3, 2));
    }

    async fn early(script: Script, tally: &Tally) -> ChatStream {
        let model = Priced::new(Arc::new(ScriptedChat::new(script)), PRICE);
        let messages = vec![ChatMessage::new(ChatRole::User, "123456789")];
        let call = crate::chat::CallOptions { tally: Some(tally.clone()), ..Default::default() };
        model.stream(ChatRequest { messages, call, ..ChatRequest::default() }).await.unwrap()
    }

    /// Counts how often it is asked to count.
    struct Counting(ScriptedChat, std::sync::atomic::AtomicUsize);

    #[async_trait]
    impl ChatModel for Counting {
        fn info(&self) -> &ChatModelInfo {
            self.0.info()
        }

        async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
            self.0.stream(request).await
        }

        fn count_tokens(&self, text: &str) -> TokenCount {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.0.count_tokens(text)
        }

        async fn check(&self) -> Result<()> {
            self.0.check().await
        }
    }

    /// C4: what a model tells itself is not counted for it.
    #[tokio::test]
    async fn c4_a_prompt_is_counted_only_where_the_model_does_not() {
        for (script, counted) in [
            (Script::new([Step::text("a"), Step::usage(100, 30), Step::STOP]), 0),
            (Script::new([Step::text("a"), Step::STOP]), 2),
        ] {
            let model = Arc::new(Counting(ScriptedChat::new(script), 0.into()));
            let messages = vec![ChatMessage::new(ChatRole::User, "123456789")];
            let request = ChatRequest { messages, ..ChatRequest::default() };
            let priced = Priced::new(Arc::clone(&model) as Arc<dyn ChatModel>, PRICE);
            let stream = priced.stream(request).await.unwrap();
            assert!(stream.map(Result::unwrap).collect::<Vec<_>>().await.len() > 1);
            assert_eq!(model.1.load(std::sync::atomic::Ordering::Relaxed), counted);
        }
    }
}
