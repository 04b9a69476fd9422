//! `risk` in all its forms.

use serde_json::Value;

use crate::support::{Ran, file, run};

const POLICY: &str = r#"
currency = "EUR"
[loss]
vm_hour_down = 100
system_corrupted = 4000
record_disclosed = 2
records_per_vm = 500
[[control]]
id = "management-vpn"
closes = ["network"]
fails = 0.2
cost = 25
source = "judgement"
"#;

/// The vector of the one vulnerability of the fixtures.
const RECORD: &str = r#"{"dataType": "CVE_RECORD", "dataVersion": "5.1",
  "cveMetadata": {"cveId": "CVE-2023-0001", "state": "PUBLISHED", "datePublished": "2023-06-01T00:00:00Z"},
  "containers": {"cna": {"providerMetadata": {"orgId": "00000000-0000-4000-8000-000000000000"},
    "affected": [{"vendor": "example", "product": "example", "versions": [{"version": "1", "status": "affected"}]}],
    "metrics": [{"cvssV3_1": {"version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}}}"#;

fn risk(more: &[&str]) -> Ran {
    let mut arguments = vec![
        "risk",
        "fleet.json",
        "--no-builtin",
        "--as-of",
        "2026-03-02",
        "--feeds",
        "feeds",
        "--samples",
        "2000",
    ];
    arguments.extend_from_slice(more);
    run(&arguments)
}

fn json(more: &[&str]) -> Value {
    risk(&[more, &["--format", "json"]].concat()).ends(0).json()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The figure at a level of a list.
fn at(list: &Value, level: f64) -> f64 {
    let found = list.as_array().unwrap().iter().find(|it| number(&it["level"]) == level).unwrap();
    number(&found["value"])
}

#[test]
fn table_of_risk() {
    let dir = tempfile::tempdir().unwrap();
    let policy = file(&dir, "policy.toml", POLICY);
    insta::assert_snapshot!(risk(&["--policy", &policy]).ends(0).stdout);
}

#[test]
fn table_of_standing() {
    insta::assert_snapshot!(run(&["risk", "fleet.json", "--standing"]).ends(0).stdout);
}

/// A tenant without VMs has nothing to state: no row counts it, and that is said.
#[test]
fn standing_counts_only_what_has_a_row_and_names_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut fleet: Value = serde_json::from_str(include_str!("fixtures/fleet.json")).unwrap();
    fleet["tenants"].as_array_mut().unwrap().push(serde_json::json!({"id": "empty"}));
    let fleet = file(&dir, "fleet.json", fleet.to_string());
    let told = run(&["risk", &fleet, "--standing"]).ends(0).stdout;
    assert!(told.contains(" 2 tenant(s) ") && !told.contains(" 3 tenant(s) "), "{told}");
    let words =
        "without a row, because nothing is stated of them: tenant(s) empty: no VM of theirs is listed\n";
    assert!(told.contains(words), "{told}");
    assert!(!run(&["risk", "fleet.json", "--standing"]).ends(0).stdout.contains("without a row"));
}

#[test]
fn risk_json_has_the_keys_that_others_read() {
    let answer = json(&[]);
    let loss = &answer["fleet"]["loss"];
    assert!(number(&loss["mean"]) > 0.0 && number(&loss["sd"]) > 0.0);
    assert!(at(&loss["cvar"], 0.99) >= at(&loss["quantiles"], 0.99));
    assert!(number(&answer["fleet"]["hosts_hit_at_least"][0]["probability"]) > 0.0);
    assert!(!answer["tenants"].as_array().unwrap().is_empty());
    let waits: Vec<&Value> = answer["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["wait"])
        .filter(|it| !it.is_null())
        .collect();
    assert!(!waits.is_empty());
    for wait in waits {
        assert!(wait["optimum_days"].is_number() || wait["optimum_days"] == "never", "{wait}");
        assert!(number(&wait["loss_at_optimum"]) <= number(&wait["loss_now"]));
        assert!(number(&wait["band"]["low"]) <= number(&wait["band"]["high"]));
    }
    for key in ["naive", "causes", "blast_radius", "deferrals", "unpriced", "parameters", "clusters"] {
        assert!(answer.get(key).is_some(), "{key}");
    }
    let text = answer.to_string();
    assert!(!text.contains("NaN") && !text.contains("inf\""));
}

/// The parts of one kind sum to the whole: Euler's allocation of the CVaR, and the mean.
#[test]
fn contributions_sum_to_the_fleet() {
    let answer = json(&[]);
    let loss = &answer["fleet"]["loss"];
    let parts = answer["contributions"].as_array().unwrap();
    for kind in ["tenant", "cluster", "cause"] {
        let sum = |key: &str| -> f64 {
            parts.iter().filter(|it| it["part"] == kind).map(|it| number(&it[key])).sum()
        };
        let (mean, cvar) = (number(&loss["mean"]), at(&loss["cvar"], 0.99));
        assert!((sum("mean") / mean - 1.0).abs() < 1e-9, "{kind}: {} of {mean}", sum("mean"));
        assert!((sum("cvar_share") / cvar - 1.0).abs() < 1e-9, "{kind}: {} of {cvar}", sum("cvar_share"));
    }
}

#[test]
fn naive_figures_keep_the_mean_and_miss_the_tail() {
    let (compound, naive) = (json(&[]), json(&["--independent"]));
    let loss = |it: &Value| it["fleet"]["loss"].clone();
    assert!((number(&loss(&compound)["mean"]) / number(&loss(&naive)["mean"]) - 1.0).abs() < 1e-9);
    assert!(at(&loss(&compound)["cvar"], 0.99) > at(&loss(&naive)["cvar"], 0.99));
    assert_eq!(compound["naive"]["loss"], loss(&naive), "the figure beside it is the one of --independent");
    assert_eq!((&naive["independent"], &naive["naive"]), (&Value::Bool(true), &Value::Null));
}

/// However hosts are grouped, each is in one group.
#[test]
fn groups_of_every_kind_sum_to_the_fleet() {
    let mean = number(&json(&[])["fleet"]["loss"]["mean"]);
    for by in ["decision", "cluster", "platform", "release", "hardware", "ring"] {
        let answer = json(&["--group-by", by]);
        let groups = answer["groups"].as_array().unwrap();
        let sum: f64 = groups.iter().map(|it| number(&it["mean_loss"])).sum();
        assert!((sum / mean - 1.0).abs() < 1e-9, "{by}: {sum} of {mean}");
        let hosts: u64 = groups.iter().map(|it| it["hosts"].as_u64().unwrap()).sum();
        assert_eq!(Some(hosts), answer["hosts"].as_u64(), "{by}");
    }
}

/// Patch or wait is decided for hosts that get a release together.
#[test]
fn a_group_without_a_decision_says_why() {
    for by in ["decision", "cluster", "ring"] {
        for group in json(&["--group-by", by])["groups"].as_array().unwrap() {
            assert_eq!(group["wait"].is_null(), group["wait_missing"].is_string(), "{group}");
            let told = group["wait_missing"].as_str().unwrap_or_default();
            assert_eq!(by != "decision", told.ends_with(": grouped by decision"), "{told}");
        }
    }
}

#[test]
fn a_control_lowers_what_it_closes_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let without = POLICY.split("[[control]]").next().unwrap();
    let (with, without) = (file(&dir, "with.toml", POLICY), file(&dir, "without.toml", without));
    // The way in must be known: against an unknown one no control can be counted on.
    let vector = file(&dir, "cve.json", RECORD);
    let json = |policy: &str| json(&["--policy", policy, "--feeds", &vector]);
    let mean = |policy: &str| number(&json(policy)["fleet"]["loss"]["mean"]);
    let saved = mean(&without) - mean(&with);
    assert!(saved > 0.0, "{saved}");
    let worth = &json(&with)["controls"][0];
    assert_eq!(worth["control"], "management-vpn");
    assert!((number(&worth["saves"]) / saved - 1.0).abs() < 1e-9, "{worth} of {saved}");
    assert_eq!(number(&worth["cost"]), 25.0, "per 30 days, over a horizon of 30");
}

#[test]
fn the_seed_of_the_policy_decides_the_samples() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (file(&dir, "one.toml", "seed = 1\n"), file(&dir, "two.toml", "seed = 2\n"));
    assert_eq!(risk(&["--policy", &one]).ends(0).stdout, risk(&["--policy", &one]).ends(0).stdout);
    let (a, b) = (json(&["--policy", &one]), json(&["--policy", &two]));
    assert_ne!(a["sampling"]["mean"], b["sampling"]["mean"]);
    assert_eq!(a["fleet"]["loss"]["mean"], b["fleet"]["loss"]["mean"], "the mean is exact");
}

#[test]
fn risk_csv_has_the_figures_of_json() {
    let text = risk(&["--format", "csv"]).ends(0).stdout;
    let mean = number(&json(&[])["fleet"]["loss"]["mean"]);
    assert!(text.contains(&format!("fleet,,mean,{mean}")), "{text}");
    assert!(text.starts_with("of,name,figure,value"), "{text}");
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for (text, place) in [
        (
            "[parameters]\nrho = 1.5\n",
            "parameters.rho.value (line 2): found 1.5, expected a correlation from 0 to 0.9999",
        ),
        ("[parameters]\nq = nan\n", "parameters.q.value (line 2): found NaN"),
        ("[loss]\nvm_hour_down = -1\n", "a finite loss, not negative"),
        ("horizon_days = 0\n", "horizon_days (line 1): found 0, expected from 0.01 days"),
        ("colour = 1\n", "unknown field `colour`"),
        (
            "[parameters]\ncopies_leave = -0.1\n",
            "parameters.copies_leave.value (line 2): found -0.1, expected a probability from 0 to 1",
        ),
    ] {
        let policy = file(&dir, "bad.toml", text);
        let refused = risk(&["--policy", &policy]).ends(2);
        assert!(
            refused.stderr.contains(place) && refused.stderr.contains("UP0011"),
            "{text}: {}",
            refused.stderr
        );
        assert!(refused.stdout.is_empty(), "{text}");
    }
}

/// A fleet in which nothing can be hit has no risk of 0.
#[test]
fn there_is_nothing_to_judge_in_an_empty_fleet_and_a_tenant_without_guests_is_said_to_have_none() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = |hosts: &str| {
        format!(
            "{{\"format\": \"underpin/fleet/1\", \"name\": \"small\", \"seen\": {{\"at\": \"2026-03-02T00:00:00Z\", \
             \"by\": \"hand\"}}, \"tenants\": [{{\"id\": \"lone\"}}], \"hosts\": [{hosts}]}}"
        )
    };
    let (empty, small) =
        (file(&dir, "empty.json", fleet("")), file(&dir, "small.json", fleet("{\"id\": \"h\"}")));
    let promise = file(&dir, "p.toml", "[[promise]]\nid = \"c\"\nkind = \"fix-within\"\ndays = 30\n");
    for arguments in [
        &["risk", &empty][..],
        &["risk", &empty, "--format", "json"],
        &["risk", &empty, "--independent", "--format", "csv"],
        &["wait", &empty],
        &["clocks", &empty, "--policy", &promise],
        &["cadence", "--platform", "esxi", "--policy", "applicable", "--fleet", &empty],
    ] {
        let refused = run(arguments).ends(2);
        assert!(refused.stdout.is_empty(), "{arguments:?}: no zeros");
        let why = "/hosts: found none, expected at least one host: nothing can be hit, so there is nothing to judge";
        assert!(refused.stderr.contains("UP0003") && refused.stderr.contains(why), "{}", refused.stderr);
    }
    // Of a host of which nothing is listed nobody knows whether anything is due; where kernel and emulator are, nothing is due.
    let nothing = run(&["wait", &small, "--group", "zzz"]).ends(2).stderr;
    assert!(nothing.contains("there is 1 group: "), "{nothing}");
    let kernel = "{\"id\": \"h\", \"components\": {\"family\": \"debian\", \"train\": \"bookworm\", \"components\": \
                  [{\"name\": \"linux-image-6.1.0-44-amd64\", \"version\": \"99\", \"kind\": \"package\"}, \
                  {\"name\": \"qemu-system-x86\", \"version\": \"1:99\", \"kind\": \"package\"}]}}";
    let listed = file(&dir, "listed.json", fleet(kernel));
    let nothing = run(&["wait", &listed, "--group", "zzz"]).ends(2).stderr;
    assert!(
        nothing.contains("no group has anything to decide") && !nothing.contains("0 groups"),
        "{nothing}"
    );
    run(&["risk", &empty, "--standing", "--format", "csv"]).ends(0);
    let answer = run(&["risk", &small, "--format", "json"]).ends(0).json();
    let lone = &answer["tenants"].as_array().unwrap()[0];
    assert_eq!((lone["tenant"].as_str(), lone["guests"].as_u64()), (Some("lone"), Some(0)));
    for arguments in [&["risk", &small][..], &["wait", &small], &["clocks", &small, "--policy", &promise]] {
        run(arguments).ends(0);
    }
}

#[test]
fn a_day_long_before_the_fleet_was_seen_is_warned_of() {
    for (verb, day, warned) in [
        ("risk", "2026-01-01", true),
        ("wait", "2024-01-01", true),
        ("assess", "2024-01-01", true),
        ("risk", "2026-02-20", false),
        ("wait", "2027-01-01", false),
    ] {
        let told =
            run(&[verb, "fleet.json", "--as-of", day, "--no-builtin", "--feeds", "feeds"]).ends(0).stderr;
        let words = format!("--as-of {day} is ");
        assert_eq!(
            told.contains(&words) && told.contains("days before the fleet was seen"),
            warned,
            "{verb} {day}: {told}"
        );
    }
}

/// Evidence in other words than those of the fleet would pass for evidence.
#[test]
fn evidence_that_counts_for_no_host_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let evidence = file(&dir, "e.toml", "[[run]]\nrelease = \"Nothing 1\"\nhosts = 3\nkind = \"trial\"\n");
    for verb in ["risk", "wait"] {
        let asked = [
            verb,
            "fleet.json",
            "--as-of",
            "2026-03-02",
            "--no-builtin",
            "--feeds",
            "feeds",
            "--evidence",
            &evidence,
        ];
        let told = run(&asked).ends(0).stderr;
        assert!(
            told.contains("run number 1.release: found \"Nothing 1\"")
                && told.contains("one that is due is called"),
            "{told}"
        );
    }
    for (text, place) in [
        ("[[run]]\nrelease = \"x\"\nhosts = -3\nkind = \"trial\"\n", "line 3"),
        ("[[run]]\nrelease = \"x\"\nhosts = nan\nkind = \"trial\"\n", "line 3"),
        (
            "[[known_bug]]\nrelease = \"x\"\nper_host_day = -1\nhours_down = nan\nsource = \"s\"\n",
            "known_bug number 1.hours_down",
        ),
        ("[[trial]]\n", "unknown field `trial`"),
    ] {
        let evidence = file(&dir, "bad.toml", text);
        let refused = run(&["wait", "fleet.json", "--evidence", &evidence]).ends(2);
        assert!(
            refused.stderr.contains("UP0011") && refused.stderr.contains(place),
            "{text}: {}",
            refused.stderr
        );
        assert!(refused.stdout.is_empty());
    }
}

/// What no hazard can be made of by the book: certainty. And what nobody can know yet.
#[test]
fn a_score_of_exactly_one_is_refused_with_its_place_and_facts_of_the_future_count_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let scores = |day: &str, score: &str| {
        format!(
            "#model_version:v2025.03.14,score_date:{day}T00:00:00+0000\ncve,epss,percentile\nCVE-2023-0001,{score},1.0\n"
        )
    };
    let asked = |more: &[&str]| {
        let of = [
            "risk",
            "fleet.json",
            "--no-builtin",
            "--samples",
            "2000",
            "--format",
            "json",
            "--as-of",
            "2026-03-02",
        ];
        let ran = run(&[&of[..], &["--feeds", "feeds/ALSA-2024-0001.json"], more].concat()).ends(0);
        assert!(!ran.stdout.contains("NaN"), "{more:?}");
        number(&ran.json()["fleet"]["loss"]["mean"])
    };
    let none = asked(&[]);
    let future = file(&dir, "future.csv", scores("2031-08-25", "0.99"));
    assert_eq!(asked(&[&future]), none, "a score of 2031 is not known in 2026");
    let past = file(&dir, "past.csv", scores("2026-02-20", "0.9"));
    let later = file(&dir, "later.csv", scores("2026-12-20", "0.3"));
    assert!(asked(&[&past]) > none);
    assert_eq!(asked(&[&past, &later]), asked(&[&past]), "a later score hides no valid one");
    let nearly = asked(&[&file(&dir, "nearly.csv", scores("2026-02-20", "0.99999"))]);
    assert!(nearly > asked(&[&past]), "{none} {nearly}");
    for score in ["1.0", "1.0001", "-0.1", "NaN", "inf"] {
        let bad = file(&dir, "bad.csv", scores("2026-02-20", score));
        let told = run(&["risk", "fleet.json", "--no-builtin", "--feeds", &bad]).ends(2).stderr;
        assert!(told.contains("UP0004"), "{score}: {told}");
        assert!(
            told.contains("bad.csv") && told.contains("epss of \"CVE-2023-0001\" is "),
            "{score}: {told}"
        );
    }
}

/// A chance that rounding ate is below something; one that is none is 0.
#[test]
fn what_cannot_happen_has_a_chance_of_zero() {
    let dir = tempfile::tempdir().unwrap();
    let text = "format = \"underpin/policy/1\"\n[parameters]\naimed = 0\nunderpin_compromised = 0\nregression_prior = 0\nbeta = 0\n";
    let policy = file(&dir, "policy.toml", text);
    let of = ["risk", "fleet.json", "--no-builtin", "--feeds", "feeds", "--as-of", "2026-03-02", "--policy"];
    let ran = run(&[&of[..], &[&policy]].concat()).ends(0);
    let row = ran.stdout.lines().find(|it| it.contains("at least 1 host")).unwrap();
    assert!(row.contains("0 %") && !row.contains("below"), "{row}");
}

/// Whoever reads the answer of a machine reads no stderr.
#[test]
fn scores_that_are_stale_from_the_future_or_refused_are_told_in_every_answer() {
    let dir = tempfile::tempdir().unwrap();
    let scores = |day: &str, score: &str| {
        format!(
            "#model_version:v2025.03.14,score_date:{day}T00:00:00+0000\ncve,epss,percentile\nCVE-2023-0001,{score},1.0\n"
        )
    };
    let policy = file(&dir, "policy.toml", "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = 30\n");
    for (name, day, score, told) in [
        ("fresh.csv", "2026-02-20", "0.5", None),
        ("month.csv", "2026-01-31", "0.5", None),
        ("stale.csv", "2026-01-30", "0.5", Some("is stale on 2026-03-02 (the newest from 2026-01-30)")),
        (
            "future.csv",
            "2026-03-03",
            "0.5",
            Some("is from after 2026-03-02 (the newest from 2026-03-03): not used"),
        ),
        ("bad.csv", "2026-02-20", "1.5", Some("1 document was quarantined, the first one")),
    ] {
        let feed = file(&dir, name, scores(day, score));
        for verb in [&["risk", "--samples", "1000"][..], &["wait"], &["clocks"]] {
            let of = ["fleet.json", "--no-builtin", "--as-of", "2026-03-02", "--policy", &policy];
            let feeds = ["--feeds", "feeds/ALSA-2024-0001.json", &feed, "--format", "json"];
            let answer = run(&[verb, &of, &feeds].concat()).ends(0).json();
            let warnings = answer["warnings"].as_array().unwrap();
            let said: Vec<&str> = warnings.iter().filter_map(Value::as_str).collect();
            let about: Vec<&&str> =
                said.iter().filter(|it| it.contains("EPSS") || it.contains("quarantined")).collect();
            match told {
                None => assert!(about.is_empty(), "{name} {verb:?}: {said:?}"),
                Some(told) => assert!(about[0].contains(told), "{name} {verb:?}: {said:?}"),
            }
        }
    }
}

#[test]
fn risk_without_a_fleet_shows_its_help() {
    let refused = run(&["risk"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("Usage: underpin risk"), "{}", refused.stderr);
}

#[test]
fn csv_has_the_bounds_and_what_each_cluster_and_tenant_may_lose_at_once() {
    let answer = json(&[]);
    let text = risk(&["--format", "csv"]).ends(0).stdout;
    let fleet = &answer["fleet"];
    let mut expected = vec![
        "of,name,figure,value,unit".to_owned(),
        format!(
            "fleet,,any_host_hit_bonferroni_low,{},probability",
            number(&fleet["any_hit"]["bonferroni_low"])
        ),
        format!(
            "fleet,,cvar_at_most_0.99,{},{}",
            at(&fleet["cvar_at_most"], 0.99),
            answer["currency"].as_str().unwrap()
        ),
    ];
    for kind in ["cluster", "tenant"] {
        let part = answer[format!("{kind}s")].as_array().unwrap().iter().find(|it| it[kind].is_string());
        let (part, name) = (part.unwrap(), part.unwrap()[kind].as_str().unwrap());
        let one = &part["hosts_hit_at_least"][0];
        assert_eq!((one["m"].as_u64(), one["method"].as_str()), (Some(1), Some("exact")), "{part}");
        assert!(number(&one["probability"]) > 0.0, "{part}");
        expected
            .push(format!("{kind},{name},p_at_least_1_hosts,{},probability", number(&one["probability"])));
        assert!(part["guests_hit_at_least"].is_array(), "{part}");
    }
    for line in expected {
        assert!(text.contains(&line), "{line}: {text}");
    }
}

#[test]
fn what_the_policy_names_and_the_fleet_does_not_have_is_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let policy = file(&dir, "policy.toml", "[loss.tenant.nobody]\nvm_hour_down = 9.0\n");
    let said = risk(&["--policy", &policy]).ends(0).stdout;
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("note: loss.tenant: the fleet has no tenant nobody"), "{said}");
}

