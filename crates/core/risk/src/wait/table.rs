//! The loss of waiting at all times of a grid at once, for the many variants of one decision.
//!
//! [`Course`](super::course) answers for one time and tells terms apart. Here only their sum counts: what is lost to hits before
//! and after a patch at `t` is what a cumulative hazard of `G(t) + i (G(T) - G(t))` takes. Variants that leave the hazards alone
//! (how bad the release is, what its maintenance costs) share even that.
//!
//! Constant hazards of many hosts are a power series together, `sum l (1 - e^{-g t}) = sum_k -(-t)^k / k! sum l g^k`, so that
//! each host costs its powers and no exponential per time.

use std::borrow::Cow;

use super::course::{Ageing, Profiles, hit};

use super::curve::{CELLS, Hazards, Inputs, NOW_DAYS, Optimum, chosen};

/// A time of the grid.
#[derive(Debug, Clone, Copy)]
struct Node {
    days: f64,
    /// The same as a share of the horizon.
    part: f64,
    /// It is an end of an even cell, and no deadline within one.
    even: bool,
    /// What broken promises cost if the release comes then.
    broken: f64,
}

/// The times of a decision: even cells up to the horizon, half a day, the deadlines of promises, and the day from which an
/// earlier ring has run the release. The same for all variants.
#[derive(Debug)]
pub(super) struct Grid {
    nodes: Vec<Node>,
    horizon_days: f64,
    step: f64,
    /// For each age of a hazard the logs of the ages at all times. Variants differ in shapes, not in ages.
    logs: Vec<(f64, Vec<f64>)>,
}

impl Grid {
    pub(super) fn of(inputs: &Inputs) -> Self {
        let horizon_days = inputs.horizon_days;
        let step = horizon_days / f64::from(CELLS);
        // The last one exactly, so that what is left after it is nothing.
        let even = |cell: u32| if cell == CELLS { horizon_days } else { f64::from(cell) * step };
        let mut times: Vec<(f64, bool)> = (0..=CELLS).map(|cell| (even(cell), true)).collect();
        let deadlines = inputs.penalties.iter().map(|it| it.at_days);
        let others =
            deadlines.chain([inputs.ring_from_days, NOW_DAYS]).filter(|it| *it > 0.0 && *it < horizon_days);
        times.extend(others.map(|it| (it, false)));
        // Of equal times the even one comes first and stays.
        times.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        times.dedup_by(|later, first| later.0 == first.0);
        let node = |(days, even)| Node { days, part: days / horizon_days, even, broken: inputs.broken(days) };
        let nodes = times.into_iter().map(node).collect();
        let mut grid = Self { nodes, horizon_days, step, logs: Vec::new() };
        for hazard in inputs.hazards.iter().flat_map(|it| &it.aged) {
            if !grid.logs.iter().any(|it| it.0 == hazard.age_days) {
                grid.logs.push((hazard.age_days, grid.logs_at(hazard.age_days)));
            }
        }
        grid
    }

    /// The logs of what so old a hazard is at all times.
    fn logs(&self, age_days: f64) -> Cow<'_, [f64]> {
        match self.logs.iter().find(|it| it.0 == age_days) {
            Some((_, logs)) => Cow::Borrowed(logs),
            None => Cow::Owned(self.logs_at(age_days)),
        }
    }

    fn logs_at(&self, age_days: f64) -> Vec<f64> {
        self.nodes.iter().map(|it| (age_days + it.days).ln()).collect()
    }

    /// The ends of the even cells: the times of a chart.
    pub(super) fn even_days(&self) -> impl Iterator<Item = f64> {
        self.nodes.iter().filter(|it| it.even).map(|it| it.days)
    }

    /// Of values at all times those at the ends of the even cells.
    pub(super) fn at_even<'s>(&'s self, values: &'s [f64]) -> impl Iterator<Item = f64> + 's {
        self.nodes.iter().zip(values).filter(|it| it.0.even).map(|it| *it.1)
    }
}

