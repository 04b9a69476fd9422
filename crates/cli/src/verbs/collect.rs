//! `underpin collect`: a fleet file from this machine or from another tool's inventory.

use std::path::Path;

use jiff::Timestamp;
use underpin_platforms::{Collected, csv, cyclonedx, local, rvtools};

use crate::args::{Collect, CollectBom, Output};
use crate::exit::{Code, Failure};
use crate::output::say;
use crate::{facts, verbs};

pub(crate) fn run(verb: &Collect) -> Result<Code, Failure> {
    let now = Timestamp::now();
    match verb {
        Collect::Local(output) => {
            let collected = local::collect(&local::Root::live(), now, "collect local")
                .map_err(|error| Failure::Inventory(error.to_string()))?;
            finish(&collected, output)
        }
        Collect::Rvtools(arguments) => {
            let bytes = facts::bytes(&arguments.file)?;
            let collected = rvtools::read(&bytes, &name(&arguments.file), now)
                .map_err(|error| Failure::Inventory(error.to_string()))?;
            finish(&collected, &arguments.output)
        }
        Collect::Cyclonedx(arguments) => cyclonedx(arguments, now),
        Collect::Csv(arguments) => {
            let bytes = facts::bytes(&arguments.file)?;
            let collected = csv::read(&bytes, &name(&arguments.file), now)
                .map_err(|error| Failure::Inventory(error.to_string()))?;
            finish(&collected, &arguments.output)
        }
    }
}

fn cyclonedx(arguments: &CollectBom, now: Timestamp) -> Result<Code, Failure> {
    let bytes = facts::bytes(&arguments.file)?;
    let invalid = |error: underpin_model::id::InvalidId| Failure::Usage(error.to_string());
    let subject = match (&arguments.host, &arguments.image) {
        (Some(host), _) => {
            cyclonedx::Subject::Host(underpin_model::id::HostId::new(host.as_str()).map_err(invalid)?)
        }
        (None, Some(image)) => {
            cyclonedx::Subject::Image(underpin_model::id::ImageId::new(image.as_str()).map_err(invalid)?)
        }
        (None, None) => return Err(Failure::Usage("expected --host ID or --image ID".to_owned())),
    };
    let collected = cyclonedx::read(&bytes, subject, &name(&arguments.file), now)
        .map_err(|error| Failure::Inventory(error.to_string()))?;
    finish(&collected, &arguments.output)
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn finish(collected: &Collected, output: &Output) -> Result<Code, Failure> {
    for note in &collected.notes {
        say!("note: {note}");
    }
    verbs::fleet::write(&collected.fleet, output)?;
    Ok(Code::Done)
}
