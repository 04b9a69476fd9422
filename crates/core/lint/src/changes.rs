//! Which elements a change is about, and whether each gets it once, in full, by an allowed method.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::fleet::{Component, ComponentKind};
use underpin_model::plan::{Rule, Severity};
use underpin_model::version::{Comparison, succession};

use crate::releases::{is_behind, is_beyond};
use crate::report::{At, Log};
use crate::timeline::{Doing, Path, Timeline, leaves_running};
use crate::world::{Elem, NONE, World, ix};

/// The elements of each change: whether each still needs it.
pub(crate) type Members = Vec<FxHashMap<Elem, bool>>;

pub(crate) fn members(world: &World<'_>, timeline: &Timeline<'_>) -> Members {
    timeline.changes.iter().map(|it| of_change(world, it)).collect()
}

fn of_change(world: &World<'_>, change: &Change) -> FxHashMap<Elem, bool> {
    let listed: FxHashSet<&str> = change.elements.iter().map(|it| it.as_str()).collect();
    let clusters: FxHashSet<u32> =
        change.clusters.iter().filter_map(|it| world.cluster_at.get(it.as_str()).copied()).collect();
    let is_listed = |id: &str| listed.is_empty() || listed.contains(id);
    let of_clusters = |mut own: &mut dyn Iterator<Item = u32>| {
        change.clusters.is_empty() || Iterator::any(&mut own, |it| clusters.contains(&it))
    };
    let of_product = |family: Option<&underpin_model::facts::Family>| {
        change.platforms.is_empty() || family.is_some_and(|it| change.platforms.contains(it))
    };
    let mut members = FxHashMap::default();
    match change.layer {
        Layer::Host => {
            for (row, host) in world.hosts.iter().zip(0u32..) {
                if is_listed(row.host.id.as_str())
                    && of_clusters(&mut std::iter::once(row.cluster))
                    && of_product(world.family(host))
                {
                    members.insert(Elem::Host(host), !is_there(world, host, &change.to));
                }
            }
        }
        Layer::ManagementPlane => {
            for (plane, number) in world.planes.iter().zip(0u32..) {
                let managed = world.managed_by.iter().zip(0u32..).filter(|it| it.0.contains(&number));
                if is_listed(plane.id.as_str())
                    && of_clusters(&mut managed.map(|it| it.1))
                    && of_product(plane.platform.as_ref())
                {
                    members.insert(Elem::Plane(number), !carries(plane.components.as_ref(), &change.to));
                }
            }
        }
        Layer::Witness => {
            for (&id, &number) in &world.witness_at {
                let its = world.clusters.iter().zip(0u32..);
                let mut its = its.filter(|it| it.0.witness.as_ref().is_some_and(|it| it.as_str() == id));
                if is_listed(id) && of_clusters(&mut its.by_ref().map(|it| it.1)) && of_product(None) {
                    let witness = world.fleet.witnesses.iter().find(|it| it.id.as_str() == id);
                    let there = carries(witness.and_then(|it| it.components.as_ref()), &change.to);
                    members.insert(Elem::Witness(number), !there);
                }
            }
        }
        Layer::Storage => {
            for (&id, &number) in &world.storage_at {
                let users = world.storage_of.iter().zip(&world.hosts);
                let mut users = users.filter(|it| it.0.binary_search(&number).is_ok()).map(|it| it.1.cluster);
                let named = world.clusters.iter().zip(0u32..);
                let mut named =
                    named.filter(|it| it.0.storage.iter().any(|it| it.as_str() == id)).map(|it| it.1);
                if is_listed(id) && of_clusters(&mut users.by_ref().chain(named.by_ref())) && of_product(None)
                {
                    let storage = world.fleet.storage.iter().find(|it| it.id.as_str() == id);
                    let there = carries(storage.and_then(|it| it.components.as_ref()), &change.to);
                    members.insert(Elem::Storage(number), !there);
                }
            }
        }
    }
    // Whoever is beyond the target needs it no more than whoever is there: nothing is taken down.
    for (element, needs) in &mut members {
        *needs = *needs && !is_beyond(world, *element, &change.to);
    }
    members
}

