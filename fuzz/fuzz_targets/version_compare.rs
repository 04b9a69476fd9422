//! Orders of any three texts: no panic, reflexive, antisymmetric, and transitive where the scheme promises it.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use underpin_model::version::{Comparison, Scheme, compare, esxi, table};

/// None when the scheme does not order the two.
fn order(scheme: Scheme, left: &str, right: &str) -> Option<Ordering> {
    match compare(scheme, left, right) {
        Ok(Comparison::Ordered(order)) => Some(order),
        _ => None,
    }
}

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let [a, b, c] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let _ = esxi::train(a);
    for scheme in Scheme::ALL {
        let _ = table::check(scheme, text);
        for text in [a, b, c] {
            if let Ok(same) = compare(scheme, text, text) {
                assert_eq!(same, Comparison::Ordered(Ordering::Equal), "{scheme} {text:?}");
            }
        }
        let (first, second) = (order(scheme, a, b), order(scheme, b, c));
        assert_eq!(first, order(scheme, b, a).map(Ordering::reverse), "{scheme} {a:?} {b:?}");
        // Without a release RPM compares versions only, which is not transitive by design.
        let rpm = matches!(scheme, Scheme::Rpm | Scheme::XcpNg);
        if rpm && [a, b, c].iter().any(|text| !text.contains('-')) {
            continue;
        }
        if let (Some(first), Some(second)) = (first, second) {
            let whole = match (first, second) {
                (Ordering::Equal, other) | (other, Ordering::Equal) => other,
                (first, second) if first == second => first,
                _ => continue,
            };
            assert_eq!(order(scheme, a, c), Some(whole), "{scheme} {a:?} {b:?} {c:?}");
        }
    }
});
