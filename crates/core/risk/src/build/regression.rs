//! What is believed of the release that hosts run: whether it is bad, and how many of them it hits then. The belief is that of
//! [`wait`](crate::wait) about a release that may be taken: the rate of its line, its age, and runs on this hardware.

use std::collections::BTreeMap;

use jiff::civil::Date;
use underpin_model::facts::Family;
use underpin_model::fleet::{HardwareClass, PlatformRelease};
use underpin_model::policy::{Parameter, Parameters};
use underpin_model::quantity::{Days, Probability};
use underpin_model::version::esxi;

use super::release::{ReleaseDates, component_of, fact_of};
use super::shocks::{Setting, age, from_parameter};
use super::{Known, MATURE_SHARE, UnknownAs};
use crate::evidence::Beta;
use crate::portfolio::Factor;
use crate::wait::called;
use crate::wait::due::named;
use crate::wait::evidence::Tally;
use crate::wait::known_bad::Bad;
use crate::wait::prior::{history, line, prior};
use crate::wait::situation::Belief;
use crate::wait::unmatched::release_name;
use crate::withdrawals::{self, Spelled, Withdrawal};

/// What is believed of one release on one class of hardware.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Regression {
    /// The day on which the release appeared, where it is known.
    pub(super) released: Option<Date>,
    /// What evidence calls it, where it can be named.
    pub(super) called: Option<String>,
    /// Their product is the probability that it is bad and shows it within the horizon.
    pub(super) factors: Vec<Factor>,
    /// Probability that it hits a host if it is bad.
    pub(super) hit: Factor,
    /// It was withdrawn or has failed on this hardware.
    pub(super) known_bad: bool,
}

/// Beliefs about the releases of a fleet; what a line has shown is read once.
pub(super) struct Regressions<'a> {
    parameters: &'a Parameters,
    dates: &'a ReleaseDates,
    known: Option<Known<'a>>,
    day: Date,
    horizon: Days,
    unknown: UnknownAs,
    of_line: BTreeMap<(Family, String, String), Factor>,
}

/// What is known of a release on a class of hardware, beside its day.
#[derive(Default)]
struct Record {
    withdrawal: Option<&'static Withdrawal>,
    /// How likely a release of its line is bad on its first day.
    at_release: Option<Factor>,
    tally: Tally,
}

impl<'a> Regressions<'a> {
    pub(super) fn new(setting: &Setting<'a>) -> Self {
        let Setting { releases: dates, known, day, unknown, .. } = *setting;
        let (parameters, horizon) = (&setting.policy.parameters, setting.policy.horizon);
        Self { parameters, dates, known, day, horizon, unknown, of_line: BTreeMap::new() }
    }

    /// The day on which a release appeared, where it is known.
    pub(super) fn released(&self, platform: Option<&PlatformRelease>) -> Option<Date> {
        let platform = platform?;
        let forgotten = || withdrawals::released(&platform.family, platform.release.as_deref()?, self.day);
        self.dates.of(platform).or_else(forgotten)
    }

    /// `None`: so mature, and nothing known against it, that a fault would be only work. A release of unknown day is priced as new where
    /// the upper figure asks, and else left out.
    pub(super) fn of(
        &mut self,
        platform: Option<&PlatformRelease>,
        hardware: &HardwareClass,
    ) -> Option<Regression> {
        let record = platform.map_or_else(Record::default, |it| self.record(it, hardware));
        let called = platform.and_then(|it| self.name(it));
        let perhaps = platform.filter(|_| record.withdrawal.is_none()).and_then(|it| self.perhaps(it));
        let believed = self.believed(record, perhaps, self.released(platform))?;
        Some(Regression { called, ..believed })
    }

    /// What is believed of a release beside that of the platform, which is known to be bad.
    pub(super) fn of_bad(&self, bad: &Bad) -> Option<Regression> {
        let record = Record { withdrawal: bad.withdrawal, at_release: None, tally: bad.tally };
        let believed = self.believed(record, None, bad.released)?;
        Some(Regression { called: Some(bad.name.clone()), ..believed })
    }

