//! What the owners of guests said to what is done to them.

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use underpin_model::change::Consent;
use underpin_model::fleet::Action;
use underpin_model::plan::Rule;

use super::{Deed, name};
use crate::report::Log;
use crate::timeline::Timeline;
use crate::world::{Index, World, ix};

/// The answers of owners, by what finds them fastest.
pub(super) struct Consents<'a> {
    all: &'a [Consent],
    by_vm: FxHashMap<&'a str, Vec<u32>>,
    by_tenant: FxHashMap<&'a str, Vec<u32>>,
    by_application: FxHashMap<&'a str, Vec<u32>>,
    of_everyone: Vec<u32>,
    ids: Index<'a>,
}

impl<'a> Consents<'a> {
    pub(super) fn new(world: &World<'a>) -> Self {
        let all = world.fleet.planning.as_ref().map_or(&[][..], |it| &it.consents);
        let mut it = Self {
            all,
            by_vm: FxHashMap::default(),
            by_tenant: FxHashMap::default(),
            by_application: FxHashMap::default(),
            of_everyone: Vec::new(),
            ids: all.iter().map(|it| it.id.as_str()).zip(0u32..).collect(),
        };
        for (consent, number) in all.iter().zip(0u32..) {
            if !consent.vms.is_empty() {
                for vm in &consent.vms {
                    it.by_vm.entry(vm.as_str()).or_default().push(number);
                }
            } else if !consent.tenants.is_empty() {
                for tenant in &consent.tenants {
                    it.by_tenant.entry(tenant.as_str()).or_default().push(number);
                }
            } else if !consent.applications.is_empty() {
                for application in &consent.applications {
                    it.by_application.entry(application.as_str()).or_default().push(number);
                }
            } else {
                it.of_everyone.push(number);
            }
        }
        it
    }

    /// The answers that speak of a guest and an action.
    fn of(&self, vm: &underpin_model::fleet::Vm, action: Action) -> impl Iterator<Item = (u32, &'a Consent)> {
        fn found<'i>(index: &'i FxHashMap<&str, Vec<u32>>, id: Option<&str>) -> &'i [u32] {
            id.and_then(|it| index.get(it)).map_or(&[], Vec::as_slice)
        }
        let tenant = vm.tenant.as_ref();
        let application = vm.application.as_ref();
        let numbers = [
            found(&self.by_vm, Some(vm.id.as_str())),
            found(&self.by_tenant, tenant.map(|it| it.as_str())),
            found(&self.by_application, application.map(|it| it.as_str())),
            &self.of_everyone,
        ];
        let speaking = numbers.into_iter().flatten().filter_map(|it| Some((*it, self.all.get(ix(*it))?)));
        let speaking: Vec<(u32, &Consent)> = speaking
            .filter(|(_, it)| {
                it.action == action
                    && (it.tenants.is_empty() || tenant.is_some_and(|id| it.tenants.contains(id)))
                    && (it.applications.is_empty()
                        || application.is_some_and(|id| it.applications.contains(id)))
            })
            .collect();
        speaking.into_iter()
    }

    /// Nothing that owners said keeps a deed from being done.
    pub(super) fn allow(&self, world: &World<'_>, timeline: &Timeline<'_>, deed: &Deed<'_>) -> bool {
        let Some(row) = world.vms.get(ix(deed.vm)) else { return false };
        let (from, until) = (timeline.plan.instant(deed.start), timeline.plan.instant(deed.until));
        let answers: Vec<&Consent> = self.of(row.vm, deed.action).map(|it| it.1).collect();
        let needed = world.policy.planning.consent_needed.contains(&deed.action);
        !answers.iter().any(|it| refuses(it, from, until))
            && (!needed || answers.iter().any(|it| it.granted && it.holds(from, until)))
    }

    pub(super) fn check(
        &self,
        world: &World<'_>,
        timeline: &Timeline<'_>,
        deed: &Deed<'_>,
        log: &mut Log<'_>,
    ) {
        let Some(row) = world.vms.get(ix(deed.vm)) else { return };
        let needed = world.policy.planning.consent_needed.contains(&deed.action);
        log.compared(Rule::Consent);
        if self.all.is_empty() && !needed && deed.consent.is_none() {
            return;
        }
        let locus = world.locus_of_vm(deed.vm, deed.from);
        let place = || format!("VM {}", row.vm.id);
        let (from, until) = (timeline.plan.instant(deed.start), timeline.plan.instant(deed.until));
        let answers: Vec<(u32, &Consent)> = self.of(row.vm, deed.action).collect();
        let refusal = answers.iter().map(|it| it.1).find(|it| refuses(it, from, until));
        if let Some(refusal) = refusal {
            log.error(Rule::Consent, deed.at, &locus, || {
                let found = format!("{}, which {:?} refuses", name(deed.action), refusal.id);
                (place(), found, "nothing that its owner refuses".into())
            });
            return;
        }
        let holds = |it: &(u32, &Consent)| it.1.granted && it.1.holds(from, until);
        match deed.consent.map(|id| self.ids.get(id).copied()) {
            Some(claimed) if !answers.iter().any(|it| Some(it.0) == claimed && holds(it)) => {
                log.error(Rule::Consent, deed.at, &locus, || {
                    let found =
                        format!("consent {:?}, which does not allow it", deed.consent.unwrap_or_default());
                    let expected = format!("a consent to {} from {from} to {until}", name(deed.action));
                    (place(), found, expected)
                });
            }
            Some(_) => {}
            None if needed => {
                let given = answers.iter().find(|it| holds(it));
                // An evacuation by the platform has no place for it.
                let names_it = deed.action != Action::LiveMigrate && !deed.theirs;
                if given.is_none() || names_it {
                    log.error(Rule::Consent, deed.at, &locus, || {
                        let found = match given {
                            Some(it) => format!(
                                "{}, which does not name its consent {:?}",
                                name(deed.action),
                                it.1.id
                            ),
                            None => format!("{} without a consent", name(deed.action)),
                        };
                        (place(), found, format!("a consent that holds from {from} to {until}"))
                    });
                }
            }
            None => {}
        }
    }
}

/// A no that stands at some time of a span.
fn refuses(answer: &Consent, from: Timestamp, until: Timestamp) -> bool {
    !answer.granted && answer.from.is_none_or(|it| it < until) && answer.until.is_none_or(|it| from < it)
}
