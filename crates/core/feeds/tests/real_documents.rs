//! What becomes of the real documents: counts, the standard's own test documents, sizes in memory.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the helpers of a test fail by panicking"
)]

mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use underpin_feeds::{Defect, Parsed, parse};
use underpin_model::facts::{Document, Family, Format, Verdict};

#[test]
fn every_document_is_accepted_and_only_licences_are_ignored() {
    let Some(data) = corpus::shared_data() else { return };
    let mut files = Vec::new();
    for name in ["csaf-redhat-samples.tar.gz", "osv-almalinux.tar.gz", "cve5-hypervisors.tar.gz"] {
        files.extend(corpus::archive(&data, name));
    }
    let kev = data.join("feeds/cisa-kev-2025-08-25.json");
    files.push(("kev".to_owned(), std::fs::read(kev).unwrap()));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ignored = Vec::new();
    for (name, bytes) in &files {
        match parse(bytes) {
            Ok(Parsed::Document(document)) => *counts.entry(document.format.name()).or_default() += 1,
            Ok(Parsed::Ignored { reason }) => ignored.push((name.as_str(), reason)),
            Err(defect) => panic!("{name}: {:?}: {defect}", defect.at),
        }
    }
    assert_eq!(counts, BTreeMap::from([("csaf", 30), ("cve5", 987), ("kev", 1), ("osv", 5693)]));
    assert_eq!(ignored.len(), 2, "{ignored:?}");
    assert!(ignored.iter().all(|(name, reason)| name.ends_with("LICENSE") && reason == "licence text"));
}

#[test]
fn a_provider_tree_has_documents_and_companions() {
    let Some(data) = corpus::shared_data() else { return };
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut documents = 0;
    for (name, bytes) in corpus::archive(&data, "csaf-provider-layout.tar.gz") {
        match parse(&bytes).unwrap_or_else(|defect| panic!("{name}: {:?}: {defect}", defect.at)) {
            Parsed::Document(document) => {
                assert_eq!(document.format, Format::Csaf, "{name}");
                documents += 1;
            }
            Parsed::Ignored { reason } => *reasons.entry(reason).or_default() += 1,
        }
    }
    assert_eq!(documents, 25);
    let expected = [
        ("CSAF provider metadata", 1),
        ("PGP signature or key", 25),
        ("ROLIE feed", 2),
        ("hashes", 25),
        ("list of a provider's documents", 4),
    ];
    assert_eq!(reasons, expected.map(|(reason, count)| (reason.to_owned(), count)).into());
}

#[test]
fn schemas_are_companions() {
    let Some(data) = corpus::shared_data() else { return };
    let files = corpus::archive(&data, "csaf-2.0-validator-tests.tar.gz");
    let mut schemas = 0;
    for (name, bytes) in files.iter().filter(|(name, _)| name.contains("schema")) {
        let parsed = parse(bytes);
        assert_eq!(parsed, Ok(Parsed::Ignored { reason: "JSON schema".to_owned() }), "{name}");
        schemas += 1;
    }
    assert_eq!(schemas, 10);
}

