//! From many claims to one answer per vulnerability.
//!
//! Within a feed the careful answer wins: a component is open while any claim about its branch says so. Across feeds:
//! *affected* only if no feed claims it closed; *closed* only if that claim speaks more directly about the component
//! than every feed that says open; otherwise the sources disagree and the status is unknown. So taking a feed away can
//! never turn affected into fixed or not affected (a property test holds this).

use std::cmp::Ordering;
use std::sync::Arc;

use underpin_model::facts::Justification;
use underpin_model::version::{Comparison, Scheme, compare};

use crate::factbase::FactBase;
use crate::verdict::{Opinion, Says, Strength};

/// What all feeds together say about one vulnerability in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Closed,
    Outside,
    NotAffected(Justification),
    Investigating,
    NotComparable,
    Conflict,
}

impl Outcome {
    /// The exposure is closed by the version alone.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed | Self::Outside | Self::NotAffected(_))
    }
}

/// An outcome with the claims that decided it, the first one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved<'o> {
    pub(crate) outcome: Outcome,
    pub(crate) evidence: Vec<&'o Opinion>,
    /// The fix to install: the highest that is named, which closes it for every claim.
    pub(crate) fix: Option<Arc<str>>,
}

/// Resolves all opinions about one vulnerability.
pub(crate) fn resolve<'o>(base: &FactBase, scheme: Scheme, opinions: &[&'o Opinion]) -> Resolved<'o> {
    let feed = |one: &Opinion| base.advisory(one.advisory).map_or(usize::MAX, |head| head.feed);
    let mut by_feed: Vec<(usize, &Opinion)> = opinions.iter().map(|one| (feed(one), *one)).collect();
    by_feed.sort_by_key(|(feed, _)| *feed);
    let answers: Vec<Vec<&Opinion>> =
        by_feed.chunk_by(|a, b| a.0 == b.0).filter_map(|all| within_feed(scheme, all)).collect();
    across_feeds(scheme, &answers)
}

/// The opinions that carry a feed's answer: all of them say the same kind of thing.
fn within_feed<'o>(scheme: Scheme, opinions: &[(usize, &'o Opinion)]) -> Option<Vec<&'o Opinion>> {
    let opinions = || opinions.iter().map(|(_, one)| *one);
    let decided = opinions().any(|one| !one.fallback && !matches!(one.says, Says::NotComparable(_)));
    let mut rest: Vec<&Opinion> = opinions().filter(|one| !(decided && one.fallback)).collect();
    let strongest = rest.iter().map(|one| one.strength).max()?;
    rest.retain(|one| one.strength == strongest);
    // A package with several branches (module streams) has a fix in each: only the component's own branch counts.
    if matches!(scheme, Scheme::Rpm | Scheme::XcpNg) && rest.iter().any(|one| one.same_branch) {
        rest.retain(|one| one.same_branch);
    }
    let order: [fn(&Says) -> bool; 6] = if scheme == Scheme::WindowsKb {
        // Updates for one hole are alternatives (rollup, security-only): any of them closes it.
        [is_not_affected, is_closed, is_open, is_not_comparable, is_investigating, is_outside]
    } else {
        [is_not_affected, is_open, is_not_comparable, is_closed, is_investigating, is_outside]
    };
    let kind = order.into_iter().find(|kind| rest.iter().any(|one| kind(&one.says)))?;
    rest.retain(|one| kind(&one.says));
    Some(rest)
}

fn is_open(says: &Says) -> bool {
    matches!(says, Says::Open(_))
}
fn is_closed(says: &Says) -> bool {
    matches!(says, Says::Closed(_))
}
fn is_outside(says: &Says) -> bool {
    matches!(says, Says::Outside)
}
fn is_not_affected(says: &Says) -> bool {
    matches!(says, Says::NotAffected(_))
}
fn is_investigating(says: &Says) -> bool {
    matches!(says, Says::Investigating)
}
fn is_not_comparable(says: &Says) -> bool {
    matches!(says, Says::NotComparable(_))
}

fn across_feeds<'o>(scheme: Scheme, answers: &[Vec<&'o Opinion>]) -> Resolved<'o> {
    let says =
        |answer: &Vec<&Opinion>, kind: fn(&Says) -> bool| answer.first().is_some_and(|one| kind(&one.says));
    let strength = |answer: &Vec<&Opinion>| answer.first().map_or(Strength::Weak, |one| one.strength);
    let pick = |kind: fn(&Says) -> bool| -> Vec<&Vec<&'o Opinion>> {
        let mut all: Vec<_> = answers.iter().filter(|answer| says(answer, kind)).collect();
        all.sort_by_key(|answer| std::cmp::Reverse(strength(answer)));
        all
    };
    let closing = pick(|says| matches!(says, Says::Closed(_) | Says::NotAffected(_) | Says::Outside));
    let open = pick(is_open);
    let unsure = pick(is_not_comparable);
    let looking = pick(is_investigating);
    let top = |list: &[&Vec<&Opinion>]| list.first().map(|answer| strength(answer));

    let (outcome, deciding) = match (top(&closing), top(&open)) {
        (Some(closed), Some(open_strength)) if closed > open_strength || vex(&closing) => {
            (closed_outcome(&closing), closing)
        }
        (Some(_), Some(_)) => (Outcome::Conflict, [closing, open].concat()),
        (Some(_), None) => (closed_outcome(&closing), closing),
        (None, Some(_)) => (Outcome::Open, open),
        (None, None) if !looking.is_empty() => (Outcome::Investigating, looking),
        (None, None) => (Outcome::NotComparable, unsure),
    };
    let evidence: Vec<&Opinion> = deciding.into_iter().flatten().copied().collect();
    let fix = fix_of(scheme, &evidence);
    Resolved { outcome, evidence, fix }
}

/// A supplier's explicit "not affected" is about exactly this question; a range in an advisory is not.
fn vex(closing: &[&Vec<&Opinion>]) -> bool {
    closing.iter().any(|answer| {
        answer.first().is_some_and(|one| is_not_affected(&one.says) && one.strength == Strength::Strong)
    })
}

fn closed_outcome(closing: &[&Vec<&Opinion>]) -> Outcome {
    let opinions = || closing.iter().copied().flatten();
    if opinions().any(|one| is_closed(&one.says)) {
        return Outcome::Closed;
    }
    opinions()
        .find_map(|one| match one.says {
            Says::NotAffected(why) => Some(Outcome::NotAffected(why)),
            _ => None,
        })
        .unwrap_or(Outcome::Outside)
}

/// The highest of the fixes named: when several advisories fix one hole, only the last one is known to be enough.
fn fix_of(scheme: Scheme, evidence: &[&Opinion]) -> Option<Arc<str>> {
    let fixes = evidence.iter().filter_map(|one| one.says.fix().cloned());
    fixes.reduce(|best, next| match compare(scheme, &next, &best) {
        Ok(Comparison::Ordered(Ordering::Greater)) => next,
        _ => best,
    })
}
