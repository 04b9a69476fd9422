//! What has a closed form: each host's mean loss and probability to be hit, the probability that any host is, its bounds,
//! and who it comes from.

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use underpin_model::quantity::Probability;

use super::check::PortfolioError;
use super::pairs::Pairs;
use super::prepared::{AlikeClasses, DIMENSIONS, HOST_DOWN, PerDimension, Prepared};
use super::shape::{OfSet, Shape, Table, cases};
use super::union::{Scale, Union};
use crate::bounds::bonferroni_lower_alike;
use crate::quadrature::gauss_legendre;

/// Most gates that hang together, and most planes, before one class.
pub(super) const MOST_TANGLED: usize = 12;

/// Most multiplications spent on the probability that any host is hit, and on its Shapley values by one piece of the span.
pub(super) const MOST_WORK: f64 = 2e8;

/// Places of Gauss-Legendre in each piece of the span that Shapley values are integrated over.
const ORDER: usize = 10;

/// Most cases of planes that are enumerated for several classes together.
const MOST_CASES: f64 = 1_048_576.0;

/// Survival that is too little to have a share.
const NOTHING_LEFT: f64 = 1e-13;

/// Exact figures of each host of a class.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ClassLaw {
    /// Probability to be hit.
    pub(super) hit: f64,
    /// Probability that two given hosts are both hit.
    pub(super) both_hit: f64,
    /// For each dimension the levels of impact, ascending, with the probability to lose at least that much.
    pub(super) at_least: [Vec<(f64, f64)>; DIMENSIONS],
}

impl ClassLaw {
    /// Mean impact by dimension: the sum over levels of the step up to it times the probability to reach it.
    pub(super) fn mean_impact(&self) -> PerDimension {
        let mean = |levels: &Vec<(f64, f64)>| {
            let mut below = 0.0;
            levels
                .iter()
                .map(|&(level, probability)| {
                    let step = level - below;
                    below = level;
                    step * probability
                })
                .sum()
        };
        self.at_least.each_ref().map(mean)
    }

    /// The impact at a place from 0 to below the probability to be hit, all places being alike: dimensions reach their levels together,
    /// the higher ones within the lower ones, so that each keeps its law. Only that the host is down, which nothing else brings with
    /// it, is as far from the others as can be.
    pub(super) fn impact(&self, place: f64) -> PerDimension {
        std::array::from_fn(|dimension| {
            let mut levels = self.at_least[dimension].iter().rev();
            let reached = levels.find(|level| match dimension {
                HOST_DOWN => place >= self.hit - level.1,
                _ => place < level.1,
            });
            reached.map_or(0.0, |level| level.0)
        })
    }

    /// How a host of the class may end on its own, with the probability: untouched first.
    pub(super) fn ends(&self) -> Vec<(Option<PerDimension>, f64)> {
        let place = |(dimension, levels): (usize, &Vec<(f64, f64)>)| -> Vec<f64> {
            let of_level =
                |p: f64| if dimension == HOST_DOWN { (self.hit - p).max(0.0) } else { p.min(self.hit) };
            levels.iter().map(|level| of_level(level.1)).collect()
        };
        let all = self.at_least.iter().enumerate().flat_map(place);
        let mut places: Vec<f64> = all.chain([self.hit, 0.0]).collect();
        places.sort_by(|a, b| b.total_cmp(a));
        places.dedup();
        let untouched = (None, 1.0 - self.hit);
        // Any place between two ends has the impact of both.
        let of_place = |pair: &[f64]| (Some(self.impact(pair[1])), pair[0] - pair[1]);
        std::iter::once(untouched).chain(places.windows(2).map(of_place)).collect()
    }
}

/// The law of a host of each class: worked out once for all classes of one profile whose planes are of the same kinds.
pub(super) fn classes(prepared: &Prepared, labels: &[String]) -> Result<Vec<ClassLaw>, PortfolioError> {
    let table = Table::new(prepared, 0.25, 4);
    by_class(prepared, labels, |class| class_law(prepared, class, &table))
}

