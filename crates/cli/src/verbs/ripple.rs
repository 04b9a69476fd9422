//! `underpin ripple`: what stands on an asset or component, and what it stands on.

use std::fmt::Write as _;

use underpin_exposure::ripple;
use underpin_exposure::ripple::Node;

use crate::args::{Plain, Ripple};
use crate::exit::{Code, Failure};
use crate::output::List;
use crate::{facts, output};

/// Elements of each side that are shown unless all are asked for: on most elements of a fleet stand thousands.
const FIRST: usize = 40;

pub(crate) fn run(arguments: &Ripple) -> Result<Code, Failure> {
    let checked = facts::fleet(&arguments.fleet)?;
    let ripple = ripple::ripple(&checked.fleet, &arguments.at)
        .map_err(|error| Failure::NotFound(error.to_string()))?;
    if arguments.format == Plain::Json {
        output::json(&ripple)?;
        return Ok(Code::Done);
    }
    let most = if arguments.all { usize::MAX } else { FIRST };
    let mut text = side("Stands on it", &ripple.above, most);
    text += &side("It stands on", &ripple.below, most);
    let _ = writeln!(text, "Tenants: {}", ripple.tenants.len());
    if !ripple.tenants.is_empty() {
        let mut tenants = List::new(&["TENANT", "VMS"], output::width());
        for count in &ripple.tenants {
            let name = count.tenant.as_ref().map_or("(none)", |tenant| tenant.as_str());
            tenants.row([name.to_owned(), count.vms.to_string()]);
        }
        let _ = write!(text, "{tenants}");
    }
    output::data(&text)?;
    Ok(Code::Done)
}

fn side(title: &str, nodes: &[Node], most: usize) -> String {
    let mut text = format!("{title}: {}\n", nodes.len());
    if nodes.is_empty() {
        return text + "\n";
    }
    let mut table = List::new(&["STEPS", "KIND", "VIA", "ID"], output::width());
    for node in nodes.iter().take(most) {
        table.row([node.distance.to_string(), node.kind.to_string(), node.via.to_string(), node.id.clone()]);
    }
    let _ = write!(text, "{table}");
    if nodes.len() > most {
        let _ = writeln!(text, "... and {} more (--all shows them)", nodes.len() - most);
    }
    text + "\n"
}
