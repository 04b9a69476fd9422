//! What rules about affinity make of guests: those that move as one, those that keep apart, the hosts that bind them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use underpin_model::fleet::{Affinity, AffinityKind, Strength};

use super::{Facts, HostFacts, Wish};

impl<'a> Facts<'a> {
    /// Affinity that must hold, and parts. Guests that must be apart and are not get apart as they move, those that are not on the
    /// hosts that they are bound to go there as they move, and those that should be together are not spread further. The report
    /// says that it was so.
    pub(super) fn rules(&mut self, starts_at: Timestamp) {
        let places: FxHashMap<&str, u32> =
            self.guests.iter().enumerate().map(|(at, it)| (it.it.id.as_str(), at as u32)).collect();
        let fleet = self.fleet;
        let suspended = |(at, host): (u32, &HostFacts<'a>)| {
            host.asleep.iter().map(move |it| (it.id.as_str(), at)).collect::<Vec<_>>()
        };
        let asleep: FxHashMap<&str, u32> = (0..).zip(&self.hosts).flat_map(suspended).collect();
        let mut counting = Vec::new();
        for (at, rule) in (0..).zip(&fleet.affinities).filter(|it| it.1.strength == Strength::Must) {
            let members = members(rule, |id| places.get(id).copied());
            if self.waived(rule.kind, &members, starts_at) {
                continue;
            }
            self.with_asleep(rule, &members, &asleep);
            let named = rule.hosts.iter().filter_map(|id| self.host_places.get(id.as_str())).copied();
            counting.push((at, rule.kind, members.clone(), named.collect()));
            if rule.kind == AffinityKind::Together && self.broken(rule, &members) {
                // Those that are together stay so: they are not spread any further.
                let mut by_home: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
                members.iter().for_each(|&it| by_home.entry(self.home[it as usize]).or_default().push(it));
                by_home.into_values().filter(|it| it.len() > 1).for_each(|it| self.tie(&it));
                continue;
            }
            match rule.kind {
                AffinityKind::Apart if members.len() > 1 => {
                    let group = self.apart.len() as u32;
                    for &it in &members {
                        self.guests[it as usize].apart.push(group);
                    }
                    self.apart.push(members);
                }
                AffinityKind::Together if members.len() > 1 => self.tie(&members),
                AffinityKind::OnHosts => {
                    let hosts: Vec<u32> = rule
                        .hosts
                        .iter()
                        .filter_map(|id| self.host_places.get(id.as_str()))
                        .copied()
                        .collect();
                    members.iter().for_each(|&it| bind(&mut self.guests[it as usize].bound, &hosts));
                }
                _ => {}
            }
        }
        self.contradictions(&counting);
        self.wishes(&places);
        let Some(planning) = &fleet.planning else { return };
        for among in &planning.among {
            let members: Vec<u32> =
                among.vms.iter().filter_map(|id| places.get(id.as_str())).copied().collect();
            let parts = among.parts.iter().filter_map(|name| planning.parts.get(name));
            let mut parts = parts.map(|hosts| {
                hosts.iter().filter_map(|id| self.host_places.get(id.as_str())).copied().collect::<Vec<u32>>()
            });
            // They stay in the part in which they all are.
            if let Some(part) =
                parts.find(|part| members.iter().all(|&it| part.contains(&self.home[it as usize])))
            {
                members.iter().for_each(|&it| bind(&mut self.guests[it as usize].bound, &part));
            }
        }
    }

    /// A suspended guest stays where it is: who must be apart from it goes elsewhere, and who must be with it stays there.
    fn with_asleep(&mut self, rule: &Affinity, members: &[u32], asleep: &FxHashMap<&str, u32>) {
        let asleep: Vec<u32> = rule.vms.iter().filter_map(|id| asleep.get(id.as_str())).copied().collect();
        for &it in members {
            let home = self.home[it as usize];
            let guest = &mut self.guests[it as usize];
            match rule.kind {
                AffinityKind::Apart => guest.barred.extend(asleep.iter().filter(|it| **it != home)),
                AffinityKind::Together if asleep.contains(&home) => guest.held = Some(home),
                AffinityKind::Together | AffinityKind::OnHosts => {}
            }
        }
    }

    fn wishes(&mut self, places: &FxHashMap<&str, u32>) {
        for rule in self.fleet.affinities.iter().filter(|it| it.strength == Strength::Should) {
            let members = members(rule, |id| places.get(id).copied());
            let hosts = rule.hosts.iter().filter_map(|id| self.host_places.get(id.as_str()));
            let hosts: Vec<u32> = hosts.copied().collect();
            let number = self.wishes.len() as u32;
            members.iter().for_each(|&it| self.guests[it as usize].wishes.push(number));
            self.wishes.push(Wish { kind: rule.kind, members, hosts });
        }
    }

    /// A rule that does not hold as the guests stand.
    pub(in super::super) fn broken(&self, rule: &Affinity, members: &[u32]) -> bool {
        let homes: Vec<u32> = members.iter().map(|&it| self.home[it as usize]).collect();
        match rule.kind {
            AffinityKind::Together => homes.windows(2).any(|pair| pair[0] != pair[1]),
            AffinityKind::Apart => homes.iter().collect::<BTreeSet<_>>().len() < homes.len(),
            AffinityKind::OnHosts => homes.iter().any(|&home| {
                !self.hosts.get(home as usize).is_some_and(|host| rule.hosts.contains(&host.it.id))
            }),
        }
    }

    /// Guests that must be together move as one, with those that each of them is tied to already.
    fn tie(&mut self, members: &[u32]) {
        let mut all: BTreeSet<u32> = members.iter().copied().collect();
        for &it in members {
            all.extend(self.guests[it as usize].together.iter().copied());
        }
        let all: Vec<u32> = all.into_iter().collect();
        for &it in &all {
            self.guests[it as usize].together.clone_from(&all);
        }
    }
}

/// Guests of a rule, each once.
pub(in super::super) fn members<'r>(rule: &'r Affinity, place: impl Fn(&'r str) -> Option<u32>) -> Vec<u32> {
    let mut once = BTreeSet::new();
    rule.vms.iter().filter_map(|id| place(id.as_str())).filter(|it| once.insert(*it)).collect()
}

fn bind(bound: &mut Option<Vec<u32>>, hosts: &[u32]) {
    match bound {
        Some(already) => already.retain(|it| hosts.contains(it)),
        None => *bound = Some(hosts.to_vec()),
    }
}
