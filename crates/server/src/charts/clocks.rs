//! Who breaches when at the planned pace.

use underpin_risk::clocks::Report;

use super::{Axis, Chart, Mark, Shape, Tone, day};

/// What breaches, added up by day, a line for each promise. `None`: the plan breaks no promise.
#[must_use]
pub fn breaches(report: &Report) -> Option<Chart> {
    let last = report.forecast.iter().map(|it| it.on).max()?;
    // A slow pace ends in another century: what is asked for are the days on which something happens.
    let near = day(last) + 2.0 * (day(last) - day(report.as_of));
    let end = report.all_patched_on.filter(|it| *it > last && day(*it) <= near);
    let (start, finish) = (day(report.as_of), day(end.unwrap_or(last)));
    let mut most = 0;
    let mut marks = Vec::new();
    for promise in &report.promises {
        let mut sum = 0;
        let mut points = vec![(start, 0.0)];
        for breach in report.forecast.iter().filter(|it| it.promise == promise.promise) {
            sum += breach.assets;
            points.push((day(breach.on), sum as f64));
        }
        if sum > 0 {
            points.push((finish, sum as f64));
            marks.push(Mark::new(promise.promise.clone(), Tone::of_series(marks.len()), Shape::Step(points)));
        }
        most = most.max(sum);
    }
    if let Some(end) = end {
        marks.push(Mark::new("all have their fix", Tone::Plain, Shape::UprightRule(day(end))));
    }
    Some(Chart {
        title: "Breaches at the planned pace".to_owned(),
        description: format!(
            "What breaches, added up from {} on, at {} hosts a day; what breaches on two days is counted on both.",
            report.as_of, report.hosts_per_day
        ),
        x: Axis::days("", report.as_of, end.unwrap_or(last)),
        y: Axis::counts("breaches", most),
        marks,
    })
}
