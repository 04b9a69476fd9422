//! The one source of chance: seeded, and the same on every machine.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use underpin_model::policy::Spread;

/// The 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_626_951_472_7;

/// A sequence of chances.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Above 0 and at most 1, in steps of 2^-53.
    fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// True with a probability. 0 and 1 draw as well, so that a rate changes nothing else of the sequence.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() <= probability
    }

    /// A whole number below `end`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let drawn = self.0.next_u64();
        if end == 0 { 0 } else { drawn % end }
    }

    /// A duration in milliseconds from the log-normal distribution with this median and 95th percentile. Logarithm and cosine come from
    /// `libm`: those of the machine differ in the last digit from one to the next.
    pub(crate) fn duration_ms(&mut self, spread: Spread) -> u64 {
        // Box and Muller. Both numbers are drawn always: what follows must not depend on the spread.
        let (radius, angle) = (self.unit(), self.unit());
        let normal = libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(std::f64::consts::TAU * angle);
        let (median, p95) = (f64::from(spread.p50_s), f64::from(spread.p95_s));
        if median <= 0.0 {
            return 0;
        }
        let sigma = libm::log(p95 / median).max(0.0) / Z95;
        let drawn = median * libm::exp(sigma * normal.clamp(-4.0, 4.0));
        libm::round(drawn * 1000.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_median_and_the_percentile_that_they_were_given() {
        let mut dice = Dice::new(7);
        let spread = Spread::new(600, 1200);
        let drawn: Vec<u64> = (0..20_000).map(|_| dice.duration_ms(spread)).collect();
        let below = |limit_s: u64| drawn.iter().filter(|it| **it <= limit_s * 1000).count() as f64 / 20_000.0;
        assert!((below(600) - 0.5).abs() < 0.015, "{}", below(600));
        assert!((below(1200) - 0.95).abs() < 0.007, "{}", below(1200));
        assert_eq!(dice.duration_ms(Spread::new(0, 0)), 0);
        assert_eq!(dice.duration_ms(Spread::new(60, 60)), 60_000);
    }

    #[test]
    fn the_sequence_is_the_same_on_every_machine() {
        let mut dice = Dice::new(1);
        let drawn: Vec<u64> = (0..4).map(|_| dice.duration_ms(Spread::new(600, 1200))).collect();
        assert_eq!(drawn, EXPECTED);
        assert_eq!((0..64).filter(|_| dice.chance(1.0)).count(), 64);
        assert_eq!((0..64).filter(|_| dice.chance(0.0)).count(), 0);
        assert_eq!(dice.below(0), 0);
    }

    /// Written down once; any other machine must draw the same.
    const EXPECTED: [u64; 4] = [986_811, 651_304, 509_312, 810_805];
}
