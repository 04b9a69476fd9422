//! Hosts and guests that are alike: what fits one fits the others.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::fleet::{Cluster, HardwareClass, Host, Vm};

use super::Facts;

/// Hosts and guests by what they reach and need.
#[derive(Default)]
pub(super) struct Classes<'a> {
    pub(super) coordinators: BTreeSet<&'a str>,
    pub(super) hosts: BTreeMap<HostKey<'a>, u32>,
    pub(super) guests: BTreeMap<GuestKey<'a>, u32>,
    pub(super) hardware: BTreeMap<HardwareClass, u32>,
}

pub(super) type HostKey<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>, Vec<&'a str>, Vec<&'a str>);
pub(super) type GuestKey<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>, Vec<&'a str>, Vec<&'a str>);

fn sorted<'a, T: AsRef<str> + 'a>(list: impl IntoIterator<Item = &'a T>) -> Vec<&'a str> {
    let mut all: Vec<&str> = list.into_iter().map(AsRef::as_ref).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn place<K: Ord>(map: &mut BTreeMap<K, u32>, key: K) -> u32 {
    let next = map.len() as u32;
    *map.entry(key).or_insert(next)
}

impl<'a> Classes<'a> {
    pub(super) fn host(&mut self, host: &'a Host, cluster: Option<&'a Cluster>) -> u32 {
        let features = host.cpu.as_ref().map(|it| it.features.as_slice()).unwrap_or_default();
        let reach = &host.reach;
        let key = (
            sorted(reach.storage_in(cluster)),
            sorted(reach.networks_in(cluster)),
            sorted(features),
            sorted(&reach.key_providers),
            sorted(&reach.licence_sets),
        );
        place(&mut self.hosts, key)
    }

    /// A guest with a vTPM needs the key providers of its host; every guest the licence sets of its host.
    pub(super) fn guest(&mut self, vm: &'a Vm, host: Option<&'a Host>) -> u32 {
        let vtpm = vm.sealed_keys.as_ref().is_some_and(|it| it.vtpm == Some(true));
        let reach = host.map(|it| &it.reach);
        let keys = reach.filter(|_| vtpm).map(|it| it.key_providers.as_slice()).unwrap_or_default();
        let licences = reach.map(|it| it.licence_sets.as_slice()).unwrap_or_default();
        let key = (
            sorted(&vm.storage),
            sorted(&vm.networks),
            sorted(&vm.cpu_features),
            sorted(keys),
            sorted(licences),
        );
        place(&mut self.guests, key)
    }

    pub(super) fn hardware(&mut self, host: &Host) -> u32 {
        place(&mut self.hardware, HardwareClass::of(host))
    }

    pub(super) fn finish(self, facts: &mut Facts<'a>) {
        let within = |needs: &[&str], has: &[&str]| needs.iter().all(|it| has.binary_search(it).is_ok());
        facts.host_classes = self.hosts.len();
        facts.fits = vec![false; self.hosts.len() * self.guests.len()];
        for (needs, guest) in &self.guests {
            for (has, host) in &self.hosts {
                facts.fits[*guest as usize * self.hosts.len() + *host as usize] = within(&needs.0, &has.0)
                    && within(&needs.1, &has.1)
                    && within(&needs.2, &has.2)
                    && within(&needs.3, &has.3)
                    && within(&needs.4, &has.4);
            }
        }
        let mut names: Vec<(HardwareClass, u32)> = self.hardware.into_iter().collect();
        names.sort_by_key(|it| it.1);
        facts.hardware = names.into_iter().map(|it| it.0.to_string()).collect();
    }
}
