//! What must hold in a fleet beyond the form of its file.

use jiff::tz::TimeZoneDatabase;
use rustc_hash::{FxHashMap, FxHashSet};

use super::finding::{Findings, quoted, segment};
use super::{
    Component, ComponentKind, ComponentSet, Element, Fleet, FleetError, FleetWarning, Host,
    ManagementInterface, Planning, Vm, changes, history, placement, tenants,
};
use crate::facts::Family;
use crate::id::ComponentSetId;
use crate::version::{Scheme, compare};

/// Most memory of one machine, in MiB: more than any has.
const MOST_MEMORY_MIB: u64 = 1 << 40;

/// Checks the meaning of a fleet; all findings at once: errors, then warnings.
///
/// Errors: ids that come twice, references that lead nowhere, a VM on a host of another cluster, applications that
/// depend on themselves, unknown time zones, provenance for a fact that the element does not have, components
/// without name or version, affinity rules that no placement can satisfy, and changes that wait for themselves. Warnings: capacities of zero,
/// versions that their platform's tools would reject (their status will be unknown), components listed twice,
/// affinity rules that say nothing, tenants without VMs.
#[must_use]
pub fn validate(fleet: &Fleet) -> (Vec<FleetError>, Vec<FleetWarning>) {
    let mut check = Check {
        fleet,
        places: FxHashMap::default(),
        findings: Findings::default(),
        sound: FxHashSet::default(),
        zones: TimeZoneDatabase::bundled(),
    };
    check.elements();
    check.surroundings();
    check.sets();
    for (at, host) in fleet.hosts.iter().enumerate() {
        check.host(at, host);
    }
    check.holders();
    for (at, vm) in fleet.vms.iter().enumerate() {
        check.vm(at, vm);
    }
    placement::dependency_cycles(&fleet.applications, &mut check.findings);
    for (at, rule) in fleet.affinities.iter().enumerate() {
        check.refer(&format!("/affinities/{at}"), "vms", "vms", &rule.vms);
        check.refer(&format!("/affinities/{at}"), "hosts", "hosts", &rule.hosts);
    }
    placement::affinities(&fleet.affinities, &mut check.findings);
    tenants::check(fleet, &mut check.findings);
    if let Some(planning) = &fleet.planning {
        check.planning(planning);
    }
    check.findings.finish()
}

pub(super) struct Check<'a> {
    pub(super) fleet: &'a Fleet,
    /// Every element's id with its list and position.
    places: FxHashMap<&'a str, (&'static str, usize)>,
    pub(super) findings: Findings,
    /// Versions that were compared before: sets repeat the same few thousand.
    sound: FxHashSet<(Scheme, &'a str)>,
    zones: TimeZoneDatabase,
}

impl<'a> Check<'a> {
    fn elements(&mut self) {
        let fleet = self.fleet;
        self.list("sites", &fleet.sites);
        self.list("fault_domains", &fleet.fault_domains);
        self.list("clusters", &fleet.clusters);
        self.list("management_planes", &fleet.management_planes);
        self.list("witnesses", &fleet.witnesses);
        self.list("storage", &fleet.storage);
        self.list("networks", &fleet.networks);
        self.list("hosts", &fleet.hosts);
        self.list("tenants", &fleet.tenants);
        self.list("applications", &fleet.applications);
        self.list("images", &fleet.images);
        self.list("vms", &fleet.vms);
    }

    /// Ids and provenance of one list.
    fn list<E: Element>(&mut self, list: &'static str, elements: &'a [E]) {
        self.places.reserve(elements.len());
        for (at, element) in elements.iter().enumerate() {
            if let Some((other, first)) = self.places.get(element.id()).copied() {
                self.findings.error(|| {
                    FleetError::new(
                        format!("/{list}/{at}/id"),
                        quoted(element.id()),
                        format!("an id of its own: /{other}/{first} has this one"),
                    )
                    .with_help(
                        "ids are unique among all kinds of elements; put the kind in front, such as vm-",
                    )
                });
            } else {
                self.places.insert(element.id(), (list, at));
            }
            for fact in element.provenance().keys() {
                let field = fact.split(['.', '/']).next().unwrap_or_default();
                if !E::FACTS.contains(&field) && !element.extra().contains_key(field) {
                    self.findings.error(|| {
                        FleetError::new(
                            format!("/{list}/{at}/provenance/{}", segment(fact)),
                            quoted(fact),
                            format!("the name of a fact of this element: {}", E::FACTS.join(", ")),
                        )
                    });
                }
            }
        }
    }

