//! `underpin wait`: patch now, wait or mitigate.

use underpin_risk::wait::{self, About, Answer, Named, Request};

use super::opening::{judged, warn};
use crate::args::{Tabular, Wait};
use crate::exit::{Code, Failure};
use crate::output;
use crate::report::wait as report;

/// Groups that are named to whoever asks for one that is not there.
const NAMED: usize = 5;

pub(crate) fn run(arguments: &Wait) -> Result<Code, Failure> {
    let beliefs = &arguments.beliefs;
    let on = judged(&arguments.of, beliefs.policy.as_deref(), beliefs.evidence.as_deref(), arguments.as_of)?;
    let on = on.with_hosts(&arguments.of.fleet)?;
    let request = Request {
        fleet: &on.fleet,
        assessment: &on.assessment,
        base: &on.base,
        policy: &on.policy,
        evidence: &on.evidence,
        horizon_days: arguments.horizon.into(),
    };
    let decisions = wait::groups(&request).map_err(|error| Failure::Policy {
        source_name: "policy or evidence".to_owned(),
        problems: vec![format!("  {error}")],
    })?;
    let mut about = About::of(&request, &decisions);
    warn(&about.evidence_unmatched, "");
    if arguments.format != Tabular::Json {
        warn(&about.warnings, "");
    }
    about.warnings.splice(0..0, on.left_out.iter().chain(&on.odd_day).cloned());
    let mut answer = Answer::of(&about, &decisions);
    if let Some(text) = &arguments.group {
        keep(&mut answer, text)?;
    }
    match arguments.format {
        Tabular::Json => output::json(&answer)?,
        Tabular::Csv => output::stream(None, |out| report::csv(&answer, out))?,
        Tabular::Table if arguments.group.is_some() => {
            output::data(&report::details(&answer, output::width()))?;
        }
        Tabular::Table => output::data(&report::table(&answer, arguments.all, output::width()))?,
    }
    Ok(Code::Done)
}

/// Leaves only the groups with this text in their name.
fn keep(answer: &mut Answer<'_>, text: &str) -> Result<(), Failure> {
    let mut names: Vec<String> = answer.groups.iter().map(|it| it.name.clone()).collect();
    names.dedup();
    answer.groups.retain(|it| named(it, text));
    if !answer.groups.is_empty() {
        return Ok(());
    }
    if names.is_empty() {
        return Err(Failure::NotFound(format!(
            "no group has anything to decide: no release is due on any host, so {text:?} names none"
        )));
    }
    let known = names.iter().take(NAMED).map(|it| format!("{it:?}")).collect::<Vec<_>>().join(", ");
    Err(Failure::NotFound(format!(
        "no group with a release that is due has {text:?} in its name; there {}: {known}{}",
        if names.len() == 1 { "is 1 group".to_owned() } else { format!("are {} groups", names.len()) },
        if names.len() > NAMED { ", ..." } else { "" }
    )))
}

fn named(one: &Named<'_>, text: &str) -> bool {
    let release = one.decision.release.as_deref().unwrap_or_default();
    let name = format!("{} {} {release}", one.name, one.decision.component);
    name.to_lowercase().contains(&text.to_lowercase())
}
