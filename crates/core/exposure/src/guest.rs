//! What a guest takes from the host that it stands on: its VMM, and the CPU flags of its last cold start.

use std::ops::Range;

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use crate::classify::Carries;
use crate::conditions;
use crate::draft::Drafts;
use crate::finding::Question;
use crate::item::Item;
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

impl ColdStart {
    /// From when a live guest was last cold-started and when its host booted.
    pub(crate) fn of(started: Option<Timestamp>, booted: Option<Timestamp>) -> Self {
        match (started, booted) {
            (Some(started), Some(booted)) if started >= booted => Self::Since,
            (Some(_), Some(_)) => Self::Before,
            _ => Self::Unknown,
        }
    }
}

/// A fix in these areas can bring new CPU flags.
pub(crate) fn reaches_through_flags(area: Area) -> bool {
    matches!(area, Area::Kernel | Area::VmmCore | Area::Firmware)
}

/// The host's VMM component as a live guest runs it, which may be told by component and version. `None` for platforms
/// whose VMM is the hypervisor itself: there the host's exposures are the guest's.
pub(crate) fn vmm_item<'a>(vmm: Option<(&'a str, &'a str)>, host_items: &[&Item<'a>]) -> Option<Item<'a>> {
    let emulators = |item: &&Item<'_>| item.carries == Carries::Code && item.area == Area::DeviceEmulation;
    let candidates = || host_items.iter().copied().filter(emulators);
    let main = || {
        let by_rank = |item: &&Item<'_>| VMM_PACKAGES.iter().position(|name| *name == item.name);
        candidates().filter(|item| by_rank(item).is_some()).min_by_key(by_rank)
    };
    let found = match vmm {
        Some((component, _)) => candidates()
            .find(|item| item.name == component)
            .or_else(|| main().filter(|item| item.running_names().any(|name| name == component))),
        None => main(),
    }?;
    let mut item = found.clone();
    item.running = vmm.map(|(_, version)| version);
    item.guests.clear();
    Some(item)
}

/// Adds a guest's findings for the holes whose fix reaches it through CPU flags: fixed on the host, and in the guest
/// once it was cold-started. `stretches` are the findings of items, by number, as in `drafts`.
pub(crate) fn cold_starts(
    question: Question<'_>,
    drafts: &Drafts<'_>,
    stretches: &[Range<u32>],
    groups: &mut [Group],
    all: &mut Vec<Finding>,
) {
    let mut known: FxHashMap<(u32, ColdStart), Range<u32>> = FxHashMap::default();
    for (draft, group) in drafts.list.iter().zip(groups) {
        let Some((floor, state)) = draft.cold_start else { continue };
        let stretch = known.entry((floor, state)).or_insert_with(|| {
            let items = drafts.floors.get(floor as usize).map_or(&[][..], |floor| floor.as_slice());
            let mut new: Vec<Finding> = Vec::new();
            for number in items {
                let item = drafts.items.get(*number as usize);
                let Some((item, at)) = item.zip(stretches.get(*number as usize)) else { continue };
                let on_host = all.get(at.start as usize..at.end as usize).unwrap_or(&[]);
                new.extend(on_host.iter().filter_map(|one| for_guest(question, &item.0, one, state)));
            }
            let start = u32::try_from(all.len()).unwrap_or(u32::MAX);
            all.extend(new);
            start..u32::try_from(all.len()).unwrap_or(u32::MAX)
        });
        if stretch.start < stretch.end {
            group.findings.push(stretch.clone());
        }
    }
}

fn for_guest(
    question: Question<'_>,
    item: &Item<'_>,
    host: &Finding,
    cold_start: ColdStart,
) -> Option<Finding> {
    let id = host.vulnerability.as_ref()?;
    let area = host.fix.as_ref()?.area;
    if host.status != Status::Fixed || !reaches_through_flags(area) {
        return None;
    }
    let condition = conditions::cold_start(&question, item, id)?;
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
    finding.reasons.insert(0, conditions::cold_start_reason(question, code, text, condition));
    Some(finding)
}
