//! Classes of hosts that answer alike, and how they answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::policy::{Parameter, Parameters, Policy};

use super::controls::Controls;
use super::derivation::ClassDerivation;
use super::hole::Way;
use super::open::Open;
use super::reach::{self, Machine};
use super::shocks::{Shocks, from_parameter};
use super::survey::{HostFacts, Survey, number};
use crate::portfolio::{Factor, Gate, HostClass, Impact, Response};
use underpin_model::fleet::HardwareClass;

/// What decides how a host answers. Facts that none of its ways asks for are left out, so that hosts which differ in
/// them alone share a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    set: Option<u32>,
    machine: Machine,
    controls: u32,
    /// Which of the sets of releases runs.
    releases: Option<u32>,
    unlisted: Option<u32>,
}

/// A way as it is open on the machines of a class.
#[derive(Clone)]
pub(super) struct Passage {
    probability: f64,
    /// What of it controls leave that fail host by host.
    left: f64,
    gate: Option<Gate>,
    factors: Arc<[Factor]>,
}

/// The classes of a fleet.
#[derive(Debug, Default)]
pub(super) struct Classes {
    pub(super) list: Vec<HostClass>,
    pub(super) derivations: Vec<ClassDerivation>,
    /// Class of each host.
    pub(super) of_host: Vec<u32>,
}

/// What answers depend on besides the host.
pub(super) struct Answering<'a> {
    pub(super) policy: &'a Policy,
    pub(super) survey: &'a Survey<'a>,
    pub(super) open: &'a Open,
    pub(super) controls: &'a Controls<'a>,
    pub(super) shocks: &'a Shocks,
}

impl Answering<'_> {
    pub(super) fn classes(&self) -> Classes {
        let mut classes = Classes::default();
        let keys: Vec<Key> =
            self.survey.hosts.iter().enumerate().map(|(at, facts)| self.key(at, facts)).collect();
        // Classes that differ in their planes alone share their answers: there may be a plane per cluster.
        let distinct: Vec<Key> = keys.iter().copied().collect::<FxHashSet<Key>>().into_iter().collect();
        let answers: FxHashMap<Key, Arc<[Response]>> = distinct
            .into_par_iter()
            .map(|key| (key, self.responses(&key)))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        // What planes run on is hit together with them, and is alike to no other host.
        let carries: FxHashSet<u32> = self.survey.runs_on.iter().flatten().copied().collect();
        let mut known: FxHashMap<(Key, &[u32], Option<u32>), u32> = FxHashMap::default();
        for ((facts, key), at) in self.survey.hosts.iter().zip(keys).zip(0..) {
            let itself = carries.contains(&at).then_some(at);
            let class = *known.entry((key, &facts.planes, itself)).or_insert_with(|| {
                let responses = answers.get(&key).map_or_else(|| self.responses(&key), Arc::clone);
                let planes = facts.planes.clone();
                classes.list.push(HostClass { label: label(facts), responses, planes });
                classes.derivations.push(self.derivation(&key, facts));
                number(classes.list.len() - 1)
            });
            classes.of_host.push(class);
            if let Some(derivation) = classes.derivations.get_mut(class as usize) {
                derivation.hosts += 1;
            }
        }
        classes
    }

    fn key(&self, at: usize, facts: &HostFacts<'_>) -> Key {
        let set = self.open.of_host.get(at).copied().flatten();
        let unlisted = self.shocks.unlisted_of_host.get(at).copied().flatten();
        let ways = set.and_then(|it| self.open.sets.get(it as usize)).map(|it| &it.ways);
        let uses =
            |way| (way == Way::Unknown && unlisted.is_some()) || ways.is_some_and(|it| it.contains(&way));
        Key {
            set,
            machine: self.survey.machine(facts).asked_by(uses),
            controls: self.controls.of_host.get(at).copied().unwrap_or(0),
            releases: self.shocks.releases_of_host.get(at).copied().flatten(),
            unlisted,
        }
    }

    fn responses(&self, key: &Key) -> Arc<[Response]> {
        let mut passages = Passages::new(&key.machine, key.controls, self.controls, &self.policy.parameters);
        let set = key.set.and_then(|it| self.open.sets.get(it as usize));
        let holes = set.map_or(&[][..], |it| &it.holes);
        let mut responses = Vec::with_capacity(holes.len() + 4);
        for hole in holes {
            push(&mut responses, hole.shock, passages.get(hole.way), hole.impact);
        }
        if let Some(shock) = key.unlisted {
            push(&mut responses, shock, passages.get(Way::Unknown), Impact::COMPROMISED);
        }
        self.others(key, &mut responses);
        responses.sort_by_key(|it| it.shock);
        responses.into()
    }

    fn derivation(&self, key: &Key, facts: &HostFacts<'_>) -> ClassDerivation {
        let guests = self.survey.machine(facts).guests.unwrap_or_default();
        ClassDerivation {
            hosts: 0,
            example: facts.host.id.clone(),
            guests: guests.on + guests.perhaps,
            guests_perhaps: guests.perhaps,
            ways: format!("{}; management controller: {}", facts.software.words(), facts.controller.words()),
            controls: self.controls.set(key.controls).map(|it| it.control.id.clone()).collect(),
        }
    }

    /// Answers to what is no hole: a bad release, attacked controls, abused credentials of Underpin.
    fn others(&self, key: &Key, responses: &mut Vec<Response>) {
        let parameters = &self.policy.parameters;
        let of_parameter = |name, parameter| {
            let factor = from_parameter(name, parameter, parameters);
            Passage { probability: factor.value, left: 1.0, gate: None, factors: [factor].into() }
        };
        let releases = key.releases.and_then(|it| self.shocks.release_sets.get(it as usize));
        for shock in releases.into_iter().flatten().copied() {
            let Some(hit) = self.shocks.hit_by_release.get(&shock) else { continue };
            let hit =
                Passage { probability: hit.value, left: 1.0, gate: None, factors: [hit.clone()].into() };
            let impact = Impact { host_down: 1.0, ..Impact::default() };
            push(responses, shock, &hit, impact);
        }
        for standing in self.controls.set(key.controls) {
            if let Some(shock) = standing.attacked {
                push(responses, shock, &certain(&standing.control.id), Impact::COMPROMISED);
            }
        }
        let taken = of_parameter("credentials take a host", Parameter::PlaneTakesHost);
        push(responses, self.shocks.underpin, &taken, Impact::COMPROMISED);
    }
}

