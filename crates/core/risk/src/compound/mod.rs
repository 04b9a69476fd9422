//! Compound risk: from a [`Portfolio`] to the distribution of its losses, with what many hosts have in common.
//!
//! - Means, each host's probability to be hit and the probability that any is hit are exact: shocks are independent, so the
//!   mean over them of a product of survivals is a product (science 1.3); the factor `Z` is integrated by quadrature.
//! - Numbers hit at once, of the fleet, of a cluster and of a tenant, are exact where little acts on its hosts: at most 12
//!   uncertain shocks and planes, and no more than some hundred million multiplications of enumeration, quadrature and
//!   convolution. Tenants that share hosts are hit together: while no more than 12 are tied so, the states of those are told
//!   apart; where more are, two at least are still exact, more are sampled. That at least one is hit is the probability that
//!   any host is, which is exact wherever that is.
//! - So is the probability of any loss where every hit loses. Where it is at most `1 - level`, or is bound to be, the quantile of that
//!   level is zero and the CVaR the mean over `1 - level`, exactly; elsewhere both bound what is sampled.
//! - Of few hosts, with no more than some ten thousand states of who is hit how, everything is exact but the shares of causes in the tail.
//! - All else is from weighted samples (science 1.4, Glasserman and Li): a mixture of the nominal law and tilted ones, weighted
//!   by the balance heuristic, so that no weight is above 4; the factor is stratified within each of 40 batches, whose
//!   spread gives the standard errors.
//! - The naive figure ([`Options::independent`]) keeps each host's marginal law and lets nothing be common. Numbers hit at
//!   once are exact in it, but for three and more of tenants that are tied to too many.
//! - What may happen though no sample saw it has a bound instead of a bare 0 ([`AtLeast::at_most`]).

mod alone;
mod any_of;
pub(crate) mod by_itself;
mod causes;
mod check;
mod contributions;
mod counts;
mod draw;
mod enumerate;
mod exact;
mod falls;
mod few;
mod figures;
mod pairs;
mod parts;
mod pmf;
mod prepared;
mod result;
mod rows;
pub mod sample;
mod sampling;
mod shape;
mod tilt;
mod union;

pub use check::{MOST_LOSS, PortfolioError};
pub use result::{
    AnyHit, AtLeast, CauseShare, ClassFigures, ClusterFigures, Component, Contribution, Cvar, Estimate,
    Figures, Judgement, Method, Options, Part, Quantile, Sampling, TenantFigures, Thresholds,
    VarianceReduction,
};

use any_of::AnyOf;
use contributions::{Means, Tail};
use counts::Known;
use enumerate::Dependence;
use exact::ClassLaw;
use figures::Weights;
use parts::{Asked, GUESTS, HOSTS, Part as PartOf, Parts, Seats, TENANTS};
use prepared::{Prepared, loss};
use rows::Batch;
use sampling::Samples;

use crate::portfolio::{Impact, Portfolio};

/// Judges a portfolio: the distribution of its losses, who they come from, and how far the figures can be trusted.
///
/// # Errors
/// [`PortfolioError`]: a portfolio or options that cannot be judged, with the place.
pub fn judge(portfolio: &Portfolio, options: &Options) -> Result<Judgement, PortfolioError> {
    check::options(options)?;
    Basis::new(portfolio)?.judge(options)
}

/// What all questions about a portfolio have in common: the law of a host of each class, worked out once.
#[derive(Debug)]
pub struct Basis<'a> {
    portfolio: &'a Portfolio,
    prepared: Prepared,
    laws: Vec<ClassLaw>,
    seats: Seats,
}

impl<'a> Basis<'a> {
    /// Puts a portfolio in order and works out what each host is exposed to on its own.
    ///
    /// # Errors
    /// [`PortfolioError`]: a portfolio that cannot be judged, with the place.
    pub fn new(portfolio: &'a Portfolio) -> Result<Self, PortfolioError> {
        check::portfolio(portfolio)?;
        let prepared = Prepared::new(portfolio);
        let laws = exact::classes(&prepared, &labels(portfolio))?;
        let seats = Seats::new(&prepared);
        Ok(Self { portfolio, prepared, laws, seats })
    }

