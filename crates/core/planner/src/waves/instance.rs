//! The static problem: hosts, VMs, and what must hold while a wave of hosts is away.

use super::BadInstance;

/// Largest amount of a resource on one host or of one VM. With at most [`MAX_ELEMENTS`] of each, no sum overflows.
pub const MAX_AMOUNT: i64 = 1 << 41;

/// Most hosts, and most VMs, of one instance.
pub const MAX_ELEMENTS: usize = 1 << 20;

/// A host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSpec {
    /// What people call it; empty: its index.
    pub name: String,
    /// What it can carry, by resource of the instance.
    pub capacity: Vec<i64>,
    /// It is off or in maintenance: in no wave, and no VM may be placed on it.
    pub away: bool,
}

/// A VM, or VMs that must stay together and therefore count as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmSpec {
    /// What people call it; empty: its index.
    pub name: String,
    /// What it takes, by resource of the instance.
    pub demand: Vec<i64>,
    /// The index of the host that it runs on; `None`: it is still to be placed.
    pub host: Option<usize>,
    /// How many VMs this is, for the count of moves.
    pub vms: u32,
}

/// VMs that must all stand on hosts of one of several parts, the same for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Among {
    /// Indices of VMs.
    pub vms: Vec<usize>,
    /// Indices into [`Instance::parts`].
    pub parts: Vec<usize>,
}

/// One independent problem: every host that is not away belongs to one wave.
///
/// A solution is a partition of these hosts into waves and, for each wave, a host for every VM that is in no
/// wave's own hosts. Within each placement hold: capacity per resource, at most one VM of each
/// [`apart`](Self::apart) group per host, one part per [`among`](Self::among) group, the number of hosts in the wave, and
/// with [`n_plus_one`](Self::n_plus_one) that the remaining hosts less the largest of them still sum up to the demand.
/// Any VM may move between two waves; what happens during the change is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// Names of the resources, with units, for reasons that people read.
    pub resources: Vec<String>,
    /// The hosts.
    pub hosts: Vec<HostSpec>,
    /// The VMs.
    pub vms: Vec<VmSpec>,
    /// Groups of VMs of which no two may be on one host.
    pub apart: Vec<Vec<usize>>,
    /// Sets of hosts that [`Among`] refers to.
    pub parts: Vec<Vec<usize>>,
    /// Groups of VMs that must be in one part.
    pub among: Vec<Among>,
    /// The failure of any one remaining host must leave enough capacity in sum.
    pub n_plus_one: bool,
    /// Most hosts in one wave; `None`: no limit.
    pub max_hosts_per_wave: Option<usize>,
}

/// Something that the placement at the start breaks already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartViolation {
    /// A host carries more than it can.
    Overcommitted {
        /// Index of the host.
        host: usize,
        /// Name of the resource.
        resource: String,
        /// How much too much, in the resource's unit.
        excess: i64,
    },
    /// Two VMs of a group that must be apart share a host.
    NotApart {
        /// Index of the group.
        group: usize,
        /// Index of the host.
        host: usize,
    },
    /// VMs of a group that must be in one part are in several, or outside.
    NotAmong {
        /// Index of the group.
        group: usize,
    },
    /// A VM is on a host that is away.
    OnAway {
        /// Index of the VM.
        vm: usize,
        /// Index of the host.
        host: usize,
    },
}

impl Instance {
    /// What people call a host.
    #[must_use]
    pub fn host_name(&self, host: usize) -> String {
        let name = self.hosts.get(host).map(|it| it.name.as_str()).filter(|it| !it.is_empty());
        name.map_or_else(|| host.to_string(), ToOwned::to_owned)
    }

    /// So much of a resource in words; what is counted in MiB is told in GiB from ten of these on.
    #[must_use]
    pub fn amount(&self, much: i64, resource: usize) -> String {
        self.resources.get(resource).map_or_else(|| much.to_string(), |it| amount(much, it))
    }

    /// What people call a VM.
    #[must_use]
    pub fn vm_name(&self, vm: usize) -> String {
        let name = self.vms.get(vm).map(|it| it.name.as_str()).filter(|it| !it.is_empty());
        name.map_or_else(|| vm.to_string(), ToOwned::to_owned)
    }

