//! How long steps take: the policy's spreads, fitted to what was watched before.
//!
//! Durations are log-normal: their logarithms have a mean and a deviation, of which the policy's spread is a first belief that
//! is worth [`POLICY_WORTH`] observations (normal, inverse chi-squared). It is updated by steps on other products, then by those
//! on other hardware of the same product, then by those on the same hardware: each observation counts once, and all that was
//! watched elsewhere is worth no more than [`OTHERS_WORTH`] and [`PLATFORM_WORTH`] observations, since hosts that differ take
//! differently long. What was watched on the same hardware overrules the belief as far as it contradicts it. Percentiles are
//! those of the next step (Student's t), so that few observations leave them wide. No trend is looked for.
//!
//! - A step that failed or runs still took at least so long; it counts by what it is expected to have taken in the end
//!   (expectation maximisation of the censored normal law).
//! - What lies more than [`CLIP`] deviations off the rest counts as if it lay there: one step that hung over a weekend is no
//!   reason to plan a weekend for every host.
//! - Nothing watched: the policy's spread, to the second. Sums run over sorted values: the order of the file changes nothing.

use std::collections::BTreeMap;

use underpin_model::change::Method;
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, HardwareClass, Host, Observation, TimedOutcome, TimedStep};
use underpin_model::plan::{DurationFrom, DurationSource, ElementOutcome, StepDuration};
use underpin_model::policy::{Durations, PlanningPolicy, Spread};

use super::Request;

/// Observations that the policy's spread is worth: a judgement.
const POLICY_WORTH: f64 = 4.0;

/// Observations that all that was watched on other products is worth, at most: a judgement.
const OTHERS_WORTH: f64 = 2.0;

/// The same on other hardware of the same product: a judgement.
const PLATFORM_WORTH: f64 = 6.0;

/// Standard errors between what is believed and what was watched on the same hardware at which the belief counts half.
const CONTRADICTION: f64 = 3.0;

/// Observations on the same hardware below which quick ones shorten no slow case below the policy's median: a judgement.
const FEW: u32 = 20;

/// Deviations from the rest beyond which a value counts as if it lay there.
const CLIP: f64 = 3.0;

/// Least deviation of the logarithm that is believed before anything was watched: no duration is known to 5 %.
const LEAST_SPREAD: f64 = 0.05;

/// Rounds of expectation maximisation: each halves the error at least unless most steps run still.
const ROUNDS: usize = 60;

/// 95 % quantile of the normal law.
const Z95: f64 = 1.644_853_626_951_472_7;

/// Greatest median and percentile, in seconds: 30 days, as in policies.
const MOST_S: f64 = 30.0 * 86_400.0;

/// Hosts that take alike: product and hardware.
type Class<'a> = (Option<&'a Family>, HardwareClass);

/// A step of a method on hosts of a class.
type Key<'a> = (Class<'a>, Method, TimedStep);

/// What the fit says of one step.
#[derive(Debug, Clone, PartialEq)]
struct Fit {
    spread: Spread,
    from: DurationFrom,
}

/// The durations of a fleet.
#[derive(Debug)]
pub(super) struct Fitted<'a> {
    policy: &'a PlanningPolicy,
    fits: BTreeMap<Key<'a>, Fit>,
}

