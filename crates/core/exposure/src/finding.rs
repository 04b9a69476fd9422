//! Findings of one item: every vulnerability that some feed speaks of, with its status, its reasons and its fix.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use underpin_model::facts::{NameKind, PatchClass, Restart};
use underpin_model::fleet::ComponentKind;
use underpin_model::id::VulnerabilityId;

use crate::classify::{self, Carries};
use crate::conditions;
use crate::factbase::{FactBase, IndexedClaim};
use crate::item::Item;
use crate::needed::needed;
use crate::reason;
use crate::report::{Area, Finding, Fix, Need, Reason, ReasonCode, Status};
use crate::resolve::{Outcome, Resolved, resolve};
use crate::subject::unknown_family;
use crate::verdict::{Opinion, Strength, claims_for, judge};

/// Whose finding it is: a host's own, or that of a guest standing on the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Asset,
    Guest,
}

/// What findings depend on besides the item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'b> {
    pub(crate) base: &'b FactBase,
    /// The moment of the assessment: what was published later is not known yet.
    pub(crate) as_of: Timestamp,
    /// Its day.
    pub(crate) day: Date,
    /// Coverage that ended longer ago than this counts as ended.
    pub(crate) stale_after_days: i32,
}

/// What each claim about an item says about one version; `None`: nothing.
type Opinions = Vec<Option<Opinion>>;

impl Question<'_> {
    fn is_known(&self, claim: &IndexedClaim) -> bool {
        let since = self.base.advisory(claim.advisory).and_then(|head| head.known_since);
        since.is_none_or(|since| since <= self.as_of)
    }
}

/// The claims that speak of one vulnerability: its id, and places among the claims about the item.
type Mentions<'c> = [(&'c VulnerabilityId, usize)];

/// All findings of an item.
pub(crate) fn findings(question: Question<'_>, item: &Item<'_>, level: Level) -> Vec<Finding> {
    if item.carries != Carries::Code {
        return vec![no_code(item)];
    }
    let mut claims = claims_for(question.base, item);
    claims.retain(|(claim, _)| question.is_known(claim));
    let opinions_on = |version: Option<&str>| -> Opinions {
        let judged = claims.iter().enumerate().map(|(place, (claim, kind))| {
            let version = match (version, kind, &item.source) {
                (Some(version), _, _) => version,
                (None, NameKind::Source, Some((_, source))) => source,
                (None, _, _) => item.version,
            };
            judge(question.base, claim, place, item, version)
        });
        judged.collect()
    };
    let installed = opinions_on(None);
    let mut others: BTreeMap<&str, Opinions> = BTreeMap::new();
    for version in item.running.iter().chain(item.guests.iter().flatten()) {
        others.entry(version).or_insert_with(|| opinions_on(Some(version)));
    }
    let link =
        |one: &Option<Opinion>| one.as_ref().map(|one| reason::link(question.base, item, item.version, one));
    let evaluation = Evaluation {
        question,
        item,
        level,
        claims: &claims,
        links: installed.iter().map(link).collect(),
        installed: &installed,
        others: &others,
        component: item.name.into(),
        version: item.version.into(),
        running: item.running.map(Into::into),
    };
    let mut mentions: Vec<(&VulnerabilityId, usize)> = Vec::new();
    for (place, (claim, _)) in claims.iter().enumerate() {
        // Most claims are about other trains and architectures, and there are too many of them to sort.
        let says = |said: &Opinions| said.get(place).is_some_and(Option::is_some);
        if !says(&installed) && !others.values().any(says) {
            continue;
        }
        mentions.extend(claim.claim.vulnerabilities.iter().map(|id| (id, place)));
    }
    mentions.sort_unstable();
    let mut list: Vec<Finding> = coverage_gap(question, item, level).into_iter().collect();
    list.extend(mentions.chunk_by(|a, b| a.0 == b.0).filter_map(|one| evaluation.finding(one)));
    list
}

fn no_code(item: &Item<'_>) -> Finding {
    let text = match item.carries {
        Carries::Metapackage => {
            format!("{} is a metapackage: it only depends on the package with the code", item.name)
        }
        _ => format!("{} is documentation, headers, symbols or source: nothing of it runs", item.name),
    };
    Finding {
        component: item.name.into(),
        version: item.version.into(),
        running_version: None,
        vulnerability: None,
        status: Status::NotAffected,
        reasons: vec![reason::fleet(ReasonCode::CarriesNoCode, text)],
        fix: None,
    }
}

