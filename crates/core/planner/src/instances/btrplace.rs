//! BtrPlace instances (JSON): nodes with running and ready VMs, resources as views, and constraints.
//!
//! Views give the demand as it is now; `preserve` (what a VM shall get) is not applied. A constraint or a resource that is
//! not known is refused: a plan that ignores it would be wrong.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use underpin_model::fleet::{
    Affinity, AffinityKind, AmongParts, Fleet, Planning, PowerState, Seen, Strength,
};
use underpin_model::id::ClusterId;

use super::{InstanceError, cluster, host, plannable, too_many, vm};

#[derive(Deserialize)]
struct Raw {
    model: Model,
    #[serde(default)]
    constraints: Vec<Constraint>,
}

#[derive(Deserialize)]
struct Model {
    mapping: Mapping,
    #[serde(default)]
    views: Vec<View>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    #[serde(default, rename = "readyVMs")]
    ready_vms: Vec<u32>,
    online_nodes: BTreeMap<String, Node>,
    #[serde(default)]
    offline_nodes: Vec<u32>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default, rename = "runningVMs")]
    running: Vec<u32>,
    #[serde(default, rename = "sleepingVMs")]
    sleeping: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    id: String,
    #[serde(default)]
    rc_id: String,
    #[serde(default)]
    def_capacity: u32,
    #[serde(default)]
    def_consumption: u32,
    #[serde(default)]
    nodes: BTreeMap<String, u32>,
    #[serde(default)]
    vms: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct Constraint {
    id: String,
    #[serde(default)]
    node: Option<u32>,
    #[serde(default)]
    vm: Option<u32>,
    #[serde(default)]
    vms: Vec<u32>,
    #[serde(default)]
    parts: Vec<Vec<u32>>,
}

/// Reads an instance. Nodes and VMs are in the order of their numbers.
///
/// # Errors
/// The place that is wrong, or the constraint or resource that is not known.
pub fn btrplace(text: &str, name: &str, seen: Seen) -> Result<Fleet, InstanceError> {
    let raw: Raw = serde_json::from_str(text)
        .map_err(|error| InstanceError::new("the file", error.to_string(), "a BtrPlace instance"))?;
    let mut reader = Reader {
        fleet: Fleet::new(name, seen),
        hosts: FxHashMap::default(),
        vms: FxHashMap::default(),
        planning: Planning::default(),
        part_names: FxHashMap::default(),
    };
    let pool = cluster(&mut reader.fleet, "cluster")?;
    reader.nodes(&raw.model.mapping, &pool)?;
    reader.guests(&raw.model.mapping, &pool)?;
    for (at, view) in raw.model.views.iter().enumerate() {
        reader.view(view, at)?;
    }
    // Exact repetitions occur and say nothing new.
    let mut spread: FxHashSet<&[u32]> = FxHashSet::default();
    let mut running: FxHashSet<u32> = FxHashSet::default();
    for (at, constraint) in raw.constraints.iter().enumerate() {
        match constraint.id.as_str() {
            "spread" if !spread.insert(&constraint.vms) => {}
            "running" => running.extend(constraint.vm),
            _ => reader.constraint(constraint, at)?,
        }
    }
    for id in &raw.model.mapping.ready_vms {
        if let Some(vm) = reader.vms.get(id).and_then(|at| reader.fleet.vms.get_mut(*at)) {
            vm.power = Some(if running.contains(id) { PowerState::On } else { PowerState::Off });
        }
    }
    reader.fleet.planning = Some(reader.planning);
    Ok(plannable(reader.fleet))
}

struct Reader {
    fleet: Fleet,
    hosts: FxHashMap<u32, usize>,
    vms: FxHashMap<u32, usize>,
    planning: Planning,
    part_names: FxHashMap<Vec<u32>, String>,
}

impl Reader {
    fn nodes(&mut self, mapping: &Mapping, pool: &ClusterId) -> Result<(), InstanceError> {
        too_many("onlineNodes", mapping.online_nodes.len() + mapping.offline_nodes.len())?;
        let mut nodes: Vec<(u32, bool)> = mapping.offline_nodes.iter().map(|id| (*id, true)).collect();
        for key in mapping.online_nodes.keys() {
            nodes.push((number(key, "/model/mapping/onlineNodes")?, false));
        }
        nodes.sort_unstable();
        for (id, off) in nodes {
            let mut host = host(&format!("node-{id}"), pool, None, None)?;
            host.maintenance = off.then_some(true);
            if self.hosts.insert(id, self.fleet.hosts.len()).is_some() {
                return Err(InstanceError::new(
                    "/model/mapping",
                    format!("node {id} twice"),
                    "each node once",
                ));
            }
            self.fleet.hosts.push(host);
        }
        Ok(())
    }

