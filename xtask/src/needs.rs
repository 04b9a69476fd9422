//! Programs outside the Rust toolchain that tests compare with or drive.

use std::process::Command;

use anyhow::Result;

use crate::process;

/// A program, the Debian package that brings it, and what cannot be tested without it.
pub(crate) struct Need {
    /// Any of these names will do.
    programs: &'static [&'static str],
    package: &'static str,
    tests: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        programs: &["chromium", "chromium-browser", "google-chrome"],
        package: "chromium",
        tests: "browser tests",
    },
    Need { programs: &["chromedriver"], package: "chromium-driver", tests: "browser tests" },
    Need { programs: &["dpkg"], package: "dpkg", tests: "version order against dpkg, collection on Debian" },
    Need { programs: &["debsecan"], package: "debsecan", tests: "matching against debsecan" },
    Need { programs: &["python3"], package: "python3", tests: "ingest speed against json.loads" },
    Need { programs: &["rpm"], package: "rpm", tests: "version order against rpm, collection on RPM hosts" },
];

impl Need {
    fn is_met(&self) -> bool {
        self.programs.iter().any(|program| process::is_installed(program))
    }

    /// What is missing and what that costs.
    pub(crate) fn describe(&self) -> String {
        format!(
            "`{}` is not installed (package {}): skips {}",
            self.programs.join("` or `"),
            self.package,
            self.tests
        )
    }
}

/// What is still missing after installing what can be installed: as root and where apt is, everything.
pub(crate) fn missing() -> Vec<&'static Need> {
    let missing = unmet();
    if !missing.is_empty() && is_root() && process::is_installed("apt-get") {
        let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
        println!("    installing {}", packages.join(" "));
        if let Err(error) = install(&packages) {
            println!("    {error:#}");
        }
    }
    unmet()
}

fn unmet() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !need.is_met()).collect()
}

fn install(packages: &[&str]) -> Result<()> {
    apt_get(&["update"])?;
    apt_get(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    let finished = process::run(command)?;
    anyhow::ensure!(finished.success, "apt-get {} failed:\n{}", arguments.join(" "), finished.output);
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