/// Whether components show that an element is where a change leads; the release of a product is the version of any of them.
fn carries(components: Option<&underpin_model::fleet::ComponentSet>, target: &Target) -> bool {
    let components = components.map_or(&[][..], |it| &it.components);
    match target {
        Target::Release { release, .. } => components.iter().any(|it| it.version == *release),
        Target::Component { name, version } => {
            components.iter().any(|it| it.name == *name && it.version == *version)
        }
        Target::Setting { .. } => false,
    }
}

/// The same version or, where the product's versions can be compared, a higher one.
fn not_below(world: &World<'_>, host: u32, running: &str, target: &str) -> bool {
    use underpin_model::version::{Comparison, succession};
    let order = world.family(host).map(|it| succession(it.scheme(), running, target));
    running == target || matches!(order, Some(Ok(Comparison::Ordered(order))) if order.is_ge())
}

/// Whether the list of a host's components says that a version, or a later one, is both installed and running. Packages of one name may be
/// installed side by side: it is enough that one of them says so and none that less runs.
fn runs(world: &World<'_>, host: u32, name: &str, version: &str) -> bool {
    let set = world.hosts.get(ix(host)).and_then(|it| it.host.components.as_ref());
    let reaches = |one: &Component, has: &str| {
        let maker = one.family.as_ref().or(set.and_then(|it| it.family.as_ref())).or(world.family(host));
        let numbered = !matches!(one.kind, ComponentKind::Firmware | ComponentKind::Microcode);
        has == version
            || maker.filter(|_| numbered).is_some_and(|it| {
                matches!(succession(it.scheme(), has, version), Ok(Comparison::Ordered(order)) if order.is_ge())
            })
    };
    let of_name = || set.into_iter().flat_map(|it| &it.components).filter(|it| it.name == name);
    let loaded = |it: &Component| it.running_version.as_deref().map(|running| reaches(it, running));
    of_name().all(|it| loaded(it) != Some(false))
        && of_name().any(|it| loaded(it) == Some(true) && reaches(it, &it.version))
}

/// Whether a host is where a change leads. What is not known is not there.
fn is_there(world: &World<'_>, host: u32, target: &Target) -> bool {
    let Some(row) = world.hosts.get(ix(host)) else { return false };
    match target {
        Target::Release { release, .. } => {
            let running = row.host.platform.as_ref().and_then(|it| it.release.as_deref());
            running.is_some_and(|it| not_below(world, host, it, release))
        }
        Target::Component { name, version } => {
            let stated = row.host.running.get(name);
            stated.map_or_else(|| runs(world, host, name, version), |it| not_below(world, host, it, version))
        }
        Target::Setting { name, value, .. } => {
            row.host.settings.get(name).is_some_and(|it| match it.value() {
                serde_json::Value::String(text) => text == value,
                // Numbers and truth values as they are written.
                other => serde_json::from_str::<serde_json::Value>(value).is_ok_and(|it| it == *other),
            })
        }
    }
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, log: &mut Log<'_>) {
    coverage(world, timeline, members, log);
    one_at_a_time(world, timeline, log);
    for path in &timeline.paths {
        method(world, timeline, path, log);
    }
    drains(world, timeline, log);
}

