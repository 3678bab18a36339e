//! What the system is about: notebooks, sources, conversations, messages, runs.

mod answer;
mod chunk;
mod conversation;
mod failure;
mod notebook;
mod page;
mod run;
mod source;
mod stage;

pub use answer::{AnswerWarning, Citation, RetrievalMode, StageTiming, Usage};
pub use chunk::{Chunk, ChunkKey};
pub use conversation::{Conversation, Message, Role};
pub use failure::FailureCode;
pub use notebook::{ModelSettings, Notebook, NotebookSettings};
pub use page::{Page, PageRequest};
pub use run::{
    EventBody, GENERATION, NewRun, Opened, Run, RunEvent, RunOutcome, RunState, Used,
    next_generation,
};
pub use source::{Progress, Source, SourceFailure, Stage, WebOrigin};
pub use stage::AnswerStage;
