//! What the report says of a plan: what an emergency gives up, what waves wait for, what is done by now.

use std::collections::BTreeMap;

use underpin_model::change::Layer;
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, ManagementPlane};
use underpin_model::id::{ElementId, HostId, ManagementPlaneId};
use underpin_model::plan::{CutSoak, Profile, Reason};
use underpin_model::policy::{Parameter, Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Parent, Request, plan};
use underpin_planner::diff::diff;

use super::build::{
    array_of_two_controllers, at, change, clean, fleet, guest, of, planned, planning, policy, request,
};

fn two_rings() -> Policy {
    let ring = |name: &str, days| Ring { name: name.to_owned(), soak: Days::new(days).unwrap() };
    Policy { rings: vec![ring("test", 2.0), ring("production", 1.0)], ..Policy::default() }
}

fn first(change: &str, element: &str) -> Reason {
    Reason::EarlierChange { change: change.to_owned(), element: ElementId::new(element).unwrap() }
}

#[test]
fn an_emergency_is_told_with_soaks_guests_loss_and_a_bad_release() {
    let mut fleet = fleet(3);
    fleet.hosts[0].ring = Some("test".to_owned());
    for host in ["h1", "h2", "h2", "h3"] {
        guest(&mut fleet, host, 8);
    }
    let policy = two_rings();
    let loss: BTreeMap<HostId, f64> =
        [("h1", 7.0), ("h2", 5.0), ("h3", 1.0)].map(|(id, loss)| (HostId::new(id).unwrap(), loss)).into();
    let it = plan(&Request { profile: Profile::Emergency, ..request(&fleet, &policy, &loss) }).unwrap();
    clean(&fleet, &policy, &it.plan);
    let given = it.report.given_up.iter().find(|it| it.what == "soak").unwrap();
    let cut = |ring: &str, from_s, to_s| CutSoak { ring: ring.to_owned(), from_s, to_s };
    assert_eq!(given.soaks, [cut("test", 172_800, 17_280), cut("production", 86_400, 8_640)]);
    // h1 is the canary; h2 and h3 have the release before its two days are over.
    assert_eq!((given.hosts, given.guests, given.loss_per_day), (2, 3, 6.0));
    let ends = it.plan.waves[0].end_s + 172_800;
    let early: u32 = ["h2", "h3"].iter().map(|host| ends - of(&it, host).start_s.unwrap()).sum();
    assert!((given.host_days - f64::from(early) / 86_400.0).abs() < 1e-9, "{given:?}");
    let parameter = |it| policy.parameters.get(it);
    let likely = parameter(Parameter::RegressionPrior)
        * parameter(Parameter::RegressionHit)
        * parameter(Parameter::RingStops);
    let hit = parameter(Parameter::HoursAfterRegression) * policy.loss.of(None).vm_hour_down.get();
    assert!((given.bad_release - 3.0 * likely * hit).abs() < 1e-9 && given.bad_release > 0.0, "{given:?}");
}

#[test]
fn a_wave_that_waits_for_another_layer_says_for_which() {
    let mut fleet = fleet(2);
    array_of_two_controllers(&mut fleet);
    let mut plane = ManagementPlane::new(ManagementPlaneId::new("vc").unwrap());
    plane.platform = Some(Family::Proxmox);
    fleet.clusters[0].managed_by = vec![plane.id.clone()];
    fleet.management_planes.push(plane);
    let mut own = change("plane", "9");
    own.layer = Layer::ManagementPlane;
    planning(&mut fleet).changes.push(own);
    let it = planned(&fleet, &policy());
    let said: Vec<(&str, &[Reason])> = it
        .plan
        .waves
        .iter()
        .zip(&it.report.waves)
        .map(|(wave, it)| (wave.elements[0].as_str(), it.reasons.as_slice()))
        .collect();
    let (one, two) = (said[0].0, said[1].0);
    assert_eq!([one, two].iter().filter(|it| ["vc", "array"].contains(it)).count(), 2, "{said:?}");
    let name = |it: &str| if it == "vc" { "plane" } else { "array-firmware" };
    assert_eq!(said[0].1, []);
    assert_eq!(said[1].1, [first(name(one), one)]);
    assert_eq!(said[2].1, [first(name(two), two)]);
    assert_eq!(said[3].1, [Reason::EarlierWave { wave: 3 }]);
    // Storage that comes after hosts waits for these.
    planning(&mut fleet).changes[1].after = vec!["go".to_owned()];
    let it = planned(&fleet, &policy());
    let last = it.report.waves.last().unwrap();
    assert_eq!(last.reasons, [first("go", it.plan.waves[last.wave as usize - 2].elements[0].as_str())]);
}

