//! How likely a host falls by itself, and a management plane by its own ways in and the hosts that it runs on: by the law of the whole
//! portfolio, in which one exploit, one attacker of the day and one failed control stand behind many ways. Taken one by one as
//! independent they come to more than the chance that anything is hit at all.

use rayon::prelude::*;

use super::exact::{MOST_TANGLED, mean_impact};
use super::prepared::{Prepared, impact};
use super::shape::{Shape, Table};
use crate::marginal::mean_greatest;
use crate::portfolio::{HostClass, Impact, Plane, Portfolio, Response, Shock};

/// What hits a host by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct OwnHits {
    /// Mean impact.
    pub(crate) mean: Impact,
    /// Any of them.
    pub(crate) any: f64,
    /// Any that gives control of what runs on the host.
    pub(crate) control: f64,
}

/// Lists that are copied at a time: all at once would be several times the portfolio.
const LISTS_AT_ONCE: usize = 128;

/// Hosts that planes run on that one plane's chance is resolved for.
const HOSTS_OF_A_PLANE: usize = 4;

/// What gives control of the planes on a host, of what hits it.
pub(super) fn controlling(response: &Response) -> Response {
    part(response, response.impact.control())
}

fn part(response: &Response, share: f64) -> Response {
    Response { probability: response.probability * share, left: response.left * share, ..response.clone() }
}

/// What hits a host by itself, for each list of responses.
pub(crate) fn of_lists(portfolio: &Portfolio, lists: &[&[Response]]) -> Vec<OwnHits> {
    lists.par_chunks(LISTS_AT_ONCE).flat_map_iter(|some| of_some(portfolio, some)).collect()
}

fn of_some(portfolio: &Portfolio, lists: &[&[Response]]) -> Vec<OwnHits> {
    let control = |list: &[Response]| list.iter().map(controlling).filter(|it| it.left > 0.0).collect();
    let alone = alone(portfolio, lists.iter().flat_map(|it| [it.to_vec(), control(it)]));
    let prepared = Prepared::new(&alone);
    let table = Table::for_one(&prepared);
    let own = |(at, list): (usize, &&[Response])| {
        let (all, control) = (2 * at, 2 * at + 1);
        match (any(&prepared, all, &table), any(&prepared, control, &table)) {
            (Some(any), Some(control)) => {
                OwnHits { mean: impact(mean_impact(&prepared, all, &table)), any, control }
            }
            _ => as_independent(portfolio, list),
        }
    };
    lists.par_iter().enumerate().map(own).collect()
}

/// How likely each plane falls, through its own ways in and the hosts that it runs on.
pub(crate) fn of_planes(portfolio: &Portfolio) -> Vec<f64> {
    let ways = |plane: &Plane| -> Vec<Response> {
        portfolio.ways_to_fall(plane, None).map(|(response, share)| part(response, share)).collect()
    };
    let alone = alone(portfolio, portfolio.planes.iter().map(ways));
    let prepared = Prepared::new(&alone);
    let table = Table::new(&prepared, 0.25, HOSTS_OF_A_PLANE);
    let falls = |(at, plane): (usize, &Plane)| {
        any(&prepared, at, &table).unwrap_or_else(|| as_independent(portfolio, &ways(plane)).any)
    };
    portfolio.planes.par_iter().enumerate().map(falls).collect()
}

/// The portfolio's causes, and a class for each of these lists, which nothing is above or below.
fn alone(portfolio: &Portfolio, lists: impl Iterator<Item = Vec<Response>>) -> Portfolio {
    let exists = |shock: u32| (shock as usize) < portfolio.shocks.len();
    let sound = |it: &Response| exists(it.shock) && it.gate.is_none_or(|gate| exists(gate.shock));
    let class = |mut list: Vec<Response>| {
        list.retain(sound);
        HostClass { label: String::new(), responses: list.into(), planes: Vec::new() }
    };
    let shock = |it: &Shock| Shock { factors: Vec::new(), cause: it.cause.clone(), ..*it };
    Portfolio {
        horizon_days: portfolio.horizon_days,
        rho: portfolio.rho,
        shocks: portfolio.shocks.iter().map(shock).collect(),
        classes: lists.map(class).collect(),
        ..Portfolio::default()
    }
}

/// Probability that anything hits a class; `None`: too many controls hang together.
fn any(prepared: &Prepared, class: usize, table: &Table<'_>) -> Option<f64> {
    let mut shape = Shape::new(prepared, [(class, 1.0)].into_iter(), |_| true);
    if shape.union.widest() > MOST_TANGLED {
        return None;
    }
    Some(shape.any(table).clamp(0.0, 1.0))
}

/// With nothing in common: what is left where too many controls hang together. It is not less than the truth, for what is common lets
/// hits fall together.
fn as_independent(portfolio: &Portfolio, list: &[Response]) -> OwnHits {
    let hits: Vec<(f64, Impact)> = list.iter().map(|it| (portfolio.marginal(it), it.impact)).collect();
    let any = |share: &dyn Fn(&Impact) -> f64| {
        1.0 - hits.iter().map(|(hit, impact)| 1.0 - hit * share(impact)).product::<f64>()
    };
    OwnHits { mean: mean_greatest(&hits), any: any(&|_| 1.0), control: any(&|it| it.control()) }
}
