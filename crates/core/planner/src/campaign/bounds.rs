//! Lower bounds that no plan of the same hosts can beat (waves, moves, time), for the report.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::{Method, Target};
use underpin_model::plan::{Bounds, Plan};
use underpin_model::policy::Homing;

use super::answers::Answers;
use super::calendar::{Calendar, Seconds, earliest, tenants_wait};
use super::couplings::{Couplings, Key};
use super::drive::{Class, Driven};
use super::facts::{Allowed, Facts};
use super::leave::{How, live, preferred};
use super::room::KINDS;
use super::soaking::SoaksStill;
use super::timing::Work;
use super::{Request, order};

/// Bounds for the hosts that the plan changes, with what it reached.
pub(super) fn bounds(
    request: &Request<'_>,
    facts: &Facts<'_>,
    driven: &Driven,
    plan: &Plan,
    moves: u64,
) -> Bounds {
    let calendar = Calendar::new(facts, request.starts_at, tenants_wait(request)).ok();
    let consents = request.fleet.planning.as_ref().map(|it| it.consents.as_slice()).unwrap_or_default();
    let horizon_s = calendar.as_ref().map_or(Seconds::MAX, Calendar::horizon_s);
    let ways = Ways { facts, answers: Answers::new(consents, request.starts_at, horizon_s) };
    let (waves_at_least, waves) = waves(request, &ways, driven);
    let (makespan_at_least_s, makespan_bound_by) = makespan(request, &ways, calendar.as_ref(), driven);
    Bounds {
        waves_at_least,
        waves,
        moves_at_least: moves_at_least(request, &ways, driven),
        moves,
        makespan_at_least_s,
        makespan_s: plan.end_s(),
        makespan_bound_by: makespan_bound_by.to_owned(),
    }
}

/// What some plan might do with guests, whatever this one does: what they allow, and their owners agree to.
struct Ways<'w, 'a> {
    facts: &'w Facts<'a>,
    answers: Answers<'w>,
}

impl Ways<'_, '_> {
    fn any(&self, guest: u32, ways: &[How]) -> bool {
        let allowed = Allowed::of(&self.facts.guests[guest as usize]);
        let agreed = |it: &How| self.answers.find(self.facts, guest, it.action()).is_ok();
        ways.iter().any(|it| allowed.open(*it) && agreed(it))
    }

    /// Guests that might be stopped or suspended while their host is changed.
    fn staying(&self, guests: std::ops::Range<u32>) -> BTreeSet<u32> {
        guests.filter(|guest| self.any(*guest, &[How::Suspend, How::Stop])).collect()
    }
}

/// Works of each cluster.
fn by_cluster(driven: &Driven) -> BTreeMap<u32, Vec<&Work>> {
    let mut works: BTreeMap<u32, Vec<&Work>> = BTreeMap::new();
    for wave in &driven.waves {
        works.entry(wave.cluster).or_default().extend(wave.staged.works.iter());
    }
    works
}

