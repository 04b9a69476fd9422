//! Windows and freezes: when what may be touched.

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use underpin_model::plan::{Profile, Rule, Severity};
use underpin_model::policy::Scope;

use crate::report::{At, Log};
use crate::timeline::{Doing, Path, Timeline};
use crate::world::{Elem, Locus, NONE, World, ix};

/// Disjoint spans in seconds from the plan's start, in order.
type Spans = Vec<(i64, i64)>;

/// Spans with those that touch or overlap made one.
fn merged(mut spans: Spans) -> Spans {
    spans.sort_unstable();
    let mut all: Spans = Vec::with_capacity(spans.len());
    for (from, until) in spans {
        match all.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => all.push((from, until)),
        }
    }
    all
}

fn covers(spans: &Spans, from: i64, until: i64) -> bool {
    let at = spans.partition_point(|it| it.0 <= from);
    at.checked_sub(1).and_then(|at| spans.get(at)).is_some_and(|it| until <= it.1)
}

/// Windows or freezes with the places that they speak of.
struct Entries<'a> {
    scopes: Vec<&'a Scope>,
    spans: Vec<Spans>,
    /// Those about guests, by tenant.
    of_tenant: Vec<Vec<u32>>,
    /// Those about hosts and what they stand on.
    of_elements: Vec<u32>,
}

impl<'a> Entries<'a> {
    fn new(world: &World<'_>, all: Vec<(&'a Scope, Spans)>) -> Self {
        let mut it = Self {
            scopes: Vec::new(),
            spans: Vec::new(),
            of_tenant: vec![Vec::new(); world.tenants.len()],
            of_elements: Vec::new(),
        };
        for ((scope, spans), number) in all.into_iter().zip(0u32..) {
            if scope.tenants.is_empty() {
                it.of_elements.push(number);
            }
            for tenant in scope.tenants.iter().filter_map(|it| world.tenant_at.get(it.as_str())) {
                if let Some(of) = it.of_tenant.get_mut(ix(*tenant)) {
                    of.push(number);
                }
            }
            it.scopes.push(scope);
            it.spans.push(spans);
        }
        it
    }

    /// Those that speak of a place.
    fn speaking(&self, world: &World<'_>, candidates: &[u32], locus: &Locus) -> Vec<u32> {
        let within = |it: &&u32| self.scopes.get(ix(**it)).is_some_and(|it| world.within(it, locus));
        candidates.iter().filter(within).copied().collect()
    }

    /// Those that speak of an element. Of what is no host: by its name, which only planes have in scopes, or by what stands on it: lists of
    /// hosts and of products alone are about hosts.
    fn of_element(&self, world: &World<'_>, element: Elem) -> Vec<u32> {
        let plane = match element {
            Elem::Host(_) => return self.speaking(world, &self.of_elements, &world.locus_of(element)),
            Elem::Plane(plane) => world.planes.get(ix(plane)),
            Elem::Witness(_) | Elem::Storage(_) => None,
        };
        let clusters = world.clusters_on(element);
        let speaks = |scope: &Scope| {
            let named = plane.is_some_and(|it| scope.planes.contains(&it.id));
            let near =
                |it: &u32| world.clusters.get(ix(*it)).is_some_and(|it| scope.clusters.contains(&it.id));
            scope.hosts.is_empty()
                && (named || scope.planes.is_empty() && scope.platforms.is_empty())
                && (scope.clusters.is_empty() || clusters.iter().any(near))
        };
        let spoken = |it: &&u32| self.scopes.get(ix(**it)).is_some_and(|it| speaks(it));
        self.of_elements.iter().filter(spoken).copied().collect()
    }

    fn of_guest(&self, world: &World<'_>, vm: u32, host: u32) -> Vec<u32> {
        let locus = world.locus_of_vm(vm, host);
        let candidates = self.of_tenant.get(ix(locus.tenant)).map_or(&[][..], Vec::as_slice);
        if candidates.is_empty() { Vec::new() } else { self.speaking(world, candidates, &locus) }
    }
}

