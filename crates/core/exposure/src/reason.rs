//! The sentences of a reason chain.

use std::sync::Arc;

use crate::factbase::FactBase;
use crate::item::Item;
use crate::report::{Reason, ReasonCode};
use crate::resolve::{Outcome, Resolved};
use crate::verdict::{Opinion, Says};

/// Longest chain that is kept: the strongest links come first, a hundred advisories repeat themselves.
const MOST_LINKS: usize = 4;

/// A reason that the fleet itself gives.
pub(crate) fn fleet(code: ReasonCode, text: String) -> Reason {
    Reason { code, text: text.into(), feed: None, document: None }
}

/// What runs is older than what is installed.
pub(crate) fn running_differs(code: ReasonCode, item: &Item<'_>, running: &str) -> Reason {
    let text = format!("{} {} is installed, {running} still runs", item.name, item.version);
    fleet(code, text)
}

/// Why the outcome is what it is: one link per deciding claim, out of the links of all claims by their place.
pub(crate) fn chain(resolved: &Resolved<'_>, links: &[Option<Reason>]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::with_capacity(resolved.evidence.len().min(MOST_LINKS) + 1);
    if resolved.outcome == Outcome::Conflict {
        reasons.push(fleet(ReasonCode::SourcesDisagree, "sources contradict each other".to_owned()));
    }
    for opinion in &resolved.evidence {
        if reasons.len() > MOST_LINKS {
            break;
        }
        let Some(Some(reason)) = links.get(opinion.place) else { continue };
        // Two feeds that carry the same document say the same thing once.
        if reasons.iter().all(|known| known.text != reason.text) {
            reasons.push(reason.clone());
        }
    }
    reasons
}

/// What a claim says about a version, as a sentence.
pub(crate) fn link(base: &FactBase, item: &Item<'_>, version: &str, opinion: &Opinion) -> Reason {
    let head = base.advisory(opinion.advisory);
    let by = head.map_or("an advisory", |head| head.id.as_str());
    let name = item.name;
    let (code, text) = match &opinion.says {
        Says::Open(Some(fix)) => {
            (ReasonCode::BelowFix, format!("{name} {version} is before {fix}, which {by} names as fixed"))
        }
        Says::Open(None) => (
            ReasonCode::InAffectedRange,
            format!("{name} {version} is among the versions that {by} calls affected; it names no fix"),
        ),
        Says::Closed(fix) if item.updates.contains(&&**fix) => {
            (ReasonCode::Superseded, format!("update {fix} is installed and contains the fix of {by}"))
        }
        Says::Closed(fix) => (
            ReasonCode::AtOrAboveFix,
            format!("{name} {version} is not before {fix}, which {by} names as fixed"),
        ),
        Says::Outside => (
            ReasonCode::OutsideAffectedRange,
            format!("{name} {version} is outside the versions that {by} calls affected"),
        ),
        Says::NotAffected(why) => (
            ReasonCode::VexNotAffected,
            format!("{by} states that {name} is not affected: {}", crate::report::justification(*why)),
        ),
        Says::Investigating => {
            (ReasonCode::VexUnderInvestigation, format!("{by} is still investigating {name}"))
        }
        Says::NotComparable(other) => (
            ReasonCode::NotComparable,
            format!("{name} {version} cannot be compared with {other}, which {by} names"),
        ),
    };
    Reason {
        code,
        text: text.into(),
        feed: head.and_then(|head| base.feed_of(head)).map(|feed| feed.id.clone()),
        document: head.map(|head| Arc::clone(&head.document)),
    }
}
