//! How likely exploitation is within a span: the one hazard model of compound risk, and of patch or wait.
//!
//! EPSS is the probability that exploitation is seen *anywhere* within 30 days. It becomes a cumulative hazard in the exact
//! form, `H(30) = -ln(1 - EPSS30)`; dividing the probability by the days fails for high scores (CSWP 41). Once an exploit
//! exists the hazard falls with its age `a`: `H(t) = H(30) ((a+t)^k - a^k) / ((a+30)^k - a^k)` with the Weibull shape `k`,
//! so that the next 30 days have the probability that EPSS gives, whatever the shape. What is seen never makes a hole safer
//! than its score alone: at every day the cumulative hazard is the greater of this and the constant one of EPSS.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use underpin_exposure::report::VulnerabilityView;
use underpin_model::policy::{Parameter, Parameters};
use underpin_model::quantity::{Days, PerDay, Probability};

/// The span of an EPSS score in days.
pub const EPSS_DAYS: f64 = 30.0;

/// The largest 30-day probability that is taken as it is: a score of exactly 1 would be an infinite hazard. Half a unit
/// of the fifth decimal, in which scores are published, below 1.
pub const LARGEST_EPSS: f64 = 0.999_995;

/// Constant hazard per day of a 30-day probability: `-ln(1-p)/30`.
#[must_use]
pub fn daily_hazard(epss30: Probability) -> PerDay {
    PerDay::new(-(-epss30.get().min(LARGEST_EPSS)).ln_1p() / EPSS_DAYS).unwrap_or_default()
}

/// Probability of one day under a constant hazard: `1-(1-p)^(1/30)`.
#[must_use]
pub fn daily_probability(epss30: Probability) -> Probability {
    probability_within(epss30, Days::new(1.0).unwrap_or_default())
}

/// Probability within a span under a constant hazard: `1-(1-p)^(days/30)`.
#[must_use]
pub fn probability_within(epss30: Probability, days: Days) -> Probability {
    Probability::nearest(-(-daily_hazard(epss30).get() * days.get()).exp_m1())
}

/// Where the 30-day probability of a hazard is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HazardSource {
    /// Listed as known exploited: the floor of the policy, or EPSS where that is higher.
    Kev,
    /// An EPSS score.
    Epss,
    /// No score is known: the policy's base rate.
    Unknown,
}

/// What is known about exploitation of a vulnerability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exploited {
    /// Listed as known exploited so many days ago, with its EPSS score, if any.
    Listed {
        /// Days since then.
        days_ago: f64,
        /// EPSS.
        epss: Option<Probability>,
    },
    /// An EPSS score.
    Scored {
        /// EPSS.
        epss: Probability,
    },
    /// Nothing is known.
    Unscored,
}

impl Exploited {
    /// What is known on a day.
    #[must_use]
    pub fn of(view: &VulnerabilityView, on: Date) -> Self {
        let epss = view.epss.and_then(|it| Probability::new(it).ok());
        match (view.kev.filter(|listed| *listed <= on), epss) {
            (Some(listed), epss) => Self::Listed { days_ago: (on - listed).get_days().into(), epss },
            (None, Some(epss)) => Self::Scored { epss },
            (None, None) => Self::Unscored,
        }
    }

    /// The hazard under these parameters. Its age counts from the day that it was listed in KEV; without a known exploit the
    /// hazard is constant, and a listing never lowers it.
    #[must_use]
    pub fn hazard(self, parameter: impl Fn(Parameter) -> f64) -> Hazard {
        match self {
            Self::Listed { days_ago, epss } => {
                let floor = Probability::nearest(parameter(Parameter::KevFloor));
                let unlisted =
                    epss.unwrap_or_else(|| Probability::nearest(parameter(Parameter::EpssUnknown)));
                Hazard {
                    thirty_days: if unlisted > floor { unlisted } else { floor },
                    unlisted,
                    age: Days::new(days_ago).unwrap_or_default(),
                    shape: parameter(Parameter::Shape),
                    source: HazardSource::Kev,
                }
            }
            Self::Scored { epss } => Hazard::constant(epss, HazardSource::Epss),
            Self::Unscored => {
                let base = Probability::nearest(parameter(Parameter::EpssUnknown));
                Hazard::constant(base, HazardSource::Unknown)
            }
        }
    }
}

/// How much a cumulative hazard of this age and Weibull shape rises in the next `days`, up to a factor: `(a+t)^k - a^k`.
#[must_use]
pub fn rise(age_days: f64, shape: f64, days: f64) -> f64 {
    (age_days + days).powf(shape) - age_days.powf(shape)
}

/// The exploitation hazard of one vulnerability from now on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hazard {
    /// Probability within the next 30 days.
    pub thirty_days: Probability,
    /// The same were it not listed: the constant hazard of this probability, below which the cumulative one never is.
    #[serde(default, skip_serializing_if = "is_impossible")]
    pub unlisted: Probability,
    /// Days since an exploit exists; 0 with a shape of 1 where none is known to.
    pub age: Days,
    /// Weibull shape: 1 is constant.
    pub shape: f64,
    /// Where the probability is from.
    pub source: HazardSource,
}

impl Hazard {
    /// The hazard of a vulnerability on a day.
    #[must_use]
    pub fn of(view: &VulnerabilityView, on: Date, parameters: &Parameters) -> Self {
        Exploited::of(view, on).hazard(|it| parameters.get(it))
    }

