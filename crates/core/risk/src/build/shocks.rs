//! Common causes and their probabilities.

use std::collections::BTreeMap;

use jiff::civil::Date;
use underpin_exposure::Assessment;
use underpin_model::fleet::Fleet;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::{Parameter, Parameters, Policy};
use underpin_model::quantity::{Days, Probability};

use super::controls::Controls;
use super::derivation::ShockDerivation;
use super::open::{Facts, Open};
use super::release::ReleaseDates;
use super::survey::{Survey, number};
use super::{Known, UnknownAs, Unpriced};
use crate::hazard::{EPSS_DAYS, Hazard, HazardSource, probability_within};
use crate::portfolio::{Cause, Factor, Shock};
use crate::span::Span;

/// A release counts as mature once this share of its prior is left: 288 days at the default rate. Below it a shock would
/// only be work.
pub const MATURE_SHARE: f64 = 0.001;

/// Shocks with what they are made from, in step.
#[derive(Debug, Default)]
pub(super) struct Shocks {
    pub(super) list: Vec<Shock>,
    pub(super) derivations: Vec<ShockDerivation>,
    /// Per host: which of [`Shocks::release_sets`] runs there.
    pub(super) releases_of_host: Vec<Option<u32>>,
    /// The shocks of releases that run together and may be bad, each set once.
    pub(super) release_sets: Vec<Vec<u32>>,
    /// Per shock of a bad release: the probability that it hits a host.
    pub(super) hit_by_release: BTreeMap<u32, Factor>,
    /// Per host: the shock of its platform's unlisted holes.
    pub(super) unlisted_of_host: Vec<Option<u32>>,
    /// Per plane, likewise.
    pub(super) unlisted_of_plane: Vec<Option<u32>>,
    /// That of the plane of which nothing is known, where hosts are under it.
    pub(super) unlisted_of_unknown_plane: Option<u32>,
    pub(super) underpin: u32,
}

/// What every shock needs.
pub(super) struct Setting<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) policy: &'a Policy,
    pub(super) day: Date,
    pub(super) unknown: UnknownAs,
    pub(super) releases: &'a ReleaseDates,
    pub(super) known: Option<Known<'a>>,
}

/// Whose hole is that of the plane that hosts are under of which no plane is known.
const UNLISTED_PLANE: &str = "management plane that nobody listed";

impl Shocks {
    pub(super) fn of(
        setting: &Setting<'_>,
        assessment: &Assessment,
        survey: &Survey<'_>,
        open: &Open,
        controls: &mut Controls<'_>,
        unpriced: &mut Unpriced,
    ) -> Self {
        let mut shocks = Self {
            releases_of_host: vec![None; survey.hosts.len()],
            unlisted_of_host: vec![None; survey.hosts.len()],
            unlisted_of_plane: vec![None; survey.planes.len()],
            ..Self::default()
        };
        for (facts, statuses) in open.vulnerabilities.iter().zip(&open.statuses) {
            let mut derivation = exploit_derivation(facts, assessment, setting);
            derivation.open_on = *statuses;
            derivation.hosts = statuses.hosts_affected + statuses.hosts_fixed_not_running;
            let factors = match derivation.hazard {
                Some(hazard) => exploit_factors(&hazard, &facts.id, assessment, setting),
                None => Vec::new(),
            };
            shocks.push(Cause::Exploit { vulnerability: facts.id.clone() }, factors, derivation);
        }
        shocks.unlisted(setting, survey, open);
        shocks.releases(setting, assessment, survey, unpriced);
        shocks.of_controls(setting, controls);
        let abused = Span::of(&setting.policy.parameters.setting(Parameter::UnderpinCompromised));
        let factor =
            over_horizon("credentials abused", abused, Parameter::UnderpinCompromised, setting.policy);
        let derivation = ShockDerivation { hosts: survey.hosts.len() as u64, ..ShockDerivation::default() };
        shocks.underpin = shocks.push(Cause::Underpin, vec![factor], derivation);
        shocks
    }

    pub(super) fn push(&mut self, cause: Cause, factors: Vec<Factor>, derivation: ShockDerivation) -> u32 {
        let probability = factors.iter().map(|it| it.value).product();
        self.list.push(Shock { cause, probability, factors });
        self.derivations.push(derivation);
        number(self.list.len() - 1)
    }

