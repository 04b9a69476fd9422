//! What one claim says about one version of one component.

use std::cmp::Ordering;
use std::sync::Arc;

use underpin_model::facts::{Bound, Claim, Family, Justification, NameKind, Range, Verdict};
use underpin_model::version::{Comparison, InvalidVersion, Scheme, compare};

use crate::esxi;
use crate::factbase::{FactBase, IndexedClaim};
use crate::item::Item;

/// How directly a claim speaks about a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Strength {
    /// About a sibling: another train from which this one is made, or a train that is not known.
    Weak,
    /// About this very train.
    Strong,
}

/// What a claim says about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Says {
    /// Vulnerable; with the first fixed version, if there is one.
    Open(Option<Arc<str>>),
    /// Fixed in this version, which the component has reached.
    Closed(Arc<str>),
    /// Outside of every vulnerable stretch.
    Outside,
    /// Not affected, and why.
    NotAffected(Justification),
    /// The issuer is still looking.
    Investigating,
    /// The versions cannot be compared.
    NotComparable(Arc<str>),
}

impl Says {
    /// The fixed version that is named.
    pub(crate) fn fix(&self) -> Option<&Arc<str>> {
        match self {
            Self::Open(fix) => fix.as_ref(),
            Self::Closed(fix) => Some(fix),
            _ => None,
        }
    }
}

/// A claim's answer with its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opinion {
    pub(crate) says: Says,
    pub(crate) strength: Strength,
    /// The fix is of the same upstream version as the component: the same branch of a package with several.
    pub(crate) same_branch: bool,
    pub(crate) fallback: bool,
    pub(crate) advisory: u32,
    /// The place of its claim among those about the component.
    pub(crate) place: usize,
}

/// Judges `version` (installed, running, or a guest's) by one claim, which has this place among the item's; `None`: the claim is not about this component.
pub(crate) fn judge(
    base: &FactBase,
    indexed: &IndexedClaim,
    place: usize,
    item: &Item<'_>,
    version: &str,
) -> Option<Opinion> {
    let claim = &indexed.claim;
    let strength = fits(claim, item)?;
    if esxi::is_of_another_update(&claim.product, item.train.as_deref())
        && !matches!(claim.verdict, Verdict::FixedIn(_))
    {
        return None;
    }
    let version = of_development(claim, version);
    let (says, strength) = match &claim.verdict {
        Verdict::FixedIn(fix) => fixed_in(base, claim, item, version, fix, strength),
        Verdict::Affected(range) => match &range.until {
            // Without its revision a version of Windows does not tell which updates it has.
            Bound::Before(fix) if lacks_revision(&claim.product.family, version, fix) => {
                (Says::NotComparable(Arc::clone(fix)), strength)
            }
            _ => (affected(claim, range, version), strength),
        },
        Verdict::NotAffected(range, why) => match within(claim.product.scheme, range, version) {
            Place::Inside => (Says::NotAffected(*why), strength),
            _ => return None,
        },
        Verdict::UnderInvestigation(range) => match within(claim.product.scheme, range, version) {
            Place::Inside => (Says::Investigating, strength),
            _ => return None,
        },
    };
    let same_branch = match &claim.verdict {
        Verdict::FixedIn(fix) => upstream_part(fix) == upstream_part(version),
        Verdict::Affected(Range { until: Bound::Before(fix), .. }) => {
            upstream_part(fix) == upstream_part(version)
        }
        _ => true,
    };
    let fallback = claim.fallback
        || (matches!(says, Says::Open(None))
            && esxi::is_of_whole_line(&claim.product, item.train.as_deref()));
    Some(Opinion { says, strength, same_branch, fallback, advisory: indexed.advisory, place })
}

/// Whether a claim is about the component, and how directly.
fn fits(claim: &Claim, item: &Item<'_>) -> Option<Strength> {
    let product = &claim.product;
    let mut strength = train_fits(&product.family, product.train.as_deref(), item.train.as_deref())?;
    if let Some(arch) = product.arch.as_deref()
        && let Some(own) = item.arch
        && !same_architecture(arch, own)
    {
        return None;
    }
    match (product.module.as_deref(), item.module) {
        (Some(claimed), Some(own)) if claimed != own => return None,
        (Some(_), None) => strength = Strength::Weak,
        _ => {}
    }
    if let Some(hardware) = &product.hardware {
        match item.processor {
            Some((signature, _)) if signature != &*hardware.signature => return None,
            Some((_, Some(mask))) if mask & hardware.platform_mask == 0 => return None,
            Some((_, Some(_))) => {}
            Some((_, None)) => strength = Strength::Weak,
            None => return None,
        }
    }
    Some(strength)
}

