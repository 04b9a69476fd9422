//! The risk of a fleet for people and spreadsheets.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use underpin_risk::compound::{AtLeast, Figures, Method, Part};
use underpin_risk::portfolio::Cause;
use underpin_risk::report::{CauseRisk, FleetRisk, RiskReport, by_tail};
use underpin_risk::wait::sentence::{LEAST_SHOWN, percent, short};

use super::clear;
use super::csv::{cause as csv_cause, harmless};
use super::wait::{DUE, due, ssvc};
use crate::output::{List, counted, wrapped};

/// Rows of each table that are shown unless all are asked for.
const FIRST: usize = 10;

/// What stands where nobody knows a figure.
const UNKNOWN: &str = "unknown";

/// The chance that so many are hit at once: as it is where exact, about where sampled, below a bound where no sample saw it.
fn chance(of: &FleetRisk, it: &AtLeast) -> String {
    match (it.method, it.at_most) {
        _ if of.is_never_hit() && it.probability <= 0.0 => percent(0.0),
        // It can be, and its exact chance is lost in the rounding of the sums that give it.
        (Method::Exact, _) if it.probability <= 0.0 => percent(LEAST_SHOWN / 2.0),
        (Method::Exact, _) => percent(it.probability),
        (_, Some(most)) if most < LEAST_SHOWN => percent(most),
        (_, Some(most)) => format!("< {}", percent(most)),
        _ => format!("~ {}", percent(it.probability)),
    }
}

/// What is before a chance.
const HOW_SURE: &str =
    "~: from samples; <: no sample saw it, with 95 % confidence it is below; all others are exact";

/// Everything a person needs first.
pub(crate) fn table(report: &RiskReport, all: bool, width: Option<u16>) -> String {
    let most = if all { usize::MAX } else { FIRST };
    let mut text = head(report, width);
    text += &fleet(report, width);
    text += &at_once(report, all, width);
    text += &groups(report, most, width);
    text += &causes(report, most, width);
    text += &contributions(report, most, width);
    text += &clusters(report, most, width);
    text += &tenants(report, most, width);
    text += &controls(report, width);
    text += &radii(report, width);
    text += &last(report, width);
    text
}

fn head(report: &RiskReport, width: Option<u16>) -> String {
    let mut text = wrapped(&report.unpriced_words, "", width);
    let kind = if report.independent { "naive figures, every host on its own" } else { "compound figures" };
    let about = format!(
        "{}, {}, {} from {}; losses in {}{}; {kind}",
        counted(report.hosts, "host"),
        counted(report.guests, "guest"),
        counted(report.horizon_days, "day"),
        report.as_of.strftime("%F"),
        report.currency,
        if report.losses_stated { "" } else { " at default rates, a judgement" },
    );
    text += &wrapped(&about, "", width);
    for warning in &report.warnings {
        text += &wrapped(&format!("note: {warning}"), "", width);
    }
    text.push('\n');
    text
}

fn fleet(report: &RiskReport, width: Option<u16>) -> String {
    let naive = report.naive.as_ref();
    let mut header = vec!["LOSS", if report.independent { "INDEPENDENT" } else { "COMPOUND" }];
    if naive.is_some() {
        header.push("INDEPENDENT");
    }
    let mut list = List::keyed(&header, &[0], width);
    let mut add = |name: String, of: &dyn Fn(&FleetRisk) -> String| {
        let mut cells = vec![name, of(&report.fleet)];
        cells.extend(naive.map(of));
        list.cells(cells);
    };
    let loss = |it: f64| loss(report, it);
    add("mean".to_owned(), &|it| loss(it.loss.mean));
    add("standard deviation".to_owned(), &|it| loss(it.loss.sd));
    for (at, quantile) in report.fleet.loss.quantiles.iter().enumerate() {
        let of = |it: &Figures| it.quantiles.get(at).map_or_else(String::new, |it| loss(it.value));
        add(format!("{} % quantile", short(quantile.level * 100.0)), &|it| of(&it.loss));
    }
    for (at, cvar) in report.fleet.loss.cvar.iter().enumerate() {
        let of = |it: &Figures| it.cvar.get(at).map_or_else(String::new, |it| loss(it.value));
        add(format!("mean of the worst {} % (CVaR)", short((1.0 - cvar.level) * 100.0)), &|it| of(&it.loss));
        let most = |it: &FleetRisk| it.cvar_at_most.get(at).map_or_else(String::new, |it| loss(it.value));
        add("  at most, whatever ties clusters".to_owned(), &most);
    }
    add("any host hit".to_owned(), &|it| percent(it.any_hit.probability));
    add("  at least, by pairs of hosts".to_owned(), &|it| percent(it.any_hit.bonferroni_low));
    add("  at most, by pairs of hosts".to_owned(), &|it| percent(it.any_hit.hunter_worsley_high));
    let bounds = wrapped(BOUNDS, "", width);
    format!(
        "{list}{bounds}{}mean with what is not known at its worst: {}\n{}\n",
        stand_ins(report),
        report.mean_loss_with_unknown.map_or_else(|| UNKNOWN.to_owned(), short),
        clear::told(report, width)
    )
}

