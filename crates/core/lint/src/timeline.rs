//! The plan by numbers: steps with their ids resolved, and the path of every element through each of its waves.

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::change::{Change, Method, Target};
use underpin_model::fleet::Capacity;
use underpin_model::plan::{Plan, Profile, Step, StepKind};

use crate::world::{Elem, NONE, World, ix};

/// What a step does, by numbers. Guests and hosts that are not known become [`Doing::Nothing`], and a finding.
#[derive(Debug, Clone)]
pub(crate) enum Doing<'a> {
    Nothing,
    Freeze {
        cluster: u32,
    },
    Thaw {
        cluster: u32,
    },
    Gate,
    Stage {
        element: Elem,
        change: u32,
    },
    BackupCheck {
        element: Elem,
    },
    Migrate {
        vm: u32,
        from: u32,
        to: u32,
        live: bool,
        mbps: u32,
        pause_ms: u32,
        consent: Option<&'a str>,
    },
    /// `beside`: hosts that may take guests and are not expected to.
    Evacuate {
        host: u32,
        moves: Box<[(u32, u32)]>,
        beside: Box<[u32]>,
        mbps: u32,
    },
    Stop {
        vm: u32,
        host: u32,
        consent: Option<&'a str>,
    },
    Start {
        vm: u32,
        host: u32,
    },
    Suspend {
        vm: u32,
        host: u32,
        consent: Option<&'a str>,
    },
    Resume {
        vm: u32,
        host: u32,
    },
    Patch {
        element: Elem,
        change: u32,
        method: Method,
        to: &'a str,
        unit: u32,
    },
    Reboot {
        element: Elem,
        quick: bool,
    },
    Attest {
        element: Elem,
    },
    Verify {
        element: Elem,
    },
}

/// A step by numbers.
#[derive(Debug, Clone)]
pub(crate) struct Act<'a> {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) wave: u32,
    pub(crate) subject: Option<Elem>,
    pub(crate) touches: bool,
    pub(crate) doing: Doing<'a>,
}

/// An element's way through one wave.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) wave: u32,
    pub(crate) element: Elem,
    /// The wave lists the element.
    pub(crate) listed: bool,
    /// Its steps, in the order of the plan.
    pub(crate) steps: Vec<u32>,
    /// First touch; [`NONE`] where nothing touches it.
    pub(crate) from: u32,
    /// End of the last step that touches it.
    pub(crate) until: u32,
    /// When it goes down; [`NONE`]: never.
    pub(crate) down_from: u32,
    /// When it is back; [`NONE`]: never.
    pub(crate) down_until: u32,
    /// End of its last verification after everything else; [`NONE`]: never.
    pub(crate) verified: u32,
    /// Most that taking it back takes, in seconds.
    pub(crate) rollback_s: u32,
}

impl Path {
    /// When its element serves again: it is verified, even if some of its guests are still to start or on their way home. Without a
    /// verification not before everything else is over.
    pub(crate) fn serves(&self) -> u32 {
        if self.verified == NONE { self.until } else { self.verified }
    }
}

/// What the capacity of a host becomes, and when.
pub(crate) struct CapacityChange {
    pub(crate) at: u32,
    pub(crate) host: u32,
    pub(crate) capacity: Capacity,
}

/// The plan by numbers.
pub(crate) struct Timeline<'a> {
    pub(crate) plan: &'a Plan,
    /// The profile that it is judged by: its own but for the question what an emergency excuses.
    pub(crate) profile: Profile,
    pub(crate) changes: Vec<&'a Change>,
    pub(crate) change_at: FxHashMap<&'a str, u32>,
    pub(crate) acts: Vec<Act<'a>>,
    pub(crate) paths: Vec<Path>,
    /// Paths of each host, by time of first touch.
    pub(crate) paths_of_host: Vec<Vec<u32>>,
    /// Releases that each host gets, with the end of the step that installs each.
    pub(crate) releases: Vec<Vec<(u32, &'a str)>>,
    pub(crate) capacities: Vec<CapacityChange>,
}

