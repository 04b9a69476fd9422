//! Evidence about a release: own trials and canaries, and others that run it. The belief that it updates is a
//! [`Beta`](crate::evidence::Beta).
//!
//! A release is bad for a hardware class with probability `p`; a bad one hits each host of the class with a share `q`,
//! which is itself uncertain (Beta). `x` hits among `n` hosts are Beta-binomial given a bad release, and impossible given
//! a good one: a record counts failures that were found to be the release's doing. So one failure settles `p`, and clean
//! hosts lower both `p` and `q`. Hosts of another class say nothing about this one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use underpin_model::fleet::HardwareClass;
use underpin_model::policy::{self, short};
use underpin_model::words::plain;

use super::called;
pub use crate::evidence::Count;

/// The only format so far.
pub const FORMAT: &str = "underpin-evidence/1";

/// What kind of run it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// Tried away from production.
    Trial,
    /// Tried on production hosts, watched.
    Canary,
    /// Somebody else runs it.
    OthersRunIt,
}

/// One run of a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    /// The release: component and version, such as `linux 6.1.162-1` or `ESXi 8.0U3-24585383`.
    pub release: String,
    /// The hardware that it ran on; `None`: not known which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<HardwareClass>,
    /// Hosts.
    pub hosts: u32,
    /// Of them, hosts that the release hit.
    #[serde(default)]
    pub failures: u32,
    /// What kind of run.
    pub kind: EvidenceKind,
    /// Who saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A bug that a release repairs and that this fleet can hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownBug {
    /// The release that repairs it.
    pub release: String,
    /// How often a host hits it, per day.
    pub per_host_day: f64,
    /// Hours that the VMs of the host are down then.
    pub hours_down: f64,
    /// Who says so.
    pub source: String,
}

/// An evidence file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// [`FORMAT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Runs.
    #[serde(default, rename = "run")]
    pub runs: Vec<EvidenceRecord>,
    /// Known bugs.
    #[serde(default, rename = "known_bug")]
    pub known_bugs: Vec<KnownBug>,
}

/// One mistake in an evidence file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: found {found}, expected {expected}")]
pub struct EvidenceError {
    /// The place: a line, or the record.
    pub place: String,
    /// What is there.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// Reads an evidence file: JSON where it begins with a brace, else TOML.
///
/// # Errors
/// The mistake of form with its line, or every mistake of meaning with its record and, in TOML, its line.
pub fn read(text: &str) -> Result<Evidence, Vec<EvidenceError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let wrong = |line: usize, message: &str| {
        let written = text.lines().nth(line.saturating_sub(1)).unwrap_or("").trim();
        let (found, expected) = told(&plain(message), &written.chars().take(80).collect::<String>());
        vec![EvidenceError { place: format!("line {line}"), found, expected }]
    };
    let evidence: Evidence = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| wrong(error.line(), &error.to_string()))?
    } else {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            wrong(before.matches('\n').count() + 1, error.message().trim())
        })?
    };
    let mut mistakes = mistakes(&evidence);
    let lines = policy::lines_of(text, mistakes.iter().map(|it| it.place.as_str()));
    for (it, line) in mistakes.iter_mut().zip(lines) {
        if let Some(line) = line {
            it.place = format!("{} (line {line})", it.place);
        }
    }
    if mistakes.is_empty() { Ok(evidence) } else { Err(mistakes) }
}

/// What a message of the reader says was found, and what it expected; `written` is the line that it is about.
fn told(message: &str, written: &str) -> (String, String) {
    // JSON ends its messages with the place, which is told before.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if let Some((_, field)) = message.split_once("missing field ") {
        return (format!("{written} without {field}"), format!("{field} in every record of its kind"));
    }
    if message.starts_with("duplicate ") {
        return (format!("{written}, whose key comes twice"), "each key once".to_owned());
    }
    match message.split_once(", expected ") {
        Some((found, expected)) => {
            let unknown = found.starts_with("unknown ");
            let words = if unknown { found } else { found.rsplit(": ").next().unwrap_or(found) };
            (format!("{words} in {written}"), expected.to_owned())
        }
        None => (written.to_owned(), format!("TOML or JSON as the guide to evidence shows it ({message})")),
    }
}

