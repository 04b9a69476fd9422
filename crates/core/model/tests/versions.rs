//! Version orders against reference tables, against dpkg itself, and against the laws of an order.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test reads files and fails by panicking"
)]

mod shared;

use std::cmp::Ordering;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use underpin_model::version::{Comparison, Scheme, compare, esxi, succession, table};

fn order(scheme: Scheme, left: &str, right: &str) -> Ordering {
    match compare(scheme, left, right) {
        Ok(Comparison::Ordered(order)) => order,
        other => panic!("{scheme}: {left} against {right}: {other:?}"),
    }
}

/// Asserts that each version sorts before all that follow it, in both directions.
fn ascending(scheme: Scheme, versions: &[&str]) {
    for (index, left) in versions.iter().enumerate() {
        assert_eq!(order(scheme, left, left), Ordering::Equal, "{left}");
        for right in &versions[index + 1..] {
            assert_eq!(order(scheme, left, right), Ordering::Less, "{left} < {right}");
            assert_eq!(order(scheme, right, left), Ordering::Greater, "{right} > {left}");
        }
    }
}

#[test]
fn trains_of_esxi_follow_each_other_where_products_show_them() {
    let order = |left: &str, right: &str| succession(Scheme::Esxi, left, right).unwrap();
    let ascending = [
        "VMware ESXi 6.7.0 build-17700523",
        "7.0U3o",
        "8.0 U2d",
        "VMware ESXi 8.0.3 build-24022510",
        "ESXi80U3d-24585383",
        "9.0",
    ];
    for (at, left) in ascending.iter().enumerate() {
        for right in &ascending[at + 1..] {
            assert_eq!(order(left, right), Comparison::Ordered(Ordering::Less), "{left} < {right}");
            assert_eq!(order(right, left), Comparison::Ordered(Ordering::Greater), "{right} > {left}");
        }
    }
    let unknown = [
        // One train, told in two ways; builds without a train; an update that 6.7 does not show.
        ("8.0 U3d", "8.0.3-24022510"),
        ("24585383", "8.0.3-24022510"),
        ("VMware ESXi 6.7.0 build-17700523", "ESXi 6.7 Update 3a"),
    ];
    for (left, right) in unknown {
        assert_eq!(order(left, right), Comparison::Incomparable, "{left}, {right}");
        assert_eq!(order(right, left), Comparison::Incomparable, "{right}, {left}");
    }
    // Which has a fix is another question.
    assert_eq!(compare(Scheme::Esxi, "8.0 U2d", "8.0 U3"), Ok(Comparison::Incomparable));
}

#[test]
fn a_release_of_esxi_has_one_build_in_every_spelling() {
    let same = [
        "ESXi70U3c-19193900",
        "7.0U3-19193900",
        "VMware ESXi 7.0.3 build-19193900",
        "7.0.3-19193900",
        "19193900",
    ];
    assert_eq!(same.map(esxi::build), [Some("19193900"); 5]);
    let none = ["7.0 U3c", "8.0.3.00400", "ESXi650-201811401-BG", "no release"];
    assert_eq!(none.map(esxi::build), [None; 4]);
}

#[test]
fn every_row_of_the_tables() {
    for (scheme, file, rows) in
        [(Scheme::Rpm, "vectors/rpmvercmp.tsv", 91), (Scheme::Dpkg, "vectors/dpkg-version.tsv", 485)]
    {
        let Some(text) = shared::read(file) else { return };
        let outcome = table::check(scheme, &text).unwrap();
        assert_eq!(outcome.mismatches, [], "{file}");
        assert_eq!(outcome.rows, rows, "{file}");
    }
}

