//! The provider client against a local server that serves a slice of a real provider's tree, whole and with every fault.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use underpin_engine::intake::{Options, Source, read_with};
use underpin_engine::progress::Silent;
use underpin_engine::provider::{PullError, PullOptions, Pulled, pull};
use underpin_engine::quarantine::{Cause, Quarantine};
use underpin_feeds::{Defect, Parsed, Position};
use underpin_model::facts::{Document, Format};

const BASE: &str = "https://raw.githubusercontent.com/cisagov/CSAF/develop/";
const ONE: &str = "/csaf_files/OT/white/2024/icsa-24-081-01.json";
const METADATA: &str = "/.well-known/csaf/provider-metadata.json";

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Missing,
    WrongHash,
    Truncated,
    Slow,
    Loop,
    /// Fails this many times, then answers.
    Flaky(u32),
    /// A redirect to an address that the options do not allow.
    Elsewhere,
}

#[derive(Default)]
struct Site {
    files: BTreeMap<String, Vec<u8>>,
    faults: BTreeMap<String, Fault>,
    asked: Vec<(String, StatusCode)>,
    /// Documents answered before all others hang: an interruption.
    stop_after: Option<usize>,
}

type Shared = Arc<Mutex<Site>>;

fn shared_data() -> Option<PathBuf> {
    let given = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from);
    let near = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|up| up.join("shared/data"))
        .find(|p| p.is_dir());
    given.or(near)
}

/// The files of the sample; `None` where it is not at hand.
fn sample() -> Option<BTreeMap<String, Vec<u8>>> {
    let Some(data) = shared_data() else {
        assert!(std::env::var("UNDERPIN_REQUIRE_ALL").as_deref() != Ok("1"), "shared/data not found");
        println!("skipped: shared/data not found");
        return None;
    };
    let file = fs::File::open(data.join("feeds/csaf-provider-layout.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name.strip_prefix("provider").unwrap_or(&name).to_owned(), bytes);
    }
    Some(files)
}

async fn serve(mut files: BTreeMap<String, Vec<u8>>) -> (SocketAddr, Shared) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (name, bytes) in &mut files {
        if name == METADATA || name.contains("-feed-") {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            *bytes = text.replace(BASE, &format!("http://{address}/")).into_bytes();
        }
    }
    let site = Arc::new(Mutex::new(Site { files, ..Site::default() }));
    let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&site));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, site)
}

async fn answer(State(site): State<Shared>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (fault, file, hang) = {
        let mut site = site.lock().unwrap();
        let served = site.asked.iter().filter(|(path, _)| is_document(path)).count();
        let hang = is_document(&path) && site.stop_after.is_some_and(|most| served >= most);
        let fault = site.faults.get(&path).copied();
        if let Some(Fault::Flaky(left)) = fault {
            site.faults.insert(path.clone(), Fault::Flaky(left.saturating_sub(1)));
        }
        (fault, site.files.get(&path).cloned(), hang)
    };
    if hang {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let response = match (fault, file) {
        (Some(Fault::Missing), _) | (_, None) => StatusCode::NOT_FOUND.into_response(),
        (Some(Fault::Loop), _) => (StatusCode::FOUND, [(header::LOCATION, path.clone())]).into_response(),
        (Some(Fault::Elsewhere), _) => {
            (StatusCode::FOUND, [(header::LOCATION, "ftp://127.0.0.1/x")]).into_response()
        }
        (Some(Fault::Flaky(left)), _) if left > 0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (Some(Fault::Slow), _) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        (Some(Fault::Truncated), Some(bytes)) => {
            let cutter = cut_off(bytes).await;
            (StatusCode::FOUND, [(header::LOCATION, format!("http://{cutter}/cut.json"))]).into_response()
        }
        (Some(Fault::WrongHash), Some(mut bytes)) => {
            let at = bytes.len() - 3;
            bytes.insert(at, b' ');
            bytes.into_response()
        }
        (_, Some(bytes)) => {
            let sum = bytes
                .iter()
                .fold(bytes.len() as u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
            let tag = format!("\"{sum:x}\"");
            if request.headers().get(header::IF_NONE_MATCH).is_some_and(|sent| sent == tag.as_str()) {
                StatusCode::NOT_MODIFIED.into_response()
            } else {
                ([(header::ETAG, tag)], bytes).into_response()
            }
        }
    };
    site.lock().unwrap().asked.push((path, response.status()));
    response
}

/// A server that breaks the connection halfway through the body, as no well-behaved library would.
async fn cut_off(bytes: Vec<u8>) -> SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&bytes[..bytes.len() / 2]).await;
    });
    address
}

