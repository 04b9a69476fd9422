//! What a bad release costs, by what stands in for guests whose host is down.

use underpin_model::fleet::{self, Fleet};
use underpin_model::policy::Policy;
use underpin_risk::build::Built;
use underpin_risk::compound::mean_loss;
use underpin_risk::portfolio::Holding;
use underpin_risk::report::{Request, RiskReport, report};
use underpin_risk::wait::evidence::Evidence;

use crate::make::{Facts, near, policy};
use crate::releases::{base, built_by};

const LOSSES: &str = "[loss]\nvm_hour_down = 10.0\nrecord_disclosed = 0.0\nsystem_corrupted = 0.0\n";

/// One host of a cluster that restarts guests. Of tenant `a`: a pair that must stand apart, one on shared storage, one on local storage;
/// of tenant `b` one of which nothing is known.
const FLEET: &str = r#"
format: underpin/fleet/1
name: five
seen: { at: "2026-11-20T06:00:00Z", by: hand }
clusters: [{ id: c, ha_restart: true }]
storage: [{ id: shared, shared: true }, { id: local, shared: false }]
hosts:
  - id: h1
    cluster: c
    vendor: Maker
    model: R1
    platform: { family: esxi, train: 8.0U3, release: VMware ESXi 8.0.3 build-24000119 }
tenants: [{ id: a }, { id: b }]
applications: [{ id: app, tenant: a }]
vms:
  - { id: one, host: h1, power: on, application: app, storage: [local] }
  - { id: two, host: h1, power: on, application: app, storage: [local] }
  - { id: restarted, host: h1, power: on, application: app, role: x, storage: [shared], fault_tolerance: false }
  - { id: alone, host: h1, power: on, application: app, role: y, storage: [local], fault_tolerance: false }
  - { id: murky, host: h1, power: on, tenant: b }
affinities: [{ kind: apart, strength: must, vms: [one, two] }]
"#;

fn five(change: impl Fn(&mut Fleet)) -> Fleet {
    let mut fleet = fleet::read(FLEET.as_bytes()).unwrap().fleet;
    change(&mut fleet);
    fleet
}

fn priced(policy: &Policy) -> Built {
    built_by(&five(|_| {}), &base(), &Evidence::default(), policy)
}

#[test]
fn a_bad_release_costs_each_guest_what_nothing_stands_in_for() {
    let of = |text: &str| {
        let built = priced(&policy(&format!("{LOSSES}{text}")));
        built.portfolio.holdings.iter().map(|it| it.host_down).collect::<Vec<_>>()
    };
    // Four hours at 10 each: two copies leave a tenth each, a restart half, nothing all; the fifth is not known, and costs all.
    let usual = of("");
    near(usual[0], 40.0 * (0.1 + 0.1 + 0.5 + 1.0));
    near(usual[1], 40.0);
    let stated = of("[parameters]\ncopies_leave = 0.0\nrestart_leaves = 0.25\nhours_after_regression = 30\n");
    near(stated[0], 300.0 * (0.25 + 1.0));
    near(stated[1], 300.0);
}

#[test]
fn an_outage_of_the_host_is_another_than_that_after_a_compromise() {
    let built = priced(&policy(LOSSES));
    let bad = built.portfolio.classes[0].responses.iter().find(|it| it.impact.host_down > 0.0).unwrap();
    let hit = built.portfolio.shock_probability(bad.shock) * bad.probability;
    let of = |it: &dyn Fn(&Holding) -> f64| built.portfolio.holdings.iter().map(it).sum::<f64>();
    near(of(&|it| it.availability), 5.0 * 24.0 * 10.0);
    // Besides there are only Underpin's credentials.
    let underpin = 1e-4 * 0.9;
    let expected = hit * of(&|it| it.host_down) + underpin * of(&|it| it.availability);
    near(mean_loss(&built.portfolio).unwrap(), expected);
}

fn reported(fleet: &Fleet) -> RiskReport {
    let (base, evidence, policy) = (base(), Evidence::default(), policy(LOSSES));
    let facts = Facts::new();
    let request =
        Request { samples: 1000, ..Request::new(fleet, &facts.assessment, &base, &policy, &evidence) };
    report(&request).unwrap()
}

#[test]
fn a_level_that_is_not_known_is_a_range_from_holding_to_not_holding() {
    let fault_tolerance = |holds: Option<bool>| {
        five(|fleet| {
            let (app, local) = (fleet.vms[0].application.clone(), fleet.vms[3].storage.clone());
            let vm = &mut fleet.vms[4];
            (vm.application, vm.role, vm.storage) = (app, Some("z".into()), local);
            if let Some(holds) = holds {
                vm.extra.insert("fault_tolerance".to_owned(), holds.into());
            }
        })
    };
    let [unknown, holds, does_not] = [None, Some(true), Some(false)].map(|it| reported(&fault_tolerance(it)));
    near(unknown.fleet.loss.mean, does_not.fleet.loss.mean);
    near(unknown.mean_loss_with_stand_ins, holds.fleet.loss.mean);
    assert!(holds.fleet.loss.mean < does_not.fleet.loss.mean);
    near(does_not.mean_loss_with_stand_ins, does_not.fleet.loss.mean);
    assert_eq!((unknown.unpriced.vms_of_unknown_level, holds.unpriced.vms_of_unknown_level), (1, 0));
    let said = "priced at its worst: 1 VM of which it is not known what stands in when the host is down";
    assert!(unknown.unpriced_words.ends_with(said), "{}", unknown.unpriced_words);
}
