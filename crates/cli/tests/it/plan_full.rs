//! `plan`, `plan show`, `plan diff`, `plan what-if` and `plan schema`.

use serde_json::{Value, json};

use crate::support::{Ran, file, run};

/// The instant that plans of these tests start at.
const START: &str = "2026-11-21T20:00:00Z";

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/plan-fleet.json")).unwrap()
}

/// Plans a fleet, equally urgent hosts, and gives plan and report.
fn planned(fleet: &str, more: &[&str]) -> Value {
    answered(fleet, more).ends(0).json()
}

fn answered(fleet: &str, more: &[&str]) -> Ran {
    run(&[&["plan", fleet, "--no-builtin", "--starts-at", START, "--format", "json"], more].concat())
}

fn outcome<'v>(answer: &'v Value, element: &str) -> &'v Value {
    let all = answer["report"]["elements"].as_array().unwrap();
    all.iter().find(|it| it["element"] == element).unwrap_or_else(|| panic!("{element}"))
}

/// A folder with the plan and the report of a fleet.
struct Written {
    dir: tempfile::TempDir,
    plan: String,
    report: String,
}

fn written(fleet: &str, more: &[&str]) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (plan, report) = (path("plan.json"), path("report.json"));
    let base = ["plan", fleet, "--starts-at", START, "--out", &plan, "--report", &report];
    let ran = run(&[base.as_slice(), more].concat()).ends(0);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("plan.json: "), "{}{}", ran.stdout, ran.stderr);
    Written { dir, plan, report }
}

#[test]
fn a_sample_is_planned_written_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = dir.path().join("fleet.json").to_str().unwrap().to_owned();
    run(&["fleet", "sample", "--hosts", "20", "--out", &fleet]).ends(0);
    let files = written(&fleet, &["--evaluations", "4"]);
    let bytes = std::fs::read(&files.plan).unwrap();
    let plan: Value = serde_json::from_slice(&bytes).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(&files.report).unwrap()).unwrap();
    assert!(!plan["steps"].as_array().unwrap().is_empty());
    // Both name what they are made of by its bytes.
    let digest = |bytes: &[u8]| {
        use sha2::Digest as _;
        sha2::Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect::<String>()
    };
    assert_eq!(report["plan_sha256"], digest(&bytes));
    assert_eq!(plan["made_from"]["fleet_sha256"], digest(&std::fs::read(&fleet).unwrap()));
    assert!(plan["made_from"].get("policy_sha256").is_none());
    // The built-in facts say what open holes cost, and closing them lowers it.
    let exposure = report["exposure"].as_array().unwrap();
    let cost = |at: usize| exposure[at]["loss_per_day"].as_f64().unwrap();
    assert!(cost(0) > cost(exposure.len() - 1), "{exposure:?}");
    // What is written is of the form that is printed.
    for (of, value) in [("plan", &plan), ("report", &report)] {
        let schema = run(&["plan", "schema", "--of", of]).ends(0).json();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let broken: Vec<String> = validator.iter_errors(value).map(|it| it.to_string()).take(3).collect();
        assert!(broken.is_empty(), "{of}: {broken:?}");
        let mut wrong = value.clone();
        wrong["format"] = "underpin/plan/0".into();
        assert!(!validator.is_valid(&wrong));
    }
    let again = written(&fleet, &["--evaluations", "4"]);
    assert_eq!(std::fs::read(&again.plan).unwrap(), bytes, "the same input gives the same bytes");
    let table = run(&["plan", "show", &files.plan, "--report", &files.report]).ends(0).stdout;
    assert!(table.contains("WAVE") && table.contains("bounds: time"), "{table}");
    drop(files.dir);
}

