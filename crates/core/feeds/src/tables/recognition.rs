//! Which table the bytes are, from the first few kilobytes.

use underpin_model::facts::Format;

/// How much of a document is looked at. The first row of every table fits many times over.
const WINDOW: usize = 16 * 1024;

/// CSV tables by the columns that no other table has together.
const CSV: [(Format, &[&str]); 6] = [
    (Format::DebianAdvisories, &["date", "id", "source", "cves", "fixed"]),
    (Format::EsxiBuilds, &["build", "minor", "release_date", "name", "bulletin"]),
    (Format::MsrcUpdates, &["date", "cve", "kb", "product", "severity", "supersedes"]),
    (Format::MicrocodeHistory, &["release", "release_date", "intel_sa", "signature_fms", "platform_mask"]),
    (Format::Conditions, &["vulnerability", "setting", "value", "effect"]),
    (Format::CveIndex, &["cve", "published", "cvss31", "cvss40", "ssvc", "kev"]),
];

/// JSON tables by keys of their first row, and how deep below the outermost bracket these stand.
const JSON: [(Format, usize, &[&str]); 5] = [
    (Format::VcenterReleases, 2, &["build", "fullName", "releaseDate"]),
    (Format::VmsaFacts, 2, &["id", "no_later_than", "cves", "fixed"]),
    (Format::XenNotApplicable, 2, &["package_version", "xsa", "reason_class"]),
    (Format::ReleaseHistory, 1, &["source_package", "platform", "version", "distribution", "xsas"]),
    (Format::EndOfLife, 4, &["cycle", "release", "eol"]),
];

/// The table that these bytes hold, or `None` if they are none. Cheap: looks at the first 16 KiB only.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<Format> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let window = bytes.get(..WINDOW).unwrap_or(bytes).trim_ascii_start();
    match window.first()? {
        b'{' | b'[' => json(window),
        b'-' | b'#' => yaml(window),
        _ => csv(window),
    }
}

fn lines(window: &[u8]) -> impl Iterator<Item = &[u8]> {
    window.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii)
}

fn csv(window: &[u8]) -> Option<Format> {
    let header = std::str::from_utf8(lines(window).next()?).ok()?;
    let columns: Vec<&str> = header.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
    CSV.iter()
        .find(|(_, wanted)| wanted.iter().all(|column| columns.contains(column)))
        .map(|(format, _)| *format)
}

fn yaml(window: &[u8]) -> Option<Format> {
    let first = lines(window)
        .find(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"---"))?;
    let item = first.strip_prefix(b"-")?.trim_ascii_start();
    item.starts_with(b"xsa:").then_some(Format::XenAdvisories)
}

fn json(window: &[u8]) -> Option<Format> {
    let keys = first_keys(window);
    let array = window.first() == Some(&b'[');
    JSON.iter()
        .find(|(format, depth, wanted)| {
            // Tables of rows start with a bracket, JSON lines and the product map with a brace.
            (*depth == 2) == array
                && (*format != Format::EndOfLife || keys.contains(&(2, "cycles")))
                && wanted.iter().all(|key| keys.contains(&(*depth, key)))
        })
        .map(|(format, ..)| *format)
}

/// The object keys in the window with their depth, as far as they can be told without parsing: a string followed by a
/// colon. Stops after the first row (a closed object at the depth of rows) so that a later document in JSON lines
/// cannot lend its keys to the first.
fn first_keys(window: &[u8]) -> Vec<(usize, &str)> {
    let (mut keys, mut depth, mut at) = (Vec::new(), 0_usize, 0_usize);
    while let Some(&byte) = window.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 || (depth == 1 && window.first() == Some(&b'[')) {
                    break;
                }
            }
            b'"' => {
                let Some(end) = string_end(window, at + 1) else { break };
                let after = window.get(end + 1..).unwrap_or_default().trim_ascii_start();
                if after.first() == Some(&b':')
                    && let Some(Ok(key)) = window.get(at + 1..end).map(std::str::from_utf8)
                {
                    keys.push((depth, key));
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    keys
}

/// Where the string that starts at `from` (behind its quote) has its closing quote.
fn string_end(window: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match window.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
