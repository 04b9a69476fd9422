//! Reading a policy file (TOML).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::meaning::short;
use super::order::Stated;
use super::parameter::{Parameter, Parameters, Setting};
use super::{AcceptedRisk, Control, Losses, Maintenance, PlanningPolicy, Policy, Promise, Rates, Ring};
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
/// Every mistake of form and of meaning at once, each with its line; of a list in which an element does not fit, those of meaning when it does.
pub fn read(text: &str) -> Result<Policy, Vec<PolicyError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let super::form::Form { read, mistakes: of_form, out } = super::form::read::<Written>(text);
    let Some(written) = read else { return Err(of_form) };
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
    super::meaning::check(&policy, &mut mistakes);
    mistakes.0.retain(|it| !out.may_cause(it));
    if of_form.is_empty() && mistakes.0.is_empty() {
        return Ok(policy);
    }
    Err(of_form.into_iter().chain(super::place::with_lines(text, mistakes.0)).collect())
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
    let mut stated = BTreeMap::new();
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
        // Ends that nobody wrote are no mistakes of their own: they follow from the value.
        let written = [("value", Some(full.value)), ("low", full.low), ("high", full.high)];
        let wrong = written.into_iter().filter_map(|(key, number)| Some((key, number?)));
        let wrong: Vec<_> = wrong.filter(|(_, number)| !fact.unit.accepts(*number)).collect();
        for &(key, number) in &wrong {
            mistakes.add(format!("parameters.{name}.{key}"), short(number), fact.unit.expected());
        }
        if wrong.is_empty() {
            stated.insert(parameter, Stated { value: full.value, low: full.low, high: full.high });
        }
        if wrong.is_empty() && !(low <= full.value && full.value <= high) {
            mistakes.add(
                format!("parameters.{name}"),
                format!("low {}, value {}, high {}", short(low), short(full.value), short(high)),
                "low <= value <= high",
            );
        }
        let source = full.source.unwrap_or_else(|| "the policy, without a source".to_owned());
        // The words of the default keep its mark, so that a sheet that is read back says what it said.
        let judgement = source == "judgement" || (fact.judgement && source == fact.source);
        parameters
            .state(parameter, Setting { value: full.value, low, high, source, judgement, stated: true });
    }
    super::order::settle(&stated, &mut parameters, mistakes);
    parameters
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
        for wrong in ["2027", "\"soon\"", "true", "2026-12-01T10:00:00Z", "\"2026-12-01T10:00:00Z\""] {
            let said = refused(&text(wrong));
            assert!(said[0].starts_with("accepted_risk[0].expires (line 4): found "), "{said:?}");
            assert!(said[0].contains("expected a day"), "{said:?}");
            // A moment is refused in our words, not in those of a library.
            assert!(!wrong.contains('T') || said[0].ends_with("such as 2027-01-01: it counts to its end"));
        }
        assert!(refused(&text("\"2027-02-29\""))[0].ends_with("(the calendar has no such day)"));
        let freeze = "[[planning.freeze]]\nid = \"f\"\nfrom = 2026-12-01T00:00:00Z\nuntil = \"2026-12-02T00:00:00Z\"\n";
        assert_eq!(read(freeze).unwrap().planning.freeze.len(), 1);
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
            "control number 2.id (line 12): found \"a\" twice, expected each name once",
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
    fn names_that_come_twice_and_texts_that_are_empty_name_their_line() {
        let control = |id: &str| {
            format!(
                "[[control]]\nid = \"{id}\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n"
            )
        };
        let promise = |id: &str| format!("[[promise]]\nid = \"{id}\"\nkind = \"fix-within\"\ndays = 1\n");
        let ring = |name: &str| format!("[[ring]]\nname = \"{name}\"\nsoak = 1.0\n");
        let accepted = |owner: &str| {
            format!(
                "[[accepted_risk]]\nvulnerability = \"CVE-2024-1\"\nowner = \"{owner}\"\nexpires = 2027-01-01\nreason = \"r\"\n"
            )
        };
        let empty = "found an empty text, expected";
        for (text, said) in [
            (control("a") + &control("a"), "control number 2.id (line 7): found \"a\" twice".to_owned()),
            (promise("a") + &promise("a"), "promise number 2.id (line 6): found \"a\" twice".to_owned()),
            (ring("a") + &ring("a"), "ring number 2.name (line 5): found \"a\" twice".to_owned()),
            (accepted("o") + &accepted(" "), format!("accepted_risk number 2.owner (line 8): {empty}")),
            (control("a") + &control(""), format!("control number 2.id (line 7): {empty} a name")),
            (promise(" "), format!("promise number 1.id (line 2): {empty} a name")),
            (ring(""), format!("ring number 1.name (line 2): {empty} a name")),
        ] {
            let mistakes = refused(&text);
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
            assert!(mistakes[0].starts_with(&said), "{said}: {mistakes:?}");
        }
    }

    #[test]
    fn a_text_that_is_empty_is_said_to_be() {
        let accepted =
            "[[accepted_risk]]\nvulnerability = \"\"\nowner = \"o\"\nexpires = 2027-01-01\nreason = \"r\"\n";
        let promise = "[[promise]]\nid = \"p\"\nkind = \"\"\ndays = 3\nscope = { tenants = [\"\"] }\n";
        assert_eq!(
            refused(&format!("{accepted}{promise}")),
            [
                "accepted_risk[0].vulnerability (line 2): found an empty text, expected an id or a name, such as CVE-2024-21626 or prod-1",
                "promise[0].kind (line 8): found an empty text, expected one of `fix-within`, `leave-end-of-life`, `release-supported-within`",
                "promise[0].scope.tenants[0] (line 10): found an empty text, expected an id or a name, such as CVE-2024-21626 or prod-1",
            ]
        );
        let negative = "[[promise]]\nid = \"p\"\nkind = \"fix-within\"\ndays = -3\n";
        assert_eq!(
            refused(negative),
            ["promise[0].days (line 4): found -3, expected a whole number, 0 or more"]
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
        assert_eq!(refused("\nseed = -1\n"), ["seed (line 2): found -1, expected a whole number, 0 or more"]);
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
        // One mistake, one error: ends that nobody wrote are not blamed.
        let said = refused("[parameters]\naimed = 2.0\n");
        assert!(
            said.len() == 1 && said[0].starts_with("parameters.aimed.value (line 2): found 2, "),
            "{said:?}"
        );
        let said = refused("[parameters]\naimed = \"often\"\n");
        assert!(said[0].contains("found aimed = \"often\", expected a number, or {"), "{said:?}");
        assert!(refused("colour = \"red\"\n")[0].contains("unknown field"));
    }

    #[test]
    fn all_fields_that_do_not_fit_are_told_at_once() {
        assert_eq!(
            refused("seed = \"x\"\n[loss]\nvm_hour_dwn = 2.0\nvm_hour_down = -1\n[[ring]]\nname = 3\nsoak = -1\n[[ring]]\nname = \"b\"\nsoak = -2\n")
                .iter()
                .map(|it| it.split(": found").next().unwrap())
                .collect::<Vec<_>>(),
            [
                "seed (line 1)",
                "loss.vm_hour_dwn (line 3)",
                "loss.vm_hour_down (line 4)",
                "ring[0].name (line 6)",
                "ring[0].soak (line 7)",
                "ring[1].soak (line 10)"
            ],
            "in the order of the file"
        );
    }

    #[test]
    fn mistakes_of_meaning_are_told_beside_those_of_form() {
        let places = |text: &str| -> Vec<String> {
            refused(text).iter().map(|it| it.split(" (line").next().unwrap().to_owned()).collect()
        };
        let both = "[maintenance]\nper_host = -1\nhosts_per_day = 0\n[parameters]\nrho = 2\n";
        assert_eq!(
            places(both),
            ["maintenance.per_host", "parameters.rho.value", "maintenance.hosts_per_day"]
        );
        // What is left out of a list may be why another element of it, or the list, seems to be wrong.
        let list = "horizon_days = 0\n[[promise]]\nid = \"a\"\nkind = \"fix-within\"\ndays = -3\n\
                    [[promise]]\nid = \"\"\nkind = \"fix-within\"\ndays = 99999\n";
        assert_eq!(places(list), ["promise[0].days", "horizon_days"]);
        assert_eq!(places("[[ring]]\nname = \"a\"\nsoak = -1\n"), ["ring[0].soak"]);
    }
}
