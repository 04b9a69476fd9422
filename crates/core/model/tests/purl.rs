//! Package URLs against the test suite of the specification.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test reads files and fails by panicking"
)]

mod shared;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use underpin_model::purl::{InvalidPurl, Purl};

fn parts(purl: &Purl) -> Value {
    let qualifiers = purl.qualifiers();
    json!({
        "type": purl.ty(),
        "namespace": purl.namespace(),
        "name": purl.name(),
        "version": purl.version(),
        "qualifiers": if qualifiers.is_empty() { Value::Null } else { json!(qualifiers) },
        "subpath": purl.subpath(),
    })
}

fn build(input: &Value) -> Result<Purl, InvalidPurl> {
    let text = |key: &str| input[key].as_str();
    let qualifiers: BTreeMap<String, String> = input["qualifiers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let (ty, name) = (text("type").unwrap_or_default(), text("name").unwrap_or_default());
    Purl::build(ty, text("namespace"), name, text("version"), &qualifiers, text("subpath"))
}

fn every_test(file: &str, count: usize) {
    let Some(text) = shared::read(&format!("vectors/purl/{file}-test.json")) else { return };
    let suite: Value = serde_json::from_str(&text).unwrap();
    let tests = suite["tests"].as_array().unwrap();
    assert_eq!(tests.len(), count, "{file}");
    for test in tests {
        let input = &test["input"];
        let found = match test["test_type"].as_str().unwrap() {
            "parse" => input.as_str().unwrap().parse::<Purl>().map(|purl| parts(&purl)),
            "build" => build(input).map(|purl| json!(purl.to_string())),
            // "Validate" asks for the canonical form of an input that may not be canonical.
            "validate" => Purl::canonical(input.as_str().unwrap()).map(|purl| json!(purl.to_string())),
            other => panic!("a new type of test: {other}"),
        };
        if test["expected_failure"] == json!(true) {
            assert!(found.is_err(), "{test}");
        } else {
            assert_eq!(found.as_ref().ok(), Some(&test["expected_output"]), "{test}: {found:?}");
        }
    }
}

#[test]
fn deb() {
    every_test("deb", 19);
}

#[test]
fn rpm() {
    every_test("rpm", 10);
}

#[test]
fn apk() {
    every_test("apk", 6);
}

#[test]
fn alpm() {
    every_test("alpm", 9);
}

#[test]
fn generic() {
    every_test("generic", 9);
}

#[test]
fn oci() {
    every_test("oci", 12);
}

#[test]
fn specification() {
    every_test("specification", 18);
}

#[test]
fn an_error_names_text_and_expectation() {
    let error = "qemu-system-x86".parse::<Purl>().unwrap_err();
    assert!(error.to_string().starts_with("\"qemu-system-x86\" is not a package URL: "), "{error}");
    assert!(error.to_string().contains("expected pkg:type/"), "{error}");
    assert_eq!("é".repeat(1_000_000).parse::<Purl>().unwrap_err().purl.chars().count(), 200);
}

#[test]
fn what_is_rejected() {
    for (text, reason) in [
        ("pkg:deb/debian/", "the name is missing"),
        ("pkg:deb/a%2Fb/c", "encoded slash"),
        ("pkg:deb/debian/x%zz", "hexadecimal"),
        ("pkg:deb/debian/x%4", "hexadecimal"),
        ("pkg:deb/debian/x%ff", "not UTF-8"),
        ("pkg:deb/debian/x?arch=a&arch=b", "stated twice"),
        ("pkg:deb/debian/x?1a=b", "qualifier key"),
        ("pkg:oci/library/debian", "no namespace"),
        ("pkg:Deb/debian/x", "small letters"),
        ("PKG:deb/debian/x", "does not start with pkg:"),
    ] {
        let error = text.parse::<Purl>().unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
    }
    let lenient = Purl::canonical("pkg:///DEB//Debian//Xen@1?Arch=all&empty=#/./a/../b").unwrap();
    assert_eq!(lenient.to_string(), "pkg:deb/debian/xen@1?arch=all#a/b");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn built_of_any_text_it_reads_back(
        ty in "deb|rpm|generic|apk", namespace in "[a-z][a-z0-9]{0,4}", name in "[a-z0-9@?#&=%/ +:é-]{1,8}",
        version in "[a-z0-9@?#&=%/ +:~é-]{1,8}", value in "[A-Za-z0-9@?#&=%/ +:~é-]{1,8}"
    ) {
        let qualifiers = BTreeMap::from([("arch".to_owned(), value)]);
        let purl = Purl::build(&ty, Some(&namespace), &name, Some(&version), &qualifiers, Some(&name)).unwrap();
        prop_assert_eq!(purl.version(), Some(version.as_str()));
        prop_assert_eq!(purl.to_string().parse::<Purl>().unwrap(), purl);
    }

    #[test]
    fn any_text_is_read_or_rejected(text in "(pkg:)?[a-zA-Z0-9@?#&=%/.+:é-]{0,30}|\\PC{0,20}") {
        if let Ok(purl) = text.parse::<Purl>() {
            let again = purl.to_string().parse::<Purl>();
            prop_assert_eq!(again.as_ref(), Ok(&purl), "{} became {}", text, purl);
        }
    }
}
