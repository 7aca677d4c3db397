//! The plots of the document, as SVG.
//!
//! They bring their own light ground, so they can be read on a dark page too.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

use super::data::{Data, median, number, text};
use super::promises::Results;

const GROUND: RGBColor = RGBColor(252, 252, 250);
const INK: RGBColor = RGBColor(36, 41, 47);
const FAINT: RGBColor = RGBColor(208, 215, 222);
const BAD: RGBColor = RGBColor(191, 54, 12);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawing<T> = Result<T, String>;

fn failed(error: impl std::fmt::Display) -> String {
    format!("a plot cannot be drawn: {error}")
}

/// The name and the text of each.
pub(crate) fn all(
    results: &[Results<'_>],
    scaling: &Data,
    programs: &Data,
) -> Drawing<Vec<(String, String)>> {
    let mut plots = Vec::new();
    if !results.is_empty() {
        plots.push(("ratios.svg".to_owned(), ratios(results)?));
        plots.push(("peers.svg".to_owned(), peers(results)?));
    }
    for axis in scaling.all("axis") {
        let records = scaling.of("axis", axis);
        let plot = if axis == "size" { sizes(&records)? } else { scaled(axis, &records)? };
        plots.push((format!("{axis}.svg"), plot));
    }
    if !programs.0.is_empty() {
        let seconds = by_stages(programs, "seconds to compile a chain", "seconds", 1.0)?;
        plots.push(("compile_time.svg".to_owned(), seconds));
        let bytes = by_stages(programs, "kilobytes of its program", "bytes", 1.0 / 1024.0)?;
        plots.push(("binary_size.svg".to_owned(), bytes));
    }
    Ok(plots)
}

fn picture(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Drawing<()>,
) -> Drawing<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        area.fill(&GROUND).map_err(failed)?;
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(text + "\n")
}

/// The colour of a peer is the same in all plots.
fn colour(name: &str) -> RGBColor {
    const COLOURS: &[(&str, RGBColor)] = &[
        ("millstream", RGBColor(9, 105, 218)),
        ("futures", RGBColor(188, 76, 0)),
        ("tokio", RGBColor(26, 127, 55)),
        ("rxrust", RGBColor(207, 34, 46)),
        ("crossbeam", RGBColor(130, 80, 223)),
        ("kanal", RGBColor(154, 103, 0)),
        ("flume", RGBColor(191, 57, 137)),
        ("std", RGBColor(13, 128, 134)),
        ("model", RGBColor(150, 160, 170)),
    ];
    let known = COLOURS.iter().find(|(peer, _)| name.starts_with(peer));
    // What is left is a limit.
    known.map_or(RGBColor(110, 119, 129), |(_, colour)| *colour)
}

