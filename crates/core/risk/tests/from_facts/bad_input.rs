//! Bad input and odd fleets: an error with its place or a sensible figure, never a panic.

use underpin_exposure::Status;
use underpin_exposure::report::Area;
use underpin_model::fleet::{Host, Tenant, Vm};
use underpin_model::id::{ClusterId, VmId};
use underpin_model::policy::{Parameters, Policy, Rates};
use underpin_model::quantity::{Days, Loss};
use underpin_risk::blast::{Blast, blast_radii};
use underpin_risk::build::{Options, ReleaseDates, Warning, build};
use underpin_risk::deferral::deferral;
use underpin_risk::report::{ReportError, Request, report};

use crate::make::{
    ESCAPE, Facts, REMOTE, add_host, add_plane, answer, built, fleet, host_id, near, policy, tenant_id,
    way_in,
};

#[test]
fn an_empty_fleet_has_nothing_that_can_be_hit() {
    let built = built(&fleet(), &Facts::new(), &Policy::default());
    assert!(built.portfolio.hosts.is_empty() && built.portfolio.holdings.is_empty());
    assert_eq!(blast_radii(&built.portfolio).underpin, Blast { probability: 0.0001, ..Blast::default() });
    assert_eq!(built.unpriced.to_string(), "everything is priced");
}

#[test]
fn a_report_on_a_fleet_without_hosts_is_refused_and_none_of_its_figures_is_zero() {
    let (mut fleet, base, policy) =
        (fleet(), underpin_exposure::FactBase::new(Vec::new()), Policy::default());
    let assess = |fleet: &_| {
        underpin_exposure::assess(fleet, &base, &underpin_exposure::Options::at(jiff::Timestamp::UNIX_EPOCH))
    };
    let evidence = underpin_risk::wait::Evidence::default();
    let assessment = assess(&fleet);
    let error = report(&Request::new(&fleet, &assessment, &base, &policy, &evidence)).unwrap_err();
    assert_eq!(error, ReportError::NothingToJudge { fleet: fleet.name.clone() });
    assert!(error.to_string().contains("has no hosts") && error.to_string().contains(&fleet.name), "{error}");
    add_host(&mut fleet, "h", &[]);
    let assessment = assess(&fleet);
    let one = report(&Request::new(&fleet, &assessment, &base, &policy, &evidence)).unwrap();
    assert_eq!(one.hosts, 1);
}

#[test]
fn odd_elements_have_their_place() {
    let mut fleet = fleet();
    fleet.hosts.push(Host::new(host_id("bare")));
    let mut astray = Host::new(host_id("astray"));
    astray.cluster = Some(ClusterId::new("nowhere").unwrap());
    fleet.hosts.push(astray);
    fleet.tenants.push(Tenant::new(tenant_id("without guests")));
    let mut floating = Vm::new(VmId::new("floating").unwrap());
    floating.cluster = Some(ClusterId::new("nowhere").unwrap());
    fleet.vms.push(floating);
    let mut lost = Vm::new(VmId::new("lost").unwrap());
    lost.host = Some(host_id("not in the file"));
    fleet.vms.push(lost);
    let built = built(&fleet, &Facts::new(), &Policy::default());
    assert_eq!(built.unpriced.vms_without_host, 2);
    assert!(built.unpriced.to_string().contains("2 VMs have no known host, and are in no loss"));
    assert_eq!(built.portfolio.clusters, [None]);
    assert_eq!(built.portfolio.tenants, [None, Some(tenant_id("without guests"))]);
    let none =
        deferral(&built, &tenant_id("without guests"), Days::new(30.0).unwrap(), &Parameters::default());
    let none = none.unwrap();
    assert_eq!((none.own, none.neighbours_sum, none.hosts.len()), (0.0, 0.0, 0));
}

#[test]
fn a_fleet_that_lists_no_vms_is_not_taken_for_one_without() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[]);
    let facts = Facts::new()
        .knows("CVE-1", Some(ESCAPE), Some(0.2), None)
        .hosts(&["h"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)]);
    let built = built(&fleet, &facts, &Policy::default());
    let reach = &answer(&built, "h", "CVE-1").unwrap().factors[0];
    near(reach.value, 0.001);
    assert_eq!(reach.low, 0.0);
    assert!(built.warnings.contains(&Warning::NoVms));
}

