//! CycloneDX bills of materials (JSON, 1.2 to 1.6) of one host or one image.
//!
//! Components are taken with everything nested in them. What the model has no field for (licences, hashes, properties)
//! is kept under its own name.

use jiff::Timestamp;
use serde_json::{Map, Value};
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Component, ComponentKind, ComponentSet, Extra, Fleet, Host, Image, PlatformRelease, Seen, SourcePackage,
};
use underpin_model::id::{HostId, ImageId};
use underpin_model::purl::Purl;

use crate::kept::{COMPONENT_FIELDS, keep};
use crate::{Collected, Note, shown};

/// What a bill is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A host.
    Host(HostId),
    /// An image.
    Image(ImageId),
}

/// Why a bill was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is the XML form.
    #[error(
        "this is XML; only CycloneDX in JSON is read: convert it (cyclonedx convert --output-format json)"
    )]
    Xml,
    /// It is no JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Something is not as CycloneDX has it.
    #[error("at {pointer:?}: found {found}, expected {expected}")]
    Unexpected {
        /// JSON pointer.
        pointer: &'static str,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
}

const VERSIONS: &[&str] = &["1.2", "1.3", "1.4", "1.5", "1.6"];

/// Reads a bill. `file_name` appears in the provenance and `at` is when its facts were seen.
///
/// # Errors
/// [`ReadError`] for anything that is not a CycloneDX JSON document of a version from 1.2 to 1.6. A component that
/// cannot be used is a note.
pub fn read(bytes: &[u8], subject: Subject, file_name: &str, at: Timestamp) -> Result<Collected, ReadError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Err(ReadError::Xml);
    }
    let mut document: Map<String, Value> = serde_json::from_slice(bytes)?;
    check(&document, "/bomFormat", "bomFormat", "\"CycloneDX\"", |text| text == "CycloneDX")?;
    check(&document, "/specVersion", "specVersion", "a version from 1.2 to 1.6", |text| {
        VERSIONS.contains(&text)
    })?;
    let mut bill = Bill::default();
    let metadata = document.remove("metadata");
    if let Some(component) = metadata.as_ref().and_then(|metadata| metadata.get("component")) {
        bill.operating_system(component);
    }
    match document.remove("components") {
        None | Some(Value::Null) => bill.notes.push(Note::new(file_name, "the bill lists no components")),
        Some(Value::Array(components)) => bill.walk(components, "/components"),
        Some(other) => return Err(unexpected("/components", &other, "an array")),
    }
    let mut set = bill.finish();
    for (key, value) in document {
        keep(&mut set.extra, &key, value, &["family", "train", "components"]);
    }
    if let Some(metadata) = metadata {
        keep(&mut set.extra, "metadata", metadata, &[]);
    }
    if set.family.is_none() {
        bill.notes.push(Note::new(
            file_name,
            "neither an operating-system component nor a package URL tells the family",
        ));
    }
    let mut fleet = Fleet::new(file_name, Seen { at, by: format!("cyclonedx:{file_name}") });
    match subject {
        Subject::Host(id) => {
            let mut host = Host::new(id);
            host.platform = set.family.clone().map(|family| PlatformRelease {
                family,
                train: set.train.clone(),
                release: bill.release.take(),
            });
            host.components = Some(set);
            fleet.hosts.push(host);
        }
        Subject::Image(id) => {
            let mut image = Image::new(id);
            image.components = Some(set);
            fleet.images.push(image);
        }
    }
    Ok(Collected { fleet, notes: bill.notes })
}

fn unexpected(pointer: &'static str, found: &Value, expected: &'static str) -> ReadError {
    ReadError::Unexpected { pointer, found: shown(&found.to_string()), expected }
}

fn check(
    document: &Map<String, Value>,
    pointer: &'static str,
    key: &str,
    expected: &'static str,
    accept: impl Fn(&str) -> bool,
) -> Result<(), ReadError> {
    let found = document.get(key).unwrap_or(&Value::Null);
    if found.as_str().is_some_and(accept) { Ok(()) } else { Err(unexpected(pointer, found, expected)) }
}

#[derive(Default)]
struct Bill {
    components: Vec<Component>,
    notes: Vec<Note>,
    family: Option<Family>,
    train: Option<String>,
    release: Option<String>,
}

impl Bill {
    /// An operating-system component tells family and train of the packages.
    fn operating_system(&mut self, component: &Value) {
        if component.get("type").and_then(Value::as_str) != Some("operating-system") {
            return;
        }
        let Some(name) = component.get("name").and_then(Value::as_str) else { return };
        let version = component.get("version").and_then(Value::as_str);
        let family = Family::from_name(name);
        self.train = version.and_then(|version| distribution_train(&family, version));
        self.family = Some(family);
        self.release = version.map(str::to_owned);
    }

