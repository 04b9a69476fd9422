//! Reports in their forms.

pub(crate) mod cadence;
mod clear;
pub(crate) mod csv;
mod hits;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod left_out;
pub(crate) mod plan;
pub(crate) mod risk;
pub(crate) mod standing;
mod sums;
pub(crate) mod table;
mod unknown;
pub(crate) mod wait;