/// Every element of a change once: in a wave or among those left out.
fn coverage(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, log: &mut Log<'_>) {
    let rule = Rule::Coverage;
    let mut waves: BTreeMap<(u32, Elem), Vec<u32>> = BTreeMap::new();
    for act in &timeline.acts {
        if let Doing::Patch { element, change, .. } = act.doing {
            let of = waves.entry((change, element)).or_default();
            if !of.contains(&act.wave) {
                of.push(act.wave);
            }
        }
    }
    let mut left: BTreeMap<(u32, Elem), u32> = BTreeMap::new();
    for it in &timeline.plan.left_out {
        if let (Some(change), Some(element)) =
            (timeline.change_at.get(it.change.as_str()), world.element(it.element.as_str()))
        {
            *left.entry((*change, element)).or_default() += 1;
        }
    }
    let name = |change: u32| timeline.changes.get(ix(change)).map_or("?", |it| it.id.as_str());
    let mut say = |severity: Option<Severity>, change: u32, element: Elem, found: String, expected: &str| {
        let say = || (world.id(element), format!("{found} (change {:?})", name(change)), expected.to_owned());
        match severity {
            None => log.error(rule, At::NONE, &world.locus_of(element), say),
            Some(severity) => log.add(rule, severity, At::NONE, say),
        }
    };
    let mut compared = 0;
    let mut forgotten: FxHashSet<Elem> = FxHashSet::default();
    for (of, change) in members.iter().zip(0u32..) {
        let mut needed: Vec<Elem> = of.iter().filter(|it| *it.1).map(|it| *it.0).collect();
        needed.sort_unstable();
        for element in needed {
            compared += 1;
            if !waves.contains_key(&(change, element)) && !left.contains_key(&(change, element)) {
                forgotten.insert(element);
                let expected = "a wave, or a place among those left out";
                say(None, change, element, "it is neither changed nor left out".into(), expected);
            }
        }
    }
    for ((change, element), of) in &waves {
        compared += 1;
        match members.get(ix(*change)).and_then(|it| it.get(element)) {
            None => say(None, *change, *element, "it is changed".into(), "elements of the change only"),
            Some(false) => {
                let found = "it is changed although it is there already, or beyond".into();
                say(Some(Severity::Worse), *change, *element, found, "no more than is needed");
            }
            Some(true) => {}
        }
        if let [first, second, ..] = of.as_slice() {
            let found = format!("it is changed in the waves {first} and {second}");
            say(None, *change, *element, found, "every change once");
        }
        if left.contains_key(&(*change, *element)) {
            say(None, *change, *element, "it is changed, and among those left out".into(), "one of the two");
        }
    }
    for ((change, element), times) in left {
        compared += 1;
        if times > 1 {
            say(None, change, element, format!("it is left out {times} times"), "once");
        }
        if !members.get(ix(change)).is_some_and(|it| it.contains_key(&element)) {
            say(None, change, element, "it is left out".into(), "elements of the change only");
        }
    }
    log.compared_many(rule, compared);
    for path in timeline.paths.iter().filter(|it| it.listed) {
        log.compared(rule);
        if path.steps.is_empty() && !forgotten.contains(&path.element) {
            log.error(rule, At::NONE, &world.locus_of(path.element), || {
                let found = format!("wave {} lists it and does nothing to it", path.wave);
                (world.id(path.element), found, "the waves that change it only".into())
            });
        }
    }
}

/// Patches and reboots of one element never overlap.
fn one_at_a_time(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let mut last: FxHashMap<Elem, (u32, u32)> = FxHashMap::default();
    for (act, step) in timeline.acts.iter().zip(0u32..) {
        let (Doing::Patch { element, .. } | Doing::Reboot { element, .. }) = act.doing else { continue };
        log.compared(Rule::Coverage);
        if let Some((until, before)) = last.get(&element)
            && act.start < *until
        {
            log.error(Rule::Coverage, At::step(step, act.start), &world.locus_of(element), || {
                let found = format!("starts before step {before} on it has ended");
                (world.id(element), found, "one change at a time".into())
            });
        }
        let it = last.entry(element).or_insert((0, step));
        if act.end >= it.0 {
            *it = (act.end, step);
        }
    }
}

/// A patch step on a path.
#[derive(Clone, Copy)]
struct Hop<'a> {
    step: u32,
    change: u32,
    method: Method,
    to: &'a str,
    unit: u32,
    start: u32,
    end: u32,
}

