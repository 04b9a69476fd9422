//! Which change is about which elements, and what must come before what.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind, ComponentSet, Fleet, Host, PlatformRelease};
use underpin_model::id::ElementId;
use underpin_model::version::{Comparison, Scheme, succession};

use super::timing::Hop;

/// Elements of one change.
#[derive(Debug, Clone, Default)]
pub(super) struct Concerned {
    /// To be changed, by id.
    pub(super) due: BTreeSet<ElementId>,
    /// Where they should be already.
    pub(super) there: BTreeSet<ElementId>,
    /// Named, but not an element of this layer.
    pub(super) unknown: Vec<ElementId>,
}

/// Which elements a change is about.
pub(super) fn concerned(fleet: &Fleet, change: &Change) -> Concerned {
    let mut concerned = Concerned::default();
    let mut known = BTreeSet::new();
    let mut add = |id: &str, clusters: Vec<&str>, platform: Option<&Family>, there: bool| {
        let Ok(element) = ElementId::new(id) else { return };
        known.insert(element.clone());
        let named = change.elements.is_empty() || change.elements.contains(&element);
        let near =
            change.clusters.is_empty() || change.clusters.iter().any(|it| clusters.contains(&it.as_str()));
        let of = change.platforms.is_empty() || platform.is_some_and(|it| change.platforms.contains(it));
        if named && near && of {
            if there {
                concerned.there.insert(element)
            } else {
                concerned.due.insert(element)
            };
        }
    };
    match change.layer {
        Layer::Host => {
            for it in &fleet.hosts {
                let clusters = it.cluster.iter().map(AsRef::as_ref).collect();
                add(
                    it.id.as_str(),
                    clusters,
                    it.platform.as_ref().map(|it| &it.family),
                    is_there(it, &change.to),
                );
            }
        }
        Layer::ManagementPlane => {
            for it in &fleet.management_planes {
                let clusters = fleet.clusters.iter().filter(|c| c.managed_by.contains(&it.id));
                let there = runs(it.components.as_ref(), it.platform.as_ref(), &change.to);
                add(it.id.as_str(), clusters.map(|it| it.id.as_str()).collect(), it.platform.as_ref(), there);
            }
        }
        Layer::Witness => {
            for it in &fleet.witnesses {
                let clusters = fleet.clusters.iter().filter(|c| c.witness.as_ref() == Some(&it.id));
                let there = runs(it.components.as_ref(), None, &change.to);
                add(it.id.as_str(), clusters.map(|it| it.id.as_str()).collect(), None, there);
            }
        }
        Layer::Storage => {
            for it in &fleet.storage {
                let clusters = fleet.clusters.iter().filter(|c| c.storage.contains(&it.id));
                let there = runs(it.components.as_ref(), None, &change.to);
                add(it.id.as_str(), clusters.map(|it| it.id.as_str()).collect(), None, there);
            }
        }
    }
    concerned.unknown = change.elements.iter().filter(|it| !known.contains(*it)).cloned().collect();
    concerned
}

/// Whether the components of an element that is no host are at a target, or beyond it.
fn runs(components: Option<&ComponentSet>, platform: Option<&Family>, to: &Target) -> bool {
    let Some(set) = components else { return false };
    match to {
        Target::Release { release, .. } => has_release(set, platform, release),
        Target::Component { name, version } => {
            set.components.iter().any(|it| it.name == *name && component_reached(set, platform, it, version))
        }
        Target::Setting { .. } => false,
    }
}

/// Whether a set of components tells that a release is reached: by the version of any, or by a later one of the element's product, which is
/// its only component where none is called so.
fn has_release(set: &ComponentSet, platform: Option<&Family>, release: &str) -> bool {
    let is_product = |it: &Component| {
        let own = it.family.as_ref().or(set.family.as_ref());
        let alien = own.is_some() && platform.is_some() && own != platform;
        !alien && (it.kind == ComponentKind::Product || set.components.len() == 1)
    };
    set.components
        .iter()
        .any(|it| it.version == release || (is_product(it) && component_reached(set, platform, it, release)))
}

