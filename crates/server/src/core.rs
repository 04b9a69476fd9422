//! The analyst that answers with the core: parsers, matching and ripple, and the built-in facts.

use std::sync::Arc;

use jiff::Timestamp;
use underpin_engine::facts::{self, DamagedBuiltin};
use underpin_engine::intake::{self, Limits, Source};
use underpin_engine::progress::Silent;
use underpin_exposure::ripple::{self, Node};
use underpin_exposure::{Assessment, FactBase, Feed, Options, STALE_AFTER_DAYS, assess};
use underpin_feeds::Defect;
use underpin_model::facts::Document;
use underpin_model::fleet::{self, Fleet, FleetError};
use underpin_model::id::FeedId;

use crate::analyst::{
    Analyst, FeedFacts, FeedReading, FleetReading, Problem, ReadDocument, RefusedDocument, Ripple,
    RippleElement, RippleTenant,
};

/// Answers with the core of this version.
pub struct Core {
    builtin: Vec<FeedFacts>,
    stale_after_days: i32,
}

impl Core {
    /// With the built-in facts, which are as old as this version (`started` is when they were read), and with feeds
    /// that are kept elsewhere, such as pulled ones.
    ///
    /// # Errors
    /// [`DamagedBuiltin`] for a binary that was built from damaged files.
    pub fn new(started: Timestamp, kept: Vec<Feed>) -> Result<Self, DamagedBuiltin> {
        let builtin = facts::builtin()?.into_iter().chain(kept).map(|feed| FeedFacts {
            name: feed.id.as_str().to_owned(),
            fetched: feed.fetched.unwrap_or(started),
            documents: feed.documents.into_iter().map(|one| (place(&one), Arc::new(one))).collect(),
        });
        Ok(Self { builtin: builtin.collect(), stale_after_days: STALE_AFTER_DAYS })
    }
}

fn problem(error: &FleetError) -> Problem {
    let help = error.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    Problem {
        pointer: error.path.clone(),
        detail: format!("found {}, expected {}{help}", error.found, error.expected),
    }
}

/// What one upload may unpack to: it is held in memory until it is stored.
fn upload_limits() -> Limits {
    Limits {
        max_document_bytes: 128 << 20,
        max_unpacked_bytes: 512 << 20,
        max_entries: 50_000,
        ..Limits::default()
    }
}

/// A document within its feed: a new version of it takes the place of the old one, wherever it came from.
fn place(document: &Document) -> String {
    format!("{}:{}", document.format, document.id)
}

impl Analyst for Core {
    fn builtin(&self) -> Vec<FeedFacts> {
        self.builtin.clone()
    }

    fn read_fleet(&self, bytes: &[u8]) -> Result<FleetReading, Vec<Problem>> {
        match fleet::read(bytes) {
            Ok(checked) => {
                let warnings = checked.warnings.iter().map(problem).collect();
                Ok(FleetReading { fleet: checked.fleet, warnings })
            }
            Err(errors) => Err(errors.iter().map(problem).collect()),
        }
    }

    fn read_feed(&self, name: &str, bytes: &[u8]) -> FeedReading {
        let upload = Source::Upload { name: name.to_owned(), bytes: bytes.into() };
        // An upload has no modification time that counts; the caller stamps it.
        let options = intake::Options {
            limits: upload_limits(),
            keep_content: true,
            ..intake::Options::new(Timestamp::UNIX_EPOCH)
        };
        let read = intake::read(&[upload], &options, &Silent);
        let mut reading = FeedReading {
            ignored: read.ignored.into_iter().map(|one| (one.file, one.reason)).collect(),
            ..FeedReading::default()
        };
        for one in read.feeds.into_iter().flat_map(|feed| feed.documents) {
            let path = place(&one.document);
            reading.documents.push(ReadDocument {
                path,
                bytes: one.content,
                document: Arc::new(one.document),
            });
        }
        for (bad, content) in read.quarantined.into_iter().zip(read.quarantined_content) {
            let defect = Defect { at: bad.at, reason: bad.reason, format: bad.format };
            // A broken archive has no content of its own: the upload itself is what was bad.
            let bytes = if content.is_empty() { bytes.to_vec() } else { content };
            reading.quarantined.push(RefusedDocument { path: bad.file, bytes, defect });
        }
        reading
    }

    fn assess(&self, fleet: &Fleet, feeds: &[FeedFacts], as_of: Timestamp) -> Result<Assessment, String> {
        let feeds: Result<Vec<Feed>, String> = feeds
            .iter()
            .map(|feed| {
                let id = FeedId::new(feed.name.as_str())
                    .map_err(|error| format!("feed {:?}: {error}", feed.name))?;
                let documents = feed.documents.iter().map(|(_, document)| (**document).clone()).collect();
                Ok(Feed { id, fetched: Some(feed.fetched), documents })
            })
            .collect();
        let options = Options { as_of, stale_after_days: self.stale_after_days };
        Ok(assess(fleet, &FactBase::new(feeds?), &options))
    }

