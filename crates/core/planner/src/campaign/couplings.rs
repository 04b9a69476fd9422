//! Limits that couple clusters: hosts away per fault domain, ring and tenant, and bandwidth of networks.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::id::HostId;

use super::calendar::{Seconds, Usage};
use super::facts::{Facts, NONE};
use super::timing::Move;

/// What a limit is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    FaultDomain(String),
    Ring(usize),
    Tenant(u32),
    Network(String),
    /// The one network of the hosts of a cluster that name none.
    Unnamed(u32),
}

/// The network of a host's migrations.
fn network(facts: &Facts<'_>, host: u32) -> Key {
    let host = &facts.hosts[host as usize];
    let named = host.it.migration.as_ref().and_then(|it| it.network.as_ref());
    let known = named.filter(|named| facts.fleet.networks.iter().any(|it| it.id == **named));
    known.map_or(Key::Unnamed(host.cluster), |it| Key::Network(it.as_str().to_owned()))
}

/// The most that migrations give to each network at a time: every one takes it at both of its ends.
pub(super) fn traffic<'m>(facts: &Facts<'_>, moves: impl Iterator<Item = &'m Move>) -> BTreeMap<Key, u64> {
    let mut used: BTreeMap<Key, Usage> = BTreeMap::new();
    for it in moves {
        for key in BTreeSet::from([it.from, it.to].map(|end| network(facts, end))) {
            used.entry(key).or_default().add(it.start, it.end(), u64::from(it.mbps));
        }
    }
    used.into_iter().map(|(key, it)| (key, it.peak(0, Seconds::MAX))).collect()
}

/// Limits of the policy with what is in use.
#[derive(Debug, Clone, Default)]
pub(super) struct Couplings {
    used: BTreeMap<Key, Usage>,
    /// Hosts in maintenance that count under a key.
    away: BTreeMap<Key, Vec<u32>>,
    /// The policy has such limits: clusters are planned one after the other.
    pub(super) bind: bool,
}

impl Couplings {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let planning = &facts.policy.planning;
        let away = &planning.most_away;
        let bind = away.per_fault_domain.is_some()
            || !away.fault_domains.is_empty()
            || away.per_ring.is_some()
            || away.per_tenant.is_some()
            || planning.migration.network_mbps.is_some();
        let mut all = Self { used: BTreeMap::new(), away: BTreeMap::new(), bind };
        // Who is in maintenance is away, and stays so: who put it there takes it out.
        for host in (0..).take(facts.hosts.len()).filter(|&it| facts.in_maintenance(it)) {
            for (key, _) in all.of_host(facts, host) {
                all.take(&key, 0, Seconds::MAX, 1);
                all.away.entry(key).or_default().push(host);
            }
        }
        all
    }

    /// The keys under which a host counts while a wave has it away, each with its limit; none where it is away anyhow.
    pub(super) fn keys(&self, facts: &Facts<'_>, host: u32) -> Vec<(Key, u64)> {
        if facts.in_maintenance(host) { Vec::new() } else { self.of_host(facts, host) }
    }

    /// Hosts that are away under a key for good.
    pub(super) fn away(&self, facts: &Facts<'_>, key: &Key) -> Vec<HostId> {
        let hosts = self.away.get(key).into_iter().flatten();
        hosts.map(|&it| facts.hosts[it as usize].it.id.clone()).collect()
    }

    fn of_host(&self, facts: &Facts<'_>, host: u32) -> Vec<(Key, u64)> {
        if !self.bind {
            return Vec::new();
        }
        let away = &facts.policy.planning.most_away;
        let mut keys = Vec::new();
        for domain in &facts.hosts[host as usize].it.fault_domains {
            if let Some(&most) = away.fault_domains.get(domain).or(away.per_fault_domain.as_ref()) {
                keys.push((Key::FaultDomain(domain.as_str().to_owned()), u64::from(most)));
            }
        }
        if let Some(most) = away.per_ring {
            keys.push((Key::Ring(facts.hosts[host as usize].ring), u64::from(most)));
        }
        if let Some(most) = away.per_tenant {
            // As they stand when the plan is made.
            let cluster = &facts.clusters[facts.hosts[host as usize].cluster as usize];
            let home = |guest: &u32| facts.home[*guest as usize] == host;
            let running = cluster.guests.clone().filter(home).map(|it| facts.guests[it as usize].tenant);
            // A suspended guest is away with its host, too.
            let asleep = facts.hosts[host as usize].asleep.iter().filter_map(|it| {
                let at = facts.fleet.tenants.iter().position(|one| Some(&one.id) == it.tenant.as_ref());
                at.map(|it| it as u32)
            });
            let mut tenants: Vec<u32> = running.chain(asleep).filter(|&it| it != NONE).collect();
            tenants.sort_unstable();
            tenants.dedup();
            keys.extend(tenants.into_iter().map(|it| (Key::Tenant(it), u64::from(most))));
        }
        keys
    }

    /// First second at or after `from` at which `amount` more fits for `length` seconds.
    pub(super) fn earliest(
        &self,
        key: &Key,
        from: Seconds,
        length: Seconds,
        amount: u64,
        most: u64,
    ) -> Option<Seconds> {
        match self.used.get(key) {
            Some(usage) => usage.earliest(from, length, amount, most),
            None => (amount <= most).then_some(from),
        }
    }

    pub(super) fn take(&mut self, key: &Key, from: Seconds, until: Seconds, amount: u64) {
        self.used.entry(key.clone()).or_default().add(from, until, amount);
    }
}

impl Key {
    /// What it limits, as in reports.
    pub(super) fn of(&self) -> &'static str {
        match self {
            Self::FaultDomain(_) => "fault-domain",
            Self::Ring(_) => "ring",
            Self::Tenant(_) => "tenant",
            Self::Network(_) | Self::Unnamed(_) => "network",
        }
    }
}
