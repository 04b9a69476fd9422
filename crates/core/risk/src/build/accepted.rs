//! Risks that someone has accepted: priced all the same, with the owner beside them, until they expire.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut covering: BTreeMap<usize, BTreeMap<u32, Vec<usize>>> = BTreeMap::new();
    for (number, risk) in accepted.iter().enumerate() {
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
        let (acceptance, hosts) = acceptance(risk, expired, at, survey, open);
        if !expired {
            warnings.extend(covers_none(risk, &acceptance));
            let of_hole = covering.entry(at).or_default();
            hosts.into_iter().for_each(|host| of_hole.entry(host).or_default().push(number));
        }
        if let Some(derivation) = shocks.get_mut(at) {
            derivation.accepted.push(acceptance);
        }
    }
    warnings.extend(covering.values().filter_map(|it| overlap(accepted, it)));
}

/// A warning where none of the machines that have the hole is in the scope.
fn covers_none(risk: &AcceptedRisk, acceptance: &Acceptance) -> Option<Warning> {
    (acceptance.hosts + acceptance.planes == 0).then(|| Warning::AcceptanceCoversNone {
        vulnerability: risk.vulnerability.to_string(),
        owner: risk.owner.clone(),
        hosts: acceptance.hosts_outside,
        planes: acceptance.planes_outside,
    })
}

/// A warning where entries that differ in owner or day cover the same hosts: `covering` has them by host. Of those of one scope
/// [`given_twice`] tells.
fn overlap(accepted: &[AcceptedRisk], covering: &BTreeMap<u32, Vec<usize>>) -> Option<Warning> {
    let unlike = |a: &AcceptedRisk, b: &AcceptedRisk| {
        a.scope != b.scope && (&a.owner, a.expires) != (&b.owner, b.expires)
    };
    let (mut hosts, mut entries): (u64, BTreeSet<usize>) = (0, BTreeSet::new());
    for numbers in covering.values() {
        let risks = || numbers.iter().filter_map(|it| Some((*it, accepted.get(*it)?)));
        let clash = |risk: &AcceptedRisk| risks().any(|(_, other)| unlike(risk, other));
        let clashing: Vec<usize> = risks().filter(|(_, it)| clash(it)).map(|it| it.0).collect();
        hosts += u64::from(!clashing.is_empty());
        entries.extend(clashing);
    }
    let first = accepted.get(*entries.first()?)?;
    let named = entries.iter().filter_map(|it| Some(entry(*it + 1, accepted.get(*it)?)));
    let vulnerability = first.vulnerability.to_string();
    Some(Warning::AcceptancesOverlap { vulnerability, entries: named.take(NAMED).collect(), hosts })
}

fn entry(number: usize, risk: &AcceptedRisk) -> String {
    let AcceptedRisk { vulnerability, owner, expires, scope, .. } = risk;
    format!("accepted_risk number {number} ({vulnerability}, {}) by {owner} until {expires}", place(scope))
}

/// Where an entry holds, shortly.
fn place(scope: &Scope) -> String {
    let Scope { clusters, hosts, planes, tenants, platforms } = scope;
    fn kind<'s, T: ToString>(name: &'s str, list: &'s [T]) -> Option<String> {
        let some: Vec<String> = list.iter().take(NAMED).map(ToString::to_string).collect();
        let more = if list.len() > NAMED { " and others" } else { "" };
        (!list.is_empty()).then(|| format!("{name} {}{more}", some.join(", ")))
    }
    let kinds = [
        kind("clusters", clusters),
        kind("hosts", hosts),
        kind("planes", planes),
        kind("tenants", tenants),
        kind("platforms", platforms),
    ];
    let said: Vec<String> = kinds.into_iter().flatten().collect();
    if said.is_empty() { "everywhere".to_owned() } else { said.join("; ") }
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
        let entries = list.iter().take(NAMED).map(|(number, risk)| entry(*number, risk)).collect();
        let vulnerability = first.vulnerability.to_string();
        Some(Warning::AcceptedTwice { vulnerability, entries, times: list.len() })
    };
    alike.iter().filter_map(warning).collect()
}

/// Entries that are named where a risk is accepted more than once.
const NAMED: usize = 5;

/// An accepted risk as it stands, and the hosts with the hole in its scope.
fn acceptance(
    risk: &AcceptedRisk,
    expired: bool,
    shock: usize,
    survey: &Survey<'_>,
    open: &Open,
) -> (Acceptance, Vec<u32>) {
    let reader = Reader::new(&risk.scope);
    let has: Vec<bool> =
        open.sets.iter().map(|set| set.holes.iter().any(|it| it.shock as usize == shock)).collect();
    let open_on = |set: &Option<u32>| set.is_some_and(|it| has.get(it as usize).copied().unwrap_or(false));
    let (mut hosts_outside, mut planes, mut planes_outside) = (0, 0, 0);
    let mut hosts: Vec<u32> = Vec::new();
    for ((at, facts), _) in (0..).zip(&survey.hosts).zip(&open.of_host).filter(|(_, set)| open_on(set)) {
        if reader.covers_host(facts.place(), survey.tenants_on(facts)) {
            hosts.push(at);
        } else {
            hosts_outside += 1;
        }
    }
    for ((at, plane), _) in
        survey.planes.iter().enumerate().zip(&open.of_plane).filter(|(_, set)| open_on(set))
    {
        let covered = reader.covers_plane(plane, survey.clusters_of_plane(at));
        *(if covered { &mut planes } else { &mut planes_outside }) += 1;
    }
    let acceptance = Acceptance {
        owner: risk.owner.clone(),
        expires: risk.expires,
        expired,
        reason: risk.reason.clone(),
        hosts: hosts.len() as u64,
        planes,
        hosts_outside,
        planes_outside,
    };
    (acceptance, hosts)
}
