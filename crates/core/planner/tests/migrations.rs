//! Migration schedules on random networks, against a checker and a brute force that share no code with the scheduler.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use proptest::prelude::*;
use support::migrations::{brute_force, check};
use underpin_planner::migrations::{Load, Move, Node, Options, Schedule, Unschedulable, schedule};
use underpin_planner::waves::Proof;

fn node(mbps: u64, free: i64) -> Node {
    Node { out_mbps: mbps, in_mbps: mbps, slots: 8, free: vec![free] }
}

/// Takes 8 s per 1,000 MB at 1,000 Mbit/s.
fn cold(vm: usize, from: usize, to: usize, memory_mb: f64) -> Move {
    Move { vm, from, to, demand: vec![1], load: Load::Cold { memory_mb }, ..Move::default() }
}

fn run(nodes: &[Node], moves: &[Move]) -> Schedule {
    let got = schedule(nodes, moves, &Options::default()).unwrap();
    check(nodes, moves, &got.moves, None).unwrap();
    got
}

#[test]
fn a_link_carries_one_after_the_other_and_streams_side_by_side() {
    let nodes = [node(1000, 0), node(1000, 9), node(1000, 9)];
    let serial = run(&nodes, &[cold(0, 0, 1, 1000.0), cold(1, 0, 2, 1000.0)]);
    assert_eq!((serial.makespan_ms, serial.optimal, serial.lower_bound["link"]), (16_000, true, 16_000));
    let stream = |it: Move| Move { most_mbps: Some(500), ..it };
    let side = run(&nodes, &[stream(cold(0, 0, 1, 1000.0)), stream(cold(1, 0, 2, 1000.0))]);
    assert_eq!((side.makespan_ms, side.moves[0].mbps, side.moves[1].start_ms), (16_000, 500, 0));
    // Full duplex: what arrives takes nothing from what leaves.
    let both = run(&[node(1000, 1), node(1000, 1)], &[cold(0, 0, 1, 1000.0), cold(1, 1, 0, 1000.0)]);
    assert_eq!(both.makespan_ms, 8_000);
    let options = Options { core_mbps: Some(1000), ..Options::default() };
    let moves = [cold(0, 0, 1, 1000.0), cold(1, 1, 0, 1000.0)];
    let core = schedule(&[node(1000, 1), node(1000, 1)], &moves, &options).unwrap();
    assert_eq!((core.makespan_ms, core.optimal), (16_000, true));
    let empty = run(&nodes, &[]);
    assert!(empty.moves.is_empty() && empty.makespan_ms == 0 && empty.optimal);
}

#[test]
fn what_is_left_of_a_link_can_be_taken_in_steps() {
    // One stream takes 600 of 1,000 Mbit/s. Another of 600 waits for it, or takes 400 beside it.
    let nodes = [node(1000, 0), node(1000, 9), node(1000, 9)];
    let stream = |it: Move| Move { most_mbps: Some(600), ..it };
    let moves = [stream(cold(0, 0, 1, 600.0)), stream(cold(1, 0, 2, 600.0))];
    assert_eq!(run(&nodes, &moves).makespan_ms, 16_000);
    let options = Options { steps_mbps: vec![400], ..Options::default() };
    let got = schedule(&nodes, &moves, &options).unwrap();
    check(&nodes, &moves, &got.moves, None).unwrap();
    let mut rates = [got.moves[0].mbps, got.moves[1].mbps];
    rates.sort_unstable();
    assert_eq!((got.makespan_ms, rates, got.optimal), (12_000, [400, 600], true));
}

#[test]
fn slots_orders_releases_and_chains_hold() {
    let one_slot = |free| Node { slots: 1, ..node(1000, free) };
    let stream = |it: Move| Move { most_mbps: Some(100), ..it };
    let moves: Vec<Move> = (0..3).map(|vm| stream(cold(vm, 0, 1, 100.0))).collect();
    let got = run(&[one_slot(0), one_slot(9)], &moves);
    assert_eq!((got.makespan_ms, got.lower_bound["slots"], got.lower_bound["link"]), (24_000, 24_000, 2400));
    let nodes = [node(1000, 0), node(1000, 9), node(1000, 9)];
    let after = Move { after: vec![1], ..cold(0, 0, 1, 1000.0) };
    let late = Move { release_ms: 5_000, ..cold(1, 2, 1, 1000.0) };
    let got = run(&nodes, &[after, late]);
    assert_eq!((got.moves[1].start_ms, got.moves[0].start_ms, got.makespan_ms), (5_000, 13_000, 21_000));
    assert!(got.optimal && got.lower_bound["path"] == 21_000 && got.lower_bound["move"] == 13_000);
    // One VM goes on: it leaves the second node only when it is there.
    let chain = run(&nodes, &[cold(7, 0, 1, 1000.0), cold(7, 1, 2, 1000.0)]);
    assert_eq!((chain.moves[1].start_ms, chain.makespan_ms), (8_000, 16_000));
}

