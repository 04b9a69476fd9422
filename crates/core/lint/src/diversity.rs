//! Release diversity: no application is wholly on a release that its canaries still try, and none is taken as a whole to hosts that try another
//! version of a component or a setting.

use underpin_model::change::Target;
use underpin_model::plan::{Rule, Wave};

use crate::changes::Members;
use crate::report::{At, Log};
use crate::rings;
use crate::timeline::{Doing, Timeline};
use crate::world::{Elem, HostRow, NONE, Power, World, ix};

/// What happens to a guest or host, in the order within a second: what ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A guest stands on a host from now on.
    Stands(u32, u32),
    /// A host gets a release, the target or another.
    Gets(u32, bool),
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, log: &mut Log<'_>) {
    if !world.policy.planning.release_diversity {
        return;
    }
    for (what, change) in timeline.changes.iter().zip(0u32..) {
        let trial = trial(world, timeline, members, change);
        let of = members.get(ix(change));
        let concerns = |host: u32| of.is_some_and(|it| it.contains_key(&Elem::Host(host)));
        let tried = match &what.to {
            Target::Release { release, .. } => Tried {
                name: release.clone(),
                events: events(timeline, &concerns, release, trial.until),
                count: Count::new(world, Some(release)),
                only_moves: false,
            },
            Target::Component { name, version } => {
                on_canaries(world, timeline, &trial, format!("{name} {version}"))
            }
            Target::Setting { name, value, .. } => {
                on_canaries(world, timeline, &trial, format!("{name}={value}"))
            }
        };
        soaking(world, &what.id, tried, trial.until, log);
    }
}

/// What is tried by a change, and by whom that is seen.
struct Tried {
    name: String,
    events: Vec<(u32, What)>,
    count: Count,
    /// It leaves the release what it is. Nothing is asked of who stays where he is, of who stood on it before, and of applications in several
    /// clusters; but nobody is taken to its canaries as a whole.
    only_moves: bool,
}

/// A change of a component or setting: the hosts that try it have it, and no other.
fn on_canaries(world: &World<'_>, timeline: &Timeline<'_>, trial: &Trial, name: String) -> Tried {
    let mut events = movements(timeline);
    events.extend(trial.hosts.iter().map(|(at, host)| (*at, What::Gets(*host, true))));
    events.retain(|it| it.0 < trial.until);
    events.sort();
    Tried { name, events, count: Count::new(world, None), only_moves: true }
}

/// The canaries of a change.
#[derive(Default)]
struct Trial {
    /// Until when they soak.
    until: u32,
    /// When each of them gets it.
    hosts: Vec<(u32, u32)>,
}

/// The canaries of a change that soak first: those that the plan calls so, and those that are, whatever it says.
fn trial(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, change: u32) -> Trial {
    let tried = rings::tried_first(world, timeline, members, change);
    let unused = rings::unused(world, timeline);
    let waves = timeline.acts.iter().filter_map(|act| match act.doing {
        Doing::Patch { element: Elem::Host(host), change: of, .. }
            if of == change && !unused.contains(&host) =>
        {
            timeline.plan.wave(act.wave).map(|it| (it, (act.end, host)))
        }
        _ => None,
    });
    let is_canary = |it: &(&Wave, _)| it.0.canary || tried.contains(&it.0.number);
    let (canaries, others): (Vec<_>, Vec<_>) = waves.partition(is_canary);
    // Those of the first ring that has any; what comes later, after others of its cluster went, is not the first of its kind.
    let Some((first, _)) = canaries.iter().min_by_key(|it| it.0.start_s) else { return Trial::default() };
    let after = |it: &Wave| {
        let between = |other: &Wave| other.start_s > first.start_s && other.start_s < it.start_s;
        others.iter().filter(|other| other.0.cluster == it.cluster).any(|it| between(it.0))
    };
    let of_first = || canaries.iter().filter(|it| it.0.ring == first.ring && !after(it.0));
    Trial {
        until: of_first().map(|it| it.0.soak_until_s).max().unwrap_or(0),
        hosts: of_first().map(|it| it.1).collect(),
    }
}