    /// Checks that all indices lead somewhere and all amounts are of sound size.
    ///
    /// # Errors
    /// The first place that is wrong.
    pub fn check(&self) -> Result<(), BadInstance> {
        let bad = |place: String, expected: String| Err(BadInstance { place, expected });
        for (what, count) in [("hosts", self.hosts.len()), ("vms", self.vms.len())] {
            if count > MAX_ELEMENTS {
                return bad(what.to_owned(), format!("at most {MAX_ELEMENTS} of them, found {count}"));
            }
        }
        let width = self.resources.len();
        let sound = |amounts: &[i64]| {
            amounts.len() == width && amounts.iter().all(|it| (0..=MAX_AMOUNT).contains(it))
        };
        let amounts = format!("{width} amounts from 0 to {MAX_AMOUNT}");
        if let Some(at) = self.hosts.iter().position(|it| !sound(&it.capacity)) {
            return bad(format!("hosts/{at}/capacity"), amounts);
        }
        if let Some(at) = self.vms.iter().position(|it| !sound(&it.demand)) {
            return bad(format!("vms/{at}/demand"), amounts);
        }
        let (hosts, vms) = (self.hosts.len(), self.vms.len());
        if let Some(at) = self.vms.iter().position(|it| it.host.is_some_and(|host| host >= hosts)) {
            return bad(format!("vms/{at}/host"), format!("an index below {hosts}"));
        }
        let beyond = |list: &[usize], end: usize| list.iter().any(|it| *it >= end);
        if let Some(at) = self.apart.iter().position(|it| beyond(it, vms)) {
            return bad(format!("apart/{at}"), format!("indices below {vms}"));
        }
        if let Some(at) = self.parts.iter().position(|it| beyond(it, hosts)) {
            return bad(format!("parts/{at}"), format!("indices below {hosts}"));
        }
        let parts = self.parts.len();
        if let Some(at) = self.among.iter().position(|it| beyond(&it.vms, vms) || beyond(&it.parts, parts)) {
            return bad(format!("among/{at}"), format!("VMs below {vms} and parts below {parts}"));
        }
        if self.max_hosts_per_wave == Some(0) {
            return bad("max_hosts_per_wave".to_owned(), "at least one host, or no limit".to_owned());
        }
        Ok(())
    }

    /// What the placement at the start breaks already. Waves are planned all the same: no wave breaks any of it.
    #[must_use]
    pub fn start_violations(&self) -> Vec<StartViolation> {
        let width = self.resources.len();
        let mut used = vec![0i64; self.hosts.len() * width];
        let mut found = Vec::new();
        for (vm, spec) in self.vms.iter().enumerate() {
            let Some(host) = spec.host else { continue };
            for (at, amount) in spec.demand.iter().enumerate() {
                used[host * width + at] += amount;
            }
            if self.hosts[host].away {
                found.push(StartViolation::OnAway { vm, host });
            }
        }
        for (host, spec) in self.hosts.iter().enumerate() {
            for (at, capacity) in spec.capacity.iter().enumerate() {
                let excess = used[host * width + at] - capacity;
                if excess > 0 {
                    let resource = self.resources[at].clone();
                    found.push(StartViolation::Overcommitted { host, resource, excess });
                }
            }
        }
        for (group, vms) in self.apart.iter().enumerate() {
            let mut members: Vec<usize> = vms.clone();
            members.sort_unstable();
            members.dedup();
            let mut hosts: Vec<usize> = members.iter().filter_map(|vm| self.vms[*vm].host).collect();
            hosts.sort_unstable();
            if let Some(pair) = hosts.windows(2).find(|pair| pair[0] == pair[1]) {
                found.push(StartViolation::NotApart { group, host: pair[0] });
            }
        }
        for (group, among) in self.among.iter().enumerate() {
            let placed: Vec<usize> = among.vms.iter().filter_map(|vm| self.vms[*vm].host).collect();
            let holds = |part: &usize| placed.iter().all(|host| self.parts[*part].contains(host));
            if !placed.is_empty() && !among.parts.iter().any(holds) {
                found.push(StartViolation::NotAmong { group });
            }
        }
        found
    }
}

/// So much of a resource of this name.
pub(super) fn amount(much: i64, resource: &str) -> String {
    match resource.strip_prefix("MiB of ") {
        Some(what) if much >= 10 * 1024 && much % 1024 == 0 => format!("{} GiB of {what}", much / 1024),
        Some(what) if much >= 10 * 1024 => format!("{:.1} GiB of {what}", much as f64 / 1024.0),
        _ => format!("{much} {resource}"),
    }
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn much_memory_is_told_in_gib() {
        assert_eq!(amount(155_648, "MiB of memory"), "152 GiB of memory");
        assert_eq!(amount(15_872, "MiB of huge pages"), "15.5 GiB of huge pages");
        assert_eq!(amount(8192, "MiB of memory"), "8192 MiB of memory");
        assert_eq!(amount(20_000, "vCPU"), "20000 vCPU");
    }
}
