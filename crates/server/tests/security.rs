//! Who may ask, and what browsers are told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail loudly"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Rules, Server, fleet};
use underpin_server::{Config, Error, bind};
use underpin_store::Store;

#[tokio::test]
async fn only_loopback_is_bound_unless_remote_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("s")).await.unwrap();
    let config = Config { listen: ([0, 0, 0, 0], 0).into(), ..Config::default() };
    let refused = bind(config.clone(), store.clone(), Arc::new(Rules)).await.err();
    assert!(matches!(refused, Some(Error::Remote(_))), "{refused:?}");
    let allowed = bind(Config { allow_remote: true, ..config }, store, Arc::new(Rules)).await;
    assert_ne!(allowed.unwrap().address().port(), 0);
    assert!(Config::default().listen.ip().is_loopback() && !Config::default().allow_remote);
}

#[tokio::test]
async fn only_own_host_names_are_served() {
    let config = Config { allowed_hosts: vec!["fleet.example".to_owned()], ..Config::default() };
    let server = Server::with(config, tempfile::tempdir().unwrap()).await;
    let port = server.address.port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("fleet.example".to_owned(), 200),
        ("localhost:1".to_owned(), 421),
        (format!("evil.example:{port}"), 421),
        (format!("localhost.evil.example:{port}"), 421),
        ("localhost".to_owned(), 421),
    ] {
        for path in ["/api/v1/health", "/"] {
            let got = server.http.get(server.url(path)).header("host", &host).send().await.unwrap();
            assert_eq!(got.status(), status, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn headers_that_never_end_lose_their_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let config = Config { header_timeout: Duration::from_millis(300), ..Config::default() };
    let server = Server::with(config, tempfile::tempdir().unwrap()).await;
    for head in ["", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut client = tokio::net::TcpStream::connect(server.address).await.unwrap();
        // A byte now and then must not keep it open.
        let dripping = async {
            client.write_all(head.as_bytes()).await?;
            let mut answer = [0; 16];
            loop {
                let quiet = Duration::from_millis(50);
                match tokio::time::timeout(quiet, client.read(&mut answer)).await {
                    Ok(read) => return read,
                    Err(_) if head.is_empty() => {}
                    Err(_) => client.write_all(b"a").await?,
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), dripping).await;
        assert!(ended.is_ok(), "{head:?}: it is still open");
    }
    assert_eq!(server.get("/api/v1/health").await.status(), 200);
}

#[tokio::test]
async fn another_site_cannot_change_anything() {
    let server = Server::start().await;
    let own = format!("http://{}", server.address);
    let body = fleet(2, 1).to_string();
    for path in [
        "/api/v1/fleets",
        "/fleets",
        "/feeds",
        "/assessments",
        "/api/v1/feeds",
        "/api/v1/assessments",
        "/api/v1/policy",
        "/policy",
        "/api/v1/evidence",
        "/evidence",
        "/api/v1/epss",
        "/backtest",
        "/risk/calibration/o-0",
        "/api/v1/predictions/o-0/outcome",
    ] {
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let request = server.http.post(server.url(path)).header(name, value).body(body.clone());
            assert_eq!(request.send().await.unwrap().status(), 403, "{path} {name}: {value}");
        }
    }
    assert!(server.store.fleets().await.unwrap().is_empty());
    let request = server.http.post(server.url("/api/v1/fleets")).header("origin", own);
    let request = request.header("sec-fetch-site", "same-origin").body(body);
    assert_eq!(request.send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = Server::filled().await;
    for path in ["/", "/api/v1/health", "/nothing", "/api/v1/nothing", "/assets/style.css"] {
        let response = server.get(path).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.headers()["cross-origin-opener-policy"], "same-origin", "{path}");
        assert!(response.headers().contains_key("referrer-policy"), "{path}");
    }
}

#[tokio::test]
async fn what_comes_from_outside_is_escaped() {
    let server = Server::filled().await;
    server.post("/api/v1/feeds?name=noise", "not json".to_owned()).await;
    for path in [
        "/",
        "/hosts",
        "/feeds",
        "/advisories/DSA-1",
        "/ripple?at=esx%2F1%20%3Cb%3E",
        "/hosts/esx%2F1%20%3Cb%3E",
    ] {
        let text = server.text(path).await;
        assert!(!text.contains("<script") && !text.contains("<b> ") && !text.contains("esx/1 <b>"), "{path}");
        assert!(!text.contains("style=\""), "{path}: the policy forbids inline styles");
    }
    assert!(server.text("/feeds").await.contains("&lt;b&gt;at all&lt;/b&gt;"));
}
