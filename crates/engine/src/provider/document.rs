//! One document of a provider: fetched, verified, parsed, and only then in its place.

use std::fs;
use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::sync::Semaphore;
use underpin_feeds::Parsed;

use super::fetch::{Body, Fetcher, NoBody, Validators};
use super::listing::Listed;
use super::state::Fetched;
use super::{HashCheck, PullOptions, SignatureCheck};
use crate::data::{DataError, persist, write_atomic};
use crate::quarantine::{Cause, Keeping, Quarantined, hex};

/// Largest hash or signature file, in bytes.
const MAX_SIDE_BYTES: u64 = 64 << 10;
/// Longest segment of a local path, in bytes; file systems take 255, and `.asc` comes behind.
const MAX_SEGMENT: usize = 200;

/// What there is to do for one document.
pub(super) struct Job {
    pub(super) listed: Listed,
    pub(super) known: Option<Fetched>,
    pub(super) start: Url,
    pub(super) dir: PathBuf,
    pub(super) partial: PathBuf,
    pub(super) options: PullOptions,
}

/// What became of it.
pub(super) struct Outcome {
    pub(super) url: String,
    pub(super) changed: bool,
    pub(super) bad: Option<Quarantined>,
    pub(super) record: Option<Fetched>,
    pub(super) not_kept: Option<String>,
}

impl Outcome {
    fn new(url: &(impl ToString + ?Sized)) -> Self {
        Self { url: url.to_string(), changed: false, bad: None, record: None, not_kept: None }
    }
}

/// A document that did not arrive.
pub(super) fn transfer(url: impl Into<String>, reason: impl Into<String>) -> Quarantined {
    Quarantined::whole(url, Cause::Transfer, reason)
}

/// What arrived and has the stated hash.
struct Arrived {
    url: Url,
    body: Body<NamedTempFile>,
    hash: HashCheck,
    signature: Option<Vec<u8>>,
}

impl Job {
    /// The result when the list alone tells that nothing changed since the last pull.
    pub(super) fn without_asking(&self) -> Option<Outcome> {
        let known = self.known.as_ref()?;
        if self.listed.updated.is_none() || self.listed.updated > known.listed {
            return None;
        }
        match &known.bad {
            // The same bytes would be refused again. Other causes may have been mended without a new date.
            Some(bad) if bad.cause == Cause::Defect => {
                Some(Outcome { bad: Some(bad.clone()), ..Outcome::new(&known.url) })
            }
            Some(_) => None,
            None if self.in_place(known) => {
                Some(Outcome { record: Some(known.clone()), ..Outcome::new(&known.url) })
            }
            None => None,
        }
    }

    fn in_place(&self, known: &Fetched) -> bool {
        let path = known.path.as_ref().map(|path| self.dir.join(path));
        path.and_then(|path| fs::metadata(path).ok()).is_some_and(|metadata| metadata.len() == known.bytes)
    }

    pub(super) async fn run(self, fetcher: &Fetcher, parsing: &Semaphore) -> Outcome {
        let known = self.known.as_ref().filter(|known| known.bad.is_none() && self.in_place(known)).cloned();
        let (url, found) = self.first_found(fetcher, known.as_ref()).await;
        let body = match (found, known) {
            (Ok(Some(body)), _) => body,
            (Ok(None), Some(mut known)) => {
                known.listed = self.listed.updated;
                return Outcome { record: Some(known), ..Outcome::new(&url) };
            }
            (Ok(None), None) => {
                return bad(&url, transfer(url.as_str(), "not modified, but there is no earlier copy"));
            }
            (Err(no_body), _) => return bad(&url, transfer(url.as_str(), no_body.into_reason())),
        };
        let hash = self.check_hash(fetcher, &url, &body).await;
        let hash = match hash {
            Ok(hash) => hash,
            Err(fault) => return self.keep(&body, fault, &url, parsing).await,
        };
        let beside = self.listed.signature.clone().or_else(|| with_suffix(&url, ".asc"));
        let signature = match beside {
            Some(asc) => fetcher.small(&asc, MAX_SIDE_BYTES).await.ok(),
            None => None,
        };
        let address = url.clone();
        let Ok(_permit) = parsing.acquire().await else {
            return bad(&url, transfer(url.as_str(), "the pull is ending"));
        };
        let arrived = Arrived { url, body, hash, signature };
        match tokio::task::spawn_blocking(move || self.place(arrived)).await {
            Ok(outcome) => outcome,
            Err(error) => bad(&address, transfer(address.as_str(), format!("parsing it failed: {error}"))),
        }
    }

