//! The loss of waiting for `t` days and patching then, on plain numbers, term by term.
//!
//! A host that is hit through several holes loses, of each dimension of what stands on it (confidentiality, integrity,
//! availability), what the worst of them takes, as in compound risk. So a loss is cut into parts, each with the holes of which
//! any hit takes it. With `G` the sum of their cumulative hit hazards and `l` the part, a host loses
//!
//! - before the patch `l (1 - e^{-G(t)})`, summed over the parts: each part is lost at most once;
//! - after it, up to the horizon `T`, with every hazard cut to the share `i` of fixes that prove incomplete, and only what was
//!   not lost before: `l e^{-G(t)} (1 - e^{-i (G(T) - G(t))})`;
//! - by the release itself `p e^{-theta t} q` times the loss of a bad host: field reports retire bad releases at the rate
//!   `theta`. A staged roll-out stops a bad release after its first ring, so that later rings take it only with
//!   `1 - ring_stops`; but only from the day on which an earlier ring will have run it, so that the loss falls on that day.
//!   Who patches before it patches without a ring in front;
//! - by the release that runs now, where it is bad: with `p`, `q` and `theta` as for the new one, `p q (1 - e^{-theta t})` times the
//!   loss of a bad host. What is bad shows itself at the rate at which it is found;
//! - to known bugs that the release repairs, until `t`; to the maintenance itself, less what sharing a drain saves; and
//!   to promises whose deadline lies before `t`.
//!
//! The loss of a group is the sum over its hosts, which are not hit alike: a host with many guests is hit more often and loses
//! more, so that the mean hazard times the mean loss is not the mean loss of a hit. Hosts with the same hazards are a stratum,
//! with entries of [`Inputs::hazards`] of its own; what they lose may differ, because all of the above is linear in `l`.
//!
//! With constant hazards and none of the rest, this is `L(t) = I_exp (1 - e^{-lambda t}) + I_reg p0 e^{-theta t}` (Beattie
//! et al., LISA'02, in the form of expected losses). Its stationary point is a minimum only if `theta > lambda`: so the
//! optimum is found by comparing a grid, golden section around its best point, and the end points *now* and *never*.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::course::Course;
use super::table::{Grid, Table};

/// Cells of the grid for variants of a decision and for charts.
pub(super) const CELLS: u32 = 60;
/// Waiting less than this is patching now: half a day.
pub const NOW_DAYS: f64 = 0.5;
/// The share of the loss of patching now that anything else must save to be better. A curve that is flatter is decided by
/// rounding and by parameters that nobody knows as well, so that the earlier action is taken. A judgement.
pub const FLAT: f64 = 0.01;

/// A hole with a hazard that changes with age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AgedHazard {
    /// Cumulative hit hazard of the next 30 days, without unit.
    pub thirty_days: f64,
    /// The same of a constant hazard, at most as large: the cumulative hazard is the greater of the two at every time.
    pub constant_thirty_days: f64,
    /// Days since an exploit exists.
    pub age_days: f64,
    /// Weibull shape.
    pub shape: f64,
}

/// A part of the loss of hosts that are hit alike, and the hazards of which any hit takes it.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Hazards {
    /// The share of the hosts that these are.
    pub share: f64,
    /// The part that is lost by the first hit, the mean over these hosts.
    pub loss: f64,
    /// Sum of the constant hit hazards per host and day.
    pub constant_per_day: f64,
    /// Holes whose hazard changes with age.
    pub aged: Vec<AgedHazard>,
}

/// A penalty that is due when the release is not in force by a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Penalty {
    /// The promise.
    pub promise: String,
    /// Days from now to its deadline.
    pub at_days: f64,
    /// What breaking it costs.
    pub loss: f64,
}