/// Terms of the power series of constant hazards.
const TERMS: usize = 12;
/// Times for which the series is worked out together.
const LANES: usize = 8;
/// Cumulative hazard until the horizon up to which [`TERMS`] are exact in double precision: the next one is 1e-13 of the first.
const SMALL: f64 = 0.5;

/// What hazards alone decide, at each time of a grid: expected losses per host, the mean over all hosts.
#[derive(Debug)]
pub(super) struct Table {
    /// Before a patch at that time, and after it through fixes that prove incomplete.
    hits: Vec<f64>,
    /// Without a patch.
    never: f64,
}

impl Table {
    pub(super) fn of(grid: &Grid, inputs: &Inputs) -> Self {
        let mut table = Self { hits: vec![0.0; grid.nodes.len()], never: 0.0 };
        let (horizon_days, open) = (grid.horizon_days, inputs.incomplete_fix);
        let mut profiles = Profiles::new(horizon_days);
        let aged: Vec<Vec<Ageing>> =
            inputs.hazards.iter().map(|it| Ageing::all(&it.aged, &mut profiles)).collect();
        // How far each profile has risen at all times: the power by its log, which all variants share.
        let rises: Vec<Vec<f64>> = profiles
            .list
            .iter()
            .map(|it| grid.logs(it.age_days).iter().map(|log| (it.shape * log).exp() - it.start).collect())
            .collect();
        let mut powers = [0.0; TERMS];
        let mut sums = Vec::with_capacity(grid.nodes.len());
        for (hazards, aged) in inputs.hazards.iter().zip(&aged) {
            let loss = hazards.share * hazards.loss;
            let constant = hazards.constant_per_day * horizon_days;
            if aged.is_empty() && constant <= SMALL {
                let mut power = loss;
                for sum in &mut powers {
                    power *= constant;
                    *sum += power;
                }
            } else {
                cumulative(grid, (hazards, aged, &rises), &mut sums);
                table.add(loss, &sums, open);
            }
        }
        table.add_powers(grid, &powers, open);
        table
    }

    /// Adds a part of the loss, of these cumulative hazards.
    fn add(&mut self, loss: f64, sums: &[f64], open: f64) {
        let last = sums.last().copied().unwrap_or(0.0);
        self.never += loss * hit(last);
        if last <= SMALL {
            for (lost, sums) in self.hits.chunks_mut(LANES).zip(sums.chunks(LANES)) {
                let mut hazards = [0.0; LANES];
                for (hazard, sum) in hazards.iter_mut().zip(sums) {
                    *hazard = sum + open * (last - sum);
                }
                for (lost, hit) in lost.iter_mut().zip(small_hits(hazards)) {
                    *lost += loss * hit;
                }
            }
        } else {
            for (lost, sum) in self.hits.iter_mut().zip(sums) {
                *lost += loss * hit(sum + open * (last - sum));
            }
        }
    }

    /// Adds the parts that are a power series in time, as a share of the horizon.
    fn add_powers(&mut self, grid: &Grid, powers: &[f64; TERMS], open: f64) {
        let mut factor = -1.0;
        let mut terms = *powers;
        for (at, term) in terms.iter_mut().enumerate() {
            factor /= -((at + 1) as f64);
            *term *= factor;
        }
        self.never += terms.iter().rev().fold(0.0, |sum, term| sum + term);
        // Term by term for several times at once, which a processor does side by side.
        for (lost, nodes) in self.hits.chunks_mut(LANES).zip(grid.nodes.chunks(LANES)) {
            let (mut times, mut sums) = ([0.0; LANES], [0.0; LANES]);
            for (time, node) in times.iter_mut().zip(nodes) {
                *time = node.part + open * (1.0 - node.part);
            }
            for term in terms.iter().rev() {
                for (sum, time) in sums.iter_mut().zip(&times) {
                    *sum = (*sum + term) * time;
                }
            }
            for (lost, sum) in lost.iter_mut().zip(&sums) {
                *lost += sum;
            }
        }
    }