/// Moves and starts of guests.
fn movements(timeline: &Timeline<'_>) -> Vec<(u32, What)> {
    let mut events = Vec::new();
    for act in &timeline.acts {
        match &act.doing {
            Doing::Migrate { vm, to, .. } => events.push((act.end, What::Stands(*vm, *to))),
            Doing::Evacuate { moves, .. } => {
                events.extend(moves.iter().map(|(vm, to)| (act.end, What::Stands(*vm, *to))));
            }
            Doing::Start { vm, host } => events.push((act.start, What::Stands(*vm, *host))),
            _ => {}
        }
    }
    events
}

/// Moves and starts of guests, and releases of hosts, while the canaries soak.
///
/// Hosts that the change does not concern may get the same release by another one, whose canaries soak by themselves.
///
/// A guest that is stopped while its host is changed counts where it will start again: it is down for minutes,
/// and an application is not on two releases because one of its guests is off.
fn events(
    timeline: &Timeline<'_>,
    concerns: &impl Fn(u32) -> bool,
    target: &str,
    until: u32,
) -> Vec<(u32, What)> {
    let mut events = movements(timeline);
    for (releases, host) in timeline.releases.iter().zip(0u32..) {
        let has = |to: &str| to == target && concerns(host);
        events.extend(releases.iter().map(|(at, to)| (*at, What::Gets(host, has(to)))));
    }
    events.retain(|it| it.0 < until);
    events.sort();
    events
}

/// The guests of applications, and how many of each run on the target.
struct Count {
    host_of: Vec<u32>,
    on_target: Vec<bool>,
    guests_on: Vec<Vec<u32>>,
    /// Of each application: running guests, and those on the target.
    running: Vec<(u32, u32)>,
}

impl Count {
    /// Guests and hosts as they were seen; hosts of a release are on the target, where it is one.
    fn new(world: &World<'_>, target: Option<&str>) -> Self {
        let has = |it: &HostRow<'_>| {
            let release = it.host.platform.as_ref().and_then(|it| it.release.as_deref());
            release.is_some() && release == target
        };
        let mut count = Self {
            host_of: vec![NONE; world.vms.len()],
            on_target: world.hosts.iter().map(has).collect(),
            guests_on: vec![Vec::new(); world.hosts.len()],
            running: vec![(0, 0); world.application_at.len()],
        };
        for (row, vm) in world.vms.iter().zip(0u32..) {
            if row.power == Power::Runs {
                count.stand(world, vm, row.host);
            }
        }
        count
    }

    fn is_target(&self, host: u32) -> bool {
        self.on_target.get(ix(host)).copied().unwrap_or(false)
    }

    /// Moves a guest; returns its application.
    fn stand(&mut self, world: &World<'_>, vm: u32, host: u32) -> u32 {
        let application = world.vms.get(ix(vm)).map_or(NONE, |it| it.application);
        let Some(own) = self.running.get_mut(ix(application)) else { return NONE };
        let Some(at) = self.host_of.get_mut(ix(vm)) else { return NONE };
        let from = std::mem::replace(at, host);
        if from != NONE {
            own.0 -= 1;
            own.1 -= u32::from(self.on_target.get(ix(from)).copied().unwrap_or(false));
            if let Some(of) = self.guests_on.get_mut(ix(from))
                && let Some(at) = of.iter().position(|it| *it == vm)
            {
                of.swap_remove(at);
            }
        }
        if host != NONE {
            own.0 += 1;
            own.1 += u32::from(self.on_target.get(ix(host)).copied().unwrap_or(false));
            if let Some(of) = self.guests_on.get_mut(ix(host)) {
                of.push(vm);
            }
        }
        application
    }

    /// A host gets a release; returns the applications on it.
    fn get(&mut self, world: &World<'_>, host: u32, is_target: bool) -> Vec<u32> {
        let was = self.is_target(host);
        if let Some(it) = self.on_target.get_mut(ix(host)) {
            *it = is_target;
        }
        let guests = self.guests_on.get(ix(host)).map_or(&[][..], Vec::as_slice);
        let mut changed = Vec::new();
        for vm in guests {
            let application = world.vms.get(ix(*vm)).map_or(NONE, |it| it.application);
            if let Some(it) = self.running.get_mut(ix(application)) {
                it.1 = it.1 + u32::from(is_target) - u32::from(was);
                changed.push(application);
            }
        }
        changed
    }

    fn is_whole(&self, application: u32) -> bool {
        self.running.get(ix(application)).is_some_and(|it| it.0 >= 2 && it.0 == it.1)
    }
}

