//! The static wave model beside a plan's waves: a line for each cluster.

use underpin_model::plan::{Forced, StaticWaves, WaveForce};

use super::Shown;
use super::words::amount;
use crate::output::wrapped;

/// Reasons that a line names.
const SHOWN: usize = 3;

impl Shown<'_> {
    /// What the static model says of each cluster's waves, and what forces more.
    pub(super) fn static_waves(&self) -> String {
        let Some(report) = self.report.filter(|it| !it.static_waves.is_empty()) else { return String::new() };
        let mut text = "\n".to_owned();
        for it in report.static_waves.iter().take(self.most()) {
            text += &wrapped(&line(it), "", self.width);
        }
        text + &self.more(report.static_waves.len())
    }
}

fn line(it: &StaticWaves) -> String {
    let mut line = format!(
        "static model of {}: at least {}, planned in {}",
        it.cluster,
        many(it.at_least, "wave"),
        it.waves
    );
    let reasons: Vec<String> = it.forced.iter().take(SHOWN).map(reason).collect();
    if !reasons.is_empty() {
        let more = (it.forced.len() - reasons.len()) as u64 + u64::from(it.not_shown);
        let more = if more > 0 { format!("; {more} reasons more in the report") } else { String::new() };
        line += &format!(": {}{more}", reasons.join("; "));
    }
    if let Some(why) = &it.why {
        line += &format!(" ({why})");
    }
    line
}

pub(super) fn reason(force: &WaveForce) -> String {
    let held = |reserve: bool| if reserve { ", the reserve for a failure counted" } else { "" };
    match &force.what {
        Forced::Stages { stages, at_least } => {
            format!("{stages} stages (rings, canaries) need {at_least}")
        }
        Forced::MostAway { of, most, at_least: 0 } => {
            format!("at most {} away of a {of}", many(*most, "host"))
        }
        Forced::MostAway { of, most, at_least } => {
            format!("at most {} away of a {of} need {at_least}", many(*most, "host"))
        }
        Forced::Coordinator { host } => format!("{host} comes first and alone, it speaks for its pool"),
        Forced::Window { wave, .. } => format!("wave {wave} waits for a window, a consent or a lock"),
        Forced::Room { wave, resource, short, reserve } => {
            let short = amount(resource, *short);
            format!("with wave {wave} together {short} would be missing{}", held(*reserve))
        }
        Forced::Restartability { wave, short: 0, .. } => {
            format!("with wave {wave} together a failure would leave guests without a place")
        }
        Forced::Restartability { wave, resource, short } => {
            let short = amount(resource, *short);
            format!("with wave {wave} together a failure would find no place for {short}")
        }
        Forced::NoTarget { wave, vm, rules: true, .. } => {
            format!("with wave {wave} together rules leave no host to {vm}")
        }
        Forced::NoTarget { wave, vm, .. } => format!("with wave {wave} together there is no room for {vm}"),
        Forced::Moves { wave, count, .. } => {
            format!("{count} guests stand on hosts of wave {wave} meanwhile")
        }
        Forced::NotFound { wave } => format!("nothing found that keeps wave {wave} apart"),
    }
}

fn many(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
