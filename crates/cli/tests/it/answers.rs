//! The command line and the API give the same answers in the same form.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::serve::{ask, start};
use crate::support::{file, run};

const POLICY: &str = include_str!("fixtures/promises.toml");
/// A release that is due nowhere.
const EVIDENCE: &str = "[[run]]\nrelease = \"qemu-kvm 1\"\nhosts = 3\nkind = \"trial\"\n";

/// Every key with the keys above it; the elements of a list share one place.
fn keys(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{above}/{name}");
                keys(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(list) => list.iter().for_each(|it| keys(it, above, found)),
        _ => {}
    }
}

fn keys_of(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    keys(value, "", &mut found);
    found
}

/// The answer of the API, which must be there.
fn api(address: &str, method: &str, path: &str, body: &str) -> Value {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length:");
    let answer = ask(address, &format!("{head} {}\r\n\r\n{body}", body.len()));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 20"), "{path}: {answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

#[test]
fn the_command_line_and_the_api_give_the_same_keys() {
    let dir = tempfile::tempdir().unwrap();
    let feeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/feeds");
    for name in ["ALSA-2024-0001.json", "kev.json"] {
        file(&dir, &format!("feeds/example.org/{name}"), std::fs::read(feeds.join(name)).unwrap());
    }
    let (policy, evidence) = (file(&dir, "policy.toml", POLICY), file(&dir, "evidence.toml", EVIDENCE));
    let (_running, address) = start(dir.path(), "127.0.0.1:0", &[]);
    api(&address, "POST", "/api/v1/fleets", include_str!("fixtures/fleet.json"));
    api(&address, "PUT", "/api/v1/policy", POLICY);
    api(&address, "PUT", "/api/v1/evidence", EVIDENCE);
    let believed = ["--policy", &policy, "--evidence", &evidence];
    let judged = |verb: &'static str| [&[verb, "fleet.json", "--feeds", "feeds"], &believed[..]].concat();
    let line = |verb: &'static str| vec![verb, "--platform", "esxi", "--line", "5.5"];
    for (path, arguments) in [
        ("wait", judged("wait")),
        ("risk", judged("risk")),
        ("clocks", vec!["clocks", "fleet.json", "--feeds", "feeds", "--policy", &policy]),
        ("cadence?platform=esxi&line=5.5", line("cadence")),
        (
            "backtest?platform=esxi&line=5.5",
            [&line("backtest"), &["fleet.json", "--policy", &policy][..]].concat(),
        ),
    ] {
        let mut told = api(&address, "GET", &format!("/api/v1/{path}"), "");
        if path == "risk" {
            // What is stored by the server has ids, files of a command line have none.
            for id in ["assessment", "policy", "evidence"] {
                assert!(told.as_object_mut().unwrap().remove(id).is_some(), "{id}");
            }
        }
        let own = run(&[&arguments[..], &["--format", "json"]].concat()).ends(0).json();
        assert_eq!(keys_of(&told), keys_of(&own), "{path}");
        if ["wait", "risk"].contains(&path) {
            assert!(
                own["evidence_unmatched"][0]
                    .as_str()
                    .is_some_and(|it| it.starts_with("run number 1.release: ")),
                "{own}"
            );
            assert_eq!(told["evidence_unmatched"], own["evidence_unmatched"], "{path}");
        }
    }
}
