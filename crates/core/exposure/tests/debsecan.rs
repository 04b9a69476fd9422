//! On Debian the result agrees with debsecan, pair by pair (binary package, vulnerability).
//!
//! debsecan reads a source that `data/debsecan/source.py` writes from the same tables; neither shares code with the
//! matcher. The package lists are small bookworm hosts at several patch levels and, where there is one, this machine's.
//!
//! What is compared: *affected* here is reported there, and *fixed* here is known to the source of the data and not
//! reported there. debsecan judges what is installed, whatever runs; so each list's kernel and hypervisor are said to
//! run as installed. What is left out on both sides, and counted: packages that carry no running code, and backports,
//! which debsecan does not track (it measures them by fixes of the suite that they do not stem from).

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test reads files, starts debsecan, says what it found and fails by panicking"
)]

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use underpin_exposure::report::ReasonCode;
use underpin_exposure::{FactBase, Options, Status, assess};
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Component, ComponentKind, ComponentSet, Fleet, Host, Install, Seen, SourcePackage,
};
use underpin_model::id::HostId;

const SUITE: &str = "bookworm";
const HISTORY: &str = "release-history.jsonl";
const ADVISORIES: &str = "debian-dsa-dla-hypervisor-2007-2023.csv";

/// The sources whose pairs are counted.
const SOURCES: [&str; 7] = ["qemu", "xen", "libvirt", "linux", "linux-signed-amd64", "edk2", "openvswitch"];

type Pairs = BTreeSet<(String, String)>;

#[test]
fn debian_agrees_with_debsecan() {
    let Some(data) = shared::data() else { return };
    let Some(debsecan) = program("debsecan") else { return shared::skipped("debsecan not found") };
    // debsecan's own interpreter: it is the one that has apt's order of versions.
    let Some(python) = program("/usr/bin/python3") else { return shared::skipped("python3 not found") };
    let folder = scratch();
    let known = write_source(python, &data, &folder);
    let base = FactBase::new(vec![shared::feed(&data, HISTORY), shared::feed(&data, ADVISORIES)]);
    let mut total = Tally::default();
    for list in lists() {
        let text = std::fs::read_to_string(&list).unwrap();
        let packages = packages(&text);
        let reported = reported(debsecan, &folder, &list);
        let tally = compare(&base, &known, &packages, &reported);
        println!("{}: {tally}", list.file_name().unwrap_or_default().to_string_lossy());
        total.add(tally);
    }
    println!("debsecan: {total}");
    for difference in total.differences.iter().take(40) {
        println!("  {difference}");
    }
    assert!(total.differences.is_empty(), "{total}");
    for source in SOURCES {
        assert!(total.sources.contains(source), "no pair of {source}");
    }
    assert!(total.affected >= 100 && total.fixed >= 100, "too few pairs: {total}");
}

#[derive(Default)]
struct Tally {
    affected: usize,
    fixed: usize,
    /// Pairs left out, by reason.
    no_code: usize,
    backports: usize,
    sources: BTreeSet<String>,
    differences: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.affected += other.affected;
        self.fixed += other.fixed;
        self.no_code += other.no_code;
        self.backports += other.backports;
        self.sources.extend(other.sources);
        self.differences.extend(other.differences);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} affected pairs, {} fixed pairs, {} differences (left out: {} of packages without running code, {} of backports)",
            self.affected,
            self.fixed,
            self.differences.len(),
            self.no_code,
            self.backports
        )
    }
}

fn compare(
    base: &FactBase,
    known: &BTreeMap<String, BTreeSet<String>>,
    packages: &[Component],
    reported: &Pairs,
) -> Tally {
    let (ours, no_code) = ours(base, packages);
    let nothing = BTreeSet::new();
    let mut tally = Tally::default();
    for package in packages.iter().filter(|one| one.install != Install::ConfigFiles) {
        let source = package.source.as_ref().map_or(&package.name, |source| &source.name);
        // What debsecan looks at: the vulnerabilities of the source.
        let bugs = known.get(source).unwrap_or(&nothing);
        if no_code.contains(&package.name) {
            tally.no_code += bugs.len();
            continue;
        }
        if package.version.contains("~bpo") {
            tally.backports += bugs.len();
            continue;
        }
        let of_package = ours.get(&package.name);
        let mut all: BTreeSet<&String> = bugs.iter().collect();
        all.extend(of_package.into_iter().flat_map(BTreeMap::keys));
        for bug in all {
            let there = reported.contains(&(package.name.clone(), bug.clone()));
            match (of_package.and_then(|map| map.get(bug)), there, bugs.contains(bug)) {
                (Some(Status::Affected), true, true) => tally.affected += 1,
                (Some(Status::Fixed), false, true) => tally.fixed += 1,
                (here, _, told) => tally.differences.push(format!(
                    "{} {} {bug}: here {here:?}; debsecan {}{}",
                    package.name,
                    package.version,
                    if there { "reports it" } else { "does not report it" },
                    if told { "" } else { " and does not know it" },
                )),
            }
            tally.sources.insert(source.clone());
        }
    }
    tally
}

