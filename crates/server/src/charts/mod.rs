//! Charts as SVG, drawn on the server: nothing runs in the browser, and a picture is the same in a page and in a file.
//!
//! A [`Chart`] is two [`Axis`]es and some [`Mark`]s over plain numbers. [`figure`] puts it on a page together with the
//! table that says the same in words; [`standalone`] makes a file of it.
//!
//! ```
//! use underpin_server::charts::{Axis, Chart, Mark, Shape, Tone, standalone};
//!
//! let chart = Chart {
//!     title: "Expected loss by day".to_owned(),
//!     description: "The loss is lowest after 9 days.".to_owned(),
//!     x: Axis::linear("days waited", 0.0, 30.0),
//!     y: Axis::linear("loss", 0.0, 120.0),
//!     marks: vec![Mark::new("loss", Tone::First, Shape::Line(vec![(0.0, 90.0), (9.0, 20.0), (30.0, 110.0)]))],
//! };
//! assert!(standalone(&chart).starts_with("<svg"));
//! ```
//!
//! - Colours are the custom properties of the style sheet, so that a chart follows the light and the dark theme; shapes
//!   and dashes differ as well, because colour alone tells not everybody.
//! - Every chart is drawn twice, for a desk and for a phone, with text of the same size in both: a picture that is only
//!   scaled cannot be read on a phone. The style sheet shows one of them.
//! - What cannot be placed (not finite, or zero on a logarithmic axis) is left out, never drawn somewhere else.

pub mod backtest;
pub mod cadence;
pub mod clocks;
mod draw;
mod labels;
pub mod risk;
mod scale;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use maud::{Markup, html};

pub use scale::{Axis, Tick, day};

/// A picture of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows; its name for those who do not see it.
    pub title: String,
    /// What is to be seen in it, in a sentence or two.
    pub description: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, the lowest first.
    pub marks: Vec<Mark>,
}

/// Something drawn in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its name in the legend; empty: it is not in the legend.
    pub name: String,
    /// Its colour.
    pub tone: Tone,
    /// Its form and data.
    pub shape: Shape,
}

impl Mark {
    /// A mark.
    #[must_use]
    pub fn new(name: impl Into<String>, tone: Tone, shape: Shape) -> Self {
        Self { name: name.into(), tone, shape }
    }
}

/// A colour of the style sheet, with the dash and the point that go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Blue, solid, circle.
    First,
    /// Amber, long dashes, square.
    Second,
    /// Green, dots, triangle.
    Third,
    /// Purple, dash and dot, diamond.
    Fourth,
    /// Red, short dashes, cross.
    Fifth,
    /// Grey, for what is only compared with.
    Plain,
}

impl Tone {
    /// The tone of series number `at`; they repeat after five.
    #[must_use]
    pub fn of_series(at: usize) -> Self {
        match at % 5 {
            0 => Self::First,
            1 => Self::Second,
            2 => Self::Third,
            3 => Self::Fourth,
            _ => Self::Fifth,
        }
    }
}

/// Form and data of a mark. Values are in the units of the axes; a row is a number of [`Axis::names`], from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Points joined by straight lines; one that cannot be placed breaks the line.
    Line(Vec<(f64, f64)>),
    /// A value that holds until the next point: an empirical distribution, a frontier.
    Step(Vec<(f64, f64)>),
    /// The stretch between a lower and an upper value: x, lower, upper.
    Band(Vec<(f64, f64, f64)>),
    /// Upright bars from 0 (the bottom, on a logarithmic axis): left edge, right edge, value. A histogram.
    Columns(Vec<(f64, f64, f64)>),
    /// Lying bars, one a row: row, from, to. Contributions.
    Bars(Vec<(usize, f64, f64)>),
    /// Single points.
    Points(Vec<(f64, f64)>),
    /// Names beside points, the most important first; one that finds no room is left out.
    Labels(Vec<((f64, f64), String)>),
    /// Strokes in one row, one for each value. A timeline.
    Strokes(usize, Vec<f64>),
    /// An upright line over the whole height, with its name beside it.
    UprightRule(f64),
    /// A level line over the whole width, with its name above it.
    LevelRule(f64),
}

/// A chart on a page: the picture at both widths, and the table behind it, which says the same in words.
#[must_use]
pub fn figure(chart: &Chart, table: &Markup) -> Markup {
    html! {
        figure.chart {
            (draw::svg(chart, draw::Width::Desk, true))
            (draw::svg(chart, draw::Width::Phone, true))
            figcaption { (chart.description) }
            details { summary { "The numbers of this chart" } (table) }
        }
    }
}

/// A chart as a file of its own, with the colours of both themes in it.
#[must_use]
pub fn standalone(chart: &Chart) -> String {
    draw::svg(chart, draw::Width::Desk, false).into_string()
}

/// The first and last value of a series of dates as numbers of an axis of days.
#[must_use]
pub fn span(dates: &[Date]) -> Option<(f64, f64)> {
    Some((day(*dates.iter().min()?), day(*dates.iter().max()?)))
}
