//! The assessment: every asset of a fleet against all facts. Equal assets are matched once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use underpin_model::fleet::{ComponentSet, Fleet, Host, PowerState, Vm};
use underpin_model::id::{ComponentSetId, HostId};

use crate::context::Contexts;
use crate::factbase::FactBase;
use crate::finding::{Level, Question, findings};
use crate::guest;
use crate::item::Item;
use crate::report::{Assessment, Asset, AssetKind, Context, FeedState, Finding, Group, Status, Summary};
use crate::subject::{Surroundings, items, sets_of};
use crate::view;

/// How an assessment is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The moment that it speaks about.
    pub as_of: Timestamp,
    /// A feed or coverage older than this many days is stale.
    pub stale_after_days: i32,
}

impl Options {
    /// The assessment of a moment, with the usual limit of 30 days for the age of feeds.
    #[must_use]
    pub fn at(as_of: Timestamp) -> Self {
        Self { as_of, stale_after_days: 30 }
    }
}

/// The facts that decide the findings of a group of assets.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    kind: AssetKind,
    shared: &'a [ComponentSetId],
    own: Option<Vec<Item<'a>>>,
    around: Surroundings<'a>,
    guest: Option<guest::Standing<'a>>,
    context: Context,
}

struct Draft<'a> {
    assets: Vec<Asset>,
    items: Vec<(Item<'a>, Level)>,
    /// Findings of the host's that concern the guest as well.
    cold_start: Option<(usize, guest::ColdStart)>,
    context: Context,
}

/// Matches a fleet against the facts.
///
/// Deterministic: the same fleet, facts and options give the same assessment, whatever the number of threads.
#[must_use]
pub fn assess(fleet: &Fleet, base: &FactBase, options: &Options) -> Assessment {
    let day = options.as_of.to_zoned(TimeZone::UTC).date();
    let question = Question { base, day, stale_after_days: options.stale_after_days };
    let drafts = draft(fleet);
    let (mut all, mut groups) = evaluate(question, &drafts);
    guest::cold_starts(&drafts_cold_starts(&drafts), &mut groups, &mut all);
    let vulnerabilities = view::vulnerabilities(base, &groups, &all, day);
    Assessment {
        as_of: options.as_of,
        feeds: feed_states(base, day, options.stale_after_days),
        summary: summary(&groups, &all),
        groups,
        findings: all,
        vulnerabilities,
    }
}

fn drafts_cold_starts(drafts: &[Draft<'_>]) -> Vec<Option<(usize, guest::ColdStart)>> {
    drafts.iter().map(|draft| draft.cold_start).collect()
}

/// Groups the assets of a fleet by the facts that decide their findings.
fn draft(fleet: &Fleet) -> Vec<Draft<'_>> {
    let contexts = Contexts::new(fleet);
    let mut drafts = Drafts::default();
    let guests = guests_by_host(fleet);
    let mut host_groups: FxHashMap<&HostId, usize> = FxHashMap::default();
    let nobody = Vec::new();
    for host in &fleet.hosts {
        let vms = guests.get(&host.id).unwrap_or(&nobody);
        let around = Surroundings::of(host, live_vmms(vms), !fleet.vms.is_empty());
        let asset = Asset { kind: AssetKind::Host, id: host.id.as_str().into() };
        let at = drafts.add(
            fleet,
            asset,
            (&host.component_sets, host.components.as_ref()),
            around,
            None,
            contexts.of_host(host),
        );
        host_groups.insert(&host.id, at);
    }
    let hosts: FxHashMap<&HostId, &Host> = fleet.hosts.iter().map(|host| (&host.id, host)).collect();
    for vm in &fleet.vms {
        let standing = vm.host.as_ref().and_then(|id| {
            let (host, group) = (hosts.get(id)?, host_groups.get(id)?);
            Some(guest::Standing::new(vm, host, *group))
        });
        let asset = Asset { kind: AssetKind::Vm, id: vm.id.as_str().into() };
        let sets = (&vm.component_sets[..], vm.components.as_ref());
        drafts.add(fleet, asset, sets, Surroundings::default(), standing, contexts.of_vm(vm));
    }
    add_others(fleet, &mut drafts);
    drafts.list
}

fn add_others<'a>(fleet: &'a Fleet, drafts: &mut Drafts<'a>) {
    let mut add = |kind, id: &str, shared: &'a [ComponentSetId], own: Option<&'a ComponentSet>| {
        let asset = Asset { kind, id: id.into() };
        drafts.add(fleet, asset, (shared, own), Surroundings::default(), None, Context::default());
    };
    for image in &fleet.images {
        add(AssetKind::Image, image.id.as_str(), &image.component_sets, image.components.as_ref());
    }
    for plane in &fleet.management_planes {
        add(AssetKind::ManagementPlane, plane.id.as_str(), &plane.component_sets, plane.components.as_ref());
    }
    for witness in &fleet.witnesses {
        add(AssetKind::Witness, witness.id.as_str(), &[], witness.components.as_ref());
    }
    for storage in &fleet.storage {
        add(AssetKind::Storage, storage.id.as_str(), &[], storage.components.as_ref());
    }
}

#[derive(Default)]
struct Drafts<'a> {
    list: Vec<Draft<'a>>,
    known: FxHashMap<Key<'a>, usize>,
}

