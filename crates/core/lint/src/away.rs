//! Hosts that are away: how many at a time, and with which storage.

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::fleet::Redundancy;
use underpin_model::plan::{Profile, Rule};

use crate::report::{At, Log};
use crate::timeline::Timeline;
use crate::world::{Elem, Locus, NONE, Power, World, ix};

/// What a limit is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Of {
    Cluster(u32),
    Domain(u32),
    Ring(u32),
    Tenant(u32),
}

/// A host is away for a span; those that were before the plan are until they are brought back.
struct Away {
    host: u32,
    from: u32,
    until: u32,
    before: bool,
}

fn spans(world: &World<'_>, timeline: &Timeline<'_>) -> Vec<Away> {
    let mut all = Vec::new();
    for (row, host) in world.hosts.iter().zip(0u32..) {
        let mut own: Vec<Away> = Vec::new();
        if row.maintenance {
            let until = timeline.paths_of(host).find(|it| it.verified != NONE).map_or(NONE, |it| it.verified);
            own.push(Away { host, from: 0, until, before: true });
        }
        for path in timeline.paths_of(host) {
            match own.last_mut() {
                // One absence with several causes is one.
                Some(last) if path.from <= last.until => last.until = last.until.max(path.serves()),
                _ => own.push(Away { host, from: path.from, until: path.serves(), before: false }),
            }
        }
        all.extend(own);
    }
    all
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let away = spans(world, timeline);
    most_away(world, timeline, &away, log);
    storage(world, timeline, log);
}

/// Tenants with guests on each host, as the fleet was seen.
fn tenants_of(world: &World<'_>) -> Vec<Vec<u32>> {
    let mut of = vec![Vec::new(); world.hosts.len()];
    if world.policy.planning.most_away.per_tenant.is_some() {
        // Who is off misses no host.
        for vm in world.vms.iter().filter(|it| it.tenant != NONE && it.power != Power::Off) {
            if let Some(of) = of.get_mut(ix(vm.host)) {
                of.push(vm.tenant);
            }
        }
        for of in &mut of {
            of.sort_unstable();
            of.dedup();
        }
    }
    of
}

struct Limits<'w, 'a> {
    world: &'w World<'a>,
    tenants: Vec<Vec<u32>>,
    per_cluster: u32,
}

impl<'w, 'a> Limits<'w, 'a> {
    fn new(world: &'w World<'a>, timeline: &Timeline<'_>) -> Self {
        let policy = &world.policy.planning;
        let emergency = policy.emergency.per_cluster.filter(|_| timeline.profile == Profile::Emergency);
        let of_fleet = world.fleet.planning.as_ref().and_then(|it| it.max_hosts_per_wave);
        let per_cluster = of_fleet.or(emergency).unwrap_or(policy.most_away.per_cluster);
        Self { world, tenants: tenants_of(world), per_cluster }
    }

    /// What a host counts for.
    fn of(&self, host: u32) -> Vec<Of> {
        let Some(row) = self.world.hosts.get(ix(host)) else { return Vec::new() };
        let mut all = Vec::new();
        if row.cluster != NONE {
            all.push(Of::Cluster(row.cluster));
        }
        all.extend(row.domains.iter().map(|it| Of::Domain(*it)));
        all.push(Of::Ring(row.ring));
        all.extend(self.tenants.get(ix(host)).into_iter().flatten().map(|it| Of::Tenant(*it)));
        all.retain(|it| self.most(*it).is_some());
        all
    }

    fn most(&self, of: Of) -> Option<u32> {
        let policy = &self.world.policy.planning.most_away;
        match of {
            Of::Cluster(_) => Some(self.per_cluster),
            Of::Domain(domain) => {
                let single = policy
                    .fault_domains
                    .iter()
                    .find(|it| self.world.domain_at.get(it.0.as_str()) == Some(&domain));
                single.map(|it| *it.1).or(policy.per_fault_domain)
            }
            Of::Ring(_) => policy.per_ring,
            Of::Tenant(_) => policy.per_tenant,
        }
    }

    fn name(&self, of: Of) -> String {
        match of {
            Of::Cluster(it) => format!("cluster {}", self.world.cluster_id(it)),
            Of::Domain(it) => {
                let id = self.world.domain_at.iter().find(|at| *at.1 == it).map_or("?", |at| at.0);
                format!("fault domain {id}")
            }
            Of::Ring(it) => {
                format!("ring {}", self.world.policy.rings.get(ix(it)).map_or("?", |it| it.name.as_str()))
            }
            Of::Tenant(it) => format!("tenant {}", self.world.tenants.get(ix(it)).copied().unwrap_or("?")),
        }
    }
}

