//! Package URLs (purl, ECMA-427): `pkg:deb/debian/qemu@1:7.2%2Bdfsg-7?arch=source`.
//!
//! The spelling rules of types are applied for the types that platforms and images consist of; names of other types are
//! kept as they are written. Whatever is accepted has one canonical text, and that text reads back as the same value.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Types whose namespace (first flag) or name (second flag) ignores letter case.
const LOWERED: [(&str, bool, bool); 8] = [
    ("alpm", true, true),
    ("apk", true, true),
    ("bitbucket", true, true),
    ("deb", true, true),
    ("github", true, true),
    ("oci", false, true),
    ("pypi", false, true),
    ("rpm", true, false),
];

/// A package URL in its canonical form.
///
/// ```
/// use underpin_model::purl::Purl;
///
/// let purl: Purl = "pkg:deb/debian/xen@4.17.5%2B23-1?arch=source".parse()?;
/// assert_eq!((purl.name(), purl.version(), purl.qualifier("arch")), ("xen", Some("4.17.5+23-1"), Some("source")));
/// # Ok::<(), underpin_model::purl::InvalidPurl>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purl {
    ty: String,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
    subpath: Option<String>,
}

/// A text or a set of parts that is no package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{purl:?} is not a package URL: {reason}; expected pkg:type/namespace/name@version?qualifiers#subpath"
)]
pub struct InvalidPurl {
    /// The text, cut to 200 characters.
    pub purl: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl InvalidPurl {
    fn new(purl: &str, reason: &'static str) -> Self {
        Self { purl: purl.chars().take(200).collect(), reason }
    }
}

impl Purl {
    /// Reads a package URL leniently: a type and qualifier keys in capitals are accepted and lowered.
    ///
    /// # Errors
    /// [`InvalidPurl`] for anything else that the specification does not allow.
    pub fn canonical(text: &str) -> Result<Self, InvalidPurl> {
        read(text).map_err(|reason| InvalidPurl::new(text, reason))
    }

    /// Builds a package URL of parts that are not percent-encoded. An empty part counts as absent.
    ///
    /// # Errors
    /// [`InvalidPurl`] for a type or a qualifier key that the specification does not allow, or no name.
    pub fn build(
        ty: &str,
        namespace: Option<&str>,
        name: &str,
        version: Option<&str>,
        qualifiers: &BTreeMap<String, String>,
        subpath: Option<&str>,
    ) -> Result<Self, InvalidPurl> {
        let parts = Self {
            ty: ty.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            version: version.map(str::to_owned),
            qualifiers: BTreeMap::new(),
            subpath: subpath.map(str::to_owned),
        };
        let qualifiers = qualifiers.iter().map(|(key, value)| (key.clone(), value.clone()));
        parts.checked(qualifiers).map_err(|reason| InvalidPurl::new(&format!("pkg:{ty}/{name}"), reason))
    }

    /// The type: `deb`, `rpm`, `oci`, ...
    #[must_use]
    pub fn ty(&self) -> &str {
        &self.ty
    }

    /// The namespace: for deb and rpm the vendor, such as `debian`.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The name of the package.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version. For rpm without its epoch, which is a qualifier.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The value of a qualifier: `arch`, `distro`, `epoch`, ...
    #[must_use]
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        self.qualifiers.get(key).map(String::as_str)
    }

    /// All qualifiers by key.
    #[must_use]
    pub fn qualifiers(&self) -> &BTreeMap<String, String> {
        &self.qualifiers
    }

    /// The path within the package.
    #[must_use]
    pub fn subpath(&self) -> Option<&str> {
        self.subpath.as_deref()
    }

    /// Brings decoded parts into canonical form, or says which rule they break.
    fn checked(mut self, qualifiers: impl Iterator<Item = (String, String)>) -> Result<Self, &'static str> {
        if !is_word(&self.ty, b".+-") {
            return Err("the type must start with a letter and hold only letters, digits and . + -");
        }
        self.ty.make_ascii_lowercase();
        let rule = LOWERED.iter().find(|(ty, ..)| *ty == self.ty);
        if rule.is_some_and(|(_, namespace, _)| *namespace)
            && let Some(namespace) = &mut self.namespace
        {
            namespace.make_ascii_lowercase();
        }
        if rule.is_some_and(|(.., name)| *name) {
            self.name.make_ascii_lowercase();
        }
        if self.ty == "pypi" {
            self.name = self.name.replace('_', "-");
        }
        self.namespace = join(self.namespace.as_deref(), |segment| !segment.is_empty());
        self.subpath = join(self.subpath.as_deref(), |segment| !matches!(segment, "" | "." | ".."));
        self.version = self.version.filter(|version| !version.is_empty());
        if self.name.is_empty() {
            return Err("the name is missing");
        }
        if self.ty == "oci" && self.namespace.is_some() {
            return Err(
                "an oci package has no namespace; the registry goes into the qualifier repository_url",
            );
        }
        for (mut key, value) in qualifiers {
            if !is_word(&key, b".-_") {
                return Err(
                    "a qualifier key must start with a letter and hold only letters, digits and . - _",
                );
            }
            key.make_ascii_lowercase();
            if !value.is_empty() && self.qualifiers.insert(key, value).is_some() {
                return Err("a qualifier is stated twice");
            }
        }
        Ok(self)
    }
}