    /// The same as [`judge`].
    ///
    /// # Errors
    /// [`PortfolioError`]: options that nothing can be judged by.
    pub fn judge(&self, options: &Options) -> Result<Judgement, PortfolioError> {
        check::options(options)?;
        let Self { portfolio, prepared, laws, seats } = self;
        let counts = Counts::new(prepared, laws, options);
        let mut drawn = if options.independent {
            alone::samples(prepared, seats, options, laws)
        } else {
            sampling::weighted(prepared, seats, options, &counts.fleet)
        };
        let states = match (options.exact, options.independent) {
            (false, _) => None,
            (true, true) => few::alone(prepared, laws),
            (true, false) => few::common(prepared),
        };
        let mut states = states.map(|it| it.samples(prepared, seats, options));
        let means = means(prepared, laws, options.independent);
        let contributions = contributions::contributions(
            portfolio,
            &Tail::new(states.as_ref().unwrap_or(&drawn), options.contribution_level),
            &Tail::new(&drawn, options.contribution_level),
            &means,
        );
        // The widest rows, which nothing else needs, before others are gathered for figures.
        let batches = states.iter_mut().chain([&mut drawn]).flat_map(|it| &mut it.batches);
        batches.for_each(Batch::forget_classes_and_causes);
        let samples = states.as_ref().unwrap_or(&drawn);
        let weights = Weights::of(samples);
        let any_of = AnyOf::new(prepared, laws, options.independent);
        let parts = Parts::new(prepared, laws, seats, &any_of, &options.at_least_in_parts);
        let judging = Judging {
            portfolio,
            options,
            prepared,
            laws,
            drawn: &drawn,
            samples,
            weights: &weights,
            means: &means,
            parts: &parts,
            counts: &counts,
        };
        let judgement = judging.judgement(contributions);
        Ok(if options.independent { Judging::with_deviations(judgement, prepared, laws) } else { judgement })
    }
}

fn labels(portfolio: &Portfolio) -> Vec<String> {
    portfolio.classes.iter().map(|class| class.label.clone()).collect()
}

/// The exact means of all parts.
fn means(prepared: &Prepared, laws: &[ClassLaw], independent: bool) -> Means {
    let mut means = Means {
        fleet: 0.0,
        tenants: vec![0.0; prepared.tenants],
        clusters: vec![0.0; prepared.clusters],
        classes: Vec::with_capacity(prepared.classes.len()),
        causes: Vec::new(),
    };
    for (class, law) in prepared.classes.iter().zip(laws) {
        let impact = law.mean_impact();
        for host in &prepared.hosts[class.hosts.clone()] {
            means.clusters[host.cluster as usize] += loss(&host.worth, &impact);
            for holding in prepared.holdings_of(host) {
                means.tenants[holding.tenant as usize] += loss(&holding.worth, &impact);
            }
        }
        means.classes.push(loss(&class.worth, &impact));
    }
    // The sum of nothing is -0.
    means.fleet = 0.0 + means.classes.iter().sum::<f64>();
    if !independent {
        means.causes = causes::mean_by_shock(prepared, means.fleet);
    }
    means
}

/// The exact mean loss of a portfolio, without the rest of a judgement.
///
/// # Errors
/// [`PortfolioError`]: a portfolio that cannot be judged, with the place.
pub fn mean_loss(portfolio: &Portfolio) -> Result<f64, PortfolioError> {
    mean_loss_and_impacts(portfolio).map(|it| it.0)
}

/// The exact mean loss of a portfolio, and the exact mean impact on a host of each class, in the order of the portfolio's classes.
///
/// # Errors
/// [`PortfolioError`]: a portfolio that cannot be judged, with the place.
pub fn mean_loss_and_impacts(portfolio: &Portfolio) -> Result<(f64, Vec<Impact>), PortfolioError> {
    check::portfolio(portfolio)?;
    let prepared = Prepared::new(portfolio);
    let impacts = exact::mean_impacts(&prepared, &labels(portfolio))?;
    let losses = prepared.classes.iter().zip(&impacts).map(|(class, impact)| loss(&class.worth, impact));
    let mean = 0.0 + losses.sum::<f64>();
    Ok((mean, impacts.into_iter().map(prepared::impact).collect()))
}

/// Numbers hit at once that are known exactly, of the fleet and its parts; nothing of what is not asked or too much work.
#[derive(Debug, Default)]
struct Counts {
    fleet: Known,
    clusters: Vec<Known>,
    tenants: Vec<Known>,
}

