//! What trials and canaries say: bounds after clean runs, and beliefs that evidence updates.

use serde::{Deserialize, Serialize};
use statrs::function::beta::{checked_beta_reg, ln_beta};
use underpin_model::quantity::{InvalidArgument, Probability};

use crate::binomial::{at_least, count};
use crate::crossing::crossing;
use crate::normal;
use crate::tail::beta_binomial_none;

/// Upper bound of a failure probability after `n` trials without a failure: `1-(1-confidence)^(1/n)`. 59 clean hosts show 5 %
/// at 95 %. Without a trial nothing is known: 1.
#[must_use]
pub fn zero_failure_upper(n: u64, confidence: Probability) -> Probability {
    if n == 0 {
        return Probability::CERTAIN;
    }
    Probability::nearest(-((-confidence.get()).ln_1p() / n as f64).exp_m1())
}

/// An interval of probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Low end.
    pub low: Probability,
    /// High end.
    pub high: Probability,
}

/// Exact two-sided interval of a probability after `x` failures in `n` trials (Clopper and Pearson, 1934). Without a trial it
/// is 0 to 1.
///
/// # Errors
/// `x` is more than `n`, `n` is above [`crate::binomial::LARGEST_COUNT`], or `confidence` is 1: no interval is certain.
pub fn clopper_pearson(x: u64, n: u64, confidence: Probability) -> Result<Interval, InvalidArgument> {
    count(n)?;
    InvalidArgument::unless(x <= n, "x", x as f64, "at most n failures in n trials")?;
    let expected = "a confidence below 1";
    InvalidArgument::unless(confidence < Probability::CERTAIN, "confidence", confidence.get(), expected)?;
    let outside = 0.5 * (1.0 - confidence.get());
    // The low end makes so many failures just improbable, the high end so few.
    let low = if x == 0 { 0.0 } else { root(|p| outside - at_least(n, Probability::nearest(p), x).get()) };
    let high = if x == n {
        1.0
    } else {
        // P(at most x failures) is P(at least n - x successes), a sum of its own terms.
        root(|p| at_least(n, Probability::nearest(1.0 - p), n - x).get() - outside)
    };
    Ok(Interval { low: Probability::nearest(low), high: Probability::nearest(high) })
}

/// The 95 % interval of [`clopper_pearson`] as numbers; 0 to 1 where it has none.
pub(crate) fn interval_95(x: u64, n: u64) -> (f64, f64) {
    clopper_pearson(x, n, Probability::nearest(0.95)).map_or((0.0, 1.0), |it| (it.low.get(), it.high.get()))
}

/// The place in 0 to 1 at which a function that falls gets below 0, to the last digit.
fn root(left: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = ((0.0, left(0.0)), (1.0, left(1.0)));
    // By ratio while the low end is 0, so that tiny places are found with all digits too.
    while low.0 == 0.0 && high.0 > 1e-300 {
        let at = high.0 / 16.0;
        let found = (at, left(at));
        *(if found.1 < 0.0 { &mut high } else { &mut low }) = found;
    }
    crossing(low, high, 0.0, left)
}

/// Probability that at least one of `n` canaries shows a defect that strikes each with `p`: `1-(1-p)^n`.
#[must_use]
pub fn detect_prob_canary(n: u64, p: Probability) -> Probability {
    if n == 0 {
        return Probability::NEVER;
    }
    Probability::nearest(-(n as f64 * (-p.get()).ln_1p()).exp_m1())
}

