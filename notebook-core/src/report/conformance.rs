//! The suite that every adapter of [`Reports`] is held to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]

use super::{NewReport, Report, Reports};
use crate::{ErrorKind, Timestamp, conformance::tenant, model::PageRequest};

/// Runs every scenario.
///
/// # Panics
/// Where the adapter does not behave as the port says.
pub async fn run_all(reports: &dyn Reports) {
    what_was_added_is_listed(reports).await;
    pages_are_whole(reports).await;
    tenants_are_apart(reports).await;
    removed_is_gone(reports).await;
}

fn report(question: &str, keep_question: bool) -> Report {
    let new = NewReport {
        labels: vec!["ignore_previous".into(), "reveal_prompt".into()],
        question: question.into(),
        keep_question,
        remark: keep_question.then(|| "It is a quotation — «é».".into()),
    };
    new.report(Timestamp::from_millis(1_700_000_000_123)).unwrap()
}

async fn what_was_added_is_listed(reports: &dyn Reports) {
    let scope = tenant();
    assert_eq!(reports.list(&scope, PageRequest::first(5)).await.unwrap().items, []);
    let (silent, open) = (report("One?", false), report("Two?", true));
    assert_eq!((silent.question.as_deref(), open.question.as_deref()), (None, Some("Two?")));
    for report in [&silent, &open, &open] {
        assert_eq!(&reports.add(&scope, report.clone()).await.unwrap(), report);
    }
    let page = reports.list(&scope, PageRequest::first(5)).await.unwrap();
    assert_eq!((page.items, page.next), (vec![open, silent], None));
}

async fn pages_are_whole(reports: &dyn Reports) {
    let scope = tenant();
    let mut all = Vec::new();
    for number in 0..5 {
        all.push(reports.add(&scope, report(&format!("{number}?"), true)).await.unwrap());
    }
    all.reverse();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = reports.list(&scope, PageRequest { after, limit: 2 }).await.unwrap();
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    for page in [PageRequest::first(0), PageRequest { after: Some("no".into()), limit: 2 }] {
        assert_eq!(reports.list(&scope, page).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

async fn tenants_are_apart(reports: &dyn Reports) {
    let (mine, theirs) = (tenant(), tenant());
    let report = reports.add(&mine, report("Mine?", true)).await.unwrap();
    assert_eq!(reports.list(&theirs, PageRequest::first(5)).await.unwrap().items, []);
    assert_eq!(reports.remove(&theirs, report.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(reports.list(&mine, PageRequest::first(5)).await.unwrap().items, [report]);
}

async fn removed_is_gone(reports: &dyn Reports) {
    let scope = tenant();
    let report = reports.add(&scope, report("Gone?", true)).await.unwrap();
    reports.remove(&scope, report.id).await.unwrap();
    assert_eq!(reports.list(&scope, PageRequest::first(5)).await.unwrap().items, []);
    assert_eq!(reports.remove(&scope, report.id).await.unwrap_err().kind(), ErrorKind::NotFound);
}
