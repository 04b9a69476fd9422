//! How fast documents become facts, in bytes per second and format.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench reads real documents and says what it skips"
)]
#![allow(missing_docs, reason = "criterion's macro makes the entry point")]

use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn files(archive: &str) -> Option<Vec<Vec<u8>>> {
    let data = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from).or_else(|| {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|folder| folder.join("shared/data")).find(|path| path.is_dir())
    })?;
    let file = std::fs::File::open(data.join("feeds").join(archive)).ok()?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = Vec::new();
    for entry in archive.entries().ok()? {
        let mut bytes = Vec::new();
        entry.ok()?.read_to_end(&mut bytes).ok()?;
        files.push(bytes);
    }
    Some(files)
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.sample_size(10);
    for (name, archive) in [
        ("csaf", "csaf-redhat-samples.tar.gz"),
        ("osv", "osv-almalinux.tar.gz"),
        ("cve5", "cve5-hypervisors.tar.gz"),
    ] {
        let Some(files) = files(archive) else {
            println!("skipped: shared/data not found");
            continue;
        };
        let bytes: usize = files.iter().map(Vec::len).sum();
        group.throughput(Throughput::Bytes(u64::try_from(bytes).unwrap_or(u64::MAX)));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for file in &files {
                    let _ = black_box(underpin_feeds::parse(black_box(file)));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
