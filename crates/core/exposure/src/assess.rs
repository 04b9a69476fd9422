//! The assessment: every asset of a fleet against all facts. Equal assets are matched once.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use underpin_model::fleet::Fleet;

use crate::draft::{self, Draft, Drafts, Unplaced};
use crate::factbase::FactBase;
use crate::finding::{Question, findings};
use crate::guest;
use crate::report::{Assessment, FeedState, Finding, Group, Status, Summary};
use crate::view;

/// Days beyond which a feed, and an inventory, are stale where nobody says otherwise.
pub const STALE_AFTER_DAYS: i32 = 30;

/// How an assessment is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The moment that it speaks about.
    pub as_of: Timestamp,
    /// A feed or coverage older than this many days is stale.
    pub stale_after_days: i32,
}

impl Options {
    /// The assessment of a moment, with the usual limit of 30 days for the age of feeds.
    #[must_use]
    pub fn at(as_of: Timestamp) -> Self {
        Self { as_of, stale_after_days: STALE_AFTER_DAYS }
    }
}

/// Matches a fleet against the facts.
///
/// Deterministic: the same fleet, facts and options give the same assessment, whatever the number of threads.
#[must_use]
pub fn assess(fleet: &Fleet, base: &FactBase, options: &Options) -> Assessment {
    assess_with(fleet, base, options, Unplaced::OnTheirOwn)
}

/// As [`assess`], with live VMs of which no host is known as guests of some hosts or none.
pub(crate) fn assess_with(
    fleet: &Fleet,
    base: &FactBase,
    options: &Options,
    unplaced: Unplaced,
) -> Assessment {
    let day = options.as_of.to_zoned(TimeZone::UTC).date();
    let question = Question { base, as_of: options.as_of, day, stale_after_days: options.stale_after_days };
    let drafts = draft::drafts(fleet, base, unplaced);
    let (mut all, stretches) = evaluate(question, &drafts);
    let mut groups: Vec<Group> = drafts.list.iter().map(|draft| group(draft, &stretches)).collect();
    guest::cold_starts(question, &drafts, &stretches, &mut groups, &mut all);
    let vulnerabilities = view::vulnerabilities(base, &groups, &all, day);
    let mut assessment = Assessment {
        as_of: options.as_of,
        feeds: feed_states(base, day, options.stale_after_days),
        summary: Summary::default(),
        groups,
        findings: all,
        vulnerabilities,
    };
    assessment.summary = summary(&assessment);
    assessment
}

/// Items that are looked at together: many times the number of threads, yet little to hold twice.
const BATCH: usize = 1024;

/// The findings of every item of a draft, one after the other, and where those of each item are.
fn evaluate(question: Question<'_>, drafts: &Drafts<'_>) -> (Vec<Finding>, Vec<Range<u32>>) {
    let mut wanted = vec![false; drafts.items.len()];
    for number in drafts.list.iter().flat_map(|draft| draft.items.iter().chain(&draft.vmm)) {
        if let Some(wanted) = wanted.get_mut(*number as usize) {
            *wanted = true;
        }
    }
    let items: Vec<_> = drafts.items.iter().zip(wanted).collect();
    let mut all = Vec::new();
    let mut stretches: Vec<Range<u32>> = Vec::with_capacity(items.len());
    for batch in items.chunks(BATCH) {
        let found: Vec<Vec<Finding>> = batch
            .par_iter()
            .map(|(one, wanted)| if *wanted { findings(question, &one.0, one.1) } else { Vec::new() })
            .collect();
        for list in found {
            let start = u32::try_from(all.len()).unwrap_or(u32::MAX);
            all.extend(list);
            stretches.push(start..u32::try_from(all.len()).unwrap_or(u32::MAX));
        }
    }
    (all, stretches)
}

/// A group with its findings: stretches that meet are one.
fn group(draft: &Draft, stretches: &[Range<u32>]) -> Group {
    let mut joined: Vec<Range<u32>> = Vec::new();
    for number in draft.items.iter().chain(&draft.vmm) {
        let Some(stretch) = stretches.get(*number as usize).filter(|one| !one.is_empty()) else { continue };
        match joined.last_mut() {
            Some(last) if last.end == stretch.start => last.end = stretch.end,
            _ => joined.push(stretch.clone()),
        }
    }
    joined.shrink_to_fit();
    Group { assets: draft.assets.clone(), context: draft.context, findings: joined }
}

fn feed_states(base: &FactBase, day: Date, stale_after_days: i32) -> Vec<FeedState> {
    let states = base.feeds().iter().map(|feed| {
        // A feed that goes on beyond the day of the report is of that very day.
        let covered = feed.covers.iter().map(|coverage| coverage.period.to).max();
        let updated_day = feed.updated.map(|at| at.to_zoned(TimeZone::UTC).date()).or(covered);
        let age = updated_day
            .and_then(|updated| day.since(updated).ok())
            .map(|span| i64::from(span.get_days()).max(0));
        FeedState {
            id: feed.id.clone(),
            updated: feed.updated,
            fetched: feed.fetched,
            age_days: age,
            stale: age.is_none_or(|age| age > i64::from(stale_after_days)),
            covers: feed.covers.clone(),
            documents: feed.documents,
        }
    });
    let mut states: Vec<FeedState> = states.collect();
    states.sort_by(|a, b| a.id.cmp(&b.id));
    states
}

/// Counts over all assets.
fn summary(assessment: &Assessment) -> Summary {
    let by_status = assessment.by_status();
    let of = |status| by_status.get(&status).copied().unwrap_or(0);
    Summary {
        unknown_no_source: of(Status::UnknownNoSource),
        unknown_other: of(Status::UnknownConflict)
            + of(Status::UnknownVersion)
            + of(Status::UnknownRunning)
            + of(Status::UnderInvestigation),
        assets: assessment.groups.iter().map(|group| group.assets.len() as u64).sum(),
        affected: of(Status::Affected),
        fixed_not_running: of(Status::FixedNotRunning),
        fixed: of(Status::Fixed),
        not_affected: of(Status::NotAffected),
    }
}
