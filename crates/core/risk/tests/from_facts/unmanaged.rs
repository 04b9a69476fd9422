//! Hosts of which no management plane is known.

use underpin_exposure::report::{Area, AssetKind, Status};
use underpin_model::fleet::Fleet;
use underpin_model::policy::Policy;
use underpin_risk::build::{Built, Options, ReleaseDates, build};
use underpin_risk::compound::mean_loss;

use crate::make::{Facts, REMOTE, add_host, add_plane, answer, exploit, fleet};

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