/// Of each application, whether all of its running guests stand in one cluster.
fn in_one_cluster(world: &World<'_>, count: &Count) -> Vec<bool> {
    let mut clusters: Vec<Option<u32>> = vec![None; count.running.len()];
    let mut alone = vec![true; count.running.len()];
    for (row, host) in world.vms.iter().zip(&count.host_of) {
        let Some(cluster) = world.hosts.get(ix(*host)).map(|it| it.cluster) else { continue };
        if let (Some(first), Some(alone)) =
            (clusters.get_mut(ix(row.application)), alone.get_mut(ix(row.application)))
        {
            *alone &= *first.get_or_insert(cluster) == cluster;
        }
    }
    alone
}

fn soaking(world: &World<'_>, change: &str, tried: Tried, until: u32, log: &mut Log<'_>) {
    if until == 0 {
        return;
    }
    let Tried { name, events, mut count, only_moves } = tried;
    let excused: Vec<bool> = if only_moves {
        in_one_cluster(world, &count).into_iter().map(|alone| !alone).collect()
    } else {
        (0..count.running.len() as u32).map(|it| count.is_whole(it)).collect()
    };
    let mut told = vec![false; excused.len()];
    let mut at = 0;
    while let Some(&(now, _)) = events.get(at) {
        let mut changed = Vec::new();
        while let Some(&(moment, it)) = events.get(at)
            && moment == now
        {
            match it {
                What::Stands(vm, host) => changed.push(count.stand(world, vm, host)),
                What::Gets(host, is_target) => {
                    let stay = count.get(world, host, is_target);
                    if only_moves {
                        // Nobody went there, and nobody is asked to go.
                        let whole = |it: &u32| count.is_whole(*it);
                        stay.into_iter().filter(whole).for_each(|it| set(&mut told, it));
                    } else {
                        changed.extend(stay);
                    }
                }
            }
            at += 1;
        }
        changed.sort_unstable();
        changed.dedup();
        for application in changed.into_iter().filter(|it| *it != NONE) {
            log.compared(Rule::ReleaseDiversity);
            let whole = count.is_whole(application);
            let Some(told) = told.get_mut(ix(application)) else { continue };
            if whole && !*told && !excused.get(ix(application)).copied().unwrap_or(false) {
                tell(world, &count, application, (&name, change), (now, until), log);
            }
            *told = whole;
        }
    }
}

fn set(all: &mut [bool], at: u32) {
    if let Some(it) = all.get_mut(ix(at)) {
        *it = true;
    }
}

/// An application that is wholly on what is tried.
fn tell(
    world: &World<'_>,
    count: &Count,
    application: u32,
    (tried, change): (&str, &str),
    (now, until): (u32, u32),
    log: &mut Log<'_>,
) {
    let vm = world.vms.iter().zip(0u32..).find(|it| it.0.application == application);
    let vm = vm.map_or(NONE, |it| it.1);
    let host = count.host_of.get(ix(vm)).copied().unwrap_or(NONE);
    log.error(Rule::ReleaseDiversity, At::moment(now), &world.locus_of_vm(vm, host), || {
        let id = world.application_at.iter().find(|it| *it.1 == application).map_or("?", |it| it.0);
        let guests = count.running.get(ix(application)).map_or(0, |it| it.0);
        let found = format!("all of its {guests} running guests are on {tried}");
        let expected = format!("one elsewhere until {until} s, when the canaries of {change:?} have soaked");
        (format!("application {id}"), found, expected)
    });
}
