//! `underpin wait`: patch now, wait or mitigate.

use jiff::Timestamp;
use underpin_exposure::{Options, assess};
use underpin_risk::wait::{self, GroupDecision, Request};

use super::assess::{as_of, warn};
use crate::args::{Tabular, Wait};
use crate::exit::{Code, Failure};
use crate::report::wait::{self as report, Answer};
use crate::{facts, output};

pub(crate) fn run(arguments: &Wait) -> Result<Code, Failure> {
    let now = Timestamp::now();
    let as_of = as_of(arguments.as_of, now)?;
    let policy = facts::policy(arguments.policy.as_deref())?;
    let evidence = facts::evidence(arguments.evidence.as_deref())?;
    let checked = facts::fleet(&arguments.fleet)?;
    warn(&checked.warnings);
    let base = facts::base(&arguments.feeds, !arguments.no_builtin, now)?;
    let assessment = assess(&checked.fleet, &base, &Options::at(as_of));
    let request = Request {
        fleet: &checked.fleet,
        assessment: &assessment,
        base: &base,
        policy: &policy,
        evidence: &evidence,
        horizon_days: arguments.horizon.into(),
    };
    let mut groups = wait::groups(&request).map_err(|error| Failure::Policy {
        source_name: "policy or evidence".to_owned(),
        problems: vec![format!("  {error}")],
    })?;
    if let Some(text) = &arguments.group {
        groups.retain(|it| named(it, text));
        if groups.is_empty() {
            return Err(Failure::NotFound(format!(
                "no group with a release that is due has {text:?} in its name; without --group all are listed"
            )));
        }
    }
    let answer = Answer {
        as_of,
        currency: &policy.currency,
        rates_stated: policy.loss.stated,
        horizon_days: request.horizon_days,
        seed: policy.seed,
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
