//! Whose the mean and the tail are (Euler): a part's share of the CVaR is its mean loss in the draws beyond the quantile,
//! those at the quantile counted by the share that brings the tail to its probability. So the shares sum to the CVaR. Means are
//! exact; the error of a share of the CVaR is that of the samples, from batch to batch.

use super::figures::{self, Weights};
use super::result::{Contribution, Estimate, Part};
use super::rows::{Batch, Sparse};
use super::sampling::Samples;
use crate::portfolio::Portfolio;

/// Weight of each draw in the tail; sums, times losses, to the CVaR.
#[derive(Debug)]
pub(super) struct Tail<'a> {
    samples: &'a Samples,
    weights: Vec<f64>,
    /// The quantile over the CVaR.
    quantile_of_cvar: f64,
}

/// Sums over batches of what one part has in the tail of each.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    sum: f64,
    squares: f64,
    /// Times the probability that the batch has in the tail.
    products: f64,
}

impl<'a> Tail<'a> {
    /// The tail beyond the fleet's quantile at `level`.
    pub(super) fn new(samples: &'a Samples, level: f64) -> Self {
        let weights = Weights::of(samples);
        let quantile = figures::quantile(samples, &weights, level);
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
        let tail = |(loss, weight): (f64, &f64)| counted(loss) * weight / draws / beyond;
        let weights: Vec<f64> = losses().zip(&weights.all).map(tail).collect();
        let cvar: f64 = losses().zip(&weights).map(|(loss, weight)| loss * weight).sum();
        Self { samples, weights, quantile_of_cvar: if cvar > 0.0 { quantile / cvar } else { 0.0 } }
    }

    /// Shares of the CVaR by key.
    fn shares(&self, keys: usize, of: impl Fn(&Batch) -> &Sparse) -> Vec<Estimate> {
        let mut shares = vec![Share::default(); keys];
        let mut of_batch = vec![0.0; keys];
        let mut probabilities = (0.0, 0.0);
        let mut start = 0;
        for batch in &self.samples.batches {
            let weights = &self.weights[start..start + batch.weights.len()];
            start += weights.len();
            for (row, tail) in weights.iter().enumerate().filter(|(_, tail)| **tail > 0.0) {
                for (key, loss) in of(batch).row(row) {
                    of_batch[key as usize] += tail * loss;
                }
            }
            let probability: f64 = weights.iter().sum();
            probabilities = (probabilities.0 + probability, probabilities.1 + probability * probability);
            for (share, sum) in shares.iter_mut().zip(&mut of_batch) {
                share.sum += *sum;
                share.squares += *sum * *sum;
                share.products += *sum * probability;
                *sum = 0.0;
            }
        }
        let batches = self.samples.batches.len() as f64;
        shares.into_iter().map(|share| self.estimate(share, probabilities, batches)).collect()
    }

    /// The error of a share, as that of the CVaR: of what it has beyond the quantile. Of a loss at the quantile each part is taken
    /// to have as much as of the whole tail, so that it counts for nothing how many draws of a batch are beyond.
    fn estimate(&self, share: Share, (sum, squares): (f64, f64), batches: f64) -> Estimate {
        let at = share.sum * self.quantile_of_cvar;
        let second = share.squares - 2.0 * at * share.products + at * at * squares;
        let first = share.sum - at * sum;
        let spread = (second - first * first / batches).max(0.0);
        let variance = if self.samples.is_exact() { 0.0 } else { spread * batches / (batches - 1.0) };
        Estimate { value: share.sum, standard_error: variance.sqrt() }
    }
}

/// Makes the shares sum to a CVaR that more is known of than its samples. Where nothing is lost with the probability of its level
/// (`whole` is then one over the rest), the tail has the whole mean, and of each part its own: exactly.
pub(super) fn settle(list: &mut [Contribution], mean: f64, cvar: f64, whole: Option<f64>) {
    let kind = |it: &Contribution| std::mem::discriminant(&it.of);
    for of_kind in list.chunk_by_mut(|a, b| kind(a) == kind(b)) {
        let sampled: f64 = of_kind.iter().map(|it| it.cvar_share).sum();
        for share in of_kind {
            let (value, error) = (share.cvar_share, share.cvar_share_standard_error);
            (share.cvar_share, share.cvar_share_standard_error) = match whole {
                Some(times) => (share.mean * times, 0.0),
                None if sampled > 0.0 => (value * cvar / sampled, error * cvar / sampled),
                // No sample saw the tail: as of the mean.
                None if mean > 0.0 => (share.mean * cvar / mean, error),
                None => (value, error),
            };
        }
    }
}

/// Exact means by part.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) fleet: f64,
    pub(super) tenants: Vec<f64>,
    pub(super) clusters: Vec<f64>,
    pub(super) classes: Vec<f64>,
    /// One a shock; none for the naive figure.
    pub(super) causes: Vec<f64>,
}

/// Shares of tenants, clusters, classes and causes, which have a tail of their own: of a state nobody knows what caused it. Parts that
/// never lose anything are left out.
pub(super) fn contributions(
    portfolio: &Portfolio,
    tail: &Tail<'_>,
    of_causes: &Tail<'_>,
    means: &Means,
) -> Vec<Contribution> {
    let mut list: Vec<Contribution> = Vec::new();
    let mut add = |of: Part, mean: f64, share: Estimate| {
        if mean > 0.0 || share.value > 0.0 {
            let Estimate { value: cvar_share, standard_error: cvar_share_standard_error } = share;
            list.push(Contribution { of, mean, cvar_share, cvar_share_standard_error });
        }
    };
    let tenants = tail.shares(means.tenants.len(), |batch| &batch.tenants);
    for ((tenant, mean), share) in portfolio.tenants.iter().zip(&means.tenants).zip(tenants) {
        add(Part::Tenant { tenant: tenant.clone() }, *mean, share);
    }
    let clusters = tail.shares(means.clusters.len(), |batch| &batch.clusters);
    for ((cluster, mean), share) in portfolio.clusters.iter().zip(&means.clusters).zip(clusters) {
        add(Part::Cluster { cluster: cluster.clone() }, *mean, share);
    }
    let classes = tail.shares(means.classes.len(), |batch| &batch.classes);
    for ((class, mean), share) in portfolio.classes.iter().zip(&means.classes).zip(classes) {
        add(Part::Class { label: class.label.clone() }, *mean, share);
    }
    let causes = of_causes.shares(means.causes.len(), |batch| &batch.causes);
    for ((shock, mean), share) in portfolio.shocks.iter().zip(&means.causes).zip(causes) {
        add(Part::Cause { cause: shock.cause.clone() }, *mean, share);
    }
    list
}
