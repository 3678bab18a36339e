//! The suite that every adapter of the outbox is held to, together with the store and the queue it shares.

use serde_json::json;

use crate::{
    ErrorKind, SourceId, TenantScope,
    conformance::Scenario,
    model::{Notebook, Opened, PageRequest, Run, RunOutcome, RunState, Source, Stage},
    queue::{
        ClaimRequest, Claimed, Fence, Finish, JobState, KindRule, NewJob, Outcome, Queue, WorkerId,
        Worklist,
        outbox::{Outbox, SourceChange},
    },
    run_log::RunLog,
    store::{Store, conformance::samples},
};

/// An outbox with the store and the queue that share its storage.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    /// Holds the notebooks, sources and conversations.
    pub store: &'a dyn Store,
    /// Holds the runs.
    pub log: &'a dyn RunLog,
    /// Holds the jobs.
    pub queue: &'a dyn Queue,
    /// Gives jobs to workers.
    pub worklist: &'a dyn Worklist,
    /// Stores both.
    pub outbox: &'a dyn Outbox,
}

impl std::fmt::Debug for Shared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Shared<'a>>> {
    crate::scenarios![
        Shared<'a>;
        y1_a_source_and_its_job_are_stored_together,
        q28_a_refused_source_leaves_no_job,
        q28_a_refused_job_leaves_no_source,
        q28_a_job_with_another_tenant_s_id_leaves_no_source,
        y1_a_changed_source_and_its_job_are_stored_together,
        a6_a_hidden_notebook_is_gone_for_all_but_its_deletion,
        a6_what_is_added_while_a_notebook_is_hidden_is_hidden_too,
        q28_a_refused_job_hides_no_notebook,
        y1_a_run_and_its_job_are_stored_once,
        y6_a_stage_and_the_end_of_its_run_are_stored_together,
        a6_a_removal_and_its_receipt_are_stored_together,
        q5_a_run_that_was_taken_away_changes_no_source,
        q5_a_stage_of_a_changed_source_ends_no_run,
        y5_an_answer_and_the_end_of_its_job_are_stored_together,
        q3_a_worker_that_lost_its_job_ends_no_answer,
    ]
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the outbox breaks a promise.
pub async fn run_all(shared: Shared<'_>) {
    crate::conformance::run_all(scenarios(), &shared).await;
}

fn job() -> NewJob {
    NewJob { unique_key: Some("outbox".into()), ..NewJob::new("outbox", json!({ "a": 1 })) }
}

pub async fn y1_a_source_and_its_job_are_stored_together(shared: &Shared<'_>) {
    let scope = samples::tenant();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let (source, new) = (samples::source(notebook.id), job());
    shared.outbox.create_source(&scope, source.clone(), vec![new.clone()]).await.unwrap();
    assert_eq!(shared.store.source(&scope, source.id).await.unwrap(), source);
    let stored = shared.queue.job(&scope, new.id).await.unwrap();
    assert_eq!((stored.state, stored.payload), (JobState::Available, new.payload));
}

pub async fn q28_a_refused_source_leaves_no_job(shared: &Shared<'_>) {
    let scope = samples::tenant();
    let (source, new) = (samples::source(samples::notebook().id), job());
    let created = shared.outbox.create_source(&scope, source.clone(), vec![new.clone()]).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::NotFound);
    let updated = shared.outbox.update_source(&scope, source, vec![new.clone()]).await;
    assert_eq!(updated.unwrap_err().kind(), ErrorKind::NotFound);
    let conversation = samples::conversation(samples::notebook().id);
    let opened =
        shared.outbox.open_run(&scope, samples::new_run(&conversation), vec![new.clone()]).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(shared.queue.job(&scope, new.id).await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub async fn q28_a_refused_job_leaves_no_source(shared: &Shared<'_>) {
    let scope = samples::tenant();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let source = samples::source(notebook.id);
    let bad = NewJob { max_attempts: 0, ..job() };
    let created = shared.outbox.create_source(&scope, source.clone(), vec![job(), bad]).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::InvalidInput);
    let found = shared.store.source(&scope, source.id).await;
    assert_eq!(found.unwrap_err().kind(), ErrorKind::NotFound);
}