/// Outside all coverage silence means nothing: one row per component says so.
fn coverage_gap(question: Question<'_>, item: &Item<'_>, level: Level) -> Option<Finding> {
    if level == Level::Guest || item.kind == ComponentKind::Update {
        return None;
    }
    let train = item.train.as_deref();
    let reason = match question.base.covered_until(&item.family, train, &item.names()) {
        Some((until, feed)) => {
            let gap = question.day.since(until).map_or(0, |span| span.get_days());
            if gap <= question.stale_after_days {
                return None;
            }
            Reason {
                code: ReasonCode::CoverageEnded,
                text: format!(
                    "what was published after {until} is unknown: {} covers it up to that day only",
                    feed.id
                )
                .into(),
                feed: Some(feed.id.clone()),
                document: None,
            }
        }
        None => Reason {
            code: ReasonCode::NoCoverage,
            text: not_covered(item).into(),
            feed: None,
            document: None,
        },
    };
    Some(Finding {
        component: item.name.into(),
        version: item.version.into(),
        running_version: item.running.map(Into::into),
        vulnerability: None,
        status: Status::UnknownNoSource,
        reasons: vec![reason],
        fix: None,
    })
}

fn not_covered(item: &Item<'_>) -> String {
    if item.family == unknown_family() {
        return format!(
            "no feed covers {}: nobody says who makes it; add `family`, such as \"debian\", to its component set or to itself",
            item.name
        );
    }
    let train = item.train.as_deref().map_or_else(String::new, |it| format!("{it} "));
    format!("no feed covers {} {train}{}", item.family, item.name)
}

struct Evaluation<'e, 'i> {
    question: Question<'e>,
    item: &'e Item<'i>,
    level: Level,
    claims: &'e [(&'e IndexedClaim, NameKind)],
    /// What the claims say about the installed version.
    installed: &'e Opinions,
    /// The sentences of `installed`: most are said of many vulnerabilities, and written once.
    links: Vec<Option<Reason>>,
    /// What the claims say about versions that run.
    others: &'e BTreeMap<&'e str, Opinions>,
    component: Arc<str>,
    version: Arc<str>,
    running: Option<Arc<str>>,
}

impl Evaluation<'_, '_> {
    /// The finding of a vulnerability that claims mention, unless none of them says anything about the version.
    fn finding(&self, mentions: &Mentions<'_>) -> Option<Finding> {
        let base = self.question.base;
        let (id, _) = mentions.first()?;
        let resolved = self.resolved(mentions, self.installed)?;
        let mut reasons = reason::chain(&resolved, &self.links);
        let mut status = match resolved.outcome {
            Outcome::Open => Status::Affected,
            Outcome::Closed => Status::Fixed,
            Outcome::Outside | Outcome::NotAffected(_) => Status::NotAffected,
            Outcome::Investigating => Status::UnderInvestigation,
            Outcome::NotComparable => Status::UnknownVersion,
            Outcome::Conflict => Status::UnknownConflict,
        };
        if base.vulnerability(id).is_some_and(|facts| facts.withdrawn) {
            status = Status::NotAffected;
            reasons.insert(0, reason::fleet(ReasonCode::Note, format!("{id} was withdrawn by its issuer")));
        } else if resolved.outcome.is_closed() {
            self.in_force(mentions, id, &resolved, &mut status, &mut reasons);
        } else if let Some(reason) = conditions::workaround_in_force(self.question, self.item, id) {
            status = Status::Fixed;
            reasons.insert(0, reason);
        } else {
            reasons.extend(conditions::hints(self.question, self.item, id, &resolved));
        }
        let fix = self.fix(id, &resolved, status);
        reasons.shrink_to_fit();
        Some(Finding {
            component: Arc::clone(&self.component),
            version: Arc::clone(&self.version),
            running_version: self.running.clone(),
            vulnerability: Some((*id).clone()),
            status,
            reasons,
            fix,
        })
    }

    /// What the claims that mention a vulnerability come to; `None`: none of them says anything about the version.
    fn resolved<'o>(&self, mentions: &Mentions<'_>, said: &'o Opinions) -> Option<Resolved<'o>> {
        let opinions: Vec<&Opinion> =
            mentions.iter().filter_map(|(_, place)| said.get(*place)?.as_ref()).collect();
        let (first, _) = self.claims.get(opinions.first()?.place)?;
        Some(resolve(self.question.base, first.claim.product.scheme, &opinions))
    }

    /// A fix counts once what runs has it, and its settings are in force.
    fn in_force(
        &self,
        mentions: &Mentions<'_>,
        id: &VulnerabilityId,
        resolved: &Resolved,
        status: &mut Status,
        reasons: &mut Vec<Reason>,
    ) {
        let item = self.item;
        if let Some(running) = item.running {
            let outcome = self.outcome_of(running, mentions);
            if !outcome.is_closed() {
                *status = Status::FixedNotRunning;
                let code = match self.level {
                    Level::Asset => ReasonCode::RunningDiffers,
                    Level::Guest => ReasonCode::GuestOnOldVmm,
                };
                reasons.insert(0, reason::running_differs(code, item, running));
            }
        } else if self.must_know_what_runs() && *status == Status::Fixed && !older_than_train(resolved) {
            *status = Status::UnknownRunning;
            let text =
                format!("{} {} is installed; it is not known which version runs", item.name, item.version);
            reasons.insert(0, reason::fleet(ReasonCode::RunningUnknown, text));
        }
        self.guests_in_force(mentions, resolved, status, reasons);
        if *status == Status::Fixed
            && let Some((missing, reason)) = conditions::missing_setting(self.question, item, id)
        {
            *status = missing;
            reasons.insert(0, reason);
        }
    }

