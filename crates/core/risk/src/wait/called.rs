//! Names of releases in evidence. One release of ESXi has several spellings (`7.0U3-19193900`, `ESXi70U3c-19193900`,
//! `7.0.3-19193900`), which are one where they state the same build, as they are for withdrawals.

use std::borrow::Cow;

use underpin_model::facts::Family;

use crate::withdrawals::Spelled;

/// A release of ESXi or vCenter, with what its name states.
#[derive(Debug, PartialEq, Eq)]
struct Release<'n> {
    product: Family,
    spelled: Spelled<'n>,
}

/// Whether two names, each a component with its version, are of one release.
pub(crate) fn same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let (Some(left), Some(right)) = (release(left), release(right)) else { return false };
    left.product == right.product && left.spelled.same(&right.spelled)
}

/// A name in the one spelling that every name of the same build has.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    match release(name) {
        Some(Release { product, spelled: Spelled { build: Some(build), .. } }) => {
            Cow::Owned(format!("{product} {build}"))
        }
        _ => Cow::Borrowed(name),
    }
}

fn release(name: &str) -> Option<Release<'_>> {
    let (product, version) = product(name.trim())?;
    let spelled = Spelled::of(&product, version);
    Some(Release { product, spelled })
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
