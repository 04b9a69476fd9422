//! The frontier of a backtest: what fewer maintenances cost in exposure.

use underpin_risk::backtest::{Measures, Report};

use super::{Axis, Chart, Mark, Shape, Tone};

/// A policy in the picture, or several that came out the same.
struct Place {
    names: Vec<String>,
    at: (f64, f64),
    on_frontier: bool,
}

/// What the frontier compares with maintenances: its words, and its value.
#[must_use]
pub fn compared(report: &Report) -> (&'static str, fn(&Measures) -> Option<f64>) {
    let [first, ..] = report.frontier_axes;
    match first {
        "exploited_exposure_days" => {
            ("exploited exposure-days", |it| it.exploited_exposure_days.map(|it| it.value))
        }
        "exposure_days" => ("exposure-days", |it| it.exposure_days.map(|it| it.value)),
        _ => ("host-days behind the newest release", |it| Some(it.lag_days.value)),
    }
}

/// Every policy over the days that all have in common. `None`: there are none.
#[must_use]
pub fn frontier(report: &Report) -> Option<Chart> {
    let common = report.common_period?;
    let (words, value) = compared(report);
    let places = places(report, value);
    let ends = |of: fn(&Place) -> f64| places.iter().map(of).fold(0.0, f64::max);
    let (x, y) = (ends(|it| it.at.0), ends(|it| it.at.1));
    let points = |on: bool| places.iter().filter(|it| it.on_frontier == on).map(|it| it.at).collect();
    let best = |on: bool| {
        let names = places.iter().filter(|it| it.on_frontier == on).flat_map(|it| it.names.iter().cloned());
        names.collect::<Vec<_>>()
    };
    let beaten = best(false);
    let rest = if beaten.is_empty() {
        String::new()
    } else {
        format!(" Another policy is nowhere worse and somewhere better than: {}.", beaten.join(", "))
    };
    // The first names find room first.
    let mut named: Vec<&Place> = places.iter().collect();
    named.sort_by_key(|it| !it.on_frontier);
    let labels = named.iter().map(|it| (it.at, it.names.join(", "))).collect();
    Some(Chart {
        title: format!("Maintenances against {words}: {} {}", report.platform, report.line),
        description: format!(
            "Every policy over {} to {}; bad releases are compared too, though not drawn. On the frontier: {}.{rest}",
            common.from,
            common.to,
            best(true).join(", ")
        ),
        x: Axis::linear("maintenances", 0.0, (x * 1.1).max(1.0)),
        y: exposures(words, &places, y),
        marks: vec![
            Mark::new("", Tone::First, Shape::Step(steps(&places))),
            Mark::new("on the frontier", Tone::First, Shape::Points(points(true))),
            Mark::new("another policy is better", Tone::Second, Shape::Points(points(false))),
            Mark::new("", Tone::Plain, Shape::Labels(labels)),
        ],
    })
}

/// From 0, or by powers of ten where the policies are apart by factors: else the good ones would lie on each other. A zero
/// has no place among powers.
fn exposures(words: &str, places: &[Place], most: f64) -> Axis {
    let least = places.iter().map(|it| it.at.1).fold(f64::INFINITY, f64::min);
    if least > 0.0 && most / least > 30.0 {
        Axis::log(words, least, most)
    } else {
        Axis::linear(words, 0.0, (most * 1.1).max(1.0))
    }
}

fn places(report: &Report, value: fn(&Measures) -> Option<f64>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for row in &report.policies {
        let Some(measures) = &row.common else { continue };
        let at = (measures.maintenances.value, value(measures).unwrap_or(0.0));
        match places.iter_mut().find(|it| it.at == at && it.on_frontier == row.on_frontier) {
            Some(place) => place.names.push(row.policy.clone()),
            None => {
                places.push(Place { names: vec![row.policy.clone()], at, on_frontier: row.on_frontier });
            }
        }
    }
    places
}

/// The corners of the frontier in the two measures that are drawn, by maintenances. A policy that is on the frontier for its
/// bad releases alone is no corner.
fn steps(places: &[Place]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = places.iter().map(|it| it.at).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if corners.last().is_none_or(|last| point.1 < last.1) {
            corners.push(point);
        }
    }
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_line_joins_what_no_other_point_beats() {
        let place = |x, y, on_frontier| Place { names: Vec::new(), at: (x, y), on_frontier };
        // The third is on the frontier for its bad releases alone, the fourth is as good as the second with more work.
        let places = [
            place(20.0, 5.0, true),
            place(4.0, 90.0, true),
            place(21.0, 60.0, true),
            place(6.0, 90.0, false),
            place(9.0, 30.0, true),
        ];
        assert_eq!(steps(&places), [(4.0, 90.0), (9.0, 30.0), (20.0, 5.0)]);
        assert_eq!(steps(&[]), []);
    }
}
