//! Components that no source covers, by component with the number of assets that carry them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use underpin_exposure::Assessment;
use underpin_exposure::report::{ReasonCode, Status};
use underpin_model::id::FeedId;

/// A component without a source.
pub(crate) struct Uncovered<'a> {
    /// Its name.
    pub(crate) component: &'a str,
    /// Assets that carry it and for which no source speaks.
    pub(crate) assets: u64,
    /// Why, in a sentence.
    pub(crate) reason: &'a str,
    /// The feed that covered it, where one did.
    pub(crate) feed: Option<&'a FeedId>,
}

impl Uncovered<'_> {
    /// The last day that the feed covered, which the reason names.
    pub(crate) fn until(&self) -> Option<Date> {
        self.reason.split_whitespace().find_map(|word| word.parse().ok())
    }
}

/// The components whose coverage ended before the day, and those that nothing ever covered; on most assets first.
pub(crate) struct Unknown<'a> {
    pub(crate) ended: Vec<Uncovered<'a>>,
    pub(crate) never: Vec<Uncovered<'a>>,
}

pub(crate) fn of(assessment: &Assessment) -> Unknown<'_> {
    let mut ended: BTreeMap<&str, Uncovered<'_>> = BTreeMap::new();
    let mut never: BTreeMap<&str, Uncovered<'_>> = BTreeMap::new();
    for group in &assessment.groups {
        for finding in
            group.findings_in(&assessment.findings).filter(|one| one.status == Status::UnknownNoSource)
        {
            let first = finding.reasons.first();
            let covered = first.is_some_and(|reason| reason.code == ReasonCode::CoverageEnded);
            let list = if covered { &mut ended } else { &mut never };
            let entry = list.entry(&finding.component).or_insert_with(|| Uncovered {
                component: &finding.component,
                assets: 0,
                reason: first.map_or("", |reason| &*reason.text),
                feed: first.and_then(|reason| reason.feed.as_ref()),
            });
            entry.assets += group.assets.len() as u64;
        }
    }
    Unknown { ended: sorted(ended), never: sorted(never) }
}

fn sorted<'a>(by_component: BTreeMap<&'a str, Uncovered<'a>>) -> Vec<Uncovered<'a>> {
    let mut list: Vec<Uncovered<'a>> = by_component.into_values().collect();
    list.sort_by_key(|one| std::cmp::Reverse(one.assets));
    list
}
