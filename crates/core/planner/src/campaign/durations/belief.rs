//! What is believed of one step: a normal law of the logarithm of its seconds, and how observations update it.

use underpin_model::policy::Spread;

/// Observations that the policy's spread is worth: a judgement.
const POLICY_WORTH: f64 = 4.0;

/// Standard errors between what is believed and what was watched on the same hardware at which the belief counts half.
const CONTRADICTION: f64 = 3.0;

/// Deviations from the rest beyond which a value counts as if it lay there.
const CLIP: f64 = 3.0;

/// Least deviation of the logarithm that is believed before anything was watched: no duration is known to 5 %.
const LEAST_SPREAD: f64 = 0.05;

/// Rounds of expectation maximisation: each halves the error at least unless most steps run still.
const ROUNDS: usize = 60;

/// 95 % quantile of the normal law.
pub(super) const Z95: f64 = 1.644_853_626_951_472_7;

/// Greatest median and percentile, in seconds: 30 days, as in policies.
pub(super) const MOST_S: f64 = 30.0 * 86_400.0;

/// A step that was watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// Logarithm of its seconds.
    pub(super) ln_s: f64,
    /// It took at least so long.
    pub(super) at_least: bool,
}

/// What is believed of the logarithm of a duration in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Belief {
    mean: f64,
    deviation: f64,
    /// Observations that the mean is worth.
    of_mean: f64,
    /// Observations that the deviation is worth.
    of_deviation: f64,
}

impl Belief {
    /// That of a policy's spread: its percentiles are those of the spread. `None`: the step takes no time.
    pub(super) fn of_policy(spread: Spread) -> Option<Self> {
        let (p50, p95) = (f64::from(spread.p50_s), f64::from(spread.p95_s));
        if p50 <= 0.0 {
            return None;
        }
        let mut belief =
            Self { mean: p50.ln(), deviation: 1.0, of_mean: POLICY_WORTH, of_deviation: POLICY_WORTH };
        belief.deviation = ((p95 / p50).ln() / belief.reach()).max(LEAST_SPREAD);
        Some(belief)
    }

    /// Deviations from the mean to the 95th percentile of the next duration.
    fn reach(&self) -> f64 {
        student95(self.of_deviation) * (1.0 + 1.0 / self.of_mean).sqrt()
    }

    pub(super) fn spread(&self) -> Spread {
        let seconds = |ln: f64| ln.exp().clamp(1.0, MOST_S);
        let median = seconds(self.mean).round();
        let p95 = seconds(self.mean + self.reach() * self.deviation).ceil();
        Spread::new(median as u32, p95 as u32)
    }

    /// Updates the belief by what was watched elsewhere, which together is worth so many observations at most, or here (`None`).
    pub(super) fn learn(&mut self, samples: &mut [Sample], most: Option<f64>) {
        if samples.is_empty() {
            return;
        }
        samples.sort_by(|a, b| a.ln_s.total_cmp(&b.ln_s).then(a.at_least.cmp(&b.at_least)));
        self.clip(samples);
        let each = most.map_or(1.0, |most| (most / samples.len() as f64).min(1.0));
        let count = each * samples.len() as f64;
        // What was watched here is no mistake of the hosts: a belief gives way as far as they contradict it.
        let of_mean = if most.is_some() { self.of_mean } else { self.of_mean * self.stands(samples) };
        let (mut mean, mut deviation, mut worth) = (self.mean, self.deviation, 0.0);
        for _ in 0..ROUNDS {
            worth = each * samples.iter().map(|it| it.worth(mean, deviation)).sum::<f64>();
            let expected: Vec<(f64, f64)> = samples.iter().map(|it| it.expected(mean, deviation)).collect();
            let sum = each * expected.iter().map(|it| it.0).sum::<f64>();
            mean = (of_mean * self.mean + sum) / (of_mean + count);
            // About their own mean: that hardware differs from other hardware does not make it vary.
            let middle = sum / count;
            let squares = each * expected.iter().map(|it| (it.0 - middle).powi(2) + it.1).sum::<f64>();
            let free = self.of_deviation + count - each.min(worth);
            deviation = ((self.of_deviation * self.deviation.powi(2) + squares) / free).sqrt();
        }
        *self = Self { mean, deviation, of_mean: of_mean + worth, of_deviation: self.of_deviation + worth };
    }

