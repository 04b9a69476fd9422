//! What a guest takes from the host that it stands on: its VMM, and the CPU flags of its last cold start.

use std::ops::Range;

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Host, PowerState, Vm};

use crate::classify::Carries;
use crate::conditions;
use crate::finding::Level;
use crate::item::Item;
use crate::reason;
use crate::report::{Area, Finding, Group, ReasonCode, Status};

/// Packages that hold the VMM that a guest runs in, by binary name.
const VMM_PACKAGES: &[&str] = &[
    "pve-qemu-kvm",
    "qemu-system-x86",
    "qemu-system-arm",
    "qemu-system-ppc",
    "qemu-kvm-core",
    "qemu-kvm",
    "qemu",
];

/// Whether guests live in what this package installs.
pub(crate) fn is_vmm(package: &str) -> bool {
    VMM_PACKAGES.contains(&package)
}

/// Whether a guest was cold-started since its host booted: only then has it the CPU flags of what the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ColdStart {
    Since,
    Before,
    Unknown,
}

/// How a live guest stands on its host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Standing<'a> {
    /// The host's group.
    pub(crate) host_group: usize,
    /// Component and version of the VMM that it runs on, where known.
    vmm: Option<(&'a str, &'a str)>,
    live: bool,
    /// `None` for a guest that is off: it will be cold-started.
    pub(crate) cold_start: Option<ColdStart>,
}

impl<'a> Standing<'a> {
    pub(crate) fn new(vm: &'a Vm, host: &Host, host_group: usize) -> Self {
        let live = vm.power != Some(PowerState::Off);
        let cold_start = live.then(|| match (vm.cold_started_at, host.booted_at) {
            (Some(started), Some(booted)) if started >= booted => ColdStart::Since,
            (Some(_), Some(_)) => ColdStart::Before,
            _ => ColdStart::Unknown,
        });
        let vmm = vm.vmm.as_ref().map(|vmm| (vmm.component.as_str(), vmm.version.as_str()));
        Self { host_group, vmm, live, cold_start }
    }

    /// The host's VMM component as this guest runs it. `None` for a guest that is off (it starts on what is installed)
    /// and for platforms whose VMM is the hypervisor itself: there the host's exposures are the guest's.
    pub(crate) fn vmm_item(&self, host_items: &[(Item<'a>, Level)]) -> Option<Item<'a>> {
        if !self.live {
            return None;
        }
        let candidates = || {
            let asset_level =
                host_items.iter().filter(|(_, level)| *level == Level::Asset).map(|(item, _)| item);
            asset_level.filter(|item| item.carries == Carries::Code && item.area == Area::DeviceEmulation)
        };
        let main = || {
            let by_rank = |item: &&Item<'_>| VMM_PACKAGES.iter().position(|name| *name == item.name);
            candidates().filter(|item| by_rank(item).is_some()).min_by_key(by_rank)
        };
        let found = match self.vmm {
            Some((component, _)) => candidates()
                .find(|item| item.name == component)
                .or_else(|| main().filter(|item| item.running_names().any(|name| name == component))),
            None => main(),
        }?;
        let mut item = found.clone();
        item.running = self.vmm.map(|(_, version)| version);
        item.guests.clear();
        Some(item)
    }
}

/// Adds a guest's findings for the holes whose fix reaches it through CPU flags: fixed on the host, and in the guest
/// once it was cold-started.
pub(crate) fn cold_starts(
    guests: &[Option<(usize, ColdStart)>],
    groups: &mut [Group],
    all: &mut Vec<Finding>,
) {
    let mut known: FxHashMap<(usize, ColdStart), Range<u32>> = FxHashMap::default();
    for (number, guest) in guests.iter().enumerate() {
        let Some(key) = *guest else { continue };
        let stretch = match known.get(&key) {
            Some(stretch) => stretch.clone(),
            None => {
                let Some(host) = groups.get(key.0) else { continue };
                let new: Vec<Finding> =
                    host.findings_in(all).filter_map(|one| for_guest(one, key.1)).collect();
                let start = u32::try_from(all.len()).unwrap_or(u32::MAX);
                all.extend(new);
                let stretch = start..u32::try_from(all.len()).unwrap_or(u32::MAX);
                known.insert(key, stretch.clone());
                stretch
            }
        };
        if let Some(group) = groups.get_mut(number)
            && !stretch.is_empty()
        {
            group.findings.push(stretch);
        }
    }
}

fn for_guest(host: &Finding, cold_start: ColdStart) -> Option<Finding> {
    let id = host.vulnerability.as_ref()?;
    let area = host.fix.as_ref()?.area;
    let through_flags = matches!(area, Area::Kernel | Area::VmmCore | Area::Firmware);
    if host.status != Status::Fixed || !through_flags || !conditions::needs_cold_start(id.as_str()) {
        return None;
    }
    let mut finding = host.clone();
    let (status, code, text) = match cold_start {
        ColdStart::Since => return Some(finding),
        ColdStart::Before => (
            Status::FixedNotRunning,
            ReasonCode::GuestNotColdStarted,
            "the guest was last cold-started before its host booted into the fix: it lacks the new CPU flags",
        ),
        ColdStart::Unknown => (
            Status::UnknownRunning,
            ReasonCode::RunningUnknown,
            "it is not known whether the guest was cold-started since its host booted into the fix",
        ),
    };
    finding.status = status;
    finding.reasons.insert(0, reason::fleet(code, text.to_owned()));
    Some(finding)
}