    /// The loss of patching at each time of the grid, all hosts and all terms.
    pub(super) fn losses<'s>(
        &'s self,
        grid: &'s Grid,
        inputs: &'s Inputs,
    ) -> impl Iterator<Item = f64> + use<'s> {
        let bad = inputs.bad_release();
        let reached = |(first, later): (f64, f64)| bad * (first + later);
        let (before, behind) = (reached(inputs.reaches(-1.0)), reached(inputs.reaches(f64::MAX)));
        let even = (-inputs.theta * grid.step).exp();
        let mut matured = 1.0;
        let at = move |(node, hits): (&Node, &f64)| {
            let left = if node.even {
                let now = matured;
                matured *= even;
                now
            } else {
                (-inputs.theta * node.days).exp()
            };
            let per_host = hits
                + inputs.staying * (1.0 - left)
                + inputs.known_bugs_per_day * node.days
                + inputs.maintenance
                - inputs.shared_drain_saves;
            let bad = if node.days < inputs.ring_from_days { before } else { behind };
            inputs.hosts * per_host + bad * left + node.broken
        };
        grid.nodes.iter().zip(&self.hits).map(at)
    }

    /// The loss of not patching within the horizon.
    pub(super) fn never(&self, grid: &Grid, inputs: &Inputs) -> f64 {
        let broken = grid.nodes.last().map_or(0.0, |it| it.broken);
        let staying = inputs.staying * hit(inputs.theta * grid.horizon_days);
        inputs.hosts * (self.never + staying + inputs.known_bugs_per_day * grid.horizon_days) + broken
    }

    /// The best time of the grid.
    pub(super) fn optimum(&self, grid: &Grid, inputs: &Inputs) -> Optimum {
        best_of(grid, self.losses(grid, inputs), self.never(grid, inputs))
    }

    /// The least loss over the times of the grid and *never*: exactly concave in the probability of a bad release, which
    /// the value of information rests on.
    pub(super) fn least(&self, grid: &Grid, inputs: &Inputs) -> f64 {
        self.losses(grid, inputs).fold(self.never(grid, inputs), f64::min)
    }
}

/// The best of losses at all times of a grid.
pub(super) fn best_of(grid: &Grid, losses: impl Iterator<Item = f64>, never: f64) -> Optimum {
    let least = NOW_DAYS.min(grid.horizon_days);
    let (mut now, mut best) = (0.0, (f64::MAX, least));
    for (at, (node, loss)) in grid.nodes.iter().zip(losses).enumerate() {
        if at == 0 {
            now = loss;
        }
        if node.days >= least && loss < best.0 {
            best = (loss, node.days);
        }
    }
    chosen(now, best, never)
}

/// Probabilities to be hit by cumulative hazards of at most [`SMALL`]: the same series, term by term for all of them, because one
/// after the other each division would wait for the last.
fn small_hits(mut hazards: [f64; LANES]) -> [f64; LANES] {
    let mut sums = [1.0; LANES];
    for term in (2..=TERMS).rev() {
        let term = term as f64;
        for (sum, hazard) in sums.iter_mut().zip(&hazards) {
            *sum = 1.0 - hazard / term * *sum;
        }
    }
    for (hazard, sum) in hazards.iter_mut().zip(&sums) {
        *hazard *= sum;
    }
    hazards
}