/// A component at a version or a later one, in the order of its maker's versions, or in that of most where nobody says who made it.
fn component_reached(set: &ComponentSet, platform: Option<&Family>, it: &Component, version: &str) -> bool {
    let maker = it.family.as_ref().or(set.family.as_ref()).or(platform);
    it.version == version
        || match it.kind {
            // Nobody orders the revisions of firmware by the rules of a product.
            ComponentKind::Firmware => false,
            ComponentKind::Microcode => is_later(Scheme::Hex, &it.version, version),
            _ => is_later(maker.map_or(Scheme::Generic, Family::scheme), &it.version, version),
        }
}

fn is_there(host: &Host, to: &Target) -> bool {
    match to {
        Target::Release { release, .. } => host.platform.as_ref().is_some_and(|it| {
            it.release.as_ref().is_some_and(|running| reached(&it.family, running, release))
        }),
        Target::Component { name, version } => component_is_there(host, name, version),
        Target::Setting { name, value, .. } => host.settings.get(name).is_some_and(|it| match it.value() {
            serde_json::Value::String(text) => text == value,
            serde_json::Value::Bool(it) => value.parse() == Ok(*it),
            serde_json::Value::Number(it) => {
                value.parse().is_ok_and(|number: serde_json::Number| number == *it)
            }
            _ => false,
        }),
    }
}

/// Whether what runs of a component is at a version, or beyond it: what the host says of itself comes before its list. Of packages that may
/// be installed side by side one tells, unless another of the name is known to run at less. What nobody knows to run is not there.
fn component_is_there(host: &Host, name: &str, version: &str) -> bool {
    let platform = host.platform.as_ref().map(|it| &it.family);
    let is_at = |has: &str, family: Option<&Family>| {
        has == version || family.is_some_and(|it| reached(it, has, version))
    };
    if let Some(running) = host.running.get(name) {
        return is_at(running, platform);
    }
    let Some(set) = &host.components else { return false };
    let (mut found, mut below) = (false, false);
    for it in set.components.iter().filter(|it| it.name == name) {
        let Some(running) = &it.running_version else { continue };
        // Nobody orders the revisions of firmware and microcode by the rules of a product.
        let ordered = !matches!(it.kind, ComponentKind::Firmware | ComponentKind::Microcode);
        let family = it.family.as_ref().or(set.family.as_ref()).or(platform).filter(|_| ordered);
        below |= !is_at(running, family);
        found |= is_at(&it.version, family);
    }
    found && !below
}

/// At a version or a later one of the product: nothing is ever taken down to a lower one.
fn reached(family: &Family, running: &str, target: &str) -> bool {
    running == target || is_later(family.scheme(), running, target)
}

fn is_later(scheme: Scheme, running: &str, target: &str) -> bool {
    let order = succession(scheme, running, target);
    matches!(order, Ok(Comparison::Ordered(Ordering::Equal | Ordering::Greater)))
}

/// Ways that every change of a drain allows, in the first one's order of preference, whether it can be done so or not.
pub(super) fn common_methods<'c>(changes: impl Iterator<Item = &'c Change> + Clone) -> Vec<Method> {
    // What takes no reboot and names no method goes along with whatever the others of its drain do.
    let mut lists: Vec<Vec<Method>> = changes.clone().filter(|it| !goes_along(it)).map(methods).collect();
    if lists.is_empty() {
        lists = changes.map(methods).collect();
    }
    let first = lists.first().cloned().unwrap_or_default();
    first.into_iter().filter(|it| lists.iter().all(|list| list.contains(it))).collect()
}

/// The ways of a change, the preferred first.
pub(super) fn methods(change: &Change) -> Vec<Method> {
    match (change.methods.is_empty(), change.layer) {
        (false, _) => change.methods.clone(),
        (true, Layer::Host) if takes_reboot(change) => vec![Method::EvacuateReboot],
        (true, _) => vec![Method::InPlace],
    }
}