    /// The recursion is as deep as the JSON reader let the document be (128).
    fn walk(&mut self, components: Vec<Value>, place: &str) {
        for (index, component) in components.into_iter().enumerate() {
            let place = format!("{place}/{index}");
            let Value::Object(mut fields) = component else {
                self.notes.push(Note::new(place, "is not an object; left out"));
                continue;
            };
            let nested = fields.remove("components");
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            if kind == "operating-system" {
                self.operating_system(&Value::Object(fields));
            } else if kind != "file" {
                match component_of(fields, &kind, &place, &mut self.notes) {
                    Ok(component) => self.components.push(component),
                    Err(reason) => self.notes.push(Note::new(place.as_str(), reason)),
                }
            }
            if let Some(Value::Array(nested)) = nested {
                self.walk(nested, &format!("{place}/components"));
            }
        }
    }

    /// Family and train that no operating-system component told are those of the most package URLs; what then equals
    /// the set's own is not repeated.
    fn finish(&mut self) -> ComponentSet {
        let most = |values: Vec<String>| -> Option<String> {
            let mut counts = std::collections::BTreeMap::<String, usize>::new();
            values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(value, _)| value)
        };
        let packages = || self.components.iter().filter(|c| c.kind == ComponentKind::Package);
        if self.family.is_none() {
            self.family = most(packages().filter_map(|c| Some(c.family.as_ref()?.to_string())).collect())
                .map(|name| Family::from_name(&name));
        }
        if self.train.is_none() {
            let own = packages().filter(|c| c.family == self.family);
            self.train = most(own.filter_map(|c| c.train.clone()).collect());
        }
        let mut components = std::mem::take(&mut self.components);
        for component in &mut components {
            if component.family == self.family && component.train == self.train {
                component.family = None;
                component.train = None;
            }
        }
        ComponentSet {
            family: self.family.clone(),
            train: self.train.clone(),
            components,
            extra: Extra::new(),
        }
    }
}

fn component_of(
    mut fields: Map<String, Value>,
    kind: &str,
    place: &str,
    notes: &mut Vec<Note>,
) -> Result<Component, String> {
    let text = |fields: &mut Map<String, Value>, key: &str| match fields.remove(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
        _ => None,
    };
    let purl = text(&mut fields, "purl");
    let parsed = purl.as_deref().map(Purl::canonical);
    if let Some(Err(error)) = &parsed {
        notes.push(Note::new(place, error.to_string()));
    }
    let parsed = parsed.and_then(Result::ok);
    let own_name = text(&mut fields, "name");
    let own_version = text(&mut fields, "version");
    let name = parsed.as_ref().map(|purl| purl.name().to_owned()).or_else(|| own_name.clone());
    let name = name.filter(|name| !name.trim().is_empty()).ok_or("has no name; left out")?;
    let version = own_version.or_else(|| parsed.as_ref()?.version().map(str::to_owned));
    let version = version.filter(|version| !version.trim().is_empty());
    let version = version.ok_or_else(|| format!("{:?} has no version; left out", shown(&name)))?;
    let package = parsed.as_ref().is_some_and(|purl| matches!(purl.ty(), "deb" | "rpm" | "apk" | "alpm"));
    let kind = match kind {
        _ if package => ComponentKind::Package,
        "firmware" => ComponentKind::Firmware,
        "application" | "platform" => ComponentKind::Product,
        _ => ComponentKind::Library,
    };
    let mut component = Component::new(name, version, kind);
    if let Some(purl) = parsed.filter(|_| package) {
        describe(&mut component, &purl);
    }
    component.purl = purl;
    fields.remove("type");
    for (key, value) in fields {
        keep(&mut component.extra, &key, value, COMPONENT_FIELDS);
    }
    if let Some(other) = own_name.filter(|other| *other != component.name) {
        keep(&mut component.extra, "name", Value::from(other), COMPONENT_FIELDS);
    }
    Ok(component)
}

/// Qualifiers of an operating system package: architecture, epoch, distribution, source.
fn describe(component: &mut Component, purl: &Purl) {
    let qualifier = |name: &str| purl.qualifier(name).map(str::to_owned);
    component.arch = qualifier("arch");
    // The version of an RPM package URL leaves the epoch to a qualifier.
    if let Some(epoch) = qualifier("epoch").filter(|epoch| epoch != "0" && !component.version.contains(':')) {
        component.version = format!("{epoch}:{}", component.version);
    }
    component.family = purl.namespace().map(Family::from_name);
    if let (Some(family), Some(distro)) = (&component.family, qualifier("distro")) {
        let release = distro.rsplit_once('-').map_or(distro.as_str(), |(_, release)| release);
        component.train = distribution_train(family, release);
    }
    component.source = qualifier("upstream").map(|source| source_package(&source));
}

/// `name`, `name@version`, or the file name of a source RPM.
fn source_package(text: &str) -> SourcePackage {
    if let Some(stem) = text.strip_suffix(".src.rpm") {
        let mut parts = stem.rsplitn(3, '-');
        let (release, version, name) = (parts.next(), parts.next(), parts.next());
        if let (Some(release), Some(version), Some(name)) = (release, version, name) {
            return SourcePackage { name: name.to_owned(), version: Some(format!("{version}-{release}")) };
        }
    }
    match text.split_once('@') {
        Some((name, version)) => SourcePackage { name: name.to_owned(), version: Some(version.to_owned()) },
        None => SourcePackage { name: text.to_owned(), version: None },
    }
}

