//! What is said beside a decision: the strictest duty, and what is not known of the ways in.

use underpin_exposure::report::DueView;
use underpin_exposure::{FactBase, Feed};
use underpin_feeds::Parsed;
use underpin_model::fleet::{ManagementInterface, Network};
use underpin_model::id::FeedId;
use underpin_model::ssvc::Timeline;

use crate::fleet::{decided, fleet};

const NETWORK: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

/// An advisory about two holes, when they became public, their vector, and which of them is listed.
fn base(vector: &str, listed: &str) -> FactBase {
    let osv = r#"{"id": "ALSA-2026:0001", "published": "2026-02-20T00:00:00Z", "modified": "2026-02-20T00:00:00Z",
         "summary": "Important: qemu-kvm security update", "related": ["CVE-2026-0001", "CVE-2026-0002"],
         "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm-core"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;
    let index = format!(
        "cve,tags,published,assigner,vendor_products,cvss31,cvss40,ssvc,kev\n\
         CVE-2026-0001,,2025-12-01,,,{vector},,,\nCVE-2026-0002,,2026-02-27,,,{vector},,,{listed}\n"
    );
    base_of(&[osv, &index])
}

fn base_of(texts: &[&str]) -> FactBase {
    let read = |text: &&str| match underpin_feeds::parse(text.as_bytes()) {
        Ok(Parsed::Document(document)) => *document,
        other => panic!("{other:?}"),
    };
    let documents = texts.iter().map(read).collect();
    FactBase::new(vec![Feed { id: FeedId::new("feed").unwrap(), fetched: None, documents }])
}

#[test]
fn a_group_shows_its_strictest_duty_and_the_one_that_is_due_first() {
    let of = |listed: &str| {
        let list = decided(&fleet("R1", "R1"), &base(NETWORK, listed), "", "");
        list[0].bod_26_04.clone().unwrap()
    };
    let before = of("");
    assert_eq!(before.to_string(), "3 days (2025-12-04)");
    // As the tables have it.
    let undated = DueView { date: None, since: None, ..before.clone() };
    assert_eq!(undated.to_string(), "3 days from ?");
    let listed = of("2026-02-28");
    assert_eq!(listed.to_string(), "3 days & forensic investigation (2026-03-03); 3 days (2025-12-04)");
    assert_eq!((listed.timeline, listed.date), (Timeline::Days3Forensic, before.date));
    let json = serde_json::to_value(&listed).unwrap();
    assert_eq!(json["duties"][0]["timeline"], "3 days & forensic investigation");
    assert_eq!(json["duties"][1]["date"], "2025-12-04");
}

/// A known-exploited hole that no known release closes has its duty all the same.
#[test]
fn what_no_release_closes_has_its_duty() {
    let osv = r#"{"id": "ALSA-2026:0002", "published": "2026-02-20T00:00:00Z", "modified": "2026-02-20T00:00:00Z",
         "summary": "Important: qemu-kvm security update", "related": ["CVE-2026-0002"],
         "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm-core"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]}"#;
    let index = format!(
        "cve,tags,published,assigner,vendor_products,cvss31,cvss40,ssvc,kev\nCVE-2026-0002,,2026-02-27,,,{NETWORK},,,2026-02-28\n"
    );
    let list = decided(&fleet("R1", "R1"), &base_of(&[osv, &index]), "", "");
    let [one] = &list[..] else { panic!("{list:?}") };
    assert!(one.release.is_none() && one.closes.is_empty() && one.without_fix == 1);
    let due = one.bod_26_04.as_ref().unwrap().to_string();
    assert_eq!(due, "3 days & forensic investigation (2026-03-03); 3 days (2026-03-02)");
    assert!(one.ssvc.is_some());
}

#[test]
fn public_reach_is_asked_for_where_a_hole_is_used_by_it() {
    let said = |vector: &str, interfaces: serde_json::Value| {
        let mut fleet = fleet("R1", "R1");
        let networks = serde_json::json!([{"id": "in", "publicly_exposed": false}]);
        fleet.networks = serde_json::from_value::<Vec<Network>>(networks).unwrap();
        for host in &mut fleet.hosts {
            let interfaces = serde_json::from_value::<Vec<ManagementInterface>>(interfaces.clone());
            host.management_interfaces = interfaces.unwrap();
        }
        let list = decided(&fleet, &base(vector, ""), "", "");
        let said = list[0].assumed.iter().filter(|it| it.contains("public Internet"));
        said.map(|it| it.split(" is not in the fleet").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let software = serde_json::json!({"kind": "https", "enabled": true, "networks": ["in"]});
    let controller = serde_json::json!({"kind": "bmc", "enabled": true, "networks": ["in"]});
    let hosts = "whether the public Internet reaches these hosts";
    let controllers = "whether the public Internet reaches the management controllers of these hosts";
    let nothing: [&str; 0] = [];
    // A hole that is used over the software's interface does not ask for the controller.
    assert_eq!(said(NETWORK, serde_json::json!([software])), nothing);
    assert_eq!(said(NETWORK, serde_json::json!([controller])), [hosts]);
    // One of no known way may be used by either.
    assert_eq!(said("", serde_json::json!([software, controller])), nothing);
    assert_eq!(said("", serde_json::json!([software])), [controllers]);
    assert_eq!(said("", serde_json::json!([controller])), [hosts]);
    assert_eq!(said("", serde_json::json!([])), [hosts, controllers]);
}
