//! How long guests take to move: a live migration copies what is written meanwhile again and again.

use std::cmp::Ordering;

use underpin_model::plan::{Rule, Severity};
use underpin_model::policy::COLD_MOVE;

use crate::report::{At, Log, Said};
use crate::world::{NONE, World, ix};

/// Rounds of copying after which a guest that still writes too fast is not going to converge.
const MOST_ROUNDS: u32 = 30;

/// What a migration was given.
pub(super) struct Span {
    pub(super) mbps: u32,
    pub(super) pause_ms: u32,
    pub(super) p50_s: u32,
    pub(super) p95_s: u32,
}

impl Span {
    /// A second too short for what a migration takes, in the median or times the policy's factor.
    fn is_short(&self, world: &World<'_>, seconds: f64) -> bool {
        f64::from(self.p50_s) + 1.0 < seconds || f64::from(self.p95_s) + 1.0 < seconds * factor(world)
    }

    fn say(&self, world: &World<'_>, place: String, seconds: f64) -> Said {
        let found = format!("a span of {} s, and a median of {} s", self.p95_s, self.p50_s);
        let needed = seconds * factor(world);
        let expected = format!("at least {needed:.0} and {seconds:.0} s at {} Mbit/s", self.mbps);
        (place, found, expected)
    }
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

/// A guest can be moved while it runs, over half of its host's link at least.
pub(crate) fn converges(world: &World<'_>, vm: u32) -> bool {
    let host = world.vms.get(ix(vm)).and_then(|it| world.hosts.get(ix(it.host)));
    let mbps = host.map_or(0, |it| u32::try_from(it.mbps / 2).unwrap_or(u32::MAX));
    let pause_ms = world.policy.planning.migration.longest_pause_ms;
    matches!(copying(world, vm, mbps, pause_ms), Copying::Seconds(_))
}

fn factor(world: &World<'_>) -> f64 {
    world.policy.planning.migration.p95_factor.max(1.0)
}

pub(super) fn duration(world: &World<'_>, at: At, vm: u32, span: &Span, log: &mut Log<'_>) {
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
            if span.is_short(world, seconds) {
                log.error(Rule::MigrationTime, at, &locus, || span.say(world, place(), seconds));
            }
        }
    }
}

/// A guest that is off while it moves is not copied while it writes: the bandwidth and the pause of a live move are those of another step.
/// It is shut down and started again, and that takes its time.
pub(super) fn cold(world: &World<'_>, at: At, vm: u32, span: &Span, log: &mut Log<'_>) {
    log.compared(Rule::MigrationTime);
    let host = world.vms.get(ix(vm)).map_or(NONE, |it| it.host);
    let locus = world.locus_of_vm(vm, host);
    let place = || format!("VM {}", world.vm_id(vm));
    let Span { mbps, pause_ms, p50_s, p95_s } = *span;
    if mbps != 0 || pause_ms != 0 {
        log.error(Rule::MigrationTime, at, &locus, || {
            let found = format!(
                "a cold move with {mbps} Mbit/s and a pause of {pause_ms} ms, as only a live one has"
            );
            (place(), found, "0 of both: it is off for the whole span".into())
        });
    }
    if p50_s < COLD_MOVE.p50_s || p95_s < COLD_MOVE.p95_s {
        log.error(Rule::MigrationTime, at, &locus, || {
            let found = format!("a cold move with a span of {p95_s} s, and a median of {p50_s} s");
            let expected = format!("at least {} and {} s", COLD_MOVE.p95_s, COLD_MOVE.p50_s);
            (place(), found, expected)
        });
    }
}

/// One guest after the other with all of the bandwidth: no other order ends earlier.
pub(super) fn evacuation(world: &World<'_>, at: At, host: u32, vms: &[u32], span: &Span, log: &mut Log<'_>) {
    let mbps = span.mbps;
    let place = || format!("host {}", world.host_id(host));
    let mut needed = 0.0;
    for vm in vms {
        log.compared(Rule::MigrationTime);
        match copying(world, *vm, mbps, span.pause_ms) {
            Copying::Unknown => log.add(Rule::MigrationTime, Severity::Unknown, at, || {
                (place(), format!("VM {} of unknown memory", world.vm_id(*vm)), "its memory".into())
            }),
            Copying::Diverges => log.error(Rule::MigrationTime, at, &world.locus_of_vm(*vm, host), || {
                let found = format!("VM {} does not converge at {mbps} Mbit/s", world.vm_id(*vm));
                (place(), found, "bandwidth with which it converges".into())
            }),
            Copying::Seconds(seconds) => needed += seconds,
        }
    }
    if span.is_short(world, needed) {
        log.error(Rule::MigrationTime, at, &world.locus(host), || span.say(world, place(), needed));
    }
}