#[test]
fn what_is_done_by_now_is_called_done() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 8);
    }
    let (policy, loss) = (policy(), BTreeMap::new());
    let old = planned(&fleet, &policy).plan;
    // h1 runs the target by now, h2 is not meant any more.
    let host = fleet.hosts.iter_mut().find(|it| it.id.as_str() == "h1").unwrap();
    host.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    host.changed_at = Some(at("2026-11-20T06:00:00Z"));
    let meant = ["h1", "h3"].map(|it| ElementId::new(it).unwrap());
    planning(&mut fleet).changes[0].elements = meant.to_vec();
    let parent = Some(Parent { plan: &old, sha256: "old" });
    let again = plan(&Request { parent, ..request(&fleet, &policy, &loss) }).unwrap();
    let told = |host: &str| again.report.changed.iter().find(|it| it.starts_with(host)).unwrap().as_str();
    assert_eq!(told("h1"), "h1: is done");
    assert_eq!(told("h2"), "h2: is not in it any more: it is done, or not meant any more");
    // Two plans alone do not tell these apart, unless it soaks.
    let found = diff(&old, &again.plan);
    let ids = |all: &[ElementId]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((ids(&found.removed), ids(&found.done)), (vec!["h1".to_owned(), "h2".to_owned()], Vec::new()));
    let mut soaks = policy;
    soaks.rings[0].soak = Days::new(3.0).unwrap();
    let again = plan(&Request { parent, ..request(&fleet, &soaks, &loss) }).unwrap();
    assert_eq!(ids(&diff(&old, &again.plan).done), ["h1"]);
}

/// A pool whose coordinator is in ring production, like h2, while h3 is in ring test.
fn pool() -> Fleet {
    let mut fleet = fleet(3);
    for host in &mut fleet.hosts {
        host.platform.as_mut().unwrap().family = Family::XcpNg;
    }
    fleet.hosts[2].ring = Some("test".to_owned());
    let mut plane = ManagementPlane::new(ManagementPlaneId::new("pool").unwrap());
    plane.platform = Some(Family::XcpNg);
    plane.runs_on = Some(vec![fleet.hosts[0].id.clone()]);
    fleet.clusters[0].managed_by = vec![plane.id.clone()];
    fleet.management_planes.push(plane);
    fleet
}

#[test]
fn behind_the_coordinator_of_a_pool_rings_keep_their_order_and_soak() {
    let fleet = pool();
    let it = planned(&fleet, &two_rings());
    let order: Vec<&str> = it.plan.waves.iter().map(|it| it.elements[0].as_str()).collect();
    assert_eq!(order, ["h1", "h3", "h2"]);
    assert!(it.plan.waves[2].start_s + 300 >= it.plan.waves[1].soak_until_s, "{:?}", it.plan.waves);
    assert!(of(&it, "h3").reasons.contains(&first("go", "h1")), "{:?}", of(&it, "h3").reasons);
    assert!(!of(&it, "h2").reasons.contains(&first("go", "h1")));
    let bounds = &it.report.bounds;
    assert!(
        bounds.makespan_s >= bounds.makespan_at_least_s && bounds.waves >= bounds.waves_at_least,
        "{bounds:?}"
    );
}