/// Whether guests run on while an element is patched so.
pub(crate) fn leaves_running(method: Method) -> bool {
    matches!(method, Method::LivePatch | Method::InPlace)
}

impl<'a> Timeline<'a> {
    pub(crate) fn new(world: &World<'a>, plan: &'a Plan) -> Self {
        let changes: Vec<&Change> = world.fleet.planning.iter().flat_map(|it| &it.changes).collect();
        let mut change_at = FxHashMap::default();
        for (change, number) in changes.iter().zip(0u32..) {
            change_at.entry(change.id.as_str()).or_insert(number);
        }
        let acts: Vec<Act<'a>> = plan.steps.iter().map(|it| act(world, &change_at, it)).collect();
        let mut timeline = Self {
            plan,
            profile: plan.profile,
            changes,
            change_at,
            acts,
            paths: Vec::new(),
            paths_of_host: vec![Vec::new(); world.hosts.len()],
            releases: vec![Vec::new(); world.hosts.len()],
            capacities: Vec::new(),
        };
        timeline.walk(world);
        timeline.measure(world);
        timeline.follow_hosts();
        timeline
    }

    /// Gives every step to the paths that it is on.
    fn walk(&mut self, world: &World<'a>) {
        let mut at: FxHashMap<(u32, Elem), usize> = FxHashMap::default();
        for (wave, number) in self.plan.waves.iter().zip(1u32..) {
            for element in wave.elements.iter().filter_map(|it| world.element(it.as_str())) {
                at.entry((number, element)).or_insert_with(|| {
                    self.paths.push(Path::new(number, element, true));
                    self.paths.len() - 1
                });
            }
        }
        for (act, step) in self.acts.iter().zip(0u32..) {
            let named = act.named();
            for element in act.subject.into_iter().chain(named.filter(|it| Some(*it) != act.subject)) {
                let path = *at.entry((act.wave, element)).or_insert_with(|| {
                    self.paths.push(Path::new(act.wave, element, false));
                    self.paths.len() - 1
                });
                if let Some(path) = self.paths.get_mut(path) {
                    path.steps.push(step);
                }
            }
            // A guest that leaves a host of the wave leaves it for the wave, whosever room it makes.
            if let Doing::Migrate { from, .. } = act.doing
                && act.subject != Some(Elem::Host(from))
                && let Some(path) = at.get(&(act.wave, Elem::Host(from)))
                && let Some(path) = self.paths.get_mut(*path)
            {
                path.steps.push(step);
            }
        }
    }

    /// Finds when each element is away and down.
    fn measure(&mut self, world: &World<'a>) {
        for path in &mut self.paths {
            let mut last_work = 0;
            let mut interrupts = false;
            for act in path.steps.iter().filter_map(|it| self.acts.get(ix(*it))) {
                if act.touches {
                    path.from = path.from.min(act.start);
                    path.until = path.until.max(act.end);
                }
                let own = act.named() == Some(path.element);
                match act.doing {
                    Doing::Patch { change, method, .. } if own => {
                        interrupts |= !leaves_running(method);
                        last_work = last_work.max(act.end);
                        path.down_from = path.down_from.min(act.start);
                        let change = self.changes.get(ix(change));
                        let durations = change.and_then(|it| it.durations);
                        let durations =
                            durations.unwrap_or_else(|| world.policy.planning.durations_of(method));
                        path.rollback_s = path.rollback_s.max(durations.rollback.p95_s);
                    }
                    Doing::Reboot { .. } if own => {
                        interrupts = true;
                        last_work = last_work.max(act.end);
                        path.down_from = path.down_from.min(act.start);
                    }
                    Doing::Verify { .. } if own && act.start >= last_work => path.verified = act.end,
                    _ => {}
                }
            }
            path.down_until = path.verified;
            if !interrupts {
                path.down_from = NONE;
                path.down_until = NONE;
            }
        }
    }

