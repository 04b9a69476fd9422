//! `underpin wait`: patch now, wait or mitigate.

use underpin_risk::freshness::feed_warnings;
use underpin_risk::wait::unmatched::due;
use underpin_risk::wait::{self, GroupDecision, Request};

use super::opening::{judged, warn};
use crate::args::{Tabular, Wait};
use crate::exit::{Code, Failure};
use crate::output;
use crate::report::wait::{self as report, Answer};

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
    let mut groups = wait::groups(&request).map_err(|error| Failure::Policy {
        source_name: "policy or evidence".to_owned(),
        problems: vec![format!("  {error}")],
    })?;
    on.warn_of_unmatched_evidence(&due(&groups));
    if let Some(text) = &arguments.group {
        let mut names: Vec<String> = groups.iter().map(|it| it.group.to_string()).collect();
        names.dedup();
        groups.retain(|it| named(it, text));
        if groups.is_empty() {
            let known = names.iter().take(NAMED).map(|it| format!("{it:?}")).collect::<Vec<_>>().join(", ");
            return Err(Failure::NotFound(format!(
                "no group with a release that is due has {text:?} in its name; there are {} groups: {known}{}",
                names.len(),
                if names.len() > NAMED { ", ..." } else { "" }
            )));
        }
    }
    let warnings: Vec<String> =
        on.left_out.iter().cloned().chain(feed_warnings(&on.base, &on.assessment)).collect();
    if arguments.format != Tabular::Json {
        warn(&feed_warnings(&on.base, &on.assessment), "");
    }
    let answer = Answer {
        as_of: on.assessment.as_of,
        currency: &on.policy.currency,
        rates_stated: on.policy.loss.stated,
        horizon_days: request.horizon_days,
        seed: on.policy.seed,
        warnings,
        groups: &groups,
    };
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

fn named(one: &GroupDecision, text: &str) -> bool {
    let name = format!("{} {} {}", one.group, one.component, one.release.as_deref().unwrap_or_default());
    name.to_lowercase().contains(&text.to_lowercase())
}
