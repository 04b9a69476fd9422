//! Small portfolios for tests.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, TenantId, VulnerabilityId};
use underpin_risk::portfolio::{
    Cause, Gate, Holding, HostClass, HostLine, Impact, Plane, Portfolio, Response, Shock,
};

pub(crate) const ALL: Impact = Impact::COMPROMISED;

pub(crate) fn exploit(at: usize, probability: f64) -> Shock {
    let vulnerability = VulnerabilityId::new(format!("CVE-2026-{:04}", 1000 + at)).unwrap();
    Shock { cause: Cause::Exploit { vulnerability }, probability, factors: Vec::new() }
}

pub(crate) fn control(at: usize, probability: f64) -> Shock {
    Shock {
        cause: Cause::ControlFails { control: format!("control {at}") },
        probability,
        factors: Vec::new(),
    }
}

pub(crate) fn response(shock: u32, probability: f64, impact: Impact) -> Response {
    Response { shock, probability, left: 1.0, gate: None, impact, factors: Vec::new().into() }
}

/// Changes the responses of a class, which are shared.
pub(crate) fn change(portfolio: &mut Portfolio, class: usize, change: impl FnOnce(&mut Vec<Response>)) {
    let mut responses = portfolio.classes[class].responses.to_vec();
    change(&mut responses);
    portfolio.classes[class].responses = responses.into();
}

/// One class, one shock that is certain: the one-factor Gaussian model alone. Each host is worth 1.
pub(crate) fn one_factor(hosts: u32, probability: f64, rho: f64) -> Portfolio {
    let mut portfolio = Portfolio { horizon_days: 30.0, rho, ..Portfolio::default() };
    portfolio.shocks.push(exploit(0, 1.0));
    let responses = vec![response(0, probability, ALL)];
    portfolio.classes.push(HostClass {
        label: "all".to_owned(),
        responses: responses.into(),
        planes: Vec::new(),
    });
    portfolio.clusters.push(None);
    portfolio.tenants.push(Some(TenantId::new("t").unwrap()));
    for at in 0..hosts {
        portfolio.holdings.push(Holding { vms: 1, availability: 1.0, ..Holding::default() });
        let id = HostId::new(format!("h{at:05}")).unwrap();
        portfolio.hosts.push(HostLine { id, class: 0, cluster: 0, holdings: at..at + 1 });
    }
    portfolio
}

/// Everything that the model knows, tiny and at random: exploits and failing controls, responses behind controls, planes
/// that share shocks with hosts, probabilities of 0 and 1, tenants on several hosts.
pub(crate) fn tiny(seed: u64) -> Portfolio {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rho = [0.0, 0.15, 0.5][seed as usize % 3];
    let mut portfolio = Portfolio { horizon_days: 30.0, rho, ..Portfolio::default() };
    for at in 0..3 {
        let probability =
            [rng.random::<f64>() * 0.5, rng.random::<f64>() * 0.1, 1.0, 0.0][rng.random_range(0..4)];
        portfolio.shocks.push(exploit(at, probability));
    }
    portfolio.shocks.push(control(0, 0.3));
    portfolio.shocks.push(control(1, 0.1));
    let cause = Cause::Underpin;
    portfolio.shocks.push(Shock { cause, probability: 0.05, factors: Vec::new() });
    for at in 0..2 {
        portfolio.planes.push(Plane {
            id: ManagementPlaneId::new(format!("plane-{at}")).unwrap(),
            responses: responses(&mut rng, 0.4),
            takes_host: [0.5, 1.0, 0.9][rng.random_range(0..3)],
            impact: impact(&mut rng),
            gate: (seed + at).is_multiple_of(2).then_some(Gate { shock: 3 + (at as u32), otherwise: 0.3 }),
            runs_on: Vec::new(),
        });
    }
    for at in 0..2 {
        let planes = [vec![], vec![0], vec![0, 1]][rng.random_range(0..3)].clone();
        let responses = responses(&mut rng, 0.6);
        portfolio.classes.push(HostClass {
            label: format!("class {at}"),
            responses: responses.into(),
            planes,
        });
    }
    portfolio.clusters = vec![Some(ClusterId::new("a").unwrap()), None];
    portfolio.tenants = (0..3).map(|at| TenantId::new(format!("t{at}")).ok()).collect();
    for at in 0..5u32 {
        let start = portfolio.holdings.len() as u32;
        for tenant in 0..rng.random_range(0..3u32) {
            portfolio.holdings.push(Holding {
                tenant,
                vms: rng.random_range(1..4),
                confidentiality: f64::from(rng.random_range(0..5u32) * 10),
                integrity: f64::from(rng.random_range(0..5u32) * 10),
                availability: f64::from(rng.random_range(0..5u32) * 10),
                host_down: f64::from(rng.random_range(0..5u32) * 10),
            });
        }
        let id = HostId::new(format!("h{}", 9 - at)).unwrap();
        let holdings = start..portfolio.holdings.len() as u32;
        portfolio.hosts.push(HostLine { id, class: at % 2, cluster: at / 3, holdings });
    }
    portfolio
}

/// The same with planes that run on hosts, which have classes of their own: one plane on two hosts, both on one of them, or each on one.
/// With a factor there is one such host, for the sake of time.
pub(crate) fn carried(seed: u64) -> Portfolio {
    let mut portfolio = tiny(seed);
    let on: [&[u32]; 2] = match (portfolio.rho > 0.0, seed % 4) {
        (true, 0) => [&[1], &[1]],
        (true, _) => [&[0], &[]],
        (false, 0) => [&[0, 3], &[]],
        (false, 1) => [&[0], &[0, 2]],
        (false, _) => [&[0], &[1]],
    };
    for (plane, hosts) in portfolio.planes.iter_mut().zip(on) {
        plane.runs_on = hosts.to_vec();
    }
    for host in on.into_iter().flatten() {
        let class = portfolio.classes[portfolio.hosts[*host as usize].class as usize].clone();
        portfolio.hosts[*host as usize].class = portfolio.classes.len() as u32;
        portfolio.classes.push(class);
    }
    portfolio
}

fn impact(rng: &mut impl Rng) -> Impact {
    let mut level = || [0.0, 0.5, 1.0][rng.random_range(0..3)];
    Impact { confidentiality: level(), integrity: level(), availability: level(), host_down: level() }
}

fn responses(rng: &mut impl Rng, share: f64) -> Vec<Response> {
    let mut list = Vec::new();
    for shock in 0..6 {
        if rng.random::<f64>() < share {
            let gate =
                (rng.random::<f64>() < 0.4).then(|| Gate { shock: rng.random_range(3..5), otherwise: 0.25 });
            let probability = if rng.random::<f64>() < 0.1 { 1.0 } else { rng.random::<f64>() * 0.6 };
            list.push(Response { gate, ..response(shock, probability, impact(rng)) });
        }
    }
    list
}

/// The portfolio with the worth of all holdings but those that are meant taken away.
pub(crate) fn only(portfolio: &Portfolio, meant: impl Fn(usize, u32) -> bool) -> Portfolio {
    let mut one = portfolio.clone();
    for (at, host) in portfolio.hosts.iter().enumerate() {
        for holding in host.holdings.clone() {
            let holding = &mut one.holdings[holding as usize];
            if !meant(at, holding.tenant) {
                *holding = Holding { tenant: holding.tenant, vms: holding.vms, ..Holding::default() };
            }
        }
    }
    one
}
