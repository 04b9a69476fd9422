//! What SSVC and BOD 26-04 ask for, by vector, listing and public reach.

use jiff::civil::Date;
use underpin_exposure::decision::{due, points, ssvc, strictest};
use underpin_exposure::report::{Context, DueView};
use underpin_model::facts::{Cvss, Family, Kev, Ssvc, VulnerabilityFacts};
use underpin_model::fleet::{ManagementInterface, Network};
use underpin_model::ssvc::{Automatable, Exploitation, TechnicalImpact, Timeline};

use crate::build::{fleet, host, package, run, set, vulnerability};

const SEVERE: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const MILD: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:N/I:H/A:H";
const INSIDE: Context = Context { publicly_exposed: Some(false), human_impact: None };

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn facts(published: &str, kev: Option<&str>, vectors: &[&str]) -> VulnerabilityFacts {
    let mut facts = VulnerabilityFacts::new(vulnerability("CVE-2026-0001"));
    facts.published = Some(format!("{published}T00:00:00Z").parse().unwrap());
    facts.kev = kev.map(|added| Kev { added: day(added), due: None, ransomware: false });
    facts.cvss = vectors.iter().map(|it| Cvss { vector: (*it).to_owned(), scorer: None }).collect();
    facts
}

fn of(facts: &VulnerabilityFacts, context: Context) -> DueView {
    due(&points(facts, day("2026-11-21")), context)
}

fn duties(view: &DueView) -> Vec<(Timeline, String)> {
    view.each().map(|it| (it.timeline, it.date.map(|it| it.to_string()).unwrap_or_default())).collect()
}

