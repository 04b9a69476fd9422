//! Names that would steer a terminal, a spreadsheet or a page, through every verb of risk.

use serde_json::json;

use crate::support::{Ran, file, run};

/// Ids may have no control characters and 512 bytes at most; texts may have anything.
const IDS: [&str; 4] = ["<script>alert(1)</script>", "abc\u{202e}gnp.exe", "=cmd|' /C calc'!A0", "\u{2066}x"];
const TEXTS: [&str; 5] =
    ["<b>x</b>", "a\u{1b}[31mred\u{1b}]0;title\u{7}", "q\u{202e}z", "=1+1", "tab\tnew\nerror[UP0001]: line"];

const POLICY: &str = r#"
currency = "<b>EUR\u202E"
[[promise]]
id = "<i>c</i>\u001B[31m\u202E"
kind = "fix-within"
days = 30
[[control]]
id = "=ctl\u001B[31m\u202E<u>"
closes = ["network"]
fails = 0.2
cost = 25
source = "src\u001B[2J"
"#;

const EVIDENCE: &str =
    "[[run]]\nrelease = \"x\\u001B[31m\\u202E\"\nhosts = 3\nkind = \"canary\"\nsource = \"s\\u001B[2J\"\n";

/// A sample fleet under hostile names, one of them far longer than any line.
fn fleet() -> String {
    let mut fleet = run(&["fleet", "sample", "--hosts", "6", "--seed", "1"]).ends(0).json();
    let long = "N".repeat(10_000);
    fleet["name"] = json!("<b>evil</b>\u{1b}[2J");
    for (at, host) in fleet["hosts"].as_array_mut().unwrap().iter_mut().enumerate() {
        host["ring"] = json!(TEXTS[at % TEXTS.len()]);
        host["name"] = json!(long);
        let vendor = if at == 0 { long.as_str() } else { TEXTS[(at + 2) % TEXTS.len()] };
        host["vendor"] = json!(vendor);
    }
    // An id and all that refer to it, wherever they stand.
    let mut text = fleet.to_string();
    for list in ["tenants", "hosts"] {
        for (at, it) in fleet[list].as_array().unwrap().iter().enumerate() {
            let evil = json!(format!("{}{list}{at}", IDS[at % IDS.len()]));
            text = text.replace(&it["id"].to_string(), &evil.to_string());
        }
    }
    text
}

fn harmless(what: &str, text: &str) {
    let steers = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found = text.find(steers).map(|at| text[at..].chars().take(20).collect::<String>());
    assert_eq!(found, None, "{what}");
    assert!(!text.lines().any(|line| line.starts_with("error")), "{what}: a name began a line");
}

#[test]
fn hostile_names_steer_neither_terminal_nor_spreadsheet() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "evil.json", fleet());
    let (policy, evidence) = (file(&dir, "p.toml", POLICY), file(&dir, "e.toml", EVIDENCE));
    let verbs: [&[&str]; 6] = [
        &["risk", &path, "--policy", &policy, "--evidence", &evidence, "--samples", "1000", "--all"],
        &["risk", &path, "--standing", "--all"],
        &["wait", &path, "--policy", &policy, "--evidence", &evidence, "--all"],
        &["wait", &path, "--policy", &policy, "--group", "linux"],
        &["clocks", &path, "--policy", &policy, "--all"],
        &["backtest", &path, "--policy", &policy],
    ];
    for verb in verbs {
        for format in ["table", "csv", "json"] {
            let ran: Ran = run(&[verb, &["--format", format]].concat()).ends(0);
            let what = format!("{} {format}", verb[0]);
            assert!(
                !ran.stderr.contains('\u{1b}') && !ran.stderr.contains('\u{202e}'),
                "{what}: {}",
                ran.stderr
            );
            assert!(ran.stdout.len() > 200, "{what}: it says something");
            match format {
                // Escapes in JSON are JSON's; what it says is data.
                "json" => assert!(ran.json().is_object() && !ran.stdout.contains("NaN"), "{what}"),
                "table" => harmless(&what, &ran.stdout),
                _ => {
                    let mut rows = csv::Reader::from_reader(ran.stdout.as_bytes());
                    for row in rows.records() {
                        let row = row.unwrap();
                        assert!(
                            row.iter().all(|cell| !cell.starts_with(['=', '@', '\t', '\r'])),
                            "{what}: {row:?}"
                        );
                    }
                }
            }
        }
    }
    let page = dir.path().join("page.html");
    run(&["backtest", &path, "--policy", &policy, "--format", "html", "--out", page.to_str().unwrap()])
        .ends(0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(!page.contains("<b>EUR") && page.contains("&lt;b&gt;EUR"));
}
