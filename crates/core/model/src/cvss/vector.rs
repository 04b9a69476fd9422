//! Vectors taken apart: which metrics a version has, and which values they take.

use super::{InvalidVector, Version};

/// A metric: its short name, its values in the order that the equations index them by, and whether it must be stated.
struct Metric(&'static str, &'static [&'static str], bool);

/// The metrics of one vector. Values are indices into the list of the metric; the caller knows the version's layout.
pub(super) struct Vector {
    pub(super) version: Version,
    values: [Option<u8>; SLOTS],
}

/// Version 4.0 has the most metrics: 32.
const SLOTS: usize = 32;

const V2: [Metric; 14] = [
    Metric("AV", &["L", "A", "N"], true),
    Metric("AC", &["H", "M", "L"], true),
    Metric("Au", &["M", "S", "N"], true),
    Metric("C", &["N", "P", "C"], true),
    Metric("I", &["N", "P", "C"], true),
    Metric("A", &["N", "P", "C"], true),
    Metric("E", &["ND", "U", "POC", "F", "H"], false),
    Metric("RL", &["ND", "OF", "TF", "W", "U"], false),
    Metric("RC", &["ND", "UC", "UR", "C"], false),
    Metric("CDP", &["ND", "N", "L", "LM", "MH", "H"], false),
    Metric("TD", &["ND", "N", "L", "M", "H"], false),
    Metric("CR", &["ND", "L", "M", "H"], false),
    Metric("IR", &["ND", "L", "M", "H"], false),
    Metric("AR", &["ND", "L", "M", "H"], false),
];

const V3: [Metric; 22] = [
    Metric("AV", &["N", "A", "L", "P"], true),
    Metric("AC", &["L", "H"], true),
    Metric("PR", &["N", "L", "H"], true),
    Metric("UI", &["N", "R"], true),
    Metric("S", &["U", "C"], true),
    Metric("C", &["N", "L", "H"], true),
    Metric("I", &["N", "L", "H"], true),
    Metric("A", &["N", "L", "H"], true),
    Metric("E", &["X", "U", "P", "F", "H"], false),
    Metric("RL", &["X", "O", "T", "W", "U"], false),
    Metric("RC", &["X", "U", "R", "C"], false),
    Metric("CR", &["X", "L", "M", "H"], false),
    Metric("IR", &["X", "L", "M", "H"], false),
    Metric("AR", &["X", "L", "M", "H"], false),
    Metric("MAV", &["X", "N", "A", "L", "P"], false),
    Metric("MAC", &["X", "L", "H"], false),
    Metric("MPR", &["X", "N", "L", "H"], false),
    Metric("MUI", &["X", "N", "R"], false),
    Metric("MS", &["X", "U", "C"], false),
    Metric("MC", &["X", "N", "L", "H"], false),
    Metric("MI", &["X", "N", "L", "H"], false),
    Metric("MA", &["X", "N", "L", "H"], false),
];

const V4: [Metric; SLOTS] = [
    Metric("AV", &["N", "A", "L", "P"], true),
    Metric("AC", &["L", "H"], true),
    Metric("AT", &["N", "P"], true),
    Metric("PR", &["N", "L", "H"], true),
    Metric("UI", &["N", "P", "A"], true),
    Metric("VC", &["H", "L", "N"], true),
    Metric("VI", &["H", "L", "N"], true),
    Metric("VA", &["H", "L", "N"], true),
    Metric("SC", &["H", "L", "N"], true),
    Metric("SI", &["H", "L", "N"], true),
    Metric("SA", &["H", "L", "N"], true),
    Metric("E", &["X", "A", "P", "U"], false),
    Metric("CR", &["X", "H", "M", "L"], false),
    Metric("IR", &["X", "H", "M", "L"], false),
    Metric("AR", &["X", "H", "M", "L"], false),
    Metric("MAV", &["X", "N", "A", "L", "P"], false),
    Metric("MAC", &["X", "L", "H"], false),
    Metric("MAT", &["X", "N", "P"], false),
    Metric("MPR", &["X", "N", "L", "H"], false),
    Metric("MUI", &["X", "N", "P", "A"], false),
    Metric("MVC", &["X", "H", "L", "N"], false),
    Metric("MVI", &["X", "H", "L", "N"], false),
    Metric("MVA", &["X", "H", "L", "N"], false),
    Metric("MSC", &["X", "H", "L", "N"], false),
    Metric("MSI", &["X", "S", "H", "L", "N"], false),
    Metric("MSA", &["X", "S", "H", "L", "N"], false),
    // Supplemental metrics are checked, but do not change the score.
    Metric("S", &["X", "N", "P"], false),
    Metric("AU", &["X", "N", "Y"], false),
    Metric("R", &["X", "A", "U", "I"], false),
    Metric("V", &["X", "D", "C"], false),
    Metric("RE", &["X", "L", "M", "H"], false),
    Metric("U", &["X", "Clear", "Green", "Amber", "Red"], false),
];

impl Vector {
    /// Reads a vector; its metrics may be in any order.
    pub(super) fn read(text: &str) -> Result<Self, InvalidVector> {
        let trimmed = text.trim();
        let (version, metrics) = split_version(trimmed).ok_or_else(|| {
            let start = trimmed.split('/').next().unwrap_or_default();
            InvalidVector::new(text, start, "expected CVSS:2.0, CVSS:3.0, CVSS:3.1 or CVSS:4.0".to_owned())
        })?;
        let known: &[Metric] = match version {
            Version::V2 => &V2,
            Version::V3_0 | Version::V3_1 => &V3,
            Version::V4_0 => &V4,
        };
        let mut values = [None; SLOTS];
        for part in metrics.split('/') {
            let (slot, value) =
                read_metric(known, part).map_err(|why| InvalidVector::new(text, part, why))?;
            match values.get_mut(slot) {
                Some(place @ None) => *place = Some(value),
                _ => return Err(InvalidVector::new(text, part, "the metric is stated twice".to_owned())),
            }
        }
        for (Metric(name, allowed, required), value) in known.iter().zip(values) {
            if *required && value.is_none() {
                let why = format!("the metric is missing; state it as one of {}", allowed.join(", "));
                return Err(InvalidVector::new(text, name, why));
            }
        }
        Ok(Self { version, values })
    }

    /// The index of a metric's value; 0, which is "not defined" for every optional metric, when it is not stated.
    pub(super) fn get(&self, metric: usize) -> usize {
        self.values.get(metric).copied().flatten().map_or(0, usize::from)
    }

    /// Whether any metric of these is stated, be it as "not defined".
    pub(super) fn states(&self, metrics: std::ops::Range<usize>) -> bool {
        self.values.get(metrics).is_some_and(|values| values.iter().any(Option::is_some))
    }

    /// The base metric, unless a modified metric replaces it. Both list the same values, the modified one after "X".
    pub(super) fn modified(&self, base: usize, modified: usize) -> usize {
        self.get(modified).checked_sub(1).unwrap_or_else(|| self.get(base))
    }
}

/// Version 2 vectors are published bare, in parentheses, or with a prefix that the later versions brought.
fn split_version(text: &str) -> Option<(Version, &str)> {
    for (prefix, version) in [
        ("CVSS:4.0/", Version::V4_0),
        ("CVSS:3.1/", Version::V3_1),
        ("CVSS:3.0/", Version::V3_0),
        ("CVSS:2.0/", Version::V2),
    ] {
        if let Some(metrics) = text.strip_prefix(prefix) {
            return Some((version, metrics));
        }
    }
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    match inner.strip_prefix("CVSS:2.0/") {
        Some(metrics) => Some((Version::V2, metrics)),
        None => (!inner.starts_with("CVSS:")).then_some((Version::V2, inner)),
    }
}

fn read_metric(known: &[Metric], part: &str) -> Result<(usize, u8), String> {
    let (name, value) = part.split_once(':').unwrap_or((part, ""));
    let Some(slot) = known.iter().position(|metric| metric.0 == name) else {
        let names: Vec<&str> = known.iter().map(|metric| metric.0).collect();
        return Err(format!("no such metric in this version; it has {}", names.join(", ")));
    };
    let values = known.get(slot).map_or(&[][..], |metric| metric.1);
    let index = values.iter().position(|known| *known == value).and_then(|index| u8::try_from(index).ok());
    index.map(|index| (slot, index)).ok_or_else(|| format!("expected one of {}", values.join(", ")))
}
