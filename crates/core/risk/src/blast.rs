//! Blast radius: what falls with one host, one management plane, one bad release, or with Underpin itself.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use underpin_model::id::{HostId, ManagementPlaneId};

use crate::marginal::mean_greatest;
use crate::portfolio::{Cause, Holding, HostClass, HostLine, Impact, Portfolio};

/// What stands within reach of one thing, and what it costs when that falls.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Blast {
    /// Hosts within reach.
    pub hosts: u64,
    /// VMs on them.
    pub guests: u64,
    /// Tenants with VMs on them; VMs of no known tenant count as one.
    pub tenants: u64,
    /// The greatest loss: every host within reach falls.
    pub greatest_loss: f64,
    /// The mean loss, given that it falls (for a host: given that one of its holes is used or another cause hits it).
    pub mean_loss: f64,
    /// Probability within the horizon that it falls by its own causes: for a plane through its own holes, for a host without its
    /// planes. Causes are taken as independent.
    pub probability: f64,
}

/// The blast radii of a fleet.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct BlastRadii {
    /// Each host, the greatest loss first.
    pub hosts: Vec<(HostId, Blast)>,
    /// Each management plane.
    pub planes: Vec<(ManagementPlaneId, Blast)>,
    /// Each bad release with its hardware class.
    pub releases: Vec<(Cause, Blast)>,
    /// Underpin itself, with the hosts that its credentials reach.
    pub underpin: Blast,
}

const ALL_LOST: Impact = Impact { confidentiality: 1.0, integrity: 1.0, availability: 1.0 };

/// A sum over hosts.
#[derive(Default)]
struct Sum {
    blast: Blast,
    tenants: FxHashSet<u32>,
}

impl Sum {
    fn add(&mut self, holdings: &[Holding], impact: Impact, probability: f64) {
        let loss: f64 = holdings.iter().map(|it| it.loss(impact)).sum();
        self.blast.hosts += 1;
        self.blast.guests += holdings.iter().map(|it| u64::from(it.vms)).sum::<u64>();
        self.tenants.extend(holdings.iter().filter(|it| it.vms > 0).map(|it| it.tenant));
        self.blast.greatest_loss += loss;
        self.blast.mean_loss += probability * loss;
    }

    fn done(self, probability: f64) -> Blast {
        Blast { tenants: self.tenants.len() as u64, probability, ..self.blast }
    }
}

/// The blast radii of every host, plane and bad release, and of Underpin.
#[must_use]
pub fn blast_radii(portfolio: &Portfolio) -> BlastRadii {
    // Classes that share their answers have the same hits.
    let mut known: FxHashMap<usize, (Impact, f64)> = FxHashMap::default();
    let mut hits = |class: &HostClass| {
        let place = class.responses.as_ptr().addr();
        *known.entry(place).or_insert_with(|| own_hits(portfolio, class))
    };
    let lines = portfolio.hosts.iter().map(|host| {
        let hits = portfolio.class_of(host.class).map_or((Impact::default(), 0.0), &mut hits);
        (host.id.clone(), with_hits(portfolio, host, hits))
    });
    let mut hosts: Vec<(HostId, Blast)> = lines.collect();
    hosts.sort_by(|a, b| b.1.greatest_loss.total_cmp(&a.1.greatest_loss).then_with(|| a.0.cmp(&b.0)));
    let planes = portfolio.planes.iter().map(|it| it.id.clone());
    let shocks = portfolio.shocks.iter().enumerate();
    BlastRadii {
        hosts,
        planes: planes.zip(of_planes(portfolio)).collect(),
        releases: shocks
            .filter(|(_, it)| matches!(it.cause, Cause::BadRelease { .. }))
            .map(|(at, it)| (it.cause.clone(), of_shock(portfolio, at)))
            .collect(),
        underpin: portfolio
            .shocks
            .iter()
            .position(|it| it.cause == Cause::Underpin)
            .map_or_else(Blast::default, |at| of_shock(portfolio, at)),
    }
}

/// One host: what its guests would lose at worst, and on average over the causes that can hit it.
#[must_use]
pub fn of_host(portfolio: &Portfolio, host: &HostLine) -> Blast {
    let mean = portfolio.class_of(host.class).map_or((Impact::default(), 0.0), |it| own_hits(portfolio, it));
    with_hits(portfolio, host, mean)
}

/// Mean impact of a class's own causes, and the probability that any of them hits.
fn own_hits(portfolio: &Portfolio, class: &HostClass) -> (Impact, f64) {
    let hits: Vec<(f64, Impact)> =
        class.responses.iter().map(|it| (portfolio.marginal(it), it.impact)).collect();
    (mean_greatest(&hits), any(hits.iter().map(|it| it.0)))
}

fn with_hits(portfolio: &Portfolio, host: &HostLine, (mean, probability): (Impact, f64)) -> Blast {
    let holdings = portfolio.holdings_of(host);
    let mut sum = Sum::default();
    sum.add(holdings, ALL_LOST, 0.0);
    let mut blast = sum.done(probability);
    if probability > 0.0 {
        blast.mean_loss = holdings.iter().map(|it| it.loss(mean)).sum::<f64>() / probability;
    }
    blast
}

/// Each management plane, in the portfolio's order: every host that it manages, each taken with
/// [`takes_host`](Portfolio::takes_host). One pass over the hosts, for there may be a plane per cluster.
#[must_use]
pub fn of_planes(portfolio: &Portfolio) -> Vec<Blast> {
    let mut sums: Vec<Sum> = portfolio.planes.iter().map(|_| Sum::default()).collect();
    for host in &portfolio.hosts {
        let managed_by = portfolio.class_of(host.class).map_or(&[][..], |it| &it.planes);
        for at in managed_by {
            if let (Some(sum), Some(plane)) = (sums.get_mut(*at as usize), portfolio.planes.get(*at as usize))
            {
                sum.add(portfolio.holdings_of(host), plane.impact, portfolio.takes_host(plane));
            }
        }
    }
    let probability =
        portfolio.planes.iter().map(|it| any(it.responses.iter().map(|it| portfolio.marginal(it))));
    sums.into_iter().zip(probability).map(|(sum, probability)| sum.done(probability)).collect()
}

/// One shock, by its index: every host that answers to it by itself.
#[must_use]
pub fn of_shock(portfolio: &Portfolio, shock: usize) -> Blast {
    let answers: Vec<Option<(f64, Impact)>> = portfolio
        .classes
        .iter()
        .map(|class| {
            let response = class.responses.iter().find(|it| it.shock as usize == shock)?;
            Some((portfolio.given_shock(response), response.impact))
        })
        .collect();
    let mut sum = Sum::default();
    for host in &portfolio.hosts {
        if let Some((probability, impact)) = answers.get(host.class as usize).copied().flatten() {
            sum.add(portfolio.holdings_of(host), impact, probability);
        }
    }
    sum.done(portfolio.shocks.get(shock).map_or(0.0, |it| it.probability))
}

/// At least one of independent events.
fn any(probabilities: impl Iterator<Item = f64>) -> f64 {
    1.0 - probabilities.map(|it| 1.0 - it).product::<f64>()
}
