//! One-factor Gaussian tails of the reference data, exactly and by weighted samples.

use std::path::{Path, PathBuf};

use serde_json::Value;
use underpin_risk::compound::{AtLeast, Method, Options, Thresholds, judge};

use crate::made::one_factor;

fn vectors() -> Option<Value> {
    let folder = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from).or_else(|| {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        above.map(|folder| folder.join("shared/data")).find(|folder| folder.is_dir())
    });
    let text = folder.and_then(|it| std::fs::read_to_string(it.join("vectors/risk-and-gate.json")).ok());
    if text.is_none() {
        assert_ne!(std::env::var("UNDERPIN_REQUIRE_ALL").as_deref(), Ok("1"), "shared/data not found");
        println!("skipped: shared/data not found");
    }
    text.map(|text| serde_json::from_str(&text).unwrap())
}

/// Each vector with what is found under these options: `(vector, found)`.
fn found(options: &Options) -> Vec<(Value, AtLeast)> {
    let Some(vectors) = vectors() else { return Vec::new() };
    let rows = vectors["one_factor_gaussian_tail"].as_array().unwrap();
    assert_eq!(rows.len(), 7);
    rows.iter()
        .map(|row| {
            let number = |key: &str| row[key].as_f64().unwrap();
            let portfolio = one_factor(number("n") as u32, number("p"), number("rho"));
            let at_least = Thresholds { hosts: vec![number("k") as u64], guests: vec![], tenants: vec![] };
            let judgement = judge(&portfolio, &Options { at_least, ..options.clone() }).unwrap();
            (row.clone(), judgement.hosts_hit_at_least[0])
        })
        .collect()
}

fn off(row: &Value, key: &str, at: &AtLeast) -> f64 {
    (at.probability / row[key].as_f64().unwrap() - 1.0).abs()
}

#[test]
fn one_factor_tails_are_exact() {
    for (row, at) in found(&Options { samples: 1_000, ..Options::default() }) {
        assert_eq!(at.method, Method::Exact);
        let off = off(&row, "P_ge_k", &at);
        assert!(off < 1e-9, "{row}: {at:?}, off by {off:e}");
    }
}

#[test]
fn one_factor_tails_by_ten_thousand_weighted_samples_are_within_one_percent() {
    for (row, at) in
        found(&Options { exact: false, levels: vec![0.999], contribution_level: 0.999, ..Options::default() })
    {
        assert_eq!(at.method, Method::ImportanceSampling);
        let off = off(&row, "P_ge_k", &at);
        let relative_error = at.standard_error / at.probability;
        println!("{row}: off by {off:.4}, error {relative_error:.4}, {:?}", at.variance_reduction);
        assert!(off < 0.01, "{row}: {at:?}, off by {off}");
        assert!(at.variance_reduction.unwrap() > 100.0, "{row}: {at:?}");
    }
}

#[test]
fn independent_tails_are_those_of_the_binomial_law() {
    for (row, at) in found(&Options { independent: true, samples: 1_000, ..Options::default() }) {
        assert_eq!(at.method, Method::Exact);
        if row["independent"].as_f64().unwrap() > 1e-20 {
            let off = off(&row, "independent", &at);
            assert!(off < 1e-9, "{row}: {at:?}, off by {off:e}");
        } else {
            assert!(at.probability < 1e-20);
        }
    }
}
