//! What is done to single guests: allowed actions, locks, where they may go; what their owners said, and how long their moves take, is in the
//! modules below.

mod consents;
mod copying;

use std::cmp::Ordering;

use underpin_model::fleet::Action;
use underpin_model::plan::{Rule, Severity};
use underpin_model::version::{Comparison, succession};

use crate::needs::Offered;
use crate::report::{At, Log};
use crate::timeline::{Doing, Timeline};
use crate::world::{NONE, Power, World, ix};
use consents::Consents;
pub(crate) use copying::converges;
use copying::{Span, cold, duration, evacuation};

/// Something that a step does to a guest.
#[derive(Clone, Copy)]
struct Deed<'a> {
    at: At,
    vm: u32,
    action: Action,
    from: u32,
    to: u32,
    live: bool,
    start: u32,
    /// When the guest is as it was again: the end of the move, or of the step that starts or resumes it.
    until: u32,
    consent: Option<&'a str>,
    /// The platform does it.
    theirs: bool,
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let consents = Consents::new(world);
    let until = interruptions(world, timeline);
    let mut interrupted = vec![false; world.vms.len()];
    for ((act, step), until) in timeline.acts.iter().zip(0u32..).zip(until) {
        let at = At::step(step, act.start);
        let p50_s = timeline.plan.step(step).map_or(0, |it| it.p50_s);
        let deed = |vm, action, from, to, live, consent| Deed {
            at,
            vm,
            action,
            from,
            to,
            live,
            start: act.start,
            until,
            consent,
            theirs: matches!(act.doing, Doing::Evacuate { .. }),
        };
        let mut set = |vm: u32, value: bool| {
            if let Some(it) = interrupted.get_mut(ix(vm)) {
                *it = value;
            }
        };
        match &act.doing {
            Doing::Migrate { vm, from, to, live, mbps, pause_ms, consent } => {
                let action = if *live { Action::LiveMigrate } else { Action::ColdMigrate };
                let moved = deed(*vm, action, *from, *to, *live, *consent);
                judge(world, timeline, &consents, &moved, log);
                let span = Span { mbps: *mbps, pause_ms: *pause_ms, p50_s, p95_s: act.end - act.start };
                let off = interrupted.get(ix(*vm)).copied().unwrap_or(false);
                if *live {
                    duration(world, at, *vm, &span, log);
                } else {
                    cold(world, at, *vm, &span, log);
                    if !off {
                        rather_live(world, timeline, &consents, &moved, log);
                    }
                }
            }
            Doing::Evacuate { host, moves, beside, mbps } => {
                let mut running = Vec::new();
                for (vm, to) in moves {
                    let off = interrupted.get(ix(*vm)).copied().unwrap_or(false);
                    let runs = !off && world.vms.get(ix(*vm)).is_some_and(|it| it.power == Power::Runs);
                    let action = if runs { Action::LiveMigrate } else { Action::ColdMigrate };
                    judge(world, timeline, &consents, &deed(*vm, action, *host, *to, runs, None), log);
                    if runs {
                        running.push(*vm);
                    }
                }
                // Nobody but the platform knows who goes there.
                for to in beside {
                    for vm in &running {
                        target(world, timeline, &deed(*vm, Action::LiveMigrate, *host, *to, true, None), log);
                    }
                }
                let pause_ms = world.policy.planning.migration.longest_pause_ms;
                let span = Span { mbps: *mbps, pause_ms, p50_s, p95_s: act.end - act.start };
                evacuation(world, at, *host, &running, &span, log);
            }
            Doing::Stop { vm, host, consent } => {
                set(*vm, true);
                judge(
                    world,
                    timeline,
                    &consents,
                    &deed(*vm, Action::PowerOff, *host, NONE, false, *consent),
                    log,
                );
            }
            Doing::Suspend { vm, host, consent } => {
                set(*vm, true);
                judge(
                    world,
                    timeline,
                    &consents,
                    &deed(*vm, Action::Suspend, *host, NONE, false, *consent),
                    log,
                );
            }
            Doing::Start { vm, .. } | Doing::Resume { vm, .. } => set(*vm, false),
            _ => {}
        }
    }
}