/// Waves of the cluster that needs most: hosts by the limit on hosts away, and by capacity: while hosts of capacity A are away
/// the others carry all guests, so that A is at most the room that is free (`W >= C(to change) / (C - D)`).
fn waves(request: &Request<'_>, ways: &Ways<'_, '_>, driven: &Driven) -> (u32, u32) {
    let facts = ways.facts;
    let mut most = (0, 0);
    let all = classes(facts, driven.waves.iter().flat_map(|it| &it.staged.works));
    for (cluster, works) in by_cluster(driven) {
        let count = driven.waves.iter().filter(|it| it.cluster == cluster).count() as u32;
        let mut bound = waves_by_rings(request, facts, driven, &works, &all);
        let it = &facts.clusters[cluster as usize];
        // Guests that stay on their host, stopped or suspended, need no room elsewhere.
        let stays = ways.staying(it.guests.clone());
        let leaving: Vec<&&Work> = works
            .iter()
            .filter(|it| !it.hops.is_empty() && it.departures.iter().any(|it| !stays.contains(&it.guest)))
            .collect();
        for resource in 0..KINDS {
            let capacity = |host: u32| facts.hosts[host as usize].capacity.map_or(0, |it| it[resource]);
            let all: u64 = it.hosts.clone().map(capacity).sum();
            // A host that carries too much at the start makes no other one smaller.
            let mut used: BTreeMap<u32, u64> = BTreeMap::new();
            for guest in it.guests.clone().filter(|guest| !stays.contains(guest)) {
                let demand = facts.guests[guest as usize].holds[resource];
                let used = used.entry(facts.home[guest as usize]).or_default();
                *used = used.saturating_add(demand);
            }
            let demand: u64 = used.iter().map(|(&host, &used)| used.min(capacity(host))).sum();
            let to_change: u64 = leaving.iter().map(|work| capacity(work.host)).sum();
            if let Some(free) = all.checked_sub(demand).filter(|it| *it > 0) {
                bound = bound.max(to_change.div_ceil(free));
            }
        }
        most = most.max((bound as u32, count));
    }
    most
}

/// Waves by the limit on hosts away: the rings of a change follow one another, so that each has waves of its own; and where all
/// hosts of a class stand in this cluster, its canaries have a wave of their own.
fn waves_by_rings(
    request: &Request<'_>,
    facts: &Facts<'_>,
    driven: &Driven,
    works: &[&Work],
    all: &BTreeMap<Class, usize>,
) -> u64 {
    let least = |hosts: usize| hosts.div_ceil(driven.most.max(1)) as u64;
    let mut rings: BTreeMap<u32, BTreeMap<usize, u64>> = BTreeMap::new();
    for work in works {
        for change in changes(work) {
            *rings.entry(change).or_default().entry(ring(request, facts, work)).or_default() += 1;
        }
    }
    let of_rings = rings.values().map(|it| it.values().map(|&hosts| least(hosts as usize)).sum());
    let of_classes = classes(facts, works.iter().copied());
    let of_classes = of_classes.iter().filter_map(|(class, &hosts)| {
        let wanted = driven.canaries.get(class).copied().filter(|it| (1..hosts).contains(it))?;
        // Hosts of the same hardware elsewhere, with other changes beside, may have tried it before.
        let others = all.keys().filter(|it| it.1 == class.1).count() > 1;
        let alone = all.get(class) == Some(&hosts) && !others;
        alone.then(|| least(wanted) + least(hosts - wanted))
    });
    of_rings.chain(of_classes).max().unwrap_or(0)
}

/// Every guest that can only leave a host that is emptied moves once; twice where guests come home. Where every host of a cluster is emptied, the
/// guests of the first one land on hosts that are still to be emptied, and move again: at least those of the host with the fewest that
/// can only leave, wherever they are.
fn moves_at_least(request: &Request<'_>, ways: &Ways<'_, '_>, driven: &Driven) -> u64 {
    let facts = ways.facts;
    let mut bound = 0;
    for (cluster, works) in by_cluster(driven) {
        // How each host may be changed, once or several times; where some method empties nothing it may keep its guests.
        let mut emptied: BTreeMap<u32, Vec<Vec<Method>>> = BTreeMap::new();
        for work in works.iter().filter(|it| !it.hops.is_empty()) {
            let methods = methods(request, work);
            if methods.iter().all(|it| !preferred(*it).is_empty()) {
                emptied.entry(work.host).or_default().push(methods);
            }
        }
        let stays = |guest: u32, method: Method| {
            preferred(method).iter().any(|it| !it.moves() && ways.any(guest, &[*it]))
        };
        let leaves = |guest: u32, host: u32| {
            let works = emptied.get(&host).into_iter().flatten();
            works.into_iter().any(|methods| !methods.iter().any(|it| stays(guest, *it)))
        };
        let it = &facts.clusters[cluster as usize];
        let all = emptied.len() == it.hosts.len();
        // Of each host: those that leave it, and those that would leave any other as well.
        let mut guests: BTreeMap<u32, (u64, u64)> = emptied.keys().map(|&it| (it, (0, 0))).collect();
        for guest in it.guests.clone() {
            let home = facts.home[guest as usize];
            if let Some(count) = guests.get_mut(&home).filter(|_| leaves(guest, home)) {
                count.0 += 1;
                count.1 += u64::from(all && it.hosts.clone().all(|host| leaves(guest, host)));
            }
        }
        let once: u64 = guests.values().map(|it| it.0).sum();
        bound += match driven.homing {
            // All but those that a rule holds back come home.
            Homing::Home => {
                let home = |it: &&Work| it.come_home.iter().filter(|guest| leaves(**guest, it.host)).count();
                once + works.iter().map(home).sum::<usize>() as u64
            }
            Homing::Drift if all => once + guests.values().map(|it| it.1).min().unwrap_or(0),
            Homing::Drift => once,
        };
    }
    bound
}

