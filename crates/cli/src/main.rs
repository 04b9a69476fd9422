//! The one binary, `underpin`.
fn main() {}