    /// References from `field` of the element at `path` into `list`.
    pub(super) fn refer<'r, I: AsRef<str> + 'r>(
        &mut self,
        path: &str,
        field: &str,
        list: &'static str,
        ids: impl IntoIterator<Item = &'r I>,
    ) {
        for id in ids {
            let place = self.places.get(id.as_ref()).copied();
            if place.is_some_and(|(found, _)| found == list) {
                continue;
            }
            self.findings.error(|| {
                let finding = FleetError::new(
                    format!("{path}/{field}"),
                    quoted(id.as_ref()),
                    format!("the id of one of the {list}"),
                );
                match place {
                    Some((other, at)) => finding.with_help(format!("this is the id of /{other}/{at}")),
                    None => finding.with_help(format!("add it to `{list}` or correct the reference")),
                }
            });
        }
    }

    fn set_references(&mut self, path: &str, ids: &[ComponentSetId]) {
        for id in ids {
            if !self.fleet.component_sets.contains_key(id) {
                self.findings.error(|| {
                    FleetError::new(
                        format!("{path}/component_sets"),
                        quoted(id.as_str()),
                        "the key of one of the component_sets",
                    )
                    .with_help("add it to `component_sets` or correct the reference")
                });
            }
        }
    }

    fn surroundings(&mut self) {
        let fleet = self.fleet;
        for (at, site) in fleet.sites.iter().enumerate() {
            if let Some(zone) = &site.time_zone
                && self.zones.get(zone).is_err()
            {
                self.findings.error(|| {
                    FleetError::new(format!("/sites/{at}/time_zone"), quoted(zone), "an IANA time zone")
                        .with_help("name it as the IANA data base does, such as Europe/Berlin or UTC")
                });
            }
        }
        for (at, it) in fleet.fault_domains.iter().enumerate() {
            self.refer(&format!("/fault_domains/{at}"), "site", "sites", &it.site);
        }
        for (at, it) in fleet.storage.iter().enumerate() {
            self.refer(&format!("/storage/{at}"), "site", "sites", &it.site);
        }
        for (at, it) in fleet.networks.iter().enumerate() {
            self.refer(&format!("/networks/{at}"), "site", "sites", &it.site);
        }
        for (at, it) in fleet.witnesses.iter().enumerate() {
            self.refer(&format!("/witnesses/{at}"), "site", "sites", &it.site);
        }
        for (at, it) in fleet.applications.iter().enumerate() {
            let path = format!("/applications/{at}");
            self.refer(&path, "tenant", "tenants", &it.tenant);
            self.refer(&path, "depends_on", "applications", &it.depends_on);
        }
        for (at, it) in fleet.clusters.iter().enumerate() {
            let path = format!("/clusters/{at}");
            self.refer(&path, "site", "sites", &it.site);
            self.refer(&path, "managed_by", "management_planes", &it.managed_by);
            self.refer(&path, "witness", "witnesses", &it.witness);
            self.refer(&path, "storage", "storage", &it.storage);
            self.refer(&path, "networks", "networks", &it.networks);
        }
    }

    fn sets(&mut self) {
        for (id, set) in &self.fleet.component_sets {
            self.components(&format!("/component_sets/{}", segment(id.as_str())), set, None);
        }
    }

    /// Management planes, witnesses, storage and images: what carries components besides hosts and VMs.
    fn holders(&mut self) {
        let fleet = self.fleet;
        for (at, it) in fleet.management_planes.iter().enumerate() {
            let path = format!("/management_planes/{at}");
            self.refer(&path, "site", "sites", &it.site);
            self.refer(&path, "runs_on", "hosts", it.runs_on.iter().flatten());
            self.set_references(&path, &it.component_sets);
            self.own(&path, it.components.as_ref(), it.platform.as_ref());
            self.interfaces(&path, &it.management_interfaces);
        }
        for (at, it) in fleet.witnesses.iter().enumerate() {
            self.own(&format!("/witnesses/{at}"), it.components.as_ref(), None);
        }
        for (at, it) in fleet.storage.iter().enumerate() {
            self.own(&format!("/storage/{at}"), it.components.as_ref(), None);
        }
        for (at, it) in fleet.images.iter().enumerate() {
            let path = format!("/images/{at}");
            self.refer(&path, "tenant", "tenants", &it.tenant);
            self.set_references(&path, &it.component_sets);
            self.own(&path, it.components.as_ref(), None);
        }
    }

