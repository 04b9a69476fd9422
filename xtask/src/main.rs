//! Tasks of this project: `cargo xtask ...`.
fn main() {}
