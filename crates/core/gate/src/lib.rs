//! Statistics of a roll-out that stay valid while someone watches.