/// Our statuses by package and vulnerability, and the packages that carry no running code.
fn ours(
    base: &FactBase,
    packages: &[Component],
) -> (BTreeMap<String, BTreeMap<String, Status>>, BTreeSet<String>) {
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    let mut host = Host::new(HostId::new("host").unwrap());
    for package in packages {
        // A signed kernel comes from a source of its own; what runs is told as `linux`.
        if package.name.starts_with("linux-image-6") || package.name.starts_with("xen-hypervisor") {
            let name = if package.name.starts_with("linux") { "linux" } else { "xen" };
            host.running.insert(name.to_owned(), package.version.clone());
        }
    }
    host.components = Some(ComponentSet {
        family: Some(Family::Debian),
        train: Some(SUITE.to_owned()),
        components: packages.to_vec(),
        extra: Default::default(),
    });
    let mut fleet = Fleet::new("debsecan", Seen { at, by: "test".to_owned() });
    fleet.hosts.push(host);
    let assessment = assess(&fleet, base, &Options::at(at));
    let mut map: BTreeMap<String, BTreeMap<String, Status>> = BTreeMap::new();
    let mut no_code = BTreeSet::new();
    for exposure in assessment.exposures() {
        let finding = exposure.finding;
        if finding.reasons.iter().any(|reason| reason.code == ReasonCode::CarriesNoCode) {
            no_code.insert(finding.component.to_string());
        } else if let Some(id) = &finding.vulnerability {
            let of_package = map.entry(finding.component.to_string()).or_default();
            of_package.insert(id.as_str().to_owned(), finding.status);
        }
    }
    (map, no_code)
}

/// The packages of a dpkg status file, installed or with their configuration left behind.
fn packages(text: &str) -> Vec<Component> {
    let mut list = Vec::new();
    for record in text.split("\n\n").filter(|record| !record.trim().is_empty()) {
        let field = |name: &str| {
            record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let (Some(name), Some(version), Some(status)) = (field("Package"), field("Version"), field("Status"))
        else {
            continue;
        };
        let mut component = Component::new(name, version, ComponentKind::Package);
        component.arch = field("Architecture").map(str::to_owned);
        if !status.split(' ').any(|word| word == "installed") {
            component.install = Install::ConfigFiles;
        }
        component.source = field("Source").map(|source| match source.split_once(" (") {
            Some((name, version)) => SourcePackage {
                name: name.to_owned(),
                version: Some(version.trim_end_matches(')').to_owned()),
            },
            None => SourcePackage { name: source.to_owned(), version: None },
        });
        list.push(component);
    }
    list
}

fn lists() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/debsecan");
    let mut lists: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "status"))
        .collect();
    lists.sort();
    // The facts are bookworm's: on another suite this machine's own packages prove nothing.
    let bookworm = std::fs::read_to_string("/etc/debian_version").is_ok_and(|text| text.starts_with("12."));
    let machine = PathBuf::from("/var/lib/dpkg/status");
    if bookworm && machine.is_file() {
        lists.push(machine);
    } else {
        println!("no package list of this machine: it is not Debian {SUITE}");
    }
    lists
}

/// What debsecan reports of a package list.
fn reported(debsecan: &str, folder: &Path, list: &Path) -> Pairs {
    let source = format!("file://{}/", folder.display());
    let text = run(Command::new(debsecan)
        .args(["--source", &source, "--suite", SUITE, "--format", "simple", "--status"])
        .arg(list));
    let pair = |line: &str| line.split_once(' ').map(|(bug, package)| (package.to_owned(), bug.to_owned()));
    text.lines().filter_map(pair).collect()
}

/// Writes debsecan's source; the vulnerabilities that it knows of each source package.
fn write_source(python: &str, data: &Path, folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/debsecan/source.py");
    let feeds = data.join("feeds");
    run(Command::new(python)
        .arg(script)
        .args([feeds.join(HISTORY), feeds.join(ADVISORIES)])
        .arg(SUITE)
        .arg(folder));
    let text = std::fs::read_to_string(folder.join(format!("{SUITE}.pairs"))).unwrap();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (source, bug) in text.lines().filter_map(|line| line.split_once(' ')) {
        known.entry(source.to_owned()).or_default().insert(bug.to_owned());
    }
    known
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn program(name: &'static str) -> Option<&'static str> {
    Command::new(name).arg("--help").output().ok().map(|_| name)
}

fn scratch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debsecan");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
