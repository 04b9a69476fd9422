//! An independent witness of plans.
//!
//! [`lint`] replays a [`Plan`] against the [`Fleet`] that it was made from and the [`Policy`] that it is to keep, and reports every
//! place where it breaks a [`Rule`](underpin_model::plan::Rule). It shares the model with the planner and nothing else: what both would
//! get wrong in the same way would be found by neither.
//!
//! The replay goes event by event; in the same second ends come before starts, and what holds is judged at the end of the second. What
//! was wrong before the plan is reported as such and is an error only where the plan makes it worse; what a missing fact leaves open
//! is reported as unknown.

mod affinity;
mod away;
mod calendar;
mod changes;
mod diversity;
mod form;
mod frozen;
mod groups;
mod guests;
mod left_out;
mod lines;
mod needs;
mod networks;
mod packing;
mod releases;
mod replay;
mod report;
mod restart;
mod rings;
mod room;
mod sequence;
mod soaking;
mod state;
mod step_time;
mod timeline;
mod waits;
mod world;

use rayon::prelude::*;
use underpin_model::fleet::Fleet;
use underpin_model::plan::{Plan, Profile};
use underpin_model::policy::Policy;

pub use lines::Line;
pub use report::{Checked, ExceptionUse, Finding, LintReport};

use changes::Members;
use report::{Leave, Log};
use timeline::Timeline;
use world::World;

/// How to lint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Most findings of each rule and severity that are listed; the rest is counted.
    pub most_findings: usize,
    /// SHA-256 in hexadecimal of the fleet's file, where it came from one: the plan must have been made from it.
    pub fleet_sha256: Option<String>,
    /// SHA-256 in hexadecimal of the policy's file, where it came from one.
    pub policy_sha256: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { most_findings: 100, fleet_sha256: None, policy_sha256: None }
    }
}

/// Replays a plan and reports what it breaks. Any plan will do: one that makes no sense has findings, and the lint never panics.
///
/// The result does not depend on the order of elements in the fleet, nor on the number of threads.
#[must_use]
pub fn lint(fleet: &Fleet, policy: &Policy, plan: &Plan, options: &Options) -> LintReport {
    let world = World::new(fleet, policy);
    let mut timeline = Timeline::new(&world, plan);
    let leave = Leave::new(plan, policy, &world);
    let mut log = Log::new(&leave, options.most_findings);
    form::check(&world, &timeline, options, &mut log);
    waits::check(&world, &timeline, &mut log);
    let members = changes::members(&world, &timeline);
    changes::check(&world, &timeline, &members, &mut log);
    sequence::check(&world, &timeline, &members, &mut log);
    let left_out = left_out::check(&world, &timeline, &members, &mut log);
    by_profile(&world, &timeline, &members, &mut log);
    diversity::check(&world, &timeline, &members, &mut log);
    guests::check(&world, &timeline, &mut log);
    releases::check(&world, &timeline, &mut log);
    step_time::check(&world, &timeline, &mut log);
    emergency(&world, &mut timeline, &members, &leave, options, &mut log);
    frozen::check(&world, &timeline, &mut log);
    networks::check(&world, &timeline, &mut log);
    let (groups, group_of_vm, within) = groups::groups(&world, &timeline);
    let affinities = affinity::share(&world, &groups, &group_of_vm, &within, plan.starts_at);
    let replayed: Vec<(Log<'_>, u64)> = groups
        .par_iter()
        .zip(affinities)
        .map(|(group, affinities)| {
            let mut log = Log::new(&leave, options.most_findings);
            let events = replay::replay(&world, &timeline, group, &within, affinities, &left_out, &mut log);
            (log, events)
        })
        .collect();
    let mut events = 0;
    for (part, of_part) in replayed {
        log.join(part);
        events += of_part;
    }
    log.finish(timeline.end_s(), events)
}

/// What a profile has a say in: rings and soak, windows, hosts away.
fn by_profile(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, log: &mut Log<'_>) {
    rings::check(world, timeline, members, log);
    calendar::check(world, timeline, log);
    away::check(world, timeline, log);
}

/// What only an emergency excuses is told: nobody must take such a plan for an ordinary one.
fn emergency(
    world: &World<'_>,
    timeline: &mut Timeline<'_>,
    members: &Members,
    leave: &Leave<'_>,
    options: &Options,
    log: &mut Log<'_>,
) {
    if timeline.profile == Profile::Normal {
        return;
    }
    let mut normal = Log::new(leave, options.most_findings);
    let own = std::mem::replace(&mut timeline.profile, Profile::Normal);
    by_profile(world, timeline, members, &mut normal);
    timeline.profile = own;
    log.excused_by_emergency(&normal);
}
