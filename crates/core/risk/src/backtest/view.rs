//! What a policy may see on a day: the facts dated before it.
//!
//! There is no look-ahead because there is no way to it. A [`View`] borrows what has been *told so far*; the replay tells
//! it the facts of a day only when the next day begins. Neither the history nor a later fact can be reached from it, and
//! the handles that it gives out name only releases that it knows:
//!
//! ```compile_fail
//! use underpin_risk::backtest::{Decision, DecisionRule, View};
//!
//! struct Cheat;
//! impl DecisionRule for Cheat {
//!     fn decide(&self, view: &View<'_>) -> Decision {
//!         // There is no such field, and no such method: a view does not hold the history.
//!         Decision::Install(view.history.releases.last())
//!     }
//! }
//! ```
//!
//! ```compile_fail
//! // A handle cannot be made up either.
//! let tomorrow = underpin_risk::backtest::ReleaseRef(7);
//! ```

use std::sync::Arc;

use jiff::civil::Date;
use underpin_model::id::VulnerabilityId;

use super::history::{Assessed, Event, Fact, Means, Why};

/// A release that a view knows. Only a view gives it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseRef(usize);

impl ReleaseRef {
    pub(super) fn position(self) -> usize {
        self.0
    }
}

/// What to do today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing new; a roll-out that has begun goes on.
    Stay,
    /// Begin to install a release on every host that has an older one.
    Install(ReleaseRef),
}

