//! AlmaLinux errata of packages that virtualization stands on, as JSON lines of minimal OSV documents.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context;
use flate2::read::GzDecoder;
use fs_err::File;
use serde_json::{Value, json};

use super::FactFile;

/// Packages by the start of their name.
const STARTS: [&str; 13] = [
    "edk2-",
    "hyperv",
    "ipxe-",
    "libtpms",
    "libvirt",
    "open-vm-tools",
    "openvswitch",
    "qemu-",
    "seabios",
    "sevctl",
    "sgabios",
    "swtpm",
    "tdx-",
];

/// Packages by their whole name: of the kernels only what is booted or loaded, not the variants of other architectures.
const NAMES: [&str; 19] = [
    "kernel",
    "kernel-core",
    "kernel-modules",
    "kernel-modules-core",
    "kernel-modules-extra",
    "kernel-rt",
    "kernel-rt-core",
    "kernel-rt-kvm",
    "kernel-rt-modules",
    "kernel-rt-modules-core",
    "kernel-rt-modules-extra",
    "kernel-tools",
    "kernel-tools-libs",
    "kernel-uki-virt",
    "linux-firmware",
    "microcode_ctl",
    "python3-libvirt",
    "virt-v2v",
    "virt-what",
];

/// Subpackages that nothing runs from.
const ENDS: [&str; 6] = ["-devel", "-docs", "-doc", "-tests", "-test", "-bash-completion"];

fn is_kept(name: &str) -> bool {
    NAMES.contains(&name)
        || (STARTS.iter().any(|start| name.starts_with(start)) && !ENDS.iter().any(|end| name.ends_with(end)))
}

pub(super) fn reduced(feeds: &Path) -> anyhow::Result<FactFile> {
    let origin = "osv-almalinux.tar.gz";
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(feeds.join(origin))?));
    let (mut lines, mut days) = (BTreeSet::new(), Vec::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.display().to_string();
        if !path.ends_with(".json") {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        let document: Value = serde_json::from_str(&text).with_context(|| path.clone())?;
        if let Some(reduced) = reduce(&document).with_context(|| path.clone())? {
            days.extend(document["published"].as_str().and_then(|day| day.get(..10)).map(str::to_owned));
            lines.insert(reduced);
        }
    }
    let rows = lines.len();
    let text = lines.into_iter().map(|line| line + "\n").collect();
    Ok(FactFile { name: "almalinux.jsonl", origin, text, rows, days })
}

/// The document with its kept packages only, each range once; `None` if none is left.
fn reduce(document: &Value) -> anyhow::Result<Option<String>> {
    let mut affected = BTreeSet::new();
    for package in document["affected"].as_array().context("no list of affected packages")? {
        let name = package["package"]["name"].as_str().context("a package without name")?;
        if is_kept(name) {
            affected.insert(serde_json::to_string(package)?);
        }
    }
    if affected.is_empty() {
        return Ok(None);
    }
    let affected: Vec<Value> =
        affected.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
    let mut reduced = json!({
        "id": document["id"],
        "published": document["published"],
        "modified": document["modified"],
        "related": document["related"],
        "affected": affected,
    });
    // The errata have their severity nowhere but at the start of the summary; what follows is prose.
    if let Some(severity) = document["summary"].as_str().and_then(severity) {
        reduced["summary"] = severity.into();
    }
    Ok(Some(serde_json::to_string(&reduced)?))
}

/// The severity with its colon: `Important:` of `Important: kernel security update`.
fn severity(summary: &str) -> Option<&str> {
    let (word, _) = summary.split_once(':')?;
    let is_known = ["Low", "Moderate", "Important", "Critical"].contains(&word);
    is_known.then(|| summary.get(..=word.len())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_hosts_run_are_kept() {
        for name in
            ["kernel", "kernel-core", "qemu-kvm-core", "qemu-img", "libvirt-daemon-driver-qemu", "edk2-ovmf"]
        {
            assert!(is_kept(name), "{name}");
        }
        for name in [
            "kernel-doc",
            "kernel-debug-core",
            "kernel-64k",
            "libvirt-devel",
            "qemu-kvm-docs",
            "NetworkManager",
        ] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn prose_and_repetitions_are_dropped() {
        let package = json!({"package": {"ecosystem": "AlmaLinux:9", "name": "kernel"}, "ranges": []});
        let document = json!({"id": "ALSA-1", "summary": "Low: prose", "details": "prose", "published": "2024-01-01T00:00:00Z",
            "modified": "2024-01-01T00:00:00Z", "related": ["CVE-2024-0001"], "affected": [package, package]});
        let reduced = reduce(&document).unwrap().unwrap();
        assert_eq!(reduced.matches("kernel").count(), 1);
        assert!(reduced.contains(r#""summary":"Low:""#) && !reduced.contains("prose"));
        assert_eq!(severity("virt:rhel bug fix update"), None);
        assert_eq!(reduce(&json!({"affected": []})).unwrap(), None);
    }
}
