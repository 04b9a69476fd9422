//! What a judgement asks for and what it says.

use rustc_hash::FxHashSet;
use serde::Serialize;
use underpin_model::id::{ClusterId, TenantId};

use crate::portfolio::{Cause, Impact, Portfolio};

/// What to work out, and how hard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// Weighted samples; at least [`Options::LEAST_SAMPLES`].
    pub samples: u32,
    /// Seed of the samples: the same seed gives the same judgement, bit for bit, on any number of threads.
    pub seed: u64,
    /// Levels of quantiles and CVaR, each above 0 and below 1.
    pub levels: Vec<f64>,
    /// Level of the CVaR that [`Judgement::contributions`] divide, above 0 and below 1.
    pub contribution_level: f64,
    /// Numbers hit at once that a probability is asked for.
    pub at_least: Thresholds,
    /// The same within each cluster and each tenant; of tenants hosts and guests only.
    pub at_least_in_parts: Thresholds,
    /// The naive figure: each host keeps its marginal law, and nothing is common.
    pub independent: bool,
    /// What can be enumerated is where the portfolio is small enough: numbers of hosts, guests and tenants hit, and all states of few
    /// hosts.
    pub exact: bool,
}

impl Options {
    /// Least number of samples: below, the standard errors themselves mean nothing.
    pub const LEAST_SAMPLES: u32 = 1_000;
    /// Greatest number of samples.
    pub const MOST_SAMPLES: u32 = 1_000_000;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            samples: 10_000,
            seed: 1,
            levels: vec![0.5, 0.95, 0.99, 0.999],
            contribution_level: 0.99,
            at_least: Thresholds::default(),
            at_least_in_parts: Thresholds::of_parts(),
            independent: false,
            exact: true,
        }
    }
}

/// Numbers that are asked for: "at least so many at once".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Of hosts.
    pub hosts: Vec<u64>,
    /// Of guests.
    pub guests: Vec<u64>,
    /// Of tenants.
    pub tenants: Vec<u64>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { hosts: vec![1, 10, 100], guests: vec![1, 100, 1_000], tenants: vec![1, 2, 10] }
    }
}

impl Thresholds {
    /// What is asked of a part of a fleet: two hosts at once are more than the one that most clusters keep in reserve.
    #[must_use]
    pub fn of_parts() -> Self {
        Self { hosts: vec![1, 2, 10], guests: vec![1, 10, 100], tenants: vec![1, 2, 10] }
    }

    /// Of a whole fleet: 1, 2, 5, 10, 20, 50 and so on, up to as many hosts, guests and tenants as it has.
    #[must_use]
    pub fn of_fleet(portfolio: &Portfolio) -> Self {
        let guests = portfolio.holdings.iter().map(|it| u64::from(it.vms)).sum();
        let with_guests = portfolio.holdings.iter().filter(|it| it.vms > 0).map(|it| it.tenant);
        let named = |tenant: &u32| portfolio.tenants.get(*tenant as usize).is_some_and(Option::is_some);
        let tenants: FxHashSet<u32> = with_guests.filter(named).collect();
        Self {
            hosts: up_to(portfolio.hosts.len() as u64),
            guests: up_to(guests),
            tenants: up_to(tenants.len() as u64),
        }
    }

    /// Nothing is asked.
    #[must_use]
    pub fn none() -> Self {
        Self { hosts: Vec::new(), guests: Vec::new(), tenants: Vec::new() }
    }
}

/// 1, 2, 5 and their multiples by powers of ten, as far as `most`; 1 in any case.
fn up_to(most: u64) -> Vec<u64> {
    let decades = (0..=most.checked_ilog10().unwrap_or(0)).map(|digits| 10u64.pow(digits));
    let all = decades.flat_map(|decade| [1, 2, 5].map(|one| decade.saturating_mul(one)));
    all.filter(|&m| m == 1 || m <= most).collect()
}

/// The distribution of losses of a portfolio over its horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// Span that everything is over, in days.
    pub horizon_days: f64,
    /// Hosts judged; 0: an empty fleet, whose risk is zero.
    pub hosts: u64,
    /// Guests on them.
    pub guests: u64,
    /// Those of no known tenant, who are left out where tenants are counted.
    pub guests_without_tenant: u64,
    /// The naive figure, without common causes.
    pub independent: bool,
    /// The whole fleet.
    pub fleet: Figures,
    /// Each cluster, in the order of the portfolio.
    pub clusters: Vec<ClusterFigures>,
    /// Each tenant, in the order of the portfolio.
    pub tenants: Vec<TenantFigures>,
    /// Each class of hosts, in the order of the portfolio: exact.
    pub classes: Vec<ClassFigures>,
    /// Probability that so many hosts are hit at once.
    pub hosts_hit_at_least: Vec<AtLeast>,
    /// Probability that so many guests stand on hosts that are hit at once.
    pub guests_hit_at_least: Vec<AtLeast>,
    /// Probability that so many known tenants have a guest on a host that is hit.
    pub tenants_hit_at_least: Vec<AtLeast>,
    /// Who and what the mean and the CVaR come from; each kind of part sums to the fleet's.
    pub contributions: Vec<Contribution>,
    /// Probability that any host is hit.
    pub any_hit: AnyHit,
    /// How far the samples can be trusted.
    pub sampling: Sampling,
}

