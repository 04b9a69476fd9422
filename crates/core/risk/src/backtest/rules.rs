//! The policies that are compared.

use std::fmt;

use jiff::civil::Date;
use underpin_model::policy::{Parameter, Policy};
use underpin_model::quantity::{Days, Loss, PerDay, Probability};
use underpin_model::ssvc::{self, Decision as Urgency, Exploitation, HumanImpact, SystemExposure};

use super::view::{Decision, DecisionRule, KnownHole, View, days};
use crate::hazard::Exploited;
use crate::timing::{LossCurve, PatchTime, optimal_patch_time};

/// How many releases the prior of the regression rate counts for: a judgement.
const PRIOR_RELEASES: f64 = 20.0;
/// How many bad releases the prior of the retirement rate counts for: a judgement.
const PRIOR_BAD: f64 = 2.0;

/// A policy that decides by a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Every release as soon as it is known.
    AtOnce,
    /// The newest release that is so many days old.
    Delay(u16),
    /// When a release closes a vulnerability of at least this CVSS base score.
    Cvss(f64),
    /// When a release closes a vulnerability that KEV lists.
    Kev,
    /// When SSVC says out-of-cycle or immediate; what it calls scheduled waits for the next quarter.
    Ssvc,
    /// When a release closes a vulnerability of at least this EPSS score.
    Epss(f64),
    /// On the first day of every so many months.
    Window(u8),
    /// Where waiting costs more than patching: Underpin's own.
    Own(Box<Economics>),
}

impl Rule {
    /// The policies of a comparison.
    #[must_use]
    pub fn all(epss_at_least: f64, economics: &Economics) -> Vec<Self> {
        vec![
            Self::AtOnce,
            Self::Delay(7),
            Self::Delay(14),
            Self::Delay(30),
            Self::Delay(90),
            Self::Cvss(7.0),
            Self::Cvss(9.0),
            Self::Kev,
            Self::Ssvc,
            Self::Epss(epss_at_least),
            Self::Window(1),
            Self::Window(3),
            Self::Own(Box::new(economics.clone())),
        ]
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at once"),
            Self::Delay(days) => write!(f, "after {days} days"),
            Self::Cvss(score) => write!(f, "CVSS >= {score:.1}"),
            Self::Kev => f.write_str("KEV only"),
            Self::Ssvc => f.write_str("SSVC"),
            Self::Epss(score) => write!(f, "EPSS >= {score}"),
            Self::Window(1) => f.write_str("monthly window"),
            Self::Window(3) => f.write_str("quarterly window"),
            Self::Window(months) => write!(f, "window every {months} months"),
            Self::Own(_) => f.write_str("underpin"),
        }
    }
}

impl DecisionRule for Rule {
    fn decide(&self, view: &View<'_>) -> Decision {
        let oldest = if let Self::Delay(days) = self { i64::from(*days) } else { 0 };
        let Some(newest) = view.newest(oldest) else { return Decision::Stay };
        let install = match self {
            Self::AtOnce | Self::Delay(_) => true,
            Self::Cvss(least) => view.closed_by(newest).any(|it| it.score.is_some_and(|it| it >= *least)),
            Self::Kev => view.closed_by(newest).any(|it| it.listed.is_some()),
            Self::Epss(least) => view.closed_by(newest).any(|it| it.predicted.is_some_and(|it| it >= *least)),
            Self::Window(months) => is_window(view.today(), *months),
            Self::Ssvc => {
                let most = view.closed_by(newest).filter_map(urgency).max();
                most.is_some_and(|it| it >= Urgency::OutOfCycle)
                    || (most == Some(Urgency::Scheduled) && is_window(view.today(), 3))
            }
            Self::Own(economics) => economics.is_now_best(view, newest),
        };
        if install { Decision::Install(newest) } else { Decision::Stay }
    }
}

fn is_window(today: Date, months: u8) -> bool {
    let every = i16::from(months.max(1));
    today.day() == 1 && (i16::from(today.month()) - 1) % every == 0
}