#[test]
fn room_at_both_ends_makes_moves_wait_for_those_that_free_it() {
    // 1 goes to 2 only when 2 has sent its own away, whatever the links are.
    let nodes = [node(1000, 0), node(1000, 0), node(1000, 1)];
    let got = run(&nodes, &[cold(0, 0, 1, 1000.0), cold(1, 1, 2, 1000.0)]);
    assert_eq!((got.moves[0].start_ms, got.makespan_ms, got.lower_bound["path"]), (8_000, 16_000, 16_000));
    // Overcommitted already: what leaves may, what arrives must wait until there is room.
    let nodes = [node(1000, 0), node(1000, -1), node(1000, 2)];
    let got = run(&nodes, &[cold(0, 0, 1, 1.0), cold(1, 1, 2, 1.0), cold(2, 1, 2, 1.0)]);
    assert_eq!(got.moves[0].start_ms, 16);
}

#[test]
fn a_swap_between_full_nodes_is_named() {
    let error = |nodes: &[Node], moves: &[Move]| schedule(nodes, moves, &Options::default()).unwrap_err();
    let nodes = [node(1000, 0), node(1000, 0), node(1000, 0), node(1000, 5)];
    let swap = [cold(0, 2, 3, 1.0), cold(1, 0, 1, 1.0), cold(2, 1, 0, 1.0)];
    let got = error(&nodes, &swap);
    let expected = Unschedulable::Deadlock { cycle: vec![1, 2], blocked: vec![1, 2], proof: Proof::Bound };
    assert_eq!(got, expected);
    assert!(
        got.to_string().contains("moves 1, 2 wait each for the next") && got.to_string().contains("third")
    );
    let one_more = [node(1000, 1), node(1000, 0), node(1000, 0), node(1000, 5)];
    assert!(schedule(&one_more, &swap, &Options::default()).is_ok());
    // An order and room can be a circle together.
    let after = [Move { after: vec![1], ..cold(0, 1, 2, 1.0) }, cold(1, 0, 1, 1.0)];
    let Unschedulable::Deadlock { cycle, .. } = error(&[node(1, 0), node(1, 0), node(1, 9)], &after) else {
        panic!("expected a deadlock");
    };
    assert_eq!(cycle, [0, 1]);
}

#[test]
fn an_impossible_set_is_proven_by_trying_all_orders() {
    // Either VM that leaves node 0 has room on node 1, not both. After the smaller one node 0 is too full for the one that
    // would make room, and after the larger one that has to wait for the smaller.
    let of = |it: Move, demand| Move { demand: vec![demand], ..it };
    let nodes = [node(1000, 0), node(1000, 3)];
    let after = Move { after: vec![0], ..of(cold(1, 1, 0, 1.0), 3) };
    let mut moves = [of(cold(0, 0, 1, 1.0), 2), after, of(cold(2, 0, 1, 1.0), 3)];
    assert_eq!(brute_force(&nodes, &moves, &[], None), None);
    let got = schedule(&nodes, &moves, &Options::default()).unwrap_err();
    assert!(matches!(got, Unschedulable::Deadlock { proof: Proof::Exhausted, .. }), "{got}");
    assert!(got.to_string().contains("no order"), "{got}");
    moves[1].after.clear();
    assert_eq!(run(&nodes, &moves).moves.iter().filter(|it| it.start_ms > 0).count(), 2);
    let few = Options { evaluations: 1, ..Options::default() };
    moves[1].after.push(0);
    let got = schedule(&nodes, &moves, &few).unwrap_err();
    assert!(matches!(got, Unschedulable::OrderNotFound { evaluations: 1, .. }), "{got}");
}

