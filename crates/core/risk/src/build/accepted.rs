//! Risks that someone has accepted: priced all the same, with the owner beside them, until they expire.

use jiff::civil::Date;
use rustc_hash::FxHashMap;
use underpin_exposure::Assessment;
use underpin_model::policy::AcceptedRisk;

use super::derivation::{Acceptance, ShockDerivation, Warning};
use super::open::Open;
use super::survey::Survey;
use crate::scope::Reader;

/// Writes each accepted risk beside the shock of its vulnerability.
pub(super) fn label(
    accepted: &[AcceptedRisk],
    day: Date,
    assessment: &Assessment,
    survey: &Survey<'_>,
    open: &Open,
    shocks: &mut [ShockDerivation],
    warnings: &mut Vec<Warning>,
) {
    let mut index: FxHashMap<&str, usize> = FxHashMap::default();
    for (at, facts) in open.vulnerabilities.iter().enumerate() {
        let aliases = assessment.vulnerabilities.get(&facts.id).map_or(&[][..], |it| &it.aliases);
        for alias in aliases {
            index.entry(alias.as_str()).or_insert(at);
        }
    }
    // An id of its own goes before an alias.
    index.extend(open.vulnerabilities.iter().enumerate().map(|(at, facts)| (facts.id.as_str(), at)));
    warnings.extend(given_twice(accepted));
    for risk in accepted {
        let (vulnerability, owner) = (risk.vulnerability.to_string(), risk.owner.clone());
        let expired = day > risk.expires;
        if expired {
            let warning = Warning::AcceptanceExpired {
                vulnerability: vulnerability.clone(),
                owner: owner.clone(),
                expires: risk.expires,
            };
            warnings.push(warning);
        }
        let Some(&at) = index.get(risk.vulnerability.as_str()) else {
            if !expired {
                warnings.push(Warning::AcceptanceWithoutHole { vulnerability, owner });
            }
            continue;
        };
        let acceptance = acceptance(risk, expired, at, survey, open);
        if let Some(derivation) = shocks.get_mut(at) {
            derivation.accepted.push(acceptance);
        }
    }
}

/// A warning for each risk that comes more than once in one scope.
fn given_twice(accepted: &[AcceptedRisk]) -> Vec<Warning> {
    let same = |a: &AcceptedRisk, b: &AcceptedRisk| a.vulnerability == b.vulnerability && a.scope == b.scope;
    let mut warnings = Vec::new();
    for (at, risk) in accepted.iter().enumerate() {
        let alike = || accepted.iter().enumerate().filter(|(_, other)| same(risk, other));
        if alike().count() > 1 && alike().next().is_some_and(|(first, _)| first == at) {
            let owners = alike().map(|(_, it)| it.owner.clone()).collect();
            warnings.push(Warning::AcceptedTwice { vulnerability: risk.vulnerability.to_string(), owners });
        }
    }
    warnings
}

fn acceptance(
    risk: &AcceptedRisk,
    expired: bool,
    shock: usize,
    survey: &Survey<'_>,
    open: &Open,
) -> Acceptance {
    let reader = Reader::new(&risk.scope);
    let has: Vec<bool> =
        open.sets.iter().map(|set| set.holes.iter().any(|it| it.shock as usize == shock)).collect();
    let open_on = |set: &Option<u32>| set.is_some_and(|it| has.get(it as usize).copied().unwrap_or(false));
    let (mut hosts, mut hosts_outside, mut planes) = (0, 0, 0);
    for (facts, _) in survey.hosts.iter().zip(&open.of_host).filter(|(_, set)| open_on(set)) {
        if reader.covers_host(facts.place(), survey.tenants_on(facts)) {
            hosts += 1;
        } else {
            hosts_outside += 1;
        }
    }
    for (plane, _) in survey.planes.iter().zip(&open.of_plane).filter(|(_, set)| open_on(set)) {
        planes += u64::from(reader.covers_plane(&plane.id, plane.platform.as_ref()) == Some(true));
    }
    Acceptance {
        owner: risk.owner.clone(),
        expires: risk.expires,
        expired,
        reason: risk.reason.clone(),
        hosts,
        planes,
        hosts_outside,
    }
}