/// Whether a statement about one train is about another, and how directly; `None` as a train: any, or not known.
pub(crate) fn train_fits(family: &Family, claimed: Option<&str>, own: Option<&str>) -> Option<Strength> {
    let debian = matches!(family, Family::Debian | Family::Ubuntu);
    match (claimed, own) {
        (None, _) if debian => Some(Strength::Weak),
        (None, _) => Some(Strength::Strong),
        (Some(_), None) => Some(Strength::Weak),
        (Some(claimed), Some(own)) if claimed == own => Some(Strength::Strong),
        // What was fixed on the way, every suite made from it later has; a suite that is behind may have a fix of its own.
        (Some(claimed), Some(_)) if debian && is_development(claimed) => Some(Strength::Weak),
        (Some(claimed), Some(own)) => match family {
            Family::Esxi | Family::Vcenter if esxi::line(claimed) == esxi::line(own) => {
                Some(Strength::Strong)
            }
            // A claim about 9 is about 9.4; one about 8.6-eus is not about 8.
            Family::AlmaLinux | Family::RedHat | Family::Rocky | Family::OracleLinux | Family::CentOs
                if own.strip_prefix(claimed).is_some_and(|rest| rest.starts_with('.')) =>
            {
                Some(Strength::Strong)
            }
            _ => None,
        },
    }
}

/// Where Debian's packages are made before a suite takes them; the changelog of one goes on in the next.
fn is_development(train: &str) -> bool {
    matches!(train, "unstable" | "sid" | "experimental")
}

/// `4.17.3-1~deb12u1` is `4.17.3-1` of unstable, rebuilt for a suite: it sorts before it, and has all of its fixes.
fn of_development<'v>(claim: &Claim, version: &'v str) -> &'v str {
    if claim.product.family != Family::Debian || !claim.product.train.as_deref().is_some_and(is_development) {
        return version;
    }
    match version.rsplit_once("~deb") {
        Some((origin, rebuild))
            if rebuild
                .split_once('u')
                .is_some_and(|(suite, number)| is_number(suite) && is_number(number)) =>
        {
            origin
        }
        _ => version,
    }
}

/// Debian and RPM write architectures differently; `noarch`, `all` and source packages are of every architecture.
fn same_architecture(a: &str, b: &str) -> bool {
    let common = |arch: &str| match arch {
        "x86_64" | "amd64" => "x86_64".to_owned(),
        "aarch64" | "arm64" => "aarch64".to_owned(),
        "i386" | "i486" | "i586" | "i686" => "x86".to_owned(),
        other => other.to_owned(),
    };
    let every = |arch: &str| matches!(arch, "noarch" | "all" | "any" | "src" | "source" | "nosrc");
    every(a) || every(b) || common(a) == common(b)
}

fn fixed_in(
    base: &FactBase,
    claim: &Claim,
    item: &Item<'_>,
    version: &str,
    fix: &Arc<str>,
    strength: Strength,
) -> (Says, Strength) {
    let scheme = claim.product.scheme;
    match scheme {
        Scheme::WindowsKb => {
            // What runs may be told as an update: the one that was in force when the host booted.
            let running = (version != item.version).then(|| kb_number(version)).filter(|kb| is_number(kb));
            let updates = running.as_ref().map_or(&item.updates[..], std::slice::from_ref);
            match base.installed_update(item.name, fix, updates) {
                Some(update) => (Says::Closed(update.into()), strength),
                None => (Says::Open(Some(Arc::clone(fix))), strength),
            }
        }
        Scheme::Esxi => {
            let builds = base.builds_of(fix);
            let fixes = if builds.is_empty() { std::slice::from_ref(fix) } else { builds };
            best(fixes.iter().map(|fix| esxi_fixed_in(claim, item, version, fix)))
                .unwrap_or((Says::NotComparable(Arc::clone(fix)), strength))
        }
        _ => (from_order(&compare(scheme, version, fix), fix), strength),
    }
}

