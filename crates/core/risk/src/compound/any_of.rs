//! The probability that any host of a set is hit, for thousands of sets: clusters, and the hosts of tenants.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::exact::{ClassLaw, MOST_WORK, can_be_enumerated};
use super::prepared::{Prepared, Source};
use super::shape::{OfSet, Shape, Table, cases};

/// Hosts by class: so many of each, classes ascending.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Members(Vec<(u32, u32)>);

impl Members {
    /// One host more, of a class that is not below those before.
    pub(super) fn add(&mut self, class: u32) {
        match self.0.last_mut() {
            Some((last, count)) if *last == class => *count += 1,
            _ => self.0.push((class, 1)),
        }
    }
}

/// Most sources of hits that are gathered for parts of the fleet of one kind.
const MOST_SOURCES: usize = 500_000_000;

/// Most multiplications spent on all parts of one kind.
const MOST_WORK_OF_PARTS: f64 = 2e9;

/// Works out the probability that any host of a set is hit, set after set.
pub(super) struct AnyOf<'a> {
    prepared: &'a Prepared,
    laws: &'a [ClassLaw],
    /// `None`: every host answers on its own.
    table: Option<Table<'a>>,
    kinds: Kinds,
}

/// What a kind of source has in common: shock, answer, and gate with its multiplier.
type Key = (u32, u32, Option<(u32, u64)>);

/// Sources that act alike, whatever their impact: classes have far fewer of them than sources.
#[derive(Debug, Default)]
struct Kinds {
    /// One of each kind.
    list: Vec<Source>,
    /// Kinds of the sources of each profile.
    of_profile: Vec<Vec<u32>>,
}

impl Kinds {
    fn new(prepared: &Prepared) -> Self {
        let mut kinds = Self::default();
        let mut known: FxHashMap<Key, u32> = FxHashMap::default();
        for profile in &prepared.profiles {
            let kind = |source: &Source| {
                let gate = source.gate.map(|gate| (gate.shock, gate.otherwise.to_bits()));
                *known.entry((source.shock, source.answer, gate)).or_insert_with(|| {
                    kinds.list.push(*source);
                    kinds.list.len() as u32 - 1
                })
            };
            kinds.of_profile.push(profile.sources.iter().map(kind).collect());
        }
        kinds
    }
}

impl<'a> AnyOf<'a> {
    pub(super) fn new(prepared: &'a Prepared, laws: &'a [ClassLaw], independent: bool) -> Self {
        let table = (!independent).then(|| Table::new(prepared, 0.25, 16));
        let kinds = if independent { Kinds::default() } else { Kinds::new(prepared) };
        Self { prepared, laws, table, kinds }
    }

    /// Of each set; `None`: too much is tangled, or there are too many and too large ones for it.
    pub(super) fn of_each(&self, sets: Vec<&Members>) -> Vec<Option<f64>> {
        let Some(table) = &self.table else {
            return sets.into_iter().map(|set| Some(self.independent(set))).collect();
        };
        let classes = sets.iter().flat_map(|set| &set.0);
        let sources = classes.map(|&(class, _)| self.prepared.classes[class as usize].sources.len());
        if sources.sum::<usize>() > MOST_SOURCES {
            return vec![None; sets.len()];
        }
        let most_work = MOST_WORK.min(MOST_WORK_OF_PARTS / sets.len() as f64);
        let none = || vec![0.0; self.kinds.list.len()];
        sets.into_par_iter().map_init(none, |counts, set| self.of(set, table, most_work, counts)).collect()
    }

    /// Of one set; `counts` has a place for each kind of source, and is left all zero.
    fn of(&self, set: &Members, table: &Table<'_>, most_work: f64, counts: &mut [f64]) -> Option<f64> {
        let members = set.0.iter().map(|&(class, count)| (class as usize, f64::from(count)));
        let of_set = OfSet::of(self.prepared, members);
        if cases(self.prepared, &of_set) * table.nodes.len() as f64 > most_work {
            return None;
        }
        let mut met: Vec<u32> = Vec::new();
        for &(class, count) in &set.0 {
            let profile = self.prepared.classes[class as usize].profile;
            for &kind in &self.kinds.of_profile[profile as usize] {
                if counts[kind as usize] == 0.0 {
                    met.push(kind);
                }
                counts[kind as usize] += f64::from(count);
            }
        }
        let sources = met
            .iter()
            .map(|&kind| (&self.kinds.list[kind as usize], std::mem::take(&mut counts[kind as usize])));
        let mut shape = Shape::of_sources(self.prepared, sources, &of_set, |_| true);
        if !can_be_enumerated(&shape, table, most_work) {
            return None;
        }
        Some(shape.any(table).clamp(0.0, 1.0))
    }

    fn independent(&self, set: &Members) -> f64 {
        let log = |&(class, count): &(u32, u32)| f64::from(count) * (-self.laws[class as usize].hit).ln_1p();
        -set.0.iter().map(log).sum::<f64>().exp_m1()
    }
}
