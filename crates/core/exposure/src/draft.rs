//! Which assets are equal: groups of assets that matching sees alike, and the items that they consist of.
//!
//! Every distinct item has a number, and lists of numbers are shared: a fleet has thousands of different groups, made
//! of a few hundred different items.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use underpin_model::fleet::{ComponentKind, ComponentSet, Fleet, PowerState, Vm};
use underpin_model::id::{ComponentSetId, HostId};

use crate::context::Contexts;
use crate::factbase::FactBase;
use crate::finding::Level;
use crate::guest::{self, ColdStart};
use crate::item::Item;
use crate::nowhere::Nowhere;
use crate::report::{Area, Asset, AssetKind, Context};
use crate::subject::{Processor, Surroundings, guests_on, items, microcode_item, sets_of};

/// Distinct values, each with a number in the order of their first appearance.
struct Numbered<T> {
    list: Vec<Arc<T>>,
    numbers: FxHashMap<Arc<T>, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { list: Vec::new(), numbers: FxHashMap::default() }
    }
}

impl<T: Eq + Hash> Numbered<T> {
    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let value = Arc::new(value);
        self.list.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.list.get(number as usize).map(AsRef::as_ref)
    }
}

/// Assets that matching sees alike.
pub(crate) struct Draft {
    pub(crate) assets: Vec<Asset>,
    /// Numbers of its items.
    pub(crate) items: Arc<[u32]>,
    /// Number of the item of the VMM that a guest stands on.
    pub(crate) vmm: Option<u32>,
    /// Number of the floor from which a guest takes its CPU flags, and whether it has them.
    pub(crate) cold_start: Option<(u32, ColdStart)>,
    pub(crate) context: Context,
}

/// All drafts of a fleet.
pub(crate) struct Drafts<'a> {
    pub(crate) list: Vec<Draft>,
    /// Items by number.
    pub(crate) items: Vec<Arc<(Item<'a>, Level)>>,
    /// Floors by number: the items of a host whose fixes reach its guests through CPU flags.
    pub(crate) floors: Vec<Arc<Vec<u32>>>,
}

/// What decides the items of an asset, but for its guests and its processor.
#[derive(PartialEq, Eq, Hash)]
struct BaseKey<'a> {
    shared: &'a [ComponentSetId],
    /// Number of the components of its own.
    own: Option<u32>,
    around: Surroundings<'a>,
}

/// The items of one [`BaseKey`].
struct Base {
    items: Arc<[u32]>,
    /// Where among them the device emulation is, which depends on guests.
    emulators: Vec<usize>,
}

/// The facts that decide the findings of a group of assets.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    kind: AssetKind,
    base: usize,
    guests: BTreeSet<Option<(&'a str, &'a str)>>,
    processor: Option<Processor<'a>>,
    vmm: Option<u32>,
    cold_start: Option<(u32, ColdStart)>,
    context: Context,
}

/// What guests need to know of their host.
#[derive(Clone, Copy)]
struct Floor {
    base: usize,
    number: u32,
    booted_at: Option<Timestamp>,
}

/// A component and a version of it, where known.
pub(crate) type Vmm<'a> = Option<(&'a str, &'a str)>;

/// Whose guests live VMs are of which no host is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unplaced {
    /// Nobody's.
    OnTheirOwn,
    /// Of every host on which they may stand.
    OnAll,
}

/// Groups the assets of a fleet by the facts that decide their findings.
pub(crate) fn drafts<'a>(fleet: &'a Fleet, facts: &'a FactBase, unplaced: Unplaced) -> Drafts<'a> {
    let contexts = Contexts::new(fleet);
    let mut grouping = Grouping::new(fleet, facts);
    let guests = guests_by_host(fleet);
    let nowhere = Nowhere::of(fleet);
    let mut floors: FxHashMap<&HostId, Floor> = FxHashMap::default();
    for host in &fleet.hosts {
        let live = guests.get(&host.id).map_or(&[][..], Vec::as_slice).iter().copied();
        let perhaps = (unplaced == Unplaced::OnAll).then(|| nowhere.guests(host)).into_iter().flatten();
        let around = Surroundings::of(facts, host, live.chain(perhaps).collect(), !fleet.vms.is_empty());
        let asset = Asset { kind: AssetKind::Host, id: (&host.id).into() };
        let (base, draft) = grouping.add_host(
            asset,
            (&host.component_sets, host.components.as_ref()),
            around,
            contexts.of_host(host),
        );
        let number = grouping.floor(draft);
        floors.insert(&host.id, Floor { base, number, booted_at: host.booted_at });
    }
    for vm in &fleet.vms {
        let asset = Asset { kind: AssetKind::Vm, id: (&vm.id).into() };
        let floor = vm.host.as_ref().and_then(|id| floors.get(id)).copied();
        let stated = grouping.stated_vmm(vm, &nowhere, &floors);
        grouping.add_vm(asset, vm, floor, stated, contexts.of_vm(vm));
    }
    grouping.add_others();
    Drafts { list: grouping.list, items: grouping.items.list, floors: grouping.floors.list }
}

