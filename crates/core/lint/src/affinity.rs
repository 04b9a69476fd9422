//! Rules of placement over time: apart, together, on hosts, among parts.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::fleet::{AffinityKind, Strength};
use underpin_model::plan::{Rule, Severity};
use underpin_model::policy::Exception;

use crate::replay::Within;
use crate::report::{At, Log};
use crate::state::{Group, Guest, State};
use crate::world::{NONE, World, ix};

/// What a rule says.
#[derive(Debug)]
enum Says {
    Apart,
    Together,
    OnHosts(FxHashSet<u32>),
    Among(Vec<FxHashSet<u32>>),
}

/// A rule on guests of the group; numbers are those within it.
#[derive(Debug)]
struct Bond {
    says: Says,
    must: bool,
    /// It must hold, and no exception lets it be broken where its guests stand at the start: after a failure too they are placed by it.
    binds: bool,
    /// From then on it binds: the end of the exceptions. [`NONE`]: never.
    binds_from: u32,
    members: Vec<u32>,
    /// How bad it was at the start: hosts beyond the first for those together, 1 for those among no part.
    at_start: usize,
    /// Of guests that were not together at the start: where each of them stood.
    stood: Vec<(u32, u32)>,
    /// It is broken now, and said so.
    told: bool,
}

/// The rules of a group with what they need to be checked as guests come and go.
#[derive(Debug, Default)]
pub(crate) struct Affinities {
    bonds: Vec<Bond>,
    of_guest: Vec<Vec<u32>>,
    /// Members of a bond that stand on a host, where there are any; only for those apart.
    on_host: FxHashMap<(u32, u32), u32>,
    on_host_at_start: FxHashMap<(u32, u32), u32>,
    dirty: Vec<u32>,
}

/// Every rule of a fleet, shared out to the groups: bonds never reach beyond their group.
pub(crate) fn share(
    world: &World<'_>,
    groups: &[Group],
    group_of_vm: &[u32],
    within: &Within,
    starts_at: Timestamp,
) -> Vec<Affinities> {
    let mut shared: Vec<Affinities> = groups
        .iter()
        .map(|it| Affinities { of_guest: vec![Vec::new(); it.vms.len()], ..Affinities::default() })
        .collect();
    // An exception has no beginning: what does not hold when the plan starts never will.
    let freed_until = |rule: Rule, vm: u32| {
        let host = world.vms.get(ix(vm)).map_or(NONE, |it| it.host);
        let live = world.policy.planning.exceptions(rule, starts_at);
        let live = live.filter(|it| world.within(&it.scope, &world.locus(host)));
        live.map(|it| ends(it, starts_at)).max()
    };
    let mut add = |vms: &[&str], rule: Option<Rule>, must: bool, says: &dyn Fn(u32) -> Says| {
        let vms = || vms.iter().filter_map(|it| world.vm_at.get(*it)).copied();
        // Where all are free, until the first is no longer.
        let free = rule.and_then(|rule| vms().map(|vm| freed_until(rule, vm).unwrap_or(0)).min());
        let binds_from = if must { free.unwrap_or(0) } else { NONE };
        let mut members: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for vm in vms() {
            let group = group_of_vm.get(ix(vm)).copied().unwrap_or(NONE);
            let local = within.vm.get(ix(vm)).copied().unwrap_or(NONE);
            if group != NONE && local != NONE {
                members.entry(group).or_default().push(local);
            }
        }
        for (group, mut members) in members {
            members.sort_unstable();
            members.dedup();
            if let Some(affinities) = shared.get_mut(ix(group)) {
                let says = says(group);
                let binds = binds_from == 0;
                affinities.add(Bond {
                    says,
                    must,
                    binds,
                    binds_from,
                    members,
                    at_start: 0,
                    stood: Vec::new(),
                    told: false,
                });
            }
        }
    };
    let locals = |ids: &mut dyn Iterator<Item = &str>, group: u32| -> FxHashSet<u32> {
        let hosts = groups.get(ix(group)).map_or(&[][..], |it| &it.hosts);
        ids.filter_map(|it| world.host_at.get(it))
            .filter_map(|host| hosts.binary_search(host).ok())
            .map(|it| it as u32)
            .collect()
    };
    for rule in &world.fleet.affinities {
        let says = |group: u32| match rule.kind {
            AffinityKind::Apart => Says::Apart,
            AffinityKind::Together => Says::Together,
            AffinityKind::OnHosts => {
                Says::OnHosts(locals(&mut rule.hosts.iter().map(|it| it.as_str()), group))
            }
        };
        let of = match rule.kind {
            AffinityKind::Apart => Rule::Apart,
            AffinityKind::Together => Rule::Together,
            AffinityKind::OnHosts => Rule::OnHosts,
        };
        let vms: Vec<&str> = rule.vms.iter().map(|it| it.as_str()).collect();
        add(&vms, Some(of), rule.strength == Strength::Must, &says);
    }
    if let Some(planning) = &world.fleet.planning {
        for rule in &planning.among {
            let parts = || rule.parts.iter().filter_map(|it| planning.parts.get(it));
            let says = |group: u32| {
                let part = |hosts: &Vec<_>| {
                    locals(&mut hosts.iter().map(|it: &underpin_model::id::HostId| it.as_str()), group)
                };
                Says::Among(parts().map(part).collect())
            };
            let vms: Vec<&str> = rule.vms.iter().map(|it| it.as_str()).collect();
            add(&vms, None, true, &says);
        }
    }
    shared
}

