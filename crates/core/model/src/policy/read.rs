//! Reading a policy file (TOML).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::parameter::{Parameter, Parameters, Setting, Unit};
use super::{
    AcceptedRisk, Control, Losses, Maintenance, PlanningPolicy, Policy, Promise, PromiseKind, Rates, Ring,
};
use crate::id::TenantId;
use crate::quantity::{Days, Loss};

/// The only format of the policy file so far.
const FORMAT: &str = "underpin/policy/1";

/// One mistake in a policy file: the place, the value and the expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct PolicyError {
    /// Dotted path of the key; empty: the whole file.
    pub path: String,
    /// What is there.
    pub found: String,
    /// What was expected there, with the way out.
    pub expected: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the policy" } else { &self.path };
        write!(f, "{place}: found {}, expected {}", self.found, self.expected)
    }
}

/// Longest span of a promise: dates end somewhere, and a longer promise is none.
const MOST_DAYS: u32 = 36_525;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: Option<String>,
    currency: Option<String>,
    horizon_days: Option<Days>,
    seed: Option<u64>,
    loss: Option<WrittenLosses>,
    #[serde(default)]
    parameters: BTreeMap<String, WrittenSetting>,
    #[serde(default)]
    control: Vec<Control>,
    #[serde(default)]
    accepted_risk: Vec<AcceptedRisk>,
    #[serde(default)]
    promise: Vec<Promise>,
    maintenance: Option<Maintenance>,
    ring: Option<Vec<Ring>>,
    planning: Option<PlanningPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLosses {
    // Not flattened: a mistake in a flattened table has no line.
    vm_hour_down: Option<Loss>,
    record_disclosed: Option<Loss>,
    system_corrupted: Option<Loss>,
    records_per_vm: Option<f64>,
    #[serde(default)]
    tenant: BTreeMap<TenantId, WrittenRates>,
}

