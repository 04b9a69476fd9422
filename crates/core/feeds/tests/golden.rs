//! All the facts of one small document of each format.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panicking"
)]

use underpin_feeds::{Parsed, parse};
use underpin_model::facts::Document;

fn facts(text: &str) -> Document {
    match parse(text.as_bytes()) {
        Ok(Parsed::Document(document)) => *document,
        other => panic!("{other:?}"),
    }
}

#[test]
fn csaf() {
    insta::assert_json_snapshot!(facts(include_str!("documents/csaf.json")));
}

#[test]
fn cve5() {
    insta::assert_json_snapshot!(facts(include_str!("documents/CVE-2025-22224.json")));
}

#[test]
fn osv() {
    insta::assert_json_snapshot!(facts(include_str!("documents/osv.json")));
}

#[test]
fn kev() {
    insta::assert_json_snapshot!(facts(include_str!("documents/kev.json")));
}

#[test]
fn epss() {
    insta::assert_json_snapshot!(facts(include_str!("documents/epss.csv")));
}
