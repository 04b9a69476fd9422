//! `cargo xtask bench`: the promises of speed and memory, measured in processes of their own and written to
//! `docs/benchmarks.md`. Nothing here fails a test: a figure belongs to the machine that it was taken on.

mod ingest;
mod machine;
mod matching;
mod plan;
mod risk;
mod roadef;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::workspace;

/// Where results are written, below the root.
const PAGE: &str = "docs/benchmarks.md";

/// Threads that a measured process may use.
const THREADS: usize = 2;

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`; one part alone: `cargo xtask bench ingest` (or `match`, `risk`, `plan`, `roadef`, and `plan full`, `plan exact`, `plan static`). Each figure is of a process of
its own, optimised, on two threads; each part says what it was run on. Sizes: 1 MB is 1,000,000 bytes. Peaks are
the kernel's largest resident size of the process (`VmHWM`). Other machines give other figures: no test asserts them.
The single parsers, the matching of a small fleet and the version orders have Criterion benches: `cargo bench -p underpin-feeds`,
`cargo bench -p underpin-exposure`.
";

/// Measures what the words ask for: `ingest`, `match`, `risk`, `plan`, `all` of these, or `roadef`, which takes five minutes an instance.
///
/// # Errors
/// Unknown words, reference data or a program that is missing, a measured process that fails.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["roadef", options @ ..] = words.as_slice() {
        let options = roadef::Options::of(options)?;
        return put("roadef", &roadef::measure(&plan::data()?, &options)?);
    }
    if let ["plan", only] = words.as_slice() {
        return plans(Some(only));
    }
    let wanted = match words.as_slice() {
        [] | ["all"] => &["ingest", "match", "risk", "plan"][..],
        ["ingest"] => &["ingest"],
        ["match"] => &["match"],
        ["risk"] => &["risk"],
        ["plan"] => &["plan"],
        _ => bail!(
            "usage: cargo xtask bench [ingest|match|risk|plan|all], or plan full|exact|static, or roadef [--only a1_1,...] [--seconds 300]"
        ),
    };
    if wanted.contains(&"plan") {
        plans(None)?;
    }
    if wanted == ["plan"] {
        return Ok(());
    }
    let shared = workspace::shared_data()
        .context("shared/data is not found: set UNDERPIN_SHARED_DATA to its folder")?
        .join("feeds");
    let measure = build()?;
    for (name, part) in [
        ("ingest", ingest::measure as fn(&Path, &Path) -> Result<String>),
        ("match", matching::measure),
        ("risk", risk::measure),
    ] {
        if wanted.contains(&name) {
            put(name, &part(&measure, &shared)?)?;
        }
    }
    Ok(())
}

/// The parts about plans, or one of them; each is on the page as soon as it is measured.
fn plans(only: Option<&str>) -> Result<()> {
    let parts = [("full", "plan-full"), ("exact", "plan-exact"), ("static", "plan")];
    let wanted: Vec<_> = parts.iter().filter(|it| only.is_none_or(|only| it.0 == only)).collect();
    ensure!(!wanted.is_empty(), "usage: cargo xtask bench plan [full|exact|static]");
    let program = plan::build()?;
    for (part, name) in wanted {
        put(name, &plan::measure(&program, part, &plan::data()?)?)?;
    }
    Ok(())
}

/// Shows a part and writes it to the page.
fn put(name: &str, part: &str) -> Result<()> {
    let text = format!("{part}\n{}", machine::describe());
    println!("\n{text}");
    let page = workspace::root().join(PAGE);
    let old = if page.exists() { fs::read_to_string(&page)? } else { HEAD.to_owned() };
    fs::write(&page, with_part(&old, name, &text))?;
    println!("written to {PAGE}");
    Ok(())
}

/// Builds the program that measures, and says where it is.
fn build() -> Result<PathBuf> {
    let arguments =
        ["build", "--release", "--locked", "--package", "underpin-engine", "--example", "measure_facts"];
    let status = workspace::cargo_command(&arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "the program that measures does not build");
    let target = workspace::metadata(false)?.target_directory;
    Ok(target.as_std_path().join("release/examples/measure_facts"))
}

/// Runs a program to its end and reads the JSON object that it prints.
fn measured(mut command: Command) -> Result<Value> {
    let output = command
        .env("RAYON_NUM_THREADS", THREADS.to_string())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).with_context(|| format!("cannot read what {command:?} printed"))
}

/// One run of the program that measures.
fn once(measure: &Path, words: &[&str]) -> Result<Value> {
    let mut command = Command::new(measure);
    command.args(words);
    measured(command)
}

/// The page with one part put in place of the part of that name, or at its end.
fn with_part(page: &str, name: &str, text: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let part = format!("{open}{}\n{close}", text.trim_end());
    match (page.split_once(&open), page.split_once(&close)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{part}{after}"),
        _ => format!("{}\n\n{part}", page.trim_end()),
    }
}

/// A number of an object; a measurement without it cannot be used.
fn number(value: &Value, key: &str) -> Result<f64> {
    value[key].as_f64().with_context(|| format!("the measurement has no number `{key}`: {value}"))
}

/// Megabytes, for people.
fn mb(bytes: f64) -> String {
    format!("{:.0}", bytes / 1e6)
}

/// Median, least and most.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Result<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        match (values.get(values.len() / 2), values.first(), values.last()) {
            (Some(median), Some(least), Some(most)) => {
                Ok(Self { median: *median, least: *least, most: *most })
            }
            _ => bail!("nothing was measured"),
        }
    }
}

impl std::fmt::Display for Spread {
    /// `1.23 (1.20 to 1.31)`, with as many decimals as asked for, else two.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_takes_the_place_of_its_older_self_and_of_nothing_else() {
        let page = with_part(&with_part("# Head\n", "ingest", "one\n"), "match", "two");
        assert!(page.starts_with("# Head\n\n<!-- ingest -->\none\n<!-- end of ingest -->\n"), "{page}");
        let newer = with_part(&page, "ingest", "three");
        assert_eq!(newer, page.replace("one", "three"));
    }

    #[test]
    fn spreads() {
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(format!("{spread} {spread:.0}"), "2.00 (1.00 to 3.00) 2 (1 to 3)");
        assert!(Spread::of([]).is_err());
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(
            run(&["swim".to_owned()]).unwrap_err().to_string().contains("bench [ingest|match|risk|plan|all]")
        );
    }
}
