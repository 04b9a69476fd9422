//! The product tree: every product id, what it stands for, and that the references between them are sound.
//!
//! Relationships ("package A as a component of platform B") are resolved in topological order without recursion, so
//! that neither a cycle nor a chain of any length can hang or overflow.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use underpin_model::facts::{Family, Format, NameKind, Product};

use super::wire::{Branch, FullName, Tree};
use crate::Defect;
use crate::identity::{self, Package};
use crate::json::{defect, shown};
use crate::ranges::{self, Stretch};

/// Which versions of a product an id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Versions {
    /// The id names no version.
    All,
    /// One version.
    One(Arc<str>),
    /// A range.
    Stretch(Stretch),
}

/// What a product id stands for.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Index into [`Products::products`].
    pub(super) product: u32,
    /// Its versions.
    pub(super) versions: Versions,
}

/// All products of a document.
pub(super) struct Products<'t> {
    ids: FxHashMap<&'t str, u32>,
    groups: FxHashMap<&'t str, Vec<u32>>,
    /// By number of the product id.
    pub(super) entries: Vec<Entry>,
    /// The distinct products.
    pub(super) products: Vec<Arc<Product>>,
}

/// What the branches above a product say.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Above<'t> {
    vendor: Option<&'t str>,
    product: Option<&'t str>,
    version: Option<&'t str>,
}

/// A product id before relationships are resolved.
struct Node<'t> {
    name: &'t FullName<'t>,
    above: Above<'t>,
    package: Option<Package>,
    /// Component and platform, for relationships.
    parts: Option<(u32, u32)>,
}

impl<'t> Products<'t> {
    /// Reads the tree.
    ///
    /// # Errors
    /// Duplicate or undefined ids, cycles, package URLs that are none.
    pub(super) fn read(tree: &'t Tree<'t>) -> Result<Self, Defect> {
        let mut reading = Reading::default();
        for (index, branch) in tree.branches.iter().enumerate() {
            reading.branch(branch, Above::default(), &format!("/product_tree/branches/{index}"))?;
        }
        for (index, name) in tree.full_product_names.iter().enumerate() {
            reading.define(name, Above::default(), || format!("/product_tree/full_product_names/{index}"))?;
        }
        let first = reading.nodes.len();
        for (index, relationship) in tree.relationships.iter().enumerate() {
            let at = || format!("/product_tree/relationships/{index}/full_product_name");
            let before = reading.nodes.len();
            reading.define(&relationship.full_product_name, Above::default(), at)?;
            if reading.nodes.len() == before {
                let reason = format!(
                    "product id {} is defined twice",
                    shown(relationship.full_product_name.product_id.as_str())
                );
                return Err(defect(Format::Csaf, format!("{}/product_id", at()), reason));
            }
        }
        for (index, relationship) in tree.relationships.iter().enumerate() {
            let at = |field: &str| format!("/product_tree/relationships/{index}/{field}");
            let part = reading.find(relationship.product_reference.as_str(), || at("product_reference"))?;
            let whole = reading.find(relationship.relates_to_product_reference.as_str(), || {
                at("relates_to_product_reference")
            })?;
            if let Some(node) = reading.nodes.get_mut(first + index) {
                node.parts = Some((part, whole));
            }
        }
        let order = topological(&reading.nodes, first)?;
        let mut products = Self {
            ids: FxHashMap::default(),
            groups: FxHashMap::default(),
            entries: Vec::new(),
            products: Vec::new(),
        };
        products.resolve(&reading.nodes, &order);
        products.ids = reading.ids;
        products.read_groups(tree)?;
        Ok(products)
    }

    /// The number of a product id.
    pub(super) fn find(&self, id: &str, at: impl FnOnce() -> String) -> Result<u32, Defect> {
        self.ids.get(id).copied().ok_or_else(|| undefined("product", id, at()))
    }

    /// The members of a group.
    pub(super) fn group(&self, id: &str, at: impl FnOnce() -> String) -> Result<&[u32], Defect> {
        self.groups.get(id).map(Vec::as_slice).ok_or_else(|| undefined("group", id, at()))
    }

    fn read_groups(&mut self, tree: &'t Tree<'t>) -> Result<(), Defect> {
        for (index, group) in tree.product_groups.iter().enumerate() {
            let at = format!("/product_tree/product_groups/{index}");
            let mut members = Vec::with_capacity(group.product_ids.len());
            for (member, id) in group.product_ids.iter().enumerate() {
                members.push(self.find(id.as_str(), || format!("{at}/product_ids/{member}"))?);
            }
            if self.groups.insert(group.group_id.as_str(), members).is_some() {
                let reason = format!("group id {} is defined twice", shown(group.group_id.as_str()));
                return Err(defect(Format::Csaf, format!("{at}/group_id"), reason));
            }
        }
        Ok(())
    }

