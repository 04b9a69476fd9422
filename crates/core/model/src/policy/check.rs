//! What the types of `[planning]` cannot say: names that come twice, spans that never open, factors out of their range.

use super::meaning::unique;
use super::planning::{Durations, Emergency, MigrationPolicy, MostAway, PlanningPolicy, Spread};
use super::read::Mistakes;
use super::window::{Freeze, Window};
use crate::change::Method;
use jiff::tz::TimeZoneDatabase;

/// Furthest that a plan may reach, in days: ten years.
const MOST_HORIZON_DAYS: u32 = 3650;
/// Longest window, in minutes: a year. A longer one is no window.
const MOST_WINDOW_MINUTES: u32 = 366 * 24 * 60;
/// Longest span of one step, in seconds: 30 days.
pub(crate) const MOST_SPAN_S: u32 = 30 * 86_400;
/// Greatest factor of a migration's 95th percentile.
const MOST_FACTOR: f64 = 100.0;
/// Greatest dirty rate per GiB of memory, in MiB/s: a guest that writes all of its memory a hundred times a second.
const MOST_DIRTY_MIB_S: f64 = 102_400.0;

/// Highest price of one unit: what is more cannot be summed to anything that tells.
const MOST_PRICE: f64 = 1e15;

/// Checks the meaning of `[planning]`.
pub(super) fn planning(planning: &PlanningPolicy, mistakes: &mut Mistakes) {
    most_away(&planning.most_away, mistakes);
    migration(&planning.migration, mistakes);
    emergency(&planning.emergency, mistakes);
    for (method, durations) in &planning.durations {
        let name = serde_json::to_value(method).ok();
        let name = name.as_ref().and_then(|it| it.as_str()).unwrap_or_default();
        spreads(&format!("planning.durations.{name}"), *method, durations, mistakes);
    }
    if !(1..=MOST_HORIZON_DAYS).contains(&planning.horizon_days) {
        mistakes.add(
            "planning.horizon_days",
            planning.horizon_days,
            format!("1 to {MOST_HORIZON_DAYS} days; the default is 90"),
        );
    }
    prices(planning, mistakes);
    unique("planning.window", "id", planning.window.iter().map(|it| it.id.as_str()), mistakes);
    unique("planning.freeze", "id", planning.freeze.iter().map(|it| it.id.as_str()), mistakes);
    unique("planning.exception", "id", planning.exception.iter().map(|it| it.id.as_str()), mistakes);
    for (at, it) in planning.window.iter().enumerate() {
        window(&named("planning.window", &it.id, at, mistakes), it, mistakes);
    }
    for (at, it) in planning.freeze.iter().enumerate() {
        freeze(&named("planning.freeze", &it.id, at, mistakes), it, mistakes);
    }
    for (at, it) in planning.exception.iter().enumerate() {
        let path = named("planning.exception", &it.id, at, mistakes);
        for (key, text) in [("owner", &it.owner), ("reason", &it.reason)] {
            if text.trim().is_empty() {
                let expected = "a text: an exception that nobody answers for is none";
                mistakes.add(format!("{path}.{key}"), "an empty text", expected);
            }
        }
        super::exception::check(&path, it, mistakes);
    }
}

/// Prices of which sums stay numbers.
fn prices(planning: &PlanningPolicy, mistakes: &mut Mistakes) {
    let all = &planning.price;
    let own = [
        ("spare_host_per_day", all.spare_host_per_day),
        ("window_minute", all.window_minute),
        ("gbps_per_host", all.gbps_per_host),
        ("repair", all.repair),
        ("unlock", all.unlock),
        ("fact", all.fact),
        ("exception", all.exception),
    ];
    let own = own.into_iter().filter_map(|(key, it)| Some((format!("planning.price.{key}"), it?)));
    let exceptions =
        planning.exception.iter().map(|it| (format!("planning.exception {}.price", it.id), it.price));
    let moves = [("planning.move_price".to_owned(), planning.move_price)];
    for (path, price) in own.chain(exceptions).chain(moves).filter(|it| it.1.get() > MOST_PRICE) {
        mistakes.add(
            path,
            price.get(),
            format!("at most {MOST_PRICE:e}; leave it out where nobody would pay it"),
        );
    }
}

