//! Plans of small clusters with targets that nobody would choose. Where hosts find no room, what stands in their way was often put there
//! for the sake of another one, by an earlier stage even: that shows only when all of it is planned, so that whole plans are tried.

use std::collections::{BTreeMap, BTreeSet};

use super::best::found;
use super::drive::{Driven, Way};
use super::facts::Facts;
use super::leave::mixed;
use super::search::Worth;
use super::stage::placed_out;
use super::{PlanError, Request};
use underpin_model::plan::Outcome;

/// Hosts of a cluster in which guests are sent where nobody would choose, at most: who stands where decides in small ones.
pub(super) const MOST_IN_CLUSTER: usize = 16;
/// Hosts of a fleet of which whole plans are tried, at most.
pub(super) const MOST_IN_FLEET: usize = 64;
/// One whole plan for so many evaluations.
const EVALUATIONS: u64 = 4;
/// Evaluations of each of these plans, at most: their number grows with those of the request, and the work would with its square.
const EVALUATIONS_OF_ONE: u64 = 64;
/// Tells the dice of whole plans from those of stages.
const DICE: u64 = 0x5ca7_7e25;

/// Dice of clusters whose hosts come in any order, and whose guests go where the dice say.
pub(super) type Salts = BTreeMap<u32, u64>;

/// The plan, or a better one in which clusters that are stuck are shaken, one after the other. A plan that follows another one keeps its order.
pub(super) fn improved<'a>(
    request: &Request<'a>,
    facts: &Facts<'a>,
    (worth, driven): (Worth, Driven),
    way: Way<'_>,
) -> Result<Driven, PlanError> {
    let mut best = (worth, driven);
    if (way.keeps && request.parent.is_some()) || facts.hosts.len() > MOST_IN_FLEET {
        return Ok(best.1);
    }
    let mut salts = Salts::new();
    let each = Request { evaluations: request.evaluations.min(EVALUATIONS_OF_ONE), ..*request };
    for round in 0..request.evaluations / EVALUATIONS {
        let stuck = stuck(facts, &best.1);
        let Some(cluster) = stuck.get(round as usize % stuck.len().max(1)) else { break };
        let mut next = salts.clone();
        next.insert(*cluster, mixed(request.seed ^ mixed(DICE ^ round)));
        let it = found(&each, facts, Way { salts: Some(&next), sequence: None, ..way })?;
        if it.0.better(&best.0) {
            best = (it.0, it.1);
            salts = next;
        }
    }
    Ok(best.1)
}

/// Small clusters with hosts that other targets of guests may help.
fn stuck(facts: &Facts<'_>, driven: &Driven) -> Vec<u32> {
    let blocked = driven.fates.iter().filter(|it| it.1.outcome == Some(Outcome::Blocked));
    let blocked = blocked.filter(|it| it.1.reasons.iter().any(placed_out));
    let hosts = blocked.filter_map(|it| facts.host(it.0.as_str()));
    let clusters: BTreeSet<u32> = hosts.map(|it| facts.hosts[it as usize].cluster).collect();
    let is_small = |it: &u32| facts.clusters[*it as usize].hosts.len() <= MOST_IN_CLUSTER;
    clusters.into_iter().filter(is_small).collect()
}
