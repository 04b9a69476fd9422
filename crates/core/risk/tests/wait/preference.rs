//! Of two releases of one component that close the same, which one is to be taken.

use jiff::Timestamp;
use underpin_exposure::{FactBase, Feed, Options, assess};
use underpin_model::id::FeedId;
use underpin_model::policy::Policy;
use underpin_risk::report::{self, report};
use underpin_risk::wait::groups::Role;
use underpin_risk::wait::{Verdict, evidence};

use crate::fleet::{decided, fixed_and_released, fleet};

const SMALLEST: &str = "17:8.2.0-11.el9_4";
const NEWEST: &str = "17:8.2.0-12.el9_4";

fn base() -> FactBase {
    let documents = vec![fixed_and_released(NEWEST, "2026-02-20")];
    FactBase::new(vec![Feed { id: FeedId::new("f").unwrap(), fetched: None, documents }])
}

/// A failure of a release on the hardware of the fleet.
fn failed(release: &str) -> String {
    format!(
        "[[run]]\nrelease = \"qemu-kvm {release}\"\nhosts = 4\nfailures = 2\nkind = \"canary\"\n\
         hardware = {{ vendor = \"Maker\", model = \"R1\", processor = \"06-55-07\" }}\n"
    )
}

/// The hole is well worth a patch that is probably good, and not one that is bad.
const POLICY: &str = "[maintenance]\nper_host = 0.0\n[parameters]\n\
                      aimed = { value = 0.5, low = 0.2, high = 0.6, source = \"a test\" }\n\
                      hours_after_regression = { value = 1.0, low = 0.5, high = 2.0, source = \"a test\" }\n";

#[test]
fn of_two_releases_that_close_the_same_the_one_that_gains_more_is_named() {
    for (bad, good) in [(SMALLEST, NEWEST), (NEWEST, SMALLEST)] {
        let list = decided(&fleet("R1", "R1"), &base(), POLICY, &failed(bad));
        assert_eq!(list.iter().map(|it| it.role).collect::<Vec<_>>(), [Role::Smallest, Role::Newest]);
        let of = |release: &str| list.iter().find(|it| it.release.as_deref() == Some(release)).unwrap();
        let (worse, better) = (of(bad), of(good));
        let best = better.wait.as_ref().unwrap();
        assert!(best.optimum.loss < 0.9 * worse.wait.as_ref().unwrap().optimum.loss);
        assert_eq!(best.verdict, Verdict::PatchNow);
        let named = worse.better.as_ref().unwrap();
        assert_eq!(
            (named.release.as_str(), named.verdict, named.loss),
            (good, best.verdict, best.optimum.loss)
        );
        let start = format!(
            "Rather qemu-kvm {good}, which closes the same: with it, it is best to patch now and loses "
        );
        assert!(worse.recommendation.starts_with(&start), "{}", worse.recommendation);
        assert!(
            better.better.is_none()
                && better.recommendation.starts_with(&format!("Patch qemu-kvm {good} now"))
        );
    }
    // Of two that are as good as each other neither stands behind.
    let alike = decided(&fleet("R1", "R1"), &base(), POLICY, "");
    assert!(alike.len() == 2 && alike.iter().all(|it| it.better.is_none()));
}

#[test]
fn the_sentence_of_a_group_is_that_of_the_release_that_gains_more() {
    let (fleet, base) = (fleet("R1", "R1"), base());
    let at: Timestamp = "2026-03-02T23:59:59Z".parse().unwrap();
    let assessment = assess(&fleet, &base, &Options::at(at));
    let policy: Policy = underpin_model::policy::read(POLICY).unwrap();
    for (bad, good) in [(SMALLEST, NEWEST), (NEWEST, SMALLEST)] {
        let evidence = evidence::read(&failed(bad)).unwrap();
        let request = report::Request::new(&fleet, &assessment, &base, &policy, &evidence);
        let group = report(&request).unwrap().groups.remove(0);
        let said = group.recommendation.unwrap();
        assert!(said.starts_with(&format!("Patch qemu-kvm {good} now")), "{said}");
        assert_eq!(group.wait.unwrap().verdict, Verdict::PatchNow);
        assert_eq!(group.releases.len(), 2, "all are listed");
    }
}

/// What failed on this hardware is left where it runs, also where nothing is open in it.
#[test]
fn a_release_that_failed_here_and_runs_is_to_be_replaced_by_the_next_one() {
    let of = |evidence: &str| {
        let mut fleet = fleet("R1", "R2");
        for host in &mut fleet.hosts {
            host.running.clear();
            let component = &mut host.components.as_mut().unwrap().components[0];
            component.version = SMALLEST.to_owned();
            component.source.as_mut().unwrap().version = Some(SMALLEST.to_owned());
        }
        decided(&fleet, &base(), POLICY, evidence)
    };
    let list = of(&failed(SMALLEST));
    assert_eq!(list.len(), 1, "R2 has not failed: {list:?}");
    let one = &list[0];
    assert_eq!((one.release.as_deref(), one.group.hardware.model.as_deref()), (Some(NEWEST), Some("R1")));
    assert!(one.closes.is_empty() && one.wait.as_ref().unwrap().never.staying > 0.0);
    assert!(one.recommendation.contains("failed on 2 of 4 hosts"), "{}", one.recommendation);
    assert!(of("").is_empty());
    assert!(of(&failed(SMALLEST).replace("failures = 2", "failures = 0")).is_empty());
}
