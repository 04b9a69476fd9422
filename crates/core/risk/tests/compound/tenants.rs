//! Guests of no known tenant are nobody's.

use underpin_risk::compound::{AtLeast, Method, Options, Thresholds, judge};

use crate::enumeration;
use crate::made;

#[test]
fn guests_without_a_tenant_are_no_tenant() {
    let mut told = 0;
    for seed in 0..12 {
        let mut portfolio = made::tiny(seed);
        let at_least = Thresholds { hosts: vec![1], guests: vec![1], tenants: vec![1, 2, 3] };
        let options = Options { at_least_in_parts: at_least.clone(), at_least, ..Options::default() };
        portfolio.tenants[1] = None;
        let law = enumeration::law(&portfolio);
        let nobodys: u64 =
            portfolio.holdings.iter().filter(|it| it.tenant == 1).map(|it| u64::from(it.vms)).sum();
        for exact in [true, false] {
            let judgement = judge(&portfolio, &Options { exact, ..options.clone() }).unwrap();
            assert_eq!(judgement.guests_without_tenant, nobodys);
            for one in &judgement.tenants_hit_at_least {
                let named = |bits: u64| u64::from((bits & !0b10).count_ones());
                let expected = enumeration::probability(&law, |it| named(it.2) >= one.m);
                close(one, expected, exact || one.m == 1);
                told += u64::from(expected > 0.0);
            }
            let most = judgement.clusters.iter().map(|it| it.tenants).max();
            assert!(most <= Some(2), "{most:?}");
            for one in judgement.clusters.iter().flat_map(|it| &it.tenants_hit_at_least) {
                assert!(one.m <= 2, "{one:?}");
            }
        }
    }
    assert!(told > 20, "{told}");
}

fn close(one: &AtLeast, expected: f64, exact: bool) {
    let allowed = if exact { 1e-9 } else { 5.0 * one.standard_error + 1e-3 };
    assert!((one.probability - expected).abs() <= allowed, "{one:?} but {expected}");
    assert!(!exact || one.method == Method::Exact, "{one:?}");
}
