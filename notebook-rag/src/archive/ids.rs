//! New ids for what an archive brings, in the order in which it brings them.

use std::collections::HashMap;

use notebook_core::{
    ConversationId, MessageId, NotebookId, RunId, SourceId,
    model::{Citation, Message, Run},
    queue::JobId,
};
use sha2::{Digest, Sha256};

/// Gives new ids, made from the job's, so that a job that is done again gives the same.
///
/// They are UUIDs of version 7 with the job's moment: whatever is added to the notebook later comes after them.
pub(super) struct NewIds {
    job: u128,
    sources: HashMap<SourceId, SourceId>,
    /// Of the conversation at hand.
    messages: HashMap<MessageId, MessageId>,
    messages_taken: u32,
    conversations: u32,
    runs: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Source = 1,
    Conversation,
    Message,
    Run,
}

impl NewIds {
    pub(super) fn new(job: JobId) -> Self {
        Self {
            job: job.as_u128(),
            sources: HashMap::new(),
            messages: HashMap::new(),
            messages_taken: 0,
            conversations: 0,
            runs: 0,
        }
    }

    /// The notebook has the job's own bits: from it, the job is found.
    pub(super) const fn notebook(&self) -> NotebookId {
        NotebookId::from_u128(self.job)
    }

    /// The same for the same source, also for one that the archive does not bring: an answer may cite what is gone.
    pub(super) fn source(&mut self, old: SourceId) -> SourceId {
        let (job, next) = (self.job, count(self.sources.len()));
        *self
            .sources
            .entry(old)
            .or_insert_with(|| SourceId::from_u128(nth(job, Kind::Source, next)))
    }

    /// A message of the conversation at hand.
    fn message(&mut self, old: MessageId) -> MessageId {
        let (job, taken) = (self.job, &mut self.messages_taken);
        *self.messages.entry(old).or_insert_with(|| {
            *taken += 1;
            MessageId::from_u128(nth(job, Kind::Message, *taken))
        })
    }

    /// A new conversation.
    pub(super) fn conversation(&mut self) -> ConversationId {
        self.conversations += 1;
        ConversationId::from_u128(nth(self.job, Kind::Conversation, self.conversations))
    }

    /// The run with its ids new, its question before its answer.
    pub(super) fn run(&mut self, old: &Run, conversation: ConversationId) -> Run {
        self.runs += 1;
        Run {
            id: RunId::from_u128(nth(self.job, Kind::Run, self.runs)),
            notebook: self.notebook(),
            conversation,
            question: self.message(old.question),
            answer: self.message(old.answer),
            ..old.clone()
        }
    }

    /// The message with its ids new; none when it follows one that was not there yet.
    pub(super) fn told(&mut self, old: Message, id: MessageId, run: &Run) -> Option<Message> {
        let parent = match old.parent {
            Some(parent) => Some(*self.messages.get(&parent)?),
            None => None,
        };
        let citations = old
            .citations
            .into_iter()
            .map(|citation| Citation { source: self.source(citation.source), ..citation })
            .collect();
        let run_id = old.run.map(|_| run.id);
        Some(Message { id, conversation: run.conversation, parent, run: run_id, citations, ..old })
    }

    /// Forgets the messages of a conversation that is done.
    pub(super) fn next_conversation(&mut self) {
        self.messages.clear();
    }
}

/// Whether a source's id was made from a job's.
pub(super) fn is_of(job: JobId, source: SourceId) -> bool {
    let id = source.as_u128();
    // The number as [`nth`] puts it there: 32 bits in all.
    let number = (id >> 64 & 0xFFF) << 20 | (id >> 42 & 0xF_FFFF);
    u32::try_from(number).is_ok_and(|number| nth(job.as_u128(), Kind::Source, number) == id)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The n-th id of a kind: the job's moment, then `n`, then bits that nobody can foresee who does not know the job.
fn nth(job: u128, kind: Kind, n: u32) -> u128 {
    let mut hash = Sha256::new();
    hash.update(job.to_be_bytes());
    hash.update([kind as u8]);
    hash.update(n.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, ..] = digest;
    // 42 bits.
    let random = u128::from(u64::from_be_bytes([0, 0, a, b, c, d, e, f]) & ((1 << 42) - 1));
    let n = u128::from(n);
    let moment = job >> 80 << 80;
    // 12 bits of the number behind the version, 20 behind the variant.
    moment | 0x7 << 76 | (n >> 20) << 64 | 0b10 << 62 | (n & 0xF_FFFF) << 42 | random
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_new_ids_are_of_version_7_and_in_order() {
        let job = JobId::new();
        let ids: Vec<_> = [0, 1, 2, 0xF_FFFF, 0x10_0000, u32::MAX]
            .map(|n| nth(job.as_u128(), Kind::Run, n))
            .into();
        assert!(ids.is_sorted());
        for id in &ids {
            let text = RunId::from_u128(*id).to_string();
            let (version, variant) = (text.chars().nth(14), text.chars().nth(19));
            assert_eq!(version, Some('7'), "{text}");
            assert!("89ab".contains(variant.unwrap()), "{text}");
            assert_eq!(id >> 80, job.as_u128() >> 80);
        }
        for n in [0, 1, 0xF_FFFF, 0x10_0000, u32::MAX] {
            let made = |job: JobId, kind| SourceId::from_u128(nth(job.as_u128(), kind, n));
            assert!(is_of(job, made(job, Kind::Source)), "{n}");
            assert!(!is_of(job, made(job, Kind::Run)) && !is_of(job, SourceId::new()), "{n}");
            let twin = JobId::from_u128(job.as_u128() ^ 1);
            assert!(!is_of(job, made(twin, Kind::Source)), "of the same moment: {n}");
        }
        assert_ne!(nth(job.as_u128(), Kind::Run, 1), nth(job.as_u128(), Kind::Message, 1));
        assert_ne!(nth(1, Kind::Run, 1) as u64, nth(2, Kind::Run, 1) as u64);
    }
}
