//! What a portfolio must be before it is judged.

use thiserror::Error;

use super::result::Options;
use crate::portfolio::{Gate, Impact, Portfolio, Response};

/// A portfolio, or what is asked of it, that cannot be judged.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PortfolioError {
    /// A probability (or a share of something) that is none.
    #[error("{place}: {value} is no probability; give a number from 0 to 1")]
    Probability {
        /// Where.
        place: String,
        /// What is there.
        value: f64,
    },
    /// A loss below zero, not finite, or so large that sums of it would not be.
    #[error("{place}: a loss of {value:?}; give a finite number from 0 to 1e100")]
    Loss {
        /// Where.
        place: String,
        /// What is there.
        value: f64,
    },
    /// A correlation outside its range.
    #[error("rho is {0}; give a number from 0 to below 1 (at most 0.9999)")]
    Rho(f64),
    /// A horizon that is no span of time.
    #[error("the horizon is {0} days; give a finite number above 0")]
    Horizon(f64),
    /// An index that leads nowhere.
    #[error("{place}: there is no {what} {index}, only {len}")]
    Index {
        /// Where.
        place: String,
        /// What it should lead to.
        what: &'static str,
        /// The index.
        index: u64,
        /// How many there are.
        len: usize,
    },
    /// Responses that are not sorted by shock, or two to one shock.
    #[error(
        "{place}: response {at} is to shock {shock} and not after the one before it; sort by shock, one each"
    )]
    Order {
        /// Where.
        place: String,
        /// Position of the response.
        at: usize,
        /// Its shock.
        shock: u32,
    },
    /// Too much that depends on each other in front of one class for the closed form.
    #[error(
        "{place}: {count} {what} act on it together, at most {most} can be enumerated; merge some of them"
    )]
    Tangled {
        /// Where.
        place: String,
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// Limit.
        most: usize,
    },
    /// A host that a plane runs on has its class in common with others.
    #[error(
        "management plane {plane} runs on host {host}, whose class has other hosts; give that host a class of its own"
    )]
    SharedClass {
        /// The plane.
        plane: String,
        /// The host.
        host: String,
    },
    /// A level of a quantile outside its range.
    #[error("a quantile level of {0}; give a number above 0 and below 1")]
    Level(f64),
    /// A number of samples outside its range.
    #[error("{0} samples; give from {least} to {most}", least = Options::LEAST_SAMPLES, most = Options::MOST_SAMPLES)]
    Samples(u32),
}

/// Most that one holding may lose: squares and sums over any fleet stay finite.
pub const MOST_LOSS: f64 = 1e100;

/// Most that `rho` may be: beyond, the factor is a switch that no quadrature resolves.
const MOST_RHO: f64 = 0.9999;

/// Checks what is asked.
pub(super) fn options(options: &Options) -> Result<(), PortfolioError> {
    if !(Options::LEAST_SAMPLES..=Options::MOST_SAMPLES).contains(&options.samples) {
        return Err(PortfolioError::Samples(options.samples));
    }
    for &level in options.levels.iter().chain([&options.contribution_level]) {
        if !(level > 0.0 && level < 1.0) {
            return Err(PortfolioError::Level(level));
        }
    }
    Ok(())
}

/// Checks a portfolio.
pub(super) fn portfolio(portfolio: &Portfolio) -> Result<(), PortfolioError> {
    if !(portfolio.rho >= 0.0 && portfolio.rho <= MOST_RHO) {
        return Err(PortfolioError::Rho(portfolio.rho));
    }
    if portfolio.hosts.is_empty() && portfolio.horizon_days == 0.0 {
        // A default portfolio: nothing, over no time.
    } else if !(portfolio.horizon_days.is_finite() && portfolio.horizon_days > 0.0) {
        return Err(PortfolioError::Horizon(portfolio.horizon_days));
    }
    for (at, shock) in portfolio.shocks.iter().enumerate() {
        probability(shock.probability, || format!("shock {at} ({:?})", shock.cause))?;
    }
    for plane in &portfolio.planes {
        let place = || format!("management plane {}", plane.id);
        responses(&plane.responses, portfolio.shocks.len(), &place)?;
        probability(plane.takes_host, || format!("{}, takes a host", place()))?;
        gate(plane.gate, portfolio.shocks.len(), &place, || {
            format!("{}, control before its hosts", place())
        })?;
        impact(plane.impact, &place)?;
        for &host in &plane.runs_on {
            index(host.into(), portfolio.hosts.len(), "host that it runs on", &place)?;
        }
    }
    for (at, class) in portfolio.classes.iter().enumerate() {
        let place = || format!("class {at} ({})", class.label);
        responses(&class.responses, portfolio.shocks.len(), &place)?;
        for (nth, &plane) in class.planes.iter().enumerate() {
            index(plane.into(), portfolio.planes.len(), "management plane", &place)?;
            if class.planes.iter().take(nth).any(|&other| other == plane) {
                let (what, index, len) = ("second management plane", plane.into(), portfolio.planes.len());
                return Err(PortfolioError::Index { place: place(), what, index, len });
            }
        }
    }
    hosts(portfolio)?;
    classes_of_their_own(portfolio)
}

