//! `underpin plan show`: a plan for people; `plan schema`: its form for programs.

use serde::Serialize;
use underpin_model::plan::{self, Plan, PlanReport, Step};

use super::files;
use crate::args::{Plain, PlanFile, PlanSchema, PlanShow};
use crate::exit::{Code, Failure};
use crate::output::{self, say};
use crate::report::plan::steps::{concerns, steps};
use crate::report::plan::{Shown, gantt, picture, zones::Zones};

/// Width of a Gantt chart that does not go to a terminal.
const PLAIN_WIDTH: u16 = 100;

/// A plan, or its steps for one element, as JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Whole { plan: &'a Plan, report: Option<&'a PlanReport> },
    Steps(Vec<&'a Step>),
}

pub(super) fn schema(arguments: &PlanSchema) -> Result<Code, Failure> {
    output::json(&match arguments.of {
        PlanFile::Plan => plan::schema(),
        PlanFile::Report => plan::report_schema(),
    })?;
    Ok(Code::Done)
}

pub(super) fn run(arguments: &PlanShow) -> Result<Code, Failure> {
    let (plan, sha256) = files::plan(&arguments.plan)?;
    let report = arguments.report.as_deref().map(|path| files::report(path, &sha256)).transpose()?;
    if let Some(path) = &arguments.svg {
        output::file(path, picture::svg(&plan, arguments.all).as_bytes())?;
        say!("{}: {} waves", path.display(), plan.waves.len());
    }
    let width = output::width();
    if let Some(id) = &arguments.host {
        return host(arguments, &plan, id, width);
    }
    if arguments.gantt {
        let chart = match width {
            Some(width) => gantt::chart(&plan, width, &gantt::UNICODE, arguments.all),
            None => gantt::chart(&plan, PLAIN_WIDTH, &gantt::PLAIN, arguments.all),
        };
        output::plain(&chart)?;
        return Ok(Code::Done);
    }
    let zones = Zones::default();
    let shown = Shown { plan: &plan, report: report.as_ref(), zones: &zones, all: arguments.all, width };
    match arguments.format {
        Plain::Json => output::json(&Answer::Whole { plan: &plan, report: report.as_ref() })?,
        // Who asked for a picture alone has it.
        Plain::Table if arguments.svg.is_some() && arguments.report.is_none() => {}
        Plain::Table => output::data(&shown.table())?,
    }
    Ok(Code::Done)
}

fn host(arguments: &PlanShow, plan: &Plan, id: &str, width: Option<u16>) -> Result<Code, Failure> {
    let own: Vec<&Step> = plan.steps.iter().filter(|it| concerns(it, id)).collect();
    if own.is_empty() {
        let left = plan.left_out.iter().any(|it| it.element.as_str() == id);
        let why = if left {
            "the plan leaves it as it is; --report FILE without --host says why"
        } else {
            "no step of the plan is about it"
        };
        return Err(Failure::NotFound(format!("{id}: {why}")));
    }
    match arguments.format {
        Plain::Json => output::json(&Answer::Steps(own))?,
        Plain::Table => output::data(&steps(plan, id, &own, width))?,
    }
    Ok(Code::Done)
}
