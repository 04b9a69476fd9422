//! The policies that are compared.

use std::fmt;

use jiff::civil::Date;
use underpin_model::policy::{Parameter, Policy};
use underpin_model::quantity::{Days, Probability};
use underpin_model::ssvc::{self, Decision as Urgency, Exploitation, HumanImpact, SystemExposure};

use super::view::{Decision, DecisionRule, KnownHole, View, days};
use crate::hazard::{EPSS_DAYS, Exploited, Hazard, daily_hazard};
use crate::wait::curve::{AgedHazard, Choice, Hazards, Inputs};
use crate::wait::groups::HORIZON_DAYS;

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

    /// Hazard of one day that one host is compromised through one vulnerability, listed in KEV so many days ago (`None`: not
    /// listed): of the course that `risk` and `wait` see on the day of the listing, so that its first 30 days come to the floor.
    #[must_use]
    pub fn daily_hazard(&self, listed_days: Option<i64>) -> f64 {
        let hazard = self.hit_hazard(exploited(listed_days.map(|_| 0), None));
        let until = |day: i64| hazard.cumulative(Days::new(day as f64).unwrap_or_default());
        let day = listed_days.unwrap_or(0).max(0);
        until(day + 1) - until(day)
    }

    /// The hazard that one host is hit: a campaign tries this fleet, and gets to it as from inside.
    fn hit_hazard(&self, exploited: Exploited) -> Hazard {
        let path = self.get(Parameter::Aimed) * self.get(Parameter::ReachInternal);
        exploited.hazard(|it| self.get(it)).followed_by(Probability::nearest(path))
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

    /// Whether [`wait`](crate::wait) would recommend to install a release today: the whole curve, on the facts of the view.
    fn is_now_best(&self, view: &View<'_>, release: super::view::ReleaseRef) -> bool {
        is_now_best(&self.inputs(view, release))
    }

    /// The inputs of the loss of waiting with a release, as they could be known on the day of a view.
    ///
    /// Of the terms of the curve a replay knows all that history tells: hazards that age since the day of a listing, incomplete
    /// fixes, the belief about the release at its age and about the one that runs, its maintenance, the horizon of a decision. It knows no rings, trials,
    /// known bugs, shared drains and promises, because no history of them is in the facts: those terms are 0. Every hole is
    /// reached as from inside and takes all that stands on the host.
    fn inputs(&self, view: &View<'_>, release: super::view::ReleaseRef) -> Inputs {
        let (share, theta) = self.fitted(view);
        // Bayes, as in patch or wait: it has not been found to be bad at this age.
        let bad = |release| {
            let still = share * (-theta * view.age_days(release) as f64).exp();
            if still > 0.0 { still / (still + (1.0 - share)) } else { 0.0 }
        };
        let runs = view.running();
        let runs_bad = if view.is_bad(runs) { 1.0 } else { bad(runs) };
        let mut hazards = Hazards { share: 1.0, loss: self.compromise(), ..Hazards::default() };
        let today = view.today();
        for hole in view.closed_by(release) {
            self.add(&mut hazards, exploited(hole.listed.map(|it| days(it, today)), hole.predicted));
        }
        // What nobody says is not nothing: such a release is taken to close one vulnerability of unknown score.
        for _ in view.unexplained(release) {
            self.add(&mut hazards, Exploited::Unscored);
        }
        Inputs {
            horizon_days: HORIZON_DAYS,
            hosts: 1.0,
            hazards: vec![hazards],
            incomplete_fix: self.get(Parameter::IncompleteFix),
            bad: bad(release),
            theta,
            hit: self.hit(),
            loss_per_bad_host: self.regression(),
            staying: runs_bad * self.hit() * self.regression(),
            first_ring_share: 1.0,
            maintenance: self.maintenance(),
            ..Inputs::default()
        }
    }

    /// Adds a hole as [`Hole`](crate::wait::situation::Hole) does: the 30-day probability of the whole path in the exact form.
    fn add(&self, hazards: &mut Hazards, exploited: Exploited) {
        let hazard = self.hit_hazard(exploited);
        let of = |it: Probability| daily_hazard(it).get() * EPSS_DAYS;
        let (thirty_days, constant_thirty_days) = (of(hazard.thirty_days), of(hazard.unlisted));
        if hazard.shape < 1.0 {
            let (age_days, shape) = (hazard.age.get(), hazard.shape);
            hazards.aged.push(AgedHazard { thirty_days, constant_thirty_days, age_days, shape });
        } else {
            hazards.constant_per_day += thirty_days / EPSS_DAYS;
        }
    }
}