#[test]
fn every_case_of_deb_version_cmp() {
    let Some(text) = shared::read("vectors/vers/deb_version_cmp.json") else { return };
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = cases.as_array().or_else(|| cases["tests"].as_array()).unwrap();
    assert_eq!(cases.len(), 16);
    for case in cases {
        let texts = |list: &serde_json::Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        match case["test_type"].as_str().unwrap() {
            "comparison" => {
                let mut versions = texts(&case["input"]["versions"]);
                versions.sort_by(|left, right| order(Scheme::Dpkg, left, right));
                assert_eq!(versions, texts(&case["expected_output"]), "{case}");
            }
            "equality" => {
                let versions = texts(&case["input"]["versions"]);
                let equal = order(Scheme::Dpkg, &versions[0], &versions[1]) == Ordering::Equal;
                assert_eq!(Some(equal), case["expected_output"].as_bool(), "{case}");
            }
            other => panic!("a new type of test: {other}"),
        }
    }
}

#[test]
fn dpkg_rejects_what_dpkg_rejects() {
    let valid = [
        "1",
        "1a",
        " 1 ",
        "2147483647:1",
        "1:2:3",
        "1~",
        "+1:1",
        "-0:1",
        "0001:1",
        "1-~",
        "1--1",
        "0:0",
        "1.0+b1",
    ];
    let invalid = [
        "",
        " ",
        "a",
        "-1",
        "1-",
        "1:",
        ":1",
        "a:1",
        "1 0",
        "1:-1",
        "99999999999:1",
        "2147483648:1",
        "1_0",
        "1-1_",
        "1-1:",
        "1-a:b",
        "~",
        "1:~1",
        "1é",
        "1-1-",
        "1.0-é",
        "1\n",
        "-1:1",
        "1:a",
        "1%",
        "+-1:1",
    ];
    for version in valid {
        assert!(compare(Scheme::Dpkg, version, version).is_ok(), "{version:?}");
    }
    for version in invalid {
        assert!(compare(Scheme::Dpkg, version, "1").is_err(), "{version:?}");
        assert!(compare(Scheme::Dpkg, "1", version).is_err(), "{version:?}");
    }
    if dpkg_is_here() {
        for (versions, expected) in [(&valid[..], true), (&invalid[..], false)] {
            for version in versions {
                let status = Command::new("dpkg")
                    .args(["--validate-version", "--", version])
                    .stderr(Stdio::null())
                    .status()
                    .unwrap();
                assert_eq!(status.success(), expected, "dpkg on {version:?}");
            }
        }
    }
}

#[test]
fn an_error_names_version_scheme_and_rule() {
    let error = compare(Scheme::Dpkg, "1.0", &"x".repeat(1_000_000)).unwrap_err();
    assert_eq!(error.version.len(), 80);
    assert!(
        error.to_string().contains("is not a dpkg version: the upstream version does not start with a digit")
    );
}

#[test]
fn rpm_epoch_and_release() {
    ascending(
        Scheme::Rpm,
        &["9.9-9", "1:1.0-1", "1:1.0-1.el9_2", "1:1.0-2", "2:0.1-1", "99999999999999999999:1-1"],
    );
    for (left, right) in
        [("0:1.0-1", "1.0-1"), ("1.0", "1.0-1"), ("1.0-2", "1.0"), (":1.0", "1.0"), ("01:1", "1:1")]
    {
        assert_eq!(order(Scheme::Rpm, left, right), Ordering::Equal, "{left} {right}");
    }
    // A missing release says nothing, but the version still does.
    assert_eq!(order(Scheme::Rpm, "1.0-9", "1.1"), Ordering::Less);
    for version in ["", "-1", "1:", "1-", "1 0", "1\u{0}"] {
        assert!(compare(Scheme::Rpm, version, "1").is_err(), "{version:?}");
    }
    ascending(
        Scheme::XcpNg,
        &["4.13.5-9.44.1.xcpng8.2", "4.17.4-6.1.xcpng8.3", "4.17.5-3.1.xcpng8.3", "4.17.5-15.1.xcpng8.3"],
    );
}

