//! What is read in the clear: what traffic and disks that nobody encrypted cost, whatever is patched.
//!
//! Per host and medium, over the horizon: `read x share x worth`. `read` is the probability that somebody who must not read it does
//! ([`Parameter::ReadOnWire`], [`Parameter::ReadOnDisk`]), `share` how much of it goes in clear, from none to all of what the facts do
//! not tell, and `worth` what the confidentiality of the guests there is worth. It is a mean, beside the compound figures and not among
//! them: no patch changes it, and nobody is hit by it who could be counted with hosts that are.

use rustc_hash::FxHashMap;
use serde::Serialize;
use underpin_model::fleet::{Fleet, Host, Network, Storage, Vm};
use underpin_model::id::{ApplicationId, HostId, NetworkId, StorageId, TenantId};
use underpin_model::policy::{Parameter, Policy};
use underpin_model::quantity::Probability;

use crate::compound::MOST_LOSS;
use crate::hazard::probability_within;
use crate::levels::is_live;
use crate::span::Span;

/// Host setting: its local disks are encrypted (`true`, `false`).
pub const LOCAL_STORAGE_ENCRYPTED: &str = "storage.local.encrypted";

/// What can be read in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// The memory of a guest that moves.
    Migration,
    /// What guests read and write.
    StorageTraffic,
    /// What lies on disks.
    DataAtRest,
}

impl Medium {
    /// Every medium.
    pub const ALL: [Self; 3] = [Self::Migration, Self::StorageTraffic, Self::DataAtRest];

    /// How likely somebody reads it, in 30 days.
    #[must_use]
    pub fn parameter(self) -> Parameter {
        match self {
            Self::Migration | Self::StorageTraffic => Parameter::ReadOnWire,
            Self::DataAtRest => Parameter::ReadOnDisk,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Migration => "migration traffic",
            Self::StorageTraffic => "storage traffic",
            Self::DataAtRest => "data at rest",
        }
    }
}

/// Facts that must all be true for nothing to be open: how many are, are not, and are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shares {
    pub(crate) yes: u32,
    pub(crate) no: u32,
    pub(crate) missing: u32,
}

impl Shares {
    fn add(&mut self, fact: Option<bool>) {
        match fact {
            Some(true) => self.yes += 1,
            Some(false) => self.no += 1,
            None => self.missing += 1,
        }
    }

    /// The share that is open: what is missing counts from none to all. Without any fact nothing is known.
    pub(crate) fn open(self) -> Span {
        let [yes, no, missing] = [self.yes, self.no, self.missing].map(f64::from);
        let all = yes + no + missing;
        if all <= 0.0 {
            return Span::UNKNOWN_SHARE;
        }
        Span { low: no / all, value: (no + missing / 2.0) / all, high: (no + missing) / all }
    }
}

/// What one medium costs a fleet over the horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InClear {
    /// The medium.
    pub medium: Medium,
    /// Hosts of which all of it is encrypted.
    pub hosts_encrypted: u64,
    /// Hosts of which some goes in clear.
    pub hosts_in_clear: u64,
    /// Hosts of which neither is known.
    pub hosts_unknown: u64,
    /// Probability that somebody reads it within the horizon, where it goes in clear.
    pub read: f64,
    /// Where that is from, per 30 days.
    pub parameter: Parameter,
    /// Mean loss: from what is known to go in clear to that and all of which it is not known; the value has half of that.
    pub loss: Span,
}

/// The facts of a fleet about what goes in clear, and what the guests on its hosts are worth.
#[derive(Debug)]
pub(crate) struct Clear<'f> {
    fleet: &'f Fleet,
    policy: &'f Policy,
    networks: FxHashMap<&'f NetworkId, &'f Network>,
    storage: FxHashMap<&'f StorageId, &'f Storage>,
    tenants: FxHashMap<&'f ApplicationId, &'f TenantId>,
    worth: FxHashMap<&'f HostId, f64>,
}

