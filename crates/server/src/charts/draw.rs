//! The picture: frame, axes, marks, legend.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::labels::{Area, Spot, arrange};
use super::{Axis, Chart, Mark, Shape, Tone};

/// Size of all text, in the units of the picture, which are CSS pixels at the width it is drawn for.
const TEXT: f64 = 12.0;
/// Width of a letter: an upper estimate of the mean, so that labels are rather apart than on each other.
const LETTER: f64 = 7.2;
const LINE: f64 = 17.0;
/// Height of a row with a name.
const ROW: f64 = 26.0;

/// Colours of a file of its own, which has no style sheet; they are those of the pages.
const COLOURS: &str = "svg{font:12px system-ui,sans-serif;background:#fff;color:#1a2029;--card:#fff;--soft:#515c6b;--line:#d6dbe2;\
--c1:#0b57b0;--c2:#8a5300;--c3:#1c6b3a;--c4:#6d3bb5;--c5:#b3261e;--c0:#515c6b}\
@media (prefers-color-scheme:dark){svg{background:#1a2029;color:#e4e9f0;--card:#1a2029;--soft:#a5b0be;--line:#323c4a;\
--c1:#86b7f7;--c2:#f2be6b;--c3:#85d6a2;--c4:#c3a5f5;--c5:#ff9c94;--c0:#a5b0be}}";
/// How marks use the colours: in pages from the style sheet, in a file from here.
const MARKS: &str = include_str!("marks.css");

/// The width that a picture is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Desk,
    Phone,
}

impl Width {
    fn units(self) -> f64 {
        match self {
            Self::Desk => 880.0,
            Self::Phone => 330.0,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Desk => "plot desk",
            Self::Phone => "plot phone",
        }
    }
}