    /// Turns nodes into entries, parts before wholes.
    fn resolve(&mut self, nodes: &[Node<'_>], order: &[u32]) {
        let mut interned: FxHashMap<Arc<Product>, u32> = FxHashMap::default();
        // For every node: the node that names the component, the platform, and the module in between.
        let mut roots: Vec<(u32, Option<u32>, Option<Arc<str>>)> =
            (0..nodes.len()).map(|at| (u32::try_from(at).unwrap_or(u32::MAX), None, None)).collect();
        let get = |at: u32| usize::try_from(at).ok().and_then(|at| nodes.get(at));
        for &at in order {
            let Some((part, whole)) = get(at).and_then(|node| node.parts) else { continue };
            let of = |at: u32| usize::try_from(at).ok().and_then(|at| roots.get(at)).cloned();
            let (Some(part), Some(whole)) = (of(part), of(whole)) else { continue };
            let module = get(whole.0)
                .and_then(|node| node.package.as_ref())
                .filter(|package| package.is_module)
                .and_then(|package| package.module.clone());
            let resolved = (part.0, Some(whole.1.unwrap_or(whole.0)), part.2.or(module).or(whole.2));
            if let Some(slot) = usize::try_from(at).ok().and_then(|at| roots.get_mut(at)) {
                *slot = resolved;
            }
        }
        for (node, (component, platform, module)) in nodes.iter().zip(roots) {
            // A relationship may carry its own package URL; otherwise its component's node speaks.
            let source = if node.package.is_some() { node } else { get(component).unwrap_or(node) };
            let (mut product, versions) = describe(source, platform.and_then(get));
            product.module = product.module.or(module);
            let next = u32::try_from(self.products.len()).unwrap_or(u32::MAX);
            let product = Arc::new(product);
            let products = &mut self.products;
            let number = *interned.entry(product).or_insert_with_key(|product| {
                products.push(Arc::clone(product));
                next
            });
            self.entries.push(Entry { product: number, versions });
        }
    }
}

fn undefined(what: &str, id: &str, at: String) -> Defect {
    defect(Format::Csaf, at, format!("{what} id {} is not defined in the product tree", shown(id)))
}

#[derive(Default)]
struct Reading<'t> {
    ids: FxHashMap<&'t str, u32>,
    nodes: Vec<Node<'t>>,
}

impl<'t> Reading<'t> {
    /// Reads a branch and those below it. The depth is bounded: the JSON reader refuses more than 128 levels.
    fn branch(&mut self, branch: &'t Branch<'t>, above: Above<'t>, at: &str) -> Result<(), Defect> {
        let name = Some(branch.name.as_str());
        let mut here = above;
        match branch.category.as_str() {
            "vendor" => here.vendor = name,
            "product_name" => here.product = name,
            "product_family" => here.product = here.product.or(name),
            "product_version" | "product_version_range" | "patch_level" | "service_pack" => {
                here.version = name;
            }
            _ => {}
        }
        if let Some(product) = &branch.product {
            self.define(product, here, || format!("{at}/product"))?;
        }
        for (index, below) in branch.branches.iter().enumerate() {
            self.branch(below, here, &format!("{at}/branches/{index}"))?;
        }
        Ok(())
    }

    fn define(
        &mut self,
        name: &'t FullName<'t>,
        above: Above<'t>,
        at: impl Fn() -> String,
    ) -> Result<(), Defect> {
        if let Some(&known) = self.ids.get(name.product_id.as_str()) {
            // Red Hat lists the same package once for each branch that it belongs to; that is repetition, not
            // contradiction. A relationship is never a repetition, because its parts may differ.
            let known = usize::try_from(known).ok().and_then(|at| self.nodes.get(at));
            if known.is_some_and(|known| repeats(known, name, above)) {
                return Ok(());
            }
            let reason = format!(
                "product id {} is defined twice, as different products",
                shown(name.product_id.as_str())
            );
            return Err(defect(Format::Csaf, format!("{}/product_id", at()), reason));
        }
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.ids.insert(name.product_id.as_str(), number);
        let package = match &name.product_identification_helper.purl {
            Some(purl) => Some(identity::package(purl.as_str()).map_err(|reason| {
                defect(Format::Csaf, format!("{}/product_identification_helper/purl", at()), reason)
            })?),
            None => None,
        };
        self.nodes.push(Node { name, above, package, parts: None });
        Ok(())
    }

    fn find(&self, id: &str, at: impl FnOnce() -> String) -> Result<u32, Defect> {
        self.ids.get(id).copied().ok_or_else(|| undefined("product", id, at()))
    }
}

/// Whether a definition says the same as one before. A package URL alone identifies; otherwise the names above count.
fn repeats(known: &Node<'_>, name: &FullName<'_>, above: Above<'_>) -> bool {
    let (old, new) = (&known.name.product_identification_helper, &name.product_identification_helper);
    let identified = new.purl.is_some() || known.above == above && above != Above::default();
    known.name.name == name.name && old.purl == new.purl && old.cpe == new.cpe && identified
}

