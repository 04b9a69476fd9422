//! What a type cannot say of a policy: numbers beyond sense, names that come twice, things that contradict each other.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::parameter::Unit;
use super::read::Mistakes;
use super::{Policy, Promise, PromiseKind};
use crate::quantity::Loss;

/// Paces at which a fleet can be patched, per day: of less nobody lives to see the end.
pub const PACES: RangeInclusive<f64> = 1e-3..=1e6;

/// Longest span of a promise: dates end somewhere, and a longer promise is none.
const MOST_DAYS: u32 = 36_525;

/// Longest soak of a ring: nothing that is planned so far ahead is a plan.
const MOST_SOAK_DAYS: f64 = 3_650.0;

/// Spans that losses are counted over: no rate of today says anything about a later day, and none is about less than a quarter of an hour.
const HORIZONS: RangeInclusive<f64> = 0.01..=36_525.0;

/// Longest name of a currency.
const MOST_CURRENCY: usize = 16;

/// Most controls: the work for them grows with the square of their number.
const MOST_CONTROLS: usize = 256;

/// Adds every mistake of meaning.
pub(super) fn check(policy: &Policy, mistakes: &mut Mistakes) {
    let horizon = policy.horizon.get();
    if !HORIZONS.contains(&horizon) {
        let expected = "from 0.01 days, a quarter of an hour, to 36525, a hundred years";
        mistakes.add("horizon_days", short(horizon), expected);
    }
    currency(&policy.currency, mistakes);
    if policy.controls.len() > MOST_CONTROLS {
        let expected = format!(
            "at most {MOST_CONTROLS}: what each saves is found by pricing the fleet once more without it; join those that stand together"
        );
        mistakes.add("control", format!("{} controls", policy.controls.len()), expected);
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
    named("control", "id", policy.controls.iter().map(|it| it.id.as_str()), mistakes);
    named("promise", "id", policy.promises.iter().map(|it| it.id.as_str()), mistakes);
    named("ring", "name", policy.rings.iter().map(|it| it.name.as_str()), mistakes);
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
            mistakes.add(
                format!("accepted_risk number {}.owner", at + 1),
                "an empty text",
                "who answers for it",
            );
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
        about_releases(promise, mistakes);
    }
    if policy.rings.is_empty() {
        mistakes.add("ring", "no ring", "at least one ring");
    }
    for ring in policy.rings.iter().filter(|it| it.soak.get() > MOST_SOAK_DAYS) {
        let soak = short(ring.soak.get());
        mistakes.add(format!("ring {}.soak", ring.name), soak, "at most 3650 days (ten years)");
    }
    let maintenance = &policy.maintenance;
    for (name, pace) in [
        ("maintenance.hosts_per_day", Some(maintenance.hosts_per_day)),
        ("maintenance.planes_per_day", maintenance.planes_per_day),
        ("maintenance.vms_per_day", maintenance.vms_per_day),
        ("maintenance.images_per_day", maintenance.images_per_day),
    ] {
        if let Some(pace) = pace.filter(|it| !PACES.contains(it)) {
            mistakes.add(name, short(pace), format!("from {} to {} a day", PACES.start(), PACES.end()));
        }
    }
    super::check::planning(&policy.planning, mistakes);
}

/// What a promise about releases would ignore.
fn about_releases(promise: &Promise, mistakes: &mut Mistakes) {
    if promise.kind == PromiseKind::FixWithin {
        return;
    }
    for (key, is_there, of) in [
        ("cvss_at_least", promise.cvss_at_least.is_some(), "vulnerabilities"),
        ("exploited_only", promise.exploited_only, "vulnerabilities"),
        ("human_impact_at_least", promise.human_impact_at_least.is_some(), "single assets"),
    ] {
        if is_there {
            mistakes.add(
                format!("promise {}.{key}", promise.id),
                "a promise about releases",
                format!("kind = \"fix-within\", the only promise about {of}; or leave it out"),
            );
        }
    }
}

fn currency(text: &str, mistakes: &mut Mistakes) {
    let length = text.chars().count();
    let found = if text.trim().is_empty() {
        "an empty text".to_owned()
    } else if length > MOST_CURRENCY {
        format!("a text of {length} characters")
    } else if text.chars().any(char::is_control) {
        format!("{text:?}, which has control characters")
    } else {
        return;
    };
    let expected = format!(
        "a currency such as EUR, or points: at most {MOST_CURRENCY} characters and no control characters, for it stands beside every loss"
    );
    mistakes.add("currency", found, expected);
}

/// A number as it is written, or its power of ten where that would be a row of digits.
#[must_use]
pub fn short(value: f64) -> String {
    if value == 0.0 || (1e-6..1e6).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
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

/// Names of which each comes once, each mistake at the line of the later one.
pub(super) fn unique<'a>(
    list: &str,
    key: &str,
    names: impl Iterator<Item = &'a str>,
    mistakes: &mut Mistakes,
) {
    let mut seen = BTreeSet::new();
    for (at, name) in names.enumerate() {
        if !seen.insert(name) {
            let path = format!("{list} number {}.{key}", at + 1);
            mistakes.add(path, format!("{name:?} twice"), "each name once");
        }
    }
}

