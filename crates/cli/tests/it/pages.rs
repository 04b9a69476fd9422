//! The report as one HTML page.

use crate::support::{file, run};

fn page(fleet: &str, more: &[&str]) -> String {
    let mut arguments = vec!["assess", fleet, "--as-of", "2026-03-02", "--format", "html"];
    arguments.extend_from_slice(more);
    run(&arguments).ends(0).stdout
}

#[test]
fn structure_of_a_small_report() {
    let page = page("fleet.json", &["--no-builtin", "--feeds", "feeds"]);
    let (start, end) = (page.find("<style>").unwrap(), page.find("</style>").unwrap());
    let markup = format!("{}{}", &page[..start], &page[end..]);
    insta::assert_snapshot!(markup.replace("><", ">\n<").replace(env!("CARGO_PKG_VERSION"), "[version]"));
}

#[test]
fn it_needs_nothing_but_itself() {
    let page = page("fleet.json", &["--no-builtin", "--feeds", "feeds"]);
    for sign in [
        "<script",
        "<link",
        "<img",
        "src=",
        "url(",
        "@import",
        "href=\"http",
        "href=\"/",
        " onload",
        "javascript:",
    ] {
        assert!(!page.contains(sign), "{sign}");
    }
    for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "#{anchor} leads nowhere");
    }
    for part in ["prefers-color-scheme:dark", "@media print", "name=\"viewport\""] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn names_are_text_not_markup() {
    let hostile = include_str!("fixtures/fleet.json").replace("=cmd|calc", "<script>alert(1)</script>");
    let dir = tempfile::tempdir().unwrap();
    let page = page(&file(&dir, "fleet.json", hostile), &["--no-builtin", "--feeds", "feeds"]);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
}

#[test]
fn a_big_fleet_makes_a_page_that_a_browser_can_show() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = dir.path().join("fleet.json");
    let fleet = fleet.to_str().unwrap();
    run(&["fleet", "sample", "--hosts", "700", "--out", fleet]).ends(0);
    let page = page(fleet, &[]);
    assert!(page.contains("The first 500 of 700 hosts"));
    assert!(page.len() < 4 << 20, "{} bytes", page.len());
}
