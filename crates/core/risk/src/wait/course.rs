//! The loss over time: made once of its [`Inputs`], asked at many times.
//!
//! Each part of the loss has hazards of its own. What they share is how a hazard of one age and shape rises: it is worked out
//! once for a time and serves all parts.

use super::curve::{AgedHazard, Hazards, Inputs, NOW_DAYS, Optimum, Terms, chosen};
use crate::hazard::{EPSS_DAYS, rise};

/// Points of the grid on which the optimum is looked for.
const GRID: u32 = 180;
/// Iterations of golden section: 1e-8 of the bracket is as fine as a minimum can be found in double precision.
const GOLDEN: u32 = 45;

/// How hazards of one age and Weibull shape rise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    pub(super) age_days: f64,
    pub(super) shape: f64,
    /// `age^shape`.
    pub(super) start: f64,
    /// The rise over the days of an EPSS score.
    thirty_days: f64,
    /// The rise over the horizon.
    horizon: f64,
}

/// The profiles of all hazards, each once.
#[derive(Debug)]
pub(super) struct Profiles {
    pub(super) list: Vec<Profile>,
    horizon_days: f64,
    /// Parts list their hazards in the same order: the next one is most often that after the last one.
    last: usize,
}

impl Profiles {
    pub(super) fn new(horizon_days: f64) -> Self {
        Self { list: Vec::new(), horizon_days, last: 0 }
    }

    fn of(&mut self, age_days: f64, shape: f64) -> (usize, Profile) {
        let count = self.list.len();
        let near = (0..count).map(|it| (self.last + it) % count);
        let is = |it: &Profile| it.age_days == age_days && it.shape == shape;
        let known = near.filter_map(|at| Some((at, *self.list.get(at)?))).find(|(_, it)| is(it));
        let found = known.unwrap_or_else(|| {
            let profile = Profile {
                age_days,
                shape,
                start: age_days.powf(shape),
                thirty_days: rise(age_days, shape, EPSS_DAYS),
                horizon: rise(age_days, shape, self.horizon_days),
            };
            self.list.push(profile);
            (count, profile)
        });
        self.last = found.0;
        found
    }
}

/// Hazards of one profile, with what does not change with time worked out once.
#[derive(Debug)]
pub(super) struct Ageing {
    /// Place in the list of profiles.
    pub(super) profile: usize,
    /// Cumulative hazard per unit of the rise.
    pub(super) scale: f64,
    /// The rise is at least this times the days: the constant hazard under the falling one. 0 where that is never the
    /// greater one within the horizon.
    pub(super) least_per_day: f64,
}

impl Ageing {
    /// Holes that were listed on one day age alike, until the constant hazard of their score is the greater one.
    pub(super) fn all(holes: &[AgedHazard], profiles: &mut Profiles) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for AgedHazard { thirty_days, constant_thirty_days, age_days, shape } in holes.iter().copied() {
            let (profile, rises) = profiles.of(age_days, shape);
            let per_day = if constant_thirty_days > 0.0 {
                rises.thirty_days * (constant_thirty_days / thirty_days) / EPSS_DAYS
            } else {
                0.0
            };
            // The rise per day falls with time: what is not passed at the horizon is not passed before it.
            let passes = per_day * profiles.horizon_days > rises.horizon;
            let least_per_day = if passes { per_day } else { 0.0 };
            let is_alike = |it: &Self| it.profile == profile && it.least_per_day == least_per_day;
            let alike = all.iter().position(is_alike);
            let at = alike.unwrap_or_else(|| {
                all.push(Self { profile, scale: 0.0, least_per_day });
                all.len() - 1
            });
            if let Some(it) = all.get_mut(at) {
                it.scale += thirty_days / rises.thirty_days;
            }
        }
        all
    }
}

/// A part of the loss.
struct Part<'i> {
    hazards: &'i Hazards,
    aged: Vec<Ageing>,
    /// Cumulative hazard until the horizon.
    horizon: f64,
}

impl Part<'_> {
    /// Cumulative hit hazard until `days`, at which the profiles have risen so far.
    fn cumulative(&self, days: f64, rises: &[f64]) -> f64 {
        let even = self.hazards.constant_per_day * days;
        self.aged.iter().fold(even, |hazard, it| {
            let rise = rises.get(it.profile).copied().unwrap_or(0.0).max(it.least_per_day * days);
            hazard + it.scale * rise
        })
    }
}

/// Probability to be hit by a cumulative hazard.
pub(super) fn hit(hazard: f64) -> f64 {
    -(-hazard).exp_m1()
}

/// The loss over time.
pub(super) struct Course<'i> {
    inputs: &'i Inputs,
    profiles: Profiles,
    parts: Vec<Part<'i>>,
}

