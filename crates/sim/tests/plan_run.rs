//! Plans of the planner, carried out in the simulated datacentre as it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use underpin_model::fleet::Fleet;
use underpin_model::policy::Policy;
use underpin_sim::Datacentre;
use underpin_sim::script::{Limits, Session};

use support::One;

const PATCH_S: u32 = 420;
const REBOOT_S: u32 = 1260;

/// Three hosts, two with a guest each; the first gets a release whose steps take what it declares.
fn fleet() -> Fleet {
    let host = |id: &str| {
        json!({"id": id, "cluster": "c", "platform": {"family": "debian", "release": "12.4"},
            "capacity": {"vcpus": 64, "memory_mib": 65536}, "migration": {"bandwidth_mbps": 10000, "slots": 8}})
    };
    let vm = |id: &str, host: &str| {
        json!({"id": id, "host": host, "power": "on", "vcpus": 2, "memory_mib": 8192, "dirty_rate_mib_s": 5,
            "allowed_actions": ["live-migrate"]})
    };
    let took = |p50_s: u32| json!({"p50_s": p50_s, "p95_s": 2 * p50_s});
    let durations = json!({"stage": took(60), "patch": took(PATCH_S), "reboot": took(REBOOT_S), "attest": took(30),
        "verify": took(90), "rollback": took(60)});
    let fleet = json!({
        "format": "underpin/fleet/1", "name": "small", "seen": {"at": "2026-11-20T00:00:00Z", "by": "test"},
        "clusters": [{"id": "c", "platform": "debian", "load_balancing": false}],
        "hosts": [host("h1"), host("h2"), host("h3")], "vms": [vm("v1", "h1"), vm("v2", "h2")],
        "planning": {"changes": [{"id": "go", "to": {"release": {"release": "12.13"}}, "elements": ["h1"],
            "durations": durations}]},
    });
    underpin_model::fleet::read(&serde_json::to_vec(&fleet).unwrap()).unwrap().fleet
}

/// The plan, as its file has it.
fn planned(fleet: &Fleet) -> Value {
    serde_json::to_value(support::planned(fleet, &Policy::default(), None).plan).unwrap()
}

/// What is said when a plan is carried out after some commands.
fn carried_out(fleet: &Fleet, plan: &Value, before: &[&str]) -> (Session, Vec<String>) {
    let mut session = Session::with(Datacentre::new(fleet.clone(), 1), Limits::default());
    let mut said = Vec::new();
    let none = One(Vec::new());
    for line in ["set exact=on"].iter().chain(before) {
        session.line(line, &none, |_| {}).unwrap();
    }
    let files = One(serde_json::to_vec(plan).unwrap());
    session.line("plan run it.json", &files, |line| said.push(line.trim().to_owned())).unwrap();
    (session, said)
}

#[track_caller]
fn expect(session: &mut Session, line: &str) {
    session.line(line, &One(Vec::new()), |_| {}).unwrap();
}

fn seconds(line: &str) -> u32 {
    let clock = line.split(' ').next().unwrap();
    clock.split(':').fold(0, |all, part| all * 60 + part.parse::<u32>().unwrap())
}

#[test]
fn steps_of_a_plan_take_what_its_changes_declare() {
    let fleet = fleet();
    let took = |before: &[&str]| {
        let (mut session, said) = carried_out(&fleet, &planned(&fleet), before);
        expect(&mut session, "expect answer kind=done");
        ["patch", "reboot"].map(|step| {
            let at = |end: &str| {
                let line = said.iter().find(|it| it.contains(&format!(" {step}")) && it.ends_with(end));
                seconds(line.unwrap_or_else(|| panic!("{step} {end}: {said:#?}")))
            };
            at(": done") - at(": begins")
        })
    };
    assert_eq!(took(&[]), [PATCH_S, REBOOT_S]);
    // What the story sets counts before.
    assert_eq!(took(&["set reboot=5m"])[1], 300);
}

#[test]
fn a_host_that_holds_guests_is_neither_patched_nor_rebooted() {
    let fleet = fleet();
    let plan = planned(&fleet);
    // Somebody moves a guest to the host that the plan empties: no step takes it away.
    let moved = ["do migrate v2 to h1", "wait"];
    let (mut session, said) = carried_out(&fleet, &plan, &moved);
    expect(&mut session, "expect answer kind=stopped");
    let why = "(patch h1): h1 holds v2, which no step of the plan moves; expected an empty host";
    assert!(said.iter().any(|it| it.starts_with("stopped: step ") && it.contains(why)), "{said:#?}");
    expect(&mut session, "expect host h1 boots=0 release=12.4");
    expect(&mut session, "expect total killed=0 harms=0 running=2");
    // A patch that leaves guests running does; the reboot after it does not begin, also where one only rests there.
    let mut live = plan;
    let steps = live["steps"].as_array_mut().unwrap();
    let patch = steps.iter_mut().find(|it| it["kind"] == "patch").unwrap();
    patch["method"] = json!("live-patch");
    for rest in [&moved[..], &["do migrate v2 to h1", "wait", "do suspend v2", "wait"]] {
        let (mut session, said) = carried_out(&fleet, &live, rest);
        expect(&mut session, "expect answer kind=stopped");
        assert!(said.iter().any(|it| it.contains("(reboot h1): h1 holds v2")), "{said:#?}");
        expect(&mut session, "expect host h1 boots=0");
        expect(&mut session, "expect total killed=0 harms=0");
    }
}
