//! One annealing: shifts and swaps at a falling temperature, under prices that follow it.
//!
//! Capacity, spread and dependency may be broken on the way, at a price: a large process finds its place while it is hot, and the
//! small ones make room as it cools. Where laws stay broken although it is cold, their prices rise. What is transient has a
//! price of its own, which falls to nothing: a process that moves without need takes room from two machines.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::Found;
use super::layout::Layout;
use super::state::{Prices, State};

/// Acceptance thresholds: `-ln` of this many equally likely numbers between 0 and 1. A table, because logarithms of the
/// machine's library are not the same everywhere.
const THRESHOLDS: usize = 1 << 12;
/// Moves between two looks at the clock and changes of the temperature.
const STEP: u64 = 1 << 10;
/// Share of the moves that are shifts; the others are swaps.
const SHIFTS: u32 = share(0.4);
/// Share of the shifts that go back to the first machine.
const HOMEWARD: u32 = share(0.3);
/// Share of the swaps within a service.
const WITHIN_SERVICE: u32 = share(0.2);
/// Share of an annealing in which a price may double.
const DOUBLING: f64 = 0.01;
/// Penalty per machine, in temperatures, above which a price rises: what fluctuates around a law that holds is below.
const FLUCTUATION: f64 = 0.3;
/// Highest prices, as multiples of the lowest.
const STEEPEST: f64 = 200.0;
/// Share of an annealing after which nothing is paid for what is left behind.
const LEFT_FREE: f64 = 0.8;
/// Moves that are remembered to get back to the best assignment, before it is copied.
const JOURNAL: usize = 1 << 12;

/// A probability as a threshold for 32 random bits.
const fn share(probability: f64) -> u32 {
    (probability * 4_294_967_296.0) as u32
}

/// Temperatures and prices of an annealing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    hot: f64,
    cold: f64,
    /// The lowest.
    prices: Prices,
}

impl Schedule {
    /// Spread and dependency are never broken.
    pub(super) fn strict(scale: f64) -> Self {
        let prices = Prices { over: 5.0, law: 1_000.0 * scale, left: 4.0 };
        Self { hot: 0.2 * scale, cold: (2e-6 * scale).max(1.0), prices }
    }

    /// They may be broken for a while.
    pub(super) fn lenient(scale: f64) -> Self {
        let prices = Prices { over: 20.0, law: 0.1 * scale, left: 4.0 };
        Self { prices, ..Self::strict(scale) }
    }

