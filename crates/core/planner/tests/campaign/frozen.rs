//! A freeze of the calendar is called by its name where it is what holds something back, and nowhere else.

use underpin_model::id::HostId;
use underpin_model::plan::{Outcome, Reason, Relaxation, Rule, Trial};
use underpin_model::policy::{Exception, Freeze, Policy, Scope, Window};

use crate::build::{array_of_two_controllers, at, finally, fleet, guest, of, planned, policy, tenant};
use crate::time::window;

fn freeze(id: &str, from: &str, until: &str) -> Freeze {
    Freeze {
        id: id.to_owned(),
        scope: Scope::default(),
        from: at(from),
        until: at(until),
        reason: "end of the year".to_owned(),
    }
}

fn with(freezes: Vec<Freeze>, windows: Vec<Window>) -> Policy {
    let mut policy = policy();
    (policy.planning.freeze, policy.planning.window) = (freezes, windows);
    policy
}

/// The freeze that a reason names, and whether it ends within what is planned.
fn named(reason: &Reason) -> Option<(&str, bool)> {
    let Reason::InFreeze { freeze, reason, until_s, .. } = reason else { return None };
    assert_eq!(reason, "end of the year");
    Some((freeze, until_s.is_some()))
}

#[test]
fn a_freeze_that_never_ends_is_named_and_no_window_is() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    // The longer one of two is.
    let freezes = vec![
        freeze("sale", "2026-11-20T00:00:00Z", "2026-12-01T00:00:00Z"),
        freeze("books", "2020-12-31T00:00:00Z", "2036-11-01T00:00:00Z"),
    ];
    for windows in [Vec::new(), vec![window(Scope::default(), vec![], 0, 600)]] {
        let it = planned(&fleet, &with(freezes.clone(), windows));
        for host in ["h1", "h2", "h3"] {
            let it = of(&it, host);
            assert_eq!(it.outcome, Outcome::Blocked);
            let [reason] = &it.reasons[..] else { panic!("{:?}", it.reasons) };
            assert_eq!(named(reason), Some(("books", false)));
        }
    }
    // A window that is too short without any freeze is the reason.
    let short = vec![window(Scope::default(), vec![], 0, 20)];
    let it = planned(&fleet, &with(freezes, short));
    assert!(of(&it, "h1").reasons.iter().all(|it| named(it).is_none()), "{:?}", of(&it, "h1").reasons);
}

#[test]
fn a_freeze_that_is_waited_for_is_named_with_its_end() {
    let fleet = fleet(2);
    let books = freeze("books", "2026-11-20T00:00:00Z", "2026-12-02T12:00:00Z");
    let it = planned(&fleet, &with(vec![books.clone()], Vec::new()));
    let first = &it.report.waves[0].reasons;
    assert!(first.iter().any(|it| named(it) == Some(("books", true))), "{first:?}");
    let all = || it.report.elements.iter().flat_map(|it| &it.reasons);
    let until_s = all().find_map(|it| match it {
        Reason::InFreeze { until_s, .. } => *until_s,
        _ => None,
    });
    assert_eq!(it.plan.instant(until_s.unwrap()), books.until);
    assert!(!all().any(|it| matches!(it, Reason::WindowOpens { .. })), "no window is waited for");
    // The window that opens at night is waited for after it.
    let nights = vec![window(Scope::default(), vec![], 22, 480)];
    let it = planned(&fleet, &with(vec![books.clone()], nights.clone()));
    let first = &it.report.waves[0].reasons;
    let books_then_night = matches!(&first[..], [books, Reason::WindowOpens { .. }, ..] if named(books) == Some(("books", true)));
    assert!(books_then_night, "{first:?}");
    // One that is over long before, one of others and one that an exception lifts are not.
    let over = freeze("over", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
    let mut others = books.clone();
    others.scope.hosts = vec![HostId::new("h9").unwrap()];
    let mut lifted = with(vec![books], nights.clone());
    lifted.planning.exception.push(Exception {
        id: "urgent".to_owned(),
        rule: Rule::FreezeCalendar,
        scope: Scope::default(),
        owner: "ann".to_owned(),
        expires: jiff::civil::date(2027, 12, 31),
        price: underpin_model::quantity::Loss::default(),
        reason: "r".to_owned(),
    });
    for policy in [with(vec![over, others], nights), lifted] {
        let it = planned(&fleet, &policy);
        let all = it.report.elements.iter().flat_map(|it| &it.reasons);
        let names: Vec<_> = all.filter_map(named).collect();
        assert!(names.is_empty(), "{names:?}");
    }
}

#[test]
fn guests_of_others_come_to_a_host_that_is_frozen() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let mut books = freeze("books", "2026-11-20T00:00:00Z", "2036-11-01T00:00:00Z");
    books.scope.hosts = ["h2", "h3"].map(|it| HostId::new(it).unwrap()).to_vec();
    // Lint is asked for errors by `planned`.
    let it = planned(&fleet, &with(vec![books], Vec::new()));
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
    assert_ne!(finally(&fleet, &it.plan)["v001"], "h1");
    let [reason] = &of(&it, "h2").reasons[..] else { panic!("{:?}", of(&it, "h2")) };
    assert_eq!(named(reason), Some(("books", false)));
}

