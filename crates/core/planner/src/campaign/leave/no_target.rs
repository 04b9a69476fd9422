//! Why no host takes guests that must leave theirs.

use underpin_model::fleet::{Cluster, Host, Vm};
use underpin_model::plan::{Reason, Rule};

use super::{Leaving, demand_of};
use crate::campaign::facts::Facts;
use crate::campaign::room::{Free, KINDS, RESOURCES, signed};

impl Leaving<'_, '_, '_> {
    /// Why nobody takes a unit: the first condition that excludes all.
    pub(super) fn no_target(&self, host: u32, unit: &[u32], need: Free) -> Reason {
        let facts = self.rooms.facts;
        let guest = unit[0];
        let it = &facts.guests[guest as usize];
        let vm = it.it.id.clone();
        let others: Vec<u32> = self.rooms.hosts().filter(|&to| to != host).collect();
        if others.is_empty() {
            let short = demand_of(facts, self.rooms.guests_on(host))[0];
            return Reason::Short { resource: RESOURCES[0].to_owned(), short, reserve: false };
        }
        let reached: Vec<u32> = others
            .iter()
            .copied()
            .filter(|&to| unit.iter().all(|&it| facts.reaches(&facts.guests[it as usize], to)))
            .collect();
        if reached.is_empty() {
            return self.not_reached(guest, &others);
        }
        let bound: Vec<u32> =
            reached.into_iter().filter(|&to| unit.iter().all(|&it| facts.may_stand(it, to))).collect();
        if bound.is_empty() {
            let bound = unit.iter().any(|it| facts.guests[*it as usize].bound.is_some());
            return Reason::RequiredAffinity { vm, rule: if bound { Rule::OnHosts } else { Rule::Apart } };
        }
        let higher: Vec<u32> =
            bound.into_iter().filter(|&to| unit.iter().all(|&it| self.rooms.direction(it, to))).collect();
        if higher.is_empty() {
            return Reason::NoTargetWithRelease { vm };
        }
        let whole = |to: &&u32| {
            facts.hosts[**to as usize]
                .capacity
                .is_some_and(|room| (0..KINDS).all(|it| signed(room[it]) >= need[it]))
        };
        if higher.iter().find(whole).is_none() {
            return Reason::LargerThanAnyHost { vm, memory_mib: it.it.memory_mib.unwrap_or(0) };
        }
        if higher.iter().all(|&it| facts.hosts[it as usize].slots == 0) {
            return Reason::NoSlots { host: facts.hosts[higher[0] as usize].it.id.clone() };
        }
        let links = higher.iter().map(|&it| facts.hosts[it as usize].link_mbps);
        if let Some(best) = links.max().filter(|it| *it < self.link_mbps) {
            return does_not_converge(facts, guest, best);
        }
        let apart: Vec<u32> = higher
            .into_iter()
            .filter(|&to| self.open(host, to) && unit.iter().all(|&it| self.rooms.stands_apart(it, to)))
            .collect();
        if apart.is_empty() {
            return Reason::RequiredAffinity { vm, rule: Rule::Apart };
        }
        self.ruled_out(unit, need, &apart).unwrap_or_else(|| self.short(host, unit, &apart))
    }

    /// There is a host with room, and an application would wholly be on the release that soaks there.
    fn ruled_out(&self, unit: &[u32], need: Free, hosts: &[u32]) -> Option<Reason> {
        let has_room = |to: &&u32| (0..KINDS).all(|it| self.rooms.free(**to)[it] >= need[it]);
        let soaks = hosts.iter().filter(has_room).any(|&to| self.soaks(to));
        let alone = |guest: &&u32| !self.rooms.diverse(**guest, &|it| self.will_soak(it));
        let guest = unit.iter().filter(|_| soaks).find(alone)?;
        let application = self.rooms.facts.guests[*guest as usize].it.application.clone()?;
        Some(Reason::ReleaseDiversity { application })
    }

    fn not_reached(&self, guest: u32, others: &[u32]) -> Reason {
        let facts = self.rooms.facts;
        let it = &facts.guests[guest as usize];
        let has = |to: u32, feature: &String| {
            let cpu = facts.hosts[to as usize].it.cpu.as_ref();
            cpu.is_some_and(|it| it.features.contains(feature))
        };
        let all = |to: &u32| it.it.cpu_features.iter().all(|feature| has(*to, feature));
        if !it.it.cpu_features.is_empty() && !others.iter().any(all) {
            return Reason::NoTargetWithFeature {
                vm: it.it.id.clone(),
                features: it.it.cpu_features.clone(),
            };
        }
        let own = facts.hosts[self.rooms.at(guest) as usize].it;
        let cluster = |to: u32| {
            let cluster = facts.hosts[to as usize].cluster;
            facts.fleet.clusters.get(facts.clusters[cluster as usize].at as usize)
        };
        let lacks = others.iter().map(|&to| lacks(it.it, own, facts.hosts[to as usize].it, cluster(to)));
        Reason::NoTargetWithReach {
            vm: it.it.id.clone(),
            needs: lacks.min_by_key(Vec::len).unwrap_or_default(),
        }
    }

    /// There would be hosts, but no room: what the sums lack, or that the pieces are too small.
    fn short(&self, host: u32, unit: &[u32], hosts: &[u32]) -> Reason {
        let left: Vec<u32> = self.rooms.guests_on(host).to_vec();
        let all = demand_of(self.rooms.facts, &left);
        for (resource, (name, all)) in RESOURCES.iter().zip(all).enumerate() {
            let free: i64 = hosts.iter().map(|&it| self.rooms.free(it)[resource].max(0)).sum();
            let lacking = signed(all).saturating_sub(free);
            if lacking > 0 {
                return Reason::Short { resource: (*name).to_owned(), short: lacking as u64, reserve: false };
            }
        }
        Reason::Fragmented { vm: self.rooms.facts.guests[unit[0] as usize].it.id.clone() }
    }
}

/// What a guest needs and another host than its own does not reach.
fn lacks(vm: &Vm, own: &Host, to: &Host, cluster: Option<&Cluster>) -> Vec<String> {
    let (stored, wired) = (to.reach.storage_in(cluster), to.reach.networks_in(cluster));
    let vtpm = vm.sealed_keys.as_ref().is_some_and(|it| it.vtpm == Some(true));
    let keys = own.reach.key_providers.iter().filter(|_| vtpm);
    let storage = vm.storage.iter().filter(|it| !stored.contains(it)).map(ToString::to_string);
    let networks = vm.networks.iter().filter(|it| !wired.contains(it)).map(ToString::to_string);
    let keys = keys.filter(|it| !to.reach.key_providers.contains(it)).cloned();
    let licences = own.reach.licence_sets.iter().filter(|it| !to.reach.licence_sets.contains(it)).cloned();
    storage.chain(networks).chain(keys).chain(licences).collect()
}

pub(super) fn does_not_converge(facts: &Facts<'_>, guest: u32, best_mbps: u32) -> Reason {
    let it = &facts.guests[guest as usize];
    let dirty = it.dirty_mib_s * 8.0 * 1_048_576.0 / 1e6;
    // Rounded up: what is little more than the bandwidth must not look as if it were no more.
    Reason::DoesNotConverge { vm: it.it.id.clone(), dirty_mbps: dirty.ceil() as u32, best_mbps }
}