    /// A constant hazard.
    #[must_use]
    pub fn constant(thirty_days: Probability, source: HazardSource) -> Self {
        Self { thirty_days, unlisted: Probability::default(), age: Days::default(), shape: 1.0, source }
    }

    /// The hazard of a further step that follows exploitation within 30 days with this probability: a campaign tries this
    /// fleet, a host is hit. The 30-day probability of both becomes a hazard in the exact form, with the profile of
    /// exploitation over time: who is not tried in one month may be in the next.
    #[must_use]
    pub fn followed_by(&self, step: Probability) -> Self {
        let both = |it: Probability| Probability::nearest(it.get().min(LARGEST_EPSS) * step.get());
        Self { thirty_days: both(self.thirty_days), unlisted: both(self.unlisted), ..*self }
    }

    /// Cumulative hazard of the next `days`, without unit.
    #[must_use]
    pub fn cumulative(&self, days: Days) -> f64 {
        let thirty = daily_hazard(self.thirty_days).get() * EPSS_DAYS;
        let (age, shape) = (self.age.get(), self.shape);
        let falling = thirty * rise(age, shape, days.get()) / rise(age, shape, EPSS_DAYS);
        falling.max(daily_hazard(self.unlisted).get() * days.get())
    }

    /// Probability of exploitation anywhere within the next `days`.
    #[must_use]
    pub fn probability(&self, days: Days) -> Probability {
        Probability::nearest(-(-self.cumulative(days)).exp_m1())
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_impossible(it: &Probability) -> bool {
    it.get() == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(it: f64) -> Days {
        Days::new(it).unwrap()
    }

    #[test]
    fn the_next_thirty_days_have_the_probability_of_epss_whatever_the_shape() {
        for (age, shape) in [(0.0, 0.28), (3.0, 0.28), (400.0, 0.5), (0.0, 1.0)] {
            let hazard = Hazard {
                thirty_days: Probability::new(0.37).unwrap(),
                unlisted: Probability::default(),
                age: days(age),
                shape,
                source: HazardSource::Epss,
            };
            assert!((hazard.probability(days(30.0)).get() - 0.37).abs() < 1e-12);
        }
    }

    #[test]
    fn a_young_exploit_strikes_early_and_an_old_one_evenly() {
        let at = |age| Hazard {
            thirty_days: Probability::new(0.3).unwrap(),
            unlisted: Probability::default(),
            age: days(age),
            shape: 0.28,
            source: HazardSource::Kev,
        };
        let even = probability_within(Probability::new(0.3).unwrap(), days(7.0)).get();
        assert!(at(0.0).probability(days(7.0)).get() > 1.5 * even);
        assert!((at(3000.0).probability(days(7.0)).get() - even).abs() < 0.002);
    }

    #[test]
    fn a_listing_never_lowers_the_hazard() {
        let parameters = Parameters::default();
        for epss in [None, Some(0.02), Some(0.5), Some(0.85), Some(0.9), Some(0.97), Some(1.0)] {
            let epss = epss.map(|it| Probability::new(it).unwrap());
            let unlisted = epss.map_or(Exploited::Unscored, |epss| Exploited::Scored { epss });
            let unlisted = unlisted.hazard(|it| parameters.get(it));
            for days_ago in [0.0, 1.0, 30.0, 2000.0] {
                let listed = Exploited::Listed { days_ago, epss }.hazard(|it| parameters.get(it));
                let falling = Hazard { unlisted: Probability::default(), ..listed };
                for at in [0.5, 1.0, 7.0, 29.0, 30.0, 31.0, 60.0, 90.0, 365.0, 4000.0].map(days) {
                    let greater = falling.cumulative(at).max(unlisted.cumulative(at));
                    assert!((listed.cumulative(at) - greater).abs() <= 1e-12 * greater);
                }
            }
        }
        let epss = Some(Probability::new(0.85).unwrap());
        let listed = Exploited::Listed { days_ago: 1.0, epss }.hazard(|it| parameters.get(it));
        assert!((listed.probability(days(90.0)).get() - (1.0 - 0.15_f64.powi(3))).abs() < 1e-12);
    }

    #[test]
    fn a_step_that_follows_has_a_hazard_of_its_own() {
        let constant = Hazard::constant(Probability::new(0.9).unwrap(), HazardSource::Epss);
        let tried = constant.followed_by(Probability::new(0.05).unwrap());
        assert!((tried.probability(days(30.0)).get() - 0.045).abs() < 1e-15);
        assert!((tried.probability(days(300.0)).get() - (1.0 - 0.955_f64.powi(10))).abs() < 1e-12);
        // A young exploit: the first month's share of a year's hazard is more than a twelfth.
        let young = Hazard { shape: 0.28, ..constant }.followed_by(Probability::new(0.05).unwrap());
        let rises = (365.0_f64 / 30.0).powf(0.28);
        assert!((young.probability(days(365.0)).get() - (1.0 - 0.955_f64.powf(rises))).abs() < 1e-12);
        // Nobody is tried by what nobody exploits.
        for at in [1.0, 7.0, 30.0, 365.0, 1e5] {
            assert!(tried.probability(days(at)) <= constant.probability(days(at)));
        }
    }

    #[test]
    fn a_certain_score_stays_finite() {
        assert!(daily_hazard(Probability::CERTAIN).get().is_finite());
        assert!(Hazard::constant(Probability::CERTAIN, HazardSource::Epss).cumulative(days(1e6)).is_finite());
        assert!(probability_within(Probability::CERTAIN, days(1.0)).get() < 1.0);
    }
}