/// Methods by which a host may be changed, as far as its changes allow.
fn methods(request: &Request<'_>, work: &Work) -> Vec<Method> {
    let numbers = changes(work);
    let own = || numbers.iter().filter_map(|it| request.changes().get(*it as usize));
    let mut methods = order::common_methods(own());
    methods.retain(|&it| it != Method::Defer && own().all(|change| order::can(change, it)));
    methods
}

/// The changes that a host gets.
fn changes(work: &Work) -> BTreeSet<u32> {
    work.hops.iter().map(|it| it.change).collect()
}

/// Hosts of each class.
fn classes<'w>(facts: &Facts<'_>, works: impl Iterator<Item = &'w Work>) -> BTreeMap<Class, usize> {
    let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
    for work in works.filter(|it| !it.hops.is_empty()) {
        *classes.entry(class(facts, work)).or_default() += 1;
    }
    classes
}

fn class(facts: &Facts<'_>, work: &Work) -> Class {
    (changes(work).into_iter().collect(), facts.hosts[work.host as usize].hardware)
}

/// The ring of a host; where rings were merged all are one.
fn ring(request: &Request<'_>, facts: &Facts<'_>, work: &Work) -> usize {
    if request.merges_rings() { 0 } else { facts.hosts[work.host as usize].ring }
}

/// Works by ring.
type Rings<'w> = BTreeMap<usize, Vec<&'w Work>>;

/// Time: the rings of a change follow one another with their soak, and so does the rest of a ring after its canaries; between
/// them a cluster needs its longest host, the sum of its hosts' paths over the hosts that may be away, and openings enough for the
/// guests that move in windows only. A path is what is done on the host, and at least its own guests over its link.
fn makespan(
    request: &Request<'_>,
    ways: &Ways<'_, '_>,
    calendar: Option<&Calendar<'_>>,
    driven: &Driven,
) -> (Seconds, &'static str) {
    let facts = ways.facts;
    let mut of_changes: BTreeMap<u32, Rings<'_>> = BTreeMap::new();
    let works = driven.waves.iter().flat_map(|it| &it.staged.works);
    let works = works.filter(|it| !facts.out_of_service(it.host));
    for work in works.clone() {
        for change in changes(work) {
            let rings = of_changes.entry(change).or_default();
            rings.entry(ring(request, facts, work)).or_default().push(work);
        }
    }
    let couplings = Couplings::new(facts);
    let elements = driven.elements.iter().map(|it| u64::from(it.end - it.start)).max().unwrap_or(0);
    let coupled = coupled(&couplings, ways, works.filter(|it| !it.hops.is_empty()));
    let mut best = if coupled > elements { (coupled, "hosts-away") } else { (elements, "longest-host") };
    for (change, rings) in &of_changes {
        let of = |calendar| {
            Chain { request, facts, ways, calendar, driven, couplings: &couplings }.of(*change, rings)
        };
        let plain = of(None);
        let bound = match calendar.map(|it| of(Some(it))) {
            Some(windows) if windows.0 > plain.0 => (windows.0, "window"),
            _ => plain,
        };
        if bound.0 > best.0 {
            best = bound;
        }
    }
    (u32::try_from(best.0).unwrap_or(u32::MAX), best.1)
}

