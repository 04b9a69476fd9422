//! What was wrong before the plan, what nobody can tell, and who does not come home.

use std::collections::BTreeMap;

use underpin_model::fleet::Strength;
use underpin_model::id::ClusterId;
use underpin_model::plan::{Plan, Rule, Severity, SoakSince, Standing, Step, StepKind};
use underpin_model::policy::{Exception, FailureSets};

use super::Request;
use super::counterfactual::rule_of;
use super::drive::Driven;
use super::facts::{Facts, members};
use super::homing;
use super::room::{KINDS, NAMES, NOTHING, RESOURCES};
use super::unfinished::unfinished;

/// A plan may begin so many seconds before its fleet was seen: clocks differ.
const CLOCKS_DIFFER_S: i64 = 3600;
/// A fleet that was seen more seconds before its plan begins is another one by then: a judgement, a week.
const STALE_S: i64 = 7 * 86_400;

/// What was wrong before, and what nobody can tell.
pub(super) fn standing(
    request: &Request<'_>,
    facts: &Facts<'_>,
    driven: &Driven,
    plan: &Plan,
) -> Vec<Standing> {
    let mut standing = Vec::new();
    standing.extend(snapshot(request));
    standing.extend(lapsed(request));
    let mut used = vec![NOTHING; facts.hosts.len()];
    for (guest, &host) in facts.guests.iter().zip(&facts.home) {
        let demand = guest.holds;
        (0..KINDS)
            .for_each(|it| used[host as usize][it] = used[host as usize][it].saturating_add(demand[it]));
        if guest.demand.is_none() {
            let fact = if guest.it.memory_mib.is_none() { "memory_mib" } else { "vcpus" };
            standing.push(Standing {
                rule: Rule::Capacity,
                severity: Severity::Unknown,
                place: guest.it.id.as_str().to_owned(),
                text: format!("{fact} is not known: it cannot move"),
            });
        }
    }
    for (host, used) in facts.hosts.iter().zip(&used) {
        let place = host.it.id.as_str().to_owned();
        match host.capacity {
            None => standing.push(Standing {
                rule: Rule::Capacity,
                severity: Severity::Unknown,
                place,
                text: "its capacity is not known: it takes no guest".to_owned(),
            }),
            Some(capacity) => {
                for (name, (capacity, used)) in RESOURCES.iter().zip(capacity.iter().zip(used)) {
                    if used > capacity {
                        standing.push(Standing {
                            rule: Rule::Capacity,
                            severity: Severity::Before,
                            place: place.clone(),
                            text: format!("{name}: guests need {used}, it has {capacity}"),
                        });
                    }
                }
            }
        }
    }
    for vm in &facts.nowhere {
        standing.push(Standing {
            rule: Rule::OccupiedHost,
            severity: Severity::Unknown,
            place: vm.id.as_str().to_owned(),
            text: "it may run or be suspended, and nobody knows on which host: any host that is changed may hold it, and its room is not counted; \
                   find it before the plan is carried out"
                .to_owned(),
        });
    }
    standing.extend(unfinished(request, facts));
    standing.extend(soaks(request, facts, driven));
    standing.extend(balanced(facts, plan));
    standing.extend(contradictions(facts));
    standing.extend(broken_rules(facts));
    standing.extend(homing::not_home(facts, driven));
    standing.extend(too_large(facts));
    if request.policy.planning.failure_sets != FailureSets::None {
        standing.extend(devices(facts));
    }
    standing.extend(driven.short_before.iter().map(|(hosts, guests)| {
        let names: Vec<&str> = hosts.iter().map(|&it| facts.hosts[it as usize].it.id.as_str()).collect();
        Standing {
            rule: Rule::Restartability,
            severity: Severity::Before,
            place: names.join(", "),
            text: format!("should it fail as things stand, no place was found for {guests} of its guests"),
        }
    }));
    standing
}

