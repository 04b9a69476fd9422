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
    let table: Vec<f64> = (0..TABLE).map(|at| -libm::log((at as f64 + 0.5) / TABLE as f64)).collect();
    let env = |k: &str, d: f64| std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let mut state = State::new(layout, initial, env("OF", 5.0) as i64, env("LP", 1e6) as i64);
    let t0 = env("T0", 1e6);
    let t1 = env("T1", 1.0);
    let pown = (env("PO", 0.2) * 4294967296.0) as u32;
    let phome = (env("PH", 0.2) * 4294967296.0) as u32;
    let pshift = (env("PS", 0.4) * 4294967296.0) as u32;
    let (mut of, mut lp) = (env("OF", 5.0), env("LP", 1e6));
    let mut best = state.cost;
    let mut best_assignment = initial.to_vec();
    let mut done = 0u64;
    let mut temperature;
    let mut acc = [0u64; 4];
    let mut step = 0;
    loop {
        let fraction = ((done as f64 / options.evaluations as f64).max(spent())) / env("SA", 0.4);
        if (fraction * 20.0) as u64 >= step {
            let t = t0 * libm::pow(t1 / t0, fraction);
            eprintln!("{fraction:.2} T {t:.3e} cost {} of {of:.0} {} lp {lp:.0} {} best {best} shift {}/{} swap {}/{}", state.cost, state.over_penalty(), state.penalty - state.over_penalty(), acc[0], acc[1], acc[2], acc[3]);
            acc = [0; 4];
            step += 1;
        }
        if fraction >= 1.0 {
            eprintln!("end of first");
            break;
        }
        if done % (1 << 16) == 0 {
            let t = t0 * libm::pow(t1 / t0, fraction);
            let step = 65536.0 / options.evaluations as f64 / env("DB", 0.01);
            let (grow, shrink) = (libm::exp2(step), libm::exp2(-step * env("SH", 0.5)));
            let over = state.over_penalty() as f64;
            let law = (state.penalty - state.over_penalty()) as f64;
            let m = layout.machines as f64;
            of = if over > env("KO", 0.3) * m * t { of * grow } else { of * shrink }.clamp(env("OF", 5.0), 1000.0);
            lp = if law > env("KL", 0.3) * m * t { lp * grow } else { lp * shrink }.clamp(env("LP", 1e6), 1e9);
            state.set_prices(of, lp);
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
                let to = if rng.next_u32() < phome { layout.origin[one as usize] } else { below((pick >> 32) as u32, layout.machines) };
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
                let other = if rng.next_u32() < pown {
                    let own = layout.members.of(layout.service[one as usize]);
                    own[below((pick >> 32) as u32, own.len()) as usize]
                } else { below((pick >> 32) as u32, layout.processes) };
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
            if state.cost < best && state.penalty == 0 {
                best = state.cost;
                best_assignment.clone_from(&state.machine_of);
            }
        }
        done += 1024;
    }
    for (process, machine) in (0u32..).zip(&best_assignment) {
        state.relocate(process, *machine);
    }
    // Local annealing.
    const TEMPS: usize = 12;
    const KS: [usize; 5] = [2, 3, 4, 6, 10];
    let mut stats = vec![[0f64; 4]; TEMPS * KS.len() * 3];
    let hot0 = env("H0", 30.0);
    let hot1 = env("H1", 1e6);
    let cold = env("C", 10.0);
    let mut next = 0.0;
    let mut rounds = 0u64;
    while done < options.evaluations {
        let f = done as f64 / options.evaluations as f64;
        if f >= next {
            eprintln!("{f:.2} rounds {rounds} cost {}", state.cost);
            next += 0.05;
        }
        rounds += 1;
        let arm = below(rng.next_u32(), TEMPS);
        let k_arm = below(rng.next_u32(), KS.len()) as usize;
        let n_arm = below(rng.next_u32(), 3) as usize;
        let k = KS[k_arm].min(layout.machines);
        let hot = hot0 * libm::pow(hot1 / hot0, arm as f64 / (TEMPS - 1) as f64);
        let mut machines: Vec<u32> = Vec::new();
        while machines.len() < k {
            let m = below(rng.next_u32(), layout.machines);
            if !machines.contains(&m) { machines.push(m); }
        }
        let pool: Vec<u32> = machines.iter().flat_map(|m| state.on[*m as usize].iter().copied()).collect();
        if pool.is_empty() { done += 1; continue; }
        let home: Vec<u32> = pool.iter().map(|p| state.machine_of[*p as usize]).collect();
        let start = state.cost;
        let evals = pool.len() as u64 * [10, 40, 160][n_arm];
        let mut local_best = start;
        let mut local: Vec<u32> = Vec::new();
        let ratio = libm::pow(cold / hot, 16.0 / evals as f64);
        let mut temperature = hot;
        for i in 0..evals {
            if i % 16 == 0 { temperature *= ratio; }
            let word = rng.next_u64();
            let pick = rng.next_u64();
            let limit = (temperature * table[(word >> 52) as usize]) as i64;
            let one = pool[below(pick as u32, pool.len()) as usize];
            let here = state.machine_of[one as usize];
            if (word as u32) < pshift {
                let to = machines[below((pick >> 32) as u32, k) as usize];
                if to == here { continue; }
                if let Some(change) = state.shift(one, to) && change <= limit {
                    state.relocate(one, to);
                }
            } else {
                let other = pool[below((pick >> 32) as u32, pool.len()) as usize];
                if state.machine_of[other as usize] == here { continue; }
                if let Some(change) = state.swap(one, other) && change <= limit {
                    state.exchange_places(one, other);
                }
            }
            if state.cost < local_best && state.penalty == 0 {
                local_best = state.cost;
                local = pool.iter().map(|p| state.machine_of[*p as usize]).collect();
            }
        }
        done += evals;
        let st = &mut stats[(arm as usize * KS.len() + k_arm) * 3 + n_arm];
        st[0] += 1.0;
        st[1] += evals as f64;
        if local_best < start { st[2] += (start - local_best) as f64; st[3] += 1.0; }
        let target = if local_best < start { &local } else if state.cost <= start { continue } else { &home };
        for (p, m) in pool.iter().zip(target) { state.relocate(*p, *m); }
        // Marks of services may be lost when places are exchanged one after the other.
        for (p, m) in pool.iter().zip(target) { state.mark(layout.service[*p as usize] as usize, *m); }
    }
    for arm in 0..TEMPS { for k in 0..KS.len() { for n in 0..3 {
        let s = stats[(arm * KS.len() + k) * 3 + n];
        if s[3] > 0.0 {
        eprintln!("hot {:.0} k {} n {} tries {} succ {} gain/Meval {:.0}", hot0 * libm::pow(hot1 / hot0, arm as f64 / (TEMPS - 1) as f64), KS[k], [10,40,160][n], s[0], s[3], s[2]/s[1]*1e6);
        }
    }}}
    best = state.cost;
    best_assignment.clone_from(&state.machine_of);
    Found { assignment: best_assignment, cost: best, evaluations: done }
}
