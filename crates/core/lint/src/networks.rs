//! Bandwidth of migrations over one network together, across clusters.

use underpin_model::plan::Rule;

use crate::report::{At, Log};
use crate::timeline::{Doing, Timeline};
use crate::world::{Locus, NONE, World, ix};

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let Some(most) = world.policy.planning.migration.network_mbps else { return };
    let network = |host: u32| world.hosts.get(ix(host)).map_or(NONE, |it| it.network);
    // Ends before starts in the same second.
    let mut events: Vec<(u32, bool, u32, u32, u64)> = Vec::new();
    for (act, step) in timeline.acts.iter().zip(0u32..) {
        let (mut over, mbps) = match &act.doing {
            Doing::Migrate { from, to, mbps, .. } => (vec![network(*from), network(*to)], *mbps),
            Doing::Evacuate { host, moves, mbps, .. } => {
                (moves.iter().map(|it| it.1).chain([*host]).map(network).collect(), *mbps)
            }
            _ => continue,
        };
        over.sort_unstable();
        over.dedup();
        for network in over.into_iter().filter(|_| act.end > act.start) {
            events.push((act.start, true, network, step, u64::from(mbps)));
            events.push((act.end, false, network, step, u64::from(mbps)));
        }
    }
    events.sort_unstable();
    let mut used = vec![0u64; ix(world.networks)];
    for (now, starts, network, step, mbps) in events {
        let Some(used) = used.get_mut(ix(network)) else { continue };
        if !starts {
            *used = used.saturating_sub(mbps);
            continue;
        }
        *used += mbps;
        log.compared(Rule::MigrationBandwidth);
        if *used > u64::from(most) {
            let total = *used;
            let host =
                world.hosts.iter().zip(0u32..).find(|it| it.0.network == network).map_or(NONE, |it| it.1);
            let locus = Locus { host: NONE, ..world.locus(host) };
            log.error(Rule::MigrationBandwidth, At::step(step, now), &locus, || {
                let place = format!("migration network of host {}", world.host_id(host));
                (place, format!("{total} Mbit/s given to migrations"), format!("at most {most} Mbit/s"))
            });
        }
    }
}
