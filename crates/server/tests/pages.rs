//! The pages without a browser: links, numbers, speed.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::{Server, fleet};

/// All values of an attribute.
fn attributes(html: &str, name: &str) -> Vec<String> {
    let start = format!("{name}=\"");
    html.split(&start)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|v| v.replace("&amp;", "&"))
        .collect()
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let server = Server::filled().await;
    let (mut seen, mut todo) = (BTreeSet::new(), vec!["/".to_owned()]);
    while let Some(path) = todo.pop() {
        let (address, anchor) = path.split_once('#').map_or((path.as_str(), None), |(a, b)| (a, Some(b)));
        if !seen.insert(path.clone()) || seen.len() > 600 {
            continue;
        }
        let response = server.get(address).await;
        assert_eq!(response.status(), 200, "{path}");
        if address.starts_with("/api/") || address.starts_with("/assets/") {
            continue;
        }
        let text = response.text().await.unwrap();
        if let Some(anchor) = anchor {
            assert!(text.contains(&format!("id=\"{anchor}\"")), "{path} has no such place");
        }
        todo.extend(attributes(&text, "href").into_iter().filter_map(|link| match link.split_once('#') {
            Some(("", anchor)) => Some(format!("{address}#{anchor}")),
            _ => link.starts_with('/').then_some(link),
        }));
    }
    assert!(seen.len() > 60, "only {} links", seen.len());
}

#[tokio::test]
async fn every_number_of_the_overview_is_the_total_of_its_list() {
    let server = Server::filled().await;
    let page = server.text("/").await;
    let mut checked = 0;
    for part in page.split("<a ").skip(1) {
        let link = attributes(part, "href").remove(0);
        if !link.starts_with("/exposures?") {
            continue;
        }
        let text = part.split("</a>").next().unwrap().rsplit_once("<b>").map_or(part, |(_, b)| b);
        let text = text.split_once('>').filter(|_| !text.contains("</b>")).map_or(text, |(_, t)| t);
        let digits: String = text.split('<').next().unwrap().chars().filter(char::is_ascii_digit).collect();
        let total = attributes(&server.text(&link).await, "data-total").remove(0);
        assert_eq!(digits, total, "{link}");
        checked += 1;
    }
    assert!(checked > 15, "only {checked} numbers");
    // The first headline number is the unknown one.
    let first = page.split("class=\"numbers\"").nth(1).unwrap();
    assert!(first.find("unknown: no source").unwrap() < first.find("affected").unwrap());
}

#[tokio::test]
async fn stale_feeds_are_named_before_anything_else() {
    let server = Server::filled().await;
    for path in
        ["/", "/hosts", "/vulnerabilities", "/exposures", "/hosts/pve-0", "/vulnerabilities/CVE-2025-0001"]
    {
        let text = server.text(path).await;
        let banner = text.find("1 feed is stale").unwrap_or_else(|| panic!("{path}"));
        assert!(banner < text.find("<section").unwrap(), "{path}");
    }
}

#[tokio::test]
async fn pages_explain_themselves() {
    let server = Server::filled().await;
    for (path, words) in [
        (
            "/hosts/pve-0",
            vec![
                "fixed, not running",
                "runs",
                "8.1.5-3",
                "kernel_release seen",
                "vm-0",
                "move every live guest",
            ],
        ),
        ("/vms/vm-0", vec!["Exposures of the VM", "Exposures of the host", "pve-0", "debian-12"]),
        ("/images/debian-12", vec!["unknown: version not comparable", "VMs made from it"]),
        ("/tenants/tenant-1", vec!["Fixed, not running", "vm-1"]),
        (
            "/vulnerabilities/CVE-2025-0003",
            vec!["KEV", "14 days", "assumed: exposure=controlled", "first fixed version is"],
        ),
        ("/ripple?at=pve-0", vec!["What stands on it", "vm-6", "c0"]),
        ("/", vec!["known exploited first", "By tenant", "By platform", "Hosts by cluster"]),
    ] {
        let text = server.text(path).await;
        for word in words {
            assert!(text.contains(word), "{path} has no {word:?}");
        }
    }
    assert_eq!(server.get("/hosts/none").await.status(), 404);
}

#[tokio::test]
async fn a_large_fleet_answers_at_once() {
    let server = Server::start().await;
    // In the debug build a tenth of 10,000 hosts; the limit is ten times the promise for a busy machine.
    let hosts = if cfg!(debug_assertions) { 1000 } else { 10_000 };
    assert_eq!(server.post("/api/v1/fleets", fleet(hosts, 20).to_string()).await.status(), 201);
    for path in [
        "/",
        "/hosts",
        "/vms?q=vm-777",
        "/exposures?status=open&tenant=tenant-3",
        "/vulnerabilities/CVE-2025-0001",
        "/hosts/pve-500",
        "/tenants/tenant-1",
    ] {
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let begin = Instant::now();
            server.text(path).await;
            best = best.min(begin.elapsed());
        }
        println!("{path}: {best:?}");
        assert!(best < Duration::from_millis(500), "{path} took {best:?}");
    }
}
