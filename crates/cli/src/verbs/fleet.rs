//! `underpin fleet`: schema, example, sample and check.

use jiff::Timestamp;
use underpin_model::fleet::{self, Fleet, SampleSpec};
use underpin_risk::wait::contradictions;

use crate::args::{FleetCheck, FleetVerb, Output, Sample};
use crate::exit::{Code, Failure};
use crate::output::say;
use crate::{facts, output};

/// The moment at which the sample fleet was seen: fixed, so that the same seed gives the same file.
const SAMPLE_SEEN: &str = "2026-11-20T00:00:00Z";

pub(crate) fn run(verb: &FleetVerb) -> Result<Code, Failure> {
    match verb {
        FleetVerb::Schema => output::json(&fleet::schema())?,
        FleetVerb::Example => output::data(fleet::example())?,
        FleetVerb::Sample(arguments) => {
            // A large fleet takes minutes: a path that cannot be written should not cost them.
            if let Some(path) = &arguments.output.out {
                underpin_engine::output::can_write(path)?;
            }
            write(&sample(arguments)?, &arguments.output)?;
        }
        FleetVerb::Check(arguments) => check(arguments)?,
    }
    Ok(Code::Done)
}

/// The sample fleet of a size and seed.
pub(crate) fn sample(arguments: &Sample) -> Result<Fleet, Failure> {
    if arguments.hosts == 0 {
        return Err(Failure::Usage("a fleet needs at least one host: --hosts 1 or more".to_owned()));
    }
    let at: Timestamp = SAMPLE_SEEN.parse().map_err(|error| Failure::Internal(format!("{error}")))?;
    Ok(fleet::sample(
        &SampleSpec { hosts: arguments.hosts, seed: arguments.seed, ..SampleSpec::default() },
        at,
    ))
}

fn check(arguments: &FleetCheck) -> Result<(), Failure> {
    let checked = facts::fleet(&arguments.fleet)?;
    let fleet = &checked.fleet;
    let warnings: Vec<String> =
        checked.warnings.iter().map(ToString::to_string).chain(contradictions(fleet)).collect();
    for warning in &warnings {
        say!("warning: {warning}");
    }
    output::plain(&format!(
        "{}: {} sites, {} clusters, {} hosts, {} VMs, {} images, {} tenants, {} component sets; {} warnings\n",
        fleet.name,
        fleet.sites.len(),
        fleet.clusters.len(),
        fleet.hosts.len(),
        fleet.vms.len(),
        fleet.images.len(),
        fleet.tenants.len(),
        fleet.component_sets.len(),
        warnings.len()
    ))
}

/// Writes a fleet as JSON, or as YAML where the file name asks for it.
pub(crate) fn write(fleet: &Fleet, output: &Output) -> Result<(), Failure> {
    let Some(path) = &output.out else {
        return output::json(fleet);
    };
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let text = if yaml {
        serde_yaml_ng::to_string(fleet)
            .map_err(|error| Failure::Internal(format!("cannot write YAML: {error}")))?
    } else {
        serde_json::to_string(fleet)
            .map_err(|error| Failure::Internal(format!("cannot write JSON: {error}")))?
    };
    output::file(path, text.as_bytes())?;
    say!("{}: {} hosts, {} VMs", path.display(), fleet.hosts.len(), fleet.vms.len());
    Ok(())
}