fn is_word(text: &str, signs: &[u8]) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte))
}

/// A path without the segments that do not count; None when nothing is left.
fn join(path: Option<&str>, counts: impl Fn(&str) -> bool) -> Option<String> {
    let segments: Vec<&str> = path?.split('/').filter(|segment| counts(segment)).collect();
    (!segments.is_empty()).then(|| segments.join("/"))
}

fn read(text: &str) -> Result<Purl, &'static str> {
    let rest = text.strip_prefix("pkg:").ok_or("it does not start with pkg:")?.trim_start_matches('/');
    let (rest, subpath) = cut(rest, '#');
    let (rest, qualifiers) = cut(rest, '?');
    let (ty, path) = rest.split_once('/').ok_or("the type is not followed by a slash and a name")?;
    // An "@" before a slash belongs to the namespace (npm scopes), which should have it percent-encoded.
    let (path, version) = match path.rsplit_once('@') {
        Some((path, version)) if !version.contains('/') => (path, Some(version)),
        _ => (path, None),
    };
    let (namespace, name) = cut_name(path);
    let parts = Purl {
        ty: ty.to_owned(),
        namespace: namespace.map(decode_path).transpose()?,
        name: decode(name)?,
        version: version.map(decode).transpose()?,
        qualifiers: BTreeMap::new(),
        subpath: subpath.map(decode_path).transpose()?,
    };
    let pairs = qualifiers.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let decoded: Result<Vec<_>, _> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| decode(value).map(|value| (key.to_owned(), value)))
        .collect();
    parts.checked(decoded?.into_iter())
}

fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    text.rsplit_once(separator).map_or((text, None), |(start, end)| (start, Some(end)))
}

fn cut_name(path: &str) -> (Option<&str>, &str) {
    path.rsplit_once('/').map_or((None, path), |(namespace, name)| (Some(namespace), name))
}

/// Decodes a path; a slash within a segment would become a separator.
fn decode_path(path: &str) -> Result<String, &'static str> {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    if path.as_bytes().windows(3).any(|three| three.iter().copied().map(lower).eq(*b"%2f")) {
        return Err("a segment of the namespace or subpath holds an encoded slash");
    }
    decode(path)
}

fn decode(text: &str) -> Result<String, &'static str> {
    const BROKEN: &str = "a percent sign is not followed by two hexadecimal digits";
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(BROKEN);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).map_err(|_| BROKEN)?,
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| "a percent-encoded part is not UTF-8")
}

/// Writes a text percent-encoded, but for letters, digits and the signs that the specification leaves alone.
fn encode(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.bytes().try_for_each(|byte| match byte {
        b'.' | b'-' | b'_' | b'~' | b':' => fmt::Write::write_char(f, char::from(byte)),
        byte if byte.is_ascii_alphanumeric() => fmt::Write::write_char(f, char::from(byte)),
        byte => write!(f, "%{byte:02X}"),
    })
}

fn encode_path(f: &mut fmt::Formatter<'_>, path: &str) -> fmt::Result {
    path.split('/').enumerate().try_for_each(|(index, segment)| {
        f.write_str(if index == 0 { "" } else { "/" })?;
        encode(f, segment)
    })
}

impl FromStr for Purl {
    type Err = InvalidPurl;

    /// Reads a package URL strictly: the type and the qualifier keys must be in small letters, as the specification has it.
    fn from_str(text: &str) -> Result<Self, InvalidPurl> {
        let capital = |part: &str| part.bytes().any(|byte| byte.is_ascii_uppercase());
        let (rest, _subpath) = cut(text, '#');
        let (rest, qualifiers) = cut(rest, '?');
        let ty = rest.split_once(':').map_or(rest, |(_, rest)| rest.trim_start_matches('/'));
        if capital(ty.split('/').next().unwrap_or_default()) {
            return Err(InvalidPurl::new(text, "the type must be in small letters"));
        }
        let mut pairs = qualifiers.unwrap_or_default().split('&');
        if pairs.any(|pair| capital(pair.split('=').next().unwrap_or_default())) {
            return Err(InvalidPurl::new(text, "qualifier keys must be in small letters"));
        }
        Self::canonical(text)
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}/", self.ty)?;
        if let Some(namespace) = &self.namespace {
            encode_path(f, namespace)?;
            f.write_str("/")?;
        }
        encode(f, &self.name)?;
        if let Some(version) = &self.version {
            f.write_str("@")?;
            encode(f, version)?;
        }
        for (index, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}=", if index == 0 { '?' } else { '&' })?;
            encode(f, value)?;
        }
        if let Some(subpath) = &self.subpath {
            f.write_str("#")?;
            encode_path(f, subpath)?;
        }
        Ok(())
    }
}
