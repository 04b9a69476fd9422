//! Plans for people: tables, Gantt charts in the terminal and as pictures.

mod axis;
pub(crate) mod compared;
pub(crate) mod gantt;
mod head;
pub(crate) mod picture;
mod rows;
pub(crate) mod static_waves;
pub(crate) mod steps;
mod table;
mod unblock;
mod words;
pub(crate) mod zones;

use underpin_model::plan::{Plan, PlanReport};

use self::zones::Zones;

/// A plan with what is known of it, to be written down.
pub(crate) struct Shown<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// Its report: without it nothing is said about reasons, bounds and what is blocked.
    pub(crate) report: Option<&'a PlanReport>,
    /// Time zones of clusters.
    pub(crate) zones: &'a Zones,
    /// Every row, not only the first ones.
    pub(crate) all: bool,
    /// Columns of the terminal; `None`: there is none.
    pub(crate) width: Option<u16>,
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod words_tests;
