//! The pages in a real browser: phone and desk width, light and dark, by keyboard, through the forms.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail loudly"
)]

mod driver;
#[path = "../support/mod.rs"]
mod support;

use driver::Browser;
use fantoccini::{Locator, key::Key};
use serde_json::json;
use support::{Server, feed, fleet};
use underpin_model::fleet::{SampleSpec, sample};

/// Every text with less contrast than WCAG AA asks for: 4.5, or 3 for large text.
const CONTRAST: &str = r#"
const rgb = c => { const m = c.match(/[\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1}; };
const lum = c => { const f = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b); };
const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.a > 0.99) return c; if (c.a > 0) return {r: 0, g: 0, b: 0, a: 1}; } return {r: 255, g: 255, b: 255, a: 1}; };
const bad = []; let seen = 0;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let n = walk.nextNode(); n; n = walk.nextNode()) {
  if (!n.data.trim()) continue;
  const e = n.parentElement, s = getComputedStyle(e);
  if (s.visibility === 'hidden' || !e.getClientRects().length) continue;
  const a = lum(rgb(s.color)), b = lum(ground(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(s.fontSize), large = size >= 24 || (size >= 18.66 && s.fontWeight >= 700);
  seen++;
  if (ratio < (large ? 3 : 4.5)) bad.push(n.data.trim().slice(0, 30) + ' ' + ratio.toFixed(2) + ' ' + s.color);
}
return {seen, bad};"#;

/// What a reader of the page's structure needs.
const STRUCTURE: &str = r#"
const bad = [];
if (document.documentElement.lang !== 'en') bad.push('no language');
if (document.querySelectorAll('main').length !== 1) bad.push('main');
if (document.querySelectorAll('h1').length !== 1) bad.push('h1');
for (const t of document.querySelectorAll('table')) { if (!t.caption) bad.push('no caption'); if (!t.closest('.scroll[tabindex="0"]')) bad.push('no scroll box'); }
for (const h of document.querySelectorAll('th')) if (!h.scope) bad.push('no scope: ' + h.textContent);
for (const i of document.querySelectorAll('input,select')) if (!i.labels.length) bad.push('no label: ' + i.name);
for (const a of document.querySelectorAll('a,button')) if (!(a.textContent.trim() || a.getAttribute('aria-label'))) bad.push('no name: ' + a.outerHTML);
for (const s of document.querySelectorAll('svg')) if (!(s.getAttribute('aria-label') || s.getAttribute('aria-hidden'))) bad.push('svg without text');
const ids = [...document.querySelectorAll('[id]')].map(e => e.id); for (const id of ids) if (ids.filter(x => x === id).length > 1) bad.push('twice: ' + id);
if (document.scripts.length) bad.push('a script');
return bad;"#;

const PAGES: [(&str, &str); 24] = [
    ("overview", "/"),
    ("vulnerabilities", "/vulnerabilities"),
    ("vulnerability", "/vulnerabilities/CVE-2025-0001"),
    ("advisory", "/advisories/DSA-1"),
    ("exposures", "/exposures"),
    ("hosts", "/hosts"),
    ("vms", "/vms"),
    ("host", "/hosts/pve-0"),
    ("vm", "/vms/vm-0"),
    ("image", "/images/debian-12"),
    ("tenant", "/tenants/tenant-1"),
    ("ripple", "/ripple?at=pve-0"),
    ("backtest-empty", "/backtest"),
    ("cadence-empty", "/cadence"),
    ("clocks-no-promise", "/clocks"),
    ("feeds", "/feeds"),
    ("fleets", "/fleets"),
    ("ripple-empty", "/ripple"),
    ("risk-rules", "/risk"),
    ("risk-group-rules", "/risk/group"),
    ("calibration-rules", "/risk/calibration"),
    ("policy-default", "/policy"),
    ("evidence-none", "/evidence"),
    ("clusters-empty", "/clusters"),
];

/// Opens a page and notes everything that is wrong with it; leaves a picture of it.
async fn inspect(
    browser: &Browser,
    url: &str,
    name: &str,
    (width, dark): (u32, bool),
    wrong: &mut Vec<String>,
) {
    browser.client.goto(url).await.unwrap();
    let here = format!("{name} {width} {}", if dark { "dark" } else { "light" });
    let sizes = browser.sizes(url, width).await;
    if sizes[0].as_u64() > sizes[1].as_u64() || sizes[1] != width {
        wrong.push(format!("{here}: overflow {sizes}"));
    }
    let ground = browser.run("return getComputedStyle(document.body).backgroundColor").await;
    let expected = if dark { "rgb(18, 22, 28)" } else { "rgb(246, 247, 249)" };
    if ground != expected {
        wrong.push(format!("{here}: background {ground}"));
    }
    let contrast = browser.run(CONTRAST).await;
    if contrast["bad"] != json!([]) || contrast["seen"].as_u64() < Some(8) {
        wrong.push(format!("{here}: contrast {contrast}"));
    }
    let structure = browser.run(STRUCTURE).await;
    if structure != json!([]) {
        wrong.push(format!("{here}: structure {structure}"));
    }
    wrong.extend(browser.errors().await.into_iter().map(|e| format!("{here}: {e}")));
    browser.picture(&format!("{name}-{width}-{}", if dark { "dark" } else { "light" })).await;
}

/// Pages with charts, by the built-in facts.
const CHARTS: [(&str, &str); 6] = [
    ("backtest", "/backtest?platform=esxi&line=5.5"),
    ("cadence", "/cadence"),
    ("clocks", "/clocks?plan_pace=0.5"),
    (
        "cadence-side",
        "/cadence?platform=esxi,proxmox&line=7.0,8.0,8&built=2021-01-01&until=2025-06-30&batch_days=7",
    ),
    ("cadence-parts", "/cadence?platform=proxmox&dated=built&by=component"),
    ("cadence-unknown", "/cadence?platform=esxi&line=9.1"),
];

/// Which pictures are shown, how large their letters are on the screen, and whether one is cut.
const PICTURES: &str = r#"
const shown = [...document.querySelectorAll('svg.plot')].filter(s => s.getBoundingClientRect().width > 0);
const bad = [];
for (const s of shown) {
  const box = s.getBoundingClientRect();
  for (const t of s.querySelectorAll('text')) {
    const b = t.getBoundingClientRect();
    if (b.left < box.left - 1 || b.right > box.right + 1 || b.bottom > box.bottom + 1) bad.push('cut: ' + t.textContent);
    if (12 * box.width / s.viewBox.baseVal.width < 9) bad.push('small: ' + t.textContent);
  }
  for (const p of s.querySelectorAll('path')) if (getComputedStyle(p).stroke === 'none' && getComputedStyle(p).fill === 'none') bad.push('invisible: ' + p.className.baseVal);
}
return {shown: shown.length, figures: document.querySelectorAll('figure.chart').length, bad};"#;

#[tokio::test(flavor = "multi_thread")]
async fn charts_at_every_width_in_both_themes() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::promising().await;
    let mut wrong = Vec::new();
    for (width, dark) in [(390, false), (390, true), (800, false), (1280, false), (1280, true)] {
        browser.look(width, dark).await;
        for (name, path) in CHARTS {
            inspect(&browser, &server.url(path), name, (width, dark), &mut wrong).await;
            let pictures = browser.run(PICTURES).await;
            let expected = name != "cadence-unknown";
            if pictures["bad"] != json!([])
                || pictures["shown"] != pictures["figures"]
                || (pictures["shown"].as_u64() > Some(0)) != expected
            {
                wrong.push(format!("{name} {width}: {pictures}"));
            }
        }
    }
    browser.client.clone().close().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A fleet with a policy, and predictions that a later catalogue has settled: every picture has something to show.
async fn with_risk() -> (Server, Vec<(&'static str, String)>) {
    let server = Server::real().await;
    let fleet = sample(&SampleSpec { hosts: 60, ..SampleSpec::default() }, support::now());
    assert_eq!(server.post("/api/v1/fleets", serde_json::to_string(&fleet).unwrap()).await.status(), 201);
    let policy = "currency = \"EUR\"\n[loss]\nvm_hour_down = 200.0\nrecord_disclosed = 1.0\nsystem_corrupted = 3000.0\n";
    assert_eq!(server.post("/api/v1/policy", policy.to_owned()).await.status(), 201);
    let risk = server.json("/api/v1/risk").await;
    let exploited = risk["causes"].as_array().unwrap().iter().find_map(|it| it["vulnerability"].as_str());
    let group = risk["groups"].as_array().unwrap().iter().find(|it| !it["wait"].is_null()).unwrap();
    let mut query = url::Url::parse("http://localhost/risk/group").unwrap();
    query.query_pairs_mut().append_pair("name", group["group"].as_str().unwrap());
    let kev = support::kev("2026-03-01T00:00:00Z", exploited.unwrap(), "2025-11-30");
    assert_eq!(server.post("/api/v1/feeds?name=kev", kev).await.status(), 201);
    // Evidence of a release with a name that is longer than any line, which is due nowhere.
    let evidence = format!(
        "[[run]]\nrelease = \"{} 1\"\nhosts = 4000\nkind = \"others-run-it\"\nhardware = {{ vendor = \"Maker\" }}\n\
         [[known_bug]]\nrelease = \"linux 1\"\nper_host_day = 0.001\nhours_down = 0.5\nsource = \"tracker\"\n",
        "N".repeat(10_000)
    );
    assert_eq!(server.post("/api/v1/evidence", evidence).await.status(), 201);
    let pages = vec![
        ("risk", "/risk".to_owned()),
        ("evidence", "/evidence".to_owned()),
        ("risk-group", format!("{}?{}", query.path(), query.query().unwrap())),
        ("calibration", "/risk/calibration".to_owned()),
        ("risk-groups", "/risk/group".to_owned()),
        ("policy", "/policy".to_owned()),
        ("clusters", "/clusters".to_owned()),
        ("cluster", format!("/clusters/{}", fleet.clusters[0].id)),
        ("plane", format!("/planes/{}", fleet.management_planes[0].id)),
        ("standing-host", format!("/hosts/{}", fleet.hosts[0].id)),
        ("standing-tenant", format!("/tenants/{}", fleet.tenants[0].id)),
    ];
    (server, pages)
}

/// Names of two thousand letters are scrolled or broken within their boxes, on a phone too.
#[tokio::test(flavor = "multi_thread")]
async fn names_longer_than_any_line_widen_no_page() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::real().await;
    let fleet = sample(&SampleSpec { hosts: 8, ..SampleSpec::default() }, support::now());
    let mut fleet = serde_json::to_value(fleet).unwrap();
    let long = "N".repeat(2_000);
    fleet["name"] = json!(long);
    for host in fleet["hosts"].as_array_mut().unwrap() {
        (host["ring"], host["vendor"]) = (json!(long), json!(long));
    }
    assert_eq!(server.post("/api/v1/fleets", fleet.to_string()).await.status(), 201);
    let currency = "N".repeat(16);
    let policy = format!(
        "currency = \"{currency}\"\n[[promise]]\nid = \"{long}\"\nkind = \"fix-within\"\ndays = 30\n"
    );
    assert_eq!(server.post("/api/v1/policy", policy).await.status(), 201);
    let mut wrong = Vec::new();
    for width in [390, 1280] {
        browser.look(width, false).await;
        for (name, path) in [
            ("/", "overview"),
            ("/risk", "risk"),
            ("/risk/group", "groups"),
            ("/clocks", "clocks"),
            ("/backtest", "backtest"),
        ]
        .map(|(path, name)| (name, path))
        {
            inspect(&browser, &server.url(path), &format!("long-{name}"), (width, false), &mut wrong).await;
        }
        let group = server.json("/api/v1/wait").await["groups"][0]["name"].clone();
        let mut url = url::Url::parse(&server.url("/risk/group")).unwrap();
        url.query_pairs_mut().append_pair("name", group.as_str().unwrap());
        inspect(&browser, url.as_str(), "long-group", (width, false), &mut wrong).await;
    }
    browser.client.clone().close().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn risk_at_every_width_in_both_themes() {
    let Some(browser) = Browser::open().await else { return };
    let (server, pages) = with_risk().await;
    let mut wrong = Vec::new();
    for (width, dark) in [(390, false), (390, true), (1280, false), (1280, true)] {
        browser.look(width, dark).await;
        for (name, path) in &pages {
            inspect(&browser, &server.url(path), name, (width, dark), &mut wrong).await;
            let pictures = browser.run(PICTURES).await;
            let drawn = ["risk", "risk-group", "calibration"].contains(name);
            let shown = pictures["shown"].as_u64();
            if pictures["bad"] != json!([])
                || pictures["shown"] != pictures["figures"]
                || (shown > Some(0)) != drawn
            {
                wrong.push(format!("{name} {width}: {pictures}"));
            }
        }
    }
    // A number opens its derivation by the keyboard alone.
    browser.client.goto(&server.url("/risk")).await.unwrap();
    let summary = browser.client.find(Locator::Css("details.derived summary")).await.unwrap();
    summary.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
    browser.until("return document.querySelector('details.derived').open").await;
    // What people know is said by a button.
    browser.client.goto(&server.url("/risk/calibration")).await.unwrap();
    browser.follow("form.outcome button[value=true]").await;
    browser.client.find(Locator::Css("#score-any-host-hit")).await.unwrap();
    browser.client.clone().close().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_at_every_width_in_both_themes() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::filled().await;
    let mut wrong = Vec::new();
    for width in [390, 1280] {
        for dark in [false, true] {
            browser.look(width, dark).await;
            for (name, path) in PAGES {
                inspect(&browser, &server.url(path), name, (width, dark), &mut wrong).await;
            }
        }
    }
    browser.client.clone().close().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_keyboard_and_through_the_forms() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::start().await;
    let client = &browser.client;
    browser.look(1280, false).await;
    client.goto(&server.url("/")).await.unwrap();
    assert!(client.source().await.unwrap().contains("No fleet yet"));

    // The first stop of the keyboard is the skip link; it leads into the content.
    client
        .find(Locator::Css("body"))
        .await
        .unwrap()
        .send_keys(&String::from(char::from(Key::Tab)))
        .await
        .unwrap();
    let focus = "const e = document.activeElement; return e.className === 'skip' && e.getBoundingClientRect().left >= 0";
    browser.until(focus).await;
    client.active_element().await.unwrap().send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
    browser.until("return document.activeElement.id === 'content'").await;

    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let upload = async |page: &str, file: String| {
        client.goto(&server.url(page)).await.unwrap();
        client.find(Locator::Id("file")).await.unwrap().send_keys(&file).await.unwrap();
        browser.follow("form[enctype] button").await;
        client.find(Locator::Css(".banner")).await.unwrap();
        client.source().await.unwrap()
    };
    let mut bad = fleet(2, 2);
    bad["vms"][0]["host"] = json!("nowhere");
    bad["vms"][3]["host"] = json!("elsewhere");
    let page = upload("/fleets", write("bad.json", bad.to_string())).await;
    assert!(page.contains("/vms/0/host") && page.contains("/vms/3/host") && page.contains("UP0409"));
    assert!(server.store.fleets().await.unwrap().is_empty());
    assert_eq!(browser.errors().await.len(), 1, "the browser notes the status 422, nothing else");
    let page = upload("/fleets", write("good.json", fleet(6, 4).to_string())).await;
    assert!(page.contains("is current"));
    let page = upload("/feeds", write("dsa.json", feed().to_string())).await;
    assert!(page.contains("2 accepted, 1 quarantined") && page.contains("the id is missing"));

    // Search by form, then assess again.
    client.goto(&server.url("/vms")).await.unwrap();
    client.find(Locator::Id("q")).await.unwrap().send_keys("vm-2").await.unwrap();
    browser.follow("form.find button").await;
    let total = client.find(Locator::Css("#total[data-total='5']")).await;
    assert!(total.is_ok(), "vm-2 and vm-20 to vm-23");
    client.goto(&server.url("/")).await.unwrap();
    browser.follow("form[action='/assessments'] button").await;
    client.find(Locator::Css(".numbers")).await.unwrap();
    assert_eq!(client.current_url().await.unwrap().path(), "/");
    let severe = browser.errors().await;
    assert!(severe.is_empty(), "{severe:?}");
    browser.client.clone().close().await.unwrap();
}