/// The rings of one change one after the other.
struct Chain<'c> {
    request: &'c Request<'c>,
    facts: &'c Facts<'c>,
    ways: &'c Ways<'c, 'c>,
    calendar: Option<&'c Calendar<'c>>,
    driven: &'c Driven,
    couplings: &'c Couplings,
}

impl Chain<'_> {
    fn of(&self, change: u32, rings: &Rings<'_>) -> (u64, &'static str) {
        let (mut now, mut soaked, mut by) = (0, 0, "longest-host");
        let wanted = self.wanted(change);
        // Hosts of each hardware in the rings before.
        let mut before: BTreeMap<u32, usize> = BTreeMap::new();
        let last = rings.keys().max();
        for (ring, works) in rings {
            let start = self.soak_before(change, &|it| self.ring_of(it) < *ring).max(now);
            let waited = soaked + start - now;
            (now, soaked) = (self.done(works, &BTreeMap::new(), start, &mut by), waited);
            let mut wait = |works: &[&Work], held: u64, soak: u64| {
                let ahead = self.ahead(works);
                if held > start && ahead.values().sum::<usize>() < works.len() {
                    let rest = self.done(works, &ahead, held, &mut by);
                    if rest > now {
                        (now, soaked) = (rest, waited + soak);
                    }
                }
            };
            let canaries = self.soak_before(change, &|it| it.canary);
            wait(works, canaries, canaries.saturating_sub(start));
            for (hardware, works) in self.by_hardware(works) {
                let (soak, before) = (self.soak(&works), before.entry(hardware).or_default());
                if wanted.get(&hardware).is_some_and(|wanted| *before < *wanted) {
                    let first = works.iter().map(|it| path(self.ways, it)).min().unwrap_or(0);
                    wait(&works, start + first + soak, soak);
                }
                *before += works.len();
            }
            // The soak of the last ring is not waited for.
            if Some(ring) != last {
                let soak = self.soak(works);
                (now, soaked) = (now + soak, soaked + soak);
            }
        }
        (now, if soaked > now - soaked { "soak" } else { by })
    }

    /// The least soak of some hosts.
    fn soak(&self, works: &[&Work]) -> u64 {
        let of = works.iter().map(|it| self.request.soak_s(self.facts.hosts[it.host as usize].ring));
        u64::from(of.min().unwrap_or(0))
    }

    fn by_hardware<'w>(&self, works: &[&'w Work]) -> BTreeMap<u32, Vec<&'w Work>> {
        let mut all: BTreeMap<u32, Vec<&Work>> = BTreeMap::new();
        for work in works {
            all.entry(self.facts.hosts[work.host as usize].hardware).or_default().push(work);
        }
        all
    }

    /// How many hosts of each hardware must have soaked with a change before others of it go; none where it is a setting.
    fn wanted(&self, change: u32) -> BTreeMap<u32, usize> {
        let it = self.request.changes().get(change as usize);
        let Some(it) = it.filter(|it| !matches!(it.to, Target::Setting { .. })) else {
            return BTreeMap::new();
        };
        let concerned = order::concerned(self.request.fleet, it);
        let mut hosts: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        let there = concerned.there.iter().map(|it| (it, 1));
        for (element, there) in concerned.due.iter().map(|it| (it, 0)).chain(there) {
            let Some(host) = self.facts.host(element.as_str()) else { continue };
            let there = there.max(u32::from(self.facts.out_of_service(host)));
            let count = hosts.entry(self.facts.hosts[host as usize].hardware).or_default();
            *count = (count.0 + 1, count.1 + there);
        }
        let planning = &self.request.policy.planning;
        let wanted = |(all, there): (u32, u32)| planning.canaries_of(all).saturating_sub(there) as usize;
        hosts.into_iter().map(|(hardware, counts)| (hardware, wanted(counts))).collect()
    }

    /// The last end of some soaks of a change that began before the plan.
    fn soak_before(&self, change: u32, which: &dyn Fn(&SoaksStill) -> bool) -> u64 {
        let own = self.driven.soaking.iter().filter(|it| it.change == change && which(it));
        own.map(|it| u64::from(it.until)).max().unwrap_or(0)
    }

    fn ring_of(&self, it: &SoaksStill) -> usize {
        if self.request.merges_rings() { 0 } else { self.facts.hosts[it.host as usize].ring }
    }

    /// How many of some hosts, by cluster, may go before canaries have soaked: coordinators, and as many of each class as are wanted.
    fn ahead(&self, works: &[&Work]) -> BTreeMap<u32, usize> {
        let mut classes: BTreeMap<(u32, Class), usize> = BTreeMap::new();
        let mut ahead: BTreeMap<u32, usize> = BTreeMap::new();
        for work in works {
            let cluster = self.facts.hosts[work.host as usize].cluster;
            if self.driven.coordinators.contains(&work.host) {
                *ahead.entry(cluster).or_default() += 1;
            } else {
                *classes.entry((cluster, class(self.facts, work))).or_default() += 1;
            }
        }
        let sorted = |it: &Class| {
            let changes: BTreeSet<u32> = it.0.iter().copied().collect();
            (changes.into_iter().collect(), it.1)
        };
        let wanted: BTreeMap<Class, usize> =
            self.driven.canaries.iter().map(|(class, wanted)| (sorted(class), *wanted)).collect();
        for ((cluster, class), hosts) in classes {
            let wanted = wanted.get(&class).copied().unwrap_or(0).min(hosts);
            *ahead.entry(cluster).or_default() += wanted;
        }
        ahead
    }

    /// When the hosts of every cluster can be done that start at a moment, but for so many of each cluster, whichever take longest.
    fn done(
        &self,
        works: &[&Work],
        without: &BTreeMap<u32, usize>,
        start: u64,
        by: &mut &'static str,
    ) -> u64 {
        let mut clusters: BTreeMap<u32, Vec<&Work>> = BTreeMap::new();
        for work in works {
            clusters.entry(self.facts.hosts[work.host as usize].cluster).or_default().push(work);
        }
        let mut now = start;
        for (cluster, works) in clusters {
            let without = without.get(&cluster).copied().unwrap_or(0);
            let mut paths: Vec<u64> = works.iter().map(|it| path(self.ways, it)).collect();
            paths.sort_unstable_by(|a, b| b.cmp(a));
            let paths = paths.get(without..).unwrap_or_default();
            let longest = start + paths.first().copied().unwrap_or(0);
            let shared = start + paths.iter().sum::<u64>().div_ceil(self.driven.most as u64);
            if shared > longest && shared > now {
                *by = "hosts-away";
            }
            now = now.max(longest).max(shared);
            if let Some(calendar) = self.calendar {
                now = now.max(in_windows(self.ways, calendar, self.driven.most, &works, without, start));
            }
        }
        // Whoever is left out might be anyone's.
        let all = works.iter().copied().filter(|_| without.is_empty());
        let coupled = coupled(self.couplings, self.ways, all);
        if start + coupled > now {
            *by = "hosts-away";
        }
        now.max(start + coupled)
    }
}

