//! The score of CVSS 4.0 (specification section 8): the macrovector's score, less a share of the way to the next lower one.

use super::{macrovectors, round, vector::Vector};

/// Metrics as levels: 0 is the most severe value that the metric can have.
struct Levels {
    /// AV, PR, UI.
    reach: [usize; 3],
    /// AC, AT.
    difficulty: [usize; 2],
    /// VC, VI, VA, CR, IR, AR.
    vulnerable: [usize; 6],
    /// SC, SI, SA; 0 is Safety, which only the latter two can have.
    subsequent: [usize; 3],
    /// E.
    exploit: usize,
}

/// The levels of the six equivalence sets.
type Macrovector = [usize; 6];

pub(super) fn score(vector: &Vector) -> f64 {
    let levels = Levels::of(vector);
    let no_impact = |levels: &[usize], none| levels.iter().all(|level| *level == none);
    if no_impact(&levels.vulnerable[..3], 2) && no_impact(&levels.subsequent, 3) {
        return 0.0;
    }
    let at = levels.macrovector();
    let score = macrovectors::score(at).unwrap_or(0.0);

    // For each set: how far down the next lower macrovector is, and which share of the way this vector has gone.
    let lower = |set: usize| {
        let mut next = at;
        next[set] += 1;
        macrovectors::score(next)
    };
    let ways = [
        (lower(0), share(&levels.reach, reach_tops(at[0]), [1, 4, 5][at[0]])),
        (lower(1), share(&levels.difficulty, difficulty_tops(at[1]), [1, 2][at[1]])),
        (lower_impact(at), share(&levels.vulnerable, impact_tops(at), impact_depth(at))),
        (lower(3), share(&levels.subsequent, &[[[1, 0, 0], [1, 1, 1], [2, 2, 2]][at[3]]], [6, 5, 4][at[3]])),
        // Exploit maturity has one value in each level: nothing to go, but it counts in the mean.
        (lower(4), 0.0),
    ];
    let steps: Vec<f64> =
        ways.into_iter().filter_map(|(next, share)| next.map(|next| (score - next) * share)).collect();
    let mean = if steps.is_empty() { 0.0 } else { steps.iter().sum::<f64>() / steps.len() as f64 };
    round((score - mean).clamp(0.0, 10.0))
}

impl Levels {
    fn of(vector: &Vector) -> Self {
        // "Not defined" is scored as the most severe value.
        let worst_case = |metric| vector.get(metric).saturating_sub(1);
        // Subsequent systems start at 1 (High): only the modified metric can say Safety, its first value.
        let subsequent = |base, modified, first: usize| match vector.get(modified) {
            0 => vector.get(base) + 1,
            stated => stated - 1 + first,
        };
        Self {
            reach: [vector.modified(0, 15), vector.modified(3, 18), vector.modified(4, 19)],
            difficulty: [vector.modified(1, 16), vector.modified(2, 17)],
            vulnerable: [
                vector.modified(5, 20),
                vector.modified(6, 21),
                vector.modified(7, 22),
                worst_case(12),
                worst_case(13),
                worst_case(14),
            ],
            subsequent: [subsequent(8, 23, 1), subsequent(9, 24, 0), subsequent(10, 25, 0)],
            exploit: worst_case(11),
        }
    }

    fn macrovector(&self) -> Macrovector {
        let level = |first: bool, second: bool| if first { 0 } else { 2 - usize::from(second) };
        let ([av, pr, ui], [vc, vi, va, cr, ir, ar], [sc, si, sa]) =
            (self.reach, self.vulnerable, self.subsequent);
        [
            level(av + pr + ui == 0, av != 3 && (av == 0 || pr == 0 || ui == 0)),
            usize::from(self.difficulty != [0, 0]),
            level(vc + vi == 0, vc == 0 || vi == 0 || va == 0),
            level(si == 0 || sa == 0, sc == 1 || si == 1 || sa == 1),
            self.exploit,
            usize::from(![(vc, cr), (vi, ir), (va, ar)].contains(&(0, 0))),
        ]
    }
}

/// The most severe vectors of each level, as (AV, PR, UI).
fn reach_tops(level: usize) -> &'static [[usize; 3]] {
    [&[[0, 0, 0]][..], &[[1, 0, 0], [0, 1, 0], [0, 0, 1]], &[[3, 0, 0], [1, 1, 1]]][level]
}

/// The most severe vectors of each level, as (AC, AT).
fn difficulty_tops(level: usize) -> &'static [[usize; 2]] {
    [&[[0, 0]][..], &[[1, 0], [0, 1]]][level]
}

/// The most severe vectors of sets 3 and 6, which depend on each other, as (VC, VI, VA, CR, IR, AR).
fn impact_tops(at: Macrovector) -> &'static [[usize; 6]] {
    match (at[2], at[5]) {
        (0, 0) => &[[0, 0, 0, 0, 0, 0]],
        (0, _) => &[[0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]],
        (1, 0) => &[[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]],
        (1, _) => &[
            [1, 0, 1, 0, 1, 0],
            [1, 0, 0, 0, 1, 1],
            [0, 1, 0, 1, 0, 1],
            [0, 1, 1, 1, 0, 0],
            [1, 1, 0, 0, 0, 1],
        ],
        _ => &[[1, 1, 1, 0, 0, 0]],
    }
}

/// How many single steps sets 3 and 6 span together.
fn impact_depth(at: Macrovector) -> usize {
    match (at[2], at[5]) {
        (0, 0) => 7,
        (0, _) => 6,
        (1, _) => 8,
        _ => 10,
    }
}

/// The higher score of the macrovectors one step below in sets 3 and 6.
fn lower_impact(at: Macrovector) -> Option<f64> {
    let below = |three: usize, six: usize| {
        let mut next = at;
        (next[2], next[5]) = (three, six);
        macrovectors::score(next)
    };
    match (at[2], at[5]) {
        (0, 0) => [below(0, 1), below(1, 0)].into_iter().flatten().reduce(f64::max),
        (1, 1) => below(2, 1),
        (2, _) => None,
        _ => below(1, 1),
    }
}

/// The steps from the first top that is at least as severe in every metric, as a share of the depth.
fn share<const N: usize>(levels: &[usize; N], tops: &[[usize; N]], depth: usize) -> f64 {
    let steps = tops.iter().find_map(|top| {
        levels.iter().zip(top).map(|(level, top)| level.checked_sub(*top)).sum::<Option<usize>>()
    });
    steps.unwrap_or(0) as f64 / depth as f64
}