#[test]
fn room_is_taken_in_turns_where_first_come_first_served_is_stuck() {
    // The large VM 0 wants the only room on 1, and frees room for 3; yet if it gets it, 1 and 2 wait for each other.
    let nodes = [node(1000, 0), node(1000, 1), node(1000, 0), node(1000, 0)];
    let moves = [cold(0, 0, 1, 9000.0), cold(1, 2, 1, 1.0), cold(2, 1, 2, 1.0), cold(3, 3, 0, 9000.0)];
    let got = run(&nodes, &moves);
    assert_eq!((got.moves[1].start_ms, got.moves[0].start_ms, got.optimal), (0, 16, true));
    // The same among so many moves that not all are tried: the turns alone have to do.
    let mut nodes = nodes.to_vec();
    let mut moves = moves.to_vec();
    for at in 0..12 {
        nodes.extend([node(1000, 0), node(1000, 1)]);
        moves.push(Move { after: vec![at], ..cold(4 + at, 4 + 2 * at, 5 + 2 * at, 10.0) });
    }
    assert_eq!(run(&nodes, &moves).moves[0].start_ms, 16);
    // Even while the one whose turn it is cannot start.
    moves[1].release_ms = 5_000;
    assert_eq!(run(&nodes, &moves).moves[0].start_ms, 5_016);
}

#[test]
fn the_search_finds_what_the_rules_miss() {
    // Two streams beside each other: the longest first gives 3+2+2 and 3+2, yet 3+3 and 2+2+2 are possible. Others that come
    // after make it too many to try all.
    let mut nodes = vec![node(1000, 0), node(1000, 9)];
    let stream = |it: Move| Move { most_mbps: Some(500), ..it };
    let large = |(vm, size): (usize, f64)| stream(cold(vm, 0, 1, size * 1000.0));
    let mut moves: Vec<Move> = [3.0, 3.0, 2.0, 2.0, 2.0].into_iter().enumerate().map(large).collect();
    for at in 0..10 {
        nodes.extend([node(1000, 0), node(1000, 1)]);
        moves.push(Move { after: vec![0], ..cold(5 + at, 2 + 2 * at, 3 + 2 * at, 1.0) });
    }
    let by_rules = schedule(&nodes, &moves, &Options { evaluations: 0, ..Options::default() }).unwrap();
    assert_eq!((by_rules.makespan_ms, by_rules.optimal), (112_000, false));
    let found = run(&nodes, &moves);
    assert_eq!((found.makespan_ms, found.optimal), (96_000, true));
}

#[test]
fn what_cannot_be_scheduled_says_why() {
    let error = |nodes: &[Node], moves: &[Move]| schedule(nodes, moves, &Options::default()).unwrap_err();
    let nodes = [node(1000, 0), node(1000, 1)];
    let busy = Load::Precopy { memory_mb: 8_000.0, dirty_mb_per_s: 200.0, threshold_mb: 10.0 };
    let Unschedulable::DoesNotConverge { moves } =
        error(&nodes, &[Move { load: busy, ..cold(0, 0, 1, 0.0) }, cold(1, 0, 1, 1.0)])
    else {
        panic!("expected that it does not converge");
    };
    let needed = moves[0].needed_mbps.unwrap();
    assert_eq!((moves.len(), moves[0].index, moves[0].best_mbps), (1, 0, 1000));
    assert!(busy.timing(needed).is_some() && busy.timing(needed - 1).is_none() && needed > 1600);
    let got = error(&nodes, &[cold(0, 0, 1, 1.0), cold(1, 0, 1, 1.0)]);
    assert_eq!(got, Unschedulable::NoRoom { node: 1, resource: 0, needed: 2, room: 1 });
    let got = error(&[node(0, 0), node(9, 9)], &[cold(0, 0, 1, 1.0)]);
    assert_eq!(got, Unschedulable::NoWay { index: 0, node: 0, what: "outgoing link" });
    let got = error(&[node(9, 0), Node { slots: 0, ..node(9, 9) }], &[cold(0, 0, 1, 1.0)]);
    assert_eq!(got, Unschedulable::NoWay { index: 0, node: 1, what: "migration slot" });
    let place = |moves: &[Move]| match error(&nodes, moves) {
        Unschedulable::Invalid { place, .. } => place,
        other => other.to_string(),
    };
    assert_eq!(place(&[cold(0, 0, 9, 1.0)]), "moves[0].to");
    assert_eq!(place(&[cold(0, 1, 1, 1.0)]), "moves[0].to");
    assert_eq!(place(&[cold(0, 0, 1, -1.0)]), "moves[0].load.memory_mb");
    assert_eq!(place(&[Move { demand: vec![], ..cold(0, 0, 1, 1.0) }]), "moves[0].demand");
    assert_eq!(place(&[Move { demand: vec![i64::MAX], ..cold(0, 0, 1, 1.0) }]), "moves[0].demand");
    assert_eq!(place(&[cold(3, 0, 1, 1.0), cold(3, 0, 1, 1.0)]), "moves[1].from");
    assert_eq!(place(&[Move { after: vec![0], ..cold(0, 0, 1, 1.0) }]), "moves[0].after");
    assert_eq!(place(&[Move { release_ms: u64::MAX, ..cold(0, 0, 1, 1.0) }]), "moves[0].release_ms");
    let circle =
        [Move { after: vec![1], ..cold(0, 0, 1, 1.0) }, Move { after: vec![0], ..cold(1, 1, 0, 1.0) }];
    assert_eq!(place(&circle), "moves[0].after");
    let got = schedule(&[Node { free: vec![i64::MIN], ..node(1, 0) }], &[], &Options::default());
    assert!(matches!(got, Err(Unschedulable::Invalid { place, .. }) if place == "nodes[0].free"));
}

