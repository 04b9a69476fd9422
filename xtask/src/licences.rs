//! Licences, banned crates and sources of everything that is built in, decided by `deny.toml`; and a reason for each
//! dependency.
//!
//! The same file serves cargo-deny. This check is lighter, needs no network and no tool that must be built first.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Metadata, Package};
use serde::Deserialize;

use crate::{spdx, workspace};

#[derive(Deserialize)]
pub(crate) struct Rules {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
    /// The only crates that may bring it along.
    #[serde(default)]
    wrappers: Vec<String>,
}

/// The rules of `deny.toml`.
pub(crate) fn rules(text: &str) -> Result<Rules> {
    toml::from_str(text).context("deny.toml")
}

/// Everything in `metadata` that the rules refuse.
pub(crate) fn refused(metadata: &Metadata, rules: &Rules) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        complaints.extend(licence_refused(package, rules));
        complaints.extend(source_refused(package));
        complaints.extend(ban_broken(package, metadata, rules));
    }
    complaints
}

fn licence_refused(package: &Package, rules: &Rules) -> Option<String> {
    let name = format!("{} {}", package.name, package.version);
    let Some(licence) = &package.license else {
        return Some(format!(
            "{name} names no licence: look at its sources and replace it if they grant none"
        ));
    };
    match spdx::satisfied(licence, &rules.licenses.allow) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{name} is under `{licence}`, which the list in deny.toml does not allow: replace the crate, or decide the \
             licence in docs/adr and add it"
        )),
        Err(error) => Some(format!("{name}: {error:#}")),
    }
}

fn source_refused(package: &Package) -> Option<String> {
    let source = package.source.as_ref()?;
    (!source.repr.starts_with("registry+")).then(|| {
        format!(
            "{} {} comes from {source}: only the package registry is allowed",
            package.name, package.version
        )
    })
}

fn ban_broken(package: &Package, metadata: &Metadata, rules: &Rules) -> Option<String> {
    let ban = rules.bans.deny.iter().find(|ban| package.name.as_str() == ban.name)?;
    let parents: Vec<&str> = metadata
        .resolve
        .iter()
        .flat_map(|resolve| &resolve.nodes)
        .filter(|node| node.dependencies.contains(&package.id))
        .filter_map(|node| metadata.packages.iter().find(|parent| parent.id == node.id))
        .map(|parent| parent.name.as_str())
        .filter(|parent| !ban.wrappers.iter().any(|wrapper| wrapper == parent))
        .collect();
    let excused = parents.is_empty() && !ban.wrappers.is_empty();
    (!excused).then(|| {
        format!("{} is banned ({}); brought along by {}", package.name, ban.reason, parents.join(", "))
    })
}

/// Dependencies of the workspace that the table of reasons lacks, and rows for dependencies that are gone.
fn unexplained(manifest: &str, reasons: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = toml::from_str(manifest).context("Cargo.toml")?;
    let declared = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table)
        .context("Cargo.toml has no [workspace.dependencies]")?;
    // Crates of the house have a path, and their reason in ARCHITECTURE.md.
    let declared: BTreeSet<&str> = declared
        .iter()
        .filter(|(_, value)| value.get("path").is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    let explained: BTreeSet<&str> =
        reasons.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let missing = declared
        .difference(&explained)
        .map(|name| format!("dependency `{name}` has no reason: add a row to docs/adr/0005-dependencies.md"));
    let gone = explained.difference(&declared).map(|name| {
        format!("docs/adr/0005-dependencies.md gives a reason for `{name}`, which is no dependency: remove the row")
    });
    Ok(missing.chain(gone).collect())
}

/// Checks this workspace with all features; says how many packages it looked at.
///
/// # Errors
/// Names every package that is refused.
pub(crate) fn check() -> Result<String> {
    let text = fs_err::read_to_string(workspace::root().join("deny.toml"))?;
    let metadata = workspace::metadata(true)?;
    ensure!(metadata.packages.len() > metadata.workspace_members.len(), "cargo metadata names no dependency");
    let mut complaints = refused(&metadata, &rules(&text)?);
    let manifest = fs_err::read_to_string(workspace::root().join("Cargo.toml"))?;
    let reasons = fs_err::read_to_string(workspace::root().join("docs/adr/0005-dependencies.md"))?;
    complaints.extend(unexplained(&manifest, &reasons)?);
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(format!(
        "{} packages, {} of them versions of a crate that is there twice",
        metadata.packages.len(),
        duplicates(&metadata)
    ))
}

/// Packages whose name occurs more than once. Said, not refused: most are waiting for a dependency to move on.
fn duplicates(metadata: &Metadata) -> usize {
    let twice =
        |package: &&Package| metadata.packages.iter().filter(|other| other.name == package.name).count() > 1;
    metadata.packages.iter().filter(twice).count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: &str = r#"
        licenses.allow = ["MIT"]
        bans.deny = [{ crate = "old", reason = "use new", wrappers = ["shim"] }]
    "#;

    fn package(name: &str, license: Option<&str>, source: &str) -> serde_json::Value {
        json!({ "name": name, "version": "1.0.0", "id": name, "license": license, "source": source, "dependencies": [],
                "targets": [], "features": {}, "manifest_path": "/x/Cargo.toml" })
    }

    fn complaints(packages: &[serde_json::Value], parent_of_old: &str) -> Vec<String> {
        let metadata = serde_json::from_value(json!({
            "packages": packages, "workspace_members": [], "workspace_root": "/x", "target_directory": "/x/target", "version": 1,
            "resolve": { "root": null, "nodes": [
                { "id": parent_of_old, "dependencies": ["old"], "deps": [], "features": [] } ] }
        }))
        .unwrap();
        refused(&metadata, &rules(RULES).unwrap())
    }

    const REGISTRY: &str = "registry+https://registry.example/index";

    #[test]
    fn licence_and_source_and_ban_are_refused_by_name() {
        let found = complaints(
            &[
                package("good", Some("MIT OR GPL-3.0-only"), REGISTRY),
                package("copyleft", Some("AGPL-3.0-only"), REGISTRY),
                package("silent", None, REGISTRY),
                package("forked", Some("MIT"), "git+https://git.example/forked#1"),
                package("old", Some("MIT"), REGISTRY),
            ],
            "good",
        );
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("copyleft 1.0.0 is under `AGPL-3.0-only`"));
        assert!(found[1].starts_with("silent 1.0.0 names no licence"));
        assert!(found[2].starts_with("forked 1.0.0 comes from git+"));
        assert!(found[3].contains("old is banned (use new); brought along by good"));
    }

    #[test]
    fn banned_crate_is_excused_behind_its_wrapper_only() {
        let old = package("old", Some("MIT"), REGISTRY);
        let shim = package("shim", Some("MIT"), REGISTRY);
        assert_eq!(complaints(&[old.clone(), shim], "shim"), Vec::<String>::new());
        assert_eq!(complaints(&[old, package("other", Some("MIT"), REGISTRY)], "other").len(), 1);
    }

    #[test]
    fn dependency_without_a_reason_and_reason_without_a_dependency_are_named() {
        let manifest =
            "[workspace.dependencies]\nserde = \"1\"\nnew = { version = \"1\" }\nown = { path = \"own\" }\n";
        let reasons = "| Crate | Why |\n| --- | --- |\n| `serde` | Values. |\n| `old` | Was nice. |\n";
        let found = unexplained(manifest, reasons).unwrap();
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].contains("`new` has no reason"));
        assert!(found[1].contains("`old`, which is no dependency"));
    }

    #[test]
    fn everything_in_the_workspace_is_allowed_and_explained() {
        check().unwrap();
    }
}