    fn guests(&mut self, mapping: &Mapping, pool: &ClusterId) -> Result<(), InstanceError> {
        let mut guests: Vec<(u32, Option<usize>, Option<PowerState>)> =
            mapping.ready_vms.iter().map(|id| (*id, None, None)).collect();
        for (key, node) in &mapping.online_nodes {
            let at = self.hosts.get(&number(key, "/model/mapping/onlineNodes")?).copied();
            guests.extend(node.running.iter().map(|id| (*id, at, Some(PowerState::On))));
            guests.extend(node.sleeping.iter().map(|id| (*id, at, Some(PowerState::Suspended))));
        }
        too_many("VMs", guests.len())?;
        guests.sort_unstable();
        for (id, at, power) in guests {
            let on = at.and_then(|at| self.fleet.hosts.get(at));
            let mut vm = vm(&format!("vm-{id}"), on, pool)?;
            vm.power = power;
            if self.vms.insert(id, self.fleet.vms.len()).is_some() {
                return Err(InstanceError::new("/model/mapping", format!("VM {id} twice"), "each VM once"));
            }
            self.fleet.vms.push(vm);
        }
        Ok(())
    }

    fn view(&mut self, view: &View, at: usize) -> Result<(), InstanceError> {
        if view.id == "ns" {
            return Ok(());
        }
        let place = format!("/model/views/{at}");
        let memory = match view.rc_id.as_str() {
            "memory" => true,
            "uCpu" => false,
            other => {
                return Err(InstanceError::new(place, other, "the resource memory or uCpu, or names (ns)"));
            }
        };
        let value = |list: &BTreeMap<String, u32>, id: &str, default: u32| {
            let number = id.rsplit('-').next().unwrap_or_default();
            list.get(number).copied().unwrap_or(default)
        };
        for host in &mut self.fleet.hosts {
            let amount = value(&view.nodes, host.id.as_str(), view.def_capacity);
            let capacity = host.capacity.get_or_insert_default();
            if memory {
                capacity.memory_mib = Some(u64::from(amount));
            } else {
                capacity.vcpus = Some(amount);
            }
        }
        for vm in &mut self.fleet.vms {
            let amount = value(&view.vms, vm.id.as_str(), view.def_consumption);
            if memory {
                vm.memory_mib = Some(u64::from(amount));
            } else {
                vm.vcpus = Some(amount);
            }
        }
        Ok(())
    }

    fn constraint(&mut self, constraint: &Constraint, at: usize) -> Result<(), InstanceError> {
        let place = format!("/constraints/{at}");
        let vms = || -> Result<Vec<_>, InstanceError> {
            let found = |id: &u32| {
                let vm = self.vms.get(id).and_then(|at| self.fleet.vms.get(*at));
                vm.map(|it| it.id.clone()).ok_or_else(|| {
                    InstanceError::new(place.clone(), format!("VM {id}"), "a VM of the mapping")
                })
            };
            constraint.vms.iter().map(found).collect()
        };
        match constraint.id.as_str() {
            // What is on stays on; demand is what views tell now.
            "online" | "running" | "preserve" => {}
            "offline" => {
                let host = constraint.node.and_then(|id| self.hosts.get(&id));
                if let Some(host) = host.and_then(|at| self.fleet.hosts.get_mut(*at)) {
                    host.maintenance = Some(true);
                }
            }
            "spread" => {
                let vms = vms()?;
                let (kind, strength) = (AffinityKind::Apart, Strength::Must);
                self.fleet.affinities.push(Affinity { kind, strength, vms, hosts: Vec::new() });
            }
            "among" => {
                let vms = vms()?;
                let parts: Result<Vec<String>, InstanceError> =
                    constraint.parts.iter().map(|nodes| self.part(nodes, &place)).collect();
                let among = AmongParts { vms, parts: parts? };
                self.planning.among.push(among);
            }
            other => {
                let known = "online, offline, running, preserve, spread or among";
                return Err(InstanceError::new(place, other, known));
            }
        }
        Ok(())
    }

    /// The name of a part; equal parts have one name.
    fn part(&mut self, nodes: &[u32], place: &str) -> Result<String, InstanceError> {
        if let Some(name) = self.part_names.get(nodes) {
            return Ok(name.clone());
        }
        let name = format!("part-{:03}", self.part_names.len());
        let mut hosts = Vec::with_capacity(nodes.len());
        for id in nodes {
            let host = self.hosts.get(id).and_then(|at| self.fleet.hosts.get(*at));
            let host =
                host.ok_or_else(|| InstanceError::new(place, format!("node {id}"), "a node of the mapping"))?;
            hosts.push(host.id.clone());
        }
        self.planning.parts.insert(name.clone(), hosts);
        self.part_names.insert(nodes.to_vec(), name.clone());
        Ok(name)
    }
}

fn number(key: &str, place: &str) -> Result<u32, InstanceError> {
    key.parse().map_err(|_| InstanceError::new(place, key, "the number of a node"))
}
