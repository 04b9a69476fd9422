//! Soaks that began before the plan: of hosts that have a change already.

use std::collections::BTreeMap;

use jiff::Timestamp;
use underpin_model::change::{Change, Method, Target};
use underpin_model::plan::{Profile, SoakSince};

use crate::changes::Members;
use crate::rings::{DAY_S, Hardware, hardware};
use crate::timeline::Timeline;
use crate::world::{World, ix};

/// A host that had a change before the plan began, and on which it soaks still.
pub(crate) struct Soaking {
    pub(crate) host: u32,
    pub(crate) ring: u32,
    /// One of those that its hardware class is to learn from.
    pub(crate) canary: bool,
    /// In seconds of the plan.
    pub(crate) until: u32,
}

/// A host that has a change: the end of its soak in seconds of the plan, its number, its ring.
type Has = (i64, u32, u32);

/// Soaks of a change that are not over when the plan starts: by the facts of the fleet where they tell when a host got it, otherwise
/// from when it was seen with it, or as the plan says of its parent.
pub(crate) fn of_change(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    members: &Members,
    change: u32,
) -> Vec<Soaking> {
    let (Some(target), Some(all)) = (timeline.changes.get(ix(change)), members.get(ix(change))) else {
        return Vec::new();
    };
    let plan = timeline.plan;
    let factor = match timeline.profile {
        Profile::Normal => 1.0,
        Profile::Emergency => world.policy.planning.emergency.soak_factor.clamp(0.0, 1.0),
    };
    let said: BTreeMap<&str, (u32, SoakSince)> = plan
        .soaking
        .iter()
        .filter(|it| it.change == target.id)
        .map(|it| (it.element.as_str(), (it.until_s, it.since)))
        .collect();
    let mut classes: BTreeMap<Hardware<'_>, (u32, Vec<Has>)> = BTreeMap::new();
    for (host, due) in all.iter().filter_map(|(element, due)| Some((element.host()?, *due))) {
        let Some(row) = world.hosts.get(ix(host)) else { continue };
        let class = classes.entry(hardware(world, host)).or_default();
        class.0 += 1;
        if due {
            continue;
        }
        let days = world.policy.rings.get(ix(row.ring)).map_or(0.0, |it| it.soak.get());
        let known = row.host.changed_at.or(row.host.booted_at.filter(|_| needs_boot(target)));
        let since = |at: Timestamp| {
            // A second of tolerance, as for the soaks of waves.
            let soak_s = (days * DAY_S * factor - 1.0).max(0.0);
            (at.as_second() - plan.starts_at.as_second()).saturating_add(soak_s as i64)
        };
        // Where nobody knows, it counts from when the host was seen; but a parent may have said more.
        let seen = row.host.seen.as_ref().map_or(world.fleet.seen.at, |it| it.at);
        let until = match (known, said.get(row.host.id.as_str())) {
            (Some(at), _) => since(at),
            (None, Some((until_s, SoakSince::Parent))) if plan.parent.is_some() => i64::from(*until_s),
            (None, None) if plan.parent.is_some() => 0,
            (None, _) => since(seen),
        };
        class.1.push((until, host, row.ring));
    }
    let mut soaking = Vec::new();
    for (all, mut hosts) in classes.into_values() {
        hosts.sort_unstable();
        let wanted = ix(world.policy.planning.canaries_of(all));
        for (at, (until, host, ring)) in hosts.into_iter().enumerate() {
            if let Ok(until @ 1..) = u32::try_from(until) {
                soaking.push(Soaking { host, ring, canary: at < wanted, until });
            }
        }
    }
    soaking
}

/// Whoever has the change has booted since.
fn needs_boot(change: &Change) -> bool {
    let live = |it: &Method| !matches!(it, Method::EvacuateReboot | Method::QuickBoot | Method::PowerOff);
    !matches!(change.to, Target::Setting { reboot: false, .. }) && !change.methods.iter().any(live)
}