fn ink(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn draw_text(area: &Area<'_>, text: &str, style: &TextStyle<'_>, at: (i32, i32)) -> Drawing<()> {
    area.draw(&Text::new(text.to_owned(), at, style)).map_err(failed)
}

fn line(area: &Area<'_>, from: (i32, i32), to: (i32, i32), style: ShapeStyle) -> Drawing<()> {
    area.draw(&PathElement::new(vec![from, to], style)).map_err(failed)
}

/// Ours, times the limit and times the best peer, with the quartiles and what is promised.
fn ratios(results: &[Results<'_>]) -> Drawing<String> {
    let rows: Vec<_> = results.iter().filter(|result| result.of("ours").is_some()).collect();
    const ROW: i32 = 22;
    const TOP: i32 = 74;
    let bottom = TOP + ROW * rows.len() as i32;
    picture((960, (bottom + 30) as u32), |area| {
        draw_text(area, "Millstream, times the limit and times the best peer", &ink(18), (20, 14))?;
        let panels = [
            ("times the limit", "of_limit", 130, 0.1, 20.0),
            ("times the best Rust peer", "of_best", 560, 0.01, 4.0),
        ];
        for (index, result) in rows.iter().enumerate() {
            let y = TOP + ROW * index as i32;
            draw_text(area, result.name, &ink(14), (20, y + 3))?;
            line(area, (20, y + ROW), (940, y + ROW), FAINT.into())?;
        }
        for (title, field, left, least, most) in panels {
            let width = 370.0;
            let x = |ratio: f64| {
                let part = (ratio.clamp(least, most) / least).ln() / (most / least).ln();
                left + (part * width) as i32
            };
            draw_text(area, title, &ink(14), (left, 40))?;
            for tick in [0.01, 0.1, 1.0, 10.0].into_iter().filter(|&t| t >= least && t <= most) {
                let style = if tick == 1.0 { INK } else { FAINT };
                line(area, (x(tick), TOP - 6), (x(tick), bottom), style.into())?;
                draw_text(area, &tick.to_string(), &ink(12), (x(tick) - 6, TOP - 20))?;
            }
            for (index, result) in rows.iter().enumerate() {
                let y = TOP + ROW * index as i32 + ROW / 2;
                let Some(ours) = result.of("ours") else { continue };
                let Some(is) = median(ours, field) else { continue };
                let verdicts = result.verdicts();
                let verdict = verdicts.iter().find(|verdict| verdict.promise == field);
                let broken = verdict.is_some_and(super::promises::Verdict::is_broken);
                let colour = if broken { BAD } else { colour("millstream") };
                let at = |n: usize| x(ours[field][n].as_f64().unwrap_or(is));
                line(area, (at(0), y), (at(2), y), colour.stroke_width(3))?;
                area.draw(&Circle::new((x(is), y), 4, colour.filled())).map_err(failed)?;
                if let Some(verdict) = verdict {
                    let most = x(verdict.most);
                    line(area, (most, y - 8), (most, y + 8), INK.stroke_width(2))?;
                }
            }
        }
        let note = "dot: median of the rounds, bar: quartiles, upright: promised at most; red: broken; \
                    what is beyond the scale is at its edge";
        draw_text(area, note, &ink(12), (130, bottom + 10))
    })
}

/// A panel for each workload, a bar for each peer.
fn peers(results: &[Results<'_>]) -> Drawing<String> {
    const COLUMNS: usize = 3;
    const WIDTH: i32 = 400;
    const BAR: i32 = 16;
    let rows = |result: &Results<'_>| (result.peers.len() + result.jvm.len()) as i32;
    // Panels in a row are as high as the highest of them.
    let heights: Vec<i32> = results
        .chunks(COLUMNS)
        .map(|panels| 56 + BAR * panels.iter().map(rows).max().unwrap_or(0))
        .collect();
    let height = 50 + heights.iter().sum::<i32>();
    let size = ((20 + WIDTH * COLUMNS as i32) as u32, height as u32);
    picture(size, |area| {
        let title = "Nanoseconds for an item, or as it says: medians, on a scale of logarithms";
        draw_text(area, title, &ink(18), (20, 14))?;
        let mut top = 50;
        for (panels, height) in results.chunks(COLUMNS).zip(&heights) {
            for (column, result) in panels.iter().enumerate() {
                panel_of_peers(area, result, (20 + WIDTH * column as i32, top), BAR)?;
            }
            top += height;
        }
        Ok(())
    })
}

fn panel_of_peers(
    area: &Area<'_>,
    result: &Results<'_>,
    (left, top): (i32, i32),
    bar: i32,
) -> Drawing<()> {
    let unit = match text(result.workload, "unit") {
        "ns" => String::new(),
        unit => format!(", {unit}"),
    };
    draw_text(area, &format!("{}{unit}", result.name), &ink(15), (left, top))?;
    let rows: Vec<(&str, f64)> = (result.peers.iter().chain(&result.jvm))
        .filter_map(|peer| Some((text(peer, "peer"), median(peer, "quartiles")?)))
        .collect();
    let least = rows.iter().map(|row| row.1).fold(f64::INFINITY, f64::min) / 2.0;
    let most = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    for (index, (name, value)) in rows.iter().enumerate() {
        let y = top + 22 + bar * index as i32;
        let part = (value / least).ln() / (most / least).ln();
        let (from, to) = (left + 170, left + 170 + (part * 150.0) as i32);
        let style = ink(11).pos(Pos::new(HPos::Right, VPos::Top));
        draw_text(area, name, &style, (from - 6, y))?;
        let rectangle = Rectangle::new([(from, y), (to, y + bar - 4)], colour(name).filled());
        area.draw(&rectangle).map_err(failed)?;
        draw_text(area, &number(*value), &ink(11), (to + 5, y))?;
    }
    Ok(())
}

/// One line of a plot, from its records.
struct Curve<'a> {
    name: &'a str,
    kind: &'a str,
    points: Vec<(f64, f64)>,
}

impl<'a> Curve<'a> {
    /// Those of `records`, by the name in `field`.
    fn all(
        records: &[&'a Value],
        field: &str,
        point: impl Fn(&Value) -> Option<(f64, f64)>,
    ) -> Vec<Curve<'a>> {
        let mut curves: Vec<Curve<'a>> = Vec::new();
        for record in records {
            let (name, Some(point)) = (text(record, field), point(record)) else { continue };
            match curves.iter_mut().find(|curve| curve.name == name) {
                Some(curve) => curve.points.push(point),
                None => {
                    let kind = text(record, "kind");
                    curves.push(Curve { name, kind, points: vec![point] });
                }
            }
        }
        curves
    }

    fn style(&self) -> ShapeStyle {
        let width = if self.kind == "ours" { 3 } else { 2 };
        let colour = colour(self.name);
        // Two lines of one peer: the second is paler.
        let second = self.name.contains("boxed") || self.name.contains("channel");
        if second { colour.mix(0.55).stroke_width(width) } else { colour.stroke_width(width) }
    }
}

/// From the least to the most, with a little room.
fn bounds(values: impl Iterator<Item = f64> + Clone, room: f64) -> std::ops::Range<f64> {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    if !(0.0 < least && least <= most && most.is_finite()) {
        // Nothing to draw, or nothing that a scale of logarithms can show.
        return 1.0..10.0;
    }
    // A range of no width has no marks, and looking for them takes for ever.
    least / room..(most * room).max(least * 1.001)
}

/// The best samples: there are few for each point, and what disturbs only adds.
fn scaled(axis: &str, records: &[&Value]) -> Drawing<String> {
    let task = records.first().map(|record| text(record, "task")).unwrap_or_default();
    let curves = Curve::all(records, "line", |record| {
        Some((record["point"].as_f64()?, record["best"].as_f64()?))
    });
    picture((900, 460), |area| {
        let plot = area.margin(44, 10, 10, 210);
        draw_text(area, &format!("{task}, by {axis}"), &ink(18), (20, 14))?;
        let xs = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0));
        let x = bounds(xs, 1.0);
        let label = Label { x: axis, y: "ns per item" };
        let y = bounds(curves.iter().flat_map(|c| c.points.iter().map(|p| p.1)), 1.3);
        if x.start > 0.0 && x.end / x.start >= 100.0 {
            lines(&plot, &curves, x.log_scale(), y.log_scale(), &label)?;
        } else {
            lines(&plot, &curves, x.start..x.end, y.log_scale(), &label)?;
        }
        legend(area, &curves, (700, 60))
    })
}

