//! Waves, placement and migration schedules. So far: how long a live migration takes.
