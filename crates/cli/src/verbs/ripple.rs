//! `underpin ripple`: what stands on an asset or component, and what it stands on.

use underpin_exposure::ripple;

use crate::args::{Plain, Ripple};
use crate::exit::{Code, Failure};
use crate::{facts, output};

pub(crate) fn run(arguments: &Ripple) -> Result<Code, Failure> {
    let checked = facts::fleet(&arguments.fleet)?;
    let ripple = ripple::ripple(&checked.fleet, &arguments.at)
        .map_err(|error| Failure::NotFound(error.to_string()))?;
    if arguments.format == Plain::Json {
        output::json(&ripple)?;
        return Ok(Code::Done);
    }
    let mut text = String::new();
    for (title, nodes) in [("Stands on it", &ripple.above), ("It stands on", &ripple.below)] {
        let mut table = output::table(&["KIND", "ID", "VIA", "STEPS"]);
        for node in nodes {
            table.add_row([
                node.kind.to_string(),
                node.id.to_string(),
                node.via.to_string(),
                node.distance.to_string(),
            ]);
        }
        text += &format!("{title}: {}\n{table}\n\n", nodes.len());
    }
    let mut tenants = output::table(&["TENANT", "VMS"]);
    for count in &ripple.tenants {
        let name = count.tenant.as_ref().map_or("(none)", |tenant| tenant.as_str());
        tenants.add_row([name.to_owned(), count.vms.to_string()]);
    }
    text += &format!("Tenants: {}\n{tenants}\n", ripple.tenants.len());
    output::data(&text)?;
    Ok(Code::Done)
}