/// An element's patches in one wave: methods, hops, and what comes after them.
fn method(world: &World<'_>, timeline: &Timeline<'_>, path: &Path, log: &mut Log<'_>) {
    let rule = Rule::Method;
    let mut hops: Vec<Hop<'_>> = Vec::new();
    let mut reboots: Vec<(u32, u32, bool, u32)> = Vec::new();
    let (mut attests, mut verifies) = (Vec::new(), Vec::new());
    for &step in &path.steps {
        let Some(act) = timeline.acts.get(ix(step)).filter(|it| it.named() == Some(path.element)) else {
            continue;
        };
        match act.doing {
            Doing::Patch { change, method, to, unit, .. } => {
                hops.push(Hop { step, change, method, to, unit, start: act.start, end: act.end });
            }
            Doing::Reboot { quick, .. } => reboots.push((act.start, act.end, quick, step)),
            Doing::Attest { .. } => attests.push((act.start, act.end)),
            Doing::Verify { .. } => verifies.push((act.start, act.end)),
            _ => {}
        }
    }
    let locus = world.locus_of(path.element);
    let mut bad = |at: At, found: String, expected: String| {
        log.error(rule, at, &locus, || (world.id(path.element), found, expected));
    };
    if hops.is_empty() {
        if path.listed && !path.steps.is_empty() {
            bad(At::NONE, "no patch in its wave".into(), "one for each of its changes".into());
        }
        return;
    }
    for hop in &hops {
        if let Some(change) = timeline.changes.get(ix(hop.change)) {
            allowed(timeline, change, path.element, hop, &hops, &mut bad);
            rebooted(timeline, change, path.element, hop, &hops, &reboots, &mut bad);
        }
    }
    readied(timeline, path, &hops, &mut bad);
    let quick = hops.iter().any(|it| it.method == Method::QuickBoot);
    for (start, _, is_quick, step) in &reboots {
        if *is_quick != quick {
            let found = if quick { "a reboot with the firmware" } else { "a reboot without the firmware" };
            bad(
                At::step(*step, *start),
                found.into(),
                "a quick one for a quick boot, a full one otherwise".into(),
            );
        }
    }
    let mut changes: Vec<u32> = hops.iter().map(|it| it.change).collect();
    changes.sort_unstable();
    changes.dedup();
    for change in &changes {
        let own: Vec<Hop<'_>> = hops.iter().filter(|it| it.change == *change).copied().collect();
        if let Some(it) = timeline.changes.get(ix(*change)) {
            route(world, path.element, it, &own, &mut bad);
            in_turn(path.element, it, &own, &reboots, &verifies, &mut bad);
        }
    }
    let worked = hops.iter().map(|it| it.end).chain(reboots.iter().map(|it| it.1)).max().unwrap_or(0);
    let attested = attests.iter().filter(|it| it.0 >= worked).map(|it| it.1).min();
    match attested {
        None => bad(At::moment(worked), "no attestation after its last patch or reboot".into(), "one".into()),
        Some(attested) if !verifies.iter().any(|it| it.0 >= attested) => {
            bad(At::moment(attested), "no verification after its attestation".into(), "one".into());
        }
        Some(_) => {}
    }
    log.compared_many(rule, hops.len() as u64 + 1);
}

