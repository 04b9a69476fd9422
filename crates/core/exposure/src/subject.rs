//! From assets of the fleet to items: which components an asset carries, what runs of them, who stands on them.

use std::collections::BTreeSet;

use underpin_model::facts::Family;
use underpin_model::fleet::{ComponentKind, ComponentSet, Fleet, Host};
use underpin_model::id::ComponentSetId;

use crate::classify::Carries;
use crate::factbase::FactBase;
use crate::item::Item;
use crate::needed::Use;
use crate::report::Area;
use crate::running::{listed, slots};
use crate::verdict::kb_number;

/// What a host adds to its components: everything here may change a status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Surroundings<'a> {
    /// Component name to running version.
    pub(crate) running: Vec<(&'a str, &'a str)>,
    pub(crate) kernel_release: Option<&'a str>,
    /// Settings that some fix or workaround asks for.
    pub(crate) settings: Vec<(&'a str, String)>,
    /// VMMs of live guests: component and version, `None` where it is not known.
    pub(crate) guests: BTreeSet<Option<(&'a str, &'a str)>>,
    pub(crate) processor: Option<Processor<'a>>,
    /// What the host does, for the question whether a fix is needed.
    pub(crate) used: Use,
}

/// In place of a revision that nobody has listed: no order of revisions knows it, so that each status is unknown.
const REVISION_UNKNOWN: &str = "unknown";

/// The processor of a host with the microcode that it has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Processor<'a> {
    pub(crate) signature: &'a str,
    pub(crate) platform_mask: Option<u32>,
    pub(crate) microcode: &'a str,
}

impl<'a> Surroundings<'a> {
    /// What a host adds. `guests` are the VMMs of its live guests; `listed`: somebody listed the fleet's guests.
    pub(crate) fn of(
        base: &FactBase,
        host: &'a Host,
        guests: BTreeSet<Option<(&'a str, &'a str)>>,
        listed: bool,
    ) -> Self {
        let processor = host.cpu.as_ref().and_then(|cpu| {
            Some(Processor {
                signature: cpu.signature.as_deref()?,
                platform_mask: cpu.platform_mask,
                microcode: cpu.microcode.as_deref().unwrap_or(REVISION_UNKNOWN),
            })
        });
        let used = Use {
            platform: host.platform.as_ref().map(|platform| platform.family.clone()),
            role: host.role,
            looked: !host.running.is_empty(),
            xen_runs: host.running.contains_key("xen"),
            live_guests: listed.then_some(!guests.is_empty()),
        };
        Self {
            used,
            running: host.running.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect(),
            kernel_release: host.kernel_release.as_deref(),
            settings: host
                .settings
                .iter()
                .filter(|(name, _)| base.asks_for(name))
                .map(|(name, setting)| (name.as_str(), setting_text(setting.value())))
                .collect(),
            guests,
            processor,
        }
    }
}

fn setting_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The sets of an asset: shared ones and its own.
pub(crate) fn sets_of<'a>(
    fleet: &'a Fleet,
    shared: &[ComponentSetId],
    own: Option<&'a ComponentSet>,
) -> Vec<&'a ComponentSet> {
    shared.iter().filter_map(|id| fleet.component_sets.get(id)).chain(own).collect()
}

/// The family of components of which neither they nor their set name one. That of the host is not taken for it: packages of several
/// makers stand on one host, and what the wrong maker is silent about would count as fixed.
pub(crate) fn unknown_family() -> Family {
    Family::Other("unknown".into())
}

/// The items of an asset, before its guests and its processor are looked at.
pub(crate) fn items<'a>(
    base: &FactBase,
    sets: &[&'a ComponentSet],
    around: &Surroundings<'a>,
) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = Vec::new();
    for set in sets {
        let updates: Vec<&str> = set
            .components
            .iter()
            .filter(|one| one.kind == ComponentKind::Update)
            .map(|one| kb_number(&one.name))
            .collect();
        items.extend(listed(set, |_| true).map(|(_, mut item)| {
            if item.kind == ComponentKind::Product && item.family == Family::Windows {
                item.updates.clone_from(&updates);
            }
            item
        }));
    }
    let mut items = only_newest_kernels(items, around);
    for item in &mut items {
        surround(base, item, around);
    }
    items
}

/// Kernels are installed beside each other. An old one that does not run is no exposure; the newest is what the next
/// boot brings, and what runs is told apart from it.
fn only_newest_kernels<'a>(items: Vec<Item<'a>>, around: &Surroundings<'a>) -> Vec<Item<'a>> {
    let told =
        |name: &str| around.running.iter().find(|(known, _)| *known == name).map(|(_, version)| *version);
    let kept: Vec<(usize, Option<&'a str>)> = slots(&items)
        .iter()
        .map(|slot| (slot.newest, slot.loaded(&items, around.kernel_release, told)))
        .collect();
    let mut items: Vec<Option<Item<'a>>> = items.into_iter().map(Some).collect();
    let one = |(at, running): (usize, Option<&'a str>)| Some(Item { running, ..items.get_mut(at)?.take()? });
    kept.into_iter().filter_map(one).collect()
}

fn surround<'a>(base: &FactBase, item: &mut Item<'a>, around: &Surroundings<'a>) {
    // Only where the answer depends on it: equal components of different hosts stay equal.
    item.used = match item.area {
        Area::DeviceEmulation => Use { live_guests: around.used.live_guests, ..Use::default() },
        Area::GuestTools => Use { role: around.used.role, ..Use::default() },
        Area::Management | Area::VmmCore => around.used.clone(),
        _ => Use::default(),
    };
    if let Some(asked) = base.settings_asked(&item.family) {
        let settings = around.settings.iter().filter(|(name, _)| asked.contains(*name));
        item.settings = settings.cloned().collect();
    }
}

/// The versions of an item on which live guests run; `None` among them: a guest of which it is not known.
pub(crate) fn guests_on<'a>(
    item: &Item<'a>,
    guests: &BTreeSet<Option<(&'a str, &'a str)>>,
) -> Vec<Option<&'a str>> {
    let names: Vec<&str> = item.running_names().collect();
    let on_it = guests.iter().filter_map(|guest| match guest {
        Some((component, version)) => names.contains(component).then_some(Some(*version)),
        None => Some(None),
    });
    on_it.collect()
}

/// Component of the findings that follow from a processor and the microcode that it has loaded.
pub const OF_PROCESSOR: &str = "microcode";

pub(crate) fn microcode_item(processor: Processor<'_>) -> Item<'_> {
    Item {
        family: Family::IntelMicrocode,
        train: None,
        name: OF_PROCESSOR,
        version: processor.microcode,
        kind: ComponentKind::Microcode,
        arch: None,
        module: None,
        source: None,
        built_from: None,
        area: Area::Firmware,
        carries: Carries::Code,
        running: None,
        guests: Vec::new(),
        updates: Vec::new(),
        settings: Vec::new(),
        used: Use::default(),
        processor: Some((processor.signature, processor.platform_mask)),
    }
}
