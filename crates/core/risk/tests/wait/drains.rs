//! Changes share a drain where they are decided for the same time, and save nothing for each other where they are not.

use underpin_risk::wait::GroupDecision;
use underpin_risk::wait::curve::Choice;

use crate::additive::{Kind, PLAIN, decided, facts, fleet};

/// Two hosts, both of which must be emptied for a kernel, one of them for firmware too.
fn hosts() -> Vec<Kind> {
    let one = |firmware| Kind {
        guests: vec![(0, true); 3],
        ways: (1, Some(false)),
        cluster: 0,
        old: false,
        kernel: true,
        firmware,
        part: 0,
    };
    vec![one(true), one(false)]
}

/// The decisions about the kernel and the firmware where the maintenance of a host costs so much.
fn at_cost(per_host: f64) -> [GroupDecision; 2] {
    let policy = format!("{PLAIN}\n[maintenance]\nper_host = {per_host:?}\nshared_drain_saves = 1.0\n");
    let all = decided(&fleet(&hosts(), |_| "part-0".to_owned()), &facts(), &policy);
    ["kernel", "linux-firmware"]
        .map(|component| all.iter().find(|it| it.component == component).unwrap().clone())
}

#[test]
fn only_changes_that_are_decided_for_the_same_time_share_a_drain() {
    let mut seen = [0, 0];
    for step in 0..24 {
        let per_host = 1.5_f64.powi(step);
        let both = at_cost(per_host);
        let choices = both.each_ref().map(|it| it.wait.as_ref().unwrap().optimum.choice);
        let together = choices[0] == choices[1] && choices[0] != Choice::Never;
        seen[usize::from(together)] += u32::from(choices.iter().any(|it| *it != Choice::Never));
        for one in &both {
            let wait = one.wait.as_ref().unwrap();
            assert_eq!(one.changes, if together { 2 } else { 1 }, "at {per_host}: {choices:?}");
            // Half of one drain is saved: there are two changes on one host.
            let saved = if together { -0.5 * per_host } else { 0.0 };
            assert!(
                (wait.now.shared_drain - saved).abs() < 1e-9 * per_host,
                "{} {saved}",
                wait.now.shared_drain
            );
        }
    }
    assert!(seen.iter().all(|it| *it > 0), "taken apart and together: {seen:?}");
}
