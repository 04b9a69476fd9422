//! A machine reassignment instance is refused with a place, or is checked and searched without a fault: what is found holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_planner::reassignment::{
    Options, check, improve, lower_bound, read_assignment, read_model, write_assignment,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // The model, a `;`, the assignment.
    let (model, assignment) = text.split_once(';').unwrap_or((text, ""));
    let instance = match read_model(model) {
        Ok(instance) => instance,
        Err(error) => {
            assert!(!error.place.is_empty() && !error.expected.is_empty());
            return;
        }
    };
    let _ = lower_bound(&instance);
    let Ok(initial) = read_assignment(assignment, &instance) else { return };
    assert_eq!(read_assignment(&write_assignment(&initial), &instance).as_ref(), Ok(&initial));
    let before = check(&instance, &initial, &initial);
    match improve(&instance, &initial, &Options { seed: 1, evaluations: 4_000 }, &|| 0.0) {
        Ok(found) => {
            let verdict = check(&instance, &initial, &found.assignment);
            assert!(verdict.is_feasible() && verdict.cost.total() == i128::from(found.cost));
            assert!(verdict.cost.total() <= before.cost.total());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
