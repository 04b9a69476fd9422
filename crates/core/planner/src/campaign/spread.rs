//! Moves of a wave over the links of hosts: which target could have a guest soonest.

use std::collections::BTreeMap;

use underpin_model::policy::Placing;

use super::facts::Facts;
use super::stage::Staged;
use super::timing::Work;

/// About how long links are busy with the moves of a wave, in milliseconds: what is sent once, without what is written meanwhile.
#[derive(Debug, Clone, Default)]
pub(super) struct Queues {
    out: BTreeMap<u32, u64>,
    into: BTreeMap<u32, u64>,
}

impl Queues {
    pub(super) fn of(facts: &Facts<'_>, works: &[Work]) -> Self {
        let mut queues = Self::default();
        for it in works.iter().flat_map(|it| &it.departures).filter(|it| it.how.moves()) {
            queues.add(facts, it.guest, it.from, it.to);
        }
        queues
    }

    pub(super) fn add(&mut self, facts: &Facts<'_>, guest: u32, from: u32, to: u32) {
        *self.out.entry(from).or_default() += ms(facts, guest, link(facts, from));
        *self.into.entry(to).or_default() += ms(facts, guest, link(facts, to));
    }

    /// When guests that move as one could have arrived.
    pub(super) fn arrives(&self, facts: &Facts<'_>, unit: &[u32], from: u32, to: u32) -> u64 {
        let queue = |queues: &BTreeMap<u32, u64>, host: u32| queues.get(&host).copied().unwrap_or(0);
        let narrow = link(facts, from).min(link(facts, to));
        let sent: u64 = unit.iter().map(|&it| ms(facts, it, narrow)).sum();
        queue(&self.out, from).max(queue(&self.into, to)) + sent
    }

    /// A target is busy for longer than any host that is emptied.
    fn is_held_up(&self) -> bool {
        self.into.values().max() > self.out.values().max()
    }
}

/// In some wave guests wait for the links of their targets: other targets might have them sooner.
pub(super) fn might_help(facts: &Facts<'_>, staged: &Staged) -> bool {
    // A platform that places is given time guest after guest, wherever they go.
    facts.policy.planning.placing == Placing::WePlace
        && staged.waves.iter().any(|it| Queues::of(facts, &it.works).is_held_up())
}

fn link(facts: &Facts<'_>, host: u32) -> u32 {
    facts.hosts[host as usize].link_mbps
}

fn ms(facts: &Facts<'_>, guest: u32, mbps: u32) -> u64 {
    let mib = facts.guests[guest as usize].it.memory_mib.unwrap_or(0);
    mib.saturating_mul(8_389) / u64::from(mbps.max(1))
}
