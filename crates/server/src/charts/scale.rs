//! From values to places: scales, and ticks at round values.

use jiff::civil::Date;
use jiff::{Span, ToSpan as _};

/// One axis: what it measures, over which stretch, in which scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it measures, with the unit; empty: it needs no words.
    pub label: String,
    scale: Scale,
    /// Ticks are not closer than this: half a patch is no round value.
    least_step: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Scale {
    Linear(f64, f64),
    Log(f64, f64),
    Days(f64, f64),
    Names(Vec<String>),
}

/// A place on an axis that is written beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where, from 0 (start of the axis) to 1 (end).
    pub place: f64,
    /// What is written.
    pub text: String,
}

/// A day as a number of an axis of days: days since 1970-01-01.
#[must_use]
pub fn day(date: Date) -> f64 {
    Date::constant(1970, 1, 1).until(date).map_or(0.0, |span| f64::from(span.get_days()))
}

fn date_of(day: f64) -> Option<Date> {
    // A float cast saturates, and a day out of reach of the calendar is refused by the addition.
    Date::constant(1970, 1, 1).checked_add((day as i32).days()).ok()
}

impl Axis {
    /// Equal steps are equal lengths. The ends are moved out to round values; what is not finite or empty becomes 0 to 1.
    #[must_use]
    pub fn linear(label: impl Into<String>, from: f64, to: f64) -> Self {
        let (from, to) = stretch(from, to);
        let step = round_step((to - from) / 5.0);
        let scale = Scale::Linear((from / step).floor() * step, (to / step).ceil() * step);
        Self { label: label.into(), scale, least_step: 0.0 }
    }

    /// Numbers of things from 0, with some room above the most of them for a label.
    #[must_use]
    pub fn counts(label: impl Into<String>, most: usize) -> Self {
        let axis = Self::linear(label, 0.0, (most as f64 * 1.2).max(1.0));
        let scale = match axis.scale {
            Scale::Linear(from, to) => Scale::Linear(from, to.ceil()),
            other => other,
        };
        Self { scale, least_step: 1.0, ..axis }
    }

    /// Equal factors are equal lengths, between powers of ten. Ends that are not positive become 1 (or a thousandth of
    /// the other end).
    #[must_use]
    pub fn log(label: impl Into<String>, from: f64, to: f64) -> Self {
        let usable = |value: f64| value.is_finite() && value > 0.0;
        let to = if usable(to) { to } else { 1.0 };
        let from = if usable(from) { from } else { to / 1000.0 };
        let (low, high) = (from.min(to).log10().floor(), from.max(to).log10().ceil());
        let high = if high > low { high } else { low + 1.0 };
        Self { label: label.into(), scale: Scale::Log(low, high), least_step: 0.0 }
    }

    /// Days between two dates, in either order.
    #[must_use]
    pub fn days(label: impl Into<String>, from: Date, to: Date) -> Self {
        let (from, to) = (day(from.min(to)), day(from.max(to)));
        let scale = Scale::Days(from, if to > from { to } else { from + 1.0 });
        Self { label: label.into(), scale, least_step: 0.0 }
    }

    /// Rows (or columns) with names, the first at the top (or left). The number of a row is its value.
    #[must_use]
    pub fn names(label: impl Into<String>, names: Vec<String>) -> Self {
        Self { label: label.into(), scale: Scale::Names(names), least_step: 0.0 }
    }

    /// Where a value is, from 0 to 1; beyond them for values outside. `None`: the axis has no place for it.
    #[must_use]
    pub fn place(&self, value: f64) -> Option<f64> {
        let place = match &self.scale {
            Scale::Linear(from, to) | Scale::Days(from, to) => (value - from) / (to - from),
            Scale::Log(from, to) if value > 0.0 => (value.log10() - from) / (to - from),
            Scale::Log(..) => return None,
            Scale::Names(names) => (value + 0.5) / names.len().max(1) as f64,
        };
        place.is_finite().then_some(place)
    }

    /// Where bars start: at zero, or at the start of an axis that has none.
    #[must_use]
    pub fn base(&self) -> f64 {
        match self.scale {
            Scale::Linear(..) => self.place(0.0).unwrap_or(0.0).clamp(0.0, 1.0),
            _ => 0.0,
        }
    }

    /// The rows, if it has names.
    pub(super) fn rows(&self) -> Option<&[String]> {
        match &self.scale {
            Scale::Names(names) => Some(names),
            _ => None,
        }
    }

