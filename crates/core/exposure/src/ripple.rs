//! What stands on an element of the stack, and what it stands on.
//!
//! A relation always goes from what stands to what it stands on: a VM stands on its host, a host on its cluster, an
//! application on the VMs that serve it and on the applications that it depends on, a tenant on its applications and
//! VMs. `below` follows the relations, `above` follows them backwards. Each element is named once, with the fewest
//! steps that lead to it; cycles end where they began.

mod answer;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use underpin_model::fleet::{ComponentSet, Element, Fleet};
use underpin_model::id::{ComponentSetId, TenantId};

pub use answer::{Node, NodeKind, Relation, Ripple, RippleError, TenantVms};

/// Most suggestions for an id that does not exist.
const MAX_SUGGESTIONS: usize = 3;
/// Longest text that suggestions are looked for.
const MAX_ASKED: usize = 128;
/// Asks one question; whoever asks several makes a [`Stack`] once.
///
/// # Errors
/// [`RippleError::Unknown`] for an id or component that the fleet does not have.
pub fn ripple(fleet: &Fleet, at: &str) -> Result<Ripple, RippleError> {
    Stack::new(fleet).ripple(at)
}

type Edges = Vec<Vec<(u32, Relation)>>;

/// The relations of a fleet, indexed both ways.
#[derive(Debug)]
pub struct Stack<'a> {
    nodes: Vec<(NodeKind, &'a str)>,
    index: FxHashMap<&'a str, u32>,
    /// By node: what it stands on.
    below: Edges,
    /// By node: what stands on it.
    above: Edges,
    /// By VM node: its tenant.
    tenants: FxHashMap<u32, &'a TenantId>,
    /// By component name (or source package): versions with the assets that carry them.
    components: FxHashMap<&'a str, BTreeMap<&'a str, Carriers<'a>>>,
}

/// Who carries one version of a component: assets of their own, and all that refer to a set.
#[derive(Debug, Default)]
struct Carriers<'a> {
    nodes: Vec<u32>,
    sets: Vec<&'a ComponentSetId>,
}

impl<'a> Stack<'a> {
    /// Indexes a fleet. References that lead nowhere are left out; reading a fleet file refuses them.
    #[must_use]
    pub fn new(fleet: &'a Fleet) -> Self {
        let mut stack = Self {
            nodes: Vec::new(),
            index: FxHashMap::default(),
            below: Vec::new(),
            above: Vec::new(),
            tenants: FxHashMap::default(),
            components: FxHashMap::default(),
        };
        stack.list(NodeKind::Site, &fleet.sites);
        stack.list(NodeKind::FaultDomain, &fleet.fault_domains);
        stack.list(NodeKind::Network, &fleet.networks);
        stack.list(NodeKind::Storage, &fleet.storage);
        stack.list(NodeKind::Witness, &fleet.witnesses);
        stack.list(NodeKind::ManagementPlane, &fleet.management_planes);
        stack.list(NodeKind::Cluster, &fleet.clusters);
        stack.list(NodeKind::Host, &fleet.hosts);
        stack.list(NodeKind::Image, &fleet.images);
        stack.list(NodeKind::Vm, &fleet.vms);
        stack.list(NodeKind::Application, &fleet.applications);
        stack.list(NodeKind::Tenant, &fleet.tenants);
        stack.below = vec![Vec::new(); stack.nodes.len()];
        stack.above = vec![Vec::new(); stack.nodes.len()];
        stack.surroundings(fleet);
        stack.machines(fleet);
        stack.guests(fleet);
        stack.carriers(fleet);
        stack
    }

    fn list<E: Element>(&mut self, kind: NodeKind, elements: &'a [E]) {
        self.index.reserve(elements.len());
        for element in elements {
            let Ok(next) = u32::try_from(self.nodes.len()) else { return };
            self.index.entry(element.id()).or_insert(next);
            self.nodes.push((kind, element.id()));
        }
    }

    /// `upper` stands on each of `lower`.
    fn stands<'i, I: AsRef<str> + 'i>(
        &mut self,
        upper: &str,
        relation: Relation,
        lower: impl IntoIterator<Item = &'i I>,
    ) {
        let Some(upper) = self.index.get(upper).copied() else { return };
        for lower in lower {
            let Some(lower) = self.index.get(lower.as_ref()).copied() else { continue };
            if let Some(edges) = self.below.get_mut(upper as usize) {
                edges.push((lower, relation));
            }
            if let Some(edges) = self.above.get_mut(lower as usize) {
                edges.push((upper, relation));
            }
        }
    }

