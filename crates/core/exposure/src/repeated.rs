//! What several documents state: a feed that repeats the built-in facts, two records of one vulnerability.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use underpin_model::facts::{DateKind, Epss, Family, ReleaseFact, VulnerabilityFacts};

/// What makes two facts say the same of one release. A day of build and one of publication stay two facts: series are of either.
type Key = (Family, Option<Arc<str>>, Arc<str>, Arc<str>, DateKind);

/// Each release once, at the place of its first fact, whatever the number of documents that state it. For where they differ
/// see [`join`].
pub(crate) fn once(stated: Vec<ReleaseFact>) -> Vec<ReleaseFact> {
    let mut place: FxHashMap<Key, usize> = FxHashMap::default();
    let mut all: Vec<Vec<ReleaseFact>> = Vec::with_capacity(stated.len());
    for fact in stated {
        let ReleaseFact { family, train, component, version, date_kind, .. } = &fact;
        let key = (family.clone(), train.clone(), Arc::clone(component), Arc::clone(version), *date_kind);
        let at = *place.entry(key).or_insert(all.len());
        match all.get_mut(at) {
            Some(known) => known.push(fact),
            None => all.push(vec![fact]),
        }
    }
    all.into_iter().filter_map(join).collect()
}

/// Joins what documents say of one release; their order does not matter.
///
/// - Day: the earliest, because a later one is a page that was put up again.
/// - Bulletin: that of the fact whose day counts; if it names none, of the next that does. The other names stay known as ones
///   of a release.
/// - Class: security before all others, because a fix that is overlooked costs more than one that is not there.
/// - Vulnerabilities: of all.
fn join(mut stated: Vec<ReleaseFact>) -> Option<ReleaseFact> {
    // A bulletin that is named comes before none.
    let rank = |it: &ReleaseFact| (it.date, it.bulletin.is_none());
    stated.sort_by(|a, b| (rank(a), &a.bulletin).cmp(&(rank(b), &b.bulletin)));
    let mut all = stated.into_iter();
    let mut release = all.next()?;
    for other in all {
        release.bulletin = release.bulletin.or(other.bulletin);
        // `PatchClass` is in the order of what it costs to overlook.
        release.class = release.class.into_iter().chain(other.class).min();
        if release.fixes != other.fixes {
            release.fixes.extend(other.fixes);
            release.fixes.sort();
            release.fixes.dedup();
        }
    }
    Some(release)
}