struct Grouping<'a> {
    fleet: &'a Fleet,
    facts: &'a FactBase,
    items: Numbered<(Item<'a>, Level)>,
    /// Components that an asset has for itself.
    own: Numbered<Vec<Item<'a>>>,
    floors: Numbered<Vec<u32>>,
    bases: Vec<Base>,
    base_numbers: FxHashMap<BaseKey<'a>, usize>,
    vmms: FxHashMap<(usize, Vmm<'a>), Option<u32>>,
    list: Vec<Draft>,
    known: FxHashMap<Key<'a>, usize>,
}

impl<'a> Grouping<'a> {
    fn new(fleet: &'a Fleet, facts: &'a FactBase) -> Self {
        Self {
            fleet,
            facts,
            items: Numbered::default(),
            own: Numbered::default(),
            floors: Numbered::default(),
            bases: Vec::new(),
            base_numbers: FxHashMap::default(),
            vmms: FxHashMap::default(),
            list: Vec::new(),
            known: FxHashMap::default(),
        }
    }

    /// The base of sets and surroundings; guests and processor must have been taken out of the latter.
    fn base(
        &mut self,
        (shared, own): (&'a [ComponentSetId], Option<&'a ComponentSet>),
        around: Surroundings<'a>,
    ) -> usize {
        let number = own.map(|set| self.own.number(items(self.facts, &[set], &Surroundings::default())));
        let key = BaseKey { shared, own: number, around };
        if let Some(base) = self.base_numbers.get(&key) {
            return *base;
        }
        let list = items(self.facts, &sets_of(self.fleet, shared, own), &key.around);
        let emulators = list
            .iter()
            .enumerate()
            .filter(|(_, item)| item.area == Area::DeviceEmulation && guest::is_vmm(item.name));
        let emulators = emulators.map(|(at, _)| at).collect();
        let items = list.into_iter().map(|item| self.items.number((item, Level::Asset))).collect();
        self.bases.push(Base { items, emulators });
        self.base_numbers.insert(key, self.bases.len() - 1);
        self.bases.len() - 1
    }

    fn add_host(
        &mut self,
        asset: Asset,
        sets: (&'a [ComponentSetId], Option<&'a ComponentSet>),
        mut around: Surroundings<'a>,
        context: Context,
    ) -> (usize, usize) {
        let guests = std::mem::take(&mut around.guests);
        let processor = around.processor.take();
        let base = self.base(sets, around);
        let key = Key { kind: asset.kind, base, guests, processor, vmm: None, cold_start: None, context };
        (base, self.add(asset, key))
    }

    /// What a VM of no known host states of its VMM, as a component of the first host, by id, that it may stand on and that has it.
    fn stated_vmm(
        &mut self,
        vm: &'a Vm,
        nowhere: &Nowhere<'a>,
        floors: &FxHashMap<&HostId, Floor>,
    ) -> Option<u32> {
        let vmm = vmm_of(vm).filter(|_| vm.host.is_none() && is_live(vm))?;
        nowhere.hosts(vm).find_map(|host| self.vmm(floors.get(host)?.base, Some(vmm)))
    }

    fn add_vm(
        &mut self,
        asset: Asset,
        vm: &'a Vm,
        floor: Option<Floor>,
        stated: Option<u32>,
        context: Context,
    ) {
        let base = self.base((&vm.component_sets, vm.components.as_deref()), Surroundings::default());
        // A guest that is off starts on what is installed, with all flags.
        let floor = floor.filter(|_| is_live(vm));
        let key = Key {
            kind: asset.kind,
            base,
            guests: BTreeSet::new(),
            processor: None,
            vmm: floor.and_then(|floor| self.vmm(floor.base, vmm_of(vm))).or(stated),
            cold_start: floor.map(|floor| (floor.number, ColdStart::of(vm.cold_started_at, floor.booted_at))),
            context,
        };
        self.add(asset, key);
    }

    fn add_others(&mut self) {
        let fleet = self.fleet;
        let mut add = |kind, id: &str, shared: &'a [ComponentSetId], own: Option<&'a ComponentSet>| {
            let asset = Asset { kind, id: id.into() };
            self.add_host(asset, (shared, own), Surroundings::default(), Context::default());
        };
        for image in &fleet.images {
            add(AssetKind::Image, image.id.as_str(), &image.component_sets, image.components.as_ref());
        }
        for plane in &fleet.management_planes {
            add(
                AssetKind::ManagementPlane,
                plane.id.as_str(),
                &plane.component_sets,
                plane.components.as_ref(),
            );
        }
        for witness in &fleet.witnesses {
            add(AssetKind::Witness, witness.id.as_str(), &[], witness.components.as_ref());
        }
        for storage in &fleet.storage {
            add(AssetKind::Storage, storage.id.as_str(), &[], storage.components.as_ref());
        }
    }

    /// Adds an asset to the draft of its key; its number.
    fn add(&mut self, asset: Asset, key: Key<'a>) -> usize {
        if let Some(&at) = self.known.get(&key) {
            if let Some(draft) = self.list.get_mut(at) {
                draft.assets.push(asset);
            }
            return at;
        }
        let items = self.items_of(&key);
        let Key { vmm, cold_start, context, .. } = key;
        self.list.push(Draft { assets: vec![asset], items, vmm, cold_start, context });
        self.known.insert(key, self.list.len() - 1);
        self.list.len() - 1
    }

    /// The items of the base, with what guests and processor change in them.
    fn items_of(&mut self, key: &Key<'a>) -> Arc<[u32]> {
        let Some(base) = self.bases.get(key.base) else { return Arc::new([]) };
        if key.processor.is_none() && (key.guests.is_empty() || base.emulators.is_empty()) {
            return Arc::clone(&base.items);
        }
        let mut numbers = base.items.to_vec();
        for &at in base.emulators.iter().filter(|_| !key.guests.is_empty()) {
            let Some(number) = numbers.get_mut(at) else { continue };
            let Some((item, level)) = self.items.get(*number) else { continue };
            let mut item = item.clone();
            item.guests = guests_on(&item, &key.guests);
            let level = *level;
            *number = self.items.number((item, level));
        }
        // The fleet may list the loaded microcode as a component as well: it is the same thing.
        let listed = |number: &u32| {
            self.items.get(*number).is_some_and(|(item, _)| item.kind == ComponentKind::Microcode)
        };
        if !numbers.iter().any(listed) {
            numbers.extend(key.processor.map(|one| self.items.number((microcode_item(one), Level::Asset))));
        }
        numbers.into()
    }

    /// The number of a host group's floor.
    fn floor(&mut self, draft: usize) -> u32 {
        let numbers = self.list.get(draft).map_or(&[][..], |draft| &draft.items);
        let through_flags = |number: &u32| {
            self.items.get(*number).is_some_and(|(item, _)| guest::reaches_through_flags(item.area))
        };
        let floor = numbers.iter().copied().filter(through_flags).collect();
        self.floors.number(floor)
    }

    /// The number of the item of a guest's VMM on a host of this base.
    fn vmm(&mut self, base: usize, vmm: Vmm<'a>) -> Option<u32> {
        if let Some(known) = self.vmms.get(&(base, vmm)) {
            return *known;
        }
        let on_host = self.bases.get(base).map_or(&[][..], |base| &base.items);
        let candidates: Vec<&Item<'a>> =
            on_host.iter().filter_map(|number| self.items.get(*number)).map(|(item, _)| item).collect();
        let item = guest::vmm_item(vmm, &candidates);
        let number = item.map(|item| self.items.number((item, Level::Guest)));
        self.vmms.insert((base, vmm), number);
        number
    }
}

pub(crate) fn is_live(vm: &Vm) -> bool {
    vm.power != Some(PowerState::Off)
}

pub(crate) fn vmm_of(vm: &Vm) -> Vmm<'_> {
    vm.vmm.as_ref().map(|vmm| (vmm.component.as_str(), vmm.version.as_str()))
}

/// The VMMs of each host's live guests. A guest that is off starts on what is installed.
fn guests_by_host(fleet: &Fleet) -> FxHashMap<&HostId, Vec<Vmm<'_>>> {
    let mut map: FxHashMap<&HostId, Vec<Vmm<'_>>> = FxHashMap::default();
    for vm in fleet.vms.iter().filter(|vm| is_live(vm)) {
        if let Some(host) = &vm.host {
            map.entry(host).or_default().push(vmm_of(vm));
        }
    }
    map
}
