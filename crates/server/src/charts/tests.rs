//! Ticks, places, and pictures of every kind of mark.

use jiff::civil::date;

use super::draw::{Width, svg};
use super::scale::number;
use super::*;

fn texts(axis: &Axis, most: usize) -> Vec<String> {
    axis.ticks(most).into_iter().map(|tick| tick.text).collect()
}

#[test]
fn ticks_are_round() {
    assert_eq!(texts(&Axis::linear("", 0.0, 97.0), 5), ["0", "20", "40", "60", "80", "100"]);
    assert_eq!(texts(&Axis::linear("", -0.02, 0.05), 5), ["\u{2212}0.02", "0", "0.02", "0.04", "0.06"]);
    assert_eq!(texts(&Axis::linear("", 0.0, 2_400_000.0), 3), ["0", "1M", "2M"]);
    assert_eq!(
        texts(&Axis::log("", 0.001, 900.0), 8),
        ["0.001", "0.01", "0.1", "1", "10", "100", "1\u{202f}000"]
    );
    assert_eq!(texts(&Axis::log("", 1e-12, 1.0), 4), ["1e-12", "1e-8", "0.0001", "1"]);
    assert_eq!(number(-0.0, 1.0), "0");
    assert_eq!(texts(&Axis::counts("", 1), 6), ["0", "1", "2"]);
    assert_eq!(texts(&Axis::counts("", 0), 6), ["0", "1"]);
    assert_eq!(texts(&Axis::counts("", 5), 6), ["0", "1", "2", "3", "4", "5", "6"]);
}

#[test]
fn days_have_ticks_of_the_calendar() {
    let years = Axis::days("", date(2018, 4, 17), date(2023, 2, 1));
    assert_eq!(texts(&years, 6), ["2019", "2020", "2021", "2022", "2023"]);
    let months = Axis::days("", date(2007, 7, 2), date(2007, 11, 29));
    assert_eq!(texts(&months, 5), ["2007-08", "2007-09", "2007-10", "2007-11"]);
    let days = Axis::days("", date(2007, 7, 2), date(2007, 7, 5));
    assert_eq!(texts(&days, 5), ["2007-07-02", "2007-07-03", "2007-07-04", "2007-07-05"]);
}

#[test]
fn an_axis_is_always_drawable() {
    for axis in [
        Axis::linear("", 0.0, 0.0),
        Axis::linear("", 5.0, 5.0),
        Axis::linear("", f64::NAN, f64::INFINITY),
        Axis::linear("", 1e300, 1e300),
        Axis::linear("", -1e-300, 1e-300),
        Axis::log("", 0.0, -1.0),
        Axis::log("", f64::NAN, f64::INFINITY),
        Axis::days("", date(2020, 1, 1), date(2020, 1, 1)),
        Axis::days("", Date::MIN, Date::MAX),
        Axis::names("", Vec::new()),
        Axis::counts("", usize::MAX),
    ] {
        for tick in axis.ticks(6) {
            assert!(tick.place.is_finite(), "{axis:?}: {tick:?}");
        }
        assert!(axis.ticks(6).len() < 25, "{axis:?}");
    }
    assert_eq!(Axis::log("", 1.0, 10.0).place(0.0), None, "a logarithmic axis has no zero");
    assert_eq!(Axis::linear("", 0.0, 1.0).place(f64::NAN), None);
}

fn every_mark() -> Chart {
    let line = vec![(0.0, 90.0), (9.0, 20.0), (f64::NAN, 3.0), (20.0, 60.0), (30.0, 110.0)];
    Chart {
        title: "Loss <by> day & more".to_owned(),
        description: "Lowest after 9 days.".to_owned(),
        x: Axis::linear("days", 0.0, 30.0),
        y: Axis::linear("loss", 0.0, 120.0),
        marks: vec![
            Mark::new(
                "90 % band",
                Tone::First,
                Shape::Band(vec![(0.0, 80.0, 100.0), (9.0, 10.0, 30.0), (30.0, 90.0, 120.0)]),
            ),
            Mark::new("loss", Tone::First, Shape::Line(line)),
            Mark::new("frontier", Tone::Second, Shape::Step(vec![(0.0, 10.0), (10.0, 30.0), (30.0, 40.0)])),
            Mark::new("histogram", Tone::Third, Shape::Columns(vec![(0.0, 5.0, 12.0), (5.0, 10.0, 40.0)])),
            Mark::new("policies", Tone::Fourth, Shape::Points(vec![(3.0, 30.0), (12.0, f64::INFINITY)])),
            Mark::new("", Tone::Plain, Shape::Labels(vec![((3.0, 30.0), "at once <1>".to_owned())])),
            Mark::new("optimum", Tone::Plain, Shape::UprightRule(29.0)),
            Mark::new("limit", Tone::Fifth, Shape::LevelRule(100.0)),
        ],
    }
}

#[test]
fn a_picture_of_every_mark() {
    insta::assert_snapshot!(standalone(&every_mark()).replace("/><", "/>\n<").replace("><", ">\n<"));
}

