use std::collections::BTreeMap;

use underpin_model::fleet;
use underpin_model::plan::{Forced, Profile, WaveForce};
use underpin_model::policy::{Policy, read};
use underpin_planner::campaign::{Planned, Request, plan};

use super::zones::Zones;
use super::{Shown, gantt, static_waves};

fn planned(policy: &Policy, profile: Profile) -> (fleet::Fleet, Planned) {
    let bytes = include_bytes!("../../../tests/it/fixtures/plan-fleet.json");
    let fleet = fleet::read(bytes).unwrap().fleet;
    let loss_per_day = fleet.hosts.iter().map(|it| (it.id.clone(), 12.5)).collect::<BTreeMap<_, _>>();
    let planned = plan(&Request {
        fleet: &fleet,
        policy,
        starts_at: "2026-11-21T20:00:00Z".parse().unwrap(),
        profile,
        homing: None,
        seed: 1,
        evaluations: 4,
        loss_per_day: &loss_per_day,
        parent: None,
        fleet_sha256: None,
        policy_sha256: None,
    })
    .unwrap();
    (fleet, planned)
}

/// What stands between the escapes that make headers bold.
fn letters(line: &str) -> usize {
    line.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "").chars().count()
}

#[test]
fn a_plan_is_read_in_80_and_in_160_columns() {
    let policy =
        read("[[ring]]\nname = \"test\"\nsoak = 3\n[[ring]]\nname = \"production\"\nsoak = 7\n").unwrap();
    let (fleet, planned) = planned(&policy, Profile::Normal);
    let zones = Zones::of(&fleet);
    for width in [80, 160] {
        let shown = Shown {
            plan: &planned.plan,
            report: Some(&planned.report),
            zones: &zones,
            all: false,
            width: Some(width),
        };
        let table = shown.table();
        let chart = gantt::chart(&planned.plan, width, &gantt::UNICODE, false);
        for line in table.lines().chain(chart.lines()) {
            assert!(letters(line) <= usize::from(width), "{width}: {line}");
        }
        // Every host of the fleet has its row, with something drawn in it.
        for host in planned.plan.waves.iter().flat_map(|it| &it.elements) {
            let row = chart.lines().find(|it| it.split_whitespace().nth(1) == Some(host.as_str())).unwrap();
            assert!(row.contains('█'), "{row}");
        }
    }
}

#[test]
fn what_an_emergency_gives_up_is_told_with_numbers() {
    let policy =
        read("[[ring]]\nname = \"test\"\nsoak = 3\n[[ring]]\nname = \"production\"\nsoak = 7\n").unwrap();
    let (fleet, planned) = planned(&policy, Profile::Emergency);
    let zones = Zones::of(&fleet);
    let report = Some(&planned.report);
    let table = Shown { plan: &planned.plan, report, zones: &zones, all: false, width: None }.table();
    let line = table.lines().find(|it| it.starts_with("gives up soak: ")).unwrap();
    for part in [
        "ring test soaks 7 h 12 min instead of 3 d",
        "ring production soaks 16 h 48 min instead of 7 d",
        ", whose open holes cost ",
        " host-days before it has soaked: a bad one that the soak would have stopped costs ",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn amounts_are_told_in_words_and_not_by_their_keys() {
    let said = |what: Forced| static_waves::reason(&WaveForce { what, proven: true });
    let resource = || "memory_mib".to_owned();
    assert_eq!(
        said(Forced::Room { wave: 2, resource: resource(), short: 155_648, reserve: false }),
        "with wave 2 together 152 GiB of memory would be missing"
    );
    assert_eq!(
        said(Forced::Restartability { wave: 2, resource: resource(), short: 4096 }),
        "with wave 2 together a failure would find no place for 4096 MiB of memory"
    );
}
