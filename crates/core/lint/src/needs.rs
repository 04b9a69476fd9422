//! What guests need of a host and what hosts offer, in classes: guests that need the same are compared once.

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Cluster, Host, Vm};

/// Whether a host offers what a guest needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Offered {
    Yes,
    /// The host's facts do not say.
    Unknown,
    No,
}

/// Texts by kind, each list sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Bundle<'a> {
    features: Vec<&'a str>,
    storage: Vec<&'a str>,
    networks: Vec<&'a str>,
    key_providers: Vec<&'a str>,
    licence_sets: Vec<&'a str>,
}

/// The classes.
#[derive(Debug, Default)]
pub(crate) struct Needs<'a> {
    needs: Vec<Bundle<'a>>,
    offers: Vec<Bundle<'a>>,
    need_at: FxHashMap<Bundle<'a>, u32>,
    offer_at: FxHashMap<Bundle<'a>, u32>,
}

fn list<'a, T: AsRef<str> + 'a>(items: impl IntoIterator<Item = &'a T>) -> Vec<&'a str> {
    let mut list: Vec<&str> = items.into_iter().map(AsRef::as_ref).collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// The class of a bundle: an old one or a new one.
fn class<'a>(bundle: Bundle<'a>, all: &mut Vec<Bundle<'a>>, at: &mut FxHashMap<Bundle<'a>, u32>) -> u32 {
    if let Some(known) = at.get(&bundle) {
        return *known;
    }
    let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
    all.push(bundle.clone());
    at.insert(bundle, number);
    number
}

/// What a host states is all that it reaches; what the cluster shares is for hosts that state nothing.
fn own_or_shared<'a, T>(own: &'a [T], shared: Option<&'a Vec<T>>) -> &'a [T] {
    if own.is_empty() { shared.map_or(own, Vec::as_slice) } else { own }
}

/// The first of the needed that is not offered. A list of offers that is empty was never seen.
fn missing<'a>(needed: &[&'a str], offered: &[&str]) -> (Offered, Option<&'a str>) {
    match needed.iter().find(|it| offered.binary_search(it).is_err()) {
        None => (Offered::Yes, None),
        Some(first) if offered.is_empty() => (Offered::Unknown, Some(first)),
        Some(first) => (Offered::No, Some(first)),
    }
}

impl<'a> Needs<'a> {
    pub(crate) fn offer(&mut self, host: &'a Host, cluster: Option<&'a Cluster>) -> u32 {
        let bundle = Bundle {
            features: list(host.cpu.iter().flat_map(|it| &it.features)),
            storage: list(own_or_shared(&host.reach.storage, cluster.map(|it| &it.storage))),
            networks: list(own_or_shared(&host.reach.networks, cluster.map(|it| &it.networks))),
            key_providers: list(&host.reach.key_providers),
            licence_sets: list(&host.reach.licence_sets),
        };
        class(bundle, &mut self.offers, &mut self.offer_at)
    }

    /// What a guest needs. No fact says which key provider or licence it uses: those of the host that it stands on have served it,
    /// so a host with all of them will.
    pub(crate) fn need(&mut self, vm: &'a Vm, host: Option<&'a Host>) -> u32 {
        let keys = vm.sealed_keys.as_ref().filter(|it| it.vtpm == Some(true)).and(host);
        let bundle = Bundle {
            features: list(&vm.cpu_features),
            storage: list(&vm.storage),
            networks: list(&vm.networks),
            key_providers: list(keys.into_iter().flat_map(|it| &it.reach.key_providers)),
            licence_sets: list(host.into_iter().flat_map(|it| &it.reach.licence_sets)),
        };
        class(bundle, &mut self.needs, &mut self.need_at)
    }

    /// Whether a host of a class reaches what guests of a class need, and what is missing first.
    pub(crate) fn reach(&self, need: u32, offer: u32) -> (Offered, Option<&'a str>) {
        let (Some(need), Some(offer)) = (self.needs.get(need as usize), self.offers.get(offer as usize))
        else {
            return (Offered::Unknown, None);
        };
        let all = [
            missing(&need.storage, &offer.storage),
            missing(&need.networks, &offer.networks),
            // A host that names no key provider or licence set has none: what it serves was seen with the host.
            absent(missing(&need.key_providers, &offer.key_providers)),
            absent(missing(&need.licence_sets, &offer.licence_sets)),
        ];
        all.into_iter().max_by_key(|it| it.0).unwrap_or((Offered::Yes, None))
    }

    /// Whether a host of a class has the CPU features that guests of a class need, and what is missing first.
    pub(crate) fn features(&self, need: u32, offer: u32) -> (Offered, Option<&'a str>) {
        match (self.needs.get(need as usize), self.offers.get(offer as usize)) {
            (Some(need), Some(offer)) => missing(&need.features, &offer.features),
            _ => (Offered::Unknown, None),
        }
    }
}

fn absent((offered, first): (Offered, Option<&str>)) -> (Offered, Option<&str>) {
    (if offered == Offered::Unknown { Offered::No } else { offered }, first)
}
