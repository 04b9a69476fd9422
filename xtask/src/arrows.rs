//! Which crate may depend on which: the arrows between the rooms of the house.
//!
//! Cargo accepts any dependency that is no cycle. The layering is what keeps the core testable without a machine and the
//! plan checker independent of the planner, so an arrow that is not listed here is refused.

use anyhow::{Result, ensure};
use cargo_metadata::{DependencyKind, Metadata};

/// Every crate of the house with the crates of the house that it may use. Crates that are still to come are listed
/// too: their place is decided before they are built.
const ARROWS: &[(&str, &[&str])] = &[
    ("underpin-model", &[]),
    ("underpin-feeds", &["underpin-model"]),
    ("underpin-exposure", &["underpin-model"]),
    ("underpin-risk", &["underpin-model", "underpin-exposure"]),
    ("underpin-gate", &["underpin-model"]),
    ("underpin-planner", &["underpin-model", "underpin-risk"]),
    ("underpin-lint", &["underpin-model"]),
    ("underpin-attest", &["underpin-model"]),
    ("underpin-store", &["underpin-model"]),
    ("underpin-platforms", &["underpin-model"]),
    ("underpin-sim", &["underpin-model", "underpin-platforms"]),
    ("underpin-lab", &["underpin-model"]),
    (
        "underpin-engine",
        &[
            "underpin-model",
            "underpin-feeds",
            "underpin-exposure",
            "underpin-risk",
            "underpin-gate",
            "underpin-planner",
            "underpin-lint",
            "underpin-attest",
            "underpin-store",
            "underpin-platforms",
        ],
    ),
    // Reads the values of the core and the store directly; whatever acts goes through the engine, so never platforms.
    (
        "underpin-server",
        &[
            "underpin-model",
            "underpin-feeds",
            "underpin-exposure",
            "underpin-risk",
            "underpin-gate",
            "underpin-planner",
            "underpin-lint",
            "underpin-attest",
            "underpin-store",
            "underpin-engine",
        ],
    ),
    (
        "underpin-cli",
        &[
            "underpin-model",
            "underpin-feeds",
            "underpin-exposure",
            "underpin-risk",
            "underpin-gate",
            "underpin-planner",
            "underpin-lint",
            "underpin-attest",
            "underpin-store",
            "underpin-platforms",
            "underpin-sim",
            "underpin-lab",
            "underpin-engine",
            "underpin-server",
        ],
    ),
    // Generates the built-in facts with the parsers of the core.
    ("xtask", &["underpin-model", "underpin-feeds"]),
];

/// Arrows that only tests, examples and benches may have, beyond [`ARROWS`].
const DEV_ARROWS: &[(&str, &[&str])] = &[
    // Matching is tested on real feeds, which somebody must parse.
    ("underpin-exposure", &["underpin-feeds"]),
    // Risk is tested on the built-in facts and on real histories.
    ("underpin-risk", &["underpin-feeds"]),
    // Every plan of the planner's tests is linted.
    ("underpin-planner", &["underpin-lint"]),
    // Plans of the planner, which the lint finds nothing in, are carried out in the simulated datacentre.
    ("underpin-sim", &["underpin-lint", "underpin-planner"]),
    // The reconciler is tested on the simulated datacentre.
    ("underpin-engine", &["underpin-sim"]),
];

