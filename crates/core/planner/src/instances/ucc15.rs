//! Migration plans in the format of the UCC 2015 instances (JSON): nodes, VMs, what they need and write, and a plan of
//! migrations with its bandwidths and times.
//!
//! The set of moves and their bandwidths are taken; the plan's times are kept beside them to compare with. Links are not in
//! the files, so they are told apart from it.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use serde::Deserialize;
use serde_json::Value;

use super::{InstanceError, MAX_ELEMENTS};
use crate::migrations::{Load, MOST_AMOUNT, Move, Node, Scheduled};

/// Links of the published instances, in Mbit/s by the order of their nodes' numbers, full duplex.
pub const UCC15_LINKS_MBPS: [u64; 4] = [500, 500, 1000, 1000];

/// Longest time in a plan, in seconds: an error, if it is more.
const MOST_S: u64 = 1 << 30;

/// A migration plan of others, and what is needed to make one's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Ucc15 {
    /// The nodes, by their numbers. Slots are not limited.
    pub nodes: Vec<Node>,
    /// The number of each node in the file.
    pub node_numbers: Vec<u32>,
    /// The moves, in the order of the file. [`Move::vm`] is the number in the file; none is faster than the plan has it.
    pub moves: Vec<Move>,
    /// What the plan of others does with each, without rounds and blackout.
    pub theirs: Vec<Scheduled>,
}

impl Ucc15 {
    /// When the last move of their plan ends.
    #[must_use]
    pub fn their_makespan_ms(&self) -> u64 {
        self.theirs.iter().map(|it| it.end_ms).max().unwrap_or(0)
    }
}

#[derive(Deserialize)]
struct Raw {
    origin: Origin,
    actions: Vec<Value>,
}

#[derive(Deserialize)]
struct Origin {
    mapping: Mapping,
    attributes: Attributes,
    #[serde(default)]
    views: Vec<View>,
}

#[derive(Deserialize)]
struct Mapping {
    #[serde(rename = "onlineNodes")]
    nodes: BTreeMap<String, Held>,
}

#[derive(Deserialize)]
struct Held {
    #[serde(rename = "runningVMs")]
    running: Vec<u32>,
}

#[derive(Deserialize)]
struct Attributes {
    vms: BTreeMap<String, Writes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Writes {
    mem_used: f64,
    dirty_rate: f64,
    max_dirty_size: f64,
    max_dirty_duration: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    id: String,
    #[serde(default)]
    def_capacity: i64,
    #[serde(default)]
    def_consumption: i64,
    #[serde(default)]
    nodes: BTreeMap<String, i64>,
    #[serde(default)]
    vms: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
struct Migrate {
    vm: u32,
    from: u32,
    to: u32,
    start: u64,
    end: u64,
    bw: u64,
}

/// Reads a plan. `links_mbps` are the links of the nodes in the order of their numbers: [`UCC15_LINKS_MBPS`] for the
/// published instances.
///
/// # Errors
/// The place that is wrong; an action that is no migration; a VM that moves twice; or not one link for each node.
pub fn ucc15(text: &str, links_mbps: &[u64]) -> Result<Ucc15, InstanceError> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| {
        InstanceError::new("the file", error.to_string(), "a migration plan with origin and actions")
    })?;
    let mut reader = Reader::new(&raw.origin, links_mbps)?;
    let mut seen = FxHashSet::default();
    for (at, action) in raw.actions.iter().enumerate() {
        let place = format!("/actions/{at}");
        let kind = action.get("id").and_then(Value::as_str).unwrap_or("no id");
        if kind != "migrateVM" {
            return Err(InstanceError::new(format!("{place}/id"), kind, "migrateVM"));
        }
        let action = Migrate::deserialize(action)
            .map_err(|error| InstanceError::new(&place, error.to_string(), "a migration"))?;
        if !seen.insert(action.vm) {
            let found = format!("VM {} again", action.vm);
            return Err(InstanceError::new(place, found, "one migration of each VM"));
        }
        reader.migrate(&raw.origin, &action, &place)?;
    }
    Ok(reader.plan)
}

struct Reader {
    plan: Ucc15,
    positions: BTreeMap<u32, usize>,
    at: BTreeMap<u32, usize>,
}