    /// Whether a release that is known to be bad is that of the platform, under its own name.
    pub(super) fn is_platform(&self, bad: &Bad, platform: Option<&PlatformRelease>) -> bool {
        let named = |it: &PlatformRelease| self.name(it).is_some_and(|it| called::same(&bad.name, &it));
        let same_text = |it: &PlatformRelease| {
            it.family == bad.family && it.release.as_deref() == Some(bad.version.as_str())
        };
        platform.is_some_and(|it| named(it) || same_text(it))
    }

    fn believed(
        &self,
        mut record: Record,
        perhaps: Option<&'static Withdrawal>,
        released: Option<Date>,
    ) -> Option<Regression> {
        record.withdrawal = record.withdrawal.or(perhaps);
        let days = released.map(|it| age(it, self.day));
        let theta = self.parameters.get(Parameter::Theta);
        let tried = record.tally.on_this_hardware();
        let is_bad = record.withdrawal.is_some() || tried.failures > 0;
        if !is_bad && days.is_some_and(|days| (-theta * days).exp() < MATURE_SHARE) {
            return None;
        }
        if !is_bad && days.is_none() && self.unknown == UnknownAs::LeftOut {
            return None;
        }
        let prior = record.at_release.unwrap_or_else(|| {
            from_parameter("bad on the day it appeared", Parameter::RegressionPrior, self.parameters)
        });
        let of_any = from_parameter("host hit by a bad release", Parameter::RegressionHit, self.parameters);
        let range = (of_any.low, of_any.high);
        let own = record.withdrawal.and_then(|it| own_share(it, &of_any));
        let share = own.unwrap_or(of_any);
        let belief = |theta: f64| {
            let hit = Beta::from_range(share.value, range.0, range.1);
            Belief::of(prior.value, hit, theta * days.unwrap_or(0.0), &record.tally)
        };
        let hit = if tried.hosts > 0 {
            after_runs(&share, belief(theta).hit, &record.tally)
        } else {
            share.clone()
        };
        let mut factors = match (record.withdrawal, is_bad) {
            (Some(it), _) => {
                let it = format!("{} was withdrawn, known on {}: {}", it.release, it.known, it.what);
                let may_be = "the build is not known, at worst it is this one: ";
                vec![certain(if perhaps.is_some() { format!("{may_be}{it}") } else { it })]
            }
            (None, true) => {
                vec![certain(format!("it hit {} of {} hosts of this hardware", tried.failures, tried.hosts))]
            }
            (None, false) => {
                let not_found = self.not_found_since(released, &prior, &belief);
                let mut factors = vec![prior.clone(), not_found];
                if tried.hosts > 0 {
                    let Belief { by_age, now, .. } = belief(theta);
                    let left = if by_age > 0.0 { now / by_age } else { 1.0 };
                    let source = format!(
                        "{} hosts of this hardware ran it without a fault; Beta-binomial",
                        tried.hosts
                    );
                    factors.push(exactly("clean on this hardware", left, source));
                }
                factors
            }
        };
        factors.push(self.shows_itself());
        Some(Regression { released, called: None, factors, hit, known_bad: is_bad })
    }

    /// A fault shows itself at the rate at which others find faults: the share of bad releases that hit within the horizon.
    fn shows_itself(&self) -> Factor {
        let theta = self.parameters.setting(Parameter::Theta);
        let within = |theta: f64| -(-theta * self.horizon.get()).exp_m1();
        Factor {
            name: "shows itself within the horizon",
            value: within(theta.value),
            low: within(theta.low),
            high: within(theta.high),
            parameter: Some(Parameter::Theta),
            source: format!(
                "1 - exp(-theta T) with T = {} days, as patch or wait counts staying on it",
                self.horizon
            )
            .into(),
        }
    }

