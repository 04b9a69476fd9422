//! The sentences above the tables: what is planned, when it is over, how good it is.

use underpin_model::plan::{Outcome, Plan, PlanReport, Profile};
use underpin_model::policy::{Homing, Placing};
use underpin_risk::wait::sentence::short as number;

use super::words::bound_by;
use super::zones::{span, whole};
use crate::output::wrapped;

pub(super) fn homing(homing: Homing) -> &'static str {
    match homing {
        Homing::Drift => "guests stay where they went",
        Homing::Home => "guests go home",
    }
}

/// What was asked for.
pub(super) fn asked(plan: &Plan, width: Option<u16>) -> String {
    let placing = match plan.placing {
        Placing::WePlace => "the plan places",
        Placing::PlatformPlaces => "the platform places",
    };
    let profile = match plan.profile {
        Profile::Normal => "",
        Profile::Emergency => "EMERGENCY: ",
    };
    let text = format!(
        "{profile}{} from {}; {placing}, {}; seed {}, {} evaluations",
        plan.made_from.fleet,
        whole(plan.starts_at),
        homing(plan.homing),
        plan.made_from.seed,
        plan.made_from.evaluations
    );
    wrapped(&text, "", width)
}

/// How many elements become what.
pub(super) fn counts(plan: &Plan, report: Option<&PlanReport>) -> String {
    let waves = plan.waves.len();
    let Some(report) = report else {
        let planned: usize = plan.waves.iter().map(|it| it.elements.len()).sum();
        return format!("{planned} elements in {waves} waves, {} left out", plan.left_out.len());
    };
    let count = |outcome| report.elements.iter().filter(|it| it.outcome == outcome).count();
    format!(
        "{} of {} elements planned in {waves} waves, {} blocked, {} deferred, {} need nothing",
        count(Outcome::Planned),
        report.elements.len() - count(Outcome::NotNeeded),
        count(Outcome::Blocked),
        count(Outcome::Deferred),
        count(Outcome::NotNeeded)
    )
}

/// When it is over.
pub(super) fn eta(plan: &Plan, report: Option<&PlanReport>) -> String {
    let at = |seconds: u32| format!("{} ({})", span(seconds), whole(plan.instant(seconds)));
    match report {
        Some(it) => {
            format!("ends after {} in half of the cases, {} in 19 of 20", at(it.eta.p50_s), at(it.eta.p95_s))
        }
        None => format!("ends after {} in 19 of 20 cases", at(plan.end_s())),
    }
}

/// The first lines, without the bounds.
pub(super) fn lines(plan: &Plan, report: Option<&PlanReport>, width: Option<u16>) -> String {
    let mut text = asked(plan, width);
    text += &wrapped(&counts(plan, report), "", width);
    text += &wrapped(&eta(plan, report), "", width);
    let Some(report) = report else { return text };
    let moves = report.moves;
    let line = format!(
        "{} moves of {} guests, {} of them again; guests pause {} s in all; {} are suspended or powered off",
        moves.moves,
        moves.guests,
        moves.again,
        number(moves.pause_ms as f64 / 1000.0),
        moves.interrupted
    );
    text += &wrapped(&line, "", width);
    let bounds = &report.bounds;
    let line = format!(
        "bounds: time {} of at least {} ({}), waves of the neediest cluster {} of at least {}, moves {} of at least {}",
        span(bounds.makespan_s),
        span(bounds.makespan_at_least_s),
        bound_by(&bounds.makespan_bound_by),
        bounds.waves,
        bounds.waves_at_least,
        bounds.moves,
        bounds.moves_at_least
    );
    text += &wrapped(&line, "", width);
    if let (Some(first), Some(last)) = (report.exposure.first(), report.exposure.last()) {
        let line = format!(
            "open holes cost {} a day now, {} when it is over; open then: {}",
            number(first.loss_per_day),
            number(last.loss_per_day),
            last.open,
        );
        text += &wrapped(&line, "", width);
    }
    text
}