#[test]
fn what_a_plan_says_to_a_person() {
    let table = run(&["plan", "plan-fleet.json", "--no-builtin", "--starts-at", START]).ends(0).stdout;
    insta::assert_snapshot!("plan_table", table);
    let files = written("plan-fleet.json", &["--no-builtin"]);
    let gantt = run(&["plan", "show", &files.plan, "--gantt"]).ends(0).stdout;
    assert!(gantt.is_ascii() && gantt.lines().all(|it| it.len() <= 100), "{gantt}");
    insta::assert_snapshot!("plan_gantt", gantt);
    let steps = run(&["plan", "show", &files.plan, "--host", "a2"]).ends(0).stdout;
    insta::assert_snapshot!("plan_steps_of_a_host", steps);
    let svg = files.dir.path().join("plan.svg");
    let ran = run(&["plan", "show", &files.plan, "--svg", svg.to_str().unwrap()]).ends(0);
    assert!(ran.stdout.is_empty());
    insta::assert_snapshot!("plan_picture", std::fs::read_to_string(svg).unwrap().replace("><", ">\n<"));
    let json = run(&["plan", "show", &files.plan, "--host", "a2", "--format", "json"]).ends(0).json();
    assert!(
        json.as_array().unwrap().iter().any(|it| it["kind"] == "reboot" && it["element"] == "a2"),
        "{json}"
    );
    let whole =
        run(&["plan", "show", &files.plan, "--report", &files.report, "--format", "json"]).ends(0).json();
    assert_eq!(whole["plan"], serde_json::from_slice::<Value>(&std::fs::read(&files.plan).unwrap()).unwrap());
    let said = run(&["plan", "show", &files.plan, "--host", "nobody"]).ends(2).stderr;
    assert!(said.contains("UP0006") && said.contains("no step of the plan"), "{said}");
}

#[test]
fn a_report_of_another_plan_and_a_bad_plan_are_refused() {
    let files = written("plan-fleet.json", &["--no-builtin"]);
    let text = std::fs::read_to_string(&files.plan).unwrap();
    let edited = file(&files.dir, "edited.json", text.replacen("\"seed\": 1", "\"seed\": 2", 1));
    let said = run(&["plan", "show", &edited, "--report", &files.report]).ends(2).stderr;
    assert!(said.contains("UP0013") && said.contains("plan_sha256"), "{said}");
    let other = file(&files.dir, "other.json", text.replacen("underpin/plan/1", "underpin/plan/9", 1));
    let said = run(&["plan", "show", &other]).ends(2).stderr;
    assert!(said.contains("expected \"underpin/plan/1\""), "{said}");
    for bad in ["", "{}", "[1]", "{\"format\": \"underpin/plan/1\"}", "\u{0}"] {
        let bad = file(&files.dir, "bad.json", bad);
        assert!(run(&["plan", "show", &bad]).ends(2).stderr.contains("UP0013"));
        assert!(run(&["plan", "diff", &bad, &files.plan]).ends(2).stderr.contains("UP0013"));
        let parent = ["plan", "plan-fleet.json", "--parent", &bad];
        assert!(run(&parent).ends(2).stderr.contains("UP0013"));
    }
    let mut of_others: Value = serde_json::from_str(&text).unwrap();
    for wave in of_others["waves"].as_array_mut().unwrap() {
        wave["elements"] = json!(["elsewhere"]);
    }
    let of_others = file(&files.dir, "others.json", of_others.to_string());
    let said = run(&["plan", "plan-fleet.json", "--no-builtin", "--parent", &of_others]).ends(2).stderr;
    assert!(said.contains("found a plan of elsewhere and others of which this fleet has none"), "{said}");
}

