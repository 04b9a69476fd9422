//! Numbers that cannot be wrong: probabilities, losses, rates and spans of days, checked where they enter.
//!
//! Everything that computes a risk takes these types, so that a probability of 1.2, a negative loss or a NaN is refused
//! where it was written and never turns into a figure on a screen.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a number cannot serve as a quantity.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("found {found}, expected {expected}")]
pub struct InvalidQuantity {
    /// The number.
    pub found: f64,
    /// What is accepted.
    pub expected: &'static str,
}

/// Why a formula refuses an argument.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name}: found {found}, expected {expected}")]
pub struct InvalidArgument {
    /// The argument as the formula names it.
    pub name: &'static str,
    /// The number; a count is shown as a number too.
    pub found: f64,
    /// What is accepted.
    pub expected: &'static str,
}

impl InvalidArgument {
    /// Refuses an argument unless a condition holds.
    ///
    /// # Errors
    /// [`InvalidArgument`] with the name, the number and the expectation.
    pub fn unless(
        accepted: bool,
        name: &'static str,
        found: f64,
        expected: &'static str,
    ) -> Result<(), Self> {
        if accepted { Ok(()) } else { Err(Self { name, found, expected }) }
    }
}

macro_rules! quantities {
    ($($(#[$doc:meta])* $name:ident, $accepts:expr, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "f64", into = "f64")]
        #[schemars(with = "f64")]
        pub struct $name(f64);

        impl $name {
            #[doc = concat!("Accepts ", $expected, ".")]
            ///
            /// # Errors
            /// [`InvalidQuantity`] names the number and what is accepted.
            pub fn new(value: f64) -> Result<Self, InvalidQuantity> {
                let accepts: fn(f64) -> bool = $accepts;
                if accepts(value) { Ok(Self(value)) } else { Err(InvalidQuantity { found: value, expected: $expected }) }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = InvalidQuantity;
            fn try_from(value: f64) -> Result<Self, Self::Error> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(it: $name) -> Self {
                it.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

quantities! {
    /// A probability.
    Probability, |it| (0.0..=1.0).contains(&it), "a probability from 0 to 1";
    /// A loss in the policy's currency.
    Loss, |it| it.is_finite() && it >= 0.0, "a finite loss, not negative";
    /// A rate or hazard per day.
    PerDay, |it| it.is_finite() && it >= 0.0, "a finite rate per day, not negative";
    /// A span in days, fractions allowed.
    Days, |it| it.is_finite() && it >= 0.0, "a finite number of days, not negative";
}

impl Probability {
    /// It never happens.
    pub const NEVER: Self = Self(0.0);
    /// It is certain.
    pub const CERTAIN: Self = Self(1.0);

    /// The probability nearest to a computed number: rounding errors just outside 0 and 1 are cut, NaN becomes certain
    /// (the cautious side). For results of formulas, not for input.
    #[must_use]
    pub fn nearest(value: f64) -> Self {
        if value.is_nan() { Self::CERTAIN } else { Self(value.clamp(0.0, 1.0)) }
    }

    /// The probability that it does not happen.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(1.0 - self.0)
    }

    /// Both of two independent events.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }

    /// At least one of two independent events.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(1.0 - (1.0 - self.0) * (1.0 - other.0))
    }
}

impl Loss {
    /// No loss.
    pub const NONE: Self = Self(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_quantity_are_refused_with_the_expectation() {
        for bad in [-0.1, 1.000_001, f64::NAN, f64::INFINITY] {
            assert!(Probability::new(bad).is_err(), "{bad}");
        }
        assert!(Loss::new(-1.0).is_err());
        assert!(PerDay::new(f64::NAN).is_err());
        assert!(Days::new(f64::INFINITY).is_err());
        let error = Probability::new(1.5).unwrap_err().to_string();
        assert_eq!(error, "found 1.5, expected a probability from 0 to 1");
        let read: Result<Probability, _> = serde_json::from_str("2.0");
        assert!(read.unwrap_err().to_string().contains("expected a probability from 0 to 1"));
    }

    #[test]
    fn the_ends_are_probabilities() {
        assert_eq!(Probability::new(0.0).unwrap(), Probability::NEVER);
        assert_eq!(Probability::new(1.0).unwrap(), Probability::CERTAIN);
        assert_eq!(Probability::CERTAIN.complement().or(Probability::NEVER), Probability::NEVER);
    }
}