fn is_document(path: &str) -> bool {
    path.ends_with(".json") && path.starts_with("/csaf_files/") && !path.contains("-feed-")
}

/// A stand-in for the parser: the tracking id and nothing else.
fn fake(bytes: &[u8]) -> Result<Parsed, Defect> {
    let defect =
        |reason: String| Defect { at: Position::Pointer(String::new()), reason, format: Some(Format::Csaf) };
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| defect(error.to_string()))?;
    let id = value["document"]["tracking"]["id"].as_str().ok_or_else(|| defect("no id".to_owned()))?;
    Ok(Parsed::Document(Box::new(Document::new(id, Format::Csaf))))
}

fn options() -> PullOptions {
    PullOptions {
        backoff: Duration::from_millis(5),
        request_timeout: Duration::from_millis(1500),
        parse: Arc::new(fake),
        ..PullOptions::new(Timestamp::UNIX_EPOCH)
    }
}

async fn run(address: SocketAddr, dir: &Path, options: &PullOptions) -> Pulled {
    pull(&format!("http://{address}"), dir, options, Arc::new(Silent)).await.unwrap()
}

fn documents_asked(site: &Shared) -> Vec<(String, StatusCode)> {
    let site = site.lock().unwrap();
    site.asked.iter().filter(|(path, _)| is_document(path)).cloned().collect()
}

/// Ids that reading the pulled folder gives: what a reader sees is the proof, not what the client says of itself.
fn read_ids(dir: &Path) -> BTreeSet<String> {
    let sources = [Source::from(dir.to_owned())];
    let intake = read_with(&sources, &Options::new(Timestamp::UNIX_EPOCH), &Silent, |bytes: &[u8]| {
        if bytes.starts_with(b"{") {
            fake(bytes)
        } else {
            Ok(Parsed::Ignored { reason: "no JSON".to_owned() })
        }
    });
    assert!(intake.quarantined.is_empty(), "{:?}", intake.quarantined);
    intake.documents().map(|accepted| accepted.document.id.clone()).collect()
}

#[tokio::test]
async fn everything_arrives_once_and_the_second_pull_fetches_nothing() {
    let Some(files) = sample() else { return };
    let originals = files.clone();
    let (address, site) = serve(files).await;
    let dir = tempfile::tempdir().unwrap();
    let first = run(address, dir.path(), &options()).await;
    assert_eq!((first.fetched, first.unchanged), (25, 0), "{first:?}");
    assert!(first.quarantined.is_empty() && first.failed.is_empty(), "{first:?}");
    assert_eq!(first.hashes, BTreeMap::from([("sha512", 25)]));
    assert_eq!(first.signatures, BTreeMap::from([("not checked (no key)", 25)]));
    assert_eq!(documents_asked(&site).len(), 25);
    for (name, bytes) in originals.iter().filter(|(name, _)| is_document(name) || name.ends_with(".asc")) {
        assert_eq!(&fs::read(dir.path().join(name.trim_start_matches('/'))).unwrap(), bytes, "{name}");
    }
    assert_eq!(read_ids(dir.path()).len(), 25);

    site.lock().unwrap().asked.clear();
    let second = run(address, dir.path(), &options()).await;
    assert_eq!((second.fetched, second.unchanged), (0, 25));
    assert_eq!(second.hashes, first.hashes);
    let asked = site.lock().unwrap().asked.clone();
    assert_eq!(asked.len(), 7, "{asked:?}");
    assert!(asked.iter().all(|(_, status)| *status == StatusCode::NOT_MODIFIED), "{asked:?}");
}

#[tokio::test]
async fn only_what_changed_is_fetched_again() {
    let Some(files) = sample() else { return };
    let (address, site) = serve(files).await;
    let dir = tempfile::tempdir().unwrap();
    run(address, dir.path(), &options()).await;
    let list = "/csaf_files/OT/white/changes.csv";
    {
        let mut site = site.lock().unwrap();
        site.asked.clear();
        let text = String::from_utf8(site.files[list].clone()).unwrap();
        let newer = text.replacen("2024-03-21T06:00:00", "2025-03-21T06:00:00", 1);
        assert_ne!(text, newer);
        site.files.insert(list.to_owned(), newer.into_bytes());
        // The new version, with its hash.
        let mut body = site.files[ONE].clone();
        body.push(b'\n');
        use sha2::Digest as _;
        let sum = sha2::Sha512::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        site.files.insert(ONE.to_owned(), body);
        site.files.insert(format!("{ONE}.sha512"), sum.into_bytes());
    }
    let pulled = run(address, dir.path(), &options()).await;
    assert_eq!((pulled.fetched, pulled.unchanged), (1, 24), "{pulled:?}");
    assert_eq!(documents_asked(&site), [(ONE.to_owned(), StatusCode::OK)]);
}

