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