/// The relationship nodes (from `first` on), each after those that it refers to.
fn topological(nodes: &[Node<'_>], first: usize) -> Result<Vec<u32>, Defect> {
    let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    let mut waiting = vec![0_u8; nodes.len()];
    let mut users: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    let mut ready = Vec::new();
    for (at, node) in nodes.iter().enumerate().skip(first) {
        let (Ok(number), Some((part, whole))) = (u32::try_from(at), node.parts) else { continue };
        for needed in [part, whole] {
            if index(needed) >= first {
                users.entry(needed).or_default().push(number);
                if let Some(count) = waiting.get_mut(at) {
                    *count += 1;
                }
            }
        }
        if waiting.get(at) == Some(&0) {
            ready.push(number);
        }
    }
    let mut order = Vec::with_capacity(nodes.len() - first.min(nodes.len()));
    while let Some(number) = ready.pop() {
        order.push(number);
        for &user in users.get(&number).map(Vec::as_slice).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(index(user)) {
                *count -= 1;
                if *count == 0 {
                    ready.push(user);
                }
            }
        }
    }
    match waiting.iter().position(|count| *count > 0) {
        None => Ok(order),
        Some(at) => Err(defect(
            Format::Csaf,
            format!("/product_tree/relationships/{}", at - first.min(at)),
            "the relationship leads back to itself: product ids must not be defined in a circle",
        )),
    }
}

/// Product and versions of a node, on its platform.
fn describe(node: &Node<'_>, platform: Option<&Node<'_>>) -> (Product, Versions) {
    let platform_cpe = platform
        .and_then(|platform| platform.name.product_identification_helper.cpe.as_ref())
        .and_then(|text| identity::cpe(text.as_str()));
    let train = platform_cpe.as_ref().and_then(identity::Cpe::train).or_else(|| {
        platform.map(|platform| {
            let name = platform.name.name.as_str();
            identity::red_hat_train(name).unwrap_or_else(|| name.to_lowercase().into())
        })
    });
    if let Some(package) = &node.package {
        let family = package.family.clone();
        let tag = || package.version.as_deref().and_then(identity::dist_tag);
        let product = Product {
            scheme: family.scheme(),
            train: train.or_else(|| package.train.clone()).or_else(tag),
            family,
            component: Arc::clone(&package.component),
            name_kind: package.name_kind,
            arch: package.arch.clone(),
            module: package.module.clone(),
            hardware: None,
        };
        return (product, package.version.clone().map_or_else(|| named_versions(node), Versions::One));
    }
    if let (Some(cpe), Some(_)) = (&platform_cpe, platform) {
        return (component_of(node, cpe.family(), train), named_versions(node));
    }
    (vendor_product(node, train), named_versions(node))
}

/// A component that is known by its name only, on a platform with a CPE: how Red Hat's VEX names source packages
/// without a fix, `glibc` or `virt:rhel/qemu-kvm`.
fn component_of(node: &Node<'_>, family: Family, train: Option<Arc<str>>) -> Product {
    let name = node.name.name.as_str();
    let (module, component) = match name.split_once('/') {
        Some((module, component)) if module.contains(':') => (Some(module.into()), component),
        _ => (None, name),
    };
    Product {
        scheme: family.scheme(),
        family,
        train,
        component: component.into(),
        // A path is a container image's.
        name_kind: if component.contains('/') { NameKind::Product } else { NameKind::Source },
        arch: None,
        module,
        hardware: None,
    }
}

/// A vendor's product by the names in the branches above it.
fn vendor_product(node: &Node<'_>, train: Option<Arc<str>>) -> Product {
    let vendor = node.above.vendor.unwrap_or_default().trim();
    let name = node.above.product.unwrap_or_else(|| node.name.name.as_str()).trim();
    let mut product = identity::platform(vendor, name).unwrap_or_else(|| {
        let family = if vendor.is_empty() { Family::Upstream } else { Family::from_name(vendor) };
        let scheme = family.scheme();
        identity::whole_product(family, scheme, name)
    });
    if product.train.is_none() {
        product.train = train;
    }
    product
}

/// Versions by the name of the version branch. Issuers write ranges where only a version is allowed; those are read
/// as the ranges that they mean.
fn named_versions(node: &Node<'_>) -> Versions {
    match node.above.version {
        None => Versions::All,
        Some(_) if node.package.is_some() => Versions::All,
        Some(text) => {
            let stretch = ranges::stretch(text);
            match stretch.ranges.as_slice() {
                [range] if stretch.exact && *range == underpin_model::facts::Range::all() => Versions::All,
                [
                    underpin_model::facts::Range {
                        introduced: Some(from),
                        until: underpin_model::facts::Bound::Through(to),
                    },
                ] if stretch.exact && from == to => Versions::One(Arc::clone(from)),
                _ => Versions::Stretch(stretch),
            }
        }
    }
}
