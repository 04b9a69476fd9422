//! Numbers in words, and the derivation that opens behind a number.

use maud::{Markup, html};
use underpin_model::policy::Parameter;
use underpin_risk::compound::AtLeast;
use underpin_risk::portfolio::{Cause, Factor};
use underpin_risk::report::{FleetRisk, RiskReport};

use super::method;
use crate::pages::parts::number;

/// From here on a number is written by its power of ten: a row of digits is no number that anybody reads.
const POWER_FROM: f64 = 1e15;

/// A loss or a figure: thousands in groups, small values with two digits that count, whole numbers without any.
pub(crate) fn amount(value: f64) -> String {
    let size = value.abs();
    let digits = if size >= POWER_FROM {
        format!("{size:.2e}").replace(".00e", "e")
    } else if size >= 1000.0 {
        number(size.round() as u64)
    } else if size >= 100.0 || size.fract() == 0.0 {
        format!("{size:.0}")
    } else if size >= 1.0 {
        format!("{size:.1}")
    } else if size >= 1e-4 {
        let digits = 1 - size.log10().floor() as i32;
        format!("{size:.*}", usize::try_from(digits).unwrap_or(3))
    } else {
        return "below 0.0001".to_owned();
    };
    if value < 0.0 { format!("\u{2212}{digits}") } else { digits }
}

/// A loss of the report; where no guest is known it is 0, which nobody knows.
pub(super) fn lost(report: &RiskReport, value: f64) -> String {
    if report.losses_known { amount(value) } else { "unknown".to_owned() }
}

/// A share in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{}\u{a0}%", amount(share * 100.0))
}

/// The chance that so many are hit at once; what no sample saw is below a bound, not none.
pub(in crate::pages) fn chance(of: &FleetRisk, it: &AtLeast) -> String {
    match it.at_most {
        _ if of.is_never_hit() && it.probability <= 0.0 => percent(0.0),
        Some(most) if amount(most * 100.0).starts_with("below") => percent(most),
        Some(most) => format!("below {}", percent(most)),
        // It can be, and its exact chance is lost in the rounding of the sums that give it.
        None if it.probability <= 0.0 => "below 0.0001\u{a0}%".to_owned(),
        None => percent(it.probability),
    }
}

/// How a chance was worked out.
pub(in crate::pages) fn how_likely(it: &AtLeast) -> Markup {
    html! {
        @if let Some(most) = it.at_most {
            "No sample saw it: with 95 % confidence it is at most " (percent(most)) " (what " (amount(3.0)) " in so many samples would be, the chance of one at least, and the mean number over " (number(it.m)) ", whichever is least)."
        } @else { (method(it.method, it.standard_error)) }
    }
}

/// A number that opens to show where it is from.
pub(in crate::pages) fn derived(value: &str, how: &Markup) -> Markup {
    opens(&html! { (value) }, how)
}

/// The same of what is no bare number: a state, a head of a column.
pub(in crate::pages) fn opens(what: &Markup, how: &Markup) -> Markup {
    html! { details.derived { summary { (what) } div { (how) } } }
}

/// The name of a parameter, leading to the sheet that has its range and source.
pub(in crate::pages) fn parameter(parameter: Parameter) -> Markup {
    let name = parameter.fact().name;
    html! { a href={"/policy#p-" (name)} { code { (name) } } }
}

/// `0.95 × 0.05`, and each factor with range, parameter and source.
pub(super) fn product(result: f64, factors: &[Factor]) -> Markup {
    let numbers: Vec<String> = factors.iter().map(|it| amount(it.value)).collect();
    html! {
        p { (numbers.join(" × ")) " = " (amount(result)) }
        ul.why {
            @for factor in factors {
                li {
                    b { (factor.name) } " " (amount(factor.value))
                    @if factor.low != factor.high { " (" (amount(factor.low)) " to " (amount(factor.high)) ")" }
                    @if let Some(it) = factor.parameter { ", parameter " (parameter(it)) }
                    ": " (factor.source)
                }
            }
        }
    }
}

/// What a common cause is.
pub(super) fn cause_name(cause: &Cause) -> String {
    match cause {
        Cause::Exploit { vulnerability } => vulnerability.to_string(),
        Cause::BadRelease { release, hardware } => format!("bad release {release} on {hardware}"),
        Cause::ControlFails { control } => format!("control {control} fails"),
        Cause::ControlAttacked { control } => format!("control {control} is attacked"),
        Cause::Underpin => "Underpin's own credentials".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_two_digits_that_count() {
        assert_eq!(amount(0.0), "0");
        assert_eq!(amount(1_234_567.4), "1\u{202f}234\u{202f}567");
        assert_eq!(amount(-1_234.0), "\u{2212}1\u{202f}234");
        assert_eq!(amount(12.34), "12.3");
        assert_eq!(amount(0.012_34), "0.012");
        assert_eq!(amount(0.000_01), "below 0.0001");
        assert_eq!((amount(1e300), amount(-1.234e15)), ("1e300".to_owned(), "\u{2212}1.23e15".to_owned()));
        assert_eq!(percent(0.001_25), "0.12\u{a0}%");
    }
}