/// Where one unit follows another, the first is verified before the next begins: never are two in doubt at once. So is each hop of
/// whatever is no host: nobody else can tell that it still serves.
fn in_turn(
    element: Elem,
    change: &Change,
    hops: &[Hop<'_>],
    reboots: &[(u32, u32, bool, u32)],
    verifies: &[(u32, u32)],
    bad: Bad<'_>,
) {
    for [one, next] in hops.array_windows() {
        if one.unit == next.unit && element.host().is_some() {
            continue;
        }
        // Both lists are in the order of their starts.
        let reboot = reboots.partition_point(|it| it.0 < one.end);
        let reboot = reboots.get(reboot).filter(|it| it.1 <= next.start).map_or(0, |it| it.1);
        let worked = one.end.max(reboot);
        let verify = verifies.partition_point(|it| it.0 < worked);
        if verifies.get(verify).is_none_or(|it| it.1 > next.start) {
            let name = |it: &Hop<'_>| format!("{:?} of unit {}", it.to, it.unit);
            let found =
                format!("{} begins before {} was verified (change {:?})", name(next), name(one), change.id);
            // A change of a million units is one mistake.
            return bad(At::step(next.step, next.start), found, "a verification in between".into());
        }
    }
}

type Bad<'b> = &'b mut dyn FnMut(At, String, String);

/// What an element is changed to is brought there before, by a step for all changes that share its drain, and nothing else is. Of a
/// management plane a backup is known to be good: nobody else puts it back.
fn readied(timeline: &Timeline<'_>, path: &Path, hops: &[Hop<'_>], bad: Bad<'_>) {
    let first = hops.iter().map(|it| it.start).min().unwrap_or(0);
    let acts = || {
        let of = path.steps.iter().filter_map(|it| timeline.acts.get(ix(*it)));
        of.filter(|it| it.start < first && it.named() == Some(path.element))
    };
    let staged = || {
        acts().filter_map(|it| if let Doing::Stage { change, .. } = it.doing { Some(change) } else { None })
    };
    let is_made = |change: u32| hops.iter().any(|it| it.change == change);
    if let Some(other) = staged().find(|it| !is_made(*it)) {
        let name = timeline.changes.get(ix(other)).map_or("?", |it| it.id.as_str());
        let found = format!("staged for change {name:?}, of which no patch follows");
        bad(At::moment(first), found, "what it is changed to".into());
    } else if staged().next().is_none() {
        bad(
            At::moment(first),
            "nothing staged before its first patch".into(),
            "what it is changed to".into(),
        );
    }
    let plane = matches!(path.element, Elem::Plane(_));
    if plane && !acts().any(|it| matches!(it.doing, Doing::BackupCheck { .. })) {
        bad(At::moment(first), "no check of its backup before its first patch".into(), "one".into());
    }
}

/// A change of hosts that says that it takes no reboot.
fn without_reboot(change: &Change) -> bool {
    change.layer == Layer::Host && matches!(change.to, Target::Setting { reboot: false, .. })
}