/// For each step the moment at which the guest that it interrupts is back; its own end for others.
fn interruptions(world: &World<'_>, timeline: &Timeline<'_>) -> Vec<u32> {
    let ends = timeline.end_s();
    let mut back = vec![ends; world.vms.len()];
    let mut until: Vec<u32> = timeline.acts.iter().map(|it| it.end).collect();
    for (act, until) in timeline.acts.iter().zip(&mut until).rev() {
        match act.doing {
            Doing::Start { vm, .. } | Doing::Resume { vm, .. } => {
                if let Some(it) = back.get_mut(ix(vm)) {
                    *it = act.end;
                }
            }
            Doing::Stop { vm, .. } | Doing::Suspend { vm, .. } => {
                if let Some(it) = back.get_mut(ix(vm)) {
                    *until = std::mem::replace(it, ends);
                }
            }
            _ => {}
        }
    }
    until
}

fn judge(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    consents: &Consents<'_>,
    deed: &Deed<'_>,
    log: &mut Log<'_>,
) {
    allowed(world, deed, log);
    steers(world, deed, log);
    locked(world, timeline, deed, log);
    consents.check(world, timeline, deed, log);
    if deed.to != NONE {
        target(world, timeline, deed, log);
    }
}

/// A guest may be where it goes.
fn target(world: &World<'_>, timeline: &Timeline<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
    reach(world, deed, log);
    features(world, deed, log);
    if deed.live {
        direction(world, timeline, deed, log);
    }
}

/// A guest that runs is not put off for a move that it could make while it runs.
fn rather_live(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    consents: &Consents<'_>,
    deed: &Deed<'_>,
    log: &mut Log<'_>,
) {
    let Some(row) = world.vms.get(ix(deed.vm)) else { return };
    log.compared(Rule::MigrationTime);
    let live = Deed { action: Action::LiveMigrate, live: true, consent: None, ..*deed };
    let may = row.power == Power::Runs
        && row.vm.allowed_actions.contains(&Action::LiveMigrate)
        && row.vm.passthrough.is_empty()
        && consents.allow(world, timeline, &live)
        && converges(world, deed.vm);
    if may {
        log.add(Rule::MigrationTime, Severity::Worse, deed.at, || {
            let found = "it moves cold, and is off meanwhile".to_owned();
            (format!("VM {}", row.vm.id), found, "a live move, which it allows and which converges".into())
        });
    }
}

fn name(action: Action) -> &'static str {
    match action {
        Action::LiveMigrate => "live-migrate",
        Action::ColdMigrate => "cold-migrate",
        Action::Suspend => "suspend",
        Action::PowerOff => "power-off",
    }
}

fn allowed(world: &World<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
    let Some(row) = world.vms.get(ix(deed.vm)) else { return };
    log.compared(Rule::AllowedAction);
    if !row.vm.allowed_actions.contains(&deed.action) {
        log.error(Rule::AllowedAction, deed.at, &world.locus_of_vm(deed.vm, deed.from), || {
            let allowed: Vec<&str> = row.vm.allowed_actions.iter().map(|it| name(*it)).collect();
            let allowed = if allowed.is_empty() {
                "no action, as none is known to be allowed".into()
            } else {
                allowed.join(", ")
            };
            (format!("VM {}", row.vm.id), name(deed.action).into(), allowed)
        });
    }
}

/// Whoever steers the roll-out must be there for all of it.
fn steers(world: &World<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
    let Some(row) = world.vms.get(ix(deed.vm)) else { return };
    if !world.policy.planning.controllers.contains(&row.vm.id) {
        return;
    }
    log.compared(Rule::Controller);
    if deed.action != Action::LiveMigrate {
        log.error(Rule::Controller, deed.at, &world.locus_of_vm(deed.vm, deed.from), || {
            (
                format!("VM {}", row.vm.id),
                name(deed.action).into(),
                "live-migrate: the roll-out needs it".into(),
            )
        });
    }
}

fn locked(world: &World<'_>, timeline: &Timeline<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
    let Some(row) = world.vms.get(ix(deed.vm)) else { return };
    log.compared(Rule::Lock);
    let starts = timeline.plan.instant(deed.start);
    let holds = row.vm.locks.iter().find(|it| it.expires.is_none_or(|ends| ends > starts));
    if let Some(lock) = holds {
        log.error(Rule::Lock, deed.at, &world.locus_of_vm(deed.vm, deed.from), || {
            let ends = lock.expires.map_or("nobody knows when".to_owned(), |it| it.to_string());
            let found =
                format!("{} at {starts}, while a lock ({}) holds it", name(deed.action), lock.kind.name());
            (format!("VM {}", row.vm.id), found, format!("after the lock has ended: {ends}"))
        });
    }
}