/// A loss, unless it is 0 because no guest is known.
fn loss(report: &RiskReport, value: f64) -> String {
    if report.losses_known { short(value) } else { UNKNOWN.to_owned() }
}

/// The lower end, where it is another one.
fn stand_ins(report: &RiskReport) -> String {
    let low = report.mean_loss_with_stand_ins;
    if low < report.fleet.loss.mean {
        format!("mean if what may stand in for VMs when their host is down does: {}\n", short(low))
    } else {
        String::new()
    }
}

/// What the bounds among the figures mean.
const BOUNDS: &str = "bounds: a CVaR is at most the sum of the clusters' own, which it is if all have their worst together; the \
                      chance that any host is hit follows from those of single hosts and of pairs up to the bounds of Bonferroni, Dawson and \
                      Sankoff (least) and of Hunter and Worsley (most), whatever else ties the hosts";

/// Powers of ten, unless all are asked for.
fn at_once(report: &RiskReport, all: bool, width: Option<u16>) -> String {
    let mut header = vec!["HIT AT ONCE", if report.independent { "INDEPENDENT" } else { "COMPOUND" }];
    header.extend(report.naive.as_ref().map(|_| "INDEPENDENT"));
    let mut list = List::keyed(&header, &[0], width);
    type Of = fn(&FleetRisk) -> &Vec<AtLeast>;
    let kinds: [(&str, Of); 3] = [
        ("host", |it| &it.hosts_hit_at_least),
        ("guest", |it| &it.guests_hit_at_least),
        ("tenant", |it| &it.tenants_hit_at_least),
    ];
    for (name, of) in kinds {
        let shown = |m: u64| all || m == 2 || m.checked_ilog10().is_some_and(|it| 10u64.pow(it) == m);
        for (at, one) in of(&report.fleet).iter().enumerate().filter(|(_, it)| shown(it.m)) {
            let unknown = name != "host" && !report.losses_known;
            let chance = |fleet: &FleetRisk, it: &AtLeast| {
                if unknown { UNKNOWN.to_owned() } else { chance(fleet, it) }
            };
            let beside = report
                .naive
                .as_ref()
                .map(|naive| of(naive).get(at).map(|it| chance(naive, it)).unwrap_or_default());
            let own = [format!("at least {}", counted(one.m, name)), chance(&report.fleet, one)];
            list.cells(own.into_iter().chain(beside));
        }
    }
    if report.guests_without_tenant > 0 {
        let told = format!("(no known tenant: {})", counted(report.guests_without_tenant, "guest"));
        list.cells(std::iter::once(told).chain(header.iter().skip(1).map(|_| String::new())));
    }
    let lists = [&report.fleet].into_iter().chain(&report.naive);
    let lists = lists.flat_map(|it| kinds.map(|(_, of)| of(it)));
    let sure = lists.flatten().all(|it| it.method == Method::Exact);
    if sure { format!("{list}\n") } else { format!("{list}{}\n", wrapped(HOW_SURE, "", width)) }
}

/// What the column of a group's hits means.
const HIT: &str = "HIT: the chance of that host of the group which is the likeliest to be hit";

