//! Who makes a product and what it is called: from package URLs, CPE names and the vendor and product texts of records.

use std::sync::Arc;

use underpin_model::facts::{Family, NameKind, Product};
use underpin_model::id::{InvalidId, VulnerabilityId};
use underpin_model::purl::Purl;
use underpin_model::version::Scheme;

/// The name of a vulnerability: [`VulnerabilityId::of_text`].
///
/// # Errors
/// Why it is none.
pub(crate) fn vulnerability_id(text: &str) -> Result<VulnerabilityId, InvalidId> {
    VulnerabilityId::of_text(text)
}

/// Whether a vulnerability has its name from the CVE list.
pub(crate) fn is_cve(id: &str) -> bool {
    id.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("CVE-"))
}

/// What a package URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// Family by type and namespace.
    pub(crate) family: Family,
    /// Train, where a qualifier names one.
    pub(crate) train: Option<Arc<str>>,
    /// Package name as the family writes it.
    pub(crate) component: Arc<str>,
    /// What the name means.
    pub(crate) name_kind: NameKind,
    /// Architecture; none for sources and `noarch`.
    pub(crate) arch: Option<Arc<str>>,
    /// Module stream.
    pub(crate) module: Option<Arc<str>>,
    /// Version with epoch.
    pub(crate) version: Option<Arc<str>>,
    /// The package is itself a module (`rpmmod`).
    pub(crate) is_module: bool,
}

/// Reads a package URL.
///
/// # Errors
/// Why it is none.
pub(crate) fn package(text: &str) -> Result<Package, String> {
    let purl = Purl::canonical(text)
        .map_err(|error| format!("{} is no package URL: {}", crate::json::shown(text), error.reason))?;
    let qualifier = |name: &str| purl.qualifier(name);
    let namespace = purl.namespace().unwrap_or_default();
    let arch = qualifier("arch");
    let mut package = Package {
        family: Family::Upstream,
        train: None,
        component: purl.name().into(),
        name_kind: NameKind::Product,
        arch: None,
        module: qualifier("rpmmod").map(|module| stream(module).into()),
        version: purl.version().map(|version| match qualifier("epoch") {
            Some(epoch) => format!("{epoch}:{version}").into(),
            None => version.into(),
        }),
        is_module: false,
    };
    match purl.ty() {
        "rpm" | "deb" | "apk" | "alpm" => {
            package.family = Family::from_name(match namespace {
                "oracle" | "oraclelinux" => "oracle-linux",
                "" => purl.ty(),
                other => other,
            });
            let source = matches!(arch, Some("src" | "source" | "nosrc"))
                || (arch.is_none() && package.version.is_none());
            package.name_kind = if source { NameKind::Source } else { NameKind::Binary };
            package.arch = arch
                .filter(|arch| !matches!(*arch, "src" | "source" | "nosrc" | "noarch" | "all"))
                .map(Into::into);
            package.train = qualifier("distro").and_then(|distro| distro_train(&package.family, distro));
        }
        "rpmmod" => {
            // `virt@rhel:8100020240314161907:e155f54d`: stream first, then the build that rpm orders.
            package.family = Family::from_name(namespace);
            package.is_module = true;
            let mut parts = purl.version().unwrap_or_default().splitn(2, ':');
            let name = format!("{}:{}", purl.name(), parts.next().unwrap_or_default());
            package.version = parts.next().map(|build| build.replace(':', ".").into());
            package.component = name.as_str().into();
            package.module = Some(name.into());
        }
        "oci" | "docker" => {
            package.family = Family::Other("oci".into());
            package.arch = arch.map(Into::into);
            // A digest has no order; the tag has.
            package.version = qualifier("tag").map(Into::into).or(package.version);
        }
        "generic" | "github" | "bitbucket" => {
            if !namespace.is_empty() {
                package.component = format!("{namespace}/{}", purl.name()).into();
            }
        }
        ecosystem => {
            package.family = Family::Other(osv_name(ecosystem).into());
            if !namespace.is_empty() {
                let separator = if ecosystem == "maven" { ':' } else { '/' };
                package.component = format!("{namespace}{separator}{}", purl.name()).into();
            }
        }
    }
    Ok(package)
}

/// The OSV ecosystem (lower case) of a purl type, so that CSAF and OSV speak of the same family.
fn osv_name(purl_type: &str) -> &str {
    match purl_type {
        "golang" => "go",
        "gem" => "rubygems",
        "composer" => "packagist",
        other => other,
    }
}

/// Name and stream of a module: `virt:rhel:8100020240314161907:e155f54d` -> `virt:rhel`.
fn stream(module: &str) -> &str {
    module.match_indices(':').nth(1).and_then(|(at, _)| module.get(..at)).unwrap_or(module)
}