fn most_away(world: &World<'_>, timeline: &Timeline<'_>, away: &[Away], log: &mut Log<'_>) {
    let limits = Limits::new(world, timeline);
    // When, whether it goes (ends come before starts), who, and whether it was away before.
    let mut events: Vec<(u32, bool, u32, bool)> = Vec::new();
    let mut count: FxHashMap<Of, u32> = FxHashMap::default();
    for it in away {
        if it.before {
            for of in limits.of(it.host) {
                *count.entry(of).or_default() += 1;
            }
        } else {
            events.push((it.from, true, it.host, false));
        }
        // A touch without a span is one all the same: it counts in its second.
        events.push((it.until.max(it.from.saturating_add(1)), false, it.host, it.before));
    }
    events.sort_unstable();
    // Of those that were away at the start as many are excused as still are: whoever came back and goes again is one more.
    let mut still = count.clone();
    let mut at = 0;
    while let Some(&(now, ..)) = events.get(at) {
        let mut risen: FxHashSet<(Of, u32)> = FxHashSet::default();
        while let Some(&(moment, goes, host, before)) = events.get(at)
            && moment == now
        {
            for of in limits.of(host) {
                let count = count.entry(of).or_default();
                if goes {
                    *count += 1;
                    risen.insert((of, host));
                } else {
                    *count = count.saturating_sub(1);
                    let still = still.entry(of).or_default();
                    *still = still.saturating_sub(u32::from(before));
                }
            }
            at += 1;
        }
        let mut risen: Vec<(Of, u32)> = risen.into_iter().collect();
        risen.sort_unstable();
        risen.dedup_by_key(|it| it.0);
        for (of, host) in risen {
            log.compared(Rule::MostAway);
            let now_away = count.get(&of).copied().unwrap_or(0);
            let most = limits.most(of).unwrap_or(u32::MAX);
            if now_away > most.max(still.get(&of).copied().unwrap_or(0)) {
                let locus = match of {
                    Of::Tenant(tenant) => Locus { tenant, ..world.locus(host) },
                    _ => world.locus(host),
                };
                log.error(Rule::MostAway, At::moment(now), &locus, || {
                    let found = format!("{now_away} hosts away, {} among them", world.host_id(host));
                    (limits.name(of), found, format!("at most {most}"))
                });
            }
        }
    }
}

/// No host is away with storage that is not whole, or is being changed.
fn storage(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let rule = Rule::StorageRedundancy;
    let mut state: FxHashMap<u32, Redundancy> = FxHashMap::default();
    for storage in &world.fleet.storage {
        if let (Some(number), Some(redundancy)) =
            (world.storage_at.get(storage.id.as_str()), storage.redundancy)
        {
            state.insert(*number, redundancy);
        }
    }
    let mut changed: FxHashMap<u32, Vec<(u32, u32)>> = FxHashMap::default();
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        if let Elem::Storage(storage) = path.element {
            changed.entry(storage).or_default().push((path.from, path.until));
            log.compared(rule);
            let redundancy = state.get(&storage).copied();
            if redundancy != Some(Redundancy::Full) {
                log.error(rule, At::moment(path.from), &Locus::NOWHERE, || {
                    let found = redundancy
                        .map_or("changed, and nobody knows its redundancy".to_owned(), |it| {
                            format!("changed while its redundancy is {}", it.name())
                        });
                    (
                        world.id(path.element),
                        found,
                        "storage that is known to have its full redundancy".into(),
                    )
                });
            }
        }
    }
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        let Elem::Host(host) = path.element else { continue };
        for storage in world.storage_of.get(ix(host)).into_iter().flatten() {
            log.compared(rule);
            let name = || world.id(Elem::Storage(*storage));
            let place = || format!("host {}", world.host_id(host));
            if let Some(lost @ (Redundancy::Degraded | Redundancy::Rebuilding)) = state.get(storage) {
                log.error(rule, At::moment(path.from), &world.locus(host), || {
                    let found = format!("away while storage {} is {}", name(), lost.name());
                    (place(), found, "storage that has its full redundancy".into())
                });
            }
            for (from, until) in changed.get(storage).into_iter().flatten() {
                if *from < path.until && path.from < *until {
                    log.error(rule, At::moment(path.from.max(*from)), &world.locus(host), || {
                        let found = format!("away while storage {} is being changed", name());
                        (place(), found, "one after the other".into())
                    });
                }
            }
        }
    }
}
