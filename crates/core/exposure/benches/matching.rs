//! How fast a small fleet is matched against the built-in facts, and how fast versions are ordered.

#![allow(missing_docs, reason = "criterion's macro makes the entry point")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use underpin_exposure::{FactBase, Feed, Options, assess};
use underpin_feeds::builtin;
use underpin_model::fleet::{SampleSpec, sample};
use underpin_model::id::FeedId;
use underpin_model::version::{Scheme, compare};

fn matching(criterion: &mut Criterion) {
    let documents = builtin::documents().filter_map(|(_, document)| document.ok()).collect();
    let Ok(id) = FeedId::new("built-in") else { return };
    let base = FactBase::new(vec![Feed { id, fetched: None, documents }]);
    let at = jiff::Timestamp::UNIX_EPOCH;
    let fleet = sample(&SampleSpec { hosts: 100, ..SampleSpec::default() }, at);
    let mut group = criterion.benchmark_group("match");
    group.sample_size(20);
    group.bench_function("100 hosts", |bencher| {
        bencher.iter(|| assess(black_box(&fleet), &base, &Options::at(at)));
    });
    group.finish();
}

fn versions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compare");
    for (scheme, a, b) in [
        (Scheme::Dpkg, "1:7.2+dfsg-7+deb12u9", "1:7.2+dfsg-7+deb12u13"),
        (Scheme::Rpm, "17:8.2.0-11.el9_4.3", "17:8.2.0-11.el9_4.13"),
        (Scheme::Esxi, "8.0.3-24280767", "8.0.3-24585383"),
        (Scheme::Generic, "4.17.5", "4.17.12"),
    ] {
        group.bench_function(format!("{scheme:?}"), |bencher| {
            bencher.iter(|| compare(scheme, black_box(a), black_box(b)));
        });
    }
    group.finish();
}

criterion_group!(benches, matching, versions);
criterion_main!(benches);