impl Counts {
    fn new(prepared: &Prepared, laws: &[ClassLaw], options: &Options) -> Self {
        let how = match (options.independent, options.exact) {
            (true, _) => Dependence::None(laws),
            (false, true) => Dependence::Common,
            (false, false) => return Self::default(),
        };
        let mut counts =
            Self { fleet: enumerate::fleet(prepared, how, &options.at_least), ..Self::default() };
        let asked = &options.at_least_in_parts;
        if *asked != Thresholds::none() {
            counts.clusters = enumerate::clusters(prepared, how, asked);
            counts.tenants = enumerate::tenants(prepared, how, asked);
        }
        counts
    }
}

/// For each draw 1 where its count reaches `m`, else 0.
fn reached(counts: &[u64], m: u64) -> Vec<f64> {
    counts.iter().map(|&count| f64::from(u8::from(count >= m))).collect()
}

/// All that a judgement is put together from.
struct Judging<'a> {
    portfolio: &'a Portfolio,
    options: &'a Options,
    prepared: &'a Prepared,
    laws: &'a [ClassLaw],
    /// What was drawn.
    drawn: &'a Samples,
    /// The same, or all states where hosts are few.
    samples: &'a Samples,
    weights: &'a Weights,
    means: &'a Means,
    parts: &'a Parts,
    counts: &'a Counts,
}

