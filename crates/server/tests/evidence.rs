//! Evidence and dated EPSS scores: uploads by the API and by form, what they change, and what is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod support;

use serde_json::{Value, json};
use support::{Server, form, kev, now, send};
use underpin_exposure::{FactBase, Options, assess};
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::policy::Policy;
use underpin_risk::wait::{self, Evidence, GroupDecision, evidence};
use underpin_risk::{backtest, report};
use underpin_server::Config;
use underpin_store::{NewScores, Ruling};

fn fleet() -> Fleet {
    sample(&SampleSpec { hosts: 20, ..SampleSpec::default() }, now())
}

async fn with_fleet() -> Server {
    let server = Server::real().await;
    assert_eq!(server.post("/api/v1/fleets", serde_json::to_string(&fleet()).unwrap()).await.status(), 201);
    server
}

async fn put(server: &Server, bytes: impl Into<Vec<u8>>) -> reqwest::Response {
    server.http.put(server.url("/api/v1/evidence")).body(bytes.into()).send().await.unwrap()
}

fn facts() -> FactBase {
    FactBase::new(underpin_engine::facts::builtin().unwrap())
}

/// What the core decides by itself on this evidence.
fn decisions(evidence: &Evidence) -> Vec<GroupDecision> {
    let (fleet, base, policy) = (fleet(), facts(), Policy::default());
    let assessment = assess(&fleet, &base, &Options { as_of: now(), stale_after_days: 30 });
    wait::groups(&wait::Request {
        fleet: &fleet,
        assessment: &assessment,
        base: &base,
        policy: &policy,
        evidence,
        horizon_days: wait::groups::HORIZON_DAYS,
    })
    .unwrap()
}

