//! `underpin roadef`: the placement engine alone, on machine reassignment instances of the ROADEF/EURO challenge 2012.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use underpin_planner::instances::InstanceError;
use underpin_planner::reassignment::{
    Assignment, Cost, Instance, Options, Verdict, check, improve, lower_bound, read_assignment, read_model,
    write_assignment,
};

use crate::args::{Plain, Roadef};
use crate::exit::{Code, Failure};
use crate::{facts, output};

pub(crate) fn run(arguments: &Roadef) -> Result<Code, Failure> {
    let instance = read_model(&text(&arguments.model)?).map_err(at(&arguments.model))?;
    let initial = assignment(&arguments.assignment, &instance)?;
    let before = check(&instance, &initial, &initial);
    let (verdict, search) = match &arguments.solution {
        Some(path) => (check(&instance, &initial, &assignment(path, &instance)?), Value::Null),
        None => search(arguments, &instance, &initial)?,
    };
    match arguments.format {
        Plain::Json => output::json(&report(&instance, &before, &verdict, &search))?,
        Plain::Table => output::data(&table(&instance, &before, &verdict, &search))?,
    }
    Ok(if verdict.is_feasible() { Code::Done } else { Code::Findings })
}

/// Looks for a solution, checks and writes it.
fn search(arguments: &Roadef, instance: &Instance, initial: &[u32]) -> Result<(Verdict, Value), Failure> {
    let started = Instant::now();
    let limit_s = arguments.seconds.map(|it| it as f64);
    let evaluations = if limit_s.is_some() { u64::MAX } else { arguments.evaluations };
    let options = Options { seed: arguments.seed, evaluations };
    let spent = || limit_s.map_or(0.0, |limit_s| started.elapsed().as_secs_f64() / limit_s);
    let found = improve(instance, initial, &options, &spent)
        .map_err(|error| Failure::Instance(format!("{}: {error}", arguments.assignment.display())))?;
    let verdict = check(instance, initial, &found.assignment);
    // The checker shares no code with the search: where they disagree, the search is wrong.
    if !verdict.is_feasible() || verdict.cost.total() != i128::from(found.cost) {
        let why = verdict.violations.first().map_or_else(|| "another cost".to_owned(), ToString::to_string);
        return Err(Failure::Internal(format!("the checker refuses what was found: {why}")));
    }
    if let Some(path) = &arguments.out {
        output::file(path, write_assignment(&found.assignment).as_bytes())?;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok((verdict, json!({"seed": arguments.seed, "evaluations": found.evaluations, "seconds": seconds})))
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(facts::bytes(path)?).map_err(|error| {
        Failure::Instance(format!("{}: {error}, expected numbers between white space", path.display()))
    })
}

fn at(path: &Path) -> impl Fn(InstanceError) -> Failure {
    move |error| Failure::Instance(format!("{}: {error}", path.display()))
}

fn assignment(path: &Path, instance: &Instance) -> Result<Assignment, Failure> {
    read_assignment(&text(path)?, instance).map_err(at(path))
}

/// A number where JSON readers take it for one, else its digits.
fn number(amount: i128) -> Value {
    i64::try_from(amount).map_or_else(|_| Value::from(amount.to_string()), Value::from)
}

/// The parts of a cost, by name.
fn parts(cost: &Cost) -> [(&'static str, i128); 5] {
    [
        ("load", cost.load),
        ("balance", cost.balance),
        ("process_move", cost.process_move),
        ("service_move", cost.service_move),
        ("machine_move", cost.machine_move),
    ]
}

fn report(instance: &Instance, before: &Verdict, verdict: &Verdict, search: &Value) -> Value {
    let told: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
    let parts: serde_json::Map<String, Value> =
        parts(&verdict.cost).into_iter().map(|(name, it)| (name.to_owned(), number(it))).collect();
    json!({
        "machines": instance.machine_count(),
        "processes": instance.process_count(),
        "resources": instance.resource_count(),
        "lower_bound": number(lower_bound(instance)),
        "initial_cost": number(before.cost.total()),
        "cost": number(verdict.cost.total()),
        "parts": parts,
        "moved": verdict.moved,
        "feasible": verdict.is_feasible(),
        "violation_count": verdict.violation_count,
        "violations": told,
        "search": search,
    })
}

fn table(instance: &Instance, before: &Verdict, verdict: &Verdict, search: &Value) -> String {
    let mut text = format!(
        "{} machines, {} processes, {} resources\n",
        instance.machine_count(),
        instance.process_count(),
        instance.resource_count()
    );
    let (bound, cost) = (lower_bound(instance), verdict.cost.total());
    let _ = writeln!(text, "Lower bound   {bound}");
    let _ = writeln!(text, "Initial cost  {}", before.cost.total());
    let gap = if bound > 0 {
        format!(" ({:.4} % above the bound)", (cost - bound) as f64 / bound as f64 * 100.0)
    } else {
        String::new()
    };
    let _ = writeln!(text, "Cost          {cost}{gap}");
    for (name, amount) in parts(&verdict.cost) {
        let _ = writeln!(text, "  {:<14}{amount}", name.replace('_', " "));
    }
    let _ = writeln!(text, "Moved         {} processes", verdict.moved);
    if let (Some(tried), Some(seconds)) = (search["evaluations"].as_u64(), search["seconds"].as_f64()) {
        let _ = writeln!(text, "Search        {tried} moves tried in {seconds:.1} s");
    }
    if verdict.is_feasible() {
        text += "Every law holds.\n";
    } else {
        let _ = writeln!(text, "Broken laws   {}", verdict.violation_count);
        for violation in &verdict.violations {
            let _ = writeln!(text, "  {violation}");
        }
    }
    text
}