/// Guests that a step touches, with the hosts that they are on.
fn guests(doing: &Doing<'_>) -> Vec<(u32, u32)> {
    match doing {
        Doing::Migrate { vm, from, .. } => vec![(*vm, *from)],
        Doing::Evacuate { host, moves, .. } => moves.iter().map(|it| (it.0, *host)).collect(),
        Doing::Stop { vm, host, .. }
        | Doing::Suspend { vm, host, .. }
        | Doing::Start { vm, host }
        | Doing::Resume { vm, host } => vec![(*vm, *host)],
        _ => Vec::new(),
    }
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let longest = timeline.paths.iter().map(|it| it.rollback_s).max().unwrap_or(0);
    let end = i64::from(timeline.end_s()) + i64::from(longest) + 1;
    windows(world, timeline, end, log);
    freezes(world, timeline, log);
}

/// An instant in seconds from the plan's start, rounded up or down.
fn offset(timeline: &Timeline<'_>, at: Timestamp, up: bool) -> i64 {
    let millis = at.as_millisecond() - timeline.plan.starts_at.as_millisecond();
    if up { -((-millis).div_euclid(1000)) } else { millis.div_euclid(1000) }
}

fn windows(world: &World<'_>, timeline: &Timeline<'_>, end: i64, log: &mut Log<'_>) {
    let policy = &world.policy.planning;
    if policy.window.is_empty() {
        return;
    }
    let starts = timeline.plan.starts_at;
    let ends = starts.checked_add(jiff::SignedDuration::from_secs(end)).unwrap_or(Timestamp::MAX);
    let mut all = Vec::new();
    for window in &policy.window {
        match window.openings(starts, ends) {
            Ok(openings) => {
                let spans = openings.into_iter();
                let spans = spans.map(|it| (offset(timeline, it.0, true), offset(timeline, it.1, false)));
                all.push((&window.scope, spans.collect()));
            }
            Err(zone) => {
                log.add(Rule::Window, Severity::Unknown, At::NONE, || {
                    let found = format!("time zone {zone:?}");
                    (
                        format!("window {}", window.id),
                        found,
                        "a zone of the IANA database; it never opens".into(),
                    )
                });
                all.push((&window.scope, Spans::new()));
            }
        }
    }
    let windows = Entries::new(world, all);
    let mut unions: FxHashMap<Vec<u32>, Spans> = FxHashMap::default();
    let mut open = |speaking: Vec<u32>, from: i64, until: i64| {
        let union = unions.entry(speaking).or_insert_with_key(|it| {
            merged(it.iter().filter_map(|it| windows.spans.get(ix(*it))).flatten().copied().collect())
        });
        covers(union, from, until)
    };
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        let speaking = windows.of_element(world, path.element);
        if speaking.is_empty() {
            continue;
        }
        log.compared(Rule::Window);
        let until = i64::from(path.until) + i64::from(path.rollback_s);
        if !open(speaking, i64::from(path.from), until) {
            outside(world, timeline, path, log);
        }
    }
    if timeline.profile == Profile::Emergency && policy.emergency.outside_windows {
        return;
    }
    for (act, step) in timeline.acts.iter().zip(0u32..) {
        for (vm, host) in guests(&act.doing) {
            let speaking = windows.of_guest(world, vm, host);
            if speaking.is_empty() {
                continue;
            }
            log.compared(Rule::Window);
            if !open(speaking, i64::from(act.start), i64::from(act.end)) {
                log.error(Rule::Window, At::step(step, act.start), &world.locus_of_vm(vm, host), || {
                    let (from, until) = (timeline.plan.instant(act.start), timeline.plan.instant(act.end));
                    let expected = "a span within an opening of its tenant's windows";
                    (
                        format!("VM {}", world.vm_id(vm)),
                        format!("touched from {from} to {until}"),
                        expected.into(),
                    )
                });
            }
        }
    }
}

fn outside(world: &World<'_>, timeline: &Timeline<'_>, path: &Path, log: &mut Log<'_>) {
    log.error(Rule::Window, At::moment(path.from), &world.locus_of(path.element), || {
        let (from, until) = (timeline.plan.instant(path.from), timeline.plan.instant(path.until));
        let found = format!("touched from {from} to {until}, and {} s to take it back", path.rollback_s);
        (world.id(path.element), found, "all of it within an opening of its windows".into())
    });
}

