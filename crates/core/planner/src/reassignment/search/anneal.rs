//! Annealing.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::layout::Layout;
use super::state::State;
use super::{Found, Options};

const TABLE: usize = 1 << 12;

fn below(word: u32, limit: usize) -> u32 {
    ((u64::from(word) * limit as u64) >> 32) as u32
}

pub(super) fn anneal(
    layout: &Layout,
    initial: &[u32],
    options: &Options,
    spent: &(dyn Fn() -> f64 + Sync),
) -> Found {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut state = State::new(layout, initial);
    let table: Vec<f64> = (0..TABLE).map(|at| -libm::log((at as f64 + 0.5) / TABLE as f64)).collect();
    let env = |k: &str, d: f64| std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let t0 = env("T0", 1e6);
    let t1 = env("T1", 1.0);
    let pshift = (env("PS", 0.4) * 4294967296.0) as u32;
    let mut best = state.cost;
    let mut best_assignment = initial.to_vec();
    let mut done = 0u64;
    let mut temperature;
    let mut acc = [0u64; 4];
    let mut step = 0;
    loop {
        let fraction = (done as f64 / options.evaluations as f64).max(spent());
        if (fraction * 20.0) as u64 >= step {
            let t = t0 * libm::pow(t1 / t0, fraction);
            eprintln!("{fraction:.2} T {t:.3e} cost {} best {best} shift {}/{} swap {}/{}", state.cost, acc[0], acc[1], acc[2], acc[3]);
            acc = [0; 4];
            step += 1;
        }
        if fraction >= 1.0 {
            break;
        }
        temperature = t0 * libm::pow(t1 / t0, fraction);
        for _ in 0..1024 {
            let word = rng.next_u64();
            let pick = rng.next_u64();
            let limit = (temperature * table[(word >> 52) as usize]) as i64;
            let one = below(pick as u32, layout.processes);
            let here = state.machine_of[one as usize];
            if (word as u32) < pshift {
                acc[1] += 1;
                let to = below((pick >> 32) as u32, layout.machines);
                if to == here {
                    continue;
                }
                if let Some(change) = state.shift(one, to)
                    && change <= limit
                {
                    acc[0] += 1;
                    state.relocate(one, to);
                }
            } else {
                acc[3] += 1;
                let other = below((pick >> 32) as u32, layout.processes);
                if state.machine_of[other as usize] == here {
                    continue;
                }
                if let Some(change) = state.swap(one, other)
                    && change <= limit
                {
                    acc[2] += 1;
                    state.exchange_places(one, other);
                }
            }
            if state.cost < best {
                best = state.cost;
                best_assignment.clone_from(&state.machine_of);
            }
        }
        done += 1024;
    }
    Found { assignment: best_assignment, cost: best, evaluations: done }
}