#[test]
fn hostile_plans_steer_no_terminal_and_break_no_picture() {
    let files = written("plan-fleet.json", &["--no-builtin"]);
    let mut plan: Value = serde_json::from_slice(&std::fs::read(&files.plan).unwrap()).unwrap();
    let name = "a</title><script>&\u{202e}b\nc";
    for wave in plan["waves"].as_array_mut().unwrap() {
        (wave["elements"], wave["cluster"], wave["ring"]) =
            (json!([name, name, "other"]), json!(name), json!("\u{1b}[2J"));
        (wave["start_s"], wave["end_s"], wave["soak_until_s"]) =
            (json!(4_000_000_000_u32), json!(7), json!(u32::MAX));
        wave["number"] = json!(u32::MAX);
    }
    for step in plan["steps"].as_array_mut().unwrap() {
        (step["subject"], step["start"], step["end"]) =
            (json!(name), json!(u32::MAX), json!(2 * u64::from(u32::MAX)));
        (step["id"], step["wave"], step["after"]) = (json!(9), json!(77), json!([9, u32::MAX]));
    }
    plan["made_from"]["fleet"] = json!("\u{9b}31m\u{2066}<f>");
    plan["starts_at"] = json!("9999-12-30T00:00:00Z");
    // The reader refuses control characters in ids: then nothing is shown at all.
    let steers = |text: &str| {
        text.chars().any(|c| {
            (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
    };
    for name in [name.to_owned(), name.replace(['\n', '\u{202e}'], "")] {
        let text = plan.to_string().replace("a</title><script>&\u{202e}b\\nc", &name.replace('\n', "\\n"));
        let path = file(&files.dir, "hostile.json", text);
        let svg = files.dir.path().join("hostile.svg");
        let host = name.clone();
        for more in [
            &["--gantt"][..],
            &[],
            &["--host", &host],
            &["--svg", svg.to_str().unwrap()],
            &["--gantt", "--all"],
        ] {
            let ran = run(&[&["plan", "show", &path], more].concat());
            assert!(ran.code == 0 || ran.code == 2, "{ran:?}");
            assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
            assert!(!steers(&ran.stdout) && !steers(&ran.stderr), "{ran:?}");
        }
        run(&["plan", "diff", &path, &files.plan]);
        if let Ok(svg) = std::fs::read_to_string(&svg) {
            assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;") && !steers(&svg), "{svg}");
        }
    }
}

#[test]
fn plans_are_compared() {
    let files = written("plan-fleet.json", &["--no-builtin"]);
    let same = run(&["plan", "diff", &files.plan, &files.plan, "--fail-on-change"]).ends(0).stdout;
    assert_eq!(same.lines().count(), 1, "{same}");
    let mut fleet = fixture();
    fleet["planning"]["changes"][0]["elements"] = json!(["a1", "a2", "b1", "b2", "b3"]);
    let fleet = file(&files.dir, "fleet.json", fleet.to_string());
    let other = written(&fleet, &["--no-builtin", "--parent", &files.plan]);
    let plan: Value = serde_json::from_slice(&std::fs::read(&other.plan).unwrap()).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(&other.report).unwrap()).unwrap();
    let old: Value = serde_json::from_slice(&std::fs::read(&files.report).unwrap()).unwrap();
    assert_eq!(plan["parent"], old["plan_sha256"]);
    let ran = run(&["plan", "diff", &files.plan, &other.plan, "--fail-on-change"]).ends(1);
    assert!(ran.stdout.contains("a3: is not in it any more"), "{}", ran.stdout);
    assert!(
        report["changed"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it.as_str().unwrap().starts_with("a3: is not in it any more"))
    );
    run(&["plan", "diff", &files.plan, &other.plan]).ends(0);
    let json = run(&["plan", "diff", &files.plan, &other.plan, "--format", "json"]).ends(0).json();
    assert_eq!(json["removed"], json!(["a3"]));
    // The same hosts at the same time, by another method.
    let mut edited: Value = serde_json::from_slice(&std::fs::read(&files.plan).unwrap()).unwrap();
    let patches = edited["steps"].as_array_mut().unwrap().iter_mut().filter(|it| it["kind"] == "patch");
    patches.take(1).for_each(|it| it["method"] = "quick-boot".into());
    let edited = file(&files.dir, "edited.json", edited.to_string());
    let ran = run(&["plan", "diff", &files.plan, &edited, "--fail-on-change"]).ends(1);
    assert!(ran.stdout.contains("1 done otherwise (1 by another method): patch "), "{}", ran.stdout);
}

#[test]
fn what_if_tells_who_is_planned_then() {
    let base = ["plan", "what-if", "plan-fleet.json", "--no-builtin", "--starts-at", START];
    let asked = |more: &[&str]| run(&[base.as_slice(), &["--format", "json"], more].concat()).ends(0).json();
    let it = asked(&["--with-consent", "globex:power-off"]);
    assert_eq!((&it["before"]["blocked"], &it["after"]["blocked"]), (&1.into(), &0.into()), "{it}");
    assert_eq!(it["becomes_planned"], json!(["b2"]));
    // To one guest: enough for its host, and nothing to another's.
    assert_eq!(asked(&["--with-consent", "globex:power-off=gpu"])["becomes_planned"], json!(["b2"]));
    let it = asked(&["--max-unavailable", "2", "--without-reserve"]);
    assert!(it["after"]["waves"].as_u64() < it["before"]["waves"].as_u64(), "{it}");
    let it = asked(&["--homing", "home"]);
    assert!(it["after"]["moves"]["moves"].as_u64() > it["before"]["moves"]["moves"].as_u64(), "{it}");
    let it = asked(&["--emergency"]);
    assert!(it["after"]["eta"]["p95_s"].as_u64() < it["before"]["eta"]["p95_s"].as_u64(), "{it}");
    // Named twice it gets both; hosts that are only supposed are no work that is gained.
    let two = asked(&["--add-host", "hall-b=2"]);
    assert_eq!(two, asked(&["--add-host", "hall-b", "--add-host", "hall-b"]));
    assert_ne!(two, asked(&["--add-host", "hall-b"]));
    assert_eq!(two["becomes_planned"], json!([]), "{two}");
    assert_eq!(two["before"]["planned"], two["after"]["planned"], "{two}");
    let text = run(&[base.as_slice(), &["--with-consent", "globex:power-off"]].concat()).ends(0).stdout;
    assert!(text.contains("Planned now (1): b2"), "{text}");

    // A consent that everybody gave is taken back for one, and one that names it too.
    let dir = tempfile::tempdir().unwrap();
    for tenants in [json!([]), json!(["globex"]), json!(["acme", "globex"])] {
        let mut fleet = fixture();
        fleet["planning"]["consents"] =
            json!([{"id": "all", "tenants": tenants, "action": "power-off", "granted": true}]);
        let fleet = file(&dir, "fleet.json", fleet.to_string());
        let ran = run(&[
            "plan",
            "what-if",
            &fleet,
            "--no-builtin",
            "--without-consent",
            "globex",
            "--format",
            "json",
        ]);
        let it = ran.ends(0).json();
        assert_eq!(it["becomes_unplanned"][0]["element"], "b2", "{tenants}: {it}");
        assert_eq!(it["becomes_unplanned"][0]["reasons"][0]["why"], "consent");
    }
    for (wrong, told) in [
        (&["--add-host", "nowhere"][..], "UP0006"),
        (&["--add-host", "hall-b=0"], "from 1 to 1000"),
        (&["--longer-window", "60"], "the policy has no window of hosts"),
        (&["--without-freeze", "books"], "expected the id of a freeze of the policy"),
        (&["--longer-window", "acme=60"], "the policy has no window of tenant acme"),
        (&["--longer-window", "4294967295"], "from 1 to 527040 (a year)"),
        (&["--open-window", "a1=99999999"], "from 1 to 527040 (a year)"),
        (&["--add-host", "hall-b=4294967296"], "from 1 to 1000"),
        (&["--without-consent", "nobody"], "expected one of the fleet's: acme, globex"),
        (&["--with-consent", "acme"], "TENANT:ACTION"),
        (&["--with-consent", "acme:smile"], "TENANT:ACTION"),
        (&["--with-consent", "acme:power-off=gpu"], "expected a guest of tenant acme in the fleet"),
        (&["--with-consent", ":power-off=gpu"], "expected a guest of no tenant in the fleet"),
        (&["--with-consent", ":power-off"], "without a tenant only for one guest"),
        (&["--max-unavailable", "0"], "max-unavailable"),
        (&[], "required"),
    ] {
        let ran = run(&[base.as_slice(), wrong].concat()).ends(2);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(told), "{wrong:?}: {}", ran.stderr);
    }
}

#[test]
fn what_would_unblock_is_what_what_if_finds_also_against_a_standing_refusal() {
    let dir = tempfile::tempdir().unwrap();
    // The refusal names the tenant, its guest, or nobody in particular: the consent of the tenant overrules each for itself.
    for (key, value) in [("tenants", json!(["globex"])), ("vms", json!(["gpu"])), ("vms", json!([]))] {
        let mut fleet = fixture();
        fleet["planning"]["consents"] =
            json!([{"id": "no", key: value, "action": "power-off", "granted": false}]);
        let fleet = file(&dir, "fleet.json", fleet.to_string());
        let answer = planned(&fleet, &[]);
        assert_eq!(outcome(&answer, "b2")["reasons"][0]["refused"], true, "{key} {value}");
        let way = &answer["report"]["counterfactuals"][0];
        assert_eq!((&way["trial"], &way["unblocks"]), (&json!("enough"), &json!(["b2"])), "{way}");
        assert_eq!(way["price"]["key"], "loss.vm_hour_down");
        let ask = ["plan", "what-if", &fleet, "--no-builtin", "--starts-at", START, "--format", "json"];
        let it = run(&[&ask[..], &["--with-consent", "globex:power-off"]].concat()).ends(0).json();
        assert_eq!(it["becomes_planned"], way["unblocks"], "{key} {value}");
    }
}

#[test]
fn what_nobody_prices_names_the_key_that_would() {
    let dir = tempfile::tempdir().unwrap();
    let mut fleet = fixture();
    fleet["clusters"][1]["degraded"] = json!(true);
    let fleet = file(&dir, "fleet.json", fleet.to_string());
    let table = run(&["plan", &fleet, "--no-builtin", "--starts-at", START]).ends(0).stdout;
    assert!(table.contains("planning.price.repair would price the repair"), "{table}");
    let policy = file(&dir, "policy.toml", "[planning.price]\nrepair = 250\n");
    let table =
        run(&["plan", &fleet, "--no-builtin", "--starts-at", START, "--policy", &policy]).ends(0).stdout;
    assert!(table.contains("price 250 for the repair (planning.price.repair)"), "{table}");
}

#[test]
fn the_reserve_can_be_left_out_in_what_if() {
    // Two hosts of 64 GiB with 24 GiB each: one can be emptied, but then a failure of the other leaves no place.
    let dir = tempfile::tempdir().unwrap();
    let mut fleet = fixture();
    fleet["hosts"].as_array_mut().unwrap().retain(|it| it["id"] == "a2" || it["id"] == "a3");
    fleet["vms"].as_array_mut().unwrap().retain(|it| it["host"] == "a2" || it["host"] == "a3");
    let path = file(&dir, "fleet.json", fleet.to_string());
    let ran = answered(&path, &[]).ends(3);
    let answer = ran.json();
    assert_eq!(outcome(&answer, "a2")["outcome"], "blocked");
    let base = ["plan", "what-if", &path, "--no-builtin", "--starts-at", START, "--format", "json"];
    let it = run(&[base.as_slice(), &["--without-reserve"]].concat()).ends(0).json();
    assert_eq!(it["becomes_planned"], json!(["a2", "a3"]), "{it}");
}

#[test]
fn everything_that_would_unblock_can_be_tried_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let policy = |window: &str| {
        let text = format!("[[planning.window]]\nid = \"w\"\nfrom = \"22:00\"\n{window}\n");
        file(&dir, "policy.toml", text)
    };
    let asked = |fleet: &Value, policy: Option<&str>, more: &[&str]| {
        let path = file(&dir, "fleet.json", fleet.to_string());
        let base = ["plan", "what-if", &path, "--no-builtin", "--starts-at", START, "--format", "json"];
        let policy = policy.map(|it| ["--policy", it]).unwrap_or_default();
        let policy = policy.iter().copied().filter(|it| !it.is_empty());
        let all: Vec<&str> = base.into_iter().chain(policy).chain(more.iter().copied()).collect();
        run(&all).ends(0).json()
    };
    let planned =
        |it: &Value, host: &str| it["becomes_planned"].as_array().unwrap().iter().any(|it| it == host);
    let short = policy("minutes = 5");
    assert!(planned(&asked(&fixture(), Some(&short), &["--longer-window", "600"]), "a1"));
    let never = policy("minutes = 600\nfirst = \"2030-01-01\"");
    assert!(planned(&asked(&fixture(), Some(&never), &["--open-window", "a1=600"]), "a1"));
    let freeze = "[[planning.freeze]]\nid = \"audit\"\nfrom = \"2020-01-01T00:00:00Z\"\nuntil = \"2040-01-01T00:00:00Z\"\nscope = { hosts = [\"a1\"] }\n";
    let frozen = file(&dir, "frozen.toml", freeze);
    assert!(planned(&asked(&fixture(), Some(&frozen), &["--with-exception", "freeze-calendar:a1"]), "a1"));
    assert!(planned(&asked(&fixture(), Some(&frozen), &["--without-freeze", "audit"]), "a1"));
    let mut locked = fixture();
    locked["vms"].as_array_mut().unwrap().iter_mut().filter(|it| it["id"] == "web-1").for_each(|it| {
        it["locks"] = json!([{"kind": "backup"}]);
    });
    let host =
        locked["vms"].as_array().unwrap().iter().find(|it| it["id"] == "web-1").unwrap()["host"].clone();
    let host = host.as_str().unwrap();
    assert!(planned(&asked(&locked, None, &["--unlock", "web-1"]), host));
    let mut rules = fixture();
    rules["affinities"] = json!([
        {"kind": "together", "strength": "must", "vms": ["web-1", "web-2"]},
        {"kind": "apart", "strength": "must", "vms": ["web-1", "web-2"]}]);
    assert!(planned(&asked(&rules, None, &["--with-exception", "apart:web-1"]), host));
    let mut broken = fixture();
    broken["clusters"][0]["degraded"] = json!(true);
    let cluster = broken["clusters"][0]["id"].as_str().unwrap().to_owned();
    let it = asked(&broken, None, &["--repair", &cluster]);
    assert!(it["after"]["planned"].as_u64() > it["before"]["planned"].as_u64(), "{it}");
    // These change nothing here, and are taken.
    for more in [
        ["--with-consent", "acme:live-migrate"],
        ["--bandwidth", "a1=20000"],
        ["--with-exception", "release-diversity"],
    ] {
        let it = asked(&fixture(), None, &more);
        assert_eq!(it["before"]["planned"], it["after"]["planned"], "{more:?}");
    }
    for (wrong, told) in [
        (["--unlock", "nobody"], "expected a guest of the fleet"),
        (["--open-window", "nobody=5"], "expected a tenant, a host or a management plane of the fleet"),
        (["--longer-window", "acme=0"], "a number from 1 to 527040"),
        (["--with-exception", "soak"], "expected restartability:CLUSTER"),
        (["--repair", "nothing"], "expected a cluster or storage of the fleet"),
        (["--bandwidth", "nothing=5"], "expected a host of the fleet"),
    ] {
        let said =
            run(&[&["plan", "what-if", "plan-fleet.json", "--no-builtin"][..], &wrong].concat()).stderr;
        assert!(said.contains(told), "{wrong:?}: {said}");
    }
}