    fn ripple(&self, fleet: &Fleet, at: &str) -> Option<Ripple> {
        let found = ripple::ripple(fleet, at).ok()?;
        let elements = |nodes: &[Node]| {
            nodes
                .iter()
                .map(|node| RippleElement {
                    kind: node.kind.to_string().replace(' ', "_"),
                    id: node.id.clone(),
                })
                .collect()
        };
        Some(Ripple {
            at: found.at,
            above: elements(&found.above),
            below: elements(&found.below),
            tenants: found
                .tenants
                .into_iter()
                .map(|one| RippleTenant { tenant: one.tenant, vms: one.vms as u64 })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OSV: &str = r#"{"id": "ALSA-2024:0001", "modified": "2024-01-02T00:00:00Z", "related": ["CVE-2023-0001"],
        "affected": [{"package": {"ecosystem": "AlmaLinux:9", "name": "qemu-kvm"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "17:8.2.0-11.el9_4"}]}]}]}"#;

    #[test]
    fn a_feed_is_read_with_the_bytes_of_each_document() {
        let core = Core::new(Timestamp::UNIX_EPOCH, Vec::new()).unwrap();
        let good = core.read_feed("alma.json", OSV.as_bytes());
        assert_eq!(good.documents.len(), 1);
        assert_eq!(good.documents[0].bytes, OSV.as_bytes());
        let bad = core.read_feed("cut.json", &OSV.as_bytes()[..100]);
        assert_eq!((bad.documents.len(), bad.quarantined.len()), (0, 1));
        assert_eq!(bad.quarantined[0].bytes, &OSV.as_bytes()[..100]);
    }

    /// A tar archive of small files, by hand: 512-byte headers, contents padded to 512 bytes.
    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, content) in files {
            let mut header = [0_u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[100..108].copy_from_slice(b"0000644\0");
            header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
            header[148..156].fill(b' ');
            header[156] = b'0';
            header[257..265].copy_from_slice(b"ustar\x0000");
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            archive.extend_from_slice(&header);
            archive.extend_from_slice(content.as_bytes());
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    #[test]
    fn two_versions_in_one_upload_are_stored_as_the_newer_one() {
        let older = OSV.replace("2024-01-02", "2023-01-02").replace("8.2.0", "1.0.0");
        let core = Core::new(Timestamp::UNIX_EPOCH, Vec::new()).unwrap();
        for files in [[("a.json", OSV), ("b.json", &older)], [("a.json", &older), ("b.json", OSV)]] {
            let read = core.read_feed("both.tar", &tar(&files));
            assert_eq!(read.documents.len(), 1, "{:?}", read.quarantined);
            assert_eq!(read.documents[0].bytes, OSV.as_bytes(), "the bytes of the version that counts");
        }
    }

    #[test]
    fn an_upload_may_not_unpack_to_more_than_its_limits() {
        let core = Core::new(Timestamp::UNIX_EPOCH, Vec::new()).unwrap();
        let limits = upload_limits();
        let refused = |bytes: &[u8]| {
            let read = core.read_feed("upload", bytes);
            read.quarantined.into_iter().map(|bad| bad.defect.reason).collect::<Vec<_>>().join("; ")
        };
        let entries = usize::try_from(limits.max_entries).unwrap();
        let reason = refused(&tar(&vec![("LICENSE", ""); entries + 1]));
        assert!(reason.contains("more than 50000 entries"), "{reason}");
        assert_eq!(refused(&tar(&vec![("LICENSE", ""); entries])), "");
        let large = usize::try_from(limits.max_document_bytes).unwrap() + 1;
        let reason = refused(&vec![b' '; large]);
        assert!(reason.contains(&limits.max_document_bytes.to_string()), "{reason}");
        assert_eq!(refused(&vec![b' '; large - 1]), "");
    }

    #[test]
    fn two_bad_documents_with_one_reason_keep_their_own_bytes() {
        let (one, other) = (&OSV[..100], OSV.replace("ALSA-2024:0001", "ALSA-2024:0002"));
        let core = Core::new(Timestamp::UNIX_EPOCH, Vec::new()).unwrap();
        let read = core.read_feed("bad.tar", &tar(&[("a.json", one), ("b.json", &other[..100])]));
        let bytes: Vec<&[u8]> = read.quarantined.iter().map(|bad| bad.bytes.as_slice()).collect();
        assert_eq!(bytes, [one.as_bytes(), &other.as_bytes()[..100]]);
    }

    #[test]
    fn the_sample_fleet_is_assessed_with_the_built_in_facts() {
        let core = Core::new(Timestamp::UNIX_EPOCH, Vec::new()).unwrap();
        let at: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        let fleet = fleet::sample(&fleet::SampleSpec { hosts: 12, ..fleet::SampleSpec::default() }, at);
        let assessment = core.assess(&fleet, &core.builtin(), at).unwrap();
        assert!(assessment.summary.affected > 0 && assessment.summary.fixed > 0, "{:?}", assessment.summary);
        assert!(core.ripple(&fleet, fleet.hosts[0].id.as_str()).is_some());
        assert!(core.ripple(&fleet, "no such element").is_none());
    }
}