#[test]
fn a_listing_never_makes_a_deadline_later() {
    let unlisted = of(&facts("2017-06-07", None, &[SEVERE]), INSIDE);
    assert_eq!((unlisted.timeline, unlisted.date), (Timeline::Days60, Some(day("2017-08-06"))));
    let listed = of(&facts("2017-06-07", Some("2026-11-20"), &[SEVERE]), INSIDE);
    assert_eq!((listed.timeline, listed.date), (Timeline::Days3Forensic, unlisted.date));
    assert_eq!(listed.since, Some(day("2017-06-07")), "the day that the date counts from");
    assert_eq!(
        duties(&listed),
        [(Timeline::Days3Forensic, "2026-11-23".to_owned()), (Timeline::Days60, "2017-08-06".to_owned())]
    );
    assert_eq!(listed.to_string(), "3 days & forensic investigation (2026-11-23); 60 days (2017-08-06)");
    // What is listed before its time has come is due by the listing alone.
    let soon = of(&facts("2026-11-01", Some("2026-11-20"), &[SEVERE]), INSIDE);
    assert_eq!(duties(&soon), [(Timeline::Days3Forensic, "2026-11-23".to_owned())]);

    for exposed in [Some(true), Some(false), None] {
        for automatable in [Automatable::No, Automatable::Yes] {
            for technical_impact in [TechnicalImpact::Partial, TechnicalImpact::Total] {
                let assessed =
                    Ssvc { exploitation: Exploitation::None, automatable, technical_impact, at: None };
                let with = |kev| {
                    let facts = VulnerabilityFacts { ssvc: Some(assessed), ..facts("2017-06-07", kev, &[]) };
                    of(&facts, Context { publicly_exposed: exposed, ..INSIDE })
                };
                for kev in ["2017-06-01", "2017-06-08", "2017-07-30", "2026-11-20"] {
                    let (before, after) = (with(None), with(Some(kev)));
                    assert!(after.timeline > before.timeline, "{before:?} {after:?}");
                    assert!(
                        after.date.is_some_and(|it| before.date.is_none_or(|was| it <= was)),
                        "{after:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_strictest_outcome_is_not_hidden_by_an_older_day() {
    let old = of(&facts("2017-06-07", None, &[SEVERE]), INSIDE);
    let fresh = of(&facts("2026-11-18", Some("2026-11-20"), &[SEVERE]), INSIDE);
    let undated = of(&VulnerabilityFacts::new(vulnerability("CVE-1")), INSIDE);
    assert_eq!((undated.timeline, undated.date), (Timeline::Days60, None));
    for views in [[&old, &fresh, &undated], [&undated, &fresh, &old]] {
        let both = strictest(views.into_iter().cloned()).unwrap();
        assert_eq!((both.timeline, both.date, both.since), (Timeline::Days3Forensic, old.date, old.since));
        assert_eq!(
            duties(&both),
            [(Timeline::Days3Forensic, "2026-11-23".to_owned()), (Timeline::Days60, "2017-08-06".to_owned())]
        );
        // Joined once more it is the same.
        assert_eq!(strictest([both.clone(), old.clone()]), Some(both));
    }
    assert_eq!(strictest([undated.clone(), old.clone()]).unwrap().date, old.date);
    assert_eq!(strictest([undated.clone()]), Some(undated));
    assert_eq!(strictest([]), None);
}

#[test]
fn what_is_no_vector_is_unknown_and_not_harmless() {
    let none = points(&facts("2017-06-07", None, &[]), day("2026-11-21"));
    assert_eq!((none.automatable, none.technical_impact), (Automatable::Yes, TechnicalImpact::Total));
    for bad in [
        "CVSS:3.1/hello",
        "CVSS:3.1/AV:N",
        "CVSS:3.1/AV:X",
        "CVSS:9.9/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/C:N",
        "hello",
        // Version 2 does not tell whether somebody must help.
        "AV:L/AC:L/Au:N/C:P/I:P/A:P",
        "CVSS:2.0/AV:L/AC:L/Au:N/C:P/I:P/A:P",
    ] {
        assert_eq!(points(&facts("2017-06-07", None, &[bad]), day("2026-11-21")), none, "{bad}");
    }
}

#[test]
fn decisions_go_by_the_severest_vector_as_prices_do() {
    let alone = points(&facts("2017-06-07", None, &[SEVERE]), day("2026-11-21"));
    assert_eq!((alone.automatable, alone.technical_impact), (Automatable::Yes, TechnicalImpact::Total));
    for vectors in [[SEVERE, MILD], [MILD, SEVERE], ["CVSS:3.1/hello", SEVERE]] {
        assert_eq!(points(&facts("2017-06-07", None, &vectors), day("2026-11-21")), alone, "{vectors:?}");
    }
}

#[test]
fn public_reach_is_known_where_every_way_in_is() {
    let context = |interfaces: serde_json::Value| {
        let mut one = host("h", set(Family::Debian, "bookworm", vec![package("qemu", "1", None)]));
        one.management_interfaces = serde_json::from_value::<Vec<ManagementInterface>>(interfaces).unwrap();
        let mut fleet = fleet(vec![one], vec![]);
        let networks = serde_json::json!([{"id": "in", "publicly_exposed": false}, {"id": "out", "publicly_exposed": true}]);
        fleet.networks = serde_json::from_value::<Vec<Network>>(networks).unwrap();
        run(&fleet, vec![]).groups[0].context
    };
    let inside = serde_json::json!({"kind": "https", "enabled": true, "networks": ["in"]});
    let nowhere = serde_json::json!({"kind": "ssh", "enabled": true});
    let off = serde_json::json!({"kind": "ssh", "enabled": false, "networks": ["out"]});
    let local = serde_json::json!({"kind": "https", "listen": "127.0.0.1:443", "networks": ["out"]});
    let out = serde_json::json!({"kind": "https", "networks": ["out"]});
    let controller = serde_json::json!({"kind": "bmc", "networks": ["in"]});
    let console = serde_json::json!({"kind": "console"});
    for (interfaces, exposed) in [
        (serde_json::json!([]), None),
        (serde_json::json!([inside]), Some(false)),
        (serde_json::json!([inside, console]), Some(false)),
        (serde_json::json!([inside, controller]), Some(false)),
        (serde_json::json!([inside, out]), Some(true)),
        (serde_json::json!([nowhere, out]), Some(true)),
        // Known and off: the fleet does tell.
        (serde_json::json!([off]), Some(false)),
        (serde_json::json!([off, local]), Some(false)),
        // One of which it is not known may be it.
        (serde_json::json!([inside, nowhere]), None),
        (serde_json::json!([nowhere]), None),
        // What leads to the software is not listed.
        (serde_json::json!([controller]), None),
        (serde_json::json!([console]), None),
    ] {
        let context = context(interfaces.clone());
        assert_eq!(context.publicly_exposed, exposed, "{interfaces}");
        let points = points(&facts("2017-06-07", None, &[SEVERE]), day("2026-11-21"));
        let says =
            |list: &[String]| list.iter().any(|it| it.contains("(not in the fleet)") && it.contains("expos"));
        assert_eq!(says(&due(&points, context).assumed), exposed.is_none(), "{interfaces}");
        assert_eq!(says(&ssvc(&points, context).assumed), exposed.is_none(), "{interfaces}");
    }
}
