//! `underpin plan F --migrations-only`: a schedule for the moves of a public migration plan, beside its own.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use underpin_planner::instances::{Ucc15, ucc15};
use underpin_planner::migrations::{Options, Schedule, Scheduled, schedule};

use crate::args::{Plain, Plan, WAVES_TRIES};
use crate::exit::{Code, Failure};
use crate::output::{self, List};
use crate::verbs::plan::unpacked;

pub(crate) fn run(arguments: &Plan, path: &Path) -> Result<Code, Failure> {
    let (name, text) = unpacked(path, arguments.instance.as_deref())?;
    let bad = |why: String| Failure::Instance(format!("{}: {why}", path.display()));
    let plan = ucc15(&text, &arguments.link_mbps).map_err(|error| bad(format!("{name}: {error}")))?;
    let (seed, evaluations) = (arguments.seed, arguments.evaluations.unwrap_or(WAVES_TRIES));
    let options = Options { seed, evaluations, ..Options::default() };
    let ours = schedule(&plan.nodes, &plan.moves, &options)
        .map_err(|error| bad(format!("{name}: no schedule: {error} (moves by their positions)")))?;
    match arguments.format {
        Plain::Json => output::json(&Answer::new(&name, &plan, &ours))?,
        Plain::Table => output::data(&table(&plan, &ours))?,
    }
    Ok(Code::Done)
}

/// A schedule, and what it is compared with.
#[derive(Serialize)]
struct Answer<'a> {
    instance: &'a str,
    makespan_ms: u64,
    their_makespan_ms: u64,
    optimal: bool,
    lower_bound: &'a std::collections::BTreeMap<&'static str, u64>,
    evaluations: u64,
    moves: Vec<Row<'a>>,
}

/// One move, with the numbers that VM and nodes have in the file.
#[derive(Serialize)]
struct Row<'a> {
    vm: usize,
    from: u32,
    to: u32,
    #[serde(flatten)]
    ours: &'a Scheduled,
    their_start_ms: u64,
    their_end_ms: u64,
}

impl<'a> Answer<'a> {
    fn new(name: &'a str, plan: &'a Ucc15, ours: &'a Schedule) -> Self {
        Self {
            instance: name,
            makespan_ms: ours.makespan_ms,
            their_makespan_ms: plan.their_makespan_ms(),
            optimal: ours.optimal,
            lower_bound: &ours.lower_bound,
            evaluations: ours.evaluations,
            moves: rows(plan, ours),
        }
    }
}

fn rows<'a>(plan: &'a Ucc15, ours: &'a Schedule) -> Vec<Row<'a>> {
    let number = |node: usize| plan.node_numbers.get(node).copied().unwrap_or_default();
    let all = plan.moves.iter().zip(&ours.moves).zip(&plan.theirs);
    all.map(|((it, ours), theirs)| Row {
        vm: it.vm,
        from: number(it.from),
        to: number(it.to),
        ours,
        their_start_ms: theirs.start_ms,
        their_end_ms: theirs.end_ms,
    })
    .collect()
}

/// Seconds, with as many decimals as there are.
fn seconds(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{} s", ms / 1000),
        rest => format!("{}.{rest:03} s", ms / 1000),
    }
}

fn table(plan: &Ucc15, ours: &Schedule) -> String {
    let mut text = String::new();
    let known =
        if ours.optimal { "optimal: no schedule ends sooner" } else { "not proven to be the shortest" };
    let _ = writeln!(text, "Makespan: {} ({known})", seconds(ours.makespan_ms));
    let _ = writeln!(text, "Theirs: {}", seconds(plan.their_makespan_ms()));
    let bounds: Vec<String> =
        ours.lower_bound.iter().map(|(name, it)| format!("{name} {}", seconds(*it))).collect();
    let _ = writeln!(text, "Lower bounds: {}", bounds.join(", "));
    let header = ["VM", "FROM", "TO", "START", "END", "MBIT/S", "BLACKOUT", "THEIRS"];
    let mut moves = List::new(&header, output::width());
    let mut rows = rows(plan, ours);
    rows.sort_by_key(|it| (it.ours.start_ms, it.ours.end_ms, it.vm));
    for it in rows {
        moves.row([
            it.vm.to_string(),
            it.from.to_string(),
            it.to.to_string(),
            seconds(it.ours.start_ms),
            seconds(it.ours.end_ms),
            it.ours.mbps.to_string(),
            it.ours.blackout_ms.map_or_else(|| "not in the model".to_owned(), seconds),
            format!("{} to {}", seconds(it.their_start_ms), seconds(it.their_end_ms)),
        ]);
    }
    let _ = write!(text, "\n{moves}");
    text
}
