//! Backtest and clocks by the API and on their pages.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod support;

use serde_json::{Value, json};
use support::{ALSA, PROMISES, Server, promised};
use underpin_exposure::{FactBase, Feed, Options, assess};
use underpin_model::fleet::{self, Fleet};
use underpin_model::id::FeedId;
use underpin_model::policy::{self, Policy};
use underpin_risk::{backtest, clocks};

/// The same facts as the server's, read without it.
fn facts(uploaded: Option<&str>) -> FactBase {
    let mut feeds = underpin_engine::facts::builtin().unwrap();
    if let Some(text) = uploaded {
        let underpin_feeds::Parsed::Document(document) = underpin_feeds::parse(text.as_bytes()).unwrap()
        else {
            unreachable!("it is an advisory")
        };
        feeds.push(Feed { id: FeedId::new("alsa").unwrap(), fetched: None, documents: vec![*document] });
    }
    FactBase::new(feeds)
}

fn fleet() -> Fleet {
    fleet::read(promised().to_string().as_bytes()).unwrap().fleet
}

/// Without the lines, which the core's report does not have.
fn report(answer: &Value) -> Value {
    let mut report = answer.clone();
    assert!(
        report.as_object_mut().unwrap().remove("lines").is_some_and(|it| it.as_array().unwrap().len() > 8)
    );
    report
}

