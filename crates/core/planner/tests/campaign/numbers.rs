//! Waves are numbered in the order of their first steps, and whoever names one by its number means that one.

use underpin_model::change::{Layer, Method};
use underpin_model::fleet::{Cluster, ManagementPlane};
use underpin_model::id::{ClusterId, ElementId, ManagementPlaneId};
use underpin_model::plan::{Reason, WaveReport};
use underpin_model::policy::{Durations, Ring, Spread};
use underpin_planner::campaign::Planned;

use super::build::{array_of_two_controllers, change, fleet, guest, host, of, planned, planning, policy};

fn staged_in(p95_s: u32) -> Option<Durations> {
    Some(Durations { stage: Spread::new(60, p95_s), ..Durations::of(Method::EvacuateReboot) })
}

/// The number of the wave that lists an element, where plan and report agree on it.
fn wave(it: &Planned, element: &str) -> u32 {
    let wave = it.plan.waves.iter().find(|it| it.elements.iter().any(|it| it.as_str() == element)).unwrap();
    assert_eq!(of(it, element).wave, Some(wave.number));
    let steps =
        it.plan.steps.iter().filter(|it| it.subject.as_ref().is_some_and(|it| it.as_str() == element));
    assert!(steps.into_iter().all(|it| it.wave == wave.number));
    wave.number
}

fn reported(it: &Planned, number: u32) -> &WaveReport {
    // Plan and report list waves by number.
    let (wave, report) = (&it.plan.waves[number as usize - 1], &it.report.waves[number as usize - 1]);
    assert_eq!((wave.number, report.wave), (number, number));
    report
}

#[test]
fn a_wave_that_is_staged_for_longer_counts_before_one_that_begins_with_it() {
    let mut fleet = fleet(2);
    let id = ManagementPlaneId::new("vc").unwrap();
    fleet.management_planes.push(ManagementPlane::new(id.clone()));
    array_of_two_controllers(&mut fleet);
    // Array and hosts are of two clusters, and wait for one plane.
    let mut other = Cluster::new(ClusterId::new("d").unwrap());
    other.storage = std::mem::take(&mut fleet.clusters[0].storage);
    fleet.clusters.push(other);
    fleet.hosts.push(host("h3", "d"));
    fleet.clusters.iter_mut().for_each(|it| it.managed_by = vec![id.clone()]);
    let mut plane = change("plane", "9");
    plane.layer = Layer::ManagementPlane;
    planning(&mut fleet).changes.push(plane);
    let order = |p95_s: u32| {
        let mut fleet = fleet.clone();
        planning(&mut fleet).changes[0].durations = staged_in(p95_s);
        let it = planned(&fleet, &policy());
        assert!(it.plan.waves.array_windows().all(|[a, b]| a.start_s <= b.start_s));
        let numbers = ["vc", "array", "h1"].map(|id| wave(&it, id));
        let why = &reported(&it, numbers[2]).reasons;
        let plane = ElementId::new("vc").unwrap();
        assert_eq!(why, &[Reason::EarlierChange { change: "plane".to_owned(), element: plane }]);
        numbers
    };
    assert_eq!(order(300), [1, 2, 3]);
    assert_eq!(order(301), [1, 3, 2]);
}

#[test]
fn a_wave_whose_staging_takes_longer_than_the_wave_before_it_still_waits_for_that_one() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h2", 8);
    fleet.hosts[2].ring = Some("last".to_owned());
    let mut policy = policy();
    policy.rings.push(Ring { name: "last".to_owned(), ..policy.rings[0].clone() });
    let mut slow = change("slow", "8.0.2");
    slow.elements = vec![ElementId::new("h3").unwrap()];
    slow.durations = staged_in(4000);
    let planning = planning(&mut fleet);
    planning.changes[0].elements = ["h1", "h2"].map(|it| ElementId::new(it).unwrap()).to_vec();
    planning.changes.push(slow);
    let it = planned(&fleet, &policy);
    let begins = |id: &str| it.plan.waves_begin()[wave(&it, id) as usize - 1];
    assert!(Some(begins("h3")) >= of(&it, "h2").end_s, "{:#?}", it.plan.waves);
    // Its staging begins while the first host is away, before that of the second.
    assert_eq!(["h1", "h2", "h3"].map(|id| wave(&it, id)), [1, 3, 2]);
    assert_eq!(reported(&it, 2).reasons, [Reason::EarlierWave { wave: 3 }]);
    assert_eq!(reported(&it, 3).reasons, [Reason::EarlierWave { wave: 1 }]);
}

#[test]
fn a_plane_that_is_staged_in_no_time_begins_with_the_check_of_its_backup() {
    let mut fleet = fleet(1);
    let id = ManagementPlaneId::new("vc").unwrap();
    fleet.management_planes.push(ManagementPlane::new(id.clone()));
    fleet.clusters[0].managed_by = vec![id];
    let mut plane = change("plane", "9");
    (plane.layer, plane.durations) = (Layer::ManagementPlane, staged_in(60));
    planning(&mut fleet).changes.push(plane);
    // The lint, which `planned` asks, wants a wave to span its steps.
    assert_eq!(wave(&planned(&fleet, &policy()), "vc"), 1);
}
