//! The exposure report in its forms.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod table;
