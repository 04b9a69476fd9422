//! What has a closed form: each host's mean loss and probability to be hit, the probability that any host is, its bounds,
//! and who it comes from.

use rayon::prelude::*;
use underpin_model::quantity::Probability;

use super::check::PortfolioError;
use super::prepared::{Prepared, Triple};
use super::shape::{Shape, Table};
use crate::bounds::bonferroni_lower_alike;
use crate::quadrature::gauss_legendre;

/// Most gates that hang together, and most planes, before one class.
const MOST_TANGLED: usize = 12;

/// Most multiplications spent on the probability that any host is hit, and on its Shapley values.
const MOST_WORK: f64 = 2e8;

/// Exact figures of each host of a class.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ClassLaw {
    /// Probability to be hit.
    pub(super) hit: f64,
    /// Probability that two given hosts are both hit.
    pub(super) both_hit: f64,
    /// For each dimension the levels of impact, ascending, with the probability to lose at least that much.
    pub(super) at_least: [Vec<(f64, f64)>; 3],
}

impl ClassLaw {
    /// Mean impact by dimension: the sum over levels of the step up to it times the probability to reach it.
    pub(super) fn mean_impact(&self) -> Triple {
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
        [mean(&self.at_least[0]), mean(&self.at_least[1]), mean(&self.at_least[2])]
    }
}

/// The law of a host of each class.
pub(super) fn classes(prepared: &Prepared, labels: &[String]) -> Result<Vec<ClassLaw>, PortfolioError> {
    let table = Table::new(prepared, 0.25, 4);
    (0..prepared.classes.len())
        .into_par_iter()
        .map(|class| {
            check_tangle(prepared, class, labels)?;
            Ok(class_law(prepared, class, &table))
        })
        .collect()
}

fn check_tangle(prepared: &Prepared, class: usize, labels: &[String]) -> Result<(), PortfolioError> {
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

fn class_law(prepared: &Prepared, class: usize, table: &Table<'_>) -> ClassLaw {
    let sources = &prepared.classes[class];
    let planes = sources.planes.iter().map(|&plane| &prepared.planes[plane as usize].impact);
    let impacts: Vec<&Triple> = sources.sources.iter().map(|source| &source.impact).chain(planes).collect();
    let mut events = Events::default();
    let all = vec![true; impacts.len()];
    let hit = events.place(&all, || Shape::new(prepared, [(class, 1.0)].into_iter(), |_| true));
    let levels: [Vec<(f64, usize)>; 3] = [0, 1, 2].map(|dimension| {
        let mut levels: Vec<f64> = impacts.iter().map(|it| it[dimension]).filter(|&it| it > 0.0).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        let mut place = |level: f64| {
            let reaches = |impact: &Triple| impact[dimension] >= level;
            let mask: Vec<bool> = impacts.iter().map(|impact| reaches(impact)).collect();
            events.place(&mask, || Shape::new(prepared, [(class, 1.0)].into_iter(), reaches))
        };
        levels.iter().map(|&level| (level, place(level))).collect()
    });
    let mut two = Shape::new(prepared, [(class, 2.0)].into_iter(), |_| true);
    let (mut none, mut none_of_two) = (vec![0.0; events.shapes.len()], 0.0);
    for (node, &(_, weight)) in table.nodes.iter().enumerate() {
        for (sum, shape) in none.iter_mut().zip(&mut events.shapes) {
            shape.fill(table, node);
            *sum += weight * (1.0 - shape.union.value(1.0));
        }
        two.fill(table, node);
        none_of_two += weight * (1.0 - two.union.value(1.0));
    }
    let any = |at: usize| none[at].clamp(0.0, 1.0);
    ClassLaw {
        hit: any(hit),
        both_hit: (2.0 * none[hit] - none_of_two).clamp(0.0, any(hit)),
        at_least: levels.map(|levels| levels.iter().map(|&(level, at)| (level, any(at))).collect()),
    }
}

/// Sets of sources that some figure asks for; many figures ask for the same.
#[derive(Default)]
struct Events {
    masks: Vec<Vec<bool>>,
    shapes: Vec<Shape>,
}

impl Events {
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
/// probabilities times `t`, times that probability (multilinear extension, Owen). Given `Z` it is a polynomial in `t`, so
/// that Gauss-Legendre is exact.
pub(super) fn any_hit(prepared: &Prepared) -> Option<(f64, Vec<f64>)> {
    let members = prepared.classes.iter().enumerate().filter(|(_, class)| class.size() > 0);
    let shape = Shape::new(prepared, members.map(|(at, class)| (at, class.size() as f64)), |_| true);
    let open = shape.union.planes.iter().filter(|&&survival| survival > 0.0).count();
    let table = Table::new(prepared, 0.125, 16);
    if shape.union.widest() > 20
        || open > 20
        || shape.union.work() * table.nodes.len() as f64 * 8.0 > MOST_WORK
    {
        return None;
    }
    let degree = shape.union.terms.len() + shape.union.gates.len();
    // Exact for the degree; where that is too much work, as many as there is room for: at least 8, on a smooth function.
    let room = MOST_WORK / (shape.union.work() * table.nodes.len() as f64);
    let rule = gauss_legendre((degree / 2 + 1).min((room as usize).max(8)));
    let sums: Vec<(f64, Vec<f64>)> = (0..table.nodes.len())
        .into_par_iter()
        .map(|node| {
            let mut shape = Shape { union: shape.union.clone(), powers: shape.powers.clone() };
            shape.fill(&table, node);
            let mut slopes = vec![0.0; prepared.shocks.len()];
            for &(t, weight) in &rule {
                shape.union.add_slopes(t, weight, &mut slopes);
            }
            (1.0 - shape.union.value(1.0), slopes)
        })
        .collect();
    let (mut probability, mut shares) = (0.0, vec![0.0; prepared.shocks.len()]);
    for (&(_, weight), (any, slopes)) in table.nodes.iter().zip(&sums) {
        probability += weight * any;
        for ((share, slope), shock) in shares.iter_mut().zip(slopes).zip(&prepared.shocks) {
            // The slope is that of survival.
            *share -= weight * slope * shock;
        }
    }
    Some((probability.clamp(0.0, 1.0), shares))
}

/// Bounds on the probability that any host is hit.
pub(super) struct Bounds {
    /// Least and most whatever the dependence.
    pub(super) frechet: (f64, f64),
    /// Least given the pairs within the class that tells most.
    pub(super) bonferroni_low: f64,
    /// Most given the pairs along one path through each class.
    pub(super) hunter_worsley_high: f64,
}

pub(super) fn bounds(prepared: &Prepared, laws: &[ClassLaw]) -> Bounds {
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
    Bounds {
        frechet: (low, sum.min(1.0)),
        bonferroni_low: bonferroni_low.max(low),
        hunter_worsley_high: (sum - pairs).clamp(low, 1.0),
    }
}
