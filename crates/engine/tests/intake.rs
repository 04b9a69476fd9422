//! Reading feeds: counts, archives, hostile archives, links and determinism. The parser is a stand-in whose documents are
//! `id [updated]` lines, so that every outcome is chosen by the test.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use underpin_engine::intake::{Intake, Limits, Options, Source, read_with};
use underpin_engine::progress::{Progress, Silent};
use underpin_engine::quarantine::Quarantine;
use underpin_feeds::{Defect, Parsed, Position};
use underpin_model::facts::{Document, Format};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// `doc ID [DATE]` is a document, `bad` a defect, everything else is no advisory.
fn fake(bytes: &[u8]) -> Result<Parsed, Defect> {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.split_whitespace();
    match words.next() {
        Some("doc") => {
            let mut document = Document::new(words.next().unwrap_or("none"), Format::Csaf);
            document.updated = words.next().map(|date| format!("{date}T00:00:00Z").parse().unwrap());
            Ok(Parsed::Document(Box::new(document)))
        }
        Some("bad") => Err(Defect {
            at: Position::Pointer("/x".to_owned()),
            reason: "no".to_owned(),
            format: Some(Format::Csaf),
        }),
        _ => Ok(Parsed::Ignored { reason: "text".to_owned() }),
    }
}

fn options() -> Options<'static> {
    Options::new(NOW)
}

fn read(path: &Path) -> Intake {
    read_with(&[Source::from(path.to_owned())], &options(), &Silent, fake)
}

fn upload(bytes: &[u8], limits: Limits) -> Intake {
    let source = Source::Upload { name: "u".to_owned(), bytes: Arc::from(bytes) };
    read_with(&[source], &Options { limits, ..options() }, &Silent, fake)
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // Set directly: the builder refuses the names that a hostile archive has.
        if name.len() < 100 {
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        } else {
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn sources(intake: &Intake) -> Vec<String> {
    intake.documents().map(|accepted| accepted.source.to_string()).collect()
}

#[test]
fn every_packing_is_recognised_by_content_and_nested_ones_are_opened() {
    let inner = tar(&[("i.json", b"doc inner"), ("LICENSE", b"words")]);
    let outer = zip(&[("n.tgz", &gz(&inner)), ("z", &zip(&[("deep", b"doc deep")])), ("b", b"bad")]);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a.json"), gz(b"doc gz")).unwrap();
    fs::write(at("b"), zstd::encode_all(&b"doc zstd"[..], 1).unwrap()).unwrap();
    fs::write(at("c.txt"), &outer).unwrap();
    fs::write(at("d"), tar(&[("t", b"doc tar"), ("nested.zip", &outer)])).unwrap();
    fs::write(at("e.xz"), [0xfd, b'7', b'z', b'X', b'Z', 0, 0]).unwrap();
    let intake = read(dir.path());
    let root = dir.path().display();
    let expected = [
        "a.json",
        "b",
        "c.txt!n.tgz!i.json",
        "c.txt!z!deep",
        "d!t",
        "d!nested.zip!n.tgz!i.json",
        "d!nested.zip!z!deep",
    ];
    assert_eq!(sources(&intake), expected.map(|path| format!("{root}/{path}")));
    let summary = serde_json::to_value(intake.summary()).unwrap();
    assert_eq!(summary["documents"], 10);
    assert_eq!(summary["accepted"], 7);
    assert_eq!(summary["by_format"], serde_json::json!({"csaf": 7}));
    assert_eq!(summary["ignored"][0]["file"], format!("{root}/c.txt!n.tgz!LICENSE"));
    assert_eq!(summary["ignored"].as_array().unwrap().len(), 2);
    let bad = serde_json::json!({"file": format!("{root}/c.txt!b"), "at": "/x", "reason": "no"});
    assert_eq!(summary["quarantined"][0], bad);
    assert!(summary["quarantined"][2]["reason"].as_str().unwrap().contains("xz is not supported"));
    assert_eq!(summary.as_object().unwrap().len(), 5, "{summary}");
}

#[test]
fn layers_beyond_the_limit_are_refused_and_the_rest_is_read() {
    let deep = (0..4).fold(b"doc deep".to_vec(), |bytes, _| gz(&bytes));
    let archive = tar(&[("deep", &deep), ("flat", b"doc flat")]);
    let limits = Limits { max_layers: 4, ..Limits::default() };
    let intake = upload(&archive, limits);
    assert_eq!(sources(&intake), ["u!flat"]);
    assert!(intake.quarantined[0].reason.contains("more than 4 layers"), "{:?}", intake.quarantined);
    assert_eq!(upload(&archive, Limits { max_layers: 5, ..limits }).documents().count(), 2);
}

/// Writes zeros without holding them.
fn zeros(to: &mut impl std::io::Write, bytes: u64) {
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), bytes), to).unwrap();
}

