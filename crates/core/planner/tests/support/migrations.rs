//! A checker of migration schedules from their description: it goes through all moments at which anything begins or ends
//! and adds up what is there, on plain numbers.

use underpin_planner::migrations::{Move, Node, Scheduled};

/// Everything that must hold at every moment.
pub(crate) fn check(
    nodes: &[Node],
    moves: &[Move],
    schedule: &[Scheduled],
    core_mbps: Option<u64>,
) -> Result<(), String> {
    if moves.len() != schedule.len() {
        return Err("not all moves are scheduled".to_owned());
    }
    for (at, (it, when)) in moves.iter().zip(schedule).enumerate() {
        let timing = it.load.timing(when.mbps).ok_or_else(|| format!("move {at} does not converge"))?;
        if when.end_ms - when.start_ms != timing.duration_ms {
            return Err(format!("move {at} takes {} ms", when.end_ms - when.start_ms));
        }
        if when.start_ms < it.release_ms || it.most_mbps.is_some_and(|most| when.mbps > most) {
            return Err(format!("move {at} starts before its release, or is faster than its stream"));
        }
        let same_vm = (0..at).filter(|other| moves[*other].vm == it.vm);
        if same_vm.chain(it.after.iter().copied()).any(|other| schedule[other].end_ms > when.start_ms) {
            return Err(format!("move {at} starts before another has ended"));
        }
    }
    let mut moments: Vec<u64> = schedule.iter().flat_map(|it| [it.start_ms, it.end_ms]).collect();
    moments.sort_unstable();
    moments.dedup();
    moments.iter().try_for_each(|now| moment(nodes, moves, schedule, core_mbps, *now))
}

fn moment(
    nodes: &[Node],
    moves: &[Move],
    schedule: &[Scheduled],
    core_mbps: Option<u64>,
    now: u64,
) -> Result<(), String> {
    let runs = |at: usize| schedule[at].start_ms <= now && now < schedule[at].end_ms;
    let all: u64 = (0..moves.len()).filter(|at| runs(*at)).map(|at| schedule[at].mbps).sum();
    if core_mbps.is_some_and(|core| all > core) {
        return Err(format!("{now} ms: {all} Mbit/s in all"));
    }
    for (number, node) in nodes.iter().enumerate() {
        let (mut sent, mut received, mut slots) = (0, 0, 0);
        let mut free: Vec<i64> = node.free.clone();
        let mut arrives = vec![false; free.len()];
        for (at, it) in moves.iter().enumerate() {
            if runs(at) && it.from == number {
                (sent, slots) = (sent + schedule[at].mbps, slots + 1);
            }
            if runs(at) && it.to == number {
                (received, slots) = (received + schedule[at].mbps, slots + 1);
            }
            for (resource, amount) in it.demand.iter().enumerate() {
                if it.from == number && schedule[at].end_ms <= now {
                    free[resource] += amount;
                }
                if it.to == number && schedule[at].start_ms <= now {
                    free[resource] -= amount;
                    arrives[resource] |= schedule[at].start_ms == now && *amount > 0;
                }
            }
        }
        if sent > node.out_mbps || received > node.in_mbps || slots > node.slots {
            return Err(format!("{now} ms, node {number}: {sent} out, {received} in, {slots} moves"));
        }
        // Overcommitted from the beginning: then nothing may arrive that needs it. Never so by an arrival.
        for (resource, free) in free.iter().enumerate() {
            if *free < 0 && (arrives[resource] || node.free[resource] >= 0) {
                return Err(format!("{now} ms, node {number}: {free} left of resource {resource}"));
            }
        }
    }
    Ok(())
}

/// The shortest makespan: all orders, each move in each of its rates at the first moment at which what is placed so far
/// holds. Every schedule in which nothing can start sooner comes out of one of the orders.
pub(crate) fn brute_force(
    nodes: &[Node],
    moves: &[Move],
    steps_mbps: &[u64],
    core_mbps: Option<u64>,
) -> Option<u64> {
    let mut best = None;
    place_next(&Network { nodes, moves, steps_mbps, core_mbps }, &[], &mut best);
    best
}

struct Network<'a> {
    nodes: &'a [Node],
    moves: &'a [Move],
    steps_mbps: &'a [u64],
    core_mbps: Option<u64>,
}

fn place_next(network: &Network, placed: &[(usize, Scheduled)], best: &mut Option<u64>) {
    let Network { nodes, moves, steps_mbps, core_mbps } = *network;
    if placed.len() == moves.len() {
        let end = placed.iter().map(|it| it.1.end_ms).max().unwrap_or(0);
        *best = Some(best.map_or(end, |best| best.min(end)));
        return;
    }
    for (at, it) in moves.iter().enumerate() {
        let is_placed = |at: usize| placed.iter().any(|it| it.0 == at);
        if is_placed(at) || !it.after.iter().all(|other| is_placed(*other)) {
            continue;
        }
        let limits = [Some(nodes[it.from].out_mbps), Some(nodes[it.to].in_mbps), it.most_mbps, core_mbps];
        let full = limits.into_iter().flatten().min().unwrap();
        let mut rates: Vec<u64> = steps_mbps.iter().copied().filter(|step| *step < full).collect();
        rates.push(full);
        for mbps in rates {
            let Some(timing) = it.load.timing(mbps) else { continue };
            let mut starts: Vec<u64> = placed.iter().map(|it| it.1.end_ms).collect();
            starts.extend([0, it.release_ms]);
            starts.sort_unstable();
            let first = starts.into_iter().find_map(|start_ms| {
                let end_ms = start_ms + timing.duration_ms;
                let when = Scheduled { start_ms, end_ms, mbps, rounds: None, blackout_ms: None };
                let mut all = placed.to_vec();
                all.push((at, when));
                holds(network, &all).then_some(all)
            });
            if let Some(all) = first {
                place_next(network, &all, best);
            }
        }
    }
}

/// Whether those placed so far hold, as if there were no others.
fn holds(network: &Network, placed: &[(usize, Scheduled)]) -> bool {
    let moves: Vec<Move> = placed
        .iter()
        .map(|(at, _)| {
            let it = &network.moves[*at];
            let place = |other: &usize| placed.iter().position(|it| it.0 == *other).unwrap();
            Move { after: it.after.iter().map(place).collect(), ..it.clone() }
        })
        .collect();
    let when: Vec<Scheduled> = placed.iter().map(|it| it.1).collect();
    check(network.nodes, &moves, &when, network.core_mbps).is_ok()
}
