//! Where the platform places: no wave begins while guests stand elsewhere than the plan counts on. What has begun is brought to its end,
//! what was frozen is thawed, and who carries the plan out plans again from what is there.

use underpin_model::id::{ClusterId, VmId};
use underpin_model::plan::{Step, StepKind};
use underpin_platforms::platform::{Action, FailureKind, Key, TaskState};

use super::run::Run;
use crate::script::Session;
use crate::script::orders::last_saved;

impl Session {
    /// Why a wave must not begin, if guests of its cluster stand elsewhere than the plan has them by the steps that are over.
    pub(super) fn elsewhere(&self, run: &Run<'_>, step: &Step) -> Option<String> {
        let StepKind::Gate { cluster } = &step.kind else { return None };
        let placed = run.placed.as_ref()?;
        let inside = |host: &str| self.cluster_of(host) == cluster.as_ref();
        let mut off = placed.iter().filter_map(|(vm, planned)| {
            let on = self.host_of(vm.as_str())?;
            (on != *planned && (inside(&on) || inside(planned)))
                .then(|| format!("{vm} is on {on}, planned on {planned}"))
        });
        let first = off.next()?;
        let more = off.count();
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        Some(format!("before wave {}: {first}{more}", step.wave))
    }

    fn cluster_of(&self, host: &str) -> Option<&ClusterId> {
        let at = self.datacentre.hosts.get(self.datacentre.host_at(host)?)?.cluster?;
        self.datacentre.clusters.get(at).map(|it| &it.id)
    }

    /// Where every guest stands, for a plan in which the platform chooses.
    pub(super) fn places(&self) -> Vec<(VmId, String)> {
        let all = self.datacentre.guests.iter();
        all.filter_map(|it| Some((it.id.clone(), self.datacentre.name_of(it.host?)))).collect()
    }

    /// An evacuation that the platform's choice left without a place: the host takes guests again, and nothing more begins.
    pub(super) fn left_by_choice(
        &mut self,
        run: &mut Run<'_>,
        at: usize,
        kind: &FailureKind,
        why: &str,
    ) -> bool {
        let Some(step) = run.plan.steps.get(at) else { return false };
        let short = [FailureKind::NotEnoughMemory, FailureKind::NotEnoughCpu, FailureKind::NoTarget];
        let StepKind::Evacuate { host, .. } = &step.kind else { return false };
        if run.placed.is_none() || !short.contains(kind) {
            return false;
        }
        run.running.remove(&at);
        run.hold(format!("step {at} (evacuate {host}): {why}"));
        let key = Key(format!("{}/{at}/exit-maintenance", run.key));
        // Not answered: the host stays in maintenance, which the next plan sees.
        let _answer =
            self.datacentre.begin(&key, self.generation, &Action::ExitMaintenance { host: host.clone() });
        true
    }

    /// Puts back what is still frozen, and waits for it.
    pub(super) fn thaw_what_is_frozen(&mut self, run: &Run<'_>) -> Result<(), String> {
        for (cluster, at) in run.frozen() {
            let saved = last_saved(&self.datacentre, &cluster).unwrap_or_default();
            let key = Key(format!("{}/{at}/thaw", run.key));
            let thaw = Action::Thaw { cluster, saved };
            let task = self.datacentre.begin(&key, self.generation, &thaw).map_err(|it| it.to_string())?;
            let mut left = crate::datacentre::MOST_HAPPENINGS;
            while let Ok(TaskState::Running { .. }) = self.datacentre.task_state(&task) {
                left = left.checked_sub(1).ok_or("too much happened")?;
                self.datacentre.step();
            }
        }
        Ok(())
    }
}
