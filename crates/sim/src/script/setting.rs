//! `set`: what the simulated platform does by itself, and how fast.

use underpin_model::change::Method;
use underpin_model::policy::Durations;

use super::Session;
use super::words::{Arguments, Wrong, duration_ms, number_u32, spread, switch};
use crate::datacentre::Settings;

/// The words after `set`.
pub(super) const KNOWN: &str = "exact=on, stage=10m/20m, patch=, reboot=, attest=, verify= (of every method with them), guest-boot=, \
     guest-action=, plane-boot=, ha-detects=, balancer-every=, balancer-percent=, auto-start-after=, migration-timeout=, \
     reboot-timeout= (never: off), longest-pause=, rounds=, refuses-occupied=, evacuation-waits=, refuses-lower=, vtpm-moves=";

const METHODS: [Method; 4] = [Method::EvacuateReboot, Method::PowerOff, Method::QuickBoot, Method::LivePatch];

fn limit(text: &str) -> Result<Option<u64>, Wrong> {
    if text == "off" { Ok(None) } else { duration_ms(text).map(Some) }
}

impl Session {
    pub(super) fn set(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let mut new = self.datacentre.settings().clone();
        durations(&mut new, rest)?;
        let it = &mut new;
        it.exact = rest.parsed("exact", switch)?.unwrap_or(it.exact);
        it.guest_boot = rest.parsed("guest-boot", spread)?.unwrap_or(it.guest_boot);
        it.guest_action = rest.parsed("guest-action", spread)?.unwrap_or(it.guest_action);
        it.plane_boot = rest.parsed("plane-boot", spread)?.unwrap_or(it.plane_boot);
        it.ha_detects_ms = rest.parsed("ha-detects", duration_ms)?.unwrap_or(it.ha_detects_ms);
        it.balancer_ms = rest.parsed("balancer-every", duration_ms)?.unwrap_or(it.balancer_ms);
        let percent = rest.parsed("balancer-percent", |text| number_u32(text, 1, 100))?;
        it.balancer_percent = percent.unwrap_or(it.balancer_percent);
        it.auto_start_ms = rest.parsed("auto-start-after", duration_ms)?.unwrap_or(it.auto_start_ms);
        it.migration_timeout_ms = rest.parsed("migration-timeout", limit)?.unwrap_or(it.migration_timeout_ms);
        it.reboot_timeout_ms = rest.parsed("reboot-timeout", limit)?.unwrap_or(it.reboot_timeout_ms);
        let pause_ms = rest.parsed("longest-pause", duration_ms)?.and_then(|it| u32::try_from(it).ok());
        it.longest_pause_ms = pause_ms.unwrap_or(it.longest_pause_ms);
        it.most_rounds = rest.parsed("rounds", |text| number_u32(text, 1, 1000))?.unwrap_or(it.most_rounds);
        it.refuses_occupied = rest.parsed("refuses-occupied", switch)?.unwrap_or(it.refuses_occupied);
        it.evacuation_waits = rest.parsed("evacuation-waits", switch)?.unwrap_or(it.evacuation_waits);
        it.refuses_lower = rest.parsed("refuses-lower", switch)?.unwrap_or(it.refuses_lower);
        it.vtpm_moves = rest.parsed("vtpm-moves", switch)?.unwrap_or(it.vtpm_moves);
        rest.end(KNOWN)?;
        *self.datacentre.settings_mut() = new;
        Ok(Vec::new())
    }
}

fn durations(new: &mut Settings, rest: &mut Arguments) -> Result<(), Wrong> {
    let stage = rest.parsed("stage", spread)?;
    let patch = rest.parsed("patch", spread)?;
    let reboot = rest.parsed("reboot", spread)?;
    let attest = rest.parsed("attest", spread)?;
    let verify = rest.parsed("verify", spread)?;
    for method in METHODS {
        let old = new.durations_of(method);
        let with = Durations {
            stage: stage.unwrap_or(old.stage),
            patch: patch.unwrap_or(old.patch),
            // Live patches do not reboot, and a quick boot has a time of its own.
            reboot: reboot
                .filter(|_| matches!(method, Method::EvacuateReboot | Method::PowerOff))
                .unwrap_or(old.reboot),
            attest: attest.unwrap_or(old.attest),
            verify: verify.unwrap_or(old.verify),
            rollback: old.rollback,
        };
        if with != old {
            new.durations.insert(method, with);
        }
    }
    Ok(())
}