fn core(base: &FactBase, line: (&str, &str), fleet: backtest::ReplayFleet) -> Value {
    let asked = backtest::Asked { platform: Some(line.0), line: Some(line.1), component: None };
    let line = backtest::choose(base, None, asked).unwrap();
    let history = backtest::of_facts(base, &line, &[]).unwrap();
    let question =
        backtest::Question { from: None, until: None, fleet, epss_at_least: backtest::EPSS_AT_LEAST };
    serde_json::to_value(backtest::run(&history, &question, &Policy::default()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_backtest_has_the_numbers_of_the_core() {
    let server = Server::real().await;
    let base = facts(None);
    let answer = server.json("/api/v1/backtest?platform=esxi&line=5.5").await;
    assert_eq!(report(&answer), core(&base, ("esxi", "5.5"), backtest::DEFAULT_FLEET));
    assert_eq!(server.json("/api/v1/backtest").await["line"], "7.0", "without a fleet");
    let short = "/api/v1/backtest?platform=esxi&line=5.5&from=2015-01-01&until=2016-12-31&component=";
    assert_eq!(server.json(short).await["period"], json!({"from": "2015-01-01", "to": "2016-12-31"}));

    let page = server.text("/backtest?platform=esxi&line=5.5").await;
    let loss = answer["policies"][0]["measures"]["loss"]["total"]["value"].as_f64().unwrap();
    for words in [
        "aria-current=\"true\">Cadence",
        "aria-current=\"page\">Backtest",
        &format!("{loss:.0}"),
        "quarterly window",
        "not evaluable</span>",
        "the facts hold no EPSS history",
        "100 hosts with 20.0 VMs each (assumed)",
        // Each column opens what it counts, and the interval has its name.
        "<summary>Exposure-days</summary>",
        "the published vulnerabilities of the line that are open in the release it runs; summed.",
        "(restricted mean)",
        "hosts that got one × the share hit",
        "no other policy is better in one of these",
        "the 95 % interval of a block bootstrap",
        "The numbers of this chart",
        "vulnerabilities of this line are known from",
        "href=\"/backtest?platform=debian&amp;line=bookworm&amp;component=linux\"",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("<script") && !page.contains("style=\""), "no script, no inline style");

    // Each number of a row opens how it was counted, with the facts of that row.
    let rows = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    let evaluable = answer["policies"].as_array().unwrap().iter().filter(|it| it["evaluable"] == true);
    assert_eq!(rows.matches("<details class=\"derived\">").count(), evaluable.count() * 9);
    let row = &answer["policies"][0];
    let (measures, taken) = (&row["measures"], row["taken"].as_array().unwrap());
    let (from, to) = (&measures["period"]["from"], &measures["period"]["to"]);
    let first = &taken[0];
    for words in [
        format!(" days ({} to {}) × 100 hosts × ", from.as_str().unwrap(), to.as_str().unwrap()),
        format!("{} on {}", first["version"].as_str().unwrap(), first["day"].as_str().unwrap()),
        format!("{} roll-outs × 100 hosts at ", taken.len()),
        format!("Of {} roll-outs: ", taken.len()),
        "of them behind the newest release = ".to_owned(),
        "of the pairs were never patched".to_owned(),
        "Open at the end, with a fix or without".to_owned(),
        " + maintenance ".to_owned(),
    ] {
        assert!(rows.contains(&words), "{words}");
    }
}

#[tokio::test]
async fn a_backtest_replays_the_hosts_of_the_fleet_and_says_when_none_stands_on_the_line() {
    let server = Server::real().await;
    let empty = json!({"format": "underpin/fleet/1", "name": "empty", "seen": {"at": "2025-11-20T10:00:00Z", "by": "hand"}});
    assert_eq!(server.post("/api/v1/fleets", empty.to_string()).await.status(), 201);
    let answer = server.json("/api/v1/backtest?platform=esxi&line=5.5").await;
    assert_eq!(answer["fleet"]["assumed"], true, "a fleet without hosts replays none");
    assert_eq!(answer["notes"][0], "the fleet has no hosts: a fleet is assumed");
    assert_eq!(server.post("/api/v1/fleets", promised().to_string()).await.status(), 201);
    let own = server.json("/api/v1/backtest?platform=esxi&line=5.5").await;
    assert_eq!(own["fleet"], json!({"hosts": 1, "vms_per_host": 0.0, "assumed": false}));
    let others = server.json("/api/v1/backtest?platform=esxi&line=6.7").await;
    assert_eq!(others["fleet"]["hosts"], 21);
    assert!(others["notes"][0].as_str().unwrap().contains("no host of the fleet stands on esxi 6.7 ESXi"));
}

#[tokio::test]
async fn a_backtest_refuses_what_cannot_be_meant_and_names_the_choices() {
    let server = Server::real().await;
    for (query, status, words) in [
        ("line=9.9", 404, "8.0 (ESXi)"),
        ("platform=nowhere&line=1", 404, "platforms "),
        ("platform=nowhere", 404, "no history of nowhere; known are: platforms "),
        ("epss_at_least=much", 400, "probability from 0 to 1"),
        ("epss_at_least=1.5", 400, "probability from 0 to 1"),
        ("epss_at_least=NaN", 400, "probability from 0 to 1"),
        ("platform=debian&line=bookworm", 400, "choose one of: "),
        (
            "platform=debian",
            400,
            "no line is given for debian; known are: lines of debian bookworm (debian, edk2, ",
        ),
        ("from=yesterday", 400, "2024-02-29"),
        ("from=2024-01-01&until=2023-01-01", 400, "expected from 2020-04-02 until 2025-05-20"),
    ] {
        let response = server.get(&format!("/api/v1/backtest?{query}")).await;
        assert_eq!(response.status(), status, "{query}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(words), "{query}: {problem}");
        let page = server.get(&format!("/backtest?{query}")).await;
        assert_eq!(page.status(), status, "{query}");
        assert!(page.text().await.unwrap().contains("lines that can be replayed"), "{query}: the way on");
    }
    let hostile = server.get("/backtest?line=%3Cscript%3E").await.text().await.unwrap();
    assert!(!hostile.contains("<script>") && hostile.contains("&lt;script&gt;"));
}

#[tokio::test]
async fn clocks_have_the_numbers_of_the_core() {
    let server = Server::promising().await;
    let (fleet, base, policy) = (fleet(), facts(Some(ALSA)), policy::read(PROMISES).unwrap());
    let assessment = assess(&fleet, &base, &Options { as_of: support::now(), stale_after_days: 30 });
    for (query, hosts_per_day, soon_days) in
        [("", policy.maintenance.hosts_per_day, clocks::SOON_DAYS), ("?plan_pace=0.5&soon=40", 0.5, 40)]
    {
        let settings = clocks::Settings { soon_days, hosts_per_day };
        let report = clocks::read(&fleet, &base, &assessment, &policy, settings).unwrap();
        let mut expected = serde_json::to_value(&report).unwrap();
        expected["tenants"] = serde_json::to_value(clocks::by_tenant(&fleet, &policy, &report)).unwrap();
        assert_eq!(server.json(&format!("/api/v1/clocks{query}")).await, expected, "{query}");
    }
    let slow = server.json("/api/v1/clocks?plan_pace=0.5").await;
    let sentence = slow["forecast"][0]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("at the planned pace "), "{sentence}");
    let page = server.text("/clocks?plan_pace=0.5").await;
    for words in [
        &sentence.replace('"', "&quot;"),
        "aria-current=\"page\">Clocks",
        "Breaches at the planned pace",
        "href=\"/tenants/acme\"",
        "href=\"/vulnerabilities/CVE-2025-0001\"",
        "ALSA-2025:0001",
        "2025-12-11",
        "breached</span>",
        "(vulnerabilities) in",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("href=\"/vulnerabilities/%28"), "what is about no vulnerability leads to none");
    // Beside the name of the promise, where a narrow screen shows it.
    assert!(
        page.contains("<th scope=\"col\">Promise</th><th scope=\"col\">It is</th>"),
        "the state comes first"
    );
    let first = |words: &str| page.find(&format!("</svg>{words}</span>")).unwrap();
    assert!(first("breached") < first("running"), "the most pressing first");
    assert!(!page.contains("<script") && !page.contains("style=\""), "no script, no inline style");
}

#[tokio::test]
async fn every_number_of_a_clock_opens_its_derivation() {
    let server = Server::promising().await;
    let page = server.text("/clocks?plan_pace=0.5").await;
    for (words, what) in [
        ("2025-11-11 + 30 days = 2025-12-11", "due day"),
        ("Read on 2025-11-21, 20 days before 2025-12-11", "state"),
        ("Not done, and due in more than 7 days.", "what the state means"),
        ("\u{2308}20 / 0.5 a day\u{2309} = 40 days from 2025-11-21: 2025-12-31", "turn of the last host"),
        ("is number 20 of 20 in the queue of its kind (host)", "its place"),
        ("To be done by 2025-12-11; 10 of 20 have their turn later.", "who is late"),
        ("comes after 2025-12-11, the last day of a clock", "breaches of a day"),
        ("Hosts with a clock of a fix that is published and not in force", "hosts that wait"),
        ("Counted: each clock in this state", "heads"),
        ("<summary>0.5</summary><div>The pace that the ", "hosts a day"),
    ] {
        assert!(page.contains(words), "{what}: {words}");
    }
}

#[tokio::test]
async fn a_count_of_clocks_leads_to_them_and_what_is_unknown_is_grouped_by_the_missing_fact() {
    let server = Server::promising().await;
    let page = server.text("/clocks?soon=40").await;
    let to = "/clocks?soon=40&promise=contract&state=unknown";
    assert!(page.contains(&format!("href=\"{}#clocks\"", to.replace('&', "&amp;"))), "the count is a link");
    let missing = page.split("What is not known").nth(1).unwrap();
    assert!(missing.contains("missing: a feed that covers"), "{missing}");
    let all = server.json("/api/v1/clocks?soon=40").await;
    let listed = server.json(&format!("/api/v1{to}")).await;
    let of = |answer: &Value| answer["clocks"].as_array().unwrap().clone();
    let own = |it: &&Value| it["promise"] == "contract" && it["state"] == "unknown";
    let expected: Vec<Value> = of(&all).iter().filter(own).cloned().collect();
    assert!(!expected.is_empty() && expected.len() < of(&all).len());
    assert_eq!(of(&listed), expected);
    assert_eq!(listed["promises"], all["promises"], "what is counted stays the same");
    let count = all["promises"][0]["counts"]["unknown"].as_u64().unwrap();
    let page = server.text(to).await;
    assert!(
        page.contains(&format!("{} clocks, {count} clocks x assets, unknown, of contract", expected.len()))
    );
    assert!(!page.contains("</svg>breached</span></summary>"), "no clock in another state is listed");
    for (query, words) in
        [("state=late", "breached, unknown, due-soon"), ("promise=none", "contract, support, new releases")]
    {
        for path in ["/clocks", "/api/v1/clocks"] {
            let response = server.get(&format!("{path}?{query}")).await;
            assert_eq!(response.status(), 400, "{path} {query}");
            assert!(response.text().await.unwrap().contains(words), "{path} {query}");
        }
    }
}

#[tokio::test]
async fn clocks_can_be_those_of_one_tenant() {
    let server = Server::promising().await;
    let all = server.json("/api/v1/clocks").await;
    let name =
        all["tenants"].as_array().unwrap().iter().find_map(|it| it["tenant"].as_str()).unwrap().to_owned();
    let own = server.json(&format!("/api/v1/clocks?tenant={name}")).await;
    assert!(own["tenants"].as_array().unwrap().iter().all(|it| it["tenant"] == name.as_str()));
    let assets = |it: &Value| -> usize {
        it["clocks"].as_array().unwrap().iter().map(|it| it["assets"].as_array().unwrap().len()).sum()
    };
    assert!(assets(&own) < assets(&all), "{name}: {} of {}", assets(&own), assets(&all));
    let page = server.text(&format!("/clocks?tenant={name}")).await;
    assert!(page.contains(&format!("Only what is of tenant <b>{name}</b>")), "{page}");
    assert!(page.contains(&format!("tenant={name}&amp;promise=")), "counts lead to the tenant's clocks");
    for path in ["/clocks", "/api/v1/clocks"] {
        let response = server.get(&format!("{path}?tenant=nobody")).await;
        assert_eq!(response.status(), 400, "{path}");
        assert!(response.text().await.unwrap().contains(&name), "{path}");
    }
}

#[tokio::test]
async fn without_a_promise_or_a_fleet_clocks_say_what_is_missing() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/v1/clocks").await.status(), 409);
    assert!(server.text("/clocks").await.contains("No fleet yet"));
    let server = Server::filled().await;
    let response = server.get("/api/v1/clocks").await;
    assert_eq!(response.status(), 409);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "UP0417");
    assert!(problem["detail"].as_str().unwrap().contains("[[promise]]"), "{problem}");
    let page = server.text("/clocks").await;
    assert!(page.contains("The policy promises nothing") && page.contains("kind = &quot;fix-within&quot;"));
    let server = Server::promising().await;
    for (query, words) in [
        ("plan_pace=0", "from 0.001 to 1000000"),
        ("plan_pace=nan", "from 0.001 to 1000000"),
        ("plan_pace=fast", "hosts per day"),
        ("soon=-1", "0 to 65535"),
    ] {
        let response = server.get(&format!("/api/v1/clocks?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(words), "{query}: {problem}");
        assert_eq!(server.get(&format!("/clocks?{query}")).await.status(), 400, "{query}");
    }
}

/// The example on the page is a policy that is valid.
#[tokio::test]
async fn the_promises_that_the_page_shows_can_be_used_as_they_are() {
    let page = Server::filled().await.text("/clocks").await;
    let example = page.split("<pre>").nth(1).unwrap().split("</pre>").next().unwrap();
    let policy = policy::read(&example.replace("&quot;", "\"").replace("&gt;", ">")).unwrap();
    assert_eq!(policy.promises.len(), 3);
}
