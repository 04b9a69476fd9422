//! Made-up portfolios, for tests and measurements.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use underpin_model::id::{ClusterId, HostId, InvalidId, ManagementPlaneId, TenantId, VulnerabilityId};

use crate::portfolio::{
    Cause, Gate, Holding, HostClass, HostLine, Impact, Plane, Portfolio, Response, Shock,
};

/// What to make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSpec {
    /// Hosts.
    pub hosts: u32,
    /// VMs of each host.
    pub vms_per_host: u32,
    /// Tenants; VMs are spread over them, some having many more than others.
    pub tenants: u32,
    /// Vulnerabilities, each a shock.
    pub vulnerabilities: u32,
    /// Classes of hosts.
    pub classes: u32,
    /// Seed: the same gives the same portfolio.
    pub seed: u64,
}

/// Hosts of a cluster.
const CLUSTER: u32 = 20;

/// Clusters of a management plane.
const PLANE: u32 = 50;

/// Shocks beside the vulnerabilities: two controls that may fail everywhere.
const CONTROLS: u32 = 2;

/// Makes up a portfolio: each vulnerability is one of the hosts (any release and hardware of a tenth of the classes) or, one
/// in ten, of the management planes; a third stand behind one of two controls.
///
/// # Errors
/// None with the ids made here; the type is that of making ids.
pub fn sample(spec: &SampleSpec) -> Result<Portfolio, InvalidId> {
    let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
    let clusters = spec.hosts.div_ceil(CLUSTER).max(1);
    let planes = clusters.div_ceil(PLANE);
    let classes = spec.classes.max(1);
    let mut portfolio = Portfolio { horizon_days: 30.0, rho: 0.15, ..Portfolio::default() };
    for at in 0..spec.vulnerabilities {
        let vulnerability = VulnerabilityId::new(format!("CVE-2026-{:04}", 1000 + at))?;
        // Most are hardly ever exploited, a few quite likely.
        let probability = 0.04 * rng.random::<f64>().powi(4) + 1e-4;
        portfolio.shocks.push(shock(Cause::Exploit { vulnerability }, probability));
    }
    for at in 0..CONTROLS {
        portfolio.shocks.push(shock(Cause::ControlFails { control: format!("control {at}") }, 0.02));
    }
    portfolio.planes = (0..planes).map(|at| plane(spec, at, &mut rng)).collect::<Result<_, _>>()?;
    for at in 0..classes {
        let mut responses = Vec::new();
        for shock in (0..spec.vulnerabilities).filter(|shock| shock % 10 != 9) {
            if rng.random::<f64>() < 0.1 {
                responses.push(response(
                    spec,
                    shock,
                    [0.002, 0.01, 0.03, 0.08][shock as usize % 4],
                    &mut rng,
                ));
            }
        }
        let planes = if planes > 0 { vec![at % planes] } else { Vec::new() };
        portfolio.classes.push(HostClass {
            label: format!("class {at}"),
            responses: responses.into(),
            planes,
        });
    }
    for at in 0..clusters {
        portfolio.clusters.push(Some(ClusterId::new(format!("cluster-{at}"))?));
    }
    for at in 0..spec.tenants {
        portfolio.tenants.push(Some(TenantId::new(format!("tenant-{at}"))?));
    }
    for at in 0..spec.hosts {
        let start = portfolio.holdings.len() as u32;
        holdings(spec, &mut portfolio.holdings, &mut rng);
        portfolio.holdings[start as usize..].sort_by_key(|holding| holding.tenant);
        portfolio.hosts.push(HostLine {
            id: HostId::new(format!("host-{at:06}"))?,
            class: at % classes,
            cluster: at / CLUSTER,
            holdings: start..portfolio.holdings.len() as u32,
        });
    }
    Ok(portfolio)
}

fn shock(cause: Cause, probability: f64) -> Shock {
    Shock { cause, probability, factors: Vec::new() }
}

fn response(spec: &SampleSpec, shock: u32, probability: f64, rng: &mut impl Rng) -> Response {
    let gate = shock
        .is_multiple_of(3)
        .then(|| Gate { shock: spec.vulnerabilities + shock % CONTROLS, otherwise: 0.2 });
    let strong = rng.random::<f64>() < 0.5;
    let impact = if strong {
        Impact::COMPROMISED
    } else {
        Impact { confidentiality: 0.0, integrity: 0.2, availability: 0.5, host_down: 0.3 }
    };
    Response { shock, probability, left: 1.0, gate, impact, factors: Vec::new().into() }
}

fn plane(spec: &SampleSpec, at: u32, rng: &mut impl Rng) -> Result<Plane, InvalidId> {
    let mut responses = Vec::new();
    for shock in (0..spec.vulnerabilities).filter(|shock| shock % 10 == 9) {
        if rng.random::<f64>() < 0.5 {
            responses.push(response(spec, shock, 0.05, rng));
        }
    }
    Ok(Plane {
        id: ManagementPlaneId::new(format!("plane-{at}"))?,
        responses,
        takes_host: 0.8,
        gate: None,
        impact: Impact { confidentiality: 0.5, integrity: 0.5, availability: 1.0, host_down: 0.0 },
        runs_on: Vec::new(),
    })
}

fn holdings(spec: &SampleSpec, list: &mut Vec<Holding>, rng: &mut impl Rng) {
    for _ in 0..if spec.tenants == 0 { 0 } else { spec.vms_per_host } {
        // Squared: the first tenants have most VMs.
        let place = rng.random::<f64>();
        let tenant = ((place * place * f64::from(spec.tenants)) as u32).min(spec.tenants - 1);
        let worth = (1.0 + 9.0 * rng.random::<f64>()).round();
        list.push(Holding {
            tenant,
            vms: 1,
            confidentiality: 100.0 * worth,
            integrity: 50.0 * worth,
            availability: 20.0 * worth,
            host_down: 5.0 * worth,
        });
    }
}
