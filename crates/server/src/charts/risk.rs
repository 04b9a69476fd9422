//! The pictures of risk: tails, contributions, loss curves, tornados, reliability.

use underpin_risk::calibration::Calibration;
use underpin_risk::wait::Decision;

use super::{Axis, Chart, Mark, Shape, Tone};
use crate::pages::{amount, percent};

/// The least probability that a tail is drawn down to: one in a million.
const LEAST: f64 = 1e-6;

fn drawable(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().copied().filter(|(x, p)| *x > 0.0 && *p >= LEAST).collect()
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)))
}

/// The probability of at least so much, with common causes and without: both axes in powers of ten. `None`: there is
/// nothing to lose. `ends_where` says where the lines end and why.
#[must_use]
pub fn tail(
    (title, unit, ends_where): (&str, &str, &str),
    compound: &[(f64, f64)],
    independent: &[(f64, f64)],
) -> Option<Chart> {
    let (compound, independent) = (drawable(compound), drawable(independent));
    let last = *compound.last()?;
    let all = || compound.iter().chain(&independent);
    let (least_x, most_x) = ends(all().map(|it| it.0));
    let (least_p, most_p) = ends(all().map(|it| it.1));
    let end = |(x, p): (f64, f64)| format!("{} {unit} with {}", amount(x), percent(p));
    let other = independent.last().map_or_else(|| "none of these levels".to_owned(), |it| end(*it));
    let description = format!(
        "Right and up is worse. Compound ends at {}, independent at {other}. {ends_where}",
        end(last)
    );
    Some(Chart {
        title: title.to_owned(),
        description,
        x: Axis::log(unit, least_x, most_x),
        y: Axis::log("probability of at least so much", least_p, most_p),
        marks: vec![
            Mark::new("independent", Tone::Second, Shape::Line(independent.clone())),
            Mark::new("", Tone::Second, Shape::Points(independent)),
            Mark::new("compound", Tone::First, Shape::Line(compound.clone())),
            Mark::new("", Tone::First, Shape::Points(compound)),
        ],
    })
}

/// Shares of a whole, one row each: a bar for the share of the mean, a point for the share of the CVaR. Shares are in
/// percent; the last row may be what is left, of which the words say as much as of the first. `None`: there is none.
#[must_use]
pub fn contributions(title: &str, rows: &[(String, f64, f64)], with_rest: bool) -> Option<Chart> {
    let (first, mean, cvar) = rows.first()?;
    let rest = rows
        .last()
        .filter(|_| with_rest)
        .map_or_else(String::new, |(name, mean, cvar)| format!(" {name}: {mean:.0} % and {cvar:.0} %."));
    let (_, most) = ends(rows.iter().flat_map(|it| [it.1, it.2]));
    let bars = rows.iter().enumerate().map(|(at, it)| (at, 0.0, it.1));
    let points = rows.iter().enumerate().map(|(at, it)| (it.2, at as f64));
    Some(Chart {
        title: title.to_owned(),
        description: format!(
            "A bar is the share of the mean loss, a point the share of the worst 1 %. Most by {first}: {mean:.0} % and {cvar:.0} %.{rest}"
        ),
        x: Axis::linear("share in percent", 0.0, most.max(1.0)),
        y: Axis::names("", rows.iter().map(|it| it.0.clone()).collect()),
        marks: vec![
            Mark::new("of the mean", Tone::First, Shape::Bars(bars.collect())),
            Mark::new("of the CVaR 99 %", Tone::Second, Shape::Points(points.collect())),
        ],
    })
}

/// The loss of waiting, with its band and the best time.
#[must_use]
pub fn loss_curve(decision: &Decision, currency: &str) -> Chart {
    let curve = &decision.curve;
    let last = curve.last().map_or(1.0, |it| it.days);
    let most = curve.iter().map(|it| it.loss).fold(0.0, f64::max);
    let (low, high) = ends(curve.iter().flat_map(|it| [it.band.low, it.band.high, it.loss]));
    // Where the band is so wide that the curve would lie on the axis, factors are drawn as lengths.
    let wide = low > 0.0 && high > 8.0 * most;
    let y = if wide { Axis::log(currency, low, high) } else { Axis::linear(currency, low.min(0.0), high) };
    let mut marks = vec![
        Mark::new(
            "5 % to 95 % over the parameters",
            Tone::First,
            Shape::Band(curve.iter().map(|it| (it.days, it.band.low, it.band.high)).collect()),
        ),
        Mark::new(
            "expected loss",
            Tone::First,
            Shape::Line(curve.iter().map(|it| (it.days, it.loss)).collect()),
        ),
    ];
    let best = decision.optimum.days;
    if let Some(days) = best {
        let name = if days < 0.5 { "best: now".to_owned() } else { format!("best: {days:.1} d") };
        marks.push(Mark::new(name, Tone::Plain, Shape::UprightRule(days)));
    }
    let best = best.map_or("no time within the span is better than not patching".to_owned(), |days| {
        if days < 0.5 {
            "the least loss is now".to_owned()
        } else {
            format!("the least loss is after {days:.1} days")
        }
    });
    Chart {
        title: "Loss by days waited".to_owned(),
        description: format!("Expected loss of waiting so long and patching then, in {currency}; {best}."),
        x: Axis::linear("days waited", 0.0, last),
        y,
        marks,
    }
}

