//! The dated facts of one line of releases: what there was to know, and since when.

use std::sync::Arc;

use jiff::civil::Date;
use serde::Serialize;
use underpin_exposure::report::Area;
use underpin_model::cvss::Effects;
use underpin_model::facts::{DateKind, Period};
use underpin_model::id::VulnerabilityId;
use underpin_model::ssvc::{Automatable, Exploitation};

use crate::build::hole::{self, Way};
use crate::portfolio::Impact;
use crate::withdrawals::Mark;

/// A release that is replaced within so many days is replaced early (39 of 253 ESXi gaps are that short).
pub const EARLY_DAYS: i64 = 21;

/// One release of the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// Its version as the facts spell it.
    pub version: Arc<str>,
    /// Its day.
    pub day: Date,
    /// The update train in which it replaces its predecessor.
    pub train: Arc<str>,
    /// It closes vulnerabilities; `None`: the source does not say.
    pub security: Option<bool>,
}

/// SSVC decision points as they were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assessed {
    /// Exploitation seen.
    pub exploitation: Exploitation,
    /// Can the kill chain be automated?
    pub automatable: Automatable,
}

/// By which way a vulnerability is used, and what it takes of what stands on a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Means {
    /// The way.
    pub way: Way,
    /// What it takes.
    pub impact: Impact,
}

impl Means {
    /// By the effects that CVSS states of a hole in an area of the platform, as `risk` and `wait` have it; without a vector any way, and
    /// half of everything.
    #[must_use]
    pub fn of(area: Area, effects: Option<&Effects>) -> Self {
        Self { way: Way::of(area, effects), impact: hole::impact(area, effects) }
    }

    /// Of a hole of which no vector is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(Area::Other, None)
    }
}

/// One vulnerability of the line with the day since when each fact about it could be known.
#[derive(Debug, Clone, PartialEq)]
pub struct Hole {
    /// Its id.
    pub id: VulnerabilityId,
    /// The day that it became public.
    pub published: Date,
    /// No source dates it: the day of its first fix is taken.
    pub day_assumed: bool,
    /// The releases that close it, as positions in [`History::releases`].
    pub closed_by: Vec<usize>,
    /// The day that it was added to KEV; a backfilled entry counts from that day too.
    pub listed: Option<Date>,
    /// CVSS base score, since a day.
    pub score: Option<(Date, f64)>,
    /// What its CVSS vector says, if it has one, and the day since when; `None` there: nothing dates the vector.
    pub means: Option<(Option<Date>, Means)>,
    /// SSVC decision points, since a day.
    pub assessed: Option<(Date, Assessed)>,
    /// EPSS scores by day.
    pub predicted: Vec<(Date, f64)>,
}

/// Why a release counts as bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its maker withdrew it, or published that it fails.
    Withdrawn,
    /// It was replaced early by a release that closes no vulnerability.
    Repaired,
    /// It was replaced early, and the facts do not tell whether by a repair or by a security release. Counted apart.
    Unclear,
}

/// A release that turned out bad, or may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// Position in [`History::releases`].
    #[serde(skip)]
    pub release: usize,
    /// Its version.
    pub version: Arc<str>,
    /// Why.
    pub why: Why,
    /// Since when that can be known.
    pub known: Date,
    /// What tells it: stated by a source, recalled, or computed from the dates.
    pub mark: Mark,
}

/// Since when, and until when, each signal was published at all, over everything that the facts hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Signals {
    /// Entries of KEV.
    pub kev: Option<Period>,
    /// Scores with a day.
    pub cvss: Option<Period>,
    /// SSVC decision points with a day.
    pub ssvc: Option<Period>,
    /// EPSS files.
    pub epss: Option<Period>,
}

/// The dated facts of one line of releases.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Hypervisor product or distribution.
    pub platform: String,
    /// The line (`7.0`, `bookworm`).
    pub line: String,
    /// What is released (`ESXi`, `linux`).
    pub component: String,
    /// What the days of releases mean.
    pub dates: DateKind,
    /// The releases in the order in which they replace each other, oldest first.
    pub releases: Vec<Release>,
    /// The vulnerabilities.
    pub holes: Vec<Hole>,
    /// Bad releases, by position.
    pub bad: Vec<Bad>,
    /// When each signal was published.
    pub signals: Signals,
}

