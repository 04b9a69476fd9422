//! `underpin risk`: what open holes and bad patches cost a fleet; `risk elicit`: the parameters as questions.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use underpin_model::policy::{Policy, Setting};
use underpin_model::quantity::Days;
use underpin_risk::report::{ReportError, Request, report};
use underpin_risk::standing::Standings;

use super::opening::{FLEET_CHECK, judged, nothing_to_judge, warn};
use crate::args::{Elicit, FleetAndFacts, PolicyAndEvidence, Risk, RiskShape, RiskVerb, Sheet, Tabular};
use crate::exit::{Code, Failure};
use crate::output::List;
use crate::report::{risk as figures, standing};
use crate::{facts, output};

pub(crate) fn run(arguments: &Risk) -> Result<Code, Failure> {
    let (beliefs, shape) = (&arguments.beliefs, &arguments.shape);
    match (&arguments.verb, &arguments.of) {
        (Some(RiskVerb::Elicit(arguments)), _) => elicit(arguments),
        (None, Some(of)) if shape.standing => standing_of(of, beliefs, shape),
        (None, Some(of)) => risk_of(of, beliefs, shape),
        (None, None) => {
            Err(Failure::Usage("name a fleet file, or `underpin risk elicit` for the parameters".to_owned()))
        }
    }
}

fn risk_of(of: &FleetAndFacts, beliefs: &PolicyAndEvidence, arguments: &RiskShape) -> Result<Code, Failure> {
    let on = judged(of, beliefs.policy.as_deref(), beliefs.evidence.as_deref(), arguments.as_of)?;
    let request = Request {
        samples: arguments.samples,
        independent: arguments.independent,
        group_by: arguments.group_by,
        deferral_days: Days::new(f64::from(arguments.deferral_days)).unwrap_or_default(),
        ..Request::new(&on.fleet, &on.assessment, &on.base, &on.policy, &on.evidence)
    };
    let mut answer = report(&request).map_err(|error| refused(&error, &of.fleet))?;
    answer.warnings.extend(on.left_out.iter().cloned());
    if arguments.format == Tabular::Json {
        answer.warnings.extend(on.odd_day.iter().cloned());
    }
    warn(&answer.evidence_unmatched, "");
    let path = arguments.out.as_deref();
    match arguments.format {
        Tabular::Json => write_json(path, &answer)?,
        Tabular::Csv => output::stream(path, |out| figures::csv(&answer, out))?,
        Tabular::Table => write_table(path, &|width| figures::table(&answer, arguments.all, width))?,
    }
    Ok(Code::Done)
}

/// Where confidentiality, integrity and availability stand.
fn standing_of(
    of: &FleetAndFacts,
    beliefs: &PolicyAndEvidence,
    arguments: &RiskShape,
) -> Result<Code, Failure> {
    let policy = facts::policy(beliefs.policy.as_deref())?;
    let checked = facts::fleet(&of.fleet)?;
    warn(&checked.warnings, FLEET_CHECK);
    let answer = standing::Answers::of(&checked.fleet, &Standings::new(&checked.fleet, &policy));
    let path = arguments.out.as_deref();
    match arguments.format {
        Tabular::Json => write_json(path, &answer)?,
        Tabular::Csv => output::stream(path, |out| standing::csv(&answer, out))?,
        Tabular::Table => write_table(path, &|width| standing::table(&answer, arguments.all, width))?,
    }
    Ok(Code::Done)
}

fn write_json(path: Option<&Path>, answer: &impl Serialize) -> Result<(), Failure> {
    output::stream(path, |out| {
        serde_json::to_writer_pretty(&mut *out, answer)?;
        out.write_all(b"\n")
    })
}

/// A table is as wide as the terminal, and in a file each row is one line.
fn write_table(path: Option<&Path>, render: &dyn Fn(Option<u16>) -> String) -> Result<(), Failure> {
    match path {
        Some(path) => output::file(path, output::harmless(&render(None)).as_bytes()),
        None => output::data(&render(output::width())),
    }
}

/// What cannot be computed is a matter of the policy or the evidence: a checked fleet always can be, but one without hosts.
fn refused(error: &ReportError, fleet: &Path) -> Failure {
    if matches!(error, ReportError::NothingToJudge { .. }) {
        return nothing_to_judge(fleet);
    }
    Failure::Policy { source_name: "policy or evidence".to_owned(), problems: vec![format!("  {error}")] }
}