/// How each parameter moves the decision over its range, the widest first: loss of patching now less the least other
/// loss. Right of 0 waiting is better, left of it patching now.
#[must_use]
pub fn tornado(decision: &Decision, currency: &str, most: usize) -> Option<Chart> {
    let rows: Vec<_> = decision.sensitivity.iter().take(most).collect();
    let widest = rows.first()?;
    let bars = rows.iter().enumerate().map(|(at, it)| {
        let (a, b) = (it.low.now_over_later, it.high.now_over_later);
        (at, a.min(b), a.max(b))
    });
    let (low, high) = ends(rows.iter().flat_map(|it| [it.low.now_over_later, it.high.now_over_later]));
    Some(Chart {
        title: "What the decision depends on".to_owned(),
        description: format!(
            "Each parameter from the low to the high end of its range. Left of 0 patching now is best, right of it waiting is. Widest: {}.",
            widest.span.parameter.fact().name
        ),
        x: Axis::linear(
            format!("patching now costs more than later by, {currency}"),
            low.min(0.0),
            high.max(0.0),
        ),
        y: Axis::names("", rows.iter().map(|it| it.span.parameter.fact().name.to_owned()).collect()),
        marks: vec![
            Mark::new("", Tone::First, Shape::Bars(bars.collect())),
            Mark::new("", Tone::Plain, Shape::UprightRule(0.0)),
        ],
    })
}

/// Foretold probability against frequency: on the diagonal is well foretold.
#[must_use]
pub fn reliability(score: &Calibration) -> Chart {
    let filled = || score.bins.iter().filter_map(|bin| Some((bin, bin.stated?, bin.frequency?)));
    let mut marks = vec![Mark::new("as foretold", Tone::Plain, Shape::Line(vec![(0.0, 0.0), (1.0, 1.0)]))];
    for (bin, stated, _) in filled() {
        if let Some((low, high)) = bin.interval {
            marks.push(Mark::new("", Tone::First, Shape::Line(vec![(stated, low), (stated, high)])));
        }
    }
    let points = filled().map(|(_, stated, frequency)| (stated, frequency)).collect();
    marks.push(Mark::new("what happened, with 95 % interval", Tone::First, Shape::Points(points)));
    Chart {
        title: "Foretold and happened".to_owned(),
        description: format!(
            "{} predictions in bins of a tenth; above the diagonal more happened than was foretold, below it less.",
            score.scored
        ),
        x: Axis::linear("foretold probability", 0.0, 1.0),
        y: Axis::linear("frequency", 0.0, 1.0),
        marks,
    }
}

#[cfg(test)]
mod tests {
    use underpin_risk::calibration::{Outcome, Prediction, score};

    use super::*;
    use crate::charts::standalone;

    #[test]
    fn a_tail_shows_what_can_be_placed_and_nothing_else() {
        let compound = [(0.0, 0.5), (10.0, 0.05), (5000.0, 0.001), (6000.0, 0.0)];
        let chart = tail(("Loss", "EUR", "There."), &compound, &[(10.0, 0.04)]).unwrap();
        assert!(
            chart
                .description
                .contains("5\u{202f}000 EUR with 0.10\u{a0}%, independent at 10 EUR with 4\u{a0}%"),
            "{}",
            chart.description
        );
        assert!(chart.description.ends_with(". There."), "{}", chart.description);
        let drawn = standalone(&chart);
        assert!(drawn.contains("compound") && !drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        assert_eq!(tail(("Loss", "EUR", ""), &[(0.0, 0.9)], &[]), None, "nothing to lose");
        assert!(
            tail(("Loss", "EUR", ""), &compound, &[]).unwrap().description.contains("none of these levels")
        );
    }

    #[test]
    fn contributions_have_a_row_each() {
        assert_eq!(contributions("By cause", &[], false), None);
        let rows = [("a <b>".to_owned(), 60.0, 80.0), ("b".to_owned(), 40.0, 20.0)];
        let chart = contributions("By cause", &rows, false).unwrap();
        assert!(chart.description.ends_with("Most by a <b>: 60 % and 80 %."), "{}", chart.description);
        let rest = contributions("By cause", &rows, true).unwrap();
        assert!(rest.description.ends_with("80 %. b: 40 % and 20 %."), "{}", rest.description);
        assert!(standalone(&chart).contains("a &lt;b&gt;"));
        let Shape::Points(points) = &chart.marks[1].shape else { panic!("points") };
        assert_eq!(points, &[(80.0, 0.0), (20.0, 1.0)]);
    }

    #[test]
    fn a_reliability_diagram_has_a_point_for_each_filled_bin() {
        let list: Vec<(Prediction, Outcome)> = [(0.05, false), (0.06, false), (0.85, true)]
            .iter()
            .enumerate()
            .map(|(at, (probability, happened))| {
                let prediction = Prediction {
                    id: at.to_string(),
                    made_on: jiff::civil::date(2026, 1, 1),
                    horizon: underpin_model::quantity::Days::new(30.0).unwrap(),
                    probability: underpin_model::quantity::Probability::new(*probability).unwrap(),
                    kind: "exploited".to_owned(),
                    subject: "CVE-2026-0001".to_owned(),
                };
                (prediction, Outcome { id: at.to_string(), happened: *happened })
            })
            .collect();
        let (predictions, outcomes): (Vec<_>, Vec<_>) = list.into_iter().unzip();
        let chart = reliability(&score(&predictions, &outcomes, 10).unwrap().unwrap());
        let Some(Shape::Points(points)) = chart.marks.last().map(|it| &it.shape) else { panic!("points") };
        assert_eq!(points.len(), 2);
        assert!((points[0].0 - 0.055).abs() < 1e-12 && points[0].1 == 0.0 && points[1].1 == 1.0);
    }
}