/// The mean impact on a host of each class alone: as of its law, with less work.
pub(super) fn mean_impacts(
    prepared: &Prepared,
    labels: &[String],
) -> Result<Vec<PerDimension>, PortfolioError> {
    let table = Table::for_one(prepared);
    by_class(prepared, labels, |class| mean_impact(prepared, class, &table))
}

/// The mean impact on a host of one class.
pub(super) fn mean_impact(prepared: &Prepared, class: usize, table: &Table<'_>) -> PerDimension {
    let mut events = Events::default();
    let levels = events.levels(prepared, class);
    let sums = events.sums(table);
    ClassLaw { at_least: at_least(levels, &sums), ..ClassLaw::default() }.mean_impact()
}

/// What `of` tells of each class: asked once for all classes of one profile whose planes are of the same kinds.
fn by_class<T: Clone + Send + Sync>(
    prepared: &Prepared,
    labels: &[String],
    of: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, PortfolioError> {
    let mut places: FxHashMap<AlikeClasses, usize> = FxHashMap::default();
    let mut different: Vec<usize> = Vec::new();
    let place_of_class: Vec<usize> = prepared
        .classes
        .iter()
        .enumerate()
        .map(|(class, sources)| {
            *places.entry(prepared.alike(sources)).or_insert_with(|| {
                different.push(class);
                different.len() - 1
            })
        })
        .collect();
    let law = |class: usize| {
        check_tangle(prepared, class, labels)?;
        Ok(of(class))
    };
    let laws: Vec<T> = different.into_par_iter().map(law).collect::<Result<_, _>>()?;
    Ok(place_of_class.into_iter().map(|place| laws[place].clone()).collect())
}

fn check_tangle(prepared: &Prepared, class: usize, labels: &[String]) -> Result<(), PortfolioError> {
    // What is few in all is not worth to be sorted by what hangs together.
    if prepared.classes[class].planes.len() <= MOST_TANGLED && gates_up_to(prepared, class, MOST_TANGLED) {
        return Ok(());
    }
    let place = || format!("class {class} ({})", labels.get(class).map_or("", String::as_str));
    let shape = Shape::new(prepared, [(class, 1.0)].into_iter(), |_| true);
    let tangled = |what, count| PortfolioError::Tangled { place: place(), what, count, most: MOST_TANGLED };
    if shape.union.planes.len() > MOST_TANGLED {
        return Err(tangled("management planes", shape.union.planes.len()));
    }
    if shape.union.widest() > MOST_TANGLED {
        return Err(tangled("controls", shape.union.widest()));
    }
    Ok(())
}

/// No more than so many controls stand before a class and behind its planes.
fn gates_up_to(prepared: &Prepared, class: usize, most: usize) -> bool {
    let class = &prepared.classes[class];
    let planes = class.planes.iter().map(|&plane| &prepared.planes[plane as usize]);
    let falls = planes.clone().flat_map(|it| &it.falls).chain(&class.falls);
    let of_falls = falls.flat_map(|&it| &prepared.falls[it as usize].sources).chain(class.sources.iter());
    let gates = of_falls.filter_map(|it| it.gate).chain(planes.filter_map(|it| it.gate));
    let mut found: Vec<u32> = Vec::new();
    for gate in gates {
        if !found.contains(&gate.shock) {
            found.push(gate.shock);
        }
        if found.len() > most {
            return false;
        }
    }
    true
}

fn class_law(prepared: &Prepared, class: usize, table: &Table<'_>) -> ClassLaw {
    let mut events = Events::default();
    let levels = events.levels(prepared, class);
    let shape = || Shape::new(prepared, [(class, 1.0)].into_iter(), |_| true);
    let all = prepared.impacts_of(&prepared.classes[class]).len();
    let hit = events.place(&vec![true; all], shape);
    let sums = events.sums(table);
    let mut two = Shape::new(prepared, [(class, 2.0)].into_iter(), |_| true);
    let any_of_two = two.any(table);
    let any = sums[hit].clamp(0.0, 1.0);
    ClassLaw {
        hit: any,
        both_hit: (2.0 * sums[hit] - any_of_two).clamp(0.0, any),
        at_least: at_least(levels, &sums),
    }
}

/// Levels with the probability to reach each, from the places of these.
fn at_least(levels: [Vec<(f64, usize)>; DIMENSIONS], sums: &[f64]) -> [Vec<(f64, f64)>; DIMENSIONS] {
    levels.map(|levels| levels.iter().map(|&(level, at)| (level, sums[at].clamp(0.0, 1.0))).collect())
}

/// Sets of sources that some figure asks for; many figures ask for the same.
#[derive(Default)]
struct Events {
    masks: Vec<Vec<bool>>,
    shapes: Vec<Shape>,
}

impl Events {
    /// For each dimension the levels of impact of a class, ascending, with the place of the event that one is reached.
    fn levels(&mut self, prepared: &Prepared, class: usize) -> [Vec<(f64, usize)>; DIMENSIONS] {
        let impacts = prepared.impacts_of(&prepared.classes[class]);
        std::array::from_fn(|dimension| {
            let mut levels: Vec<f64> =
                impacts.iter().map(|it| it[dimension]).filter(|&it| it > 0.0).collect();
            levels.sort_by(f64::total_cmp);
            levels.dedup();
            let mut place = |level: f64| {
                let reaches = |impact: &PerDimension| impact[dimension] >= level;
                let mask: Vec<bool> = impacts.iter().map(|impact| reaches(impact)).collect();
                self.place(&mask, || Shape::new(prepared, [(class, 1.0)].into_iter(), reaches))
            };
            levels.iter().map(|&level| (level, place(level))).collect()
        })
    }

    /// The probability of each event.
    fn sums(&mut self, table: &Table<'_>) -> Vec<f64> {
        let mut sums = vec![0.0; self.shapes.len()];
        for (node, &(_, weight)) in table.nodes.iter().enumerate() {
            for (sum, shape) in sums.iter_mut().zip(&mut self.shapes) {
                shape.fill(table, node);
                *sum += weight * shape.union.any(Scale::of_all(1.0));
            }
        }
        sums
    }

    fn place(&mut self, mask: &[bool], shape: impl FnOnce() -> Shape) -> usize {
        if let Some(at) = self.masks.iter().position(|other| other == mask) {
            return at;
        }
        self.masks.push(mask.to_vec());
        self.shapes.push(shape());
        self.shapes.len() - 1
    }
}

/// Probability that any host of the fleet is hit and the Shapley value of each shock; `None`: too much is tangled.
///
/// The Shapley value is the integral over `t` from 0 to 1 of the probability's derivative by the shock's probability, at all
/// probabilities times `t`, times that probability (multilinear extension, Owen). Given `Z` it is a polynomial in `t`; see
/// [`places`] for how exactly it is integrated.
pub(super) fn any_hit(prepared: &Prepared) -> Option<(f64, Vec<f64>)> {
    let all = prepared.classes.iter().enumerate().filter(|(_, class)| class.size() > 0);
    let members = all.map(|(at, class)| (at, class.size() as f64));
    let set = OfSet::of(prepared, members);
    if cases(prepared, &set) > MOST_CASES {
        return None;
    }
    let profiles = prepared.profiles.iter().filter(|it| !it.hosts.is_empty());
    let sources = profiles.flat_map(|it| it.sources.iter().map(|source| (source, it.hosts.len() as f64)));
    let shape = Shape::of_sources(prepared, sources, &set, |_| true);
    let table = Table::new(prepared, 0.125, 16);
    if !can_be_enumerated(&shape, &table, MOST_WORK / ORDER as f64) {
        return None;
    }
    let sums: Vec<(f64, Vec<f64>)> = (0..table.nodes.len())
        .into_par_iter()
        .map(|node| {
            let mut shape = shape.clone();
            shape.fill(&table, node);
            let mut slopes = vec![0.0; prepared.shocks.len()];
            let places = places(&shape.union, Scale::of_all);
            shape.union.add_slopes(&places, Scale::of_all, 1.0, &mut slopes);
            (shape.union.any(Scale::of_all(1.0)), slopes)
        })
        .collect();
    let (mut probability, mut shares) = (0.0, vec![0.0; prepared.shocks.len()]);
    for (&(_, weight), (any, slopes)) in table.nodes.iter().zip(&sums) {
        probability += weight * any;
        for ((share, slope), shock) in shares.iter_mut().zip(slopes).zip(&prepared.shocks) {
            *share += weight * slope * shock;
        }
    }
    Some((probability.clamp(0.0, 1.0), shares))
}

/// Whether gates, planes and nodes are few enough for so many multiplications.
pub(super) fn can_be_enumerated(shape: &Shape, table: &Table<'_>, most_work: f64) -> bool {
    shape.union.widest() <= 20
        && shape.union.cases() <= MOST_CASES
        && shape.union.work() * table.nodes.len() as f64 <= most_work
}

/// Places and weights to integrate slopes of a union over `t` from 0 to 1, all its numbers set, at probabilities `scaled` by `t`.
///
/// Survival falls with `t` at most like `exp(-rate t)`: where thousands of shocks hit thousands of hosts, all happens near 0,
/// where one rule over the whole span has no place. So the span is cut at `h`, `2 h`, `4 h`, ..., 1 with `h rate <= 4`, and each
/// piece has its own [`ORDER`] Gauss-Legendre places. Survival is a sum of products of factors that are linear in `t` and,
/// but for the chances of gates, vanish at 1 or beyond. In the complex ellipse about a piece whose half axes sum to four times
/// half of it such a product is greatest at the left end, where it is at most `exp(2.25)`, and less than `exp(-0.4 rate t)` in
/// all pieces but the first; so (Bernstein) the rule errs by some `10 * 4^(-2 ORDER)` of a share, 1e-11. With so few factors
/// that the rule is exact for their degree, there is one piece. Pieces are left out once survival is at most
/// [`NOTHING_LEFT`]: no share is negative, and together the rest have no more.
pub(super) fn places(union: &Union, scaled: impl Fn(f64) -> Scale) -> Vec<(f64, f64)> {
    let factors = union.terms.len() + union.gates.len();
    let rule = gauss_legendre(ORDER.min(factors / 2 + 1));
    let pieces =
        if rule.len() < ORDER { 0 } else { (union.rate() / 4.0).log2().ceil().clamp(0.0, 60.0) as i32 };
    let (mut places, mut from, mut to) = (Vec::new(), 0.0, (-f64::from(pieces)).exp2());
    while from < 1.0 && 1.0 - union.any(scaled(from)) > NOTHING_LEFT {
        places.extend(rule.iter().map(|&(t, weight)| (from + (to - from) * t, (to - from) * weight)));
        (from, to) = (to, 2.0 * to);
    }
    places
}

/// Bounds on the probability that any host is hit.
pub(super) struct Bounds {
    /// Least and most whatever the dependence.
    pub(super) frechet: (f64, f64),
    /// Least given pairs: of the hosts of the class, or of all the classes, that tell most.
    pub(super) bonferroni_low: f64,
    /// Most given the pairs along one path through each class, and a tree between classes.
    pub(super) hunter_worsley_high: f64,
}

/// Where hosts are independent, their pairs are no pairs of the fleet.
pub(super) fn bounds(prepared: &Prepared, laws: &[ClassLaw], independent: bool) -> Bounds {
    let (mut low, mut sum, mut pairs) = (0.0f64, 0.0, 0.0);
    let mut bonferroni_low = 0.0f64;
    for (class, law) in prepared.classes.iter().zip(laws) {
        if class.size() > 0 {
            low = low.max(law.hit);
            let (hit, both) = (Probability::nearest(law.hit), Probability::nearest(law.both_hit));
            let of_class = bonferroni_lower_alike(class.size() as u64, hit, both);
            bonferroni_low = bonferroni_low.max(of_class.map_or(law.hit, Probability::get));
            sum += class.size() as f64 * law.hit;
            pairs += (class.size() - 1) as f64 * law.both_hit;
        }
    }
    let frechet = (low, sum.min(1.0));
    if independent {
        return Bounds { frechet, bonferroni_low: frechet.0, hunter_worsley_high: frechet.1 };
    }
    let between = Pairs::new(prepared, laws);
    Bounds {
        frechet,
        bonferroni_low: bonferroni_low.max(low).max(between.lower()),
        hunter_worsley_high: (sum - pairs - between.tree()).max(low).min(1.0),
    }
}
