//! Advisories and the claims they make about products.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PatchClass;
use crate::id::{AdvisoryId, VulnerabilityId};
use crate::version::Scheme;

/// Who makes a product line. Claims about one family never speak for another: Red Hat's build numbers do not order
/// AlmaLinux's or Rocky's, and an upstream version range says nothing about a distribution's backports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Debian packages; trains are suites (`bookworm`, `unstable`).
    Debian,
    /// Ubuntu packages; trains are series (`22.04`, `Pro:16.04`).
    Ubuntu,
    /// Proxmox packages (`pve-qemu-kvm`, `pve-manager`, kernels); trains are major releases (`8`).
    Proxmox,
    /// AlmaLinux packages; trains are major releases (`8`).
    AlmaLinux,
    /// Red Hat Enterprise Linux packages; trains are `8`, `9`, or a stream such as `8.6-eus`.
    RedHat,
    /// Rocky Linux packages.
    Rocky,
    /// Oracle Linux packages.
    OracleLinux,
    /// CentOS packages (Linux and Stream).
    CentOs,
    /// XCP-ng packages; trains are releases (`8.3`).
    XcpNg,
    /// Citrix / XenServer hotfixes.
    XenServer,
    /// VMware ESXi; trains are update trains (`8.0U3`) or lines (`8.0`).
    Esxi,
    /// VMware vCenter Server; trains like ESXi's.
    Vcenter,
    /// Microsoft Windows; the component is the product name, the version a KB number.
    Windows,
    /// Xen as the Xen Project releases it.
    Xen,
    /// Intel processor microcode; see [`Hardware`].
    IntelMicrocode,
    /// An upstream product of a CVE record, by vendor and product: versions are upstream's.
    Upstream,
    /// Any other line, by its lower-case name (an OSV ecosystem, a CSAF vendor).
    Other(Arc<str>),
}

impl Family {
    /// Lower-case name, the same in fleet files, facts and output.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Debian => "debian",
            Self::Ubuntu => "ubuntu",
            Self::Proxmox => "proxmox",
            Self::AlmaLinux => "almalinux",
            Self::RedHat => "rhel",
            Self::Rocky => "rocky",
            Self::OracleLinux => "oracle-linux",
            Self::CentOs => "centos",
            Self::XcpNg => "xcp-ng",
            Self::XenServer => "xenserver",
            Self::Esxi => "esxi",
            Self::Vcenter => "vcenter",
            Self::Windows => "windows",
            Self::Xen => "xen",
            Self::IntelMicrocode => "intel-microcode",
            Self::Upstream => "upstream",
            Self::Other(name) => name,
        }
    }

    /// The family with this name; any unknown name is carried along as [`Family::Other`].
    /// Accepts the `ID` values of `os-release` and the ecosystem names of OSV as well.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let lower = name.trim().to_ascii_lowercase();
        match lower.as_str() {
            "debian" => Self::Debian,
            "ubuntu" => Self::Ubuntu,
            "proxmox" | "pve" | "proxmox-ve" => Self::Proxmox,
            "almalinux" => Self::AlmaLinux,
            "rhel" | "redhat" | "red hat" => Self::RedHat,
            "rocky" | "rocky linux" | "rockylinux" => Self::Rocky,
            "oracle-linux" | "ol" | "oracle linux" => Self::OracleLinux,
            "centos" => Self::CentOs,
            "xcp-ng" | "xcpng" | "xenenterprise-xcp-ng" => Self::XcpNg,
            "xenserver" => Self::XenServer,
            "esxi" | "vmware-esxi" | "vmware esxi" | "vmnix-x86" => Self::Esxi,
            "vcenter" | "vmware-vcenter" | "vmware vcenter server" => Self::Vcenter,
            "windows" | "hyper-v" | "microsoft windows" => Self::Windows,
            "xen" => Self::Xen,
            "intel-microcode" => Self::IntelMicrocode,
            "upstream" => Self::Upstream,
            _ => Self::Other(lower.into()),
        }
    }

    /// How this family orders its versions.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Debian | Self::Ubuntu | Self::Proxmox => Scheme::Dpkg,
            Self::AlmaLinux | Self::RedHat | Self::Rocky | Self::OracleLinux | Self::CentOs => Scheme::Rpm,
            Self::XcpNg | Self::XenServer => Scheme::XcpNg,
            Self::Esxi | Self::Vcenter => Scheme::Esxi,
            Self::Windows => Scheme::WindowsKb,
            Self::IntelMicrocode => Scheme::Hex,
            Self::Xen | Self::Upstream | Self::Other(_) => Scheme::Generic,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Family {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_name(&String::deserialize(deserializer)?))
    }
}

impl schemars::JsonSchema for Family {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Family".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Who makes the product line. Other names are carried along.",
            "examples": ["debian", "proxmox", "almalinux", "rhel", "xcp-ng", "esxi", "vcenter", "windows", "xen"]
        })
    }
}

/// What a component's name means. A source package and a binary package may share a name and differ in version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameKind {
    /// A source package (Debian tracker, changelogs).
    Source,
    /// A binary package (RPM advisories, OSV for RPM distributions).
    Binary,
    /// A whole product (ESXi, vCenter, Windows, an upstream project).
    Product,
}