/// Most hosts of one run.
const MOST_HOSTS: u32 = 10_000_000;

/// Most hits per host and day: more than one a minute is no bug that anybody lives with.
const MOST_PER_DAY: f64 = 1_000.0;

/// Most hours down after one hit: a year.
const MOST_HOURS: f64 = 8_760.0;

/// What an error says of a text without letters.
const EMPTY: &str = "an empty text";

/// What names a release.
const RELEASE: &str = "a component and its version, such as \"linux 6.1.162-1\"";

const HOURS_OF_DAY: f64 = 24.0;

fn mistakes(evidence: &Evidence) -> Vec<EvidenceError> {
    let mut list = Vec::new();
    let mut add = |place: String, found: String, expected: &str| {
        list.push(EvidenceError { place, found, expected: expected.to_owned() });
    };
    if let Some(format) = evidence.format.as_ref().filter(|it| *it != FORMAT) {
        add("format".to_owned(), format.clone(), FORMAT);
    }
    let mut runs: BTreeMap<EvidenceRecord, usize> = BTreeMap::new();
    for (run, number) in evidence.runs.iter().zip(1..) {
        if run.release.trim().is_empty() {
            add(format!("run number {number}.release"), EMPTY.to_owned(), RELEASE);
        }
        if run.hosts == 0 {
            add(format!("run number {number}.hosts"), "0".to_owned(), "at least one host");
        }
        if run.hosts > MOST_HOSTS {
            let expected = "at most 10000000 hosts: more than anybody runs of one hardware";
            add(format!("run number {number}.hosts"), run.hosts.to_string(), expected);
        }
        let once = EvidenceRecord { release: called::canonical(&run.release).into_owned(), ..run.clone() };
        if let Some(first) = runs.insert(once, number) {
            let found = format!("the same as in run number {first}");
            let expected = "each run once; what tells two apart that went alike belongs in `source`";
            add(format!("run number {number}"), found, expected);
        }
        if run.failures > run.hosts {
            let found = format!("{} of {} hosts", run.failures, run.hosts);
            add(format!("run number {number}.failures"), found, "at most as many failures as hosts");
        }
    }
    let mut bugs: BTreeMap<(Cow<'_, str>, u64, u64, &str), usize> = BTreeMap::new();
    for (bug, number) in evidence.known_bugs.iter().zip(1..) {
        if bug.release.trim().is_empty() {
            add(format!("known_bug number {number}.release"), EMPTY.to_owned(), RELEASE);
        }
        let release = called::canonical(&bug.release);
        let all = (release, bug.per_host_day.to_bits(), bug.hours_down.to_bits(), bug.source.as_str());
        if let Some(first) = bugs.insert(all, number) {
            let found = format!("the same as in known_bug number {first}");
            add(format!("known_bug number {number}"), found, "each bug once: the hits of all are added up");
        }
        // Written so that NaN is refused.
        if !(0.0..=MOST_PER_DAY).contains(&bug.per_host_day) {
            let expected = "how often a host hits it per day, from 0 to 1000";
            add(format!("known_bug number {number}.per_host_day"), short(bug.per_host_day), expected);
        }
        if !(0.0..=MOST_HOURS).contains(&bug.hours_down) {
            let expected = "hours that its VMs are down then, from 0 to 8760";
            add(format!("known_bug number {number}.hours_down"), short(bug.hours_down), expected);
        }
        if bug.per_host_day * bug.hours_down > HOURS_OF_DAY {
            let found = format!("{} h down a day", short(bug.per_host_day * bug.hours_down));
            add(
                format!("known_bug number {number}"),
                found,
                "per_host_day x hours_down of at most 24: a day has no more hours",
            );
        }
    }
    list
}

/// Evidence about one release, as seen from one hardware class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Own trials and canaries on this hardware.
    pub own: Count,
    /// Others that run it on this hardware.
    pub others_same_hardware: Count,
    /// Own trials and canaries on other or unknown hardware: they teach nothing about this one.
    pub own_other_hardware: Count,
    /// Others that run it on other or unknown hardware. Their reports are what `theta` stands for: counting them again
    /// would count them twice.
    pub others_at_all: Count,
}