/// Without steps a faster link can lengthen the best schedule: documented, so shown.
#[test]
fn full_rates_alone_do_not_always_profit_from_faster_links() {
    let nodes = |second| [node(1000, 0), node(500, 9), node(second, 9)];
    let moves = [cold(0, 0, 1, 1000.0), cold(1, 0, 2, 1000.0)];
    assert_eq!(run(&nodes(500), &moves).makespan_ms, 16_000);
    assert_eq!(run(&nodes(501), &moves).makespan_ms, 31_969);
    let options = Options { steps_mbps: vec![500], ..Options::default() };
    assert_eq!(schedule(&nodes(501), &moves, &options).unwrap().makespan_ms, 16_000);
}

#[derive(Debug, Clone)]
struct Network {
    nodes: Vec<Node>,
    moves: Vec<Move>,
    options: Options,
}

/// What is free is little more than what arrives in the end: otherwise hardly any network would have a schedule.
fn just_enough(mut nodes: Vec<Node>, moves: &[Move]) -> Vec<Node> {
    for (at, node) in nodes.iter_mut().enumerate() {
        for (resource, free) in node.free.iter_mut().enumerate() {
            let sum = |end: fn(&Move) -> usize| -> i64 {
                moves.iter().filter(|it| end(it) == at).map(|it| it.demand[resource]).sum()
            };
            *free += (sum(|it| it.to) - sum(|it| it.from)).max(0);
        }
    }
    nodes
}

const LINKS: [u64; 3] = [400, 700, 1000];

fn networks(most_nodes: usize, most_moves: usize) -> impl Strategy<Value = Network> {
    let node =
        (0..3_usize, 0..3_usize, 1..4_u32, -1..4_i64, 0..5_i64).prop_map(|(out, into, slots, one, two)| {
            Node { out_mbps: LINKS[out], in_mbps: LINKS[into], slots, free: vec![one, two] }
        });
    let nodes = prop::collection::vec(node, 2..=most_nodes);
    (nodes, 1..=most_moves).prop_flat_map(|(nodes, count)| {
        let ends = nodes.len();
        let load = prop_oneof![
            (1..9_u32).prop_map(|it| Load::Cold { memory_mb: f64::from(it) * 100.0 }),
            (1..9_u32).prop_map(|it| Load::Precopy {
                memory_mb: f64::from(it) * 100.0,
                dirty_mb_per_s: 10.0,
                threshold_mb: 5.0
            }),
            Just(Load::HotSet {
                memory_mb: 400.0,
                cold_dirty_mb_per_s: 1.0,
                hot_set_mb: 20.0,
                hot_set_s: 2.0
            }),
        ];
        let one = (
            (0..ends, 1..ends, 0..4_i64, 0..3_i64, load),
            prop::option::weighted(0.2, 300..900_u64),
            prop_oneof![4 => Just(0), 1 => 0..9_000_u64],
            prop::option::weighted(0.2, 0..count),
            prop::bool::weighted(0.3),
        );
        let moves = prop::collection::vec(one, count);
        let steps = prop_oneof![Just(vec![]), Just(vec![400]), Just(LINKS.to_vec())];
        (Just(nodes), moves, steps, prop::option::weighted(0.2, 700..2000_u64)).prop_map(
            |(nodes, raw, steps_mbps, core_mbps)| {
                let ends = nodes.len();
                let mut moves = Vec::new();
                for (vm, ((from, by, one, two, load), most_mbps, release_ms, after, same)) in
                    raw.into_iter().enumerate()
                {
                    let (to, demand) = ((from + by) % ends, vec![one, two]);
                    let after = after.filter(|it| *it < vm).into_iter().collect();
                    let own = Move { vm, from, to, demand, load, most_mbps, release_ms, after };
                    // Some are like the one before them, but for the release.
                    let before: Option<&Move> = moves.last().filter(|_| same);
                    moves.push(before.map_or(own, |it| Move { vm, release_ms, ..it.clone() }));
                }
                let nodes = just_enough(nodes, &moves);
                let options = Options { steps_mbps, core_mbps, ..Options::default() };
                Network { nodes, moves, options }
            },
        )
    })
}

