//! How likely a host falls by itself, and a management plane by its own ways in and the hosts that it runs on: by the law of the whole
//! portfolio, in which one exploit, one attacker of the day and one failed control stand behind many ways. Taken one by one as
//! independent they come to more than the chance that anything is hit at all.

use rayon::prelude::*;

use super::exact::{MOST_TANGLED, mean_impact};
use super::prepared::{Prepared, impact};
use super::shape::{Shape, Table};
use crate::marginal::mean_greatest;
use crate::portfolio::{HostClass, Impact, Portfolio, Response};

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
    let control = |list: &[Response]| list.iter().map(controlling).filter(|it| it.left > 0.0).collect();
    let asked: Vec<Vec<Response>> = lists.iter().flat_map(|it| [it.to_vec(), control(it)]).collect();
    let alone = alone(portfolio, &asked);
    let prepared = Prepared::new(&alone);
    let table = Table::for_one(&prepared);
    let own = |at: usize| {
        let (all, control) = (2 * at, 2 * at + 1);
        match (any(&prepared, all, &table), any(&prepared, control, &table)) {
            (Some(any), Some(control)) => {
                OwnHits { mean: impact(mean_impact(&prepared, all, &table)), any, control }
            }
            _ => as_independent(portfolio, lists.get(at).copied().unwrap_or_default()),
        }
    };
    (0..lists.len()).into_par_iter().map(own).collect()
}

/// How likely each plane falls, through its own ways in and the hosts that it runs on.
pub(crate) fn of_planes(portfolio: &Portfolio) -> Vec<f64> {
    let ways = |it| portfolio.ways_to_fall(it, None).map(|(response, share)| part(response, share)).collect();
    let asked: Vec<Vec<Response>> = portfolio.planes.iter().map(ways).collect();
    let alone = alone(portfolio, &asked);
    let prepared = Prepared::new(&alone);
    let table = Table::new(&prepared, 0.25, HOSTS_OF_A_PLANE);
    let falls = |(at, ways): (usize, &Vec<Response>)| {
        any(&prepared, at, &table).unwrap_or_else(|| as_independent(portfolio, ways).any)
    };
    asked.par_iter().enumerate().map(falls).collect()
}

/// The portfolio's causes, and a class for each of these lists, which nothing is above or below.
fn alone(portfolio: &Portfolio, lists: &[Vec<Response>]) -> Portfolio {
    let exists = |shock: u32| (shock as usize) < portfolio.shocks.len();
    let sound = |it: &&Response| exists(it.shock) && it.gate.is_none_or(|gate| exists(gate.shock));
    let class = |list: &Vec<Response>| HostClass {
        label: String::new(),
        responses: list.iter().filter(sound).cloned().collect(),
        planes: Vec::new(),
    };
    Portfolio {
        horizon_days: portfolio.horizon_days,
        rho: portfolio.rho,
        shocks: portfolio.shocks.clone(),
        classes: lists.iter().map(class).collect(),
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