/// Where the plotting area is.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    fn x(&self, axis: &Axis, value: f64) -> Option<f64> {
        axis.place(value).map(|place| self.left + place.clamp(-0.01, 1.01) * self.width)
    }

    fn y(&self, axis: &Axis, value: f64) -> Option<f64> {
        axis.place(value).map(|place| self.upright(axis, place.clamp(-0.01, 1.01)))
    }

    /// Values grow upwards, rows are read downwards.
    fn upright(&self, axis: &Axis, place: f64) -> f64 {
        let down = if axis.rows().is_some() { place } else { 1.0 - place };
        self.top + down * self.height
    }

    fn right(&self) -> f64 {
        self.left + self.width
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

pub(super) fn svg(chart: &Chart, width: Width, in_page: bool) -> Markup {
    let units = width.units();
    let legend = legend(chart, units);
    let most = if width == Width::Desk { 6 } else { 4 };
    let labels = chart.y.ticks(most);
    let most_letters = (units * 0.42 / LETTER) as usize;
    let widest = labels.iter().map(|tick| tick.text.chars().count()).max().unwrap_or(0).min(most_letters);
    let rows = chart.y.rows().map(<[String]>::len);
    let above = legend.height + if chart.y.label.is_empty() { 8.0 } else { LINE + 4.0 };
    let frame = Frame {
        left: widest as f64 * LETTER + 10.0,
        top: above,
        width: units - widest as f64 * LETTER - 10.0 - 10.0,
        height: rows.map_or(220.0, |rows| rows.max(1) as f64 * ROW),
    };
    let below = LINE + if chart.x.label.is_empty() { 6.0 } else { LINE + 6.0 };
    let size = format!("0 0 {} {}", at(units), at(frame.bottom() + below));
    html! {
        svg class=(width.class()) viewBox=(size) role="img" aria-label=(chart.title)
            xmlns=[(!in_page).then_some("http://www.w3.org/2000/svg")] {
            title { (chart.title) }
            desc { (chart.description) }
            @if !in_page { style { (PreEscaped(COLOURS)) (PreEscaped(MARKS)) } }
            (legend.markup)
            (level_axis(&chart.x, &frame, units))
            (upright_axis(&chart.y, &frame, most, most_letters, legend.height))
            @for mark in &chart.marks { (draw(mark, chart, &frame, units)) }
        }
    }
}

struct Legend {
    markup: Markup,
    height: f64,
}

/// Names with a sample of their colour, in as many lines as they need. One series alone needs no legend.
fn legend(chart: &Chart, units: f64) -> Legend {
    let is_rule = |mark: &&Mark| !matches!(mark.shape, Shape::UprightRule(_) | Shape::LevelRule(_));
    let named: Vec<&Mark> = chart.marks.iter().filter(is_rule).filter(|mark| !mark.name.is_empty()).collect();
    if named.len() < 2 {
        return Legend { markup: html! {}, height: 0.0 };
    }
    let (mut x, mut y) = (0.0, 0.0);
    let mut places = Vec::new();
    for mark in named {
        let text = cut(&mark.name, ((units - 24.0) / LETTER) as usize);
        let wide = 22.0 + text.chars().count() as f64 * LETTER + 14.0;
        if x > 0.0 && x + wide > units {
            (x, y) = (0.0, y + LINE);
        }
        places.push((mark, text, x, y));
        x += wide;
    }
    let markup = html! {
        @for (mark, text, x, y) in places {
            (sample(mark, x, y + LINE / 2.0))
            text.t x=(at(x + 22.0)) y=(at(y + LINE / 2.0 + 4.0)) { (text) }
        }
    };
    Legend { markup, height: y + LINE + 4.0 }
}

fn sample(mark: &Mark, x: f64, y: f64) -> Markup {
    let tone = tone(mark.tone);
    match mark.shape {
        Shape::Band(_) | Shape::Columns(_) | Shape::Bars(_) => {
            let kind = if matches!(mark.shape, Shape::Band(_)) { "band" } else { "col" };
            html! { rect class={(kind) " " (tone)} x=(at(x)) y=(at(y - 5.0)) width="16" height="10" {} }
        }
        Shape::Points(_) => html! { path class={"dot " (tone)} d=(point(mark.tone, x + 8.0, y)) {} },
        _ => html! { path class={"line " (tone)} d=(format!("M{} {}h16", at(x), at(y))) {} },
    }
}

fn level_axis(axis: &Axis, frame: &Frame, units: f64) -> Markup {
    let widest = axis.ticks(6).iter().map(|tick| tick.text.chars().count()).max().unwrap_or(1);
    let most = (frame.width / (widest as f64 * LETTER + 16.0)) as usize;
    let ticks = axis.ticks(most.clamp(2, 9));
    html! {
        path.axis d=(format!("M{} {}H{}", at(frame.left), at(frame.bottom()), at(frame.right()))) {}
        @for tick in &ticks {
            @let x = frame.left + tick.place * frame.width;
            path.grid d=(format!("M{} {}V{}", at(x), at(frame.top), at(frame.bottom()))) {}
            (label(&tick.text, x, frame.bottom() + LINE - 2.0, units))
        }
        @if !axis.label.is_empty() {
            text.t x=(at(frame.right())) y=(at(frame.bottom() + LINE * 2.0 - 2.0)) text-anchor="end" { (axis.label) }
        }
    }
}

fn upright_axis(axis: &Axis, frame: &Frame, most: usize, most_letters: usize, top: f64) -> Markup {
    html! {
        @for tick in &axis.ticks(most) {
            @let y = frame.upright(axis, tick.place);
            path.grid d=(format!("M{} {}H{}", at(frame.left), at(y), at(frame.right()))) {}
            text.t x=(at(frame.left - 6.0)) y=(at(y + TEXT / 3.0)) text-anchor="end" { (cut(&tick.text, most_letters)) }
        }
        @if !axis.label.is_empty() {
            text.t x="0" y=(at(top + TEXT)) { (axis.label) }
        }
    }
}

/// A label centred on `x`, or moved so far that the edge of the picture does not cut it.
fn label(text: &str, x: f64, y: f64, units: f64) -> Markup {
    let half = text.chars().count() as f64 * LETTER / 2.0;
    let (x, anchor) = if x - half < 0.0 {
        (0.0, "start")
    } else if x + half > units {
        (units, "end")
    } else {
        (x, "middle")
    };
    html! { text.t x=(at(x)) y=(at(y)) text-anchor=(anchor) { (text) } }
}

fn draw(mark: &Mark, chart: &Chart, frame: &Frame, units: f64) -> Markup {
    let tone = tone(mark.tone);
    let place = |(x, y): (f64, f64)| Some((frame.x(&chart.x, x)?, frame.y(&chart.y, y)?));
    match &mark.shape {
        Shape::Line(points) => {
            html! { path class={"line " (tone)} d=(line(points.iter().map(|point| place(*point)), false)) {} }
        }
        Shape::Step(points) => {
            html! { path class={"line " (tone)} d=(line(points.iter().map(|point| place(*point)), true)) {} }
        }
        Shape::Band(stretches) => html! { path class={"band " (tone)} d=(band(stretches, place)) {} },
        Shape::Columns(columns) => {
            html! { path class={"col " (tone)} d=(columns_path(columns, chart, frame)) {} }
        }
        Shape::Bars(bars) => html! { path class={"col " (tone)} d=(bars_path(bars, chart, frame)) {} },
        Shape::Points(points) => {
            let placed = points.iter().filter_map(|one| place(*one));
            let path: String = placed.map(|(x, y)| point(mark.tone, x, y)).collect();
            html! { path class={"dot " (tone)} d=(path) {} }
        }
        Shape::Labels(named) => {
            let placed = named.iter().filter_map(|(point, name)| Some((place(*point)?, name.as_str())));
            labels(&placed.collect::<Vec<_>>(), &steps(chart, frame), frame, units)
        }
        Shape::Strokes(row, values) => {
            let y = frame.y(&chart.y, *row as f64);
            let strokes = values.iter().filter_map(|value| Some((frame.x(&chart.x, *value)?, y?)));
            let path: String =
                strokes.map(|(x, y)| format!("M{} {}v{}", at(x), at(y - ROW * 0.3), at(ROW * 0.6))).collect();
            html! { path class={"stroke " (tone)} d=(path) {} }
        }
        Shape::UprightRule(value) => rule(frame.x(&chart.x, *value), &mark.name, tone, frame, units),
        Shape::LevelRule(value) => match frame.y(&chart.y, *value) {
            Some(y) => html! {
                path class={"rule " (tone)} d=(format!("M{} {}H{}", at(frame.left), at(y), at(frame.right()))) {}
                text.t x=(at(frame.right())) y=(at(y - 4.0)) text-anchor="end" { (mark.name) }
            },
            None => html! {},
        },
    }
}

/// What the step lines of a picture take up.
fn steps(chart: &Chart, frame: &Frame) -> Vec<Area> {
    let mut areas = Vec::new();
    for mark in &chart.marks {
        let Shape::Step(corners) = &mark.shape else { continue };
        let placed: Vec<(f64, f64)> = corners
            .iter()
            .filter_map(|it| Some((frame.x(&chart.x, it.0)?, frame.y(&chart.y, it.1)?)))
            .collect();
        for pair in placed.windows(2) {
            let [(from, high), (to, low)] = pair else { continue };
            areas.push(Area { left: from.min(*to), top: high - 1.0, width: (to - from).abs(), height: 2.0 });
            areas.push(Area { left: to - 1.0, top: high.min(*low), width: 2.0, height: (low - high).abs() });
        }
    }
    areas
}

/// Names beside their points; a thin line leads to one that had to be moved away or might be another's.
fn labels(named: &[((f64, f64), &str)], lines: &[Area], frame: &Frame, units: f64) -> Markup {
    let most = (frame.width * 0.6 / LETTER) as usize;
    let texts: Vec<String> = named.iter().map(|(_, name)| cut(name, most)).collect();
    let points: Vec<(f64, f64)> = named.iter().map(|(point, _)| *point).collect();
    let widths: Vec<f64> = texts.iter().map(|text| text.chars().count() as f64 * LETTER).collect();
    let within = Area {
        left: frame.left + 2.0,
        top: frame.top,
        width: units - frame.left - 2.0,
        height: frame.height - 2.0,
    };
    let spots = arrange(&points, &widths, TEXT + 2.0, within, lines);
    html! {
        @for ((text, point), spot) in texts.iter().zip(&points).zip(spots) {
            @if let Some(Spot { area, led }) = spot {
                @let (x, y) = area.nearest(*point);
                @if led {
                    path.axis d=(format!("M{} {}L{} {}", at(point.0), at(point.1), at(x), at(y))) {}
                }
                text.t x=(at(area.left + area.width / 2.0)) y=(at(area.top + TEXT - 1.0)) text-anchor="middle" { (text) }
            }
        }
    }
}

fn rule(x: Option<f64>, name: &str, tone: &str, frame: &Frame, units: f64) -> Markup {
    let Some(x) = x else { return html! {} };
    let wide = name.chars().count() as f64 * LETTER + 4.0;
    let (text_x, anchor) = if x + wide > units { (x - 4.0, "end") } else { (x + 4.0, "start") };
    html! {
        path class={"rule " (tone)} d=(format!("M{} {}V{}", at(x), at(frame.top), at(frame.bottom()))) {}
        text.t x=(at(text_x)) y=(at(frame.top + TEXT)) text-anchor=(anchor) { (name) }
    }
}

fn line(points: impl Iterator<Item = Option<(f64, f64)>>, steps: bool) -> String {
    let (mut path, mut open) = (String::new(), false);
    for place in points {
        let Some((x, y)) = place else {
            open = false;
            continue;
        };
        let _ = match (open, steps) {
            (false, _) => write!(path, "M{} {}", at(x), at(y)),
            (true, false) => write!(path, "L{} {}", at(x), at(y)),
            (true, true) => write!(path, "H{}V{}", at(x), at(y)),
        };
        open = true;
    }
    path
}

fn band(stretches: &[(f64, f64, f64)], place: impl Fn((f64, f64)) -> Option<(f64, f64)>) -> String {
    let both = |&(x, low, high): &(f64, f64, f64)| Some((place((x, low))?, place((x, high))?));
    let mut path = String::new();
    // A stretch that cannot be placed leaves a hole: nothing may be drawn over what is not known.
    for known in stretches.iter().map(both).collect::<Vec<_>>().split(Option::is_none) {
        let there = known.iter().flatten().map(|(_, high)| *high);
        let back = known.iter().flatten().rev().map(|(low, _)| *low);
        for (first, (x, y)) in std::iter::once(true).chain(std::iter::repeat(false)).zip(there.chain(back)) {
            let _ = write!(path, "{}{} {}", if first { 'M' } else { 'L' }, at(x), at(y));
        }
        if !known.is_empty() {
            path.push('Z');
        }
    }
    path
}

fn columns_path(columns: &[(f64, f64, f64)], chart: &Chart, frame: &Frame) -> String {
    let base = frame.upright(&chart.y, chart.y.base());
    let edges = columns.iter().filter_map(|&(from, to, value)| {
        Some((frame.x(&chart.x, from)?, frame.x(&chart.x, to)?, frame.y(&chart.y, value)?))
    });
    // A hair of space keeps neighbours apart.
    edges.map(|(from, to, y)| rectangle(from + 0.7, to - 0.7, y, base)).collect()
}

fn bars_path(bars: &[(usize, f64, f64)], chart: &Chart, frame: &Frame) -> String {
    let edges = bars.iter().filter_map(|&(row, from, to)| {
        let y = frame.y(&chart.y, row as f64)?;
        Some((frame.x(&chart.x, from)?, frame.x(&chart.x, to)?, y))
    });
    edges.map(|(from, to, y)| rectangle(from, to, y - ROW * 0.32, y + ROW * 0.32)).collect()
}

fn rectangle(from: f64, to: f64, y: f64, base: f64) -> String {
    format!("M{} {}V{}H{}V{}Z", at(from), at(base), at(y), at(to.max(from + 0.5)), at(base))
}

/// A point around this place, in the form of its tone.
fn point(tone: Tone, x: f64, y: f64) -> String {
    let start = |dx: f64, dy: f64| format!("M{} {}", at(x + dx), at(y + dy));
    match tone {
        Tone::First | Tone::Plain => start(-4.0, 0.0) + "a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
        Tone::Second => start(-4.0, -4.0) + "h8v8h-8Z",
        Tone::Third => start(0.0, -5.0) + "l5 9h-10Z",
        Tone::Fourth => start(0.0, -5.0) + "l5 5l-5 5l-5 -5Z",
        Tone::Fifth => start(-1.5, -5.0) + "h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5Z",
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::First => "c1",
        Tone::Second => "c2",
        Tone::Third => "c3",
        Tone::Fourth => "c4",
        Tone::Fifth => "c5",
        Tone::Plain => "c0",
    }
}

/// A text of at most so many letters; what is cut off is marked.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

/// A coordinate: one decimal is finer than a screen, and short.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