impl Judgement {
    /// The most that the CVaR of the fleet can be, whatever the dependence between its clusters: the sum of theirs, one a level.
    /// It is reached where all clusters have their worst together (comonotone); its standard error is at most that which is given.
    #[must_use]
    pub fn cvar_at_most(&self) -> Vec<Cvar> {
        let sum = |level: f64| {
            let parts = self.clusters.iter().flat_map(|it| &it.figures.cvar).filter(|it| it.level == level);
            parts.fold(Cvar { level, ..Cvar::default() }, |sum, it| Cvar {
                level,
                value: sum.value + it.value,
                standard_error: sum.standard_error + it.standard_error,
            })
        };
        self.fleet.cvar.iter().map(|it| sum(it.level)).collect()
    }
}

/// Figures of a loss, in the currency of the portfolio's holdings.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Figures {
    /// Mean: exact, in closed form.
    pub mean: f64,
    /// Standard deviation: from the samples around the exact mean, and exact of few hosts or where each is on its own.
    pub sd: f64,
    /// Its standard error; 0: exact.
    pub sd_standard_error: f64,
    /// Quantiles, one a level.
    pub quantiles: Vec<Quantile>,
    /// Mean of the worst `1 - level`, one a level.
    pub cvar: Vec<Cvar>,
    /// Probability of any loss at all: exact where every hit loses and the probability of any hit is exact.
    pub any_loss: Estimate,
}

/// A quantile of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Quantile {
    /// Level.
    pub level: f64,
    /// The loss that is exceeded with probability at most `1 - level`.
    pub value: f64,
    /// Low end of the 95 % interval.
    pub low: f64,
    /// High end of the 95 % interval.
    pub high: f64,
}

impl Quantile {
    /// It is at most this.
    pub(super) fn cut(&mut self, most: f64) {
        for it in [&mut self.low, &mut self.value, &mut self.high] {
            *it = it.min(most);
        }
    }
}

/// Mean of the worst `1 - level` of a loss: exact where nothing is lost with the probability of the level.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Cvar {
    /// Level.
    pub level: f64,
    /// Value.
    pub value: f64,
    /// Standard error; 0 where exact.
    pub standard_error: f64,
}

/// A figure with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Estimate {
    /// Value.
    pub value: f64,
    /// Standard error; 0: exact.
    pub standard_error: f64,
}

/// Figures of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterFigures {
    /// The cluster; `None`: hosts of no known cluster.
    pub cluster: Option<ClusterId>,
    /// Its hosts.
    pub hosts: u64,
    /// Guests on them.
    pub guests: u64,
    /// Known tenants with guests on them.
    pub tenants: u64,
    /// Figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Probability that so many of its hosts are hit at once; numbers that it does not have are left out.
    pub hosts_hit_at_least: Vec<AtLeast>,
    /// Probability that so many guests stand on hosts of it that are hit at once.
    pub guests_hit_at_least: Vec<AtLeast>,
    /// Probability that so many known tenants have a guest on a host of it that is hit.
    pub tenants_hit_at_least: Vec<AtLeast>,
}

/// Figures of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TenantFigures {
    /// The tenant; `None`: VMs of no known tenant.
    pub tenant: Option<TenantId>,
    /// Its guests; 0: it has none here, and its figures are zero for that reason.
    pub guests: u64,
    /// Hosts that they stand on.
    pub hosts: u64,
    /// Figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Probability that so many of the hosts with its guests are hit at once; numbers that it does not have are left out.
    pub hosts_hit_at_least: Vec<AtLeast>,
    /// Probability that so many of its guests stand on hosts that are hit at once.
    pub guests_hit_at_least: Vec<AtLeast>,
}

/// Exact figures of each host of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class.
    pub label: String,
    /// Its hosts.
    pub hosts: u64,
    /// Probability that one given host is hit.
    pub hit: f64,
    /// Mean share lost of what stands on one given host, by dimension.
    pub mean_impact: Impact,
}

/// Probability that at least so many are hit at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtLeast {
    /// How many.
    pub m: u64,
    /// Probability.
    pub probability: f64,
    /// Standard error; 0 where exact.
    pub standard_error: f64,
    /// How it was worked out.
    pub method: Method,
    /// Variance of as many plain samples over the variance of these; `None` where exact, or where nothing was seen.
    pub variance_reduction: Option<f64>,
    /// Where it may be though no sample saw it, and the probability above is therefore 0: what it is at most, with 95 %
    /// confidence. Of `n` samples of the nominal law none sees it with a chance of at most `exp(-n p)`; never above the
    /// probability of one at least and the mean number over `m` (Markov).
    pub at_most: Option<f64>,
}

