//! Risks that someone has accepted: priced all the same, with the owner beside them, until they expire.

use jiff::civil::Date;
use rustc_hash::FxHashMap;
use underpin_exposure::Assessment;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::{AcceptedRisk, Scope};

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
    // In the order of the first of each.
    let mut alike: Vec<Vec<(usize, &AcceptedRisk)>> = Vec::new();
    let mut places: FxHashMap<(&VulnerabilityId, &Scope), usize> = FxHashMap::default();
    for (risk, number) in accepted.iter().zip(1..) {
        let at = *places.entry((&risk.vulnerability, &risk.scope)).or_insert(alike.len());
        match alike.get_mut(at) {
            Some(list) => list.push((number, risk)),
            None => alike.push(vec![(number, risk)]),
        }
    }
    let warning = |list: &Vec<(usize, &AcceptedRisk)>| {
        let (_, first) = list.first().filter(|_| list.len() > 1)?;
        let entry = |(number, risk): &(usize, &AcceptedRisk)| {
            format!("accepted_risk number {number} by {} until {}", risk.owner, risk.expires)
        };
        let entries = list.iter().take(NAMED).map(entry).collect();
        let vulnerability = first.vulnerability.to_string();
        Some(Warning::AcceptedTwice { vulnerability, entries, times: list.len() })
    };
    alike.iter().filter_map(warning).collect()
}

/// Entries that are named where a risk is accepted more than once.
const NAMED: usize = 5;

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