/// Probability that a release is bad after `n` clean canaries: `prior (1-q)^n / (prior (1-q)^n + 1 - prior)`, where a bad
/// release strikes each canary with `q`. Canaries that share no hardware class with a group teach nothing about it: for them
/// `q` is 0.
///
/// # Errors
/// `prior` and `q` are 1 and there was a canary: what happened was held impossible, and no belief follows from that.
pub fn posterior_bad_after_clean_canary(
    prior: Probability,
    q: Probability,
    n: u64,
) -> Result<Probability, InvalidArgument> {
    let impossible = n > 0 && prior == Probability::CERTAIN && q == Probability::CERTAIN;
    let expected = "below 1 where every canary of a bad release fails and one stayed clean";
    InvalidArgument::unless(!impossible, "prior", prior.get(), expected)?;
    let clean = if n == 0 { 1.0 } else { (n as f64 * (-q.get()).ln_1p()).exp() };
    // Certain in advance stays certain: also where the clean run is too improbable for a double.
    if prior == Probability::CERTAIN {
        return Ok(prior);
    }
    let bad = prior.get() * clean;
    Ok(Probability::nearest(bad / (bad + prior.complement().get())))
}

/// A count of hosts that ran something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Hosts.
    pub hosts: u32,
    /// Of them, hit.
    pub failures: u32,
}

/// Counts of each kind from which on a belief is nearly normal: what the expansion leaves out is below 1e-6 of the deviation.
const NEARLY_NORMAL: f64 = 10_000.0;

/// A belief about a probability: a Beta distribution. Conjugate to counts, so that evidence adds. A shape of 0 is certainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Beta {
    /// First shape: failures seen, plus those that the prior stands for.
    pub a: f64,
    /// Second shape: successes seen, plus those that the prior stands for.
    pub b: f64,
}

impl Beta {
    /// The distribution with this mean, and the deviation of a PERT estimate with this range: a sixth of its width. It is
    /// worth at least one observation, and a mean at an end of `0..=1` is certain.
    #[must_use]
    pub fn from_range(mean: f64, low: f64, high: f64) -> Self {
        let mean = mean.clamp(0.0, 1.0);
        let deviation = ((high - low) / 6.0).max(1e-6);
        let weight = (mean * (1.0 - mean) / (deviation * deviation) - 1.0).max(1.0);
        Self { a: mean * weight, b: (1.0 - mean) * weight }
    }

