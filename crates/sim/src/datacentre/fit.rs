//! Whether a guest may be on a host.

use std::cmp::Ordering;

use underpin_model::fleet::{AffinityKind, Strength};
use underpin_model::version::{Comparison, Scheme, compare};
use underpin_platforms::platform::FailureKind;

use super::Datacentre;
use super::state::{Host, HostPower, PowerState};

/// Why not, in the platform's words.
pub(crate) type No = (FailureKind, String);

/// An amount of what hosts have: memory in huge pages is not counted as other memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    pub(crate) memory_mib: u64,
    pub(crate) vcpus: u64,
    pub(crate) hugepages_mib: u64,
}

impl Datacentre {
    /// What a host has promised: to guests that run, memory alone to those suspended, and to those on their way.
    #[must_use]
    pub(crate) fn used(&self, host: usize) -> Room {
        let here = self.hosts.get(host).into_iter().flat_map(|it| it.guests.iter().copied());
        let coming = self.moves.values().filter(|it| it.to == host && it.holds_target()).map(|it| it.guest);
        let all = here.chain(coming).map(|it| self.holds(it));
        all.fold(Room::default(), |sum, it| Room {
            memory_mib: sum.memory_mib + it.memory_mib,
            vcpus: sum.vcpus + it.vcpus,
            hugepages_mib: sum.hugepages_mib + it.hugepages_mib,
        })
    }

    /// Free memory of a host in MiB.
    #[must_use]
    pub(crate) fn free_mib(&self, host: usize) -> u64 {
        let has = self.hosts.get(host).map_or(0, |it| it.memory_mib);
        has.saturating_sub(self.used(host).memory_mib)
    }

    /// A host that can be worked with: up, and its management answers.
    pub(crate) fn answers(host: &Host) -> Result<(), No> {
        if host.power != HostPower::Up {
            let text = format!("host {} is {}", host.id, host.power.name());
            return Err((FailureKind::HostNotReady, text));
        }
        if host.partitioned {
            return Err((FailureKind::HostNotReady, format!("host {} does not answer", host.id)));
        }
        Ok(())
    }

    /// Whether a host takes a guest: state, rules, reach, features, and room for it as if it ran.
    pub(crate) fn fits(&self, guest: usize, host: usize) -> Result<(), No> {
        let (Some(it), Some(on)) = (self.guests.get(guest), self.hosts.get(host)) else {
            return Err((FailureKind::NotAsExpected, "no such guest or host".to_owned()));
        };
        Self::answers(on)?;
        if on.maintenance {
            return Err((FailureKind::HostNotReady, format!("host {} is in maintenance", on.id)));
        }
        self.may_be_on(guest, host)?;
        // What the guest holds there already (it is suspended, or off with its place kept) is not counted twice.
        let used = self.used(host);
        let own = if it.host == Some(host) { self.holds(guest) } else { Room::default() };
        let free = |has: u64, used: u64, own: u64| has.saturating_sub(used.saturating_sub(own));
        let memory = free(on.memory_mib, used.memory_mib, own.memory_mib);
        let huge = free(on.hugepages_mib, used.hugepages_mib, own.hugepages_mib);
        let small = it.memory_mib.saturating_sub(it.hugepages_mib);
        for (what, has, needs) in [("MiB", memory, small), ("MiB of huge pages", huge, it.hugepages_mib)] {
            if needs > has {
                let text = format!("host {} has {has} {what} free, {} needs {needs} {what}", on.id, it.id);
                return Err((FailureKind::NotEnoughMemory, text));
            }
        }
        let free_vcpus = free(u64::from(on.vcpus), used.vcpus, own.vcpus);
        if u64::from(it.vcpus) > free_vcpus {
            let text = format!("host {} has {free_vcpus} vCPUs free, {} needs {}", on.id, it.id, it.vcpus);
            return Err((FailureKind::NotEnoughCpu, text));
        }
        Ok(())
    }

    /// What a guest holds where it is.
    fn holds(&self, guest: usize) -> Room {
        let Some(it) = self.guests.get(guest).filter(|it| it.power != PowerState::Off) else {
            return Room::default();
        };
        let runs = it.power == PowerState::On;
        Room {
            memory_mib: it.memory_mib.saturating_sub(it.hugepages_mib),
            vcpus: if runs { u64::from(it.vcpus) } else { 0 },
            hugepages_mib: it.hugepages_mib,
        }
    }