pub async fn q28_a_job_with_another_tenant_s_id_leaves_no_source(shared: &Shared<'_>) {
    let (scope, taken) = (samples::tenant(), job());
    shared.queue.insert(&samples::tenant(), vec![taken.clone()]).await.unwrap();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let source = samples::source(notebook.id);
    let created = shared.outbox.create_source(&scope, source.clone(), vec![taken]).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::InvalidInput);
    let found = shared.store.source(&scope, source.id).await;
    assert_eq!(found.unwrap_err().kind(), ErrorKind::NotFound);
}

pub async fn y1_a_changed_source_and_its_job_are_stored_together(shared: &Shared<'_>) {
    let scope = samples::tenant();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let mut source = samples::source(notebook.id);
    shared.store.create_source(&scope, source.clone()).await.unwrap();
    source.name = "changed".into();
    let new = job();
    shared.outbox.update_source(&scope, source.clone(), vec![new.clone()]).await.unwrap();
    source.revision += 1;
    assert_eq!(shared.store.source(&scope, source.id).await.unwrap(), source);
    assert_eq!(shared.queue.holder(&scope, "outbox").await.unwrap().unwrap().id, new.id);
}

/// A notebook with a source, a conversation, and a run that goes on.
async fn full_notebook(shared: &Shared<'_>, scope: &TenantScope) -> (Source, Run) {
    let notebook = shared.store.create_notebook(scope, samples::notebook()).await.unwrap();
    let source = Source { stage: Stage::Ready, ..samples::source(notebook.id) };
    shared.store.create_source(scope, source.clone()).await.unwrap();
    let chunk = samples::chunk(source.id, 0);
    shared.store.put_document(scope, source.id, samples::document(300)).await.unwrap();
    shared.store.put_chunks(scope, source.id, vec![chunk]).await.unwrap();
    let conversation = samples::conversation(notebook.id);
    let conversation = shared.store.create_conversation(scope, conversation).await.unwrap();
    let run = samples::new_run(&conversation);
    shared.log.open(scope, run.clone()).await.unwrap();
    (source, run.run)
}

