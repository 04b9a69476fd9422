//! Shocks of bad releases: that of the platform, and those of components that are known to be bad.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use underpin_exposure::Assessment;
use underpin_model::fleet::{HardwareClass, PlatformRelease};

use super::Unpriced;
use super::classes::Classes;
use super::derivation::ShockDerivation;
use super::regression::{Regression, Regressions};
use super::shocks::{Setting, Shocks, mark};
use super::survey::{Survey, number};
use crate::portfolio::{Cause, Impact, Response};
use crate::wait::known_bad::{Bad, KnownBad};
use crate::wait::running;

/// Hosts on which the same runs.
struct OnClass<'s> {
    runs: Option<Cow<'s, PlatformRelease>>,
    /// What is known to be bad there.
    bad: Arc<[Bad]>,
    /// Their places.
    hosts: Vec<usize>,
}

/// By the name of the platform's release, the hardware, and the names of what is known to be bad.
type OnClasses<'s> = BTreeMap<(String, HardwareClass, Vec<String>), OnClass<'s>>;

/// A release on a class of hardware.
type ReleaseOn = (String, HardwareClass);

/// What became of releases.
#[derive(Default)]
struct Priced {
    /// Of platforms, with whether it is known to be bad. One shock whatever else runs beside it.
    platforms: BTreeMap<ReleaseOn, (Option<u32>, bool)>,
    /// Of components, by the name that evidence has for them. One shock whatever platform they stand on.
    components: BTreeMap<ReleaseOn, Option<u32>>,
}

impl Shocks {
    pub(super) fn releases(
        &mut self,
        setting: &Setting<'_>,
        assessment: &Assessment,
        survey: &Survey<'_>,
        unpriced: &mut Unpriced,
    ) {
        let mut regressions = Regressions::new(setting);
        let mut priced = Priced::default();
        for ((release, hardware, _), OnClass { runs, bad, hosts }) in on_classes(setting, assessment, survey)
        {
            let runs = runs.as_deref();
            if regressions.released(runs).is_none() {
                unpriced.hosts_without_release_day += hosts.len() as u64;
            }
            let (platform, is_bad) =
                *priced.platforms.entry((release.clone(), hardware.clone())).or_insert_with(|| {
                    let regression = regressions.of(runs, &hardware);
                    let is_bad = regression.as_ref().is_some_and(|it| it.known_bad);
                    (regression.map(|it| self.bad_release(&release, &hardware, it)), is_bad)
                });
            // The platform and a component may name one release, which is bad once.
            let others = bad.iter().filter(|it| !(is_bad && regressions.is_platform(it, runs)));
            let mut of_component = |it: &Bad| {
                let on = (it.name.clone(), hardware.clone());
                *priced
                    .components
                    .entry(on)
                    .or_insert_with(|| Some(self.bad_release(&it.name, &hardware, regressions.of_bad(it)?)))
            };
            let components: Vec<Option<u32>> = others.map(&mut of_component).collect();
            let shocks: Vec<u32> = std::iter::once(platform).chain(components).flatten().collect();
            for shock in &shocks {
                if let Some(derivation) = self.derivations.get_mut(*shock as usize) {
                    derivation.hosts += hosts.len() as u64;
                }
            }
            match *shocks.as_slice() {
                [] => {}
                [shock] => mark(&mut self.release_of_host, &hosts, shock),
                _ => {
                    let set = u32::MAX - number(self.release_sets.len());
                    self.release_sets.insert(set, shocks);
                    mark(&mut self.release_of_host, &hosts, set);
                }
            }
        }
    }

    fn bad_release(&mut self, release: &str, hardware: &HardwareClass, regression: Regression) -> u32 {
        let (release, hardware) = (release.to_owned(), hardware.clone());
        let derivation = ShockDerivation { released: regression.released, ..ShockDerivation::default() };
        let shock = self.push(Cause::BadRelease { release, hardware }, regression.factors, derivation);
        self.hit_by_release.insert(shock, regression.hit);
        shock
    }

    /// Adds the answers to each of several releases: a class knows its set by number.
    pub(super) fn answer_to_sets(&self, classes: &mut Classes) {
        let hosts = classes.of_host.iter().zip(&self.release_of_host);
        let set = |set: &Option<u32>| self.release_sets.get(set.as_ref()?);
        let of_class: BTreeMap<u32, &Vec<u32>> =
            hosts.filter_map(|(class, it)| Some((*class, set(it)?))).collect();
        // Classes that share their answers go on sharing them.
        let mut known: FxHashMap<usize, Arc<[Response]>> = FxHashMap::default();
        for (class, set) in of_class {
            let Some(class) = classes.list.get_mut(class as usize) else { continue };
            let answers = known.entry(class.responses.as_ptr().addr()).or_insert_with(|| {
                let own = class.responses.iter().cloned();
                let mut all: Vec<Response> =
                    own.chain(set.iter().filter_map(|it| self.hit_by(*it))).collect();
                all.sort_by_key(|it| it.shock);
                all.into()
            });
            class.responses = Arc::clone(answers);
        }
    }

    fn hit_by(&self, shock: u32) -> Option<Response> {
        let hit = self.hit_by_release.get(&shock).filter(|it| it.value > 0.0)?;
        Some(Response {
            shock,
            probability: hit.value,
            left: 1.0,
            gate: None,
            impact: Impact { host_down: 1.0, ..Impact::default() },
            factors: [hit.clone()].into(),
        })
    }
}

fn on_classes<'s>(setting: &Setting<'s>, assessment: &'s Assessment, survey: &Survey<'s>) -> OnClasses<'s> {
    let mut known_bad = setting
        .known
        .and_then(|it| KnownBad::of(setting.fleet, assessment, (it.base, it.evidence), setting.day));
    let mut classes = OnClasses::new();
    for (at, facts) in survey.hosts.iter().enumerate() {
        let runs = running::platform(setting.fleet, facts.host);
        let part = |it: Option<&str>| it.unwrap_or("?").to_owned();
        let name = runs.as_deref().map_or_else(
            || "unknown platform".to_owned(),
            |it| format!("{} {} {}", it.family, part(it.train.as_deref()), part(it.release.as_deref())),
        );
        let hardware = HardwareClass::of(facts.host);
        let bad = known_bad.as_mut().map_or_else(Arc::default, |it| it.on(facts.host, &hardware));
        let names = bad.iter().map(|it| it.name.clone()).collect();
        let new = || OnClass { runs, bad, hosts: Vec::new() };
        classes.entry((name, hardware, names)).or_insert_with(new).hosts.push(at);
    }
    classes
}