    fn surroundings(&mut self, fleet: &'a Fleet) {
        for it in &fleet.fault_domains {
            self.stands(it.id(), Relation::LocatedIn, &it.site);
        }
        for it in &fleet.networks {
            self.stands(it.id(), Relation::LocatedIn, &it.site);
        }
        for it in &fleet.storage {
            self.stands(it.id(), Relation::LocatedIn, &it.site);
        }
        for it in &fleet.witnesses {
            self.stands(it.id(), Relation::LocatedIn, &it.site);
        }
        for it in &fleet.management_planes {
            self.stands(it.id(), Relation::LocatedIn, &it.site);
            self.stands(it.id(), Relation::RunsOn, it.runs_on.iter().flatten());
            for interface in &it.management_interfaces {
                self.stands(it.id(), Relation::ConnectedTo, &interface.networks);
            }
        }
        for it in &fleet.clusters {
            self.stands(it.id(), Relation::LocatedIn, &it.site);
            self.stands(it.id(), Relation::ManagedBy, &it.managed_by);
            self.stands(it.id(), Relation::WitnessedBy, &it.witness);
            self.stands(it.id(), Relation::StoredOn, &it.storage);
            self.stands(it.id(), Relation::ConnectedTo, &it.networks);
        }
    }

    fn machines(&mut self, fleet: &'a Fleet) {
        for it in &fleet.hosts {
            self.stands(it.id(), Relation::MemberOf, &it.cluster);
            self.stands(it.id(), Relation::LocatedIn, &it.site);
            self.stands(it.id(), Relation::LocatedIn, &it.fault_domains);
            self.stands(it.id(), Relation::StoredOn, &it.reach.storage);
            self.stands(it.id(), Relation::ConnectedTo, &it.reach.networks);
            if let Some(migration) = &it.migration {
                self.stands(it.id(), Relation::ConnectedTo, &migration.network);
            }
            for interface in &it.management_interfaces {
                self.stands(it.id(), Relation::ConnectedTo, &interface.networks);
            }
        }
    }

    fn guests(&mut self, fleet: &'a Fleet) {
        for it in &fleet.vms {
            self.stands(it.id(), Relation::HostedOn, &it.host);
            if it.host.is_none() {
                self.stands(it.id(), Relation::MemberOf, &it.cluster);
            }
            self.stands(it.id(), Relation::MadeFrom, &it.image);
            self.stands(it.id(), Relation::StoredOn, &it.storage);
            self.stands(it.id(), Relation::ConnectedTo, &it.networks);
            if let Some(application) = &it.application {
                self.stands(application.as_str(), Relation::ServedBy, [&it.id]);
            }
            if let Some(tenant) = &it.tenant {
                self.stands(tenant.as_str(), Relation::Owns, [&it.id]);
            }
            if let (Some(tenant), Some(node)) = (&it.tenant, self.index.get(it.id())) {
                self.tenants.insert(*node, tenant);
            }
        }
        for it in &fleet.images {
            if let Some(tenant) = &it.tenant {
                self.stands(tenant.as_str(), Relation::Owns, [&it.id]);
            }
        }
        for it in &fleet.applications {
            self.stands(it.id(), Relation::DependsOn, &it.depends_on);
            if let Some(tenant) = &it.tenant {
                self.stands(tenant.as_str(), Relation::Owns, [&it.id]);
            }
        }
    }

    fn carriers(&mut self, fleet: &'a Fleet) {
        let mut users: FxHashMap<&str, Vec<u32>> = FxHashMap::default();
        let hosts = fleet.hosts.iter().map(|it| (it.id(), &it.component_sets[..], it.components.as_ref()));
        let vms = fleet.vms.iter().map(|it| (it.id(), &it.component_sets[..], it.components.as_deref()));
        let images = fleet.images.iter().map(|it| (it.id(), &it.component_sets[..], it.components.as_ref()));
        let planes = fleet
            .management_planes
            .iter()
            .map(|it| (it.id(), &it.component_sets[..], it.components.as_ref()));
        let storage = fleet.storage.iter().map(|it| (it.id(), &[][..], it.components.as_ref()));
        let witnesses = fleet.witnesses.iter().map(|it| (it.id(), &[][..], it.components.as_ref()));
        for (id, sets, own) in hosts.chain(vms).chain(images).chain(planes).chain(storage).chain(witnesses) {
            let Some(node) = self.index.get(id).copied() else { continue };
            for set in sets {
                users.entry(set.as_str()).or_default().push(node);
            }
            self.note(own, |it| it.nodes.push(node));
        }
        for (id, set) in &fleet.component_sets {
            self.note(Some(set), |it| it.sets.push(id));
        }
        for versions in self.components.values_mut() {
            for carriers in versions.values_mut() {
                let by_set = carriers.sets.iter().filter_map(|id| users.get(id.as_str())).flatten();
                carriers.nodes.extend(by_set);
                carriers.nodes.sort_unstable();
                carriers.nodes.dedup();
                carriers.sets = Vec::new();
            }
        }
    }

