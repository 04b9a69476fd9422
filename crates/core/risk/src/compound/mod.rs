//! Compound risk: from a [`Portfolio`](crate::portfolio::Portfolio) to the distribution of its losses.

mod check;
mod result;

pub use check::PortfolioError;
pub use result::{
    AnyHit, AtLeast, CauseShare, ClassFigures, ClusterFigures, Component, Contribution, Cvar, Estimate,
    Figures, Judgement, Method, Options, Part, Quantile, Sampling, TenantFigures, Thresholds,
    VarianceReduction,
};

use crate::portfolio::Portfolio;

/// Judges a portfolio.
///
/// # Errors
/// [`PortfolioError`]: a portfolio or options that cannot be judged, with the place.
pub fn judge(portfolio: &Portfolio, options: &Options) -> Result<Judgement, PortfolioError> {
    check::options(options)?;
    check::portfolio(portfolio)?;
    Ok(Judgement {
        horizon_days: portfolio.horizon_days,
        hosts: 0,
        guests: 0,
        independent: options.independent,
        fleet: Figures::default(),
        clusters: Vec::new(),
        tenants: Vec::new(),
        classes: Vec::new(),
        hosts_hit_at_least: Vec::new(),
        guests_hit_at_least: Vec::new(),
        tenants_hit_at_least: Vec::new(),
        contributions: Vec::new(),
        any_hit: AnyHit {
            probability: 0.0,
            standard_error: 0.0,
            method: Method::Exact,
            frechet_low: 0.0,
            frechet_high: 0.0,
            hunter_worsley_high: 0.0,
            shapley: Vec::new(),
        },
        sampling: Sampling::default(),
    })
}
