//! Sections whose formulas are in the planner.

use underpin_planner::precopy::{MigrationLoad, precopy};

use super::row::{BadRow, Got, Row};
use super::{Outputs, Section};

pub(super) const SECTIONS: &[Section] =
    &[Section { name: "precopy", inputs: &["V", "R", "D", "thr"], compute: migration }];

fn migration(row: &Row<'_>) -> Result<Outputs, BadRow> {
    let [memory, bandwidth, dirty, threshold] = ["V", "R", "D", "thr"].map(|name| row.number(name));
    let found = precopy(&MigrationLoad::new(memory?, bandwidth?, dirty?, threshold?)?)?;
    Ok(vec![
        ("rounds", f64::from(found.rounds).into()),
        ("precopy_s", found.precopy_s.into()),
        ("downtime_s", found.downtime_s.into()),
        ("total_s", found.total_s.into()),
        ("closed_form_limit", found.closed_form_limit_s.map_or(Got::Nothing, Got::Number)),
    ])
}