/// To install today is the optimum, and better than never within the horizon.
fn is_now_best(inputs: &Inputs) -> bool {
    inputs.optimum_on_grid().is_ok_and(|it| it.choice == Choice::Now && it.loss_never > it.loss_now)
}

/// What was known about exploitation: listed in KEV so many days ago (`None`: not listed), and an EPSS score.
fn exploited(listed_days: Option<i64>, epss: Option<f64>) -> Exploited {
    let epss = epss.and_then(|it| Probability::new(it).ok());
    match (listed_days, epss) {
        (Some(age), epss) => Exploited::Listed { days_ago: age.max(0) as f64, epss },
        (None, Some(epss)) => Exploited::Scored { epss },
        (None, None) => Exploited::Unscored,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use underpin_model::facts::DateKind;
    use underpin_model::id::VulnerabilityId;

    use super::super::history::{Event, Fact, History, Hole, Release, Signals, Why};
    use super::super::view::Known;
    use super::*;
    use crate::build::hole::Way;
    use crate::build::hosts::Approach;
    use crate::build::reach::{Machine, Rates};
    use crate::portfolio::Impact;
    use crate::wait::evidence::Tally;
    use crate::wait::situation::{Installed, Situation, Stratum, Worth};
    use crate::wait::values::Values;
    use crate::ways::Ways;

    #[test]
    fn windows_are_first_days() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert!(is_window(day("2024-04-01"), 3) && is_window(day("2024-05-01"), 1));
        assert!(!is_window(day("2024-05-01"), 3) && !is_window(day("2024-04-02"), 1));
    }

    /// A line whose second release, out since day 60, closes one hole that was listed on day 70 and one that nobody scored.
    fn history() -> History {
        let day = |at: i16| Date::constant(2022, 1, 1).with().day_of_year(at).build().unwrap();
        let release = |name: &str, at| Release {
            version: name.into(),
            day: day(at),
            train: "1".into(),
            security: Some(true),
        };
        let hole = |id: &str, listed: Option<i16>| Hole {
            id: VulnerabilityId::new(id).unwrap(),
            published: day(50),
            day_assumed: false,
            closed_by: vec![1],
            listed: listed.map(day),
            score: None,
            assessed: None,
            predicted: Vec::new(),
        };
        History {
            platform: "made-up".to_owned(),
            line: "1".to_owned(),
            component: "it".to_owned(),
            dates: DateKind::Published,
            releases: vec![release("r0", 1), release("r1", 60)],
            holes: vec![hole("CVE-2022-0001", Some(70)), hole("CVE-2022-0002", None)],
            bad: Vec::new(),
            signals: Signals::default(),
        }
    }

    /// The same holes as patch or wait sees them on hosts that an account opens: reached as from inside, all is lost.
    fn as_patch_or_wait(policy: &Policy, release_age_days: f64) -> Situation {
        let hole = |id: &str, exploited| crate::wait::situation::Hole {
            vulnerability: VulnerabilityId::new(id).unwrap(),
            exploited,
            way: Way::Account,
            impact: Impact::COMPROMISED,
            public_days: None,
        };
        let machine = Machine { software: Ways::default(), controller: Ways::default(), guests: None };
        let rates = policy.loss.of(None);
        let worth = Worth {
            vms: 20.0,
            stated_records: 0.0,
            per_record: 20.0 * rates.record_disclosed.get(),
            corrupted: 20.0 * rates.system_corrupted.get(),
            hour_down: 20.0 * rates.vm_hour_down.get(),
            ..Worth::default()
        };
        let hit = policy.parameters.setting(Parameter::RegressionHit);
        let installed =
            Installed { share: 1.0, worth, age_days: 79.0, withdrawal: None, tally: Tally::default() };
        Situation {
            horizon_days: HORIZON_DAYS,
            hosts: 1.0,
            holes: vec![
                hole("CVE-2022-0001", Exploited::Listed { days_ago: 10.0, epss: None }),
                hole("CVE-2022-0002", Exploited::Unscored),
            ],
            approaches: vec![Approach { way: Way::Account, machine, controls_fail: 1.0 }],
            strata: vec![Stratum { share: 1.0, worth, holes: Arc::new([0, 1]), answers: vec![0] }],
            rates: Rates::of(&policy.parameters),
            release_age_days,
            tally: Tally::default(),
            hit_range: (hit.low, hit.high),
            first_ring_share: 1.0,
            ring_from_days: 0.0,
            installed: [installed].into(),
            known_bugs: None,
            maintenance: policy.maintenance.per_host.get(),
            shared_drain_saves: 0.0,
            penalties: Arc::default(),
        }
    }

    #[test]
    fn the_own_policy_asks_the_curve_of_patch_or_wait() {
        let policy = Policy::default();
        let costs = Economics::new(&policy, 20.0);
        let (history, mut known) = (history(), Known::default());
        let today = Date::constant(2022, 1, 1).with().day_of_year(80).build().unwrap();
        history.facts().iter().filter(|it| it.day < today).for_each(|it| known.tell(it));
        let view = View::new(&known, today, 0);
        let release = view.newest(0).unwrap();
        let own = costs.inputs(&view, release);
        // What a line has shown so far replaces the policy's share of bad releases and their rate, here as there.
        let (share, theta) = costs.fitted(&view);
        let values = Values::of(&policy.parameters)
            .with(Parameter::RegressionPrior, share)
            .with(Parameter::Theta, theta);
        let theirs = as_patch_or_wait(&policy, 20.0).inputs(&values);
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
        let (mine, other) = (&own.hazards[0], &theirs.hazards[0]);
        for (name, a, b) in [
            ("constant", mine.constant_per_day, other.constant_per_day),
            ("aged", mine.aged[0].thirty_days, other.aged[0].thirty_days),
            ("loss", mine.loss, other.loss),
            ("bad", own.bad, theirs.bad),
            ("staying", own.staying, theirs.staying),
            ("regression", own.loss_per_bad_host, theirs.loss_per_bad_host),
        ] {
            assert!(a > 0.0 && near(a, b), "{name}: {a}, in patch or wait {b}");
        }
        assert_eq!(
            (mine.aged.len(), mine.aged[0].age_days, mine.aged[0].shape),
            (1, 10.0, other.aged[0].shape)
        );
        assert_eq!((own.theta, own.maintenance, own.horizon_days), (theirs.theta, theirs.maintenance, 90.0));
        assert_eq!((own.incomplete_fix, own.first_ring_share), (theirs.incomplete_fix, 1.0));
        let now = own.optimum().unwrap().choice == Choice::Now;
        assert_eq!(costs.is_now_best(&view, release), now);
        assert!(now, "known to be exploited for ten days");

        // What is known to be bad is left for certain.
        known.tell(&Fact { day: today, event: Event::TurnedOutBad { release: 0, why: Why::Withdrawn } });
        let left = costs.inputs(&View::new(&known, today, 0), release);
        assert!(near(left.staying, costs.hit() * costs.regression()) && left.staying > 2.0 * own.staying);
    }

    /// Why the own policy may cost more over years than a rule that installs more often: hosts stay closed for longer than the
    /// horizon of one decision, and that is worth nothing in it.
    #[test]
    fn what_a_release_keeps_closed_beyond_the_horizon_is_not_in_the_decision() {
        let per_day = 0.01;
        let over = |horizon_days: f64| Inputs {
            horizon_days,
            hosts: 1.0,
            hazards: vec![Hazards {
                share: 1.0,
                loss: per_day / 1e-6,
                constant_per_day: 1e-6,
                aged: Vec::new(),
            }],
            first_ring_share: 1.0,
            maintenance: 120.0 * per_day,
            ..Inputs::default()
        };
        assert!(!is_now_best(&over(HORIZON_DAYS)), "a maintenance that 120 days of exposure pay for");
        assert!(is_now_best(&over(2.0 * HORIZON_DAYS)));
    }

    #[test]
    fn a_listed_vulnerability_is_worth_more_than_an_unknown_one_and_a_fresh_one_most() {
        let costs = Economics::new(&Policy::default(), 20.0);
        let (fresh, old, unknown) =
            (costs.daily_hazard(Some(0)), costs.daily_hazard(Some(1000)), costs.daily_hazard(None));
        assert!(fresh > old && old > unknown);
    }

    #[test]
    fn days_since_a_listing_sum_up_to_what_wait_prices_on_its_day() {
        let costs = Economics::new(&Policy::default(), 20.0);
        let listed = costs.hit_hazard(exploited(Some(0), None));
        for span in [1, 30, 90, 400] {
            let days: f64 = (0..span).map(|day| costs.daily_hazard(Some(day))).sum();
            let at_once = listed.cumulative(Days::new(span as f64).unwrap());
            assert!((days / at_once - 1.0).abs() < 1e-9, "{span} days: {days} is not {at_once}");
        }
    }
}