impl Tally {
    /// Runs on this hardware, own ones and those of others.
    #[must_use]
    pub fn on_this_hardware(&self) -> Count {
        let (own, others) = (self.own, self.others_same_hardware);
        Count {
            hosts: own.hosts.saturating_add(others.hosts),
            failures: own.failures.saturating_add(others.failures),
        }
    }
}

impl Evidence {
    /// What is known about a release, however it is spelled, from the side of a hardware class.
    #[must_use]
    pub fn about(&self, release: &str, class: &HardwareClass) -> Tally {
        let mut tally = Tally::default();
        for run in self.runs.iter().filter(|it| called::same(&it.release, release)) {
            let same = run.hardware.as_ref().is_some_and(|it| it.is_alike(class));
            let count = match (run.kind, same) {
                (EvidenceKind::OthersRunIt, true) => &mut tally.others_same_hardware,
                (EvidenceKind::OthersRunIt, false) => &mut tally.others_at_all,
                (_, true) => &mut tally.own,
                (_, false) => &mut tally.own_other_hardware,
            };
            count.hosts = count.hosts.saturating_add(run.hosts);
            count.failures = count.failures.saturating_add(run.failures);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(model: &str) -> HardwareClass {
        HardwareClass {
            vendor: Some("Maker".to_owned()),
            model: Some(model.to_owned()),
            processor: Some("06-55-07".to_owned()),
        }
    }

    const FILE: &str = r#"
        format = "underpin-evidence/1"
        [[run]]
        release = "linux 6.1.162-1"
        hardware = { vendor = "Maker", model = "R1", processor = "06-55-07" }
        hosts = 10
        kind = "canary"
        [[run]]
        release = "linux 6.1.162-1"
        hosts = 4000
        kind = "others-run-it"
        [[run]]
        release = "linux 6.1.162-1"
        hardware = { vendor = "Maker", model = "R2", processor = "06-55-07" }
        hosts = 30
        failures = 2
        kind = "trial"
    "#;

    #[test]
    fn evidence_is_kept_by_hardware_and_by_who_ran_it() {
        let evidence = read(FILE).unwrap();
        let mine = evidence.about("linux 6.1.162-1", &class("R1"));
        assert_eq!(mine.own, Count { hosts: 10, failures: 0 });
        assert_eq!(mine.own_other_hardware, Count { hosts: 30, failures: 2 });
        assert_eq!(mine.others_at_all, Count { hosts: 4000, failures: 0 });
        assert_eq!(mine.others_same_hardware, Count::default());
        assert_eq!(evidence.about("linux 6.1.162-1", &class("R2")).own, Count { hosts: 30, failures: 2 });
        assert_eq!(evidence.about("linux 6.1.999-1", &class("R1")), Tally::default());
        let unknown = HardwareClass::default();
        let of_unknown =
            read("[[run]]\nrelease = \"x 1\"\nhardware = {}\nhosts = 3\nkind = \"trial\"\n").unwrap();
        assert_eq!(of_unknown.about("x 1", &unknown).own, Count::default());
    }

    #[test]
    fn json_says_the_same_as_toml() {
        let evidence = read(FILE).unwrap();
        assert_eq!(read(&serde_json::to_string(&evidence).unwrap()).unwrap(), evidence);
    }

    #[test]
    fn mistakes_name_their_place() {
        let said = |text: &str| {
            read(text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let empty = said("[[run]]\nrelease = \" \"\nhosts = 1\nkind = \"trial\"\n");
        let expected = "an empty text, expected a component and its version, such as \"linux 6.1.162-1\"";
        assert_eq!(empty, format!("run number 1.release (line 2): found {expected}"));
        let empty = said("[[known_bug]]\nrelease = \"\"\nper_host_day = 0\nhours_down = 1\nsource = \"s\"\n");
        assert_eq!(empty, format!("known_bug number 1.release (line 2): found {expected}"));
        let none = said("[[run]]\nrelease = \"x 1\"\nhosts = 0\nkind = \"trial\"\n");
        assert!(none.contains("run number 1.hosts (line 3): found 0"), "{none}");
        let more = said("[[run]]\nrelease = \"x 1\"\nhosts = 2\nfailures = 3\nkind = \"trial\"\n");
        assert!(more.contains("run number 1.failures (line 4): found 3 of 2 hosts"), "{more}");
        let kind = said("[[run]]\nrelease = \"x 1\"\nhosts = 2\nkind = \"rumour\"\n");
        assert_eq!(
            kind,
            "line 4: found unknown variant `rumour` in kind = \"rumour\", expected one of `trial`, `canary`, `others-run-it`"
        );
        let hosts = said("[[run]]\nrelease = \"x 1\"\nhosts = -1\nkind = \"trial\"\n");
        assert_eq!(hosts, "line 3: found -1 in hosts = -1, expected a whole number, 0 or more");
        let key = said("[[run]]\nrelease = \"x 1\"\nhosts = 1\nkind = \"trial\"\nhots = 2\n");
        assert!(
            key.starts_with("line 5: found unknown field `hots` in hots = 2, expected one of `release`, "),
            "{key}"
        );
        let without = said("[[run]]\nrelease = \"x 1\"\nkind = \"trial\"\n");
        assert_eq!(
            without,
            "line 1: found [[run]] without `hosts`, expected `hosts` in every record of its kind"
        );
        let form = said("[[run]\n");
        assert_eq!(form, "line 1: found unclosed array table in [[run], expected `]`");
        let bug =
            said("[[known_bug]]\nrelease = \"x 1\"\nper_host_day = nan\nhours_down = 1\nsource = \"s\"\n");
        assert!(bug.contains("known_bug number 1.per_host_day (line 3)"), "{bug}");
        assert!(said("{\"run\": [{]}").starts_with("line 1"));
    }

    #[test]
    fn evidence_about_a_build_counts_in_every_spelling_of_it_and_once() {
        let run = |release: &str, hosts: u32| {
            format!("[[run]]\nrelease = \"{release}\"\nhosts = {hosts}\nkind = \"others-run-it\"\n")
        };
        let spelled = run("ESXi ESXi70U3c-19193900", 3) + &run("esxi 7.0.3-19193900", 4);
        let tally = read(&spelled).unwrap().about("ESXi 7.0U3-19193900", &class("R1"));
        assert_eq!(tally.others_at_all, Count { hosts: 7, failures: 0 });
        let twice = read(&(run("ESXi 7.0U3-19193900", 3) + &run("ESXi ESXi70U3c-19193900", 3))).unwrap_err();
        assert!(twice[0].to_string().starts_with("run number 2 (line 5): found the same as in run number 1"));
    }

    #[test]
    fn what_is_written_twice_is_refused_for_it_would_count_twice() {
        let run = |more: &str| format!("[[run]]\nrelease = \"x 1\"\nhosts = 5\nkind = \"canary\"\n{more}");
        let said = |text: &str| read(text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            said(&(run("") + &run("source = \"s\"\n") + &run(""))),
            [
                "run number 3 (line 10): found the same as in run number 1, expected each run once; what tells two apart that went \
                 alike belongs in `source`"
            ]
        );
        assert!(read(&(run("source = \"of May\"\n") + &run("source = \"of June\"\n"))).is_ok());
        let bug = "[[known_bug]]\nrelease = \"x 1\"\nper_host_day = 0.1\nhours_down = 1\nsource = \"s\"\n";
        assert!(
            said(&bug.repeat(2))[0]
                .starts_with("known_bug number 2 (line 6): found the same as in known_bug number 1, ")
        );
    }

    #[test]
    fn a_run_on_more_hosts_than_anybody_has_is_refused() {
        let run = |hosts: u32| {
            read(&format!("[[run]]\nrelease = \"x 1\"\nhosts = {hosts}\nkind = \"others-run-it\"\n"))
        };
        assert!(run(10_000_000).is_ok());
        let said = run(u32::MAX).unwrap_err()[0].to_string();
        assert!(
            said.starts_with(
                "run number 1.hosts (line 3): found 4294967295, expected at most 10000000 hosts"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_key_that_comes_twice_is_refused_with_its_line() {
        let said = |text: &str| read(text).unwrap_err()[0].to_string();
        let toml = said("[[run]]\nrelease = \"x 1\"\nhosts = 1\nhosts = 2\nkind = \"trial\"\n");
        assert_eq!(toml, "line 4: found hosts = 2, whose key comes twice, expected each key once");
        let run = |more: &str| {
            format!("{{\"run\": [{{\"release\": \"x 1\",\n\"hosts\": 1, \"kind\": \"trial\"{more}}}]}}")
        };
        assert!(read(&run("")).is_ok());
        let place = "line 3: found \"hosts\": 2}]}, whose key comes twice, expected each key once";
        assert_eq!(said(&run(",\n\"hosts\": 2")), place);
        let class = said(&run(", \"hardware\": {\"vendor\": \"a\", \"vendor\": \"b\"}"));
        assert!(
            class.starts_with("line 2: ") && class.ends_with("whose key comes twice, expected each key once"),
            "{class}"
        );
        assert!(said("{\"run\": [],\n\"run\": []}").starts_with("line 2: "));
    }

    /// A bug with this rate and these hours: nothing, or what is said against it.
    fn bug(per_host_day: &str, hours_down: &str) -> Vec<String> {
        let text = format!(
            "[[known_bug]]\nrelease = \"x 1\"\nper_host_day = {per_host_day}\nhours_down = {hours_down}\nsource = \"s\"\n"
        );
        read(&text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bug_that_hits_more_than_a_thousand_times_a_day_is_refused() {
        assert_eq!(bug("1000.0", "0.024"), [""; 0]);
        let said = bug("1000.1", "0.001");
        assert_eq!(
            said,
            [
                "known_bug number 1.per_host_day (line 3): found 1000.1, expected how often a host hits it per day, from 0 to 1000"
            ]
        );
        assert!(bug("-0.1", "0")[0].starts_with("known_bug number 1.per_host_day (line 3): found -0.1, "));
    }

    #[test]
    fn a_bug_that_takes_more_than_a_year_is_refused() {
        assert_eq!(bug("0.002", "8760"), [""; 0]);
        let said = bug("0.002", "8760.5");
        assert_eq!(
            said,
            [
                "known_bug number 1.hours_down (line 4): found 8760.5, expected hours that its VMs are down then, from 0 to 8760"
            ]
        );
        assert!(bug("0", "-1")[0].starts_with("known_bug number 1.hours_down (line 4): found -1, "));
    }

    #[test]
    fn a_day_has_no_more_than_24_hours_down() {
        assert_eq!(bug("2", "12"), [""; 0]);
        let said = bug("2", "12.5");
        assert_eq!(
            said,
            [
                "known_bug number 1 (line 1): found 25 h down a day, expected per_host_day x hours_down of at most 24: a day has no more hours"
            ]
        );
    }
}
