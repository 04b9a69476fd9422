//! Where an application keeps a guest off a release that soaks, of all clusters in which it has any. Clusters are planned side by side, so that
//! it is settled before each stage: one cluster keeps a guest of its own off the release, and the others need not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use underpin_model::change::{Layer, Target};
use underpin_model::facts::Family;

use super::drive::Drive;
use super::stage::Candidate;

/// Applications that keep a guest off the release elsewhere, in no matter which order.
pub(super) type Elsewhere = Arc<BTreeSet<u32>>;

/// The releases that are to be tried in each cluster of a stage.
type Targets<'t> = BTreeMap<u32, BTreeSet<&'t str>>;

/// One stage, as far as it matters who runs on which release in it.
struct Stage<'t> {
    by_cluster: &'t BTreeMap<u32, Vec<Candidate>>,
    /// Releases that are tried in each cluster.
    tried: Targets<'t>,
    /// Releases that hosts of each cluster get in it.
    gets: Targets<'t>,
    /// What the changes of hosts lead to in each cluster, done or still to come; `None`: something that is no release.
    to_come: BTreeMap<u32, BTreeSet<Option<&'t str>>>,
    /// Of each release that is tried and each cluster: which of its hosts are on it.
    on: BTreeMap<(&'t str, u32), Vec<bool>>,
}

/// What a cluster is to an application and a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Anchor {
    /// Nothing in this stage takes a guest of the cluster to the release.
    stands: bool,
    /// Guests that are not on it, those on hosts that are not changed in this stage first.
    stay: usize,
    off: usize,
    /// The first cluster among equals.
    cluster: std::cmp::Reverse<u32>,
}

impl Drive<'_, '_> {
    /// Settles for every cluster in which a change is tried which applications have a guest elsewhere that stays off its release, as guests
    /// stand before a stage. No guest leaves a release again, so that it was off at any earlier moment too.
    pub(super) fn anchor(&mut self, by_cluster: &BTreeMap<u32, Vec<Candidate>>, tries: &BTreeSet<u32>) {
        let elsewhere = if self.relies && self.facts.policy.planning.release_diversity && !tries.is_empty() {
            self.elsewhere(by_cluster, tries)
        } else {
            BTreeMap::new()
        };
        for it in &mut self.clusters {
            it.rooms.elsewhere = Elsewhere::default();
        }
        self.driven.relied |= !elsewhere.is_empty();
        for (cluster, applications) in elsewhere {
            if let Some(it) = self.clusters.get_mut(cluster as usize) {
                it.rooms.elsewhere = Arc::new(applications);
            }
        }
    }

    /// Of each cluster the applications that are kept elsewhere.
    fn elsewhere(
        &self,
        by_cluster: &BTreeMap<u32, Vec<Candidate>>,
        tries: &BTreeSet<u32>,
    ) -> BTreeMap<u32, BTreeSet<u32>> {
        let gets: Targets<'_> = by_cluster.iter().map(|it| (*it.0, self.targets(it.1))).collect();
        let tried: Targets<'_> =
            gets.iter().filter(|it| tries.contains(it.0)).map(|it| (*it.0, it.1.clone())).collect();
        let mut stage = Stage { by_cluster, tried, gets, to_come: self.to_come(), on: BTreeMap::new() };
        let targets: BTreeSet<&str> = stage.tried.values().flatten().copied().collect();
        for target in targets {
            for cluster in 0..self.clusters.len() as u32 {
                let on = self.on(cluster, target, stage.is_about(cluster, target));
                stage.on.insert((target, cluster), on);
            }
        }
        let mut elsewhere: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for application in self.spread_over(&stage.tried) {
            let clusters = self.standing_in(application);
            let mut anchors: BTreeMap<&str, Option<u32>> = BTreeMap::new();
            let of = |target: &str| {
                let all = clusters.iter().filter_map(|(cluster, at)| stage.anchor(*cluster, at, target));
                all.max().map(|it| it.cluster.0)
            };
            for (cluster, targets) in stage.tried.iter().filter(|it| clusters.contains_key(it.0)) {
                let kept = targets.iter().all(|target| {
                    let anchor = *anchors.entry(target).or_insert_with(|| of(target));
                    anchor.is_some_and(|it| it != *cluster)
                });
                if kept {
                    elsewhere.entry(*cluster).or_default().insert(application);
                }
            }
        }
        elsewhere
    }

    /// The releases that candidates get.
    fn targets(&self, candidates: &[Candidate]) -> BTreeSet<&str> {
        let hops = candidates.iter().flat_map(|it| &it.hops);
        let changes: BTreeSet<u32> = hops.map(|it| it.change).collect();
        changes.into_iter().filter_map(|it| self.target(it as usize)).collect()
    }

