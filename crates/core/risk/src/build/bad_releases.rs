//! Shocks of bad releases: that of the platform, and those of components that are known to be bad.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use underpin_exposure::Assessment;
use underpin_model::fleet::{HardwareClass, PlatformRelease};

use super::Unpriced;
use super::derivation::ShockDerivation;
use super::regression::{Regression, Regressions};
use super::shocks::{Setting, Shocks, mark};
use super::survey::{Survey, number};
use crate::portfolio::Cause;
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
        let mut sets: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        for ((release, hardware, _), OnClass { runs, bad, hosts }) in
            on_classes(setting, assessment, survey, &mut regressions)
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
            if !shocks.is_empty() {
                let set = *sets.entry(shocks).or_insert_with_key(|shocks| {
                    self.release_sets.push(shocks.clone());
                    number(self.release_sets.len() - 1)
                });
                mark(&mut self.releases_of_host, &hosts, set);
            }
        }
    }

    fn bad_release(&mut self, release: &str, hardware: &HardwareClass, regression: Regression) -> u32 {
        let (release, hardware) = (release.to_owned(), hardware.clone());
        let Regression { released, called, .. } = regression;
        let derivation = ShockDerivation { released, called, ..ShockDerivation::default() };
        let shock = self.push(Cause::BadRelease { release, hardware }, regression.factors, derivation);
        self.hit_by_release.insert(shock, regression.hit);
        shock
    }
}

fn on_classes<'s>(
    setting: &Setting<'s>,
    assessment: &'s Assessment,
    survey: &Survey<'s>,
    regressions: &mut Regressions<'_>,
) -> OnClasses<'s> {
    let mut known_bad = setting
        .known
        .and_then(|it| KnownBad::of(setting.fleet, assessment, (it.base, it.evidence), setting.day));
    let mut classes = OnClasses::new();
    for (at, facts) in survey.hosts.iter().enumerate() {
        let hardware = HardwareClass::of(facts.host);
        let bad = known_bad.as_mut().map_or_else(Arc::default, |it| it.on(facts.host, &hardware));
        let runs = worst(running::platforms(setting.fleet, facts.host), &hardware, &bad, regressions);
        let part = |it: Option<&str>| it.unwrap_or("?").to_owned();
        let name = runs.as_deref().map_or_else(
            || "unknown platform".to_owned(),
            |it| format!("{} {} {}", it.family, part(it.train.as_deref()), part(it.release.as_deref())),
        );
        let names = bad.iter().map(|it| it.name.clone()).collect();
        let new = || OnClass { runs, bad, hosts: Vec::new() };
        classes.entry((name, hardware, names)).or_insert_with(new).hosts.push(at);
    }
    classes
}

/// Of the releases that contradicting components name the worst one: what is known to be bad, of that what patch or wait would replace,
/// then what is likelier to hit a host.
fn worst<'s>(
    mut all: Vec<Cow<'s, PlatformRelease>>,
    hardware: &HardwareClass,
    bad: &[Bad],
    regressions: &mut Regressions<'_>,
) -> Option<Cow<'s, PlatformRelease>> {
    if all.len() < 2 {
        return all.pop();
    }
    let mut rank = |it: &PlatformRelease| {
        let Some(believed) = regressions.of(Some(it), hardware) else { return (false, false, 0.0) };
        let replaced = bad.iter().any(|one| regressions.is_platform(one, Some(it)));
        let hits = believed.factors.iter().map(|it| it.value).product::<f64>() * believed.hit.value;
        (believed.known_bad, replaced, hits)
    };
    let ranked: Vec<((bool, bool, f64), Cow<'s, PlatformRelease>)> =
        all.into_iter().map(|it| (rank(&it), it)).collect();
    let order = |a: &(bool, bool, f64), b: &(bool, bool, f64)| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| a.2.total_cmp(&b.2))
    };
    ranked.into_iter().max_by(|a, b| order(&a.0, &b.0)).map(|it| it.1)
}