#[test]
fn esxi_orders_within_a_train_only() {
    let esxi = |left, right| compare(Scheme::Esxi, left, right).unwrap();
    let same = [
        "ESXi80U3d-24585383",
        "VMware ESXi 8.0.3 build-24585383",
        "8.0.3-24585383",
        "esxi80u3d-24585383",
        "ESXi-8.0U3d-24585383-standard",
        "VMware ESXi 8.0 Update 3d build 24585383",
        "8.0.3 (build 24585383)",
    ];
    for left in same {
        assert_eq!(esxi::train(left).as_deref(), Some("8.0U3"), "{left}");
        for right in same {
            assert_eq!(esxi(left, right), Comparison::Ordered(Ordering::Equal), "{left} {right}");
        }
        assert_eq!(esxi(left, "ESXi80U3e-24674464"), Comparison::Ordered(Ordering::Less), "{left}");
        // A later build of an older update, and the other way round: neither says anything.
        for other in ["ESXi80U2d-24585300", "ESXi70U3s-24585291", "24585383", "8.0 U3d", "8.0-24585383"] {
            assert_eq!(esxi(left, other), Comparison::Incomparable, "{left} {other}");
            assert_eq!(esxi(other, left), Comparison::Incomparable, "{left} {other}");
        }
    }
    // The security-only patch has the lower build of the pair.
    assert_eq!(esxi("ESXi80U2sb-23305545", "ESXi80U2b-23305546"), Comparison::Ordered(Ordering::Less));
    assert_eq!(esxi("ESXi-7.0.3-22348816", "ESXi70U3o-22348816"), Comparison::Ordered(Ordering::Equal));
    assert_eq!(esxi("build-24585383", "24674464"), Comparison::Ordered(Ordering::Less));
    assert_eq!(esxi("ESXi650-201811401-BG", "ESXi650-201905001"), Comparison::Ordered(Ordering::Less));
    assert_eq!(esxi("ESXi650-201811401-BG", "VMware ESXi 6.5.0 build-13932383"), Comparison::Incomparable);
}

#[test]
fn vcenter_orders_by_letter_within_a_train() {
    ascending(
        Scheme::Esxi,
        &["8.0U2", "8.0 U2a", "8.0 U2sb", "8.0u2b", "8.0 Update 2d", "VMware vCenter Server 8.0 U2e"],
    );
    ascending(Scheme::Esxi, &["7.0 U3", "7.0_u3d", "7.0 U3o", "7.0U3r", "7.0 U3s", "7.0u3aa"]);
    ascending(Scheme::Esxi, &["8.0.3.00000", "8.0.3.00400", "8.0.3.500"]);
    assert_eq!(compare(Scheme::Esxi, "8.0 U1e", "8.0 U2d"), Ok(Comparison::Incomparable));
}

#[test]
fn esxi_trains_in_one_spelling() {
    for (version, train) in [
        ("8.0U3", Some("8.0U3")),
        ("8.0 U2d", Some("8.0U2")),
        ("7.0 U3o", Some("7.0U3")),
        ("8.0.0-20513097", Some("8.0")),
        ("ESXi70U3o-22348816", Some("7.0U3")),
        ("VMware ESXi 6.7.0 build-17167734", Some("6.7")),
        ("ESXi 6.0 Update 3a", Some("6.0U3")),
        ("VMware ESXi 7.0.3 Update 3 build-1", Some("7.0U3")),
        ("24585383", None),
        ("build-24585383", None),
        ("", None),
        ("8", None),
        ("8.", None),
        ("8.0U", None),
        ("8.0.3 U2", None),
        ("ESXi80U3d-x", None),
        ("1.2.3.4.5", None),
        ("8.0 build", None),
        ("ESXi", None),
    ] {
        assert_eq!(esxi::train(version).as_deref(), train, "{version}");
    }
    for version in ["", "8", "8.0U", "8.0.3 U2", "ESXi80U3d-x", "ESXi", "build"] {
        assert!(compare(Scheme::Esxi, version, version).is_err(), "{version}");
    }
}

#[test]
fn every_esxi_build_in_the_facts_is_ordered_in_its_train() {
    let Some(text) = shared::read("feeds/esxi-builds-2009-2025.csv") else { return };
    let mut compared = 0;
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    for pair in rows.windows(2) {
        let [left, right] =
            [&pair[0], &pair[1]].map(|row| format!("VMware ESXi {}.0 build-{}", row[1], row[0]));
        let expected = if pair[0][1] == pair[1][1] {
            let number = |row: &[&str]| row[0].parse::<u64>().unwrap();
            Comparison::Ordered(number(&pair[0]).cmp(&number(&pair[1])))
        } else {
            Comparison::Incomparable
        };
        assert_eq!(compare(Scheme::Esxi, &left, &right), Ok(expected), "{left} {right}");
        compared += 1;
    }
    assert_eq!(compared, 328);
}

