//! `roadef`: solving and checking machine reassignment instances.

use crate::support::{file, run};

/// One resource of weight 10; two machines that have 10 and may use 4 freely; two processes that use 4 each.
const MODEL: &str = "1 0 10\n2\n0 0 10 4 0 1\n0 1 10 4 1 0\n2\n0 0\n0 0\n2\n0 4 1\n1 4 1\n0\n1 1 1\n";

#[test]
fn an_instance_is_solved_written_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (model, initial) = (file(&dir, "model.txt", MODEL), file(&dir, "assignment.txt", "0 0\n"));
    let new = dir.path().join("new.txt");
    let new = new.to_str().unwrap();
    let words = ["roadef", &model, &initial, "--evaluations", "20000", "--out", new, "--format", "json"];
    let report = run(&words).ends(0).json();
    assert_eq!((&report["initial_cost"], &report["lower_bound"]), (&40.into(), &0.into()));
    assert_eq!(
        (&report["cost"], &report["feasible"], &report["moved"]),
        (&3.into(), &true.into(), &1.into())
    );
    assert_eq!(report["parts"]["machine_move"], 1);

    let checked = run(&["roadef", "--check", &model, &initial, new, "--format", "json"]).ends(0).json();
    assert_eq!((&checked["cost"], &checked["parts"]), (&report["cost"], &report["parts"]));
    assert!(checked["search"].is_null());
    let table = run(&["roadef", "--check", &model, &initial, &initial]).ends(0).stdout;
    assert!(table.contains("Cost          40") && table.contains("Every law holds."), "{table}");
    let table = run(&["roadef", &model, &initial, "--seconds", "1"]).ends(0).stdout;
    assert!(
        table.contains("  process move  ")
            && table.contains("Cost          3\n")
            && table.contains("moves tried in"),
        "{table}"
    );
}

#[test]
fn a_solution_that_breaks_a_law_is_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let model = file(&dir, "model.txt", MODEL.replace("0 0 10 4 0 1", "0 0 7 4 0 1"));
    let (good, bad) = (file(&dir, "good.txt", "0 1"), file(&dir, "bad.txt", "0 0"));
    let report = run(&["roadef", "--check", &model, &good, &bad, "--format", "json"]).ends(1).json();
    assert_eq!((&report["feasible"], &report["violation_count"]), (&false.into(), &1.into()));
    let said = "capacity: machine 0 uses 8 of resource 0, and has 7";
    assert_eq!(report["violations"][0], said);
    assert!(run(&["roadef", "--check", &model, &good, &bad]).ends(1).stdout.contains(said));
    // To start from, it is no good.
    assert!(run(&["roadef", &model, &bad]).ends(2).stderr.contains(said));
}

#[test]
fn files_and_words_that_cannot_be_meant_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let (model, initial) = (file(&dir, "model.txt", MODEL), file(&dir, "assignment.txt", "0 2\n"));
    let ran = run(&["roadef", &model, &initial]).ends(2);
    assert!(
        ran.stderr.contains("assignment.txt: line 1, the machine of process 1: found 2"),
        "{}",
        ran.stderr
    );
    let ran = run(&["roadef", &initial, &initial]).ends(2);
    assert!(
        ran.stderr.contains("the number of machines: found 2") || ran.stderr.contains("the end of the file"),
        "{}",
        ran.stderr
    );
    assert!(run(&["roadef", "--check", &model, &initial]).ends(2).stderr.contains("SOLUTION"));
    assert!(run(&["roadef", &model, &initial, &initial]).ends(2).stderr.contains("--check"));
    run(&["roadef", &model, &initial, "--seconds", "5", "--evaluations", "5"]).ends(2);
}