#[test]
fn where_everything_is_blocked_the_reasons_are_told_and_the_code_is_3() {
    let dir = tempfile::tempdir().unwrap();
    let mut fleet = fixture();
    fleet["planning"]["changes"][0]["elements"] = json!(["b2"]);
    let path = file(&dir, "fleet.json", fleet.to_string());
    let plan = dir.path().join("plan.json");
    let out = ["--out", plan.to_str().unwrap()];
    let ran = run(&[&["plan", &path, "--no-builtin", "--starts-at", START][..], &out].concat()).ends(3);
    assert!(ran.stderr.contains("blocked: nothing could be planned"), "{}", ran.stderr);
    assert!(ran.stderr.contains("tenant globex has not agreed to powering off gpu"), "{}", ran.stderr);
    assert!(plan.exists());
    let ran = run(&["plan", &path, "--no-builtin", "--starts-at", START]).ends(3);
    assert!(
        ran.stdout.contains("BLOCKED") && ran.stdout.contains("consent of tenant globex"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_fleet_without_changes_is_told_how_to_write_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut fleet = fixture();
    fleet.as_object_mut().unwrap().remove("planning");
    let path = file(&dir, "fleet.json", fleet.to_string());
    let said = run(&["plan", &path]).ends(2).stderr;
    assert!(said.contains("/planning/changes: found none") && said.contains("docs/guide/plan.md"), "{said}");
    // All is there already: nothing to do, which is no mistake.
    let mut fleet = fixture();
    fleet["planning"]["changes"][0]["to"]["release"]["release"] = "8.0.2".into();
    let path = file(&dir, "fleet.json", fleet.to_string());
    let ran = run(&["plan", &path, "--no-builtin"]).ends(0);
    assert!(ran.stderr.contains("nothing to do"), "{}", ran.stderr);
    // Options of the full plan say nothing to the static one.
    let said = run(&["plan", "plan-fleet.json", "--waves-only", "--emergency"]).ends(2).stderr;
    assert!(said.contains("--waves-only solves the static model alone"), "{said}");
}

#[test]
fn names_that_the_fleet_does_not_have_are_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    let policy = "[planning]\ncontrollers = [\"web-1\", \"web-l\"]\n\
        [planning.most_away.fault_domains]\nrack-9 = 1\n\
        [[planning.window]]\nid = \"w\"\nfrom = \"00:00\"\nminutes = 1440\nscope = { clusters = [\"hall-c\"], tenants = [\"acme\"] }\n\
        [[planning.freeze]]\nid = \"f\"\nfrom = \"2020-01-01T00:00:00Z\"\nuntil = \"2020-01-02T00:00:00Z\"\nscope = { hosts = [\"a9\"], platforms = [\"xcp-ng\"] }\n\
        [[planning.freeze]]\nid = \"g\"\nfrom = \"2020-01-01T00:00:00Z\"\nuntil = \"2020-01-02T00:00:00Z\"\nscope = { platforms = [\"vcenter\"] }\n\
        [[planning.freeze]]\nid = \"p\"\nfrom = \"2020-01-01T00:00:00Z\"\nuntil = \"2020-01-02T00:00:00Z\"\nscope = { planes = [\"vc\"], platforms = [\"vcenter\"] }\n\
        [[planning.exception]]\nid = \"e\"\nrule = \"window\"\nowner = \"ann\"\nreason = \"r\"\nexpires = \"2020-01-01\"\nscope = { planes = [\"vc\"], tenants = [\"nobody\"] }\n";
    let policy = file(&dir, "policy.toml", policy);
    let said = run(&["plan", "plan-fleet.json", "--no-builtin", "--policy", &policy]).ends(0).stderr;
    for told in [
        "planning.controllers: found \"web-l\", expected a name among the fleet's vms",
        "planning.window w.scope.clusters: found \"hall-c\", expected a name among the fleet's clusters",
        "planning.freeze f.scope.hosts: found \"a9\"",
        "planning.freeze f.scope.platforms: found \"xcp-ng\"",
        "planning.freeze g.scope.platforms: found \"vcenter\", expected a name among the fleet's platforms of hosts; name planes in `planes`",
        "planning.exception e.scope.planes: found \"vc\"",
        "planning.exception e.scope.tenants: found \"nobody\"",
        "planning.most_away.fault_domains: found \"rack-9\"",
    ] {
        assert!(said.contains(told), "{told} in {said}");
    }
    assert!(!said.contains("acme") && !said.contains("\"web-1\""), "{said}");
    assert!(!said.contains("freeze p.scope.platforms"), "a platform of its planes: {said}");
}

#[test]
fn bad_input_is_a_report_or_a_refusal_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |fleet: &Value, more: &[&str]| {
        let path = file(&dir, "fleet.json", fleet.to_string());
        answered(&path, more)
    };
    // Hosts that carry nothing: the ones with guests cannot be emptied onto them.
    let mut zero = fixture();
    for host in zero["hosts"].as_array_mut().unwrap() {
        host["capacity"] = json!({"vcpus": 0, "memory_mib": 0});
    }
    let answer = ask(&zero, &[]).json();
    assert_eq!(outcome(&answer, "a2")["outcome"], "blocked", "{answer}");
    assert!(answer["report"]["standing"].as_array().unwrap().iter().any(|it| it["severity"] == "before"));
    // A guest larger than any host.
    let mut large = fixture();
    large["vms"][1]["memory_mib"] = json!(100_000);
    let answer = ask(&large, &[]).json();
    assert_eq!(outcome(&answer, "a2")["outcome"], "blocked");
    assert!(outcome(&answer, "a2")["reasons"].to_string().contains("larger-than-any-host"), "{answer}");
    large["vms"][1]["memory_mib"] = json!(u64::MAX);
    assert!(ask(&large, &[]).ends(2).stderr.contains("/vms/1/memory_mib: found 18446744073709551615"));
    // More than there is from the start: said, and never made worse.
    let mut over = fixture();
    for vm in over["vms"].as_array_mut().unwrap() {
        vm["memory_mib"] = json!(60_000);
    }
    let answer = ask(&over, &[]).json();
    let standing = answer["report"]["standing"].to_string();
    assert!(standing.contains("memory_mib: guests need 120000, it has 65536"), "{standing}");
    // Rules that exclude each other hold back the hosts of their guests alone.
    let mut rules = fixture();
    rules["affinities"] = json!([
        {"kind": "together", "strength": "must", "vms": ["web-1", "web-2"]},
        {"kind": "apart", "strength": "must", "vms": ["web-1", "web-2"]}]);
    let answer = ask(&rules, &[]);
    assert!(answer.stderr.contains("/affinities/1/vms"), "{}", answer.stderr);
    assert!(
        outcome(&answer.json(), "a2")["reasons"].to_string().contains("contradiction"),
        "{}",
        answer.stdout
    );
    // A cycle of changes and a tenant that nobody knows are refused with their place.
    let mut cycle = fixture();
    cycle["planning"]["changes"] = json!([
        {"id": "a", "to": {"release": {"release": "8.0.3"}}, "after": ["b"]},
        {"id": "b", "to": {"release": {"release": "8.0.4"}}, "after": ["a"]}]);
    assert!(ask(&cycle, &[]).ends(2).stderr.contains("a cycle: \"a\" -> \"b\" -> \"a\""));
    let mut unknown = fixture();
    unknown["planning"]["consents"] =
        json!([{"id": "c", "tenants": ["nobody"], "action": "suspend", "granted": true}]);
    assert!(ask(&unknown, &[]).ends(2).stderr.contains("/planning/consents/0/tenants: found \"nobody\""));
    // A window that never opens within the horizon, and one too short for a host.
    for (window, why) in
        [("minutes = 600\nfirst = \"2030-01-01\"", "no-window"), ("minutes = 5", "outside-window")]
    {
        let policy = format!("[[planning.window]]\nid = \"w\"\nfrom = \"22:00\"\n{window}\n");
        let policy = file(&dir, "policy.toml", policy);
        let answer = ask(&fixture(), &["--policy", &policy]).ends(3).json();
        assert!(outcome(&answer, "a1")["reasons"].to_string().contains(why), "{answer}");
    }
    let policy =
        file(&dir, "policy.toml", "[[planning.window]]\nid = \"w\"\nfrom = \"22:00\"\nminutes = 0\n");
    let said = ask(&fixture(), &["--policy", &policy]).ends(2).stderr;
    assert!(said.contains("planning.window w.minutes (line 4): found 0"), "{said}");
    // A start beyond the calendar, and one long after anybody looked.
    let from = |at: &str| run(&["plan", "plan-fleet.json", "--starts-at", at, "--no-builtin"]);
    let said = from("9999-12-30T21:59:59Z").ends(2).stderr;
    assert!(said.contains("--starts-at: found 9999-12-30T21:59:59Z, expected a moment"), "{said}");
    let said = from("2031-01-01T00:00:00Z").stderr;
    assert!(said.contains("warning: seen.at: the fleet was seen"), "{said}");
    // A setting on and off, and nobody said in which order.
    let mut torn = fixture();
    let set = |id: &str, value: &str| json!({"id": id, "to": {"setting": {"name": "smt", "value": value}}});
    torn["planning"]["changes"] = json!([set("a", "on"), set("b", "off")]);
    let said = ask(&torn, &[]).ends(2).stderr;
    assert!(
        said.contains("/planning/changes/1/to: found setting smt \"off\"") && said.contains("`after`"),
        "{said}"
    );
    // A guest that runs nobody knows where.
    let mut lost = fixture();
    lost["vms"][0].as_object_mut().unwrap().remove("host");
    let said = ask(&lost, &[]).stderr;
    assert!(said.contains("nobody knows on which host"), "{said}");
    assert!(planned("plan-fleet.json", &["--seed", "18446744073709551615"])["plan"]["waves"].is_array());
}

#[test]
fn a_plan_is_not_written_over_its_fleet_nor_under_its_report() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = file(&dir, "fleet.json", fixture().to_string());
    let same = file(&dir, "same.json", "");
    for more in [
        ["--out", &fleet, "--report", &same],
        ["--out", &same, "--report", &same],
        ["--out", &same, "--report", &fleet],
    ] {
        let ran = answered(&fleet, &more).ends(2);
        assert!(ran.stderr.contains("expected one of its own"), "{}", ran.stderr);
    }
    let kept: Value = serde_json::from_slice(&fs_err::read(&fleet).unwrap()).unwrap();
    assert_eq!(kept, fixture());
}
