//! The guide lists every parameter as the program has it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads and may bless its guide"
)]

use std::fmt::Write as _;
use std::path::Path;

use underpin_model::policy::{Parameter, Unit};
use underpin_risk::wait::curve::Terms;
use underpin_risk::wait::values::{USED, USED_FOR_LOSSES};

const START: &str = "<!-- parameters: made from the program; a test compares -->\n";
const END: &str = "<!-- end of parameters -->";

fn table() -> String {
    let mut text = String::from(
        "| Parameter | Question | Unit | Default (range) | Source |\n| --- | --- | --- | --- | --- |\n",
    );
    for parameter in Parameter::ALL {
        let it = parameter.fact();
        let unit = match it.unit {
            Unit::Probability => "probability",
            Unit::Correlation => "correlation",
            Unit::Shape => "shape",
            Unit::PerDay => "per day",
            Unit::Hours => "hours",
            Unit::Count => "count",
        };
        let mark = if it.judgement && !it.source.contains("judgement") { " (judgement)" } else { "" };
        writeln!(
            text,
            "| `{}` | {} | {unit} | {} ({} to {}) | {}{mark} |",
            it.name, it.question, it.value, it.low, it.high, it.source
        )
        .unwrap();
    }
    text
}

#[test]
fn the_guide_lists_every_parameter_with_default_range_and_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/guide/risk.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = guide.split_once(START).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UNDERPIN_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{START}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(listed, table(), "run this test with UNDERPIN_BLESS=1 and read the difference");
}

/// A name in code in the description of the model is a parameter, or one of the other words of fleet and policy.
#[test]
fn the_guide_names_no_parameter_that_does_not_exist() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/guide/risk.md");
    let guide = std::fs::read_to_string(path).unwrap();
    for parameter in Parameter::ALL {
        let name = format!("`{}`", parameter.fact().name);
        assert!(guide.contains(&name), "{name}");
    }
    let model = guide.split_once("## The model").unwrap().1.split_once("## What is not known").unwrap().0;
    let known = |name: &str| Parameter::ALL.iter().any(|it| it.fact().name == name);
    let others = [
        "--all",
        "--independent",
        "<",
        "adds",
        "at_most",
        "bmc",
        "console",
        "cvar_share_standard_error",
        "runs_on",
        "sampling.enumerated",
        "sd_standard_error",
        "standard_error",
        "guests_without_tenant",
        "ha_restart",
        "management-plane",
        "record_disclosed",
        "system_corrupted",
        "vm_hour_down",
    ];
    for name in model.split('`').skip(1).step_by(2) {
        assert!(known(name) || others.contains(&name) || name.starts_with("[loss"), "{name}");
    }
}

const TERMS: &str = "<!-- terms: a test compares their names and parameters with the program -->\n";
const END_OF_TERMS: &str = "<!-- end of terms -->";

#[test]
fn the_guide_names_the_terms_of_patch_or_wait_with_every_parameter() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/guide/patch-or-wait.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let table = guide.split_once(TERMS).unwrap().1.split_once(END_OF_TERMS).unwrap().0;
    let cell = |line: &str, at: usize| line.split('|').nth(at).unwrap().trim().to_owned();
    let rows = || table.lines().skip(2);
    let names: Vec<String> = rows().map(|line| cell(line, 1)).collect();
    assert_eq!(names, Terms::default().named().map(|it| it.0), "the names and the order of the program");
    assert!(rows().all(|line| cell(line, 2).len() > 2 && !cell(line, 3).is_empty()));
    let parameters: String = rows().map(|line| cell(line, 3)).collect();
    for parameter in USED.iter().chain(&USED_FOR_LOSSES) {
        let name = format!("`{}`", parameter.fact().name);
        assert!(parameters.contains(&name), "{name}");
    }
}