fn groups(report: &RiskReport, most: usize, width: Option<u16>) -> String {
    // Duties are those of releases: grouped by anything else there are none to show.
    let decided = report.groups.iter().any(|it| it.duties.is_some());
    let mut header = vec!["MEAN LOSS", "HIT", "HOSTS", "GUESTS"];
    header.extend(decided.then_some(["SSVC", "DUE"]).into_iter().flatten());
    header.push("GROUP");
    let mut list = List::new(&header, width);
    let day = report.as_of.to_zoned(TimeZone::UTC).date();
    for group in report.groups.iter().take(most) {
        let mut cells = vec![
            loss(report, group.mean_loss),
            percent(group.hit),
            group.hosts.to_string(),
            group.guests.to_string(),
        ];
        if decided {
            cells.extend(
                group.duties.as_ref().map_or_else(<[String; 2]>::default, |it| {
                    [ssvc(it.ssvc), due(it.bod_26_04.as_ref(), day)]
                }),
            );
        }
        cells.push(group.group.clone());
        list.cells(cells);
    }
    let legend = if decided { format!("{HIT}; {DUE}") } else { HIT.to_owned() };
    let legend = wrapped(&legend, "", width);
    // A sentence takes the whole width: a column of its own would be a tower.
    let advice =
        report.groups.iter().take(most).filter_map(|it| Some((&it.group, it.recommendation.as_ref()?)));
    let advice: String = advice.map(|(group, it)| wrapped(&format!("{group}: {it}"), "  ", width)).collect();
    let apart = if advice.is_empty() { "" } else { "\n" };
    format!("{list}{}{legend}{apart}{advice}\n", more(report.groups.len(), most))
}

fn more(all: usize, most: usize) -> String {
    if all > most { format!("... and {} more (--all shows them)\n", all - most) } else { String::new() }
}

/// A cause in words.
fn cause_name(cause: &Cause) -> String {
    match cause {
        Cause::Exploit { vulnerability } => vulnerability.to_string(),
        Cause::BadRelease { release, hardware } => format!("bad release {release} on {hardware}"),
        Cause::ControlFails { control } => format!("control {control} fails everywhere"),
        Cause::ControlAttacked { control } => format!("control {control} is attacked"),
        Cause::Underpin => "Underpin's own credentials are abused".to_owned(),
    }
}

fn causes(report: &RiskReport, most: usize, width: Option<u16>) -> String {
    let mut list = List::new(&["PROBABILITY", "HOSTS", "MEAN IF SO", "CAUSE AND FACTORS"], width);
    for one in report.causes.iter().take(most) {
        list.row([
            percent(one.shock.probability),
            one.facts.hosts.to_string(),
            loss(report, one.blast.mean_loss),
            format!("{}{}", cause_name(&one.shock.cause), factors(one)),
        ]);
    }
    format!("{list}{}\n", more(report.causes.len(), most))
}

/// Acceptances of a cause that are shown.
const ACCEPTED: usize = 3;

