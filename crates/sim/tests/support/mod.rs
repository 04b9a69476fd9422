//! What tests of carried out plans share.

use std::collections::BTreeMap;

use underpin_lint::{Options, lint};
use underpin_model::fleet::Fleet;
use underpin_model::plan::{Plan, Profile, Severity};
use underpin_model::policy::Policy;
use underpin_planner::campaign::{Parent, Planned, Request, plan};
use underpin_sim::script::Files;

/// Stands for the digest of the plan before.
const PARENT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One file.
pub(crate) struct One(pub(crate) Vec<u8>);

impl Files for One {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(self.0.clone())
    }
}

/// A plan without any search, which the lint accepts.
pub(crate) fn planned(fleet: &Fleet, policy: &Policy, parent: Option<&Plan>) -> Planned {
    let loss = BTreeMap::new();
    let it = plan(&Request {
        fleet,
        policy,
        starts_at: fleet.seen.at,
        profile: Profile::Normal,
        homing: None,
        seed: 1,
        evaluations: 0,
        loss_per_day: &loss,
        parent: parent.map(|plan| Parent { plan, sha256: PARENT }),
        fleet_sha256: None,
        policy_sha256: None,
    });
    let it = it.unwrap();
    let report = lint(fleet, policy, &it.plan, &Options::default());
    let errors: Vec<_> = report.findings.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{:#?}", errors.first());
    it
}
