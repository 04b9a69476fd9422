//! What pages and API look things up in: built once per assessment, immutable, swapped as a whole.
//!
//! An assessment shares findings between groups of equal assets. The index numbers the assets group by group (so that
//! a group is a range of numbers) and answers every question by groups: a fleet of 210,000 assets has a few hundred.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};
use underpin_exposure::report::{Assessment, AssetKind, Status};
use underpin_model::facts::PatchClass;
use underpin_model::fleet::{Fleet, Host, Image, Vm};
use underpin_model::id::{AdvisoryId, VulnerabilityId};

use crate::analyst::FeedFacts;
use crate::priority::{self, Priority};
use crate::sums::{self, Sum};

/// Exposures by [`Status`], in the order of [`Status::ALL`].
pub(crate) type Counts = [u64; Status::ALL.len()];

/// The place of a status in [`Counts`].
pub(crate) fn slot(status: Status) -> usize {
    status as usize
}

pub(crate) fn add(into: &mut Counts, from: &Counts) {
    for (sum, more) in into.iter_mut().zip(from) {
        *sum += more;
    }
}

/// The group of assets that the assessment does not speak about.
const UNASSESSED: u32 = u32::MAX;

/// An asset with its place.
#[derive(Debug, Clone)]
pub(crate) struct AssetEntry {
    pub(crate) kind: AssetKind,
    pub(crate) id: Arc<str>,
    pub(crate) group: u32,
    /// Its place in the fleet's list of its kind.
    pub(crate) place: Option<u32>,
}

/// A group: equal assets, their findings, their counts per asset.
#[derive(Debug, Clone)]
pub(crate) struct GroupEntry {
    pub(crate) assets: Range<u32>,
    pub(crate) findings: Vec<Range<u32>>,
    pub(crate) counts: Counts,
}

/// What an advisory says of itself, from the first feed that has it.
#[derive(Debug, Clone)]
pub(crate) struct AdvisoryEntry {
    pub(crate) feeds: Vec<(String, String)>,
    pub(crate) title: Option<String>,
    pub(crate) published: Option<Timestamp>,
    pub(crate) updated: Option<Timestamp>,
    pub(crate) class: Option<PatchClass>,
    pub(crate) severity: Option<String>,
    pub(crate) vulnerabilities: Vec<VulnerabilityId>,
}

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) fleet_id: String,
    pub(crate) assessment_id: String,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) assessment: Assessment,
    pub(crate) advisories: Arc<BTreeMap<AdvisoryId, AdvisoryEntry>>,
    pub(crate) assets: Vec<AssetEntry>,
    pub(crate) groups: Vec<GroupEntry>,
    numbers: FxHashMap<(AssetKind, Arc<str>), u32>,
    /// Place of a host, VM, image in the fleet's lists.
    pub(crate) hosts: FxHashMap<Arc<str>, u32>,
    pub(crate) vms: FxHashMap<Arc<str>, u32>,
    pub(crate) images: FxHashMap<Arc<str>, u32>,
    /// Per host (by place): its VMs (by place).
    pub(crate) vms_on: Vec<Vec<u32>>,
    /// Per tenant (by place): its VMs (by place).
    pub(crate) vms_of: Vec<Vec<u32>>,
    pub(crate) tenants: FxHashMap<Arc<str>, u32>,
    /// Per vulnerability: group and finding.
    pub(crate) found: FxHashMap<VulnerabilityId, Vec<(u32, usize)>>,
    /// Vulnerabilities with open exposures, what to do first at the front.
    pub(crate) priorities: Vec<Priority>,
    pub(crate) by_tenant: Vec<Sum>,
    pub(crate) by_platform: Vec<Sum>,
    /// Assets of the fleet that the assessment does not speak about.
    pub(crate) unassessed: u64,
}

/// The parts that an index is made of.
pub(crate) struct Parts {
    pub(crate) fleet_id: String,
    pub(crate) assessment_id: String,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) assessment: Assessment,
    pub(crate) advisories: Arc<BTreeMap<AdvisoryId, AdvisoryEntry>>,
}

fn places<'a, T: 'a>(list: &'a [T], id: impl Fn(&'a T) -> &'a str) -> FxHashMap<Arc<str>, u32> {
    list.iter().zip(0..).map(|(element, place)| (Arc::from(id(element)), place)).collect()
}

fn push(lists: &mut [Vec<u32>], at: Option<&u32>, place: u32) {
    if let Some(list) = at.and_then(|at| lists.get_mut(*at as usize)) {
        list.push(place);
    }
}

