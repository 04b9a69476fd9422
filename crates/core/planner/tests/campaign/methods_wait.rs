//! A host of which one method has to wait, and another one is barred for ever.

use underpin_model::change::Method;
use underpin_model::fleet::Fleet;
use underpin_model::plan::Outcome;
use underpin_model::policy::{FailureSets, Policy};

use super::build::{fleet, guest, planned, planning, policy, tenant};

/// Guests that may not be touched, on hosts that can be patched as they run, of a tenant that lets one host be changed at a time.
fn one_at_a_time(most: u32) -> (Fleet, Policy) {
    let mut fleet = fleet(3);
    let tenant = tenant(&mut fleet, "t");
    for host in ["h1", "h2", "h3"] {
        let it = guest(&mut fleet, host, 4);
        (it.tenant, it.allowed_actions) = (Some(tenant.clone()), Vec::new());
    }
    planning(&mut fleet).changes[0].methods = vec![Method::LivePatch, Method::EvacuateReboot];
    let mut policy = policy();
    policy.planning.failure_sets = FailureSets::None;
    policy.planning.most_away.per_cluster = most;
    policy.planning.most_away.per_tenant = Some(1);
    (fleet, policy)
}

#[test]
fn who_has_to_wait_for_one_method_is_not_given_up_for_another() {
    for most in [1, 3] {
        let (fleet, policy) = one_at_a_time(most);
        let it = planned(&fleet, &policy);
        let planned = it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count();
        assert_eq!(planned, 3, "at most {most}: {:?}", it.report.elements);
    }
}
