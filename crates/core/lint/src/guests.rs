//! What is done to single guests: allowed actions, consents, locks, where they may go, how long their moves take.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;
use underpin_model::change::Consent;
use underpin_model::fleet::Action;
use underpin_model::plan::{Rule, Severity};
use underpin_model::version::{Comparison, compare};

use crate::needs::Offered;
use crate::report::{At, Log};
use crate::timeline::{Doing, Timeline};
use crate::world::{Index, NONE, Power, World, ix};

/// Rounds of copying after which a guest that still writes too fast is not going to converge.
const MOST_ROUNDS: u32 = 30;

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
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let consents = Consents::new(world);
    let until = interruptions(world, timeline);
    let mut interrupted = vec![false; world.vms.len()];
    for ((act, step), until) in timeline.acts.iter().zip(0u32..).zip(until) {
        let at = At::step(step, act.start);
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
        };
        let mut set = |vm: u32, value: bool| {
            if let Some(it) = interrupted.get_mut(ix(vm)) {
                *it = value;
            }
        };
        match &act.doing {
            Doing::Migrate { vm, from, to, live, mbps, pause_ms } => {
                let action = if *live { Action::LiveMigrate } else { Action::ColdMigrate };
                judge(world, timeline, &consents, &deed(*vm, action, *from, *to, *live, None), log);
                if *live {
                    let span = Span { mbps: *mbps, pause_ms: *pause_ms, p95_s: act.end - act.start };
                    duration(world, at, *vm, &span, log);
                } else {
                    cold(world, at, *vm, *mbps, *pause_ms, log);
                }
            }
            Doing::Evacuate { host, moves, mbps } => {
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
                evacuation(world, at, *host, &running, *mbps, act.end - act.start, log);
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
        reach(world, deed, log);
        features(world, deed, log);
        if deed.live {
            direction(world, timeline, deed, log);
        }
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
            let found = format!("{} at {starts}, while a lock ({:?}) holds it", name(deed.action), lock.kind);
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
    match compare(from_family.scheme(), to, from) {
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

/// What a migration was given.
struct Span {
    mbps: u32,
    pause_ms: u32,
    p95_s: u32,
}

/// What a live migration takes at a bandwidth: seconds, or why it never ends.
enum Copying {
    Seconds(f64),
    Diverges,
    Unknown,
}

/// Memory is sent while the guest runs, then what it wrote meanwhile, and so on, until what is left can be sent within the pause.
fn copying(world: &World<'_>, vm: u32, mbps: u32, pause_ms: u32) -> Copying {
    let Some(row) = world.vms.get(ix(vm)) else { return Copying::Unknown };
    let Some(memory) = row.memory_mib else { return Copying::Unknown };
    let memory_mib = memory as f64;
    let per_gib = world.policy.planning.migration.dirty_mib_s_per_gib;
    let dirty = row.vm.dirty_rate_mib_s.unwrap_or(per_gib * memory_mib / 1024.0).max(0.0);
    let rate = f64::from(mbps) * 1e6 / 8.0 / f64::from(1 << 20);
    if rate.partial_cmp(&dirty) != Some(Ordering::Greater) {
        return Copying::Diverges;
    }
    let pause_s = f64::from(pause_ms) / 1000.0;
    let (mut left, mut seconds) = (memory_mib, 0.0);
    for _ in 0..MOST_ROUNDS {
        let round = left / rate;
        seconds += round;
        left = dirty * round;
        if left / rate <= pause_s {
            return Copying::Seconds(seconds + left / rate);
        }
    }
    Copying::Diverges
}

fn factor(world: &World<'_>) -> f64 {
    world.policy.planning.migration.p95_factor.max(1.0)
}

fn duration(world: &World<'_>, at: At, vm: u32, span: &Span, log: &mut Log<'_>) {
    log.compared(Rule::MigrationTime);
    let longest = world.policy.planning.migration.longest_pause_ms;
    let host = world.vms.get(ix(vm)).map_or(NONE, |it| it.host);
    let locus = world.locus_of_vm(vm, host);
    let place = || format!("VM {}", world.vm_id(vm));
    if span.pause_ms > longest {
        log.error(Rule::MigrationTime, at, &locus, || {
            (place(), format!("a pause of {} ms", span.pause_ms), format!("at most {longest} ms"))
        });
    }
    // The pause was rounded to a millisecond, the span to a second.
    let pause_ms = span.pause_ms.min(longest).saturating_add(1);
    match copying(world, vm, span.mbps, pause_ms) {
        Copying::Unknown => log.add(Rule::MigrationTime, Severity::Unknown, at, || {
            (
                place(),
                "memory that is not known".into(),
                "its memory, to tell how long it takes to move".into(),
            )
        }),
        Copying::Diverges => log.error(Rule::MigrationTime, at, &locus, || {
            let found = format!("{} Mbit/s: what it writes meanwhile never fits its pause", span.mbps);
            (place(), found, "bandwidth with which it converges".into())
        }),
        Copying::Seconds(seconds) => {
            let needed = seconds * factor(world);
            if f64::from(span.p95_s) + 1.0 < needed {
                log.error(Rule::MigrationTime, at, &locus, || {
                    let expected = format!("at least {needed:.0} s at {} Mbit/s", span.mbps);
                    (place(), format!("a span of {} s", span.p95_s), expected)
                });
            }
        }
    }
}

/// A guest that is off while it moves is not copied while it writes: the bandwidth and the pause of a live move are those of another step.
fn cold(world: &World<'_>, at: At, vm: u32, mbps: u32, pause_ms: u32, log: &mut Log<'_>) {
    log.compared(Rule::MigrationTime);
    if mbps == 0 && pause_ms == 0 {
        return;
    }
    let host = world.vms.get(ix(vm)).map_or(NONE, |it| it.host);
    log.error(Rule::MigrationTime, at, &world.locus_of_vm(vm, host), || {
        let found =
            format!("a cold move with {mbps} Mbit/s and a pause of {pause_ms} ms, as only a live one has");
        (format!("VM {}", world.vm_id(vm)), found, "0 of both: it is off for the whole span".into())
    });
}

/// One guest after the other with all of the bandwidth: no other order ends earlier.
fn evacuation(world: &World<'_>, at: At, host: u32, vms: &[u32], mbps: u32, p95_s: u32, log: &mut Log<'_>) {
    let longest = world.policy.planning.migration.longest_pause_ms;
    let place = || format!("host {}", world.host_id(host));
    let mut needed = 0.0;
    for vm in vms {
        log.compared(Rule::MigrationTime);
        match copying(world, *vm, mbps, longest) {
            Copying::Unknown => log.add(Rule::MigrationTime, Severity::Unknown, at, || {
                (place(), format!("VM {} of unknown memory", world.vm_id(*vm)), "its memory".into())
            }),
            Copying::Diverges => log.error(Rule::MigrationTime, at, &world.locus_of_vm(*vm, host), || {
                let found = format!("VM {} does not converge at {mbps} Mbit/s", world.vm_id(*vm));
                (place(), found, "bandwidth with which it converges".into())
            }),
            Copying::Seconds(seconds) => needed += seconds * factor(world),
        }
    }
    if f64::from(p95_s) + 1.0 < needed {
        log.error(Rule::MigrationTime, at, &world.locus(host), || {
            (place(), format!("a span of {p95_s} s"), format!("at least {needed:.0} s at {mbps} Mbit/s"))
        });
    }
}

/// The answers of owners, by what finds them fastest.
struct Consents<'a> {
    all: &'a [Consent],
    by_vm: FxHashMap<&'a str, Vec<u32>>,
    by_tenant: FxHashMap<&'a str, Vec<u32>>,
    by_application: FxHashMap<&'a str, Vec<u32>>,
    of_everyone: Vec<u32>,
    ids: Index<'a>,
}

impl<'a> Consents<'a> {
    fn new(world: &World<'a>) -> Self {
        let all = world.fleet.planning.as_ref().map_or(&[][..], |it| &it.consents);
        let mut it = Self {
            all,
            by_vm: FxHashMap::default(),
            by_tenant: FxHashMap::default(),
            by_application: FxHashMap::default(),
            of_everyone: Vec::new(),
            ids: all.iter().map(|it| it.id.as_str()).zip(0u32..).collect(),
        };
        for (consent, number) in all.iter().zip(0u32..) {
            if !consent.vms.is_empty() {
                for vm in &consent.vms {
                    it.by_vm.entry(vm.as_str()).or_default().push(number);
                }
            } else if !consent.tenants.is_empty() {
                for tenant in &consent.tenants {
                    it.by_tenant.entry(tenant.as_str()).or_default().push(number);
                }
            } else if !consent.applications.is_empty() {
                for application in &consent.applications {
                    it.by_application.entry(application.as_str()).or_default().push(number);
                }
            } else {
                it.of_everyone.push(number);
            }
        }
        it
    }

    /// The answers that speak of a guest and an action.
    fn of(&self, vm: &underpin_model::fleet::Vm, action: Action) -> impl Iterator<Item = (u32, &'a Consent)> {
        fn found<'i>(index: &'i FxHashMap<&str, Vec<u32>>, id: Option<&str>) -> &'i [u32] {
            id.and_then(|it| index.get(it)).map_or(&[], Vec::as_slice)
        }
        let tenant = vm.tenant.as_ref();
        let application = vm.application.as_ref();
        let numbers = [
            found(&self.by_vm, Some(vm.id.as_str())),
            found(&self.by_tenant, tenant.map(|it| it.as_str())),
            found(&self.by_application, application.map(|it| it.as_str())),
            &self.of_everyone,
        ];
        let speaking = numbers.into_iter().flatten().filter_map(|it| Some((*it, self.all.get(ix(*it))?)));
        let speaking: Vec<(u32, &Consent)> = speaking
            .filter(|(_, it)| {
                it.action == action
                    && (it.tenants.is_empty() || tenant.is_some_and(|id| it.tenants.contains(id)))
                    && (it.applications.is_empty()
                        || application.is_some_and(|id| it.applications.contains(id)))
            })
            .collect();
        speaking.into_iter()
    }

    fn check(&self, world: &World<'_>, timeline: &Timeline<'_>, deed: &Deed<'_>, log: &mut Log<'_>) {
        let Some(row) = world.vms.get(ix(deed.vm)) else { return };
        let needed = world.policy.planning.consent_needed.contains(&deed.action);
        log.compared(Rule::Consent);
        if self.all.is_empty() && !needed && deed.consent.is_none() {
            return;
        }
        let locus = world.locus_of_vm(deed.vm, deed.from);
        let place = || format!("VM {}", row.vm.id);
        let (from, until) = (timeline.plan.instant(deed.start), timeline.plan.instant(deed.until));
        let answers: Vec<(u32, &Consent)> = self.of(row.vm, deed.action).collect();
        let refusal = answers.iter().map(|it| it.1).find(|it| {
            !it.granted && it.from.is_none_or(|it| it < until) && it.until.is_none_or(|it| from < it)
        });
        if let Some(refusal) = refusal {
            log.error(Rule::Consent, deed.at, &locus, || {
                let found = format!("{}, which {:?} refuses", name(deed.action), refusal.id);
                (place(), found, "nothing that its owner refuses".into())
            });
            return;
        }
        let holds = |it: &(u32, &Consent)| it.1.granted && it.1.holds(from, until);
        match deed.consent.map(|id| self.ids.get(id).copied()) {
            Some(claimed) if !answers.iter().any(|it| Some(it.0) == claimed && holds(it)) => {
                log.error(Rule::Consent, deed.at, &locus, || {
                    let found =
                        format!("consent {:?}, which does not allow it", deed.consent.unwrap_or_default());
                    let expected = format!("a consent to {} from {from} to {until}", name(deed.action));
                    (place(), found, expected)
                });
            }
            Some(_) => {}
            None if needed => {
                let given = answers.iter().find(|it| holds(it));
                let names_it = matches!(deed.action, Action::Suspend | Action::PowerOff);
                if given.is_none() || names_it {
                    log.error(Rule::Consent, deed.at, &locus, || {
                        let found = match given {
                            Some(it) => format!(
                                "{}, which does not name its consent {:?}",
                                name(deed.action),
                                it.1.id
                            ),
                            None => format!("{} without a consent", name(deed.action)),
                        };
                        (place(), found, format!("a consent that holds from {from} to {until}"))
                    });
                }
            }
            None => {}
        }
    }
}
