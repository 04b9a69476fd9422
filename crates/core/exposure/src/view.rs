//! What is known about each vulnerability, merged over all feeds, with the decisions that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
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
    let mut contexts: BTreeMap<&VulnerabilityId, BTreeSet<Context>> = BTreeMap::new();
    for group in groups {
        for finding in group.findings_in(all) {
            if let Some(id) = &finding.vulnerability {
                let open = contexts.entry(id).or_default();
                if finding.status.is_open() {
                    open.insert(group.context);
                }
            }
        }
    }
    contexts.into_iter().map(|(id, open)| (id.clone(), view(base, id, &open, day))).collect()
}

fn view(base: &FactBase, id: &VulnerabilityId, open: &BTreeSet<Context>, day: Date) -> VulnerabilityView {
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
        cvss: best_score(&facts.cvss),
        kev: facts.kev.as_ref().map(|kev| kev.added).filter(|added| *added <= day),
        epss: facts.epss.as_ref().map(|epss| epss.probability),
        ssvc: contexts
            .iter()
            .map(|context| decision::ssvc(&points, *context))
            .max_by_key(|view| view.decision),
        due: contexts
            .iter()
            .map(|context| decision::due(&points, *context))
            .min_by_key(|view| (view.date.is_none(), view.date)),
        points,
        advisories,
    }
}

/// The highest base score among the vectors of the newest CVSS version given. Unreadable vectors are passed over.
fn best_score(vectors: &[Cvss]) -> Option<CvssView> {
    let scored = vectors.iter().filter_map(|one| {
        let score = cvss::score(&one.vector).ok()?;
        Some((score.version, score.base, &one.vector))
    });
    scored
        .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then_with(|| b.2.cmp(a.2)))
        .map(|(_, score, vector)| CvssView { score, vector: vector.clone() })
}
