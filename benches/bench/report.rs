//! The table and the JSON.

use crate::measure::{Goal, Measure};
use serde_json::{Value, json};

pub fn table(m: &Measure) -> String {
    let mut out = format!("\n{} [{}]\n", m.title, m.unit);
    out += &format!("  {:<34}{:>10}{:>10}{:>10}{:>10}{:>5}{:>9}\n", "", "median", "p10", "p90", "min", "n", "x first");
    let first = m.rows.first().and_then(|r| r.series.as_ref().ok()).map(|s| s.median());
    for row in &m.rows {
        match &row.series {
            Ok(s) => {
                let ratio = first.filter(|f| *f > 0.0).map_or(String::new(), |f| format!("{:.2}", s.median() / f));
                let cells = [s.median(), s.quantile(0.1), s.quantile(0.9), s.quantile(0.0)].map(|v| format!("{:>10}", number(v)));
                out += &format!("  {:<34}{}{:>5}{ratio:>9}\n", row.name, cells.concat(), s.len());
            }
            Err(why) => out += &format!("  {:<34}  skipped: {why}\n", row.name),
        }
    }
    for goal in &m.goals {
        out += &format!("  goal: {}\n", verdict(m, goal));
    }
    out
}

/// What a goal asks.
pub fn asked(m: &Measure, goal: &Goal) -> String {
    let which = if goal.at == 0.5 { String::new() } else { format!(" (p{:.0})", goal.at * 100.0) };
    match goal.base {
        Some(base) => format!("{}{which} <= {} x {base}", goal.subject, number(goal.factor)),
        None => format!("{}{which} <= {} {}", goal.subject, number(goal.factor), m.unit),
    }
}

fn verdict(m: &Measure, goal: &Goal) -> String {
    let asked = asked(m, goal);
    match m.ratio(goal) {
        Some(ratio) if ratio <= goal.factor => format!("{asked}: met ({})", number(ratio)),
        Some(ratio) => format!("{asked}: MISSED ({})", number(ratio)),
        None => format!("{asked}: not measured"),
    }
}

pub fn number(v: f64) -> String {
    match v.abs() {
        a if a >= 1000.0 => format!("{v:.0}"),
        a if a >= 100.0 => format!("{v:.1}"),
        a if a >= 1.0 || a == 0.0 => format!("{v:.2}"),
        _ => format!("{v:.3}"),
    }
}

pub fn json(measures: &[Measure], setting: &Value) -> Value {
    let goal = |m: &Measure, g: &Goal| {
        let ratio = m.ratio(g);
        json!({"subject": g.subject, "quantile": g.at, "base": g.base, "at_most": g.factor, "is": ratio, "met": ratio.map(|r| r <= g.factor)})
    };
    let one = |m: &Measure| {
        let rows = m.rows.iter().map(|r| match &r.series {
            Ok(s) => json!({"name": r.name, "median": s.median(), "p10": s.quantile(0.1), "p90": s.quantile(0.9),
                            "min": s.quantile(0.0), "max": s.quantile(1.0), "n": s.len()}),
            Err(why) => json!({"name": r.name, "skipped": why}),
        });
        json!({"key": m.key, "title": m.title, "unit": m.unit, "rows": rows.collect::<Vec<_>>(),
               "goals": m.goals.iter().map(|g| goal(m, g)).collect::<Vec<_>>()})
    };
    json!({"setting": setting, "measures": measures.iter().map(one).collect::<Vec<_>>()})
}
