//! What the plan leaves out, held to what would justify it. On purpose only where a change may be deferred. Otherwise something must hold
//! it back: of a host the lint looks for whatever might, and where it sees nothing its guests have places when the plan is over, it says
//! so. Why an element is blocked stands in the report of the plan, and a search for a plan may miss one that exists: that is no error.

use rustc_hash::FxHashSet;
use underpin_model::change::{Change, Method};
use underpin_model::fleet::{Action, Redundancy, Vm};
use underpin_model::plan::{LeftOut, Rule, Severity};
use underpin_model::policy::FailureSets;

use crate::changes::Members;
use crate::report::{At, Log, Said};
use crate::timeline::{Doing, Timeline};
use crate::world::{Elem, NONE, World, ix};

/// A plan that ends so near to the horizon of the policy has had no time for more, in seconds.
const NEAR_S: u64 = 2 * 86_400;

pub(crate) fn check(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    members: &Members,
    log: &mut Log<'_>,
) -> FxHashSet<u32> {
    let mut free = FxHashSet::default();
    let general = general(world, timeline);
    for left in &timeline.plan.left_out {
        let Some(element) = world.element(left.element.as_str()) else { continue };
        log.compared(Rule::Coverage);
        if left.deferred {
            on_purpose(world, timeline, members, (left, element), log);
        } else if let Elem::Host(host) = element
            && general
            && is_free(world, timeline, members, host)
        {
            free.insert(host);
        }
    }
    idle(timeline, log);
    free
}

/// A plan that changes nothing keeps every rule: that does not say that there is no better one.
fn idle(timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let left = timeline.plan.left_out.iter().filter(|it| !it.deferred).count();
    if left == 0 || timeline.acts.iter().any(|it| matches!(it.doing, Doing::Patch { .. })) {
        return;
    }
    log.add(Rule::Coverage, Severity::Unknown, At::NONE, || {
        let found = format!(
            "it changes nothing and leaves {left} out; whether more could be done is not searched for here"
        );
        ("the plan".to_owned(), found, "what holds them back, as the report of the plan tells it".into())
    });
}

/// The changes that are about an element and still to be made on it.
fn due<'t>(
    timeline: &'t Timeline<'_>,
    members: &'t Members,
    element: Elem,
) -> impl Iterator<Item = &'t Change> {
    let all = timeline.changes.iter().zip(members);
    all.filter(move |it| it.1.get(&element) == Some(&true)).map(|it| *it.0)
}

fn on_purpose(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    members: &Members,
    (left, element): (&LeftOut, Elem),
    log: &mut Log<'_>,
) {
    if due(timeline, members, element).any(|it| it.methods.contains(&Method::Defer)) {
        return;
    }
    log.error(Rule::Coverage, At::NONE, &world.locus_of(element), || {
        let found =
            format!("left out on purpose, and no change of it may be deferred (change {:?})", left.change);
        let expected = "a change with the method `defer`, or `deferred` false with what holds it back";
        (world.id(element), found, expected.into())
    });
}

/// Nothing that may hold back any host: an element below it that is left out, a limit that hosts in maintenance may use up, the horizon.
fn general(world: &World<'_>, timeline: &Timeline<'_>) -> bool {
    let planning = &world.policy.planning;
    let plan = timeline.plan;
    let most = &planning.most_away;
    let limits = [most.per_fault_domain, most.per_ring, most.per_tenant];
    let mut limits = limits.into_iter().flatten().chain(most.fault_domains.values().copied());
    let limited = limits.any(|it| it == 0 || world.hosts.iter().any(|it| it.maintenance));
    let of_fleet = world.fleet.planning.as_ref();
    let none_away = of_fleet.and_then(|it| it.max_hosts_per_wave).unwrap_or(most.per_cluster) == 0;
    let below =
        plan.left_out.iter().any(|it| world.element(it.element.as_str()).and_then(Elem::host).is_none());
    let soaks = plan.waves.iter().map(|it| it.soak_until_s).chain(plan.soaking.iter().map(|it| it.until_s));
    let last = soaks.max().unwrap_or(0).max(timeline.end_s());
    let near = u64::from(last) + NEAR_S > u64::from(planning.horizon_days) * 86_400;
    let among = of_fleet.is_some_and(|it| !it.among.is_empty());
    let asked = planning.consent_needed.contains(&Action::LiveMigrate);
    let domains = planning.failure_sets == FailureSets::FaultDomain;
    !(limited || none_away || below || near || among || asked || domains)
}

/// Nothing that may hold back this host, whatever its guests need.
fn is_free(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, host: u32) -> bool {
    let Some(row) = world.hosts.get(ix(host)) else { return false };
    let cluster = world.clusters.get(ix(row.cluster));
    let by_itself = |it: &Change| {
        it.after.is_empty()
            && it.capacity_after.is_none()
            && (it.methods.is_empty() || it.methods.contains(&Method::EvacuateReboot))
    };
    let mut own = due(timeline, members, Elem::Host(host)).peekable();
    let whole = |it: &u32| {
        let id = world.storage_at.iter().find(|at| at.1 == it).map_or("", |at| *at.0);
        let storage = world.fleet.storage.iter().find(|it| it.id.as_str() == id);
        storage.is_some_and(|it| it.redundancy == Some(Redundancy::Full))
    };
    own.peek().is_some()
        && own.all(by_itself)
        && cluster.is_some_and(|it| it.degraded != Some(true))
        && crate::sequence::coordinators_of(world, row.cluster).is_empty()
        && !world.hosts.iter().any(|it| it.cluster == row.cluster && (it.maintenance || it.slots == 0))
        && world.storage_of.get(ix(host)).into_iter().flatten().all(whole)
}

/// Nothing that may hold a guest on its host: it may move while it runs, at any time, and needs nothing of this host alone.
pub(crate) fn may_leave(world: &World<'_>, vm: u32) -> bool {
    let Some(row) = world.vms.get(ix(vm)) else { return false };
    let planning = &world.policy.planning;
    row.vm.allowed_actions.contains(&Action::LiveMigrate)
        && row.vm.locks.is_empty()
        && row.vm.passthrough.is_empty()
        && row.vm.sealed_keys.is_none()
        && row.memory_mib.is_some()
        && row.vcpus.is_some()
        && !planning.controllers.contains(&row.vm.id)
        && !(planning.release_diversity && row.application != NONE)
        && !is_refused(world, row.vm)
        && crate::guests::converges(world, vm)
}

/// Its owner has said no to its moving while it runs, for whatever time; a no to another action leaves it this way out.
fn is_refused(world: &World<'_>, vm: &Vm) -> bool {
    let answers = world.fleet.planning.iter().flat_map(|it| &it.consents);
    answers.filter(|it| !it.granted && it.action == Action::LiveMigrate).any(|it| it.speaks_of(vm))
}

/// No window and no freeze speaks of a host or of a guest on it.
pub(crate) fn any_time(world: &World<'_>, host: u32, vms: &[u32]) -> bool {
    let planning = &world.policy.planning;
    let scopes =
        || planning.window.iter().map(|it| &it.scope).chain(planning.freeze.iter().map(|it| &it.scope));
    let speaks = |locus| scopes().any(|it| world.within(it, &locus));
    !speaks(world.locus(host)) && !vms.iter().any(|vm| speaks(world.locus_of_vm(*vm, host)))
}

pub(crate) fn say(world: &World<'_>, host: u32) -> Said {
    let found = "it is left out, and nothing that is known holds it back: its guests have places at the end of the plan";
    let expected = "what holds it back, as the report of the plan tells it";
    (format!("host {}", world.host_id(host)), found.into(), expected.into())
}