    /// Reach, features and rules, which no room can mend.
    fn may_be_on(&self, guest: usize, host: usize) -> Result<(), No> {
        let (Some(vm), Some(on)) = (self.base.vms.get(guest), self.base.hosts.get(host)) else {
            return Ok(());
        };
        let cluster = on
            .cluster
            .as_ref()
            .and_then(|id| self.index.clusters.get(id.as_str()).and_then(|at| self.base.clusters.get(*at)));
        // A host of which no storage is known is taken at its word.
        let stored = on.reach.storage_in(cluster);
        let out = vm.storage.iter().find(|it| !stored.contains(it));
        if let Some(storage) = out.filter(|_| !stored.is_empty()) {
            return Err((
                FailureKind::Reach,
                format!("host {} does not reach storage {storage} of {}", on.id, vm.id),
            ));
        }
        let wired = on.reach.networks_in(cluster);
        let out = vm.networks.iter().find(|it| !wired.contains(it));
        if let Some(network) = out.filter(|_| !wired.is_empty()) {
            return Err((
                FailureKind::Reach,
                format!("host {} does not reach network {network} of {}", on.id, vm.id),
            ));
        }
        let features = on.cpu.as_ref().map(|it| it.features.as_slice()).unwrap_or_default();
        let lacks = vm.cpu_features.iter().find(|it| !features.contains(it));
        if let Some(feature) = lacks.filter(|_| !features.is_empty()) {
            return Err((
                FailureKind::CpuFeatures,
                format!("host {} lacks {feature}, which {} needs", on.id, vm.id),
            ));
        }
        self.rules_allow(guest, host)
    }

    /// Must-rules: on hosts, and apart. Guests that must be together move one after the other, so that rule cannot hold here.
    fn rules_allow(&self, guest: usize, host: usize) -> Result<(), No> {
        let (Some(vm), Some(on)) = (self.base.vms.get(guest), self.base.hosts.get(host)) else {
            return Ok(());
        };
        let musts = self.base.affinities.iter().filter(|it| it.strength == Strength::Must);
        for rule in musts.filter(|it| it.vms.contains(&vm.id)) {
            match rule.kind {
                AffinityKind::OnHosts if !rule.hosts.contains(&on.id) => {
                    return Err((
                        FailureKind::Affinity,
                        format!("a rule keeps {} off host {}", vm.id, on.id),
                    ));
                }
                AffinityKind::Apart => {
                    let others = rule.vms.iter().filter(|it| **it != vm.id);
                    let met = others
                        .filter_map(|it| self.guest_at(it.as_str()))
                        .find(|it| self.is_or_comes(*it, host));
                    if let Some(other) = met.and_then(|it| self.guests.get(it)) {
                        let text =
                            format!("a rule keeps {} apart from {} on host {}", vm.id, other.id, on.id);
                        return Err((FailureKind::Affinity, text));
                    }
                }
                AffinityKind::OnHosts | AffinityKind::Together => {}
            }
        }
        Ok(())
    }

    fn is_or_comes(&self, guest: usize, host: usize) -> bool {
        let here =
            self.guests.get(guest).is_some_and(|it| it.host == Some(host) && it.power != PowerState::Off);
        here || self.moves.values().any(|it| it.guest == guest && it.to == host)
    }

    /// Why a guest cannot leave its host while it runs (or at all, if `live` is false).
    pub(crate) fn bound(&self, guest: usize, live: bool) -> Result<(), No> {
        let Some(vm) = self.base.vms.get(guest) else { return Ok(()) };
        if let Some(device) = vm.passthrough.first() {
            return Err((FailureKind::Pinned, format!("{} has {device} of its host passed through", vm.id)));
        }
        let vtpm = vm.sealed_keys.as_ref().and_then(|it| it.vtpm).unwrap_or(false);
        if live && vtpm && !self.settings.vtpm_moves {
            return Err((FailureKind::Pinned, format!("{} has a vTPM: it cannot move while it runs", vm.id)));
        }
        let now = self.now();
        let held = vm.locks.iter().find(|it| it.expires.is_none_or(|end| end > now));
        match held {
            Some(lock) => {
                Err((FailureKind::Locked, format!("{} is held by {:?}", vm.id, lock.kind).to_lowercase()))
            }
            None => Ok(()),
        }
    }

    /// Whether a host's release is not lower than that of the guest's host, where the platform asks for that. Releases that cannot be
    /// compared are taken as equal, as platforms do.
    pub(crate) fn not_lower(&self, guest: usize, to: usize) -> Result<(), No> {
        let from = self.guests.get(guest).and_then(|it| it.host);
        let release = |at: usize| self.hosts.get(at).and_then(|it| it.running.clone());
        let (Some(from), true) = (from, self.settings.refuses_lower) else { return Ok(()) };
        let (Some(has), Some(gets)) = (release(from), release(to)) else { return Ok(()) };
        let family = self.base.hosts.get(to).and_then(|it| it.platform.as_ref()).map(|it| it.family.scheme());
        match compare(family.unwrap_or(Scheme::Generic), &gets, &has) {
            Ok(Comparison::Ordered(Ordering::Less)) => {
                let text =
                    format!("host {} runs {gets}, {} is on {has}", self.name_of(to), self.guest_name(guest));
                Err((FailureKind::LowerRelease, text))
            }
            _ => Ok(()),
        }
    }