    fn planning(&mut self, planning: &'a Planning) {
        if planning.max_hosts_per_wave == Some(0) {
            self.findings.error(|| {
                FleetError::new("/planning/max_hosts_per_wave", "0", "a number above 0")
                    .with_help("leave it out for no limit")
            });
        }
        for (name, hosts) in &planning.parts {
            self.refer("/planning/parts", &segment(name), "hosts", hosts);
        }
        for (at, among) in planning.among.iter().enumerate() {
            let path = format!("/planning/among/{at}");
            self.refer(&path, "vms", "vms", &among.vms);
            for name in among.parts.iter().filter(|name| !planning.parts.contains_key(*name)) {
                self.findings.error(|| {
                    FleetError::new(format!("{path}/parts"), quoted(name), "a key of /planning/parts")
                });
            }
        }
        changes::check(self, planning);
        history::check(self, &planning.history);
        let Some(groups) = &planning.reboot_groups else { return };
        for (at, host) in groups.hosts.iter().enumerate() {
            self.refer(&format!("/planning/reboot_groups/hosts/{at}"), "id", "hosts", [&host.id]);
        }
        for (at, vm) in groups.vms.iter().enumerate() {
            let path = format!("/planning/reboot_groups/vms/{at}");
            self.refer(&path, "id", "vms", [&vm.id]);
            self.refer(&path, "secondary", "hosts", &vm.secondary);
        }
    }

    fn interfaces(&mut self, path: &str, interfaces: &[ManagementInterface]) {
        for (at, it) in interfaces.iter().enumerate() {
            self.refer(&format!("{path}/management_interfaces/{at}"), "networks", "networks", &it.networks);
        }
    }

    fn host(&mut self, at: usize, host: &'a Host) {
        let path = format!("/hosts/{at}");
        self.refer(&path, "cluster", "clusters", &host.cluster);
        self.refer(&path, "site", "sites", &host.site);
        self.refer(&path, "fault_domains", "fault_domains", &host.fault_domains);
        self.refer(&path, "reach/storage", "storage", &host.reach.storage);
        self.refer(&path, "reach/networks", "networks", &host.reach.networks);
        self.set_references(&path, &host.component_sets);
        self.interfaces(&path, &host.management_interfaces);
        let family = host.platform.as_ref().map(|it| &it.family);
        self.own(&path, host.components.as_ref(), family);
        if let Some(capacity) = &host.capacity {
            self.not_zero(&path, "capacity/vcpus", capacity.vcpus.map(u64::from));
            self.not_zero(&path, "capacity/memory_mib", capacity.memory_mib);
            self.memory(&path, "capacity/memory_mib", capacity.memory_mib);
        }
        if let Some(migration) = &host.migration {
            self.refer(&path, "migration/network", "networks", &migration.network);
            self.not_zero(&path, "migration/bandwidth_mbps", migration.bandwidth_mbps.map(u64::from));
            self.not_zero(&path, "migration/slots", migration.slots.map(u64::from));
        }
        if let Some(cpu) = &host.cpu {
            self.not_zero(&path, "cpu/threads", cpu.threads.map(u64::from));
            self.not_zero(&path, "cpu/cores", cpu.cores.map(u64::from));
            if let Some(revision) = &cpu.microcode {
                self.version(Scheme::Hex, revision, || format!("{path}/cpu/microcode"));
            }
        }
    }

    fn vm(&mut self, at: usize, vm: &'a Vm) {
        let path = format!("/vms/{at}");
        self.refer(&path, "host", "hosts", &vm.host);
        self.refer(&path, "cluster", "clusters", &vm.cluster);
        self.refer(&path, "tenant", "tenants", &vm.tenant);
        self.refer(&path, "application", "applications", &vm.application);
        self.refer(&path, "image", "images", &vm.image);
        self.refer(&path, "storage", "storage", &vm.storage);
        self.refer(&path, "networks", "networks", &vm.networks);
        self.set_references(&path, &vm.component_sets);
        self.own(&path, vm.components.as_deref(), None);
        self.not_zero(&path, "vcpus", vm.vcpus.map(u64::from));
        self.not_zero(&path, "memory_mib", vm.memory_mib);
        self.memory(&path, "memory_mib", vm.memory_mib);
        if let Some(huge) = vm.hugepages_mib.filter(|it| *it > vm.memory_mib.unwrap_or(0)) {
            self.findings.error(|| {
                let expected = match vm.memory_mib {
                    Some(all) => format!("at most the guest's memory, {all} MiB"),
                    None => "memory_mib beside it: huge pages are a part of the guest's memory".to_owned(),
                };
                FleetError::new(format!("{path}/hugepages_mib"), huge.to_string(), expected)
            });
        }
        if let Some(rate) = vm.dirty_rate_mib_s.filter(|it| !it.is_finite() || *it < 0.0) {
            self.findings.error(|| {
                FleetError::new(format!("{path}/dirty_rate_mib_s"), rate.to_string(), "a rate of 0 or more")
            });
        }
        let host = vm.host.as_ref().and_then(|id| self.places.get(id.as_str()));
        let host = host.filter(|it| it.0 == "hosts").and_then(|it| self.fleet.hosts.get(it.1));
        let Some(host) = host else { return };
        if let (Some(told), Some(real)) = (&vm.cluster, &host.cluster)
            && told != real
        {
            self.findings.error(|| {
                FleetError::new(
                    format!("{path}/cluster"),
                    quoted(told.as_str()),
                    format!(
                        "{}, the cluster of its host {}",
                        quoted(real.as_str()),
                        quoted(host.id.as_str())
                    ),
                )
                .with_help("leave `cluster` out when `host` is known")
            });
        }
        if let (Some(vmm), Some(platform)) = (&vm.vmm, &host.platform) {
            self.version(platform.family.scheme(), &vmm.version, || format!("{path}/vmm/version"));
        }
    }