#[tokio::test]
async fn directories_alone_serve_as_well_with_conditional_requests() {
    let Some(mut files) = sample() else { return };
    let mut metadata: serde_json::Value = serde_json::from_slice(&files[METADATA]).unwrap();
    metadata["distributions"].as_array_mut().unwrap().remove(0);
    files.insert(METADATA.to_owned(), metadata.to_string().into_bytes());
    // Without changes.csv there are no dates: every document is asked for, and none is sent again.
    files.retain(|name, _| !name.ends_with("changes.csv"));
    let (address, site) = serve(files).await;
    let dir = tempfile::tempdir().unwrap();
    let first = run(address, dir.path(), &options()).await;
    assert_eq!((first.fetched, first.quarantined.len()), (25, 0), "{first:?}");
    site.lock().unwrap().asked.clear();
    let second = run(address, dir.path(), &options()).await;
    assert_eq!((second.fetched, second.unchanged), (0, 25));
    let asked = documents_asked(&site);
    assert_eq!(asked.len(), 25);
    assert!(asked.iter().all(|(_, status)| *status == StatusCode::NOT_MODIFIED));
}

#[tokio::test]
async fn each_fault_costs_its_own_document_only() {
    let Some(files) = sample() else { return };
    let names: Vec<String> = files.keys().filter(|name| is_document(name)).cloned().collect();
    let faults = [
        (Fault::Missing, Cause::Transfer, "404"),
        (Fault::WrongHash, Cause::Integrity, "its hash is"),
        (Fault::Truncated, Cause::Transfer, "attempts"),
        (Fault::Slow, Cause::Transfer, "too slow"),
        (Fault::Loop, Cause::Transfer, "circle"),
        (Fault::Elsewhere, Cause::Transfer, "ftp is not supported"),
    ];
    let (address, site) = serve(files).await;
    for (name, (fault, ..)) in names.iter().zip(faults) {
        site.lock().unwrap().faults.insert(name.clone(), fault);
    }
    let flaky = names.last().unwrap().clone();
    site.lock().unwrap().faults.insert(flaky.clone(), Fault::Flaky(2));
    let dir = tempfile::tempdir().unwrap();
    let quarantine = Arc::new(Quarantine::open(dir.path().join("quarantine"), 1 << 20).unwrap());
    let options = PullOptions { quarantine: Some(Arc::clone(&quarantine)), ..options() };
    let feed = dir.path().join("feed");
    let pulled = run(address, &feed, &options).await;
    assert_eq!((pulled.fetched, pulled.quarantined.len()), (25 - faults.len(), faults.len()), "{pulled:?}");
    for (name, (_, cause, reason)) in names.iter().zip(faults) {
        let bad = pulled.quarantined.iter().find(|bad| bad.file.ends_with(name)).unwrap();
        assert!(bad.cause == cause && bad.reason.contains(reason), "{bad:?}");
        assert!(!feed.join(name.trim_start_matches('/')).exists());
    }
    assert!(feed.join(flaky.trim_start_matches('/')).exists(), "a passing failure is retried");
    assert_eq!(read_ids(&feed).len(), 25 - faults.len());
    // The forged document is kept as evidence, and never released, though it parses.
    let retried = quarantine.retry(fake, Timestamp::UNIX_EPOCH, |_, _, _| panic!("released")).unwrap();
    assert_eq!(retried.not_retried, 1);
    // Once mended, the next pull brings them, and only them.
    site.lock().unwrap().faults.clear();
    let mended = run(address, &feed, &options).await;
    assert_eq!((mended.fetched, mended.unchanged), (faults.len(), 25 - faults.len()), "{mended:?}");
}

#[tokio::test]
async fn an_interrupted_pull_goes_on_where_it_was() {
    let Some(files) = sample() else { return };
    let (address, site) = serve(files).await;
    site.lock().unwrap().stop_after = Some(10);
    let dir = tempfile::tempdir().unwrap();
    let patient = PullOptions { request_timeout: Duration::from_secs(30), ..options() };
    let cut = tokio::time::timeout(Duration::from_secs(4), run(address, dir.path(), &patient)).await;
    assert!(cut.is_err(), "the pull had to be interrupted");
    let arrived = read_ids(dir.path()).len();
    assert!((6..=10).contains(&arrived), "{arrived}");
    // A line of the journal that the interruption cut must not matter.
    let journal = dir.path().join(".underpin-pull/journal.jsonl");
    let mut text = fs::read(&journal).unwrap();
    text.extend_from_slice(b"{\"url\":\"http://");
    fs::write(&journal, text).unwrap();
    {
        let mut site = site.lock().unwrap();
        site.stop_after = None;
        site.asked.clear();
    }
    let resumed = run(address, dir.path(), &options()).await;
    assert_eq!((resumed.fetched, resumed.unchanged), (25 - arrived, arrived), "{resumed:?}");
    assert_eq!(documents_asked(&site).len(), 25 - arrived);
    assert_eq!(fs::read_dir(dir.path().join(".underpin-pull/partial")).unwrap().count(), 0);
}

