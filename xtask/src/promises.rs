//! docs/SPECIFICATION.md binds every promise to the tests that keep it; a promise whose test is gone is refused.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{suites, workspace};

/// A row of the table: what is promised, and by which tests or suites it is kept.
#[derive(Debug, PartialEq, Eq)]
struct Promise<'a> {
    line: usize,
    text: &'a str,
    keepers: Vec<&'a str>,
}

/// The rows `| promise | keepers |` of every table, without headings and rules. Keepers stand in backticks.
fn promises(page: &str) -> Vec<Promise<'_>> {
    page.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let (text, keepers) = line.strip_prefix('|')?.strip_suffix('|')?.rsplit_once('|')?;
            let heading = text.trim() == "Promise" || text.trim().chars().all(|c| matches!(c, '-' | ':'));
            let keepers = keepers.split('`').skip(1).step_by(2).collect();
            (!heading).then_some(Promise { line: index + 1, text: text.trim(), keepers })
        })
        .collect()
}

/// Every promise that nothing keeps: `sources` is all Rust source of the workspace.
fn broken(page: &str, sources: &str, suites: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for promise in promises(page) {
        let at = format!("docs/SPECIFICATION.md:{} (\"{}\")", promise.line, promise.text);
        if promise.keepers.is_empty() {
            complaints.push(format!("{at}: names no test; name one in backticks, or take the promise back"));
        }
        for keeper in promise.keepers {
            let found = match keeper.strip_prefix("suite:") {
                Some(suite) => suites.contains(&suite),
                None => is_test(sources, keeper),
            };
            if !found {
                complaints.push(format!(
                    "{at}: no test is called `{keeper}`; write it, or give the name that it has now"
                ));
            }
        }
    }
    complaints
}

/// Whether a function of this name follows a test attribute, be it directly or inside `proptest!`. A test that is ignored
/// keeps nothing.
fn is_test(sources: &str, name: &str) -> bool {
    let heads = [format!("fn {name}("), format!("fn {name}<")];
    heads.iter().flat_map(|head| sources.match_indices(head.as_str())).any(|(at, _)| {
        let before = sources.get(..at).unwrap_or_default();
        // Attributes stand between the end of the item before and the function.
        let attributes = before.rsplit(['}', ';', '{']).next().unwrap_or_default();
        let test = ["test]", "test(", "test_case"].iter().any(|mark| attributes.contains(mark));
        test && !attributes.contains("#[ignore")
    })
}

/// All Rust source below `folder`.
fn read_sources(folder: &Path, sources: &mut String) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            read_sources(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs_err::read_to_string(path)?);
            sources.push('\n');
        }
    }
    Ok(())
}

/// Checks this workspace; says how many promises are kept.
///
/// # Errors
/// Names every promise that nothing keeps.
pub(crate) fn check() -> Result<String> {
    let root = workspace::root();
    let page = fs_err::read_to_string(root.join("docs/SPECIFICATION.md"))?;
    let mut sources = String::new();
    for folder in ["crates", "xtask"] {
        read_sources(&root.join(folder), &mut sources)?;
    }
    let count = promises(&page).len();
    ensure!(count > 0, "docs/SPECIFICATION.md has no table of promises");
    let complaints = broken(&page, &sources, &suites::names());
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(format!("{count} promises"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
| Promise | Kept by |
| --- | --- |
| One order | `total_order`, `suite:format` |
| Nothing is lost | `gone` |
| Trust us | - |
";

    #[test]
    fn promise_without_a_living_test_is_refused() {
        let sources = "#[test]\nfn total_order() {}\nfn helper() {}\n";
        let complaints = broken(PAGE, sources, &["format"]);
        assert_eq!(complaints.len(), 2, "{complaints:#?}");
        assert!(
            complaints[0].contains("docs/SPECIFICATION.md:4 (\"Nothing is lost\"): no test is called `gone`")
        );
        assert!(complaints[1].contains("(\"Trust us\"): names no test"));
    }

    #[test]
    fn helper_is_not_a_test() {
        let sources = "#[test]\nfn a() { b() }\nfn b() {}\n#[tokio::test]\n/// Doc.\nasync fn c() {}\n\
                       proptest! {\n  #[test]\n  fn d(x in 0..1) {}\n}\n\
                       #[test]\n#[ignore = \"slow\"]\nfn e() {}\n";
        assert!(is_test(sources, "a"));
        assert!(!is_test(sources, "b"));
        assert!(is_test(sources, "c"));
        assert!(is_test(sources, "d"));
        assert!(!is_test(sources, "e"));
    }

    #[test]
    fn every_promise_of_the_specification_names_a_test_that_exists() {
        check().unwrap();
    }
}