    /// The upper figure: the worst withdrawn release that a host may run of which only the train is known.
    fn perhaps(&self, platform: &PlatformRelease) -> Option<&'static Withdrawal> {
        let (family, stated) = (&platform.family, platform.release.as_deref());
        let is_one = stated.is_some_and(|it| Spelled::of(family, it).is_one());
        if self.unknown == UnknownAs::LeftOut || is_one {
            return None;
        }
        let train = stated.and_then(esxi::train).or_else(|| platform.train.clone())?;
        let of_any = self.parameters.get(Parameter::RegressionHit);
        let share = |it: &Withdrawal| it.hit.unwrap_or(of_any);
        withdrawals::of_train(family, &train, self.day).max_by(|a, b| share(a).total_cmp(&share(b)))
    }

    /// What age leaves of the probability that it is bad. Without a day it is anything from new to mature, priced as new, for only the
    /// upper figure asks.
    fn not_found_since(
        &self,
        released: Option<Date>,
        prior: &Factor,
        belief: &impl Fn(f64) -> Belief,
    ) -> Factor {
        let theta = self.parameters.setting(Parameter::Theta);
        let left = |theta: f64| if prior.value > 0.0 { belief(theta).by_age / prior.value } else { 1.0 };
        let (value, low, high, source) = match released {
            Some(date) => {
                let days = age(date, self.day);
                let source = format!(
                    "released on {date}, {days} days ago, and not withdrawn: e / (1 - p + p e) with p the factor before and \
                     e = exp(-theta age)"
                );
                // The faster others find faults, the less is left.
                (left(theta.value), left(theta.high), left(theta.low), source)
            }
            None => (1.0, 0.0, 1.0, "the day of the release is not known: priced as new".to_owned()),
        };
        let (name, parameter) = ("not found since", Some(Parameter::Theta));
        Factor { name, value, low, high, parameter, source: source.into() }
    }

    fn record(&mut self, platform: &PlatformRelease, hardware: &HardwareClass) -> Record {
        let withdrawal = withdrawal(platform, self.day);
        let Some(known) = self.known else { return Record { withdrawal, ..Record::default() } };
        let name = self.name(platform);
        let tally = name.map_or_else(Tally::default, |it| known.evidence.about(&it, hardware));
        let Some(fact) = fact_of(known.base.releases(), platform, self.day) else {
            return Record { withdrawal, tally, ..Record::default() };
        };
        let of = fact.train.as_deref().map_or("", |train| line(&fact.family, train));
        let key = (fact.family.clone(), of.to_owned(), fact.component.to_string());
        let (parameters, day) = (self.parameters, self.day);
        let at_release = self.of_line.entry(key).or_insert_with(|| {
            let together =
                prior(history(known.base, &fact.family, of, &fact.component, day), parameters).together;
            Factor {
                name: "bad on the day it appeared",
                value: together.value,
                low: together.low,
                high: together.high,
                parameter: Some(Parameter::RegressionPrior),
                source: together.source.into(),
            }
        });
        Record { withdrawal, at_release: Some(at_release.clone()), tally }
    }

    /// What evidence calls the release of a platform: by the lists, and where these have forgotten it, as it is installed.
    fn name(&self, platform: &PlatformRelease) -> Option<String> {
        let releases = self.known?.base.releases();
        if let Some(fact) = fact_of(releases, platform, self.day) {
            return Some(release_name(&fact.component, &named(fact)));
        }
        let release = platform.release.as_deref().zip(component_of(releases, platform));
        release.map(|(release, component)| release_name(component, release))
    }
}

/// The withdrawal of the release that a host runs, as known on a day.
fn withdrawal(platform: &PlatformRelease, day: Date) -> Option<&'static Withdrawal> {
    withdrawals::of_release(&platform.family, platform.release.as_deref()?, day)
}

/// The share that is known of a withdrawn release, in place of that of any bad one.
fn own_share(withdrawal: &Withdrawal, of_any: &Factor) -> Option<Factor> {
    let (value, told) = withdrawal.hit.zip(withdrawal.hits())?;
    let source = format!("{}: {told}; source: {}", withdrawal.release, withdrawal.source);
    Some(Factor { value, low: value, high: value, parameter: None, source: source.into(), ..of_any.clone() })
}

/// The share of hosts that a bad release hits, after runs on this hardware.
fn after_runs(share: &Factor, hit: Beta, tally: &Tally) -> Factor {
    let quantile = |level| hit.quantile(Probability::nearest(level)).get();
    let (value, tried) = (hit.mean(), tally.on_this_hardware());
    Factor {
        value,
        low: quantile(0.05).min(value),
        high: quantile(0.95).max(value),
        source: format!(
            "{}; with {} of {} hosts of this hardware hit: Beta-binomial",
            share.source, tried.failures, tried.hosts
        )
        .into(),
        ..share.clone()
    }
}

fn certain(source: String) -> Factor {
    exactly("known to be bad", 1.0, source)
}

fn exactly(name: &'static str, value: f64, source: String) -> Factor {
    Factor { name, value, low: value, high: value, parameter: None, source: source.into() }
}
