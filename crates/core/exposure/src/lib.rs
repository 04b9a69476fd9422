//! Who stands on what: matching of facts against a fleet, patch classes, and ripple through the stack.

pub mod report;
pub mod ripple;
