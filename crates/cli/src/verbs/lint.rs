//! `underpin lint`: a plan replayed against its fleet and policy.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use underpin_lint::{LintReport, Options, lint};
use underpin_model::plan::{self, Plan, Severity};

use crate::args::{Lint, LintFailOn, Plain};
use crate::exit::{Code, Failure};
use crate::output::List;
use crate::{facts, output};

pub(crate) fn run(arguments: &Lint) -> Result<Code, Failure> {
    if arguments.plan.as_os_str() == "-" && arguments.fleet.as_os_str() == "-" {
        return Err(Failure::Usage("only one of plan and --fleet can come from standard input".to_owned()));
    }
    let plan = read(&arguments.plan, &facts::bytes(&arguments.plan)?)?;
    let (checked, fleet_sha256) = facts::fleet_hashed(&arguments.fleet)?;
    let policy_sha256 = match &arguments.policy {
        Some(path) => Some(sha256(&facts::bytes(path)?)),
        None => None,
    };
    let policy = facts::policy(arguments.policy.as_deref())?;
    let options = Options { most_findings: arguments.most, fleet_sha256: Some(fleet_sha256), policy_sha256 };
    let report = lint(&checked.fleet, &policy, &plan, &options);
    match arguments.format {
        Plain::Json => output::json(&report)?,
        Plain::Table => output::data(&table(&plan, &report, arguments.policy.is_some()))?,
    }
    let also = arguments.fail_on.iter().any(|it| {
        let severity = match it {
            LintFailOn::Before => Severity::Before,
            LintFailOn::Unknown => Severity::Unknown,
            LintFailOn::Worse => Severity::Worse,
        };
        report.count(severity) > 0
    });
    Ok(if also || !report.is_clean() { Code::Findings } else { Code::Done })
}

/// SHA-256 in lower-case hexadecimal, as plans name what they were made from.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a plan from its bytes.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Plan, Failure> {
    plan::read(bytes).map_err(|errors| Failure::Plan {
        source_name: path.display().to_string(),
        problems: errors.iter().map(|error| format!("  {error}")).collect(),
    })
}

/// An offset as people say it: `+2 h 03 min`.
fn since(offset_s: u32) -> String {
    let (hours, minutes, seconds) = (offset_s / 3600, offset_s / 60 % 60, offset_s % 60);
    let rest = if seconds == 0 { String::new() } else { format!(" {seconds:02} s") };
    if hours == 0 { format!("+{minutes} min{rest}") } else { format!("+{hours} h {minutes:02} min{rest}") }
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Before => "before",
        Severity::Unknown => "unknown",
        Severity::Worse => "worse",
    }
}

/// Whether the plan may be carried out, and by which rules.
fn verdict(plan: &Plan, report: &LintReport, with_policy: bool) -> String {
    match &plan.made_from.policy_sha256 {
        _ if !report.is_clean() => "it must not be carried out".to_owned(),
        Some(sha256) if !with_policy => format!(
            "it keeps the rules of the default policy; it was made with another policy (SHA-256 {}): give --policy",
            output::harmless(sha256)
        ),
        _ => match report.checked.iter().map(|it| it.before).sum::<u64>() {
            0 => "it keeps every rule".to_owned(),
            1 => "it makes nothing worse; one rule is broken before it".to_owned(),
            broken => format!("it makes nothing worse; rules are broken before it in {broken} places"),
        },
    }
}

fn table(plan: &Plan, report: &LintReport, with_policy: bool) -> String {
    let mut text = String::new();
    let verdict = verdict(plan, report, with_policy);
    let _ = writeln!(
        text,
        "Plan of {} steps, from {} to {} ({}): {verdict}",
        plan.steps.len(),
        plan.starts_at,
        plan.instant(report.ends_at_s),
        since(report.ends_at_s)
    );
    if !report.findings.is_empty() {
        let header = ["SEVERITY", "AFTER", "AT", "RULE", "STEP", "PLACE", "FOUND"];
        let mut findings = List::new(&header, output::width());
        for line in report.lines() {
            let it = line.first;
            let more = match line.more {
                0 => String::new(),
                more => format!(" (and {more} more like it)"),
            };
            findings.row([
                name(it.severity).to_owned(),
                it.at_s.map_or_else(|| "-".to_owned(), since),
                it.at_s.map_or_else(|| "-".to_owned(), |at| plan.instant(at).to_string()),
                it.rule.name().to_owned(),
                it.step.map_or_else(|| "-".to_owned(), |step| step.to_string()),
                it.place.clone(),
                format!("{}; expected {}{more}", it.found, it.expected),
            ]);
        }
        let _ = write!(text, "\n{findings}");
    }
    for it in &report.exceptions {
        let line = format!(
            "Exception {} of {} used {} times for {}, first at {}: {}",
            it.id,
            it.owner,
            it.uses,
            it.rule.name(),
            it.first.place,
            it.first.found
        );
        let _ = writeln!(text, "{}", output::harmless(&line.replace('\n', " ")));
    }
    let mut rules = List::new(&["RULE", "COMPARED", "ERRORS", "BEFORE", "UNKNOWN", "WORSE"], output::width());
    for it in &report.checked {
        let compared = if it.compared == 0 { "nothing".to_owned() } else { it.compared.to_string() };
        let counts = [it.errors, it.before, it.unknown, it.worse].map(|it| it.to_string());
        let [errors, before, unknown, worse] = counts;
        rules.row([it.rule.name().to_owned(), compared, errors, before, unknown, worse]);
    }
    let _ = write!(text, "\n{rules}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_another_policy_keeps_the_rules_of_the_default_one_only() {
        let text = r#"{"format": "underpin/plan/1", "made_from": {"fleet": "f", "seen_at": "2026-11-20T00:00:00Z", "policy_sha256": "HASH",
            "seed": 1, "evaluations": 1}, "starts_at": "2026-11-21T00:00:00Z", "profile": "normal", "placing": "we-place", "homing": "drift",
            "waves": [], "steps": []}"#;
        let hash = "ab".repeat(32);
        let mut plan = plan::read(text.replace("HASH", &hash).as_bytes()).unwrap();
        let seen = underpin_model::fleet::Seen { at: plan.made_from.seen_at, by: "test".to_owned() };
        let fleet = underpin_model::fleet::Fleet::new("f", seen);
        let report = lint(&fleet, &underpin_model::policy::Policy::default(), &plan, &Options::default());
        let told = verdict(&plan, &report, false);
        assert!(
            told.contains(&format!("default policy; it was made with another policy (SHA-256 {hash}): give")),
            "{told}"
        );
        assert_eq!(verdict(&plan, &report, true), "it keeps every rule");
        plan.made_from.policy_sha256 = None;
        assert_eq!(verdict(&plan, &report, false), "it keeps every rule");
    }

    #[test]
    fn offsets_read_as_hours_and_minutes() {
        assert_eq!(since(0), "+0 min");
        assert_eq!(since(7380), "+2 h 03 min");
        assert_eq!(since(61), "+1 min 01 s");
    }
}