/// A host is rebooted for a change, unless that says that it takes none or is patched into what runs.
pub(super) fn takes_reboot(change: &Change) -> bool {
    change.layer == Layer::Host && !matches!(change.to, Target::Setting { reboot: false, .. })
}

/// Whether a change of hosts is made by whatever method the others of its drain have.
pub(super) fn goes_along(change: &Change) -> bool {
    change.layer == Layer::Host && change.methods.is_empty() && !takes_reboot(change)
}

/// Whether a method can make a change of hosts at all: in place nothing is rebooted, and a setting that takes a reboot is not patched
/// into what runs.
pub(super) fn can(change: &Change, method: Method) -> bool {
    match method {
        Method::InPlace => !takes_reboot(change),
        Method::LivePatch => !matches!(change.to, Target::Setting { reboot: true, .. }),
        Method::QuickBoot | Method::EvacuateReboot | Method::PowerOff | Method::Defer => true,
    }
}

/// Hops of one drain with as few reboots as their order allows: one at the end for all, and one before a hop that must find the hops
/// before it in force: the next of the same change, or the first of a change that comes after theirs.
pub(super) fn one_reboot(levels: &Levels, mut hops: Vec<Hop>) -> Vec<Hop> {
    let mut waiting: Vec<u32> = Vec::new();
    for at in 0..hops.len() {
        let Hop { change, reboot, .. } = hops[at];
        let follows = |it: &u32| *it == change || levels.before[change as usize].contains(&(*it as usize));
        if waiting.iter().any(follows) {
            hops[at - 1].reboot = true;
            waiting.clear();
        }
        hops[at].reboot = false;
        if reboot {
            waiting.push(change);
        }
    }
    if let Some(last) = hops.last_mut() {
        last.reboot = !waiting.is_empty();
    }
    hops
}

/// Hops of a change of a host from where it is: whoever is beyond a release of the way is not taken down to it.
pub(super) fn hops(change: &Change, has: Option<&PlatformRelease>) -> Vec<String> {
    hops_from(change, |hop| {
        has.is_some_and(|has| has.release.as_ref().is_some_and(|at| reached(&has.family, at, hop)))
    })
}

/// Hops of a change of an element that is no host, from where its components show it to be.
pub(super) fn hops_of_element(fleet: &Fleet, change: &Change, element: &ElementId) -> Vec<String> {
    let id = element.as_str();
    let plane = || fleet.management_planes.iter().find(|it| it.id.as_str() == id);
    let (set, platform) = match change.layer {
        Layer::Host => (None, None),
        Layer::ManagementPlane => {
            plane().map_or((None, None), |it| (it.components.as_ref(), it.platform.as_ref()))
        }
        Layer::Witness => {
            let witness = fleet.witnesses.iter().find(|it| it.id.as_str() == id);
            (witness.and_then(|it| it.components.as_ref()), None)
        }
        Layer::Storage => {
            let storage = fleet.storage.iter().find(|it| it.id.as_str() == id);
            (storage.and_then(|it| it.components.as_ref()), None)
        }
    };
    hops_from(change, |hop| set.is_some_and(|it| has_release(it, platform, hop)))
}

fn hops_from(change: &Change, is_past: impl Fn(&str) -> bool) -> Vec<String> {
    match &change.to {
        Target::Setting { name, value, .. } => vec![format!("{name}={value}")],
        Target::Component { version, .. } => vec![version.clone()],
        Target::Release { release: to, via } => {
            let all: Vec<&String> = via.iter().chain([to]).collect();
            let done = all.iter().rposition(|it| is_past(it)).map_or(0, |at| at + 1);
            all.into_iter().skip(done).cloned().collect()
        }
    }
}