#[test]
fn bombs_are_quarantined_with_the_limit_that_they_pass() {
    // 2 GiB: compressed members of 16 MiB, one after the other, are one stream.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zeros(&mut encoder, 16 << 20);
    let bomb = encoder.finish().unwrap().repeat(128);
    // By ratio, long before 2 GiB are unpacked.
    let intake = upload(&bomb, Limits { ratio_floor_bytes: 1 << 20, ..Limits::default() });
    assert!(intake.quarantined[0].reason.contains("decompression bomb"), "{:?}", intake.quarantined);
    // By size of the document, where the ratio is allowed.
    let intake =
        upload(&bomb, Limits { max_ratio: 10_000, max_document_bytes: 1 << 20, ..Limits::default() });
    assert!(intake.quarantined[0].reason.contains("more than 1048576 bytes"), "{:?}", intake.quarantined);
    // By what everything unpacks to; what came before it in the archive stays.
    let archive = tar(&[("first", b"doc first"), ("bomb", &bomb), ("last", b"doc last")]);
    let limits = Limits { max_ratio: 10_000, max_unpacked_bytes: 1 << 20, ..Limits::default() };
    let intake = upload(&gz(&archive), limits);
    assert_eq!(sources(&intake), ["u!first"]);
    assert_eq!(intake.quarantined.len(), 1, "{:?}", intake.quarantined);
    let bad = &intake.quarantined[0];
    assert!(bad.reason.contains("unpacks to more than") && bad.reason.contains("not read"), "{bad:?}");
}

