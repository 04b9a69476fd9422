//! What a measurement was taken on.

use std::process::Command;

use fs_err as fs;

/// Processor, cores, memory, system and compiler, in one sentence, and what else the machine was doing.
pub(super) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = after(&read("/proc/meminfo"), "MemTotal:")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or_else(|| "unknown".to_owned(), |kib| format!("{:.0} GiB of", kib / 1_048_576.0));
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    format!(
        "Machine: {} ({cores} cores), {memory} memory, {}, {}, {}. Load average at the end: {load} (the measured process itself \
         makes up to 2 of it).\n",
        after(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned()),
        after(&read("/etc/os-release"), "PRETTY_NAME=").unwrap_or_else(|| "unknown system".to_owned()),
        version("rustc"),
        version("python3"),
    )
}

/// The rest of the first line that starts so, without separators and quotes.
fn after(text: &str, start: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(start))?;
    Some(line.trim_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '"')).to_owned())
}

fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| format!("no {program}"))
}
