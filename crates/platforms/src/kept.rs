//! Columns and properties that the model has no field for are kept under their own name.

use serde_json::Value;
use underpin_model::fleet::Extra;

/// Field names of a host, as in a fleet file.
pub(crate) const HOST_FIELDS: &[&str] = &[
    "id",
    "name",
    "cluster",
    "site",
    "fault_domains",
    "ring",
    "platform",
    "role",
    "component_sets",
    "components",
    "running",
    "kernel_release",
    "boot_id",
    "booted_at",
    "changed_at",
    "vendor",
    "model",
    "firmware",
    "cpu",
    "capacity",
    "migration",
    "reach",
    "settings",
    "management_interfaces",
    "listeners",
    "maintenance",
    "seen",
    "provenance",
];

/// Field names of a VM, as in a fleet file.
pub(crate) const VM_FIELDS: &[&str] = &[
    "id",
    "name",
    "host",
    "cluster",
    "tenant",
    "application",
    "role",
    "image",
    "power",
    "vcpus",
    "memory_mib",
    "hugepages_mib",
    "dirty_rate_mib_s",
    "vmm",
    "machine_type",
    "cold_started_at",
    "cpu_features",
    "passthrough",
    "storage",
    "networks",
    "allowed_actions",
    "locks",
    "sealed_keys",
    "guest_os",
    "guest_tools",
    "component_sets",
    "components",
    "seen",
    "provenance",
];

/// Field names of a cluster, as in a fleet file.
pub(crate) const CLUSTER_FIELDS: &[&str] = &[
    "id",
    "name",
    "site",
    "platform",
    "managed_by",
    "witness",
    "storage",
    "networks",
    "ha_restart",
    "admission_control",
    "load_balancing",
    "degraded",
    "seen",
    "provenance",
];

/// Field names of an image, as in a fleet file.
pub(crate) const IMAGE_FIELDS: &[&str] =
    &["id", "name", "tenant", "built", "component_sets", "components", "seen", "provenance"];

/// Field names of a component, as in a fleet file.
pub(crate) const COMPONENT_FIELDS: &[&str] = &[
    "name",
    "version",
    "kind",
    "family",
    "train",
    "arch",
    "source",
    "module",
    "running_version",
    "install",
    "purl",
    "signature",
    "platform_mask",
];

/// Keeps a value under its own name. A name that the element itself uses gets the prefix `column:`, because unknown
/// fields are written beside the known ones and a second `name` would make the fleet file unreadable.
///
/// A value that is nested too deeply is kept as its text: readers of JSON stop at 128 levels, and the fleet file puts some
/// above the value.
pub(crate) fn keep(extra: &mut Extra, name: &str, value: Value, taken: &[&str]) {
    let value = if is_deeper(&value, DEEPEST) { Value::from(value.to_string()) } else { value };
    let mut key = if taken.contains(&name) { format!("column:{name}") } else { name.to_owned() };
    while extra.contains_key(&key) {
        key.push('\'');
    }
    extra.insert(key, value);
}

/// Levels of arrays and objects that a value is kept with.
const DEEPEST: usize = 64;

fn is_deeper(value: &Value, levels: usize) -> bool {
    let below = |value: &Value| levels == 0 || is_deeper(value, levels - 1);
    match value {
        Value::Array(values) => values.iter().any(below) || levels == 0,
        Value::Object(fields) => fields.values().any(below) || levels == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::{JsonSchema, schema_for};
    use underpin_model::fleet::{Cluster, Component, Host, Image, Vm};

    use super::*;

    fn fields<T: JsonSchema>() -> BTreeSet<String> {
        let schema = schema_for!(T);
        schema.as_value()["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn listed(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn lists_of_fields_follow_the_model() {
        assert_eq!(listed(HOST_FIELDS), fields::<Host>());
        assert_eq!(listed(VM_FIELDS), fields::<Vm>());
        assert_eq!(listed(CLUSTER_FIELDS), fields::<Cluster>());
        assert_eq!(listed(IMAGE_FIELDS), fields::<Image>());
        assert_eq!(listed(COMPONENT_FIELDS), fields::<Component>());
    }

    #[test]
    fn a_deep_value_is_kept_as_text() {
        let nested = |levels: usize| (0..levels).fold(Value::from(1), |inner, _| Value::from(vec![inner]));
        let mut extra = Extra::new();
        keep(&mut extra, "flat", nested(DEEPEST), &[]);
        keep(&mut extra, "deep", nested(DEEPEST + 1), &[]);
        assert_eq!(extra["flat"], nested(DEEPEST));
        assert_eq!(extra["deep"], nested(DEEPEST + 1).to_string());
    }

    #[test]
    fn a_name_in_use_is_moved_aside() {
        let mut extra = Extra::new();
        keep(&mut extra, "name", Value::from(1), VM_FIELDS);
        keep(&mut extra, "NICs", Value::from(2), VM_FIELDS);
        keep(&mut extra, "NICs", Value::from(3), VM_FIELDS);
        let keys: Vec<&str> = extra.keys().map(String::as_str).collect();
        assert_eq!(keys, ["NICs", "NICs'", "column:name"]);
    }
}