#[test]
fn zip_bombs_by_ratio_and_by_entries() {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("ok", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(b"doc ok").unwrap();
    writer.start_file("zeros", zip::write::SimpleFileOptions::default().compression_level(Some(1))).unwrap();
    zeros(&mut writer, 64 << 20);
    let bomb = writer.finish().unwrap().into_inner();
    let intake = upload(&bomb, Limits { ratio_floor_bytes: 1 << 20, max_ratio: 100, ..Limits::default() });
    assert_eq!(sources(&intake), ["u!ok"]);
    assert!(intake.quarantined[0].reason.contains("decompression bomb"), "{:?}", intake.quarantined);
    let many: Vec<(&str, &[u8])> = ["a", "b", "c", "d"].map(|name| (name, &b"doc x"[..])).to_vec();
    for archive in [tar(&many), zip(&many)] {
        let intake = upload(&archive, Limits { max_entries: 3, ..Limits::default() });
        assert_eq!(intake.summary().accepted, 3);
        assert!(intake.quarantined[0].reason.contains("more than 3 entries"), "{:?}", intake.quarantined);
    }
}

#[test]
fn what_is_cut_off_is_never_taken_for_whole() {
    // Cut within the second entry; a cut table would still parse.
    let long = [&b"doc second "[..], &[b' '; 2000]].concat();
    let plain = tar(&[("first", b"doc first"), ("second", &long), ("third", b"doc third")]);
    let mut noise: Vec<u8> =
        (0..60_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    noise.splice(0..0, *b"doc noise ");
    let packed = gz(&tar(&[("first", b"doc first"), ("second", &noise)]));
    for cut in [&plain[..1024 + 512 + 700], &packed[..packed.len() / 2]] {
        let intake = upload(cut, Limits::default());
        assert_eq!(sources(&intake), ["u!first"]);
        assert_eq!(intake.quarantined.len(), 1, "{:?}", intake.quarantined);
        assert_eq!(intake.quarantined[0].file, "u!second");
        assert!(intake.quarantined[0].reason.contains("ends early"), "{:?}", intake.quarantined);
    }
    let single = gz(&noise);
    let intake = upload(&single[..single.len() - 4], Limits::default());
    assert_eq!((intake.documents().count(), intake.quarantined.len()), (0, 1));
    let whole = zip(&[("a", b"doc a")]);
    assert_eq!(upload(&whole[..whole.len() - 10], Limits::default()).quarantined.len(), 1);
}

#[test]
fn a_damaged_entry_does_not_take_its_neighbours_along() {
    let mut broken = gz(b"doc broken, long enough to be damaged in the middle");
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let entries: [(&str, &[u8]); 3] = [("a", b"doc a"), ("broken", &broken), ("z", b"doc z")];
    for archive in [tar(&entries), zip(&entries)] {
        let intake = upload(&archive, Limits::default());
        assert_eq!(sources(&intake), ["u!a", "u!z"]);
        assert_eq!(intake.quarantined[0].file, "u!broken");
    }
}

#[test]
fn names_that_climb_or_never_end_are_only_shown() {
    let long = "n/".repeat(700);
    let dir = tempfile::tempdir().unwrap();
    let archive = tar(&[("../../climb", b"doc a"), ("/etc/x\x1b[2J", b"doc b"), (&long, b"doc c")]);
    fs::create_dir(dir.path().join("in")).unwrap();
    fs::write(dir.path().join("in/a.tar"), archive).unwrap();
    let intake = read(&dir.path().join("in"));
    let names: Vec<_> = intake.documents().map(|accepted| accepted.source.entries[0].clone()).collect();
    assert_eq!(names[..2], ["../../climb".to_owned(), "/etc/x\u{fffd}[2J".to_owned()]);
    assert_eq!(names[2].chars().count(), 512);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn nothing_to_read_is_told_from_nothing_good() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        let intake = read(&path);
        assert!(intake.nothing_read());
        assert_eq!(intake.unreadable.len(), 1, "{:?}", intake.unreadable);
    }
    fs::write(dir.path().join("a"), "bad").unwrap();
    assert!(!read(dir.path()).nothing_read());
    fs::write(dir.path().join("a"), "words").unwrap();
    assert!(!read(dir.path()).nothing_read());
}

#[cfg(unix)]
#[test]
fn links_neither_loop_nor_lead_out_nor_count_twice() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "doc secret").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("sub")).unwrap();
    fs::create_dir_all(at("..data")).unwrap();
    fs::write(at("sub/real"), "doc real").unwrap();
    fs::write(at("..data/mounted"), "doc mounted").unwrap();
    symlink(dir.path(), at("sub/loop")).unwrap();
    symlink("self", at("self")).unwrap();
    symlink(outside.path().join("secret"), at("out")).unwrap();
    symlink(at("sub/real"), at("again")).unwrap();
    // A mounted configuration map: the file lies in a hidden folder, the link is its only visible name.
    symlink("..data/mounted", at("mounted")).unwrap();
    let intake = read(dir.path());
    let mut ids: Vec<_> = intake.documents().map(|accepted| accepted.document.id.clone()).collect();
    ids.sort();
    assert_eq!(ids, ["mounted", "real"]);
    assert_eq!(intake.ignored.len(), 4, "{:?}", intake.ignored);
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_file_is_named_and_the_rest_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    fs::write(&closed, "doc closed").unwrap();
    fs::write(dir.path().join("open"), "doc open").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
    // Root may open every file, but not read this one: nothing is mapped at the address at which it begins.
    let closed = if fs::File::open(&closed).is_ok() { PathBuf::from("/proc/self/mem") } else { closed };
    let sources = [Source::from(dir.path().join("open")), Source::from(closed.clone())];
    let intake = read_with(&sources, &options(), &Silent, fake);
    let ids: Vec<_> = intake.documents().map(|accepted| accepted.document.id.clone()).collect();
    assert_eq!(ids, ["open"]);
    let refused = intake.quarantined.iter().map(|bad| bad.file.as_str());
    let named: Vec<&str> = intake.unreadable.iter().map(|one| one.file.as_str()).chain(refused).collect();
    assert_eq!(named, [closed.to_string_lossy()], "{:?} {:?}", intake.quarantined, intake.unreadable);
}