    /// How far the belief stands against what was watched: whole where they agree, half where their means are
    /// [`CONTRADICTION`] standard errors apart.
    fn stands(&self, samples: &[Sample]) -> f64 {
        let count = samples.len() as f64;
        let value = |it: &Sample| if it.at_least { it.ln_s.max(self.mean) } else { it.ln_s };
        let mean = samples.iter().map(value).sum::<f64>() / count;
        let error = self.deviation * (1.0 / self.of_mean + 1.0 / count).sqrt();
        1.0 / (1.0 + ((mean - self.mean) / (CONTRADICTION * error)).powi(2))
    }

    /// Draws in what lies far off: from the median of the sorted samples, drawn to what was believed as far as they are few.
    fn clip(&self, samples: &mut [Sample]) {
        let values: Vec<f64> = samples.iter().map(|it| it.ln_s).collect();
        let (count, (low, high)) = (values.len() as f64, middle(&values));
        // Between two of them what was believed decides: one of two may be the one that is off.
        let middle_value = self.mean.clamp(low, high);
        let mut off: Vec<f64> = values.iter().map(|it| (it - middle_value).abs()).collect();
        off.sort_by(f64::total_cmp);
        // The deviation of a normal law by the median of the absolute ones.
        let deviation = (1.482_602_218_505_602 * middle(&off).0).max(self.deviation);
        let centre = (POLICY_WORTH / 2.0 * self.mean + count * middle_value) / (POLICY_WORTH / 2.0 + count);
        let (low, high) = (centre - CLIP * deviation, centre + CLIP * deviation);
        for sample in samples {
            sample.ln_s = sample.ln_s.clamp(low, high);
        }
    }
}

impl Sample {
    /// Mean and variance of what it came to in the end, under a normal law.
    fn expected(&self, mean: f64, deviation: f64) -> (f64, f64) {
        if !self.at_least {
            return (self.ln_s, 0.0);
        }
        let z = (self.ln_s - mean) / deviation;
        let rate = hazard(z);
        let left = (1.0 + z * rate - rate * rate).clamp(0.0, 1.0);
        (mean + deviation * rate, deviation * deviation * left)
    }

    /// How much of an observation it is: that a step takes longer than next to nothing says nothing.
    fn worth(&self, mean: f64, deviation: f64) -> f64 {
        if !self.at_least {
            return 1.0;
        }
        let z = (self.ln_s - mean) / deviation;
        let rate = hazard(z);
        (rate * (rate - z)).clamp(0.0, 1.0)
    }
}

/// The two values in the middle of sorted ones; of an odd number one value twice.
fn middle(sorted: &[f64]) -> (f64, f64) {
    let at = |place: usize| sorted.get(place).copied().unwrap_or(0.0);
    (at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

/// Density over survival of the standard normal law (Mills).
pub(super) fn hazard(z: f64) -> f64 {
    if z > 25.0 {
        // The tail is too small for a double; the error of the series is below 1e-8.
        return z + 1.0 / z - 2.0 / z.powi(3);
    }
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    density / (0.5 * libm::erfc(z / std::f64::consts::SQRT_2))
}

/// 95 % quantile of Student's t, by its series in the inverse of the degrees of freedom (Fisher, Cornish): from 4 degrees on
/// it is within 0.1 %.
pub(super) fn student95(degrees: f64) -> f64 {
    let (z, inverse) = (Z95, 1.0 / degrees);
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) * inverse) + z
}
