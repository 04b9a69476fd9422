//! A first schedule of each part by several rules, and better ones while evaluations are left.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rustc_hash::FxHashMap;

use super::bounds::{bounds, tails};
use super::exact;
use super::list::{Listed, Placed, Priorities, list, tight};
use super::order::{Ordered, earliest, order};
use super::problem::Problem;
use super::{Move, Options, Schedule, Scheduled, Unschedulable};

/// One part of the network, scheduled.
pub(super) struct Part<'p> {
    problem: &'p Problem,
    bounds: BTreeMap<&'static str, u64>,
    by: Priorities,
    placed: Vec<Placed>,
    tried: u64,
}

impl<'p> Part<'p> {
    /// The best schedule of a few rules: of the first one however long it takes, of others within a share of the evaluations.
    /// Where no rule leads to a schedule, all evaluations may go into looking for an order.
    ///
    /// # Errors
    /// No order of the moves has room for each, or none was found.
    pub(super) fn new(problem: &'p Problem, share: u64, options: &Options) -> Result<Self, Unschedulable> {
        let bounds = bounds(problem, &earliest(problem)?);
        let goal = bounds.values().copied().max().unwrap_or(0);
        let all_modes: Vec<usize> = problem.tasks.iter().map(|it| it.modes.len()).collect();
        let mut ways = vec![vec![1; problem.tasks.len()]];
        if all_modes.iter().any(|it| *it > 1) {
            ways.push(all_modes);
        }
        let (mut tried, mut best, mut last) = (0, None::<(Priorities, Vec<Placed>)>, Vec::new());
        let in_order = false;
        'rules: for rule in rules(problem) {
            for modes in &ways {
                if best.as_ref().is_some_and(|it| ends(&it.1).0 <= goal || tried > share) {
                    break 'rules;
                }
                let by = Priorities { order: rule.clone(), modes: modes.clone(), in_order };
                match list(problem, &by, &mut tried) {
                    Listed::All(placed) => {
                        if best.as_ref().is_none_or(|it| ends(&placed) < ends(&it.1)) {
                            best = Some((by, placed));
                        }
                    }
                    Listed::Stuck(_) => last = rule.clone(),
                }
            }
        }
        let (by, placed) = match best {
            Some(best) => best,
            None => in_turns(problem, &last, options.evaluations, &mut tried)?,
        };
        Ok(Self { problem, bounds, by, placed, tried })
    }

    fn makespan_ms(&self) -> u64 {
        ends(&self.placed).0
    }

    fn bound_ms(&self) -> u64 {
        self.bounds.values().copied().max().unwrap_or(0)
    }

    /// Looks for better schedules until one ends by `goal_ms`, or so many evaluations are spent.
    fn improve(&mut self, goal_ms: u64, evaluations: u64, seed: u64) {
        if self.problem.tasks.len() <= exact::MOST_TASKS {
            let enough_ms = goal_ms.max(self.bound_ms());
            let mut budget = evaluations;
            let known_ms = self.makespan_ms();
            let found = exact::search(self.problem, &self.by.order, known_ms, enough_ms, &mut budget);
            self.tried += evaluations - budget;
            if let Some(placed) = found.better {
                self.placed = placed;
            }
            if found.exhausted && self.makespan_ms() > enough_ms {
                self.bounds.insert("search", self.makespan_ms());
            }
        } else {
            self.climb(goal_ms, evaluations, seed);
        }
    }

    /// Changes the priorities a little, keeps what is not worse.
    fn climb(&mut self, goal_ms: u64, evaluations: u64, seed: u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let until = self.tried + evaluations;
        let mut chain = chain(self.problem, &self.placed);
        while self.tried < until && self.makespan_ms() > goal_ms.max(self.bound_ms()) {
            let by = changed(self.problem, &self.by, &chain, &mut random);
            let Listed::All(placed) = list(self.problem, &by, &mut self.tried) else { continue };
            if ends(&placed) <= ends(&self.placed) {
                chain = self::chain(self.problem, &placed);
                (self.by, self.placed) = (by, placed);
            }
        }
    }
}

