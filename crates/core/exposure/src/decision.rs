//! SSVC decisions and BOD 26-04 deadlines, with every point that had to be derived or assumed named.
//!
//! Where CISA publishes no decision point, automatability and technical impact are derived from the CVSS vector
//! (network vector without privileges and interaction; all three impacts high). Where there is no vector either, and
//! for facts that the fleet does not tell, the cautious value is assumed and said so: missing is never fine.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use serde::{Deserialize, Serialize};
use underpin_model::facts::VulnerabilityFacts;
use underpin_model::ssvc::{
    self, Automatable, Exploitation, HumanImpact, SystemExposure, TechnicalImpact, Timeline,
};

use crate::report::{Context, DueView, SsvcView};

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
    /// The day that deadlines count from: listed in KEV, else published; `None`: neither is known.
    pub since: Option<Date>,
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
        assumed,
    }
}

fn from_vector(facts: &VulnerabilityFacts, assumed: &mut Vec<String>) -> (Automatable, TechnicalImpact) {
    let newest =
        facts.cvss.iter().filter(|one| one.vector.starts_with("CVSS:")).max_by_key(|one| &one.vector);
    let Some(vector) = newest.map(|one| one.vector.as_str()) else {
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
    let timeline: Timeline =
        ssvc::bod_26_04(points.in_kev, exposed, points.automatable, points.technical_impact);
    let date = match (timeline.days(), points.since) {
        (Some(days), Some(since)) => since.checked_add(i64::from(days).days()).ok(),
        _ => None,
    };
    DueView { timeline, date, since: points.since, assumed }
}