/// The place of a table in a list: by its name, or by its position where it has none, which is a mistake too.
fn named(list: &str, id: &str, at: usize, mistakes: &mut Mistakes) -> String {
    if id.trim().is_empty() {
        let path = format!("{list} number {}", at + 1);
        mistakes.add(format!("{path}.id"), "an empty text", "a name, so that a plan can refer to it");
        return path;
    }
    format!("{list} {id}")
}

fn most_away(limits: &MostAway, mistakes: &mut Mistakes) {
    let zero = |path: String, mistakes: &mut Mistakes| {
        mistakes.add(path, 0, "1 or more: with 0 nothing is ever planned; leave it out for the default");
    };
    if limits.per_cluster == 0 {
        zero("planning.most_away.per_cluster".to_owned(), mistakes);
    }
    let optional = [
        ("per_fault_domain", limits.per_fault_domain),
        ("per_ring", limits.per_ring),
        ("per_tenant", limits.per_tenant),
    ];
    for (key, limit) in optional {
        if limit == Some(0) {
            zero(format!("planning.most_away.{key}"), mistakes);
        }
    }
    for (domain, _) in limits.fault_domains.iter().filter(|it| *it.1 == 0) {
        zero(format!("planning.most_away.fault_domains.{domain}"), mistakes);
    }
}

fn migration(migration: &MigrationPolicy, mistakes: &mut Mistakes) {
    let path = |key: &str| format!("planning.migration.{key}");
    let counts = [
        ("bandwidth_mbps", Some(migration.bandwidth_mbps)),
        ("slots", Some(migration.slots)),
        ("network_mbps", migration.network_mbps),
        ("longest_pause_ms", Some(migration.longest_pause_ms)),
    ];
    for (key, value) in counts {
        if value == Some(0) {
            mistakes.add(
                path(key),
                0,
                "1 or more: with 0 no guest can migrate; leave it out for the default",
            );
        }
    }
    if !(0.0..=MOST_DIRTY_MIB_S).contains(&migration.dirty_mib_s_per_gib) {
        mistakes.add(
            path("dirty_mib_s_per_gib"),
            migration.dirty_mib_s_per_gib,
            format!("a rate from 0 to {MOST_DIRTY_MIB_S} MiB/s per GiB; the default is 1.0"),
        );
    }
    if !(1.0..=MOST_FACTOR).contains(&migration.p95_factor) {
        mistakes.add(
            path("p95_factor"),
            migration.p95_factor,
            format!("a factor from 1 to {MOST_FACTOR}: the slow case takes no less than the computed one"),
        );
    }
}

fn emergency(emergency: &Emergency, mistakes: &mut Mistakes) {
    if !(0.0..=1.0).contains(&emergency.soak_factor) {
        mistakes.add(
            "planning.emergency.soak_factor",
            emergency.soak_factor,
            "a factor from 0 (no soak) to 1 (as ever)",
        );
    }
    if emergency.per_cluster == Some(0) {
        let expected = "1 or more; leave it out for the limit of every day";
        mistakes.add("planning.emergency.per_cluster", 0, expected);
    }
}

fn spreads(path: &str, method: Method, durations: &Durations, mistakes: &mut Mistakes) {
    let reboots = matches!(method, Method::EvacuateReboot | Method::QuickBoot | Method::PowerOff);
    for (key, spread, expected) in durations.mistakes(method != Method::Defer, reboots) {
        let found = format!("p50_s = {}, p95_s = {}", spread.p50_s, spread.p95_s);
        mistakes.add(format!("{path}.{key}"), found, expected);
    }
}

impl Durations {
    /// Spans that are none, with their key and what is expected. Nothing that is done is over in the second in which it starts: where
    /// something is done at all, staging, patching and verifying take a second or more, and so does the reboot of what `reboots`.
    pub(crate) fn mistakes(
        &self,
        done: bool,
        reboots: bool,
    ) -> impl Iterator<Item = (&'static str, Spread, String)> {
        let Self { stage, patch, reboot, attest, verify, rollback } = *self;
        let all = [
            ("stage", stage, done),
            ("patch", patch, done),
            ("reboot", reboot, done && reboots),
            ("attest", attest, false),
            ("verify", verify, done),
            ("rollback", rollback, false),
        ];
        all.into_iter().filter_map(|(key, spread, takes)| {
            let short =
                (takes && spread.p50_s == 0).then(|| "1 s or more: what is done takes time".to_owned());
            Some((key, spread, spread.mistake().or(short)?))
        })
    }
}