/// Everything that the loss of waiting depends on. Losses are per host, the mean over all of them, and in the policy's currency.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Inputs {
    /// Span that losses are counted over, in days.
    pub horizon_days: f64,
    /// Hosts.
    pub hosts: f64,
    /// What can be lost to hits, part by part; the hosts of several parts may be the same.
    pub hazards: Vec<Hazards>,
    /// Share of fixes that do not close their hole.
    pub incomplete_fix: f64,
    /// Probability that the release is bad for this hardware, as of now.
    pub bad: f64,
    /// Rate at which bad releases are found and retired, per day.
    pub theta: f64,
    /// Share of the hosts that a bad release hits.
    pub hit: f64,
    /// Loss of a host that a bad release hit.
    pub loss_per_bad_host: f64,
    /// Probability that a bad release is stopped after the first ring.
    pub ring_stops: f64,
    /// Share of these hosts that is in the first ring, and takes the release before anything can be known; 1: the
    /// roll-out is not staged.
    pub first_ring_share: f64,
    /// Days from now until an earlier ring will have run the release for its soak. Before that day all of these hosts take it
    /// as a first ring does.
    pub ring_from_days: f64,
    /// Loss of a host to the release that it runs now, if it stays on it for good.
    pub staying: f64,
    /// Loss per host and day to bugs that the release repairs.
    pub known_bugs_per_day: f64,
    /// Loss of the maintenance of one host.
    pub maintenance: f64,
    /// Of it, what is saved because the drain is shared with other changes.
    pub shared_drain_saves: f64,
    /// Promises; shared by the variants of a decision.
    pub penalties: Arc<[Penalty]>,
}

/// Why inputs cannot be computed with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{place}: found {found}, expected {expected}")]
pub struct InvalidInput {
    /// The input.
    pub place: String,
    /// What is there.
    pub found: f64,
    /// What is accepted.
    pub expected: &'static str,
}

/// The loss of one choice, term by term; the sum over all hosts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Terms {
    /// Hits before the patch.
    pub exposure: f64,
    /// Hits after it, through fixes that prove incomplete.
    pub incomplete_fix: f64,
    /// A bad release, on hosts that take it before an earlier ring has run it.
    pub regression_first_ring: f64,
    /// A bad release that an earlier ring ran and did not stop.
    pub regression_later_rings: f64,
    /// A bad release that runs now, until then.
    pub staying: f64,
    /// Bugs that the release repairs, until then.
    pub known_bugs: f64,
    /// The maintenance, certain.
    pub maintenance: f64,
    /// What sharing its drain saves: 0 or negative.
    pub shared_drain: f64,
    /// Broken promises.
    pub penalties: f64,
}

impl Terms {
    /// Their sum.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.exposure
            + self.incomplete_fix
            + self.regression_first_ring
            + self.regression_later_rings
            + self.staying
            + self.known_bugs
            + self.maintenance
            + self.shared_drain
            + self.penalties
    }

    /// How each term is worked out, in the order of [`Terms::named`], for waiting `t` days of a horizon of `T`. Losses are per host, and
    /// summed over the hosts.
    pub const FORMULAS: [&'static str; 9] = [
        "l (1 - e^-G(t)): what stands on a host, times the probability that any open hole was used by day t; G adds up the hit hazards",
        "l e^-G(t) (1 - e^-i(G(T) - G(t))): a share i of the fixes does not close its hole, for the rest of the horizon",
        "p e^-theta t q b: bad now, not found by day t, share of hosts hit, loss of a host that is hit; of the hosts without a ring in front",
        "the same times (1 - ring_stops): of the hosts that take it after a ring, which stops a bad release so often",
        "p q b (1 - e^-theta t): the release that runs now is bad, share of hosts hit, loss of a host that is hit, shown by day t",
        "t r h: days until the patch, hits a day of bugs that the release repairs, loss of one",
        "what emptying and rebooting the hosts costs by the policy, once it is done",
        "of it, the share of other changes that are done in the same drain",
        "the penalty of each promise whose deadline lies before day t",
    ];

    /// The terms with their names, in the order of the sum.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 9] {
        [
            ("exposure before the patch", self.exposure),
            ("incomplete fixes after it", self.incomplete_fix),
            ("bad release, no ring in front", self.regression_first_ring),
            ("bad release, a ring in front", self.regression_later_rings),
            ("bad release that runs now", self.staying),
            ("known bugs until the patch", self.known_bugs),
            ("maintenance", self.maintenance),
            ("saved by sharing the drain", self.shared_drain),
            ("broken promises", self.penalties),
        ]
    }
}

/// Which kind of choice is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Patch now.
    Now,
    /// Wait, then patch.
    Wait,
    /// Not within the horizon.
    Never,
}

