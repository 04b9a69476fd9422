//! What must hold at the start of the replay, at the end of each second, and at the end of all.

use rustc_hash::FxHashSet;
use underpin_model::plan::{Rule, Severity};
use underpin_model::policy::Homing;
use underpin_model::version::{Comparison, succession};

use super::{Cause, Replay};
use crate::left_out;
use crate::report::{At, Log};
use crate::room;
use crate::world::{NONE, Power, ix};

impl Replay<'_, '_> {
    /// A host carries no more than it can. What comes to it while it is over is counted with what brought it there.
    pub(super) fn load(&mut self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(it) = self.state.stations.get(ix(host)) else { return };
        let start = self.at_start.get(ix(host)).copied().unwrap_or_default();
        let world = self.world;
        let each = room::NAMES.iter().zip(it.used).zip(it.room).zip(start).enumerate();
        for (kind, (((what, used), most), at_start)) in each {
            let Some(most) = most else { continue };
            log.compared(Rule::Capacity);
            if used <= most || used <= at_start {
                continue;
            }
            let locus = world.locus(it.host);
            let excused = log.excused(Rule::Capacity, at, &locus);
            let cause = self.over.entry((host, kind, excused)).and_modify(|it| it.follow += 1);
            cause.or_insert_with(|| {
                let place = format!("host {}", world.host_id(it.host));
                let said = (place, format!("{used} {what} needed"), format!("at most {most} {what}"));
                Cause { rule: Rule::Capacity, at, locus, said, follow: 0 }
            });
        }
    }

    /// Hosts that carry what they can again: what is too much for them later has another cause.
    pub(super) fn over_no_more(&mut self) {
        let (state, at_start) = (&self.state, &self.at_start);
        let still = |&(host, kind, _): &(u32, usize, Option<usize>)| {
            let start = at_start.get(ix(host)).map_or(0, |it| it[kind]);
            let station = state.stations.get(ix(host));
            station.is_some_and(|it| it.room[kind].is_some_and(|most| it.used[kind] > most.max(start)))
        };
        let ended: Vec<_> = self.over.keys().filter(|it| !still(it)).copied().collect();
        self.was_over.extend(ended.iter().filter_map(|it| self.over.remove(it)));
    }

    /// A host whose guests a method interrupts has none; `asleep`: none whose memory it would lose either.
    pub(super) fn empty(&mut self, at: At, step: u32, host: u32, asleep: bool, log: &mut Log<'_>) {
        let Some(it) = self.state.stations.get(ix(host)) else { return };
        log.compared(Rule::OccupiedHost);
        let (what, guests, expected) = if asleep {
            ("suspended", &it.asleep, "none: only a quick boot keeps what is in memory")
        } else {
            ("running", &it.running, "no running guest while the method interrupts them")
        };
        let there = guests.iter().filter_map(|it| self.state.guests.get(ix(*it)));
        let Some(first) = there.min_by_key(|it| it.vm) else { return };
        let world = self.world;
        let wave = self.timeline.acts.get(ix(step)).map_or(0, |it| it.wave);
        // Who stands in the way of the patch stands in the way of the reboot after it too.
        let cause = self.occupied.entry((host, wave, asleep)).and_modify(|it| it.follow += 1);
        cause.or_insert_with(|| {
            let found = format!("{} {what} guests, {} among them", guests.len(), world.vm_id(first.vm));
            let said = (format!("host {}", world.host_id(it.host)), found, expected.into());
            Cause { rule: Rule::OccupiedHost, at, locus: world.locus(it.host), said, follow: 0 }
        });
    }

    /// Causes with how much follows from each.
    pub(super) fn tell(&mut self, log: &mut Log<'_>) {
        let lost = std::mem::take(&mut self.lost).into_values();
        let over = std::mem::take(&mut self.was_over).into_iter();
        let over = over.chain(std::mem::take(&mut self.over).into_values());
        for it in lost.chain(std::mem::take(&mut self.occupied).into_values()).chain(over) {
            let Cause { rule, at, locus, said: (place, found, expected), follow } = it;
            log.error(rule, at, &locus, || {
                let more = match follow {
                    0 => String::new(),
                    1 => ", as 1 step after it finds too".to_owned(),
                    more => format!(", as {more} steps after it find too"),
                };
                (place, found + &more, expected)
            });
        }
    }

