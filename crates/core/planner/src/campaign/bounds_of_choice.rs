//! What a platform that places may choose from: the targets that the plan counts on, and every host beside them that has room for all
//! guests at once, so that no order in which it moves them leaves one without a place.

use underpin_model::policy::{Homing, Placing};

use super::leave::How;
use super::room::{NOTHING, fits, sum};
use super::stage::{Cluster, Shared};
use super::timing::Work;

/// Hosts beside the targets that are offered: the roomiest.
const MOST_BESIDE: usize = 4;

impl<'f, 'a> Cluster<'f, 'a> {
    /// Hosts beside its targets that could take all guests of a host that move live, with the reserve for a failure as it must be. The
    /// guests stand on their targets already.
    pub(super) fn also(&self, shared: &Shared<'f, 'a>, work: &Work) -> Vec<u32> {
        let facts = self.rooms.facts;
        // Who comes home comes from the target that the plan names.
        if facts.policy.planning.placing != Placing::PlatformPlaces || shared.homing == Homing::Home {
            return Vec::new();
        }
        let leave = |it: &&super::leave::Departure| it.how == How::Live && it.from == work.host;
        let guests: Vec<u32> = work.departures.iter().filter(leave).map(|it| it.guest).collect();
        let targets: Vec<u32> = work.departures.iter().filter(leave).map(|it| it.to).collect();
        let Some(link_mbps) = targets.iter().map(|&it| facts.hosts[it as usize].link_mbps).min() else {
            return Vec::new();
        };
        let apart = |it: &u32| &facts.guests[*it as usize].apart;
        let meet = |at: usize, one: &u32| {
            guests.iter().skip(at + 1).any(|other| apart(one).iter().any(|it| apart(other).contains(it)))
        };
        if guests.iter().enumerate().any(|(at, one)| meet(at, one)) {
            return Vec::new();
        }
        let mut before = self.rooms.clone();
        guests.iter().for_each(|&it| before.go(it, work.host));
        let need = guests.iter().fold(NOTHING, |all, &it| sum(all, facts.guests[it as usize].holds));
        let takes = |guest: u32, host: u32| {
            facts.may_stand(guest, host)
                && before.stands_apart(guest, host)
                && before.direction(guest, host)
                && facts.guests[guest as usize].together.len() <= facts.hosts[host as usize].slots as usize
        };
        let mut open: Vec<u32> = before
            .hosts()
            .filter(|&it| it != work.host && !before.is_shut(it) && !self.soaking[self.local(it)])
            .filter(|it| !targets.contains(it) && facts.hosts[*it as usize].link_mbps >= link_mbps)
            .filter(|&it| fits(before.free(it), need) && guests.iter().all(|&guest| takes(guest, it)))
            .collect();
        open.sort_by_key(|&it| (std::cmp::Reverse(before.free(it)), it));
        open.truncate(MOST_BESIDE);
        open.retain(|&host| {
            let mut then = before.clone();
            guests.iter().for_each(|&it| then.go(it, host));
            !self.reserve || then.reserve().is_ok()
        });
        open
    }
}

/// What is left of that where several hosts of a wave are emptied at once: what one of them counts on or was offered is not another's,
/// and those that joined the wave later take nobody.
pub(super) fn of_wave(works: &[Work]) -> Vec<Work> {
    let mut works = works.to_vec();
    for at in 0..works.len() {
        let (before, rest) = works.split_at_mut(at);
        let Some((own, after)) = rest.split_first_mut() else { break };
        let counts_on =
            |it: &Work, host: u32| it.host == host || it.departures.iter().any(|it| it.to == host);
        let others = || before.iter().chain(&*after);
        own.also.retain(|&host| {
            !others().any(|it| counts_on(it, host)) && !before.iter().any(|it| it.also.contains(&host))
        });
    }
    works
}
