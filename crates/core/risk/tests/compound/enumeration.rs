//! The model by brute force: every state of shocks, planes and hosts, Simpson's rule over the factor. Written from the
//! description of the model alone.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, Normal};
use underpin_risk::portfolio::{Cause, Impact, Portfolio, Response};

/// What may come out: hosts and guests hit, tenants hit as bits, twice the loss (losses are halves here).
pub(crate) type Outcome = (u64, u64, u64, u64);

/// The law of the outcome.
pub(crate) type Law = BTreeMap<Outcome, f64>;

struct World<'a> {
    portfolio: &'a Portfolio,
    happens: Vec<bool>,
    z: f64,
}

impl World<'_> {
    fn hit(&self, response: &Response) -> f64 {
        let shock = response.shock as usize;
        if !self.happens[shock] {
            return 0.0;
        }
        let exploit = matches!(self.portfolio.shocks[shock].cause, Cause::Exploit { .. });
        let (p, rho) = (response.probability, self.portfolio.rho);
        let strong = if exploit && rho > 0.0 && p > 0.0 && p < 1.0 {
            let normal = Normal::new(0.0, 1.0).unwrap();
            normal.cdf((normal.inverse_cdf(p) - rho.sqrt() * self.z) / (1.0 - rho).sqrt())
        } else {
            p
        };
        match response.gate {
            Some(gate) if !self.happens[gate.shock as usize] => strong * gate.otherwise,
            _ => strong,
        }
    }

    fn plane_falls(&self, plane: usize) -> f64 {
        1.0 - self.portfolio.planes[plane].responses.iter().map(|it| 1.0 - self.hit(it)).product::<f64>()
    }
}

/// Every state of so many things, each `true` with its probability.
fn states(probabilities: &[f64]) -> Vec<(Vec<bool>, f64)> {
    let mut all = vec![(Vec::new(), 1.0)];
    for &p in probabilities {
        all = all
            .into_iter()
            .flat_map(|(state, weight): (Vec<bool>, f64)| {
                [(true, p), (false, 1.0 - p)].map(|(one, share)| {
                    let mut state = state.clone();
                    state.push(one);
                    (state, weight * share)
                })
            })
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
    }
    all
}

/// How a host that planes run on is hit by itself: the impacts of its hits, and whether one gave control.
#[derive(Clone)]
struct Carrier {
    host: usize,
    hits: Vec<Impact>,
    control: bool,
    weight: f64,
}

/// In which ways that may come.
fn by_itself(world: &World<'_>, host: usize) -> Vec<Carrier> {
    let portfolio = world.portfolio;
    let responses = &portfolio.classes[portfolio.hosts[host].class as usize].responses;
    let odds: Vec<f64> = responses.iter().map(|it| world.hit(it)).collect();
    let mut all = Vec::new();
    for (state, weight) in states(&odds) {
        let hits = responses.iter().zip(&state).filter(|(_, hits)| **hits).map(|(it, _)| it.impact);
        let hits: Vec<Impact> = hits.collect();
        let none: f64 = hits.iter().map(|it| 1.0 - it.integrity.max(0.5 * it.confidentiality)).product();
        for (control, share) in [(true, 1.0 - none), (false, none)] {
            if share > 0.0 {
                all.push(Carrier { host, hits: hits.clone(), control, weight: weight * share });
            }
        }
    }
    all
}

