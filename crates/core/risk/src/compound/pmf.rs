//! The law of a count, as far as it has mass.

use crate::binomial::{self, Odds};

/// Masses below this are dropped at the ends.
const NO_MASS: f64 = 1e-40;

/// Most trials that are added one by one, where they stand; the law of more is worked out first.
const ONE_BY_ONE: usize = 4;

/// Room for the masses of most laws.
const SOME: usize = 64;

/// The law of a count, as far as it has mass. Unlike [`mod@crate::poisson_binomial`], which keeps every mass and the digits of
/// far tails, it drops what is below 1e-40, counts things that weigh more than one (guests of a host), and need not tell
/// numbers apart that nobody asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pmf {
    start: usize,
    mass: Vec<f64>,
}

impl Pmf {
    /// Nothing counted yet.
    pub(super) fn zero() -> Self {
        Self { start: 0, mass: vec![1.0] }
    }

    /// The masses of 0, 1, 2 and so on.
    pub(super) fn of(mass: &[f64]) -> Self {
        Self::trimmed(0, mass.to_vec())
    }

    fn trimmed(start: usize, mass: Vec<f64>) -> Self {
        let mut law = Self { start, mass };
        law.trim();
        law
    }

    /// `n` trials of probability `q`: from the mode outwards, each mass from its neighbour.
    pub(super) fn binomial(n: usize, q: f64) -> Self {
        if q <= 0.0 || n == 0 {
            return Self::zero();
        }
        if q >= 1.0 {
            return Self { start: n, mass: vec![1.0] };
        }
        let (size, odds) = (n as f64, q / (1.0 - q));
        let mode = (((size + 1.0) * q) as usize).min(n);
        let at_mode = binomial::mass(n as u64, Odds { p: q, q: 1.0 - q }, mode as u64);
        let mut mass = Vec::with_capacity(SOME.min(n + 1));
        let mut last = at_mode;
        for k in (1..=mode).rev() {
            last *= k as f64 / (odds * (n - k + 1) as f64);
            if last < NO_MASS {
                break;
            }
            mass.push(last);
        }
        let start = mode - mass.len();
        mass.reverse();
        mass.push(at_mode);
        let mut last = at_mode;
        for k in mode..n {
            last *= odds * (n - k) as f64 / (k + 1) as f64;
            if last < NO_MASS {
                break;
            }
            mass.push(last);
        }
        Self { start, mass }
    }

    /// The law of this count plus `stride` times the other, where numbers of `most` and above are one: that the sum is so
    /// great is all that is asked. Nothing is subtracted, so a rare tail keeps its digits.
    pub(super) fn plus(&self, other: &Self, stride: usize, most: usize) -> Self {
        if other.mass.len() == 1 && other.start == 0 {
            return self.clone();
        }
        let start = other.start.saturating_mul(stride).saturating_add(self.start).min(most);
        let longest = (other.mass.len() - 1).saturating_mul(stride).saturating_add(self.mass.len());
        let mut mass = vec![0.0; longest.min((most - start).saturating_add(1))];
        let (last, all) = (mass.len() - 1, self.mass.iter().sum::<f64>());
        for (at, &factor) in other.mass.iter().enumerate() {
            let from = (other.start + at).saturating_mul(stride).saturating_add(self.start) - start;
            if from >= last {
                mass[last] += factor * all;
                continue;
            }
            let apart = (last - from).min(self.mass.len());
            let (within, beyond) = self.mass.split_at(apart);
            if let Some(sums) = mass.get_mut(from..) {
                for (sum, &one) in sums.iter_mut().zip(within) {
                    *sum += factor * one;
                }
            }
            mass[last] += factor * beyond.iter().sum::<f64>();
        }
        Self::trimmed(start, mass)
    }

    /// Adds `n` trials of probability `q`, each worth `stride`, as [`Self::plus`] does.
    pub(super) fn add_trials(&mut self, n: usize, q: f64, stride: usize, most: usize) {
        if n > ONE_BY_ONE {
            *self = self.plus(&Self::binomial(n, q), stride, most);
            return;
        }
        (0..n).for_each(|_| self.add_trial(q, stride, most));
    }

    fn add_trial(&mut self, q: f64, stride: usize, most: usize) {
        if q <= 0.0 {
            return;
        }
        let long = self.mass.len().saturating_add(stride).min((most - self.start).saturating_add(1));
        self.mass.resize(long, 0.0);
        let end = long - 1;
        // What goes beyond the end stays there. From above downwards: what is moved has not been moved to.
        let to_end: f64 = self.mass[end.saturating_sub(stride)..].iter().sum();
        self.mass[end] = self.mass[end] * (1.0 - q) + to_end * q;
        for at in (0..end).rev() {
            let moved = at.checked_sub(stride).map_or(0.0, |from| self.mass[from]);
            self.mass[at] = self.mass[at] * (1.0 - q) + moved * q;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.mass.len() > 1 && self.mass.last().is_some_and(|&it| it < NO_MASS) {
            self.mass.pop();
        }
        let few = self.mass.iter().take_while(|&&it| it < NO_MASS).count().min(self.mass.len() - 1);
        self.mass.drain(..few);
        self.start += few;
    }

    /// Probability of so many or more.
    pub(super) fn at_least(&self, m: u64) -> f64 {
        let from = usize::try_from(m).unwrap_or(usize::MAX).saturating_sub(self.start);
        self.mass.get(from..).map_or(0.0, |tail| tail.iter().rev().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_added_one_by_one_are_a_binomial() {
        let trials =
            [(4, 0.3, 1), (2, 0.01, 5), (1, 0.9, 3), (3, 1e-9, 2), (2, 1.0, 1), (1, 0.0, 7), (3, 0.2, 40)];
        for most in [1, 2, 5, 17, 60, usize::MAX / 4] {
            let (mut one_by_one, mut at_once) = (Pmf::zero(), Pmf::zero());
            for (n, q, worth) in trials {
                one_by_one.add_trials(n, q, worth, most);
                at_once = at_once.plus(&Pmf::binomial(n, q), worth, most);
            }
            for m in 0..=most.min(200) {
                let (one, other) = (one_by_one.at_least(m as u64), at_once.at_least(m as u64));
                assert!((one - other).abs() <= 1e-13 * other, "{m} of {most}: {one} but {other}");
            }
        }
    }

    #[test]
    fn numbers_that_nobody_asks_for_change_nothing_below() {
        let parts = [(7, 0.3, 1), (2, 0.01, 5), (1, 0.9, 3), (4, 1e-9, 2), (3, 1.0, 1)];
        let sum = |most| {
            parts.iter().fold(Pmf::zero(), |sum, &(n, q, worth)| sum.plus(&Pmf::binomial(n, q), worth, most))
        };
        let whole = sum(usize::MAX);
        for most in 1..40 {
            for m in 0..=most {
                let (short, long) = (sum(most).at_least(m as u64), whole.at_least(m as u64));
                assert!((short - long).abs() <= 1e-13 * long, "{m} of {most}: {short} but {long}");
            }
        }
    }
}