#[test]
fn hidden_names_are_passed_over_except_well_known() {
    let dir = tempfile::tempdir().unwrap();
    for folder in [".git", ".well-known", "plain"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("f"), format!("doc {folder}")).unwrap();
    }
    fs::write(dir.path().join("plain/.hidden"), "doc hidden").unwrap();
    let ids: Vec<_> = read(dir.path()).documents().map(|accepted| accepted.document.id.clone()).collect();
    assert_eq!(ids, [".well-known", "plain"]);
}

#[test]
fn feeds_are_the_top_entries_and_keep_one_document_of_an_id() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("folder/1"), "doc same 2020-01-01").unwrap();
    fs::write(dir.path().join("folder/2"), "doc same 2021-01-01").unwrap();
    fs::write(dir.path().join("folder/3"), "doc same").unwrap();
    fs::write(dir.path().join("folder/4"), "doc same 2021-01-01").unwrap();
    fs::write(dir.path().join("single"), "doc same 2019-01-01").unwrap();
    fs::write(dir.path().join("words"), "words").unwrap();
    let intake = read(dir.path());
    let feeds: Vec<_> = intake.feeds.iter().map(|feed| feed.id.as_str()).collect();
    assert_eq!(feeds, ["folder", "single"]);
    let file = |name: &str| dir.path().join("folder").join(name).to_string_lossy().into_owned();
    assert_eq!(intake.feeds[0].documents.len(), 1);
    assert_eq!(intake.feeds[0].documents[0].source.file, file("2"));
    assert_eq!(intake.feeds[0].updated(), Some("2021-01-01T00:00:00Z".parse().unwrap()));
    assert!(intake.feeds[0].fetched.is_some());
    let replaced: Vec<_> = intake.superseded.iter().map(|one| (one.file.clone(), one.by.clone())).collect();
    assert_eq!(replaced, ["1", "3", "4"].map(|name| (file(name), file("2"))));
    assert_eq!(intake.summary().accepted, 5);
    // Two sources with files of one name are two feeds.
    let twice = [Source::from(dir.path().to_owned()), Source::from(dir.path().join("single"))];
    let twice = read_with(&twice, &options(), &Silent, fake);
    let ids: Vec<_> = twice.feeds.iter().map(|feed| feed.id.to_string()).collect();
    assert_eq!(
        ids,
        ["folder".to_owned(), "single".to_owned(), dir.path().join("single").display().to_string()]
    );
}

#[test]
fn the_result_does_not_depend_on_threads_or_batches() {
    let texts: Vec<(String, String)> = (0..500)
        .map(|n| {
            (
                format!("{n:03}"),
                if n % 7 == 0 { "bad".to_owned() } else { format!("doc {} 2020-01-01", n % 200) },
            )
        })
        .collect();
    let entries: Vec<(&str, &[u8])> =
        texts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let archive = gz(&tar(&entries));
    let mut results = Vec::new();
    for (threads, batch_bytes) in [(1, 1), (2, 100), (4, 8 << 20)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        results.push(pool.install(|| upload(&archive, Limits { batch_bytes, ..Limits::default() })));
    }
    assert_eq!(results[0].summary().documents, 500);
    assert_eq!(results[0], results[1]);
    assert_eq!(results[1], results[2]);
}

