//! Hosts of which no management plane is known. At worst they are under one of which nothing is known: it answers to every cause as that
//! known plane does which it hits most often, and to an unlisted hole of its own.

use underpin_model::id::ManagementPlaneId;
use underpin_model::policy::{Parameter, Policy};

use super::anywhere::likely;
use super::hole::Way;
use super::reach::{self, Machine};
use super::shocks::{Shocks, from_parameter};
use super::survey::{HostFacts, Survey, number};
use crate::managed;
use crate::portfolio::{Impact, Plane, Response, Shock};
use crate::ways::Ways;

/// A host of which no plane is known, and not that it has none.
pub(super) fn is(host: &HostFacts<'_>) -> bool {
    host.planes.is_empty() && !managed::by_none(host.host)
}

/// Puts such hosts under a plane of which nothing is known: the last one of the portfolio.
pub(super) fn under_unknown(survey: &mut Survey<'_>) {
    let last = number(survey.planes.len());
    for host in survey.hosts.iter_mut().filter(|it| is(it)) {
        host.planes.push(last);
        survey.under_unknown = true;
    }
}

/// That plane, where hosts are under it.
pub(super) fn unknown_plane(
    survey: &Survey<'_>,
    policy: &Policy,
    shocks: &Shocks,
    known: &[Plane],
) -> Option<Plane> {
    let unlisted = shocks.unlisted_of_unknown_plane?;
    let id = ManagementPlaneId::new(name(survey)).ok()?;
    // Whoever gets to it from outside gets to it: nothing is known of its ways in.
    let (software, controller) = (Ways::default().at_worst(), Ways::default().at_worst());
    let machine = Machine { software, controller, guests: None };
    let reach = reach::factor(Way::Unknown, &machine, &policy.parameters);
    let own = Response {
        shock: unlisted,
        probability: reach.value,
        left: 1.0,
        gate: None,
        impact: Impact::COMPROMISED,
        factors: [reach].into(),
    };
    let takes_host = from_parameter("its fall takes a host", Parameter::PlaneTakesHost, &policy.parameters);
    let mut responses = worst_of(known, &shocks.list);
    responses.push(own);
    responses.sort_by_key(|it| it.shock);
    Some(Plane {
        id,
        responses,
        takes_host: takes_host.value,
        gate: None,
        impact: Impact::COMPROMISED,
        // On any: what that comes to is in its responses.
        runs_on: Vec::new(),
    })
}

/// A name that no plane of the fleet has.
fn name(survey: &Survey<'_>) -> String {
    let mut name = "unknown".to_owned();
    while survey.planes.iter().any(|it| it.id.as_str() == name) {
        name.push('-');
    }
    name
}

/// Of each shock the likeliest response of any plane.
fn worst_of(planes: &[Plane], shocks: &[Shock]) -> Vec<Response> {
    let likely = |it: &Response| likely(it, shocks);
    let mut all: Vec<&Response> = planes.iter().flat_map(|it| &it.responses).collect();
    all.sort_by(|a, b| a.shock.cmp(&b.shock).then_with(|| likely(b).total_cmp(&likely(a))));
    all.dedup_by_key(|it| it.shock);
    all.into_iter().cloned().collect()
}