/// A file about a release that is due, on the hardware of the group that it is due on.
fn canaries(failures: u32) -> String {
    let list = decisions(&Evidence::default());
    let one = list.iter().find(|it| it.wait.is_some() && !it.group.hardware.is_unknown()).unwrap();
    let hardware = &one.group.hardware;
    let release = format!("{} {}", one.component, one.release.as_deref().unwrap());
    json!({"format": "underpin-evidence/1", "run": [{"release": release, "hosts": 40, "failures": failures, "kind": "canary",
        "hardware": {"vendor": hardware.vendor, "model": hardware.model, "processor": hardware.processor},
        "source": "<b>ring</b> \u{202e}one"}]})
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_counts_only_when_all_of_it_is_valid() {
    let server = with_fleet().await;
    let before = server.json("/api/v1/evidence").await;
    assert_eq!((&before["id"], &before["text"]), (&json!("none"), &Value::Null));
    let run = "[[run]]\nrelease = \"x 1\"\nkind = \"trial\"\n";
    let bug = "[[known_bug]]\nrelease = \"x 1\"\nsource = \"s\"\n";
    for (text, place) in [
        (format!("{run}hosts = 0\n"), "run number 1.hosts (line "),
        (format!("{run}hosts = 2\nfailures = 3\n"), "run number 1.failures (line "),
        (format!("{run}hosts = -1\n"), "line 4"),
        (format!("{run}hosts = nan\n"), "line 4"),
        (format!("{bug}per_host_day = nan\nhours_down = 1\n"), "known_bug number 1.per_host_day"),
        (format!("{bug}per_host_day = 1\nhours_down = -inf\n"), "known_bug number 1.hours_down"),
        ("{\"run\": [{".to_owned(), "line 1"),
        ("format = \"underpin-evidence/9\"\n".to_owned(), "format"),
        ("not evidence".to_owned(), "line 1"),
    ] {
        let refused = put(&server, text.clone()).await;
        assert_eq!(refused.status(), 422, "{text}");
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "UP0418");
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with(place), "{text}: {problem}");
    }
    assert_eq!(put(&server, vec![0xff, 0xfe]).await.status(), 422);
    assert_eq!(put(&server, vec![b'#'; (8 << 20) + 1]).await.status(), 413, "larger than hands write");
    assert_eq!(server.json("/api/v1/evidence").await, before, "nothing was changed");
    assert!(server.store.kept(Ruling::Evidence).await.unwrap().is_empty());

    let (clean, bad) = (canaries(0), canaries(3));
    assert_eq!(put(&server, clean.clone()).await.status(), 201);
    assert_eq!(server.post("/api/v1/evidence", clean.clone()).await.status(), 200, "known bytes");
    assert_eq!(put(&server, bad).await.status(), 201);
    assert_eq!(put(&server, clean.clone()).await.status(), 200, "the older one is in force again");
    let after = server.get("/api/v1/evidence").await;
    let tag = after.headers()["etag"].clone();
    assert_eq!(after.json::<Value>().await.unwrap()["text"], clean);
    let same = server.http.get(server.url("/api/v1/evidence")).header("if-none-match", tag);
    assert_eq!(same.send().await.unwrap().status(), 304);
    assert_eq!(server.store.kept(Ruling::Evidence).await.unwrap().len(), 2, "both are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn risk_and_patch_or_wait_count_the_evidence_in_force() {
    let server = with_fleet().await;
    let without = server.json("/api/v1/wait").await["groups"].clone();
    for failures in [0, 3] {
        let text = canaries(failures);
        assert_eq!(put(&server, text.clone()).await.status(), 201);
        let evidence = evidence::read(&text).unwrap();
        let own = serde_json::to_value(decisions(&evidence)).unwrap();
        let answer = server.json("/api/v1/wait").await;
        for (one, expected) in answer["groups"].as_array().unwrap().iter().zip(own.as_array().unwrap()) {
            assert_eq!(
                (&one["tally"], &one["recommendation"]),
                (&expected["tally"], &expected["recommendation"])
            );
        }
        assert_ne!(answer["groups"], without, "{failures} failures change what is believed");
        let risk = server.json("/api/v1/risk").await;
        assert_eq!(risk["evidence"], server.json("/api/v1/evidence").await["id"]);
        let (fleet, base, policy) = (fleet(), facts(), Policy::default());
        let assessment = assess(&fleet, &base, &Options { as_of: now(), stale_after_days: 30 });
        let own =
            report::report(&report::Request::new(&fleet, &assessment, &base, &policy, &evidence)).unwrap();
        assert_eq!(risk["groups"].to_string(), again(&own.groups).to_string());
    }
    // After a restart it counts still.
    let folder = tempfile::tempdir().unwrap();
    server.store.close().await;
    std::fs::copy(server.folder.path().join("store.sqlite"), folder.path().join("store.sqlite")).unwrap();
    let again = Server::with(Config::default(), folder).await;
    assert_eq!(again.json("/api/v1/evidence").await["evidence"]["run"][0]["failures"], 3);
}