/// Joins what two documents say about one vulnerability. Nothing is lost; where both give a single value, the result
/// does not depend on the order: the earlier publication, the earlier exploitation, the newer score. The older of two scores
/// is given back: on an earlier day it counts.
pub(crate) fn merge(known: &mut VulnerabilityFacts, other: VulnerabilityFacts) -> Option<Epss> {
    known.published = match (known.published, other.published) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    known.withdrawn |= other.withdrawn;
    known.aliases.extend(other.aliases);
    known.aliases.sort();
    known.aliases.dedup();
    for cvss in other.cvss {
        if !known.cvss.contains(&cvss) {
            known.cvss.push(cvss);
        }
    }
    known.cvss.sort_by(|a, b| (&a.vector, &a.scorer).cmp(&(&b.vector, &b.scorer)));
    known.ssvc = match (known.ssvc, other.ssvc) {
        (Some(a), Some(b)) => Some(if (b.at, b.exploitation) > (a.at, a.exploitation) { b } else { a }),
        (a, b) => a.or(b),
    };
    known.kev = match (known.kev.take(), other.kev) {
        (Some(a), Some(b)) => {
            Some(if (b.added, b.due.is_none()) < (a.added, a.due.is_none()) { b } else { a })
        }
        (a, b) => a.or(b),
    };
    let (newest, older) = match (known.epss.take(), other.epss) {
        (Some(a), Some(b)) => {
            let newer = (b.scored, b.probability.to_bits()) > (a.scored, a.probability.to_bits());
            if newer { (Some(b), Some(a)) } else { (Some(a), Some(b)) }
        }
        (a, b) => (a.or(b), None),
    };
    // Of one day only the higher counts, ever.
    let older = older.filter(|it| newest.as_ref().is_none_or(|newest| newest.scored != it.scored));
    known.epss = newest;
    older
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};
    use underpin_model::facts::{DateKind, PatchClass};
    use underpin_model::id::{AdvisoryId, VulnerabilityId};

    use super::*;

    fn fact(date: Date, date_kind: DateKind, bulletin: Option<&str>) -> ReleaseFact {
        ReleaseFact {
            family: Family::Debian,
            train: Some("bookworm".into()),
            component: "xen".into(),
            version: "4.17-1".into(),
            date,
            date_kind,
            bulletin: bulletin.map(|it| AdvisoryId::new(it).unwrap()),
            class: None,
            fixes: Vec::new(),
        }
    }

    #[test]
    fn a_release_that_is_stated_twice_is_one_and_the_order_does_not_matter() {
        let (early, late) = (date(2024, 1, 5), date(2024, 2, 5));
        let (built, published) = (DateKind::Built, DateKind::Published);
        let cases = [
            // The bulletin of the other where the fact that counts names none.
            ((early, published, None), (late, published, Some("B")), (early, published, Some("B"))),
            // The earlier day of one kind, the first name of one day.
            ((early, published, Some("B")), (late, published, Some("A")), (early, published, Some("B"))),
            ((early, built, Some("B")), (early, built, Some("A")), (early, built, Some("A"))),
            ((early, built, None), (early, built, Some("A")), (early, built, Some("A"))),
        ];
        for (a, b, wanted) in cases {
            let [a, b, wanted] = [a, b, wanted].map(|(day, kind, bulletin)| fact(day, kind, bulletin));
            assert_eq!(once(vec![a.clone(), b.clone()]), std::slice::from_ref(&wanted));
            assert_eq!(once(vec![b, a]), [wanted]);
        }
        // Of three the first name by day, whichever two meet first.
        let [a, b, c] = [(early, None), (late, Some("B")), (date(2024, 3, 5), Some("A"))]
            .map(|(day, bulletin)| fact(day, published, bulletin));
        for all in [[&a, &b, &c], [&a, &c, &b], [&c, &b, &a]] {
            let all = all.map(Clone::clone).to_vec();
            assert_eq!(once(all), [fact(early, published, Some("B"))]);
        }
    }

    #[test]
    fn classes_and_vulnerabilities_of_both_facts_count() {
        let ids = |all: &[&str]| all.iter().map(|it| VulnerabilityId::new(*it).unwrap()).collect::<Vec<_>>();
        let day = date(2024, 1, 5);
        let mut a = fact(day, DateKind::Built, None);
        a.class = Some(PatchClass::BugFix);
        a.fixes = ids(&["CVE-2024-0003", "CVE-2024-0001"]);
        let mut b = fact(day, DateKind::Built, None);
        b.class = Some(PatchClass::Security);
        b.fixes = ids(&["CVE-2024-0002", "CVE-2024-0001"]);
        for all in [[a.clone(), b.clone()], [b, a]] {
            let [one] = &once(all.to_vec())[..] else { panic!("one release") };
            assert_eq!(one.class, Some(PatchClass::Security));
            assert_eq!(one.fixes, ids(&["CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"]));
        }
    }

    #[test]
    fn other_versions_trains_components_products_and_kinds_of_day_stay_apart() {
        let one = fact(date(2024, 1, 5), DateKind::Published, None);
        let others = [
            ReleaseFact { version: "4.17-2".into(), ..one.clone() },
            ReleaseFact { train: None, ..one.clone() },
            ReleaseFact { component: "qemu".into(), ..one.clone() },
            ReleaseFact { family: Family::Ubuntu, ..one.clone() },
            ReleaseFact { date_kind: DateKind::Built, ..one.clone() },
        ];
        let all: Vec<_> = std::iter::once(one).chain(others).collect();
        assert_eq!(once(all.clone()), all);
    }
}
