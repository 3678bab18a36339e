//! What they do.

use super::{STEPS, Told, Twin, Whole};
use crate::{
    RunId, Timestamp,
    approval::{Answer, Say},
    model::{Conversation, Message, Notebook, Source},
    queue::Fence,
    store::conformance::samples::{self, at},
    usage::Day,
    webhook::{Event, WebhookChange},
};

impl Twin<'_> {
    pub(super) async fn act(&self, whole: &Whole<'_>, told: &mut Told, step: usize) {
        match STEPS[step] {
            "notebooks" => self.make_notebooks(whole, told).await,
            "sources" => self.make_sources(whole, told).await,
            "texts" => self.make_texts(whole, told).await,
            "a change of a source" => self.change_sources(whole, told).await,
            "conversations" => {
                for place in 0..2 {
                    let new = self.conversation(place);
                    let made = whole.parts.shared.store.create_conversation(&self.scope, new).await;
                    told.add("create conversation", made);
                }
            }
            "runs" => self.open_runs(whole, told).await,
            "events" => self.tell_events(whole, told).await,
            "ends" => self.close_runs(whole, told).await,
            "changes" => self.change_all(whole, told).await,
            "usage" => {
                for close in [false, true] {
                    let day = Day::of(at(0));
                    told.add("count", whole.usage.count_day(&self.scope, day, close).await);
                }
            }
            "pruning" => self.prune(whole, told).await,
            "removal of parts" => self.remove_parts(whole, told).await,
            "hiding" => self.hide(whole, told).await,
            _ => self.remove(whole, told).await,
        }
    }

    pub(super) async fn make_notebooks(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope) = (whole.parts.shared.store, &self.scope);
        for place in 0..2 {
            told.add("create", store.create_notebook(scope, self.notebook(place)).await);
            told.add("again", store.create_notebook(scope, self.notebook(place)).await);
        }
        let (webhooks, id) = (whole.parts.webhooks, self.ids.webhook);
        let change = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
        told.add("early", webhooks.change_webhook(scope, id, change, at(7)).await);
        told.add("early", webhooks.rotate_secret(scope, id, self.secret(3), at(7), at(8)).await);
        told.add("early", webhooks.delete_webhook(scope, id).await);
        told.add("early", webhooks.send(scope, id, Event::ping(id, at(7))).await.map(drop));
        let unfinished = self.notebook(2);
        told.add("create", store.create_unfinished_notebook(scope, unfinished).await);
        let made = webhooks.create_webhook(scope, self.webhook(), self.secret(1)).await;
        told.add("create webhook", made);
        told.add(
            "send",
            webhooks.send(scope, id, Event::ping(id, at(9))).await.map(|sent| sent.body),
        );
    }

    pub(super) async fn make_sources(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        // Of the two, one has none yet and the other has.
        self.change_sources_too_early(whole, told).await;
        told.add("create", shared.store.create_source(scope, self.source(0, 0)).await);
        told.add("create", shared.store.create_source(scope, self.source(1, 0)).await);
        let jobs = vec![self.job(0)];
        told.add("create", shared.outbox.create_source(scope, self.source(2, 0), jobs).await);
        told.add("insert", shared.queue.insert(scope, vec![self.job(1)]).await);
    }

    pub(super) async fn change_sources_too_early(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope, id) = (whole.parts.shared.store, &self.scope, self.ids.sources[0]);
        told.add("early", store.update_source(scope, self.source(0, 0)).await);
        told.add("early", store.delete_source(scope, id).await);
        told.add("early", store.put_document(scope, id, self.document()).await);
        told.add("early", store.put_chunks(scope, id, vec![self.chunk(0, 9)]).await);
        told.add("early", store.put_embeddings(scope, id, &Self::space(), self.vectors()).await);
    }

    pub(super) async fn make_texts(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope, id) = (whole.parts.shared.store, &self.scope, self.ids.sources[0]);
        told.add("document", store.put_document(scope, id, self.document()).await);
        told.add("document", store.put_document(scope, self.ids.sources[1], self.document()).await);
        // One has a chunk more.
        let chunks = (0..4 - self.own as u32).map(|ordinal| self.chunk(0, ordinal)).collect();
        told.add("chunks", store.put_chunks(scope, id, chunks).await);
        let chunks = (0..2).map(|ordinal| self.chunk(1, ordinal)).collect();
        told.add("chunks", store.put_chunks(scope, self.ids.sources[1], chunks).await);
        told.add("vectors", store.put_embeddings(scope, id, &Self::space(), self.vectors()).await);
        // Of what it does not have, whoever else has.
        let missing = vec![(3, vec![1.0, 2.0])];
        if self.own == 1 {
            told.add("vectors", store.put_embeddings(scope, id, &Self::space(), missing).await);
        }
    }

    pub(super) async fn change_sources(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        let changed = |place| Source { revision: 0, ..self.source(place, 1) };
        told.add("update", shared.store.update_source(scope, changed(0)).await);
        told.add("again", shared.store.update_source(scope, changed(0)).await);
        let jobs = vec![self.job(2)];
        told.add("update", shared.outbox.update_source(scope, changed(1), jobs).await);
    }

    pub(super) async fn open_runs(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        let early = self.ids.runs[0];
        told.add("early", whole.recordings.add(scope, early, at(4), vec![1]).await);
        told.add("early", shared.log.start(scope, early).await);
        told.add("early", shared.log.append(scope, early, &samples::deltas(1, 1)).await);
        told.add("early", shared.log.request_stop(scope, early).await);
        told.add("early", shared.log.close(scope, early, self.end(0, 1)).await);
        // Behind a message that only the other may have.
        let mut behind = self.run(0);
        behind.question = behind
            .question
            .map(|question| Message { parent: Some(self.ids.messages[2]), ..question });
        told.add("behind", shared.log.open(scope, behind).await);
        for place in 0..2 {
            told.add("open", shared.log.open(scope, self.run(place)).await);
            told.add("again", shared.log.open(scope, self.run(place)).await);
        }
        told.add("open", shared.outbox.open_run(scope, self.run(2), Vec::new()).await);
        told.add("open", shared.log.open(scope, self.run(4)).await);
        // What is one's own answer was brought by an import to the other.
        if self.own == 0 {
            told.add("open", shared.log.open(scope, self.run(3)).await);
        }
        // In the other's conversation.
        let mut foreign = self.run(0);
        foreign.run.conversation = self.ids.conversations[1 - self.own][0];
        foreign.run.notebook = self.ids.notebooks[1 - self.own][0];
        foreign.question = foreign
            .question
            .map(|question| Message { conversation: foreign.run.conversation, ..question });
        foreign.run.id = RunId::from_u128(foreign.run.id.as_u128() ^ 1);
        told.add("foreign", shared.log.open(scope, foreign).await);
    }

    pub(super) async fn tell_events(&self, whole: &Whole<'_>, told: &mut Told) {
        let (log, scope) = (whole.parts.shared.log, &self.scope);
        for id in self.ids.runs {
            told.add("start", log.start(scope, id).await);
        }
        // One is ahead of the other.
        let count = 3 + 2 * self.own as u64;
        told.add("append", log.append(scope, self.ids.runs[0], &samples::deltas(1, count)).await);
        told.add("append", log.append(scope, self.ids.runs[1], &samples::deltas(1, 2)).await);
        if self.own == 0 {
            told.add("stop", log.request_stop(scope, self.ids.runs[2]).await);
        }
        for place in 0..2 {
            told.add("save", whole.checkpoints.save(scope, &self.checkpoint(place, 1)).await);
        }
        told.add("take", whole.checkpoints.take(scope, self.ids.runs[1], Fence(2)).await);
        told.add("remove", whole.checkpoints.remove(scope, self.ids.runs[1]).await);
        let (recordings, run) = (whole.recordings, self.ids.runs[0]);
        for _ in 0..=self.own {
            told.add("record", recordings.add(scope, run, at(5), self.name.into()).await);
        }
        told.add("report", whole.reports.add(scope, self.report()).await);
        let asked = whole.approvals.ask(scope, self.question()).await;
        // One says yes, and the other nothing yet.
        if let (0, Ok(asked)) = (self.own, &asked) {
            let note = format!("{} says so", self.name);
            let answer = Answer { say: Say::Approve, digest: asked.digest.clone(), by: None, note };
            let decided = whole.approvals.decide(scope, asked.id, answer).await;
            told.add("decide", decided.map(|decided| decided.state));
        }
        told.add("ask", asked.map(|asked| asked.arguments));
    }

    pub(super) async fn close_runs(&self, whole: &Whole<'_>, told: &mut Told) {
        let (log, scope) = (whole.parts.shared.log, &self.scope);
        let first = 4 + 2 * self.own as u64;
        for (place, seq) in [(0, first), (1, 3)] {
            let end = self.end(place, seq);
            told.add("close", log.close(scope, self.ids.runs[place], end).await);
        }
        told.add("close", log.close(scope, self.ids.runs[4], self.end_without_answer()).await);
        let (last, end) = (self.run(3), self.end(3, 1));
        match self.own {
            0 => told.add("close", log.close(scope, last.run.id, end).await),
            _ => told.add("record", log.record(scope, last, end).await),
        }
    }

    pub(super) async fn change_all(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, webhooks, scope) =
            (whole.parts.shared.store, whole.parts.webhooks, &self.scope);
        let other = 1 - self.own;
        let name = format!("{} changes", self.name);
        let changed = Notebook { name: name.clone(), updated_at: at(50), ..self.notebook(0) };
        told.add("notebook", store.update_notebook(scope, changed.clone()).await);
        let foreign = Notebook { id: self.ids.notebooks[other][1], ..changed };
        told.add("foreign", store.update_notebook(scope, foreign).await);
        told.add("foreign", store.show_notebook(scope, self.ids.notebooks[other][2]).await);
        let changed = Conversation { title: name, updated_at: at(50), ..self.conversation(0) };
        told.add("conversation", store.update_conversation(scope, changed.clone()).await);
        let foreign = Conversation { id: self.ids.conversations[other][1], ..changed };
        told.add("foreign", store.update_conversation(scope, foreign).await);
        let change = WebhookChange {
            description: Some(format!("{} again", self.name)),
            ..WebhookChange::default()
        };
        let id = self.ids.webhook;
        told.add("webhook", webhooks.change_webhook(scope, id, change, at(60)).await);
        let rotated = webhooks.rotate_secret(scope, id, self.secret(2), at(70), at(80)).await;
        told.add("rotate", rotated.map(|both| both.current.expose().to_owned()));
        told.add("resume", webhooks.resume(scope, 10).await);
        for place in 0..3 {
            let foreign = self.ids.jobs[other][place];
            told.add("foreign", whole.parts.shared.queue.cancel(scope, foreign).await.map(drop));
            told.add("foreign", whole.parts.shared.queue.revive(scope, foreign).await.map(drop));
        }
        told.add("show", store.show_notebook(scope, self.ids.notebooks[self.own][2]).await);
    }

    pub(super) async fn prune(&self, whole: &Whole<'_>, told: &mut Told) {
        let (scope, late) = (&self.scope, Timestamp::from_millis(i64::MAX >> 1));
        told.add("prune", whole.parts.shared.log.prune(scope, late, 10).await);
        told.add("prune", whole.parts.webhooks.prune_deliveries(scope, late, 10).await);
        // In memory they go by themselves.
        told.add("prune", whole.checkpoints.prune(scope, late, 10).await.map(drop));
        told.add("remove", whole.checkpoints.remove(scope, self.ids.runs[0]).await.map(drop));
        for place in [0, 4] {
            told.add("save", whole.checkpoints.save(scope, &self.checkpoint(place, 4)).await);
        }
    }

    pub(super) async fn remove_parts(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope, other) = (&whole.parts.shared, &self.scope, 1 - self.own);
        told.add(
            "text",
            shared.store.put_document(scope, self.ids.sources[1], samples::document(9)).await,
        );
        told.add("source", shared.store.delete_source(scope, self.ids.sources[1]).await);
        let foreign = self.ids.conversations[other][1];
        told.add("foreign", shared.store.delete_conversation(scope, foreign).await);
        let own = self.ids.conversations[self.own][1];
        told.add("conversation", shared.store.delete_conversation(scope, own).await);
        told.add("cancel", shared.queue.cancel(scope, self.ids.jobs[self.own][0]).await.map(drop));
        let foreign = self.ids.notebooks[other][1];
        told.add("foreign", shared.store.delete_notebook(scope, foreign).await);
        told.add("foreign", shared.outbox.hide_notebook(scope, foreign, Vec::new()).await);
    }

    pub(super) async fn hide(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope, other) = (&whole.parts.shared, &self.scope, 1 - self.own);
        let own = self.ids.notebooks[self.own][0];
        // Hidden for the one, and not yet for the other.
        told.add("not hidden", shared.store.empty_notebook(scope, own, 10).await);
        told.add("still", whole.checkpoints.read(scope, self.ids.runs[0]).await);
        told.add("hide", shared.outbox.hide_notebook(scope, own, Vec::new()).await);
        let foreign = self.ids.notebooks[other][0];
        if foreign != own {
            told.add("foreign", shared.store.empty_notebook(scope, foreign, 10).await);
            told.add("foreign", shared.store.delete_notebook(scope, foreign).await);
        }
    }

    pub(super) async fn remove(&self, whole: &Whole<'_>, told: &mut Told) {
        let (shared, scope) = (&whole.parts.shared, &self.scope);
        let own = self.ids.notebooks[self.own][0];
        told.add("still", whole.checkpoints.read(scope, self.ids.runs[0]).await);
        told.add("empty", shared.store.empty_notebook(scope, own, 10).await);
        told.add("delete", shared.store.delete_notebook(scope, own).await);
        told.add("webhook", whole.parts.webhooks.delete_webhook(scope, self.ids.webhook).await);
        told.add("report", whole.reports.remove(scope, self.ids.report).await);
    }
}