/// As it is after the way through text.
fn again(value: &impl serde::Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_uploaded_by_form_and_shown_escaped() {
    let server = with_fleet().await;
    let page = server.text("/evidence").await;
    assert!(page.contains("enctype=\"multipart/form-data\"") && page.contains("nobody has uploaded any"));
    assert!(page.contains("kind = &quot;canary&quot;"), "what such a file looks like");
    let sent = send(&server, "/evidence", form(&[("<i>evil</i>.json", &canaries(1))])).await;
    assert_eq!(sent.status(), 200);
    let text = sent.text().await.unwrap();
    assert!(text.contains("In force: evidence e-") && text.contains("&lt;b&gt;ring&lt;/b&gt;"), "{text}");
    for path in ["/evidence", "/risk/group", "/risk"] {
        let page = server.text(path).await;
        assert!(
            !page.contains("<b>ring") && !page.contains("<script") && !page.contains("style=\""),
            "{path}"
        );
    }
    let bad = send(
        &server,
        "/evidence",
        form(&[("e", "[[run]]\nrelease = \"<u>\"\nhosts = 0\nkind = \"trial\"\n")]),
    )
    .await;
    assert_eq!(bad.status(), 422);
    let text = bad.text().await.unwrap();
    assert!(
        text.contains("run number 1.hosts (line ") && text.contains("&lt;b&gt;ring"),
        "what was in force is so still"
    );
    let two = send(&server, "/evidence", form(&[("a", "x"), ("b", "y")])).await;
    assert_eq!(two.status(), 400, "which of two would be in force?");
    let none = send(&server, "/evidence", form(&[])).await;
    assert_eq!(none.status(), 400);
}

/// Scores of a day, of a vulnerability that QEMU of Debian 12 had and of one that nothing here knows.
fn scores(day: &str, score: f64) -> String {
    format!(
        "#model_version:v2025.03.14,score_date:{day}T00:00:00+0000\ncve,epss,percentile\n\
         CVE-2001-0001,0.5,0.5\nCVE-2024-4467,{score},0.9\n"
    )
}

fn of_core(texts: &[String]) -> Value {
    let base = facts();
    let documents: Vec<_> = texts
        .iter()
        .map(|text| match underpin_feeds::parse(text.as_bytes()).unwrap() {
            underpin_feeds::Parsed::Document(document) => *document,
            underpin_feeds::Parsed::Ignored { reason } => unreachable!("{reason}"),
        })
        .collect();
    let asked = backtest::Asked { platform: Some("debian"), line: Some("bookworm"), component: Some("qemu") };
    let line = backtest::choose(&base, None, asked).unwrap();
    let history = backtest::of_facts(&base, &line, &documents).unwrap();
    let fleet = backtest::DEFAULT_FLEET;
    let question = backtest::Question { from: None, until: None, fleet, epss_at_least: 0.3 };
    serde_json::to_value(backtest::run(&history, &question, &Policy::default()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dated_scores_make_the_epss_policy_evaluable_as_the_core_does() {
    let server = Server::real().await;
    let asked = "/api/v1/backtest?platform=debian&line=bookworm&component=qemu&epss_at_least=0.3";
    let policies = async || server.json(asked).await["policies"].clone();
    let epss = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .find(|it| it["policy"].as_str().unwrap().starts_with("EPSS"))
            .unwrap()
            .clone()
    };
    assert_eq!(epss(&policies().await)["evaluable"], false);
    let texts = [scores("2024-04-01", 0.2), scores("2024-06-01", 0.9)];
    let sent = send(&server, "/api/v1/epss", form(&[("a.csv", &texts[0]), ("b.csv", &texts[1])])).await;
    assert_eq!(sent.status(), 201);
    assert_eq!(
        sent.json::<Value>().await.unwrap(),
        json!([{"day": "2024-04-01", "scores": 2, "new": true}, {"day": "2024-06-01", "scores": 2, "new": true}])
    );
    let found = policies().await;
    assert_eq!(epss(&found)["evaluable"], true);
    assert_eq!(found, of_core(&texts)["policies"]);
    assert_ne!(
        server.json("/api/v1/backtest?platform=debian&line=bookworm&component=qemu").await["policies"],
        found,
        "0.1 is not 0.3"
    );

    // The same again changes nothing; others of that day take its place.
    let known = server.post("/api/v1/epss", texts[0].clone()).await;
    assert_eq!(
        (known.status().as_u16(), known.json::<Value>().await.unwrap()[0]["new"].clone()),
        (200, json!(false))
    );
    let better = scores("2024-04-01", 0.8);
    assert_eq!(server.post("/api/v1/epss", better.clone()).await.status(), 201);
    assert_eq!(policies().await, of_core(&[better, texts[1].clone()])["policies"]);
    let list = server.json("/api/v1/epss").await;
    assert_eq!((&list["total"], &list["items"][0]["day"]), (&json!(2), &json!("2024-06-01")));
    // They are of the past: the assessment of today knows nothing of them.
    assert!(server.json("/api/v1/feeds").await["items"].as_array().unwrap().is_empty());

    for (day, status) in [("2024-04-01", 204), ("2024-04-01", 404), ("yesterday", 404), ("2024-06-01", 204)] {
        let gone = server.http.delete(server.url(&format!("/api/v1/epss/{day}"))).send().await.unwrap();
        assert_eq!(gone.status(), status, "{day}");
    }
    assert_eq!(epss(&policies().await)["evaluable"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_dated_score_is_refused_as_a_whole() {
    let server = Server::real().await;
    let good = scores("2024-04-01", 0.2);
    let undated = "cve,epss,percentile\nCVE-2024-4467,0.5,0.5\n";
    let catalogue = kev("2025-12-01T00:00:00Z", "CVE-2024-4467", "2025-11-30");
    for (bad, words) in [
        (undated.to_owned(), "score_date"),
        (scores("2024-04-02", 1.5), "epss"),
        (scores("2024-04-02", 1.0), "epss"),
        (scores("2024-04-02", f64::NAN), "epss"),
        (scores("2024-04-02", -0.1), "epss"),
        (catalogue, "expected EPSS scores"),
        ("<b>hello</b>".to_owned(), "&lt;b&gt;evil&lt;/b&gt;.csv"),
    ] {
        let files = form(&[("good.csv", &good), ("<b>evil</b>.csv", &bad)]);
        let refused = send(&server, "/api/v1/epss", files.clone()).await;
        assert_eq!(refused.status(), 422, "{bad}");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "UP0419");
        let page = send(&server, "/backtest", files).await;
        assert_eq!(page.status(), 422, "{bad}");
        let page = page.text().await.unwrap();
        assert!(page.contains(words) && !page.contains("<b>evil"), "{words}: {page}");
    }
    assert_eq!(server.post("/api/v1/epss", String::new()).await.status(), 400);
    assert_eq!(server.json("/api/v1/epss").await["total"], 0, "not even the good ones");
    let sent = send(&server, "/backtest", form(&[("one.csv", &scores("2024-04-01", 0.99999))])).await;
    assert_eq!(sent.status(), 200);
    assert!(sent.text().await.unwrap().contains("1 day of scores, 1 new"));
    // The page takes a day away as the API does, by a button without a script.
    assert!(server.text("/backtest").await.contains("action=\"/backtest/scores/2024-04-01\""));
    let take = |day: &str| server.http.post(server.url(&format!("/backtest/scores/{day}"))).send();
    let gone = take("2024-04-01").await.unwrap();
    assert_eq!(gone.status(), 303, "it leads back to the page");
    assert!(!server.text("/backtest").await.contains("action=\"/backtest/scores/2024-04-01\""));
    assert_eq!(server.json("/api/v1/epss").await["total"], 0);
    for day in ["2024-04-01", "yesterday", "%3Cb%3E"] {
        let missing = take(day).await.unwrap();
        assert_eq!(missing.status(), 404, "{day}");
        assert!(!missing.text().await.unwrap().contains("<b>"), "{day}");
    }
    let page = server.text("/backtest?platform=debian&line=bookworm&component=qemu").await;
    assert!(page.contains("EPSS &gt;= 0.1") && !page.contains("NaN") && !page.contains(">inf"));
    let small = Server::real_with(Config { body_limit_bytes: 200, ..Config::default() }).await;
    for path in ["/api/v1/epss", "/api/v1/evidence", "/backtest", "/evidence"] {
        let large = send(&small, path, form(&[("a", &"x".repeat(300))])).await;
        assert_eq!(large.status(), 413, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_days_of_scores_than_a_backtest_can_read_are_refused() {
    let server = Server::real().await;
    let first: jiff::civil::Date = "2023-01-01".parse().unwrap();
    let days = first.series(jiff::Span::new().days(1)).take(400);
    let day = |day| NewScores { day, scores: 2, content: scores("2023-01-01", 0.2).into_bytes() };
    server.store.put_scores(days.map(day).collect(), now()).await.unwrap();
    let refused = server.post("/api/v1/epss", scores("2025-06-01", 0.2)).await;
    assert_eq!(refused.status(), 413);
    let detail = refused.json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("401 days") && detail.contains("DELETE"), "{detail}");
    assert_eq!(server.json("/api/v1/epss").await["total"], 400);
    // Another file for a day that has one makes no day more.
    assert_eq!(server.post("/api/v1/epss", scores("2023-05-01", 0.3)).await.status(), 201);
}