    /// The upper figure: each machine with something unknown has one unlisted hole at the base rate, common to its platform.
    fn unlisted(&mut self, setting: &Setting<'_>, survey: &Survey<'_>, open: &Open) {
        if setting.unknown == UnknownAs::LeftOut {
            return;
        }
        let label_of_host = |at: usize| {
            let platform = survey.hosts.get(at).and_then(|it| it.host.platform.as_ref());
            platform.map_or_else(
                || "unknown platform".to_owned(),
                |it| format!("{} {}", it.family, it.train.as_deref().unwrap_or("?")),
            )
        };
        let label_of_plane = |at: usize| {
            let platform = survey.planes.get(at).and_then(|it| it.platform.as_ref());
            platform.map_or_else(|| "unknown management plane".to_owned(), |it| format!("{it} (plane)"))
        };
        let mut machines: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (at, _) in open.unknown_hosts.iter().enumerate().filter(|(_, it)| **it) {
            machines.entry(label_of_host(at)).or_default().0.push(at);
        }
        for (at, _) in open.unknown_planes.iter().enumerate().filter(|(_, it)| **it) {
            machines.entry(label_of_plane(at)).or_default().1.push(at);
        }
        if survey.under_unknown {
            machines.entry(UNLISTED_PLANE.to_owned()).or_default();
        }
        let rate = Probability::nearest(setting.policy.parameters.get(Parameter::EpssUnknown));
        for (label, (hosts, planes)) in machines {
            let Ok(id) = VulnerabilityId::new(format!("unlisted hole in {label}")) else { continue };
            let hazard = Hazard::constant(rate, HazardSource::Unknown);
            let factors = unscored_factors(setting);
            let derivation = ShockDerivation {
                hazard: Some(hazard),
                hosts: hosts.len() as u64,
                ..ShockDerivation::default()
            };
            let shock = self.push(Cause::Exploit { vulnerability: id }, factors, derivation);
            mark(&mut self.unlisted_of_host, &hosts, shock);
            mark(&mut self.unlisted_of_plane, &planes, shock);
            if label == UNLISTED_PLANE {
                self.unlisted_of_unknown_plane = Some(shock);
            }
        }
    }

    fn of_controls(&mut self, setting: &Setting<'_>, controls: &mut Controls<'_>) {
        let beta = Span::of(&setting.policy.parameters.setting(Parameter::Beta));
        let used = controls.in_use();
        let fails: Vec<Option<f64>> =
            controls.list.iter().map(|it| controls.common_failure(it.control)).collect();
        for ((standing, used), fails) in controls.list.iter_mut().zip(used).zip(fails) {
            let control = standing.control;
            if !used {
                continue;
            }
            if fails.is_some() {
                let common = Factor {
                    name: "everywhere at once",
                    value: beta.value,
                    low: beta.low,
                    high: beta.high,
                    parameter: Some(Parameter::Beta),
                    source: setting.policy.parameters.setting(Parameter::Beta).source.into(),
                };
                let factors = vec![super::controls::factor(control), common];
                let cause = Cause::ControlFails { control: control.id.clone() };
                standing.fails = Some(self.push(cause, factors, ShockDerivation::default()));
            }
            if let Some(adds) = control.adds.filter(|it| it.get() > 0.0) {
                let within = probability_within(adds, setting.policy.horizon).get();
                let factor = Factor {
                    name: "its own code attacked",
                    value: within,
                    low: within,
                    high: within,
                    parameter: None,
                    source: format!("control {}: adds {adds} in 30 days", control.id).into(),
                };
                let cause = Cause::ControlAttacked { control: control.id.clone() };
                standing.attacked = Some(self.push(cause, vec![factor], ShockDerivation::default()));
            }
        }
    }
}

pub(super) fn mark(list: &mut [Option<u32>], places: &[usize], shock: u32) {
    for place in places {
        if let Some(entry) = list.get_mut(*place) {
            *entry = Some(shock);
        }
    }
}

pub(super) fn age(released: Date, day: Date) -> f64 {
    f64::from((day - released).get_days()).max(0.0)
}

fn exploit_derivation(facts: &Facts, assessment: &Assessment, setting: &Setting<'_>) -> ShockDerivation {
    let parameters = &setting.policy.parameters;
    let view = assessment.vulnerabilities.get(&facts.id);
    let base = || {
        let rate = Probability::nearest(parameters.get(Parameter::EpssUnknown));
        Hazard::constant(rate, HazardSource::Unknown)
    };
    ShockDerivation {
        hazard: Some(view.map_or_else(base, |it| Hazard::of(it, setting.day, parameters))),
        vector: view.and_then(|it| it.cvss.as_ref()).map(|it| it.vector.clone()),
        components: facts.components.iter().map(|(name, area)| (name.to_string(), *area)).collect(),
        fix_known: facts.fix_known,
        ..ShockDerivation::default()
    }
}

/// The hazard of exploitation as stated, and at the ends of its range.
struct Ends {
    low: Hazard,
    value: Hazard,
    high: Hazard,
}

impl Ends {
    fn exactly(value: Hazard) -> Self {
        Self { low: value, value, high: value }
    }

    /// Of a hole of which nothing is known.
    fn unscored(setting: &Setting<'_>) -> Self {
        let base = setting.policy.parameters.setting(Parameter::EpssUnknown);
        let at = |end| Hazard::constant(Probability::nearest(end), HazardSource::Unknown);
        Self { low: at(base.low), value: at(base.value), high: at(base.high) }
    }