    /// At most about `most` ticks at round values; every name of an axis of names.
    #[must_use]
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.max(2);
        let tick = |value: f64, text: String| self.place(value).map(|place| Tick { place, text });
        match &self.scale {
            Scale::Linear(from, to) => {
                let step = round_step((to - from) / most as f64).max(self.least_step);
                let count = ((to - from) / step + 1e-9) as usize;
                let first = (from / step).ceil();
                let values = (0..=count).map(|at| (first + at as f64) * step);
                values
                    .filter(|value| *value <= to + step * 1e-9)
                    .filter_map(|value| tick(value, number(value, step)))
                    .collect()
            }
            Scale::Log(from, to) => decades(*from, *to, most)
                .into_iter()
                // The last decade goes beyond the end by its 2 and 5: labels there would lie over each other.
                .filter(|value| value.log10() <= to + 1e-9)
                .filter_map(|value| tick(value, number(value, value)))
                .collect(),
            Scale::Days(from, to) => calendar(*from, *to, most)
                .into_iter()
                .filter_map(|(date, text)| tick(day(date), text))
                .collect(),
            Scale::Names(names) => {
                (0..).zip(names).filter_map(|(at, name)| tick(f64::from(at), name.clone())).collect()
            }
        }
    }
}

/// A stretch that can be divided: finite, and not empty.
fn stretch(from: f64, to: f64) -> (f64, f64) {
    if !from.is_finite() || !to.is_finite() {
        return (0.0, 1.0);
    }
    let (from, to) = (from.min(to), from.max(to));
    let enough = from.abs().max(to.abs()) * 1e-9;
    if to - from > enough {
        (from, to)
    } else if from == 0.0 {
        (0.0, 1.0)
    } else {
        (from - from.abs() / 2.0, to + to.abs() / 2.0)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least this.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let step =
        [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| *step >= least * 0.999_999);
    let step = step.unwrap_or(10.0 * power);
    if step.is_finite() && step > 0.0 { step } else { 1.0 }
}

fn decades(from: f64, to: f64, most: usize) -> Vec<f64> {
    let count = (to - from).round() as usize;
    let every = (count / most + 1).max(1);
    let factors: &[f64] = if (count + 1) * 3 <= most { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let powers = (0..=count).step_by(every).map(|at| 10_f64.powf(from + at as f64));
    powers.flat_map(|power| factors.iter().map(move |factor| factor * power)).collect()
}

/// First days of round stretches of months or days: January every few years, every few months, Mondays or days.
fn calendar(from: f64, to: f64, most: usize) -> Vec<(Date, String)> {
    let (Some(first), Some(last)) = (date_of(from.ceil()), date_of(to.floor())) else { return Vec::new() };
    let days_apart = (to - from) / most as f64;
    let months =
        [1_i32, 3, 6, 12, 24, 60, 120, 240, 600].into_iter().find(|m| f64::from(*m) * 30.4 >= days_apart);
    let mut ticks = Vec::new();
    if days_apart < 15.0 {
        let step = [1_i32, 2, 7, 14].into_iter().find(|d| f64::from(*d) >= days_apart).unwrap_or(14);
        let mut at = Some(first);
        while let Some(date) = at.filter(|date| *date <= last) {
            ticks.push((date, date.to_string()));
            at = later(date, step.days());
        }
        return ticks;
    }
    let step = months.unwrap_or(600);
    let month = i32::from(first.year()) * 12 + i32::from(first.month()) - 1;
    let mut month = month.div_euclid(step) * step;
    while let Some(date) = month_start(month).filter(|date| *date <= last) {
        if date >= first {
            let text = if step >= 12 { "%Y" } else { "%Y-%m" };
            ticks.push((date, date.strftime(text).to_string()));
        }
        month += step;
    }
    ticks
}

fn later(date: Date, step: Span) -> Option<Date> {
    date.checked_add(step).ok()
}

fn month_start(month: i32) -> Option<Date> {
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    let of_year = i8::try_from(month.rem_euclid(12) + 1).ok()?;
    Date::new(year, of_year, 1).ok()
}

/// A number of an axis whose steps are this wide: no more digits than the step needs; large ones with a letter.
pub(super) fn number(value: f64, step: f64) -> String {
    // A rounding error around zero must not be written as -0 or 1e-17.
    let value = if value.abs() < step.abs() * 1e-6 { 0.0 } else { value };
    let size = value.abs();
    if size != 0.0 && size < 1e-4 {
        return format!("{value:e}");
    }
    let letters = [(1e15, ""), (1e12, "T"), (1e9, "G"), (1e6, "M")];
    if size >= 1e15 {
        return format!("{value:.0e}");
    }
    let (unit, letter) = letters.into_iter().find(|(unit, _)| size >= *unit).unwrap_or((1.0, ""));
    let decimals = (-(step.abs() / unit).log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{:.decimals$}", value / unit);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if unit == 1.0 { grouped(text) } else { format!("{text}{letter}") }
}

/// Thin spaces between groups of three digits before the point.
fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("\u{2212}", digits));
    let (whole, rest) = digits.find('.').map_or((digits, ""), |at| digits.split_at(at));
    let mut out = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out + rest
}