impl<'a> Fitted<'a> {
    /// Fits the policy's spreads to the history of a fleet, for every class of its hosts.
    pub(super) fn new(fleet: &'a Fleet, policy: &'a PlanningPolicy) -> Self {
        let history = fleet.planning.as_ref().map_or(&[][..], |it| it.history.as_slice());
        let mut fitted = Self { policy, fits: BTreeMap::new() };
        if history.is_empty() {
            return fitted;
        }
        let hosts: BTreeMap<&str, &'a Host> = fleet.hosts.iter().map(|it| (it.id.as_str(), it)).collect();
        let mut watched: BTreeMap<(Method, TimedStep), Vec<(Class<'a>, Sample)>> = BTreeMap::new();
        for it in history {
            let Some(class) = class_of_observation(it, &hosts) else { continue };
            let sample = Sample { ln_s: it.seconds.ln(), at_least: it.outcome != TimedOutcome::Ok };
            watched.entry((it.method, it.step)).or_default().push((class, sample));
        }
        let mut classes: Vec<Class<'a>> = fleet.hosts.iter().map(class_of).collect();
        classes.sort();
        classes.dedup();
        for ((method, step), samples) in watched {
            for class in &classes {
                let policy = step.of(&policy.durations_of(method));
                if let Some(fit) = fit(policy, class, &samples) {
                    fitted.fits.insert((class.clone(), method, step), fit);
                }
            }
        }
        fitted
    }

    /// How long the steps of a method take on a host.
    pub(super) fn of(&self, host: &Host, method: Method) -> Durations {
        let mut durations = self.policy.durations_of(method);
        if !self.fits.is_empty() {
            let class = class_of(host);
            // Taking it back is no step of the plan: what holds for it is the policy's word.
            for step in TimedStep::ALL.into_iter().filter(|it| *it != TimedStep::Rollback) {
                if let Some(fit) = self.fits.get(&(class.clone(), method, step)) {
                    step.set(&mut durations, fit.spread);
                }
            }
        }
        durations
    }

    /// Where the durations of all planned elements are from: those alike together.
    pub(super) fn sources(&self, request: &Request<'_>, elements: &[ElementOutcome]) -> Vec<DurationSource> {
        let hosts: BTreeMap<&str, &Host> =
            request.fleet.hosts.iter().map(|it| (it.id.as_str(), it)).collect();
        let mut alike: BTreeMap<(Method, Option<&str>, Option<Class<'_>>), DurationSource> = BTreeMap::new();
        for element in elements {
            let Some(method) = element.method else { continue };
            let own = request.changes().iter().find_map(|it| {
                let own = it.durations.filter(|_| element.changes.contains(&it.id))?;
                Some((it.id.as_str(), own))
            });
            let host = hosts.get(element.element.as_str()).copied();
            let class = host.filter(|_| !self.fits.is_empty()).map(class_of);
            let key = (method, own.map(|it| it.0), class);
            let source = alike.entry(key).or_insert_with_key(|(_, _, class)| DurationSource {
                elements: Vec::new(),
                method,
                steps: match own {
                    Some((change, own)) => {
                        let from = DurationFrom::Change { change: change.to_owned() };
                        steps(&own, |_| from.clone())
                    }
                    None => self.steps(host, class.as_ref(), method),
                },
            });
            source.elements.push(element.element.clone());
        }
        alike.into_values().collect()
    }

    fn steps(&self, host: Option<&Host>, class: Option<&Class<'_>>, method: Method) -> Vec<StepDuration> {
        let durations = host.map_or_else(|| self.policy.durations_of(method), |it| self.of(it, method));
        steps(&durations, |step| {
            let fitted = class.filter(|_| step != TimedStep::Rollback);
            let fit = fitted.and_then(|class| self.fits.get(&(class.clone(), method, step)));
            fit.map_or(DurationFrom::Policy, |fit| fit.from.clone())
        })
    }
}

/// The steps that take any time.
fn steps(durations: &Durations, from: impl Fn(TimedStep) -> DurationFrom) -> Vec<StepDuration> {
    let all = TimedStep::ALL.into_iter().map(|step| (step, step.of(durations)));
    let taken = all.filter(|it| it.1.p95_s > 0);
    taken.map(|(step, spread)| StepDuration { step, spread, from: from(step) }).collect()
}

fn class_of(host: &Host) -> Class<'_> {
    (host.platform.as_ref().map(|it| &it.family), HardwareClass::of(host))
}

fn class_of_observation<'a>(it: &'a Observation, hosts: &BTreeMap<&str, &'a Host>) -> Option<Class<'a>> {
    match &it.host {
        // A host that is not in the fleet was refused when the file was read.
        Some(host) => hosts.get(host.as_str()).copied().map(class_of),
        None => Some((it.platform.as_ref(), it.hardware.clone().unwrap_or_default())),
    }
}

/// The spread of one step on hosts of a class; `None`: the policy's stays.
fn fit(policy: Spread, class: &Class<'_>, samples: &[(Class<'_>, Sample)]) -> Option<Fit> {
    let mut belief = Belief::of_policy(policy)?;
    // Of which nobody knows what it is, nothing is alike.
    let same_platform = |it: &Class<'_>| it.0.is_some() && it.0 == class.0;
    let same_hardware = |it: &Class<'_>| same_platform(it) && it.1.is_alike(&class.1);
    let mut levels = [Vec::new(), Vec::new(), Vec::new()];
    for (of, sample) in samples {
        let level = if same_hardware(of) { 2 } else { usize::from(same_platform(of)) };
        if let Some(level) = levels.get_mut(level) {
            level.push(*sample);
        }
    }
    let at_least = samples.iter().filter(|it| it.1.at_least).count();
    let [mut others, mut platform, mut own] = levels;
    let counts = [others.len(), platform.len(), own.len(), at_least];
    belief.learn(&mut others, Some(OTHERS_WORTH));
    belief.learn(&mut platform, Some(PLATFORM_WORTH));
    belief.learn(&mut own, None);
    let [others, same_platform, same_hardware, at_least] =
        counts.map(|it| u32::try_from(it).unwrap_or(u32::MAX));
    let from = DurationFrom::Fitted { same_hardware, same_platform, others, at_least };
    // Nobody bets a night on a few quick ones: no slow case is quicker than the policy's usual one then.
    let spread = belief.spread();
    let least = if same_hardware < FEW { policy.p50_s } else { 0 };
    Some(Fit { spread: Spread::new(spread.p50_s, spread.p95_s.max(least)), from })
}