pub async fn a6_a_hidden_notebook_is_gone_for_all_but_its_deletion(shared: &Shared<'_>) {
    let scope = samples::tenant();
    let (source, run) = full_notebook(shared, &scope).await;
    let (_, kept) = full_notebook(shared, &scope).await;
    let (store, log, id) = (shared.store, shared.log, run.notebook);
    let stranger = samples::tenant();
    let refused = shared.outbox.hide_notebook(&stranger, id, Vec::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    let job = NewJob { unique_key: None, ..job() };
    shared.outbox.hide_notebook(&scope, id, vec![job.clone()]).await.unwrap();
    assert_eq!(shared.queue.job(&scope, job.id).await.unwrap().state, JobState::Available);

    let gone = [
        store.notebook(&scope, id).await.map(drop),
        store.update_notebook(&scope, Notebook { id, ..samples::notebook() }).await,
        store.create_notebook(&scope, Notebook { id, ..samples::notebook() }).await.map(drop),
        store.sources(&scope, id).await.map(drop),
        store.create_source(&scope, samples::source(id)).await,
        store.conversations(&scope, id).await.map(drop),
        store.create_conversation(&scope, samples::conversation(id)).await.map(drop),
        store.conversation(&scope, run.conversation).await.map(drop),
        store.delete_conversation(&scope, run.conversation).await,
        store.messages(&scope, run.conversation, PageRequest::first(9)).await.map(drop),
        store.message(&scope, run.question).await.map(drop),
        log.run(&scope, run.id).await.map(drop),
        log.runs(&scope, run.conversation, 9).await.map(drop),
        log.events(&scope, run.id, 0, 9).await.map(drop),
        log.start(&scope, run.id).await,
        log.append(&scope, run.id, &[]).await,
        log.answer(&scope, run.id).await.map(drop),
        log.request_stop(&scope, run.id).await.map(drop),
        shared.outbox.hide_notebook(&scope, id, Vec::new()).await,
    ];
    for (place, result) in gone.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound, "call {place}");
    }
    let listed = store.notebooks(&scope, true, PageRequest::first(9)).await.unwrap();
    assert_eq!(
        listed.items.iter().map(|notebook| notebook.id).collect::<Vec<_>>(),
        [kept.notebook]
    );

    // What was in hand is not any more.
    let marked = store.source(&scope, source.id).await.unwrap();
    assert_eq!((marked.stage, marked.revision), (Stage::Deleting, source.revision + 1));
    assert_eq!(store.unfinished_sources(&scope).await.unwrap(), [marked]);
    let chunk = samples::chunk(source.id, 0);
    assert_eq!(store.chunks_by_key(&scope, &[chunk.key]).await.unwrap(), []);
    let late = store.update_source(&scope, source.clone()).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    assert_eq!(log.stopping(&scope).await.unwrap(), [run.id]);

    // The rest is for the deletion.
    assert_eq!(store.hidden_notebooks(&scope).await.unwrap(), [id]);
    assert_eq!(store.hidden_notebooks(&stranger).await.unwrap(), []);
    assert_eq!(store.empty_notebook(&stranger, id, 9).await.unwrap(), 0);
    assert_eq!(store.empty_notebook(&scope, kept.notebook, 9).await.unwrap(), 0);
    assert_eq!(store.empty_notebook(&scope, id, 9).await.unwrap(), 1);
    assert_eq!(store.empty_notebook(&scope, id, 9).await.unwrap(), 0);
    assert_eq!(log.unfinished(&scope).await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(store.delete_notebook(&stranger, id).await.unwrap_err().kind(), ErrorKind::NotFound);
    store.delete_notebook(&scope, id).await.unwrap();
    assert_eq!(store.source(&scope, source.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.hidden_notebooks(&scope).await.unwrap(), []);
    assert_eq!(log.run(&scope, kept.id).await.unwrap(), kept);
}

pub async fn a6_what_is_added_while_a_notebook_is_hidden_is_hidden_too(shared: &Shared<'_>) {
    let scope = samples::tenant();
    for _ in 0..8 {
        let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
        let sources: Vec<_> = (0..6).map(|_| samples::source(notebook.id)).collect();
        let adds =
            sources.iter().map(|new| shared.outbox.create_source(&scope, new.clone(), vec![]));
        let hide = shared.outbox.hide_notebook(&scope, notebook.id, Vec::new());
        let (added, hidden) = futures::future::join(futures::future::join_all(adds), hide).await;
        hidden.unwrap();
        for (source, added) in sources.iter().zip(added) {
            match added {
                Ok(()) => {
                    let stored = shared.store.source(&scope, source.id).await.unwrap();
                    assert_eq!(stored.stage, Stage::Deleting);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}"),
            }
        }
        shared.store.delete_notebook(&scope, notebook.id).await.unwrap();
    }
}

pub async fn q28_a_refused_job_hides_no_notebook(shared: &Shared<'_>) {
    let scope = samples::tenant();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let bad = NewJob { max_attempts: 0, ..job() };
    let refused = shared.outbox.hide_notebook(&scope, notebook.id, vec![bad]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(shared.store.notebook(&scope, notebook.id).await.unwrap(), notebook);
}

pub async fn y1_a_run_and_its_job_are_stored_once(shared: &Shared<'_>) {
    let scope = samples::tenant();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let conversation = samples::conversation(notebook.id);
    let conversation = shared.store.create_conversation(&scope, conversation).await.unwrap();
    let mut run = samples::new_run(&conversation);
    run.idempotency_key = Some("once".into());
    let (first, second) = (job(), NewJob { unique_key: None, ..job() });
    let opened = shared.outbox.open_run(&scope, run.clone(), vec![first.clone()]).await.unwrap();
    assert_eq!(opened, Opened::Created(run.run.clone()));
    // The same request again: no second run, and no second job.
    let mut again = samples::new_run(&conversation);
    again.idempotency_key = Some("once".into());
    let opened = shared.outbox.open_run(&scope, again, vec![second.clone()]).await.unwrap();
    assert_eq!(opened, Opened::Existing(run.run.clone()));
    assert!(shared.queue.job(&scope, first.id).await.is_ok());
    assert_eq!(shared.queue.job(&scope, second.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(shared.log.run(&scope, run.run.id).await.unwrap(), run.run);
}

async fn claim(shared: &Shared<'_>, new: &NewJob) -> Claimed {
    let rule = KindRule { payload_version: 1, limit: None, take: usize::MAX };
    let request = ClaimRequest {
        worker: WorkerId::new(),
        kinds: [(new.kind.clone(), rule)].into(),
        per_tenant: None,
        max: 1_000,
    };
    let claimed = shared.worklist.claim(&request).await.unwrap();
    claimed.into_iter().find(|claimed| claimed.job.id == new.id).unwrap()
}

/// A source in the hands of a worker, and what its stage makes of it.
async fn in_hand(shared: &Shared<'_>) -> (TenantScope, Claimed, SourceChange) {
    let scope = samples::tenant();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let source = samples::source(notebook.id);
    let new = NewJob { kind: "stage".into(), ..job() };
    shared.outbox.create_source(&scope, source.clone(), vec![new.clone()]).await.unwrap();
    let claimed = claim(shared, &new).await;
    let chunks = vec![samples::chunk(source.id, 0), samples::chunk(source.id, 1)];
    let text = Some((samples::document(70_000), chunks));
    let source = Source { stage: Stage::Index, chunks: 2, ..source };
    (scope, claimed, SourceChange { source, text })
}

fn end(claimed: &Claimed, follow_ups: Vec<NewJob>) -> Finish {
    let outcome = Outcome::Completed { result: json!({ "chunks": 2 }), follow_ups };
    Finish { id: claimed.job.id, fence: claimed.job.fence, outcome }
}

pub async fn y6_a_stage_and_the_end_of_its_run_are_stored_together(shared: &Shared<'_>) {
    let (scope, claimed, made) = in_hand(shared).await;
    let next = job();
    let finish = end(&claimed, vec![next.clone()]);
    assert!(shared.outbox.finish_source(&scope, finish.clone(), made.clone()).await.unwrap());
    let id = made.source.id;
    let stored = shared.store.source(&scope, id).await.unwrap();
    assert_eq!(stored, Source { revision: made.source.revision + 1, ..made.source.clone() });
    let (document, chunks) = made.text.clone().unwrap();
    assert_eq!(shared.store.document(&scope, id).await.unwrap(), document);
    assert_eq!(shared.store.chunks(&scope, id, 0, 10).await.unwrap(), chunks);
    let ended = shared.queue.job(&scope, claimed.job.id).await.unwrap();
    assert_eq!((ended.state, ended.result), (JobState::Completed, Some(json!({ "chunks": 2 }))));
    assert_eq!(shared.queue.holder(&scope, "outbox").await.unwrap().unwrap().id, next.id);
    // A second time, as after a lost answer: it has counted, and nothing more happens.
    assert!(shared.outbox.finish_source(&scope, finish, made).await.unwrap());
    assert_eq!(shared.store.source(&scope, id).await.unwrap(), stored);
}

pub async fn a6_a_removal_and_its_receipt_are_stored_together(shared: &Shared<'_>) {
    let (scope, claimed, made) = in_hand(shared).await;
    let id = made.source.id;
    let stale = Finish { fence: Fence(99), ..end(&claimed, Vec::new()) };
    assert!(!shared.outbox.finish_removal(&scope, stale, id).await.unwrap());
    shared.store.source(&scope, id).await.unwrap();
    let finish = end(&claimed, Vec::new());
    // Another's source, or none: the job goes on.
    let missing = shared.outbox.finish_removal(&scope, finish.clone(), SourceId::new()).await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(shared.queue.job(&scope, claimed.job.id).await.unwrap().state, JobState::Running);
    // Once, and a second time after a lost answer.
    for _ in 0..2 {
        assert!(shared.outbox.finish_removal(&scope, finish.clone(), id).await.unwrap());
        let gone = shared.store.source(&scope, id).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        let ended = shared.queue.job(&scope, claimed.job.id).await.unwrap();
        assert_eq!(
            (ended.state, ended.result),
            (JobState::Completed, Some(json!({ "chunks": 2 })))
        );
    }
}

pub async fn q5_a_run_that_was_taken_away_changes_no_source(shared: &Shared<'_>) {
    let (scope, claimed, made) = in_hand(shared).await;
    let before = shared.store.source(&scope, made.source.id).await.unwrap();
    shared.worklist.take_back(1_000).await.unwrap();
    let finish = end(&claimed, vec![NewJob { unique_key: None, ..job() }]);
    assert!(!shared.outbox.finish_source(&scope, finish, made).await.unwrap());
    assert_eq!(shared.store.source(&scope, before.id).await.unwrap(), before);
    let document = shared.store.document(&scope, before.id).await;
    assert_eq!(document.unwrap_err().kind(), ErrorKind::NotFound);
}

pub async fn q5_a_stage_of_a_changed_source_ends_no_run(shared: &Shared<'_>) {
    let (scope, claimed, made) = in_hand(shared).await;
    let failed = Source { stage: Stage::Failed, ..made.source.clone() };
    shared.store.update_source(&scope, failed).await.unwrap();
    let before = shared.store.source(&scope, made.source.id).await.unwrap();
    let finish = end(&claimed, vec![NewJob { unique_key: None, ..job() }]);
    let finished = shared.outbox.finish_source(&scope, finish, made).await;
    assert_eq!(finished.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(shared.store.source(&scope, before.id).await.unwrap(), before);
    let document = shared.store.document(&scope, before.id).await;
    assert_eq!(document.unwrap_err().kind(), ErrorKind::NotFound);
    let running = shared.queue.job(&scope, claimed.job.id).await.unwrap();
    assert_eq!((running.state, running.fence), (JobState::Running, claimed.job.fence));
}

/// A run whose job is in the hands of a worker, and how it ends.
async fn answering(shared: &Shared<'_>) -> (TenantScope, Claimed, Run, RunOutcome) {
    let scope = samples::tenant();
    let notebook = shared.store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let conversation = samples::conversation(notebook.id);
    let conversation = shared.store.create_conversation(&scope, conversation).await.unwrap();
    let run = samples::new_run(&conversation);
    let new = NewJob { kind: "answer".into(), ..job() };
    shared.outbox.open_run(&scope, run.clone(), vec![new.clone()]).await.unwrap();
    let claimed = claim(shared, &new).await;
    let mut events = samples::deltas(1, 2);
    events.push(samples::completed(3));
    let answer = Some(samples::answer(&run.run));
    (scope, claimed, run.run, RunOutcome { state: RunState::Completed, events, answer, used: None })
}

pub async fn y5_an_answer_and_the_end_of_its_job_are_stored_together(shared: &Shared<'_>) {
    let (scope, claimed, run, outcome) = answering(shared).await;
    let finish = end(&claimed, Vec::new());
    // A refused answer leaves the job as it is.
    let torn = RunOutcome { events: outcome.events[1..].to_vec(), ..outcome.clone() };
    let refused = shared.outbox.close_run(&scope, finish.clone(), run.id, torn).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(shared.queue.job(&scope, claimed.job.id).await.unwrap().state, JobState::Running);
    let closed = shared.outbox.close_run(&scope, finish.clone(), run.id, outcome.clone()).await;
    assert!(closed.unwrap());
    assert_eq!(shared.queue.job(&scope, claimed.job.id).await.unwrap().state, JobState::Completed);
    assert_eq!(shared.log.run(&scope, run.id).await.unwrap().state, RunState::Completed);
    assert_eq!(shared.log.events(&scope, run.id, 0, 9).await.unwrap(), outcome.events);
    assert!(shared.store.message(&scope, run.answer).await.is_ok());
    // Who got no reply and asks again is told so; another end does not count.
    let again = shared.outbox.close_run(&scope, finish.clone(), run.id, outcome.clone()).await;
    assert!(again.unwrap());
    assert_eq!(shared.log.events(&scope, run.id, 0, 9).await.unwrap(), outcome.events);
    let other = Finish { outcome: Outcome::Hopeless(super::error()), ..finish };
    assert!(!shared.outbox.close_run(&scope, other, run.id, outcome).await.unwrap());
}

pub async fn q3_a_worker_that_lost_its_job_ends_no_answer(shared: &Shared<'_>) {
    let (scope, claimed, run, outcome) = answering(shared).await;
    shared.worklist.take_back(1_000).await.unwrap();
    let finish = end(&claimed, Vec::new());
    assert!(!shared.outbox.close_run(&scope, finish, run.id, outcome).await.unwrap());
    assert_eq!(shared.log.run(&scope, run.id).await.unwrap(), run);
    assert_eq!(shared.log.events(&scope, run.id, 0, 9).await.unwrap(), []);
}