impl<'a> Drafts<'a> {
    fn add(
        &mut self,
        fleet: &'a Fleet,
        asset: Asset,
        (shared, own): (&'a [ComponentSetId], Option<&'a ComponentSet>),
        around: Surroundings<'a>,
        guest: Option<guest::Standing<'a>>,
        context: Context,
    ) -> usize {
        let own_items = own.map(|set| items(&[set], &Surroundings::default()));
        let key = Key { kind: asset.kind, shared, own: own_items, around, guest, context };
        if let Some(&at) = self.known.get(&key) {
            if let Some(draft) = self.list.get_mut(at) {
                draft.assets.push(asset);
            }
            return at;
        }
        let mut list: Vec<(Item<'a>, Level)> = items(&sets_of(fleet, shared, own), &key.around)
            .into_iter()
            .map(|item| (item, Level::Asset))
            .collect();
        let mut cold_start = None;
        if let Some(standing) = &key.guest {
            let host_items = self.list.get(standing.host_group).map_or(&[][..], |host| &host.items);
            list.extend(standing.vmm_item(host_items).map(|item| (item, Level::Guest)));
            cold_start = standing.cold_start.map(|state| (standing.host_group, state));
        }
        let at = self.list.len();
        self.list.push(Draft { assets: vec![asset], items: list, cold_start, context });
        self.known.insert(key, at);
        at
    }
}

fn guests_by_host(fleet: &Fleet) -> FxHashMap<&HostId, Vec<&Vm>> {
    let mut map: FxHashMap<&HostId, Vec<&Vm>> = FxHashMap::default();
    for vm in &fleet.vms {
        if let Some(host) = &vm.host {
            map.entry(host).or_default().push(vm);
        }
    }
    map
}

/// The VMMs of live guests. A guest that is off starts on what is installed.
fn live_vmms<'a>(vms: &[&'a Vm]) -> BTreeSet<Option<(&'a str, &'a str)>> {
    vms.iter()
        .filter(|vm| vm.power != Some(PowerState::Off))
        .map(|vm| vm.vmm.as_ref().map(|vmm| (vmm.component.as_str(), vmm.version.as_str())))
        .collect()
}

/// Finds each distinct item's findings once and lays them out one after the other.
fn evaluate(question: Question<'_>, drafts: &[Draft<'_>]) -> (Vec<Finding>, Vec<Group>) {
    let mut numbers: FxHashMap<&(Item<'_>, Level), usize> = FxHashMap::default();
    let mut distinct: Vec<&(Item<'_>, Level)> = Vec::new();
    for item in drafts.iter().flat_map(|draft| &draft.items) {
        numbers.entry(item).or_insert_with(|| {
            distinct.push(item);
            distinct.len() - 1
        });
    }
    let found: Vec<Vec<Finding>> =
        distinct.par_iter().map(|(item, level)| findings(question, item, *level)).collect();
    let mut all = Vec::with_capacity(found.iter().map(Vec::len).sum());
    let mut stretches: Vec<Range<u32>> = Vec::with_capacity(found.len());
    for list in found {
        let start = u32::try_from(all.len()).unwrap_or(u32::MAX);
        all.extend(list);
        stretches.push(start..u32::try_from(all.len()).unwrap_or(u32::MAX));
    }
    let groups = drafts
        .iter()
        .map(|draft| Group {
            assets: draft.assets.clone(),
            context: draft.context,
            findings: draft
                .items
                .iter()
                .filter_map(|item| stretches.get(*numbers.get(item)?).cloned())
                .filter(|stretch| !stretch.is_empty())
                .collect(),
        })
        .collect();
    (all, groups)
}

fn feed_states(base: &FactBase, day: Date, stale_after_days: i32) -> Vec<FeedState> {
    let states = base.feeds().iter().map(|feed| {
        let covered = feed.covers.iter().map(|coverage| coverage.period.to).max();
        let updated_day = feed.updated.map(|at| at.to_zoned(TimeZone::UTC).date()).or(covered);
        let age =
            updated_day.and_then(|updated| day.since(updated).ok()).map(|span| i64::from(span.get_days()));
        FeedState {
            id: feed.id.clone(),
            updated: feed.updated,
            fetched: feed.fetched,
            age_days: age,
            stale: age.is_none_or(|age| age > i64::from(stale_after_days)),
            covers: feed.covers.clone(),
            documents: feed.documents,
        }
    });
    let mut states: Vec<FeedState> = states.collect();
    states.sort_by(|a, b| a.id.cmp(&b.id));
    states
}

/// Counts exposures over all assets: a finding of a group counts once per asset of the group.
fn summary(groups: &[Group], all: &[Finding]) -> Summary {
    let mut by_status: BTreeMap<Status, u64> = BTreeMap::new();
    let mut assets = 0;
    for group in groups {
        let size = group.assets.len() as u64;
        assets += size;
        for finding in group.findings_in(all) {
            *by_status.entry(finding.status).or_default() += size;
        }
    }
    let of = |status| by_status.get(&status).copied().unwrap_or(0);
    Summary {
        unknown_no_source: of(Status::UnknownNoSource),
        unknown_other: of(Status::UnknownConflict)
            + of(Status::UnknownVersion)
            + of(Status::UnknownRunning)
            + of(Status::UnderInvestigation),
        assets,
        affected: of(Status::Affected),
        fixed_not_running: of(Status::FixedNotRunning),
        fixed: of(Status::Fixed),
        not_affected: of(Status::NotAffected),
    }
}
