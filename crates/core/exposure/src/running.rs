//! What of a host's components runs: one answer for matching, for risk, and for patch or wait.
//!
//! A host may say it of a component (`running_version`), by the name of a kernel (`kernel_release`) or of itself (`running`): the first
//! that says something counts, in this order. Kernels are installed beside each other and only one runs.

use std::cmp::Ordering;

use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind, ComponentSet, Fleet, Host, Install};
use underpin_model::version::{Comparison, compare};

use crate::classify::{self, Carries};
use crate::item::Item;
use crate::report::Area;
use crate::subject::{sets_of, unknown_family};

/// A component of a host that runs, or of which nobody says that another runs in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Runs<'f> {
    /// The component.
    pub component: &'f Component,
    /// What part of the platform it is.
    pub area: Area,
    /// The version that is loaded; `None`: nobody says.
    pub loaded: Option<&'f str>,
}

/// What runs of the components of a host that are asked for. Of kernels that are installed beside each other it is the one that runs,
/// or where nobody says, the newest: what the next boot brings.
#[must_use]
pub fn runs<'f>(fleet: &'f Fleet, host: &'f Host, asked: impl Fn(&Component) -> bool) -> Vec<Runs<'f>> {
    let sets = sets_of(fleet, &host.component_sets, host.components.as_ref());
    let of = |wanted: &dyn Fn(&Component) -> bool| -> Vec<(&'f Component, Item<'f>)> {
        let all = sets.iter().flat_map(|set| listed(set, wanted));
        all.filter(|(one, it)| is_kernel(it) || asked(one)).collect()
    };
    let mut wanted = of(&asked);
    // Which kernel runs is a question about all of them; what cannot be one is not looked at, for this is asked of every host.
    if wanted.iter().any(|(_, it)| is_kernel(it)) {
        wanted = of(&|one| {
            let source = one.source.as_ref().map_or(one.name.as_str(), |it| it.name.as_str());
            asked(one) || classify::may_be_kernel(&one.name, source)
        });
    }
    let (components, items): (Vec<&Component>, Vec<Item<'_>>) = wanted.into_iter().unzip();
    let told = |name: &str| host.running.get(name).map(String::as_str);
    let one = |slot: Slot| {
        let loaded = slot.loaded(&items, host.kernel_release.as_deref(), told);
        let at = loaded.map_or(slot.newest, |it| slot.that_runs(&items, it));
        let (component, item) = (components.get(at).copied()?, items.get(at)?);
        asked(component).then_some(Runs { component, area: item.area, loaded })
    };
    slots(&items).into_iter().filter_map(one).collect()
}

/// What is loaded of a component that is no kernel.
#[must_use]
pub fn loaded<'f>(host: &'f Host, one: &'f Component) -> Option<&'f str> {
    let source = one.source.as_ref().map(|it| it.name.as_str());
    let mut names = source.into_iter().chain([one.name.as_str()]);
    let told = || names.find_map(|it| host.running.get(it).map(String::as_str));
    one.running_version.as_deref().or_else(told)
}

/// The components of a set that are wanted and of which something may run, each with its item.
pub(crate) fn listed<'f>(
    set: &'f ComponentSet,
    wanted: impl Fn(&Component) -> bool,
) -> impl Iterator<Item = (&'f Component, Item<'f>)> {
    let family = set.family.clone().unwrap_or_else(unknown_family);
    let may = move |one: &&Component| {
        one.install != Install::ConfigFiles && one.kind != ComponentKind::Update && wanted(one)
    };
    let components = set.components.iter().filter(may);
    components.map(move |one| (one, Item::new(one, &family, set.train.as_deref())))
}

/// Items of which one runs at a time, by their places.
pub(crate) struct Slot {
    pub(crate) newest: usize,
    /// All of them, in their order; empty: there is none but that one.
    all: Vec<usize>,
}