/// The standard's test documents: whatever must be valid is accepted; of the failures of mandatory tests, those are
/// refused that would give wrong facts. The rest (consistency of scores, histories, profiles) changes no fact.
#[test]
fn mandatory_tests_of_the_standard() {
    let Some(data) = corpus::shared_data() else { return };
    let files: BTreeMap<String, Vec<u8>> =
        corpus::archive(&data, "csaf-2.0-validator-tests.tar.gz").into_iter().collect();
    let by_name = |name: &str| {
        files.iter().find(|(path, _)| path.ends_with(name)).map(|(_, bytes)| bytes.as_slice()).unwrap()
    };
    let cases: serde_json::Value = serde_json::from_slice(by_name("/testcases.json")).unwrap();
    let (mut refused, mut harmless) = (BTreeSet::new(), BTreeSet::new());
    let (mut refused_files, mut harmless_files, mut valid) = (0, 0, 0);
    for test in cases["tests"].as_array().unwrap() {
        let id = test["id"].as_str().unwrap();
        let both = ["failures", "valid"].into_iter().filter_map(|key| test[key].as_array()).flatten();
        for file in both {
            let name = file["name"].as_str().unwrap();
            match (parse(by_name(name)), file["valid"].as_bool().unwrap()) {
                (Ok(Parsed::Document(_)), true) => valid += 1,
                (other, true) => panic!("{name} is valid: {other:?}"),
                (Ok(_), false) => {
                    harmless.insert(id);
                    harmless_files += 1;
                }
                (Err(defect), false) => {
                    assert_eq!(defect.format, Some(Format::Csaf), "{name}: {defect}");
                    refused.insert(id);
                    refused_files += 1;
                }
            }
        }
    }
    println!(
        "valid and accepted {valid}; refused {refused_files} {refused:?}; harmless {harmless_files} {harmless:?}"
    );
    let expected = ["6.1.1", "6.1.13", "6.1.2", "6.1.23", "6.1.3", "6.1.33", "6.1.4", "6.1.5", "6.1.6"];
    assert_eq!(refused, BTreeSet::from(expected));
    assert_eq!((valid, refused_files, harmless_files), (152, 15, 72));
}

/// Bytes that a document's facts hold on the heap, sharing taken into account; allocator overhead is not.
fn held(document: &Document) -> usize {
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    for advisory in &document.advisories {
        bytes += advisory.claims.capacity() * size_of::<underpin_model::facts::Claim>();
        for claim in &advisory.claims {
            if seen.insert(Arc::as_ptr(&claim.product).cast::<u8>()) {
                bytes += size_of_val(&*claim.product) + 16 + claim.product.component.len();
                bytes += claim.product.train.as_ref().map_or(0, |text| text.len() + 16);
                bytes += claim.product.arch.as_ref().map_or(0, |text| text.len() + 16);
            }
            if seen.insert(claim.vulnerabilities.as_ptr().cast::<u8>()) {
                bytes += size_of_val(&*claim.vulnerabilities) + 16;
            }
            if let Verdict::FixedIn(version) = &claim.verdict {
                bytes += version.len() + 16;
            }
        }
    }
    bytes
}

#[test]
fn large_documents_become_small_facts() {
    let Some(data) = corpus::shared_data() else { return };
    let mut checked = 0;
    for (name, bytes) in corpus::archive(&data, "csaf-redhat-samples.tar.gz") {
        if !name.ends_with("cve-2024-2961.json") && !name.ends_with("rhsa-2024_2394.json") {
            continue;
        }
        let Ok(Parsed::Document(document)) = parse(&bytes) else { panic!("{name}") };
        let claims = &document.advisories[0].claims;
        println!(
            "{name}: {} bytes, {} claims, {} bytes of facts",
            bytes.len(),
            claims.len(),
            held(&document)
        );
        assert!(held(&document) < bytes.len() / 2, "{name}");
        let red_hat = claims.iter().filter(|claim| claim.product.family == Family::RedHat).count();
        assert!(red_hat > claims.len() / 2, "{name}: {red_hat}");
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn a_defect_names_the_place() {
    let text = r#"{"document": {"csaf_version": "2.0", "category": "csaf_vex", "title": "t", "publisher": {"name": "p"},
        "tracking": {"id": "X-1", "initial_release_date": "2024-02-31T00:00:00Z",
        "current_release_date": "2024-02-03T00:00:00Z"}}}"#;
    let Err(Defect { at, reason, format }) = parse(text.as_bytes()) else { panic!("accepted") };
    assert_eq!(format, Some(Format::Csaf));
    assert_eq!(at, underpin_feeds::Position::Pointer("/document/tracking/initial_release_date".to_owned()));
    assert!(reason.contains("2024-02-31"), "{reason}");
}
