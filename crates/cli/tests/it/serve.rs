//! `serve`: starts, says where, answers, ends when asked to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Ran, file, run, underpin};

/// Ends the server also when a test fails.
pub(crate) struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A server on this data folder, once it says where it is.
pub(crate) fn start(data: &Path, listen: &str, more: &[&str]) -> (Running, String) {
    let child = underpin()
        .args(["serve", "--listen", listen, "--data", data.to_str().unwrap()])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(Some(child));
    let mut line = String::new();
    BufReader::new(running.0.as_mut().unwrap().stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert!(!address.is_empty(), "it does not say where it is");
    (running, address)
}

/// Waits until the process has ended.
#[track_caller]
fn ended(child: &mut Child, otherwise: &str) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "{otherwise}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn get(address: &str, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

pub(crate) fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[cfg(unix)]
#[test]
fn the_sample_is_served_until_the_process_is_asked_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (mut running, address) = start(&data, "127.0.0.1:0", &["--sample"]);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let child = running.0.as_mut().unwrap();
    let page = get(&address, "/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("What to do first"), "{page}");
    let health = get(&address, "/api/v1/health");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    ended(child, "it goes on after SIGTERM");
    let ended = running.0.take().unwrap().wait_with_output().unwrap();
    Ran::from(ended).ends(0);
    assert!(data.is_dir());
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&["serve", "--listen", "0.0.0.0:0", "--data", dir.path().to_str().unwrap()]).ends(4);
    assert!(ran.stderr.contains("error[UP0009]") && ran.stderr.contains("no sign-in"), "{}", ran.stderr);
}

#[test]
fn a_data_folder_is_served_by_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let (running, address) = start(dir.path(), "127.0.0.1:0", &[]);
    let data = dir.path().to_str().unwrap();
    let second = underpin()
        .args(["serve", "--listen", "127.0.0.1:0", "--data", data])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut second = Running(Some(second));
    ended(second.0.as_mut().unwrap(), "a second process serves the same folder");
    let ran = Ran::from(second.0.take().unwrap().wait_with_output().unwrap()).ends(4);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    for words in ["error[UP0009]", data, "in use by another process", "--data"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(get(&address, "/api/v1/health").starts_with("HTTP/1.1 200"), "the first one goes on");
    // The lock ends with the process, not with the file.
    drop(running);
    assert!(dir.path().join("underpin.lock").exists());
    let (_running, address) = start(dir.path(), "127.0.0.1:0", &[]);
    assert!(get(&address, "/api/v1/health").starts_with("HTTP/1.1 200"));
}

/// Puts a policy into the store of a data folder unread, as an older version may have done.
fn in_force(data: &Path, policy: &str) {
    let put = async {
        let store = underpin_store::Store::open(&data.join("underpin.sqlite")).await.unwrap();
        store
            .put_in_force(underpin_store::Ruling::Policy, policy.as_bytes(), jiff::Timestamp::now())
            .await
            .unwrap();
        store.close().await;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(put);
}

#[test]
fn a_policy_that_is_refused_now_can_be_corrected_and_put_in_force_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (_, data) = (start(dir.path(), "127.0.0.1:0", &[]), dir.path().to_str().unwrap());
    in_force(dir.path(), "[parameters]\nrho = 1.5\n");
    let ran = run(&["serve", "--listen", "127.0.0.1:0", "--data", data]).ends(4);
    let file = dir.path().join("refused-policy.toml");
    let path = file.to_str().unwrap();
    for words in
        ["the policy in force, which is in the store, is refused", "parameters.rho.value", "--policy", path]
    {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[parameters]\nrho = 1.5\n");
    std::fs::write(&file, "[parameters]\nrho = 0.5\n").unwrap();
    let (_running, address) = start(dir.path(), "127.0.0.1:0", &["--policy", path]);
    assert!(get(&address, "/api/v1/policy").contains("rho = 0.5"));
}

#[test]
fn what_was_pulled_is_served_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let advisory = include_str!("fixtures/feeds/ALSA-2024-0001.json");
    file(&dir, "feeds/example.org/2024/alsa.json", advisory);
    let fleet = include_str!("fixtures/fleet.json");
    let (_running, address) = start(dir.path(), "127.0.0.1:0", &[]);
    let post = |path: &str, body: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length:");
        ask(&address, &format!("{head} {}\r\n\r\n{body}", body.len()))
    };
    assert!(post("/api/v1/fleets", fleet).starts_with("HTTP/1.1 201"));
    let known = get(&address, "/api/v1/advisories/ALSA-2024:0001");
    assert!(known.starts_with("HTTP/1.1 200") && known.contains("\"feed\":\"example.org\""), "{known}");
    let hit = get(&address, "/api/v1/exposures?asset=kvm-01&vulnerability=CVE-2023-0001");
    assert!(hit.contains("\"status\":\"affected\""), "{hit}");
    // An upload may not pass for it.
    let refused = post("/api/v1/feeds?name=example.org", advisory);
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("example.org"), "{refused}");
}

#[cfg(target_os = "linux")]
#[test]
fn only_the_names_and_the_address_that_it_was_given_are_served() {
    let dir = tempfile::tempdir().unwrap();
    // The whole of 127.0.0.0/8 is loopback here, so that this is an address of its own.
    let (_running, address) = start(dir.path(), "127.0.0.2:0", &["--allow-host", "fleet.example"]);
    let port = address.rsplit_once(':').unwrap().1;
    for (host, status) in [
        (address.clone(), "200"),
        (format!("localhost:{port}"), "200"),
        ("fleet.example".to_owned(), "200"),
        ("Fleet.Example:443".to_owned(), "200"),
        (format!("127.0.0.3:{port}"), "421"),
        ("127.0.0.2:1".to_owned(), "421"),
        (format!("other.example:{port}"), "421"),
        (format!("evil.fleet.example:{port}"), "421"),
    ] {
        let request = format!("GET /api/v1/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = ask(&address, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
    }
}
