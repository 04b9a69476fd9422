//! Management planes of which it is not known on which hosts they run. At worst that is all hosts of the fleet, so that a plane falls with any
//! of them: with no others could it fall more often.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use underpin_model::fleet::ManagementPlane;

use crate::portfolio::{Factor, Gate, HostClass, Impact, Plane, Response, Shock};

/// A plane that says nothing of where it runs.
pub(super) fn is(plane: &ManagementPlane) -> bool {
    plane.runs_on.is_none()
}

/// How likely each cause hits any host of the fleet, as far as a hit gives control of what runs there; `of_host` has each host's class.
/// Hosts that a cause hits count as independent, which they are at most: what they have in common makes a hit of any less likely.
pub(super) fn any_host(classes: &[HostClass], of_host: &[u32], shocks: &[Shock]) -> Vec<Response> {
    let mut sizes = vec![0.0; classes.len()];
    for &class in of_host {
        sizes.get_mut(class as usize).into_iter().for_each(|it| *it += 1.0);
    }
    // Classes that differ in their planes alone share their answers.
    let mut places: FxHashMap<*const Response, usize> = FxHashMap::default();
    let mut sets: Vec<(&[Response], f64)> = Vec::new();
    for (class, size) in classes.iter().zip(sizes) {
        let at = *places.entry(class.responses.as_ptr()).or_insert(sets.len());
        match sets.get_mut(at) {
            Some(known) => known.1 += size,
            None => sets.push((&class.responses, size)),
        }
    }
    let mut spared: BTreeMap<u32, f64> = BTreeMap::new();
    for (responses, hosts) in sets {
        for it in responses {
            let log = (-likely(it, shocks) * it.impact.control()).ln_1p();
            *spared.entry(it.shock).or_default() += hosts * log;
        }
    }
    let any = spared.into_iter().map(|(shock, log)| (shock, -log.exp_m1()));
    any.filter(|it| it.1 > 0.0).map(|(shock, any)| of_any(shock, any)).collect()
}

fn of_any(shock: u32, probability: f64) -> Response {
    let factor = Factor {
        name: "hits any host of the fleet",
        value: probability,
        low: 0.0,
        high: probability,
        parameter: None,
        source: "on which hosts the plane runs is not known".into(),
    };
    Response {
        shock,
        probability,
        left: 1.0,
        gate: None,
        impact: Impact::COMPROMISED,
        factors: [factor].into(),
    }
}

/// Lets a plane fall with hosts as well.
pub(super) fn fall_with(plane: &mut Plane, hosts: &[Response]) {
    for response in hosts {
        match plane.responses.binary_search_by_key(&response.shock, |it| it.shock) {
            Ok(at) => plane.responses.get_mut(at).into_iter().for_each(|it| add(it, response)),
            Err(at) => plane.responses.insert(at, response.clone()),
        }
    }
}

/// Either of two answers to one shock, at most.
fn add(own: &mut Response, other: &Response) {
    let sum = own.probability + other.probability;
    own.gate = None;
    own.probability = sum.min(1.0);
    own.left = own.left.max(other.left).max(own.probability);
    own.factors = own.factors.iter().chain(other.factors.iter()).cloned().collect();
}

/// The probability of a response given its shock, whatever its gate does.
pub(super) fn likely(it: &Response, shocks: &[Shock]) -> f64 {
    let left = |gate: Gate| {
        let common = shocks.get(gate.shock as usize).map_or(0.0, |it| it.probability);
        common + (1.0 - common) * gate.otherwise
    };
    it.probability * it.gate.map_or(1.0, left)
}
