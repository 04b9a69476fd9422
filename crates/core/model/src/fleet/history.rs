//! How long steps took before: what planned durations are fitted from.

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::quoted;
use super::validate::Check;
use super::{FleetError, HardwareClass};
use crate::change::Method;
use crate::facts::Family;
use crate::id::HostId;
use crate::policy::{Durations, MOST_SPAN_S, Spread};

/// The steps on a host that take time of their own. Migrations are not among them: their time follows from memory, dirty rate
/// and bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimedStep {
    /// Bringing the packages to the host.
    Stage,
    /// Installing, one hop.
    Patch,
    /// Rebooting, one hop.
    Reboot,
    /// Attesting.
    Attest,
    /// Verifying.
    Verify,
    /// Taking it all back.
    Rollback,
}

impl TimedStep {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 6] =
        [Self::Stage, Self::Patch, Self::Reboot, Self::Attest, Self::Verify, Self::Rollback];

    /// Name in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Patch => "patch",
            Self::Reboot => "reboot",
            Self::Attest => "attest",
            Self::Verify => "verify",
            Self::Rollback => "rollback",
        }
    }

    /// Its part of the durations of a method.
    #[must_use]
    pub fn of(self, durations: &Durations) -> Spread {
        match self {
            Self::Stage => durations.stage,
            Self::Patch => durations.patch,
            Self::Reboot => durations.reboot,
            Self::Attest => durations.attest,
            Self::Verify => durations.verify,
            Self::Rollback => durations.rollback,
        }
    }

    /// Puts another spread in its place.
    pub fn set(self, durations: &mut Durations, spread: Spread) {
        let place = match self {
            Self::Stage => &mut durations.stage,
            Self::Patch => &mut durations.patch,
            Self::Reboot => &mut durations.reboot,
            Self::Attest => &mut durations.attest,
            Self::Verify => &mut durations.verify,
            Self::Rollback => &mut durations.rollback,
        };
        *place = spread;
    }
}

/// How a step that was watched came out.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TimedOutcome {
    /// It was over after that time.
    #[default]
    Ok,
    /// It was given up after that time: it would have taken at least so long.
    Failed,
    /// It ran still when last looked at: it takes at least so long.
    Running,
}

/// One step that was watched: on a host of this fleet, or on hardware and a product where the host has gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The host; its hardware and product are those of the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The hardware, where no host is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<HardwareClass>,
    /// The product, where no host is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Family>,
    /// The step.
    pub step: TimedStep,
    /// The method that it was part of.
    pub method: Method,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it began.
    pub at: Timestamp,
    /// How it came out.
    #[serde(default)]
    pub outcome: TimedOutcome,
}

/// Checks what was watched: of whom, that the method has the step, times, nothing twice.
pub(super) fn check<'a>(check: &mut Check<'a>, history: &'a [Observation]) {
    let mut seen: FxHashMap<(&str, TimedStep, Method, Timestamp), usize> = FxHashMap::default();
    for (at, it) in history.iter().enumerate() {
        let path = format!("/planning/history/{at}");
        one(check, &path, it);
        let Some(host) = &it.host else { continue };
        if let Some(first) = seen.insert((host.as_str(), it.step, it.method, it.at), at) {
            check.findings.error(|| {
                let found = format!("{} of {} at {}", it.step.name(), quoted(host.as_str()), it.at);
                FleetError::new(&path, found, format!("a step that /planning/history/{first} does not have"))
                    .with_help("one journal was taken in twice: leave one of them out")
            });
        }
    }
}

