//! Which parameter a decision hinges on: the tornado, and the value at which each one turns the decision.

use serde::Serialize;
use underpin_model::policy::Parameter;

use super::curve::{Choice, Inputs, Optimum, days_or_never};
use super::lumps::Lumped;
use super::situation::Situation;
use super::table::{Grid, Table};
use super::values::{Assumptions, Span, domain};
use crate::build::reach::Rates;
use crate::crossing::crossing;

/// Steps of the search from the value to each end of the range, and on to the end of the domain.
const STEPS: u32 = 8;
/// How close a flip is found: 2^-40 of the bracket.
const CLOSE: i32 = -40;

/// The decision at one end of a parameter's range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct End {
    /// The parameter's value there.
    pub at: f64,
    /// Loss of patching now, less the least loss of waiting or not patching: positive, where waiting is better.
    pub now_over_later: f64,
    /// Days to wait there; `None`: never.
    #[serde(serialize_with = "days_or_never")]
    pub optimum_days: Option<f64>,
    /// Least loss there.
    pub loss: f64,
    /// The kind of choice there.
    pub choice: Choice,
}

/// The value of a parameter at which the decision turns into another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Flip {
    /// The value.
    pub at: f64,
    /// What the decision is beyond it.
    pub to: Choice,
    /// It lies within the plausible range.
    pub plausible: bool,
    /// How far it is on the way from the value to the end of the plausible range: 0 to 1 within, above 1 beyond it.
    pub distance: f64,
}

/// How one parameter moves a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The parameter with its value, range and source.
    #[serde(flatten)]
    pub span: Span,
    /// At the low end.
    pub low: End,
    /// At the high end.
    pub high: End,
    /// The nearest value at which the decision turns; `None`: it never does in the parameter's domain.
    pub flip: Option<Flip>,
}

impl Sensitivity {
    /// Width of its bar in the tornado.
    #[must_use]
    pub fn swing(&self) -> f64 {
        (self.high.now_over_later - self.low.now_over_later).abs()
    }
}

/// The variants of one decision, with what they share.
pub(super) struct Variants<'d> {
    pub(super) situation: &'d Situation,
    pub(super) lumped: &'d Lumped<'d>,
    pub(super) assumptions: &'d Assumptions,
    pub(super) grid: &'d Grid,
    /// The inputs of the decision itself, per approach the probability of a hit, and the table.
    pub(super) base: &'d Inputs,
    pub(super) hits: &'d [f64],
    pub(super) table: &'d Table,
}

impl Variants<'_> {
    /// The tornado, widest bar first.
    pub(super) fn tornado(&self, choice: Choice) -> Vec<Sensitivity> {
        let unmoved = self.table.optimum(self.grid, self.base);
        let one = |span: &Span| {
            let (lowest, highest) = domain(span);
            // Every parameter moves its inputs in one direction: what is the same at both ends is the same between them.
            let same = |value| self.inputs(span.parameter, value) == *self.base;
            if [lowest, span.low, span.high, highest].into_iter().all(same) {
                let (low, high) = (end(span.low, unmoved), end(span.high, unmoved));
                return Sensitivity { span: span.clone(), low, high, flip: None };
            }
            let best = |value| self.optimum(&self.inputs(span.parameter, value));
            Sensitivity {
                span: span.clone(),
                low: end(span.low, best(span.low)),
                high: end(span.high, best(span.high)),
                flip: flip(span, choice, &best),
            }
        };
        let mut list: Vec<Sensitivity> = self.assumptions.spans.iter().map(one).collect();
        list.sort_by(|a, b| b.swing().total_cmp(&a.swing()));
        list
    }

    /// The inputs with one parameter moved.
    fn inputs(&self, parameter: Parameter, value: f64) -> Inputs {
        let values = self.assumptions.values.with(parameter, value);
        if Rates::depend_on(parameter) {
            self.lumped.inputs(&values, &self.situation.hits(&values))
        } else {
            self.lumped.inputs(&values, self.hits)
        }
    }

    fn optimum(&self, inputs: &Inputs) -> Optimum {
        if inputs.has_hazards_of(self.base) {
            self.table.optimum(self.grid, inputs)
        } else {
            Table::of(self.grid, inputs).optimum(self.grid, inputs)
        }
    }
}

/// The parameter that the decision hinges on: the one that turns it nearest to its value, relative to its range.
#[must_use]
pub fn hinge(list: &[Sensitivity]) -> Option<Parameter> {
    let near = |it: &&Sensitivity| it.flip.is_some_and(|flip| flip.plausible);
    let distance = |it: &Sensitivity| it.flip.map_or(f64::MAX, |flip| flip.distance);
    let nearest = list.iter().filter(near).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.map(|it| it.span.parameter)
}

fn end(at: f64, best: Optimum) -> End {
    End {
        at,
        now_over_later: best.now_over_later(),
        optimum_days: best.days,
        loss: best.loss,
        choice: best.choice,
    }
}

fn flip(span: &Span, choice: Choice, best: &impl Fn(f64) -> Optimum) -> Option<Flip> {
    let (lowest, highest) = domain(span);
    let down = side(span, span.low, lowest, choice, best);
    let up = side(span, span.high, highest, choice, best);
    [down, up].into_iter().flatten().min_by(|a, b| a.distance.total_cmp(&b.distance))
}

/// The first flip on the way from the value over the end of the range to the end of the domain.
fn side(span: &Span, range: f64, limit: f64, choice: Choice, best: &impl Fn(f64) -> Optimum) -> Option<Flip> {
    let mut inside = span.value;
    let within = way(span.value, range).map(|at| (at, true));
    for (outside, plausible) in within.chain(way(range, limit).map(|at| (at, false))) {
        if best(outside).margin(choice) < 0.0 {
            let at = turn(inside, outside, choice, best);
            let (value, width) = (span.value, (range - span.value).abs());
            let distance = match ((at - value).abs(), width) {
                (_, width) if plausible && ratio(value, range) > 10.0 && width > 0.0 => {
                    (at / value).ln().abs() / (range / value).ln().abs()
                }
                (moved, width) if width > 0.0 => moved / width,
                _ => f64::MAX,
            };
            return Some(Flip { at, to: best(at).choice, plausible, distance });
        }
        inside = outside;
    }
    None
}

/// How many times larger one number is than the other; 1 where a logarithm makes no sense.
fn ratio(a: f64, b: f64) -> f64 {
    if a > 0.0 && b > 0.0 { (a / b).max(b / a) } else { 1.0 }
}

/// Steps from one value to another: even, or even on a logarithmic scale over more than a factor of ten.
fn way(from: f64, to: f64) -> impl Iterator<Item = f64> {
    let logarithmic = ratio(from, to) > 10.0;
    let steps = if from == to { 0 } else { STEPS };
    (1..=steps).map(move |step| {
        let part = f64::from(step) / f64::from(STEPS);
        if step == STEPS {
            to
        } else if logarithmic {
            from * (to / from).powf(part)
        } else {
            from + (to - from) * part
        }
    })
}

/// A value, to 2^-40 of the bracket, at which the decision is another one, next to one at which it is not.
fn turn(same: f64, other: f64, choice: Choice, best: &impl Fn(f64) -> Optimum) -> f64 {
    let margin = |at: f64| best(at).margin(choice);
    let close = (other - same).abs() * 2.0_f64.powi(CLOSE);
    crossing((same, margin(same)), (other, margin(other)), close, margin)
}