impl AtLeast {
    /// What is known without sampling.
    pub(super) fn exact(m: u64, probability: f64) -> Self {
        Self {
            m,
            probability,
            standard_error: 0.0,
            method: Method::Exact,
            variance_reduction: None,
            at_most: None,
        }
    }

    /// What is sampled, not above the `most` that is known; `unseen` is the greatest probability of what no sample saw.
    pub(super) fn within(self, most: f64, unseen: f64) -> Self {
        if self.method == Method::Exact {
            return self;
        }
        if most <= 0.0 {
            return Self::exact(self.m, 0.0);
        }
        let saw_none = self.probability <= 0.0;
        Self {
            probability: self.probability.min(most),
            at_most: saw_none.then_some(most.min(unseen)),
            ..self
        }
    }
}

/// How a figure was worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Enumeration, quadrature, convolution: no sampling.
    Exact,
    /// Weighted samples.
    ImportanceSampling,
    /// Plain samples.
    Sampling,
}

/// A part of the fleet's loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// Of what.
    #[serde(flatten)]
    pub of: Part,
    /// Share of the mean: exact.
    pub mean: f64,
    /// Share of the CVaR at [`Options::contribution_level`] (Euler allocation), in currency.
    pub cvar_share: f64,
    /// Standard error of the share of the CVaR, which is sampled: parts that are nearer to each other than some of these are not
    /// told apart.
    pub cvar_share_standard_error: f64,
}

/// What a loss is divided by.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "part")]
pub enum Part {
    /// A tenant; `None`: VMs of no known tenant.
    Tenant {
        /// Which.
        tenant: Option<TenantId>,
    },
    /// A cluster; `None`: hosts of no known cluster.
    Cluster {
        /// Which.
        cluster: Option<ClusterId>,
    },
    /// A class of hosts.
    Class {
        /// Which.
        label: String,
    },
    /// A common cause. Where several reach a level of impact on a host, each has an equal share of the loss up to that level
    /// (Shapley).
    Cause {
        /// Which. The naive figure has none.
        cause: Cause,
    },
}

/// Probability that any host is hit, with what bounds it and what it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnyHit {
    /// Probability.
    pub probability: f64,
    /// Standard error; 0 where exact.
    pub standard_error: f64,
    /// How it was worked out: sampled where too many controls and planes are tangled to enumerate.
    pub method: Method,
    /// Least that it can be, whatever the dependence (Frechet): the greatest probability of a host.
    pub frechet_low: f64,
    /// Most that it can be, whatever the dependence (Frechet, Boole): the sum over hosts, at most 1.
    pub frechet_high: f64,
    /// Lower bound from pairs: within the class of hosts that tells most (Bonferroni), or of all hosts of the 24 classes with the
    /// most hosts hit (Dawson, Sankoff).
    pub bonferroni_low: f64,
    /// Upper bound from the pairs along a forest of hosts (Hunter, Worsley): a path through each class, and a tree between the 24
    /// classes with the most hosts hit.
    pub hunter_worsley_high: f64,
    /// Shapley value of each cause that has one; they sum to the probability. Empty where it was sampled, and where
    /// the probability is exact but its shares are too much work.
    pub shapley: Vec<CauseShare>,
}

/// Share of a probability that a cause has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseShare {
    /// The cause.
    #[serde(flatten)]
    pub cause: Cause,
    /// Its share.
    pub share: f64,
}

/// How far the samples can be trusted.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Sampling {
    /// Samples drawn.
    pub samples: u32,
    /// Laws that they were drawn from: the nominal one and its tilts.
    pub components: Vec<Component>,
    /// Effective sample size, `(sum w)^2 / sum w^2`. Low by design where the tilts put samples into the tail.
    pub ess: f64,
    /// Greatest weight; at most 1 over the share of the nominal law.
    pub largest_weight: f64,
    /// Mean of the weights; 1 but for chance.
    pub mean_weight: f64,
    /// Mean loss of the fleet by the samples, beside the exact one.
    pub mean: Estimate,
    /// Its distance from the exact mean, in standard errors; 0 where neither is any.
    pub deviation: f64,
    /// Nothing but the shares that causes have in the tail is from samples: hosts are few, and all that may happen to them was enumerated.
    pub enumerated: bool,
    /// What the tilts won, at the fleet's quantiles.
    pub variance_reduction: Vec<VarianceReduction>,
}

/// One law of the mixture that is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Component {
    /// Share of the samples.
    pub share: f64,
    /// Tilt per unit of loss (or of hosts or guests hit).
    pub theta: f64,
    /// Mean of the factor `Z`; below 0 attackers are stronger.
    pub shift: f64,
}

/// Variance of plain sampling over that of the weighted samples, for the probability to exceed a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct VarianceReduction {
    /// Level of the quantile.
    pub level: f64,
    /// Probability to exceed it, as sampled.
    pub probability: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The factor.
    pub factor: f64,
}
