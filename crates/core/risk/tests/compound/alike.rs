//! What is worked out once for all that is alike: planes hit by the same, classes that differ in their planes alone.

use underpin_model::id::ManagementPlaneId;
use underpin_risk::compound::{Options, Thresholds, judge};
use underpin_risk::portfolio::{HostClass, Plane, Portfolio};

use crate::enumeration;
use crate::made;

/// The first class of a tiny portfolio three times, each under a plane of its own; the planes are copies of the first.
fn copies(seed: u64) -> Portfolio {
    let mut portfolio = made::tiny(seed);
    let (plane, class) = (portfolio.planes[0].clone(), portfolio.classes[0].clone());
    let name = |at: u32| ManagementPlaneId::new(format!("plane-{at}")).unwrap();
    portfolio.planes = (0..3).map(|at| Plane { id: name(at), ..plane.clone() }).collect();
    portfolio.classes = (0..3).map(|at| HostClass { planes: vec![at], ..class.clone() }).collect();
    for (host, class) in portfolio.hosts.iter_mut().zip([0, 1, 2, 0, 1]) {
        host.class = class;
    }
    portfolio
}

fn options() -> Options {
    let at_least = Thresholds { hosts: vec![2, 3, 4, 5], guests: vec![2, 4], tenants: vec![2] };
    Options { levels: vec![0.5, 0.9, 0.99], at_least, exact: false, ..Options::default() }
}

#[test]
fn planes_that_are_alike_fall_each_on_its_own() {
    let mut fell = 0;
    for seed in 0..24 {
        let portfolio = copies(seed);
        let judgement = judge(&portfolio, &options()).unwrap();
        let law = enumeration::law(&portfolio);
        let mean = enumeration::mean(&law, |outcome| outcome.3 as f64 / 2.0);
        assert!((judgement.fleet.mean - mean).abs() <= 1e-9 * (1.0 + mean), "{seed}: mean");
        assert!(judgement.sampling.deviation < 4.5, "{seed}: {:?}", judgement.sampling.deviation);
        fell += usize::from(!portfolio.planes[0].responses.is_empty());
        for at in &judgement.hosts_hit_at_least {
            let expected = enumeration::probability(&law, |it| it.0 >= at.m);
            let off = (at.probability - expected).abs();
            assert!(off <= 4.5 * at.standard_error + 2e-4, "{seed}: {at:?} but {expected}");
        }
        for (level, found) in [0.9, 0.99].into_iter().zip(&judgement.fleet.cvar[1..]) {
            let expected = enumeration::tail(&law, level).1;
            let off = (found.value - expected).abs();
            assert!(off <= 4.5 * found.standard_error + 1e-3 * expected, "{seed}: {found:?} but {expected}");
        }
    }
    assert!(fell > 12, "planes that nothing hits show nothing");
}

#[test]
fn responses_that_are_shared_are_judged_like_copies_of_them() {
    for seed in 0..4 {
        let shared = copies(seed);
        let mut copied = shared.clone();
        for class in &mut copied.classes {
            class.responses = class.responses.to_vec().into();
        }
        assert_eq!(judge(&shared, &options()).unwrap(), judge(&copied, &options()).unwrap());
    }
}