fn makespan(it: &Network) -> Option<u64> {
    schedule(&it.nodes, &it.moves, &it.options).ok().map(|it| it.makespan_ms)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn small_schedules_are_as_short_as_brute_force_finds(it in networks(3, 4)) {
        let best = brute_force(&it.nodes, &it.moves, &it.options.steps_mbps, it.options.core_mbps);
        match schedule(&it.nodes, &it.moves, &it.options) {
            Ok(got) => {
                check(&it.nodes, &it.moves, &got.moves, it.options.core_mbps).unwrap();
                prop_assert!(got.optimal);
                prop_assert_eq!(Some(got.makespan_ms), best);
            }
            Err(why) => prop_assert_eq!(None, best, "{}", why),
        }
    }

    #[test]
    fn larger_schedules_hold_and_respect_their_bounds(it in networks(6, 40)) {
        let options = Options { evaluations: 20_000, ..it.options };
        if let Ok(got) = schedule(&it.nodes, &it.moves, &options) {
            prop_assert_eq!(check(&it.nodes, &it.moves, &got.moves, options.core_mbps), Ok(()));
            prop_assert!(got.best_bound_ms() <= got.makespan_ms);
            prop_assert_eq!(&got, &schedule(&it.nodes, &it.moves, &options).unwrap());
        }
    }

    #[test]
    fn the_order_of_moves_and_nodes_does_not_change_the_exact_makespan(
        it in networks(4, 7), moves_by in any::<u64>(), nodes_by in any::<usize>(),
    ) {
        let count = it.moves.len();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|at| (*at as u64 + 1).wrapping_mul(moves_by | 1).rotate_left(17));
        let turned = |node: usize| (node + nodes_by % it.nodes.len()) % it.nodes.len();
        let mut nodes = it.nodes.clone();
        nodes.rotate_right(nodes_by % it.nodes.len());
        let moves = order.iter().map(|at| {
            let one = &it.moves[*at];
            let place = |other: &usize| order.iter().position(|it| it == other).unwrap();
            let after = one.after.iter().map(place).collect();
            Move { from: turned(one.from), to: turned(one.to), after, ..one.clone() }
        });
        let other = Network { nodes, moves: moves.collect(), options: it.options.clone() };
        prop_assert_eq!(makespan(&it), makespan(&other));
    }

    #[test]
    fn more_bandwidth_never_lengthens_the_exact_optimum(it in networks(4, 6), node in 0..4_usize, out in any::<bool>()) {
        // Steps have all rates of the slower network.
        let moves = it.moves.iter().map(|it| Move { most_mbps: None, ..it.clone() }).collect();
        let options = Options { steps_mbps: LINKS.to_vec(), core_mbps: None, ..Options::default() };
        let before = Network { moves, options, ..it };
        let mut after = before.clone();
        let at = node % after.nodes.len();
        if out { after.nodes[at].out_mbps += 311 } else { after.nodes[at].in_mbps += 311 }
        if let Some(before) = makespan(&before) {
            prop_assert!(makespan(&after).unwrap() <= before);
        }
    }
}
