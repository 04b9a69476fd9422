//! Two plans beside each other: nothing that one does otherwise goes unseen.

use underpin_model::change::Method;
use underpin_model::plan::{Plan, Profile, StepKind};
use underpin_model::policy::Placing;
use underpin_planner::diff::diff;

use super::edits::{EDITS, OF_BOUNDS, OF_TARGETS, case, made, renumber, step};

fn sound() -> Plan {
    let (fleet, policy) = case(Placing::WePlace);
    made(&fleet, &policy)
}

#[test]
fn every_edit_of_a_plan_by_hand_is_a_difference() {
    for (placing, more) in [(Placing::WePlace, OF_TARGETS), (Placing::PlatformPlaces, OF_BOUNDS)] {
        let (fleet, policy) = case(placing);
        let sound = made(&fleet, &policy);
        assert!(diff(&sound, &sound).is_empty());
        for (_, what, edit) in EDITS.iter().chain(more) {
            let mut plan = sound.clone();
            edit(&mut plan);
            // From which bytes a plan was made says nothing about what it does.
            plan.made_from = sound.made_from.clone();
            for (old, new) in [(&sound, &plan), (&plan, &sound)] {
                let found = diff(old, new);
                assert_eq!(found.is_empty(), plan == sound, "{placing:?}, {what}: {found:#?}");
                assert_eq!(found.lines().is_empty(), plan == sound, "{placing:?}, {what}");
            }
        }
    }
}

#[test]
fn what_is_done_otherwise_is_told_in_one_line_with_the_seldom_first() {
    let old = sound();
    let mut new = old.clone();
    new.profile = Profile::Emergency;
    for (id, quick) in [("h1", true), ("h4", true)] {
        if let StepKind::Reboot { quick: it, .. } = &mut step(&mut new, id, "reboot").kind {
            *it = quick;
        }
    }
    for host in ["h1", "h2", "h3", "h4"] {
        if let StepKind::Patch { method, .. } = &mut step(&mut new, host, "patch").kind {
            *method = Method::QuickBoot;
        }
    }
    let found = diff(&old, &new);
    assert_eq!(found.same, 6, "all at the same time");
    assert_eq!(
        found.lines(),
        [
            "7 done otherwise (4 by another method, 1 in another profile, 2 rebooted with the firmware, or without it): plan: profile emergency instead of normal; \
          reboot h1: quick true instead of false; reboot h4: quick true instead of false; ..."
        ]
    );
}

#[test]
fn numbers_of_steps_make_no_difference_and_an_element_that_is_moved_is_told_once() {
    let old = sound();
    // Two moves that start at one moment, the other way round.
    let mut new = old.clone();
    let at = new
        .steps
        .windows(2)
        .position(|it| it.iter().all(|it| matches!(it.kind, StepKind::Migrate { .. })))
        .unwrap();
    let mut steps = new.steps.clone();
    steps.swap(at, at + 1);
    renumber(&mut new, steps);
    assert_ne!(new, old);
    assert!(diff(&old, &new).is_empty(), "{:#?}", diff(&old, &new));
    // The last host two hours later, with all of its steps: its wave, its gate and the thaw after it.
    let mut new = old.clone();
    let last = new.waves.last().unwrap().clone();
    for it in new.steps.iter_mut().filter(|it| it.wave == last.number) {
        it.start_s += 7200;
    }
    let found = diff(&old, &new);
    assert_eq!(
        found.moved.iter().map(|it| &it.element).collect::<Vec<_>>(),
        last.elements.iter().collect::<Vec<_>>()
    );
    let of_host = |it: &&underpin_planner::diff::Otherwise| it.place.contains(last.elements[0].as_str());
    assert_eq!(
        found.otherwise.iter().filter(of_host).collect::<Vec<_>>(),
        Vec::<&underpin_planner::diff::Otherwise>::new()
    );
}
