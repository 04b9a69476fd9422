//! Whose the mean and the tail are (Euler): a part's share of the CVaR is its mean loss in the draws beyond the quantile,
//! those at the quantile counted by the share that brings the tail to its probability. So the shares sum to the CVaR.

use super::figures::Weights;
use super::result::{Contribution, Part};
use super::rows::{Batch, Sparse};
use super::sampling::Samples;
use crate::portfolio::Portfolio;

/// Weight of each draw in the tail; sums, times losses, to the CVaR.
#[derive(Debug)]
pub(super) struct Tail {
    weights: Vec<f64>,
}

impl Tail {
    /// The tail beyond the fleet's quantile at `level`.
    pub(super) fn new(samples: &Samples, weights: &Weights, level: f64, quantile: f64) -> Self {
        let draws = weights.draws();
        let beyond = 1.0 - level;
        let losses = || samples.batches.iter().flat_map(|batch| batch.fleet.iter().copied());
        let (mut over, mut at) = (0.0, 0.0);
        for (loss, weight) in losses().zip(&weights.all) {
            if loss > quantile {
                over += weight / draws;
            } else if loss == quantile {
                at += weight / draws;
            }
        }
        let share = if at > 0.0 { ((beyond - over) / at).clamp(0.0, 1.0) } else { 0.0 };
        let counted = |loss: f64| {
            if loss > quantile {
                1.0
            } else if loss == quantile {
                share
            } else {
                0.0
            }
        };
        let weights = losses()
            .zip(&weights.all)
            .map(|(loss, weight)| counted(loss) * weight / draws / beyond)
            .collect();
        Self { weights }
    }

    /// Sums of losses by key, over the tail and over all draws.
    fn sums(
        &self,
        samples: &Samples,
        all: &Weights,
        keys: usize,
        of: impl Fn(&Batch) -> &Sparse,
    ) -> Vec<(f64, f64)> {
        let mut sums = vec![(0.0, 0.0); keys];
        let mut draws = self.weights.iter().zip(&all.all);
        for batch in &samples.batches {
            for row in 0..batch.weights.len() {
                let Some((tail, weight)) = draws.next() else { break };
                for (key, loss) in of(batch).row(row) {
                    let (in_tail, in_all) = &mut sums[key as usize];
                    *in_tail += tail * loss;
                    *in_all += weight * loss / all.draws();
                }
            }
        }
        sums
    }
}

/// Exact means by part.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) fleet: f64,
    pub(super) tenants: Vec<f64>,
    pub(super) clusters: Vec<f64>,
    pub(super) classes: Vec<f64>,
}

/// Shares of tenants, clusters, classes and causes; parts that never lose anything are left out.
pub(super) fn contributions(
    portfolio: &Portfolio,
    samples: &Samples,
    weights: &Weights,
    tail: &Tail,
    means: &Means,
    causes: bool,
) -> Vec<Contribution> {
    let mut list: Vec<Contribution> = Vec::new();
    let mut add = |of: Part, mean: f64, cvar_share: f64| {
        if mean > 0.0 || cvar_share > 0.0 {
            list.push(Contribution { of, mean, cvar_share });
        }
    };
    let tenants = tail.sums(samples, weights, means.tenants.len(), |batch| &batch.tenants);
    for ((tenant, mean), (share, _)) in portfolio.tenants.iter().zip(&means.tenants).zip(tenants) {
        add(Part::Tenant { tenant: tenant.clone() }, *mean, share);
    }
    let clusters = tail.sums(samples, weights, means.clusters.len(), |batch| &batch.clusters);
    for ((cluster, mean), (share, _)) in portfolio.clusters.iter().zip(&means.clusters).zip(clusters) {
        add(Part::Cluster { cluster: cluster.clone() }, *mean, share);
    }
    let classes = tail.sums(samples, weights, means.classes.len(), |batch| &batch.classes);
    for ((class, mean), (share, _)) in portfolio.classes.iter().zip(&means.classes).zip(classes) {
        add(Part::Class { label: class.label.clone() }, *mean, share);
    }
    if causes {
        let sums = tail.sums(samples, weights, portfolio.shocks.len(), |batch| &batch.causes);
        let sampled: f64 = sums.iter().map(|(_, all)| all).sum();
        let scale = if sampled > 0.0 { means.fleet / sampled } else { 0.0 };
        for (shock, (share, all)) in portfolio.shocks.iter().zip(sums) {
            add(Part::Cause { cause: shock.cause.clone() }, all * scale, share);
        }
    }
    list
}
