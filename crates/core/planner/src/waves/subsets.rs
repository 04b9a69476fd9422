//! The least number of host subsets that sums, N+1 and group sizes allow, and the partitions that reach it.
//!
//! Hosts with equal capacity in the same parts are interchangeable, so a subset is a count by type and there are
//! far fewer of them than sets. A subset of an allowed subset is allowed, so a least cover is a least partition.

use rustc_hash::FxHashMap;

use super::problem::Problem;

/// Most states (counts by type) that are looked at.
const MAX_STATES: usize = 1 << 13;
/// Most pairs of a state and a part of it.
const MAX_PAIRS: u128 = 2_500_000;

/// How many hosts of each type, as one number.
pub(super) type State = usize;

/// Subsets by count of each type.
#[derive(Debug)]
pub(super) struct Subsets {
    /// Hosts of each type, in the order of their indices.
    pub(super) types: Vec<Vec<usize>>,
    /// What one host of each type adds to a state.
    weight: Vec<usize>,
    /// Whether the state may be away.
    allowed: Vec<bool>,
    /// Least number of waves that take the state away; `usize::MAX`: none.
    least: Vec<usize>,
}

impl Subsets {
    /// `None` when there are too many subsets to look at them all.
    pub(super) fn new(problem: &Problem<'_>) -> Option<Self> {
        let types = types(problem);
        let mut weight = Vec::new();
        let mut states: usize = 1;
        let mut pairs: u128 = 1;
        for hosts in &types {
            weight.push(states);
            let many = hosts.len() as u128;
            pairs = pairs.saturating_mul((many + 1) * (many + 2) / 2);
            states = states.checked_mul(hosts.len() + 1).filter(|it| *it <= MAX_STATES)?;
            if pairs > MAX_PAIRS {
                return None;
            }
        }
        let mut subsets =
            Self { types, weight, allowed: vec![false; states], least: vec![usize::MAX; states] };
        for state in 0..states {
            subsets.allowed[state] = subsets.may_be_away(problem, state);
        }
        subsets.least[0] = 0;
        for state in 1..states {
            let mut least = usize::MAX;
            subsets.parts(state, &mut |part| {
                if subsets.allowed[part] {
                    least = least.min(subsets.least[state - part].saturating_add(1));
                }
            });
            subsets.least[state] = least;
        }
        Some(subsets)
    }

    /// The state of all hosts.
    pub(super) fn all(&self) -> State {
        self.allowed.len() - 1
    }

    /// Least number of waves for a state.
    pub(super) fn least(&self, state: State) -> usize {
        self.least[state]
    }

    /// The sums allow that these hosts are away together.
    pub(super) fn allowed(&self, state: State) -> bool {
        self.allowed[state]
    }

    /// How many hosts of a type a state has.
    pub(super) fn count(&self, state: State, of: usize) -> usize {
        state / self.weight[of] % (self.types[of].len() + 1)
    }

    /// The first hosts of each type that make up a state.
    pub(super) fn hosts(&self, state: State) -> Vec<usize> {
        (0..self.types.len())
            .flat_map(|of| self.types[of].iter().take(self.count(state, of)))
            .copied()
            .collect()
    }

    /// Every non-empty part of a state that has at least one host of the state's first type: some wave must.
    pub(super) fn parts(&self, state: State, visit: &mut dyn FnMut(State)) {
        let counts: Vec<usize> = (0..self.types.len()).map(|of| self.count(state, of)).collect();
        let Some(first) = counts.iter().position(|it| *it > 0) else { return };
        let mut chosen = counts.clone();
        loop {
            let part: usize = chosen.iter().zip(&self.weight).map(|(count, weight)| count * weight).sum();
            visit(part);
            // Counts down like an odometer; the first type never to zero.
            let mut at = chosen.len();
            loop {
                if at == first {
                    return;
                }
                at -= 1;
                let least = usize::from(at == first);
                if chosen[at] > least {
                    chosen[at] -= 1;
                    break;
                }
                chosen[at] = counts[at];
            }
        }
    }

    fn may_be_away(&self, problem: &Problem<'_>, state: State) -> bool {
        let mut away = vec![0i64; problem.width];
        let mut rest = vec![0i64; problem.width];
        let mut hosts = 0;
        for (of, members) in self.types.iter().enumerate() {
            let count = self.count(state, of);
            let Some(one) = members.first() else { continue };
            hosts += count;
            for (at, capacity) in problem.capacity(*one).iter().enumerate() {
                away[at] += capacity * i64::try_from(count).unwrap_or(0);
                if count < members.len() {
                    rest[at] = rest[at].max(*capacity);
                }
            }
        }
        problem.admissible(&away, &rest, hosts)
    }
}

fn types(problem: &Problem<'_>) -> Vec<Vec<usize>> {
    let mut numbers: FxHashMap<(u32, &[i64]), usize> = FxHashMap::default();
    let mut types: Vec<Vec<usize>> = Vec::new();
    for host in &problem.alive {
        let next = types.len();
        let number = *numbers.entry((problem.class[*host], problem.capacity(*host))).or_insert(next);
        if number == next {
            types.push(Vec::new());
        }
        types[number].push(*host);
    }
    types
}
