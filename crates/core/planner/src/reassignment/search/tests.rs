//! What the search counts step by step is what the checker counts from the definitions.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::layout::Layout;
use super::state::{Prices, State};
use super::{Options, Unsearchable, improve};
use crate::reassignment::{Instance, check, read_assignment, read_model};

const PRICES: Prices = Prices { over: 7.0, law: 1_000.0, left: 2.0 };

/// A small instance in the challenge's format with everything in it: transient resources, balances, spread, dependencies on
/// oneself and in circles. All processes of a service start on machines of their own; capacities are such that the start
/// holds, with little to spare.
fn instance(seed: u64) -> (Instance, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |limit: u64| rng.next_u64() % limit;
    let (resources, machines, services) = (1 + below(3), 3 + below(4), 2 + below(4));
    let mut initial = Vec::new();
    let mut processes = Vec::new();
    for service in 0..services {
        let first = below(machines);
        for number in 0..=below(3.min(machines)) {
            initial.push((first + number) % machines);
            let amounts: Vec<u64> = (0..resources).map(|_| below(9)).collect();
            processes.push((service, amounts, below(3)));
        }
    }
    let places: Vec<(u64, u64)> = (0..machines).map(|_| (below(2), below(3))).collect();
    let mut words = vec![resources];
    for _ in 0..resources {
        words.extend([below(2), below(4)]);
    }
    words.push(machines);
    for machine in 0..machines {
        let (neighbourhood, location) = places[machine as usize];
        words.extend([neighbourhood, location]);
        let used = |resource: u64| {
            let on = processes.iter().zip(&initial).filter(|(_, on)| **on == machine);
            on.map(|(it, _)| it.1[resource as usize]).sum::<u64>()
        };
        let capacity: Vec<u64> = (0..resources).map(|resource| used(resource) + below(8)).collect();
        words.extend(&capacity);
        words.extend(capacity.iter().map(|it| it / 2));
        words.extend((0..machines).map(|_| below(3)));
    }
    let on = |service: u64| {
        let of = processes.iter().zip(&initial).filter(move |(it, _)| it.0 == service);
        of.map(|(_, on)| places[*on as usize])
    };
    words.push(services);
    for service in 0..services {
        let spread: std::collections::BTreeSet<u64> = on(service).map(|it| it.1).collect();
        // What holds at the start may be asked for.
        let needs: Vec<u64> = (0..services)
            .filter(|other| on(service).all(|(at, _)| on(*other).any(|(there, _)| there == at)))
            .collect();
        words.extend([spread.len() as u64, needs.len() as u64]);
        words.extend(needs);
    }
    words.push(processes.len() as u64);
    for (service, amounts, cost) in &processes {
        words.push(*service);
        words.extend(amounts);
        words.push(*cost);
    }
    words.extend([1, 0, resources - 1, 2, 3, 1, 10, 100]);
    let text = |words: &[u64]| words.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
    let instance = read_model(&text(&words)).unwrap();
    let initial = read_assignment(&text(&initial), &instance).unwrap();
    (instance, initial)
}

