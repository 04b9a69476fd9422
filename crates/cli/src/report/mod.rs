//! The exposure report in its forms.

pub(crate) mod csv;
mod hits;
pub(crate) mod html;
pub(crate) mod json;
mod sums;
pub(crate) mod table;
mod unknown;
pub(crate) mod wait;
