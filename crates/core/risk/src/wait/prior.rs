//! How likely a new release is bad, from the history of its line, with the bias of that history stated.
//!
//! What can be seen is how soon a release was replaced. An early replacement (within three weeks) is not always a bad release: it
//! may be the next urgent security release. And a withdrawn release vanishes from lists, so that the worst ones are not
//! seen at all. So early replacements are parted into security follow-ups, repairs, and those of a kind that no fact
//! tells; known withdrawals come from a [table](crate::withdrawals); and what is shown is an interval: from *only the
//! withdrawn ones were bad* to *every early replacement was a repair*.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rustc_hash::FxHashSet;
use serde::Serialize;
use underpin_exposure::FactBase;
use underpin_model::facts::{DateKind, Family, PatchClass, ReleaseFact};
use underpin_model::policy::{Parameter, Parameters};
use underpin_model::quantity::Probability;

use super::values::Span;
use crate::evidence::{Beta, interval_95};
use crate::withdrawals::{self, Withdrawal};

/// A replacement within so many days is early.
pub const EARLY_DAYS: i32 = 21;

/// Fewer gaps than this say nothing.
const FEWEST_GAPS: u32 = 8;

/// Early replacements of unknown kind count by this share as repairs: a judgement, between the ends of the interval.
const UNKNOWN_KIND: f64 = 0.5;

/// The line of a train: `8.0` of the ESXi train `8.0U3`; elsewhere the train itself.
#[must_use]
pub fn line<'a>(family: &Family, train: &'a str) -> &'a str {
    match family {
        Family::Esxi | Family::Vcenter => train.split_once(['U', 'u']).map_or(train, |(line, _)| line).trim(),
        _ => train,
    }
}

/// How soon releases of a line were replaced.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LineHistory {
    /// Gaps between successive days with a release.
    pub gaps: u32,
    /// Median gap in days; 0 without any.
    pub median_gap_days: f64,
    /// Gaps of at most [`EARLY_DAYS`].
    pub early: u32,
    /// Of them, with a replacement that closes vulnerabilities.
    pub early_security: u32,
    /// Of them, with a replacement that is a bug fix alone.
    pub early_repairs: u32,
    /// Of them, with a replacement of which no fact tells what it was for.
    pub early_unknown: u32,
    /// Known withdrawals, whether the list of releases has forgotten them or not: no gap begins with one.
    pub withdrawn: Vec<&'static Withdrawal>,
    /// Why the history says nothing about bad releases; `None`: it does.
    pub unusable: Option<&'static str>,
}

/// The history of a line as it was known on a day.
#[must_use]
pub fn history(base: &FactBase, family: &Family, wanted: &str, component: &str, on: Date) -> LineHistory {
    let mut days: BTreeMap<Date, Vec<&ReleaseFact>> = BTreeMap::new();
    for release in base.releases().iter().filter(|it| it.family == *family && it.date <= on) {
        let own = release.train.as_deref().map_or("", |train| line(family, train));
        if own == wanted && release.component.eq_ignore_ascii_case(component) {
            days.entry(release.date).or_default().push(release);
        }
    }
    let announced: FxHashSet<&str> = base.advisories().iter().map(|it| it.id.as_str()).collect();
    let mut history = LineHistory {
        withdrawn: withdrawals::of_line(family, wanted, on).collect(),
        ..LineHistory::default()
    };
    let is_withdrawn = |it: &&ReleaseFact| history.withdrawn.iter().any(|one| *one.version == *it.version);
    let listed: Vec<Date> = days.iter().filter(|it| it.1.iter().any(is_withdrawn)).map(|it| *it.0).collect();
    let mut gaps: Vec<i32> = Vec::new();
    for ((before, _), (after, releases)) in days.iter().zip(days.iter().skip(1)) {
        // That it was replaced is counted as a withdrawal.
        if listed.contains(before) {
            continue;
        }
        let gap = (*after - *before).get_days();
        gaps.push(gap);
        if gap > EARLY_DAYS {
            continue;
        }
        history.early += 1;
        let security = |it: &&ReleaseFact| {
            it.class == Some(PatchClass::Security)
                || !it.fixes.is_empty()
                || it.bulletin.as_ref().is_some_and(|id| announced.contains(id.as_str()))
        };
        if releases.iter().any(security) {
            history.early_security += 1;
        } else if releases.iter().all(|it| it.class == Some(PatchClass::BugFix)) {
            history.early_repairs += 1;
        } else {
            history.early_unknown += 1;
        }
    }
    gaps.sort_unstable();
    history.gaps = u32::try_from(gaps.len()).unwrap_or(u32::MAX);
    history.median_gap_days = gaps.get(gaps.len() / 2).copied().map_or(0.0, f64::from);
    history.unusable = unusable(&history, days.values().flatten().copied());
    history
}

