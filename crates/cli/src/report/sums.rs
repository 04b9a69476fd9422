//! Counts of exposures by asset, by tenant and by platform.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use underpin_exposure::Assessment;
use underpin_exposure::report::{AssetKind, Group, Status};
use underpin_model::fleet::{Fleet, Host};

use super::hits::group_of;

/// Exposures by what they ask of people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) unknown: u64,
    pub(crate) affected: u64,
    pub(crate) not_running: u64,
    /// Fixed or not affected.
    pub(crate) good: u64,
}

impl Counts {
    /// Someone has to do something.
    pub(crate) fn open(self) -> u64 {
        self.affected + self.not_running
    }

    fn add(&mut self, other: Self) {
        self.unknown += other.unknown;
        self.affected += other.affected;
        self.not_running += other.not_running;
        self.good += other.good;
    }
}

/// A tenant or a platform.
pub(crate) struct Sum<'a> {
    pub(crate) name: &'a str,
    /// VMs of the tenant, hosts of the platform.
    pub(crate) members: u64,
    pub(crate) counts: Counts,
}

/// An asset by its kind and id.
type Key<'a> = (AssetKind, &'a str);

/// Counts of each asset, made once.
pub(crate) struct Sums<'a> {
    fleet: &'a Fleet,
    group_of: BTreeMap<Key<'a>, usize>,
    /// By group: the counts of one asset of it.
    counts: Vec<Counts>,
}

impl<'a> Sums<'a> {
    pub(crate) fn new(fleet: &'a Fleet, assessment: &'a Assessment) -> Self {
        let counts = assessment.groups.iter().map(|group| count(assessment, group)).collect();
        Self { fleet, group_of: group_of(assessment), counts }
    }

    /// The group of an asset, as its position in the assessment.
    pub(crate) fn group(&self, kind: AssetKind, id: &str) -> Option<usize> {
        self.group_of.get(&(kind, id)).copied()
    }

    /// The counts of an asset; `None` if it was not assessed.
    pub(crate) fn of(&self, kind: AssetKind, id: &str) -> Option<Counts> {
        self.counts.get(self.group(kind, id)?).copied()
    }

    /// What each tenant stands on (its VMs, its images, the hosts beneath its VMs), most open exposures first.
    pub(crate) fn by_tenant(&self) -> Vec<Sum<'a>> {
        let mut beneath: BTreeMap<&str, (u64, BTreeSet<Key<'_>>)> = BTreeMap::new();
        for vm in &self.fleet.vms {
            let Some(tenant) = &vm.tenant else { continue };
            let (vms, assets) = beneath.entry(tenant.as_str()).or_default();
            *vms += 1;
            assets.insert((AssetKind::Vm, vm.id.as_str()));
            assets.extend(vm.host.as_ref().map(|host| (AssetKind::Host, host.as_str())));
        }
        for image in &self.fleet.images {
            let Some(tenant) = &image.tenant else { continue };
            beneath.entry(tenant.as_str()).or_default().1.insert((AssetKind::Image, image.id.as_str()));
        }
        sorted(beneath.into_iter().map(|(name, (members, assets))| {
            let mut counts = Counts::default();
            assets.iter().filter_map(|(kind, id)| self.of(*kind, id)).for_each(|own| counts.add(own));
            Sum { name, members, counts }
        }))
    }

    /// The hosts of each platform and the VMs on them, most open exposures first.
    pub(crate) fn by_platform(&self) -> Vec<Sum<'a>> {
        let mut platforms: BTreeMap<&str, (u64, Counts)> = BTreeMap::new();
        let mut of_host: BTreeMap<&str, &str> = BTreeMap::new();
        for host in &self.fleet.hosts {
            let (hosts, counts) = platforms.entry(platform(host)).or_default();
            *hosts += 1;
            counts.add(self.of(AssetKind::Host, host.id.as_str()).unwrap_or_default());
            of_host.insert(host.id.as_str(), platform(host));
        }
        for vm in &self.fleet.vms {
            let below = vm.host.as_ref().and_then(|host| of_host.get(host.as_str()));
            if let Some((_, counts)) = below.and_then(|name| platforms.get_mut(name)) {
                counts.add(self.of(AssetKind::Vm, vm.id.as_str()).unwrap_or_default());
            }
        }
        sorted(platforms.into_iter().map(|(name, (members, counts))| Sum { name, members, counts }))
    }
}

/// The name of the platform that a host is.
pub(crate) fn platform(host: &Host) -> &str {
    host.platform.as_ref().map_or("unknown", |release| release.family.name())
}

fn sorted<'a>(sums: impl Iterator<Item = Sum<'a>>) -> Vec<Sum<'a>> {
    let mut sums: Vec<Sum<'a>> = sums.collect();
    sums.sort_by_key(|sum| Reverse((sum.counts.open(), sum.counts.unknown)));
    sums
}

fn count(assessment: &Assessment, group: &Group) -> Counts {
    let mut counts = Counts::default();
    for finding in group.findings_in(&assessment.findings) {
        match finding.status {
            Status::Affected => counts.affected += 1,
            Status::FixedNotRunning => counts.not_running += 1,
            Status::Fixed | Status::NotAffected => counts.good += 1,
            _ => counts.unknown += 1,
        }
    }
    counts
}
