//! Which changes of a group share a drain: those that are decided for the same time.
//!
//! Sharing makes a change cheaper, and what is cheaper may be decided for another day. So the changes of a group are decided
//! together: it begins with each sharing with all others, and those that are not decided for the same time share no more, until
//! all that share are. A change that is refused even so saves nothing for the others, and neither does one that nobody can decide about.

use std::sync::Arc;

use rayon::prelude::*;
use underpin_model::policy::Maintenance;

use super::curve::{Choice, Inputs, InvalidInput, Optimum};
use super::due::LineKey;
use super::groups::GroupDecision;
use super::lumps::Lumped;
use super::scene::{Due, Members, Situated};
use super::situation::Situation;
use super::table::{Grid, Table};

/// Days between the best times of two changes that wait, up to which one drain serves both: the week of a usual maintenance window.
/// A judgement.
const SAME_DRAIN_DAYS: f64 = 7.0;

/// The hosts that must be emptied for a change.
pub(super) struct Drained {
    pub(super) group: Arc<Members>,
    /// Bunches of the group.
    pub(super) bunches: Vec<usize>,
}

/// Settles for all releases that are due how many changes share the drain, and what that saves. Those of one group follow each other,
/// and in it those of one line.
pub(super) fn settle(due: &mut [(usize, Due)], policy: &Maintenance) -> Result<(), InvalidInput> {
    let of_group = |a: &(usize, Due), b: &(usize, Due)| a.1.decision.group == b.1.decision.group;
    due.par_chunk_by_mut(of_group).try_for_each(|group| {
        let mut changes: Vec<Change<'_>> = Vec::new();
        for Due { decision, case } in group.iter_mut().map(|it| &mut it.1) {
            let Some(Situated { line, situation, assumptions, drained }) = case else { continue };
            let hits = situation.hits(&assumptions.values);
            let inputs =
                Lumped::coarse(situation, &assumptions.values, &hits).inputs(&assumptions.values, &hits);
            inputs.check()?;
            let grid = Grid::of(&inputs);
            let table = Table::of(&grid, &inputs);
            let release = Release { decision, situation, inputs, grid, table };
            // One line is due twice where it closes something on some hosts and replaces a bad release on others.
            let same = |it: &&mut Change<'_>| it.line == line && it.drained.bunches == drained.bunches;
            match changes.last_mut().filter(same) {
                Some(change) => change.releases.push(release),
                None => changes.push(Change { line, drained, releases: vec![release] }),
            }
        }
        settle_group(&mut changes, policy);
        Ok(())
    })
}

/// A release of a change, with what tells the best time to take it.
struct Release<'d> {
    decision: &'d mut GroupDecision,
    situation: &'d mut Situation,
    inputs: Inputs,
    grid: Grid,
    table: Table,
}

/// A line that is due on a group, with the releases of it that could be taken.
struct Change<'d> {
    line: &'d LineKey,
    drained: &'d Drained,
    releases: Vec<Release<'d>>,
}

fn settle_group(changes: &mut [Change<'_>], policy: &Maintenance) {
    let mut shares = vec![vec![true; changes.len()]; changes.len()];
    loop {
        for (at, row) in shares.iter().enumerate() {
            let others =
                changes.iter().zip(row).enumerate().filter(|(other, (_, shares))| *other != at && **shares);
            let others: Vec<&Drained> = others.map(|(_, (it, _))| it.drained).collect();
            if let Some(change) = changes.get_mut(at) {
                change.share(&others, policy);
            }
        }
        let best: Vec<Option<Optimum>> = changes.iter().map(Change::best).collect();
        let mut settled = true;
        for (one, row) in best.iter().zip(&mut shares) {
            for (other, shares) in best.iter().zip(row).filter(|it| *it.1) {
                *shares = one.zip(*other).is_some_and(|(one, other)| same_time(&one, &other));
                settled &= *shares;
            }
        }
        if settled {
            return;
        }
    }
}

impl Change<'_> {
    /// Shares the drain with others.
    fn share(&mut self, others: &[&Drained], policy: &Maintenance) {
        let (mut hosts_saved, mut most) = (0.0, 1);
        for bunch in &self.drained.bunches {
            let changes = 1 + others.iter().filter(|it| it.bunches.contains(bunch)).count();
            let hosts = self.drained.group.bunches.get(*bunch).map_or(0, Vec::len);
            hosts_saved += hosts as f64 * (changes - 1) as f64 / changes as f64;
            most = most.max(changes);
        }
        let saves = policy.per_host.get() * policy.shared_drain_saves.get() * hosts_saved;
        for it in &mut self.releases {
            it.situation.shared_drain_saves = saves / it.situation.hosts.max(1.0);
            it.inputs.shared_drain_saves = it.situation.shared_drain_saves;
            it.decision.changes = u32::try_from(most).unwrap_or(u32::MAX);
        }
    }

    /// The decision about the release that gains more.
    fn best(&self) -> Option<Optimum> {
        let all = self.releases.iter().map(|it| it.table.optimum(&it.grid, &it.inputs));
        let gain = |it: &Optimum| it.loss_never - it.loss;
        all.reduce(|best, it| if gain(&it) > gain(&best) { it } else { best })
    }
}

/// One drain serves both: both are taken, now or after about the same wait.
fn same_time(one: &Optimum, other: &Optimum) -> bool {
    match (one.choice, other.choice) {
        (Choice::Now, Choice::Now) => true,
        (Choice::Wait, Choice::Wait) => (one.wait_days - other.wait_days).abs() <= SAME_DRAIN_DAYS,
        _ => false,
    }
}