/// Changes in an order that keeps what comes before what, by levels: hosts are changed together with all changes of one level.
pub(super) struct Levels {
    /// Level of each change; `None`: it is in a cycle or after one.
    pub(super) of: Vec<Option<u32>>,
    /// Changes that must be complete before a change, by position.
    pub(super) before: Vec<Vec<usize>>,
    /// Changes in cycles, by position.
    pub(super) cycle: Vec<usize>,
    /// Ids named in `after` that no change has, with the change that names them.
    pub(super) unknown: Vec<(usize, String)>,
}

pub(super) fn levels(changes: &[Change]) -> Levels {
    let places: BTreeMap<&str, usize> =
        changes.iter().enumerate().map(|(at, it)| (it.id.as_str(), at)).collect();
    let mut before: Vec<Vec<usize>> = Vec::new();
    let mut unknown = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let mut own = Vec::new();
        for id in &change.after {
            match places.get(id.as_str()) {
                Some(&it) => own.push(it),
                None => unknown.push((at, id.clone())),
            }
        }
        before.push(own);
    }
    // What hosts stand on comes first, unless it was asked to come after them.
    let explicit = before.clone();
    for (at, change) in changes.iter().enumerate() {
        for (other, it) in changes.iter().enumerate() {
            if it.layer < change.layer && !reaches(&explicit, other, at) && !explicit[at].contains(&other) {
                before[at].push(other);
            }
        }
    }
    let mut of: Vec<Option<u32>> = vec![None; changes.len()];
    loop {
        let mut grew = false;
        for at in 0..changes.len() {
            if of[at].is_some() {
                continue;
            }
            let levels: Option<Vec<u32>> = before[at]
                .iter()
                .map(|&it| {
                    let merged = changes[it].layer == Layer::Host && changes[at].layer == Layer::Host;
                    of[it].map(|level| level + u32::from(!merged))
                })
                .collect();
            if let Some(levels) = levels {
                of[at] = Some(levels.into_iter().max().unwrap_or(0));
                grew = true;
            }
        }
        if !grew {
            break;
        }
    }
    let cycle = (0..changes.len()).filter(|&at| of[at].is_none()).collect();
    Levels { of, before, cycle, unknown }
}

/// Two changes that lead one element to different ends, of which neither follows the other: which of them would be the last, nobody
/// said. Its place, what is there and the way out.
pub(super) fn contradiction(changes: &[Change], concerned: &[Concerned], levels: &Levels) -> Option<String> {
    let first = |a: usize, b: usize| {
        let (a, b) = (concerned.get(a)?, concerned.get(b)?);
        let of = |it: &Concerned| it.due.union(&it.there).cloned().collect::<BTreeSet<ElementId>>();
        // Where both are done already, nothing is contradicted any more.
        of(a).intersection(&of(b)).find(|it| a.due.contains(*it) || b.due.contains(*it)).cloned()
    };
    for (at, change) in changes.iter().enumerate() {
        for (earlier, other) in changes.iter().enumerate().take(at) {
            let Some((what, [one, two])) = ends(&other.to, &change.to) else { continue };
            let ordered = reaches(&levels.before, at, earlier) || reaches(&levels.before, earlier, at);
            let same = !ordered && other.layer == change.layer;
            if let Some(element) = same.then(|| first(earlier, at)).flatten() {
                return Some(format!(
                    "/planning/changes/{at}/to: found {what} {two:?} (change {:?}) for {element}, which /planning/changes/{earlier} \
                     (change {:?}) leads to {one:?}, expected one end of each element; leave one of them out, name other elements, \
                     or say which comes first with `after`",
                    change.id, other.id
                ));
            }
        }
    }
    None
}

/// What two targets both decide, and the different ends that they lead it to.
fn ends<'t>(one: &'t Target, two: &'t Target) -> Option<(String, [&'t str; 2])> {
    let (what, ends) = match (one, two) {
        (Target::Release { release: one, .. }, Target::Release { release: two, .. }) => {
            ("release".to_owned(), [one, two])
        }
        (Target::Component { name, version: one }, Target::Component { name: same, version: two })
            if name == same =>
        {
            (format!("component {name}"), [one, two])
        }
        (Target::Setting { name, value: one, .. }, Target::Setting { name: same, value: two, .. })
            if name == same =>
        {
            (format!("setting {name}"), [one, two])
        }
        _ => return None,
    };
    (ends[0] != ends[1]).then(|| (what, ends.map(String::as_str)))
}