/// Guests with a device of their host, by cluster: no reserve could start them elsewhere.
fn devices<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = Standing> + 'f {
    facts.clusters.iter().filter_map(|cluster| {
        let guests = facts.guests[cluster.guests.start as usize..cluster.guests.end as usize].iter();
        let lost: Vec<&str> = guests.filter(|it| it.has_device()).map(|it| it.it.id.as_str()).collect();
        let first = lost.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more = if lost.len() > 3 { format!(" and {} more", lost.len() - 3) } else { String::new() };
        let alone = || facts.hosts.get(cluster.hosts.start as usize).map_or("", |it| it.it.id.as_str());
        let place = facts.fleet.clusters.get(cluster.at as usize).map_or_else(alone, |it| it.id.as_str());
        (!lost.is_empty()).then(|| Standing {
            rule: Rule::Restartability,
            severity: Severity::Before,
            place: place.to_owned(),
            text: format!(
                "guests with a device of their host are lost with it, and no reserve is held for them: {first}{more}"
            ),
        })
    })
}

/// The plan begins before its fleet was seen, or so long after that guests have moved since.
fn snapshot(request: &Request<'_>) -> Option<Standing> {
    let (seen, starts_at) = (request.fleet.seen.at, request.starts_at);
    let age_s = starts_at.as_second().saturating_sub(seen.as_second());
    let found = if age_s < -CLOCKS_DIFFER_S {
        let ahead_s = age_s.unsigned_abs();
        let (ahead, unit) =
            if ahead_s < 2 * 86_400 { (ahead_s / 3600, "h") } else { (ahead_s / 86_400, "days") };
        format!("the fleet was seen {ahead} {unit} after the plan starts, at {starts_at}")
    } else if age_s > STALE_S {
        format!("the fleet was seen {} days before the plan starts, at {starts_at}", age_s / 86_400)
    } else {
        return None;
    };
    Some(Standing {
        rule: Rule::WellFormed,
        severity: Severity::Unknown,
        place: "seen.at".to_owned(),
        text: format!(
            "{found}: what stands where may differ by then; plan again from what is seen at its start"
        ),
    })
}

/// Exceptions of the policy that ended before the plan begins.
fn lapsed(request: &Request<'_>) -> impl Iterator<Item = Standing> {
    let planning = &request.policy.planning;
    let holds =
        |it: &Exception| planning.exceptions(it.rule, request.starts_at).any(|live| std::ptr::eq(live, it));
    planning.exception.iter().filter(move |it| !holds(it)).map(|it| Standing {
        rule: it.rule,
        severity: Severity::Before,
        place: format!("planning.exception {}", it.id),
        text: format!(
            "it ended on {}, before the plan starts: it excuses nothing; say another day, or take it out",
            it.expires
        ),
    })
}

/// Hosts that have a change already, nobody knows since when, or only since when at the earliest.
fn soaks(request: &Request<'_>, facts: &Facts<'_>, driven: &Driven) -> Vec<Standing> {
    let mut of_changes: BTreeMap<(u32, SoakSince), Vec<u32>> = BTreeMap::new();
    let guessed = |it: &SoakSince| matches!(it, SoakSince::Seen | SoakSince::Boot);
    for it in driven.soaking.iter().filter(|it| guessed(&it.since)) {
        of_changes.entry((it.change, it.since)).or_default().push(it.host);
    }
    let named = of_changes.into_iter().filter_map(|((change, since), hosts)| {
        let change = &request.changes().get(change as usize)?.id;
        let names: Vec<&str> = hosts.iter().map(|&it| facts.hosts[it as usize].it.id.as_str()).collect();
        let why = if since == SoakSince::Boot {
            "its soak counts from its last boot, which is too early if it got the change later without one; say `changed_at` of the host"
        } else {
            "nobody knows since when: its soak counts from when it was seen; say `changed_at` of the host, or plan with --parent"
        };
        Some(Standing {
            rule: Rule::Soak,
            severity: Severity::Unknown,
            place: names.join(", "),
            text: format!("has change {change} already, {why}"),
        })
    });
    named.collect()
}

