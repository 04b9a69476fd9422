//! Management planes of which it is not known on which hosts they run. At worst that is one which every cause hits as often as the host that
//! it hits most often: no host of the fleet takes the plane with it more often than that.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use underpin_model::fleet::ManagementPlane;

use crate::portfolio::{Gate, HostClass, Impact, Plane, Response, Shock};

/// A plane that says nothing of where it runs.
pub(super) fn is(plane: &ManagementPlane) -> bool {
    plane.runs_on.is_none()
}

/// How a host answers that each cause hits as often as any host of the fleet, as far as a hit gives control of what runs there.
pub(super) fn worst_host(classes: &[HostClass], shocks: &[Shock]) -> Vec<Response> {
    let mut sets: Vec<&Arc<[Response]>> = classes.iter().map(|it| &it.responses).collect();
    // Classes that differ in their planes alone share their answers.
    sets.dedup_by_key(|it| Arc::as_ptr(it).cast::<Response>());
    let mut worst: FxHashMap<u32, (f64, &Response)> = FxHashMap::default();
    for response in sets.into_iter().flat_map(|it| it.iter()) {
        let likely = likely(response, shocks) * response.impact.control();
        let known = worst.get(&response.shock).map_or(0.0, |it| it.0);
        if likely > known {
            worst.insert(response.shock, (likely, response));
        }
    }
    let of = |it: &Response| Response {
        probability: it.probability * it.impact.control(),
        impact: Impact::COMPROMISED,
        ..it.clone()
    };
    let mut worst: Vec<Response> = worst.into_values().map(|it| of(it.1)).collect();
    worst.sort_by_key(|it| it.shock);
    worst
}

/// Lets a plane fall with a host as well.
pub(super) fn fall_with(plane: &mut Plane, host: &[Response]) {
    for response in host {
        match plane.responses.binary_search_by_key(&response.shock, |it| it.shock) {
            Ok(at) => plane.responses.get_mut(at).into_iter().for_each(|it| add(it, response)),
            Err(at) => plane.responses.insert(at, response.clone()),
        }
    }
}

/// Either of two answers to one shock, at most: a control is taken to stand before both only where it does.
fn add(own: &mut Response, other: &Response) {
    let sum = own.probability + other.probability;
    if own.gate != other.gate || sum > 1.0 {
        own.gate = None;
    }
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
