//! Pairs of hosts of different classes: what they tell of the probability that any host is hit.

use rayon::prelude::*;

use super::exact::{ClassLaw, can_be_enumerated};
use super::prepared::Prepared;
use super::shape::{Shape, Table};
use crate::bounds::{dawson_sankoff_lower, heaviest_tree};

/// Most classes whose pairs are worked out: those with the most hosts hit on average. Pairs grow with the square.
const MOST_CLASSES: usize = 24;

/// Most multiplications spent on one pair.
const MOST_WORK: f64 = 1e7;

/// A class with hosts: how many, the probability that one is hit, and that two are.
#[derive(Debug, Clone, Copy)]
struct Of {
    class: usize,
    hosts: f64,
    hit: f64,
    both_hit: f64,
}

/// The classes with the most hosts hit, and the probability that two hosts of different ones are both hit.
#[derive(Debug)]
pub(super) struct Pairs {
    classes: Vec<Of>,
    /// For each class those with all before it: least and most, which are the same but where too much is tangled.
    both: Vec<Vec<(f64, f64)>>,
}

impl Pairs {
    pub(super) fn new(prepared: &Prepared, laws: &[ClassLaw]) -> Self {
        let all = prepared.classes.iter().zip(laws).enumerate();
        let all = all.filter(|(_, (class, law))| class.size() > 0 && law.hit > 0.0);
        let mut classes: Vec<Of> = all
            .map(|(class, (sources, law))| Of {
                class,
                hosts: sources.size() as f64,
                hit: law.hit,
                both_hit: law.both_hit,
            })
            .collect();
        classes.sort_by(|a, b| (b.hosts * b.hit).total_cmp(&(a.hosts * a.hit)));
        classes.truncate(MOST_CLASSES);
        let table = Table::new(prepared, 0.5, 2);
        let of_class = |at: usize| {
            let (before, from) = classes.split_at(at);
            let Some(one) = from.first() else { return Vec::new() };
            before.iter().map(|other| both(prepared, &table, one, other)).collect()
        };
        let both = (0..classes.len()).into_par_iter().map(of_class).collect();
        Self { classes, both }
    }

    /// Least probability that any host is hit.
    pub(super) fn lower(&self) -> f64 {
        let (mut singles, mut pairs) = (0.0, 0.0);
        for (at, one) in self.classes.iter().enumerate() {
            singles += one.hosts * one.hit;
            pairs += 0.5 * one.hosts * (one.hosts - 1.0) * one.both_hit;
            for (other, (_, most)) in self.classes.iter().zip(&self.both[at]) {
                pairs += one.hosts * other.hosts * most;
            }
        }
        dawson_sankoff_lower(singles, pairs).get()
    }

    /// Sum of the pairs along a tree with one host of each of these classes: the heaviest.
    pub(super) fn tree(&self) -> f64 {
        let edge = |i: usize, j: usize| self.both.get(j).and_then(|it| it.get(i)).map_or(0.0, |it| it.0);
        heaviest_tree(self.classes.len(), |i, j| Ok::<f64, std::convert::Infallible>(edge(i, j)))
            .unwrap_or_else(|never| match never {})
    }
}

fn both(prepared: &Prepared, table: &Table<'_>, one: &Of, other: &Of) -> (f64, f64) {
    let (least, most) = ((one.hit + other.hit - 1.0).max(0.0), one.hit.min(other.hit));
    let mut shape = Shape::new(prepared, [(one.class, 1.0), (other.class, 1.0)].into_iter(), |_| true);
    if !can_be_enumerated(&shape, table, MOST_WORK) {
        return (least, most);
    }
    // Not `clamp`, which panics where rounding puts the least above the most: one of them is nearly certain to be hit.
    let both = (one.hit + other.hit - shape.any(table)).max(least).min(most);
    (both, both)
}
