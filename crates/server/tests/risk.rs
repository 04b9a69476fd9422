//! Risk by the API and on the pages: the figures are the core's, the policy counts, predictions are scored.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may fail loudly")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{NOW, Server, kev, now, put_policy};
use underpin_exposure::{Assessment, FactBase, Feed, Options, assess};
use underpin_model::fleet::{Fleet, SampleSpec, sample};
use underpin_model::id::FeedId;
use underpin_model::policy::{self, Policy};
use underpin_risk::report::{GroupBy, Request, report};
use underpin_risk::wait::{self, Evidence};
use underpin_server::analyst::Analyst;
use underpin_server::{Config, Core};
use underpin_store::PredictionRow;

const POLICY: &str = "currency = \"<b>EUR</b>\"\nseed = 7\n[loss]\nvm_hour_down = 200.0\n[parameters]\n\
    aimed = { value = 0.2, low = 0.1, high = 0.4, source = \"workshop <i>2026</i>\" }\n";

fn hosts(hosts: u32) -> Fleet {
    sample(&SampleSpec { hosts, ..SampleSpec::default() }, now())
}

async fn with_fleet(fleet: &Fleet) -> Server {
    let (body_limit_bytes, timeout) = (1 << 30, Duration::from_secs(600));
    let server = Server::real_with(Config { body_limit_bytes, timeout, ..Config::default() }).await;
    let uploaded = server.post("/api/v1/fleets", serde_json::to_string(fleet).unwrap()).await;
    assert_eq!(uploaded.status(), 201);
    server
}

/// What the core says by itself, with the same facts.
struct Own {
    fleet: Fleet,
    base: FactBase,
    assessment: Assessment,
}

impl Own {
    fn of(fleet: &Fleet) -> Self {
        let feeds = Core::new(now(), Vec::new()).unwrap().builtin();
        let feeds = feeds.into_iter().map(|feed| Feed {
            id: FeedId::new(feed.name.as_str()).unwrap(),
            fetched: Some(feed.fetched),
            documents: feed.documents.iter().map(|(_, document)| (**document).clone()).collect(),
        });
        let base = FactBase::new(feeds.collect());
        let assessment = assess(fleet, &base, &Options { as_of: now(), stale_after_days: 30 });
        Self { fleet: fleet.clone(), base, assessment }
    }

    fn report(&self, policy: &Policy, independent: bool, group_by: GroupBy) -> Value {
        let evidence = Evidence::default();
        let mut request = Request::new(&self.fleet, &self.assessment, &self.base, policy, &evidence);
        (request.independent, request.group_by) = (independent, group_by);
        again(&report(&request).unwrap())
    }

    fn decisions(&self, policy: &Policy) -> Value {
        again(
            &wait::groups(&wait::Request {
                fleet: &self.fleet,
                assessment: &self.assessment,
                base: &self.base,
                policy,
                evidence: &Evidence::default(),
                horizon_days: wait::groups::HORIZON_DAYS,
            })
            .unwrap(),
        )
    }
}