/// The last end, and the sum of all: what is compared.
fn ends(placed: &[Placed]) -> (u64, u128) {
    let last = placed.iter().map(|it| it.end_ms).max().unwrap_or(0);
    (last, placed.iter().map(|it| u128::from(it.end_ms)).sum())
}

/// A schedule where room has to be taken in turns, in an order in which there is enough of it.
fn in_turns(
    problem: &Problem,
    preferred: &[usize],
    evaluations: u64,
    tried: &mut u64,
) -> Result<(Priorities, Vec<Placed>), Unschedulable> {
    let given = |tasks: Vec<usize>| tasks.into_iter().map(|it| problem.given[it]).collect();
    let mut budget = evaluations;
    let found = order(problem, preferred, &mut budget);
    *tried += evaluations - budget;
    let order = match found {
        Ordered::Order(order) => order,
        Ordered::None(why) => return Err(why),
        Ordered::BudgetEnded(left) => {
            return Err(Unschedulable::OrderNotFound { blocked: given(left), evaluations });
        }
    };
    let by = Priorities { order, modes: vec![1; problem.tasks.len()], in_order: true };
    match list(problem, &by, tried) {
        Listed::All(placed) => Ok((by, placed)),
        // It cannot be: the first of those left has room when all before it have ended.
        Listed::Stuck(left) => Err(Unschedulable::OrderNotFound { blocked: given(left), evaluations }),
    }
}

/// Orders of tasks: what goes over the busiest links first; the longest chains first; what frees scarce room first.
fn rules(problem: &Problem) -> Vec<Vec<usize>> {
    let (tails, tight) = (tails(problem), tight(problem));
    let (mut out_ms, mut in_ms) = (vec![0_u128; problem.nodes.len()], vec![0_u128; problem.nodes.len()]);
    for it in &problem.tasks {
        let (from, to) = (&problem.nodes[it.from], &problem.nodes[it.to]);
        out_ms[it.from] += it.least_volume() / u128::from(from.out_mbps.max(1));
        in_ms[it.to] += it.least_volume() / u128::from(to.in_mbps.max(1));
    }
    let busiest = |task: usize| out_ms[problem.tasks[task].from].max(in_ms[problem.tasks[task].to]);
    let frees = |task: usize| {
        let it = &problem.tasks[task];
        (tight[it.from], !tight[it.to])
    };
    let sorted = |key: &dyn Fn(usize) -> (u128, u128, u128)| {
        let mut order: Vec<usize> = (0..problem.tasks.len()).collect();
        order.sort_by_cached_key(|task| (Reverse(key(*task)), *task));
        order
    };
    let mut rules = vec![
        sorted(&|task| (busiest(task), u128::from(tails[task]), 0)),
        sorted(&|task| (u128::from(tails[task]), busiest(task), 0)),
    ];
    if tight.contains(&true) {
        rules.push(sorted(&|task| {
            let (first, second) = frees(task);
            (u128::from(first) * 2 + u128::from(second), busiest(task), u128::from(tails[task]))
        }));
    }
    rules
}

/// Tasks of which each waited for the end of the next, from the last end back.
fn chain(problem: &Problem, placed: &[Placed]) -> Vec<usize> {
    let mut ending: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
    for (task, it) in placed.iter().enumerate() {
        ending.entry(it.end_ms).or_default().push(task);
    }
    let touches = |one: usize, other: usize| {
        let (one, other) = (&problem.tasks[one], &problem.tasks[other]);
        [other.from, other.to].contains(&one.from) || [other.from, other.to].contains(&one.to)
    };
    let mut chain = Vec::new();
    let mut last = (0..placed.len()).max_by_key(|task| (placed[*task].end_ms, *task));
    while let Some(task) = last {
        chain.push(task);
        let before = ending.get(&placed[task].start_ms);
        last = before.and_then(|it| {
            let waited = |other: &&usize| {
                **other != task && (touches(task, **other) || problem.tasks[task].before.contains(other))
            };
            it.iter().find(waited).copied()
        });
    }
    chain
}