impl<'f> Clear<'f> {
    pub(crate) fn of(fleet: &'f Fleet, policy: &'f Policy) -> Self {
        // Of two elements with one id, which a checked file never has, the first counts.
        let tenants = fleet.applications.iter().rev().filter_map(|it| Some((&it.id, it.tenant.as_ref()?)));
        let mut clear = Self {
            fleet,
            policy,
            networks: fleet.networks.iter().rev().map(|it| (&it.id, it)).collect(),
            storage: fleet.storage.iter().rev().map(|it| (&it.id, it)).collect(),
            tenants: tenants.collect(),
            worth: FxHashMap::default(),
        };
        for vm in fleet.vms.iter().filter(|it| is_live(it)) {
            if let Some(host) = &vm.host {
                *clear.worth.entry(host).or_default() += clear.worth_of(vm);
            }
        }
        clear
    }

    /// What the confidentiality of a VM is worth, at most [`MOST_LOSS`]: nothing of one that does not run, as in the compound figures.
    pub(crate) fn worth_of(&self, vm: &Vm) -> f64 {
        if !is_live(vm) {
            return 0.0;
        }
        let of_application = || vm.application.as_ref().and_then(|it| self.tenants.get(it)).copied();
        let rates = self.policy.loss.of(vm.tenant.as_ref().or_else(of_application));
        let ordinary = || self.policy.parameters.get(Parameter::RecordsPerVm);
        (rates.records_per_vm.unwrap_or_else(ordinary) * rates.record_disclosed.get()).min(MOST_LOSS)
    }

    /// What that of the VMs on a host is worth.
    pub(crate) fn worth_on(&self, host: &Host) -> f64 {
        self.worth.get(&host.id).copied().unwrap_or_default()
    }

    /// The mean loss over the horizon through one medium of a host, of what is worth so much.
    pub(crate) fn price(&self, medium: Medium, host: &Host, worth: f64) -> Span {
        let read = self.read(medium);
        self.shares(medium, host).open().map(|open| read * open * worth)
    }

    fn read(&self, medium: Medium) -> f64 {
        let thirty_days = Probability::nearest(self.policy.parameters.get(medium.parameter()));
        probability_within(thirty_days, self.policy.horizon).get()
    }

    /// The facts about a medium of a host. Of migrations the host's own word, else that of the network that they use; of disks those of
    /// each storage that it reaches, and its own where it has any.
    pub(crate) fn shares(&self, medium: Medium, host: &Host) -> Shares {
        let mut shares = Shares::default();
        let encrypted: fn(&Storage) -> Option<bool> = match medium {
            Medium::Migration => {
                let migration = host.migration.as_ref();
                let network = || self.networks.get(migration?.network.as_ref()?)?.encrypted;
                shares.add(migration.and_then(|it| it.encrypted).or_else(network));
                return shares;
            }
            Medium::StorageTraffic => |it| it.encrypted_in_transit,
            Medium::DataAtRest => |it| it.encrypted_at_rest,
        };
        if host.reach.storage.is_empty() {
            shares.add(None);
        }
        for storage in host.reach.storage.iter().filter_map(|id| self.storage.get(id)) {
            shares.add(encrypted(storage));
        }
        if medium == Medium::DataAtRest {
            let local = host.capacity.and_then(|it| it.local_storage_gib).is_some_and(|it| it > 0);
            let setting = host.settings.get(LOCAL_STORAGE_ENCRYPTED);
            if local || setting.is_some() {
                shares.add(setting.and_then(|it| it.value().as_bool()));
            }
        }
        shares
    }

    fn medium(&self, medium: Medium) -> InClear {
        let read = self.read(medium);
        let (parameter, loss) = (medium.parameter(), Span::NONE);
        let mut sum = InClear {
            medium,
            hosts_encrypted: 0,
            hosts_in_clear: 0,
            hosts_unknown: 0,
            read,
            parameter,
            loss,
        };
        for host in &self.fleet.hosts {
            let shares = self.shares(medium, host);
            *match shares {
                Shares { no: 1.., .. } => &mut sum.hosts_in_clear,
                Shares { yes: 1.., missing: 0, .. } => &mut sum.hosts_encrypted,
                Shares { .. } => &mut sum.hosts_unknown,
            } += 1;
            let worth = self.worth_on(host);
            sum.loss = sum.loss.with(shares.open(), |sum, open| sum + read * open * worth);
        }
        sum
    }
}

/// What each medium costs a fleet over the horizon of the policy.
#[must_use]
pub fn in_clear(fleet: &Fleet, policy: &Policy) -> Vec<InClear> {
    let clear = Clear::of(fleet, policy);
    Medium::ALL.into_iter().map(|it| clear.medium(it)).collect()
}
