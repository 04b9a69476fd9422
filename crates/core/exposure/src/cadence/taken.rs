//! Which patches a query takes, and of which the facts do not tell whether it does.

use underpin_model::facts::PatchClass;

use super::{Dated, Installed, Patch, Policy, Query};

/// Whether a patch is one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    No,
    /// The facts do not state what the query asks for.
    Unknown,
    Yes,
}

impl Told {
    fn known(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }

    fn of(patch: &Patch, query: &Query<'_>) -> Self {
        let of_policy = match query.policy {
            Policy::All => Self::Yes,
            Policy::Security => Self::of_class(patch, PatchClass::Security),
            Policy::Cve => Self::names_cve(patch),
            Policy::Applicable => query.installed.map_or(Self::No, |on_hosts| Self::has(on_hosts, patch)),
        };
        let of_class = query.class.map_or(Self::Yes, |class| Self::of_class(patch, class));
        of_policy.min(of_class)
    }

    /// A patch without a class may be of any, but a number that was never used is no patch of any class.
    fn of_class(patch: &Patch, class: PatchClass) -> Self {
        match patch.class {
            Some(own) => Self::known(own == class),
            None if patch.unused => Self::No,
            None => Self::Unknown,
        }
    }

    /// A changelog entry either names a CVE or does not. A list of releases or advisories may have left out what they
    /// close, unless it says that they close nothing.
    fn names_cve(patch: &Patch) -> Self {
        let silent = patch.dated != Dated::Built && !patch.unused;
        match patch.class {
            _ if patch.names_cve => Self::Yes,
            None | Some(PatchClass::Security) if silent => Self::Unknown,
            _ => Self::No,
        }
    }

    fn has(on_hosts: &Installed, patch: &Patch) -> Self {
        if !on_hosts.has(patch) && on_hosts.may_have(patch) {
            return Self::Unknown;
        }
        Self::known(on_hosts.has(patch))
    }
}

/// Patches by what a query says of them.
pub(super) struct Sorted<'a> {
    pub(super) taken: Vec<&'a Patch>,
    /// Nothing tells whether they are taken.
    pub(super) untold: Vec<&'a Patch>,
    left: Vec<&'a Patch>,
}

impl<'a> Sorted<'a> {
    pub(super) fn of(patches: &[&'a Patch], query: &Query<'_>) -> Self {
        let mut sorted = Self { taken: Vec::new(), untold: Vec::new(), left: Vec::new() };
        for patch in patches {
            match Told::of(patch, query) {
                Told::Yes => sorted.taken.push(patch),
                Told::Unknown => sorted.untold.push(patch),
                Told::No => sorted.left.push(patch),
            }
        }
        sorted
    }

    /// The first kind of day that the patches have which are taken; where none is, those that may be.
    pub(super) fn kind(&self) -> Option<Dated> {
        let first =
            |of: &Vec<&Patch>| Dated::ALL.into_iter().find(|kind| of.iter().any(|it| it.dated == *kind));
        [&self.taken, &self.untold, &self.left].into_iter().find_map(first)
    }

    /// All of them: what is not taken still tells how far the facts go.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Patch> + Clone + '_ {
        self.taken.iter().chain(&self.untold).chain(&self.left).copied()
    }

    /// Those that are taken, or may be, whose day is of this kind.
    pub(super) fn of_kind(&self, kind: Dated) -> usize {
        self.taken.iter().chain(&self.untold).filter(|patch| patch.dated == kind).count()
    }
}

/// What the facts do not state of patches of which nothing tells whether they are taken.
pub(super) fn unstated(query: &Query<'_>) -> &'static str {
    match (query.class, query.policy) {
        (Some(_), Policy::Cve) => "their class, or whether they name a CVE",
        (Some(_), Policy::Applicable) => "their class, or whether a host has their component",
        (_, Policy::Cve) => "whether they name a CVE",
        (None, Policy::Applicable) => "whether a host has their component",
        (_, Policy::All | Policy::Security) => "their class",
    }
}
