//! Limits that couple clusters: hosts away per fault domain, ring and tenant, and bandwidth of networks.

use std::collections::BTreeMap;

use super::calendar::{Seconds, Usage};
use super::facts::{Facts, NONE};
use super::rooms::Rooms;

/// What a limit is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    FaultDomain(String),
    Ring(usize),
    Tenant(u32),
    Network(String),
}

/// Limits of the policy with what is in use.
#[derive(Debug, Clone, Default)]
pub(super) struct Couplings {
    used: BTreeMap<Key, Usage>,
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
        Self { used: BTreeMap::new(), bind }
    }

    /// The keys under which a host that is away counts, each with its limit.
    pub(super) fn keys(&self, rooms: &Rooms<'_, '_>, host: u32) -> Vec<(Key, u64)> {
        if !self.bind {
            return Vec::new();
        }
        let facts = rooms.facts;
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
            let mut tenants: Vec<u32> = cluster
                .guests
                .clone()
                .filter(home)
                .map(|it| facts.guests[it as usize].tenant)
                .filter(|&it| it != NONE)
                .collect();
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
            Self::Network(_) => "network",
        }
    }
}
