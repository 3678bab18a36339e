//! What they look at.

use super::{Told, Twin, Whole};
use crate::{approval::Approval, model::PageRequest, store::conformance::samples::at, usage::Day};

impl Twin<'_> {
    /// All that there is, by every call that reads.
    pub(super) async fn look(&self, whole: &Whole<'_>, told: &mut Told) {
        let shared = &whole.parts.shared;
        let (scope, page) = (&self.scope, || PageRequest::first(100));
        let other = 1 - self.own;
        told.add("notebooks", shared.store.notebooks(scope, true, page()).await);
        told.add("hidden", shared.store.hidden_notebooks(scope).await);
        told.add("unfinished", shared.store.unfinished_notebooks(scope).await);
        for id in self.ids.notebooks[self.own].iter().chain(&self.ids.notebooks[other]) {
            told.add("notebook", shared.store.notebook(scope, *id).await);
            told.add("sources", shared.store.sources(scope, *id).await);
            told.add("conversations", shared.store.conversations(scope, *id).await);
        }
        self.look_at_sources(whole, told).await;
        self.look_at_runs(whole, told).await;
        self.look_at_webhooks(whole, told).await;
        let day = Day::of(at(0));
        told.add("open day", whole.usage.first_open_day(scope).await);
        told.add("usage", whole.usage.usage(scope, day, day).await);
        let reports = whole.reports.list(scope, PageRequest::first(10)).await;
        told.add("reports", reports.map(|page| page.items));
        told.add("dead", shared.queue.dead(scope, 10).await.map(|jobs| jobs.len()));
        for place in 0..3 {
            let key = format!("twins {place}");
            let holder = shared.queue.holder(scope, &key).await;
            told.add("holder", holder.map(|job| job.map(|job| (job.id, job.payload))));
            for own in [self.own, other] {
                let job = shared.queue.job(scope, self.ids.jobs[own][place]).await;
                told.add("job", job.map(|job| (job.id, job.payload, job.state)));
            }
        }
    }

    pub(super) async fn look_at_sources(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, scope) = (whole.parts.shared.store, &self.scope);
        told.add("unfinished sources", store.unfinished_sources(scope).await);
        told.add("indexed", store.indexed_sources(scope).await);
        for id in self.ids.sources {
            told.add("source", store.source(scope, id).await);
            let document = store.document(scope, id).await;
            told.add("document", document.map(|document| (document.title, document.text.len())));
            let layout = store.layout(scope, id).await;
            told.add("layout", layout.map(|layout| (layout.title, layout.text_bytes)));
            for span in self.spans() {
                told.add("text", store.text(scope, id, span).await);
            }
            told.add("chunks", store.chunks(scope, id, 1, 10).await);
            told.add("vectors", store.embeddings(scope, id, &Self::space(), 0, 10).await);
            told.add("count", store.count_embeddings(scope, id, &Self::space()).await);
        }
        let keys: Vec<_> = (0..3).map(|ordinal| self.chunk(0, ordinal).key).collect();
        told.add("chunks by key", store.chunks_by_key(scope, &keys).await);
    }

    pub(super) async fn look_at_runs(&self, whole: &Whole<'_>, told: &mut Told) {
        let (store, log, scope) = (whole.parts.shared.store, whole.parts.shared.log, &self.scope);
        told.add("unfinished runs", log.unfinished(scope).await);
        told.add("stopping", log.stopping(scope).await);
        for id in self.ids.conversations.as_flattened() {
            told.add("conversation", store.conversation(scope, *id).await);
            told.add("messages", store.messages(scope, *id, PageRequest::first(10)).await);
            told.add("runs", log.runs(scope, *id, 10).await);
        }
        for id in self.ids.runs {
            let run = log.run(scope, id).await;
            told.add("answer", log.answer(scope, id).await);
            told.add("events", log.events(scope, id, 0, 100).await);
            told.add("recording", whole.recordings.recording(scope, id).await);
            // In a database it goes with its run, in memory by itself.
            if run.is_ok() {
                told.add("checkpoint", whole.checkpoints.read(scope, id).await);
            }
            told.add("run", run);
            let asked = whole.approvals.approvals(scope, id).await;
            let asked = asked.map(|all| {
                let told = |one: Approval| (one.call, one.arguments, one.state, one.note);
                all.into_iter().map(told).collect::<Vec<_>>()
            });
            told.add("approvals", asked);
        }
        for id in self.ids.messages {
            told.add("message", store.message(scope, id).await);
        }
    }

    pub(super) async fn look_at_webhooks(&self, whole: &Whole<'_>, told: &mut Told) {
        let (webhooks, scope, id) = (whole.parts.webhooks, &self.scope, self.ids.webhook);
        told.add("webhooks", webhooks.webhooks(scope).await);
        told.add("webhook", webhooks.webhook(scope, id).await);
        let secrets = webhooks.secrets(scope, id).await;
        let secrets = secrets.map(|both| {
            let previous = both.previous.map(|previous| previous.secret.expose().to_owned());
            (both.current.expose().to_owned(), previous)
        });
        told.add("secrets", secrets);
        let deliveries = webhooks.deliveries(scope, id, PageRequest::first(100)).await;
        let all = deliveries.map(|page| {
            let told = |one: crate::webhook::Delivery| (one.event, one.body, one.state, one.tried);
            page.items.into_iter().map(told).collect::<Vec<_>>()
        });
        told.add("deliveries", all);
    }
}
