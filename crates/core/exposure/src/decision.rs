//! SSVC decisions and BOD 26-04 deadlines, with every point that had to be derived or assumed named.
//!
//! Where CISA publishes no decision point, automatability and technical impact are derived from the CVSS vector that risk
//! prices (network vector without privileges and interaction; all three impacts high). Where there is no vector of version
//! 3 or 4 either, and for facts that the fleet does not tell, the cautious value is assumed and said so: missing is never fine.
//!
//! A listing in KEV adds a duty, counted from the day of the listing, and takes none away: what was due before, counted from
//! the day of publication, stays due. The deadline is the earliest day of both, the outcome the stricter one.

use std::cmp::Reverse;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use serde::{Deserialize, Serialize};
use underpin_model::facts::VulnerabilityFacts;
use underpin_model::ssvc::{
    self, Automatable, Exploitation, HumanImpact, SystemExposure, TechnicalImpact, Timeline,
};

use crate::report::{Context, DueView, Duty, SsvcView};
use crate::view::severest;

/// The decision points of a vulnerability, whatever asset it is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// Exploitation seen; KEV is active exploitation.
    pub exploitation: Exploitation,
    /// Whether an attack can be automated.
    pub automatable: Automatable,
    /// How much control it gives.
    pub technical_impact: TechnicalImpact,
    /// It is in the KEV catalogue.
    pub in_kev: bool,
    /// The day from which it counts as what it is: listed in KEV, else published; `None`: neither is known.
    pub since: Option<Date>,
    /// The day of publication, from which counts what was due before a listing too.
    #[serde(default)]
    pub published: Option<Date>,
    /// Points that no source gives, as `automatable=yes (from CVSS)`.
    pub assumed: Vec<String>,
}

/// The points of a vulnerability as they stood on a day: what was listed later does not count.
#[must_use]
pub fn points(facts: &VulnerabilityFacts, day: Date) -> Points {
    let mut assumed = Vec::new();
    let kev = facts.kev.as_ref().filter(|kev| kev.added <= day);
    let assessed_by = |at: jiff::Timestamp| at.to_zoned(TimeZone::UTC).date() <= day;
    let ssvc = facts.ssvc.filter(|ssvc| ssvc.at.is_none_or(assessed_by));
    let exploitation = match (kev, ssvc) {
        (Some(_), _) => Exploitation::Active,
        (None, Some(ssvc)) => ssvc.exploitation,
        (None, None) => {
            assumed.push("exploitation=none (no source)".to_owned());
            Exploitation::None
        }
    };
    let (automatable, technical_impact) = match ssvc {
        Some(ssvc) => (ssvc.automatable, ssvc.technical_impact),
        None => from_vector(facts, &mut assumed),
    };
    let published = facts.published.map(|at| Zoned::new(at, TimeZone::UTC).date());
    Points {
        exploitation,
        automatable,
        technical_impact,
        in_kev: kev.is_some(),
        since: kev.map(|kev| kev.added).or(published),
        published,
        assumed,
    }
}

fn from_vector(facts: &VulnerabilityFacts, assumed: &mut Vec<String>) -> (Automatable, TechnicalImpact) {
    // Version 2 does not say whether an attack needs somebody's help, and its impacts are of another scale.
    let tells = |vector: &String| ["CVSS:3.", "CVSS:4."].iter().any(|it| vector.starts_with(it));
    let Some(vector) = severest(&facts.cvss).map(|it| it.vector.trim().to_owned()).filter(tells) else {
        assumed.push("automatable=yes (no source)".to_owned());
        assumed.push("technical impact=total (no source)".to_owned());
        return (Automatable::Yes, TechnicalImpact::Total);
    };
    let has = |metric: &str| vector.split('/').any(|part| part == metric);
    let remote = has("AV:N") && has("PR:N") && has("UI:N");
    let total = ["C:H", "I:H", "A:H"].into_iter().all(has) || ["VC:H", "VI:H", "VA:H"].into_iter().all(has);
    let automatable = if remote { Automatable::Yes } else { Automatable::No };
    let impact = if total { TechnicalImpact::Total } else { TechnicalImpact::Partial };
    assumed.push(format!("automatable={} (from CVSS)", if remote { "yes" } else { "no" }));
    assumed.push(format!("technical impact={} (from CVSS)", if total { "total" } else { "partial" }));
    (automatable, impact)
}