#[test]
fn rows_are_read_from_the_top() {
    let chart = Chart {
        title: "Contributions".to_owned(),
        description: String::new(),
        x: Axis::log("share", 0.001, 1.0),
        y: Axis::names(
            "",
            vec!["first".to_owned(), "a name that is much too long for a telephone".to_owned()],
        ),
        marks: vec![
            Mark::new("", Tone::First, Shape::Bars(vec![(0, 0.001, 0.5), (1, 0.0, 1.0)])),
            Mark::new("", Tone::Second, Shape::Strokes(1, vec![0.01, 0.1])),
        ],
    };
    insta::assert_snapshot!(svg(&chart, Width::Phone, true).into_string().replace("><", ">\n<"));
}

#[test]
fn what_cannot_be_placed_is_nowhere_and_text_is_escaped() {
    for width in [Width::Desk, Width::Phone] {
        let picture = svg(&every_mark(), width, true).into_string();
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        assert!(picture.contains("Loss &lt;by&gt; day &amp; more") && !picture.contains("<by>"));
        let line = picture.split("class=\"line c1\" d=\"").last().unwrap().split('"').next().unwrap();
        assert_eq!(line.matches('M').count(), 2, "the line is broken where a point is missing: {line}");
    }
}

/// Every text begins and ends inside the picture, by the estimate of its width that the drawing uses too.
#[test]
fn no_label_leaves_the_picture() {
    let mut chart = every_mark();
    chart.x = Axis::days("released", date(2009, 5, 21), date(2025, 5, 20));
    for width in [Width::Desk, Width::Phone] {
        let picture = svg(&chart, width, true).into_string();
        let units = if width == Width::Desk { 880.0 } else { 330.0 };
        for text in picture.split("<text ").skip(1) {
            let value = |name: &str| text.split(&format!("{name}=\"")).nth(1)?.split('"').next();
            let x: f64 = value("x").unwrap().parse().unwrap();
            let wide =
                text.split('>').nth(1).unwrap().split('<').next().unwrap().chars().count() as f64 * 7.2;
            let left = match value("text-anchor") {
                Some("middle") => x - wide / 2.0,
                Some("end") => x - wide,
                _ => x,
            };
            assert!(left > -1.0 && left + wide < units + 1.0, "{text}");
        }
    }
}

/// Policies of a backtest that come out nearly alike, as they are drawn: every name has a place of its own, at both widths.
#[test]
fn names_of_a_crowded_frontier_are_apart() {
    let names =
        ["at once", "monthly", "security only", "after 30 days", "quarterly", "exploited only", "never"];
    let points: Vec<(f64, f64)> =
        (0..7_u8).map(|at| (10.0 + f64::from(at % 3), 50.0 + 2.0 * f64::from(at))).collect();
    let labels: Vec<_> = points.iter().copied().zip(names.map(str::to_owned)).collect();
    let chart = Chart {
        title: "Maintenances against exposure-days".to_owned(),
        description: String::new(),
        x: Axis::linear("maintenances", 0.0, 40.0),
        y: Axis::linear("exposure-days", 0.0, 120.0),
        marks: vec![
            Mark::new("", Tone::First, Shape::Points(points)),
            Mark::new("", Tone::Plain, Shape::Labels(labels)),
        ],
    };
    for width in [Width::Desk, Width::Phone] {
        let picture = svg(&chart, width, true).into_string();
        let mut boxes: Vec<(f64, f64, f64, &str)> = Vec::new();
        for text in picture.split("<text ").skip(1) {
            let value = |name: &str| -> f64 {
                text.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let words = text.split('>').nth(1).unwrap().split('<').next().unwrap();
            if names.contains(&words) {
                let wide = words.chars().count() as f64 * 7.2;
                boxes.push((value("x") - wide / 2.0, value("x") + wide / 2.0, value("y"), words));
            }
        }
        assert_eq!(boxes.len(), names.len(), "{width:?}: {picture}");
        for (at, one) in boxes.iter().enumerate() {
            for other in boxes.iter().skip(at + 1) {
                let beside = one.1 + 3.0 < other.0 || other.1 + 3.0 < one.0;
                assert!(beside || (one.2 - other.2).abs() > 12.0, "{width:?}: {one:?} and {other:?}");
            }
        }
    }
}

#[test]
fn a_figure_has_the_numbers_in_words() {
    let table = html! { p { "9 days: 20" } };
    let page = figure(&every_mark(), &table).into_string();
    assert_eq!(page.matches("<svg").count(), 2, "for a desk and for a phone");
    assert!(page.contains("<summary>The numbers of this chart</summary><p>9 days: 20</p>"));
    assert!(page.contains("role=\"img\" aria-label=\"Loss &lt;by&gt;"));
    assert!(!page.contains("style="), "the pages' policy forbids inline styles");
    assert_eq!(span(&[date(1970, 1, 3), date(1970, 1, 2)]), Some((1.0, 2.0)));
}
