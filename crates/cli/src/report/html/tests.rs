//! The structure of a small report, and what must hold for any.