/// When to patch, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Optimum {
    /// The kind of choice.
    pub choice: Choice,
    /// Days to wait; `None`: never, which is what is written then.
    #[serde(rename = "optimum_days", serialize_with = "days_or_never")]
    pub days: Option<f64>,
    /// Loss of patching now.
    pub loss_now: f64,
    /// Loss of the choice: the least, or within [`FLAT`] of it.
    #[serde(rename = "loss_at_optimum")]
    pub loss: f64,
    /// Loss of not patching within the horizon.
    pub loss_never: f64,
    /// Least loss of waiting at least half a day.
    pub loss_wait: f64,
    /// Days of that.
    pub wait_days: f64,
}

impl Optimum {
    /// How much worse the best choice of another kind is than one kind; negative: that kind is not the best one. Patching now
    /// is given the share [`FLAT`] as a lead, as in the choice itself.
    #[must_use]
    pub fn margin(&self, choice: Choice) -> f64 {
        let weighed = |it: Choice| {
            let lead = if it == Choice::Now { 1.0 - FLAT } else { 1.0 };
            self.loss_of(it) * lead
        };
        let others = Choice::ALL.into_iter().filter(|it| *it != choice).map(weighed);
        others.fold(f64::MAX, f64::min) - weighed(choice)
    }

    /// Loss of patching now, less the least loss of waiting or not patching: positive, where that is less.
    #[must_use]
    pub fn now_over_later(&self) -> f64 {
        self.loss_now - self.loss_wait.min(self.loss_never)
    }

    /// Patching now is chosen although something else would lose a little less: the curve is flat.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.choice == Choice::Now && self.now_over_later() > 0.0
    }

    /// The least loss of a kind of choice.
    #[must_use]
    pub fn loss_of(&self, choice: Choice) -> f64 {
        match choice {
            Choice::Now => self.loss_now,
            Choice::Wait => self.loss_wait,
            Choice::Never => self.loss_never,
        }
    }
}

impl Choice {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Now, Self::Wait, Self::Never];
}

impl Inputs {
    /// Checks every number.
    ///
    /// # Errors
    /// The first number that is no probability where one is expected, is negative, or is not finite, with its place.
    pub fn check(&self) -> Result<(), InvalidInput> {
        if !(self.horizon_days.is_finite() && self.horizon_days > 0.0) {
            return Err(wrong("horizon_days", self.horizon_days, "a finite number of days above 0"));
        }
        for (place, it) in [
            ("incomplete_fix", self.incomplete_fix),
            ("bad", self.bad),
            ("hit", self.hit),
            ("ring_stops", self.ring_stops),
            ("first_ring_share", self.first_ring_share),
        ] {
            if !probability(it) {
                return Err(wrong(place, it, "a probability from 0 to 1"));
            }
        }
        let single = [
            ("hosts", self.hosts),
            ("theta", self.theta),
            ("loss_per_bad_host", self.loss_per_bad_host),
            ("staying", self.staying),
            ("known_bugs_per_day", self.known_bugs_per_day),
            ("maintenance", self.maintenance),
            ("shared_drain_saves", self.shared_drain_saves),
            ("ring_from_days", self.ring_from_days),
        ];
        for (place, it) in single {
            if !amount(it) {
                return Err(wrong(place, it, AMOUNT));
            }
        }
        if self.shared_drain_saves > self.maintenance {
            return Err(wrong(
                "shared_drain_saves",
                self.shared_drain_saves,
                "at most the cost of the maintenance",
            ));
        }
        for (at, hazards) in self.hazards.iter().enumerate() {
            hazards.check(at)?;
        }
        for (at, penalty) in self.penalties.iter().enumerate() {
            if !(amount(penalty.loss) && amount(penalty.at_days)) {
                let place = format!("penalties.{at}");
                return Err(wrong(&place, penalty.loss.min(penalty.at_days), "finite numbers, not negative"));
            }
        }
        Ok(())
    }

    /// The loss of patching in `days`, which are cut to the horizon.
    #[must_use]
    pub fn at(&self, days: f64) -> Terms {
        Course::of(self).at(days)
    }

    /// The loss of not patching within the horizon.
    #[must_use]
    pub fn never(&self) -> Terms {
        Course::of(self).never()
    }

    /// The best time to patch.
    ///
    /// # Errors
    /// [`InvalidInput`] where a number is outside its domain.
    pub fn optimum(&self) -> Result<Optimum, InvalidInput> {
        self.check()?;
        Ok(Course::of(self).optimum())
    }