    /// What was wrong before the plan.
    pub(super) fn before(&mut self, log: &mut Log<'_>) {
        let world = self.world;
        for it in &self.state.stations {
            for ((what, used), most) in room::NAMES.iter().zip(it.used).zip(it.room) {
                let Some(most) = most else { continue };
                log.compared(Rule::Capacity);
                if used > most {
                    log.add(Rule::Capacity, Severity::Before, At::moment(0), || {
                        let place = format!("host {}", world.host_id(it.host));
                        (place, format!("{used} {what} needed"), format!("at most {most} {what}"))
                    });
                }
            }
        }
        self.affinities.before(&self.state, world, log);
        self.restart.before(&self.state, &self.affinities, log);
    }

    /// Hosts that the plan leaves out though nothing holds them back, as far as can be seen when it is over.
    pub(super) fn left_out(&mut self, hosts: &FxHashSet<u32>, log: &mut Log<'_>) {
        let world = self.world;
        let ends = self.timeline.end_s();
        for (station, local) in self.state.stations.iter().zip(0u32..) {
            if !hosts.contains(&station.host) || station.away > 0 || !station.asleep.is_empty() {
                continue;
            }
            let guests = station.running.iter().filter_map(|it| self.state.guests.get(ix(*it)));
            let vms: Vec<u32> = guests.map(|it| it.vm).collect();
            let clear = vms.iter().all(|it| left_out::may_leave(world, *it))
                && left_out::any_time(world, station.host, &vms)
                && self
                    .state
                    .stations
                    .iter()
                    .filter(|it| it.pool == station.pool)
                    .all(|it| it.away == 0 && self.is_no_lower(it.host, station.host, ends));
            log.compared_many(Rule::Coverage, u64::from(clear));
            if clear && self.restart.could_leave(&self.state, &self.affinities, local) == Some(true) {
                log.add(Rule::Coverage, Severity::Unknown, At::moment(ends), || {
                    left_out::say(world, station.host)
                });
            }
        }
    }

    /// Guests that run on a host may go to another: its release is known not to be lower.
    fn is_no_lower(&self, to: u32, from: u32, at: u32) -> bool {
        let release = |host: u32| self.timeline.release_at(self.world, host, at);
        let (Some(family), Some(from_release), Some(to_release)) =
            (self.world.family(from), release(from), release(to))
        else {
            return false;
        };
        let order = || succession(family.scheme(), to_release, from_release);
        self.world.family(to) == Some(family)
            && (to_release == from_release || matches!(order(), Ok(Comparison::Ordered(it)) if it.is_ge()))
    }

    /// Where everything ends.
    pub(super) fn finish(&self, log: &mut Log<'_>) {
        let world = self.world;
        let ends = At::moment(self.timeline.end_s());
        for it in &self.state.guests {
            let Some(row) = world.vms.get(ix(it.vm)) else { continue };
            let start = self.local_host(row.host);
            if row.power != Power::Runs || start == NONE {
                continue;
            }
            log.compared(Rule::FinalState);
            let station = self.state.stations.get(ix(it.host));
            let down = station.is_some_and(|it| {
                self.timeline.paths_of(it.host).any(|path| path.down_from != NONE && path.down_until == NONE)
            });
            let problem = if it.power != Power::Runs || it.busy {
                Some("the guest does not run any more")
            } else if down {
                Some("the guest's host is never back from being down")
            } else {
                None
            };
            let place = || format!("VM {}", world.vm_id(it.vm));
            if let Some(found) = problem {
                let host = station.map_or(NONE, |it| it.host);
                log.error(Rule::FinalState, ends, &world.locus_of_vm(it.vm, host), || {
                    (place(), found.into(), "a guest that runs, as it did at the start".into())
                });
            } else if self.timeline.plan.homing == Homing::Home && it.host != start {
                log.add(Rule::FinalState, Severity::Worse, ends, || {
                    let found = format!("it ends on {}", station.map_or("?", |it| world.host_id(it.host)));
                    (place(), found, format!("{}, where it was at the start", world.host_id(row.host)))
                });
            }
        }
    }
}