    /// Orders the paths of each host, and collects what it runs and can carry over time.
    fn follow_hosts(&mut self) {
        for (path, number) in self.paths.iter().zip(0u32..) {
            if let Some(host) = path.element.host()
                && path.from != NONE
                && !self.only_takes(path)
                && let Some(of) = self.paths_of_host.get_mut(ix(host))
            {
                of.push(number);
            }
        }
        for of in &mut self.paths_of_host {
            of.sort_by_key(|it| self.paths.get(ix(*it)).map(|path| (path.from, path.until)));
        }
        let mut shrinks: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        for act in &self.acts {
            let Doing::Patch { element: Elem::Host(host), change, to, .. } = act.doing else { continue };
            let Some(what) = self.changes.get(ix(change)) else { continue };
            if matches!(what.to, Target::Release { .. })
                && let Some(of) = self.releases.get_mut(ix(host))
            {
                of.push((act.end, to));
            }
            if what.capacity_after.is_some() {
                let at = shrinks.entry((host, change)).or_default();
                *at = (*at).max(act.end);
            }
        }
        for of in &mut self.releases {
            of.sort_unstable();
        }
        for ((host, change), at) in shrinks {
            if let Some(capacity) = self.changes.get(ix(change)).and_then(|it| it.capacity_after) {
                self.capacities.push(CapacityChange { at, host, capacity });
            }
        }
        self.capacities.sort_by_key(|it| (it.at, it.host));
    }

    /// Guests come to a host that the wave does not list, and nothing else is done there: nobody misses it.
    pub(crate) fn only_takes(&self, path: &Path) -> bool {
        let comes = |step: &u32| match self.acts.get(ix(*step)).map(|it| &it.doing) {
            Some(Doing::Migrate { to, .. }) => path.element == Elem::Host(*to),
            _ => false,
        };
        !path.listed && path.steps.iter().all(comes)
    }

    /// The release that a host runs at a moment, where it is known.
    pub(crate) fn release_at(&self, world: &World<'a>, host: u32, at: u32) -> Option<&'a str> {
        let steps = self.releases.get(ix(host))?;
        let reached = steps.partition_point(|it| it.0 <= at);
        match reached.checked_sub(1).and_then(|it| steps.get(it)) {
            Some((_, release)) => Some(release),
            None => world.hosts.get(ix(host))?.host.platform.as_ref()?.release.as_deref(),
        }
    }

    pub(crate) fn paths_of(&self, host: u32) -> impl Iterator<Item = &Path> {
        let of = self.paths_of_host.get(ix(host)).into_iter().flatten();
        of.filter_map(|it| self.paths.get(ix(*it)))
    }

    pub(crate) fn end_s(&self) -> u32 {
        self.acts.iter().map(|it| it.end).max().unwrap_or(0)
    }
}

impl Path {
    fn new(wave: u32, element: Elem, listed: bool) -> Self {
        Self {
            wave,
            element,
            listed,
            steps: Vec::new(),
            from: NONE,
            until: 0,
            down_from: NONE,
            down_until: NONE,
            verified: NONE,
            rollback_s: 0,
        }
    }
}

impl Act<'_> {
    /// The element that the step itself names.
    pub(crate) fn named(&self) -> Option<Elem> {
        match self.doing {
            Doing::Stage { element, .. }
            | Doing::BackupCheck { element }
            | Doing::Patch { element, .. }
            | Doing::Reboot { element, .. }
            | Doing::Attest { element }
            | Doing::Verify { element } => Some(element),
            Doing::Evacuate { host, .. } => Some(Elem::Host(host)),
            _ => None,
        }
    }

    /// Hosts that the step is on.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = u32> {
        let (one, other) = match self.doing {
            Doing::Migrate { from, to, .. } => (Some(from), Some(to)),
            Doing::Stop { host, .. }
            | Doing::Start { host, .. }
            | Doing::Suspend { host, .. }
            | Doing::Resume { host, .. } => (Some(host), None),
            _ => (self.named().and_then(Elem::host), None),
        };
        one.into_iter().chain(other)
    }
}