/// A panel for each workload.
fn sizes(records: &[&Value]) -> Drawing<String> {
    const COLUMNS: usize = 4;
    let mut workloads: Vec<&str> = Vec::new();
    for record in records {
        if !workloads.contains(&text(record, "task")) {
            workloads.push(text(record, "task"));
        }
    }
    let rows = workloads.len().div_ceil(COLUMNS);
    picture((1120, 60 + 200 * rows as u32), |area| {
        draw_text(area, "Nanoseconds for an item, by the items of a run", &ink(18), (20, 14))?;
        let key = [("limit", "ring"), ("millstream", "millstream"), ("best peer", "futures")];
        for (index, (name, peer)) in key.into_iter().enumerate() {
            let x = 500 + 130 * index as i32;
            line(area, (x, 24), (x + 24, 24), colour(peer).stroke_width(3))?;
            draw_text(area, name, &ink(13), (x + 30, 16))?;
        }
        let (_, below) = area.split_vertically(50);
        for (panel, workload) in below.split_evenly((rows, COLUMNS)).iter().zip(workloads) {
            let own: Vec<&Value> = (records.iter().copied())
                .filter(|record| text(record, "task") == workload)
                .collect();
            let curves = Curve::all(&own, "kind", |record| {
                Some((record["point"].as_f64()?, record["best"].as_f64()?))
            });
            draw_text(panel, workload, &ink(14), (16, 2))?;
            let plot = panel.margin(18, 4, 4, 16);
            let y = bounds(curves.iter().flat_map(|c| c.points.iter().map(|p| p.1)), 1.0);
            // Whole decades, so that there are two marks at least.
            let decade = |value: f64| 10_f64.powf(value);
            let first = y.start.log10().floor();
            let y = decade(first)..decade(y.end.log10().ceil().max(first + 1.0));
            let x = bounds(curves.iter().flat_map(|c| c.points.iter().map(|p| p.0)), 1.0);
            let renamed: Vec<Curve<'_>> = curves
                .into_iter()
                .map(|curve| {
                    let name = match curve.kind {
                        "ours" => "millstream",
                        "library" => "futures",
                        _ => "limit",
                    };
                    Curve { name, ..curve }
                })
                .collect();
            let label = Label { x: "", y: "" };
            lines(&plot, &renamed, x.log_scale(), y.log_scale(), &label)?;
        }
        Ok(())
    })
}

