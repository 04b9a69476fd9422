//! What must hold besides a version: settings in force, workarounds, guests started anew.
//!
//! Conditions are facts of feeds ([`Condition`]). Two kinds only demand more than a version, so whoever states them is
//! believed, reviewed or not, and where the train is not known as well. A workaround makes an exposure look safe: it
//! counts only when somebody has signed that it was compared with its source, and for its very train. All others are
//! shown as hints.

use underpin_model::facts::{Condition, Effect, RemedyKind, SettingValue};
use underpin_model::id::VulnerabilityId;

use crate::factbase::IndexedCondition;
use crate::finding::Question;
use crate::item::Item;
use crate::report::{Reason, ReasonCode, Status};
use crate::resolve::Resolved;
use crate::verdict::{Strength, train_fits};

/// Hints of one exposure that are kept: several advisories describe the same workaround.
const MOST_HINTS: usize = 2;

impl Question<'_> {
    /// The conditions of a vulnerability that are known and about a component, and how directly they are.
    fn conditions<'q>(
        &'q self,
        item: &'q Item<'_>,
        id: &VulnerabilityId,
    ) -> impl Iterator<Item = (&'q IndexedCondition, Strength)> {
        let known = self.base.conditions_of(id).iter().filter(|one| one.condition.published <= self.day);
        known.filter_map(|one| Some((one, fits(&one.condition, item)?)))
    }

    /// Whether somebody had compared a condition with its source on the day of the assessment.
    fn is_reviewed(&self, condition: &Condition) -> bool {
        condition.reviewed.as_ref().is_some_and(|review| review.on <= self.day)
    }

    /// Who says it: the source, and who has compared the row with it.
    fn says(&self, condition: &Condition) -> String {
        let source = &condition.source;
        match condition.reviewed.as_ref().filter(|_| self.is_reviewed(condition)) {
            Some(review) => format!("{source}, reviewed by {} on {}", review.by, review.on),
            None => format!("{source}; reviewed: no, from general knowledge"),
        }
    }

    fn reason(code: ReasonCode, text: String, by: &IndexedCondition) -> Reason {
        Reason { code, text: text.into(), feed: Some(by.feed.clone()), document: Some(by.document.clone()) }
    }
}

fn fits(condition: &Condition, item: &Item<'_>) -> Option<Strength> {
    let Some(family) = &condition.family else { return Some(Strength::Strong) };
    if *family != item.family {
        return None;
    }
    match &condition.train {
        None => Some(Strength::Strong),
        Some(train) => train_fits(family, Some(train), item.train.as_deref()),
    }
}

/// The value of a setting on the asset, where it is known.
fn value<'i>(item: &'i Item<'_>, setting: &str) -> Option<&'i str> {
    item.settings.iter().find(|(name, _)| *name == setting).map(|(_, value)| value.as_str())
}

fn is_in_force(item: &Item<'_>, asked: &SettingValue) -> bool {
    value(item, &asked.setting).is_some_and(|value| value.eq_ignore_ascii_case(&asked.value))
}

/// A reviewed workaround that is in force; the reason says so.
pub(crate) fn workaround_in_force(
    question: Question<'_>,
    item: &Item<'_>,
    id: &VulnerabilityId,
) -> Option<Reason> {
    question.conditions(item, id).find_map(|(one, strength)| {
        let condition = &one.condition;
        let Effect::Closes(asked) = &condition.effect else { return None };
        if strength != Strength::Strong || !question.is_reviewed(condition) || !is_in_force(item, asked) {
            return None;
        }
        let text = format!(
            "{} is {}, which closes it without the fix ({})",
            asked.setting,
            asked.value,
            question.says(condition)
        );
        Some(Question::reason(ReasonCode::SettingCloses, text, one))
    })
}