fn freezes(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let policy = &world.policy.planning;
    if policy.freeze.is_empty() {
        return;
    }
    let all = policy.freeze.iter().map(|it| {
        let span = (offset(timeline, it.from, false), offset(timeline, it.until, true));
        (&it.scope, vec![span])
    });
    let freezes = Entries::new(world, all.collect());
    let hit = |speaking: &[u32], from: u32, until: u32| {
        speaking.iter().copied().find(|it| {
            let span = freezes.spans.get(ix(*it)).and_then(|it| it.first());
            span.is_some_and(|it| i64::from(from) < it.1 && it.0 < i64::from(until).max(i64::from(from) + 1))
        })
    };
    let mut say = |at: At, locus: &Locus, which: u32, place: String| {
        log.error(Rule::FreezeCalendar, at, locus, || {
            let freeze = policy.freeze.get(ix(which));
            let found = freeze.map_or(String::new(), |it| {
                format!("touched during freeze {:?} from {} to {}", it.id, it.from, it.until)
            });
            (place, found, "nothing touched while it lasts".into())
        });
    };
    let mut compared = 0;
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        compared += 1;
        let speaking = freezes.of_element(world, path.element);
        if let Some(which) = hit(&speaking, path.from, path.until) {
            say(At::moment(path.from), &world.locus_of(path.element), which, world.id(path.element));
        }
    }
    // What disturbs nobody is done outside windows, and never in a freeze.
    let touched = touched(world, timeline);
    for (act, step) in timeline.acts.iter().zip(0u32..) {
        let (element, place) = match act.doing {
            Doing::Stage { element, .. } | Doing::BackupCheck { element } => (element, world.id(element)),
            Doing::Freeze { cluster } | Doing::Thaw { cluster } => {
                let paths = touched.get(ix(cluster)).map_or(&[][..], Vec::as_slice);
                // For whose sake it is done: the next host that is touched, or the last.
                let of = match act.doing {
                    Doing::Freeze { .. } => paths.iter().filter(|it| it.0 >= act.end).min_by_key(|it| it.0),
                    _ => paths.iter().filter(|it| it.1 <= act.start).max_by_key(|it| it.1),
                };
                let Some(&(_, _, host)) = of else { continue };
                (Elem::Host(host), format!("cluster {}", world.cluster_id(cluster)))
            }
            _ => continue,
        };
        compared += 1;
        if let Some(which) = hit(&freezes.of_element(world, element), act.start, act.end) {
            say(At::step(step, act.start), &world.locus_of(element), which, place);
        }
    }
    for (act, step) in timeline.acts.iter().zip(0u32..) {
        for (vm, host) in guests(&act.doing) {
            compared += 1;
            if let Some(which) = hit(&freezes.of_guest(world, vm, host), act.start, act.end) {
                let place = format!("VM {}", world.vm_id(vm));
                say(At::step(step, act.start), &world.locus_of_vm(vm, host), which, place);
            }
        }
    }
    log.compared_many(Rule::FreezeCalendar, compared);
}

/// Of each cluster from when until when its hosts are touched.
fn touched(world: &World<'_>, timeline: &Timeline<'_>) -> Vec<Vec<(u32, u32, u32)>> {
    let mut of: Vec<Vec<(u32, u32, u32)>> = vec![Vec::new(); world.clusters.len()];
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        let Some(host) = path.element.host() else { continue };
        let cluster = world.hosts.get(ix(host)).map_or(NONE, |it| it.cluster);
        if let Some(of) = of.get_mut(ix(cluster)) {
            of.push((path.from, path.until, host));
        }
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_that_touch_are_one() {
        let spans = merged(vec![(10, 20), (0, 10), (30, 40)]);
        assert_eq!(spans, [(0, 20), (30, 40)]);
        assert!(covers(&spans, 0, 20) && covers(&spans, 30, 40));
        assert!(!covers(&spans, 15, 31) && !covers(&spans, 25, 26) && !covers(&spans, 39, 41));
    }
}