/// Clusters that are thawed between their waves although their balancing is on and moves guests then.
fn balanced(facts: &Facts<'_>, plan: &Plan) -> Vec<Standing> {
    let mut times: BTreeMap<&ClusterId, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        if let StepKind::Freeze { cluster, .. } | StepKind::Thaw { cluster } = &step.kind {
            times.entry(cluster).or_default().push(step);
        }
    }
    let told = facts.fleet.clusters.iter().filter(|it| it.load_balancing == Some(true)).filter_map(|cluster| {
        let gaps: Vec<(u32, u32)> = times.get(&cluster.id)?.windows(2).filter_map(thawed).collect();
        let (from, until) = gaps.iter().copied().max_by_key(|it| it.1.saturating_sub(it.0))?;
        Some(Standing {
            rule: Rule::FreezeThaw,
            severity: Severity::Unknown,
            place: cluster.id.as_str().to_owned(),
            text: format!(
                "balancing is on, and the plan thaws it between its waves, {} times and for up to {} h: guests may stand elsewhere by the next \
                 one; plan again with --parent before it, or keep balancing off until the plan is over",
                gaps.len(),
                until.saturating_sub(from).div_ceil(3600)
            ),
        })
    });
    told.collect()
}

/// From when until when a cluster is thawed between two steps that freeze and thaw it.
fn thawed(pair: &[&Step]) -> Option<(u32, u32)> {
    let [thaw, freeze] = pair else { return None };
    let thaws = matches!(thaw.kind, StepKind::Thaw { .. }) && matches!(freeze.kind, StepKind::Freeze { .. });
    thaws.then(|| (thaw.end_s(), freeze.start_s))
}

/// Rules that must hold and cannot.
fn contradictions(facts: &Facts<'_>) -> impl Iterator<Item = Standing> {
    facts.contradictions.iter().filter_map(|it| {
        let rules = it.affinities.iter().filter_map(|&at| Some((at, facts.fleet.affinities.get(at as usize)?)));
        let rules: Vec<(u32, Rule)> = rules.map(|(at, it)| (at, rule_of(it.kind))).collect();
        let named: Vec<String> =
            rules.iter().map(|(at, rule)| format!("/affinities/{at} ({})", rule.name())).collect();
        let guests: Vec<&str> = it.guests.iter().map(|&it| facts.guests[it as usize].it.id.as_str()).collect();
        Some(Standing {
            rule: rules.first()?.1,
            severity: Severity::Before,
            place: guests.join(", "),
            text: format!(
                "no placement holds all of {}: these guests stay where they are; drop one of the rules or make it `should`",
                named.join(", ")
            ),
        })
    })
}

/// Guests that need more than any host of their cluster has: where they are, they are too much, and hosts more are of no use.
fn too_large(facts: &Facts<'_>) -> Vec<Standing> {
    let mut told = Vec::new();
    for cluster in &facts.clusters {
        let hosts = || cluster.hosts.clone().map(|it| facts.hosts[it as usize].capacity);
        for (at, name) in NAMES.iter().enumerate() {
            let most = hosts().try_fold(0, |most, it| Some(most.max(it?[at])));
            let Some(most) = most else { continue };
            for it in cluster.guests.clone().map(|it| &facts.guests[it as usize]) {
                let Some(need) = it.demand.map(|it| it[at]).filter(|need| *need > most) else { continue };
                told.push(Standing {
                    rule: Rule::Capacity,
                    severity: Severity::Before,
                    place: it.it.id.as_str().to_owned(),
                    text: format!(
                        "no number of spare hosts like those of its cluster would do: it needs {need} {name}, the largest of them has {most}"
                    ),
                });
            }
        }
    }
    told
}

fn broken_rules(facts: &Facts<'_>) -> Vec<Standing> {
    let places: BTreeMap<&str, u32> =
        facts.guests.iter().enumerate().map(|(at, it)| (it.it.id.as_str(), at as u32)).collect();
    let must = facts.fleet.affinities.iter().filter(|it| it.strength == Strength::Must);
    must.filter_map(|rule| {
        let members = members(rule, |id| places.get(id).copied());
        facts.broken(rule, &members).then(|| Standing {
            rule: rule_of(rule.kind),
            severity: Severity::Before,
            place: rule.vms.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", "),
            text: "the rule does not hold as they stand: the plan does not follow it".to_owned(),
        })
    })
    .collect()
}
