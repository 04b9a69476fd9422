//! Names of releases in evidence. One release of ESXi has several spellings (`7.0U3-19193900`, `ESXi70U3c-19193900`,
//! `7.0.3-19193900`), which are one where they state the same build, as they are for withdrawals.

use std::borrow::Cow;

use underpin_model::facts::Family;

use crate::withdrawals::key;

/// What tells releases of ESXi and vCenter apart.
#[derive(Debug, PartialEq, Eq)]
struct Release<'n> {
    product: Family,
    build: Option<&'n str>,
    /// Version and update with their letters (`70u3c`). Without letters it is a train, of which there are many releases.
    name: Option<String>,
}

/// Whether two names, each a component with its version, are of one release.
pub(super) fn same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let (Some(left), Some(right)) = (release(left), release(right)) else { return false };
    left.product == right.product
        && match (left.build, right.build) {
            (Some(left), Some(right)) => left == right,
            _ => left.name.is_some() && left.name == right.name,
        }
}

/// A name in the one spelling that every name of the same build has.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    match release(name) {
        Some(Release { product, build: Some(build), .. }) => Cow::Owned(format!("{product} {build}")),
        _ => Cow::Borrowed(name),
    }
}

fn release(name: &str) -> Option<Release<'_>> {
    let (product, version) = product(name.trim())?;
    let build = (key(&product, version) != version || version.bytes().all(|it| it.is_ascii_digit()))
        .then(|| key(&product, version));
    let words = build.and_then(|it| version.strip_suffix(it)).unwrap_or(version);
    let mut plain: String = words.chars().filter(char::is_ascii_alphanumeric).collect();
    plain.make_ascii_lowercase();
    let plain = plain.strip_prefix("esxi").unwrap_or(&plain).to_owned();
    let name = plain.ends_with(|it: char| it.is_ascii_alphabetic()).then_some(plain);
    Some(Release { product, build, name })
}

/// The product that a name begins with, and the rest of it. The bulletins of ESXi have the product in front.
fn product(name: &str) -> Option<(Family, &str)> {
    let after = |product: &str| {
        let (front, rest) = name.split_at_checked(product.len())?;
        (front.eq_ignore_ascii_case(product) && rest.starts_with(char::is_whitespace)).then(|| rest.trim())
    };
    if let Some(version) = after("esxi") {
        return Some((Family::Esxi, version));
    }
    if let Some(version) = after("vcenter server").or_else(|| after("vcenter")) {
        return Some((Family::Vcenter, version));
    }
    let bulletin = name.get(.."esxi".len()).is_some_and(|it| it.eq_ignore_ascii_case("esxi"));
    (bulletin && !name.contains(char::is_whitespace)).then_some((Family::Esxi, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_build_is_one_release_in_every_spelling() {
        let spelled = [
            "ESXi 7.0U3-19193900",
            "esxi 7.0U3-19193900",
            "ESXi ESXi70U3c-19193900",
            "ESXi70U3c-19193900",
            "ESXi 7.0.3-19193900",
            "ESXi 19193900",
        ];
        for (left, right) in spelled.iter().flat_map(|it| spelled.iter().map(move |other| (it, other))) {
            assert!(same(left, right), "{left} and {right}");
            assert_eq!(canonical(left), canonical(right));
        }
        for other in
            ["ESXi 7.0U3-20328353", "vCenter 7.0U3-19193900", "ESXi 7.0U3", "linux 19193900", "19193900"]
        {
            assert!(spelled.iter().all(|it| !same(it, other)), "{other}");
        }
    }

    #[test]
    fn a_name_with_letters_is_that_of_the_bulletin_and_a_train_is_nobodys() {
        assert!(same("ESXi 7.0 U3c", "ESXi ESXi70U3c-19193900"));
        assert!(same("ESXi 7.0 U3c", "ESXi 7.0U3c"));
        assert!(!same("ESXi 7.0 U3c", "ESXi ESXi70U3d-19482537"));
        assert!(!same("ESXi 7.0 U3", "ESXi 7.0U3-19193900"));
        assert!(!same("linux 6.1", "Linux 6.1"), "no other product has spellings");
    }
}