/// Debian's facts speak of suites, bills of release numbers.
fn distribution_train(family: &Family, release: &str) -> Option<String> {
    const SUITES: &[(&str, &str)] = &[
        ("8", "jessie"),
        ("9", "stretch"),
        ("10", "buster"),
        ("11", "bullseye"),
        ("12", "bookworm"),
        ("13", "trixie"),
    ];
    match family {
        Family::Debian => {
            let major = release.split('.').next().unwrap_or(release);
            let suite = SUITES.iter().find(|(number, _)| *number == major).map(|(_, suite)| *suite);
            let named = release.bytes().all(|b| b.is_ascii_lowercase()).then_some(release);
            suite.or(named).map(str::to_owned)
        }
        Family::Ubuntu | Family::Other(_) => Some(release.to_owned()),
        _ => crate::release::train(family, release),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(text: &str) -> Result<Collected, ReadError> {
        let subject = Subject::Image(ImageId::new("golden").unwrap());
        read(text.as_bytes(), subject, "b.json", "2026-08-22T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn components_of_an_image() {
        let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","serialNumber":"urn:x","components":[
          {"type":"operating-system","name":"debian","version":"12"},
          {"type":"library","name":"libssl3","version":"3.0.11-1","purl":"pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12&upstream=openssl%403.0.11",
           "properties":[{"name":"a","value":"b"}],"kind":"odd",
           "components":[{"type":"library","name":"serde","version":"1.0","purl":"pkg:cargo/serde@1.0"}]},
          {"type":"library","name":"kernel","version":"5.14.0-1.el9","purl":"pkg:rpm/almalinux/kernel@5.14.0-1.el9?epoch=3&distro=almalinux-9.4"},
          {"type":"library","name":"nothing"}, 7, {"type":"library","name":" ","version":"1"},
          {"type":"library","name":"x","version":"\t"}, {"type":"library","purl":"pkg:deb/debian/%20@%20"}]}"#;
        let Collected { fleet, notes } = bill(text).unwrap();
        let set = fleet.images[0].components.as_ref().unwrap();
        assert_eq!((set.family.clone(), set.train.as_deref()), (Some(Family::Debian), Some("bookworm")));
        assert_eq!(set.extra["serialNumber"], "urn:x");
        let names: Vec<&str> = set.components.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["libssl3", "serde", "kernel"]);
        let ssl = &set.components[0];
        assert_eq!(
            (ssl.kind, ssl.arch.as_deref(), ssl.family.as_ref()),
            (ComponentKind::Package, Some("amd64"), None)
        );
        assert_eq!(
            ssl.source,
            Some(SourcePackage { name: "openssl".into(), version: Some("3.0.11".into()) })
        );
        assert_eq!(
            (ssl.extra["properties"][0]["name"].as_str(), ssl.extra["column:kind"].as_str()),
            (Some("a"), Some("odd"))
        );
        assert_eq!(set.components[1].kind, ComponentKind::Library);
        let kernel = &set.components[2];
        assert_eq!(
            (kernel.version.as_str(), kernel.family.clone(), kernel.train.as_deref()),
            ("3:5.14.0-1.el9", Some(Family::AlmaLinux), Some("9"))
        );
        let notes: Vec<&str> = notes.iter().map(|note| note.place.as_str()).collect();
        assert_eq!(notes, [3, 4, 5, 6, 7].map(|n| format!("/components/{n}")));
        let text = serde_json::to_string(&fleet).unwrap();
        assert_eq!(serde_json::from_str::<Fleet>(&text).unwrap(), fleet);
    }

    #[test]
    fn the_family_follows_from_package_urls() {
        let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.2","components":[
          {"type":"library","name":"bash","version":"5.1.8-9.el9","purl":"pkg:rpm/almalinux/bash@5.1.8-9.el9?distro=almalinux-9.4"}]}"#;
        let subject = Subject::Host(HostId::new("h").unwrap());
        let fleet = read(text.as_bytes(), subject, "b.json", Timestamp::UNIX_EPOCH).unwrap().fleet;
        let platform = fleet.hosts[0].platform.as_ref().unwrap();
        assert_eq!((&platform.family, platform.train.as_deref()), (&Family::AlmaLinux, Some("9")));
    }

    #[test]
    fn what_is_no_bill_is_refused() {
        assert!(matches!(bill("  <?xml version='1.0'?><bom/>"), Err(ReadError::Xml)));
        assert!(matches!(bill("{"), Err(ReadError::Json(_))));
        for (text, part) in [
            (r#"{"specVersion":"1.5"}"#, "/bomFormat"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"9.9"}"#, "\"9.9\""),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.4","components":{}}"#, "an array"),
        ] {
            let error = bill(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