/// Workarounds that are known and close nothing: not in force, not reviewed, or told in prose only.
pub(crate) fn hints(
    question: Question<'_>,
    item: &Item<'_>,
    id: &VulnerabilityId,
    resolved: &Resolved<'_>,
) -> Vec<Reason> {
    let rows = question.conditions(item, id).filter_map(|(one, strength)| {
        let Effect::Closes(asked) = &one.condition.effect else { return None };
        let text = row_hint(question, item, &one.condition, asked, strength);
        Some(Question::reason(ReasonCode::WorkaroundKnown, text, one))
    });
    let mut advisories: Vec<u32> = resolved.evidence.iter().map(|one| one.advisory).collect();
    advisories.sort_unstable();
    advisories.dedup();
    let prose = advisories.into_iter().filter_map(|number| {
        let head = question.base.advisory(number)?;
        let offers = question.base.offers_of(number);
        let offer = offers.iter().find(|one| one.vulnerabilities.contains(id))?;
        let what = match offer.kind {
            RemedyKind::Workaround => "workaround",
            _ => "mitigation",
        };
        let at = offer.url.as_ref().map(|url| format!(" ({url})")).unwrap_or_default();
        Some(Reason {
            code: ReasonCode::WorkaroundKnown,
            text: format!("{} describes a {what}{at}; whether it is in force is not known here", head.id)
                .into(),
            feed: question.base.feed_of(head).map(|feed| feed.id.clone()),
            document: Some(head.document.clone()),
        })
    });
    rows.chain(prose).take(MOST_HINTS).collect()
}

fn row_hint(
    question: Question<'_>,
    item: &Item<'_>,
    condition: &Condition,
    asked: &SettingValue,
    strength: Strength,
) -> String {
    let SettingValue { setting, value: wanted } = asked;
    let now = match value(item, setting) {
        _ if is_in_force(item, asked) => format!("{setting} is {wanted}"),
        Some(value) => format!("{setting} is {value}; {wanted}"),
        None => format!("{setting} is not known; {wanted}"),
    };
    let says = question.says(condition);
    if !question.is_reviewed(condition) {
        return format!(
            "{now} is said to close it without the fix ({says}). An unreviewed workaround closes nothing: compare it \
             with {}, and give a conditions table with this row, reviewed_by and reviewed_on to --feeds",
            condition.source
        );
    }
    if strength == Strength::Weak {
        return format!("{now} closes it in another or an unknown train ({says})");
    }
    format!("{now} would close it without the fix ({says})")
}

/// The settings that the fix of a vulnerability needs, each once: the reviewed statement where there are several.
pub(crate) fn settings_of_fix<'q>(
    question: &'q Question<'_>,
    item: &'q Item<'_>,
    id: &VulnerabilityId,
) -> Vec<(&'q SettingValue, &'q IndexedCondition)> {
    let mut found: Vec<(&SettingValue, &IndexedCondition)> = question
        .conditions(item, id)
        .filter_map(|(one, _)| match &one.condition.effect {
            Effect::NeededWithFix(asked) => Some((asked, one)),
            _ => None,
        })
        .collect();
    found.sort_by_key(|(asked, one)| (*asked, !question.is_reviewed(&one.condition)));
    found.dedup_by_key(|(asked, _)| *asked);
    found
}

/// The first setting that the fix needs and that is not in force, or not known to be; one that is not in force first.
pub(crate) fn missing_setting(
    question: Question<'_>,
    item: &Item<'_>,
    id: &VulnerabilityId,
) -> Option<(Status, Reason)> {
    let needed = settings_of_fix(&question, item, id);
    let missing = needed.into_iter().filter(|(asked, _)| !is_in_force(item, asked)).map(|(asked, one)| {
        let (status, now) = match value(item, &asked.setting) {
            Some(value) => (Status::FixedNotRunning, value),
            None => (Status::UnknownRunning, "not known"),
        };
        let says = question.says(&one.condition);
        let text = format!("{} is {now}; the fix of {id} needs {} ({says})", asked.setting, asked.value);
        (status, Question::reason(ReasonCode::SettingMissing, text, one))
    });
    missing.min_by_key(|(status, _)| *status != Status::FixedNotRunning)
}

/// The condition that guests must be cold-started for the fix, if there is one: the reviewed statement of several.
pub(crate) fn cold_start<'q>(
    question: &'q Question<'_>,
    item: &'q Item<'_>,
    id: &VulnerabilityId,
) -> Option<&'q IndexedCondition> {
    question
        .conditions(item, id)
        .map(|(one, _)| one)
        .filter(|one| one.condition.effect == Effect::ColdStartGuests)
        .min_by_key(|one| !question.is_reviewed(&one.condition))
}

/// The reason of a guest that lacks the CPU flags of a fix, or of which it is not known.
pub(crate) fn cold_start_reason(
    question: Question<'_>,
    code: ReasonCode,
    text: &str,
    by: &IndexedCondition,
) -> Reason {
    Question::reason(code, format!("{text} ({})", question.says(&by.condition)), by)
}