#[tokio::test]
async fn labels_sizes_and_defects_are_judged_before_a_document_is_in_place() {
    let Some(mut files) = sample() else { return };
    let amber = String::from_utf8(files[ONE].clone()).unwrap().replace("\"WHITE\"", "\"AMBER\"");
    assert!(amber.contains("AMBER"));
    files.insert(ONE.to_owned(), amber.into_bytes());
    // Hashes by convention only, and none for any document.
    files.retain(|name, _| !name.ends_with(".sha512"));
    let mut metadata: serde_json::Value = serde_json::from_slice(&files[METADATA]).unwrap();
    metadata["distributions"][0]["rolie"]["feeds"][0]["tlp_label"] = "AMBER".into();
    metadata["distributions"][0]["rolie"]["feeds"].as_array_mut().unwrap().truncate(1);
    metadata["distributions"].as_array_mut().unwrap().truncate(2);
    files.insert(METADATA.to_owned(), metadata.to_string().into_bytes());
    let (big, odd) =
        ("/csaf_files/OT/white/2024/icsa-24-051-02.json", "/csaf_files/OT/white/2024/icsa-24-074-10.json");
    files.insert(big.to_owned(), vec![b' '; 100_000]);
    files.insert(odd.to_owned(), b"{}".to_vec());
    let (address, site) = serve(files).await;
    let dir = tempfile::tempdir().unwrap();
    let options = PullOptions { max_document_bytes: 50_000, ..options() };
    let pulled = run(address, dir.path(), &options).await;
    assert_eq!(pulled.restricted.len(), 1);
    assert_eq!(pulled.hashes, BTreeMap::from([("not-offered", 18)]));
    let reason = |name: &str| &pulled.quarantined.iter().find(|bad| bad.file.ends_with(name)).unwrap().reason;
    assert!(reason(ONE).contains("TLP:AMBER"));
    assert!(reason(big).contains("more than 50000 bytes"));
    assert!(reason(odd).contains("no id"));
    assert_eq!(read_ids(dir.path()).len(), 18);
    // The same version of a document with a defect is reported again and not fetched again.
    site.lock().unwrap().asked.clear();
    let second = run(address, dir.path(), &options).await;
    assert_eq!(second.quarantined.len(), 3);
    assert!(documents_asked(&site).iter().all(|(path, _)| path != odd));
}

#[tokio::test]
async fn a_missing_list_is_reported_and_the_others_are_used() {
    let Some(files) = sample() else { return };
    let (address, site) = serve(files).await;
    let gone = ["changes.csv", "index.txt", "cisa-csaf-it-feed-tlp-white.json"]
        .map(|n| format!("/csaf_files/IT/white/{n}"));
    for name in &gone {
        site.lock().unwrap().faults.insert(name.clone(), Fault::Missing);
    }
    let dir = tempfile::tempdir().unwrap();
    let pulled = run(address, dir.path(), &options()).await;
    assert_eq!((pulled.fetched, pulled.failed.len()), (21, 3), "{pulled:?}");
    assert!(
        !dir.path().join(".underpin-pull/state.jsonl").exists(),
        "such a pull does not make the feed fresh"
    );
}

#[tokio::test]
async fn without_metadata_there_is_an_error_that_names_it() {
    let (address, _) = serve(BTreeMap::from([("/x.json".to_owned(), b"[]".to_vec())])).await;
    let dir = tempfile::tempdir().unwrap();
    let from = |text: String| {
        let dir = dir.path().to_owned();
        async move { pull(&text, &dir, &options(), Arc::new(Silent)).await.unwrap_err() }
    };
    let missing = from(format!("http://{address}")).await;
    assert!(
        matches!(&missing, PullError::Metadata { url, reason } if url.ends_with(METADATA) && reason.contains("404"))
    );
    assert!(from(format!("http://{address}/x.json")).await.to_string().contains("no provider metadata"));
    assert!(
        from("http://provider.example/m.json".to_owned()).await.to_string().contains("not protected by TLS")
    );
    assert!(matches!(from("https://".to_owned()).await, PullError::Address(..)));
}
