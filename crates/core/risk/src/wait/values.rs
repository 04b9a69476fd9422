//! The parameters as plain numbers, with their ranges: what sensitivities move and uncertainty samples.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use underpin_model::policy::{Parameter, Parameters, Unit};

/// The parameters that the loss of waiting depends on.
pub const USED: [Parameter; 14] = [
    Parameter::KevFloor,
    Parameter::EpssUnknown,
    Parameter::Shape,
    Parameter::Aimed,
    Parameter::ReachExposed,
    Parameter::ReachInternal,
    Parameter::GuestCompromised,
    Parameter::SecondFactor,
    Parameter::RegressionPrior,
    Parameter::RegressionHit,
    Parameter::Theta,
    Parameter::RingStops,
    Parameter::IncompleteFix,
    Parameter::HoursAfterCompromise,
];

/// The same, of parameters whose effect is on losses alone.
pub const USED_FOR_LOSSES: [Parameter; 4] = [
    Parameter::HoursAfterRegression,
    Parameter::CopiesLeave,
    Parameter::RestartLeaves,
    Parameter::RecordsPerVm,
];

/// All parameters of the decision, in a fixed order.
pub fn used() -> impl Iterator<Item = Parameter> {
    USED.into_iter().chain(USED_FOR_LOSSES)
}

/// One number per parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values([f64; Parameter::ALL.len()]);

impl Values {
    /// The values of a policy.
    #[must_use]
    pub fn of(parameters: &Parameters) -> Self {
        let mut values = Self([0.0; Parameter::ALL.len()]);
        Parameter::ALL.iter().for_each(|it| values.set(*it, parameters.get(*it)));
        values
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, parameter: Parameter) -> f64 {
        self.0.get(parameter as usize).copied().unwrap_or_else(|| parameter.fact().value)
    }

    /// The same values with one replaced.
    #[must_use]
    pub fn with(&self, parameter: Parameter, value: f64) -> Self {
        let mut changed = *self;
        changed.set(parameter, value);
        changed
    }

    pub(super) fn set(&mut self, parameter: Parameter, value: f64) {
        if let Some(slot) = self.0.get_mut(parameter as usize) {
            *slot = value;
        }
    }
}

/// The plausible range of a parameter in one decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// The parameter.
    pub parameter: Parameter,
    /// Value.
    pub value: f64,
    /// Low end.
    pub low: f64,
    /// High end.
    pub high: f64,
    /// Where value and range are from.
    pub source: String,
    /// No study gives it for a fleet like this.
    pub judgement: bool,
}

/// Values and ranges that a decision starts from: the policy's, with what releases of the line have shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Assumptions {
    /// The values.
    pub values: Values,
    /// The ranges of the parameters that are used.
    pub spans: Vec<Span>,
}

impl Assumptions {
    /// Those of a policy.
    #[must_use]
    pub fn of(parameters: &Parameters) -> Self {
        let span = |parameter| {
            let setting = parameters.setting(parameter);
            let (value, low, high) = (setting.value, setting.low, setting.high);
            Span { parameter, value, low, high, source: setting.source, judgement: setting.judgement }
        };
        Self { values: Values::of(parameters), spans: used().map(span).collect() }
    }

    /// Replaces one by what is known better.
    pub fn learn(&mut self, span: Span) {
        self.values = self.values.with(span.parameter, span.value);
        if let Some(own) = self.spans.iter_mut().find(|it| it.parameter == span.parameter) {
            *own = span;
        }
    }

    /// Draws all parameters at once, each within its range, from one seed: the same seed, the same draws, so that groups
    /// are compared under the same assumptions.
    ///
    /// The value is the median: half of the draws fall below it, half above, each half as a triangle that is highest at
    /// the value. A side that spans more than a factor of ten is on a logarithmic scale, because on a linear one nearly all of
    /// its draws would be of the order of its far end.
    #[must_use]
    pub fn draws(&self, count: u32, seed: u64) -> Vec<Values> {
        uniforms(self.spans.len(), count, seed).iter().map(|it| self.at(it)).collect()
    }

    /// The values at one uniform number per span.
    pub(super) fn at(&self, uniforms: &[f64]) -> Values {
        let mut values = self.values;
        for (span, uniform) in self.spans.iter().zip(uniforms) {
            values.set(span.parameter, quantile(span, *uniform));
        }
        values
    }
}

/// Per draw one uniform number for each of so many spans.
pub(super) fn uniforms(spans: usize, count: u32, seed: u64) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // 53 bits make a number in [0, 1).
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    (0..count).map(|_| (0..spans).map(|_| uniform()).collect()).collect()
}

/// Quantile of the two triangles of a span.
pub(super) fn quantile(span: &Span, uniform: f64) -> f64 {
    let Span { low, value, high, .. } = *span;
    // How far it is from the value to the end, 0 to 1.
    let (end, part) = if uniform < 0.5 {
        (low, 1.0 - (2.0 * uniform).sqrt())
    } else {
        (high, 1.0 - (2.0 * (1.0 - uniform)).sqrt())
    };
    let drawn = if end > 0.0 && value > 0.0 && (end / value).max(value / end) > 10.0 {
        value * (end / value).powf(part)
    } else {
        value + (end - value) * part
    };
    drawn.clamp(low, high)
}

/// The ends of the domain of a parameter, as far as it makes sense to look for a value that turns a decision: ten times
/// the plausible range where its unit has no end.
#[must_use]
pub fn domain(span: &Span) -> (f64, f64) {
    match span.parameter.fact().unit {
        Unit::Probability => (0.0, 1.0),
        Unit::Correlation => (0.0, 0.999),
        Unit::Shape => (0.01, 1.0),
        Unit::PerDay | Unit::Hours | Unit::Count => (0.0, 10.0 * span.high.max(span.value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_ranges_and_repeat_with_the_seed() {
        let assumptions = Assumptions::of(&Parameters::default());
        let draws = assumptions.draws(400, 7);
        assert_eq!(draws, assumptions.draws(400, 7));
        assert_ne!(draws, assumptions.draws(400, 8));
        for span in &assumptions.spans {
            let all: Vec<f64> = draws.iter().map(|it| it.get(span.parameter)).collect();
            assert!(all.iter().all(|it| (span.low..=span.high).contains(it)), "{span:?}");
            let below = all.iter().filter(|it| **it < span.value).count();
            let half = span.low == span.value || (160..=240).contains(&below);
            assert!(half, "{span:?}: {below} of 400 below the value");
        }
        // A quarter of the draws lies above the quarter point of the upper triangle, which is on a logarithmic scale.
        let unknown = draws.iter().map(|it| it.get(Parameter::EpssUnknown));
        let quarter = 0.003_44 * (0.05_f64 / 0.003_44).powf(1.0 - 0.5_f64.sqrt());
        let above = unknown.filter(|it| *it > quarter).count();
        assert!((75..=125).contains(&above), "{above} of 400 above {quarter}");
    }

    #[test]
    fn every_parameter_has_its_own_place() {
        let values = Values::of(&Parameters::default());
        for parameter in Parameter::ALL {
            assert_eq!(values.get(*parameter), parameter.fact().value);
            assert_eq!(values.with(*parameter, 0.123).get(*parameter), 0.123);
        }
    }
}
