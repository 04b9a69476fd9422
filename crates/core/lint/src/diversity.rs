//! Release diversity: no application is wholly on a release that its canaries still try.

use underpin_model::change::Target;
use underpin_model::plan::{Rule, Wave};

use crate::changes::Members;
use crate::report::{At, Log};
use crate::rings;
use crate::timeline::{Doing, Timeline};
use crate::world::{Elem, NONE, Power, World, ix};

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
    for change in 0..timeline.changes.len() as u32 {
        let until = soaks_until(world, timeline, members, change);
        soaking(world, timeline, members, change, until, log);
    }
}

/// Until when the canaries of a change soak: those that the plan calls so, and those that are, whatever it says.
fn soaks_until(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, change: u32) -> u32 {
    let tried = rings::tried_first(world, timeline, members, change);
    let unused = rings::unused(world, timeline);
    let waves = timeline.acts.iter().filter_map(|act| match act.doing {
        Doing::Patch { element: Elem::Host(host), change: of, .. }
            if of == change && !unused.contains(&host) =>
        {
            timeline.plan.wave(act.wave)
        }
        _ => None,
    });
    let (canaries, others): (Vec<_>, Vec<_>) = waves.partition(|it| it.canary || tried.contains(&it.number));
    // Those of the first ring that has any; what comes later, after others of its cluster went, is not the first of its kind.
    let Some(first) = canaries.iter().min_by_key(|it| it.start_s) else { return 0 };
    let after = |it: &Wave| {
        let between = |other: &&Wave| other.start_s > first.start_s && other.start_s < it.start_s;
        others.iter().filter(|other| other.cluster == it.cluster).any(between)
    };
    let of_first = canaries.iter().filter(|it| it.ring == first.ring && !after(it));
    of_first.map(|it| it.soak_until_s).max().unwrap_or(0)
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
    fn new(world: &World<'_>, target: &str) -> Self {
        let has = |it: &crate::world::HostRow<'_>| {
            it.host.platform.as_ref().and_then(|it| it.release.as_deref()) == Some(target)
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

fn soaking(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    members: &Members,
    change: u32,
    until: u32,
    log: &mut Log<'_>,
) {
    let Some(what) = timeline.changes.get(ix(change)) else { return };
    let Target::Release { release, .. } = &what.to else { return };
    if until == 0 {
        return;
    }
    let concerns = |host: u32| members.get(ix(change)).is_some_and(|it| it.contains_key(&Elem::Host(host)));
    let mut count = Count::new(world, release);
    let start: Vec<bool> = (0..count.running.len() as u32).map(|it| count.is_whole(it)).collect();
    let events = events(timeline, &concerns, release, until);
    let mut told = vec![false; start.len()];
    let mut at = 0;
    while let Some(&(now, _)) = events.get(at) {
        let mut changed = Vec::new();
        while let Some(&(moment, it)) = events.get(at)
            && moment == now
        {
            match it {
                What::Stands(vm, host) => changed.push(count.stand(world, vm, host)),
                What::Gets(host, is_target) => changed.extend(count.get(world, host, is_target)),
            }
            at += 1;
        }
        changed.sort_unstable();
        changed.dedup();
        for application in changed.into_iter().filter(|it| *it != NONE) {
            log.compared(Rule::ReleaseDiversity);
            let whole = count.is_whole(application);
            let Some(told) = told.get_mut(ix(application)) else { continue };
            if whole && !*told && !start.get(ix(application)).copied().unwrap_or(false) {
                let vm = world.vms.iter().zip(0u32..).find(|it| it.0.application == application);
                let vm = vm.map_or(NONE, |it| it.1);
                let host = count.host_of.get(ix(vm)).copied().unwrap_or(NONE);
                log.error(Rule::ReleaseDiversity, At::moment(now), &world.locus_of_vm(vm, host), || {
                    let id =
                        world.application_at.iter().find(|it| *it.1 == application).map_or("?", |it| it.0);
                    let guests = count.running.get(ix(application)).map_or(0, |it| it.0);
                    let found = format!("all of its {guests} running guests are on {release}");
                    let expected = format!(
                        "one elsewhere until {until} s, when the canaries of {:?} have soaked",
                        what.id
                    );
                    (format!("application {id}"), found, expected)
                });
            }
            *told = whole;
        }
    }
}
