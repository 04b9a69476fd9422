//! A plan under way: which steps wait, which are ready, which run.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::Change;
use underpin_model::id::{ClusterId, ElementId, VmId};
use underpin_model::plan::{Plan, Step, StepKind};
use underpin_model::policy::Durations;
use underpin_platforms::platform::{HostFacts, TaskId};

/// For so long, in milliseconds.
const ASKS_FOR_MS: u64 = 3_600_000;
/// A step that takes longer than so many times its planned span, and an hour more, is never over.
const NEVER: u64 = 4;

/// A plan under way.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) began_ms: u64,
    /// How many steps each one still waits for.
    pub(super) waits: Vec<usize>,
    pub(super) followers: Vec<Vec<usize>>,
    /// Steps that wait for their time only: by that time, in milliseconds of the virtual clock.
    pub(super) ready: BTreeSet<(u64, usize)>,
    pub(super) running: BTreeMap<usize, Running>,
    /// When an order that was not answered yet was given first.
    pub(super) asked: BTreeMap<usize, u64>,
    pub(super) done: usize,
    /// What the keys of its orders begin with: those of another plan are other orders.
    pub(super) key: String,
    /// Where guests stand by the steps that are over, in a plan in which the platform chooses.
    pub(super) placed: Option<BTreeMap<VmId, String>>,
    /// Waves of which something has begun.
    begun: BTreeSet<u32>,
    /// Why no wave begins any more.
    pub(super) held: Option<String>,
    /// Facts of hosts before anything was done to them.
    pub(super) before: BTreeMap<ElementId, HostFacts>,
    pub(super) late: Vec<String>,
    /// What each change installs on an element, hop by hop.
    pub(super) hops: BTreeMap<(ElementId, String), Vec<String>>,
    /// What the changes of each drain declare that its steps take, by element and wave.
    durations: BTreeMap<(ElementId, u32), Durations>,
}