    /// The first address that has the document. Which one a list means is known only by asking.
    async fn first_found(
        &self,
        fetcher: &Fetcher,
        known: Option<&Fetched>,
    ) -> (Url, Result<Option<Body<NamedTempFile>>, NoBody>) {
        let mut order: Vec<&Url> = self.listed.candidates.iter().collect();
        if let Some(known) = &self.known {
            order.sort_by_key(|url| url.as_str() != known.url);
        }
        let mut last = Err(NoBody::Missing("the list names no address".to_owned()));
        for url in &order {
            let validators: Option<&Validators> =
                known.filter(|known| known.url == url.as_str()).map(|known| &known.validators);
            let open = || NamedTempFile::new_in(&self.partial);
            match fetcher.get(url, validators, self.options.max_document_bytes, open).await {
                Err(NoBody::Missing(reason)) => last = Err(NoBody::Missing(reason)),
                found => return ((*url).clone(), found),
            }
        }
        (order.first().map_or_else(|| self.start.clone(), |url| (*url).clone()), last)
    }

    /// Compares with the strongest hash that there is. One that the list names must be there; one that only convention
    /// suggests may be missing.
    async fn check_hash(
        &self,
        fetcher: &Fetcher,
        url: &Url,
        body: &Body<NamedTempFile>,
    ) -> Result<HashCheck, Quarantined> {
        let fault = |cause, reason: String| Quarantined::whole(url.as_str(), cause, reason);
        let named = &self.listed.hashes;
        for (suffix, kind, actual) in
            [(".sha512", HashCheck::Sha512, &body.sha512), (".sha256", HashCheck::Sha256, &body.sha256)]
        {
            let at = if named.is_empty() {
                with_suffix(url, suffix)
            } else {
                named.iter().find(|hash| hash.path().ends_with(suffix)).cloned()
            };
            let Some(at) = at else { continue };
            let text = match fetcher.small(&at, MAX_SIDE_BYTES).await {
                Ok(text) => text,
                Err(NoBody::Missing(_)) if named.is_empty() => continue,
                Err(no_body) => {
                    let reason = format!("its hash {at} could not be fetched: {}", no_body.into_reason());
                    return Err(fault(Cause::Transfer, reason));
                }
            };
            let text = String::from_utf8_lossy(&text);
            let stated = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            if stated != *actual {
                let reason =
                    format!("its hash is {actual}, and {at} states {stated:.128}; it was changed or cut off");
                return Err(fault(Cause::Integrity, reason));
            }
            return Ok(kind);
        }
        if named.is_empty() {
            return Ok(HashCheck::NotOffered);
        }
        Err(fault(Cause::Integrity, "its hashes are of no known kind (.sha512, .sha256)".to_owned()))
    }

    /// Parses it and puts it in its place. Blocking.
    fn place(&self, arrived: Arrived) -> Outcome {
        let Arrived { url, body, hash, signature } = arrived;
        let bytes = match fs::read(body.sink.path()) {
            Ok(bytes) => bytes,
            Err(error) => return bad(&url, transfer(url.as_str(), format!("cannot be read back: {error}"))),
        };
        let path = local_path(&url, &self.start);
        let mut record = Fetched {
            url: url.to_string(),
            path: Some(path.clone()),
            listed: self.listed.updated,
            validators: body.validators,
            sha256: body.sha256,
            bytes: body.bytes,
            hash,
            signature: if signature.is_some() { SignatureCheck::NotChecked } else { SignatureCheck::None },
            bad: None,
        };
        if let Err(fault) = self.judge(&url, &bytes) {
            let not_kept = self.keep_bytes(&fault, &bytes);
            record.bad = Some(fault.clone());
            record.path = None;
            return Outcome { bad: Some(fault), record: Some(record), not_kept, ..Outcome::new(&url) };
        }
        let same =
            self.known.as_ref().is_some_and(|known| known.sha256 == record.sha256 && self.in_place(known));
        let placed = if same { Ok(()) } else { self.write(body.sink, &path, signature.as_deref()) };
        match placed {
            Ok(()) => Outcome { changed: !same, record: Some(record), ..Outcome::new(&url) },
            Err(error) => bad(&url, transfer(url.as_str(), error.to_string())),
        }
    }

    fn write(&self, sink: NamedTempFile, path: &str, signature: Option<&[u8]>) -> Result<(), DataError> {
        // The signature first: a document is never seen with that of its earlier version.
        if let Some(signature) = signature {
            write_atomic(&self.dir.join(format!("{path}.asc")), signature)?;
        }
        persist(sink, &self.dir.join(path))
    }

    fn judge(&self, url: &Url, bytes: &[u8]) -> Result<(), Quarantined> {
        if let Some(label) = tlp(bytes).filter(|label| !self.options.tlp.contains(label)) {
            let reason = format!("it is TLP:{label:.20}, which may not be kept here");
            return Err(Quarantined::whole(url.as_str(), Cause::Restricted, reason));
        }
        match (self.options.parse)(bytes) {
            Ok(Parsed::Document(_)) => Ok(()),
            Ok(Parsed::Ignored { reason }) => {
                Err(Quarantined::whole(url.as_str(), Cause::Defect, format!("it is no advisory: {reason}")))
            }
            Err(defect) => Err(Quarantined::defect(url.as_str(), defect)),
        }
    }