#[test]
fn numbers_that_cannot_be_priced_are_refused_with_their_place() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 2)]);
    let assessment = Facts::new().assessment;
    let refused = |change: &dyn Fn(&mut Policy)| {
        let releases = ReleaseDates::default();
        let mut policy = Policy::default();
        change(&mut policy);
        build(&fleet, &assessment, &policy, &Options::new(&releases)).unwrap_err().to_string()
    };
    // What a policy file may say is refused where it is read; one that is made by hand is refused here.
    let loss = |it: f64| Loss::new(it).unwrap();
    let whole = refused(&|policy| policy.loss.rates.vm_hour_down = loss(1e308));
    assert_eq!(
        whole,
        "loss.vm_hour_down: found a loss of inf on host h, expected at most 1e100; \
         lower loss.vm_hour_down or parameters.hours_after_compromise"
    );
    let of_tenant = |rates: Rates| {
        refused(&move |policy| {
            policy.loss.tenants.insert(tenant_id("a"), rates);
        })
    };
    let one = of_tenant(Rates { record_disclosed: loss(1e308), ..Rates::default() });
    assert!(one.starts_with("loss.tenant.a.record_disclosed: found a loss of inf on host h"), "{one}");
    assert!(one.ends_with("or parameters.records_per_vm"), "{one}");
    let rates = Rates { record_disclosed: loss(1e90), records_per_vm: Some(1e50), ..Rates::default() };
    let finite = of_tenant(rates);
    assert!(
        finite.contains("of 2e140 on") && finite.ends_with("or loss.tenant.a.records_per_vm"),
        "{finite}"
    );
    let system = refused(&|policy| policy.loss.rates.system_corrupted = loss(1e101));
    assert!(system.ends_with("lower loss.system_corrupted"), "{system}");
    let none = built(
        &fleet,
        &Facts::new(),
        &policy(
            "[parameters]\nhours_after_regression = { value = 0, low = 0 }\nhours_after_compromise = { value = 0, low = 0 }\n",
        ),
    );
    assert!(none.warnings.contains(&Warning::NoOutage));
    assert!(none.portfolio.holdings.iter().all(|it| (it.availability, it.host_down) == (0.0, 0.0)));
}

#[test]
fn no_figure_is_less_than_nothing_by_a_sign_alone() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 1)]);
    add_host(&mut fleet, "empty", &[]);
    add_plane(&mut fleet, "vc", &["empty"]);
    let policy = policy(
        "[[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n\
         [parameters]\nunderpin_compromised = { value = 0.0, low = 0.0, high = 0.0, source = \"none\" }\n",
    );
    let base = underpin_exposure::FactBase::new(Vec::new());
    let facts = Facts::new();
    let evidence = underpin_risk::wait::Evidence::default();
    for independent in [false, true] {
        let request =
            Request { independent, ..Request::new(&fleet, &facts.assessment, &base, &policy, &evidence) };
        let answer = serde_json::to_string(&report(&request).unwrap()).unwrap();
        for negative in [":-0.0,", ":-0.0}", "[-0.0,", ",-0.0,", "-0.0]"] {
            let at = answer.find(negative);
            assert_eq!(at.map(|at| &answer[at.saturating_sub(60)..at + 5]), None);
        }
    }
    let each = underpin_risk::per_host::loss_per_day(&fleet, &facts.assessment, &base, &policy).unwrap();
    assert!(each.values().all(|it| it.is_sign_positive()), "{each:?}");
}

#[test]
fn a_way_in_that_is_listed_twice_word_by_word_is_one() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h", &[("a", 1)]);
    let facts = Facts::new()
        .knows("CVE-1", Some(REMOTE), Some(0.2), None)
        .hosts(&["h"], &[(Some("CVE-1"), Area::VmmCore, Status::Affected)]);
    let reach =
        |fleet: &_| answer(&built(fleet, &facts, &Policy::default()), "h", "CVE-1").unwrap().probability;
    let once = reach(&fleet);
    fleet.hosts[0].management_interfaces.push(way_in("ssh", "inside"));
    near(reach(&fleet), once);
    fleet.hosts[0].management_interfaces.push(way_in("https", "inside"));
    near(reach(&fleet), 1.0 - (1.0 - once) * (1.0 - once));
}

#[test]
fn what_the_policy_names_and_the_fleet_does_not_have_is_said_with_its_place() {
    let mut fleet = fleet();
    add_host(&mut fleet, "h1", &[("a", 1)]);
    let policy = policy(
        "[loss.tenant.acme]\nvm_hour_down = 9.0\n[loss.tenant.a]\nvm_hour_down = 2.0\n\
         [[control]]\nid = \"vpn\"\ncloses = [\"network\"]\nfails = 0.1\nsource = \"judgement\"\n\
         scope.hosts = [\"h5\", \"h1\", \"h4\", \"h3\", \"h2\"]\n\
         [[accepted_risk]]\nvulnerability = \"CVE-1\"\nowner = \"cto\"\nexpires = \"2027-01-01\"\nreason = \"isolated\"\n\
         scope.planes = [\"vc\"]\n\
         [[promise]]\nid = \"gold\"\nkind = \"fix-within\"\ndays = 30\nscope.clusters = [\"east\"]\nscope.platforms = [\"esx\"]\nscope.tenants = [\"a\", \"b\"]\n",
    );
    let built = built(&fleet, &Facts::new(), &policy);
    let said: Vec<String> = built
        .warnings
        .iter()
        .filter(|it| matches!(it, Warning::UnknownNames(_)))
        .map(ToString::to_string)
        .collect();
    let end = "; it has no effect there: correct the name, or take it out";
    assert_eq!(
        said,
        [
            format!("accepted_risk.0 (CVE-1).scope.planes: the fleet has no management plane vc{end}"),
            format!("control vpn.scope.hosts: the fleet has no host h2, h3, h4 and 1 more{end}"),
            format!("loss.tenant: the fleet has no tenant acme{end}"),
            format!("promise gold.scope.clusters: the fleet has no cluster east{end}"),
            format!("promise gold.scope.platforms: the fleet has no platform esx{end}"),
            format!("promise gold.scope.tenants: the fleet has no tenant b{end}"),
        ]
    );
}