impl Index {
    pub(crate) fn build(parts: Parts) -> Self {
        let Parts { fleet_id, assessment_id, fleet, assessment, advisories } = parts;
        let hosts = places(&fleet.hosts, |h| h.id.as_str());
        let vms = places(&fleet.vms, |v| v.id.as_str());
        let images = places(&fleet.images, |i| i.id.as_str());
        let tenants = places(&fleet.tenants, |t| t.id.as_str());
        let mut vms_on = vec![Vec::new(); fleet.hosts.len()];
        let mut vms_of = vec![Vec::new(); fleet.tenants.len()];
        for (vm, place) in fleet.vms.iter().zip(0..) {
            push(&mut vms_on, vm.host.as_ref().and_then(|h| hosts.get(h.as_str())), place);
            push(&mut vms_of, vm.tenant.as_ref().and_then(|t| tenants.get(t.as_str())), place);
        }
        let mut assets = Vec::new();
        let mut groups = Vec::with_capacity(assessment.groups.len());
        let mut numbers = FxHashMap::default();
        let mut found: FxHashMap<VulnerabilityId, Vec<(u32, usize)>> = FxHashMap::default();
        for (group, group_number) in assessment.groups.iter().zip(0_u32..) {
            let start = number(assets.len());
            for asset in &group.assets {
                let place = match asset.kind {
                    AssetKind::Host => hosts.get(&asset.id).copied(),
                    AssetKind::Vm => vms.get(&asset.id).copied(),
                    AssetKind::Image => images.get(&asset.id).copied(),
                    _ => None,
                };
                numbers.insert((asset.kind, Arc::clone(&asset.id)), number(assets.len()));
                assets.push(AssetEntry {
                    kind: asset.kind,
                    id: Arc::clone(&asset.id),
                    group: group_number,
                    place,
                });
            }
            let mut counts = Counts::default();
            for at in group.findings.iter().cloned().flatten().map(|at| at as usize) {
                let Some(finding) = assessment.findings.get(at) else { continue };
                if let Some(count) = counts.get_mut(slot(finding.status)) {
                    *count += 1;
                }
                if let Some(vulnerability) = &finding.vulnerability {
                    found.entry(vulnerability.clone()).or_default().push((group_number, at));
                }
            }
            let findings = group.findings.clone();
            groups.push(GroupEntry { assets: start..number(assets.len()), findings, counts });
        }
        // What the assessment does not speak about is listed as well, at the end: nobody is dropped.
        let assessed = assets.len();
        for (kind, list) in [(AssetKind::Host, &hosts), (AssetKind::Vm, &vms), (AssetKind::Image, &images)] {
            let mut left: Vec<_> =
                list.iter().filter(|(id, _)| !numbers.contains_key(&(kind, Arc::clone(id)))).collect();
            left.sort_unstable_by_key(|(_, place)| **place);
            for (id, place) in left {
                numbers.insert((kind, Arc::clone(id)), number(assets.len()));
                assets.push(AssetEntry { kind, id: Arc::clone(id), group: UNASSESSED, place: Some(*place) });
            }
        }
        let mut index = Self {
            unassessed: (assets.len() - assessed) as u64,
            fleet_id,
            assessment_id,
            fleet,
            assessment,
            advisories,
            assets,
            groups,
            numbers,
            hosts,
            vms,
            images,
            vms_on,
            vms_of,
            tenants,
            found,
            priorities: Vec::new(),
            by_tenant: Vec::new(),
            by_platform: Vec::new(),
        };
        index.priorities = priority::rank(&index);
        index.by_tenant = sums::by_tenant(&index);
        index.by_platform = sums::by_platform(&index);
        index
    }

    /// The number of an asset.
    pub(crate) fn number(&self, kind: AssetKind, id: &str) -> Option<u32> {
        self.numbers.get(&(kind, Arc::from(id))).copied()
    }

    pub(crate) fn asset(&self, number: u32) -> Option<&AssetEntry> {
        self.assets.get(number as usize)
    }

    pub(crate) fn group_of(&self, number: u32) -> Option<&GroupEntry> {
        self.groups.get(self.asset(number)?.group as usize)
    }

    pub(crate) fn counts_of(&self, kind: AssetKind, id: &str) -> Option<&Counts> {
        Some(&self.group_of(self.number(kind, id)?)?.counts)
    }

    pub(crate) fn host(&self, id: &str) -> Option<&Host> {
        self.fleet.hosts.get(*self.hosts.get(id)? as usize)
    }

    pub(crate) fn vm(&self, id: &str) -> Option<&Vm> {
        self.fleet.vms.get(*self.vms.get(id)? as usize)
    }

    pub(crate) fn image(&self, id: &str) -> Option<&Image> {
        self.fleet.images.get(*self.images.get(id)? as usize)
    }

