//! Installed software, and sets of it that assets share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Extra;
use crate::facts::Family;

/// What a component is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentKind {
    /// A binary package of the operating system's package manager.
    #[default]
    Package,
    /// A whole product (ESXi, vCenter, Windows Server); its version is the product's own.
    Product,
    /// Installed updates of a product (a Windows KB).
    Update,
    /// Platform firmware (BIOS, UEFI, BMC).
    Firmware,
    /// Processor microcode; the version is the loaded revision in hexadecimal.
    Microcode,
    /// Anything else that a source lists (a CycloneDX library).
    Library,
}

/// Installed, or only configuration left behind: a removed package with config files is no exposure.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Install {
    /// Files are in place.
    #[default]
    Installed,
    /// Only configuration files remain.
    ConfigFiles,
    /// Unpacked or half-configured.
    Partial,
}

impl Install {
    fn is_installed(&self) -> bool {
        *self == Self::Installed
    }
}

/// The source package that a binary package was built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version, where it differs from the binary's (binNMU, sub-packages with versions of their own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One installed component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// Package or product name.
    pub name: String,
    /// Installed version, as the platform's own tool prints it (with epoch).
    pub version: String,
    /// What it is.
    #[serde(default)]
    pub kind: ComponentKind,
    /// Who makes it, if not the maker of the set's operating system (a third-party repository on Debian).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The train, if not the set's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// Architecture as the package manager writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The source package, where the package manager tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    /// Module stream (`virt:rhel`), where the package manager tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The version that is running, where it is known; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_version: Option<String>,
    /// How far it is installed.
    #[serde(default, skip_serializing_if = "Install::is_installed")]
    pub install: Install,
    /// Package URL, where the source gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// Processor signature (`06-55-04`) and platform mask, for microcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Platform id bit mask of the processor, for microcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_mask: Option<u32>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Component {
    /// A package with a name and a version and nothing else known.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>, kind: ComponentKind) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            kind,
            family: None,
            train: None,
            arch: None,
            source: None,
            module: None,
            running_version: None,
            install: Install::Installed,
            purl: None,
            signature: None,
            platform_mask: None,
            extra: Extra::new(),
        }
    }
}

/// Components that are installed together: an operating system with its packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentSet {
    /// Who makes the operating system or product; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Its train: `bookworm`, `9`, `8.0U3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// The components.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::read::exact")]
    pub components: Vec<Component>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}
