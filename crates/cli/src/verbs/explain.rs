//! `underpin explain`: what an error code means and what to do about it.

use crate::args::Explain;
use crate::exit::{Code, Failure};
use crate::output;

/// Code and explanation, one file each.
const CODES: &[(&str, &str)] = &[
    ("UP0001", include_str!("../codes/UP0001.md")),
    ("UP0002", include_str!("../codes/UP0002.md")),
    ("UP0003", include_str!("../codes/UP0003.md")),
    ("UP0004", include_str!("../codes/UP0004.md")),
    ("UP0005", include_str!("../codes/UP0005.md")),
    ("UP0006", include_str!("../codes/UP0006.md")),
    ("UP0007", include_str!("../codes/UP0007.md")),
    ("UP0008", include_str!("../codes/UP0008.md")),
    ("UP0009", include_str!("../codes/UP0009.md")),
    ("UP0010", include_str!("../codes/UP0010.md")),
    ("UP0011", include_str!("../codes/UP0011.md")),
    ("UP0012", include_str!("../codes/UP0012.md")),
    ("UP0013", include_str!("../codes/UP0013.md")),
];

pub(crate) fn run(arguments: &Explain) -> Result<Code, Failure> {
    let Some(wanted) = &arguments.code else {
        let lines: String = CODES
            .iter()
            .filter_map(|(_, text)| text.lines().next())
            .fold(String::new(), |all, line| all + line.trim_start_matches("# ") + "\n");
        output::data(&lines)?;
        return Ok(Code::Done);
    };
    let wanted = wanted.to_ascii_uppercase();
    let Some((_, text)) = CODES.iter().find(|(code, _)| *code == wanted) else {
        return Err(Failure::Usage(format!(
            "there is no error code {wanted}; `underpin explain` lists them all"
        )));
    };
    output::data(text)?;
    Ok(Code::Done)
}
