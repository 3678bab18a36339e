//! The way in: checks, then question and run in one transaction, with the job that answers it, or then a task.

use std::{collections::BTreeSet, future::Future};

use notebook_core::{
    Error, ErrorKind, MessageId, Result, Retry, RunId, TenantScope,
    chat::ChatModel,
    model::{Conversation, Message, ModelSettings, NewRun, Notebook, Opened, Role, Run, RunState},
    queue::Fence,
};

use super::{Ask, Chat, Inner, Parent, Question, Work, flow, guard, history, title};
use crate::runs::Closing;

/// Runs `work` to its end even when the caller goes away.
pub(super) async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, "ask").caused_by(error)))
}

impl Inner {
    pub(super) async fn admit(&self, chat: &Chat, scope: &TenantScope, ask: Ask) -> Result<Opened> {
        ask.validate(&self.config)?;
        guard::admit(&self.config.guard, &ask)?;
        let place = async {
            let conversation = self.store.conversation(scope, ask.conversation).await?;
            let notebook = self.store.notebook(scope, conversation.notebook).await?;
            Ok::<_, Error>((conversation, notebook))
        };
        // Side by side: the person waits for the slowest, not for their sum.
        let (place, unfinished, parent) =
            tokio::join!(place, self.runs.log().unfinished(scope), self.parent(scope, &ask));
        let (conversation, notebook) = place?;
        let settings = self.settings(&ask.settings, &notebook);
        let model = self.models.model(scope, &settings)?;
        let tools = self.tools_for(scope, &ask, &notebook, &*model).await?;
        if unfinished?.len() >= self.config.open_runs() {
            return Err(busy());
        }
        let (question, new) = self.question(&ask, &conversation, parent?)?;
        let run = self.new_run(&ask, &conversation, &question, new)?;
        let opened = self.open(scope, run, &settings, ask.history.clone(), tools).await?;
        if let Opened::Created(run) = &opened {
            if new {
                let named = title::name(
                    &*self.store,
                    scope,
                    conversation.clone(),
                    notebook.clone(),
                    &question.text,
                );
                // The question is stored: a missing name must not cost its answer.
                if let Err(error) = named.await {
                    tracing::warn!(%error, "naming after the first question failed");
                }
            }
            if let Work::Tasks = self.work {
                let writer = self.runs.begin(scope, run, Closing::Log).await?;
                let history = ask.history;
                let (tools, fence) = (None, Fence(0));
                let task = flow::Task {
                    notebook,
                    conversation,
                    question,
                    settings,
                    history,
                    model,
                    tools,
                    fence,
                };
                let (chat, scope) = (chat.clone(), scope.clone());
                tokio::spawn(async move { flow::produce(&chat.0, &scope, task, writer).await });
            }
        }
        Ok(opened)
    }

    /// The tools of a research, which are fixed from here on; none of a plain answer.
    async fn tools_for(
        &self,
        scope: &TenantScope,
        ask: &Ask,
        notebook: &Notebook,
        model: &dyn ChatModel,
    ) -> Result<Option<BTreeSet<String>>> {
        if ask.mode.is_answer() {
            return Ok(None);
        }
        #[cfg(feature = "tools")]
        if let (Some(research), Work::Jobs { .. }) = (self.research.get(), &self.work) {
            return research.select(scope, notebook, model).await.map(Some);
        }
        let _ = (scope, notebook, model);
        Err(Error::invalid("ask", "mode", "ask with the mode `answer`: there are no tools here"))
    }

    fn settings(&self, message: &ModelSettings, notebook: &Notebook) -> ModelSettings {
        message.or(&notebook.settings.model).or(&self.config.defaults)
    }

    /// The message that a new question follows, or that is answered again.
    async fn parent(&self, scope: &TenantScope, ask: &Ask) -> Result<Option<Message>> {
        match &ask.question {
            Question::New { parent: Parent::Nothing, .. } => Ok(None),
            Question::New { parent: Parent::Newest, .. } => {
                history::newest(&*self.store, scope, ask.conversation).await
            }
            Question::New { parent: Parent::Message(id), .. } | Question::Again(id) => {
                let message = self.store.message(scope, *id).await?;
                if message.conversation == ask.conversation {
                    Ok(Some(message))
                } else {
                    Err(Error::not_found("ask", "message"))
                }
            }
        }
    }

    /// The question, and whether it is new.
    fn question(
        &self,
        ask: &Ask,
        conversation: &Conversation,
        parent: Option<Message>,
    ) -> Result<(Message, bool)> {
        match &ask.question {
            Question::New { text, .. } => {
                let parent = parent.map(|message| message.id);
                Ok((self.new_question(text, parent, conversation), true))
            }
            Question::Again(_) => {
                let question = parent.ok_or_else(|| Error::not_found("ask", "message"))?;
                if question.role != Role::User {
                    return Err(Error::invalid(
                        "ask",
                        "regenerate",
                        "name a question, not an answer",
                    ));
                }
                Ok((question, false))
            }
        }
    }

    fn new_question(
        &self,
        text: &str,
        parent: Option<MessageId>,
        conversation: &Conversation,
    ) -> Message {
        Message {
            id: MessageId::new(),
            conversation: conversation.id,
            parent,
            role: Role::User,
            text: text.to_owned(),
            citations: Vec::new(),
            dropped_citations: 0,
            run: None,
            model: None,
            usage: None,
            timings: Vec::new(),
            warnings: Vec::new(),
            partial: false,
            created_at: self.clock.now(),
        }
    }

    fn new_run(
        &self,
        ask: &Ask,
        conversation: &Conversation,
        question: &Message,
        new: bool,
    ) -> Result<NewRun> {
        Ok(NewRun {
            run: Run {
                id: RunId::new(),
                notebook: conversation.notebook,
                conversation: conversation.id,
                question: question.id,
                answer: MessageId::new(),
                state: RunState::Queued,
                created_at: self.clock.now(),
                ended_at: None,
                stop_requested: false,
            },
            question: new.then(|| question.clone()),
            idempotency_key: ask.idempotency_key.clone(),
            request_hash: ask.hash()?,
        })
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::RateLimited, "ask")
        .with("reason", "too many answers are being produced")
        .with("fix", "try again in a few seconds")
        .retry(Retry::After(std::time::Duration::from_secs(2)))
}