impl WrittenLosses {
    fn all(&self) -> WrittenRates {
        WrittenRates {
            vm_hour_down: self.vm_hour_down,
            record_disclosed: self.record_disclosed,
            system_corrupted: self.system_corrupted,
            records_per_vm: self.records_per_vm,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRates {
    vm_hour_down: Option<Loss>,
    record_disclosed: Option<Loss>,
    system_corrupted: Option<Loss>,
    records_per_vm: Option<f64>,
}

impl WrittenRates {
    /// A table without a rate states nothing: every loss is at the default rates.
    fn states_any(&self) -> bool {
        self.vm_hour_down.is_some() || self.record_disclosed.is_some() || self.system_corrupted.is_some()
    }

    fn over(&self, rates: Rates) -> Rates {
        Rates {
            vm_hour_down: self.vm_hour_down.unwrap_or(rates.vm_hour_down),
            record_disclosed: self.record_disclosed.unwrap_or(rates.record_disclosed),
            system_corrupted: self.system_corrupted.unwrap_or(rates.system_corrupted),
            records_per_vm: self.records_per_vm.or(rates.records_per_vm),
        }
    }
}

/// `rho = 0.1` or `rho = { value = 0.1, low = 0.05, high = 0.2, source = "..." }`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number, or { value = ..., low = ..., high = ..., source = ... }")]
enum WrittenSetting {
    Value(f64),
    Full(FullSetting),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullSetting {
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
    source: Option<String>,
}

/// Reads a policy and checks it; what it does not state keeps its default.
///
/// # Errors
/// Every mistake of meaning at once, or the one mistake of form with its line.
pub fn read(text: &str) -> Result<Policy, Vec<PolicyError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let form = toml::Deserializer::parse(text).map_err(|error| vec![of_form(text, None, &error)])?;
    let written: Written = serde_path_to_error::deserialize(form)
        .map_err(|error| vec![of_form(text, Some(error.path()), error.inner())])?;
    let mut mistakes = Mistakes::default();
    if let Some(format) = &written.format
        && format != FORMAT
    {
        mistakes.add("format", format, FORMAT);
    }
    let parameters = parameters(&written.parameters, &mut mistakes);
    let default = Policy::default();
    let policy = Policy {
        currency: written.currency.unwrap_or(default.currency),
        horizon: written.horizon_days.unwrap_or(default.horizon),
        seed: written.seed.unwrap_or(default.seed),
        loss: losses(written.loss.as_ref()),
        parameters,
        controls: written.control,
        accepted: written.accepted_risk,
        promises: written.promise,
        maintenance: written.maintenance.unwrap_or_default(),
        rings: written.ring.unwrap_or(default.rings),
        planning: written.planning.unwrap_or_default(),
    };
    check(&policy, &mut mistakes);
    if mistakes.0.is_empty() { Ok(policy) } else { Err(super::place::with_lines(text, mistakes.0)) }
}

fn of_form(text: &str, path: Option<&serde_path_to_error::Path>, error: &toml::de::Error) -> PolicyError {
    let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
    let path = match path.filter(|path| path.iter().next().is_some()) {
        Some(path) => format!("{path} (line {line})"),
        None => format!("line {line}"),
    };
    let message = error.message().trim();
    let written = || text.lines().nth(line - 1).unwrap_or("").trim().chars().take(80).collect::<String>();
    // Many say themselves what they found, some only what they expected or what is wrong with the line.
    let (found, expected) = if let Some((found, expected)) = message.split_once(", expected ") {
        (found.trim_start_matches("found ").to_owned(), expected.to_owned())
    } else if let Some(expected) = message.strip_prefix("expected ") {
        (written(), expected.to_owned())
    } else if let Some(field) = message.strip_prefix("missing field ") {
        (written(), format!("a field {field}"))
    } else if message.starts_with("duplicate key") {
        (format!("`{}`, whose key comes twice", written()), "each key once".to_owned())
    } else {
        (format!("`{}`: {message}", written()), "TOML as the guide to policies shows it".to_owned())
    };
    PolicyError { path, found, expected }
}

fn losses(written: Option<&WrittenLosses>) -> Losses {
    let Some(written) = written else { return Losses::default() };
    let all = written.all();
    let rates = all.over(Rates::default());
    Losses {
        rates,
        stated: all.states_any(),
        tenants: written.tenant.iter().map(|(id, it)| (id.clone(), it.over(rates))).collect(),
    }
}

fn parameters(written: &BTreeMap<String, WrittenSetting>, mistakes: &mut Mistakes) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, setting) in written {
        let Some(&parameter) = Parameter::ALL.iter().find(|it| it.fact().name == name) else {
            let known: Vec<_> = Parameter::ALL.iter().map(|it| it.fact().name).collect();
            mistakes.add(format!("parameters.{name}"), name, format!("one of {}", known.join(", ")));
            continue;
        };
        let fact = parameter.fact();
        let full = match setting {
            WrittenSetting::Value(value) => {
                FullSetting { value: *value, low: None, high: None, source: None }
            }
            WrittenSetting::Full(full) => {
                FullSetting { value: full.value, low: full.low, high: full.high, source: full.source.clone() }
            }
        };
        // A stated value without a range keeps the default's range where it lies in it.
        let low = full.low.unwrap_or(fact.low.min(full.value));
        let high = full.high.unwrap_or(fact.high.max(full.value));
        for (key, number) in [("value", full.value), ("low", low), ("high", high)] {
            if !fact.unit.accepts(number) {
                mistakes.add(format!("parameters.{name}.{key}"), number, fact.unit.expected());
            }
        }
        if !(low <= full.value && full.value <= high) {
            mistakes.add(
                format!("parameters.{name}"),
                format!("low {low}, value {}, high {high}", full.value),
                "low <= value <= high",
            );
        }
        let source = full.source.unwrap_or_else(|| "the policy, without a source".to_owned());
        let judgement = source == "judgement";
        parameters
            .state(parameter, Setting { value: full.value, low, high, source, judgement, stated: true });
    }
    parameters
}

/// Longest soak of a ring: nothing that is planned so far ahead is a plan.
const MOST_SOAK_DAYS: f64 = 3_650.0;

/// Longest span that losses are counted over: no rate of today says anything about a later day.
const MOST_HORIZON_DAYS: f64 = 36_525.0;

/// What a type cannot say: things that contradict each other.
fn check(policy: &Policy, mistakes: &mut Mistakes) {
    let horizon = policy.horizon.get();
    if !(horizon > 0.0 && horizon <= MOST_HORIZON_DAYS) {
        mistakes.add(
            "horizon_days",
            format!("{horizon:e}"),
            "more than 0 days and at most 36525, a hundred years",
        );
    }
    if policy.currency.trim().is_empty() {
        mistakes.add("currency", "an empty text", "a currency such as EUR, or points");
    }
    let of_tenants = policy.loss.tenants.iter().map(|(id, it)| (format!("loss.tenant.{id}"), it));
    for (path, rates) in std::iter::once(("loss".to_owned(), &policy.loss.rates)).chain(of_tenants) {
        if let Some(records) = rates.records_per_vm.filter(|it| !Unit::Count.accepts(*it)) {
            mistakes.add(format!("{path}.records_per_vm"), records, Unit::Count.expected());
        }
        let losses = [
            ("vm_hour_down", rates.vm_hour_down),
            ("record_disclosed", rates.record_disclosed),
            ("system_corrupted", rates.system_corrupted),
        ];
        for (key, loss) in losses {
            too_large(format!("{path}.{key}"), loss, mistakes);
        }
    }
    too_large("maintenance.per_host".to_owned(), policy.maintenance.per_host, mistakes);
    for it in &policy.controls {
        too_large(format!("control {}.cost", it.id), it.cost, mistakes);
    }
    for it in &policy.promises {
        too_large(format!("promise {}.penalty", it.id), it.penalty, mistakes);
    }
    outages(&policy.parameters, mistakes);
    unique("control", policy.controls.iter().map(|it| it.id.as_str()), mistakes);
    unique("promise", policy.promises.iter().map(|it| it.id.as_str()), mistakes);
    unique("ring", policy.rings.iter().map(|it| it.name.as_str()), mistakes);
    for control in &policy.controls {
        if control.closes.is_empty() {
            mistakes.add(
                format!("control {}.closes", control.id),
                "no path",
                "at least one path that it closes",
            );
        }
    }
    for (at, accepted) in policy.accepted.iter().enumerate() {
        if accepted.owner.trim().is_empty() {
            mistakes.add(format!("accepted_risk.{at}.owner"), "an empty text", "who answers for it");
        }
    }
    for promise in &policy.promises {
        if promise.days > MOST_DAYS {
            mistakes.add(
                format!("promise {}.days", promise.id),
                promise.days,
                format!("at most {MOST_DAYS} days (a hundred years)"),
            );
        }
        if let Some(score) = promise.cvss_at_least
            && !(0.0..=10.0).contains(&score)
        {
            mistakes.add(format!("promise {}.cvss_at_least", promise.id), score, "a CVSS score from 0 to 10");
        }
        if promise.human_impact_at_least.is_some() && promise.kind != PromiseKind::FixWithin {
            mistakes.add(
                format!("promise {}.human_impact_at_least", promise.id),
                "a promise about releases",
                "kind = \"fix-within\", the only promise about single assets",
            );
        }
    }
    if policy.rings.is_empty() {
        mistakes.add("ring", "no ring", "at least one ring");
    }
    for ring in policy.rings.iter().filter(|it| it.soak.get() > MOST_SOAK_DAYS) {
        let found = format!("{:e}", ring.soak.get());
        mistakes.add(format!("ring {}.soak", ring.name), found, "at most 3650 days (ten years)");
    }
    let maintenance = &policy.maintenance;
    for (name, pace) in [
        ("maintenance.hosts_per_day", Some(maintenance.hosts_per_day)),
        ("maintenance.planes_per_day", maintenance.planes_per_day),
        ("maintenance.vms_per_day", maintenance.vms_per_day),
        ("maintenance.images_per_day", maintenance.images_per_day),
    ] {
        if let Some(pace) = pace.filter(|it| !(it.is_finite() && *it > 0.0)) {
            mistakes.add(name, pace, "a finite number above 0");
        }
    }
    super::check::planning(&policy.planning, mistakes);
}

/// Greatest loss that can be stated: with the greatest counts of VMs, hours and records no sum comes near the end of numbers.
const MOST_LOSS: f64 = 1e15;

fn too_large(path: String, loss: Loss, mistakes: &mut Mistakes) {
    if loss.get() > MOST_LOSS {
        let expected =
            format!("a loss of at most {MOST_LOSS:e}: lower it, or state all losses in a larger unit");
        mistakes.add(path, format!("{:e}", loss.get()), expected);
    }
}

/// A bad release costs a part of the outage after a compromise: an impact is a share of it.
fn outages(parameters: &Parameters, mistakes: &mut Mistakes) {
    let found = parameters.setting(Parameter::HoursAfterRegression);
    let most = parameters.get(Parameter::HoursAfterCompromise);
    if found.value > most {
        let whose = if found.stated { "" } else { " (its default)" };
        mistakes.add(
            "parameters.hours_after_regression",
            format!("{} h{whose}", found.value),
            format!(
                "at most parameters.hours_after_compromise ({most} h): an impact is a share of the outage after a compromise; \
                 raise that one or lower this one"
            ),
        );
    }
}

pub(super) fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>, mistakes: &mut Mistakes) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            mistakes.add(what, format!("{name:?} twice"), "each name once");
        }
    }
}