fn reach(world: &World<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
    let (Some(row), Some(from), Some(to)) =
        (world.vms.get(ix(deed.vm)), world.hosts.get(ix(deed.from)), world.hosts.get(ix(deed.to)))
    else {
        return;
    };
    log.compared(Rule::Reach);
    let locus = world.locus_of_vm(deed.vm, deed.to);
    let place = || format!("host {}", to.host.id);
    if from.pool != to.pool {
        let expected =
            || format!("a host of cluster {}, as guests move within one", world.cluster_id(from.cluster));
        let found = || format!("VM {} from {}", row.vm.id, from.host.id);
        if from.cluster == NONE || to.cluster == NONE {
            log.add(Rule::Reach, Severity::Unknown, deed.at, || {
                (
                    place(),
                    format!("{}; the cluster of one is not known", found()),
                    "hosts of one cluster".into(),
                )
            });
        } else {
            log.error(Rule::Reach, deed.at, &locus, || (place(), found(), expected()));
        }
    }
    match world.needs.reach(row.need, to.offer) {
        (Offered::No, missing) => log.error(Rule::Reach, deed.at, &locus, || {
            let found =
                format!("it does not reach {} that VM {} needs", missing.unwrap_or("what"), row.vm.id);
            (place(), found, "storage, networks, key providers and licence sets of the guest".into())
        }),
        (Offered::Unknown, missing) => log.add(Rule::Reach, Severity::Unknown, deed.at, || {
            let missing = missing.unwrap_or("what");
            let found = format!("nobody knows whether it reaches {missing} that VM {} needs", row.vm.id);
            (place(), found, "its reach".into())
        }),
        (Offered::Yes, _) => {}
    }
}

fn features(world: &World<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
    let (Some(row), Some(to)) = (world.vms.get(ix(deed.vm)), world.hosts.get(ix(deed.to))) else { return };
    log.compared(Rule::CpuFeatures);
    let place = || format!("host {}", to.host.id);
    let expected = || format!("the CPU features of VM {}", row.vm.id);
    match world.needs.features(row.need, to.offer) {
        (Offered::No, missing) => {
            log.error(Rule::CpuFeatures, deed.at, &world.locus_of_vm(deed.vm, deed.to), || {
                (place(), format!("no {}", missing.unwrap_or("feature")), expected())
            });
        }
        (Offered::Unknown, _) => log.add(Rule::CpuFeatures, Severity::Unknown, deed.at, || {
            (place(), "CPU features that are not known".into(), expected())
        }),
        (Offered::Yes, _) => {}
    }
}

/// A guest that runs keeps what its host gave it: it may go to the same release or a later one.
fn direction(world: &World<'_>, timeline: &Timeline<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
    let (Some(from_family), Some(to_family)) = (world.family(deed.from), world.family(deed.to)) else {
        log.compared(Rule::Direction);
        return unknown_direction(world, deed, "a product that is not known", log);
    };
    if from_family != to_family {
        return;
    }
    log.compared(Rule::Direction);
    let releases =
        (timeline.release_at(world, deed.from, deed.start), timeline.release_at(world, deed.to, deed.start));
    let (Some(from), Some(to)) = releases else {
        return unknown_direction(world, deed, "a release that is not known", log);
    };
    if from == to {
        return;
    }
    match succession(from_family.scheme(), to, from) {
        Ok(Comparison::Ordered(Ordering::Less)) => {
            log.error(Rule::Direction, deed.at, &world.locus_of_vm(deed.vm, deed.to), || {
                let found = format!("{to}, for VM {} from {from}", world.vm_id(deed.vm));
                (format!("host {}", world.host_id(deed.to)), found, format!("{from} or later"))
            });
        }
        Ok(Comparison::Ordered(_)) => {}
        Ok(Comparison::Incomparable) | Err(_) => {
            unknown_direction(world, deed, "releases that cannot be compared", log);
        }
    }
}

fn unknown_direction(world: &World<'_>, deed: &Deed<'_>, found: &str, log: &mut Log<'_>) {
    log.add(Rule::Direction, Severity::Unknown, deed.at, || {
        let place = format!("host {}", world.host_id(deed.to));
        (place, found.into(), format!("a release not below that of {}", world.host_id(deed.from)))
    });
}