    /// A kernel or hypervisor package runs from boot to boot; a guest keeps its VMM. Other software is expected to
    /// have been restarted by its package's scripts, and a product or a firmware revision is told by what runs.
    fn must_know_what_runs(&self) -> bool {
        match self.level {
            Level::Guest => true,
            Level::Asset => {
                self.item.kind == ComponentKind::Package
                    && matches!(self.item.area, Area::Kernel | Area::VmmCore)
            }
        }
    }

    fn guests_in_force(
        &self,
        mentions: &Mentions<'_>,
        resolved: &Resolved,
        status: &mut Status,
        reasons: &mut Vec<Reason>,
    ) {
        let item = self.item;
        let old =
            item.guests.iter().flatten().filter(|version| !self.outcome_of(version, mentions).is_closed());
        let old: Vec<&str> = old.copied().collect();
        if !old.is_empty() {
            *status = Status::FixedNotRunning;
            let text = format!(
                "live guests still run on {} {}: a guest keeps its VMM until it moves or restarts",
                item.name,
                old.join(", ")
            );
            reasons.insert(0, reason::fleet(ReasonCode::GuestOnOldVmm, text));
        } else if *status == Status::Fixed
            && item.guests.iter().any(Option::is_none)
            && !older_than_train(resolved)
        {
            *status = Status::UnknownRunning;
            let text = format!("live guests run on a version of {} that is not known", item.name);
            reasons.insert(0, reason::fleet(ReasonCode::RunningUnknown, text));
        }
    }

    fn outcome_of(&self, version: &str, mentions: &Mentions<'_>) -> Outcome {
        let said = self.others.get(version);
        said.and_then(|said| self.resolved(mentions, said))
            .map_or(Outcome::NotComparable, |resolved| resolved.outcome)
    }

    fn fix(&self, id: &VulnerabilityId, resolved: &Resolved<'_>, status: Status) -> Option<Fix> {
        if status == Status::NotAffected {
            return None;
        }
        let base = self.question.base;
        let announces = |one: &&&Opinion| one.says.fix() == resolved.fix.as_ref();
        let announcing = resolved.evidence.iter().find(announces).or(resolved.evidence.first());
        let head = announcing.and_then(|one| base.advisory(one.advisory));
        let advised = head.map_or(Restart::Unknown, |head| head.restart);
        let restart = classify::restart(self.item.area, advised);
        Some(Fix {
            version: resolved.fix.clone(),
            advisory: head.map(|head| head.id.clone()),
            class: head.and_then(|head| head.class).unwrap_or(PatchClass::Security),
            area: self.item.area,
            restart,
            needs: self.needs(id, resolved.fix.as_ref(), restart, status),
            needed: needed(self.item, self.level == Level::Guest),
        })
    }

    fn needs(
        &self,
        id: &VulnerabilityId,
        version: Option<&Arc<str>>,
        restart: Restart,
        status: Status,
    ) -> Vec<Need> {
        let item = self.item;
        let component = Arc::clone(&self.component);
        let mut needs = Vec::new();
        if let Some(version) = version {
            needs.push(match item.kind {
                ComponentKind::Microcode | ComponentKind::Firmware => {
                    Need::LoadFirmware { revision: Arc::clone(version) }
                }
                _ => Need::Install { component: Arc::clone(&component), version: Arc::clone(version) },
            });
        }
        match (restart, item.area) {
            (Restart::Machine, _) => needs.push(Need::RebootHost),
            (Restart::Service, Area::DeviceEmulation) => needs.push(Need::RecreateGuests),
            (Restart::Service, _) => needs.push(Need::RestartService { component }),
            (Restart::None | Restart::Unknown, _) => {}
        }
        let settings = conditions::settings_of_fix(&self.question, item, id);
        needs.extend(settings.into_iter().map(|(asked, _)| Need::Set {
            setting: Arc::clone(&asked.setting),
            value: asked.value.as_ref().to_owned(),
        }));
        if matches!(item.area, Area::Kernel | Area::VmmCore | Area::Firmware)
            && conditions::cold_start(&self.question, item, id).is_some()
        {
            needs.push(Need::ColdStartGuests);
        }
        // What is installed and not in force waits for something, though nobody says for what.
        if status == Status::FixedNotRunning && needs.iter().all(|it| matches!(it, Need::Install { .. })) {
            needs.push(Need::Unknown { component: Arc::clone(&self.component) });
        }
        needs
    }
}

/// What the distribution fixed before it made this train (an upload to unstable) is in every release of the train, so
/// in whichever of them runs.
fn older_than_train(resolved: &Resolved) -> bool {
    resolved.evidence.iter().all(|one| one.strength == Strength::Weak)
}