/// A host that a plane runs on is hit together with the plane: nothing is alike to it.
fn classes_of_their_own(portfolio: &Portfolio) -> Result<(), PortfolioError> {
    if portfolio.planes.iter().all(|it| it.runs_on.is_empty()) {
        return Ok(());
    }
    let mut hosts = vec![0u32; portfolio.classes.len()];
    portfolio.hosts.iter().for_each(|it| hosts[it.class as usize] += 1);
    for plane in &portfolio.planes {
        for host in plane.runs_on.iter().map(|&it| &portfolio.hosts[it as usize]) {
            if hosts[host.class as usize] > 1 {
                let (plane, host) = (plane.id.to_string(), host.id.to_string());
                return Err(PortfolioError::SharedClass { plane, host });
            }
        }
    }
    Ok(())
}

fn hosts(portfolio: &Portfolio) -> Result<(), PortfolioError> {
    for host in &portfolio.hosts {
        let place = || format!("host {}", host.id);
        index(host.class.into(), portfolio.classes.len(), "class", &place)?;
        index(host.cluster.into(), portfolio.clusters.len(), "cluster", &place)?;
        let (start, end) = (u64::from(host.holdings.start), u64::from(host.holdings.end));
        if start > end || end > portfolio.holdings.len() as u64 {
            let (what, len) = ("holding", portfolio.holdings.len());
            return Err(PortfolioError::Index { place: place(), what, index: end, len });
        }
        for holding in portfolio.holdings_of(host) {
            index(holding.tenant.into(), portfolio.tenants.len(), "tenant", &place)?;
            for value in [holding.confidentiality, holding.integrity, holding.availability, holding.host_down]
            {
                if !(0.0..=MOST_LOSS).contains(&value) {
                    return Err(PortfolioError::Loss { place: place(), value });
                }
            }
        }
    }
    Ok(())
}

fn responses(list: &[Response], shocks: usize, place: &impl Fn() -> String) -> Result<(), PortfolioError> {
    let mut last: Option<u32> = None;
    for (at, response) in list.iter().enumerate() {
        index(response.shock.into(), shocks, "shock", place)?;
        if last.is_some_and(|last| last >= response.shock) {
            return Err(PortfolioError::Order { place: place(), at, shock: response.shock });
        }
        last = Some(response.shock);
        probability(response.probability, || format!("{}, response {at}", place()))?;
        probability(response.left, || format!("{}, what controls leave of response {at}", place()))?;
        impact(response.impact, place)?;
        gate(response.gate, shocks, place, || format!("{}, control before response {at}", place()))?;
    }
    Ok(())
}

fn gate(
    gate: Option<Gate>,
    shocks: usize,
    place: &impl Fn() -> String,
    control: impl Fn() -> String,
) -> Result<(), PortfolioError> {
    let Some(gate) = gate else { return Ok(()) };
    index(gate.shock.into(), shocks, "shock", place)?;
    probability(gate.otherwise, control)
}

fn impact(impact: Impact, place: &impl Fn() -> String) -> Result<(), PortfolioError> {
    for value in [impact.confidentiality, impact.integrity, impact.availability, impact.host_down] {
        probability(value, || format!("{}, impact", place()))?;
    }
    Ok(())
}

fn probability(value: f64, place: impl Fn() -> String) -> Result<(), PortfolioError> {
    // Written so that NaN is refused.
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(PortfolioError::Probability { place: place(), value })
    }
}

fn index(
    index: u64,
    len: usize,
    what: &'static str,
    place: &impl Fn() -> String,
) -> Result<(), PortfolioError> {
    if index < len as u64 { Ok(()) } else { Err(PortfolioError::Index { place: place(), what, index, len }) }
}
