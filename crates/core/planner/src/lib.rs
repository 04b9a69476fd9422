//! Waves, placement and migration schedules. So far: how long a live migration takes, when given
//! migrations take place, and the static wave model.
//! Waves, placement and migration schedules. So far: how long a live migration takes, the static wave model, and
//! machine reassignment.
//!
//! ```
//! use underpin_planner::precopy::{MigrationLoad, precopy};
//!
//! // 64 GiB over 10 GbE while the guest writes 600 MB/s: 11 rounds, under two minutes, paused for 29 ms.
//! let load = MigrationLoad::new(65_536.0, 1192.0, 600.0, 64.0)?;
//! let migration = precopy(&load)?;
//! assert!(migration.converged && migration.rounds == 11);
//! # Ok::<(), underpin_model::quantity::InvalidArgument>(())
//! ```

pub mod campaign;
pub mod diff;
pub mod groups;
pub mod instances;
pub mod migrations;
pub mod precopy;
pub mod reassignment;
pub mod waves;