    /// VMs that stand on a host.
    pub(crate) fn guests(&self, host: &str) -> impl Iterator<Item = &Vm> {
        let places = self.hosts.get(host).and_then(|at| self.vms_on.get(*at as usize));
        places.into_iter().flatten().filter_map(|place| self.fleet.vms.get(*place as usize))
    }

    /// VMs of a tenant.
    pub(crate) fn tenant_vms(&self, tenant: &str) -> impl Iterator<Item = &Vm> {
        let places = self.tenants.get(tenant).and_then(|at| self.vms_of.get(*at as usize));
        places.into_iter().flatten().filter_map(|place| self.fleet.vms.get(*place as usize))
    }

    /// The name of the platform that a host is, as its family names itself.
    pub(crate) fn platform(host: &Host) -> &str {
        host.platform.as_ref().map_or("unknown", |p| p.family.name())
    }

    /// What a tenant stands on: its VMs, its images, and the hosts beneath its VMs.
    pub(crate) fn beneath(&self, tenant: &str) -> FxHashSet<u32> {
        let mut numbers = FxHashSet::default();
        for vm in self.tenant_vms(tenant) {
            numbers.extend(self.number(AssetKind::Vm, vm.id.as_str()));
            let host = vm.host.as_ref().and_then(|h| self.number(AssetKind::Host, h.as_str()));
            numbers.extend(host);
        }
        let own =
            self.fleet.images.iter().filter(|i| i.tenant.as_ref().is_some_and(|t| t.as_str() == tenant));
        numbers.extend(own.filter_map(|i| self.number(AssetKind::Image, i.id.as_str())));
        numbers
    }

    /// Per group: it has an open exposure to this vulnerability.
    pub(crate) fn open_groups(&self, vulnerability: &str) -> Vec<bool> {
        let mut open = vec![false; self.groups.len()];
        for (group, at) in self.found.get(vulnerability).into_iter().flatten() {
            let hit = self.assessment.findings.get(*at).is_some_and(|f| f.status.is_open());
            if let Some(flag) = open.get_mut(*group as usize) {
                *flag |= hit;
            }
        }
        open
    }

    /// An asset is hit if its group is, and a VM also if its host is.
    pub(crate) fn is_hit(&self, open: &[bool], asset: &AssetEntry) -> bool {
        let in_group = |asset: &AssetEntry| open.get(asset.group as usize) == Some(&true);
        let host = || {
            let vm =
                if asset.kind == AssetKind::Vm { self.fleet.vms.get(asset.place? as usize) } else { None };
            self.asset(self.number(AssetKind::Host, vm?.host.as_ref()?.as_str())?)
        };
        in_group(asset) || host().is_some_and(in_group)
    }

    /// Counts over all of these assets.
    pub(crate) fn sum(&self, numbers: impl IntoIterator<Item = u32>) -> Counts {
        let mut counts = Counts::default();
        for group in numbers.into_iter().filter_map(|n| self.group_of(n)) {
            add(&mut counts, &group.counts);
        }
        counts
    }

    /// Counts over everything.
    pub(crate) fn total(&self) -> Counts {
        let mut counts = Counts::default();
        for group in &self.groups {
            for (sum, each) in counts.iter_mut().zip(&group.counts) {
                *sum += each * u64::from(group.assets.end - group.assets.start);
            }
        }
        counts
    }
}

/// Asset numbers are 32 bits: a fleet of four thousand million assets does not fit in memory anyway.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The advisories of all feeds, by id.
pub(crate) fn advisories(feeds: &[FeedFacts]) -> BTreeMap<AdvisoryId, AdvisoryEntry> {
    let mut entries: BTreeMap<AdvisoryId, AdvisoryEntry> = BTreeMap::new();
    for feed in feeds {
        for (path, document) in &feed.documents {
            for advisory in &document.advisories {
                let entry = entries.entry(advisory.id.clone()).or_insert_with(|| AdvisoryEntry {
                    feeds: Vec::new(),
                    title: advisory.title.clone(),
                    published: advisory.published,
                    updated: advisory.updated,
                    class: advisory.class,
                    severity: advisory.severity.clone(),
                    vulnerabilities: Vec::new(),
                });
                entry.feeds.push((feed.name.clone(), path.clone()));
                entry
                    .vulnerabilities
                    .extend(advisory.claims.iter().flat_map(|c| c.vulnerabilities.iter().cloned()));
            }
        }
    }
    for entry in entries.values_mut() {
        entry.vulnerabilities.sort_unstable();
        entry.vulnerabilities.dedup();
    }
    entries
}
