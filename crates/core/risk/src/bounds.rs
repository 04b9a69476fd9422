//! What can be said of a union, or of a system, when the dependence between its parts is unknown or known in pairs only.

use underpin_model::quantity::{InvalidArgument, Probability};

use crate::evidence::Interval;

/// Rounding that a pair may exceed its limits by.
const ROUNDING: f64 = 1e-12;

/// Bounds of `P(any)` from the probabilities alone (Frechet): `max p_i <= P(any) <= min(1, sum p_i)`. Both are reached: by
/// nested events, and by events that exclude each other. Of no event: 0.
#[must_use]
pub fn frechet_any(p: &[Probability]) -> Interval {
    let low = p.iter().map(|it| it.get()).fold(0.0, f64::max);
    let high = p.iter().map(|it| it.get()).sum();
    Interval { low: Probability::nearest(low), high: Probability::nearest(high) }
}

/// Bounds of `P(all)` from the probabilities alone (Frechet): `max(0, 1 - sum(1-p_i)) <= P(all) <= min p_i`. Of no event: 1.
#[must_use]
pub fn frechet_all(p: &[Probability]) -> Interval {
    let complements: Vec<Probability> = p.iter().map(|it| it.complement()).collect();
    let none = frechet_any(&complements);
    Interval { low: none.high.complement(), high: none.low.complement() }
}

/// Lower bound of `P(any)` from pairs (Bonferroni): `sum p_i - sum over pairs p_ij`, and never below the largest `p_i`.
///
/// `pair(i, j)` with `i < j` is the probability of both.
///
/// # Errors
/// A pair is impossible beside its two probabilities.
pub fn bonferroni_lower(
    p: &[Probability],
    pair: impl Fn(usize, usize) -> Probability,
) -> Result<Probability, InvalidArgument> {
    let mut bound: f64 = p.iter().map(|it| it.get()).sum();
    for (j, right) in p.iter().enumerate() {
        for (i, left) in p.iter().enumerate().take(j) {
            bound -= checked(*left, *right, pair(i, j))?;
        }
    }
    Ok(Probability::nearest(bound.max(frechet_any(p).low.get())))
}

/// [`bonferroni_lower`] of `n` events that are alike, each of probability `p` and each pair of probability `both`, at the number
/// of them that gives most: `k p - k (k-1) / 2 p_2` for `k` of 1 to `n`, because the union of some of them is part of the
/// union of all.
///
/// # Errors
/// `both` is impossible beside `p`.
pub fn bonferroni_lower_alike(
    n: u64,
    p: Probability,
    both: Probability,
) -> Result<Probability, InvalidArgument> {
    let both = checked(p, p, both)?;
    let bound = |k: f64| k * p.get() - 0.5 * k * (k - 1.0) * both;
    // A parabola in k with its top at p / p_2 + 1/2: the best whole number is one of the two beside it.
    let top = if both > 0.0 { (p.get() / both + 0.5).min(n as f64) } else { n as f64 };
    let whole = [top.floor().max(n.min(1) as f64), top.ceil().min(n as f64)];
    Ok(Probability::nearest(whole.into_iter().map(bound).fold(0.0, f64::max)))
}

/// Upper bound of `P(any)` from pairs: `sum p_i - sum of p_ij over a spanning tree`, the heaviest one (Hunter 1976, Worsley 1982;
/// Prim's algorithm). Never above the sum, which is the tree without weights.
///
/// `pair(i, j)` with `i < j` is the probability of both.
///
/// # Errors
/// A pair is impossible beside its two probabilities.
pub fn hunter_worsley_upper(
    p: &[Probability],
    pair: impl Fn(usize, usize) -> Probability,
) -> Result<Probability, InvalidArgument> {
    let sum: f64 = p.iter().map(|it| it.get()).sum();
    let tree = heaviest_tree(p.len(), |i, j| match (p.get(i), p.get(j)) {
        (Some(left), Some(right)) => checked(*left, *right, pair(i, j)),
        _ => Ok(0.0),
    })?;
    Ok(Probability::nearest(sum - tree))
}

/// Weight of the heaviest spanning tree of `count` events (Prim); `edge(i, j)` has `i < j`.
pub(crate) fn heaviest_tree<E>(
    count: usize,
    edge: impl Fn(usize, usize) -> Result<f64, E>,
) -> Result<f64, E> {
    // The heaviest edge from each event that is outside the tree to one inside.
    let mut outside: Vec<(usize, f64)> = (1..count).map(|at| (at, f64::NEG_INFINITY)).collect();
    let (mut newest, mut sum) = (0, 0.0);
    while !outside.is_empty() {
        for (at, heaviest) in &mut outside {
            *heaviest = heaviest.max(edge(newest.min(*at), newest.max(*at))?);
        }
        let Some(best) =
            (0..outside.len()).max_by(|a, b| weight(&outside, *a).total_cmp(&weight(&outside, *b)))
        else {
            break;
        };
        let (at, weight) = outside.swap_remove(best);
        sum += weight;
        newest = at;
    }
    Ok(sum)
}