    /// The best time of a grid: for many decisions, such as those of a replay. It is no better than [`Inputs::optimum`], and
    /// within the grid as good.
    ///
    /// # Errors
    /// [`InvalidInput`] where a number is outside its domain.
    pub fn optimum_on_grid(&self) -> Result<Optimum, InvalidInput> {
        self.check()?;
        let grid = Grid::of(self);
        Ok(Table::of(&grid, self).optimum(&grid, self))
    }

    /// A promise is kept on the day of its deadline and broken after it.
    pub(super) fn broken(&self, days: f64) -> f64 {
        self.penalties.iter().filter(|it| it.at_days < days).fold(0.0, |sum, it| sum + it.loss)
    }

    /// Shares of the hosts that a bad release reaches if it is taken in `days`: those without a ring in front, and those behind
    /// one that did not stop it.
    pub(super) fn reaches(&self, days: f64) -> (f64, f64) {
        let first = if days < self.ring_from_days { 1.0 } else { self.first_ring_share };
        (first, (1.0 - first) * (1.0 - self.ring_stops))
    }

    /// Loss of all hosts to a release that is as bad as it is now, if no ring stops it.
    pub(super) fn bad_release(&self) -> f64 {
        self.hosts * self.bad * self.hit * self.loss_per_bad_host
    }

    /// Hazards, what a hit loses and what fixes leave open are the same: so is all that a [`Table`](super::table) holds.
    pub(super) fn has_hazards_of(&self, other: &Self) -> bool {
        self.incomplete_fix == other.incomplete_fix && self.hazards == other.hazards
    }
}

impl Hazards {
    /// Probability that such a host is hit within `days` while nothing is patched.
    #[must_use]
    pub fn hit_within(&self, days: f64) -> f64 {
        let inputs = Inputs { horizon_days: days, hazards: vec![self.clone()], ..Inputs::default() };
        Course::of(&inputs).hit_within(days)
    }

    /// Checks every number; `at` is its own place.
    fn check(&self, at: usize) -> Result<(), InvalidInput> {
        let own = |name: &str| format!("hazards.{at}.{name}");
        if !probability(self.share) {
            return Err(wrong(&own("share"), self.share, "a share from 0 to 1"));
        }
        for (name, it) in [("loss", self.loss), ("constant_per_day", self.constant_per_day)] {
            if !amount(it) {
                return Err(wrong(&own(name), it, AMOUNT));
            }
        }
        for (at, hole) in self.aged.iter().enumerate() {
            let place = |name: &str| own(&format!("aged.{at}.{name}"));
            for (name, it) in [("thirty_days", hole.thirty_days), ("age_days", hole.age_days)] {
                if !amount(it) {
                    return Err(wrong(&place(name), it, AMOUNT));
                }
            }
            if !(0.0..=hole.thirty_days).contains(&hole.constant_thirty_days) {
                let place = place("constant_thirty_days");
                return Err(wrong(&place, hole.constant_thirty_days, "a number from 0 to `thirty_days`"));
            }
            if !(hole.shape > 0.0 && hole.shape <= 1.0) {
                return Err(wrong(&place("shape"), hole.shape, "a Weibull shape above 0 up to 1"));
            }
        }
        Ok(())
    }
}

const AMOUNT: &str = "a finite number, not negative";

fn probability(it: f64) -> bool {
    (0.0..=1.0).contains(&it)
}

fn amount(it: f64) -> bool {
    it.is_finite() && it >= 0.0
}

fn wrong(place: &str, found: f64, expected: &'static str) -> InvalidInput {
    InvalidInput { place: place.to_owned(), found, expected }
}

/// The best of three: to patch now, the least loss of waiting with its days, never. What is nearly equal to patching now
/// is no reason to wait ([`FLAT`]); of waiting and never the earlier action is taken where they are equal.
pub(super) fn chosen(loss_now: f64, (loss_wait, wait_days): (f64, f64), loss_never: f64) -> Optimum {
    let (choice, days, loss) = if loss_now * (1.0 - FLAT) <= loss_wait.min(loss_never) {
        (Choice::Now, Some(0.0), loss_now)
    } else if loss_wait <= loss_never {
        (Choice::Wait, Some(wait_days), loss_wait)
    } else {
        (Choice::Never, None, loss_never)
    };
    Optimum { choice, days, loss_now, loss, loss_never, loss_wait, wait_days }
}

/// Writes a number of days, or the word `never`.
pub(super) fn days_or_never<S: Serializer>(days: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match days {
        Some(days) => to.serialize_f64(*days),
        None => to.serialize_str("never"),
    }
}
