//! Waves, placement and migration schedules. So far: how long a live migration takes, and the static wave model.

pub mod groups;
pub mod instances;
pub mod waves;