/// The same of names that must not be empty.
fn named<'a>(list: &str, key: &str, names: impl Iterator<Item = &'a str> + Clone, mistakes: &mut Mistakes) {
    for (at, _) in names.clone().enumerate().filter(|it| it.1.trim().is_empty()) {
        let path = format!("{list} number {}.{key}", at + 1);
        mistakes.add(path, "an empty text", "a name, so that reports can refer to it");
    }
    unique(list, key, names, mistakes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::read;

    fn refused(text: &str) -> Vec<String> {
        read(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_currency_is_a_short_word() {
        for right in ["EUR", "points", "złoty", &"x".repeat(16)] {
            assert!(read(&format!("currency = {right:?}\n")).is_ok(), "{right}");
        }
        let long = format!("# first\ncurrency = {:?}\n", "x".repeat(3_000));
        let said = refused(&long);
        let place = "currency (line 2): found a text of 3000 characters, expected a currency such as EUR, or points: at most 16 characters";
        assert!(said.len() == 1 && said[0].starts_with(place), "{said:?}");
        for wrong in ["\"E\\u001bR\"", "\"a\\nb\""] {
            let said = refused(&format!("currency = {wrong}\n"));
            assert!(said[0].contains("which has control characters, expected"), "{said:?}");
        }
    }

    #[test]
    fn more_controls_than_can_be_priced_one_by_one_are_refused() {
        let controls = |count: usize| -> String {
            (0..count)
                .map(|it| {
                    format!(
                        "[[control]]\nid = \"c{it}\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"s\"\n"
                    )
                })
                .collect()
        };
        assert!(read(&controls(256)).is_ok());
        let said = refused(&controls(257));
        assert!(
            said.len() == 1
                && said[0].starts_with("control (line 1): found 257 controls, expected at most 256: "),
            "{said:?}"
        );
    }

    #[test]
    fn mistakes_beyond_the_first_thousand_are_told_without_their_lines() {
        let promises: String = (0..1_001)
            .map(|it| format!("[[promise]]\nid = \"p{it}\"\nkind = \"fix-within\"\ndays = 99999\n"))
            .collect();
        let said = refused(&promises);
        assert!(said[999].starts_with("promise p999.days (line 4000): found 99999"), "{}", said[999]);
        assert!(said[1_000].starts_with("promise p1000.days: found 99999"), "{}", said[1_000]);
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
    fn what_a_promise_about_releases_would_ignore_is_refused() {
        let text =
            |kind: &str, key: &str| format!("[[promise]]\nid = \"x\"\nkind = \"{kind}\"\ndays = 1\n{key}\n");
        let keys = ["cvss_at_least = 7.0", "exploited_only = true", "human_impact_at_least = \"high\""];
        for (kind, key) in ["leave-end-of-life", "release-supported-within"]
            .into_iter()
            .flat_map(|kind| keys.map(|key| (kind, key)))
        {
            let said = refused(&text(kind, key));
            let name = key.split(' ').next().unwrap();
            let place =
                format!("promise x.{name} (line 5): found a promise about releases, expected kind = ");
            assert!(said.len() == 1 && said[0].starts_with(&place), "{said:?}");
            assert!(read(&text("fix-within", key)).is_ok());
        }
        assert!(read(&text("leave-end-of-life", "exploited_only = false")).is_ok());
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
                "parameters.records_per_vm.value (line 2): found 1e300, ",
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
    fn paces_at_which_nothing_is_ever_patched_are_refused_by_their_keys() {
        for key in ["hosts_per_day", "planes_per_day", "vms_per_day", "images_per_day"] {
            for (wrong, told) in [("1e-300", "1e-300"), ("0.0", "0"), ("1e7", "1e7"), ("inf", "inf")] {
                let said = refused(&format!("[maintenance]\n{key} = {wrong}\n"));
                let place =
                    format!("maintenance.{key} (line 2): found {told}, expected from 0.001 to 1000000");
                assert!(said[0].starts_with(&place), "{said:?}");
            }
            assert!(read(&format!("[maintenance]\n{key} = 0.001\n")).is_ok());
        }
    }

    #[test]
    fn a_horizon_longer_than_a_century_or_shorter_than_any_work_is_refused() {
        assert!(read("horizon_days = 36525\n").is_ok() && read("horizon_days = 0.01\n").is_ok());
        for (days, found) in
            [("36526", "36526"), ("1e9", "1e9"), ("0", "0"), ("1e-300", "1e-300"), ("0.009", "0.009")]
        {
            let said = refused(&format!("horizon_days = {days}\n"));
            let place = format!("horizon_days (line 1): found {found}, expected from 0.01 days, ");
            assert!(said.len() == 1 && said[0].starts_with(&place), "{said:?}");
        }
    }

    #[test]
    fn a_ring_that_soaks_longer_than_ten_years_is_refused() {
        let ring = |days: &str| format!("[[ring]]\nname = \"first\"\nsoak = {days}\n");
        assert!(read(&ring("3650")).is_ok());
        let said = refused(&ring("3651"));
        assert!(said.len() == 1 && said[0].starts_with("ring first.soak"), "{said:?}");
        assert!(said[0].contains("found 3651, expected at most 3650 days (ten years)"), "{said:?}");
    }

    #[test]
    fn hosts_that_are_hit_as_one_are_refused() {
        assert!(read("[parameters]\nrho = { value = 0.9999, high = 0.9999 }\n").is_ok());
        let said = refused("[parameters]\nrho = { value = 0.99991, high = 0.99991 }\n");
        let place = "parameters.rho.value (line 2): found 0.99991, expected a correlation from 0 to 0.9999";
        assert!(said[0].starts_with(place), "{said:?}");
        let said = refused("[parameters]\nrho = { value = 0.5, high = 0.99991 }\n");
        assert!(
            said.len() == 1 && said[0].starts_with("parameters.rho.high (line 2): found 0.99991, "),
            "{said:?}"
        );
    }
}