    /// Mean: also the probability that the next one fails.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.a <= 0.0 { 0.0 } else { self.a / (self.a + self.b) }
    }

    /// After more observations.
    #[must_use]
    pub fn after(&self, failures: f64, successes: f64) -> Self {
        Self { a: self.a + failures, b: self.b + successes }
    }

    /// Probability that `hosts` hosts of a bad release are all clean: `B(a, b + n) / B(a, b)`.
    #[must_use]
    pub fn all_clean(&self, hosts: u32) -> f64 {
        if self.a <= 0.0 || hosts == 0 {
            return 1.0;
        }
        beta_binomial_none(hosts.into(), self.a, self.b).map_or(0.0, Probability::get)
    }

    /// Probability that a release is bad after a run, and the share that it then hits.
    #[must_use]
    pub fn update(self, bad: f64, run: Count) -> (f64, Self) {
        let (hosts, failures) = (f64::from(run.hosts), f64::from(run.failures));
        let share = if self.a <= 0.0 && run.failures > 0 {
            // It was thought impossible and happened: what was seen is all that is known.
            Self { a: failures, b: hosts - failures }
        } else if self.a <= 0.0 {
            self
        } else {
            self.after(failures, hosts - failures)
        };
        if run.failures > 0 {
            return (1.0, share);
        }
        // A failure that was seen is not unseen: no run without one takes it back, nor does its rounding.
        if bad >= 1.0 {
            return (bad, share);
        }
        let clean = bad * self.all_clean(run.hosts);
        let after = if clean > 0.0 { clean / (clean + (1.0 - bad)) } else { 0.0 };
        (after, share)
    }

    /// Probability that it is at most `p`.
    #[must_use]
    pub fn cumulative(self, p: Probability) -> Probability {
        if self.a <= 0.0 || self.b <= 0.0 {
            return if self.mean() <= p.get() { Probability::CERTAIN } else { Probability::NEVER };
        }
        // The library sums at most 140 terms, which is enough up to some ten thousand counts; beyond, the density is summed.
        if self.a.max(self.b) < 10_000.0 {
            return Probability::nearest(checked_beta_reg(self.a, self.b, p.get()).unwrap_or(1.0));
        }
        self.summed(p)
    }

    /// The share of the density below `p`, integrated on the log-odds scale, where it is a smooth bump without ends.
    fn summed(self, p: Probability) -> Probability {
        if p <= Probability::NEVER || p >= Probability::CERTAIN {
            return p;
        }
        let ln_norm = ln_beta(self.a, self.b);
        let density = |odds: f64| {
            // ln x = -ln(1+e^-odds) and ln(1-x) = -ln(1+e^odds).
            (-self.a * (-odds).exp().ln_1p() - self.b * odds.exp().ln_1p() - ln_norm).exp()
        };
        let mode = (self.a / self.b).ln();
        let width = (1.0 / self.a + 1.0 / self.b).sqrt();
        let end = (p.get() / p.complement().get()).ln();
        let grid = |from: f64, to: f64| -> f64 {
            let inner = (-40_i32..=40).map(|j| mode + f64::from(j) * width).filter(|z| *z > from && *z < to);
            let breaks: Vec<f64> = [from].into_iter().chain(inner).chain([to]).collect();
            crate::quadrature::integral(density, &breaks, 1e-13)
        };
        let (far_below, far_above) = (mode - 400.0 * width, mode + 400.0 * width);
        let below = grid(far_below.min(end), end);
        let above = grid(end, far_above.max(end));
        // Both sides by the same rule: the norm cancels, and with it the digits that log-gamma lacks.
        Probability::nearest(below / (below + above))
    }

    /// The value that it is at most with probability `level`.
    #[must_use]
    pub fn quantile(self, level: Probability) -> Probability {
        if self.a <= 0.0 || self.b <= 0.0 {
            return Probability::nearest(self.mean());
        }
        if level <= Probability::NEVER || level >= Probability::CERTAIN {
            return level;
        }
        if self.a.min(self.b) >= NEARLY_NORMAL {
            return self.nearly_normal(level);
        }
        Probability::nearest(root(|p| level.get() - self.cumulative(Probability::nearest(p)).get()))
    }

    /// The quantile of a sharp distribution by the expansion of Cornish and Fisher (1938) up to its kurtosis, because the sum of so narrow
    /// a density costs seconds and is rounding in the end.
    fn nearly_normal(self, level: Probability) -> Probability {
        let (a, b) = (self.a, self.b);
        let (sum, mean) = (a + b, self.mean());
        let deviation = (mean * (b / sum) / (sum + 1.0)).sqrt();
        let skew = 2.0 * (b - a) * (sum + 1.0).sqrt() / ((sum + 2.0) * (a * b).sqrt());
        let excess =
            6.0 * ((a - b).powi(2) * (sum + 1.0) - a * b * (sum + 2.0)) / (a * b * (sum + 2.0) * (sum + 3.0));
        let z = normal::quantile(level).unwrap_or(0.0);
        let place = z + skew / 6.0 * (z * z - 1.0) + excess / 24.0 * (z.powi(3) - 3.0 * z)
            - skew * skew / 36.0 * (2.0 * z.powi(3) - 5.0 * z);
        Probability::nearest(mean + deviation * place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    fn near(got: Probability, expected: f64, tolerance: f64) {
        let got = got.get();
        assert!((got - expected).abs() <= tolerance * expected.abs(), "got {got}, expected {expected}");
    }

    #[test]
    fn clean_runs_bound_a_probability() {
        near(zero_failure_upper(59, p(0.95)), 0.049_507_609_888_226_89, 1e-12);
        assert_eq!(zero_failure_upper(0, p(0.95)), Probability::CERTAIN);
        assert_eq!(zero_failure_upper(10, p(1.0)), Probability::CERTAIN);
        assert_eq!(zero_failure_upper(10, p(0.0)), Probability::NEVER);
        // Without a failure the two-sided bound is the one-sided one at half the rest.
        near(clopper_pearson(0, 10, p(0.95)).unwrap().high, zero_failure_upper(10, p(0.975)).get(), 1e-12);
    }

    #[test]
    fn intervals_at_their_ends() {
        let nothing = clopper_pearson(0, 0, p(0.95)).unwrap();
        assert_eq!((nothing.low, nothing.high), (Probability::NEVER, Probability::CERTAIN));
        let all = clopper_pearson(10, 10, p(0.95)).unwrap();
        near(all.low, 1.0 - 0.308_497_107_818_760_7, 1e-11);
        assert_eq!(all.high, Probability::CERTAIN);
        // One failure in a million: the low end is tiny and has all its digits.
        near(clopper_pearson(1, 1_000_000, p(0.95)).unwrap().low, 2.531_780_766_379_42e-8, 1e-9);
        assert_eq!(clopper_pearson(1, u64::MAX, p(0.95)).unwrap_err().name, "n");
        assert_eq!(clopper_pearson(11, 10, p(0.95)).unwrap_err().name, "x");
        assert_eq!(clopper_pearson(1, 10, p(1.0)).unwrap_err().name, "confidence");
    }

    #[test]
    fn what_a_failure_settled_no_clean_run_takes_back() {
        let hit = Beta::from_range(0.3, 0.05, 0.9);
        let (bad, hit) = hit.update(0.03, Count { hosts: 10, failures: 1 });
        for hosts in [1, 7, 30, 1_000_000] {
            assert_eq!(hit.update(bad, Count { hosts, failures: 0 }).0, 1.0, "{hosts}");
        }
    }

    #[test]
    fn canaries_at_their_ends() {
        assert_eq!(detect_prob_canary(0, p(1.0)), Probability::NEVER);
        assert_eq!(detect_prob_canary(3, p(1.0)), Probability::CERTAIN);
        let posterior = |prior, q, n| posterior_bad_after_clean_canary(p(prior), p(q), n);
        near(posterior(0.148, 0.08, 10).unwrap(), 0.070_162_859_926_660_56, 1e-12);
        assert_eq!(posterior(0.2, 0.0, 1000).unwrap().get(), 0.2);
        assert_eq!(posterior(0.2, 1.0, 1).unwrap().get(), 0.0);
        assert_eq!(posterior(1.0, 0.5, 100_000).unwrap().get(), 1.0);
        assert_eq!(posterior(1.0, 1.0, 0).unwrap().get(), 1.0);
        assert_eq!(posterior(1.0, 1.0, 1).unwrap_err().name, "prior");
    }

    #[test]
    fn beliefs_are_updated_by_counts() {
        // beta(1, b): 1 - (1-p)^b.
        let flat = Beta { a: 1.0, b: 1.0 }.after(0.0, 58.0);
        near(flat.quantile(p(0.95)), 1.0 - 0.05_f64.powf(1.0 / 59.0), 1e-10);
        assert_eq!(flat.quantile(p(1.0)), Probability::CERTAIN);
        for (certain, mean) in [(Beta { a: 0.0, b: 3.0 }, 0.0), (Beta { a: 3.0, b: 0.0 }, 1.0)] {
            assert_eq!((certain.mean(), certain.quantile(p(0.3)).get()), (mean, mean));
            assert_eq!(certain.cumulative(p(0.5)).get(), 1.0 - mean);
        }
    }

    /// The expansion is the sum of the density where both can be had, and a share that is stated exactly costs nothing.
    #[test]
    fn sharp_beliefs_are_nearly_normal() {
        for (a, b) in [(10_000.0, 10_500.0), (12_000.0, 400_000.0), (30_000.0, 11_000.0)] {
            let sharp = Beta { a, b };
            let deviation = (sharp.mean() * (1.0 - sharp.mean()) / (a + b + 1.0)).sqrt();
            for level in [1e-4, 0.05, 0.5, 0.9, 0.999] {
                let summed = root(|at| level - sharp.cumulative(p(at)).get());
                let off = (sharp.quantile(p(level)).get() - summed).abs() / deviation;
                assert!(off < 1e-5, "{a}, {b} at {level}: {off} deviations");
            }
        }
        let stated = Beta::from_range(0.08, 0.08, 0.08);
        near(stated.quantile(p(0.99)), 0.08, 1e-4);
    }

    /// With a share that is known exactly this is `p (1-q)^n / (p (1-q)^n + 1 - p)`: science, 1.4.
    #[test]
    fn clean_canaries_clear_a_release_as_published() {
        for (q, expected) in [(0.08, 0.0702), (0.5, 0.00017)] {
            let sharp = Beta { a: q * 1e7, b: (1.0 - q) * 1e7 };
            let (bad, _) = sharp.update(0.148, Count { hosts: 10, failures: 0 });
            assert!((bad / expected - 1.0).abs() < 0.01, "{q}: {bad}");
        }
    }

    #[test]
    fn a_failure_settles_it_and_teaches_the_share() {
        let share = Beta::from_range(0.08, 0.01, 1.0);
        assert!((share.mean() - 0.08).abs() < 1e-12);
        let (bad, after) = share.update(0.05, Count { hosts: 20, failures: 10 });
        assert_eq!(bad, 1.0);
        assert!(after.mean() > 0.4 && after.mean() < 0.5);
        let (bad, after) = share.update(0.05, Count { hosts: 20, failures: 0 });
        assert!(bad < 0.05 && after.mean() < 0.01);
        assert_eq!(share.update(0.0, Count { hosts: 3, failures: 0 }).0, 0.0);
        assert_eq!(Beta { a: 0.0, b: 1.0 }.update(1.0, Count { hosts: 3, failures: 0 }).0, 1.0);
    }

    /// A beta with whole counts is a binomial tail: `I_p(x, n-x+1) = P(Bin(n,p) >= x)`.
    #[test]
    fn cumulative_beliefs_are_binomial_tails_at_any_count() {
        for (x, n, at) in [
            (3, 20, 0.2),
            (100, 5000, 0.021),
            (5, 9000, 0.001),
            (5, 100_000, 5e-5),
            (30_000, 100_000, 0.301),
            (50_000, 100_000, 0.5),
        ] {
            let belief = Beta { a: x as f64, b: (n - x + 1) as f64 };
            near(belief.cumulative(p(at)), at_least(n, p(at), x).get(), 1e-9);
        }
    }

    proptest! {
        #[test]
        fn a_posterior_falls_with_clean_canaries_and_a_bound_with_trials(
            prior in 0.0..1.0_f64, q in 0.0..1.0_f64, n in 0_u64..1000,
        ) {
            let posterior = |n| posterior_bad_after_clean_canary(p(prior), p(q), n).unwrap();
            prop_assert!(posterior(n + 1) <= posterior(n));
            prop_assert!(posterior(0).get() <= prior + 1e-15);
            prop_assert!(detect_prob_canary(n + 1, p(q)) >= detect_prob_canary(n, p(q)));
            prop_assert!(zero_failure_upper(n + 1, p(q)) <= zero_failure_upper(n, p(q)));
        }

        #[test]
        fn an_interval_holds_the_share_and_grows_with_confidence(n in 1_u64..300, share in 0.0..=1.0_f64) {
            let x = (share * n as f64) as u64;
            let narrow = clopper_pearson(x, n, p(0.8)).unwrap();
            let wide = clopper_pearson(x, n, p(0.99)).unwrap();
            let share = x as f64 / n as f64;
            prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high);
            prop_assert!(narrow.low.get() <= share && share <= narrow.high.get());
        }
    }
}
