//! Processor, machine, and the settings that mitigations depend on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use underpin_model::fleet::{Cpu, Setting};

use super::probe::Probe;

/// Reads the processors.
pub(super) fn cpu(probe: &mut Probe<'_>) -> Cpu {
    let text = probe.required("/proc/cpuinfo").unwrap_or_default();
    let mut cpu = parse(&text);
    cpu.smt = probe.line("/sys/devices/system/cpu/smt/active").and_then(|line| match line.as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    });
    if cpu.smt.is_none() {
        probe.note("/sys/devices/system/cpu/smt/active", "not readable: whether SMT is on is unknown");
    }
    if cpu.vendor.as_deref() == Some("GenuineIntel") {
        cpu.platform_mask = probe
            .line("/sys/devices/system/cpu/cpu0/microcode/processor_flags")
            .and_then(|line| u32::from_str_radix(line.trim_start_matches("0x"), 16).ok());
    }
    cpu
}

fn parse(text: &str) -> Cpu {
    let mut cpu = Cpu::default();
    let mut cores = BTreeSet::new();
    let mut threads = 0;
    let (mut family, mut model, mut stepping) = (None, None, None);
    for block in text.split("\n\n") {
        let fields: BTreeMap<&str, &str> = block
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(k, v)| (k.trim(), v.trim()))
            .collect();
        if !fields.contains_key("processor") {
            continue;
        }
        threads += 1;
        if let (Some(socket), Some(core)) = (fields.get("physical id"), fields.get("core id")) {
            cores.insert((*socket, *core));
        }
        if threads > 1 {
            continue;
        }
        let owned = |key: &str| fields.get(key).map(|value| (*value).to_owned());
        let number = |key: &str| fields.get(key).and_then(|value| value.parse::<u32>().ok());
        cpu.vendor = owned("vendor_id");
        cpu.model = owned("model name");
        cpu.microcode = owned("microcode");
        cpu.features = fields
            .get("flags")
            .or_else(|| fields.get("Features"))
            .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default();
        (family, model, stepping) = (number("cpu family"), number("model"), number("stepping"));
    }
    if let (Some(family), Some(model), Some(stepping)) = (family, model, stepping) {
        cpu.signature = Some(format!("{family:02x}-{model:02x}-{stepping:02x}"));
    }
    cpu.threads = (threads > 0).then_some(threads);
    cpu.cores = u32::try_from(cores.len()).ok().filter(|cores| *cores > 0);
    cpu
}

/// What the firmware says of the machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) vendor: Option<String>,
    pub(super) product: Option<String>,
    pub(super) firmware: Option<String>,
}

/// Reads the DMI tables as the kernel exports them.
pub(super) fn machine(probe: &mut Probe<'_>) -> Machine {
    const FOLDER: &str = "/sys/class/dmi/id";
    if !probe.root.has(FOLDER) {
        probe.note(FOLDER, "does not exist: maker, model and firmware of the machine are unknown");
        return Machine::default();
    }
    Machine {
        vendor: probe.line(&format!("{FOLDER}/sys_vendor")),
        product: probe.line(&format!("{FOLDER}/product_name")),
        firmware: probe.line(&format!("{FOLDER}/bios_version")),
    }
}

/// Kernel settings that decide whether a weakness can be used.
const SYSCTLS: &[&str] = &[
    "kernel.unprivileged_bpf_disabled",
    "kernel.unprivileged_userns_clone",
    "user.max_user_namespaces",
    "kernel.kptr_restrict",
    "kernel.dmesg_restrict",
    "kernel.randomize_va_space",
    "kernel.yama.ptrace_scope",
    "kernel.kexec_load_disabled",
    "kernel.modules_disabled",
    "net.core.bpf_jit_harden",
    "vm.overcommit_memory",
];

/// Boot parameters that switch mitigations. The whole command line is not kept: it may hold secrets.
const PARAMETERS: &[&str] = &[
    "mitigations",
    "nosmt",
    "spectre_v2",
    "spectre_v2_user",
    "spec_store_bypass_disable",
    "l1tf",
    "mds",
    "tsx",
    "tsx_async_abort",
    "mmio_stale_data",
    "retbleed",
    "spec_rstack_overflow",
    "gather_data_sampling",
    "kvm-intel.vmentry_l1d_flush",
    "kvm.nx_huge_pages",
    "pti",
    "nopti",
    "intel_iommu",
    "amd_iommu",
    "iommu",
    "lockdown",
    "mem_encrypt",
    "kvm_amd.sev",
];

/// Reads mitigations, boot parameters, sysctls and the parameters of KVM.
pub(super) fn settings(probe: &mut Probe<'_>) -> BTreeMap<String, Setting> {
    let mut settings = BTreeMap::new();
    let mut set = |name: String, value: Value| settings.insert(name, Setting::Plain(value));
    const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";
    match probe.names(VULNERABILITIES) {
        Some(names) => {
            for name in names {
                if let Some(text) = probe.line(&format!("{VULNERABILITIES}/{name}")) {
                    set(format!("cpu.vulnerabilities.{name}"), Value::from(text));
                }
            }
        }
        None => probe.note(VULNERABILITIES, "not readable: mitigations in force are unknown"),
    }
    if let Some(line) = probe.required("/proc/cmdline") {
        let mut mitigations = "auto".to_owned();
        for word in line.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if key == "mitigations" {
                value.clone_into(&mut mitigations);
            } else if PARAMETERS.contains(&key) {
                let value = if value.is_empty() { Value::Bool(true) } else { Value::from(value) };
                set(format!("kernel.cmdline.{key}"), value);
            }
        }
        // Without the parameter the kernel behaves as with `auto`.
        set("kernel.mitigations".to_owned(), Value::from(mitigations));
    }
    for name in SYSCTLS {
        if let Some(text) = probe.line(&format!("/proc/sys/{}", name.replace('.', "/"))) {
            let value = text.parse::<i64>().map_or_else(|_| Value::from(text.as_str()), Value::from);
            set(format!("sysctl.{name}"), value);
        }
    }
    for module in ["kvm", "kvm_intel", "kvm_amd"] {
        if probe.root.has(&format!("/sys/module/{module}")) {
            set(format!("module.{module}.loaded"), Value::Bool(true));
        }
        for parameter in ["nested", "nx_huge_pages", "vmentry_l1d_flush", "sev", "ept"] {
            if let Some(text) = probe.line(&format!("/sys/module/{module}/parameters/{parameter}")) {
                let value = match text.as_str() {
                    "Y" | "1" => Value::Bool(true),
                    "N" | "0" => Value::Bool(false),
                    _ => Value::from(text),
                };
                set(format!("{module}.{parameter}"), value);
            }
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_of_two_sockets() {
        let one = |processor: u32, socket: u32, core: u32| {
            format!(
                "processor\t: {processor}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: X\n\
                 stepping\t: 4\nmicrocode\t: 0x2007006\nphysical id\t: {socket}\ncore id\t\t: {core}\nflags\t\t: fpu vmx\n\n"
            )
        };
        let text: String = [one(0, 0, 0), one(1, 1, 0), one(2, 0, 0), one(3, 1, 0)].concat();
        let cpu = parse(&text);
        assert_eq!(cpu.signature.as_deref(), Some("06-55-04"));
        assert_eq!((cpu.threads, cpu.cores), (Some(4), Some(2)));
        assert_eq!(cpu.features, ["fpu", "vmx"]);
        assert_eq!(cpu.microcode.as_deref(), Some("0x2007006"));
        assert_eq!(parse("nothing"), Cpu::default());
    }
}