pub(super) struct Running {
    pub(super) task: TaskId,
    pub(super) began_ms: u64,
    pub(super) boots: u32,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a Plan, changes: &[Change], began_ms: u64) -> Self {
        let count = plan.steps.len();
        let mut run = Self {
            plan,
            began_ms,
            waits: vec![0; count],
            followers: vec![Vec::new(); count],
            ready: BTreeSet::new(),
            running: BTreeMap::new(),
            asked: BTreeMap::new(),
            done: 0,
            before: BTreeMap::new(),
            late: Vec::new(),
            hops: BTreeMap::new(),
            durations: BTreeMap::new(),
            key: format!("plan {}", plan.starts_at),
            placed: None,
            begun: BTreeSet::new(),
            held: None,
        };
        for (at, step) in plan.steps.iter().enumerate() {
            if let StepKind::Patch { element, change, to, .. } = &step.kind {
                run.hops.entry((element.clone(), change.clone())).or_default().push(to.clone());
                // Of several changes in one drain the longest of each step.
                let declared = changes.iter().find(|it| it.id == *change).and_then(|it| it.durations);
                if let Some(durations) = declared {
                    let drain = run.durations.entry((element.clone(), step.wave)).or_insert(durations);
                    *drain = drain.longest(durations);
                }
            }
            for before in step.after.iter().filter_map(|it| usize::try_from(*it).ok()) {
                if let Some(it) = run.followers.get_mut(before) {
                    it.push(at);
                }
                if let Some(it) = run.waits.get_mut(at) {
                    *it += 1;
                }
            }
        }
        for at in 0..count {
            if run.waits.get(at) == Some(&0) {
                run.ready.insert((run.time_ms(at), at));
            }
        }
        run
    }

    /// What the changes of a step's drain declare that its steps take.
    pub(super) fn durations(&self, step: &Step) -> Option<Durations> {
        self.durations.get(&(step.subject.clone()?, step.wave)).copied()
    }

    /// When a step's time has come, in milliseconds of the virtual clock.
    pub(super) fn time_ms(&self, at: usize) -> u64 {
        self.began_ms.saturating_add(self.plan.steps.get(at).map_or(0, |it| u64::from(it.start_s) * 1000))
    }

    /// Whether a call that was not answered is made again: for an hour.
    pub(super) fn may_ask_again(&mut self, at: usize, now_ms: u64) -> bool {
        let first_ms = *self.asked.entry(at).or_insert(now_ms);
        now_ms.saturating_sub(first_ms) < ASKS_FOR_MS
    }

    pub(super) fn deadline_ms(&self, at: usize, running: &Running) -> u64 {
        let planned_s = self.plan.steps.get(at).map_or(0, |it| u64::from(it.p95_s));
        running.began_ms.saturating_add((planned_s * NEVER + 3600) * 1000)
    }

    /// Whether the platform chooses where guests go.
    pub(super) fn chooses(&self) -> bool {
        self.plan.steps.iter().any(|it| matches!(it.kind, StepKind::Evacuate { .. }))
    }

    /// No wave begins any more; what has begun goes on.
    pub(super) fn hold(&mut self, why: String) {
        self.held.get_or_insert(why);
        let (plan, begun) = (self.plan, &self.begun);
        self.ready.retain(|it| plan.steps.get(it.1).is_some_and(|step| goes_on(step, begun)));
    }

    /// A step begins; false: it is held back.
    pub(super) fn begins(&mut self, step: &Step) -> bool {
        if self.held.is_some() && !goes_on(step, &self.begun) {
            return false;
        }
        if step.wave > 0 {
            self.begun.insert(step.wave);
        }
        true
    }

    /// Clusters whose freeze is over and whose thaw has not begun, with the freeze's position.
    pub(super) fn frozen(&self) -> Vec<(ClusterId, usize)> {
        let mut frozen = BTreeMap::new();
        for (at, step) in self.plan.steps.iter().enumerate() {
            let over = self.waits.get(at) == Some(&usize::MAX);
            match &step.kind {
                StepKind::Freeze { cluster, .. } if over => {
                    frozen.insert(cluster.clone(), at);
                }
                StepKind::Thaw { cluster } if over => {
                    frozen.remove(cluster);
                }
                _ => {}
            }
        }
        frozen.into_iter().collect()
    }

    /// A step has ended: those that wait for nothing else any more are ready at their time.
    pub(super) fn end(&mut self, at: usize, now_ms: u64) {
        self.done += 1;
        if let (Some(placed), Some(step)) = (&mut self.placed, self.plan.steps.get(at)) {
            match &step.kind {
                StepKind::Migrate { vm, to, .. } => {
                    placed.insert(vm.clone(), to.to_string());
                }
                StepKind::Evacuate { expected, .. } => {
                    placed.extend(expected.iter().map(|(vm, to)| (vm.clone(), to.to_string())));
                }
                _ => {}
            }
        }
        if let Some(it) = self.waits.get_mut(at) {
            *it = usize::MAX;
        }
        let followers = self.followers.get_mut(at).map(std::mem::take).unwrap_or_default();
        for follower in followers {
            let Some(left) = self.waits.get_mut(follower) else { continue };
            *left = left.saturating_sub(1);
            let goes_on = |it: &Step| goes_on(it, &self.begun);
            if *left == 0 && (self.held.is_none() || self.plan.steps.get(follower).is_some_and(goes_on)) {
                self.ready.insert((self.time_ms(follower).max(now_ms), follower));
            }
        }
    }
}

/// Whether a step is begun although nothing new is: it is of a wave that has begun, or thaws.
fn goes_on(step: &Step, begun: &BTreeSet<u32>) -> bool {
    match step.kind {
        StepKind::Thaw { .. } => true,
        StepKind::Gate { .. } | StepKind::Freeze { .. } => false,
        _ => begun.contains(&step.wave),
    }
}
