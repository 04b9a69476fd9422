//! The loss of waiting at all times of a grid at once, for the many variants of one decision.
//!
//! [`Course`](super::curve) answers for one time and integrates from the start for each. Along a grid the integrals share their
//! parts: the exposure up to a time is that up to the time before and what is lost between the two, and what is lost after a
//! patch is what is lost until the next time and, if that passed, what is lost after it. So a whole curve costs one pass, and
//! variants that leave the hazards alone (how bad the release is, what its maintenance costs) share even that.

use std::borrow::Cow;

use super::course::{Ageing, Profiles};
use super::curve::{CELLS, Hazards, Inputs, NOW_DAYS, Optimum, chosen};

/// Parts of the first cell, where young hazards are steep: their ends grow with the square.
const FIRST_PARTS: u32 = 12;

/// A time of the grid.
#[derive(Debug, Clone, Copy)]
struct Node {
    days: f64,
    /// It is an end of an even cell, and no deadline within one.
    even: bool,
    /// What broken promises cost if the release comes then.
    broken: f64,
}

/// The times of a decision: even cells up to the horizon, half a day, and the deadlines of promises. The same for all variants.
#[derive(Debug)]
pub(super) struct Grid {
    nodes: Vec<Node>,
    horizon_days: f64,
    step: f64,
    /// Ends of the parts of cells, in days: of the first cell [`FIRST_PARTS`], which grow with the square because falling
    /// hazards are steep at first, of the others one each.
    parts: Vec<f64>,
    /// For each age of a hazard the logs of the ages at the ends of the parts. Variants differ in shapes, not in ages.
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
        let others = deadlines.chain([NOW_DAYS]).filter(|it| *it > 0.0 && *it < horizon_days);
        times.extend(others.map(|it| (it, false)));
        // Of equal times the even one comes first and stays.
        times.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        times.dedup_by(|later, first| later.0 == first.0);
        let first = times.get(1).map_or(0.0, |it| it.0);
        let share = |part: u32| f64::from(part) / f64::from(FIRST_PARTS);
        let parts = (1..=FIRST_PARTS).map(|part| first * share(part) * share(part));
        let parts: Vec<f64> = parts.chain(times.iter().skip(2).map(|it| it.0)).collect();
        let mut logs: Vec<(f64, Vec<f64>)> = Vec::new();
        for hazard in inputs.hazards.iter().flat_map(|it| &it.aged) {
            if !logs.iter().any(|it| it.0 == hazard.age_days) {
                logs.push((hazard.age_days, logs_at(hazard.age_days, &parts)));
            }
        }
        let node = |(days, even)| Node { days, even, broken: inputs.broken(days) };
        Self { nodes: times.into_iter().map(node).collect(), horizon_days, step, parts, logs }
    }

    /// The logs of what so old a hazard is at the ends of the parts.
    fn logs(&self, age_days: f64) -> Cow<'_, [f64]> {
        match self.logs.iter().find(|it| it.0 == age_days) {
            Some((_, logs)) => Cow::Borrowed(logs),
            None => Cow::Owned(logs_at(age_days, &self.parts)),
        }
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

fn logs_at(age_days: f64, parts: &[f64]) -> Vec<f64> {
    parts.iter().map(|days| (age_days + days).ln()).collect()
}

/// What a host meets between two times.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Probability not to be hit.
    survives: f64,
    /// Expected loss of a host that was not hit before.
    loses: f64,
    /// The same two through fixes that prove incomplete.
    survives_after: f64,
    loses_after: f64,
}

impl Cell {
    fn of(hazard: f64, weighted: f64, incomplete_fix: f64) -> Self {
        if hazard <= 0.0 {
            return Self { survives: 1.0, loses: 0.0, survives_after: 1.0, loses_after: 0.0 };
        }
        let (hit, hit_after) = (-(-hazard).exp_m1(), -(-incomplete_fix * hazard).exp_m1());
        let each = weighted / hazard;
        Self {
            survives: 1.0 - hit,
            loses: each * hit,
            survives_after: 1.0 - hit_after,
            loses_after: each * hit_after,
        }
    }

    /// This one and the next one as one.
    fn then(self, next: Self) -> Self {
        Self {
            survives: self.survives * next.survives,
            loses: self.loses + self.survives * next.loses,
            survives_after: self.survives_after * next.survives_after,
            loses_after: self.loses_after + self.survives_after * next.loses_after,
        }
    }
}

