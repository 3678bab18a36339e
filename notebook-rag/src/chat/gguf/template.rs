//! The chat template of the file: messages to the prompt that the model was trained on.

use minijinja::{Environment, ErrorKind as TemplateErrorKind, UndefinedBehavior, context};
use notebook_core::{
    Error, ErrorKind, Result,
    chat::{ChatMessage, ChatRole},
};
use serde::Serialize;

use super::{file::Gguf, tokens::Tokens};

/// Steps that rendering may take: a template comes with the file, and could loop without end.
const FUEL: u64 = 1_000_000;
const FIELD: &str = "tokenizer.chat_template";

/// A compiled template. It can read what it is given, and nothing else of this machine.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl Template {
    /// Compiles the template of the file.
    pub(super) fn load(gguf: &Gguf) -> Result<Self> {
        if gguf.get(FIELD).is_none() {
            return Err(gguf.unsupported(
                FIELD,
                "the file has no chat template: it is a base model, not a chat model",
            ));
        }
        let mut environment = Environment::new();
        // As the templates' authors assume.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.add_function(
            "raise_exception",
            |text: String| -> Result<String, minijinja::Error> {
                Err(minijinja::Error::new(TemplateErrorKind::InvalidOperation, text))
            },
        );
        let source = gguf.text(FIELD)?.to_owned();
        environment
            .add_template_owned("chat", source)
            .map_err(|error| gguf.unsupported(FIELD, error.to_string()))?;
        Ok(Self { environment })
    }

    /// The prompt, up to where the assistant begins to speak. Control tokens within messages are
    /// taken apart.
    pub(super) fn render(&self, tokens: &Tokens, messages: &[ChatMessage]) -> Result<String> {
        let plain: Vec<(ChatRole, String)> =
            messages.iter().map(|message| (message.role, tokens.plain(&message.content))).collect();
        let messages: Vec<Message<'_>> = plain
            .iter()
            .map(|(role, content)| Message {
                role: match role {
                    ChatRole::System => "system",
                    ChatRole::User => "user",
                    ChatRole::Assistant => "assistant",
                    ChatRole::Tool => "tool",
                },
                content,
            })
            .collect();
        let bos_token = tokens.bos.as_ref().map_or("", |(_, text)| text.as_str());
        let values = context! { messages, bos_token, eos_token => tokens.eos, add_generation_prompt => true };
        let template = self.environment.get_template("chat");
        template.and_then(|template| template.render(values)).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "render chat template")
                .with("field", "messages")
                .with("reason", error.to_string())
                .caused_by(error)
        })
    }
}