#[test]
fn windows_kb_is_equal_or_incomparable() {
    assert_eq!(compare(Scheme::WindowsKb, "KB5034129", "5034129"), Ok(Comparison::Ordered(Ordering::Equal)));
    assert_eq!(compare(Scheme::WindowsKb, "kb5034129", "KB5034130"), Ok(Comparison::Incomparable));
    for version in ["", "KB", "KB12x", "é1"] {
        assert!(compare(Scheme::WindowsKb, version, "KB1").is_err(), "{version}");
    }
}

#[test]
fn hex_orders_by_value() {
    ascending(
        Scheme::Hex,
        &[
            "0x0",
            "9",
            "0xa",
            "0x0B",
            "00010",
            "0xd0003a5",
            "0x2B000571",
            "0x2b000590",
            "0x123456789abcdef0123",
        ],
    );
    for version in ["", "0x", "0xg", "2b 0", "+1"] {
        assert!(compare(Scheme::Hex, version, "0x1").is_err(), "{version}");
    }
}

#[test]
fn generic_in_the_manner_of_semver() {
    // The example of precedence of the specification.
    ascending(
        Scheme::Generic,
        &[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
        ],
    );
    ascending(
        Scheme::Generic,
        &[
            "4.17.0-rc4",
            "4.17.0-rc5",
            "v4.17",
            "4.17a",
            "4.17.1",
            "4.17.9",
            "4.17.10",
            "4.18~rc1",
            "4.18",
            "99999999999999999999.1",
        ],
    );
    ascending(Scheme::Generic, &["4.17.0rc9", "4.17.0RC10", "4.17", "9.2.0"]);
    for (left, right) in
        [("v1.0", "1.0.0"), ("1.0+build7", "1.0"), ("1.0.0.0", "1"), ("01.2", "1.02"), ("1_2", "1.2")]
    {
        assert_eq!(order(Scheme::Generic, left, right), Ordering::Equal, "{left} {right}");
    }
    for version in ["", " ", "...", "-"] {
        assert!(compare(Scheme::Generic, version, "1").is_err(), "{version:?}");
    }
}

#[test]
fn million_character_texts_are_ordered() {
    let ones = "1".repeat(1_000_000);
    let longer = format!("{ones}1");
    let dotted = "1.".repeat(500_000) + "1";
    let later = "1.".repeat(500_000) + "2";
    for scheme in [Scheme::Dpkg, Scheme::Rpm, Scheme::XcpNg, Scheme::Generic] {
        ascending(scheme, &[&dotted, &later, &ones, &longer]);
        assert_eq!(order(scheme, &format!("{}5", "0".repeat(1_000_000)), "5"), Ordering::Equal);
    }
    ascending(Scheme::Hex, &[&ones, &longer]);
    ascending(Scheme::Esxi, &[&format!("8.0.3-{ones}"), &format!("8.0.3-{longer}")]);
    for scheme in Scheme::ALL {
        for text in [" ", "a", "é", "-", "(", "~"].map(|unit| unit.repeat(1_000_000)) {
            let _ = compare(scheme, &text, &text);
        }
    }
}

#[test]
fn scheme_names_lead_back() {
    for scheme in Scheme::ALL {
        assert_eq!(Scheme::from_name(scheme.name()), Some(scheme));
        assert_eq!(serde_json::to_value(scheme).unwrap(), scheme.name());
    }
    assert_eq!(Scheme::from_name("RPM"), Some(Scheme::Rpm));
    assert_eq!(Scheme::from_name("pip"), None);
}

