//! A number of which the plausible range is known: what is not known is a range, never a point.

use serde::Serialize;
use underpin_model::policy::Setting;

/// A value with the ends of its plausible range, `low <= value <= high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// Low end.
    pub low: f64,
    /// Value.
    pub value: f64,
    /// High end.
    pub high: f64,
}

impl Span {
    /// Nothing of it.
    pub const NONE: Self = Self::exactly(0.0);
    /// All of it.
    pub const ALL: Self = Self::exactly(1.0);
    /// A share of which nothing is known: anything from none to all, the middle as its value.
    pub const UNKNOWN_SHARE: Self = Self { low: 0.0, value: 0.5, high: 1.0 };

    /// A number that is known.
    #[must_use]
    pub const fn exactly(value: f64) -> Self {
        Self { low: value, value, high: value }
    }

    /// The value and range of a parameter.
    #[must_use]
    pub fn of(setting: &Setting) -> Self {
        Self { low: setting.low, value: setting.value, high: setting.high }
    }

    /// It is not known which of several holds: from the lowest end to the highest, the middle of the values' range as its
    /// value. Of nothing: [`Span::NONE`].
    #[must_use]
    pub fn one_of(spans: &[Self]) -> Self {
        Self::any_one_of(spans.iter().copied())
    }

    /// The same of spans one by one.
    pub(crate) fn any_one_of(mut spans: impl Iterator<Item = Self>) -> Self {
        let Some(first) = spans.next() else { return Self::NONE };
        let mut ends = first;
        let (mut least, mut most) = (first.value, first.value);
        for span in spans {
            ends.low = ends.low.min(span.low);
            ends.high = ends.high.max(span.high);
            least = least.min(span.value);
            most = most.max(span.value);
        }
        Self { value: f64::midpoint(least, most), ..ends }
    }

    /// End by end, through a function that does not fall.
    #[must_use]
    pub fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self { low: rising(self.low), value: rising(self.value), high: rising(self.high) }
    }

    /// End by end, through a function of two numbers that falls in neither.
    #[must_use]
    pub fn with(self, other: Self, rising: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            low: rising(self.low, other.low),
            value: rising(self.value, other.value),
            high: rising(self.high, other.high),
        }
    }

    /// At least one of `times` independent tries, each with this probability: `1-(1-p)^n`.
    #[must_use]
    pub fn any_of(self, times: u32) -> Self {
        // A count above 2^31 changes nothing in the result.
        self.map(|p| 1.0 - (1.0 - p).powi(i32::try_from(times).unwrap_or(i32::MAX)))
    }

    /// At least one of two independent events.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.with(other, |a, b| 1.0 - (1.0 - a) * (1.0 - b))
    }

    /// The greater, end by end.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        self.with(other, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_range_with_its_middle() {
        let inside = Span { low: 0.005, value: 0.05, high: 0.3 };
        let exposed = Span { low: 0.1, value: 0.5, high: 0.9 };
        let unknown = Span::one_of(&[inside, exposed]);
        assert_eq!((unknown.low, unknown.high), (0.005, 0.9));
        assert!((unknown.value - 0.275).abs() < 1e-15);
        assert_eq!(Span::one_of(&[]), Span::NONE);
    }

    #[test]
    fn several_tries_are_one_less_the_product() {
        let twice = Span::exactly(0.1).any_of(2);
        assert!((twice.value - 0.19).abs() < 1e-15);
        assert_eq!(Span::exactly(0.1).any_of(0), Span::NONE);
        assert!((Span::exactly(0.1).or(Span::exactly(0.5)).high - 0.55).abs() < 1e-15);
    }
}