/// Nobody looked at a host or plane without components: that is counted, and is in the upper figure.
#[test]
fn what_nobody_looked_at_is_not_fine() {
    let dir = tempfile::tempdir().unwrap();
    let bare = "{\"format\": \"underpin/fleet/1\", \"name\": \"bare\", \
                \"seen\": {\"at\": \"2026-03-02T00:00:00Z\", \"by\": \"hand\"}, \
                \"management_planes\": [{\"id\": \"plane\"}], \
                \"clusters\": [{\"id\": \"c\", \"managed_by\": [\"plane\"]}], \
                \"hosts\": [{\"id\": \"h\", \"cluster\": \"c\"}], \"vms\": [{\"id\": \"v\", \"host\": \"h\", \"power\": \"on\"}]}";
    let fleet = file(&dir, "bare.json", bare);
    let answer = run(&["risk", &fleet, "--format", "json"]).ends(0).json();
    assert_eq!(answer["unpriced"]["hosts_not_assessed"], 1);
    assert_eq!(answer["unpriced"]["planes_with_unknowns"], 1);
    assert!(number(&answer["mean_loss_with_unknown"]) > number(&answer["fleet"]["loss"]["mean"]));
    let words = answer["unpriced_words"].as_str().unwrap();
    assert!(
        words.contains("of 1 host neither kernel nor hypervisor is known")
            && words.contains("1 management plane has"),
        "{words}"
    );
}