    /// Keeps what arrived but is not what the provider states.
    async fn keep(
        &self,
        body: &Body<NamedTempFile>,
        fault: Quarantined,
        url: &Url,
        parsing: &Semaphore,
    ) -> Outcome {
        // Also bytes that are only copied are in memory: one document at a time.
        let _permit = parsing.acquire().await;
        let not_kept = match fs::read(body.sink.path()) {
            Ok(bytes) => self.keep_bytes(&fault, &bytes),
            Err(error) => Some(format!("{url}: not kept: {error}")),
        };
        Outcome { not_kept, ..bad(url, fault) }
    }

    fn keep_bytes(&self, fault: &Quarantined, bytes: &[u8]) -> Option<String> {
        match self.options.quarantine.as_ref()?.keep(fault, bytes, self.options.now) {
            Ok(Keeping::Kept(_) | Keeping::NotAllowed) => None,
            Ok(Keeping::Full { capacity }) => {
                Some(format!("{}: not kept: the quarantine is full ({capacity} bytes)", fault.file))
            }
            Err(error) => Some(format!("{}: not kept: {error}", fault.file)),
        }
    }
}

/// A document that is not used and of which nothing is remembered: the next pull tries again.
fn bad(url: &Url, fault: Quarantined) -> Outcome {
    Outcome { bad: Some(fault), ..Outcome::new(url) }
}

fn with_suffix(url: &Url, suffix: &str) -> Option<Url> {
    let mut beside = url.clone();
    beside.set_path(&format!("{}{suffix}", url.path()));
    Some(beside)
}

/// The TLP label that a CSAF document carries.
fn tlp(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Outer {
        document: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        distribution: Option<Distribution>,
    }
    #[derive(Deserialize)]
    struct Distribution {
        tlp: Option<Tlp>,
    }
    #[derive(Deserialize)]
    struct Tlp {
        label: Option<String>,
    }
    serde_json::from_slice::<Outer>(bytes).ok()?.document.distribution?.tlp?.label
}

/// Where a document lies below the pulled folder: as below its host, with every segment made harmless. A host other than the
/// metadata's comes in front.
fn local_path(url: &Url, start: &Url) -> String {
    let foreign = url.host_str() != start.host_str() || url.port() != start.port();
    let host =
        foreign.then(|| format!("{}_{}", url.host_str().unwrap_or_default(), url.port().unwrap_or_default()));
    let query = url.query().map(|query| format!("_{query}")).unwrap_or_default();
    let segments = url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty());
    let mut parts: Vec<String> = host.into_iter().chain(segments.map(str::to_owned)).collect();
    if let Some(last) = parts.last_mut() {
        last.push_str(&query);
    }
    let mut safe: Vec<String> = parts.iter().map(|part| harmless(part)).collect();
    // Two addresses may become one name only by being made harmless; a part of their hash keeps them apart.
    if safe != parts
        && let Some(last) = safe.last_mut()
    {
        last.insert_str(0, &format!("{:.16}-", hex(&Sha256::digest(url.as_str()))));
    }
    safe.join("/")
}

fn harmless(segment: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.+~@=%".contains(c);
    let mut text: String = segment.chars().map(|c| if fine(c) { c } else { '_' }).collect();
    // Hidden names are not read as feeds, and `.` and `..` are not names.
    if text.starts_with('.') {
        text.replace_range(..1, "_");
    }
    if text.len() > MAX_SEGMENT {
        text = text.split_off(text.len() - MAX_SEGMENT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_stay_below_the_folder() {
        let start = Url::parse("https://h/.well-known/csaf/provider-metadata.json").unwrap();
        let path = |text: &str| local_path(&Url::parse(text).unwrap(), &start);
        assert_eq!(path("https://h/a/b/c.json"), "a/b/c.json");
        assert_eq!(path("https://h/a/../../../etc/c.json"), "etc/c.json");
        assert_eq!(path("https://other:81/a.json"), "other_81/a.json");
        for hostile in ["https://h/.git/..%2f..%2fc.json", "https://h/a.json?x=/../y", "https://h/..;/x.json"]
        {
            let local = path(hostile);
            assert!(local.split('/').all(|part| !part.starts_with('.') && !part.is_empty()), "{local}");
        }
        assert_ne!(path("https://h/a;b.json"), path("https://h/a_b.json"));
        assert_ne!(path("https://h/a;b.json"), path("https://h/a!b.json"));
    }
}
