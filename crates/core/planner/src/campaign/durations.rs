//! How long steps take: the policy's spreads, fitted to what was watched before.
//!
//! Durations are log-normal: their logarithms have a mean and a deviation, of which the policy's spread is a first belief that
//! is worth 4 observations (normal, inverse chi-squared). It is updated by steps on other products, then by those
//! on other hardware of the same product, then by those on the same hardware: each observation counts once, and all that was
//! watched elsewhere is worth no more than [`OTHERS_WORTH`] and [`PLATFORM_WORTH`] observations, since hosts that differ take
//! differently long. What was watched on the same hardware overrules the belief as far as it contradicts it. Percentiles are
//! those of the next step (Student's t), so that few observations leave them wide. No trend is looked for.
//!
//! - A step that failed or runs still took at least so long; it counts by what it is expected to have taken in the end
//!   (expectation maximisation of the censored normal law).
//! - What lies more than three deviations off the rest counts as if it lay there: one step that hung over a weekend is no
//!   reason to plan a weekend for every host.
//! - Nothing watched: the policy's spread, to the second. Sums run over sorted values: the order of the file changes nothing.

mod belief;

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::{Change, Method};
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, HardwareClass, Host, Observation, TimedOutcome, TimedStep};
use underpin_model::plan::{DurationFrom, DurationSource, ElementOutcome, StepDuration};
use underpin_model::policy::{Durations, PlanningPolicy, Spread};

use self::belief::{Belief, Sample};
use super::Request;

/// Observations that all that was watched on other products is worth, at most: a judgement.
const OTHERS_WORTH: f64 = 2.0;

/// The same on other hardware of the same product: a judgement.
const PLATFORM_WORTH: f64 = 6.0;

/// Observations on the same hardware below which quick ones shorten no slow case below the policy's median: a judgement.
const FEW: u32 = 20;

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

    /// The same where a host is changed in several ways in one drain: of each step the longest, of those that declare their own and of the
    /// others. Whoever takes it back takes all of it back.
    pub(super) fn of_drain<'c>(
        &self,
        host: &Host,
        method: Method,
        changes: impl Iterator<Item = &'c Change>,
    ) -> Durations {
        let own = changes.map(|it| it.durations.unwrap_or_else(|| self.of(host, method)));
        own.reduce(Durations::longest).unwrap_or_else(|| self.of(host, method))
    }

    /// Where the durations of all planned elements are from, those alike together; `done`: the changes that each of them gets.
    pub(super) fn sources(
        &self,
        request: &Request<'_>,
        done: &BTreeMap<&str, BTreeSet<u32>>,
        elements: &[ElementOutcome],
    ) -> Vec<DurationSource> {
        let hosts: BTreeMap<&str, &Host> =
            request.fleet.hosts.iter().map(|it| (it.id.as_str(), it)).collect();
        let mut alike: BTreeMap<(Method, Vec<&str>, Option<Class<'_>>), DurationSource> = BTreeMap::new();
        for element in elements {
            let Some(method) = element.method else { continue };
            let changes = done.get(element.element.as_str()).into_iter().flatten();
            let changes: Vec<&Change> =
                changes.filter_map(|it| request.changes().get(*it as usize)).collect();
            let own: Vec<&Change> = changes.iter().filter(|it| it.durations.is_some()).copied().collect();
            let host = hosts.get(element.element.as_str()).copied();
            let class = host.filter(|_| !self.fits.is_empty()).map(class_of);
            let others = changes.is_empty() || own.len() < changes.len();
            let mut names: Vec<&str> = own.iter().map(|it| it.id.as_str()).collect();
            names.extend(others.then_some(""));
            let source = alike.entry((method, names, class)).or_insert_with_key(|(_, _, class)| {
                let general = others.then(|| self.steps(host, class.as_ref(), method));
                DurationSource { elements: Vec::new(), method, steps: of_all(&own, general) }
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

/// Of each step the longest, of changes that declare their own durations and of what holds for all others; of a median and a slow case
/// from two of them the one says so whose slow case it is.
fn of_all(own: &[&Change], general: Option<Vec<StepDuration>>) -> Vec<StepDuration> {
    let mut all: BTreeMap<TimedStep, StepDuration> = BTreeMap::new();
    let of_change = |it: &&Change| {
        let from = DurationFrom::Change { change: it.id.clone() };
        it.durations.map(|own| steps(&own, |_| from.clone()))
    };
    for it in own.iter().filter_map(of_change).chain(general).flatten() {
        let known = all.entry(it.step).or_insert_with(|| it.clone());
        let spread = known.spread.longer(it.spread);
        if (it.spread.p95_s, it.spread.p50_s) > (known.spread.p95_s, known.spread.p50_s) {
            *known = it;
        }
        known.spread = spread;
    }
    let order = TimedStep::ALL.into_iter();
    order.filter_map(|step| all.remove(&step)).collect()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::belief::{MOST_S, Z95, hazard, student95};
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