/// The SSVC deployer decision for assets in a context.
#[must_use]
pub fn ssvc(points: &Points, context: Context) -> SsvcView {
    let mut assumed = points.assumed.clone();
    let exposure = match context.publicly_exposed {
        Some(true) => SystemExposure::Open,
        Some(false) => SystemExposure::Controlled,
        None => {
            assumed.push("system exposure=open (not in the fleet)".to_owned());
            SystemExposure::Open
        }
    };
    let impact = context.human_impact.unwrap_or_else(|| {
        assumed.push("human impact=medium (not in the fleet)".to_owned());
        HumanImpact::Medium
    });
    let decision = ssvc::deployer(points.exploitation, exposure, points.automatable, impact);
    SsvcView { decision, assumed }
}

/// The BOD 26-04 outcome for assets in a context.
#[must_use]
pub fn due(points: &Points, context: Context) -> DueView {
    let mut assumed = points.assumed.clone();
    let exposed = context.publicly_exposed.unwrap_or_else(|| {
        assumed.push("publicly exposed=yes (not in the fleet)".to_owned());
        true
    });
    let duty = |in_kev, since: Option<Date>| -> Duty {
        let timeline: Timeline =
            ssvc::bod_26_04(in_kev, exposed, points.automatable, points.technical_impact);
        let date = match (timeline.days(), since) {
            (Some(days), Some(since)) => since.checked_add(i64::from(days).days()).ok(),
            _ => None,
        };
        Duty { timeline, date, since }
    };
    let before = points.in_kev.then(|| duty(false, points.published));
    let first = duty(points.in_kev, points.since);
    joined(first, before, assumed)
}

/// What is due where several outcomes are: the strictest one, by the earliest day of all; `None`: there are none.
#[must_use]
pub fn strictest(views: impl IntoIterator<Item = DueView>) -> Option<DueView> {
    let views: Vec<DueView> = views.into_iter().collect();
    let all = || views.iter().flat_map(|it| it.each().map(move |duty| (duty, it)));
    let (first, its_view) = all().max_by_key(|(duty, _)| strictness(duty))?;
    let earliest = all().filter(|(duty, _)| duty.date.is_some()).min_by_key(|(duty, _)| soonest(duty));
    let mut assumed = its_view.assumed.clone();
    if let Some((_, view)) = earliest.filter(|(duty, _)| duty.date != first.date) {
        assumed.extend(view.assumed.iter().filter(|it| !its_view.assumed.contains(it)).cloned());
    }
    Some(joined(first, earliest.map(|it| it.0), assumed))
}

/// The strictest duty, with another one where that is due earlier.
fn joined(first: Duty, other: Option<Duty>, assumed: Vec<String>) -> DueView {
    let earlier = other.filter(|it| it.date.is_some() && soonest(it).0 < soonest(&first).0);
    let Duty { date, since, .. } = earlier.unwrap_or(first);
    let duties = earlier.map_or_else(Vec::new, |it| vec![first, it]);
    DueView { timeline: first.timeline, date, since, duties, assumed }
}

/// The greatest is the strictest: by outcome, then by day.
fn strictness(duty: &Duty) -> impl Ord + use<> {
    (duty.timeline, Reverse(duty.date.unwrap_or(Date::MAX)))
}

/// The least is due first; of the same day the stricter one.
fn soonest(duty: &Duty) -> (Date, Reverse<Timeline>) {
    (duty.date.unwrap_or(Date::MAX), Reverse(duty.timeline))
}