    /// Sums over a fleet stay within 64 bits, whatever its file says.
    fn memory(&mut self, path: &str, field: &str, mib: Option<u64>) {
        if let Some(mib) = mib.filter(|it| *it > MOST_MEMORY_MIB) {
            self.findings.error(|| {
                FleetError::new(
                    format!("{path}/{field}"),
                    mib.to_string(),
                    format!("at most {MOST_MEMORY_MIB} MiB (1 EiB)"),
                )
                .with_help("the unit is MiB, not bytes")
            });
        }
    }

    fn not_zero(&mut self, path: &str, field: &str, value: Option<u64>) {
        if value == Some(0) {
            self.findings.warning(|| {
                FleetError::new(format!("{path}/{field}"), "0", "a number above 0")
                    .with_help("leave it out when it is not known; 0 means that nothing fits")
            });
        }
    }

    /// Components of an asset's own.
    fn own(&mut self, path: &str, set: Option<&'a ComponentSet>, family: Option<&'a Family>) {
        if let Some(set) = set {
            self.components(&format!("{path}/components"), set, family);
        }
    }

    fn components(&mut self, path: &str, set: &'a ComponentSet, family: Option<&'a Family>) {
        let family = set.family.as_ref().or(family);
        let mut seen = FxHashMap::default();
        for (at, component) in set.components.iter().enumerate() {
            let place = |field: &str| format!("{path}/components/{at}{field}");
            for (field, text) in [("/name", &component.name), ("/version", &component.version)] {
                if text.trim().is_empty() {
                    self.findings.error(|| {
                        FleetError::new(
                            place(field),
                            quoted(text),
                            format!("the component's {}", &field[1..]),
                        )
                        .with_help("a component without it says nothing; leave the component out")
                    });
                }
            }
            let key = (&component.name, &component.version, &component.arch, component.kind);
            if let Some(first) = seen.insert(key, at) {
                self.findings.warning(|| {
                    FleetError::new(
                        place(""),
                        format!("{} {}", quoted(&component.name), quoted(&component.version)),
                        format!("every component once: {path}/components/{first} is the same"),
                    )
                });
            }
            let Some(scheme) = scheme(component, family) else { continue };
            self.version(scheme, &component.version, || place("/version"));
            if let Some(running) = &component.running_version {
                self.version(scheme, running, || place("/running_version"));
            }
        }
    }

    fn version(&mut self, scheme: Scheme, version: &'a str, path: impl FnOnce() -> String) {
        if version.trim().is_empty() || !self.sound.insert((scheme, version)) {
            return;
        }
        if let Err(error) = compare(scheme, version, version) {
            // Not sound after all: the next place that has it is told as well.
            self.sound.remove(&(scheme, version));
            self.findings.warning(|| {
                FleetError::new(path(), quoted(version), format!("a {scheme} version: {}", error.reason))
                    .with_help("it cannot be compared: whatever it is checked against stays unknown")
            });
        }
    }
}

/// The scheme that a component's version must be of; `None` where the platform has no one scheme for such a
/// component (a VIB on ESXi, a program on Windows, firmware, a library).
fn scheme(component: &Component, family: Option<&Family>) -> Option<Scheme> {
    let scheme = component.family.as_ref().or(family).map(Family::scheme);
    match component.kind {
        ComponentKind::Microcode => Some(Scheme::Hex),
        ComponentKind::Firmware | ComponentKind::Library => None,
        ComponentKind::Package => scheme.filter(|it| !matches!(it, Scheme::Esxi | Scheme::WindowsKb)),
        ComponentKind::Update => scheme,
        ComponentKind::Product => scheme.filter(|it| *it != Scheme::WindowsKb),
    }
}
