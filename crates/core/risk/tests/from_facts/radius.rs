//! Blast radius and deferral, by hand.

use underpin_exposure::Status;
use underpin_exposure::report::Area;
use underpin_model::policy::{Parameters, Policy};
use underpin_model::quantity::Days;
use underpin_risk::blast::blast_radii;
use underpin_risk::deferral::deferral;

use crate::make::{ESCAPE, Facts, add_host, add_plane, built, fleet, near, policy, tenant_id};

/// One VM: 1000 records at 0.01, a system at 50, 24 hours at 1.
const VM: f64 = 10.0 + 50.0 + 24.0;

#[test]
fn the_radius_of_a_host_a_plane_and_underpin() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 2), ("b", 1)]);
    add_host(&mut fleet, "h2", &[("a", 1)]);
    add_host(&mut fleet, "h3", &[("c", 4)]);
    add_plane(&mut fleet, "vc", &["h1", "h2"]);
    let built = built(&fleet, &Facts::new(), &Policy::default());
    let radii = blast_radii(&built.portfolio);
    let (first, host) = &radii.hosts[0];
    assert_eq!((first.as_str(), host.guests, host.tenants), ("h3", 4, 1));
    near(host.greatest_loss, 4.0 * VM);
    // Its one cause is Underpin, which takes everything.
    near(host.probability, 0.0001 * 0.9);
    near(host.mean_loss, 4.0 * VM);
    let plane = radii.planes[0].1;
    assert_eq!((plane.hosts, plane.guests, plane.tenants), (2, 4, 2));
    near(plane.greatest_loss, 4.0 * VM);
    near(plane.mean_loss, 0.9 * 4.0 * VM);
    let own = radii.underpin;
    assert_eq!((own.hosts, own.guests, own.tenants), (3, 8, 3));
    near(own.mean_loss, 0.9 * 8.0 * VM);
    near(own.probability, 0.0001);
}

#[test]
fn the_radius_of_a_bad_release_is_its_hardware_class() {
    use underpin_model::facts::Family;
    use underpin_risk::build::{Options, ReleaseDates, build};
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 2)]);
    add_host(&mut fleet, "h2", &[("b", 1)]);
    fleet.hosts[1].vendor = Some("Other".to_owned());
    let mut releases = ReleaseDates::default();
    releases.insert(Family::Proxmox, None, "8.4.1", "2026-11-21".parse().unwrap());
    let assessment = Facts::new().assessment;
    let built = build(&fleet, &assessment, &Policy::default(), &Options::new(&releases)).unwrap();
    let radii = blast_radii(&built.portfolio);
    let of: Vec<_> = radii.releases.iter().map(|(_, it)| (it.hosts, it.guests)).collect();
    assert_eq!(of, [(1, 2), (1, 1)]);
    near(radii.releases[0].1.greatest_loss, 2.0 * 4.0);
    near(radii.releases[0].1.mean_loss, 0.08 * 2.0 * 4.0);
    near(radii.releases[0].1.probability, 0.05);
}

#[test]
fn a_deferral_is_priced_for_the_neighbours_and_shown_to_each_alone() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1), ("b", 3)]);
    add_host(&mut fleet, "h2", &[("b", 1)]);
    add_host(&mut fleet, "h3", &[("a", 1), ("c", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(ESCAPE), Some(0.2), None)
        .hosts(&["h1", "h2"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)])
        .hosts(&["h3"], &[]);
    let built = built(&fleet, &facts, &Policy::default());
    let days = Days::new(15.0).unwrap();
    let (a, b, c) = (tenant_id("a"), tenant_id("b"), tenant_id("c"));
    let priced = deferral(&built, &a, days, &Parameters::default()).unwrap();
    // 15 days of EPSS 0.2, aimed, one of four guests; on h1 alone, for h3 has no hole.
    let hit = (1.0 - 0.99_f64.sqrt()) * (1.0 - 0.999_f64.powi(4));
    assert_eq!(priced.hosts.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["h1"]);
    near(priced.own, hit * VM);
    near(priced.neighbours_sum, hit * 3.0 * VM);
    near(priced.own_view(&a).unwrap().added_loss, priced.own);
    near(priced.own_view(&b).unwrap().added_loss, hit * 3.0 * VM);
    assert_eq!(priced.own_view(&c), None);
    let shown = serde_json::to_string(&priced.own_view(&b)).unwrap();
    assert_eq!(shown.matches("\"").count(), 4, "{shown}: two keys and no name");
    assert_eq!(deferral(&built, &tenant_id("nobody"), days, &Parameters::default()), None);
    let none = deferral(&built, &a, Days::new(0.0).unwrap(), &Parameters::default()).unwrap();
    near(none.own, 0.0);
}

#[test]
fn a_control_halves_the_price_of_a_deferral() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(ESCAPE), Some(0.2), None)
        .hosts(&["h1"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)]);
    let price = |text: &str| {
        let policy = policy(text);
        let built = built(&fleet, &facts, &policy);
        deferral(&built, &tenant_id("a"), Days::new(30.0).unwrap(), &policy.parameters).unwrap().own
    };
    let control =
        "[[control]]\nid = \"sandbox\"\ncloses = [\"guest\"]\nfails = 0.5\nsource = \"judgement\"\n";
    near(price(control), 0.5 * price(""));
}
