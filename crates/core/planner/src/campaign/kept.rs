//! What a re-plan keeps of its parent: the hosts that it does, in which order, and where their guests go. The rest of the parent was a legal
//! plan, so that whoever follows it loses no host.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::plan::{Outcome, StepKind};

use super::Request;
use super::drive::Driven;
use super::facts::Facts;

/// What the rest of a parent plan does.
#[derive(Debug)]
pub(super) struct Kept {
    hosts: FxHashSet<u32>,
    /// By guest and the host that it leaves.
    targets: FxHashMap<(u32, u32), u32>,
}

impl Kept {
    /// `None`: there is no parent.
    pub(super) fn of(request: &Request<'_>, facts: &Facts<'_>) -> Option<Self> {
        let parent = request.parent?.plan;
        let since = request.starts_at.as_second().saturating_sub(parent.starts_at.as_second());
        let elements = parent.waves.iter().flat_map(|it| &it.elements);
        let hosts = elements.filter_map(|it| facts.host(it.as_str())).collect();
        let guests: FxHashMap<&str, u32> = facts.guests.iter().map(|it| it.it.id.as_str()).zip(0..).collect();
        let mut targets = FxHashMap::default();
        let mut goes = |vm: &str, from: &str, to: &str| {
            if let (Some(&vm), Some(from), Some(to)) = (guests.get(vm), facts.host(from), facts.host(to)) {
                targets.entry((vm, from)).or_insert(to);
            }
        };
        for step in parent.steps.iter().filter(|it| i64::from(it.start_s) > since) {
            match &step.kind {
                // Who comes home is no part of what empties a host.
                StepKind::Migrate { vm, from, to, .. }
                    if step.subject.as_ref().is_none_or(|it| it.as_str() != to.as_str()) =>
                {
                    goes(vm.as_str(), from.as_str(), to.as_str());
                }
                StepKind::Evacuate { host, expected, .. } => {
                    expected.iter().for_each(|it| goes(it.0.as_str(), host.as_str(), it.1.as_str()));
                }
                _ => {}
            }
        }
        Some(Self { hosts, targets })
    }

    /// The parent does a host.
    pub(super) fn has(&self, host: u32) -> bool {
        self.hosts.contains(&host)
    }

    /// Where the parent moves a guest that leaves a host.
    pub(super) fn target(&self, guest: u32, from: u32) -> Option<u32> {
        self.targets.get(&(guest, from)).copied()
    }
}

/// A host that the parent does finds no place in a plan.
pub(super) fn loses(request: &Request<'_>, driven: &Driven) -> bool {
    let Some(parent) = request.parent else { return false };
    let done: BTreeSet<&str> =
        parent.plan.waves.iter().flat_map(|it| &it.elements).map(|it| it.as_str()).collect();
    let blocked = driven.fates.iter().filter(|it| it.1.outcome == Some(Outcome::Blocked));
    blocked.into_iter().any(|it| done.contains(it.0.as_str()))
}