/// The sum of the paths of all hosts that count under one limit over clusters, over how many of them may be away at once.
fn coupled<'w>(couplings: &Couplings, ways: &Ways<'_, '_>, works: impl Iterator<Item = &'w Work>) -> u64 {
    let mut sums: BTreeMap<Key, (u64, u64)> = BTreeMap::new();
    for work in works {
        for (key, most) in couplings.keys(ways.facts, work.host) {
            sums.entry(key).or_insert((0, most)).0 += path(ways, work);
        }
    }
    sums.values().map(|&(sum, most)| sum.div_ceil(most.max(1))).max().unwrap_or(0)
}

/// First moment at which hosts whose guests move in windows only can be done, from a moment on: each is away from the last such
/// move until it is changed, so that in an opening of length `L` no more than `most * (L / path + 1)` can be; and none before its
/// own windows were open. So many hosts, whichever come last, are left out.
fn in_windows(
    ways: &Ways<'_, '_>,
    calendar: &Calendar<'_>,
    most: usize,
    works: &[&Work],
    without: usize,
    start: u64,
) -> u64 {
    let from = Seconds::try_from(start).unwrap_or(Seconds::MAX);
    // When each host of its own windows is done at best.
    let mut done_at: Vec<u64> = Vec::new();
    // Hosts by calendar of their guests, each with what is done on it.
    let mut waiting: BTreeMap<u32, (u32, Vec<u64>)> = BTreeMap::new();
    for work in works {
        let done = in_place(work);
        if let Some(spans) = calendar.host(work.host) {
            let path = Seconds::try_from(path(ways, work)).unwrap_or(Seconds::MAX);
            let length = path.saturating_add(work.durations.rollback.p95_s);
            let opens = earliest(spans, from, length).unwrap_or(from);
            done_at.push(u64::from(opens) + u64::from(path));
        }
        let own = work.departures.iter().filter(|it| it.from == work.host && it.how.moves());
        let numbers: BTreeMap<u32, u32> = own
            .map(|it| (calendar.guest_number(it.guest), it.guest))
            .filter(|it| it.0 != super::facts::NONE)
            .collect();
        for (number, guest) in numbers {
            waiting.entry(number).or_insert((guest, Vec::new())).1.push(done);
        }
    }
    done_at.sort_unstable_by(|a, b| b.cmp(a));
    let mut latest = done_at.get(without).copied().unwrap_or(start).max(start);
    for (guest, hosts) in waiting.into_values() {
        let Some(spans) = calendar.guest(guest) else { continue };
        let path = hosts.iter().copied().min().unwrap_or(0).max(1);
        let mut left = hosts.len().saturating_sub(without) as u64;
        if left == 0 {
            continue;
        }
        for &(opens, shuts) in spans.iter().filter(|it| it.1 > from) {
            let opens = u64::from(opens.max(from));
            let room = most as u64 * ((u64::from(shuts) - opens) / path + 1);
            if left <= room {
                latest = latest.max(opens + left.div_ceil(most as u64) * path);
                break;
            }
            left -= room;
        }
    }
    latest
}

fn path(ways: &Ways<'_, '_>, work: &Work) -> u64 {
    let facts = ways.facts;
    let host = &facts.hosts[work.host as usize];
    let factor = facts.policy.planning.migration.p95_factor.max(1.0);
    // Another plan might stop it, or move it cold.
    let own = |guest: u32| {
        let other = ways.any(guest, &[How::Cold, How::Suspend, How::Stop]);
        facts.home[guest as usize] == work.host && !other
    };
    let live_s: f64 = work
        .departures
        .iter()
        .filter(|it| it.how == How::Live && own(it.guest))
        .filter_map(|it| live(facts, it.guest, host.link_mbps))
        .map(|it| it.total_s * factor)
        .sum();
    in_place(work) + live_s as u64
}

/// Seconds of what is done on a host itself.
fn in_place(work: &Work) -> u64 {
    let spans = &work.durations;
    let reboots = work.hops.iter().filter(|it| it.reboot).count() as u64;
    work.hops.len() as u64 * u64::from(spans.patch.p95_s)
        + reboots * u64::from(spans.reboot.p95_s)
        + u64::from(spans.attest.p95_s)
        + u64::from(spans.verify.p95_s)
}