    /// Notes a carrier under the names of its installed components and their source packages.
    fn note(&mut self, set: Option<&'a ComponentSet>, mut add: impl FnMut(&mut Carriers<'a>)) {
        for component in set.into_iter().flat_map(|it| &it.components) {
            let version = component.version.as_str();
            add(self.components.entry(&component.name).or_default().entry(version).or_default());
            if let Some(source) = component.source.as_ref().filter(|it| it.name != component.name) {
                let version = source.version.as_deref().unwrap_or(version);
                add(self.components.entry(&source.name).or_default().entry(version).or_default());
            }
        }
    }

    /// What stands on `at`, and what it stands on. `at` is an element's id or the name of a component or source
    /// package, optionally with its version: `qemu`, `qemu@1:7.2`, `qemu=1:7.2`. An id goes before a component.
    ///
    /// # Errors
    /// [`RippleError::Unknown`] for an id or component that the fleet does not have.
    pub fn ripple(&self, at: &str) -> Result<Ripple, RippleError> {
        let (starts, component) = match self.index.get(at) {
            Some(node) => (vec![*node], false),
            None => (self.carrying(at).ok_or_else(|| self.unknown(at))?, true),
        };
        let above = self.reach(&starts, &self.above);
        let below = self.reach(&starts, &self.below);
        let mut counts: BTreeMap<Option<&TenantId>, usize> = BTreeMap::new();
        for node in starts.iter().chain(above.iter().map(|it| &it.0)) {
            if matches!(self.nodes.get(*node as usize), Some((NodeKind::Vm, _))) {
                *counts.entry(self.tenants.get(node).copied()).or_default() += 1;
            }
        }
        let carriers = starts.iter().filter(|_| component).map(|node| (*node, 0, Relation::Carries));
        Ok(Ripple {
            at: at.to_owned(),
            above: self.named(carriers.chain(above)),
            below: self.named(below),
            tenants: counts
                .into_iter()
                .map(|(tenant, vms)| TenantVms { tenant: tenant.cloned(), vms })
                .collect(),
        })
    }

    fn carrying(&self, at: &str) -> Option<Vec<u32>> {
        if let Some(versions) = self.components.get(at) {
            let mut nodes: Vec<u32> = versions.values().flat_map(|it| &it.nodes).copied().collect();
            nodes.sort_unstable();
            nodes.dedup();
            return Some(nodes);
        }
        // A name may have the separator in it (`@scope/name`): every split is tried.
        at.match_indices(['@', '=']).find_map(|(cut, _)| {
            let carriers = self.components.get(at.get(..cut)?)?.get(at.get(cut + 1..)?)?;
            Some(carriers.nodes.clone())
        })
    }

    /// Everything that the edges lead to from the starts, which are not among it, with the fewest steps.
    fn reach(&self, starts: &[u32], edges: &Edges) -> Vec<(u32, u32, Relation)> {
        let mut seen = vec![false; self.nodes.len()];
        let mut mark = |node: u32| seen.get_mut(node as usize).is_some_and(|it| !std::mem::replace(it, true));
        let mut front: Vec<u32> = starts.iter().copied().filter(|it| mark(*it)).collect();
        let mut reached = Vec::new();
        let mut distance = 0;
        while !front.is_empty() {
            distance += 1;
            let mut next = Vec::new();
            for (to, relation) in front.iter().filter_map(|it| edges.get(*it as usize)).flatten() {
                if mark(*to) {
                    reached.push((*to, distance, *relation));
                    next.push(*to);
                }
            }
            front = next;
        }
        reached
    }

    fn named(&self, reached: impl IntoIterator<Item = (u32, u32, Relation)>) -> Vec<Node> {
        let name = |(node, distance, via): (u32, u32, Relation)| {
            let (kind, id) = self.nodes.get(node as usize)?;
            Some(Node { distance, kind: *kind, id: (*id).to_owned(), via })
        };
        let mut nodes: Vec<Node> = reached.into_iter().filter_map(name).collect();
        nodes.sort_unstable();
        nodes
    }

    fn unknown(&self, at: &str) -> RippleError {
        let asked: Vec<char> = at.chars().take(MAX_ASKED + 1).collect();
        let mut nearest: Vec<(usize, &str)> = Vec::new();
        // A third of the letters may differ; more is another word.
        let mut limit = if asked.len() > MAX_ASKED { 0 } else { asked.len().div_ceil(3) };
        for name in self.nodes.iter().map(|it| it.1).chain(self.components.keys().copied()) {
            if asked.len().abs_diff(name.len()) > limit + name.len() - name.chars().count() {
                continue;
            }
            let distance = edit_distance(&asked, name, limit);
            if distance <= limit && limit > 0 {
                nearest.push((distance, name));
                nearest.sort_unstable();
                nearest.dedup();
                nearest.truncate(MAX_SUGGESTIONS);
                if let (MAX_SUGGESTIONS, Some(worst)) = (nearest.len(), nearest.last()) {
                    limit = worst.0;
                }
            }
        }
        RippleError::Unknown {
            at: at.chars().take(MAX_ASKED).collect(),
            suggestions: nearest.into_iter().map(|it| it.1.to_owned()).collect(),
        }
    }
}

/// Levenshtein distance; anything above `limit` once it is known to be above.
fn edit_distance(left: &[char], right: &str, limit: usize) -> usize {
    let mut row: Vec<usize> = (0..=left.len()).collect();
    for (line, letter) in right.chars().enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        let mut best = last;
        for (cell, other) in row.iter_mut().skip(1).zip(left) {
            let change = diagonal + usize::from(*other != letter);
            diagonal = *cell;
            last = change.min(diagonal + 1).min(last + 1);
            best = best.min(last);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
        if best > limit {
            return best;
        }
    }
    row.last().copied().unwrap_or_default()
}