#[test]
fn tables_with_and_without_header() {
    let lines = |text: &str| -> Vec<usize> {
        let outcome = table::check(Scheme::Rpm, text).unwrap();
        outcome.mismatches.iter().map(|mismatch| mismatch.line).collect()
    };
    assert_eq!(lines("a\tb\texpected\n1\t2\t-1\n\n1\t2\t1\n"), [4]);
    assert_eq!(lines("1\t2\t1\n1\t2\t-1\n"), [1]);
    assert_eq!(lines("\u{feff}expected\tb\ta\tnote\r\n-1\t2\t1\t\r\n1\t2\t1\tx\r\n"), [3]);
    assert_eq!(lines("installed\tfixed\torder\n1\t2\t-1\n"), Vec::<usize>::new());
    let rejected = table::check(Scheme::Dpkg, "x\t1\t0\n").unwrap();
    assert_eq!(rejected.mismatches.len(), 1);
    assert!(
        rejected.mismatches[0]
            .to_string()
            .starts_with("line 1: x against 1: expected 0, found an error: \"x\"")
    );

    for (text, line) in [
        ("", 1),
        ("a\tb\texpected\n", 1),
        ("1\t1\t0\n1\t1\n", 2),
        ("1\t1\t0\n1\t1\tx\n", 2),
        ("1\t1\t2\n", 1),
    ] {
        assert_eq!(table::check(Scheme::Rpm, text).unwrap_err().line, line, "{text:?}");
    }
}

