//! `sim`: scripts and standard input.

use crate::support::{file, run, run_with};

const STORY: &str =
    "load-example hosts=2 vms=2 memory=8GiB\ndo evacuate host-1\nwait\nexpect host host-1 guests=0\n";

#[test]
fn a_script_is_carried_out_and_prints_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let story = file(&dir, "story.sim", STORY);
    let ran = run(&["sim", "run", &story]).ends(0);
    assert!(ran.stdout.contains("vm-1 moved from host-1 to host-2"), "{}", ran.stdout);
    // The short form, a second script on a datacentre of its own, and the same again.
    let twice = run(&["sim", &story, &story]).ends(0);
    assert_eq!(twice.stdout, ran.stdout.repeat(2));
}

#[test]
fn an_expectation_that_is_not_met_ends_with_1_and_a_wrong_line_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let unmet = file(&dir, "unmet.sim", format!("{STORY}expect host host-2 guests=7\n"));
    let ran = run(&["sim", "run", &unmet]).ends(1);
    assert!(
        ran.stderr.contains("line 5") && ran.stderr.contains("found host host-2 guests=2"),
        "{}",
        ran.stderr
    );
    let wrong = file(&dir, "wrong.sim", format!("{STORY}teleport vm-1\n"));
    let ran = run(&["sim", "run", &wrong]).ends(2);
    assert!(ran.stderr.contains("error[UP0015]") && ran.stderr.contains("line 5"), "{}", ran.stderr);
    assert!(run(&["sim", "run", "no-such.sim"]).ends(2).stderr.contains("UP0002"));
    assert!(run(&["explain", "UP0015"]).ends(0).stdout.contains("simulation"));
}

#[test]
fn commands_are_read_from_standard_input_without_a_prompt_in_a_pipe() {
    let ran = run_with(&["sim"], STORY.as_bytes()).ends(0);
    assert!(ran.stdout.contains("task-1 evacuate: done") && !ran.stderr.contains("sim>"), "{}", ran.stderr);
    let ran = run_with(&["sim"], b"load-example\nexpect total running=3\nshow hosts\n").ends(1);
    assert!(ran.stdout.contains("host-4 power=up"), "a line that fails does not end the session");
    assert!(run_with(&["sim"], b"\xff\xfe \x07\nfly\n").ends(2).stderr.contains("line 1"));
}

#[test]
fn files_are_found_beside_the_script() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = run(&["fleet", "sample", "--hosts", "6", "--seed", "3"]).ends(0).stdout;
    file(&dir, "fleet.json", fleet);
    let story = file(
        &dir,
        "story.sim",
        "load fleet.json seed=2\nexpect total hosts=6\nrun 2h\nexpect total killed=0\n",
    );
    run(&["sim", "run", &story]).ends(0);
}

#[test]
fn a_plan_of_the_planner_is_carried_out_in_the_simulated_datacentre_without_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (fleet, plan) = (path("fleet.json"), path("plan.json"));
    run(&["fleet", "sample", "--hosts", "40", "--out", &fleet]).ends(0);
    // Balancers between the waves would make the plan stale, which is another story.
    let mut value: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(&fleet).unwrap()).unwrap();
    for cluster in value["clusters"].as_array_mut().unwrap() {
        cluster["load_balancing"] = false.into();
    }
    fs_err::write(&fleet, value.to_string()).unwrap();
    let seen = value["seen"]["at"].as_str().unwrap();
    run(&["plan", &fleet, "--no-builtin", "--starts-at", seen, "--out", &plan]).ends(0);
    let steps: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(&plan).unwrap()).unwrap();
    let steps = steps["steps"].as_array().unwrap().len();
    assert!(steps > 200, "{steps}");
    let story = file(
        &dir,
        "play.sim",
        format!("load {fleet} seed=1\nplan run {plan}\nexpect total killed=0 harms=0\n"),
    );
    let ran = run(&["sim", "run", &story]).ends(0);
    assert!(ran.stdout.contains(&format!("{steps} of {steps} steps done")), "{}", ran.stdout);
}
