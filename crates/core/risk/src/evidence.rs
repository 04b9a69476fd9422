//! What trials and canaries say: bounds after clean runs, and beliefs that evidence updates.

use serde::{Deserialize, Serialize};
use statrs::function::beta::{checked_beta_reg, ln_beta};
use underpin_model::quantity::{InvalidArgument, Probability};

use crate::binomial::{at_least, count};

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
    let low = if x == 0 { 0.0 } else { root(|p| at_least(n, Probability::nearest(p), x).get() >= outside) };
    let high = if x == n {
        1.0
    } else {
        // P(at most x failures) is P(at least n - x successes), a sum of its own terms.
        root(|p| at_least(n, Probability::nearest(1.0 - p), n - x).get() <= outside)
    };
    Ok(Interval { low: Probability::nearest(low), high: Probability::nearest(high) })
}

/// The place in 0 to 1 from which on a statement holds, to the last digit.
fn root(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        // By ratio while the low end is 0, so that tiny places are found with all digits too.
        let middle = if low == 0.0 && high > 1e-300 { high / 16.0 } else { 0.5 * (low + high) };
        if middle <= low || middle >= high {
            return high;
        }
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
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

/// A belief about a probability: beta(`a`, `b`). Conjugate to counts, so that evidence adds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BetaBelief {
    /// Failures seen, plus those that the prior stands for.
    pub a: f64,
    /// Successes seen, plus those that the prior stands for.
    pub b: f64,
}

impl BetaBelief {
    /// A belief with these pseudo-counts.
    ///
    /// # Errors
    /// `a` or `b` is not a finite number above 0.
    pub fn new(a: f64, b: f64) -> Result<Self, InvalidArgument> {
        let expected = "a finite pseudo-count above 0";
        InvalidArgument::unless(a.is_finite() && a > 0.0, "a", a, expected)?;
        InvalidArgument::unless(b.is_finite() && b > 0.0, "b", b, expected)?;
        Ok(Self { a, b })
    }

    /// A belief with this mean that weighs as much as `trials` observations.
    ///
    /// # Errors
    /// `mean` is 0 or 1, which no evidence could move, or `trials` is not a finite number above 0.
    pub fn with_mean(mean: Probability, trials: f64) -> Result<Self, InvalidArgument> {
        let inside = mean > Probability::NEVER && mean < Probability::CERTAIN;
        InvalidArgument::unless(inside, "mean", mean.get(), "a mean between 0 and 1")?;
        let expected = "a finite number of trials above 0";
        InvalidArgument::unless(trials.is_finite() && trials > 0.0, "trials", trials, expected)?;
        Self::new(mean.get() * trials, mean.complement().get() * trials)
    }

    /// The belief after more evidence.
    #[must_use]
    pub fn updated(self, failures: u64, successes: u64) -> Self {
        Self { a: self.a + failures as f64, b: self.b + successes as f64 }
    }

    /// Mean: also the probability that the next one fails.
    #[must_use]
    pub fn mean(self) -> Probability {
        Probability::nearest(self.a / (self.a + self.b))
    }

    /// Standard deviation.
    #[must_use]
    pub fn deviation(self) -> f64 {
        let sum = self.a + self.b;
        (self.a / sum * (self.b / sum) / (sum + 1.0)).sqrt()
    }

    /// Probability that it is at most `p`.
    #[must_use]
    pub fn cumulative(self, p: Probability) -> Probability {
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
        if level <= Probability::NEVER || level >= Probability::CERTAIN {
            return level;
        }
        Probability::nearest(root(|p| self.cumulative(Probability::nearest(p)) >= level))
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
        let belief = BetaBelief::with_mean(p(0.15), 10.0).unwrap();
        near(belief.mean(), 0.15, 1e-12);
        near(belief.updated(0, 10).mean(), 0.075, 1e-12);
        near(belief.updated(1, 0).mean(), 2.5 / 11.0, 1e-12);
        assert!(belief.updated(0, 1000).deviation() < belief.deviation());
        // beta(1, b): 1 - (1-p)^b.
        let flat = BetaBelief::new(1.0, 1.0).unwrap().updated(0, 58);
        near(flat.quantile(p(0.95)), 1.0 - 0.05_f64.powf(1.0 / 59.0), 1e-10);
        assert_eq!(flat.quantile(p(1.0)), Probability::CERTAIN);
        for bad in [0.0, f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(BetaBelief::new(bad, 1.0).unwrap_err().name, "a");
            assert_eq!(BetaBelief::with_mean(p(0.5), bad).unwrap_err().name, "trials");
        }
        assert_eq!(BetaBelief::with_mean(p(1.0), 3.0).unwrap_err().name, "mean");
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
            let belief = BetaBelief::new(x as f64, (n - x + 1) as f64).unwrap();
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
