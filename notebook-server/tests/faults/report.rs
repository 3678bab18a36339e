use std::{fmt, time::Duration};

use crate::{
    check::Findings,
    ledger::{Counts, Ledger},
};

/// What happened, for a person.
pub struct Report<'a> {
    pub counts: Counts,
    pub ledgers: &'a [Ledger],
    pub findings: &'a Findings,
    pub seconds: u64,
    /// From the end of the faults until nothing was left to do.
    pub settled: Duration,
}

impl Report<'_> {
    fn sum(&self, of: impl Fn(&Ledger) -> usize) -> usize {
        self.ledgers.iter().map(of).sum()
    }

    fn seen(&self, of: impl Fn(&crate::ledger::Seen) -> usize) -> usize {
        self.sum(|ledger| ledger.asked.iter().flat_map(|asked| &asked.seen).map(&of).sum())
    }

    /// Too little, and the test proves nothing.
    pub fn is_worth_something(&self) {
        let (asked, added) = (self.sum(|one| one.asked.len()), self.sum(|one| one.added.len()));
        assert!(self.counts.kills + self.counts.stops > 0, "nothing was killed or stopped");
        assert!(asked > 3 && added > 0, "{asked} questions, {added} sources");
        assert!(self.findings.jobs > asked + added, "{} jobs", self.findings.jobs);
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { kills, stops, terminations, holds, losses, cuts, .. } = &self.counts;
        let Counts { restarts, crashes, outages, .. } = &self.counts;
        writeln!(
            f,
            "{} s of faults; all was done {:.1?} after the last",
            self.seconds, self.settled
        )?;
        writeln!(
            f,
            "processes: {kills} killed, {stops} stopped and woken, {terminations} ended in order"
        )?;
        writeln!(
            f,
            "network: {holds} times still, {losses} times lost without a word, {cuts} times cut"
        )?;
        writeln!(
            f,
            "database: {restarts} restarts, {crashes} crashes, {outages} times away for seconds"
        )?;
        let Findings { jobs, jobs_taken, jobs_dead, runs, failures, sources, citations, .. } =
            self.findings;
        writeln!(f, "jobs: {jobs}, {jobs_taken} times taken from a worker, {jobs_dead} dead")?;
        writeln!(
            f,
            "questions: {}, ended as {runs:?} (failed: {failures:?}), {citations} citations compared",
            self.sum(|one| one.asked.len())
        )?;
        let (anew, resumed) = (self.seen(|seen| seen.anew), self.seen(|seen| seen.resumed));
        writeln!(
            f,
            "readers: {}, came back {resumed} times, began anew {anew} times",
            self.seen(|_| 1)
        )?;
        writeln!(
            f,
            "sources: {sources:?} (at each server), {} deleted",
            self.sum(|one| { one.added.iter().filter(|added| added.deleted.is_some()).count() })
        )?;
        let mut recovery = self.findings.recovery.clone();
        recovery.sort_unstable();
        let at = |percent: usize| recovery.get((recovery.len().max(1) - 1) * percent / 100);
        let (half, most) = (at(50).unwrap_or(&0), at(99).unwrap_or(&0));
        writeln!(
            f,
            "from a blow to the next claim: p50 {half} ms, p99 {most} ms, of {}",
            recovery.len()
        )?;
        write!(f, "wrong: {}", self.findings.wrong.len())
    }
}