fn one<'a>(check: &mut Check<'a>, path: &str, it: &'a Observation) {
    check.refer(path, "host", "hosts", &it.host);
    let of = it.hardware.is_some() || it.platform.is_some();
    if it.host.is_some() == of {
        let found = if of { "a host, and hardware or a product" } else { "no host, hardware or product" };
        check.findings.error(|| {
            FleetError::new(path, found, "either `host`, or `hardware` and `platform`")
                .with_help("for a host of this fleet its id is enough; name the others for one that has gone")
        });
    }
    if !(it.seconds > 0.0 && it.seconds <= f64::from(MOST_SPAN_S)) {
        check.findings.error(|| {
            let expected = format!("seconds above 0, at most {MOST_SPAN_S} (30 days)");
            FleetError::new(format!("{path}/seconds"), it.seconds.to_string(), expected)
                .with_help("leave out what was not measured")
        });
    }
    if it.step.of(&Durations::of(it.method)) == Spread::new(0, 0) {
        check.findings.error(|| {
            let name = |it| serde_json::to_string(&it).unwrap_or_default();
            let found = format!("{} of the method {}", it.step.name(), name(it.method));
            FleetError::new(format!("{path}/step"), found, "a step that the method has")
                .with_help("name the method by which the host was changed then")
        });
    }
    if it.at > check.fleet.seen.at {
        check.findings.error(|| {
            let expected = format!("no later than the fleet was seen, {}", check.fleet.seen.at);
            FleetError::new(format!("{path}/at"), it.at.to_string(), expected)
                .with_help("correct the clock, or `seen.at`")
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fleet::{read, validate};

    fn fleet(history: &[Value]) -> Vec<u8> {
        let seen = json!({"at": "2026-03-02T00:00:00Z", "by": "hand"});
        let fleet = json!({
            "format": "underpin/fleet/1", "name": "f", "seen": seen,
            "hosts": [{"id": "h"}], "tenants": [{"id": "t"}], "vms": [{"id": "v", "tenant": "t"}],
            "planning": {"history": history},
        });
        fleet.to_string().into_bytes()
    }

    fn watched(change: &Value) -> Value {
        let mut it = json!({"host": "h", "step": "reboot", "method": "evacuate-reboot", "seconds": 612.5,
            "at": "2026-03-01T00:00:00Z"});
        for (key, value) in change.as_object().unwrap() {
            it[key] = value.clone();
        }
        it
    }

    fn mistake(change: &Value) -> String {
        let errors = read(&fleet(&[watched(change)])).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_was_watched_is_read_back_as_it_was() {
        let mut gone =
            watched(&json!({"platform": "esxi", "hardware": {"vendor": "V"}, "outcome": "running"}));
        gone.as_object_mut().unwrap().remove("host");
        let checked = read(&fleet(&[watched(&json!({})), gone])).unwrap();
        assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
        let again = read(serde_json::to_string(&checked.fleet).unwrap().as_bytes()).unwrap();
        assert_eq!(again.fleet, checked.fleet);
        assert_eq!(checked.fleet.planning.unwrap().history.len(), 2);
    }

    #[test]
    fn what_cannot_have_been_watched_is_refused_with_its_place_and_a_way_out() {
        for (change, words) in [
            (
                json!({"host": "nobody"}),
                "/planning/history/0/host: found \"nobody\", expected the id of one of the hosts",
            ),
            (json!({"host": "t"}), "this is the id of /tenants/0"),
            (
                json!({"host": null}),
                "/planning/history/0: found no host, hardware or product, expected either `host`",
            ),
            (json!({"platform": "esxi"}), "/planning/history/0: found a host, and hardware or a product"),
            (json!({"seconds": 0.0}), "/planning/history/0/seconds: found 0, expected seconds above 0"),
            (json!({"seconds": -3.0}), "/planning/history/0/seconds: found -3"),
            (json!({"seconds": 1e7}), "at most 2592000 (30 days)"),
            (
                json!({"method": "live-patch"}),
                "/planning/history/0/step: found reboot of the method \"live-patch\"",
            ),
            (json!({"method": "defer"}), "expected a step that the method has"),
            (
                json!({"at": "2026-03-02T00:00:01Z"}),
                "/planning/history/0/at: found 2026-03-02T00:00:01Z, expected no later",
            ),
            (json!({"step": "migrate"}), "migrate"),
            (json!({"durations": 5}), "durations"),
        ] {
            let said = mistake(&change);
            assert!(said.contains(words), "{change}: {said}");
        }
        let twice = [watched(&json!({})), watched(&json!({"seconds": 613.0}))];
        let said = read(&fleet(&twice)).unwrap_err()[0].to_string();
        assert!(said.starts_with("/planning/history/1: found reboot of \"h\""), "{said}");
        assert!(said.contains("/planning/history/0 does not have"), "{said}");
    }

    #[test]
    fn not_a_number_is_no_time() {
        let mut fleet = read(&fleet(&[watched(&json!({}))])).unwrap().fleet;
        for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
            fleet.planning.as_mut().unwrap().history[0].seconds = seconds;
            let said = validate(&fleet).0[0].to_string();
            assert!(said.starts_with("/planning/history/0/seconds: found"), "{said}");
        }
    }
}
