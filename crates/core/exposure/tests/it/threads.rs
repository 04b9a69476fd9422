//! The number of threads is of no consequence.

use underpin_exposure::{FactBase, Feed, Options, assess};
use underpin_feeds::builtin;
use underpin_model::fleet::{SampleSpec, sample};
use underpin_model::id::FeedId;

use crate::build::now;

#[test]
#[expect(clippy::disallowed_methods, reason = "the number of threads is what is tested")]
fn one_thread_and_four_give_the_same_assessment() {
    let documents = builtin::documents().map(|(_, document)| document.unwrap()).collect();
    let base = FactBase::new(vec![Feed { id: FeedId::new("built-in").unwrap(), fetched: None, documents }]);
    let fleet = sample(&SampleSpec { hosts: 60, seed: 3, components_per_host: 120 }, now());
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_vec(&assess(&fleet, &base, &Options::at(now()))).unwrap())
    };
    let one = on(1);
    assert!(one.len() > 100_000, "too little was found to tell: {} bytes", one.len());
    assert!(one == on(4) && one == on(4));
}