fn by_stages(programs: &Data, what: &str, field: &str, unit: f64) -> Drawing<String> {
    let records: Vec<&Value> = programs.0.iter().collect();
    let curves = Curve::all(&records, "chain", |record| {
        Some((record["stages"].as_f64()?, record[field].as_f64()? * unit))
    });
    let curves: Vec<_> = curves
        .into_iter()
        .map(|curve| {
            let name = if curve.name == "boxed" { "millstream, boxed" } else { curve.name };
            Curve { name, ..curve }
        })
        .collect();
    picture((760, 400), |area| {
        draw_text(area, &format!("{what}, by stages"), &ink(18), (20, 14))?;
        let plot = area.margin(44, 10, 10, 190);
        let most = bounds(curves.iter().flat_map(|c| c.points.iter().map(|p| p.1)), 1.1).end;
        let label = Label { x: "stages", y: "" };
        lines(&plot, &curves, 0.0..100.0, 0.0..most, &label)?;
        legend(area, &curves, (580, 60))
    })
}

struct Label<'a> {
    x: &'a str,
    y: &'a str,
}

/// A chart with all curves on it.
fn lines<X, Y>(
    area: &Area<'_>,
    curves: &[Curve<'_>],
    x: impl AsRangedCoord<CoordDescType = X, Value = f64>,
    y: impl AsRangedCoord<CoordDescType = Y, Value = f64>,
    label: &Label<'_>,
) -> Drawing<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let small = label.x.is_empty();
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(if small { 22 } else { 42 })
        .y_label_area_size(if small { 40 } else { 64 })
        .build_cartesian_2d(x, y)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc(label.x)
        .y_desc(label.y)
        .x_labels(if small { 5 } else { 11 })
        .y_labels(if small { 4 } else { 9 })
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .axis_style(INK)
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .label_style(ink(if small { 11 } else { 13 }))
        .draw()
        .map_err(failed)?;
    for curve in curves {
        let style = curve.style();
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), style)).map_err(failed)?;
        let dots = curve.points.iter().map(|&point| Circle::new(point, 3, style.filled()));
        chart.draw_series(dots).map_err(failed)?;
    }
    Ok(())
}

fn legend(area: &Area<'_>, curves: &[Curve<'_>], (left, top): (i32, i32)) -> Drawing<()> {
    for (index, curve) in curves.iter().enumerate() {
        let y = top + 22 * index as i32;
        line(area, (left, y), (left + 24, y), curve.style())?;
        draw_text(area, curve.name, &ink(13), (left + 30, y - 8))?;
    }
    Ok(())
}

/// `1k`, `10M`.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => format!("{}", (value * 1000.0).round() / 1000.0),
    }
}