/// Without compound figures there is no column for them.
#[test]
fn a_table_of_naive_figures_has_no_empty_column() {
    let ask = |more: &[&str]| {
        let common = ["risk", "fleet.json", "--no-builtin", "--feeds", "feeds", "--as-of", "2026-03-02"];
        run(&[&common, more].concat()).ends(0).stdout
    };
    let header = |text: &str| {
        let line = text.lines().find(|it| it.starts_with("HIT AT ONCE")).unwrap();
        line.split("  ").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let naive = ask(&["--independent"]);
    assert_eq!(header(&naive), ["HIT AT ONCE", "INDEPENDENT"]);
    let row = naive.lines().find(|it| it.starts_with("at least 1 host")).unwrap();
    assert!(row.contains('%') || row.contains("e-"), "{row}");
    assert_eq!(header(&ask(&[])), ["HIT AT ONCE", "COMPOUND", "INDEPENDENT"]);
}

/// The fleet of the fixtures after a change of it as JSON.
fn changed_fleet(dir: &tempfile::TempDir, change: impl FnOnce(&mut Value)) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/fleet.json");
    let mut fleet: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut fleet);
    file(dir, "changed.json", fleet.to_string())
}

#[test]
fn a_fleet_of_which_no_guest_is_known_does_not_look_fine() {
    let dir = tempfile::tempdir().unwrap();
    let none = changed_fleet(&dir, |fleet| fleet["vms"] = serde_json::json!([]));
    let run_on = |verb: &str, more: &[&str]| {
        let same = [verb, &none, "--no-builtin", "--as-of", "2026-03-02", "--feeds", "feeds"];
        run(&[&same, more].concat()).ends(0)
    };
    let table = run_on("risk", &[]).stdout;
    let cells = |start: &str| {
        let line =
            table.lines().find(|it| it.starts_with(start)).unwrap_or_else(|| panic!("{start} in {table}"));
        line[start.len()..].split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for row in ["mean ", "standard deviation ", "at least 1 guest "] {
        assert_eq!(cells(row), ["unknown", "unknown"], "{table}");
    }
    assert!(cells("at least 1 host ").iter().any(|it| it == "%"), "hosts are known: {table}");
    let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("note: the fleet file lists no VMs: what guests would lose is not known"),
        "{table}"
    );
    assert!(words.contains("mean with what is not known at its worst: unknown"), "{table}");
    let answer = run_on("risk", &["--format", "json"]).json();
    assert!(answer["mean_loss_with_unknown"].is_null() && answer["unpriced"]["no_vms_listed"] == true);
    assert!(answer["warnings"].to_string().contains("lists no VMs"));

    let waits = run_on("wait", &["--format", "json"]).json();
    for group in waits["groups"].as_array().unwrap() {
        let said = group["recommendation"].as_str().unwrap();
        // The fixture lists no kernel, of which nobody looked either.
        let why = if group["component"] == "kernel" {
            "Unknown whether anything is due"
        } else {
            "Unknown whether to patch"
        };
        assert!(group["wait"].is_null() && said.starts_with(why), "{said}");
    }
}

#[test]
fn probabilities_are_in_percent_in_every_cell() {
    let table = risk(&["--all"]).ends(0).stdout;
    let powers: Vec<&str> = table.split_whitespace().filter(|it| it.contains("e-")).collect();
    let numbers = powers.iter().filter(|it| it.starts_with(|first: char| first.is_ascii_digit()));
    assert_eq!(numbers.count(), 0, "{powers:?} in {table}");
}

#[test]
fn of_thousands_of_mistakes_in_a_policy_the_first_are_told_and_how_many_more() {
    let dir = tempfile::tempdir().unwrap();
    let wrong: String = (0..3_000)
        .map(|it| format!("[[promise]]\nid = \"p{it}\"\nkind = \"fix-within\"\ndays = 99999\n"))
        .collect();
    let policy = file(&dir, "policy.toml", wrong);
    let said = risk(&["--policy", &policy]).ends(2).stderr;
    assert!(said.contains("3000 problem(s)") && said.contains("promise p19.days (line 80)"), "{said}");
    assert!(said.contains("\n  ... and 2980 more\n") && !said.contains("promise p20."), "{said}");
}