fn dpkg_is_here() -> bool {
    Command::new("dpkg").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Versions that dpkg accepts: half of any shape, half so small that equal ones and late differences are common.
fn debian() -> impl Strategy<Value = String> {
    let wide = ("([0-2]:)?", "[0-3]{1,2}([.+~][0-9a-cA-B]{0,3}){0,3}", "(-[0-9a-c.+~]{1,4})?");
    let narrow = ("(0:)?", "0?1([.~+]0?[1a]?){0,1}", "(-0[~+]?)?");
    prop_oneof![wide, narrow].prop_map(|(epoch, upstream, revision)| epoch + &upstream + &revision)
}

#[test]
fn agrees_with_dpkg_on_random_pairs() {
    if !dpkg_is_here() {
        assert_ne!(std::env::var("UNDERPIN_REQUIRE_ALL").as_deref(), Ok("1"), "dpkg not found: install it");
        eprintln!("skipped: dpkg not found");
        return;
    }
    const PAIRS: usize = 2_500;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let pair = (debian(), debian());
    let pairs: Vec<(String, String)> =
        (0..PAIRS).map(|_| pair.new_tree(&mut runner).unwrap().current()).collect();
    // One shell for all pairs, and at most two runs of dpkg for each.
    let script = "while read -r a b; do if dpkg --compare-versions \"$a\" lt \"$b\"; then echo -1; \
                  elif dpkg --compare-versions \"$a\" eq \"$b\"; then echo 0; else echo 1; fi; done";
    let mut shell =
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let text: String = pairs.iter().map(|(left, right)| format!("{left} {right}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
    writer.join().unwrap().unwrap();

    let answers: Vec<i8> = output.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(answers.len(), PAIRS);
    let mut seen = [0_usize; 3];
    for ((left, right), answer) in pairs.iter().zip(answers) {
        assert_eq!(order(Scheme::Dpkg, left, right) as i8, answer, "{left} {right}");
        seen[usize::try_from(answer + 1).unwrap()] += 1;
    }
    assert!(seen.iter().all(|count| *count > 20), "the pairs must show every outcome: {seen:?}");
}

fn realistic(scheme: Scheme) -> BoxedStrategy<String> {
    match scheme {
        Scheme::Dpkg => debian().boxed(),
        // All with a release: without one, RPM's order is not transitive by design.
        Scheme::Rpm | Scheme::XcpNg => {
            "([0-2]:)?[0-2]([.~^_][0-2a-b]{0,2}){0,3}-[0-2]([.~^][0-2a-b]{0,2}){0,2}".boxed()
        }
        Scheme::Esxi => prop_oneof![
            "ESXi[78]0U[12]s?[ab]?-2[0-3]",
            "VMware ESXi [78][.]0[.][12] build-2[0-3]",
            "[78][.]0 ?[uU][12]s?[ab]?",
            "8[.]0[.]3[.]0[0-2]00",
            "2000000[0-3]",
        ]
        .boxed(),
        Scheme::WindowsKb => "(KB)?0?50[0-3]".boxed(),
        Scheme::Hex => "(0x)?0?[0-2a-cA-C]{1,3}".boxed(),
        Scheme::Generic => "v?[0-2]([.][0-2]|rc[0-9]{0,2}|[ab]|-[0-1]|[.]beta|~a|[+]b){0,4}".boxed(),
    }
}

fn arbitrary(scheme: Scheme) -> BoxedStrategy<String> {
    match scheme {
        Scheme::Rpm | Scheme::XcpNg => prop_oneof![any::<String>(), "[a-c0-2.~^+:_é-]{0,8}"]
            .prop_filter("with a release", |text| text.contains('-'))
            .boxed(),
        _ => prop_oneof![any::<String>(), "[a-c0-2.~^+:vé_-]{0,8}", "[0-2.]{0,5}"].boxed(),
    }
}

/// Reflexive, antisymmetric and transitive, as far as the scheme orders the three at all.
fn lawful(scheme: Scheme, a: &str, b: &str, c: &str) -> Result<(), TestCaseError> {
    let ordered = |left, right| match compare(scheme, left, right) {
        Ok(Comparison::Ordered(order)) => Some(order),
        _ => None,
    };
    for text in [a, b, c] {
        match compare(scheme, text, text) {
            Ok(comparison) => prop_assert_eq!(comparison, Comparison::Ordered(Ordering::Equal)),
            Err(error) => prop_assert_eq!(error.scheme, scheme),
        }
    }
    prop_assert_eq!(compare(scheme, a, b).is_ok(), compare(scheme, b, a).is_ok());
    prop_assert_eq!(ordered(a, b), ordered(b, a).map(Ordering::reverse), "{} {}", a, b);
    if let (Some(first), Some(second)) = (ordered(a, b), ordered(b, c)) {
        let partial = scheme == Scheme::WindowsKb;
        match (first, second) {
            (Ordering::Equal, other) | (other, Ordering::Equal) => {
                prop_assert_eq!(ordered(a, c), Some(other), "{} {} {}", a, b, c);
            }
            (first, second) if first == second && !partial => {
                prop_assert_eq!(ordered(a, c), Some(first), "{} {} {}", a, b, c);
            }
            _ => {}
        }
    }
    Ok(())
}

fn scheme() -> impl Strategy<Value = Scheme> {
    proptest::sample::select(&Scheme::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn realistic_versions_are_lawful(
        (scheme, a, b, c) in scheme().prop_flat_map(|s| (Just(s), realistic(s), realistic(s), realistic(s)))
    ) {
        for text in [&a, &b, &c] {
            prop_assert!(compare(scheme, text, text).is_ok(), "{} must be valid", text);
        }
        let total = !matches!(scheme, Scheme::Esxi | Scheme::WindowsKb);
        prop_assert!(!total || matches!(compare(scheme, &a, &b), Ok(Comparison::Ordered(_))));
        lawful(scheme, &a, &b, &c)?;
    }

    #[test]
    fn arbitrary_texts_are_lawful(
        (scheme, a, b, c) in scheme().prop_flat_map(|s| (Just(s), arbitrary(s), arbitrary(s), arbitrary(s)))
    ) {
        lawful(scheme, &a, &b, &c)?;
    }

    #[test]
    fn tables_never_panic(scheme in scheme(), text in "([a-c0-2.~-]{0,3}\t?){0,4}\n?([a-c0-2.~-]{0,3}\t-?[01]?){0,4}|\\PC{0,40}") {
        let _ = table::check(scheme, &text);
    }

    #[test]
    fn rpm_without_release_follows_its_version(version in "[0-2]([.~^][0-2a-b]{0,2}){0,2}", other in "[0-2]([.~^][0-2a-b]{0,2}){0,2}", release in "[0-9]{1,2}") {
        let expected = compare(Scheme::Rpm, &format!("{version}-1"), &format!("{other}-1"));
        prop_assert_eq!(compare(Scheme::Rpm, &format!("{version}-{release}"), &other), expected);
    }
}
