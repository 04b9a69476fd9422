//! What other people's files hold must not steer the terminal that shows it.

use crate::support::{Ran, file, run};

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
    harmless(&ran, "1 documents were quarantined");
}

#[test]
fn arguments_that_are_shown_again_do_not_steer_the_terminal() {
    harmless(&run(&["version", "compare", "--scheme", "generic", "1\u{202e}", "2"]), "2");
    harmless(&run(&["version", "compare", "--scheme", HOSTILE, "1", "2"]).ends(2), "no version scheme");
    harmless(&run(&["assess", HOSTILE]).ends(2), "[2Jb");
}
