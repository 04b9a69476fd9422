//! Which controls stand before a management plane, and which between it and its hosts.

use underpin_exposure::Status;
use underpin_exposure::report::{Area, AssetKind};
use underpin_model::fleet::Fleet;
use underpin_risk::compound::mean_loss;

use crate::make::{Facts, REMOTE, add_host, add_plane, built, fleet, near, policy};

/// `vc` manages `h1` and `h2`, and `h3` if it is there, on which nothing runs.
fn with_empty_host(empty: bool) -> Fleet {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    add_host(&mut fleet, "h2", &[("a", 1)]);
    if empty {
        add_host(&mut fleet, "h3", &[]);
    }
    let hosts: &[&str] = if empty { &["h1", "h2", "h3"] } else { &["h1", "h2"] };
    add_plane(&mut fleet, "vc", hosts);
    fleet
}

/// Probability of the way into the plane, and that its fall takes a host; and the mean loss.
fn under(fleet: &Fleet, path: &str, scope: &str) -> (f64, f64, f64) {
    let facts = Facts::new().knows("CVE-1", Some(REMOTE), Some(0.5), None).has(
        AssetKind::ManagementPlane,
        &["vc"],
        &[(Some("CVE-1"), Area::Management, Status::Affected)],
    );
    let text = format!(
        "[parameters]\nunderpin_compromised = {{ value = 0.0, low = 0.0, high = 0.0, source = \"none\" }}\n\
         [[control]]\nid = \"filter\"\ncloses = [\"{path}\"]\nfails = 0.1\nsource = \"judgement\"\n{scope}\n"
    );
    let portfolio = built(fleet, &facts, &policy(&text)).portfolio;
    let plane = &portfolio.planes[0];
    let way = portfolio.given_shock(&plane.responses[0]);
    (way, portfolio.takes_host(plane), mean_loss(&portfolio).unwrap())
}

#[test]
fn an_empty_host_changes_nothing_of_what_a_control_stands_before() {
    let cluster = with_empty_host(false).clusters[0].id.to_string();
    for path in ["network", "management-plane"] {
        for scope in [
            "scope.hosts = [\"h1\", \"h2\"]".to_owned(),
            "scope.tenants = [\"a\"]".to_owned(),
            format!("scope.clusters = [\"{cluster}\"]"),
            "scope.planes = [\"vc\"]".to_owned(),
            String::new(),
        ] {
            let (without, with) = (with_empty_host(false), with_empty_host(true));
            let (without, with) = (under(&without, path, &scope), under(&with, path, &scope));
            near(with.0, without.0);
            near(with.1, without.1);
            near(with.2, without.2);
        }
    }
}

#[test]
fn before_a_plane_stands_only_what_speaks_of_it() {
    let fleet = with_empty_host(false);
    let cluster = format!("scope.clusters = [\"{}\"]", fleet.clusters[0].id);
    let (open, closed) = (0.05, 0.005);
    for (scope, way) in [
        ("", closed),
        ("scope.planes = [\"vc\"]", closed),
        (&cluster, closed),
        ("scope.hosts = [\"h1\", \"h2\"]", open),
        ("scope.tenants = [\"a\"]", open),
        ("scope.planes = [\"other\"]", open),
    ] {
        near(under(&fleet, "network", scope).0, way);
    }
    // Between it and its hosts also what stands before all of these.
    for (scope, takes) in [
        ("scope.hosts = [\"h1\", \"h2\"]", 0.09),
        ("scope.hosts = [\"h1\"]", 0.9),
        ("scope.planes = [\"vc\"]", 0.09),
        ("scope.planes = [\"other\"]", 0.9),
    ] {
        near(under(&fleet, "management-plane", scope).1, takes);
    }
}