    /// From lukewarm on, and nothing is broken any more.
    pub(super) fn warm(self) -> Self {
        let law = self.prices.law * STEEPEST;
        Self {
            hot: self.hot * 3e-3,
            cold: (self.cold * 0.1).max(0.5),
            prices: Prices { over: 100.0, law, left: 0.0 },
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Annealing {
    pub(super) schedule: Schedule,
    pub(super) seed: u64,
    /// Makes islands and rounds differ.
    pub(super) stream: u64,
    /// Of a whole search on one island.
    pub(super) evaluations: u64,
    /// Shares of the whole search at which this begins and ends.
    pub(super) from: f64,
    pub(super) until: f64,
}

impl Annealing {
    /// How much of this annealing is over, once a share of the whole search is.
    fn progress(&self, whole: f64) -> f64 {
        ((whole - self.from) / (self.until - self.from)).clamp(0.0, 1.0)
    }
}

/// Anneals from an assignment on; the best feasible one that came up, or that one.
pub(super) fn anneal(
    layout: &Layout,
    start: &[u32],
    task: &Annealing,
    spent: &(dyn Fn() -> f64 + Sync),
) -> Found {
    let mut run = Run::new(layout, start, task);
    let before = task.from * task.evaluations as f64;
    let (mut evaluations, mut priced) = (0, 0.0);
    let schedule = task.schedule;
    // Prices cost a look at everything.
    let pricing = ((layout.processes + layout.machines * layout.width) as u64).next_power_of_two().max(STEP);
    loop {
        let counted = (before + evaluations as f64) / task.evaluations.max(1) as f64;
        let progress = task.progress(counted.max(spent()));
        if progress >= 1.0 {
            break;
        }
        let temperature = schedule.hot * libm::pow(schedule.cold / schedule.hot, progress);
        if evaluations % pricing == 0 {
            run.price(&schedule, temperature, progress, progress - priced);
            priced = progress;
        }
        for _ in 0..STEP {
            run.try_one(temperature);
        }
        evaluations += STEP;
    }
    let (assignment, cost) = run.best.take(&run.state);
    Found { assignment, cost, evaluations }
}

struct Run<'a> {
    layout: &'a Layout,
    state: State<'a>,
    rng: ChaCha8Rng,
    thresholds: Vec<f64>,
    prices: Prices,
    best: Best,
}

impl<'a> Run<'a> {
    fn new(layout: &'a Layout, start: &[u32], task: &Annealing) -> Self {
        let prices = task.schedule.prices;
        let state = State::new(layout, start, prices);
        let mut rng = ChaCha8Rng::seed_from_u64(task.seed);
        rng.set_stream(task.stream);
        let threshold = |at: usize| -libm::log((at as f64 + 0.5) / THRESHOLDS as f64);
        let best = Best { cost: state.objective(), copy: start.to_vec(), journal: None };
        Self { layout, state, rng, thresholds: (0..THRESHOLDS).map(threshold).collect(), prices, best }
    }

    /// Lets prices follow the temperature; `passed` is the share of the annealing since the last time.
    fn price(&mut self, schedule: &Schedule, temperature: f64, progress: f64, passed: f64) {
        let grow = libm::exp2((passed / DOUBLING).min(1.0));
        let tolerated = FLUCTUATION * self.layout.machines as f64 * temperature;
        let over = self.state.over_penalty() as f64;
        let laws = self.state.penalty() as f64 - over;
        let follow = |price: f64, penalty: f64, least: f64| {
            let next = if penalty > tolerated { price * grow } else { price / libm::sqrt(grow) };
            next.clamp(least, least * STEEPEST)
        };
        let lowest = schedule.prices;
        self.prices = Prices {
            over: follow(self.prices.over, over, lowest.over),
            law: follow(self.prices.law, laws, lowest.law),
            left: lowest.left * (1.0 - progress / LEFT_FREE).max(0.0),
        };
        self.state.set_prices(self.prices);
    }

    /// Proposes a move, and makes it if the temperature allows.
    fn try_one(&mut self, temperature: f64) {
        let (kind, pick) = (self.rng.next_u64(), self.rng.next_u64());
        let limit = (temperature * self.thresholds[(kind >> 52) as usize]) as i64;
        let (first, second) = (pick as u32, (pick >> 32) as u32);
        let process = below(first, self.layout.processes);
        let home = self.state.machine_of[process as usize];
        // Bits that decide on the threshold do not decide on anything else.
        let (is_shift, special) = ((kind as u32) < SHIFTS, (kind >> 20) as u32);
        if is_shift {
            let to = if special < HOMEWARD {
                self.layout.origin[process as usize]
            } else {
                below(second, self.layout.machines)
            };
            if to != home && self.state.shift(process, to).is_some_and(|change| change <= limit) {
                self.relocate(process, to);
                self.best.look(&self.state);
            }
            return;
        }
        let own = self.layout.members.of(self.layout.service[process as usize]);
        let other = if special < WITHIN_SERVICE && own.len() > 1 {
            own[below(second, own.len()) as usize]
        } else {
            below(second, self.layout.processes)
        };
        let there = self.state.machine_of[other as usize];
        if there != home && self.state.swap(process, other).is_some_and(|change| change <= limit) {
            self.best.note(&self.state, process, home);
            self.best.note(&self.state, other, there);
            self.state.exchange_places(process, other);
            self.best.look(&self.state);
        }
    }

    fn relocate(&mut self, process: u32, to: u32) {
        self.best.note(&self.state, process, self.state.machine_of[process as usize]);
        self.state.relocate(process, to);
    }
}

/// An index below a limit, from 32 random bits.
fn below(bits: u32, limit: usize) -> u32 {
    ((u64::from(bits) * limit as u64) >> 32) as u32
}

/// The best feasible assignment so far: as a copy, or as the way back to it from the present one. Most moves of a cold
/// search are a new best one, too many to copy each.
struct Best {
    cost: i64,
    copy: Vec<u32>,
    /// Processes that moved since the best one, and the machines that they left; `None`: the copy is the best one.
    journal: Option<Vec<(u32, u32)>>,
}

impl Best {
    /// Notes that a process is about to leave a machine.
    fn note(&mut self, state: &State<'_>, process: u32, from: u32) {
        let Some(journal) = &mut self.journal else { return };
        if journal.len() == JOURNAL {
            // Asked before both moves of a swap, so that the journal leads here from every state in between.
            let journal = std::mem::take(journal);
            self.unwind(state, &journal);
            self.journal = None;
            return;
        }
        journal.push((process, from));
    }

    /// Looks whether the present assignment is a better one.
    fn look(&mut self, state: &State<'_>) {
        if state.is_feasible() && state.objective() < self.cost {
            self.cost = state.objective();
            self.journal.get_or_insert_default().clear();
        }
    }

    fn unwind(&mut self, state: &State<'_>, journal: &[(u32, u32)]) {
        self.copy.clone_from(&state.machine_of);
        for (process, machine) in journal.iter().rev() {
            self.copy[*process as usize] = *machine;
        }
    }

    /// The best assignment and its cost.
    fn take(mut self, state: &State<'_>) -> (Vec<u32>, i64) {
        if let Some(journal) = self.journal.take() {
            self.unwind(state, &journal);
        }
        (self.copy, self.cost)
    }
}
