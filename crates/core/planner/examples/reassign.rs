//! One measured search.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures"
)]
use std::time::Instant;
use underpin_planner::reassignment::*;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let model = std::fs::read_to_string(&words[0])?;
    let start = std::fs::read_to_string(&words[1])?;
    let evaluations: f64 = words[2].parse()?;
    let seed = words.get(3).map_or(1, |it| it.parse().unwrap());
    let t = Instant::now();
    let instance = read_model(&model)?;
    let initial = read_assignment(&start, &instance)?;
    let read = t.elapsed();
    let v = check(&instance, &initial, &initial);
    println!(
        "initial {} bound {} feasible {} read {read:?}",
        v.cost.total(),
        lower_bound(&instance),
        v.is_feasible()
    );
    let t = Instant::now();
    let found = improve(&instance, &initial, &Options { seed, evaluations: evaluations as u64 }, &|| 0.0)?;
    let s = t.elapsed().as_secs_f64();
    let v = check(&instance, &initial, &found.assignment);
    println!(
        "found {} = {} feasible {} moved {} {:.1}s {:.2} M/s",
        found.cost,
        v.cost.total(),
        v.is_feasible(),
        v.moved,
        s,
        found.evaluations as f64 / s / 1e6
    );
    if let Some(path) = words.get(4) {
        std::fs::write(path, write_assignment(&found.assignment))?;
    }
    Ok(())
}
