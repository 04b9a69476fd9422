//! `underpin selfcheck`: the formulas against expected values, and files that must not pass.

use serde_json::{Value, json};

use crate::support::{Ran, run, run_with, shared_data};

fn check(file: &Value, arguments: &[&str]) -> Ran {
    run_with(&[&["selfcheck", "--vectors", "-"], arguments].concat(), file.to_string().as_bytes())
}

/// Two sections that are right.
fn small() -> Value {
    json!({
        "zero_failure_upper": [{"n": 1, "conf": 0.9, "upper": 0.9}, {"n": 10, "conf": 0.95, "upper": 0.2588655508930522}],
        "optimal_patch_time": [{"lam": 0.2, "Ce": 1, "p0": 0.5, "theta": 0.1, "Cp": 100,
            "interior_min": false, "t_star": "never", "loss": 1, "loss_now": 50}],
    })
}

#[test]
fn the_reference_file_passes_with_all_its_sections() {
    let Some(data) = shared_data() else { return };
    let file = data.join("vectors/risk-and-gate.json");
    let ran = run(&["selfcheck", "--vectors", file.to_str().unwrap(), "--format", "json"]).ends(0);
    let report = ran.json();
    assert_eq!(report["mismatches"], json!([]));
    assert_eq!(report["sections"].as_array().unwrap().len(), 21);
    assert_eq!((&report["rows"], &report["values"]), (&json!(178), &json!(350)));
    for section in report["sections"].as_array().unwrap() {
        assert!(section["largest_error"].as_f64().unwrap() <= 1e-9, "{section}");
    }
    let table = run(&["selfcheck", "--vectors", file.to_str().unwrap()]).ends(0);
    assert!(table.stdout.lines().last().unwrap().starts_with("total"), "{}", table.stdout);
}