/// Every arrow of the workspace that is not listed, each with its way out.
pub(crate) fn forbidden(metadata: &Metadata) -> Vec<String> {
    let members = metadata.workspace_packages();
    let mut complaints = Vec::new();
    for package in &members {
        let from = package.name.as_str();
        let Some(allowed) = listed(ARROWS, from) else {
            complaints.push(format!(
                "crate `{from}` has no place in the house: add it to ARROWS in xtask/src/arrows.rs with what it may use, \
                 and to the code map of ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            if !members.iter().any(|member| member.name.as_str() == to) || allowed.contains(&to) {
                continue;
            }
            let dev = dependency.kind == DependencyKind::Development;
            if dev && (to == from || listed(DEV_ARROWS, from).is_some_and(|arrows| arrows.contains(&to))) {
                continue;
            }
            complaints.push(refusal(from, to, dev, allowed));
        }
    }
    complaints
}

fn refusal(from: &str, to: &str, dev: bool, allowed: &[&str]) -> String {
    let (section, list) = if dev { ("dev-dependencies", "DEV_ARROWS") } else { ("dependencies", "ARROWS") };
    let may_use = if allowed.is_empty() { "no crate of the house".to_owned() } else { allowed.join(", ") };
    format!(
        "arrow `{from} -> {to}` ({section}) is not in the list; `{from}` may use {may_use}. Way out: move what you need \
         into a crate that both may use (values into underpin-model), or pass it in from the caller; if the arrow is right, \
         decide it in docs/adr and add it to {list} in xtask/src/arrows.rs"
    )
}

fn listed<'a>(arrows: &[(&str, &'a [&'a str])], from: &str) -> Option<&'a [&'a str]> {
    arrows.iter().find(|(name, _)| *name == from).map(|(_, to)| *to)
}

/// Checks this workspace.
///
/// # Errors
/// Names every arrow that is not in the list.
pub(crate) fn check(metadata: &Metadata) -> Result<()> {
    let complaints = forbidden(metadata);
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A dependency: its name and, for tests and build scripts, its kind.
    type Arrow = (&'static str, Option<&'static str>);

    /// The answer of `cargo metadata --no-deps` for these members.
    fn metadata(members: &[(&str, &[Arrow])]) -> Metadata {
        let id = |name: &str| format!("path+file:///house/{name}#0.1.0");
        let packages: Vec<Value> = members
            .iter()
            .map(|(name, dependencies)| {
                let dependencies: Vec<Value> = dependencies
                    .iter()
                    .map(|(to, kind)| {
                        json!({ "name": to, "req": "*", "kind": kind, "optional": false, "source": null,
                                "uses_default_features": true, "features": [], "target": null, "rename": null })
                    })
                    .collect();
                json!({ "name": name, "version": "0.1.0", "id": id(name), "dependencies": dependencies,
                        "targets": [], "features": {}, "manifest_path": format!("/house/{name}/Cargo.toml") })
            })
            .collect();
        let ids: Vec<String> = members.iter().map(|(name, _)| id(name)).collect();
        serde_json::from_value(json!({
            "packages": packages, "workspace_members": ids, "resolve": null, "workspace_root": "/house",
            "target_directory": "/house/target", "version": 1
        }))
        .unwrap()
    }

    #[test]
    fn planted_arrow_is_refused_by_name_with_a_way_out() {
        let house = metadata(&[
            ("underpin-model", &[]),
            ("underpin-platforms", &[("underpin-model", None)]),
            ("underpin-server", &[("underpin-model", None), ("underpin-platforms", None), ("axum", None)]),
        ]);
        let complaints = forbidden(&house);
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        assert!(complaints[0].contains("arrow `underpin-server -> underpin-platforms` (dependencies)"));
        assert!(complaints[0].contains("Way out:"));
        assert!(complaints[0].contains("docs/adr"));
    }

    #[test]
    fn arrow_for_tests_only_does_not_carry_the_product() {
        let tests = metadata(&[
            ("underpin-model", &[]),
            ("underpin-feeds", &[("underpin-model", None)]),
            ("underpin-exposure", &[("underpin-feeds", Some("dev"))]),
        ]);
        assert_eq!(forbidden(&tests), Vec::<String>::new());

        let product =
            metadata(&[("underpin-feeds", &[]), ("underpin-exposure", &[("underpin-feeds", None)])]);
        assert!(forbidden(&product)[0].contains("`underpin-exposure -> underpin-feeds` (dependencies)"));
    }

    #[test]
    fn build_script_and_test_arrows_are_checked_too() {
        let house = metadata(&[
            ("underpin-store", &[]),
            ("underpin-lint", &[("underpin-store", Some("build"))]),
            ("underpin-gate", &[("underpin-store", Some("dev"))]),
        ]);
        let complaints = forbidden(&house);
        assert!(
            complaints[0].contains("`underpin-lint -> underpin-store` (dependencies)"),
            "{complaints:#?}"
        );
        assert!(complaints[1].contains("`underpin-gate -> underpin-store` (dev-dependencies)"));
    }

    #[test]
    fn crate_without_a_place_is_refused() {
        let complaints = forbidden(&metadata(&[("underpin-misc", &[])]));
        assert!(complaints[0].contains("`underpin-misc` has no place"), "{complaints:#?}");
    }

    #[test]
    fn core_never_reaches_what_acts() {
        let core = ["model", "feeds", "exposure", "risk", "gate", "planner", "lint", "attest"];
        for name in core {
            let from = format!("underpin-{name}");
            for to in listed(ARROWS, &from).unwrap() {
                let short = to.strip_prefix("underpin-").unwrap();
                assert!(core.contains(&short), "`{from}` is in the core and may use `{to}`, which is not");
            }
        }
        assert_eq!(listed(ARROWS, "underpin-lint"), Some(&["underpin-model"][..]));
        assert!(!listed(ARROWS, "underpin-server").unwrap().contains(&"underpin-platforms"));
    }

    #[test]
    fn workspace_has_only_listed_arrows() {
        check(&crate::workspace::metadata(false).unwrap()).unwrap();
    }
}
