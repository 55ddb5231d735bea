//! The goals as a picture: one bar each, by how much of what the goal allows was used.

use crate::measure::{Goal, Measure};
use crate::report::asked;
use std::fmt::Write;

const ROW: usize = 22;
/// Where the bars begin, and how long one is that just meets its goal; pixels.
const LEFT: usize = 520;
const UNIT: f64 = 220.0;
/// A longer bar is cut.
const MOST: f64 = 2.0;

pub fn svg(measures: &[Measure]) -> String {
    let all: Vec<(&Measure, &Goal)> = measures.iter().flat_map(|m| m.goals.iter().map(move |g| (m, g))).collect();
    let (width, height) = (LEFT + (UNIT * MOST) as usize + 90, ROW * all.len() + 60);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">podrt: measured, as a part of what each goal allows</text>\n"
    );
    for (i, (measure, goal)) in all.iter().enumerate() {
        let y = 40 + i * ROW;
        let label = escaped(&format!("{}: {}", measure.key, asked(measure, goal)));
        let _ = writeln!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>", LEFT - 8, y + 13);
        let (bar, colour, words) = match measure.ratio(goal) {
            None => (0.0, "#999", "not measured".to_string()),
            Some(is) => {
                let part = if goal.factor > 0.0 { is / goal.factor } else { is.min(1.0) * MOST };
                (part.min(MOST), if is <= goal.factor { "#2a7" } else { "#c43" }, crate::report::number(is))
            }
        };
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.0}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{}\">{words}</text>",
            bar * UNIT,
            ROW - 6,
            LEFT as f64 + bar * UNIT + 6.0,
            y + 13
        );
    }
    let x = LEFT as f64 + UNIT;
    let _ =
        writeln!(out, "<line x1=\"{x}\" y1=\"32\" x2=\"{x}\" y2=\"{}\" stroke=\"black\" stroke-dasharray=\"4 3\"/>", height - 15);
    out + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