fn act<'a>(world: &World<'a>, change_at: &FxHashMap<&'a str, u32>, step: &'a Step) -> Act<'a> {
    Act {
        start: step.start_s,
        end: step.end_s(),
        wave: step.wave,
        subject: step.subject.as_ref().and_then(|it| world.element(it.as_str())),
        touches: step.kind.touches(),
        doing: doing(world, change_at, &step.kind).unwrap_or(Doing::Nothing),
    }
}

/// The step by numbers, if every id in it is known.
fn doing<'a>(
    world: &World<'a>,
    change_at: &FxHashMap<&'a str, u32>,
    kind: &'a StepKind,
) -> Option<Doing<'a>> {
    let vm = |id: &str| world.vm_at.get(id).copied();
    let host = |id: &str| world.host_at.get(id).copied();
    let cluster = |id: &str| world.cluster_at.get(id).copied();
    let element = |id: &str| world.element(id);
    Some(match kind {
        StepKind::Freeze { cluster: id, .. } => Doing::Freeze { cluster: cluster(id.as_str())? },
        StepKind::Thaw { cluster: id } => Doing::Thaw { cluster: cluster(id.as_str())? },
        StepKind::Gate { cluster: None } => Doing::Gate,
        StepKind::Gate { cluster: Some(id) } => {
            cluster(id.as_str())?;
            Doing::Gate
        }
        StepKind::Stage { element: id, change } => {
            Doing::Stage { element: element(id.as_str())?, change: *change_at.get(change.as_str())? }
        }
        StepKind::BackupCheck { element: id } => Doing::BackupCheck { element: element(id.as_str())? },
        StepKind::Migrate { vm: guest, from, to, live, mbps, pause_ms, consent } => Doing::Migrate {
            vm: vm(guest.as_str())?,
            from: host(from.as_str())?,
            to: host(to.as_str())?,
            live: *live,
            mbps: *mbps,
            pause_ms: *pause_ms,
            consent: consent.as_deref(),
        },
        StepKind::Evacuate { host: from, expected, only_to, mbps } => {
            let mut beside = only_to.iter().map(|it| host(it.as_str())).collect::<Option<Vec<_>>>()?;
            let moves = expected.iter().map(|(guest, to)| Some((vm(guest.as_str())?, host(to.as_str())?)));
            let moves: Box<[(u32, u32)]> = moves.collect::<Option<_>>()?;
            let targets: FxHashSet<u32> = moves.iter().map(|it| it.1).collect();
            beside.retain(|it| !targets.contains(it));
            Doing::Evacuate { host: host(from.as_str())?, moves, beside: beside.into(), mbps: *mbps }
        }
        StepKind::Stop { vm: guest, host: on, consent } => {
            Doing::Stop { vm: vm(guest.as_str())?, host: host(on.as_str())?, consent: consent.as_deref() }
        }
        StepKind::Start { vm: guest, host: on } => {
            Doing::Start { vm: vm(guest.as_str())?, host: host(on.as_str())? }
        }
        StepKind::Suspend { vm: guest, host: on, consent } => {
            Doing::Suspend { vm: vm(guest.as_str())?, host: host(on.as_str())?, consent: consent.as_deref() }
        }
        StepKind::Resume { vm: guest, host: on } => {
            Doing::Resume { vm: vm(guest.as_str())?, host: host(on.as_str())? }
        }
        StepKind::Patch { element: id, change, method, to, unit } => Doing::Patch {
            element: element(id.as_str())?,
            change: *change_at.get(change.as_str())?,
            method: *method,
            to,
            unit: *unit,
        },
        StepKind::Reboot { element: id, quick } => {
            Doing::Reboot { element: element(id.as_str())?, quick: *quick }
        }
        StepKind::Attest { element: id } => Doing::Attest { element: element(id.as_str())? },
        StepKind::Verify { element: id } => Doing::Verify { element: element(id.as_str())? },
    })
}