/// Cumulative hazards at all times.
fn cumulative(grid: &Grid, (hazards, aged, rises): (&Hazards, &[Ageing], &[Vec<f64>]), sums: &mut Vec<f64>) {
    sums.clear();
    sums.extend(grid.nodes.iter().map(|it| hazards.constant_per_day * it.days));
    for it in aged {
        let Some(rises) = rises.get(it.profile) else { continue };
        for ((hazard, rise), node) in sums.iter_mut().zip(rises).zip(&grid.nodes) {
            *hazard += it.scale * rise.max(it.least_per_day * node.days);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::{AgedHazard, Penalty};
    use super::*;

    fn part(share: f64) -> Hazards {
        Hazards { share, loss: 75.0, constant_per_day: 0.0004, aged: Vec::new() }
    }

    fn inputs() -> Inputs {
        Inputs {
            horizon_days: 90.0,
            hosts: 7.0,
            hazards: vec![part(1.0)],
            incomplete_fix: 0.1,
            bad: 0.08,
            theta: 0.06,
            hit: 0.2,
            loss_per_bad_host: 30.0,
            ring_stops: 0.5,
            first_ring_share: 0.25,
            ring_from_days: 17.2,
            staying: 0.3,
            known_bugs_per_day: 0.002,
            maintenance: 0.5,
            shared_drain_saves: 0.1,
            penalties: [13.0, 45.0, 400.0]
                .map(|at_days| Penalty { promise: "p".into(), at_days, loss: 2.0 })
                .into(),
        }
    }

    fn aged() -> Inputs {
        let one = |thirty_days, age_days| AgedHazard {
            thirty_days,
            constant_thirty_days: 0.0,
            age_days,
            shape: 0.28,
        };
        let aged = vec![one(0.02, 0.0), one(0.05, 300.0), one(0.01, 0.0)];
        Inputs { hazards: vec![Hazards { aged, ..part(1.0) }], ..inputs() }
    }

    /// Falling hazards that a constant one passes after the thirtieth day and at once.
    fn passed() -> Inputs {
        let mut it = aged();
        it.hazards[0].aged[0].constant_thirty_days = 0.018;
        it.hazards[0].aged[2].constant_thirty_days = 0.01;
        it
    }

    /// A hazard that is beyond the power series.
    fn strong() -> Inputs {
        let parts = [0.004, 0.03].map(|constant_per_day| Hazards { constant_per_day, ..part(0.5) });
        Inputs { hazards: parts.into(), ..inputs() }
    }

    /// Hosts that are hit in one of these ways each, and some that nothing hits.
    fn unlike() -> Inputs {
        let parts = [inputs(), aged(), passed()].map(|it| it.hazards[0].clone());
        let shares = [0.5, 0.2, 0.1];
        let hazards = parts.into_iter().zip(shares).map(|(part, share)| Hazards { share, ..part });
        Inputs { hazards: hazards.collect(), ..inputs() }
    }

    /// The same numbers as each time alone.
    #[test]
    fn a_table_says_at_every_time_what_the_curve_says() {
        let quiet = Inputs { hazards: vec![Hazards { share: 1.0, ..Hazards::default() }], ..inputs() };
        for inputs in [inputs(), quiet, strong(), aged(), passed(), unlike()] {
            let off = 1e-10;
            let grid = Grid::of(&inputs);
            let table = Table::of(&grid, &inputs);
            let losses: Vec<f64> = table.losses(&grid, &inputs).collect();
            assert_eq!(losses.len(), grid.nodes.len());
            for (node, loss) in grid.nodes.iter().zip(&losses) {
                let expected = inputs.at(node.days).total();
                assert!((loss - expected).abs() <= off * expected, "{}: {loss}, {expected}", node.days);
            }
            let never = inputs.never().total();
            assert!((table.never(&grid, &inputs) - never).abs() <= off * never);
            // The best of the grid is no better than the best of all times, and as good within the grid.
            let (found, best) = (table.optimum(&grid, &inputs), inputs.optimum().unwrap());
            assert_eq!(found.choice, best.choice);
            assert!(found.loss >= best.loss * (1.0 - off) && found.loss < best.loss * 1.01);
        }
    }

    #[test]
    fn deadlines_and_half_a_day_are_times_of_the_grid_once() {
        let grid = Grid::of(&inputs());
        let days: Vec<f64> = grid.nodes.iter().map(|it| it.days).collect();
        assert!(days.contains(&13.0) && days.contains(&NOW_DAYS) && !days.contains(&400.0));
        assert!(days.contains(&17.2), "the day of the earlier ring");
        assert_eq!(days.iter().filter(|it| **it == 45.0).count(), 1, "a deadline at an even time");
        assert!(days.windows(2).all(|it| it[0] < it[1]));
        assert_eq!(grid.even_days().count(), CELLS as usize + 1);
        // On the day of a deadline the promise is kept.
        let broken = |at: f64| grid.nodes.iter().find(|it| it.days == at).unwrap().broken;
        assert_eq!((broken(13.0), broken(45.0), broken(90.0)), (0.0, 2.0, 4.0));
    }
}