/// Every single number of the reference file, raised by a millionth, is noticed.
#[test]
fn any_changed_value_of_the_reference_file_is_named() {
    let Some(data) = shared_data() else { return };
    let text = std::fs::read_to_string(data.join("vectors/risk-and-gate.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let mut changed = Vec::new();
    for (section, output) in OUTPUTS {
        let rows = file[*section].as_array_mut().unwrap();
        for (at, row) in rows.iter_mut().enumerate() {
            if let Some(value) = row[*output].as_f64() {
                row[*output] = json!(if value == 0.0 { 1e-6 } else { value * 1.000_001 });
                changed.push(format!("{section}[{at}].{output}"));
            }
        }
    }
    assert!(changed.len() > 200, "{}", changed.len());
    let report = check(&file, &["--format", "json"]).ends(1).json();
    let told: Vec<String> = report["mismatches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!("{}[{}].{}", it["section"].as_str().unwrap(), it["row"], it["output"].as_str().unwrap())
        })
        .collect();
    changed.sort();
    let mut sorted = told;
    sorted.sort();
    assert_eq!(sorted, changed);
}

const OUTPUTS: &[(&str, &str)] = &[
    ("epss_to_daily", "daily"),
    ("exposure_prob", "prob"),
    ("one_factor_gaussian_tail", "P_ge_k"),
    ("one_factor_gaussian_tail", "independent"),
    ("vasicek_quantile", "q"),
    ("beta_binomial_tail", "P0"),
    ("beta_factor_ccf", "approx"),
    ("zero_failure_upper", "upper"),
    ("clopper_pearson", "lo"),
    ("detect_prob_canary", "P_at_least_one"),
    ("posterior_bad_after_clean_canary", "post"),
    ("msprt_two_sample_normal", "Lambda"),
    ("multinomial_anytime_bf", "BF"),
    ("betting_evalue", "E"),
    ("sprt", "logB"),
    ("sprt_asn_bernoulli", "ASN_H1"),
    ("cusum_arl", "one_sided"),
    ("cusum_arl", "two_sided"),
    ("mannwhitney_scipy", "p"),
    ("fisher_exact", "p"),
    ("optimal_patch_time", "loss"),
    ("precopy", "downtime_s"),
];

#[test]
fn a_wrong_value_is_printed_with_its_place_and_its_error() {
    let mut file = small();
    check(&file, &[]).ends(0);
    file["zero_failure_upper"][1]["upper"] = json!(0.25);
    let ran = check(&file, &[]).ends(1);
    let line = ran.stdout.lines().next().unwrap();
    assert!(
        line.starts_with("zero_failure_upper[1].upper: differs: expected 0.25, got 0.25886555089305"),
        "{line}"
    );
    assert!(line.ends_with(", relative error 3.546e-2"), "{line}");
    assert!(ran.stderr.contains("2 sections, 3 rows, 6 values, 1 mismatches"), "{}", ran.stderr);
    check(&file, &["--tolerance", "0.04"]).ends(0);
    file = small();
    file["optimal_patch_time"][0]["t_star"] = json!("Never");
    file["optimal_patch_time"][0]["interior_min"] = json!(true);
    assert_eq!(check(&file, &["--format", "json"]).ends(1).json()["mismatches"].as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_checked_fails_and_names_its_place() {
    let with = |change: fn(&mut Value)| {
        let mut file = small();
        change(&mut file);
        check(&file, &[]).ends(1).stdout.lines().next().unwrap().to_owned()
    };
    assert_eq!(
        with(|it| it["horoscope"] = json!([{"p": 1}])),
        "horoscope: unknown section: no formula is known for it"
    );
    assert_eq!(with(|it| it["sprt"] = json!([])), "sprt: no rows");
    assert_eq!(with(|it| it["sprt"] = json!([3])), "sprt[0]: expected an object, found 3");
    assert_eq!(
        with(|it| drop(it["zero_failure_upper"][0].as_object_mut().unwrap().remove("upper"))),
        "zero_failure_upper[0].upper: the file does not say it: expected nothing, got 0.9"
    );
    assert_eq!(
        with(|it| it["zero_failure_upper"][0]["lower"] = json!(0.1)),
        "zero_failure_upper[0].lower: no formula gives it: expected 0.1, got nothing"
    );
    assert_eq!(
        with(|it| drop(it["zero_failure_upper"][1].as_object_mut().unwrap().remove("conf"))),
        "zero_failure_upper[1]: input conf is missing"
    );
    assert_eq!(
        with(|it| it["zero_failure_upper"][1]["conf"] = json!(1.5)),
        "zero_failure_upper[1]: input conf: found 1.5, expected a probability from 0 to 1"
    );
    assert_eq!(
        with(|it| it["zero_failure_upper"][1]["n"] = json!(-1)),
        "zero_failure_upper[1]: input n: found -1, expected a whole number, not negative"
    );
    assert_eq!(
        with(|it| it["exposure_prob"] = json!([{"epss30": 1, "days": 7, "prob": 1}])),
        "exposure_prob[0]: input epss30: found 1.0, expected a probability below 1: a score of 1 has no hazard"
    );
    assert_eq!(
        with(|it| it["one_factor_gaussian_tail"] =
            json!([{"n": 3, "p": 0.1, "rho": 2, "k": 1, "P_ge_k": 0, "independent": 0}])),
        "one_factor_gaussian_tail[0]: rho: found 2, expected a correlation from 0 to 1"
    );
}

#[test]
fn what_comes_twice_is_named_and_ends_with_1() {
    let row = r#"{"n": 1, "conf": 0.9, "upper": 0.9}"#;
    let section = |row: &str| format!("\"zero_failure_upper\": [{row}]");
    let of = |text: &str| run_with(&["selfcheck", "--vectors", "-"], text.as_bytes());
    of(&format!("{{{}}}", section(row))).ends(0);
    let wrong = row.replace("0.9}", "0.1}");
    let ran = of(&format!("{{{}, {}}}", section(&wrong), section(row))).ends(1);
    let line = ran.stdout.lines().next().unwrap();
    assert_eq!(line, "zero_failure_upper: this section comes twice, of which only the last was checked");
    let ran = of(&format!("{{{}}}", section(&row.replace("0.9}", "0.1, \"upper\": 0.9}")))).ends(1);
    let line = ran.stdout.lines().next().unwrap();
    assert_eq!(
        line,
        "zero_failure_upper[0]: the key \"upper\" comes twice, of which only the last was checked"
    );
}

#[test]
fn the_largest_error_is_that_of_mismatches_too() {
    let mut file = small();
    file["zero_failure_upper"][0]["upper"] = json!(0.45);
    let report = check(&file, &["--format", "json"]).ends(1).json();
    let sections = report["sections"].as_array().unwrap();
    let section = sections.iter().find(|it| it["section"] == "zero_failure_upper").unwrap();
    assert_eq!((&section["largest_error"], &section["mismatches"]), (&json!(1.0), &json!(1)));
}

#[test]
fn what_is_no_file_of_sections_ends_with_2() {
    for text in ["", "{", "[]", "{}", "\"x\""] {
        let ran = run_with(&["selfcheck", "--vectors", "-"], text.as_bytes()).ends(2);
        assert!(ran.stderr.starts_with("error[UP0005]: "), "{}", ran.stderr);
    }
    run(&["selfcheck", "--vectors", "none.json"]).ends(2);
    run(&["selfcheck"]).ends(2);
    for bad in ["-1", "NaN", "inf", "x"] {
        run_with(&["selfcheck", "--vectors", "-", &format!("--tolerance={bad}")], b"{}").ends(2);
    }
}
