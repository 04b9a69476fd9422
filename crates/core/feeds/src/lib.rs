//! From the bytes of one document to the facts that it states.
//!
//! [`parse`] recognises the format from the content alone and reads CSAF 2.0, CVE JSON 5, OSV (one document, a list
//! or JSON lines), the CISA KEV catalogue, EPSS scores and the fact tables. A document is accepted whole or refused
//! whole: a [`Defect`] says where and why, and nothing of the document is used.
//!
//! ```
//! use underpin_feeds::{Parsed, Position, parse};
//! use underpin_model::facts::{Format, Verdict};
//!
//! let osv = br#"{"id": "ALSA-2024:0001", "modified": "2024-01-02T00:00:00Z", "related": ["CVE-2023-0001"],
//!   "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm"},
//!     "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;
//! let Parsed::Document(document) = parse(osv)? else { unreachable!("an OSV document is an advisory") };
//! assert_eq!(document.format, Format::Osv);
//! let claim = &document.advisories[0].claims[0];
//! assert_eq!(claim.product.component.as_ref(), "qemu-kvm");
//! assert_eq!(claim.verdict, Verdict::FixedIn("17:8.2.0-11.el9_4".into()));
//!
//! // Truncated: refused, with the place.
//! let defect = parse(&osv[..120]).unwrap_err();
//! assert_eq!(defect.format, Some(Format::Osv));
//! assert!(matches!(defect.at, Position::Pointer(_)));
//! # Ok::<(), underpin_feeds::Defect>(())
//! ```

pub mod builtin;
mod csaf;
mod cve5;
mod encoding;
mod epss;
mod identity;
mod json;
mod kev;
mod osv;
mod ranges;
mod recognise;
pub mod tables;

use recognise::Looks;
use underpin_model::facts::{Document, Format};

/// Where in a document something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Position {
    /// A JSON pointer (RFC 6901), empty for the whole document.
    Pointer(String),
    /// A line, counted from 1.
    Line {
        /// The line.
        line: u64,
    },
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pointer(pointer) if pointer.is_empty() => f.write_str("the document"),
            Self::Pointer(pointer) => f.write_str(pointer),
            Self::Line { line } => write!(f, "line {line}"),
        }
    }
}

/// Why a document was not accepted. Nothing of such a document is used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Defect {
    /// Where.
    pub at: Position,
    /// The value, the expectation, the way out.
    pub reason: String,
    /// The format that it was taken for, if recognised.
    pub format: Option<Format>,
}

/// What became of the bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    /// Facts.
    Document(Box<Document>),
    /// Well-formed, but no advisory or fact table: licence text, hashes, signatures, provider metadata, schemas.
    Ignored {
        /// What it looks like.
        reason: String,
    },
}

/// Recognises and parses one document from its content.
///
/// # Errors
/// [`Defect`] with the place and the cause; a document is accepted whole or not at all. Lines of a table of EPSS scores are
/// facts of their own: those that cannot be used are in [`Document::left_out`](underpin_model::facts::Document::left_out).
pub fn parse(bytes: &[u8]) -> Result<Parsed, Defect> {
    let text = encoding::text(bytes)?;
    let looks = recognise::recognise(text);
    let document = match looks {
        Looks::Like(Format::Csaf) => csaf::parse(text)?,
        Looks::Like(Format::Cve5) => cve5::parse(text)?,
        Looks::Like(Format::Osv) => osv::parse(text)?,
        Looks::Like(Format::Kev) => kev::parse(text)?,
        Looks::Like(Format::Epss) => epss::parse(text)?,
        Looks::Auxiliary(reason) => return Ok(Parsed::Ignored { reason: reason.to_owned() }),
        // A table may look like plain text or unknown JSON to the recogniser, so it is asked for before giving up.
        Looks::Like(_) | Looks::PlainText | Looks::Unusable(_) => match (tables::recognise(bytes), looks) {
            (Some(format), _) => tables::parse(bytes, format)?,
            (None, Looks::Unusable(defect)) => return Err(defect),
            (None, _) => return Ok(Parsed::Ignored { reason: "plain text".to_owned() }),
        },
    };
    Ok(Parsed::Document(Box::new(document)))
}