impl Reader {
    fn new(origin: &Origin, links_mbps: &[u64]) -> Result<Self, InstanceError> {
        let place = "/origin/mapping/onlineNodes";
        let mut numbers = Vec::new();
        for key in origin.mapping.nodes.keys() {
            let number: Result<u32, _> = key.parse();
            numbers.push(number.map_err(|_| InstanceError::new(place, key, "the number of a node"))?);
        }
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() != origin.mapping.nodes.len() || numbers.len() > MAX_ELEMENTS {
            let expected = format!("each node once, at most {MAX_ELEMENTS}");
            return Err(InstanceError::new(place, format!("{} nodes", origin.mapping.nodes.len()), expected));
        }
        if numbers.len() != links_mbps.len() {
            let expected = format!("the link of each of the {} nodes", numbers.len());
            return Err(InstanceError::new("links", format!("{} links", links_mbps.len()), expected));
        }
        let mut nodes = Vec::with_capacity(numbers.len());
        for (number, link) in numbers.iter().zip(links_mbps) {
            let mut free = Vec::with_capacity(origin.views.len());
            for (at, view) in origin.views.iter().enumerate() {
                if view.id != "shareableResource" {
                    let place = format!("/origin/views/{at}/id");
                    return Err(InstanceError::new(place, &view.id, "shareableResource"));
                }
                free.push(amount(&view.nodes, *number, view.def_capacity, &format!("/origin/views/{at}"))?);
            }
            nodes.push(Node { out_mbps: *link, in_mbps: *link, slots: u32::MAX, free });
        }
        let positions: BTreeMap<u32, usize> = numbers.iter().copied().zip(0..).collect();
        let plan = Ucc15 { nodes, node_numbers: numbers, moves: Vec::new(), theirs: Vec::new() };
        let mut reader = Self { plan, positions, at: BTreeMap::new() };
        for (key, held) in &origin.mapping.nodes {
            // Every key is a number by now.
            let node = key.parse().ok().and_then(|it: u32| reader.positions.get(&it)).copied();
            for vm in &held.running {
                let node = node.filter(|_| !reader.at.contains_key(vm));
                let node = node.ok_or_else(|| {
                    InstanceError::new(format!("{place}/{key}"), format!("VM {vm} twice"), "each VM once")
                })?;
                reader.at.insert(*vm, node);
                for (free, needed) in reader.plan.nodes[node].free.iter_mut().zip(demand(origin, *vm)?) {
                    *free = free.saturating_sub(needed);
                }
            }
        }
        Ok(reader)
    }

    fn migrate(&mut self, origin: &Origin, action: &Migrate, place: &str) -> Result<(), InstanceError> {
        let Migrate { vm, from, to, start, end, bw } = *action;
        let wrong = |field: &str, found: String, expected: &str| {
            Err(InstanceError::new(format!("{place}/{field}"), found, expected))
        };
        let Some(source) = self.positions.get(&from).copied().filter(|it| self.at.get(&vm) == Some(it))
        else {
            return wrong("from", format!("node {from}"), "the node that the VM runs on");
        };
        let Some(target) = self.positions.get(&to).copied().filter(|it| *it != source) else {
            return wrong("to", format!("node {to}"), "another node of the mapping");
        };
        if start >= end || end > MOST_S {
            return wrong("end", format!("{start} s to {end} s"), "an end after the start, within 2^30 s");
        }
        let link = self.plan.nodes[source].out_mbps.min(self.plan.nodes[target].in_mbps);
        if bw == 0 || bw > link {
            let found = format!("{bw} Mbit/s over {link} Mbit/s");
            return wrong("bw", found, "more than 0, and no more than the links of its nodes");
        }
        let Some(writes) = origin.attributes.vms.get(&vm.to_string()) else {
            return wrong("vm", format!("VM {vm}"), "a VM with attributes");
        };
        let load = Load::HotSet {
            memory_mb: writes.mem_used,
            cold_dirty_mb_per_s: writes.dirty_rate,
            hot_set_mb: writes.max_dirty_size,
            hot_set_s: writes.max_dirty_duration,
        };
        self.plan.moves.push(Move {
            vm: usize::try_from(vm).unwrap_or(usize::MAX),
            from: source,
            to: target,
            demand: demand(origin, vm)?,
            load,
            most_mbps: Some(bw),
            ..Move::default()
        });
        let (start_ms, end_ms) = (start * 1000, end * 1000);
        self.plan.theirs.push(Scheduled { start_ms, end_ms, mbps: bw, rounds: None, blackout_ms: None });
        Ok(())
    }
}

/// What a VM needs of each resource.
fn demand(origin: &Origin, vm: u32) -> Result<Vec<i64>, InstanceError> {
    let of = |(at, view): (usize, &View)| {
        amount(&view.vms, vm, view.def_consumption, &format!("/origin/views/{at}"))
    };
    origin.views.iter().enumerate().map(of).collect()
}

fn amount(
    list: &BTreeMap<String, i64>,
    number: u32,
    default: i64,
    place: &str,
) -> Result<i64, InstanceError> {
    let found = list.get(&number.to_string()).copied().unwrap_or(default);
    if (0..=MOST_AMOUNT).contains(&found) {
        return Ok(found);
    }
    let expected = format!("an amount between 0 and {MOST_AMOUNT}");
    Err(InstanceError::new(place, found.to_string(), expected))
}
