//! Commands about faults.

use underpin_model::fleet::Capacity;

use super::Session;
use super::words::{Arguments, Wrong, duration_ms, fraction, number_u32, size_mib};
use crate::fault::{Changed, Fault, FaultKind, Often, Scope};

/// What follows a fault's word.
const KNOWN: &str =
    "host=, vm=, action=, count=, rate=, for= or in=, and what the kind of fault takes (`help fault`)";

impl Session {
    pub(super) fn fault(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let name = rest.name("a kind of fault; `help fault` lists them")?;
        let kind = kind(&name, rest)?;
        let scope = Scope { host: rest.value("host"), vm: rest.value("vm"), action: rest.value("action") };
        for (of, known) in [
            (&scope.host, scope.host.as_ref().is_none_or(|it| self.is_element(it))),
            (&scope.vm, scope.vm.as_ref().is_none_or(|it| self.datacentre.guest_at(it).is_some())),
        ] {
            if let Some(id) = of.as_ref().filter(|_| !known) {
                return Err(Wrong::new(id, "something that exists"));
            }
        }
        let strikes_at_once =
            matches!(kind, FaultKind::PowerLoss | FaultKind::Partition | FaultKind::Flapping { .. });
        if strikes_at_once && scope.host.is_none() {
            return Err(Wrong::new(&name, "host=NAME: this fault is about one host"));
        }
        let count = rest.parsed("count", |it| number_u32(it, 1, u32::MAX))?;
        let rate = rest.parsed("rate", |it| fraction(it, 1.0))?;
        let often = match (count, rate) {
            (Some(_), Some(_)) => return Err(Wrong::new("count= and rate=", "one of them")),
            (Some(count), None) => Often::Times(count),
            (None, Some(rate)) => Often::Rate(rate),
            (None, None) => Often::Always,
        };
        let lasts_ms = rest.parsed("for", duration_ms)?;
        let in_ms = rest.parsed("in", duration_ms)?;
        rest.end(KNOWN)?;
        let begins_ms = self.datacentre.clock_ms().saturating_add(in_ms.unwrap_or(0));
        let until_ms = lasts_ms.map(|it| begins_ms.saturating_add(it));
        let fault = Fault { kind, scope, often, until_ms };
        match in_ms {
            Some(in_ms) => self.datacentre.schedule_fault(in_ms, fault),
            None => {
                self.datacentre.add_fault(fault);
            }
        }
        Ok(Vec::new())
    }

    fn is_element(&self, id: &str) -> bool {
        let index = &self.datacentre.index;
        index.hosts.contains_key(id) || index.storage.contains_key(id) || index.planes.contains_key(id)
    }

    /// Mends a fault by its number or kind, or all of them.
    pub(super) fn mend(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let what = rest.name("the number or kind of a fault, or all")?;
        rest.end("nothing after it")?;
        let matching: Vec<u64> = self
            .datacentre
            .faults()
            .filter(|(number, it)| what == "all" || it.kind.name() == what || what == number.to_string())
            .map(|(number, _)| number)
            .collect();
        if matching.is_empty() && what != "all" {
            return Err(Wrong::new(what, "a fault that is there; `show faults` lists them"));
        }
        for number in matching {
            self.datacentre.mend(number);
        }
        Ok(Vec::new())
    }

    pub(super) fn power_on(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let host = rest.name("a host that is down")?;
        rest.end("nothing after the host")?;
        if self.datacentre.power_on(&host) {
            Ok(Vec::new())
        } else {
            Err(Wrong::new(host, "a host that is down"))
        }
    }
}

/// A kind of fault with what it takes.
fn kind(name: &str, rest: &mut Arguments) -> Result<FaultKind, Wrong> {
    let factor = |rest: &mut Arguments| {
        let factor = rest.parsed("factor", |it| fraction(it, 1000.0))?;
        factor.ok_or_else(|| Wrong::new(name, "factor=N: how many times as long"))
    };
    Ok(match name {
        "migration-fails" => FaultKind::MigrationFails,
        "migration-stalls" => FaultKind::MigrationStalls,
        "no-return" => FaultKind::NoReturn,
        "no-reboot" => FaultKind::NoReboot,
        "slow-return" => FaultKind::SlowReturn(factor(rest)?),
        "slow-storage" => FaultKind::SlowStorage(factor(rest)?),
        "returns-with" => FaultKind::ReturnsWith(changed(rest)?),
        "api-timeout" => FaultKind::ApiTimeout,
        "lost-reply" => FaultKind::LostReply,
        "stale-inventory" => FaultKind::StaleInventory,
        "hangs" => FaultKind::Hangs { on: rest.value("on") },
        "lies" => FaultKind::Lies,
        "attestation-differs" => FaultKind::AttestationDiffers,
        "partition" => FaultKind::Partition,
        "power-loss" => FaultKind::PowerLoss,
        "clock-skew" => {
            let ahead = rest.parsed("ahead", duration_ms)?;
            let behind = rest.parsed("behind", duration_ms)?;
            let ms = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
            match (ahead, behind) {
                (Some(it), None) => FaultKind::ClockSkew(ms(it)),
                (None, Some(it)) => FaultKind::ClockSkew(-ms(it)),
                _ => return Err(Wrong::new(name, "ahead=DURATION or behind=DURATION")),
            }
        }
        "flapping" => FaultKind::Flapping {
            away_ms: rest.parsed("away", duration_ms)?.unwrap_or(20_000),
            back_ms: rest.parsed("back", duration_ms)?.unwrap_or(40_000),
        },
        "slow-link" => {
            let mbps = rest.parsed("mbps", |it| number_u32(it, 0, 10_000_000))?;
            FaultKind::SlowLink(mbps.ok_or_else(|| Wrong::new(name, "mbps=N"))?)
        }
        other => return Err(Wrong::new(other, "a kind of fault; `help fault` lists them")),
    })
}

fn changed(rest: &mut Arguments) -> Result<Changed, Wrong> {
    let setting = rest.value("setting");
    let setting = setting.map(|it| {
        let split = it.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        split.ok_or_else(|| Wrong::new(it, "setting=NAME:VALUE"))
    });
    let changed = Changed {
        uplinks: rest.parsed("uplinks", |it| number_u32(it, 0, 1000))?,
        storage_paths: rest.parsed("paths", |it| number_u32(it, 0, 1000))?,
        capacity: Capacity {
            memory_mib: rest.parsed("memory", size_mib)?,
            vcpus: rest.parsed("vcpus", |it| number_u32(it, 0, 1 << 20))?,
            ..Capacity::default()
        },
        settings: setting.transpose()?.into_iter().collect(),
    };
    if changed == Changed::default() {
        return Err(Wrong::new("returns-with", "uplinks=, paths=, memory=, vcpus= or setting=NAME:VALUE"));
    }
    Ok(changed)
}
