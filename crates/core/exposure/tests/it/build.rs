//! Small feeds and fleets for tests.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use underpin_exposure::report::AssetKind;
use underpin_exposure::{Assessment, FactBase, Feed, Options, Status, assess};
use underpin_model::facts::{
    Advisory, Claim, Condition, Coverage, Document, Effect, Family, Format, NameKind, Period, Product,
    Review, SettingValue, Subject, Verdict,
};
use underpin_model::fleet::{Component, ComponentKind, ComponentSet, Fleet, Host, Seen, SourcePackage, Vm};
use underpin_model::id::{AdvisoryId, FeedId, HostId, VmId, VulnerabilityId};

pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(crate) fn vulnerability(id: &str) -> VulnerabilityId {
    VulnerabilityId::new(id).unwrap()
}

pub(crate) fn product(family: Family, train: Option<&str>, component: &str, name_kind: NameKind) -> Product {
    Product {
        train: train.map(Into::into),
        component: component.into(),
        name_kind,
        arch: None,
        module: None,
        hardware: None,
        scheme: family.scheme(),
        family,
    }
}

pub(crate) fn claim(cve: &str, product: Product, verdict: Verdict) -> Claim {
    Claim {
        vulnerabilities: [vulnerability(cve)].into(),
        product: Arc::new(product),
        verdict,
        fallback: false,
    }
}

pub(crate) fn document(id: &str, claims: Vec<Claim>) -> Document {
    let mut document = Document::new(id, Format::Osv);
    document.updated = Some(now());
    document.advisories.push(Advisory {
        id: AdvisoryId::new(id).unwrap(),
        title: None,
        published: Some(now()),
        updated: Some(now()),
        class: None,
        severity: None,
        claims,
        remedies: Vec::new(),
    });
    document
}

pub(crate) fn covering(
    mut document: Document,
    family: Family,
    train: Option<&str>,
    component: Option<&str>,
    to: &str,
) -> Document {
    let period = Period { from: Date::constant(2007, 1, 1), to: to.parse().unwrap() };
    document.coverage.push(Coverage {
        of: Subject::Vulnerabilities,
        family,
        train: train.map(Into::into),
        component: component.map(Into::into),
        period,
    });
    document
}

pub(crate) fn feed(id: &str, documents: Vec<Document>) -> Feed {
    Feed { id: FeedId::new(id).unwrap(), fetched: Some(now()), documents }
}

/// A feed of one advisory with one Debian claim: `source` is fixed in `version` of `train`.
pub(crate) fn debian_fix(id: &str, train: &str, source: &str, cve: &str, version: &str) -> Feed {
    let product = product(Family::Debian, Some(train), source, NameKind::Source);
    let document = document(id, vec![claim(cve, product, Verdict::FixedIn(version.into()))]);
    feed(id, vec![covering(document, Family::Debian, Some(train), Some(source), "2026-11-20")])
}

/// A feed of one conditions table.
pub(crate) fn conditions(id: &str, rows: Vec<Condition>) -> Feed {
    let mut document = Document::new("conditions", Format::Conditions);
    document.updated = Some(now());
    document.conditions = rows;
    feed(id, vec![document])
}

pub(crate) fn condition(cve: &str, family: Option<Family>, effect: Effect) -> Condition {
    Condition {
        vulnerability: vulnerability(cve),
        family,
        train: None,
        effect,
        source: "SA-1".into(),
        published: Date::constant(2020, 1, 1),
        reviewed: None,
    }
}

pub(crate) fn reviewed(mut condition: Condition, on: &str) -> Condition {
    condition.reviewed = Some(Review { by: "R. Eviewer".into(), on: on.parse().unwrap() });
    condition
}

pub(crate) fn setting(name: &str, value: &str) -> SettingValue {
    SettingValue { setting: name.into(), value: value.into() }
}

pub(crate) fn package(name: &str, version: &str, source: Option<(&str, Option<&str>)>) -> Component {
    let mut component = Component::new(name, version, ComponentKind::Package);
    component.source = source
        .map(|(name, version)| SourcePackage { name: name.to_owned(), version: version.map(str::to_owned) });
    component
}

pub(crate) fn set(family: Family, train: &str, components: Vec<Component>) -> ComponentSet {
    ComponentSet {
        family: Some(family),
        train: Some(train.to_owned()),
        components,
        extra: Default::default(),
    }
}

pub(crate) fn host(id: &str, set: ComponentSet) -> Host {
    let mut host = Host::new(HostId::new(id).unwrap());
    host.components = Some(set);
    host
}

pub(crate) fn vm(id: &str, host: &str) -> Vm {
    let mut vm = Vm::new(VmId::new(id).unwrap());
    vm.host = Some(HostId::new(host).unwrap());
    vm
}

pub(crate) fn fleet(hosts: Vec<Host>, vms: Vec<Vm>) -> Fleet {
    let mut fleet = Fleet::new("test", Seen { at: now(), by: "test".to_owned() });
    fleet.hosts = hosts;
    fleet.vms = vms;
    fleet
}

pub(crate) fn run(fleet: &Fleet, feeds: Vec<Feed>) -> Assessment {
    assess(fleet, &FactBase::new(feeds), &Options::at(now()))
}

/// Status of a vulnerability on an asset's component.
pub(crate) fn status(assessment: &Assessment, asset: &str, component: &str, cve: &str) -> Option<Status> {
    let found = assessment.exposures().find(|exposure| {
        &*exposure.asset.id == asset
            && &*exposure.finding.component == component
            && exposure.finding.vulnerability.as_ref().is_some_and(|id| id.as_str() == cve)
    });
    found.map(|exposure| exposure.finding.status)
}

/// All statuses of an asset as (component, vulnerability or "-", status), in order.
pub(crate) fn statuses(assessment: &Assessment, kind: AssetKind) -> Vec<(String, String, Status)> {
    let exposures = assessment.exposures().filter(|exposure| exposure.asset.kind == kind);
    exposures
        .map(|one| {
            let id = one.finding.vulnerability.as_ref().map_or("-", |id| id.as_str());
            (one.finding.component.to_string(), id.to_owned(), one.finding.status)
        })
        .collect()
}