    /// The host with most free memory that takes a guest: of its cluster, not the one given, and among `only_to` unless that is
    /// empty. Of equals the first.
    pub(crate) fn best_target(
        &self,
        guest: usize,
        not: Option<usize>,
        only_to: &[usize],
        live: bool,
    ) -> Option<usize> {
        let cluster = self.guests.get(guest)?.host.and_then(|it| self.hosts.get(it)?.cluster)?;
        let candidates =
            self.hosts.iter().enumerate().filter(|(_, it)| it.cluster == Some(cluster)).map(|(at, _)| at);
        candidates
            .filter(|at| Some(*at) != not && (only_to.is_empty() || only_to.contains(at)))
            .filter(|at| self.fits(guest, *at).is_ok() && (!live || self.not_lower(guest, *at).is_ok()))
            .map(|at| (self.free_mib(at), std::cmp::Reverse(at)))
            .max()
            .map(|(_, at)| at.0)
    }

    /// Whether the running guests of a host have places on the others of its cluster, all of them at once: the largest first, each
    /// where most is free. A heuristic, as platforms use it: no does not prove that there is none.
    ///
    /// # Errors
    /// The first guest without a place.
    pub(crate) fn evacuable(&self, host: usize) -> Result<(), No> {
        let mut after = self.clone();
        let Some(here) = after.hosts.get(host).map(|it| it.guests.clone()) else { return Ok(()) };
        let running = |it: &usize| self.guests.get(*it).is_some_and(|it| it.power == PowerState::On);
        let mut leaving: Vec<usize> = here.into_iter().filter(running).collect();
        leaving.sort_by_key(|it| std::cmp::Reverse(self.guests.get(*it).map_or(0, |it| it.memory_mib)));
        for guest in leaving {
            self.bound(guest, true)?;
            let Some(to) = after.best_target(guest, Some(host), &[], true) else {
                let id = self.guests.get(guest).map_or_else(String::new, |it| it.id.to_string());
                return Err((FailureKind::NoTarget, format!("no host takes {id}")));
            };
            after.relocate(guest, to);
        }
        Ok(())
    }

    /// Puts a guest on another host, at once.
    pub(crate) fn relocate(&mut self, guest: usize, to: usize) {
        let from = self.guests.get_mut(guest).and_then(|it| it.host.replace(to));
        if let Some(host) = from.and_then(|it| self.hosts.get_mut(it)) {
            host.guests.remove(&guest);
        }
        if let Some(host) = self.hosts.get_mut(to) {
            host.guests.insert(guest);
        }
    }

    /// Whether the cluster of a host could lose its largest other host, if so much memory less were free (a start), or without
    /// this host (maintenance).
    pub(crate) fn keeps_reserve(&self, host: usize, without: bool, needs_mib: u64) -> Result<(), No> {
        let Some(cluster) = self.hosts.get(host).and_then(|it| it.cluster) else { return Ok(()) };
        if !self.clusters.get(cluster).is_some_and(|it| it.admission_control) {
            return Ok(());
        }
        let remain = |at: &usize| {
            self.hosts.get(*at).is_some_and(|it| {
                it.cluster == Some(cluster)
                    && it.power == HostPower::Up
                    && !it.maintenance
                    && !(without && *at == host)
            })
        };
        let hosts: Vec<usize> = (0..self.hosts.len()).filter(remain).collect();
        let has = |at: &usize| self.hosts.get(*at).map_or(0, |it| it.memory_mib);
        let total: u64 = hosts.iter().map(has).sum();
        let largest = hosts.iter().map(has).max().unwrap_or(0);
        let everyone = self.hosts.iter().enumerate().filter(|(_, it)| it.cluster == Some(cluster));
        let used: u64 = everyone.map(|(at, _)| self.used(at).memory_mib).sum::<u64>() + needs_mib;
        if used > total.saturating_sub(largest) {
            let text = format!(
                "without its largest host the cluster has {} MiB, {used} MiB are needed",
                total.saturating_sub(largest)
            );
            return Err((FailureKind::AdmissionControl, text));
        }
        Ok(())
    }
}