/// A policy. It is given a view and nothing else, and keeps no state: the same view, the same decision.
pub trait DecisionRule {
    /// What to do on the day of the view.
    fn decide(&self, view: &View<'_>) -> Decision;
}

/// A set of positions.
#[derive(Debug, Clone, Default, PartialEq)]
struct Positions(Vec<u64>);

impl Positions {
    fn insert(&mut self, at: usize) {
        if self.0.len() <= at / 64 {
            self.0.resize(at / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn contains(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

#[derive(Debug, Clone, PartialEq)]
struct KnownRelease {
    version: Arc<str>,
    day: Date,
    bad: Option<(Date, Why)>,
    /// What it closes is known, or that it closes nothing.
    explained: bool,
}

/// A vulnerability as it is known on the day of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownHole {
    /// Its id.
    pub id: VulnerabilityId,
    /// The day that it became public.
    pub published: Date,
    /// The day that a release which closes it was first known.
    pub fix_known: Option<Date>,
    /// The day that it was added to KEV.
    pub listed: Option<Date>,
    /// CVSS base score.
    pub score: Option<f64>,
    /// By which way it is used, and what it takes.
    pub means: Option<Means>,
    /// SSVC decision points.
    pub assessed: Option<Assessed>,
    /// The newest EPSS score.
    pub predicted: Option<f64>,
    closed_by: Positions,
}

/// Everything that has been told so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Known {
    /// By position in the order of replacement; `None`: not released yet.
    releases: Vec<Option<KnownRelease>>,
    holes: Vec<Option<KnownHole>>,
}

impl Known {
    /// Takes a fact in.
    pub(super) fn tell(&mut self, fact: &Fact<'_>) {
        let day = fact.day;
        match &fact.event {
            Event::Released { at, release } => {
                let explained = release.security == Some(false);
                let known = KnownRelease { version: Arc::clone(&release.version), day, bad: None, explained };
                put(&mut self.releases, *at, known);
            }
            Event::Published { hole, id } => put(
                &mut self.holes,
                *hole,
                KnownHole {
                    id: (*id).clone(),
                    published: day,
                    fix_known: None,
                    listed: None,
                    score: None,
                    means: None,
                    assessed: None,
                    predicted: None,
                    closed_by: Positions::default(),
                },
            ),
            Event::Closed { hole, by } => {
                let mut is_first = false;
                self.hole(*hole, |it| {
                    is_first = it.fix_known.is_none();
                    it.fix_known.get_or_insert(day);
                    it.closed_by.insert(*by);
                });
                if let Some(Some(release)) = self.releases.get_mut(*by).filter(|_| is_first) {
                    release.explained = true;
                }
            }
            Event::Listed { hole } => self.hole(*hole, |it| it.listed = Some(day)),
            Event::Scored { hole, score } => self.hole(*hole, |it| it.score = Some(*score)),
            Event::Described { hole, means } => self.hole(*hole, |it| it.means = Some(*means)),
            Event::Assessed { hole, points } => self.hole(*hole, |it| it.assessed = Some(*points)),
            Event::Predicted { hole, probability } => {
                self.hole(*hole, |it| it.predicted = Some(*probability));
            }
            Event::TurnedOutBad { release, why } => {
                if let Some(Some(it)) = self.releases.get_mut(*release) {
                    it.bad = Some((day, *why));
                }
            }
        }
    }

    fn hole(&mut self, at: usize, change: impl FnOnce(&mut KnownHole)) {
        if let Some(Some(hole)) = self.holes.get_mut(at) {
            change(hole);
        }
    }

    fn release(&self, at: usize) -> Option<&KnownRelease> {
        self.releases.get(at).and_then(Option::as_ref)
    }

    /// Whether a release is known to be bad.
    pub(super) fn is_bad(&self, at: usize) -> bool {
        self.release(at).is_some_and(|it| it.bad.is_some())
    }
}

fn put<T>(list: &mut Vec<Option<T>>, at: usize, value: T) {
    if list.len() <= at {
        list.resize_with(at + 1, || None);
    }
    if let Some(place) = list.get_mut(at) {
        *place = Some(value);
    }
}

/// What a policy sees on a day: the facts dated before it, and what its hosts run.
#[derive(Debug, Clone, Copy)]
pub struct View<'k> {
    known: &'k Known,
    today: Date,
    oldest: usize,
}

impl<'k> View<'k> {
    pub(super) fn new(known: &'k Known, today: Date, oldest: usize) -> Self {
        Self { known, today, oldest }
    }

    /// The day.
    #[must_use]
    pub fn today(&self) -> Date {
        self.today
    }

    /// The oldest release that a host runs, or is about to be left with by a roll-out that has begun.
    #[must_use]
    pub fn running(&self) -> ReleaseRef {
        ReleaseRef(self.oldest)
    }

    /// Whether a release is known to be bad.
    #[must_use]
    pub fn is_bad(&self, release: ReleaseRef) -> bool {
        self.known.is_bad(release.0)
    }

    /// The newest release that is known, is not known to be bad, is at least so old, and replaces what the hosts run.
    #[must_use]
    pub fn newest(&self, at_least_days: i64) -> Option<ReleaseRef> {
        let known = self.known.releases.iter().enumerate().rev();
        known
            .take_while(|(at, _)| *at > self.oldest)
            .find(|(_, it)| {
                it.as_ref().is_some_and(|it| it.bad.is_none() && days(it.day, self.today) >= at_least_days)
            })
            .map(|(at, _)| ReleaseRef(at))
    }

    /// Days since a release appeared.
    #[must_use]
    pub fn age_days(&self, release: ReleaseRef) -> i64 {
        self.known.release(release.0).map_or(0, |it| days(it.day, self.today))
    }

    /// The version of a release.
    #[must_use]
    pub fn version(&self, release: ReleaseRef) -> &'k str {
        self.known.release(release.0).map_or("", |it| &it.version)
    }

    /// The vulnerabilities that are open on the oldest running release and that a release closes.
    pub fn closed_by(&self, release: ReleaseRef) -> impl Iterator<Item = &'k KnownHole> + use<'k> {
        let (old, new) = (self.oldest, release.0);
        let holes = self.known.holes.iter().flatten();
        holes.filter(move |it| it.closed_by.contains(new) && !it.closed_by.contains(old))
    }

    /// The ages in days of the releases up to this one, beyond what the hosts run, of which it is not known what they close.
    pub fn unexplained(&self, release: ReleaseRef) -> impl Iterator<Item = i64> + use<'k> {
        let today = self.today;
        let beyond = self.known.releases.iter().take(release.0 + 1).skip(self.oldest + 1);
        beyond.flatten().filter(|it| !it.explained).map(move |it| days(it.day, today))
    }

    /// What is known of releases so far: how many there were, how many turned out bad, and how many days that took in
    /// sum.
    #[must_use]
    pub fn record(&self) -> (usize, usize, i64) {
        let releases = self.known.releases.iter().flatten();
        releases.fold((0, 0, 0), |(all, bad, sum), it| match it.bad {
            Some((known, _)) => (all + 1, bad + 1, sum + days(it.day, known)),
            None => (all + 1, bad, sum),
        })
    }
}

/// Days from one day to another.
pub(super) fn days(from: Date, to: Date) -> i64 {
    i64::from((to - from).get_days())
}