/// `KB5031364` and `5031364` are the same update.
pub(crate) fn kb_number(name: &str) -> &str {
    let name = name.trim();
    name.strip_prefix("KB").or_else(|| name.strip_prefix("kb")).unwrap_or(name)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn from_order(order: &Result<Comparison, InvalidVersion>, fix: &Arc<str>) -> Says {
    match order {
        Ok(Comparison::Ordered(Ordering::Less)) => Says::Open(Some(Arc::clone(fix))),
        Ok(Comparison::Ordered(_)) => Says::Closed(Arc::clone(fix)),
        Ok(Comparison::Incomparable) | Err(_) => Says::NotComparable(Arc::clone(fix)),
    }
}

/// Several builds of one bulletin: the one of the component's own train decides.
fn best(answers: impl Iterator<Item = (Says, Strength)>) -> Option<(Says, Strength)> {
    answers.max_by_key(|(says, strength)| (!matches!(says, Says::NotComparable(_)), *strength))
}

/// Builds are ordered within one update train. Update trains of one line are cumulative: a later train contains the
/// fixes of an earlier one, an earlier train needs a fix of its own.
fn esxi_fixed_in(claim: &Claim, item: &Item<'_>, version: &str, fix: &Arc<str>) -> (Says, Strength) {
    if let order @ Ok(Comparison::Ordered(_)) = compare(Scheme::Esxi, version, fix) {
        return (from_order(&order, fix), Strength::Strong);
    }
    let (Some(claimed), Some(own)) = (claim.product.train.as_deref(), item.train.as_deref()) else {
        return (Says::NotComparable(Arc::clone(fix)), Strength::Weak);
    };
    let line_wide = !claimed.contains(['U', 'u']);
    match (build(version), build(fix)) {
        // A claim about a whole line gives one build, which every later build of the line contains.
        (Some(own_build), Some(fixed)) if line_wide => {
            let says = if own_build < fixed {
                Says::Open(Some(Arc::clone(fix)))
            } else {
                Says::Closed(Arc::clone(fix))
            };
            (says, Strength::Strong)
        }
        _ => match esxi::update(own).cmp(&esxi::update(claimed)) {
            Ordering::Less => (Says::Open(Some(Arc::clone(fix))), Strength::Weak),
            Ordering::Greater => (Says::Closed(Arc::clone(fix)), Strength::Weak),
            Ordering::Equal => (Says::NotComparable(Arc::clone(fix)), Strength::Weak),
        },
    }
}

/// The build number at the end of an ESXi version.
fn build(version: &str) -> Option<u64> {
    let digits = version.rsplit(['-', ' ']).next()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn affected(claim: &Claim, range: &Range, version: &str) -> Says {
    match within(claim.product.scheme, range, version) {
        Place::Inside => Says::Open(match &range.until {
            Bound::Before(fix) => Some(Arc::clone(fix)),
            Bound::Through(_) | Bound::Unbounded => None,
        }),
        Place::After(fix) => Says::Closed(fix),
        Place::Outside => Says::Outside,
        Place::NotComparable(other) => Says::NotComparable(other),
    }
}

enum Place {
    Inside,
    /// At or after the end, which is a fix.
    After(Arc<str>),
    Outside,
    NotComparable(Arc<str>),
}

fn within(scheme: Scheme, range: &Range, version: &str) -> Place {
    if let Some(introduced) = range.introduced.as_ref().filter(|text| &***text != "0") {
        match compare(scheme, version, introduced) {
            Ok(Comparison::Ordered(Ordering::Less)) => return Place::Outside,
            Ok(Comparison::Ordered(_)) => {}
            Ok(Comparison::Incomparable) | Err(_) => return Place::NotComparable(Arc::clone(introduced)),
        }
    }
    let (bound, inclusive) = match &range.until {
        Bound::Unbounded => return Place::Inside,
        Bound::Before(bound) => (bound, false),
        Bound::Through(bound) => (bound, true),
    };
    match compare(scheme, version, bound) {
        Ok(Comparison::Ordered(Ordering::Less)) => Place::Inside,
        Ok(Comparison::Ordered(Ordering::Equal)) if inclusive => Place::Inside,
        Ok(Comparison::Ordered(_)) if inclusive => Place::Outside,
        Ok(Comparison::Ordered(_)) => Place::After(Arc::clone(bound)),
        Ok(Comparison::Incomparable) | Err(_) => Place::NotComparable(Arc::clone(bound)),
    }
}

/// `10.0.20348` beside `10.0.20348.2461`: the same build of Windows, without the number that its updates raise.
fn lacks_revision(family: &Family, version: &str, fix: &str) -> bool {
    *family == Family::Windows
        && fix
            .strip_prefix(version)
            // Records with two dots have been published.
            .is_some_and(|rest| rest.starts_with('.') && is_number(rest.trim_start_matches('.')))
}

/// Version without epoch and release: packages with several branches differ there.
fn upstream_part(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// The claims about a component, by its binary and its source name.
pub(crate) fn claims_for<'b>(base: &'b FactBase, item: &Item<'_>) -> Vec<(&'b IndexedClaim, NameKind)> {
    use underpin_model::fleet::ComponentKind;
    let mut found = Vec::new();
    match item.kind {
        ComponentKind::Microcode => {
            if let Some((signature, _)) = item.processor {
                found.extend(base.claims_for_processor(signature).map(|claim| (claim, NameKind::Product)));
            }
        }
        ComponentKind::Product | ComponentKind::Firmware => {
            let claims = base.claims_about(&item.family, NameKind::Product, item.name);
            found.extend(claims.map(|claim| (claim, NameKind::Product)));
        }
        ComponentKind::Package | ComponentKind::Library => {
            let claims = base.claims_about(&item.family, NameKind::Binary, item.name);
            found.extend(claims.map(|claim| (claim, NameKind::Binary)));
            if let Some((source, _)) = &item.source {
                let claims = base.claims_about(&item.family, NameKind::Source, source);
                found.extend(claims.map(|claim| (claim, NameKind::Source)));
            }
        }
        ComponentKind::Update => {}
    }
    found
}
