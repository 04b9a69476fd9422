//! What an emergency gives up against the same plan in the normal profile, with numbers.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::plan::{CutSoak, GivenUp, Profile};
use underpin_model::policy::{Parameter, PlanningPolicy};

use super::Request;
use super::calendar::Seconds;
use super::drive::{Driven, HostWave};
use super::facts::Facts;
use super::soaks::days_s;

pub(super) fn given_up(request: &Request<'_>, facts: &Facts<'_>, driven: &Driven) -> Vec<GivenUp> {
    if request.profile == Profile::Normal {
        return Vec::new();
    }
    let planning = &request.policy.planning;
    let sheet = Sheet { request, facts, driven, guests: guests(facts) };
    let mut given = vec![sheet.soak()];
    if planning.emergency.merge_rings {
        let how = "rings do not wait for one another once the canaries have soaked".to_owned();
        given.push(sheet.of("ring-order", how, &|wave, _| wave.ring.is_none()));
    }
    given.extend(sheet.windows(planning));
    if let Some(most) = planning.emergency.per_cluster {
        let usual = planning.most_away.per_cluster;
        let how = format!("{most} hosts of a cluster may be away instead of {usual}");
        given.push(sheet.of("hosts-away", how, &|wave, _| wave.staged.works.len() > usual as usize));
    }
    given
}

struct Sheet<'r, 'a> {
    request: &'r Request<'a>,
    facts: &'r Facts<'a>,
    driven: &'r Driven,
    /// Of each host, the guests that stood on it at the start.
    guests: Vec<Vec<u32>>,
}

fn guests(facts: &Facts<'_>) -> Vec<Vec<u32>> {
    let mut guests = vec![Vec::new(); facts.hosts.len()];
    for (at, guest) in (0..).zip(&facts.guests) {
        let host = guest.it.host.as_ref().and_then(|it| facts.host(it.as_str()));
        if let Some(of_host) = host.and_then(|it| guests.get_mut(it as usize)) {
            of_host.push(at);
        }
    }
    guests
}

impl Sheet<'_, '_> {
    /// What is given up at those of the hosts that it is about.
    fn of(&self, what: &str, how: String, about: &dyn Fn(&HostWave, u32) -> bool) -> GivenUp {
        let hosts = self.driven.waves.iter().flat_map(|wave| {
            let changed = wave.staged.works.iter().filter(|it| !it.hops.is_empty());
            changed.map(move |it| (wave, it.host)).filter(|it| about(it.0, it.1))
        });
        let hosts: BTreeSet<u32> = hosts.map(|it| it.1).collect();
        let loss = |it: &u32| self.facts.hosts[*it as usize].loss_per_day;
        // A sum of nothing would be a negative zero.
        GivenUp {
            what: what.to_owned(),
            how,
            hosts: hosts.len() as u32,
            guests: hosts.iter().map(|it| self.guests(*it).count() as u32).sum(),
            loss_per_day: hosts.iter().map(loss).fold(0.0, |all, it| all + it),
            soaks: Vec::new(),
            host_days: 0.0,
            bad_release: 0.0,
        }
    }

    fn guests(&self, host: u32) -> impl Iterator<Item = &underpin_model::fleet::Vm> {
        self.guests.get(host as usize).into_iter().flatten().map(|it| self.facts.guests[*it as usize].it)
    }

    fn soak(&self) -> GivenUp {
        let factor = self.request.policy.planning.emergency.soak_factor;
        let how = format!("every soak is {factor} of what the policy asks for otherwise");
        let early = self.early();
        let hosts: BTreeSet<u32> = early.iter().map(|it| it.0).collect();
        let mut given = self.of("soak", how, &|_, host| hosts.contains(&host));
        let rings = self.request.policy.rings.iter().enumerate();
        let planned: BTreeSet<usize> =
            self.driven.by_host.keys().map(|it| self.facts.hosts[*it as usize].ring).collect();
        given.soaks = rings
            .filter(|it| planned.contains(&it.0))
            .map(|(at, ring)| CutSoak {
                ring: ring.name.clone(),
                from_s: days_s(ring.soak.get()),
                to_s: self.request.soak_s(at),
            })
            .collect();
        given.host_days = early.iter().fold(0.0, |all, it| all + f64::from(it.1) / 86_400.0);
        given.bad_release = early.iter().fold(0.0, |all, it| all + self.bad_release(it.0));
        given
    }

    /// Hosts that have a release before the whole soak of canaries, or of a ring before theirs, would have ended; and how long before.
    fn early(&self) -> Vec<(u32, Seconds)> {
        let mut waves: Vec<&HostWave> = self.driven.waves.iter().collect();
        waves.sort_by_key(|it| it.staged.start);
        let full = |host: u32| {
            let ring = self.request.policy.rings.get(self.facts.hosts[host as usize].ring);
            ring.map_or(0, |it| days_s(it.soak.get()))
        };
        // Of each change: when the canaries so far, and the hosts of each ring so far, would have soaked.
        let mut canaries: BTreeMap<u32, Seconds> = BTreeMap::new();
        let mut rings: BTreeMap<(u32, usize), Seconds> = BTreeMap::new();
        let mut early = Vec::new();
        for wave in waves {
            let start = wave.staged.start;
            for work in &wave.staged.works {
                let ring = self.facts.hosts[work.host as usize].ring;
                let until = work.hops.iter().map(|hop| {
                    let tried = canaries.get(&hop.change).filter(|_| !wave.canary).copied();
                    let before = rings.range((hop.change, 0)..(hop.change, ring)).map(|it| *it.1);
                    before.chain(tried).max().unwrap_or(0)
                });
                let until = until.max().unwrap_or(0);
                if until > start {
                    early.push((work.host, until - start));
                }
            }
            for work in &wave.staged.works {
                let until = wave.staged.end.saturating_add(full(work.host));
                for hop in &work.hops {
                    let ring = self.facts.hosts[work.host as usize].ring;
                    let of_ring = rings.entry((hop.change, ring)).or_default();
                    *of_ring = (*of_ring).max(until);
                    if wave.canary {
                        let tried = canaries.entry(hop.change).or_default();
                        *tried = (*tried).max(until);
                    }
                }
            }
        }
        early
    }

    /// What a bad release that a whole soak would have stopped costs on a host, times how likely it is: the risk model's own figures.
    fn bad_release(&self, host: u32) -> f64 {
        let of = |it: Parameter| self.request.policy.parameters.get(it);
        let likely = of(Parameter::RegressionPrior) * of(Parameter::RegressionHit) * of(Parameter::RingStops);
        let hour = |it: &underpin_model::fleet::Vm| {
            self.request.policy.loss.of(it.tenant.as_ref()).vm_hour_down.get()
        };
        let hours = of(Parameter::HoursAfterRegression);
        likely * hours * self.guests(host).map(hour).sum::<f64>()
    }

    fn windows(&self, planning: &PlanningPolicy) -> Option<GivenUp> {
        let windows = &planning.window;
        if !planning.emergency.outside_windows || windows.iter().all(|it| it.scope.tenants.is_empty()) {
            return None;
        }
        let waits = |guest: u32| {
            let tenant = self.facts.guests[guest as usize].it.tenant.as_ref();
            tenant.is_some_and(|tenant| windows.iter().any(|it| it.scope.tenants.contains(tenant)))
        };
        let about = |wave: &HostWave, host: u32| {
            let own = wave.staged.works.iter().filter(|it| it.host == host);
            own.flat_map(|it| &it.departures).any(|it| waits(it.guest))
        };
        Some(self.of("windows", "windows of tenants are not waited for".to_owned(), &about))
    }
}