#[test]
fn few_documents_exist_at_once() {
    // Unpacking runs ahead of parsing by one batch: its thread reports the bytes read, the parser those done with.
    struct Ahead(AtomicUsize);
    impl Progress for Ahead {
        fn on_start(&self, _: Option<u64>, _: Option<u64>) {}
        fn on_bytes(&self, bytes: u64) {
            self.0.fetch_add(bytes as usize, Ordering::SeqCst);
        }
        fn on_item(&self, _: &str) {}
        fn on_finish(&self) {}
    }
    const SIZE: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    for n in 0..12 {
        fs::write(dir.path().join(format!("{n:02}")), format!("doc {n} {}", " ".repeat(SIZE))).unwrap();
    }
    let (read, parsed, most) = (Ahead(AtomicUsize::new(0)), AtomicUsize::new(0), AtomicUsize::new(0));
    let limits = Limits { batch_bytes: SIZE, ..Limits::default() };
    let slow = |bytes: &[u8]| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let ahead = read.0.load(Ordering::SeqCst) - parsed.load(Ordering::SeqCst);
        most.fetch_max(ahead, Ordering::SeqCst);
        parsed.fetch_add(bytes.len(), Ordering::SeqCst);
        fake(bytes)
    };
    let source = Source::from(dir.path().to_owned());
    let intake = read_with(&[source], &Options { limits, ..options() }, &read, slow);
    assert_eq!(intake.documents().count(), 12);
    assert!(most.load(Ordering::SeqCst) < 2 * SIZE + SIZE / 2, "{most:?} bytes were held at once");
}

#[test]
fn bad_documents_are_kept_for_a_retry() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = Quarantine::open(dir.path().join("q"), 1 << 20).unwrap();
    let source =
        Source::Upload { name: "u".to_owned(), bytes: Arc::from(tar(&[("a", b"bad one"), ("b", b"doc b")])) };
    let options = Options { quarantine: Some(&quarantine), ..options() };
    let intake = read_with(&[source], &options, &Silent, fake);
    assert!(intake.not_kept.is_empty(), "{:?}", intake.not_kept);
    let records = quarantine.records(&mut Vec::new()).unwrap();
    assert_eq!(records[0].quarantined, intake.quarantined[0]);
    assert_eq!(
        fs::read(dir.path().join("q").join(format!("{}.bin", records[0].sha256))).unwrap(),
        b"bad one"
    );
}

#[test]
fn every_document_of_the_real_archives_is_reached() {
    let given = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from);
    let mut near = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|up| up.join("shared/data"));
    let Some(data) = given.or_else(|| near.find(|path| path.is_dir())) else {
        assert!(std::env::var("UNDERPIN_REQUIRE_ALL").as_deref() != Ok("1"), "shared/data not found");
        println!("skipped: shared/data not found");
        return;
    };
    let names = ["csaf-redhat-samples.tar.gz", "osv-almalinux.tar.gz", "cve5-hypervisors.tar.gz"];
    let names = names.into_iter().chain(["cisa-kev-2025-08-25.json"]);
    let sources: Vec<Source> = names.map(|name| Source::from(data.join("feeds").join(name))).collect();
    let intake = read_with(&sources, &options(), &Silent, |bytes: &[u8]| {
        if bytes.trim_ascii_start().starts_with(b"{") {
            Ok(Parsed::Document(Box::new(Document::new(format!("{:p}", bytes.as_ptr()), Format::Csaf))))
        } else {
            Ok(Parsed::Ignored { reason: "text".to_owned() })
        }
    });
    let summary = intake.summary();
    assert_eq!((summary.documents, summary.accepted, summary.ignored.len()), (6711, 6711, 2));
    assert_eq!(intake.feeds.len(), 4);
}