fn factors(one: &CauseRisk) -> String {
    let factors: Vec<String> = one
        .shock
        .factors
        .iter()
        .map(|it| format!("{} {} ({} to {})", it.name, percent(it.value), percent(it.low), percent(it.high)))
        .collect();
    let accepted = one.facts.accepted.iter().take(ACCEPTED).map(|it| {
        let state = match it.words() {
            _ if it.expired => "acceptance expired".to_owned(),
            Some(words) => words,
            None => "accepted on none of them".to_owned(),
        };
        format!("; {state}: {} until {}", it.owner, it.expires)
    });
    let product = if factors.is_empty() { String::new() } else { format!(" = {}", factors.join(" x ")) };
    let more = one.facts.accepted.len().saturating_sub(ACCEPTED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    product + &accepted.collect::<String>() + &more
}

fn part_name(part: &Part) -> (&'static str, String) {
    let known = |it: Option<String>, none: &str| it.unwrap_or_else(|| none.to_owned());
    match part {
        Part::Tenant { tenant } => {
            ("tenant", known(tenant.as_ref().map(ToString::to_string), "VMs of no known tenant"))
        }
        Part::Cluster { cluster } => {
            ("cluster", known(cluster.as_ref().map(ToString::to_string), "hosts of no known cluster"))
        }
        Part::Class { label } => ("class", label.clone()),
        Part::Cause { cause } => ("cause", cause_name(cause)),
    }
}

fn contributions(report: &RiskReport, most: usize, width: Option<u16>) -> String {
    let mut list = List::new(&["SHARE OF MEAN", "SHARE OF CVAR", "+-", "OF", "PART"], width);
    let mut hidden = 0;
    for kind in ["cause", "tenant", "cluster"] {
        let parts = by_tail(report.contributions.iter().filter(|it| part_name(&it.of).0 == kind).collect());
        hidden += parts.len().saturating_sub(most);
        for part in parts.iter().take(most) {
            list.row([
                short(part.mean),
                short(part.cvar_share),
                short(part.cvar_share_standard_error),
                kind.to_owned(),
                part_name(&part.of).1,
            ]);
        }
    }
    let legend = "+-: standard error of the share of the CVaR; shares that do not differ by more stand in the order of their means";
    format!("{list}{}{}\n", more(hidden, 0), wrapped(legend, "", width))
}

/// Probability that so many are hit at once; nothing where there are not so many.
fn at_once_cell(of: &FleetRisk, list: &[AtLeast], m: u64) -> String {
    list.iter().find(|it| it.m == m).map_or_else(String::new, |it| chance(of, it))
}

fn cvar_cell(report: &RiskReport, figures: &Figures) -> String {
    figures.cvar.iter().find(|it| it.level >= 0.99).map_or_else(String::new, |it| loss(report, it.value))
}

/// What the columns of numbers hit at once mean.
const AT_ONCE: &str = "1 HOST, 10 GUESTS and the like: the chance that at least so many of it are hit at once; empty where it has \
                       not so many; ~ from samples, < no sample saw it";

fn clusters(report: &RiskReport, most: usize, width: Option<u16>) -> String {
    let header = [
        "MEAN LOSS",
        "CVAR 99 %",
        "1 HOST",
        "2 HOSTS",
        "10 GUESTS",
        "2 TENANTS",
        "HOSTS",
        "GUESTS",
        "CLUSTER",
    ];
    let mut list = List::new(&header, width);
    let mut sorted: Vec<_> = report.clusters.iter().collect();
    sorted.sort_by(|a, b| b.figures.mean.total_cmp(&a.figures.mean));
    for one in sorted.iter().take(most) {
        list.row([
            loss(report, one.figures.mean),
            cvar_cell(report, &one.figures),
            at_once_cell(&report.fleet, &one.hosts_hit_at_least, 1),
            at_once_cell(&report.fleet, &one.hosts_hit_at_least, 2),
            at_once_cell(&report.fleet, &one.guests_hit_at_least, 10),
            at_once_cell(&report.fleet, &one.tenants_hit_at_least, 2),
            one.hosts.to_string(),
            one.guests.to_string(),
            one.cluster.as_ref().map_or_else(|| "hosts of no known cluster".to_owned(), ToString::to_string),
        ]);
    }
    format!("{list}{}{}\n", more(sorted.len(), most), wrapped(AT_ONCE, "", width))
}

fn tenants(report: &RiskReport, most: usize, width: Option<u16>) -> String {
    let header = [
        "MEAN LOSS",
        "CVAR 99 %",
        "ANY LOSS",
        "1 HOST",
        "2 HOSTS",
        "10 GUESTS",
        "DEFERRAL: OWN",
        "NEIGHBOURS",
        "GUESTS",
        "TENANT",
    ];
    let mut list = List::new(&header, width);
    let mut sorted: Vec<_> = report.tenants.iter().collect();
    sorted.sort_by(|a, b| b.figures.mean.total_cmp(&a.figures.mean));
    for one in sorted.iter().take(most) {
        let deferral = report.deferrals.iter().find(|it| Some(&it.tenant) == one.tenant.as_ref());
        list.row([
            loss(report, one.figures.mean),
            cvar_cell(report, &one.figures),
            percent(one.figures.any_loss.value),
            at_once_cell(&report.fleet, &one.hosts_hit_at_least, 1),
            at_once_cell(&report.fleet, &one.hosts_hit_at_least, 2),
            at_once_cell(&report.fleet, &one.guests_hit_at_least, 10),
            deferral.map_or_else(String::new, |it| short(it.own)),
            deferral.map_or_else(String::new, |it| short(it.neighbours_sum)),
            one.guests.to_string(),
            one.tenant.as_ref().map_or_else(|| "VMs of no known tenant".to_owned(), ToString::to_string),
        ]);
    }
    let days = report.deferrals.first().map_or(0.0, |it| it.days);
    format!("{list}{}a deferral is priced for {days} days\n\n", more(sorted.len(), most))
}

fn controls(report: &RiskReport, width: Option<u16>) -> String {
    if report.controls.is_empty() {
        return String::new();
    }
    let mut list = List::new(&["SAVES", "COSTS", "CONTROL"], width);
    for one in &report.controls {
        list.row([short(one.saves), short(one.cost), one.control.clone()]);
    }
    format!("{list}\n")
}

/// How likely something falls; with the upper end where something of it is not known.
fn falls(probability: f64, most: Option<f64>) -> String {
    match most {
        None => percent(probability),
        Some(most) if probability == 0.0 => format!("unknown, up to {}", percent(most)),
        Some(most) => format!("{} to {}", percent(probability), percent(most)),
    }
}

fn radii(report: &RiskReport, width: Option<u16>) -> String {
    let header = ["GREATEST LOSS", "PROBABILITY", "HOSTS", "GUESTS", "TENANTS", "IF THIS FALLS"];
    let mut list = List::new(&header, width);
    let radii = &report.blast_radius;
    let hosts =
        radii.hosts.iter().take(3).map(|it| (format!("host {}", it.of), &it.blast, it.probability_at_most));
    let planes = radii.planes.iter();
    let planes = planes.map(|it| (format!("management plane {}", it.of), &it.blast, it.probability_at_most));
    let releases = radii.releases.iter().take(3);
    let releases = releases.map(|it| (cause_name(&it.of), &it.blast, it.probability_at_most));
    let own = std::iter::once(("Underpin itself".to_owned(), &radii.underpin, None));
    for (name, blast, most) in hosts.chain(planes).chain(releases).chain(own) {
        list.row([
            loss(report, blast.greatest_loss),
            falls(blast.probability, most),
            blast.hosts.to_string(),
            blast.guests.to_string(),
            blast.tenants.to_string(),
            name,
        ]);
    }
    format!("{list}\n")
}

fn last(report: &RiskReport, width: Option<u16>) -> String {
    let judged: Vec<&str> =
        report.parameters.iter().filter(|it| it.setting.judgement).map(|it| it.name.fact().name).collect();
    let sampling = &report.sampling;
    let of_what = if sampling.enumerated {
        "of so few hosts every loss is exact, by enumeration; shares of causes in the CVaR are of "
    } else {
        ""
    };
    let sampled = format!(
        "{of_what}{} weighted samples, effective {}; sampled mean {} against the exact {} ({} standard errors apart)",
        sampling.samples,
        short(sampling.ess),
        short(sampling.mean.value),
        short(report.fleet.loss.mean),
        short(sampling.deviation)
    );
    let mut text = wrapped(&sampled, "", width);
    let loss = &report.fleet.loss;
    if loss.sd_standard_error > 0.0 {
        let (deviation, error) = (short(loss.sd), short(loss.sd_standard_error));
        text += &wrapped(
            &format!("the standard deviation {deviation} has a standard error of {error}"),
            "",
            width,
        );
    }
    text += &wrapped(
        &format!(
            "judgements, not studies: {} (`underpin risk elicit` asks for better values)",
            judged.join(", ")
        ),
        "",
        width,
    );
    text
}

/// Unit of a chance.
const PROBABILITY: &str = "probability";

/// One row a figure: what it is of, its name, its value, its unit.
pub(crate) fn csv(report: &RiskReport, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    rows.write_record(["of", "name", "figure", "value", "unit"]).map_err(csv_cause)?;
    let mut row = |of: &str, name: &str, figure: &str, value: f64, unit: &str| {
        // Nothing is not less than nothing.
        let value = (value + 0.0).to_string();
        rows.write_record([of, &harmless(name), figure, &value, &harmless(unit)]).map_err(csv_cause)
    };
    let currency = report.currency.as_str();
    row_figures(&mut row, "fleet", "", &report.fleet.loss, currency)?;
    row_bounds(&mut row, &report.fleet, currency)?;
    let fleet = &report.fleet;
    let lists = [&fleet.hosts_hit_at_least, &fleet.guests_hit_at_least, &fleet.tenants_hit_at_least];
    row_at_least(&mut row, "fleet", "", &lists)?;
    for one in &report.clusters {
        let name = one.cluster.as_ref().map_or("", |it| it.as_str());
        row_figures(&mut row, "cluster", name, &one.figures, currency)?;
        let lists = [&one.hosts_hit_at_least, &one.guests_hit_at_least, &one.tenants_hit_at_least];
        row_at_least(&mut row, "cluster", name, &lists)?;
    }
    for one in &report.tenants {
        let name = one.tenant.as_ref().map_or("", |it| it.as_str());
        row_figures(&mut row, "tenant", name, &one.figures, currency)?;
        row_at_least(&mut row, "tenant", name, &[&one.hosts_hit_at_least, &one.guests_hit_at_least])?;
    }
    for one in &report.groups {
        row("group", &one.group, "mean", one.mean_loss, currency)?;
        row("group", &one.group, "hit", one.hit, PROBABILITY)?;
        if let Some(wait) = &one.wait {
            row("group", &one.group, "loss_now", wait.optimum.loss_now, currency)?;
            row("group", &one.group, "loss_at_optimum", wait.optimum.loss, currency)?;
            row("group", &one.group, "loss_never", wait.optimum.loss_never, currency)?;
        }
    }
    for one in &report.contributions {
        let (kind, name) = part_name(&one.of);
        row(kind, &name, "contribution_mean", one.mean, currency)?;
        row(kind, &name, "contribution_cvar", one.cvar_share, currency)?;
        row(kind, &name, "contribution_cvar_standard_error", one.cvar_share_standard_error, currency)?;
    }
    for one in &report.controls {
        row("control", &one.control, "saves", one.saves, currency)?;
        row("control", &one.control, "cost", one.cost, currency)?;
    }
    for one in &report.causes {
        row("cause", &cause_name(&one.shock.cause), "probability", one.shock.probability, PROBABILITY)?;
    }
    rows.flush()
}

/// Writes one row: of what, its name, the figure, the value, its unit.
type Row<'a> = dyn FnMut(&str, &str, &str, f64, &str) -> io::Result<()> + 'a;

fn row_figures(row: &mut Row<'_>, of: &str, name: &str, figures: &Figures, currency: &str) -> io::Result<()> {
    row(of, name, "mean", figures.mean, currency)?;
    row(of, name, "sd", figures.sd, currency)?;
    for one in &figures.quantiles {
        row(of, name, &format!("quantile_{}", one.level), one.value, currency)?;
    }
    for one in &figures.cvar {
        row(of, name, &format!("cvar_{}", one.level), one.value, currency)?;
    }
    Ok(())
}

fn row_bounds(row: &mut Row<'_>, fleet: &FleetRisk, currency: &str) -> io::Result<()> {
    let any = &fleet.any_hit;
    row("fleet", "", "any_host_hit", any.probability, PROBABILITY)?;
    row("fleet", "", "any_host_hit_bonferroni_low", any.bonferroni_low, PROBABILITY)?;
    row("fleet", "", "any_host_hit_hunter_worsley_high", any.hunter_worsley_high, PROBABILITY)?;
    for one in &fleet.cvar_at_most {
        row("fleet", "", &format!("cvar_at_most_{}", one.level), one.value, currency)?;
    }
    Ok(())
}

/// Hosts, guests and tenants hit at once, as far as there are lists.
fn row_at_least(row: &mut Row<'_>, of: &str, name: &str, lists: &[&Vec<AtLeast>]) -> io::Result<()> {
    for (kind, list) in ["hosts", "guests", "tenants"].iter().zip(lists) {
        for one in *list {
            row(of, name, &format!("p_at_least_{}_{kind}", one.m), one.probability, PROBABILITY)?;
            if let Some(most) = one.at_most {
                row(of, name, &format!("p_at_least_{}_{kind}_at_most", one.m), most, PROBABILITY)?;
            }
        }
    }
    Ok(())
}