/// The product that a claim is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Product {
    /// Who makes it.
    pub family: Family,
    /// The train (suite, major release, update train) that the claim is about; `None`: any train of the family.
    pub train: Option<Arc<str>>,
    /// Package or product name, as the family writes it.
    pub component: Arc<str>,
    /// What `component` names.
    pub name_kind: NameKind,
    /// The only architecture it is about (`x86_64`, `amd64`); `None`: all.
    pub arch: Option<Arc<str>>,
    /// The module stream (`virt:rhel`), where the document names one.
    pub module: Option<Arc<str>>,
    /// The processors that a microcode claim is about.
    pub hardware: Option<Hardware>,
    /// How the versions of the claim are ordered.
    pub scheme: Scheme,
}

/// Processors that a microcode revision is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hardware {
    /// Family-model-stepping in hexadecimal, as the vendor writes it: `06-55-04`.
    pub signature: Arc<str>,
    /// Bit mask of platform ids (CPUID flags) that the revision is for.
    pub platform_mask: u32,
}

/// A stretch of versions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// First version of the stretch; `None`: from the beginning.
    pub introduced: Option<Arc<str>>,
    /// Where it ends.
    pub until: Bound,
}

impl Range {
    /// Every version.
    #[must_use]
    pub fn all() -> Self {
        Self { introduced: None, until: Bound::Unbounded }
    }

    /// One version.
    #[must_use]
    pub fn exactly(version: impl Into<Arc<str>>) -> Self {
        let version = version.into();
        Self { introduced: Some(Arc::clone(&version)), until: Bound::Through(version) }
    }

    /// Everything before `version`.
    #[must_use]
    pub fn before(version: impl Into<Arc<str>>) -> Self {
        Self { introduced: None, until: Bound::Before(version.into()) }
    }
}

/// The end of a [`Range`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// No end is known.
    Unbounded,
    /// Ends before this version, which is the first outside (a fix).
    Before(Arc<str>),
    /// Ends with this version, which is the last inside.
    Through(Arc<str>),
}

/// What a claim says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The versions in the range are vulnerable. A range that ends [`Bound::Before`] a version also says that the
    /// version and later ones of the same train are fixed.
    Affected(Range),
    /// This version and later ones of the same train are fixed; earlier ones are vulnerable.
    FixedIn(Arc<str>),
    /// The versions in the range are not vulnerable, and why.
    NotAffected(Range, Justification),
    /// The issuer does not know yet.
    UnderInvestigation(Range),
}

/// Why a product is not affected: the CSAF/OpenVEX justification labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The vulnerable component is not in the product.
    ComponentNotPresent,
    /// The component is there, the vulnerable code is not.
    VulnerableCodeNotPresent,
    /// The code is there and never runs.
    VulnerableCodeNotInExecutePath,
    /// The code runs, an adversary cannot control it.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Mitigations are built in.
    InlineMitigationsAlreadyExist,
    /// The version is outside the vulnerable range.
    VersionNotInRange,
    /// The issuer gives no reason.
    NotGiven,
}

/// One claim of an advisory: these vulnerabilities, this product, this verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The vulnerabilities; shared between the claims of an advisory.
    pub vulnerabilities: Arc<[VulnerabilityId]>,
    /// The product; shared where several claims are about the same.
    pub product: Arc<Product>,
    /// What is said.
    pub verdict: Verdict,
    /// A default that holds only where no other claim of the same document about the same product and vulnerability
    /// decides the version (the `defaultStatus` of CVE 5).
    pub fallback: bool,
}

/// What must be restarted before the fix works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Nothing.
    None,
    /// The service, or each guest's VMM process.
    Service,
    /// The machine.
    Machine,
    /// The document does not say.
    Unknown,
}

/// What a document offers against a vulnerability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyKind {
    /// A fixed release.
    VendorFix,
    /// A setting that closes it.
    Workaround,
    /// Makes it harder, does not close it.
    Mitigation,
    /// No fix yet.
    NoneAvailable,
    /// There will be none.
    NoFixPlanned,
}

/// A remedy for vulnerabilities of an advisory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// The vulnerabilities that it is for.
    pub vulnerabilities: Arc<[VulnerabilityId]>,
    /// What it is.
    pub kind: RemedyKind,
    /// What must be restarted.
    pub restart: Restart,
    /// Where it is described (an address), if given.
    pub url: Option<String>,
}

/// One advisory: who says it, when, and its claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advisory {
    /// The issuer's id.
    pub id: AdvisoryId,
    /// A short title, if the document has one. Never part of the built-in facts.
    pub title: Option<String>,
    /// When it was first published.
    pub published: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// What kind of patch it announces, where its id or kind says so.
    pub class: Option<PatchClass>,
    /// The issuer's own severity word, lower case.
    pub severity: Option<String>,
    /// What it claims.
    pub claims: Vec<Claim>,
    /// What it offers.
    pub remedies: Vec<Remedy>,
}