    /// Within the horizon.
    fn within(&self, horizon: Days) -> Span {
        let [low, value, high] = [self.low, self.value, self.high].map(|it| it.probability(horizon).get());
        Span { low: low.min(value), value, high: high.max(value) }
    }
}

/// `exploited in the wild` within the horizon, and `aimed at this fleet`.
fn exploit_factors(
    hazard: &Hazard,
    id: &VulnerabilityId,
    assessment: &Assessment,
    setting: &Setting<'_>,
) -> Vec<Factor> {
    let (parameters, horizon) = (&setting.policy.parameters, setting.policy.horizon);
    let of = |span: Span, parameter, source: String| Factor {
        name: "exploited in the wild",
        value: span.value,
        low: span.low,
        high: span.high,
        parameter,
        source: source.into(),
    };
    let (exploited, ends) = match (hazard.source, assessment.vulnerabilities.get(id)) {
        (HazardSource::Kev, Some(view)) => {
            let floor = parameters.setting(Parameter::KevFloor);
            let at = |end| Hazard::of(view, setting.day, &parameters.with(Parameter::KevFloor, end));
            let ends = Ends { low: at(floor.low), value: *hazard, high: at(floor.high) };
            let listed = view.kev.map_or_else(String::new, |it| it.to_string());
            let by_floor = hazard.thirty_days.get() <= floor.value;
            let parameter = by_floor.then_some(Parameter::KevFloor);
            let why = if by_floor {
                format!("the floor counts, which the EPSS score is not above: {}", floor.source)
            } else {
                format!(
                    "EPSS {} within 30 days counts, which is above the floor of {}",
                    hazard.thirty_days, floor.value
                )
            };
            let source = format!("listed in KEV on {listed}; {why}");
            (of(ends.within(horizon), parameter, source), ends)
        }
        (HazardSource::Epss, _) => {
            let ends = Ends::exactly(*hazard);
            let source = format!("EPSS {} within 30 days", hazard.thirty_days);
            (of(ends.within(horizon), None, source), ends)
        }
        _ => return unscored_factors(setting),
    };
    let aimed = aimed(&ends, setting);
    vec![exploited, aimed]
}

/// Those of a hole of which nothing is known.
fn unscored_factors(setting: &Setting<'_>) -> Vec<Factor> {
    let base = setting.policy.parameters.setting(Parameter::EpssUnknown);
    let exploited =
        over_horizon("exploited in the wild", Span::of(&base), Parameter::EpssUnknown, setting.policy);
    vec![exploited, aimed(&Ends::unscored(setting), setting)]
}

/// A probability of 30 days, over the horizon.
fn over_horizon(name: &'static str, thirty_days: Span, parameter: Parameter, policy: &Policy) -> Factor {
    let within = |it: f64| probability_within(Probability::nearest(it), policy.horizon).get();
    let span = thirty_days.map(within);
    Factor {
        name,
        value: span.value,
        low: span.low,
        high: span.high,
        parameter: Some(parameter),
        source: policy.parameters.setting(parameter).source.into(),
    }
}

/// How likely a campaign tries this fleet within the horizon, if the hole is exploited within it. The parameter asks for 30
/// days. Over others the probability of both grows with a hazard of its own ([`Hazard::followed_by`]), of which this is what
/// exploitation leaves: the factors multiply to it, at the ends of their ranges too.
fn aimed(exploited: &Ends, setting: &Setting<'_>) -> Factor {
    let (parameters, horizon) = (&setting.policy.parameters, setting.policy.horizon);
    let thirty_days = from_parameter("aimed at this fleet", Parameter::Aimed, parameters);
    if horizon.get() == EPSS_DAYS {
        return thirty_days;
    }
    let share = |exploited: &Hazard, aimed: f64| {
        let both = exploited.followed_by(Probability::nearest(aimed)).probability(horizon).get();
        let seen = exploited.probability(horizon).get();
        // What nobody exploits is tried as seldom as anything: any share of nothing is nothing.
        if seen > 0.0 { (both / seen).min(1.0) } else { aimed }
    };
    let value = share(&exploited.value, thirty_days.value);
    Factor {
        value,
        // Over less than 30 days the share falls where exploitation is likelier: the value stays within its range.
        low: share(&exploited.low, thirty_days.low).min(value),
        high: share(&exploited.high, thirty_days.high).max(value),
        source: format!(
            "over {horizon} days, of {} within 30: the probability of both as a hazard; {}",
            thirty_days.value, thirty_days.source
        )
        .into(),
        ..thirty_days
    }
}

/// A parameter as a factor.
pub(super) fn from_parameter(name: &'static str, parameter: Parameter, parameters: &Parameters) -> Factor {
    let setting = parameters.setting(parameter);
    Factor {
        name,
        value: setting.value,
        low: setting.low,
        high: setting.high,
        parameter: Some(parameter),
        source: setting.source.into(),
    }
}