/// One dated fact. A view is made of those dated before its day, and of nothing else.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact<'h> {
    pub(super) day: Date,
    pub(super) event: Event<'h>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event<'h> {
    Released { at: usize, release: &'h Release },
    Published { hole: usize, id: &'h VulnerabilityId },
    Closed { hole: usize, by: usize },
    Listed { hole: usize },
    Scored { hole: usize, score: f64 },
    Described { hole: usize, means: Means },
    Assessed { hole: usize, points: Assessed },
    Predicted { hole: usize, probability: f64 },
    TurnedOutBad { release: usize, why: Why },
}

impl History {
    /// The span from the first release to the last; `None` without releases.
    #[must_use]
    pub fn span(&self) -> Option<Period> {
        let days = || self.releases.iter().map(|it| it.day);
        Some(Period { from: days().min()?, to: days().max()? })
    }

    /// The days on which vulnerabilities of the line were published: outside it none is known to the facts.
    #[must_use]
    pub fn holes_span(&self) -> Option<Period> {
        let days = || self.holes.iter().map(|it| it.published);
        Some(Period { from: days().min()?, to: days().max()? })
    }

    /// All facts by day. Everything that is said about a vulnerability or release counts from the day that the thing
    /// itself is known, at the earliest: a fix in a release of last month is no fact before the hole is public.
    pub(super) fn facts(&self) -> Vec<Fact<'_>> {
        let mut facts: Vec<Fact<'_>> = Vec::new();
        for (at, release) in self.releases.iter().enumerate() {
            facts.push(Fact { day: release.day, event: Event::Released { at, release } });
        }
        for (hole, it) in self.holes.iter().enumerate() {
            let since = |day: Date| day.max(it.published);
            facts.push(Fact { day: it.published, event: Event::Published { hole, id: &it.id } });
            for &by in &it.closed_by {
                if let Some(release) = self.releases.get(by) {
                    facts.push(Fact { day: since(release.day), event: Event::Closed { hole, by } });
                }
            }
            facts.extend(it.listed.map(|day| Fact { day: since(day), event: Event::Listed { hole } }));
            facts.extend(
                it.score.map(|(day, score)| Fact { day: since(day), event: Event::Scored { hole, score } }),
            );
            let described = it.means.and_then(|(day, means)| Some((day?, means)));
            facts.extend(
                described
                    .map(|(day, means)| Fact { day: since(day), event: Event::Described { hole, means } }),
            );
            facts.extend(
                it.assessed
                    .map(|(day, points)| Fact { day: since(day), event: Event::Assessed { hole, points } }),
            );
            facts.extend(it.predicted.iter().map(|&(day, probability)| Fact {
                day: since(day),
                event: Event::Predicted { hole, probability },
            }));
        }
        for bad in &self.bad {
            // Before a release exists it is not bad; what may be a repair tells nothing.
            let day = self.releases.get(bad.release).map_or(bad.known, |it| bad.known.max(it.day));
            if bad.why != Why::Unclear {
                facts.push(Fact { day, event: Event::TurnedOutBad { release: bad.release, why: bad.why } });
            }
        }
        // Stable: what is published comes before what is said about it on the same day.
        facts.sort_by_key(|it| it.day);
        facts
    }

    /// Finds the early replacements and tells repairs from security releases.
    ///
    /// A release whose successor in its train comes within [`EARLY_DAYS`] is repaired, unless the successor closes a
    /// vulnerability; where the facts do not tell that, or days are those of changelogs, it is [`Why::Unclear`]. On lines whose usual gap is not well above
    /// that limit an early replacement is no sign of anything, and none is reported.
    pub(super) fn find_early_replacements(&mut self) {
        let known = self.holes_span();
        let mut found = Vec::new();
        let mut trains: std::collections::BTreeMap<&str, Vec<usize>> = std::collections::BTreeMap::new();
        for (at, release) in self.releases.iter().enumerate() {
            trains.entry(&release.train).or_default().push(at);
        }
        if !is_slow(&self.releases) {
            return;
        }
        for positions in trains.values() {
            for (&old, &new) in positions.iter().zip(positions.iter().skip(1)) {
                let (Some(before), Some(after)) = (self.releases.get(old), self.releases.get(new)) else {
                    continue;
                };
                let gap = i64::from((after.day - before.day).get_days());
                if !(1..=EARLY_DAYS).contains(&gap) || self.bad.iter().any(|it| it.release == old) {
                    continue;
                }
                let closes =
                    self.holes.iter().any(|it| it.closed_by.contains(&new) && !it.closed_by.contains(&old));
                let covered = known.is_some_and(|it| it.from <= after.day && after.day <= it.to);
                let why = match (closes, after.security) {
                    (true, _) | (_, Some(true)) => continue,
                    // Uploads may wait for a point release: the earlier one perhaps never reached anybody.
                    (false, _) if self.dates == DateKind::Built => Why::Unclear,
                    (false, Some(false)) => Why::Repaired,
                    (false, None) if covered => Why::Repaired,
                    (false, None) => Why::Unclear,
                };
                found.push(Bad {
                    release: old,
                    version: Arc::clone(&before.version),
                    why,
                    known: after.day,
                    mark: Mark::Computed,
                });
            }
        }
        self.bad.extend(found);
        self.bad.sort_by_key(|it| it.release);
    }
}

/// Whether half of the gaps between release days are at least twice the limit of an early replacement.
fn is_slow(releases: &[Release]) -> bool {
    let mut days: Vec<Date> = releases.iter().map(|it| it.day).collect();
    days.sort();
    days.dedup();
    let mut gaps: Vec<i64> =
        days.iter().zip(days.iter().skip(1)).map(|(a, b)| i64::from((*b - *a).get_days())).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).is_some_and(|median| *median >= 2 * EARLY_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Releases on these days of 2020, each with what its source says of security.
    fn history(releases: &[(i16, Option<bool>)]) -> History {
        let release = |(at, &(day, security)): (usize, &(i16, Option<bool>))| Release {
            version: format!("r{at}").into(),
            day: Date::ZERO.with().year(2020).day_of_year(day).build().unwrap(),
            train: "1".into(),
            security,
        };
        History {
            platform: "esxi".to_owned(),
            line: "1".to_owned(),
            component: "it".to_owned(),
            dates: DateKind::Published,
            releases: releases.iter().enumerate().map(release).collect(),
            holes: Vec::new(),
            bad: Vec::new(),
            signals: Signals::default(),
        }
    }

    fn found(mut history: History) -> Vec<(usize, Why)> {
        history.find_early_replacements();
        history.bad.iter().map(|it| (it.release, it.why)).collect()
    }

    #[test]
    fn repairs_are_told_from_security_follow_ups_and_from_what_nobody_knows() {
        let after = |security| history(&[(1, None), (100, None), (110, security), (210, None), (330, None)]);
        assert_eq!(found(after(Some(false))), [(1, Why::Repaired)]);
        assert_eq!(found(after(Some(true))), []);
        assert_eq!(found(after(None)), [(1, Why::Unclear)]);
        let built = History { dates: DateKind::Built, ..after(Some(false)) };
        assert_eq!(found(built), [(1, Why::Unclear)]);
        // Within the days on which vulnerabilities are known, one that closes none is a repair, one that closes one is not.
        let hole = |number: u32, day: i16, closed_by: Vec<usize>| Hole {
            id: VulnerabilityId::new(format!("CVE-2020-000{number}")).unwrap(),
            published: Date::ZERO.with().year(2020).day_of_year(day).build().unwrap(),
            day_assumed: false,
            closed_by,
            listed: None,
            score: None,
            means: None,
            assessed: None,
            predicted: Vec::new(),
        };
        let mut covered = after(None);
        covered.holes = vec![hole(1, 50, vec![1, 2, 3, 4]), hole(2, 200, vec![3, 4])];
        assert_eq!(found(covered.clone()), [(1, Why::Repaired)]);
        covered.holes.push(hole(3, 105, vec![2, 3, 4]));
        assert_eq!(found(covered), []);
    }

    #[test]
    fn where_releases_come_every_week_an_early_one_is_no_sign() {
        let weekly: Vec<(i16, Option<bool>)> = (1..20).map(|it| (it * 7, Some(false))).collect();
        assert_eq!(found(history(&weekly)), []);
    }
}
