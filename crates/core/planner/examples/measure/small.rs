//! Small instances, whose answers others can check to the last: static waves and migration schedules.

use std::time::Instant;

use serde_json::{Value, json};
use underpin_model::fleet::Seen;
use underpin_planner::instances::{UCC15_LINKS_MBPS, ucc15, waves_json};
use underpin_planner::migrations::{Options, schedule};
use underpin_planner::waves::{self, plan_waves};

type Fault = Box<dyn std::error::Error>;

/// Solves every instance of an array; one JSON array with an object for each.
pub(crate) fn waves(text: &str) -> Result<(), Fault> {
    let all: Vec<Value> = serde_json::from_str(text)?;
    let mut answers = Vec::new();
    for at in 0..all.len() {
        let seen = Seen { at: "2026-01-15T09:00:00Z".parse()?, by: "bench".to_owned() };
        let fleet = waves_json(text, Some(&at.to_string()), seen)?;
        let started = Instant::now();
        let answer = plan_waves(&fleet, &waves::Options::default())?;
        let schedule = answer.schedule.iter().map(|it| json!({"hosts": it.hosts, "placement": it.placement}));
        answers.push(json!({
            "status": answer.status,
            "waves": answer.waves,
            "bound": answer.lower_bound.get("best"),
            "moves": answer.moves,
            "plan_s": started.elapsed().as_secs_f64(),
            "schedule": schedule.collect::<Vec<_>>(),
        }));
    }
    println!("{}", Value::from(answers));
    Ok(())
}

/// Schedules the moves of one published plan; one JSON object with the moves as they are read, so that another solver has the
/// same problem.
pub(crate) fn migrations(text: &str) -> Result<(), Fault> {
    let plan = ucc15(text, &UCC15_LINKS_MBPS)?;
    let started = Instant::now();
    let answer = schedule(&plan.nodes, &plan.moves, &Options::default())?;
    let plan_s = started.elapsed().as_secs_f64();
    let moves = plan.moves.iter().zip(&plan.theirs).map(|(it, theirs)| {
        json!({
            "from": it.from,
            "to": it.to,
            "demand": it.demand,
            "mbps": theirs.mbps,
            "ms": theirs.duration_ms(),
        })
    });
    println!(
        "{}",
        json!({
            "links_mbps": UCC15_LINKS_MBPS,
            "free": plan.nodes.iter().map(|it| it.free.clone()).collect::<Vec<_>>(),
            "moves": moves.collect::<Vec<_>>(),
            "makespan_ms": answer.makespan_ms,
            "optimal": answer.optimal,
            "bound_ms": answer.best_bound_ms(),
            "theirs_ms": plan.their_makespan_ms(),
            "plan_s": plan_s,
        })
    );
    Ok(())
}
