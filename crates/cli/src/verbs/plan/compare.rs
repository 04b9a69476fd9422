//! `underpin plan diff`: what one plan does otherwise than another.

use std::fmt::Write as _;

use underpin_planner::diff::{PlanDiff as Difference, diff};

use super::files;
use crate::args::{Plain, PlanDiff};
use crate::exit::{Code, Failure};
use crate::output;

pub(super) fn run(arguments: &PlanDiff) -> Result<Code, Failure> {
    let (old, _) = files::plan(&arguments.old)?;
    let (new, _) = files::plan(&arguments.new)?;
    let difference = diff(&old, &new);
    match arguments.format {
        Plain::Json => output::json(&difference)?,
        Plain::Table => output::plain(&table(&difference))?,
    }
    let failed = arguments.fail_on_change && !difference.is_empty();
    Ok(if failed { Code::Findings } else { Code::Done })
}

fn table(difference: &Difference) -> String {
    let mut text = String::new();
    for line in difference.lines() {
        let _ = writeln!(text, "{}", line.replace('\n', " "));
    }
    let _ = writeln!(
        text,
        "{} come in, {} are done, {} are not in it any more, {} at another time, {} guests go elsewhere, {} steps and facts otherwise, \
         {} at the same time",
        difference.added.len(),
        difference.done.len(),
        difference.removed.len() - difference.done.len(),
        difference.moved.len(),
        difference.redirected.len(),
        difference.otherwise.len(),
        difference.same
    );
    text
}