impl<'i> Course<'i> {
    pub(super) fn of(inputs: &'i Inputs) -> Self {
        let mut profiles = Profiles::new(inputs.horizon_days);
        let part = |hazards: &'i Hazards| Part {
            hazards,
            aged: Ageing::all(&hazards.aged, &mut profiles),
            horizon: 0.0,
        };
        let parts = inputs.hazards.iter().map(part).collect();
        let mut course = Self { inputs, profiles, parts };
        let rises = course.rises(inputs.horizon_days);
        for part in &mut course.parts {
            part.horizon = part.cumulative(inputs.horizon_days, &rises);
        }
        course
    }

    /// How far each profile has risen.
    fn rises(&self, days: f64) -> Vec<f64> {
        self.profiles.list.iter().map(|it| (it.age_days + days).powf(it.shape) - it.start).collect()
    }

    /// Probability that a host is hit within `days` through any hole of a part, the mean over the parts by their shares.
    pub(super) fn hit_within(&self, days: f64) -> f64 {
        let rises = self.rises(days);
        self.parts.iter().map(|it| it.hazards.share * hit(it.cumulative(days, &rises))).sum()
    }

    /// Expected losses of a host to hits, the mean over all hosts: until `days`, and from then on through incomplete fixes.
    fn hits(&self, days: f64) -> (f64, f64) {
        let rises = self.rises(days);
        let (mut before, mut after) = (0.0, 0.0);
        for part in &self.parts {
            let until = part.cumulative(days, &rises);
            let lost = hit(until);
            let loss = part.hazards.share * part.hazards.loss;
            before += loss * lost;
            after += loss * (1.0 - lost) * hit(self.inputs.incomplete_fix * (part.horizon - until));
        }
        (before, after)
    }

    /// The loss of patching in `days`, which are cut to the horizon.
    pub(super) fn at(&self, days: f64) -> Terms {
        let it = self.inputs;
        let days = days.clamp(0.0, it.horizon_days);
        let (exposure, incomplete_fix) = self.hits(days);
        let left = (-it.theta * days).exp();
        let bad = it.bad_release() * left;
        let (first, later) = it.reaches(days);
        Terms {
            exposure: it.hosts * exposure,
            incomplete_fix: it.hosts * incomplete_fix,
            regression_first_ring: bad * first,
            regression_later_rings: bad * later,
            staying: it.hosts * it.staying * (1.0 - left),
            known_bugs: it.hosts * it.known_bugs_per_day * days,
            maintenance: it.hosts * it.maintenance,
            shared_drain: 0.0 - it.hosts * it.shared_drain_saves,
            penalties: it.broken(days),
        }
    }

    /// The loss of not patching within the horizon.
    pub(super) fn never(&self) -> Terms {
        let it = self.inputs;
        Terms {
            exposure: it.hosts * self.hits(it.horizon_days).0,
            staying: it.hosts * it.staying * hit(it.theta * it.horizon_days),
            known_bugs: it.hosts * it.known_bugs_per_day * it.horizon_days,
            penalties: it.broken(it.horizon_days),
            ..Terms::default()
        }
    }

    pub(super) fn optimum(&self) -> Optimum {
        let loss = |days: f64| self.at(days).total();
        let horizon_days = self.inputs.horizon_days;
        let step = horizon_days / f64::from(GRID);
        let mut wait = self.wait_on_grid(GRID);
        // A penalty is a step, and so is the day of a ring: the minimum there is no stationary point, so golden section only
        // ever improves.
        let low = (wait.1 - step).max(NOW_DAYS).min(horizon_days);
        let near = golden(&loss, low, (wait.1 + step).min(horizon_days));
        if near.0 < wait.0 {
            wait = near;
        }
        chosen(self.at(0.0).total(), wait, self.never().total())
    }

    /// The least loss of waiting at least half a day, and its time.
    fn wait_on_grid(&self, points: u32) -> (f64, f64) {
        let horizon_days = self.inputs.horizon_days;
        let least = NOW_DAYS.min(horizon_days);
        let step = horizon_days / f64::from(points);
        let grid = (0..=points).map(|at| f64::from(at) * step);
        let steps = self.inputs.penalties.iter().map(|it| it.at_days).chain([self.inputs.ring_from_days]);
        let times = grid.chain(steps).chain([least]);
        times
            .filter(|it| (least..=horizon_days).contains(it))
            .map(|it| (self.at(it).total(), it))
            .fold((f64::MAX, least), |best, it| if it.0 < best.0 { it } else { best })
    }
}

/// Golden section: the least value between two times, with its time.
fn golden(loss: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> (f64, f64) {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    for _ in 0..GOLDEN {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = loss(right);
        }
    }
    if at_left <= at_right { (at_left, left) } else { (at_right, right) }
}
