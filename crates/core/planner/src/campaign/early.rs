//! Guests whose windows are never open together with those of the others on their host, or too short for all of them: they leave
//! before it is changed, each group in an opening of its own.

use std::collections::BTreeMap;

use underpin_model::id::TenantId;
use underpin_model::plan::Reason;
use underpin_model::policy::{Durations, Placing, Spread};

use super::couplings::Couplings;
use super::leave::{Departure, Leaving};
use super::stage::{Candidate, Cluster, Shared, StagedWave};
use super::timing::{Work, layout};

/// Openings over which the guests of one host are spread.
const MOST_TURNS: usize = 16;

/// Nothing is done on a host that its guests only leave.
pub(super) const NO_TIME: Durations = Durations {
    stage: Spread::new(0, 0),
    patch: Spread::new(0, 0),
    reboot: Spread::new(0, 0),
    attest: Spread::new(0, 0),
    verify: Spread::new(0, 0),
    rollback: Spread::new(0, 0),
};

impl<'f, 'a> Cluster<'f, 'a> {
    /// The first of the hosts that are left of which guests can leave early, with its waves.
    pub(super) fn any_early(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &mut Couplings,
        pending: &mut Vec<Candidate>,
        why: &mut BTreeMap<u32, Vec<Reason>>,
        canary: bool,
    ) -> Option<Vec<StagedWave>> {
        // A platform's maintenance mode empties a host in one go.
        if shared.facts.policy.planning.placing == Placing::PlatformPlaces {
            return None;
        }
        let pool = pending.iter().any(|it| it.coordinator);
        for at in 0..pending.len() {
            let candidate = pending.get(at)?;
            // Nobody comes before the coordinator.
            if pool && !candidate.coordinator {
                continue;
            }
            let reasons = why.get(&candidate.host).cloned().unwrap_or_default();
            if let Some(waves) = self.early(shared, couplings, candidate, reasons, canary) {
                let done = pending.remove(at);
                why.remove(&done.host);
                return Some(waves);
            }
        }
        None
    }

    /// Plans a host by itself, after guests whose windows kept it from being done have left. `None`: that does not help either,
    /// and everything is as before.
    fn early(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &mut Couplings,
        candidate: &Candidate,
        mut why: Vec<Reason>,
        canary: bool,
    ) -> Option<Vec<StagedWave>> {
        let (mut then, mut limits) = (self.clone(), couplings.clone());
        let mut waves = Vec::new();
        let alone = std::slice::from_ref(candidate);
        for _ in 0..MOST_TURNS {
            let tenant = why.iter().find_map(|it| match it {
                Reason::OutsideWindow { tenant: Some(tenant), .. }
                | Reason::WindowsApart { tenant: Some(tenant), .. } => Some(tenant),
                _ => None,
            })?;
            let left = then.leave_early(shared, &mut limits, candidate, tenant)?;
            // What is staged for the change is staged after that.
            let lead = candidate.methods.iter().map(|it| it.1.stage.p95_s).max().unwrap_or(0);
            then.free_at = then.free_at.max(left.start.saturating_add(lead));
            waves.push(left);
            let mut again = BTreeMap::new();
            let now = candidate.ready.max(then.free_at);
            let draft = then.draft(shared, &limits, alone, now, canary, &mut again);
            if !draft.works.is_empty() {
                waves.push(then.commit(&mut limits, draft, alone, canary));
                (*self, *couplings) = (then, limits);
                return Some(waves);
            }
            why = again.remove(&candidate.host)?;
        }
        None
    }

    /// Moves as many guests of a tenant off a host as fit into the next of its openings that is long enough for one.
    fn leave_early(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &mut Couplings,
        candidate: &Candidate,
        tenant: &TenantId,
    ) -> Option<StagedWave> {
        let (facts, host) = (self.rooms.facts, candidate.host);
        let of = |guest: &u32| facts.guests[*guest as usize].it.tenant.as_ref() == Some(tenant);
        let due: Vec<u32> = self.due.iter().map(|&due| u32::from(due)).collect();
        let mut leaving = Leaving {
            rooms: &mut self.rooms,
            answers: shared.answers,
            kept: shared.kept,
            spared: &[],
            wave: &[],
            due: &due,
            returning: &[],
            soaking: &self.soaking,
            relocates: false,
            moved: Vec::new(),
            stay: Vec::new(),
            link_mbps: 0,
            queues: None,
            scatter: None,
        };
        let mut departures = leaving.some(host, &of);
        self.rooms.shut(host, true);
        if self.reserve && self.rooms.reserve().is_err() {
            return None;
        }
        let now = candidate.ready.max(self.free_at);
        loop {
            let guests: Vec<Departure> = departures.iter().flatten().copied().collect();
            if guests.is_empty() {
                return None;
            }
            let work = Work {
                host,
                method: candidate.methods.first()?.0,
                hops: Vec::new(),
                durations: NO_TIME,
                departures: guests,
                come_home: Vec::new(),
                stay_away: Vec::new(),
                also: Vec::new(),
            };
            let times = layout(facts, std::slice::from_ref(&work), shared.homing);
            match self.start(shared, couplings, std::slice::from_ref(&work), &times, now) {
                Ok((start, _)) => {
                    let reasons = vec![Reason::LeavesEarly { tenant: tenant.clone() }];
                    return Some(self.take(couplings, start, vec![work], times, reasons));
                }
                // The last ones wait for another opening.
                Err(_) => self.rooms.undo(&departures.pop()?),
            }
        }
    }
}