/// `debian-12` -> `bookworm`, `el9`/`rhel-9` -> `9`, `ubuntu-22.04` -> `22.04`, a code name stays.
fn distro_train(family: &Family, distro: &str) -> Option<Arc<str>> {
    let tail = distro.rsplit('-').next().unwrap_or(distro);
    match family {
        Family::Debian => Some(debian_suite(tail).into()),
        Family::RedHat | Family::AlmaLinux | Family::Rocky | Family::CentOs | Family::OracleLinux => {
            let number = tail.trim_start_matches(|c: char| !c.is_ascii_digit());
            let major = number.split('.').next().unwrap_or_default();
            (!major.is_empty()).then(|| major.into())
        }
        _ => Some(tail.into()),
    }
}

/// The suite of a Debian release number; anything else is a suite's name already.
pub(crate) fn debian_suite(release: &str) -> &str {
    match release.split('.').next().unwrap_or(release) {
        "7" => "wheezy",
        "8" => "jessie",
        "9" => "stretch",
        "10" => "buster",
        "11" => "bullseye",
        "12" => "bookworm",
        "13" => "trixie",
        "14" => "forky",
        _ => release,
    }
}

/// The parts of a CPE name (2.2 URI or 2.3 formatted string) that say which line a product belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpe<'a> {
    vendor: &'a str,
    product: &'a str,
    version: &'a str,
    /// The field that Red Hat uses for channels (`baseos`) and platforms (`el8`).
    edition: &'a str,
}

/// Reads a CPE name.
pub(crate) fn cpe(text: &str) -> Option<Cpe<'_>> {
    let (rest, edition_at) = match text.strip_prefix("cpe:2.3:") {
        Some(rest) => (rest, 6),
        None => (text.strip_prefix("cpe:/")?, 5),
    };
    let mut fields = rest.split(':');
    let _part = fields.next();
    let vendor = fields.next().filter(|vendor| !vendor.is_empty())?;
    let product = fields.next().filter(|product| !product.is_empty())?;
    let fields: Vec<&str> = fields.collect();
    let field =
        |at: usize| fields.get(at).copied().filter(|value| !matches!(*value, "*" | "-")).unwrap_or_default();
    Some(Cpe { vendor, product, version: field(0), edition: field(edition_at - 3) })
}

impl Cpe<'_> {
    /// The family of an operating system's CPE.
    pub(crate) fn family(&self) -> Family {
        match (self.vendor, self.product) {
            ("redhat", _) => Family::RedHat,
            ("oracle", "linux") => Family::OracleLinux,
            ("canonical", _) => Family::Ubuntu,
            ("citrix", "xenserver") => Family::XenServer,
            ("vmware", "esxi") => Family::Esxi,
            (vendor, _) => Family::from_name(vendor),
        }
    }

    /// The train: `8` for the main line, `8.6-eus` for an extended stream, `openshift-4.15-el8` for a layered
    /// product, whose packages must not be taken for those of the base system.
    pub(crate) fn train(&self) -> Option<Arc<str>> {
        if self.vendor != "redhat" || self.product == "enterprise_linux" {
            return (!self.version.is_empty()).then(|| {
                if self.vendor == "debian" { debian_suite(self.version).into() } else { self.version.into() }
            });
        }
        let stream =
            self.product.strip_prefix("rhel_").or_else(|| self.product.strip_prefix("enterprise_linux_"));
        if let Some(stream @ ("eus" | "aus" | "tus" | "e4s" | "els" | "eus_long_life")) = stream {
            return Some(format!("{}-{stream}", self.version).into());
        }
        let mut train = self.product.to_owned();
        for part in [self.version, self.edition] {
            if !part.is_empty() {
                train.push('-');
                train.push_str(part);
            }
        }
        Some(train.into())
    }
}

/// The train of a Red Hat product by its name: `Red Hat Enterprise Linux 8.6 Extended Update Support` -> `8.6-eus`.
pub(crate) fn red_hat_train(name: &str) -> Option<Arc<str>> {
    let rest = name.strip_prefix("Red Hat Enterprise Linux ")?;
    let (version, support) = rest.split_once(' ').unwrap_or((rest, ""));
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let suffix = match support {
        "" => "",
        "Extended Update Support" => "-eus",
        "Advanced Update Support" | "Advanced Mission Critical Update Support" => "-aus",
        "Telecommunications Update Service" => "-tus",
        "Update Services for SAP Solutions" => "-e4s",
        "Extended Lifecycle Support" => "-els",
        other => return Some(format!("{version}-{}", slug(other)).into()),
    };
    Some(format!("{version}{suffix}").into())
}

fn slug(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join("-")
}

/// The major release that an RPM's `el` tag names: `7.6p1-1.el9_2` -> `9`.
pub(crate) fn dist_tag(version: &str) -> Option<Arc<str>> {
    let (_, tail) = version.rsplit_once(".el")?;
    let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| digits.into())
}