/// As it is after the way through text.
fn again(value: &impl serde::Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn without(mut value: Value, names: &[&str]) -> Value {
    for name in names {
        assert!(value.as_object_mut().unwrap().remove(*name).is_some(), "{name}");
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_has_the_figures_of_the_core() {
    let fleet = hosts(40);
    let server = with_fleet(&fleet).await;
    let own = Own::of(&fleet);
    let default = Policy::default();
    for (query, independent, group_by) in [
        ("", false, GroupBy::Decision),
        ("?independent=true", true, GroupBy::Decision),
        ("?group_by=cluster&independent=false", false, GroupBy::Cluster),
    ] {
        let answer = server.json(&format!("/api/v1/risk{query}")).await;
        assert_eq!(answer["policy"], "default", "{query}");
        let expected = own.report(&default, independent, group_by);
        assert!(expected["fleet"]["loss"]["mean"].as_f64() > Some(0.0), "the sample has open holes");
        assert_eq!(without(answer, &["assessment", "evidence", "policy"]), expected, "{query}");
    }
    let answer = server.json("/api/v1/wait").await;
    let expected = own.decisions(&default);
    let list = answer["groups"].as_array().unwrap();
    assert!(list.len() > 3, "several groups have something due");
    for (one, expected) in list.iter().zip(expected.as_array().unwrap()) {
        assert_eq!(&without(one.clone(), &["name"]), expected);
    }
    assert_eq!(list.len(), expected.as_array().unwrap().len());
    let name = list[0]["name"].as_str().unwrap().to_owned();
    let url = url::Url::parse_with_params(&server.url("/api/v1/wait"), [("group", &name)]).unwrap();
    let one: Value = server.http.get(url).send().await.unwrap().json().await.unwrap();
    let own_of_group = list.iter().filter(|it| it["name"] == name.as_str()).count();
    assert_eq!(one["groups"].as_array().unwrap().len(), own_of_group);

    // With a policy the figures are those of the policy.
    assert_eq!(put_policy(&server, POLICY).await.status(), 201);
    let answer = server.json("/api/v1/risk").await;
    assert_eq!(answer["policy"], server.json("/api/v1/policy").await["id"]);
    let expected = own.report(&policy::read(POLICY).unwrap(), false, GroupBy::Decision);
    assert_eq!(without(answer, &["assessment", "evidence", "policy"]), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_a_problem_with_the_way_out() {
    let server = Server::real().await;
    for path in
        ["/api/v1/risk", "/api/v1/wait", "/api/v1/standing/host/h", "/risk", "/risk/group", "/clusters"]
    {
        assert_eq!(server.get(path).await.status(), 409, "{path}: there is no fleet yet");
    }
    let server = with_fleet(&hosts(4)).await;
    for (path, status, words) in [
        ("/api/v1/risk?group_by=moon", 400, "decision, cluster, platform"),
        ("/risk?group_by=moon", 400, "decision, cluster, platform"),
        ("/api/v1/risk?independent=perhaps", 400, "true or false"),
        ("/api/v1/wait?group=nobody", 404, "Something is due on"),
        ("/api/v1/standing/host/nobody", 404, "nobody"),
        ("/api/v1/standing/planet/earth", 404, "management_plane"),
        ("/risk/group?name=%3Cb%3Enobody", 404, "&lt;b&gt;nobody"),
        ("/risk/group?group=%3Cb%3Enobody", 404, "Something is due on"),
        ("/clusters/nobody", 404, "nobody"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        let text = response.text().await.unwrap();
        assert!(text.contains(words), "{path}: {text}");
    }
    let missing = server.post("/api/v1/predictions/o-0/outcome", json!({"happened": true}).to_string()).await;
    assert_eq!(missing.status(), 404);
}

/// Every page of risk.
const PAGES: [&str; 6] = ["/risk", "/risk/group", "/risk/calibration", "/policy", "/evidence", "/clusters"];

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_odd_fleets_are_whole() {
    let mut empty = hosts(1);
    (empty.hosts, empty.vms, empty.images) = (Vec::new(), Vec::new(), Vec::new());
    let empty = with_fleet(&Fleet { witnesses: Vec::new(), ..empty }).await;
    let odd = Server::filled().await;
    assert_eq!(put_policy(&odd, POLICY).await.status(), 201);
    let judging = ["/risk", "/risk/group", "/api/v1/risk", "/api/v1/wait", "/api/v1/risk?independent=true"];
    for path in judging {
        let refused = empty.get(path).await;
        assert_eq!(refused.status(), 409, "{path}: no hosts are no risk of 0");
        let text = refused.text().await.unwrap();
        assert!(text.contains("has no hosts") && text.contains("nothing to judge"), "{path}: {text}");
    }
    assert!(empty.text("/").await.contains("There is nothing to judge"));
    assert!(!odd.text("/").await.contains("There is nothing to judge"));
    for server in [&empty, &odd] {
        let shown = PAGES.iter().filter(|it| server.address == odd.address || !judging.contains(it));
        for path in shown {
            let page = server.text(path).await;
            assert!(
                !page.contains("<script") && !page.contains("style=\""),
                "{path}: no script, no inline style"
            );
            assert!(!page.contains("NaN") && !page.contains(">inf"), "{path}");
        }
    }
    let page = odd.text("/risk").await;
    assert!(page.contains("&lt;b&gt;EUR&lt;/b&gt;") && !page.contains("<b>EUR"), "the currency is escaped");
    assert!(page.contains("esx/1 &lt;b&gt;") && page.contains("/hosts/esx%2F1%20%3Cb%3E"), "hosts are too");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_opens_its_derivation() {
    let server = with_fleet(&hosts(40)).await;
    let page = server.text("/risk").await;
    let answer = server.json("/api/v1/risk").await;
    let cause = &answer["causes"][0];
    let factors = cause["factors"].as_array().unwrap();
    assert!(factors.len() >= 2);
    for factor in factors {
        assert!(page.contains(factor["source"].as_str().unwrap()), "{factor}");
    }
    for words in [
        "In closed form",
        "weighted samples",
        "CVaR 99 %",
        "The numbers of this chart",
        "Hunter, Worsley",
        "Bonferroni",
        "at most, whatever ties the clusters",
        "2 hosts at once",
        "hosts with its guests",
        "not priced:",
        "are judgements",
        "Blast radius",
        "its own credentials",
        "href=\"/policy#p-aimed\"",
        "Every host that the plane manages",
        "Sum over the hosts within reach",
        "What stands on the host, all of it lost",
        "href=\"/policy#p-plane_takes_host\"",
        "rates of the policy",
        " at most × ",
        "which need not be those of the fleet",
        "The share of cases in which it loses anything",
        "Hosts with VMs of the tenant and an open hole whose fix is known",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(page.matches("<details").count() > 30);
    assert!(page.contains(" times as much as the ") && !page.contains("times more"));
    // What independent hosts would suggest opens like the compound figure beside it.
    let figures =
        page.split("Compound against independent").last().unwrap().split("</table>").next().unwrap();
    let cells: Vec<&str> = figures.split("<td class=\"num\">").skip(1).collect();
    assert!(cells.len() > 10 && cells.len().is_multiple_of(2));
    for pair in cells.chunks(2) {
        let open = |cell: &str| cell.starts_with("<details class=\"derived\">");
        assert!(open(pair[0]) || pair[1].starts_with("–"), "{pair:?}");
        assert!(
            pair[1].starts_with("–") || open(pair[1]) && pair[1].contains("As if nothing were common"),
            "{pair:?}"
        );
    }
    // Vulnerabilities with a small share stand together by component, so that the bars say something.
    let causes = page.split("<h3>By cause</h3>").nth(1).unwrap().split("<h3>").next().unwrap();
    let caption = causes.split("<figcaption>").nth(1).unwrap().split("</figcaption>").next().unwrap();
    assert!(caption.contains(" holes of "), "{caption}");
    assert!(causes.contains("Of the CVaR 99 %"), "{causes}");
    let link = page.split("href=\"").find(|it| it.starts_with("/risk/group?")).unwrap();
    let group = server.text(&link.split('"').next().unwrap().replace("&amp;", "&")).await;
    for words in [
        "Loss by days waited",
        "5 % to 95 %",
        "Value of information",
        "It hinges on",
        "SSVC",
        "BOD 26-04",
        "Is the release bad?",
    ] {
        assert!(
            group.contains(words) || (words == "It hinges on" && group.contains("No parameter turns it")),
            "{words}"
        );
    }
    for number in ["sum", "5 % to 95 % over the parameters", "95 %"] {
        assert!(
            group.contains(&format!("<details class=\"derived\"><summary>{number}</summary>")),
            "{number}"
        );
    }
    for number in
        ["Best time", "The verdict is right in", "It loses too much by", "Compromised already", "VMs on them"]
    {
        assert!(group.contains(&format!("<dt>{number}</dt><dd><details class=\"derived\">")), "{number}");
    }
}

/// The list of all groups can be read down one column of losses; pictures of tails say where they end; a wide table shows that it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn groups_are_in_the_order_of_their_losses_and_tails_say_where_they_end() {
    let server = with_fleet(&hosts(40)).await;
    let answer = server.json("/api/v1/wait").await;
    let mut decided: Vec<(f64, String)> = answer["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| {
            let release = format!("{} {}", it["component"].as_str()?, it["release"].as_str()?);
            Some((it["wait"]["loss_never"].as_f64()?, release))
        })
        .collect();
    decided.sort_by(|a, b| b.0.total_cmp(&a.0));
    let page = server.text("/risk/group").await;
    let rows: Vec<&str> = page.split("<tr>").skip(2).collect();
    assert!(decided.len() > 1 && rows.len() >= decided.len());
    for ((_, release), row) in decided.iter().zip(&rows) {
        assert!(row.contains(&format!("<td>{release} ")), "{release}: {row}");
        assert_eq!(row.matches("The mean loss ").count(), 3, "{row}");
    }
    let risk = server.text("/risk").await;
    assert!(risk.contains("The lines end at the loss that is exceeded once in 100 000 cases: "));
    assert!(risk.contains("ends at the last of them, or where the chance falls below one in a million"));
    let style = server.text("/assets/style.css").await;
    let rule = style.split(".scroll{").nth(1).unwrap().split('}').next().unwrap();
    assert_eq!((rule.matches(" local").count(), rule.matches("var(--shade)").count()), (2, 2), "{rule}");
}

/// What a promise costs opens where it is from; what is known of a line is said for the first of its releases, and no sentence of some length twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_group_derives_its_penalties_and_repeats_no_paragraph() {
    let server = with_fleet(&hosts(40)).await;
    let policy =
        "currency = \"EUR\"\n[[promise]]\nid = \"gold\"\nkind = \"fix-within\"\ndays = 30\npenalty = 500.0\n";
    assert_eq!(server.post("/api/v1/policy", policy.to_owned()).await.status(), 201);
    let answer = server.json("/api/v1/wait").await;
    let list = answer["groups"].as_array().unwrap();
    let names: std::collections::BTreeSet<&str> = list.iter().filter_map(|it| it["name"].as_str()).collect();
    let (mut penalties, mut lines) = (0, 0);
    for name in names {
        let url = url::Url::parse_with_params(&server.url("/risk/group"), [("name", name)]).unwrap();
        let page = server.http.get(url).send().await.unwrap().text().await.unwrap();
        penalties += page.matches("<dd><details class=\"derived\"><summary>gold: by ").count();
        assert!(!page.contains("<dd>gold: by "), "{name}");
        lines += page.matches("what the line has shown: as for ").count();
        let paragraphs: Vec<&str> = page
            .split("<p")
            .filter(|it| it.starts_with('>') || it.starts_with(" class"))
            .filter_map(|it| it.split("</p>").next())
            .filter(|it| it.len() > 160)
            .collect();
        for (at, one) in paragraphs.iter().enumerate() {
            assert!(!paragraphs[at + 1..].contains(one), "{name}: {one}");
        }
    }
    assert!(penalties > 0 && lines > 0, "{penalties} {lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_group_says_which_ring_runs_a_release_before_it() {
    let server = with_fleet(&hosts(40)).await;
    let answer = server.json("/api/v1/wait").await;
    let list = answer["groups"].as_array().unwrap();
    let mut seen = [0; 3];
    let names: std::collections::BTreeSet<&str> = list.iter().filter_map(|it| it["name"].as_str()).collect();
    for name in names {
        let url = url::Url::parse_with_params(&server.url("/risk/group"), [("name", name)]).unwrap();
        let page = server.http.get(url).send().await.unwrap().text().await.unwrap();
        let own: Vec<&Value> = list.iter().filter(|it| it["name"] == name).collect();
        for (runs, words) in [(true, " runs it already"), (false, " is to take it first")] {
            let rings = || own.iter().map(|it| &it["earlier_ring"]).filter(|it| it["runs_it"] == runs);
            for ring in rings() {
                let line = format!(
                    "<dt>Earlier ring</dt><dd>{}{words}: it protects these hosts from day ",
                    ring["ring"].as_str().unwrap()
                );
                let days = page.split(&line).skip(1).filter_map(|it| it.split("</dd>").next());
                let days: Vec<f64> = days.map(|it| it.parse().unwrap()).collect();
                let from = ring["from_days"].as_f64().unwrap();
                assert!(
                    days.iter().any(|it| (it - from).abs() <= 0.005 * from),
                    "{name}: {from} in {days:?}"
                );
            }
            seen[usize::from(runs)] += rings().count();
        }
        if own.iter().all(|it| it["earlier_ring"].is_null()) {
            assert!(!page.contains("Earlier ring"), "{name}");
            seen[2] += 1;
        }
    }
    assert!(seen[0] > 0 && seen[2] > 0, "{seen:?}: rings that take it first, that run it, and none");
}

/// Losses stand before what describes them, in columns and not in sentences, and duties and days open where they are from.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_patch_or_wait_begin_with_the_losses_and_its_facts_open_their_derivation() {
    let server = with_fleet(&hosts(40)).await;
    let losses = "<th class=\"num\" scope=\"col\">Never</th><th class=\"num\" scope=\"col\">Now</th><th class=\"num\" scope=\"col\">Best</th>";
    let list = server.text("/risk/group").await;
    assert!(list.contains(&format!("<th scope=\"col\">Group</th>{losses}")), "{list}");
    let risk = server.text("/risk").await;
    let table = risk.split_once("id=\"groups\"").unwrap().1.split_once("</table>").unwrap().0;
    let heads = "<th scope=\"col\">Group</th><th scope=\"col\">Verdict</th><th class=\"num\" scope=\"col\">Mean loss</th>";
    assert!(table.contains(&format!("{heads}{losses}")), "{table}");
    assert!(table.contains("<div>The mean loss where it is taken now.</div>"), "{table}");
    assert!(table.contains("<summary>In a sentence</summary>"), "{table}");
    let answer = server.json("/api/v1/wait").await;
    let one =
        answer["groups"].as_array().unwrap().iter().find(|it| !it["bod_26_04"]["date"].is_null()).unwrap();
    let (name, day) = (one["name"].as_str().unwrap(), one["bod_26_04"]["date"].as_str().unwrap());
    let url = url::Url::parse_with_params(&server.url("/risk/group"), [("name", name)]).unwrap();
    let page = server.http.get(url).send().await.unwrap().text().await.unwrap();
    for (term, how) in [
        ("Released", "begins on this day."),
        ("SSVC", "by the SSVC tree for deployers"),
        ("BOD 26-04", "by the table of BOD 26-04"),
    ] {
        let cell = format!("<dt>{term}</dt><dd><details class=\"derived\">");
        let opens = |it: &str| it.split("</dd>").next().is_some_and(|it| it.contains(how));
        assert!(page.split(&cell).skip(1).any(opens), "{term}: {page}");
    }
    assert!(page.contains(&format!(" days = {day}</li>")), "{day}: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_of_a_standing_is_shown_as_unknown() {
    let fleet = hosts(12);
    let server = with_fleet(&fleet).await;
    let id = fleet.hosts[0].id.as_str();
    let answer = server.json(&format!("/api/v1/standing/host/{id}")).await;
    let policy = Policy::default();
    let own = underpin_risk::standing::Standings::new(&fleet, &policy);
    assert_eq!(answer, again(&own.host(&fleet.hosts[0].id).unwrap()));
    let unknown =
        |statements: &Value| statements.as_array().unwrap().iter().any(|it| it["answer"] == "unknown");
    assert!(unknown(&answer["statements"]));
    let page = server.text(&format!("/hosts/{id}")).await;
    assert!(page.contains("statements lack facts") && page.contains("is missing"));
    let (vm, tenant, cluster) = (&fleet.vms[0].id, &fleet.tenants[0].id, &fleet.clusters[0].id);
    for path in [format!("/vms/{vm}"), format!("/tenants/{tenant}"), format!("/clusters/{cluster}")] {
        assert!(server.text(&path).await.contains("Confidentiality, integrity, availability"), "{path}");
    }
    let plane = &fleet.management_planes[0].id;
    assert!(server.text(&format!("/planes/{plane}")).await.contains("Ways in to management"));
    assert_eq!(server.json(&format!("/api/v1/standing/tenant/{tenant}")).await["element"], tenant.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_without_a_known_guest_are_unknown_in_every_table() {
    let mut fleet = hosts(12);
    let of_loss = |page: &str| {
        let tables = ["Expected loss", "id=\"groups\"", "id=\"causes\"", "id=\"clusters\"", "id=\"blast\""];
        tables.map(|from| {
            let table = page.split_once(from).unwrap().1.split_once("</table>").unwrap().0;
            table.matches("<summary>unknown</summary>").count()
        })
    };
    assert_eq!(of_loss(&with_fleet(&fleet).await.text("/risk").await), [0; 5]);
    fleet.vms.iter_mut().for_each(|it| it.host = None);
    let page = with_fleet(&fleet).await.text("/risk").await;
    assert!(of_loss(&page).iter().all(|it| *it > 0), "{:?}", of_loss(&page));
}

#[tokio::test(flavor = "multi_thread")]
async fn exploitation_that_was_foretold_is_settled_by_a_later_catalogue() {
    let server = with_fleet(&hosts(20)).await;
    let record = async || server.json("/api/v1/predictions").await;
    assert_eq!(record().await["predictions"], json!([]));
    server.json("/api/v1/risk").await;
    let first = record().await;
    let predictions = first["predictions"].as_array().unwrap().clone();
    let exploits: Vec<&Value> = predictions.iter().filter(|it| it["kind"] == "exploited").collect();
    assert!(exploits.len() > 2 && exploits.len() + 1 == predictions.len(), "and whether any host is hit");
    assert!(predictions.iter().all(|it| it["happened"].is_null()));
    // It is what the report says: the factor of exploitation in the wild.
    let risk = server.json("/api/v1/risk").await;
    for one in &exploits {
        let cause =
            risk["causes"].as_array().unwrap().iter().find(|it| it["vulnerability"] == one["subject"]);
        let wild = cause.unwrap()["factors"][0].clone();
        assert_eq!(wild["name"], "exploited in the wild");
        let distance = (wild["value"].as_f64().unwrap() - one["probability"].as_f64().unwrap()).abs();
        assert!(distance < 1e-12, "{wild} {one}");
    }
    // A second report on the same day foretells nothing new, whatever was uploaded.
    assert_eq!(server.post("/api/v1/assessments", String::new()).await.status(), 201);
    server.json("/api/v1/risk?group_by=ring").await;
    assert_eq!(record().await["predictions"].as_array().unwrap().len(), predictions.len());
    // Nor does one under another policy, though it says something else.
    let any = risk["fleet"]["any_hit"]["probability"].clone();
    assert_eq!(put_policy(&server, "[parameters]\nepss_unknown = 0.05\naimed = 0.5\n").await.status(), 201);
    assert_ne!(server.json("/api/v1/risk").await["fleet"]["any_hit"]["probability"], any);
    assert_eq!(record().await["predictions"], first["predictions"], "the first report of the day counts");
    assert_eq!(record().await["scores"], json!([]), "nothing is known yet: nothing is scored");

    // A catalogue from within the horizon settles what it lists, and nothing else.
    let hit = exploits[0]["subject"].as_str().unwrap();
    let early = kev("2025-12-01T00:00:00Z", hit, "2025-11-30");
    assert_eq!(server.post("/api/v1/feeds?name=kev", early).await.status(), 201);
    let known = record().await;
    let settled: Vec<&Value> =
        known["predictions"].as_array().unwrap().iter().filter(|it| !it["happened"].is_null()).collect();
    assert_eq!(settled.len(), 1, "a catalogue of that day says no more");
    assert_eq!((&settled[0]["subject"], &settled[0]["happened"]), (&json!(hit), &json!(true)));

    // One that is newer than the horizon settles the rest.
    let late = kev("2026-03-01T00:00:00Z", hit, "2025-11-30");
    assert_eq!(server.post("/api/v1/feeds?name=kev", late).await.status(), 201);
    let all = record().await;
    let score = &all["scores"][0];
    assert_eq!(
        (&score["kind"], &score["scored"], &score["open"]),
        (&json!("exploited"), &json!(exploits.len()), &json!(0))
    );
    let square = |it: &Value| {
        let happened = f64::from(u8::from(it["subject"] == hit));
        (it["probability"].as_f64().unwrap() - happened).powi(2)
    };
    let brier = exploits.iter().map(|it| square(it)).sum::<f64>() / exploits.len() as f64;
    assert!((score["brier"].as_f64().unwrap() - brier).abs() < 1e-12);
    let page = server.text("/risk/calibration").await;
    assert!(
        page.contains("Brier score")
            && page.contains("as foretold")
            && page.contains("KEV lists it since 2025-11-30")
    );
    assert!(page.contains("does not list it by 2025-12-21"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_only_people_know_is_said_once() {
    let server = with_fleet(&hosts(6)).await;
    server.json("/api/v1/risk").await;
    let known = server.json("/api/v1/predictions").await;
    let hit =
        known["predictions"].as_array().unwrap().iter().find(|it| it["kind"] == "any-host-hit").unwrap();
    let id = hit["id"].as_str().unwrap();
    assert_eq!((&hit["made_on"], &hit["due"]), (&json!("2025-11-21"), &json!("2025-12-21")), "{NOW}");
    let path = format!("/api/v1/predictions/{id}/outcome");
    for bad in ["", "{}", "{\"happened\": 1}", "{\"happened\": true, \"by\": \"me\"}"] {
        assert_eq!(server.post(&path, bad.to_owned()).await.status(), 400, "{bad:?}");
    }
    let kind = "application/x-www-form-urlencoded";
    let form = async |body: &'static str| {
        let post = server.http.post(server.url(&format!("/risk/calibration/{id}")));
        post.header("content-type", kind).body(body).send().await.unwrap()
    };
    // Until its span is over it may still happen: that it did not is refused by every way, and not offered.
    let early = server.post(&path, json!({"happened": false}).to_string()).await;
    assert_eq!(early.status(), 409);
    let early: Value = early.json().await.unwrap();
    assert_eq!(early["code"], "UP0421");
    assert!(early["detail"].as_str().unwrap().contains("ends with 2025-12-21"), "{early}");
    assert_eq!(form("happened=false").await.status(), 409);
    let page = server.text("/risk/calibration").await;
    assert!(page.contains("It happened") && !page.contains("value=\"false\""), "only what may be said");
    assert!(page.contains("that it did not can be said after 2025-12-21"));
    assert_eq!(form("happened=true").await.status(), 303);
    let again = server.post(&path, json!({"happened": true}).to_string()).await;
    assert_eq!(again.status(), 200, "the same again changes nothing");
    let other = server.post(&path, json!({"happened": false}).to_string()).await;
    assert_eq!(other.status(), 409);
    assert_eq!(other.json::<Value>().await.unwrap()["code"], "UP0416");
    // Of a span that is over it can be said, and is offered.
    let old = PredictionRow {
        id: "o-old".to_owned(),
        made_on: jiff::civil::date(2025, 10, 1),
        horizon_days: 30.0,
        probability: 0.2,
        kind: "any-host-hit".to_owned(),
        subject: "fleet".to_owned(),
        outcome: None,
    };
    server.store.add_predictions(&[old]).await.unwrap();
    assert!(server.text("/risk/calibration").await.contains("value=\"false\""));
    let said = server.post("/api/v1/predictions/o-old/outcome", json!({"happened": false}).to_string()).await;
    assert_eq!(said.status(), 200);
    // What has an answer is below what has none: the one of today below all that KEV has yet to tell.
    let page = server.text("/risk/calibration").await;
    let rows = page.split("<tbody>").last().unwrap();
    let (last_open, first_answered) = (rows.rfind("not known yet"), rows.find("stated by hand"));
    assert!(last_open.is_some() && last_open < first_answered, "{rows}");
    let after = server.json("/api/v1/predictions").await;
    assert_eq!(
        (&after["scores"][0]["kind"], &after["scores"][0]["scored"]),
        (&json!("any-host-hit"), &json!(2))
    );
}

/// Names that would run, style, turn or fill a page.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_stay_text_on_every_page_of_risk() {
    let mut fleet = serde_json::to_value(hosts(8)).unwrap();
    let texts = ["<script>alert(1)</script>", "\u{202e}gnp.exe", "a\u{1b}[31m\u{7}", "x\" onload=\"y"];
    let long = "N".repeat(10_000);
    fleet["name"] = json!("<b>\u{202e}fleet");
    for (at, host) in fleet["hosts"].as_array_mut().unwrap().iter_mut().enumerate() {
        host["ring"] = json!(texts[at % 4]);
        host["vendor"] = json!(if at == 0 { &long } else { texts[(at + 1) % 4] });
    }
    let server = Server::real().await;
    assert_eq!(server.post("/api/v1/fleets", fleet.to_string()).await.status(), 201);
    let policy =
        "currency = \"<u>EUR\\u202E\"\n[[promise]]\nid = \"<i>p\\u202E\"\nkind = \"fix-within\"\ndays = 30\n";
    assert_eq!(put_policy(&server, policy).await.status(), 201);
    let group = server.json("/api/v1/wait").await["groups"][0]["name"].as_str().unwrap().to_owned();
    let mut group_page = url::Url::parse("http://x/risk/group").unwrap();
    group_page.query_pairs_mut().append_pair("name", &group);
    let group_page = format!("{}?{}", group_page.path(), group_page.query().unwrap());
    for path in PAGES.into_iter().chain(["/", "/clocks", "/backtest", &group_page]) {
        let page = server.text(path).await;
        for bad in [
            "<script",
            "<u>EUR",
            "<i>p",
            "<b>\u{202e}",
            " onload=\"",
            "style=\"",
            "\u{202e}",
            "\u{1b}",
            "\u{7}",
        ] {
            assert!(!page.contains(bad), "{path}: {bad:?}");
        }
    }
    assert!(server.text("/risk").await.contains("&lt;u&gt;EUR\u{fffd}"));
    // The outcome of what was never foretold, by every way and name.
    let evil = "%3Cscript%3E%E2%80%AEx";
    let missing =
        server.post(&format!("/api/v1/predictions/{evil}/outcome"), "{\"happened\": true}".to_owned()).await;
    assert_eq!(
        (missing.status().as_u16(), missing.headers()["content-type"].to_str().unwrap()),
        (404, "application/problem+json")
    );
    let form = |body: &'static str| {
        let kind = "application/x-www-form-urlencoded";
        server
            .http
            .post(server.url(&format!("/risk/calibration/{evil}")))
            .header("content-type", kind)
            .body(body)
            .send()
    };
    for (body, status) in
        [("happened=true", 404), ("happened=perhaps", 400), ("", 400), ("happened=true&happened=false", 400)]
    {
        let refused = form(body).await.unwrap();
        assert_eq!(refused.status(), status, "{body}");
        let page = refused.text().await.unwrap();
        assert!(page.contains("<h1>") && !page.contains("<script") && !page.contains('\u{202e}'), "{body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(server.post("/api/v1/predictions/o-0/outcome", deep).await.status(), 400);
}

/// While the risk of a great fleet is worked out, other pages answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_risk_of_a_great_fleet_keeps_no_other_page_waiting() {
    let server = with_fleet(&hosts(400)).await;
    let url = server.url("/api/v1/risk");
    let http = server.http.clone();
    let working = tokio::spawn(async move { http.get(url).send().await.unwrap().status() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    for path in ["/api/v1/health", "/hosts", "/policy", "/risk/calibration"] {
        let started = std::time::Instant::now();
        assert_eq!(server.get(path).await.status(), 200, "{path}");
        assert!(started.elapsed() < Duration::from_secs(5), "{path}: {:?}", started.elapsed());
        assert!(
            !working.is_finished() || path != "/api/v1/health",
            "the risk was worked out at the same time"
        );
    }
    let started = std::time::Instant::now();
    assert_eq!(working.await.unwrap(), 200);
    println!("the rest of the risk of 400 hosts: {:?}", started.elapsed());
}