/// Every way in which all hosts that planes run on are hit by themselves.
fn carriers(world: &World<'_>) -> Vec<Vec<Carrier>> {
    let mut hosts: Vec<u32> =
        world.portfolio.planes.iter().flat_map(|it| it.runs_on.iter().copied()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let mut all = vec![Vec::new()];
    for host in hosts {
        let ways = by_itself(world, host as usize);
        all = all
            .into_iter()
            .flat_map(|before: Vec<Carrier>| {
                ways.iter().map(move |way| before.iter().chain([way]).cloned().collect()).collect::<Vec<_>>()
            })
            .collect();
    }
    all
}

/// The law of what a host adds.
fn host(world: &World<'_>, fallen: &[bool], carriers: &[Carrier], at: usize) -> Law {
    let portfolio = world.portfolio;
    let line = &portfolio.hosts[at];
    let class = &portfolio.classes[line.class as usize];
    let mut ways: Vec<(f64, Impact)> = match carriers.iter().find(|it| it.host == at) {
        Some(carrier) => carrier.hits.iter().map(|it| (1.0, *it)).collect(),
        None => class.responses.iter().map(|it| (world.hit(it), it.impact)).collect(),
    };
    for &plane in class.planes.iter().filter(|&&plane| fallen[plane as usize]) {
        let plane = &portfolio.planes[plane as usize];
        let left = match plane.gate {
            Some(gate) if !world.happens[gate.shock as usize] => gate.otherwise,
            _ => 1.0,
        };
        ways.push((plane.takes_host * left, plane.impact));
    }
    ways.retain(|way| way.0 > 0.0);
    let mut law = Law::new();
    for (state, weight) in states(&ways.iter().map(|way| way.0).collect::<Vec<_>>()) {
        let mut impact = Impact::default();
        for (_, (_, one)) in state.iter().zip(&ways).filter(|(hits, _)| **hits) {
            impact.confidentiality = impact.confidentiality.max(one.confidentiality);
            impact.integrity = impact.integrity.max(one.integrity);
            impact.availability = impact.availability.max(one.availability);
            impact.host_down = impact.host_down.max(one.host_down);
        }
        let mut outcome = (0, 0, 0, 0);
        if state.contains(&true) {
            outcome.0 = 1;
            for holding in portfolio.holdings_of(line) {
                outcome.1 += u64::from(holding.vms);
                outcome.2 |= 1 << holding.tenant;
                outcome.3 += (2.0 * holding.loss(impact)).round() as u64;
            }
        }
        *law.entry(outcome).or_default() += weight;
    }
    law
}

fn given(portfolio: &Portfolio, z: f64, weight: f64, law: &mut Law) {
    let shocks: Vec<f64> = portfolio.shocks.iter().map(|shock| shock.probability).collect();
    for (happens, of_shocks) in states(&shocks) {
        let world = World { portfolio, happens, z };
        let falls: Vec<f64> = (0..portfolio.planes.len()).map(|plane| world.plane_falls(plane)).collect();
        for carriers in carriers(&world) {
            let of_carriers: f64 = carriers.iter().map(|it| it.weight).product();
            for (mut fallen, of_planes) in states(&falls) {
                for (fallen, plane) in fallen.iter_mut().zip(&portfolio.planes) {
                    let by = |it: &Carrier| it.control && plane.runs_on.contains(&(it.host as u32));
                    *fallen |= carriers.iter().any(by);
                }
                let weight = weight * of_shocks * of_planes * of_carriers;
                for (outcome, p) in all_hosts(&world, &fallen, &carriers, weight) {
                    *law.entry(outcome).or_default() += p;
                }
            }
        }
    }
}

/// What all hosts add, given the planes that have fallen.
fn all_hosts(world: &World<'_>, fallen: &[bool], carriers: &[Carrier], weight: f64) -> Law {
    let mut joint = Law::from([((0, 0, 0, 0), weight)]);
    for at in 0..world.portfolio.hosts.len() {
        let one = host(world, fallen, carriers, at);
        let mut next = Law::new();
        for (a, p) in &joint {
            for (b, q) in &one {
                *next.entry((a.0 + b.0, a.1 + b.1, a.2 | b.2, a.3 + b.3)).or_default() += p * q;
            }
        }
        joint = next;
    }
    joint
}

/// Calls for each value of the factor with its weight.
fn over_factor(portfolio: &Portfolio, mut call: impl FnMut(f64, f64)) {
    if portfolio.rho == 0.0 {
        return call(0.0, 1.0);
    }
    let (steps, reach) = (120, 8.0);
    let step = 2.0 * reach / f64::from(steps);
    for at in 0..=steps {
        let z = f64::from(at).mul_add(step, -reach);
        let simpson = if at == 0 || at == steps { 1.0 } else { f64::from(2 + 2 * (at % 2)) } / 3.0;
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        call(z, simpson * step * density);
    }
}

/// The law of what comes out.
pub(crate) fn law(portfolio: &Portfolio) -> Law {
    let mut law = Law::new();
    over_factor(portfolio, |z, weight| given(portfolio, z, weight, &mut law));
    law
}

/// The mean over factor and shocks of what `of` says of a world.
fn over_worlds(portfolio: &Portfolio, of: impl Fn(&World<'_>) -> f64) -> f64 {
    let shocks: Vec<f64> = portfolio.shocks.iter().map(|shock| shock.probability).collect();
    let mut sum = 0.0;
    over_factor(portfolio, |z, weight| {
        for (happens, of_shocks) in states(&shocks) {
            sum += weight * of_shocks * of(&World { portfolio, happens, z });
        }
    });
    sum
}

/// Probability that a plane falls, by itself or with a host that it runs on.
pub(crate) fn plane_falls(portfolio: &Portfolio, plane: usize) -> f64 {
    over_worlds(portfolio, |world| {
        let stands = |hosts: &Vec<Carrier>| {
            let on = |it: &&Carrier| portfolio.planes[plane].runs_on.contains(&(it.host as u32));
            if hosts.iter().filter(on).any(|it| it.control) { 0.0 } else { 1.0 - world.plane_falls(plane) }
        };
        let weight = |hosts: &Vec<Carrier>| hosts.iter().map(|it| it.weight).product::<f64>();
        1.0 - carriers(world).iter().map(|hosts| weight(hosts) * stands(hosts)).sum::<f64>()
    })
}

/// Probability that a host is hit by itself, and what it loses so on average.
pub(crate) fn hit_by_itself(portfolio: &Portfolio, host: usize) -> (f64, f64) {
    let none = vec![false; portfolio.planes.len()];
    let any = |world: &World<'_>| {
        1.0 - by_itself(world, host).iter().filter(|it| it.hits.is_empty()).map(|it| it.weight).sum::<f64>()
    };
    let lost = |world: &World<'_>| mean(&self::host(world, &none, &[], host), |it| it.3 as f64 / 2.0);
    (over_worlds(portfolio, any), over_worlds(portfolio, lost))
}

/// Probability of the outcomes that are meant.
pub(crate) fn probability(law: &Law, meant: impl Fn(&Outcome) -> bool) -> f64 {
    law.iter().filter(|(outcome, _)| meant(outcome)).map(|(_, p)| p).sum()
}

/// Mean of a function of the outcome.
pub(crate) fn mean(law: &Law, of: impl Fn(&Outcome) -> f64) -> f64 {
    law.iter().map(|(outcome, p)| of(outcome) * p).sum()
}

/// The quantile of the loss and the mean of the worst `1 - level`.
pub(crate) fn tail(law: &Law, level: f64) -> (f64, f64) {
    let mut losses: BTreeMap<u64, f64> = BTreeMap::new();
    for (outcome, p) in law {
        *losses.entry(outcome.3).or_default() += p;
    }
    let (mut left, mut sum) = (1.0 - level, 0.0);
    for (&twice, &p) in losses.iter().rev() {
        let loss = twice as f64 / 2.0;
        if p > left {
            return (loss, (sum + left * loss) / (1.0 - level));
        }
        left -= p;
        sum += p * loss;
    }
    (0.0, sum / (1.0 - level))
}