fn allowed(
    timeline: &Timeline<'_>,
    change: &Change,
    element: Elem,
    hop: &Hop<'_>,
    hops: &[Hop<'_>],
    bad: Bad<'_>,
) {
    let default = match element {
        Elem::Host(_) if !without_reboot(change) => Method::EvacuateReboot,
        _ => Method::InPlace,
    };
    // What takes no reboot and names no method goes along with a change of the same drain that does.
    let goes_along = || {
        without_reboot(change)
            && hops.iter().filter(|it| it.method == hop.method).any(|it| {
                let other = timeline.changes.get(ix(it.change));
                other.is_some_and(|it| !without_reboot(it) || !it.methods.is_empty())
            })
    };
    let allowed = match change.methods.as_slice() {
        [] => hop.method == default || goes_along(),
        methods => methods.contains(&hop.method) && hop.method != Method::Defer,
    };
    if !allowed {
        let found = format!("method {} for change {:?}", hop.method.name(), change.id);
        let expected = match change.methods.as_slice() {
            [] => default.name().to_owned(),
            methods => {
                let names: Vec<&str> = methods.iter().map(|it| it.name()).collect();
                format!("one of {}", names.join(", "))
            }
        };
        bad(At::step(hop.step, hop.start), found, expected);
    }
}

/// What needs a reboot is followed by one before the next hop of the same change begins, and before any of a change that names this one
/// in `after`; others may share it. In place no host is rebooted.
fn rebooted(
    timeline: &Timeline<'_>,
    change: &Change,
    element: Elem,
    hop: &Hop<'_>,
    hops: &[Hop<'_>],
    reboots: &[(u32, u32, bool, u32)],
    bad: Bad<'_>,
) {
    let in_place = hop.method == Method::InPlace && element.host().is_some();
    let needs = match &change.to {
        Target::Release { .. } | Target::Component { .. } => in_place || !leaves_running(hop.method),
        Target::Setting { reboot, .. } => *reboot,
    };
    let at = At::step(hop.step, hop.start);
    if !needs {
        return;
    }
    if hop.method == Method::LivePatch || in_place {
        let how = if in_place { "done in place" } else { "a live patch" };
        return bad(at, format!("{how} for change {:?}", change.id), "a method that reboots".into());
    }
    let follows = |it: &&Hop<'_>| {
        let other = timeline.changes.get(ix(it.change));
        it.change == hop.change || other.is_some_and(|it| it.after.contains(&change.id))
    };
    let next = hops.iter().filter(|it| it.start >= hop.end && it.step != hop.step).filter(follows);
    let next = next.map(|it| it.start).min().unwrap_or(NONE);
    if !reboots.iter().any(|it| it.0 >= hop.end && it.1 <= next) {
        let found = format!("no reboot between the installation of {:?} and what follows", hop.to);
        bad(at, found, "a reboot after each hop".into());
    }
}

/// Every unit goes through every hop, in order, from the release that it has.
fn route(world: &World<'_>, element: Elem, change: &Change, hops: &[Hop<'_>], bad: Bad<'_>) {
    let setting;
    let mut stops: Vec<&str> = match &change.to {
        Target::Release { release, via } => {
            via.iter().map(String::as_str).chain(std::iter::once(release.as_str())).collect()
        }
        Target::Component { version, .. } => vec![version],
        Target::Setting { name, value, .. } => {
            setting = format!("{name}={value}");
            vec![setting.as_str()]
        }
    };
    let passed = |stop: &&str| is_behind(world, element, &change.to, stop);
    if matches!(change.to, Target::Release { .. })
        && let Some(reached) = stops.iter().rposition(passed)
        && reached + 1 < stops.len()
    {
        stops.drain(..=reached);
    }
    for unit in 1..=change.units.max(1) {
        let made: Vec<&str> = hops.iter().filter(|it| it.unit == unit).map(|it| it.to).collect();
        if made != stops {
            let first = hops.first();
            let at = first.map_or(At::NONE, |it| At::step(it.step, it.start));
            let found = format!("change {:?} of unit {unit} by way of {}", change.id, shown(&made));
            bad(at, found, shown(&stops));
            // A change of a million units is one mistake.
            break;
        }
    }
    if let Some(hop) = hops.iter().find(|it| it.unit == 0 || it.unit > change.units.max(1)) {
        let found = format!("unit {} of {}", hop.unit, change.units);
        bad(At::step(hop.step, hop.start), found, "its units, from 1".into());
    }
}

fn shown(stops: &[&str]) -> String {
    if stops.is_empty() { "nothing".to_owned() } else { stops.join(" -> ") }
}

/// Changes of a host that interrupt its guests share one drain.
fn drains(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    for (host, _) in (0u32..).zip(&world.hosts) {
        let mut waves: Vec<(u32, u32)> = timeline
            .paths_of(host)
            .filter(|it| it.down_from != NONE)
            .map(|it| (it.down_from, it.wave))
            .collect();
        waves.sort_unstable();
        log.compared_many(Rule::Method, u64::from(!waves.is_empty()));
        if let [(_, first), (at, second), ..] = waves.as_slice() {
            log.error(Rule::Method, At::moment(*at), &world.locus(host), || {
                let found = format!("down in the waves {first} and {second}");
                (format!("host {}", world.host_id(host)), found, "one drain for all of its changes".into())
            });
        }
    }
}