impl Spread {
    /// What is expected of it instead, if it is none: the median at most the 95th percentile, and that at most 30 days.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        (self.p50_s > self.p95_s || self.p95_s > MOST_SPAN_S)
            .then(|| format!("p50_s <= p95_s <= {MOST_SPAN_S} (30 days), in seconds"))
    }
}

fn window(path: &str, window: &Window, mistakes: &mut Mistakes) {
    if !(1..=MOST_WINDOW_MINUTES).contains(&window.minutes) {
        mistakes.add(
            format!("{path}.minutes"),
            window.minutes,
            format!("1 to {MOST_WINDOW_MINUTES} minutes (a year): a window of none never opens"),
        );
    }
    if let Some(zone) = &window.time_zone
        && TimeZoneDatabase::bundled().get(zone).is_err()
    {
        mistakes.add(
            format!("{path}.time_zone"),
            format!("{zone:?}"),
            "an IANA time zone, such as Europe/Berlin; leave it out for UTC",
        );
    }
    if let (Some(first), Some(last)) = (window.first, window.last)
        && last < first
    {
        let found = format!("first = {first}, last = {last}");
        mistakes.add(path, found, "first <= last: it never opens otherwise");
    }
}

fn freeze(path: &str, freeze: &Freeze, mistakes: &mut Mistakes) {
    if freeze.until <= freeze.from {
        let found = format!("from = {}, until = {}", freeze.from, freeze.until);
        mistakes.add(path, found, "until after from: it freezes nothing otherwise");
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;

    /// The only mistake of a policy, which names a line; without it.
    #[track_caller]
    fn mistake(text: &str) -> String {
        let mistakes: Vec<String> = read(text).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        let (place, rest) = mistakes[0].split_once(" (line ").unwrap();
        format!("{place}{}", rest.split_once(')').unwrap().1)
    }

    #[test]
    fn prices_that_no_sum_could_hold_are_refused() {
        for (table, key) in [("planning.price", "spare_host_per_day"), ("planning", "move_price")] {
            let said = mistake(&format!("[{table}]\n{key} = 1e308\n"));
            assert!(
                said.starts_with(&format!("{table}.{key}: found 1")) && said.contains("at most 1e15"),
                "{said}"
            );
            assert!(read(&format!("[{table}]\n{key} = 1e15\n")).is_ok());
        }
    }

    #[test]
    fn limits_of_zero_are_refused_for_nothing_would_ever_be_planned() {
        for key in ["per_cluster", "per_fault_domain", "per_ring", "per_tenant"] {
            let said = mistake(&format!("[planning.most_away]\n{key} = 0\n"));
            assert!(
                said.starts_with(&format!("planning.most_away.{key}: found 0, expected 1 or more")),
                "{said}"
            );
            assert!(read(&format!("[planning.most_away]\n{key} = 1\n")).is_ok());
        }
        let said = mistake("[planning.most_away.fault_domains]\nrack-1 = 0\n");
        assert!(said.starts_with("planning.most_away.fault_domains.rack-1: found 0"), "{said}");
    }

    #[test]
    fn a_migration_that_could_never_end_is_refused() {
        for key in ["bandwidth_mbps", "slots", "network_mbps", "longest_pause_ms"] {
            let said = mistake(&format!("[planning.migration]\n{key} = 0\n"));
            assert!(
                said.starts_with(&format!("planning.migration.{key}: found 0, expected 1 or more")),
                "{said}"
            );
        }
        for (key, wrong) in [
            ("dirty_mib_s_per_gib", "-0.1"),
            ("dirty_mib_s_per_gib", "nan"),
            ("dirty_mib_s_per_gib", "inf"),
            ("p95_factor", "0.99"),
            ("p95_factor", "-1.5"),
            ("p95_factor", "nan"),
            ("p95_factor", "1e9"),
        ] {
            let said = mistake(&format!("[planning.migration]\n{key} = {wrong}\n"));
            assert!(said.starts_with(&format!("planning.migration.{key}: found ")), "{said}");
        }
        assert!(read("[planning.migration]\np95_factor = 1.0\ndirty_mib_s_per_gib = 0.0\n").is_ok());
    }

    #[test]
    fn an_emergency_gives_up_no_more_than_all_of_the_soak() {
        for wrong in ["-0.1", "1.1", "nan"] {
            let said = mistake(&format!("[planning.emergency]\nsoak_factor = {wrong}\n"));
            assert!(said.starts_with("planning.emergency.soak_factor: found "), "{said}");
        }
        let said = mistake("[planning.emergency]\nper_cluster = 0\n");
        assert!(said.starts_with("planning.emergency.per_cluster: found 0"), "{said}");
        assert!(read("[planning.emergency]\nsoak_factor = 0.0\nper_cluster = 4\n").is_ok());
    }

    #[test]
    fn a_median_above_the_95th_percentile_is_refused() {
        let text = |patch: &str| {
            let mut text = "[planning.durations.live-patch]\n".to_owned();
            for key in ["stage", "reboot", "attest", "verify", "rollback"] {
                text += &format!("{key} = {{ p50_s = 1, p95_s = 1 }}\n");
            }
            text + &format!("patch = {patch}\n")
        };
        let said = mistake(&text("{ p50_s = 61, p95_s = 60 }"));
        assert_eq!(
            said,
            "planning.durations.live-patch.patch: found p50_s = 61, p95_s = 60, expected p50_s <= p95_s <= \
             2592000 (30 days), in seconds"
        );
        assert!(mistake(&text("{ p50_s = 1, p95_s = 4000000000 }")).contains("30 days"));
        assert!(read(&text("{ p50_s = 60, p95_s = 60 }")).is_ok());
    }

    #[test]
    fn what_is_done_takes_a_second_or_more() {
        let text = |method: &str, none: &[&str]| {
            let mut text = format!("[planning.durations.{method}]\n");
            for key in ["stage", "patch", "reboot", "attest", "verify", "rollback"] {
                let span_s = u32::from(!none.contains(&key));
                text += &format!("{key} = {{ p50_s = {span_s}, p95_s = {span_s} }}\n");
            }
            text
        };
        for key in ["stage", "patch", "verify"] {
            let said = mistake(&text("live-patch", &[key]));
            assert!(
                said.starts_with(&format!("planning.durations.live-patch.{key}: found p50_s = 0")),
                "{said}"
            );
            assert!(said.contains("1 s or more"), "{said}");
        }
        for method in ["evacuate-reboot", "quick-boot", "power-off"] {
            assert!(mistake(&text(method, &["reboot"])).contains(".reboot: found p50_s = 0"));
        }
        // What is not done takes none.
        assert!(read(&text("in-place", &["reboot", "attest", "rollback"])).is_ok());
        assert!(read(&text("defer", &["stage", "patch", "reboot", "attest", "verify", "rollback"])).is_ok());
    }

    #[test]
    fn a_horizon_of_no_days_or_of_more_than_ten_years_is_refused() {
        for (days, right) in [(0, false), (1, true), (3650, true), (3651, false)] {
            let text = format!("[planning]\nhorizon_days = {days}\n");
            assert_eq!(read(&text).is_ok(), right, "{days}");
            if !right {
                let said = mistake(&text);
                assert!(
                    said.starts_with(&format!("planning.horizon_days: found {days}, expected 1")),
                    "{said}"
                );
            }
        }
    }

    fn window(id: &str, more: &str) -> String {
        format!("[[planning.window]]\nid = \"{id}\"\nfrom = \"22:00\"\n{more}\n")
    }

    #[test]
    fn windows_that_never_open_are_refused() {
        let said = mistake(&window("night", "minutes = 0"));
        assert!(said.starts_with("planning.window night.minutes: found 0, expected 1 to"), "{said}");
        assert!(mistake(&window("night", "minutes = 4294967295")).contains("a year"));
        let said = mistake(&window("night", "minutes = 60\ntime_zone = \"Mars/Olympus\""));
        assert!(
            said.starts_with("planning.window night.time_zone: found \"Mars/Olympus\", expected an IANA")
        );
        let said = mistake(&window("night", "minutes = 60\nfirst = \"2026-12-02\"\nlast = \"2026-12-01\""));
        assert!(said.contains("planning.window night: found first = 2026-12-02"), "{said}");
        assert!(read(&window("night", "minutes = 60\ntime_zone = \"Europe/Berlin\"")).is_ok());
    }

    #[test]
    fn names_of_windows_freezes_and_exceptions_come_once_and_are_no_empty_text() {
        let twice = window("night", "minutes = 60") + &window("night", "minutes = 60");
        assert_eq!(
            mistake(&twice),
            "planning.window number 2.id: found \"night\" twice, expected each name once"
        );
        let said = mistake(&window(" ", "minutes = 60"));
        assert!(said.starts_with("planning.window number 1.id: found an empty text"), "{said}");
        let freeze = "[[planning.freeze]]\nid = \"f\"\nfrom = \"2026-12-01T00:00:00Z\"\nuntil = \"2026-12-02T00:00:00Z\"\n";
        assert_eq!(
            mistake(&freeze.repeat(2)),
            "planning.freeze number 2.id: found \"f\" twice, expected each name once"
        );
        let exception = "[[planning.exception]]\nid = \"e\"\nrule = \"degraded\"\nowner = \"ann\"\nexpires = \"2026-12-01\"\nreason = \"r\"\n";
        assert_eq!(
            mistake(&exception.repeat(2)),
            "planning.exception number 2.id: found \"e\" twice, expected each name once"
        );
    }

    #[test]
    fn a_freeze_that_ends_before_it_begins_is_refused() {
        let text = |until: &str| {
            format!("[[planning.freeze]]\nid = \"f\"\nfrom = \"2026-12-01T00:00:00Z\"\nuntil = \"{until}\"\n")
        };
        let said = mistake(&text("2026-11-30T00:00:00Z"));
        assert!(said.starts_with("planning.freeze f: found from = 2026-12-01T00:00:00Z, until ="), "{said}");
        assert!(mistake(&text("2026-12-01T00:00:00Z")).contains("until after from"));
        assert!(read(&text("2026-12-01T00:00:01Z")).is_ok());
    }

    #[test]
    fn rules_that_cannot_be_excepted_are_refused_with_those_that_can() {
        use crate::plan::Rule;
        use crate::policy::Leave;
        let text = |rule: Rule, scope: &str| {
            format!(
                "[[planning.exception]]\nid = \"e\"\nrule = \"{}\"\nowner = \"ann\"\nexpires = 2026-12-01\nreason = \"r\"\n\
                 scope = {{ {scope} }}\n",
                rule.name()
            )
        };
        let mut can = Vec::new();
        for &rule in Rule::ALL {
            let everywhere = read(&text(rule, ""));
            if let Leave::Nowhere(instead) = rule.leave() {
                let said = mistake(&text(rule, ""));
                let start = format!("planning.exception e.rule: found \"{}\", expected one of", rule.name());
                assert!(said.starts_with(&start) && said.ends_with(instead), "{said}");
                assert!(said.contains("restartability, storage-redundancy, apart,"), "{said}");
            } else {
                assert!(everywhere.is_ok(), "{everywhere:?}");
                can.push(rule.name());
            }
        }
        assert_eq!(
            can.join(" "),
            "restartability storage-redundancy apart together on-hosts release-diversity window freeze-calendar allowed-action degraded"
        );
        for (rule, key, allowed) in [
            (Rule::Restartability, "clusters", true),
            (Rule::Restartability, "planes", true),
            (Rule::Restartability, "hosts", false),
            (Rule::Apart, "tenants", false),
            (Rule::Degraded, "platforms", false),
            (Rule::AllowedAction, "tenants", true),
            (Rule::AllowedAction, "hosts", false),
            (Rule::Window, "hosts", true),
            (Rule::FreezeCalendar, "platforms", true),
        ] {
            let name = if key == "platforms" { "proxmox" } else { "x" };
            let text = text(rule, &format!("{key} = [\"{name}\"]"));
            if allowed {
                assert!(read(&text).is_ok(), "{rule:?} {key}: {:?}", read(&text));
            } else {
                let said = mistake(&text);
                assert!(
                    said.starts_with(&format!("planning.exception e.scope.{key}: found names")),
                    "{said}"
                );
            }
        }
        let both = text(Rule::Window, "hosts = [\"x\"], tenants = [\"y\"]");
        assert!(mistake(&both).starts_with("planning.exception e.scope: found both hosts and tenants"));
    }

    #[test]
    fn an_exception_needs_somebody_who_answers_for_it() {
        let text = |owner: &str, reason: &str| {
            format!(
                "[[planning.exception]]\nid = \"e\"\nrule = \"restartability\"\nowner = \"{owner}\"\n\
                 expires = \"2026-12-01\"\nreason = \"{reason}\"\n"
            )
        };
        assert!(mistake(&text(" ", "r")).starts_with("planning.exception e.owner: found an empty text"));
        assert!(mistake(&text("ann", "")).starts_with("planning.exception e.reason: found an empty text"));
        assert!(read(&text("ann", "r")).is_ok());
    }
}