fn elicit(arguments: &Elicit) -> Result<Code, Failure> {
    let policy = facts::policy(arguments.policy.as_deref())?;
    let text = match arguments.format {
        Sheet::Table => table(&policy),
        Sheet::Toml => toml(&policy)?,
    };
    output::data(&text)?;
    Ok(Code::Done)
}

fn table(policy: &Policy) -> String {
    let mut list = List::new(
        &["PARAMETER", "UNIT", "VALUE", "LOW", "HIGH", "MARK", "QUESTION AND SOURCE"],
        output::width(),
    );
    for (parameter, setting) in policy.parameters.iter() {
        let fact = parameter.fact();
        list.row([
            fact.name.to_owned(),
            unit(fact.unit.expected()),
            setting.value.to_string(),
            setting.low.to_string(),
            setting.high.to_string(),
            mark(setting).to_owned(),
            format!("{} [{}]", fact.question, setting.source),
        ]);
    }
    list.to_string()
}

/// The first words of what a unit accepts say what it is.
fn unit(expected: &str) -> String {
    let name = expected.trim_start_matches("a finite ").trim_start_matches("a ");
    let end = [" from", ",", " above"].iter().filter_map(|word| name.find(word)).min().unwrap_or(name.len());
    name.get(..end).unwrap_or(name).to_owned()
}

fn mark(setting: &Setting) -> &'static str {
    match (setting.stated, setting.judgement) {
        (true, true) => "stated, judgement",
        (true, false) => "stated",
        (false, true) => "judgement",
        (false, false) => "study",
    }
}

/// A part of a policy file, which keeps sources and marks when it is read back.
fn toml(policy: &Policy) -> Result<String, Failure> {
    let mut text = "format = \"underpin/policy/1\"\n\n# Replace what you know better, and say in source who says so.\n[parameters]\n".to_owned();
    for (parameter, setting) in policy.parameters.iter() {
        let fact = parameter.fact();
        // A JSON string is a TOML string too.
        let source =
            serde_json::to_string(&setting.source).map_err(|error| Failure::Internal(error.to_string()))?;
        let _ = write!(
            text,
            "\n# {}\n# {}; {}\n{} = {{ value = {}, low = {}, high = {}, source = {source} }}\n",
            fact.question,
            fact.unit.expected(),
            mark(setting),
            fact.name,
            number(setting.value),
            number(setting.low),
            number(setting.high),
        );
    }
    Ok(text)
}

/// A number that is no integer to TOML.
fn number(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use underpin_model::policy;

    use super::*;

    #[test]
    fn the_sheet_is_read_back_as_a_policy_with_the_same_parameters() {
        let stated =
            policy::read("[parameters]\nrho = { value = 0.1, source = \"a \\\"quoted\\\" source\" }\n")
                .unwrap();
        for policy in [Policy::default(), stated] {
            let read = policy::read(&toml(&policy).unwrap()).unwrap();
            for ((name, before), (_, after)) in policy.parameters.iter().zip(read.parameters.iter()) {
                let all = |it: &Setting| (it.value, it.low, it.high, it.judgement, it.source.clone());
                assert_eq!(all(before), all(after), "{name:?}");
                assert!(after.stated);
            }
        }
    }

    #[test]
    fn a_value_that_is_filled_in_counts() {
        let sheet = toml(&Policy::default()).unwrap();
        let filled = sheet.replace("theta = { value = 0.024", "theta = { value = 0.05");
        assert_ne!(sheet, filled);
        let read = policy::read(&filled).unwrap();
        assert_eq!(read.parameters.get(policy::Parameter::Theta), 0.05);
        let wrong =
            policy::read(&sheet.replace("theta = { value = 0.024", "theta = { value = 9.0")).unwrap_err();
        assert!(wrong[0].to_string().contains("parameters.theta"), "{wrong:?}");
    }

    #[test]
    fn units_are_named_shortly() {
        let units: Vec<String> = [
            "a probability from 0 to 1",
            "a finite rate per day, not negative",
            "a Weibull shape from 0.01 to 1",
        ]
        .map(unit)
        .to_vec();
        assert_eq!(units, ["probability", "rate per day", "Weibull shape"]);
    }
}