/// The state agrees with the checker, except that it lets no two processes of a service share a machine.
fn assert_agrees(instance: &Instance, initial: &[u32], state: &State<'_>) {
    let verdict = check(instance, initial, &state.machine_of);
    assert_eq!(i128::from(state.objective()), verdict.cost.total());
    assert_eq!(state.is_feasible(), verdict.is_feasible(), "{:?}", verdict.violations);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_proposed_change_is_what_the_full_evaluation_changes_by(seed in any::<u64>()) {
        let (instance, initial) = instance(seed);
        prop_assert!(check(&instance, &initial, &initial).is_feasible());
        let layout = Layout::new(&instance, &initial).unwrap();
        let mut state = State::new(&layout, &initial, PRICES);
        assert_agrees(&instance, &initial, &state);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut below = |limit: usize| (rng.next_u64() % limit as u64) as u32;
        for step in 0..60 {
            let (process, other) = (below(layout.processes), below(layout.processes));
            let (here, to) = (state.machine_of[process as usize], below(layout.machines));
            let before = state.cost;
            let change = if step % 2 == 0 {
                if to == here {
                    continue;
                }
                let Some(change) = state.shift(process, to) else { continue };
                state.relocate(process, to);
                change
            } else {
                if state.machine_of[other as usize] == here {
                    continue;
                }
                let Some(change) = state.swap(process, other) else { continue };
                state.exchange_places(process, other);
                change
            };
            prop_assert_eq!(state.cost - before, change);
            assert_agrees(&instance, &initial, &state);
            if step % 20 == 19 {
                // Other prices change no objective; and a state made anew is the same state.
                state.set_prices(Prices { over: 9.0, law: 50.0, left: 0.5 });
                let mut anew = State::new(&layout, &state.machine_of, PRICES);
                assert_agrees(&instance, &initial, &anew);
                state.set_prices(PRICES);
                prop_assert_eq!(state.cost, anew.cost);
                anew.set_prices(PRICES);
                prop_assert_eq!(state.cost, anew.cost);
                state = anew;
            }
        }
    }

    #[test]
    fn what_is_found_holds_is_no_worse_and_costs_what_is_said(seed in any::<u64>()) {
        let (instance, initial) = instance(seed);
        let found = improve(&instance, &initial, &Options { seed, evaluations: 20_000 }, &|| 0.0).unwrap();
        let verdict = check(&instance, &initial, &found.assignment);
        prop_assert!(verdict.is_feasible(), "{:?}", verdict.violations);
        prop_assert_eq!(verdict.cost.total(), i128::from(found.cost));
        prop_assert!(verdict.cost.total() <= check(&instance, &initial, &initial).cost.total());
        prop_assert!(verdict.cost.total() >= crate::reassignment::lower_bound(&instance));
    }
}

/// All assignments of a small instance, tried.
fn least_cost(instance: &Instance, initial: &[u32]) -> i128 {
    let (machines, processes) = (instance.machine_count() as u64, initial.len() as u32);
    let all = (0..machines.pow(processes)).map(|number| -> Vec<u32> {
        (0..processes).map(|at| (number / machines.pow(at) % machines) as u32).collect()
    });
    let costs = all.map(|it| check(instance, initial, &it)).filter(|it| it.is_feasible());
    costs.map(|it| it.cost.total()).min().unwrap()
}

#[test]
fn small_instances_are_solved_to_their_optimum() {
    let mut solved = 0;
    for seed in 0..200 {
        let (instance, initial) = instance(seed);
        if (instance.machine_count() as f64).powi(initial.len() as i32) > 3e4 {
            continue;
        }
        let found = improve(&instance, &initial, &Options { seed, evaluations: 200_000 }, &|| 0.0).unwrap();
        assert_eq!(i128::from(found.cost), least_cost(&instance, &initial), "seed {seed}");
        solved += 1;
    }
    assert!(solved >= 30, "{solved}");
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let options = Options::default();
    let instance = read_model("1 0 1  1 0 0 5 5 0  1 0 0  1 0 6 1  0  1 1 1").unwrap();
    let refused = improve(&instance, &[0], &options, &|| 0.0).unwrap_err();
    assert!(refused.to_string().contains("capacity: machine 0 uses 6 of resource 0, and has 5"), "{refused}");
    let most = i32::MAX;
    let model = format!("1 0 {most}  1 0 0 {most} 0 0  1 0 0  1 0 {most} 1  0  1 1 1");
    let refused = improve(&read_model(&model).unwrap(), &[0], &options, &|| 0.0).unwrap_err();
    assert!(matches!(refused, Unsearchable::Costly { .. }), "{refused}");
    // Nothing to move, or nowhere to go.
    for model in ["0 0 0 0 0 1 1 1", "1 0 1  1 0 0 5 5 0  1 0 0  1 0 4 1  0  1 1 1"] {
        let instance = read_model(model).unwrap();
        let initial = vec![0; instance.process_count()];
        assert_eq!(improve(&instance, &initial, &options, &|| 0.0).unwrap().assignment, initial);
    }
}

#[test]
fn the_clock_of_the_caller_ends_the_search() {
    let (instance, initial) = instance(7);
    let endless = Options { seed: 1, evaluations: u64::MAX };
    assert_eq!(improve(&instance, &initial, &endless, &|| 1.0).unwrap().evaluations, 0);
    let asked = std::sync::atomic::AtomicU64::new(0);
    let clock = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) as f64 / 100.0;
    let found = improve(&instance, &initial, &endless, &clock).unwrap();
    assert!(found.evaluations > 0 && found.evaluations < 200_000, "{}", found.evaluations);
}