/// The SSVC outcome of a vulnerability with published decision points. Exposure and human impact are the cautious
/// values that assessments assume where a fleet does not tell them.
fn urgency(hole: &KnownHole) -> Option<Urgency> {
    let points = hole.assessed?;
    let exploitation = if hole.listed.is_some() { Exploitation::Active } else { points.exploitation };
    Some(ssvc::deployer(exploitation, SystemExposure::Open, points.automatable, HumanImpact::Medium))
}

/// What things cost, per host, in the policy's currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Economics {
    policy: Policy,
    /// VMs on one host.
    pub vms_per_host: f64,
}

impl Economics {
    /// The costs of a policy for hosts with so many VMs each.
    #[must_use]
    pub fn new(policy: &Policy, vms_per_host: f64) -> Self {
        Self { policy: policy.clone(), vms_per_host }
    }

    fn get(&self, parameter: Parameter) -> f64 {
        self.policy.parameters.get(parameter)
    }

    /// Loss of one compromised host: each VM corrupted, its records disclosed, and down.
    #[must_use]
    pub fn compromise(&self) -> f64 {
        let rates = self.policy.loss.of(None);
        let records = rates.records_per_vm.unwrap_or_else(|| self.get(Parameter::RecordsPerVm));
        let vm = rates.system_corrupted.get()
            + records * rates.record_disclosed.get()
            + self.get(Parameter::HoursAfterCompromise) * rates.vm_hour_down.get();
        self.vms_per_host * vm
    }

    /// Loss of one host that a bad release hits: each VM down.
    #[must_use]
    pub fn regression(&self) -> f64 {
        let rates = self.policy.loss.of(None);
        self.vms_per_host * self.get(Parameter::HoursAfterRegression) * rates.vm_hour_down.get()
    }

    /// Share of hosts that a bad release hits, where no incident says otherwise.
    #[must_use]
    pub fn hit(&self) -> f64 {
        self.get(Parameter::RegressionHit)
    }

    /// Loss of one maintenance of one host.
    #[must_use]
    pub fn maintenance(&self) -> f64 {
        self.policy.maintenance.per_host.get()
    }

    /// Hazard per day that one host is compromised through one vulnerability, listed in KEV so many days ago (`None`: not
    /// listed) and of this EPSS score.
    #[must_use]
    pub fn daily_hazard(&self, listed_days: Option<i64>, epss: Option<f64>) -> f64 {
        let epss = epss.and_then(|it| Probability::new(it).ok());
        let exploited = match (listed_days, epss) {
            (Some(age), epss) => Exploited::Listed { days_ago: age.max(0) as f64, epss },
            (None, Some(epss)) => Exploited::Scored { epss },
            (None, None) => Exploited::Unscored,
        };
        let hazard = exploited.hazard(|it| self.get(it));
        let day = Days::new(1.0).unwrap_or_default();
        hazard.cumulative(day) * self.get(Parameter::Aimed) * self.get(Parameter::ReachInternal)
    }

    /// The share of bad releases and the rate per day at which they are found out, from the policy's parameters and from
    /// what is known so far of this line: Beta and Gamma posteriors' means.
    fn fitted(&self, view: &View<'_>) -> (f64, f64) {
        let (releases, bad, days_to_bad) = view.record();
        let (releases, bad, days_to_bad) = (releases as f64, bad as f64, days_to_bad as f64);
        let share =
            (self.get(Parameter::RegressionPrior) * PRIOR_RELEASES + bad) / (PRIOR_RELEASES + releases);
        let theta = self.get(Parameter::Theta);
        let rate = if theta > 0.0 { (PRIOR_BAD + bad) / (PRIOR_BAD / theta + days_to_bad) } else { 0.0 };
        (share, rate)
    }