/// Lower bound of `P(any)` from the sum of the probabilities and the sum over all pairs (Dawson and Sankoff, 1967): the best that
/// these two sums allow, `2 S1 / (k + 1) - 2 S2 / (k (k + 1))` with `k = 1 + floor(2 S2 / S1)`. Of no event: 0.
#[must_use]
pub fn dawson_sankoff_lower(singles: f64, pairs: f64) -> Probability {
    if !(singles > 0.0 && pairs >= 0.0 && (singles + pairs).is_finite()) {
        return Probability::nearest(0.0);
    }
    let k = 1.0 + (2.0 * pairs / singles).floor();
    Probability::nearest(2.0 * singles / (k + 1.0) - 2.0 * pairs / (k * (k + 1.0)))
}

fn weight(edges: &[(usize, f64)], at: usize) -> f64 {
    edges.get(at).map_or(f64::NEG_INFINITY, |it| it.1)
}

fn checked(left: Probability, right: Probability, both: Probability) -> Result<f64, InvalidArgument> {
    let limits = frechet_all(&[left, right]);
    let inside = both.get() >= limits.low.get() - ROUNDING && both.get() <= limits.high.get() + ROUNDING;
    let expected = "at least p_i + p_j - 1 and at most the smaller of p_i and p_j";
    InvalidArgument::unless(inside, "pair", both.get(), expected)?;
    Ok(both.get())
}