impl Slot {
    fn places(&self) -> impl Iterator<Item = usize> {
        let only = self.all.is_empty().then_some(self.newest);
        self.all.iter().copied().chain(only)
    }

    /// What is loaded of them.
    pub(crate) fn loaded<'a>(
        &self,
        items: &[Item<'a>],
        kernel_release: Option<&str>,
        told: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<&'a str> {
        let all = || self.places().filter_map(|it| items.get(it));
        let released =
            |it: &&Item<'a>| is_kernel(it) && kernel_release.is_some_and(|release| is_release(it, release));
        let stated = all().find_map(|it| it.running);
        stated.or_else(|| all().find(released).map(|it| it.version)).or_else(|| {
            let newest = items.get(self.newest)?;
            newest.running_names().find_map(told)
        })
    }

    /// The place of the one that is loaded: the one of this version, or that says so of itself.
    fn that_runs(&self, items: &[Item<'_>], loaded: &str) -> usize {
        let find = |is: &dyn Fn(&Item<'_>) -> bool| self.places().find(|it| items.get(*it).is_some_and(is));
        let by_source = |it: &Item<'_>| it.source.as_ref().is_some_and(|(_, version)| *version == *loaded);
        let of_version = find(&|it| it.version == loaded).or_else(|| find(&by_source));
        of_version.or_else(|| find(&|it| it.running == Some(loaded))).unwrap_or(self.newest)
    }
}

/// Which items stand beside each other: kernels of one kind, and everything else by itself.
pub(crate) fn slots(items: &[Item<'_>]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::with_capacity(items.len());
    let mut kernels: Vec<usize> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let same = |slot: &usize| {
            let newest = slots.get(*slot).and_then(|it| items.get(it.newest));
            newest.is_some_and(|it| same_kernel(it, item))
        };
        let beside = if is_kernel(item) { kernels.iter().copied().find(same) } else { None };
        match beside.and_then(|it| slots.get_mut(it)) {
            Some(slot) => {
                if slot.all.is_empty() {
                    slot.all.push(slot.newest);
                }
                slot.all.push(at);
                if items.get(slot.newest).is_some_and(|newest| is_newer(item, newest)) {
                    slot.newest = at;
                }
            }
            None => {
                if is_kernel(item) {
                    kernels.push(slots.len());
                }
                slots.push(Slot { newest: at, all: Vec::new() });
            }
        }
    }
    slots
}

fn is_kernel(item: &Item<'_>) -> bool {
    item.area == Area::Kernel && item.carries == Carries::Code && item.kind == ComponentKind::Package
}

/// `uname -r` names the package on Debian and Proxmox (`linux-image-6.1.0-56-amd64`) and the version on RPM.
fn is_release(item: &Item<'_>, release: &str) -> bool {
    let in_name = item.name.strip_suffix("-signed").unwrap_or(item.name);
    let without_arch = release.rsplit_once('.').map_or(release, |(version, _)| version);
    let without_epoch = item.version.split_once(':').map_or(item.version, |(_, rest)| rest);
    in_name.strip_suffix(release).is_some_and(|prefix| prefix.ends_with('-')) || without_epoch == without_arch
}

fn same_kernel(a: &Item<'_>, b: &Item<'_>) -> bool {
    let source = |item: &Item<'_>| item.source.as_ref().map(|(name, _)| (*name).to_owned());
    let by_source = matches!(a.family, Family::Debian | Family::Ubuntu) && source(a) == source(b);
    let stem = |name: &str| name.find(|c: char| c.is_ascii_digit()).map_or(name.len(), |at| at);
    let by_name = a.name.get(..stem(a.name)) == b.name.get(..stem(b.name));
    a.family == b.family
        && a.area == b.area
        && a.carries == b.carries
        && a.kind == b.kind
        && (by_source || by_name)
}

fn is_newer(a: &Item<'_>, b: &Item<'_>) -> bool {
    compare(a.family.scheme(), a.version, b.version) == Ok(Comparison::Ordered(Ordering::Greater))
}
