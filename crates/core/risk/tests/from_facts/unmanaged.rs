//! Hosts of which no management plane is known, and planes of which it is not known where they run.

use underpin_exposure::report::{Area, AssetKind, Status};
use underpin_model::fleet::Fleet;
use underpin_model::policy::Policy;
use underpin_risk::build::{Built, Options, ReleaseDates, build};
use underpin_risk::compound::mean_loss;

use crate::make::{Facts, REMOTE, add_host, add_plane, answer, exploit, fleet, host_id};

fn upper(fleet: &Fleet, facts: &Facts) -> Built {
    build(fleet, &facts.assessment, &Policy::default(), &Options::upper(&ReleaseDates::default())).unwrap()
}

fn left_out(fleet: &Fleet, facts: &Facts) -> Built {
    build(fleet, &facts.assessment, &Policy::default(), &Options::new(&ReleaseDates::default())).unwrap()
}

fn mean(built: &Built) -> f64 {
    mean_loss(&built.portfolio).unwrap()
}

/// Two hosts and a plane with a hole.
fn two() -> (Fleet, Facts) {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 3)]);
    add_host(&mut fleet, "h2", &[("a", 5)]);
    add_plane(&mut fleet, "vc", &["h1", "h2"]);
    let facts = Facts::new().knows("CVE-1", Some(REMOTE), Some(0.5), None).hosts(&["h1", "h2"], &[]).has(
        AssetKind::ManagementPlane,
        &["vc"],
        &[(Some("CVE-1"), Area::Management, Status::Affected)],
    );
    (fleet, facts)
}

#[test]
fn a_host_of_which_no_plane_is_known_may_be_under_the_worst_of_the_fleet() {
    let (known, facts) = two();
    let (with, most) = (mean(&left_out(&known, &facts)), mean(&upper(&known, &facts)));
    assert_eq!(left_out(&known, &facts).unpriced.hosts_of_unknown_plane, 0);
    let mut forgotten = known.clone();
    forgotten.clusters[0].managed_by.clear();
    let mut nowhere = known;
    nowhere.hosts.iter_mut().for_each(|it| it.cluster = None);
    for fleet in [forgotten, nowhere] {
        let built = left_out(&fleet, &facts);
        assert_eq!(built.unpriced.hosts_of_unknown_plane, 2);
        let words = built.unpriced.to_string();
        assert!(words.contains("of 2 hosts no management plane is known"), "{words}");
        assert!(mean(&built) < with, "what is not known is not in the figure");
        assert!(mean(&upper(&fleet, &facts)) >= most, "{} of {most}", mean(&upper(&fleet, &facts)));
    }
}

#[test]
fn a_fleet_without_a_plane_may_have_one_that_nobody_listed() {
    let (mut fleet, _) = two();
    fleet.clusters[0].managed_by.clear();
    fleet.management_planes.clear();
    let facts = Facts::new().hosts(&["h1", "h2"], &[]);
    let unlisted = "unlisted hole in management plane that nobody listed";
    let built = upper(&fleet, &facts);
    let shock = exploit(&built, unlisted).unwrap();
    let plane = built.portfolio.planes.last().unwrap();
    assert!(plane.responses.iter().any(|it| it.shock == shock && it.probability > 0.0));
    assert!(answer(&built, "h1", unlisted).is_none(), "the plane has it, and takes the host");
    assert!(mean(&built) > mean(&left_out(&fleet, &facts)));
    // Whoever knows that there is none says so.
    for host in &mut fleet.hosts {
        host.settings = serde_json::from_str(r#"{"management.plane": "none"}"#).unwrap();
    }
    let built = upper(&fleet, &facts);
    assert!(built.portfolio.planes.is_empty() && exploit(&built, unlisted).is_none());
    assert_eq!(built.unpriced.hosts_of_unknown_plane, 0);
}

/// Three hosts with a hole, and a plane that manages them and has none.
fn under_a_plane() -> (Fleet, Facts) {
    let mut fleet = fleet();
    let hosts = ["h1", "h2", "h3"];
    for (host, guests) in hosts.into_iter().zip([3, 5, 4]) {
        add_host(&mut fleet, host, &[("a", guests)]);
    }
    add_plane(&mut fleet, "vc", &hosts);
    let hole = [(Some("CVE-1"), Area::VmmCore, Status::Affected)];
    let facts = Facts::new().knows("CVE-1", Some(REMOTE), Some(0.5), None).hosts(&hosts, &hole);
    (fleet, facts.has(AssetKind::ManagementPlane, &["vc"], &[]))
}

#[test]
fn a_plane_of_which_it_is_not_known_where_it_runs_may_be_on_any_host() {
    let (mut fleet, facts) = under_a_plane();
    let means = |runs_on: Option<&[&str]>, fleet: &mut Fleet| {
        fleet.management_planes[0].runs_on = runs_on.map(|it| it.iter().map(|id| host_id(id)).collect());
        (left_out(fleet, &facts), upper(fleet, &facts))
    };
    let (unknown, most) = means(None, &mut fleet);
    assert_eq!(unknown.unpriced.planes_of_unknown_host, 1);
    let words = unknown.unpriced.to_string();
    assert!(words.contains("on which hosts 1 management plane runs is not known"), "{words}");
    for hosts in [&[][..], &["h1"], &["h2"], &["h1", "h2"], &["h1", "h2", "h3"]] {
        let (known, known_most) = means(Some(hosts), &mut fleet);
        assert_eq!(known.unpriced.planes_of_unknown_host, 0);
        assert!(mean(&most) >= mean(&known), "{hosts:?}: {} of {}", mean(&most), mean(&known));
        assert!(mean(&most) >= mean(&known_most), "{hosts:?}: {} of {}", mean(&most), mean(&known_most));
        if hosts.is_empty() {
            assert_eq!(mean(&unknown), mean(&known), "what is not known is not in the figure");
            assert!(mean(&most) > mean(&known_most), "nor taken for fine");
        }
    }
}

/// The plane's own hole is that of the hosts: which way it is hit through is asked once for each of them.
#[test]
fn a_plane_on_an_unknown_host_has_its_own_hole_and_that_of_the_host() {
    let (mut fleet, _) = two();
    let hole = [(Some("CVE-1"), Area::VmmCore, Status::Affected)];
    let facts =
        Facts::new().knows("CVE-1", Some(REMOTE), Some(0.5), None).hosts(&["h1"], &hole).hosts(&["h2"], &[]);
    let facts = facts.has(AssetKind::ManagementPlane, &["vc"], &hole);
    let probability = |fleet: &Fleet, of: &str| {
        let built = upper(fleet, &facts);
        let shock = exploit(&built, "CVE-1").unwrap();
        let plane = built.portfolio.planes.iter().find(|it| it.id.as_str() == of).unwrap();
        plane.responses.iter().find(|it| it.shock == shock).unwrap().probability
    };
    fleet.management_planes[0].runs_on = Some(Vec::new());
    let own = probability(&fleet, "vc");
    let built = upper(&fleet, &facts);
    let host = answer(&built, "h1", "CVE-1").unwrap();
    fleet.management_planes[0].runs_on = None;
    let both = probability(&fleet, "vc");
    assert!(own > 0.0 && host.probability > 0.0);
    assert!(
        (both - (own + host.probability * host.impact.control()).min(1.0)).abs() < 1e-12,
        "{own}, {both}"
    );
}
