//! Which version of what a change is about an element has, and that no step takes it to a lower one.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;
use underpin_model::change::Target;
use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind, ComponentSet};
use underpin_model::plan::Rule;
use underpin_model::version::{Comparison, Scheme, succession};

use crate::report::{At, Log};
use crate::timeline::{Doing, Timeline};
use crate::world::{Elem, World, ix};

/// A version that an element has, and how such versions are ordered.
#[derive(Clone, Copy)]
struct Has<'a> {
    version: &'a str,
    scheme: Scheme,
}

impl Has<'_> {
    /// Whether it is known to be later than another. What cannot be compared is not.
    fn is_above(self, other: &str) -> bool {
        self.version != other
            && matches!(
                succession(self.scheme, self.version, other),
                Ok(Comparison::Ordered(Ordering::Greater))
            )
    }
}

/// Whether an element is at a release on the way to a target when the plan begins, or beyond it.
pub(crate) fn is_behind(world: &World<'_>, element: Elem, target: &Target, stop: &str) -> bool {
    let is_past = |it: &Has<'_>| {
        let order = succession(it.scheme, it.version, stop);
        it.version == stop || matches!(order, Ok(Comparison::Ordered(Ordering::Equal | Ordering::Greater)))
    };
    has(world, element, target).iter().any(is_past)
}

/// Whether all that an element has of a target is known to be later than it.
pub(crate) fn is_beyond(world: &World<'_>, element: Elem, target: &Target) -> bool {
    let to = match target {
        Target::Release { release, .. } => release,
        Target::Component { version, .. } => version,
        Target::Setting { .. } => return false,
    };
    let has = has(world, element, target);
    !has.is_empty() && has.iter().all(|it| it.is_above(to))
}

/// Whatever stands for a target on an element when the plan begins; nothing where no fact tells.
fn has<'a>(world: &World<'a>, element: Elem, target: &Target) -> Vec<Has<'a>> {
    let (set, family) = match element {
        Elem::Host(host) => {
            let Some(row) = world.hosts.get(ix(host)) else { return Vec::new() };
            let family = world.family(host);
            let running = match target {
                Target::Release { .. } => row.host.platform.as_ref().and_then(|it| it.release.as_ref()),
                Target::Component { name, .. } => row.host.running.get(name),
                Target::Setting { .. } => None,
            };
            if let (Some(version), Some(family)) = (running, family) {
                // A revision of microcode, whoever makes the product.
                let scheme = if version.starts_with("0x") { Scheme::Hex } else { family.scheme() };
                return vec![Has { version, scheme }];
            }
            // The release of a host is that of its platform alone.
            let set = row.host.components.as_ref().filter(|_| matches!(target, Target::Component { .. }));
            (set, family)
        }
        Elem::Plane(plane) => {
            let plane = world.planes.get(ix(plane));
            (plane.and_then(|it| it.components.as_ref()), plane.and_then(|it| it.platform.as_ref()))
        }
        Elem::Witness(_) => {
            let id = world.id(element);
            let own = world.fleet.witnesses.iter().find(|it| it.id.as_str() == id);
            (own.and_then(|it| it.components.as_ref()), None)
        }
        Elem::Storage(_) => {
            let id = world.id(element);
            let own = world.fleet.storage.iter().find(|it| it.id.as_str() == id);
            (own.and_then(|it| it.components.as_ref()), None)
        }
    };
    set.map_or_else(Vec::new, |set| of_set(set, family, target))
}

/// Of a release: the products of a set that are of its element's family, or its only component. Of a component: those of its name.
fn of_set<'a>(set: &'a ComponentSet, family: Option<&Family>, target: &Target) -> Vec<Has<'a>> {
    let stands = |it: &&Component| match target {
        Target::Release { .. } => {
            let own = it.family.as_ref().or(set.family.as_ref());
            let alien = own.is_some() && family.is_some() && own != family;
            !alien && (it.kind == ComponentKind::Product || set.components.len() == 1)
        }
        Target::Component { name, .. } => it.name == *name,
        Target::Setting { .. } => false,
    };
    let version = |it: &'a Component| {
        let scheme = match it.kind {
            ComponentKind::Microcode => Some(Scheme::Hex),
            // No maker of a product numbers the firmware.
            ComponentKind::Firmware => None,
            _ => {
                let maker = it.family.as_ref().or(set.family.as_ref()).or(family);
                Some(maker.map_or(Scheme::Generic, Family::scheme))
            }
        };
        Some(Has { version: &it.version, scheme: scheme? })
    };
    set.components.iter().filter(stands).filter_map(version).collect()
}

/// No element is taken to a lower release of its product, nor a component of it to a lower version. Each hop counts from the one before it.
pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let mut now: FxHashMap<(Elem, u32, &str), Vec<Has<'_>>> = FxHashMap::default();
    for (act, step) in timeline.acts.iter().zip(0u32..) {
        let Doing::Patch { element, change, to, unit, .. } = act.doing else { continue };
        let Some(change) = timeline.changes.get(ix(change)) else { continue };
        let what = match &change.to {
            Target::Release { .. } => "",
            Target::Component { name, .. } => name,
            Target::Setting { .. } => continue,
        };
        let now = now.entry((element, unit, what)).or_insert_with(|| has(world, element, &change.to));
        let Some(last) = now.first().copied() else { continue };
        log.compared(Rule::Direction);
        if now.iter().all(|it| it.is_above(to)) {
            log.error(Rule::Direction, At::step(step, act.start), &world.locus_of(element), || {
                let found = format!("{to}, after {} (change {:?})", last.version, change.id);
                (world.id(element), found, format!("{} or later", last.version))
            });
        }
        *now = vec![Has { version: to, scheme: last.scheme }];
    }
}
