//! `version compare`, `cvss`, `explain` and help.

use crate::support::{file, run, run_with, shared_data, underpin};

#[test]
fn help_of_every_verb() {
    let verbs = [
        "",
        "assess",
        "backtest",
        "clocks",
        "collect",
        "collect local",
        "collect rvtools",
        "collect cyclonedx",
        "collect csv",
        "cvss",
        "explain",
        "feeds",
        "feeds check",
        "feeds pull",
        "fleet",
        "fleet schema",
        "fleet example",
        "fleet sample",
        "fleet check",
        "lint",
        "ripple",
        "selfcheck",
        "risk",
        "risk elicit",
        "roadef",
        "serve",
        "sim",
        "sim run",
        "version",
        "version compare",
        "wait",
    ];
    let mut text = String::new();
    for verb in verbs {
        let ran = underpin().args(verb.split_whitespace()).arg("--help").output().unwrap();
        assert!(ran.status.success(), "{verb}");
        text += &format!("$ underpin {verb} --help\n{}\n", String::from_utf8(ran.stdout).unwrap());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_tables_of_expected_values_hold() {
    let Some(data) = shared_data() else { return };
    let table = |name: &str| data.join("vectors").join(name).to_str().unwrap().to_owned();
    for (scheme, name) in [("rpm", "rpmvercmp.tsv"), ("dpkg", "dpkg-version.tsv")] {
        let ran = run(&["version", "compare", "--scheme", scheme, "--tsv", &table(name)]).ends(0);
        assert_eq!(ran.stdout, "", "{scheme}");
        assert!(ran.stderr.contains(" rows, 0 mismatches"), "{}", ran.stderr);
    }
    let ran = run(&["cvss", "--tsv", &table("cvss.tsv")]).ends(0);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains(" rows, 0 mismatches"), "{}", ran.stderr);
}

#[test]
fn a_table_may_have_a_header_or_none() {
    let tables = [
        ("rpm", "1.0~rc1\t1.0\t-1\n1.0^a\t1.0\t1\n"),
        ("dpkg", "1:1.0\t2.0\t1\n1.0~a\t1.0\t-1\n"),
        ("esxi", "ESXi80U3d-24585383\tESXi80U3d-24585383\t0\n"),
        ("generic", "1.2\t1.10\t-1\n"),
    ];
    for (scheme, rows) in tables {
        let run = |table: &str| {
            run_with(&["version", "compare", "--scheme", scheme, "--tsv", "-"], table.as_bytes()).ends(0)
        };
        let without = run(rows);
        assert_eq!(run(&format!("a\tb\texpected\n{rows}")).stderr, without.stderr, "{scheme}");
        assert!(without.stderr.contains(&format!("{} rows, 0 mismatches", rows.lines().count())));
        // By name, not by position: the same table with its columns the other way round.
        let turned: String = rows.lines().fold("expected\tb\ta\n".to_owned(), |all, row| {
            let mut cells: Vec<&str> = row.split('\t').collect();
            cells.reverse();
            all + &cells.join("\t") + "\n"
        });
        assert_eq!(run(&turned).stderr, without.stderr, "{scheme}");
    }
}

#[test]
fn a_mismatch_is_printed_and_ends_with_1() {
    let ran =
        run_with(&["version", "compare", "--scheme", "rpm", "--tsv", "-"], b"1.0\t2.0\t1\n1\t1\t0\n").ends(1);
    insta::assert_snapshot!(ran.stdout + &ran.stderr);
    let ran =
        run_with(&["cvss", "--tsv", "-"], b"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\t9.7\n").ends(1);
    insta::assert_snapshot!("cvss_mismatch", ran.stdout + &ran.stderr);
}

#[test]
fn tables_that_are_not_usable_end_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for content in ["1.0\n".as_bytes(), b"1.0\t2.0\tless\n", b"\xff\xfe\t1\t0\n"] {
        let table = file(&dir, "table.tsv", content);
        let ran = run(&["version", "compare", "--scheme", "rpm", "--tsv", &table]).ends(2);
        assert!(ran.stderr.starts_with("error[UP0005]: "), "{}", ran.stderr);
    }
    run(&["version", "compare", "--scheme", "rpm", "--tsv", "none.tsv"]).ends(2);
    run(&["version", "compare", "--scheme", "abc", "1", "2"]).ends(2);
    run(&["cvss", "CVSS:3.1/AV:N"]).ends(2);
}

#[test]
fn single_values() {
    assert_eq!(
        run(&["version", "compare", "--scheme", "rpm", "1.0~rc1", "1.0"]).ends(0).stdout,
        "1.0~rc1 < 1.0\n"
    );
    let other_train =
        run(&["version", "compare", "--scheme", "esxi", "ESXi80U2-22380479", "ESXi80U3-24022510"]);
    assert!(other_train.ends(0).stdout.contains("cannot be compared with"));
    let ran = run(&["cvss", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"]).ends(0);
    assert_eq!(ran.stdout, "9.8\n");
}

#[test]
fn every_code_that_the_program_uses_is_explained() {
    let source = include_str!("../../src/exit.rs");
    let codes: Vec<&str> = source.split('"').filter(|word| word.starts_with("UP0")).collect();
    assert!(codes.len() >= 10, "{codes:?}");
    let list = run(&["explain"]).ends(0).stdout;
    for code in codes {
        let ran = run(&["explain", &code.to_lowercase()]).ends(0);
        assert!(ran.stdout.starts_with(&format!("# {code}: ")), "{}", ran.stdout);
        assert!(ran.stdout.lines().count() >= 3 && list.contains(code), "{code}");
    }
    run(&["explain", "UP9999"]).ends(2);
}