/// When an exception holds no longer, in seconds from the plan's start; [`NONE`]: beyond any plan.
fn ends(exception: &Exception, starts_at: Timestamp) -> u32 {
    let after = exception.expires.tomorrow().and_then(|it| it.to_zoned(TimeZone::UTC));
    let seconds = after.map(|it| it.timestamp().as_second().saturating_sub(starts_at.as_second()));
    seconds.ok().and_then(|it| u32::try_from(it).ok()).unwrap_or(NONE)
}

impl Affinities {
    /// Moments from which on rules bind that exceptions excuse until then.
    pub(crate) fn ends(&self) -> Vec<u32> {
        let mut ends: Vec<u32> = self.bonds.iter().map(|it| it.binds_from).filter(|it| *it != 0).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    /// The exceptions from some rules end: what they excused until now is told, unless it was so before the plan.
    pub(crate) fn bind(&mut self, state: &State, now: u32, world: &World<'_>, log: &mut Log<'_>) {
        let at = At::moment(now);
        for number in 0..self.bonds.len() as u32 {
            let Some(bond) = self.bonds.get_mut(ix(number)).filter(|it| it.binds_from == now) else {
                continue;
            };
            (bond.binds, bond.told) = (true, false);
            let bond = &*bond;
            match &bond.says {
                Says::Apart => {
                    let all = self.on_host.iter().filter(|it| it.0.0 == number);
                    let before = |host: u32| self.on_host_at_start.get(&(number, host)).copied().unwrap_or(1);
                    let mut crowded: Vec<u32> =
                        all.filter(|it| *it.1 > before(it.0.1)).map(|it| it.0.1).collect();
                    crowded.sort_unstable();
                    for host in crowded {
                        broken(log, Rule::Apart, true, at, world, state, host, || {
                            self.crowd(world, state, number, host)
                        });
                    }
                }
                Says::OnHosts(hosts) => {
                    for &guest in &bond.members {
                        let Some(it) = state.guests.get(ix(guest)) else { continue };
                        let stands = state.stations.get(ix(it.host)).map_or(NONE, |it| it.host);
                        let moved = world.vms.get(ix(it.vm)).is_some_and(|it| it.host != stands);
                        if moved && it.stands() && !hosts.contains(&it.host) {
                            broken(log, Rule::OnHosts, true, at, world, state, it.host, || {
                                bound(world, state, guest, it.host)
                            });
                        }
                    }
                }
                Says::Together | Says::Among(_) => self.dirty.push(number),
            }
        }
    }

    fn add(&mut self, bond: Bond) {
        let number = self.bonds.len() as u32;
        for member in &bond.members {
            if let Some(of) = self.of_guest.get_mut(ix(*member)) {
                of.push(number);
            }
        }
        self.bonds.push(bond);
    }

    fn bonds_of(&self, guest: u32) -> &[u32] {
        self.of_guest.get(ix(guest)).map_or(&[], Vec::as_slice)
    }

    /// What was broken before the plan.
    pub(crate) fn before(&mut self, state: &State, world: &World<'_>, log: &mut Log<'_>) {
        for (guest, number) in state.guests.iter().zip(0u32..) {
            if guest.host == NONE || !guest.stands() {
                continue;
            }
            for bond in self.of_guest.get(ix(number)).into_iter().flatten() {
                match self.bonds.get(ix(*bond)).map(|it| (&it.says, it.must)) {
                    Some((Says::Apart, _)) => *self.on_host.entry((*bond, guest.host)).or_default() += 1,
                    Some((Says::OnHosts(hosts), true)) if !hosts.contains(&guest.host) => {
                        log.add(Rule::OnHosts, Severity::Before, At::moment(0), || {
                            bound(world, state, number, guest.host)
                        });
                    }
                    _ => {}
                }
            }
        }
        self.on_host_at_start = self.on_host.iter().filter(|it| *it.1 > 1).map(|it| (*it.0, *it.1)).collect();
        let mut crowded: Vec<(u32, u32)> = self.on_host_at_start.keys().copied().collect();
        crowded.sort_unstable();
        for (bond, host) in crowded {
            if self.bonds.get(ix(bond)).is_some_and(|it| it.must) {
                log.add(Rule::Apart, Severity::Before, At::moment(0), || {
                    self.crowd(world, state, bond, host)
                });
            }
        }
        for number in 0..self.bonds.len() as u32 {
            let excess = self.bonds.get(ix(number)).map_or(0, |it| excess(it, state).0);
            let Some(bond) = self.bonds.get_mut(ix(number)) else { continue };
            bond.at_start = excess;
            if excess > 0 {
                let stood = |it: &u32| state.guests.get(ix(*it)).map(|at| (*it, at.host));
                bond.stood = bond.members.iter().filter_map(stood).collect();
            }
            let rule = if matches!(bond.says, Says::Among(_)) { Rule::Among } else { Rule::Together };
            if excess > 0 && bond.must {
                log.add(rule, Severity::Before, At::moment(0), || split(world, state, bond));
            }
        }
    }

    /// A guest counts on a host from now on.
    pub(crate) fn enter(
        &mut self,
        state: &State,
        guest: u32,
        host: u32,
        at: At,
        world: &World<'_>,
        log: &mut Log<'_>,
    ) {
        let Some(it) = state.guests.get(ix(guest)) else { return };
        for bond in self.of_guest.get(ix(guest)).into_iter().flatten().copied() {
            let Some(Bond { says, must, .. }) = self.bonds.get(ix(bond)) else { continue };
            let must = *must;
            match says {
                Says::OnHosts(hosts) => {
                    log.compared(Rule::OnHosts);
                    if !hosts.contains(&host) {
                        broken(log, Rule::OnHosts, must, at, world, state, host, || {
                            bound(world, state, guest, host)
                        });
                    }
                }
                Says::Apart if it.stands() => {
                    log.compared(Rule::Apart);
                    let count = self.on_host.entry((bond, host)).or_default();
                    *count += 1;
                    let before = self.on_host_at_start.get(&(bond, host)).copied().unwrap_or(1);
                    if *count > before.max(1) {
                        broken(log, Rule::Apart, must, at, world, state, host, || {
                            self.crowd(world, state, bond, host)
                        });
                    }
                }
                Says::Together | Says::Among(_) => self.dirty.push(bond),
                Says::Apart => {}
            }
        }
    }

    /// A guest that still counts on a host no longer will.
    pub(crate) fn leave(&mut self, state: &State, guest: u32, host: u32) {
        if !state.guests.get(ix(guest)).is_some_and(Guest::stands) {
            return;
        }
        for bond in self.of_guest.get(ix(guest)).into_iter().flatten().copied() {
            match self.bonds.get(ix(bond)).map(|it| &it.says) {
                Some(Says::Apart) => {
                    if let Some(count) = self.on_host.get_mut(&(bond, host)) {
                        *count = count.saturating_sub(1);
                        if *count == 0 {
                            self.on_host.remove(&(bond, host));
                        }
                    }
                }
                Some(Says::Together | Says::Among(_)) => self.dirty.push(bond),
                _ => {}
            }
        }
    }

    /// Groups that something happened to are judged at the end of the second.
    pub(crate) fn settle(&mut self, state: &State, at: At, world: &World<'_>, log: &mut Log<'_>) {
        self.dirty.sort_unstable();
        self.dirty.dedup();
        for number in std::mem::take(&mut self.dirty) {
            let Some(bond) = self.bonds.get_mut(ix(number)) else { continue };
            let rule = if matches!(bond.says, Says::Among(_)) { Rule::Among } else { Rule::Together };
            log.compared(rule);
            let (now, moving) = excess(bond, state);
            // Each of the parts that they were in at the start may be on its way from one host to another.
            let on_their_way = if moving && rule == Rule::Together { bond.at_start + 1 } else { 0 };
            let allowed = bond.at_start + on_their_way;
            if now <= allowed {
                bond.told = false;
            } else if !bond.told {
                bond.told = true;
                let bond = &*bond;
                let host = bond.members.first().and_then(|it| state.guests.get(ix(*it)));
                let host = host.map_or(NONE, |it| it.host);
                broken(log, rule, bond.must, at, world, state, host, || split(world, state, bond));
            }
        }
    }

    /// The bonds that say where a guest may be restarted: whether it may be on a host with these others.
    pub(crate) fn may_stand(&self, guest: u32, host: u32, others: impl Fn(u32) -> bool) -> bool {
        self.bonds_of(guest).iter().all(|bond| match self.bonds.get(ix(*bond)) {
            Some(Bond { says: Says::OnHosts(hosts), binds: true, .. }) => hosts.contains(&host),
            Some(Bond { says: Says::Apart, binds: true, members, .. }) => {
                !self.on_host.contains_key(&(*bond, host))
                    || !members.iter().any(|it| *it != guest && others(*it))
            }
            _ => true,
        })
    }

    /// Whether guests must be on different hosts.
    pub(crate) fn apart(&self, one: u32, other: u32) -> bool {
        self.bonds_of(one).iter().any(|it| {
            self.bonds_of(other).contains(it)
                && self.bonds.get(ix(*it)).is_some_and(|it| it.binds && matches!(it.says, Says::Apart))
        })
    }

    /// The guests that a guest must be with, itself among them, in a fixed order; empty: it is alone. Of those that were not together
    /// at the start, only those on one host then are tied; who does not run ties nobody.
    pub(crate) fn companions(&self, guest: u32, runs: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut seen = FxHashSet::default();
        let mut open = vec![guest];
        while let Some(next) = open.pop() {
            for bond in self.bonds_of(next).iter().filter_map(|it| self.bonds.get(ix(*it))) {
                if bond.binds && matches!(bond.says, Says::Together) {
                    let stood = |guest: u32| bond.stood.iter().find(|it| it.0 == guest).map(|it| it.1);
                    let own = stood(next);
                    let tied = bond.members.iter().filter(|it| stood(**it) == own);
                    open.extend(tied.filter(|it| runs(**it) && seen.insert(**it)));
                }
            }
        }
        let mut all: Vec<u32> = seen.into_iter().collect();
        all.sort_unstable();
        all
    }

    /// Whether any rule of placement speaks of a guest.
    pub(crate) fn speaks_of(&self, guest: u32) -> bool {
        !self.bonds_of(guest).is_empty()
    }

    fn crowd(&self, world: &World<'_>, state: &State, bond: u32, host: u32) -> (String, String, String) {
        let members = self.bonds.get(ix(bond)).map_or(&[][..], |it| &it.members);
        let on = members.iter().filter_map(|it| state.guests.get(ix(*it)));
        let on = on.filter(|it| it.stands() && (it.host == host || it.to == host));
        let names: Vec<&str> = on.take(5).map(|it| world.vm_id(it.vm)).collect();
        (place(world, state, host), format!("{} together", names.join(", ")), "these guests apart".into())
    }
}

fn place(world: &World<'_>, state: &State, host: u32) -> String {
    let host = state.stations.get(ix(host)).map_or("?", |it| world.host_id(it.host));
    format!("host {host}")
}

fn bound(world: &World<'_>, state: &State, guest: u32, host: u32) -> (String, String, String) {
    let vm = state.guests.get(ix(guest)).map_or("?", |it| world.vm_id(it.vm));
    (place(world, state, host), format!("VM {vm}"), "only guests that no rule binds to other hosts".into())
}

fn split(world: &World<'_>, state: &State, bond: &Bond) -> (String, String, String) {
    let mut standing: Vec<String> = Vec::new();
    for it in bond.members.iter().filter_map(|it| state.guests.get(ix(*it))).filter(|it| it.stands()) {
        let host = state.stations.get(ix(it.host)).map_or("?", |it| world.host_id(it.host));
        standing.push(format!("{} on {host}", world.vm_id(it.vm)));
    }
    let first = standing.first().cloned().unwrap_or_default();
    let first = first.split(" on ").next().unwrap_or_default().to_owned();
    standing.truncate(5);
    let expected = match bond.says {
        Says::Among(_) => "all of them in one of their parts",
        _ => "all of them on one host, but for their own move to another",
    };
    (format!("group of VM {first}"), standing.join(", "), expected.into())
}

/// How far a group is from what its bond says, and whether a member is on its way.
fn excess(bond: &Bond, state: &State) -> (usize, bool) {
    let standing = || {
        bond.members
            .iter()
            .filter_map(|it| state.guests.get(ix(*it)))
            .filter(|it| it.stands() && it.host != NONE)
    };
    let mut hosts: Vec<u32> = standing().flat_map(|it| [it.host, it.to]).filter(|it| *it != NONE).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let moving = standing().any(|it| it.to != NONE);
    match &bond.says {
        Says::Together => (hosts.len().saturating_sub(1), moving),
        Says::Among(parts) => {
            let fits = hosts.is_empty() || parts.iter().any(|part| hosts.iter().all(|it| part.contains(it)));
            (usize::from(!fits), moving)
        }
        _ => (0, moving),
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "a rule, its strength and its place; a struct would only name them again"
)]
fn broken(
    log: &mut Log<'_>,
    rule: Rule,
    must: bool,
    at: At,
    world: &World<'_>,
    state: &State,
    host: u32,
    say: impl FnOnce() -> (String, String, String),
) {
    if must {
        let host = state.stations.get(ix(host)).map_or(NONE, |it| it.host);
        log.error(rule, at, &world.locus(host), say);
    } else {
        log.add(rule, Severity::Worse, at, say);
    }
}
