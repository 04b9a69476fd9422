//! `serve`: starts, says where, answers, ends when asked to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Ran, run, underpin};

/// Ends the server also when a test fails.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[cfg(unix)]
#[test]
fn the_sample_is_served_until_the_process_is_asked_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let child = underpin()
        .args(["serve", "--sample", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(Some(child));
    let child = running.0.as_mut().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    let page = get(&address, "/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("What to do first"), "{page}");
    let health = get(&address, "/api/v1/health");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "it goes on after SIGTERM");
        std::thread::sleep(Duration::from_millis(50));
    }
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