/// Bounds of the probability that a coherent system works, from its minimal path sets and cut sets (Esary and Proschan, 1963):
/// product over cuts of `1 - prod(1-r_i)` `<= R <=` `1 - prod over paths of (1 - prod r_i)`.
///
/// `works` holds the probability that each part works, independently of the others; a set holds positions in it.
///
/// # Errors
/// A set names a part that does not exist, or there is no path or no cut: such a system is not coherent.
pub fn esary_proschan(
    works: &[Probability],
    paths: &[Vec<usize>],
    cuts: &[Vec<usize>],
) -> Result<Interval, InvalidArgument> {
    InvalidArgument::unless(!paths.is_empty(), "paths", 0.0, "at least one path set")?;
    InvalidArgument::unless(!cuts.is_empty(), "cuts", 0.0, "at least one cut set")?;
    let part = |name: &'static str, at: usize| {
        let expected = "the position of a part";
        works.get(at).copied().ok_or(InvalidArgument { name, found: at as f64, expected })
    };
    let mut low = 1.0;
    for cut in cuts {
        let mut fails = 1.0;
        for at in cut {
            fails *= part("cuts", *at)?.complement().get();
        }
        low *= 1.0 - fails;
    }
    let mut no_path = 1.0;
    for path in paths {
        let mut all_work = 1.0;
        for at in path {
            all_work *= part("paths", *at)?.get();
        }
        no_path *= 1.0 - all_work;
    }
    Ok(Interval { low: Probability::nearest(low), high: Probability::nearest(1.0 - no_path) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    #[test]
    fn unions_without_any_knowledge_of_dependence() {
        let any = frechet_any(&[p(0.1), p(0.3), p(0.2)]);
        assert_eq!((any.low.get(), any.high.get()), (0.3, 0.1 + 0.3 + 0.2));
        assert_eq!(frechet_any(&[p(0.7), p(0.6)]).high, Probability::CERTAIN);
        let nothing = frechet_any(&[]);
        assert_eq!((nothing.low, nothing.high), (Probability::NEVER, Probability::NEVER));
        let all = frechet_all(&[p(0.7), p(0.6)]);
        assert!((all.low.get() - 0.3).abs() < 1e-15 && (all.high.get() - 0.6).abs() < 1e-15);
        assert_eq!(frechet_all(&[]).low, Probability::CERTAIN);
    }

    #[test]
    fn of_events_that_are_alike_as_many_count_as_help() {
        for (one, both) in [(0.1, 0.02), (0.1, 0.0), (0.3, 0.3), (0.02, 0.000_4), (1.0, 1.0), (0.0, 0.0)] {
            for n in 0..40_usize {
                let of = |k: usize| bonferroni_lower(&vec![p(one); k], |_, _| p(both)).unwrap().get();
                let best = (0..=n).map(of).fold(0.0, f64::max);
                let found = bonferroni_lower_alike(n as u64, p(one), p(both)).unwrap().get();
                assert!((found - best).abs() < 1e-12, "{n} of {one}, {both}: {found}, expected {best}");
            }
        }
        assert!(bonferroni_lower_alike(3, p(0.1), p(0.2)).is_err());
    }

    #[test]
    fn the_heaviest_tree_is_found() {
        // Three events; the pairs 0-2 and 1-2 are the heaviest tree, 0-1 is left out.
        let all = [p(0.3), p(0.3), p(0.3)];
        let pair = |i, j| {
            p(match (i, j) {
                (0, 1) => 0.05,
                (0, 2) => 0.2,
                _ => 0.1,
            })
        };
        assert!((hunter_worsley_upper(&all, pair).unwrap().get() - 0.6).abs() < 1e-12);
        assert!((bonferroni_lower(&all, pair).unwrap().get() - 0.55).abs() < 1e-12);
        assert_eq!(hunter_worsley_upper(&[], pair).unwrap(), Probability::NEVER);
        assert_eq!(hunter_worsley_upper(&[p(0.2)], pair).unwrap(), p(0.2));
    }

    #[test]
    fn impossible_pairs_are_named() {
        let all = [p(0.3), p(0.8)];
        for impossible in [0.31, 0.09] {
            let error = hunter_worsley_upper(&all, |_, _| p(impossible)).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("pair: found {impossible}, expected at least p_i"))
            );
            assert!(bonferroni_lower(&all, |_, _| p(impossible)).is_err());
        }
    }

    /// The bridge of five parts, the standard example: exact value by adding up all 32 states.
    #[test]
    fn a_bridge_lies_between_its_bounds() {
        let works = [p(0.9), p(0.8), p(0.7), p(0.95), p(0.6)];
        let paths = [vec![0, 3], vec![1, 4], vec![0, 2, 4], vec![1, 2, 3]];
        let cuts = [vec![0, 1], vec![3, 4], vec![0, 2, 4], vec![1, 2, 3]];
        let exact: f64 = (0_u32..32)
            .filter(|state| paths.iter().any(|path| path.iter().all(|at| state >> at & 1 == 1)))
            .map(|state| {
                let part =
                    |at: usize| if state >> at & 1 == 1 { works[at].get() } else { 1.0 - works[at].get() };
                (0..5).map(part).product::<f64>()
            })
            .sum();
        let bounds = esary_proschan(&works, &paths, &cuts).unwrap();
        assert!(bounds.low.get() <= exact && exact <= bounds.high.get(), "{bounds:?} {exact}");
        assert!(bounds.high.get() - bounds.low.get() < 0.1);
        assert_eq!(esary_proschan(&works, &[vec![5]], &cuts).unwrap_err().name, "paths");
        assert_eq!(esary_proschan(&works, &paths, &[vec![9]]).unwrap_err().name, "cuts");
        assert_eq!(esary_proschan(&works, &paths, &[]).unwrap_err().name, "cuts");
    }

    #[test]
    fn the_sums_over_events_and_pairs_bound_what_they_can() {
        // Events that exclude each other, nested ones, three fair coins, and a union of two of `n` alike.
        for (singles, pairs, low) in
            [(0.6, 0.0, 0.6), (1.0, 0.5, 0.5), (1.5, 0.75, 0.75), (0.0, 0.0, 0.0), (9.0, 36.0, 1.0)]
        {
            let found = dawson_sankoff_lower(singles, pairs).get();
            assert!((found - low).abs() < 1e-12, "{singles} {pairs}: {found}");
        }
        assert_eq!(dawson_sankoff_lower(f64::NAN, 0.0).get(), 0.0);
    }

    proptest! {
        /// Events are sets of equally likely states, so that every probability is known.
        #[test]
        fn every_bound_holds_for_events_of_any_dependence(events in prop::collection::vec(any::<u64>(), 1..7)) {
            let share = |set: u64| p(f64::from(set.count_ones()) / 64.0);
            let all: Vec<Probability> = events.iter().map(|it| share(*it)).collect();
            let exact = share(events.iter().fold(0, |all, it| all | it)).get();
            let pair = |i: usize, j: usize| share(events[i] & events[j]);
            let (low, high) = (bonferroni_lower(&all, pair).unwrap().get(), hunter_worsley_upper(&all, pair).unwrap().get());
            let wide = frechet_any(&all);
            prop_assert!(wide.low.get() <= low && low <= exact && exact <= high && high <= wide.high.get());
            let common = share(events.iter().fold(u64::MAX, |all, it| all & it)).get();
            let bounds = frechet_all(&all);
            prop_assert!(bounds.low.get() <= common + 1e-12 && common <= bounds.high.get() + 1e-12);
        }
    }
}
