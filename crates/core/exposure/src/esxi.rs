//! Update trains of ESXi and vCenter: `8.0U3` is a train of the line `8.0`.

use std::sync::Arc;

use underpin_model::facts::{Family, NameKind, Product};

/// One name for the product: issuers and inventories write `esxi`, `ESXi`, `vCenter Server`.
pub(crate) fn product_name<'n>(family: &Family, kind: NameKind, name: &'n str) -> &'n str {
    match (family, kind) {
        (Family::Esxi, NameKind::Product) if name.eq_ignore_ascii_case("esxi") => "esxi",
        (Family::Vcenter, NameKind::Product)
            if ["vcenter", "vcenter server"].iter().any(|known| name.eq_ignore_ascii_case(known)) =>
        {
            "vcenter"
        }
        _ => name,
    }
}

/// The line of a train: `8.0` of `8.0U3`.
pub(crate) fn line(train: &str) -> &str {
    train.split_once(['U', 'u']).map_or(train, |(line, _)| line).trim()
}

/// The number of an update train: 3 of `8.0U3`, 0 of `8.0`.
pub(crate) fn update(train: &str) -> u32 {
    train
        .split_once(['U', 'u'])
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Whether a claim speaks of one update train (`8.0U2`) and the component is of another. What is affected there is not
/// affected here; only a fix tells something, because update trains are cumulative. A claim about `8.0` is about all.
pub(crate) fn is_of_another_update(product: &Product, own: Option<&str>) -> bool {
    matches!(product.family, Family::Esxi | Family::Vcenter)
        && match (product.train.as_deref(), own) {
            (Some(claimed), Some(own)) => claimed != own && claimed.contains(['U', 'u']),
            _ => false,
        }
}

/// Whether a claim speaks of a whole line (`8.0`) and the component is of an update train of it. Coarse records repeat
/// "8.0 is affected" beside those that name the fix of each train; it holds where nothing finer does.
pub(crate) fn is_of_whole_line(product: &Product, own: Option<&str>) -> bool {
    matches!(product.family, Family::Esxi | Family::Vcenter)
        && match (product.train.as_deref(), own) {
            (Some(claimed), Some(own)) => claimed != own && !claimed.contains(['U', 'u']),
            _ => false,
        }
}

/// A build with its train in front, so that it can be compared: `24585383` of `8.0U3` becomes `8.0U3-24585383`.
pub(crate) fn with_train(train: Option<&str>, version: &str) -> Arc<str> {
    match train {
        Some(train) if version.bytes().all(|b| b.is_ascii_digit()) => format!("{train}-{version}").into(),
        _ => version.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_train_has_a_line_and_an_update() {
        assert_eq!((line("8.0U3"), update("8.0U3")), ("8.0", 3));
        assert_eq!((line("6.7"), update("6.7")), ("6.7", 0));
        assert_eq!((line("7.0U3o"), update("7.0U3o")), ("7.0", 3));
        assert_eq!(&*with_train(Some("8.0U3"), "24585383"), "8.0U3-24585383");
        assert_eq!(&*with_train(Some("8.0U3"), "ESXi80U3d-24585383"), "ESXi80U3d-24585383");
    }
}
