//! The hosts of a case by how they are hit: from kinds of hosts to the strata of a situation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use rustc_hash::FxHashMap;
use underpin_exposure::report::VulnerabilityView;

use super::due::OpenHole;
use super::situation::{Hole, Stratum, Worth};
use crate::build::hole::Way;
use crate::build::hosts::{Approach, Hosts, Kind};
use crate::build::reach::Machine;
use crate::hazard::Exploited;

/// Hosts of one kind on which the same is due, with all that stands on them.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) kind: Kind,
    pub(super) hosts: u32,
    /// The sum over them.
    pub(super) worth: Worth,
}

/// What a release closes on the hosts of a case, and how they answer.
#[derive(Debug, Default)]
pub(super) struct Strata {
    pub(super) holes: Vec<Hole>,
    pub(super) approaches: Vec<Approach>,
    pub(super) list: Vec<Stratum>,
}

/// Holes that are open together, with the ways by which they are used.
struct Together {
    holes: Arc<[usize]>,
    ways: BTreeSet<Way>,
}

/// Strata in the making.
struct Making<'m> {
    hosts: &'m Hosts<'m>,
    views: &'m [(&'m VulnerabilityView, &'m OpenHole)],
    day: Date,
    made: Strata,
    /// By view: the ways and impacts of its holes, with their places.
    holes: Vec<Vec<usize>>,
    approaches: FxHashMap<(Way, Machine, u64), usize>,
    together: Vec<Together>,
    places: FxHashMap<Arc<[usize]>, usize>,
}

impl Strata {
    /// Those of the hosts of some bunches, of which there are so many.
    pub(super) fn of<'m>(
        hosts: &'m Hosts<'m>,
        views: &'m [(&'m VulnerabilityView, &'m OpenHole)],
        bunches: impl Iterator<Item = (usize, &'m [Crowd])>,
        count: usize,
        day: Date,
    ) -> Self {
        let mut making = Making {
            hosts,
            views,
            day,
            made: Self::default(),
            holes: vec![Vec::new(); views.len()],
            approaches: FxHashMap::default(),
            together: Vec::new(),
            places: FxHashMap::default(),
        };
        let mut open: BTreeMap<usize, Vec<(usize, u32)>> = BTreeMap::new();
        for (at, (view, hole)) in views.iter().enumerate() {
            let Some(place) = hosts.place(&view.id) else { continue };
            hole.bunches.keys().for_each(|it| open.entry(*it).or_default().push((at, place)));
        }
        let mut sums: BTreeMap<(usize, Vec<usize>), (u32, Worth)> = BTreeMap::new();
        for (number, crowds) in bunches {
            let open = open.get(&number).map_or(&[][..], Vec::as_slice);
            let mut known: FxHashMap<Option<u32>, usize> = FxHashMap::default();
            for crowd in crowds {
                let together =
                    *known.entry(crowd.kind.set()).or_insert_with(|| making.together(&crowd.kind, open));
                let answers = making.answers(&crowd.kind, together);
                let sum = sums.entry((together, answers)).or_default();
                sum.0 += crowd.hosts;
                sum.1.add(1.0, &crowd.worth);
            }
        }
        let whole = count.max(1) as f64;
        for ((together, answers), (hosts, sum)) in sums {
            let Some(Together { holes, .. }) = making.together.get(together) else { continue };
            let mut worth = Worth::default();
            worth.add(1.0 / f64::from(hosts.max(1)), &sum);
            let share = f64::from(hosts) / whole;
            making.made.list.push(Stratum { share, worth, holes: Arc::clone(holes), answers });
        }
        making.made
    }
}

impl Making<'_> {
    /// What of the open holes is open on hosts of a kind.
    fn together(&mut self, kind: &Kind, open: &[(usize, u32)]) -> usize {
        let mut ways = BTreeSet::new();
        let mut holes = Vec::with_capacity(open.len());
        for (view, place) in open {
            let Some((way, impact)) = self.hosts.open_on(kind, *place) else { continue };
            ways.insert(way);
            let (Some((view, _)), Some(known)) = (self.views.get(*view), self.holes.get_mut(*view)) else {
                continue;
            };
            let is = |at: &&usize| {
                self.made.holes.get(**at).is_some_and(|it| it.way == way && it.impact == impact)
            };
            let at = known.iter().find(is).copied().unwrap_or_else(|| {
                let public_days = view.published.map(|it| f64::from((self.day - it).get_days().max(0)));
                let exploited = Exploited::of(view, self.day);
                let vulnerability = view.id.clone();
                self.made.holes.push(Hole { vulnerability, exploited, way, impact, public_days });
                known.push(self.made.holes.len() - 1);
                self.made.holes.len() - 1
            });
            holes.push(at);
        }
        let holes: Arc<[usize]> = holes.into();
        *self.places.entry(Arc::clone(&holes)).or_insert_with(|| {
            self.together.push(Together { holes, ways });
            self.together.len() - 1
        })
    }

    /// How hosts of a kind answer to holes that are open together: one answer for each way.
    fn answers(&mut self, kind: &Kind, together: usize) -> Vec<usize> {
        let Some(Together { ways, .. }) = self.together.get(together) else { return Vec::new() };
        let one = |way: &Way| {
            let approach = self.hosts.approach(kind, *way);
            let key = (approach.way, approach.machine, approach.controls_fail.to_bits());
            *self.approaches.entry(key).or_insert_with(|| {
                self.made.approaches.push(approach);
                self.made.approaches.len() - 1
            })
        };
        ways.iter().map(one).collect()
    }
}
