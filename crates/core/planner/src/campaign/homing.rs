//! Guests that come home after their host was changed, and those that something keeps away from it.

use std::collections::BTreeMap;

use underpin_model::plan::{Rule, Severity, Standing};
use underpin_model::policy::Homing;

use super::drive::Driven;
use super::facts::Facts;
use super::leave::{Departure, How};
use super::stage::{Cluster, Shared};
use super::timing::Work;

/// Why a guest stays where it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StaysAway {
    /// At home its application would wholly be on a release that soaks.
    Diversity,
    /// It steers the roll-out, and its home soaks as a canary.
    Controller,
    /// A rule binds it to other hosts, or its home has not what it needs.
    Home,
    /// It must be apart from a guest that is there, or comes there.
    Apart,
    /// One that it must be with does not come.
    Together,
    /// The change leaves its home too little room.
    LessRoom,
    /// Its home is still to be changed.
    Due,
    /// Its home is in maintenance, or nobody knows what it has.
    Shut,
    /// Its home has no room for it by now.
    NoRoom,
    /// Neither it nor its owner lets it move.
    NotAllowed,
    /// Its home's release or link does not let it come.
    NoWay,
    /// A failure would leave guests without a place.
    Reserve,
    /// There is no time for it.
    NoTime,
}

impl StaysAway {
    fn says(self) -> &'static str {
        match self {
            Self::Diversity => "at home its application would wholly be on a release that soaks",
            Self::Controller => "it steers the roll-out, and its home soaks as a canary",
            Self::Home => "a rule binds it to other hosts, or its home has not what it needs",
            Self::Apart => "at home it would be with a guest that it must be apart from",
            Self::Together => "one that it must be with does not come home",
            Self::LessRoom => "the change leaves its home too little room",
            Self::Due => "its home is still to be changed",
            Self::Shut => "its home is in maintenance, or nobody knows what it has room for",
            Self::NoRoom => "its home has no room for it by now",
            Self::NotAllowed => "what it allows, a lock or its owner does not let it move",
            Self::NoWay => "its home's release is older than where it stands, or its link too narrow",
            Self::Reserve => "a failure would leave guests without a place",
            Self::NoTime => "windows, freezes, its owner or limits leave no time for it",
        }
    }
}

impl<'f, 'a> Cluster<'f, 'a> {
    /// Says who returns after the wave to a host that has a release by then: all that moved, but those that something keeps away.
    pub(super) fn send_home(
        &self,
        shared: &Shared<'f, 'a>,
        release: Option<u32>,
        work: &mut Work,
        works: &[Work],
        canary: bool,
    ) {
        if shared.homing == Homing::Drift {
            return;
        }
        // Those that made room stay: where they came from is on an older release by then, or taken.
        let own = work.departures.iter().filter(|it| it.how.moves() && it.from == work.host);
        let (mut home, mut away) = (Vec::new(), Vec::new());
        // Where they are may be on a later release than their home gets; who runs does not go back from there.
        let lower = |it: &Departure| {
            let stands = self.rooms.release_of(it.to);
            it.how == How::Live && stands.zip(release).is_some_and(|(stands, home)| stands > home)
        };
        for it in own {
            let guest = it.guest;
            let kept = self.kept_away(guest, work.host, works, &home, canary);
            match kept.or_else(|| lower(it).then_some(StaysAway::NoWay)) {
                Some(why) => away.push((guest, why)),
                None => home.push(guest),
            }
        }
        (work.come_home, work.stay_away) = (home, away);
        self.hold_back_with_others(work);
    }

    pub(super) fn kept_away(
        &self,
        guest: u32,
        host: u32,
        works: &[Work],
        home: &[u32],
        canary: bool,
    ) -> Option<StaysAway> {
        let facts = self.rooms.facts;
        let groups = &facts.guests[guest as usize].apart;
        // Guests that should never have been on one host do not come back to it together.
        let meets = |other: &u32| facts.guests[*other as usize].apart.iter().any(|it| groups.contains(it));
        if facts.in_maintenance(host) {
            Some(StaysAway::Shut)
        } else if canary && facts.guests[guest as usize].controller {
            Some(StaysAway::Controller)
        } else if canary && self.undiverse(guest, host, works, home).is_some() {
            Some(StaysAway::Diversity)
        } else if !facts.may_stand(guest, host) {
            Some(StaysAway::Home)
        } else if home.iter().any(meets) || !self.rooms.stands_apart(guest, host) {
            Some(StaysAway::Apart)
        } else {
            None
        }
    }

    /// Those that must be together come home together, or none of them does.
    pub(super) fn hold_back_with_others(&self, work: &mut Work) {
        let (all, host) = (work.come_home.clone(), work.host);
        self.hold_back(work, StaysAway::Together, |guest| {
            let together = &self.rooms.facts.guests[guest as usize].together;
            together.iter().all(|other| all.contains(other) || self.rooms.at(*other) == host)
        });
    }

    /// Keeps away those of who would come home that do not pass.
    pub(super) fn hold_back(&self, work: &mut Work, why: StaysAway, mut passes: impl FnMut(u32) -> bool) {
        let (home, away): (Vec<u32>, Vec<u32>) =
            std::mem::take(&mut work.come_home).into_iter().partition(|&it| passes(it));
        work.come_home = home;
        work.stay_away.extend(away.into_iter().map(|it| (it, why)));
    }
}

/// Guests that are to come home and do not, each with what keeps it.
pub(super) fn not_home(facts: &Facts<'_>, driven: &Driven) -> Vec<Standing> {
    if driven.homing == Homing::Drift {
        return Vec::new();
    }
    let mut ends: BTreeMap<u32, (u32, &'static str)> = BTreeMap::new();
    let mut waves: Vec<_> = driven.waves.iter().chain(&driven.way_home).map(|it| &it.staged).collect();
    waves.sort_by_key(|it| it.start);
    for work in waves.into_iter().flat_map(|it| &it.works) {
        for it in work.departures.iter().filter(|it| it.how.moves()) {
            let why = if work.only_takes() {
                ""
            } else if it.from != work.host {
                "it made room for another"
            } else if work.hops.is_empty() {
                "it left before its host was changed, while its owner's window was open"
            } else {
                let kept = work.stay_away.iter().find(|away| away.0 == it.guest);
                // Who comes to a home that is none of its own stays away for the reason that it did before.
                kept.map_or_else(|| ends.get(&it.guest).map_or("", |it| it.1), |it| it.1.says())
            };
            ends.insert(it.guest, (it.to, why));
        }
        for &guest in &work.come_home {
            ends.entry(guest).and_modify(|it| it.0 = work.host);
        }
    }
    for (&guest, it) in &driven.homeward {
        if let Some(why) = it.kept {
            ends.entry(guest).or_insert((facts.home[guest as usize], "")).1 = why.says();
        }
    }
    let home = |guest: u32| driven.homeward.get(&guest).map_or(facts.home[guest as usize], |it| it.home);
    let away = ends.into_iter().filter(|(guest, at)| home(*guest) != at.0);
    let told = away.map(|(guest, (at, why))| {
        let name = |host: u32| facts.hosts[host as usize].it.id.as_str();
        Standing {
            rule: Rule::FinalState,
            severity: Severity::Worse,
            place: facts.guests[guest as usize].it.id.as_str().to_owned(),
            text: format!("it ends on {}, not at home on {}: {why}", name(at), name(home(guest))),
        }
    });
    told.collect()
}
