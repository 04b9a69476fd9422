//! What is known about each vulnerability, merged over all feeds, with the decisions that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use underpin_model::cvss;
use underpin_model::facts::{Cvss, VulnerabilityFacts};
use underpin_model::id::{AdvisoryId, VulnerabilityId};

use crate::decision;
use crate::factbase::FactBase;
use crate::report::{Context, CvssView, Finding, Group, VulnerabilityView};

/// Views of all vulnerabilities that findings name. Decisions are the worst over the assets on which it is open.
pub(crate) fn vulnerabilities(
    base: &FactBase,
    groups: &[Group],
    all: &[Finding],
    day: Date,
) -> BTreeMap<VulnerabilityId, VulnerabilityView> {
    let mut numbers: FxHashMap<&VulnerabilityId, usize> = FxHashMap::default();
    let numbered: Vec<Option<usize>> = all
        .iter()
        .map(|finding| {
            let next = numbers.len();
            finding.vulnerability.as_ref().map(|id| *numbers.entry(id).or_insert(next))
        })
        .collect();
    let mut open: Vec<BTreeSet<Context>> = vec![BTreeSet::new(); numbers.len()];
    let contexts: BTreeSet<Context> = groups.iter().map(|group| group.context).collect();
    for context in contexts {
        let surrounded = groups.iter().filter(|group| group.context == context).map(|group| (group, 1));
        for ((finding, number), times) in all.iter().zip(&numbered).zip(times(surrounded, all.len())) {
            if times > 0
                && finding.status.is_open()
                && let Some(open) = number.and_then(|number| open.get_mut(number))
            {
                open.insert(context);
            }
        }
    }
    let nowhere = BTreeSet::new();
    let views = numbers
        .into_iter()
        .map(|(id, number)| (id.clone(), view(base, id, open.get(number).unwrap_or(&nowhere), day)));
    views.collect()
}

/// How often each finding counts, when it counts so often for each group that has it.
pub(crate) fn times<'g>(groups: impl Iterator<Item = (&'g Group, u64)>, findings: usize) -> Vec<u64> {
    // What is added from a finding on, and taken off again behind the last: a stretch costs two steps, however long.
    let mut change = vec![0_u64; findings + 1];
    for (group, times) in groups {
        for stretch in &group.findings {
            if let Some(start) = change.get_mut(stretch.start as usize) {
                *start = start.wrapping_add(times);
            }
            if let Some(end) = change.get_mut(stretch.end as usize) {
                *end = end.wrapping_sub(times);
            }
        }
    }
    change.pop();
    let mut now = 0_u64;
    for step in &mut change {
        now = now.wrapping_add(*step);
        *step = now;
    }
    change
}

pub(crate) fn view(
    base: &FactBase,
    id: &VulnerabilityId,
    open: &BTreeSet<Context>,
    day: Date,
) -> VulnerabilityView {
    let unknown = VulnerabilityFacts::new(id.clone());
    let facts = base.vulnerability(id).unwrap_or(&unknown);
    let nowhere = BTreeSet::from([Context::default()]);
    let contexts = if open.is_empty() { &nowhere } else { open };
    let points = decision::points(facts, day);
    let mut advisories: Vec<AdvisoryId> = base.advisories_of(id).map(|head| head.id.clone()).collect();
    advisories.sort();
    advisories.dedup();
    VulnerabilityView {
        id: id.clone(),
        aliases: facts.aliases.clone(),
        published: facts.published.map(|at| at.to_zoned(TimeZone::UTC).date()),
        cvss: severest(&facts.cvss),
        kev: facts.kev.as_ref().map(|kev| kev.added).filter(|added| *added <= day),
        epss: base.epss_on(id, day).map(|epss| epss.probability),
        ssvc: contexts
            .iter()
            .map(|context| decision::ssvc(&points, *context))
            .max_by_key(|view| view.decision),
        // Nothing is due where nothing is open.
        due: decision::strictest(open.iter().map(|context| decision::due(&points, *context))),
        points,
        advisories,
    }
}

/// The vector that decisions and prices go by: of the highest base score among those of the newest CVSS version given.
/// Unreadable vectors are passed over.
pub(crate) fn severest(vectors: &[Cvss]) -> Option<CvssView> {
    let scored = vectors.iter().filter_map(|one| {
        let score = cvss::score(&one.vector).ok()?;
        Some((score.version, score.base, &one.vector))
    });
    scored
        .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then_with(|| b.2.cmp(a.2)))
        .map(|(_, score, vector)| CvssView { score, vector: vector.clone() })
}
