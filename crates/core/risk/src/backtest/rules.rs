//! The policies that are compared.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::{Parameter, Policy};
use underpin_model::quantity::{Days, Probability};
use underpin_model::ssvc::{self, Decision as Urgency, Exploitation, HumanImpact, SystemExposure};

use super::history::Means;
use super::view::{Decision, DecisionRule, KnownHole, ReleaseRef, View, days};
use crate::build::hole::Way;
use crate::build::hosts::Approach;
use crate::build::reach::{Guests, Machine, Rates};
use crate::hazard::{Exploited, Hazard};
use crate::portfolio::Impact;
use crate::wait::curve::{Choice, Inputs};
use crate::wait::evidence::Tally;
use crate::wait::groups::HORIZON_DAYS;
use crate::wait::situation::{Hole, Installed, Situation, Stratum, Worth};
use crate::wait::values::Values;
use crate::ways::Ways;

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

    /// What stands on one host.
    fn worth(&self) -> Worth {
        let rates = self.policy.loss.of(None);
        let (vms, disclosed) = (self.vms_per_host, rates.record_disclosed.get());
        let (stated_records, per_record) = match rates.records_per_vm {
            Some(records) => (vms * records * disclosed, 0.0),
            None => (0.0, vms * disclosed),
        };
        let (corrupted, hour_down) = (vms * rates.system_corrupted.get(), vms * rates.vm_hour_down.get());
        Worth { vms, stated_records, per_record, corrupted, hour_down, ..Worth::default() }
    }

    /// How a host is reached of which nothing else is known: one way in from inside, to it and to its controller, and its guests.
    fn approach(&self, way: Way) -> Approach {
        let inside = Ways { on: [0, 1, 0], ..Ways::default() };
        let guests = Guests { on: guests(self.vms_per_host), perhaps: 0 };
        let machine = Machine { software: inside, controller: inside, guests: Some(guests) };
        Approach { way, machine, controls_fail: 1.0 }
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

    /// What one vulnerability costs one host on one day, listed in KEV so many days ago (`None`: not listed).
    #[must_use]
    pub fn daily_loss(&self, means: Means, listed_days: Option<i64>) -> f64 {
        let loss = self.worth().loss(means.impact, &Values::of(&self.policy.parameters));
        if loss > 0.0 { self.daily_hazard(means.way, listed_days) * loss } else { 0.0 }
    }

    /// Hazard of one day that one host is hit by one way: of the course that `risk` and `wait` see on the day of the listing, so that
    /// its first 30 days come to the floor.
    fn daily_hazard(&self, way: Way, listed_days: Option<i64>) -> f64 {
        let hazard = self.hit_hazard(way, exploited(listed_days.map(|_| 0), None));
        let until = |day: i64| hazard.cumulative(Days::new(day as f64).unwrap_or_default());
        let day = listed_days.unwrap_or(0).max(0);
        until(day + 1) - until(day)
    }

    /// The hazard that one host is hit: a campaign tries this fleet, and gets to where the hole can be used.
    fn hit_hazard(&self, way: Way, exploited: Exploited) -> Hazard {
        let reach = self.approach(way).hit(&Rates::of(&self.policy.parameters));
        let path = self.get(Parameter::Aimed) * reach;
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
    fn is_now_best(&self, view: &View<'_>, release: ReleaseRef) -> bool {
        is_now_best(&self.inputs(view, release))
    }

    /// The inputs of the loss of waiting with a release, as they could be known on the day of a view.
    ///
    /// Of the terms of the curve a replay knows all that history tells: hazards that age since the day of a listing, incomplete
    /// fixes, the belief about the release at its age and about the one that runs, its maintenance, the horizon of a decision. It knows no rings, trials,
    /// known bugs, shared drains and promises, because no history of them is in the facts: those terms are 0.
    fn inputs(&self, view: &View<'_>, release: ReleaseRef) -> Inputs {
        let (share, theta) = self.fitted(view);
        let runs = view.running();
        let values = Values::of(&self.policy.parameters)
            .with(Parameter::RegressionPrior, share)
            .with(Parameter::Theta, theta);
        let inputs = self.situation(view, release).inputs(&values);
        // What turned out bad is so for certain.
        let staying = if view.is_bad(runs) { self.hit() * self.regression() } else { inputs.staying };
        Inputs { staying, ..inputs }
    }

    /// What [`wait`](crate::wait) would ask about, on the facts of a view.
    fn situation(&self, view: &View<'_>, release: ReleaseRef) -> Situation {
        let today = view.today();
        let hole = |vulnerability: VulnerabilityId, exploited, means: Means| Hole {
            vulnerability,
            exploited,
            way: means.way,
            impact: means.impact,
            public_days: None,
        };
        let known = view.closed_by(release).map(|it| {
            let exploited = exploited(it.listed.map(|it| days(it, today)), it.predicted);
            hole(it.id.clone(), exploited, it.means.unwrap_or_else(Means::unknown))
        });
        // What nobody says is not nothing: such a release is taken to close one vulnerability of unknown score, reached from inside, that
        // takes all. A judgement: with no hole known, half of it would keep hosts on their first release for ever.
        let unknown = view.unexplained(release).zip(1_u32..).filter_map(|(_, number)| {
            let id = VulnerabilityId::new(format!("unlisted hole {number}")).ok()?;
            let means = Means { way: Way::Account, impact: Impact::COMPROMISED };
            Some(hole(id, Exploited::Unscored, means))
        });
        let holes: Vec<Hole> = known.chain(unknown).collect();
        let ways: BTreeSet<Way> = holes.iter().map(|it| it.way).collect();
        let approaches: Vec<Approach> = ways.into_iter().map(|it| self.approach(it)).collect();
        let worth = self.worth();
        let hit = self.policy.parameters.setting(Parameter::RegressionHit);
        let age_days = view.age_days(view.running()) as f64;
        let installed = Installed { share: 1.0, worth, age_days, withdrawal: None, tally: Tally::default() };
        let stratum = Stratum {
            share: 1.0,
            worth,
            holes: (0..holes.len()).collect(),
            answers: (0..approaches.len()).collect(),
        };
        Situation {
            horizon_days: HORIZON_DAYS,
            hosts: 1.0,
            holes,
            approaches,
            strata: vec![stratum],
            rates: Rates::of(&self.policy.parameters),
            release_age_days: view.age_days(release) as f64,
            tally: Tally::default(),
            hit_range: (hit.low, hit.high),
            first_ring_share: 1.0,
            ring_from_days: 0.0,
            installed: [installed].into(),
            known_bugs: None,
            maintenance: self.maintenance(),
            shared_drain_saves: 0.0,
            penalties: Arc::default(),
        }
    }
}

/// The guests of a host of which a replay knows the mean number.
pub(super) fn guests(vms_per_host: f64) -> u32 {
    vms_per_host.round().clamp(0.0, f64::from(u32::MAX)) as u32
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
    use underpin_exposure::report::Area;
    use underpin_model::cvss;
    use underpin_model::facts::DateKind;

    use super::super::history::{Event, Fact, History, Hole, Release, Signals, Why};
    use super::super::view::Known;
    use super::*;
    use crate::wait::curve::Hazards;

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
            means: listed.map(|_| (Some(day(50)), described(TAKES_ALL))),
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

    fn described(vector: &str) -> Means {
        Means::of(Area::Kernel, Some(&cvss::effects(vector).unwrap()))
    }

    const TAKES_ALL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    const TAKES_DOWN: &str = "CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L";

    fn on_day_80(history: &History) -> (Known, Date) {
        let mut known = Known::default();
        let today = Date::constant(2022, 1, 1).with().day_of_year(80).build().unwrap();
        history.facts().iter().filter(|it| it.day < today).for_each(|it| known.tell(it));
        (known, today)
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
    }

    #[test]
    fn the_own_policy_asks_the_curve_of_patch_or_wait() {
        let policy = Policy::default();
        let costs = Economics::new(&policy, 20.0);
        let history = history();
        let (mut known, today) = on_day_80(&history);
        let view = View::new(&known, today, 0);
        let release = view.newest(0).unwrap();
        let own = costs.inputs(&view, release);
        let situation = costs.situation(&view, release);
        let ways: Vec<Way> = situation.holes.iter().map(|it| it.way).collect();
        assert_eq!(ways, [Way::Network, Way::Unknown], "the second has no vector");
        assert_eq!(situation.holes[0].impact, Impact::COMPROMISED);
        assert_eq!(own.horizon_days, 90.0);
        let (share, _) = costs.fitted(&view);
        assert!(own.staying > 0.0 && own.bad > 0.0 && own.bad < share);
        assert_eq!(costs.is_now_best(&view, release), own.optimum().unwrap().choice == Choice::Now);
        assert!(costs.is_now_best(&view, release), "known to be exploited for ten days");

        // What is known to be bad is left for certain.
        known.tell(&Fact { day: today, event: Event::TurnedOutBad { release: 0, why: Why::Withdrawn } });
        let left = costs.inputs(&View::new(&known, today, 0), release);
        assert!(near(left.staying, costs.hit() * costs.regression()) && left.staying > 2.0 * own.staying);
    }

    /// A hole that is used by touching the host and takes little of it is not one that takes all over the network.
    #[test]
    fn a_vector_says_how_a_hole_is_reached_and_what_it_takes() {
        let costs = Economics::new(&Policy::default(), 20.0);
        let of = |vector| costs.daily_loss(described(vector), Some(0));
        let worth = costs.worth();
        let all = worth.loss(Impact::COMPROMISED, &Values::of(&Policy::default().parameters));
        assert!(near(of(TAKES_ALL), all * costs.daily_hazard(Way::Network, Some(0))));
        let down = described(TAKES_DOWN);
        assert_eq!((down.way, down.impact.integrity, down.impact.availability), (Way::Touch, 0.0, 0.5));
        assert!(of(TAKES_DOWN) > 0.0 && of(TAKES_DOWN) < 0.5 * of(TAKES_ALL), "{}", of(TAKES_DOWN));
        let escape = described("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:H");
        assert_eq!(escape.way, Way::Guest);
        let alone = Economics::new(&Policy::default(), 1.0);
        assert!(
            costs.daily_loss(escape, None) > 30.0 * alone.daily_loss(escape, None),
            "of 20 guests more than 20 times as much stands there, and any of them may be the way"
        );
        // A decision does not see a vector before its day.
        let mut history = history();
        let later = history.releases[1].day.checked_add(jiff::ToSpan::days(30)).unwrap();
        history.holes[0].means = Some((Some(later), described(TAKES_ALL)));
        let (known, today) = on_day_80(&history);
        let view = View::new(&known, today, 0);
        let seen = costs.situation(&view, view.newest(0).unwrap());
        assert!(seen.holes.iter().all(|it| it.way == Way::Unknown));
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
        let day = |listed| costs.daily_loss(Means::unknown(), listed);
        let (fresh, old, unknown) = (day(Some(0)), day(Some(1000)), day(None));
        assert!(fresh > old && old > unknown);
    }

    #[test]
    fn days_since_a_listing_sum_up_to_what_wait_prices_on_its_day() {
        let costs = Economics::new(&Policy::default(), 20.0);
        let listed = costs.hit_hazard(Way::Guest, exploited(Some(0), None));
        for span in [1, 30, 90, 400] {
            let days: f64 = (0..span).map(|day| costs.daily_hazard(Way::Guest, Some(day))).sum();
            let at_once = listed.cumulative(Days::new(span as f64).unwrap());
            assert!((days / at_once - 1.0).abs() < 1e-9, "{span} days: {days} is not {at_once}");
        }
    }
}
