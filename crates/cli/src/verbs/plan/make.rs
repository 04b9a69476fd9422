//! `underpin plan FLEET`: the full plan and its report.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use underpin_model::fleet::Fleet;
use underpin_model::plan::{Outcome, PlanReport, Rule, Severity, Standing};
use underpin_planner::campaign::{Parent, Planned};

use super::files;
use super::inputs::{self, Inputs, Wanted, profile};
use crate::args::{PLAN_ORDERS, Plain, Plan};
use crate::exit::{Code, Failure};
use crate::output::{self, say};
use crate::report::plan::{Shown, zones::Zones};

/// A plan with its report, on stdout.
#[derive(Serialize)]
struct Both<'a> {
    plan: &'a underpin_model::plan::Plan,
    report: &'a PlanReport,
}

/// The fleet is not written over, nor the plan by its report.
fn overwrites(out: Option<&Path>, report: Option<&Path>, fleet: &Path) -> Result<(), Failure> {
    let same = |a: &Path, b: &Path| {
        a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    let over = |what: &str, path: &Path, of: &str| {
        Failure::Usage(format!("{what} {}: found the path of {of}, expected one of its own", path.display()))
    };
    match (out, report) {
        (Some(out), _) if same(out, fleet) => Err(over("--out", out, "the fleet")),
        (_, Some(report)) if same(report, fleet) => Err(over("--report", report, "the fleet")),
        (Some(out), Some(report)) if same(out, report) => Err(over("--report", report, "--out")),
        _ => Ok(()),
    }
}

/// A parent plan changes elements of the fleet; some may be gone since, not all.
fn is_of(path: &Path, parent: &underpin_model::plan::Plan, fleet: &Fleet) -> Result<(), Failure> {
    let mut named = parent.waves.iter().flat_map(|it| &it.elements).peekable();
    let Some(first) = named.peek().copied() else { return Ok(()) };
    let hosts = fleet.hosts.iter().map(|it| it.id.as_str());
    let planes = fleet.management_planes.iter().map(|it| it.id.as_str());
    let others =
        fleet.witnesses.iter().map(|it| it.id.as_str()).chain(fleet.storage.iter().map(|it| it.id.as_str()));
    let known: BTreeSet<&str> = hosts.chain(planes).chain(others).collect();
    if named.any(|it| known.contains(it.as_str())) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "--parent {}: found a plan of {first} and others of which this fleet has none, expected the plan that this one follows; \
         plan without --parent",
        path.display()
    )))
}

pub(super) fn run(arguments: &Plan, path: &Path) -> Result<Code, Failure> {
    let full = &arguments.full;
    overwrites(full.out.as_deref(), full.report.as_deref(), path)?;
    // Planning may take long: a path that cannot be written should not cost it.
    for path in [&full.out, &full.report].into_iter().flatten() {
        underpin_engine::output::can_write(path)?;
    }
    let parent = full.parent.as_deref().map(files::plan).transpose()?;
    let inputs = inputs::read(path, &full.inputs)?;
    if let (Some(path), Some((plan, _))) = (&full.parent, &parent) {
        is_of(path, plan, &inputs.fleet)?;
    }
    let wanted = Wanted {
        profile: profile(full.emergency),
        homing: full.homing.map(Into::into),
        seed: arguments.seed,
        evaluations: arguments.evaluations.unwrap_or(PLAN_ORDERS),
        parent: parent.as_ref().map(|(plan, sha256)| Parent { plan, sha256 }),
    };
    let Planned { plan, mut report } = inputs.plan(path, wanted)?;
    let bytes = files::bytes(&plan)?;
    report.plan_sha256 = files::sha256(&bytes);
    if let Some(out) = &full.out {
        output::file(out, &bytes)?;
    }
    if let Some(out) = &full.report {
        output::file(out, &files::bytes(&report)?)?;
    }
    let zones = Zones::of(&inputs.fleet);
    let shown =
        Shown { plan: &plan, report: Some(&report), zones: &zones, all: full.all, width: output::width() };
    match (&full.out, arguments.format) {
        (Some(out), Plain::Table) => say!("{}: {}", out.display(), shown.in_short()),
        (_, Plain::Json) => output::json(&Both { plan: &plan, report: &report })?,
        (None, Plain::Table) => output::data(&shown.table())?,
    }
    let code = code(&report);
    if code == Code::Blocked && full.out.is_some() {
        say!("blocked: nothing could be planned\n{}", shown.blocked().trim_end());
    }
    warn_of_nothing(&inputs, &report);
    warn_of_the_unseen(&report);
    Ok(code)
}

/// Everything that is to be changed is blocked: the caller waits for nothing.
fn code(report: &PlanReport) -> Code {
    let any = |outcome| report.elements.iter().any(|it| it.outcome == outcome);
    if any(Outcome::Blocked) && !any(Outcome::Planned) { Code::Blocked } else { Code::Done }
}

/// What nobody can tell, and what makes the whole plan doubtful: a fleet seen at another time, guests nobody knows where.
fn warn_of_the_unseen(report: &PlanReport) {
    const MOST: usize = 8;
    let doubtful = |it: &&Standing| {
        it.severity == Severity::Unknown && matches!(it.rule, Rule::WellFormed | Rule::OccupiedHost)
    };
    let all: Vec<&Standing> = report.standing.iter().filter(doubtful).collect();
    for it in all.iter().take(MOST) {
        say!("warning: {}: {}", it.place, it.text);
    }
    if all.len() > MOST {
        say!("warning: {} more like these in the report", all.len() - MOST);
    }
}

/// A plan of no steps is no mistake, but likely a surprise.
fn warn_of_nothing(inputs: &Inputs, report: &PlanReport) {
    if report.elements.iter().all(|it| it.outcome == Outcome::NotNeeded) {
        let changes = inputs.fleet.planning.as_ref().map_or(0, |it| it.changes.len());
        say!("nothing to do: no element has one of the {changes} changes to come");
    }
}