/// An attack on a control's own code hits everything behind it at once: the same code stands everywhere.
pub(super) fn certain(control: &str) -> Passage {
    let factor = Factor {
        name: "hit with the control",
        value: 1.0,
        low: 1.0,
        high: 1.0,
        parameter: None,
        source: format!("control {control}: the same code stands before every machine").into(),
    };
    Passage { probability: 1.0, left: 1.0, gate: None, factors: [factor].into() }
}

/// The ways of one class, each worked out once.
pub(super) struct Passages<'a> {
    machine: &'a Machine,
    set: u32,
    controls: &'a Controls<'a>,
    parameters: &'a Parameters,
    known: BTreeMap<Way, Passage>,
}

impl<'a> Passages<'a> {
    pub(super) fn new(
        machine: &'a Machine,
        set: u32,
        controls: &'a Controls<'a>,
        parameters: &'a Parameters,
    ) -> Self {
        Self { machine, set, controls, parameters, known: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, way: Way) -> &Passage {
        self.known.entry(way).or_insert_with(|| {
            let (gate, others) = self.controls.leave(self.set, way);
            let reach = reach::factor(way, self.machine, self.parameters);
            let left: f64 = others.iter().map(|it| it.value).product();
            let factors: Vec<Factor> = [reach].into_iter().chain(others).collect();
            Passage {
                probability: factors.iter().map(|it| it.value).product(),
                left,
                gate,
                factors: factors.into(),
            }
        })
    }
}

impl Passage {
    /// The same passage with one factor more.
    pub(super) fn times(&self, factor: Factor) -> Self {
        Self {
            probability: self.probability * factor.value,
            left: self.left,
            gate: self.gate,
            factors: self.factors.iter().cloned().chain([factor]).collect(),
        }
    }
}

/// Adds a response, unless it can cost nothing.
pub(super) fn push(responses: &mut Vec<Response>, shock: u32, passage: &Passage, impact: Impact) {
    if passage.probability > 0.0 && impact != Impact::default() {
        responses.push(Response {
            shock,
            probability: passage.probability,
            left: passage.left,
            gate: passage.gate,
            impact,
            factors: Arc::clone(&passage.factors),
        });
    }
}

fn label(facts: &HostFacts<'_>) -> String {
    let part = |it: Option<&str>| it.unwrap_or("?").to_owned();
    let platform = facts.host.platform.as_ref().map_or_else(
        || "unknown platform".to_owned(),
        |it| format!("{} {}", it.family, part(it.release.as_deref().or(it.train.as_deref()))),
    );
    format!("{platform}, {}, as {}", HardwareClass::of(facts.host), facts.host.id)
}
