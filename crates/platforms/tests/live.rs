//! The real collector on the machine that runs the tests, against tools that share no code with it.
#![cfg(target_os = "linux")]

use std::net::TcpListener;
use std::process::Command;

use underpin_platforms::local::{Root, collect};

#[test]
fn the_real_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let at = "2026-08-22T00:00:00Z".parse().unwrap();
    let collected = collect(&Root::live(), at, "collect local").unwrap();
    let host = &collected.fleet.hosts[0];

    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(host.boot_id.as_deref(), Some(boot_id.trim()));
    let uname = Command::new("uname").arg("-r").output().unwrap();
    assert_eq!(host.kernel_release.as_deref(), Some(String::from_utf8(uname.stdout).unwrap().trim()));
    assert_eq!(collected.fleet.seen.by, "collect local");

    let own = host.listeners.iter().find(|l| l.protocol == "tcp" && l.port == Some(port)).unwrap();
    assert_eq!(own.address, "127.0.0.1");
    let program = std::env::current_exe().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(own.program.as_deref(), Some(program.as_str()));

    match Command::new("dpkg-query").args(["-W", "-f", "${Package} ${Version} ${Architecture}\n"]).output() {
        Ok(answer) if answer.status.success() && !answer.stdout.is_empty() => {
            let mut expected: Vec<String> =
                String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect();
            let mut seen: Vec<String> = host
                .components
                .as_ref()
                .unwrap()
                .components
                .iter()
                .filter(|c| c.arch.is_some())
                .map(|c| format!("{} {} {}", c.name, c.version, c.arch.as_deref().unwrap()))
                .collect();
            expected.sort();
            seen.sort();
            assert_eq!(seen, expected);
        }
        _ => {
            assert_ne!(std::env::var("UNDERPIN_REQUIRE_ALL").as_deref(), Ok("1"), "dpkg-query is missing");
            println!("skipped: dpkg-query not found");
        }
    }
    // What was collected can be written and read again.
    let text = serde_json::to_string(&collected.fleet).unwrap();
    let again: underpin_model::fleet::Fleet = serde_json::from_str(&text).unwrap();
    assert_eq!(again, collected.fleet);
}