/// Whether `from` comes after `to`, directly or not.
fn reaches(before: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut stack = vec![from];
    while let Some(at) = stack.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            stack.extend(before.get(at).into_iter().flatten());
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: &str, layer: Layer, after: &[&str]) -> Change {
        Change {
            id: id.to_owned(),
            layer,
            elements: Vec::new(),
            clusters: Vec::new(),
            platforms: Vec::new(),
            to: Target::Release { release: "2".to_owned(), via: vec!["1.5".to_owned()] },
            methods: Vec::new(),
            after: after.iter().map(|&it| it.to_owned()).collect(),
            units: 1,
            capacity_after: None,
            durations: None,
        }
    }

    #[test]
    fn planes_come_before_hosts_unless_asked_to_come_after() {
        let changes = [
            change("hosts", Layer::Host, &[]),
            change("plane", Layer::ManagementPlane, &[]),
            change("storage", Layer::Storage, &["hosts"]),
        ];
        let levels = levels(&changes);
        assert_eq!(levels.of, [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn cycles_and_unknown_names_are_found() {
        let changes = [
            change("a", Layer::Host, &["b"]),
            change("b", Layer::Host, &["a"]),
            change("c", Layer::Host, &["x"]),
        ];
        let levels = levels(&changes);
        assert_eq!((levels.cycle, levels.unknown), (vec![0, 1], vec![(2, "x".to_owned())]));
    }

    #[test]
    fn hops_of_one_drain_share_a_reboot_unless_one_must_find_the_other_in_force() {
        let changes =
            [change("a", Layer::Host, &[]), change("b", Layer::Host, &[]), change("c", Layer::Host, &["a"])];
        let levels = levels(&changes);
        let reboots = |all: &[(u32, u32, bool)]| -> Vec<bool> {
            let hops = all.iter().map(|&(change, hop, reboot)| Hop { change, hop, reboot }).collect();
            one_reboot(&levels, hops).iter().map(|it| it.reboot).collect()
        };
        assert_eq!(reboots(&[(0, 0, true), (1, 0, true)]), [false, true]);
        assert_eq!(reboots(&[(0, 0, true), (0, 1, true), (1, 0, true)]), [true, false, true]);
        assert_eq!(reboots(&[(0, 0, true), (1, 0, true), (2, 0, true)]), [false, true, true]);
        // What takes none has none of its own, and waits for that of the change that it follows.
        assert_eq!(reboots(&[(0, 0, true), (2, 0, false)]), [true, false]);
        assert_eq!(reboots(&[(0, 0, false), (2, 0, false)]), [false, false]);
        assert_eq!(reboots(&[(1, 0, false), (0, 0, true), (1, 1, false)]), [false, false, true]);
    }

    #[test]
    fn hops_go_on_from_where_a_host_is() {
        let it = change("a", Layer::Host, &[]);
        let from = |release: &str| {
            let has = PlatformRelease { family: Family::Proxmox, train: None, release: Some(release.into()) };
            hops(&it, Some(&has))
        };
        assert_eq!(hops(&it, None), ["1.5", "2"]);
        assert_eq!(from("1"), ["1.5", "2"]);
        assert_eq!(from("1.5"), ["2"]);
        // Beyond the release on the way: not down to it.
        assert_eq!(from("1.7"), ["2"]);
        assert_eq!(from("2"), [""; 0]);
        // The value alone would be taken for a release.
        let (name, value) = ("smt".to_owned(), "off".to_owned());
        let setting = Change { to: Target::Setting { name, value, reboot: true }, ..it };
        assert_eq!(hops(&setting, None), ["smt=off"]);
    }
}