    /// Whether installing a release today is best: the expected loss `L(t)` of waiting `t` more days has its minimum at
    /// 0, and what has accrued by waiting, with what the policy's horizon adds, outweighs a maintenance (rent or buy).
    fn is_now_best(&self, view: &View<'_>, release: super::view::ReleaseRef) -> bool {
        let today = view.today();
        let (mut rate, mut accrued) = (0.0, 0.0);
        for hole in view.closed_by(release) {
            let daily = self.daily_hazard(hole.listed.map(|it| days(it, today)), hole.predicted);
            rate += daily;
            accrued += daily * hole.fix_known.map_or(0, |it| days(it, today)) as f64;
        }
        // What nobody says is not nothing: such a release is taken to close one vulnerability of unknown score.
        for age in view.unexplained(release) {
            let daily = self.daily_hazard(None, None);
            rate += daily;
            accrued += daily * age as f64;
        }
        let (share, theta) = self.fitted(view);
        let bad = share * (-theta * view.age_days(release) as f64).exp() * self.hit() * self.regression();
        let waiting = accrued + rate * self.policy.horizon.get();
        is_optimum_now(rate, self.compromise(), theta, bad)
            && waiting * self.compromise() >= self.maintenance() + bad
    }
}

/// Whether `L(t) = loss (1 - e^(-rate t)) + bad e^(-theta t)` is least at `t = 0`: the closed form of
/// [`timing`](crate::timing), not the numeric optimum of [`wait::curve`](crate::wait::curve), which a replay would ask for at
/// each line on each of some six thousand days.
///
/// It is the same model with fewer terms. A replay knows no rings, trials, known bugs, shared drains, promises or incomplete
/// fixes, so that those terms are 0. Hazards are constant, at today's rate: a listed hole's falls with its age, and is asked
/// for again the next day. And it looks beyond any horizon: whether the maintenance is worth its price is asked apart, against
/// what has accrued.
#[must_use]
pub fn is_optimum_now(rate: f64, loss: f64, theta: f64, bad: f64) -> bool {
    let (Ok(hazard), Ok(exposure_loss), Ok(maturing), Ok(patch_loss)) =
        (PerDay::new(rate), Loss::new(loss), PerDay::new(theta), Loss::new(bad))
    else {
        return false;
    };
    let curve = LossCurve { hazard, exposure_loss, bad_patch: Probability::CERTAIN, maturing, patch_loss };
    rate * loss > 0.0 && optimal_patch_time(&curve).best == PatchTime::After(Days::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_first_days() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert!(is_window(day("2024-04-01"), 3) && is_window(day("2024-05-01"), 1));
        assert!(!is_window(day("2024-05-01"), 3) && !is_window(day("2024-04-02"), 1));
    }

    /// The published vectors of the best time to patch: 20.35 and 9.30 days, and twice at once.
    #[test]
    fn now_is_best_exactly_where_the_optimum_is_zero() {
        for (rate, loss, share, theta, regression, now) in [
            (0.001, 100.0, 0.15, 0.1, 50.0, false),
            (0.0005, 1000.0, 0.08, 0.2, 200.0, false),
            (0.02, 100.0, 0.15, 0.1, 50.0, true),
            (0.2, 1000.0, 0.05, 0.1, 100.0, true),
        ] {
            assert_eq!(is_optimum_now(rate, loss, theta, share * regression), now, "{rate} {loss}");
        }
        assert!(!is_optimum_now(0.0, 100.0, 0.1, 1.0), "without an open hole nothing is gained");
    }

    #[test]
    fn a_listed_vulnerability_is_worth_more_than_an_unknown_one_and_a_fresh_one_most() {
        let costs = Economics::new(&Policy::default(), 20.0);
        let fresh = costs.daily_hazard(Some(0), None);
        let old = costs.daily_hazard(Some(1000), None);
        assert!(fresh > old && old > costs.daily_hazard(None, None));
        assert!(costs.daily_hazard(None, Some(1.0)).is_finite());
    }
}