/// The platform product that a vendor's and a product's names mean, if it is one that Underpin knows as a line of
/// its own. Records are inconsistent: the vendor may be `n/a`, blanks may be underscores.
pub(crate) fn platform(vendor: &str, product: &str) -> Option<Product> {
    let vendor = vendor.trim().to_lowercase();
    let name = product.trim().to_lowercase().replace('_', " ");
    let by = |who: &str| vendor.contains(who) || name.starts_with(who);
    let (family, scheme, component) = match name.trim_start_matches("vmware ") {
        "esxi" | "esx" if by("vmware") || vendor == "n/a" => (Family::Esxi, Scheme::Esxi, "esxi"),
        "vcenter server" | "vcenter" if by("vmware") || vendor == "n/a" => {
            (Family::Vcenter, Scheme::Esxi, "vcenter")
        }
        "xen" if vendor.contains("xen") => (Family::Xen, Scheme::Generic, "xen"),
        "citrix hypervisor" | "xenserver" if by("citrix") || by("xen") => {
            (Family::XenServer, Scheme::XcpNg, "xenserver")
        }
        _ if vendor == "microsoft" && name.starts_with("windows ") => {
            (Family::Windows, Scheme::Generic, product.trim())
        }
        _ => return None,
    };
    Some(whole_product(family, scheme, component))
}

/// A product that is not made of packages.
pub(crate) fn whole_product(family: Family, scheme: Scheme, component: &str) -> Product {
    Product {
        family,
        train: None,
        component: component.into(),
        name_kind: NameKind::Product,
        arch: None,
        module: None,
        hardware: None,
        scheme,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trains_of_cpe_names() {
        for (text, train) in [
            ("cpe:/o:redhat:enterprise_linux:8", "8"),
            ("cpe:/o:redhat:enterprise_linux:9::baseos", "9"),
            ("cpe:/a:redhat:rhel_eus:8.6::appstream", "8.6-eus"),
            ("cpe:/o:redhat:rhel_aus:8.2::baseos", "8.2-aus"),
            ("cpe:2.3:o:redhat:enterprise_linux:9:*:*:*:*:*:*:*", "9"),
            ("cpe:/a:redhat:openshift:4.15::el8", "openshift-4.15-el8"),
            ("cpe:2.3:o:debian:debian_linux:12:*:*:*:*:*:*:*", "bookworm"),
            ("cpe:/o:almalinux:almalinux:8", "8"),
        ] {
            assert_eq!(cpe(text).and_then(|cpe| cpe.train()).as_deref(), Some(train), "{text}");
        }
        assert_eq!(cpe("cpe:/o"), None);
        assert_eq!(cpe("nonsense"), None);
    }

    #[test]
    fn packages_of_purls() {
        let rpm =
            package("pkg:rpm/redhat/qemu-kvm@8.2.0-11.el9_4?arch=x86_64&epoch=17&rpmmod=virt:rhel:81:e1")
                .unwrap();
        assert_eq!(rpm.family, Family::RedHat);
        assert_eq!(rpm.version.as_deref(), Some("17:8.2.0-11.el9_4"));
        assert_eq!(rpm.arch.as_deref(), Some("x86_64"));
        assert_eq!(rpm.module.as_deref(), Some("virt:rhel"));
        assert_eq!(rpm.name_kind, NameKind::Binary);
        let source = package("pkg:rpm/almalinux/xen@4.1?arch=src").unwrap();
        assert_eq!(
            (source.family, source.name_kind, source.arch),
            (Family::AlmaLinux, NameKind::Source, None)
        );
        let deb = package("pkg:deb/debian/qemu@7.2?arch=amd64&distro=debian-12").unwrap();
        assert_eq!(deb.train.as_deref(), Some("bookworm"));
        let maven = package("pkg:maven/io.netty/netty-codec@4.1").unwrap();
        assert_eq!((maven.family.name(), maven.component.as_ref()), ("maven", "io.netty:netty-codec"));
        let module = package("pkg:rpmmod/redhat/virt@rhel:8100020240314161907:e155f54d").unwrap();
        assert_eq!(module.component.as_ref(), "virt:rhel");
        assert_eq!(module.version.as_deref(), Some("8100020240314161907.e155f54d"));
        assert!(package("pkg:maven/@1.3.4").unwrap_err().contains("no package URL"));
    }

    #[test]
    fn platforms_by_name() {
        for (vendor, product, family) in [
            ("n/a", "VMware ESXi", Some(Family::Esxi)),
            ("n/a", "ESXi", Some(Family::Esxi)),
            ("", "ESXi", None),
            ("vmware", "esxi", Some(Family::Esxi)),
            ("VMware", "vmware_vcenter_server", Some(Family::Vcenter)),
            ("Microsoft", "Windows Server 2022", Some(Family::Windows)),
            ("Xen", "Xen", Some(Family::Xen)),
            ("Citrix", "Citrix Hypervisor", Some(Family::XenServer)),
            ("n/a", "VMware Cloud Foundation (VMware vCenter Server)", None),
            ("Hitachi", "Hitachi Storage Provider for VMware vCenter", None),
        ] {
            assert_eq!(platform(vendor, product).map(|product| product.family), family, "{vendor} {product}");
        }
        assert_eq!(
            red_hat_train("Red Hat Enterprise Linux 8.6 Extended Update Support").as_deref(),
            Some("8.6-eus")
        );
        assert_eq!(dist_tag("2.34-60.el9_2.7").as_deref(), Some("9"));
    }
}