#[test]
fn a_freeze_of_a_tenant_is_named_for_the_hosts_of_its_guests() {
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    guest(&mut fleet, "h1", 8).tenant = Some(acme.clone());
    let mut sale = freeze("sale", "2026-11-20T00:00:00Z", "2036-11-01T00:00:00Z");
    sale.scope.tenants = vec![acme.clone()];
    let it = planned(&fleet, &with(vec![sale], Vec::new()));
    let reasons = &of(&it, "h1").reasons;
    let [Reason::InFreeze { tenant: Some(whose), until_s: None, .. }] = &reasons[..] else {
        panic!("{reasons:?}")
    };
    assert_eq!(*whose, acme);
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned);
}

#[test]
fn an_exception_from_a_freeze_is_tried_and_priced() {
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    guest(&mut fleet, "h1", 8).tenant = Some(acme.clone());
    let mut policy = with(vec![freeze("books", "2020-12-31T00:00:00Z", "2036-11-01T00:00:00Z")], Vec::new());
    policy.planning.price.exception = Some(underpin_model::quantity::Loss::new(9.0).unwrap());
    let it = planned(&fleet, &policy);
    let [way] = &it.report.counterfactuals[..] else { panic!("{:?}", it.report.counterfactuals) };
    let hosts = ["h1", "h2", "h3"].map(|it| HostId::new(it).unwrap()).to_vec();
    let freeze = "books".to_owned();
    assert_eq!(way.relaxation, Relaxation::WithoutFreeze { freeze, tenant: None, hosts });
    assert_eq!((way.trial, way.unblocks.len()), (Trial::Enough, 3));
    assert_eq!(
        (way.price.amount.map(|it| it.get()), way.price.key.as_str()),
        (Some(9.0), "planning.price.exception")
    );
    // Of a tenant's it is about its guests, wherever they are.
    policy.planning.freeze[0].scope.tenants = vec![acme.clone()];
    let it = planned(&fleet, &policy);
    let [way] = &it.report.counterfactuals[..] else { panic!("{:?}", it.report.counterfactuals) };
    let freeze = "books".to_owned();
    assert_eq!(way.relaxation, Relaxation::WithoutFreeze { freeze, tenant: Some(acme), hosts: Vec::new() });
    assert_eq!((way.trial, way.unblocks.len()), (Trial::Enough, 1));
}

#[test]
fn a_freeze_that_holds_back_storage_is_named() {
    let mut fleet = fleet(2);
    array_of_two_controllers(&mut fleet);
    let books = |until| freeze("books", "2020-12-31T00:00:00Z", until);
    let for_ever = planned(&fleet, &with(vec![books("2036-11-01T00:00:00Z")], Vec::new()));
    let reasons = &of(&for_ever, "array").reasons;
    assert!(matches!(&reasons[..], [it] if named(it) == Some(("books", false))), "{reasons:?}");
    // No exception speaks of it: the freeze is lifted, at the price of one.
    let lifted = Relaxation::LiftFreeze { freeze: "books".to_owned() };
    let way = for_ever.report.counterfactuals.iter().find(|it| it.relaxation == lifted).unwrap();
    assert_eq!((way.trial, way.price.key.as_str()), (Trial::Enough, "planning.price.exception"));
    assert!(way.unblocks.iter().any(|it| it.as_str() == "array"), "{way:?}");
    let soon = "2026-12-02T12:00:00Z";
    let it = planned(&fleet, &with(vec![books(soon)], Vec::new()));
    let reasons = &of(&it, "array").reasons;
    assert!(reasons.iter().any(|it| named(it) == Some(("books", true))), "{reasons:?}");
    assert!(!reasons.iter().any(|it| matches!(it, Reason::WindowOpens { .. })), "{reasons:?}");
    // The window that opens after it is waited for besides; one that is too short is the reason by itself.
    let nights = |hours: u32| vec![window(Scope::default(), vec![], 22, hours * 60)];
    let it = planned(&fleet, &with(vec![books(soon)], nights(8)));
    let reasons = &of(&it, "array").reasons;
    let books_then_night = matches!(&reasons[..], [books, Reason::WindowOpens { .. }, ..] if named(books) == Some(("books", true)));
    assert!(books_then_night, "{reasons:?}");
    let it = planned(
        &fleet,
        &with(vec![books("2036-11-01T00:00:00Z")], vec![window(Scope::default(), vec![], 22, 1)]),
    );
    let reasons = &of(&it, "array").reasons;
    assert!(matches!(&reasons[..], [Reason::OutsideWindow { longest_s: 60, .. }]), "{reasons:?}");
    // Without a freeze the window alone is waited for.
    let noon = vec![window(Scope::default(), vec![], 12, 480)];
    let it = planned(&fleet, &with(Vec::new(), noon));
    let reasons = &of(&it, "array").reasons;
    assert!(reasons.iter().any(|it| matches!(it, Reason::WindowOpens { .. })), "{reasons:?}");
    assert!(reasons.iter().all(|it| named(it).is_none()), "{reasons:?}");
}
