//! Reports in their forms.

pub(crate) mod cadence;
pub(crate) mod csv;
mod hits;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod left_out;
mod sums;
pub(crate) mod table;
mod unknown;
pub(crate) mod wait;
