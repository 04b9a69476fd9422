//! What is matched: one component of an asset with everything that decides its status.

use std::borrow::Cow;

use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind};

use crate::classify::{self, Carries};
use crate::needed::Use;
use crate::report::Area;

/// One component as the matching sees it. Two equal items have equal findings, on whatever asset they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Item<'a> {
    pub(crate) family: Family,
    pub(crate) train: Option<Cow<'a, str>>,
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: ComponentKind,
    pub(crate) arch: Option<&'a str>,
    pub(crate) module: Option<&'a str>,
    /// Source package name and version, where they are known or can be told.
    pub(crate) source: Option<(&'a str, Cow<'a, str>)>,
    /// The source package's name as told, also where its version is not known.
    pub(crate) built_from: Option<&'a str>,
    pub(crate) area: Area,
    pub(crate) carries: Carries,
    /// The version that runs, where known.
    pub(crate) running: Option<&'a str>,
    /// Versions of it that live guests run on; `None` in the list: a live guest of which it is not known.
    pub(crate) guests: Vec<Option<&'a str>>,
    /// Installed updates of a Windows product.
    pub(crate) updates: Vec<&'a str>,
    /// Settings in force that some fix or workaround asks for, as (name, value).
    pub(crate) settings: Vec<(&'a str, String)>,
    /// What its asset does with it.
    pub(crate) used: Use,
    /// Processor signature and platform mask, for microcode.
    pub(crate) processor: Option<(&'a str, Option<u32>)>,
}

impl<'a> Item<'a> {
    /// The item of a component in a set of the given family and train.
    pub(crate) fn new(component: &'a Component, family: &Family, train: Option<&'a str>) -> Self {
        let family = component.family.clone().unwrap_or_else(|| family.clone());
        let train = component.train.as_deref().or(train);
        let source = source_of(component, &family);
        let source_name = source.as_ref().map_or(component.name.as_str(), |(name, _)| name);
        Self {
            train: effective_train(&family, train, &component.version),
            area: classify::area(&family, component.kind, &component.name, source_name),
            carries: classify::carries(component.kind, &component.name, source_name),
            name: &component.name,
            version: &component.version,
            kind: component.kind,
            arch: component.arch.as_deref(),
            module: component.module.as_deref(),
            source,
            built_from: component.source.as_ref().map(|source| source.name.as_str()),
            family,
            running: component.running_version.as_deref(),
            guests: Vec::new(),
            updates: Vec::new(),
            settings: Vec::new(),
            used: Use::default(),
            processor: component.signature.as_deref().map(|signature| (signature, component.platform_mask)),
        }
    }

    /// Binary and source name, for coverage.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = vec![self.name];
        if let Some((source, _)) = &self.source
            && *source != self.name
        {
            names.push(source);
        }
        names
    }

    /// The name under which running versions and guests' VMMs are told: the source package, else the component.
    pub(crate) fn running_names(&self) -> impl Iterator<Item = &str> {
        let kernel = (self.area == Area::Kernel).then_some("linux");
        let source = self.source.iter().map(|(name, _)| *name).chain(self.built_from);
        source.chain([self.name]).chain(kernel)
    }
}

/// The source package. Debian's signed kernels are built twice: `linux-signed-amd64` wraps what `linux` built, and the
/// advisories speak of `linux` with the version that the binary carries.
fn source_of<'a>(component: &'a Component, family: &Family) -> Option<(&'a str, Cow<'a, str>)> {
    if component.kind != ComponentKind::Package {
        return None;
    }
    let own = Cow::Borrowed(component.version.as_str());
    match (&component.source, family) {
        (Some(source), _) if source.name.starts_with("linux-signed-") => Some(("linux", own)),
        (Some(source), _) => match &source.version {
            Some(version) => Some((&source.name, Cow::Borrowed(version))),
            // Without a version of its own the source has the binary's, less the mark of a rebuild.
            None if is_dpkg(family) => Some((&source.name, without_rebuild(&component.version))),
            None if source.name == component.name => Some((&source.name, own)),
            // An RPM sub-package may have a version of its own: the source's is not known.
            None => None,
        },
        (None, family) if is_dpkg(family) => Some((&component.name, without_rebuild(&component.version))),
        (None, _) => None,
    }
}

fn is_dpkg(family: &Family) -> bool {
    matches!(family, Family::Debian | Family::Ubuntu | Family::Proxmox)
}

/// `1.2-3+b1` is a rebuild of the source `1.2-3`.
fn without_rebuild(version: &str) -> Cow<'_, str> {
    match version.rsplit_once("+b") {
        Some((source, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            Cow::Borrowed(source)
        }
        _ => Cow::Borrowed(version),
    }
}

/// A backport is not of the suite that it is installed on: the suite's fixes do not order it.
fn effective_train<'a>(family: &Family, train: Option<&'a str>, version: &str) -> Option<Cow<'a, str>> {
    let train = train?;
    if *family == Family::Debian && version.contains("~bpo") && !train.ends_with("-backports") {
        return Some(Cow::Owned(format!("{train}-backports")));
    }
    Some(Cow::Borrowed(train))
}