/// A step that was watched.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    /// Logarithm of its seconds.
    ln_s: f64,
    /// It took at least so long.
    at_least: bool,
}

/// What is believed of the logarithm of a duration in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Belief {
    mean: f64,
    deviation: f64,
    /// Observations that the mean is worth.
    of_mean: f64,
    /// Observations that the deviation is worth.
    of_deviation: f64,
}

impl Belief {
    /// That of a policy's spread: its percentiles are those of the spread. `None`: the step takes no time.
    fn of_policy(spread: Spread) -> Option<Self> {
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

    fn spread(&self) -> Spread {
        let seconds = |ln: f64| ln.exp().clamp(1.0, MOST_S);
        let median = seconds(self.mean).round();
        let p95 = seconds(self.mean + self.reach() * self.deviation).ceil();
        Spread::new(median as u32, p95 as u32)
    }

    /// Updates the belief by what was watched elsewhere, which together is worth so many observations at most, or here (`None`).
    fn learn(&mut self, samples: &mut [Sample], most: Option<f64>) {
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
fn hazard(z: f64) -> f64 {
    if z > 25.0 {
        // The tail is too small for a double; the error of the series is below 1e-8.
        return z + 1.0 / z - 2.0 / z.powi(3);
    }
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    density / (0.5 * libm::erfc(z / std::f64::consts::SQRT_2))
}

/// 95 % quantile of Student's t, by its series in the inverse of the degrees of freedom (Fisher, Cornish): from 4 degrees on
/// it is within 0.1 %.
fn student95(degrees: f64) -> f64 {
    let (z, inverse) = (Z95, 1.0 / degrees);
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) * inverse) + z
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    const POLICY: Spread = Spread::new(600, 1200);

    /// The same hardware, other hardware of the product, another product, nothing known.
    fn class<'a>(platform: Option<&'a Family>, model: &str) -> Class<'a> {
        let model = (!model.is_empty()).then(|| model.to_owned());
        (platform, HardwareClass { model, ..HardwareClass::default() })
    }

    fn ok(seconds: f64) -> Sample {
        Sample { ln_s: seconds.ln(), at_least: false }
    }

    fn own(samples: &[Sample]) -> Spread {
        let class = class(Some(&Family::Esxi), "m");
        let samples: Vec<_> = samples.iter().map(|it| (class.clone(), *it)).collect();
        fit(POLICY, &class, &samples).unwrap().spread
    }

    /// Draws of a log-normal law by Box and Muller.
    fn draws(count: usize, median_s: f64, deviation: f64, seed: u64) -> Vec<Sample> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = move || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        (0..count)
            .map(|_| {
                let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), uniform());
                let z = radius * (2.0 * std::f64::consts::PI * angle).cos();
                Sample { ln_s: median_s.ln() + deviation * z, at_least: false }
            })
            .collect()
    }

    fn near(got: u32, expected: f64, share: f64) {
        assert!((f64::from(got) / expected - 1.0).abs() < share, "{got}, expected {expected}");
    }

    #[test]
    fn a_few_quick_ones_bet_no_night() {
        let quick = Sample { ln_s: 0.0, at_least: false };
        assert!(own(&[quick]).p95_s >= POLICY.p50_s);
        assert!(own(&[quick; 40]).p95_s < POLICY.p50_s);
    }

    #[test]
    fn two_hundred_draws_of_a_known_law_bring_it_back() {
        for (seed, median_s, deviation) in [(1, 900.0, 0.3), (2, 240.0, 0.1), (3, 3000.0, 0.6)] {
            let found = own(&draws(200, median_s, deviation, seed));
            near(found.p50_s, median_s, 0.12);
            near(found.p95_s, median_s * (Z95 * deviation).exp(), 0.15);
        }
    }

    #[test]
    fn of_steps_that_run_still_the_law_comes_back_too() {
        let all = draws(400, 900.0, 0.3, 7);
        // Looked at after 900 seconds: half of them run still.
        let cut: Vec<Sample> = all
            .iter()
            .map(|it| if it.ln_s > 900f64.ln() { Sample { ln_s: 900f64.ln(), at_least: true } } else { *it })
            .collect();
        let found = own(&cut);
        near(found.p50_s, 900.0, 0.08);
        near(found.p95_s, 900.0 * (Z95 * 0.3).exp(), 0.15);
        // Taken for their full time they would halve the tail.
        let wrong: Vec<Sample> = cut.iter().map(|it| Sample { at_least: false, ..*it }).collect();
        assert!(f64::from(own(&wrong).p95_s) < 0.85 * f64::from(found.p95_s));
        // That all of them take longer than a second says nothing.
        let nothing = vec![Sample { ln_s: 0.0, at_least: true }; 50];
        let found = own(&nothing);
        near(found.p50_s, 600.0, 0.02);
        near(found.p95_s, 1200.0, 0.05);
    }

    #[test]
    fn few_observations_leave_the_tail_wide_and_one_outlier_does_not_move_it_far() {
        let width = |it: Spread| f64::from(it.p95_s) / f64::from(it.p50_s);
        let same = |count: usize| own(&vec![ok(800.0); count]);
        let (three, thirty, many) = (width(same(3)), width(same(30)), width(same(300)));
        assert!(three > thirty && thirty > many && many < 1.1, "{three} {thirty} {many}");
        for count in [1, 2, 5, 20, 100] {
            let mut samples = vec![ok(800.0); count];
            let before = own(&samples);
            samples.push(ok(800.0 * 500.0));
            let after = own(&samples);
            assert!(after.p50_s < 3 * before.p50_s && after.p95_s < 8 * before.p95_s, "{before:?} {after:?}");
        }
        let mut hundred = draws(100, 800.0, 0.3, 5);
        let before = own(&hundred);
        hundred.push(ok(800.0 * 500.0));
        let after = own(&hundred);
        near(after.p50_s, f64::from(before.p50_s), 0.03);
        near(after.p95_s, f64::from(before.p95_s), 0.1);
    }

    #[test]
    fn hardware_is_nearer_than_the_product_and_the_product_nearer_than_others() {
        let of = class(Some(&Family::Esxi), "m");
        let at = |from: &Class<'static>| {
            let samples: Vec<_> = (0..40).map(|_| (from.clone(), ok(2400.0))).collect();
            fit(POLICY, &of, &samples).unwrap().spread.p50_s
        };
        let (own, platform) = (at(&class(Some(&Family::Esxi), "m")), at(&class(Some(&Family::Esxi), "n")));
        let others = at(&class(Some(&Family::Proxmox), "m"));
        assert!(own > platform && platform > others && others > 600, "{own} {platform} {others}");
        // What was watched elsewhere is soon overruled by what was watched here.
        let mut samples: Vec<_> =
            (0..1000).map(|_| (class(Some(&Family::Proxmox), "m"), ok(6000.0))).collect();
        samples.extend((0..60).map(|_| (of.clone(), ok(300.0))));
        near(fit(POLICY, &of, &samples).unwrap().spread.p50_s, 300.0, 0.35);
        // Hosts of which nobody knows what they are teach each other no more than others do.
        let unknown = class(None, "");
        let found = fit(POLICY, &unknown, &[(unknown.clone(), ok(600.0))]).unwrap().from;
        let none = DurationFrom::Fitted { same_hardware: 0, same_platform: 0, others: 1, at_least: 0 };
        assert_eq!(found, none);
    }

    #[test]
    fn a_step_that_takes_no_time_is_not_fitted_and_quantiles_are_those_of_the_tables() {
        let class = class(Some(&Family::Esxi), "m");
        assert_eq!(fit(Spread::new(0, 0), &class, &[(class.clone(), ok(5.0))]), None);
        for (degrees, expected) in [(4.0, 2.131_847), (8.0, 1.859_548), (30.0, 1.697_261), (1e9, Z95)] {
            assert!((student95(degrees) / expected - 1.0).abs() < 1e-3, "{degrees}");
        }
        assert!((hazard(0.0) - 0.797_884_560_802_865).abs() < 1e-12);
        assert!((hazard(24.9) / hazard(25.1) - 24.9 / 25.1).abs() < 1e-4 && hazard(-40.0) == 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn percentiles_are_in_order_and_the_order_of_the_file_changes_nothing(
            seconds in prop::collection::vec((1e-3..2.5e6_f64, any::<bool>(), 0..3_usize), 1..40),
            p50_s in 1..100_000_u32, more in 0..100_000_u32,
        ) {
            let of = class(Some(&Family::Esxi), "m");
            let classes = [of.clone(), class(Some(&Family::Esxi), "n"), class(None, "")];
            let mut samples: Vec<_> = seconds
                .iter()
                .map(|&(seconds, at_least, at)| (classes[at].clone(), Sample { at_least, ..ok(seconds) }))
                .collect();
            let policy = Spread::new(p50_s, p50_s + more);
            let found = fit(policy, &of, &samples).unwrap();
            prop_assert!(found.spread.p50_s >= 1 && found.spread.p50_s <= found.spread.p95_s);
            prop_assert!(f64::from(found.spread.p95_s) <= MOST_S);
            samples.reverse();
            let half = samples.len() / 2;
            samples.rotate_left(half);
            prop_assert_eq!(fit(policy, &of, &samples).unwrap(), found);
        }
    }
}
