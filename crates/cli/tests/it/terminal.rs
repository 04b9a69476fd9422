//! What other people's files hold must not steer the terminal that shows it.

use crate::support::{Ran, file, run, underpin};

/// Clears the screen, and turns the direction of writing.
const HOSTILE: &str = "a\u{1b}[2Jb\u{202e}c\u{2066}d\u{9b}1me\u{200f}f";

/// Neither stream has a control character beyond ends of lines and tabs, or one that turns the direction.
#[track_caller]
fn harmless(ran: &Ran, told: &str) {
    for text in [&ran.stdout, &ran.stderr] {
        let raw = text.chars().find(|c| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert!(raw.is_none(), "{raw:?} in {text:?}");
    }
    let both = ran.stdout.clone() + &ran.stderr;
    assert!(both.contains(told), "it does not say {told:?}: {both}");
}

fn fleet() -> serde_json::Value {
    serde_json::from_str(include_str!("fixtures/fleet.json")).unwrap()
}

#[test]
fn names_of_a_fleet_do_not_steer_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let mut named = fleet();
    named["name"] = HOSTILE.into();
    // A component that no feed covers is listed by its name.
    named["hosts"][0]["components"]["components"][1]["name"] =
        HOSTILE.replace(['\u{1b}', '\u{9b}'], "").into();
    let named = file(&dir, "named.json", named.to_string());
    harmless(&run(&["fleet", "check", &named]).ends(0), "a\u{fffd}[2Jb\u{fffd}c");
    let report = run(&["assess", &named, "--no-builtin", "--feeds", "feeds"]).ends(0);
    harmless(&report, "a\u{fffd}[2Jb\u{fffd}c");
    harmless(&report, "a[2Jb\u{fffd}c");
    // An error quotes what it found.
    let mut wrong = fleet();
    wrong["vms"][0]["host"] = HOSTILE.into();
    let wrong = file(&dir, "wrong.json", wrong.to_string());
    harmless(&run(&["fleet", "check", &wrong]).ends(2), "[2Jb");
}

#[test]
fn names_of_bad_documents_do_not_steer_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, &format!("in/{HOSTILE}.json"), "{\"a\": 1}");
    let (feeds, data) = (dir.path().join("in"), dir.path().join("data"));
    let (feeds, data) = (feeds.to_str().unwrap(), data.to_str().unwrap());
    harmless(&run(&["feeds", "check", feeds, "--keep", data]).ends(1), "[2Jb\u{fffd}c");
    harmless(&run(&["feeds", "retry", "--data", data]).ends(1), "[2Jb\u{fffd}c");
    let ran = run(&["assess", "fleet.json", "--feeds", feeds]).ends(2);
    harmless(&ran, "1 document was quarantined");
}

#[test]
fn arguments_that_are_shown_again_do_not_steer_the_terminal() {
    harmless(&run(&["version", "compare", "--scheme", "generic", "1\u{202e}", "2"]), "2");
    harmless(&run(&["version", "compare", "--scheme", HOSTILE, "1", "2"]).ends(2), "no version scheme");
    harmless(&run(&["assess", HOSTILE]).ends(2), "[2Jb");
}

/// Tables of verbs that judge a fleet, at the widths that terminals have: no line is longer, no word of up to a third of the
/// width is broken, and nothing of the wide table is missing.
#[test]
fn tables_fit_the_terminal_and_break_no_word() {
    let facts = ["--no-builtin", "--feeds", "feeds", "--as-of", "2026-03-02"];
    let of_fleet = |verb: &'static str| [&[verb, "fleet.json"][..], &facts].concat();
    let tables: Vec<Vec<&str>> = vec![
        [of_fleet("risk"), vec!["--samples", "1000"]].concat(),
        vec!["risk", "fleet.json", "--standing", "--all"],
        vec!["risk", "elicit"],
        [of_fleet("wait"), vec!["--all"]].concat(),
        [of_fleet("wait"), vec!["--group", "qemu-kvm"]].concat(),
        [of_fleet("clocks"), vec!["--policy", "promises.toml"]].concat(),
        vec!["cadence", "--platform", "esxi", "--platform", "debian", "--line", "6.7", "--line", "bookworm"],
        vec!["backtest", "--platform", "esxi", "--line", "6.7"],
    ];
    for arguments in tables {
        let whole = run(&arguments).ends(0).stdout;
        for width in [80, 100, 160] {
            let ran: Ran =
                underpin().args(&arguments).env("COLUMNS", width.to_string()).output().unwrap().into();
            let text = ran.ends(0).stdout;
            let longest = text.lines().max_by_key(|it| it.chars().count()).unwrap_or_default();
            assert!(longest.chars().count() <= width, "{arguments:?} at {width}: {longest}");
            let words: Vec<&str> = text.split_whitespace().collect();
            let short = |it: &&str| it.chars().count() <= width / 3;
            let broken: Vec<&str> =
                whole.split_whitespace().filter(short).filter(|it| !words.contains(it)).collect();
            assert!(broken.is_empty(), "{arguments:?} at {width}: {broken:?} in\n{text}");
        }
    }
}