/// What hazards alone decide, at each time of a grid: expected losses per host, the mean over all hosts.
#[derive(Debug)]
pub(super) struct Table {
    /// Before a patch at that time.
    exposure: Vec<f64>,
    /// After it, through fixes that prove incomplete.
    incomplete: Vec<f64>,
}

impl Table {
    pub(super) fn of(grid: &Grid, inputs: &Inputs) -> Self {
        let nodes = grid.nodes.len();
        let mut table = Self { exposure: vec![0.0; nodes], incomplete: vec![0.0; nodes] };
        let mut profiles = Profiles::new(grid.horizon_days);
        let aged: Vec<Vec<Ageing>> =
            inputs.hazards.iter().map(|it| Ageing::all(&it.aged, &mut profiles)).collect();
        // How far each profile has risen at the ends of all parts: the power by its log, which all variants share.
        let rises: Vec<Vec<f64>> = profiles
            .list
            .iter()
            .map(|it| grid.logs(it.age_days).iter().map(|log| (it.shape * log).exp() - it.start).collect())
            .collect();
        let mut room = Room::default();
        for (hazards, aged) in inputs.hazards.iter().zip(&aged) {
            if aged.is_empty() {
                even_hazard(grid, hazards, inputs.incomplete_fix, &mut room.cells);
            } else {
                ageing(grid, (hazards, aged, &rises), inputs.incomplete_fix, &mut room);
            }
            table.add(hazards.share, &room.cells, &mut room.after);
        }
        table
    }

