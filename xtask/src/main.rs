//! Tasks of this project: `cargo xtask ...`.

mod facts;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["facts"] => facts::run(false),
        ["facts", "--check"] => facts::run(true),
        _ => anyhow::bail!("usage: cargo xtask facts [--check]"),
    }
}