#[derive(Default)]
pub(super) struct Mistakes(Vec<PolicyError>);

impl Mistakes {
    pub(super) fn add(
        &mut self,
        path: impl Into<String>,
        found: impl fmt::Display,
        expected: impl Into<String>,
    ) {
        self.0.push(PolicyError { path: path.into(), found: found.to_string(), expected: expected.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<String> {
        read(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_empty_policy_is_the_default_one() {
        assert_eq!(read("").unwrap(), Policy::default());
    }

    #[test]
    fn rates_of_a_tenant_fall_back_to_the_common_ones() {
        let policy = read("[loss]\nvm_hour_down = 7\n[loss.tenant.acme]\nrecord_disclosed = 3\n").unwrap();
        let acme = TenantId::new("acme").unwrap();
        let rates = policy.loss.of(Some(&acme));
        assert_eq!((rates.vm_hour_down.get(), rates.record_disclosed.get()), (7.0, 3.0));
        assert_eq!(policy.loss.of(None).record_disclosed, Rates::default().record_disclosed);
        assert!(policy.loss.stated);
        assert!(!read("[loss]\n").unwrap().loss.stated, "an empty table states nothing");
        assert!(!read("[loss.tenant.acme]\nvm_hour_down = 7\n").unwrap().loss.stated);
    }

    #[test]
    fn days_may_stand_bare_or_in_quotes() {
        let text = |expires: &str| {
            format!(
                "[[accepted_risk]]\nvulnerability = \"CVE-2024-1\"\nowner = \"x\"\nexpires = {expires}\nreason = \"y\"\n"
            )
        };
        let bare = read(&text("2027-01-01")).unwrap();
        assert_eq!(bare, read(&text("\"2027-01-01\"")).unwrap());
        assert_eq!(bare.accepted[0].expires.to_string(), "2027-01-01");
        for wrong in ["2027", "\"soon\"", "true"] {
            let said = refused(&text(wrong));
            assert!(said[0].starts_with("accepted_risk[0].expires (line 4): found "), "{said:?}");
            assert!(said[0].contains("expected a day or moment"), "{said:?}");
        }
        let freeze = "[[planning.freeze]]\nid = \"f\"\nfrom = 2026-12-01T00:00:00Z\nuntil = \"2026-12-02T00:00:00Z\"\n";
        assert_eq!(read(freeze).unwrap().planning.freeze.len(), 1);
    }

    #[test]
    fn a_promise_longer_than_a_century_is_refused() {
        let text = |days: u32| format!("[[promise]]\nid = \"x\"\nkind = \"fix-within\"\ndays = {days}\n");
        assert!(read(&text(MOST_DAYS)).is_ok());
        assert!(
            refused(&text(u32::MAX))[0]
                .contains("promise x.days (line 4): found 4294967295, expected at most 36525")
        );
    }

    #[test]
    fn every_mistake_of_meaning_is_named_with_its_place() {
        let mistakes = refused(
            "horizon_days = 0\n[parameters]\nrho = 1.5\nrhoo = 0.1\nq = { value = 0.5, low = 0.6 }\n\
             [[control]]\nid = \"a\"\ncloses = []\nfails = 0.1\nsource = \"judgement\"\n\
             [[control]]\nid = \"a\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n",
        );
        for place in [
            "horizon_days",
            "parameters.rho.value",
            "parameters.rhoo",
            "parameters.q (line 5):",
            "control a.closes",
            "\"a\" twice",
        ] {
            assert!(mistakes.iter().any(|it| it.contains(place)), "{place} in {mistakes:#?}");
        }
    }

    #[test]
    fn a_mistake_of_meaning_names_the_line_of_its_key() {
        let said = refused(
            "currency = \"EUR\"\n\n[parameters]\nnope = 1\nrho = { value = 2 }\n\n[[promise]]\nid = \"a\"\nkind = \"fix-within\"\n\
             days = 1\n\n[[promise]]\nid = \"b\"\nkind = \"fix-within\"\ndays = 99999\n",
        );
        assert!(
            said[0].starts_with("parameters.nope (line 4): found nope, expected one of kev_floor, "),
            "{said:?}"
        );
        assert!(said[1].starts_with("parameters.rho.value (line 5): found 2, "), "{said:?}");
        assert!(said.iter().any(|it| it.starts_with("promise b.days (line 15): found 99999, ")), "{said:?}");
    }

    #[test]
    fn absurd_losses_are_refused_by_their_keys() {
        for (text, place) in [
            (
                "[loss]\nvm_hour_down = 1e200\n",
                "loss.vm_hour_down (line 2): found 1e200, expected a loss of at most 1e15",
            ),
            (
                "[loss]\nsystem_corrupted = inf\n",
                "loss.system_corrupted (line 2): found inf, expected a finite loss",
            ),
            (
                "[loss.tenant.a]\nrecord_disclosed = 1e16\n",
                "loss.tenant.a.record_disclosed (line 2): found 1e16, ",
            ),
            ("[loss]\nrecords_per_vm = 1e13\n", "loss.records_per_vm (line 2): found 10000000000000, "),
            ("[maintenance]\nper_host = 1e20\n", "maintenance.per_host (line 2): found 1e20, "),
            (
                "[parameters]\nrecords_per_vm = 1e300\n",
                "parameters.records_per_vm.value (line 2): found 1000",
            ),
            (
                "[parameters]\nhours_after_compromise = inf\n",
                "parameters.hours_after_compromise.value (line 2): found inf",
            ),
        ] {
            let said = refused(text);
            assert!(said[0].starts_with(place), "{text}: {said:?}");
        }
        assert!(read("[loss]\nvm_hour_down = 1e15\n").is_ok());
    }

    #[test]
    fn an_outage_after_a_bad_release_is_no_longer_than_after_a_compromise() {
        let said = refused("[parameters]\nhours_after_compromise = 0\nhours_after_regression = 5\n");
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with("parameters.hours_after_regression (line 3): found 5 h, expected at most "),
            "{said:?}"
        );
        let said = refused("[parameters]\nhours_after_compromise = 0\n");
        assert!(
            said[0].contains("h (its default), expected at most parameters.hours_after_compromise (0 h)"),
            "{said:?}"
        );
    }

    #[test]
    fn a_mistake_of_form_names_its_line() {
        let mistakes = refused(
            "currency = \"EUR\"\n\n[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 1.2\nsource = \"x\"\n",
        );
        assert_eq!(mistakes, ["control[0].fails (line 6): found 1.2, expected a probability from 0 to 1"]);
        assert_eq!(
            refused("currency = \"EUR\"\n[maintenance]\nper_host = -5\n"),
            ["maintenance.per_host (line 3): found -5, expected a finite loss, not negative"]
        );
        assert_eq!(
            refused("\nseed = -1\n"),
            ["seed (line 2): found invalid value: integer `-1`, expected u64"]
        );
        let lacking =
            refused("[[accepted_risk]]\nvulnerability = \"CVE-2024-1\"\nowner = \"x\"\nreason = \"y\"\n");
        assert!(lacking[0].ends_with("expected a field `expires`"), "{lacking:?}");
        assert!(refused("[loss]\nvm_hour_down = -1\n")[0].contains("a finite loss, not negative"));
        assert!(refused("[parameters]\nrho = nan\n")[0].contains("correlation"));
        assert_eq!(
            refused("currency = \"EUR\"\n\n[loss]\nvm_hour_down = 1.0\nvm_hour_dwn = 2.0\n"),
            [
                "loss.vm_hour_dwn (line 5): found unknown field `vm_hour_dwn`, expected one of `vm_hour_down`, `record_disclosed`, \
                 `system_corrupted`, `records_per_vm`, `tenant`"
            ]
        );
        assert_eq!(
            refused("[parameters]\naimed = 0.1\naimed = 0.2\n"),
            ["line 3: found `aimed = 0.2`, whose key comes twice, expected each key once"]
        );
        let said = refused("[parameters]\naimed = \"often\"\n");
        assert!(said[0].contains("found aimed = \"often\", expected a number, or {"), "{said:?}");
        assert!(refused("colour = \"red\"\n")[0].contains("unknown field"));
    }
}
