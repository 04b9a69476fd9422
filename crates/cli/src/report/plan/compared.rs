//! Two plans beside each other.

use underpin_model::plan::Plan;
use underpin_risk::wait::sentence::short as number;

use super::words::{bound_by, reasons};
use super::zones::span;
use crate::output::{List, wrapped};
use crate::verbs::plan::{Comparison, Sum};

/// Elements that are listed.
const FIRST: usize = 40;

/// What changes, figure by figure, then who is planned now and who is not any more.
pub(crate) fn table(comparison: &Comparison, after: &Plan, width: Option<u16>) -> String {
    let mut list = List::new(&["FIGURE", "AS IT IS", "AS IT MIGHT BE"], width);
    let mut row = |name: &str, of: &dyn Fn(&Sum) -> String| {
        list.row([name.to_owned(), of(&comparison.before), of(&comparison.after)]);
    };
    row("elements planned", &|it| it.planned.to_string());
    row("blocked", &|it| it.blocked.to_string());
    row("deferred", &|it| it.deferred.to_string());
    row("waves", &|it| it.waves.to_string());
    row("waves of the neediest cluster", &|it| {
        format!("{}, at least {}", it.bounds.waves, it.bounds.waves_at_least)
    });
    row("ends after, in half of the cases", &|it| span(it.eta.p50_s));
    row("ends after, in 19 of 20", &|it| span(it.eta.p95_s));
    row("time, at least", &|it| {
        format!("{} ({})", span(it.bounds.makespan_at_least_s), bound_by(&it.bounds.makespan_bound_by))
    });
    row("moves", &|it| format!("{}, at least {}", it.moves.moves, it.bounds.moves_at_least));
    row("guests suspended or powered off", &|it| it.moves.interrupted.to_string());
    row("cost a day of what stays open", &|it| number(it.open_loss_per_day));
    let mut text = list.to_string();
    if !comparison.becomes_planned.is_empty() {
        let names: Vec<&str> = comparison.becomes_planned.iter().take(FIRST).map(|it| it.as_str()).collect();
        let all = comparison.becomes_planned.len();
        let more = if all > FIRST { format!(" and {} more", all - FIRST) } else { String::new() };
        text +=
            &format!("\n{}", wrapped(&format!("Planned now ({all}): {}{more}", names.join(", ")), "", width));
    }
    if !comparison.becomes_unplanned.is_empty() {
        let mut list = List::new(&["NOT PLANNED ANY MORE", "WHY"], width);
        for it in comparison.becomes_unplanned.iter().take(FIRST) {
            list.row([it.element.to_string(), reasons(&it.reasons, after, Some(&it.element))]);
        }
        text += &format!("\n{list}");
        let all = comparison.becomes_unplanned.len();
        if all > FIRST {
            text += &format!("{} more\n", all - FIRST);
        }
    }
    if comparison.becomes_planned.is_empty() && comparison.becomes_unplanned.is_empty() {
        text += "\nThe same elements are planned.\n";
    }
    text
}
