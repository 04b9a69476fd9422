//! The decision tables against every row that is published.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test reads files and fails by panicking"
)]

mod shared;

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{from_value, json, to_value};
use underpin_model::ssvc::*;

/// Reads a value in the spelling of the tables.
fn named<T: DeserializeOwned>(name: &str) -> T {
    from_value(json!(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yes(cell: &str) -> bool {
    match cell {
        "yes" => true,
        "no" => false,
        other => panic!("{other}"),
    }
}

/// Checks each row of a table, and that the rows cover every combination once.
fn each_row(file: &str, combinations: usize, check: impl Fn(&[&str])) {
    let Some(text) = shared::read(&format!("vectors/ssvc/{file}")) else { return };
    let mut seen = BTreeSet::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').skip(1).collect();
        check(&cells);
        seen.insert(cells[..cells.len() - 1].to_vec());
    }
    assert_eq!(seen.len(), combinations, "{file}");
}

#[test]
fn deployer_rows() {
    each_row("deployer_patch_application_priority_1_0_0.csv", 72, |row| {
        let decision = deployer(named(row[0]), named(row[1]), named(row[2]), named(row[3]));
        assert_eq!(decision, named(row[4]), "{row:?}");
        assert_eq!((decision.name(), to_value(decision).unwrap()), (row[4], json!(row[4])));
    });
}

#[test]
fn coordinator_rows() {
    each_row("cisa_coordinator_2_0_3.csv", 36, |row| {
        let level = coordinator(named(row[0]), named(row[1]), named(row[2]), named(row[3]));
        assert_eq!(level, named(row[4]), "{row:?}");
        assert_eq!((level.name(), to_value(level).unwrap()), (row[4], json!(row[4])));
    });
}

#[test]
fn bod_26_04_rows() {
    each_row("cisa_bod_26_04_1_0_0.csv", 16, |row| {
        let timeline = bod_26_04(yes(row[0]), yes(row[1]), named(row[2]), named(row[3]));
        assert_eq!(timeline, named(row[4]), "{row:?}");
        assert_eq!((timeline.name(), to_value(timeline).unwrap()), (row[4], json!(row[4])));
        let days = row[4].split(' ').next().unwrap().parse::<u16>().ok();
        assert_eq!(timeline.days(), days, "{row:?}");
        assert_eq!(timeline.needs_forensics(), row[4].contains("forensic"), "{row:?}");
    });
}

#[test]
fn human_impact_rows() {
    each_row("human_impact_1_0_0.csv", 16, |row| {
        assert_eq!(human_impact(named(row[0]), named(row[1])), named::<HumanImpact>(row[2]), "{row:?}");
    });
}

#[test]
fn utility_rows() {
    each_row("utility_1_0_0.csv", 4, |row| {
        assert_eq!(utility(named(row[0]), named(row[1])), named::<Utility>(row[2]), "{row:?}");
    });
}

#[test]
fn names_that_are_written_are_read_back() {
    for impact in [HumanImpact::Low, HumanImpact::Medium, HumanImpact::High, HumanImpact::VeryHigh] {
        assert_eq!(from_value::<HumanImpact>(to_value(impact).unwrap()).unwrap(), impact);
    }
    assert_eq!(to_value(Exploitation::Poc).unwrap(), json!("poc"));
    assert_eq!(to_value(Utility::SuperEffective).unwrap(), json!("super-effective"));
    assert_eq!(to_value(MissionImpact::MefSupportCrippled).unwrap(), json!("mef-support-crippled"));
}