impl Judging<'_> {
    /// The figures of the whole fleet, the level of contributions last. What is sampled is not above what clusters come to together.
    fn fleet(&self, clusters: &[ClusterFigures]) -> Figures {
        let mut losses = figures::fleet(self.samples);
        let mut levels = self.options.levels.clone();
        levels.push(self.options.contribution_level);
        let mut fleet = figures::of_one(&mut losses, self.means.fleet, self.weights, &levels);
        if self.samples.is_exact() {
            return fleet;
        }
        let any_loss = self.parts.fleet.any_loss();
        any_loss.settle(&mut fleet);
        let figures = fleet.cvar.iter_mut().zip(&mut fleet.quantiles);
        for (cvar, quantile) in figures.filter(|it| !any_loss.is_tail_known(it.0.level)) {
            let of_clusters = clusters.iter().flat_map(|it| &it.figures.cvar);
            let at_level = of_clusters.filter(|it| it.level == cvar.level).map(|it| it.value);
            cvar.value = at_level.reduce(|sum, it| sum + it).map_or(cvar.value, |sum| cvar.value.min(sum));
            quantile.value = quantile.value.min(cvar.value);
            quantile.low = quantile.low.min(cvar.value);
        }
        fleet
    }

    fn judgement(&self, mut contributions: Vec<Contribution>) -> Judgement {
        let clusters = self.clusters(self.means, self.weights);
        let mut fleet = self.fleet(&clusters);
        fleet.quantiles.pop();
        if let Some(Cvar { level, value, .. }) = fleet.cvar.pop() {
            let known = self.parts.fleet.any_loss().is_tail_known(level);
            let whole = known.then(|| 1.0 / (1.0 - level));
            contributions::settle(&mut contributions, self.means.fleet, value, whole);
        }
        let (prepared, options) = (self.prepared, self.options);
        let (weights, means) = (self.weights, self.means);
        let thresholds = &options.at_least;
        let any_hit = self.any_hit(weights);
        Judgement {
            horizon_days: self.portfolio.horizon_days,
            hosts: prepared.hosts.len() as u64,
            guests: prepared.classes.iter().map(|class| class.guests).sum(),
            guests_without_tenant: self.guests_without_tenant(),
            independent: options.independent,
            clusters,
            tenants: self.tenants(means, weights),
            classes: self.classes(),
            hosts_hit_at_least: self.at_least(
                (HOSTS, &thresholds.hosts),
                Some(any_hit.probability).filter(|_| any_hit.method == Method::Exact),
                weights,
                |batch, place, _| {
                    batch.reached.iter().skip(place).step_by(thresholds.hosts.len()).copied().collect()
                },
            ),
            guests_hit_at_least: self.at_least(
                (GUESTS, &thresholds.guests),
                self.parts.fleet.any[GUESTS],
                weights,
                |batch, _, m| reached(&batch.guests, m),
            ),
            tenants_hit_at_least: self.at_least(
                (TENANTS, &thresholds.tenants),
                self.parts.fleet.any[TENANTS],
                weights,
                |batch, _, m| reached(&batch.tenants_hit, m),
            ),
            contributions,
            any_hit,
            sampling: self.sampling(&fleet),
            fleet,
        }
    }

    /// Puts in deviations that have a closed form: those of hosts on their own.
    fn with_deviations(mut judgement: Judgement, prepared: &Prepared, laws: &[ClassLaw]) -> Judgement {
        let deviations = alone::Deviations::new(prepared, laws);
        let clusters = judgement.clusters.iter_mut().map(|it| &mut it.figures).zip(deviations.clusters);
        let tenants = judgement.tenants.iter_mut().map(|it| &mut it.figures).zip(deviations.tenants);
        let fleet = std::iter::once((&mut judgement.fleet, deviations.fleet));
        for (figures, sd) in clusters.chain(tenants).chain(fleet) {
            (figures.sd, figures.sd_standard_error) = (sd, 0.0);
        }
        judgement
    }

    fn guests_without_tenant(&self) -> u64 {
        let all = self.prepared.holdings.iter().filter(|it| !self.prepared.named[it.tenant as usize]);
        all.map(|it| u64::from(it.vms)).sum()
    }

    fn method(&self) -> Method {
        match self.samples.tilts.len() {
            0 => Method::Exact,
            1 => Method::Sampling,
            _ => Method::ImportanceSampling,
        }
    }

    /// Puts what is known of parts into their figures: a part loses no more often than the fleet.
    fn settle(&self, parts: &[PartOf], figures: &mut [Figures]) {
        if self.samples.is_exact() {
            return;
        }
        let of_fleet = self.parts.fleet.any_loss().at_most;
        for (part, figures) in parts.iter().zip(figures) {
            part.any_loss().within(of_fleet).settle(figures);
        }
    }

    fn clusters(&self, means: &Means, weights: &Weights) -> Vec<ClusterFigures> {
        let levels = &self.options.levels;
        let mut all =
            figures::of_keys(self.samples, |batch| &batch.clusters, &means.clusters, weights, levels);
        self.settle(&self.parts.clusters, &mut all);
        let asked = Asked::of_clusters(&self.options.at_least_in_parts);
        let named = self.portfolio.clusters.iter().zip(&self.parts.clusters).zip(all).enumerate();
        let of = |(number, ((cluster, part), figures)): (usize, ((&Option<_>, &PartOf), Figures))| {
            let known = self.counts.clusters.get(number);
            let sampled = (self.samples, weights, self.method());
            let lists =
                parts::at_least(number, (part, known), &asked, |batch| &batch.clusters_reached, sampled);
            let [hosts_hit_at_least, guests_hit_at_least, tenants_hit_at_least] = lists;
            let [hosts, guests, tenants] = part.size;
            ClusterFigures {
                cluster: Option::clone(cluster),
                hosts,
                guests,
                tenants,
                figures,
                hosts_hit_at_least,
                guests_hit_at_least,
                tenants_hit_at_least,
            }
        };
        named.map(of).collect()
    }

    fn tenants(&self, means: &Means, weights: &Weights) -> Vec<TenantFigures> {
        let levels = &self.options.levels;
        let mut all = figures::of_keys(self.samples, |batch| &batch.tenants, &means.tenants, weights, levels);
        self.settle(&self.parts.tenants, &mut all);
        let asked = Asked::of_tenants(&self.options.at_least_in_parts);
        let named = self.portfolio.tenants.iter().zip(&self.parts.tenants).zip(all).enumerate();
        let of = |(number, ((tenant, part), figures)): (usize, ((&Option<_>, &PartOf), Figures))| {
            let known = self.counts.tenants.get(number);
            let sampled = (self.samples, weights, self.method());
            let lists =
                parts::at_least(number, (part, known), &asked, |batch| &batch.tenants_reached, sampled);
            let [hosts_hit_at_least, guests_hit_at_least, _] = lists;
            let [hosts, guests, _] = part.size;
            let tenant = Option::clone(tenant);
            TenantFigures { tenant, guests, hosts, figures, hosts_hit_at_least, guests_hit_at_least }
        };
        named.map(of).collect()
    }

    fn classes(&self) -> Vec<ClassFigures> {
        let laws = self.prepared.classes.iter().zip(self.laws);
        let of = |(class, (sources, law)): (
            &crate::portfolio::HostClass,
            (&prepared::ClassSources, &ClassLaw),
        )| {
            ClassFigures {
                label: class.label.clone(),
                hosts: sources.size() as u64,
                hit: law.hit,
                mean_impact: prepared::impact(law.mean_impact()),
            }
        };
        self.portfolio.classes.iter().zip(laws).map(of).collect()
    }

    /// Exactly where all counts are known, or where one is asked for and its probability is known; from the samples otherwise.
    fn at_least(
        &self,
        (what, thresholds): (usize, &[u64]),
        any: Option<f64>,
        weights: &Weights,
        of: impl Fn(&Batch, usize, u64) -> Vec<f64>,
    ) -> Vec<AtLeast> {
        let one = |(place, &m): (usize, &u64)| {
            let counted = self.counts.fleet[what].get(place).copied().flatten();
            if let Some(known) = any.filter(|_| m == 1).or(counted) {
                return AtLeast::exact(m, known);
            }
            let batches = self.samples.batches.iter();
            let reached = batches.flat_map(|batch| of(batch, place, m));
            let most = self.parts.fleet.most(what, m).min(any.filter(|_| m > 0).unwrap_or(1.0));
            weights.reaches(m, reached, self.method()).within(most, weights.unseen)
        };
        thresholds.iter().enumerate().map(one).collect()
    }

    fn any_hit(&self, weights: &Weights) -> AnyHit {
        let prepared = self.prepared;
        let exact::Bounds { frechet: (frechet_low, frechet_high), bonferroni_low, hunter_worsley_high } =
            exact::bounds(prepared, self.laws, self.options.independent);
        let mut any = AnyHit {
            probability: 0.0,
            standard_error: 0.0,
            method: Method::Exact,
            frechet_low,
            frechet_high,
            bonferroni_low,
            hunter_worsley_high,
            shapley: Vec::new(),
        };
        if self.options.independent {
            let survival = prepared.classes.iter().zip(self.laws).filter(|(class, _)| class.size() > 0);
            let logs = survival.map(|(class, law)| class.size() as f64 * (-law.hit).ln_1p());
            any.probability = -logs.sum::<f64>().exp_m1();
        } else if let Some((probability, shares)) = exact::any_hit(prepared) {
            any.probability = probability;
            let named = self.portfolio.shocks.iter().zip(shares).filter(|(_, share)| *share > 0.0);
            any.shapley =
                named.map(|(shock, share)| CauseShare { cause: shock.cause.clone(), share }).collect();
        } else if let Some(probability) = self.parts.fleet.any[HOSTS] {
            any.probability = probability;
        } else {
            let hit = self.samples.batches.iter().flat_map(|batch| reached(&batch.hosts, 1));
            let found = weights.reaches(1, hit, self.method());
            (any.probability, any.standard_error) = (found.probability, found.standard_error);
            any.method = found.method;
        }
        any
    }

    /// How far what was drawn can be trusted.
    fn sampling(&self, fleet: &Figures) -> Sampling {
        let (losses, weights) = (figures::fleet(self.drawn), Weights::of(self.drawn));
        let (sum, squares) =
            weights.all.iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
        let mean = weights.mean(losses.iter().copied());
        let off = (mean.value - fleet.mean).abs();
        let reduction = |quantile: &Quantile| {
            let over = losses.iter().filter(|entry| entry.0 > quantile.value).map(|&(_, draw)| (1.0, draw));
            let found = weights.mean(over);
            let factor = figures::reduction(found, weights.draws())?;
            let Estimate { value: probability, standard_error } = found;
            Some(VarianceReduction { level: quantile.level, probability, standard_error, factor })
        };
        let component =
            |(tilt, &share): (&tilt::Tilt, &f64)| Component { share, theta: tilt.theta, shift: tilt.shift };
        Sampling {
            samples: weights.all.len() as u32,
            components: self.drawn.tilts.iter().zip(&self.drawn.shares).map(component).collect(),
            ess: if squares > 0.0 { sum * sum / squares } else { 0.0 },
            largest_weight: weights.all.iter().copied().fold(0.0, f64::max),
            mean_weight: sum / weights.draws(),
            mean,
            deviation: if mean.standard_error > 0.0 { off / mean.standard_error } else { 0.0 },
            enumerated: self.samples.is_exact(),
            variance_reduction: fleet.quantiles.iter().filter_map(reduction).collect(),
        }
    }
}