fn unusable<'a>(
    history: &LineHistory,
    releases: impl Iterator<Item = &'a ReleaseFact>,
) -> Option<&'static str> {
    let all: Vec<&ReleaseFact> = releases.collect();
    if history.gaps < FEWEST_GAPS {
        Some("fewer than eight gaps between releases are known")
    } else if all.iter().any(|it| it.date_kind == DateKind::Built) {
        Some("the days are those of builds, not of publication: many were never given to users")
    } else if all.iter().all(|it| it.class == Some(PatchClass::Security)) {
        Some("only security releases are listed: repairs of bad ones cannot be seen")
    } else if history.median_gap_days <= f64::from(EARLY_DAYS) {
        Some("the line is replaced so often that an early replacement says nothing")
    } else {
        None
    }
}

/// The probability that a release of a line is bad on its first day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prior {
    /// The policy's: published rates, or what it states.
    pub published: Span,
    /// What the line has shown.
    pub history: LineHistory,
    /// The interval of the line alone, 95 % Clopper-Pearson: from *only the withdrawn ones* to *every early replacement*.
    /// `None` where the history says nothing.
    pub line_alone: Option<(f64, f64)>,
    /// Both together: what the decision starts from, 90 % interval.
    pub together: Span,
}

/// Joins the published rate (as a Beta distribution with its range) with what the line has shown.
#[must_use]
pub fn prior(history: LineHistory, parameters: &Parameters) -> Prior {
    let setting = parameters.setting(Parameter::RegressionPrior);
    let published = Span {
        parameter: Parameter::RegressionPrior,
        value: setting.value,
        low: setting.low,
        high: setting.high,
        source: setting.source,
        judgement: setting.judgement,
    };
    if history.unusable.is_some() {
        let together = published.clone();
        return Prior { published, history, line_alone: None, together };
    }
    let withdrawn = u32::try_from(history.withdrawn.len()).unwrap_or(u32::MAX);
    let trials = f64::from(history.gaps) + f64::from(withdrawn);
    let fewest = f64::from(withdrawn);
    let most = fewest + f64::from(history.early);
    let likely = fewest + f64::from(history.early_repairs) + UNKNOWN_KIND * f64::from(history.early_unknown);
    let hyper = Beta::from_range(published.value, published.low, published.high);
    let with = |bad: f64| hyper.after(bad, trials - bad);
    let quantile = |bad: f64, level: f64| with(bad).quantile(Probability::nearest(level)).get();
    let together = Span {
        parameter: Parameter::RegressionPrior,
        value: with(likely).mean(),
        low: quantile(fewest, 0.05).min(with(likely).mean()),
        high: quantile(most, 0.95).max(with(likely).mean()),
        source: format!(
            "{}; with {} gaps of the line, {} of them at most {EARLY_DAYS} days ({} security follow-ups, {} repairs, {} of unknown kind, \
             which count half: a judgement), {withdrawn} known withdrawals",
            published.source,
            history.gaps,
            history.early,
            history.early_security,
            history.early_repairs,
            history.early_unknown
        ),
        judgement: published.judgement || history.early_unknown > 0,
    };
    let (gaps, bad) = (u64::from(history.gaps), u64::from(withdrawn));
    let ends = |bad_ones| interval_95(bad_ones, gaps + bad);
    let line_alone = Some((ends(bad).0, ends(bad + u64::from(history.early)).1));
    Prior { published, history, line_alone, together }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_that_could_have_been_repairs_the_wider_the_interval() {
        let line = |security, repairs, unknown| LineHistory {
            gaps: 40,
            median_gap_days: 40.0,
            early: security + repairs + unknown,
            early_security: security,
            early_repairs: repairs,
            early_unknown: unknown,
            ..LineHistory::default()
        };
        let of = |it| prior(it, &Parameters::default()).together;
        let (security, repairs, unknown) = (of(line(6, 0, 0)), of(line(0, 6, 0)), of(line(0, 0, 6)));
        assert!(security.value < unknown.value && unknown.value < repairs.value);
        assert!(!security.judgement && unknown.judgement);
        for span in [security, repairs, unknown] {
            assert!(span.low < span.value && span.value < span.high, "{span:?}");
            assert!(span.high > 0.15, "every early replacement may have been a repair: {span:?}");
        }
        let nothing = LineHistory { unusable: Some("no"), ..line(0, 6, 0) };
        let prior = prior(nothing, &Parameters::default());
        assert_eq!((prior.together.value, prior.line_alone), (0.05, None));
    }
}
