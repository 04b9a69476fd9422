//! What a provider says it has: provider metadata, ROLIE feeds, `changes.csv` and `index.txt` (CSAF 2.0, section 7.1).

use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;

/// `provider-metadata.json`, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) distributions: Vec<Distribution>,
    pub(super) publisher: Option<Publisher>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Publisher {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Distribution {
    pub(super) directory_url: Option<String>,
    pub(super) rolie: Option<Rolie>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rolie {
    #[serde(default)]
    pub(super) feeds: Vec<RolieFeed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RolieFeed {
    pub(super) url: String,
    #[serde(default)]
    pub(super) tlp_label: String,
}

#[derive(Deserialize)]
struct RolieDocument {
    feed: RolieBody,
}

#[derive(Deserialize)]
struct RolieBody {
    #[serde(default)]
    entry: Vec<RolieEntry>,
}

#[derive(Deserialize)]
struct RolieEntry {
    #[serde(default)]
    link: Vec<RolieLink>,
    updated: Option<String>,
    content: Option<RolieContent>,
}

#[derive(Deserialize)]
struct RolieContent {
    src: Option<String>,
}

/// Providers in the wild write `ref` where ROLIE has `rel`.
#[derive(Deserialize)]
struct RolieLink {
    href: String,
    rel: Option<String>,
    #[serde(rename = "ref")]
    misspelt: Option<String>,
}

impl RolieLink {
    fn is(&self, relation: &str) -> bool {
        self.rel.as_deref().or(self.misspelt.as_deref()) == Some(relation)
    }
}

/// A document that a provider lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Where it may be, in the order to try.
    pub(super) candidates: Vec<Url>,
    /// When it was last changed, according to the list.
    pub(super) updated: Option<Timestamp>,
    /// Hash files that the list names; empty where only the convention tells where they are.
    pub(super) hashes: Vec<Url>,
    /// The signature that the list names.
    pub(super) signature: Option<Url>,
}

/// A line of a list that cannot be followed, with the reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) entry: String,
    pub(super) reason: String,
}

type Lines = (Vec<Listed>, Vec<Refused>);

/// The documents of a ROLIE feed.
pub(super) fn rolie(bytes: &[u8], base: &Url) -> Result<Lines, String> {
    let parsed: RolieDocument =
        serde_json::from_slice(bytes).map_err(|error| format!("no ROLIE feed: {error}"))?;
    let (mut listed, mut refused) = (Vec::new(), Vec::new());
    for (at, entry) in parsed.feed.entry.into_iter().enumerate() {
        let named = entry.content.as_ref().and_then(|content| content.src.as_deref());
        let own = entry.link.iter().find(|link| link.is("self")).map(|link| link.href.as_str());
        let Some(text) = named.or(own) else {
            let reason = "it has neither content.src nor a link with rel self".to_owned();
            refused.push(Refused { entry: format!("{base}#/feed/entry/{at}"), reason });
            continue;
        };
        let follow = |relation| {
            let of_kind = move |link: &&RolieLink| link.is(relation);
            entry
                .link
                .iter()
                .filter(of_kind)
                .filter_map(|link| base.join(&link.href).ok())
                .collect::<Vec<_>>()
        };
        match base.join(text) {
            Ok(url) => listed.push(Listed {
                candidates: vec![url],
                updated: entry.updated.as_deref().and_then(|text| text.parse().ok()),
                hashes: follow("hash"),
                signature: follow("signature").into_iter().next(),
            }),
            Err(error) => refused.push(Refused { entry: text.to_owned(), reason: error.to_string() }),
        }
    }
    Ok((listed, refused))
}

/// The documents of `changes.csv` (`path,timestamp`, no header) or `index.txt` (a path a line). Paths are relative to
/// `directory`; some providers write them relative to `root`, where their metadata lies under `.well-known`, or to a folder
/// above that the paths repeat.
pub(super) fn directory(bytes: &[u8], directory: &Url, root: Option<&Url>) -> Lines {
    let (mut listed, mut refused) = (Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(bytes).lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut cells = line.split(',').map(|cell| cell.trim().trim_matches('"'));
        let path = cells.next().unwrap_or_default();
        let updated = cells.next().and_then(|text| text.parse().ok());
        if !path.ends_with(".json") {
            continue;
        }
        match candidates(path, directory, root) {
            Ok(candidates) => {
                listed.push(Listed { candidates, updated, hashes: Vec::new(), signature: None });
            }
            Err(reason) => refused.push(Refused { entry: path.to_owned(), reason }),
        }
    }
    (listed, refused)
}

fn candidates(path: &str, directory: &Url, root: Option<&Url>) -> Result<Vec<Url>, String> {
    // Judged before joining, which would resolve the climb and hide it. `%2e` is a dot to every server.
    let plain = path.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/");
    if plain.contains('\\') || plain.split('/').any(|part| part == "..") {
        return Err("the path climbs out of the distribution".to_owned());
    }
    if plain.starts_with('/') || plain.contains("://") {
        return Err("the path must be relative to the distribution".to_owned());
    }
    let mut urls: Vec<Url> = Vec::new();
    for base in [Some(directory), repeated(path, directory).as_ref(), root].into_iter().flatten() {
        let url = base.join(&format!("./{path}")).map_err(|error| error.to_string())?;
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    Ok(urls)
}

/// The folder above `directory` from which `path` repeats the way down: `https://h/x/a/b/` and `a/b/d.json` give `https://h/x/`.
fn repeated(path: &str, directory: &Url) -> Option<Url> {
    let folders: Vec<&str> =
        directory.path().trim_matches('/').split('/').filter(|part| !part.is_empty()).collect();
    let parts: Vec<&str> = path.split('/').collect();
    let down = (1..=folders.len().min(parts.len()))
        .rev()
        .find(|count| folders.iter().rev().take(*count).rev().eq(parts.iter().take(*count)))?;
    directory.join(&"../".repeat(down)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn paths_are_tried_below_the_directory_then_where_they_repeat_it_then_at_the_root() {
        let (listed, refused) = directory(
            b"a/b/d.json,2024-01-01T00:00:00Z\n\"x.json\",\n",
            &url("https://h/r/a/b/"),
            Some(&url("https://m/")),
        );
        assert!(refused.is_empty());
        let texts: Vec<_> = listed[0].candidates.iter().map(Url::as_str).collect();
        assert_eq!(texts, ["https://h/r/a/b/a/b/d.json", "https://h/r/a/b/d.json", "https://m/a/b/d.json"]);
        assert_eq!(listed[0].updated, Some("2024-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(listed[1].candidates.len(), 2);
        assert_eq!(listed[1].updated, None);
    }

    #[test]
    fn paths_that_climb_or_lead_elsewhere_are_refused() {
        for path in [
            "../x.json",
            "a/../../x.json",
            "%2e%2E/x.json",
            "a/..%2fx.json",
            "..\\x.json",
            "/x.json",
            "ftp://h/x.json",
        ] {
            let (listed, refused) = directory(path.as_bytes(), &url("https://h/d/"), None);
            assert!(listed.is_empty() && refused.len() == 1, "{path}: {listed:?}");
        }
    }

    #[test]
    fn rolie_links_are_found_by_rel_and_by_ref() {
        for key in ["rel", "ref"] {
            let text = format!(
                r#"{{"feed":{{"entry":[{{"content":{{"src":"d.json"}},"link":[{{"{key}":"hash","href":"d.json.sha256"}},
                {{"{key}":"signature","href":"d.json.asc"}}]}},{{}}]}}}}"#
            );
            let (listed, refused) = rolie(text.as_bytes(), &url("https://h/f/feed.json")).unwrap();
            assert_eq!(listed[0].hashes, [url("https://h/f/d.json.sha256")]);
            assert_eq!(listed[0].signature, Some(url("https://h/f/d.json.asc")));
            assert_eq!(refused.len(), 1);
        }
    }
}