    /// Adds what hosts of a share lose: backwards what is lost after a patch, then forwards what is lost before it.
    fn add(&mut self, share: f64, cells: &[Cell], after: &mut Vec<f64>) {
        after.clear();
        let mut left = 0.0;
        after.push(left);
        for cell in cells.iter().rev() {
            left = cell.loses_after + cell.survives_after * left;
            after.push(left);
        }
        let (mut survived, mut lost) = (share, 0.0);
        let sums = self.exposure.iter_mut().zip(&mut self.incomplete).zip(after.iter().rev());
        // Nothing is met after the last time.
        let cells = cells.iter().map(Some).chain([None]);
        for (((exposure, incomplete), after), cell) in sums.zip(cells) {
            *exposure += lost;
            *incomplete += survived * after;
            if let Some(cell) = cell {
                lost += survived * cell.loses;
                survived *= cell.survives;
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
        let even = (-inputs.theta * grid.step).exp();
        let mut matured = 1.0;
        let parts = self.exposure.iter().zip(&self.incomplete);
        let at = move |(node, (exposure, incomplete)): (&Node, (&f64, &f64))| {
            let left = if node.even {
                let now = matured;
                matured *= even;
                now
            } else {
                (-inputs.theta * node.days).exp()
            };
            let per_host = exposure + incomplete + inputs.known_bugs_per_day * node.days + inputs.maintenance
                - inputs.shared_drain_saves;
            inputs.hosts * per_host + bad * left + node.broken
        };
        grid.nodes.iter().zip(parts).map(at)
    }

    /// The loss of not patching within the horizon.
    pub(super) fn never(&self, grid: &Grid, inputs: &Inputs) -> f64 {
        let exposure = self.exposure.last().copied().unwrap_or(0.0);
        let broken = grid.nodes.last().map_or(0.0, |it| it.broken);
        inputs.hosts * (exposure + inputs.known_bugs_per_day * grid.horizon_days) + broken
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

/// Lists that are filled again for each stratum.
#[derive(Default)]
struct Room {
    cells: Vec<Cell>,
    /// Cumulative hazards at the ends of parts, and the same weighted with losses.
    sums: Vec<(f64, f64)>,
    after: Vec<f64>,
}

/// Cells of a hazard that does not change: all whole ones are alike.
fn even_hazard(grid: &Grid, hazards: &Hazards, incomplete_fix: f64, cells: &mut Vec<Cell>) {
    let of = |days: f64| {
        Cell::of(hazards.constant_per_day * days, hazards.constant_loss_per_day * days, incomplete_fix)
    };
    let whole = of(grid.step);
    let pairs = grid.nodes.iter().zip(grid.nodes.iter().skip(1));
    cells.clear();
    cells.extend(pairs.map(|(a, b)| if a.even && b.even { whole } else { of(b.days - a.days) }));
}

/// Cells of hazards that fall with age. Within a cell, losses and hazards are taken to fall alike.
fn ageing(
    grid: &Grid,
    (hazards, aged, rises): (&Hazards, &[Ageing], &[Vec<f64>]),
    incomplete_fix: f64,
    room: &mut Room,
) {
    let even = |days: &f64| (hazards.constant_per_day * days, hazards.constant_loss_per_day * days);
    room.sums.clear();
    room.sums.extend(grid.parts.iter().map(even));
    for it in aged {
        let Some(rises) = rises.get(it.profile) else { continue };
        for (((hazard, loss), rise), days) in room.sums.iter_mut().zip(rises).zip(&grid.parts) {
            let rise = rise.max(it.least_per_day * days);
            *hazard += it.scale * rise;
            *loss += it.weighted * rise;
        }
    }
    let mut before = (0.0, 0.0);
    let mut parts = room.sums.iter().map(|at| {
        let cell = Cell::of(at.0 - before.0, at.1 - before.1, incomplete_fix);
        before = *at;
        cell
    });
    let first = parts.by_ref().take(FIRST_PARTS as usize).reduce(Cell::then);
    room.cells.clear();
    room.cells.extend(first.into_iter().chain(parts));
}

#[cfg(test)]
mod tests {
    use super::super::curve::{AgedHazard, Penalty};
    use super::*;

    fn stratum(share: f64) -> Hazards {
        Hazards { share, constant_per_day: 0.0004, constant_loss_per_day: 0.03, aged: Vec::new() }
    }

    fn inputs() -> Inputs {
        Inputs {
            horizon_days: 90.0,
            hosts: 7.0,
            hazards: vec![stratum(1.0)],
            incomplete_fix: 0.1,
            bad: 0.08,
            theta: 0.06,
            hit: 0.2,
            loss_per_bad_host: 30.0,
            ring_stops: 0.5,
            first_ring_share: 0.25,
            known_bugs_per_day: 0.002,
            maintenance: 0.5,
            shared_drain_saves: 0.1,
            penalties: [13.0, 45.0, 400.0]
                .map(|at_days| Penalty { promise: "p".into(), at_days, loss: 2.0 })
                .into(),
            ..Inputs::default()
        }
    }

    fn aged() -> Inputs {
        let one = |thirty_days, age_days, loss| AgedHazard {
            thirty_days,
            constant_thirty_days: 0.0,
            age_days,
            shape: 0.28,
            loss,
        };
        let aged = vec![one(0.02, 0.0, 40.0), one(0.05, 300.0, 90.0), one(0.01, 0.0, 5.0)];
        Inputs { hazards: vec![Hazards { aged, ..stratum(1.0) }], ..inputs() }
    }

    /// Falling hazards that a constant one passes after the thirtieth day and at once.
    fn passed() -> Inputs {
        let mut it = aged();
        it.hazards[0].aged[0].constant_thirty_days = 0.018;
        it.hazards[0].aged[2].constant_thirty_days = 0.01;
        it
    }

    /// Hosts that are hit in one of these ways each, and some that nothing hits.
    fn unlike() -> Inputs {
        let strata = [inputs(), aged(), passed()].map(|it| it.hazards[0].clone());
        let shares = [0.5, 0.2, 0.1];
        let hazards = strata.into_iter().zip(shares).map(|(stratum, share)| Hazards { share, ..stratum });
        Inputs { hazards: hazards.collect(), ..inputs() }
    }

    /// The same numbers as the integrals from the start, each worked out alone: exactly where a hazard does not change, and
    /// within what both integrals are off by where hazards age at different rates and cost different losses.
    #[test]
    fn a_table_says_at_every_time_what_the_curve_says() {
        let quiet = Inputs { hazards: vec![Hazards { share: 1.0, ..Hazards::default() }], ..inputs() };
        for (inputs, off) in
            [(inputs(), 1e-12), (quiet, 1e-12), (aged(), 2e-5), (passed(), 2e-5), (unlike(), 2e-5)]
        {
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
        assert_eq!(days.iter().filter(|it| **it == 45.0).count(), 1, "a deadline at an even time");
        assert!(days.windows(2).all(|it| it[0] < it[1]));
        assert_eq!(grid.even_days().count(), CELLS as usize + 1);
        // On the day of a deadline the promise is kept.
        let broken = |at: f64| grid.nodes.iter().find(|it| it.days == at).unwrap().broken;
        assert_eq!((broken(13.0), broken(45.0), broken(90.0)), (0.0, 2.0, 4.0));
    }
}