    fn target(&self, change: usize) -> Option<&str> {
        match &self.request.changes().get(change)?.to {
            Target::Release { release, .. } => Some(release),
            _ => None,
        }
    }

    fn to_come(&self) -> BTreeMap<u32, BTreeSet<Option<&str>>> {
        let mut all: BTreeMap<u32, BTreeSet<Option<&str>>> = BTreeMap::new();
        let hosts = (0..).zip(self.request.changes()).filter(|it| it.1.layer == Layer::Host);
        for (at, _) in hosts {
            let due = self.concerned.get(at).into_iter().flat_map(|it| &it.due);
            for host in due.filter_map(|it| self.facts.host(it.as_str())) {
                let cluster = self.facts.hosts[host as usize].cluster;
                all.entry(cluster).or_default().insert(self.target(at));
            }
        }
        all
    }

    /// Applications with guests in clusters in which something is tried, and in others.
    fn spread_over(&self, tried: &Targets<'_>) -> BTreeSet<u32> {
        let facts = self.facts;
        let guests = tried.keys().flat_map(|&it| facts.clusters[it as usize].guests.clone());
        let all: BTreeSet<u32> = guests.map(|it| facts.guests[it as usize].application).collect();
        let cluster = |guest: u32| facts.hosts[facts.home[guest as usize] as usize].cluster;
        let spread = |application: &u32| {
            // Guests are sorted by cluster, and so are those of an application.
            let members = facts.applications.get(*application as usize);
            let ends = members.and_then(|it| Some((*it.first()?, *it.last()?)));
            ends.is_some_and(|(first, last)| cluster(first) != cluster(last))
        };
        all.into_iter().filter(spread).collect()
    }

    /// Where an application's guests stand, by cluster: positions of hosts in it.
    fn standing_in(&self, application: u32) -> BTreeMap<u32, Vec<(usize, u32)>> {
        let facts = self.facts;
        let mut all: BTreeMap<u32, Vec<(usize, u32)>> = BTreeMap::new();
        for &guest in facts.applications.get(application as usize).into_iter().flatten() {
            let cluster = facts.hosts[facts.home[guest as usize] as usize].cluster;
            let rooms = &self.clusters[cluster as usize].rooms;
            let host = rooms.at(guest);
            all.entry(cluster).or_default().push((rooms.local(host), host));
        }
        all
    }

    /// Which hosts of a cluster are on a release now. Who left it for a later one has been on it, and counts; in a cluster that does not
    /// get it another product's releases are no later ones.
    fn on(&self, cluster: u32, target: &str, beyond: bool) -> Vec<bool> {
        let facts = self.facts;
        let mut ranks: BTreeMap<&Family, Option<u32>> = BTreeMap::new();
        let hosts = facts.clusters[cluster as usize].hosts.clone();
        let is_on = |host: u32| {
            let family = facts.hosts[host as usize].it.platform.as_ref().map(|it| &it.family);
            let rank = family.and_then(|it| *ranks.entry(it).or_insert_with(|| facts.rank(it, target)));
            let release = self.clusters[cluster as usize].rooms.release_of(host);
            rank.is_some() && (release == rank || (beyond && release > rank))
        };
        hosts.map(is_on).collect()
    }
}

impl Stage<'_> {
    fn is_about(&self, cluster: u32, target: &str) -> bool {
        self.to_come.get(&cluster).is_some_and(|it| it.contains(&Some(target)))
    }

    /// A cluster as the one that keeps a guest off a release; `None`: it cannot be relied on.
    fn anchor(&self, cluster: u32, guests: &[(usize, u32)], target: &str) -> Option<Anchor> {
        let on = self.on.get(&(target, cluster))?;
        let candidates = self.by_cluster.get(&cluster).map(Vec::as_slice).unwrap_or_default();
        let off: Vec<u32> = guests.iter().filter(|it| on.get(it.0) == Some(&false)).map(|it| it.1).collect();
        let tries = self.tried.get(&cluster).is_some_and(|it| it.contains(target));
        // Where it is not tried, a guest may go there only if a host has it, and anything is changed before the soak is over.
        let gets = || self.gets.get(&cluster).is_some_and(|it| it.contains(target));
        let only = |all: &BTreeSet<Option<&str>>| all.iter().all(|it| *it == Some(target));
        let waits = || candidates.is_empty() && self.to_come.get(&cluster).is_none_or(only);
        let stands = !tries && !gets() && (!on.contains(&true) || waits());
        if off.is_empty() || !(tries || stands) {
            return None;
        }
        let changed = |host: &&u32| candidates.iter().any(|it| it.host == **host);
        let stay = off.iter().filter(|it| !changed(it)).count();
        Some(Anchor { stands, stay, off: off.len(), cluster: std::cmp::Reverse(cluster) })
    }
}