/// A number below a bound.
fn below(bound: usize, random: &mut ChaCha8Rng) -> usize {
    usize::try_from(random.next_u64() % (bound.max(1) as u64)).unwrap_or(0)
}

/// One small change: a task of the chain goes forward in the order, or any two change places, or a task may or may not be
/// slower.
fn changed(problem: &Problem, by: &Priorities, chain: &[usize], random: &mut ChaCha8Rng) -> Priorities {
    let mut by = by.clone();
    let count = by.order.len();
    let kind = below(4, random);
    if kind == 0 {
        let task = below(count, random);
        let modes = problem.tasks[task].modes.len();
        if modes > 1 {
            by.modes[task] = 1 + below(modes, random);
            return by;
        }
    }
    if kind == 1 {
        let (one, other) = (below(count, random), below(count, random));
        by.order.swap(one, other);
        return by;
    }
    let task = chain.get(below(chain.len(), random)).copied().unwrap_or(0);
    let at = by.order.iter().position(|it| *it == task).unwrap_or(0);
    let to = below(at + 1, random);
    by.order[to..=at].rotate_right(1);
    by
}

/// Spends the evaluations on the parts that end last.
pub(super) fn improve(parts: &mut [Part], options: &Options) {
    let goal_ms = parts.iter().map(Part::bound_ms).max().unwrap_or(0);
    let mut late: Vec<usize> = (0..parts.len()).filter(|it| parts[*it].makespan_ms() > goal_ms).collect();
    late.sort_by_key(|it| (Reverse(parts[*it].makespan_ms()), *it));
    let spent: u64 = parts.iter().map(|it| it.tried).sum();
    let mut left = options.evaluations.saturating_sub(spent);
    let mut tasks: u64 = late.iter().map(|it| parts[*it].problem.tasks.len() as u64).sum();
    // A part that ends no later than one that could not be improved further is good enough.
    let mut goal_ms = goal_ms;
    for at in late {
        let part = &mut parts[at];
        let own = part.problem.tasks.len() as u64;
        if part.makespan_ms() > goal_ms {
            let share = u128::from(left) * u128::from(own) / u128::from(tasks.max(1));
            let before = part.tried;
            part.improve(goal_ms, u64::try_from(share).unwrap_or(left), options.seed.wrapping_add(at as u64));
            left = left.saturating_sub(part.tried - before);
            goal_ms = goal_ms.max(part.makespan_ms());
        }
        tasks -= own;
    }
}

/// The schedule of all parts.
pub(super) fn merge(parts: &[Part], moves: &[Move]) -> Schedule {
    let nothing = Scheduled { start_ms: 0, end_ms: 0, mbps: 0, rounds: None, blackout_ms: None };
    let mut all = vec![nothing; moves.len()];
    let mut lower_bound: BTreeMap<&'static str, u64> = BTreeMap::new();
    for part in parts {
        for (given, it) in part.problem.given.iter().zip(&part.placed) {
            let timing = moves[*given].load.timing(it.mbps);
            all[*given] = Scheduled {
                start_ms: it.start_ms,
                end_ms: it.end_ms,
                mbps: it.mbps,
                rounds: timing.and_then(|it| it.rounds),
                blackout_ms: timing.and_then(|it| it.blackout_ms),
            };
        }
        for (name, bound) in &part.bounds {
            let most = lower_bound.entry(name).or_insert(0);
            *most = (*most).max(*bound);
        }
    }
    let makespan_ms = all.iter().map(|it| it.end_ms).max().unwrap_or(0);
    let best_bound = lower_bound.values().copied().max().unwrap_or(0);
    let evaluations = parts.iter().map(|it| it.tried).sum();
    Schedule { moves: all, makespan_ms, lower_bound, optimal: best_bound == makespan_ms, evaluations }
}
