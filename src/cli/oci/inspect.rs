use super::args::Format;
use super::verbs::print;
use crate::container::features;
use crate::container::runtime::{self, Runtime, Status};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

pub fn list(runtime: &Runtime, quiet: bool, format: Format) -> Result<i32> {
    let ids = runtime.ids()?;
    if quiet {
        return print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    let mut rows = Vec::new();
    let mut table = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(String::from)];
    for id in ids {
        // A container that goes away meanwhile, or whose record is damaged, does not hide the others.
        match runtime.load(&id).and_then(|r| Ok((runtime.status(&r)?, runtime.state_json(&r)?, r))) {
            Ok((status, mut state, r)) => {
                state["owner"] = json!("root");
                let pid = r.init.as_ref().filter(|_| status != Status::Stopped).map_or(0, |i| i.pid);
                table.push([id, pid.to_string(), status.to_string(), r.bundle.display().to_string(), r.created, "root".into()]);
                rows.push(state);
            }
            Err(runtime::Error::NotFound(_)) => {}
            Err(e) => {
                rows.push(json!({"id": id, "pid": 0, "status": "unknown", "bundle": "", "created": "", "owner": "root"}));
                table.push([id, "0".into(), "unknown".into(), e.to_string(), String::new(), "root".into()]);
            }
        }
    }
    match format {
        Format::Json => print(&format!("{}\n", Value::Array(rows))),
        Format::Table => print(&columns(&table)),
    }
}

fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}   ")).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The pids as JSON, or the host's ps(1) cut down to them.
pub fn ps(runtime: &Runtime, id: &str, format: Format, options: &[String]) -> Result<i32> {
    let pids = runtime::processes(runtime, id)?;
    if let Format::Json = format {
        return print(&format!("{}\n", json!(pids)));
    }
    let options = if options.is_empty() { vec!["-ef".to_string()] } else { options.to_vec() };
    let out = std::process::Command::new("ps").args(&options).output().context("run the host's ps")?;
    if !out.status.success() {
        bail!("ps {}: {}", options.join(" "), String::from_utf8_lossy(&out.stderr).lines().next().unwrap_or("failed"));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let Some(column) = header.split_whitespace().position(|c| c == "PID") else {
        bail!("ps {}: its output has no column PID", options.join(" "));
    };
    let ours = |l: &&str| l.split_whitespace().nth(column).and_then(|p| p.parse().ok()).is_some_and(|p: i32| pids.contains(&p));
    let body: String = lines.filter(ours).map(|l| format!("{l}\n")).collect();
    print(&format!("{header}\n{body}"))
}

pub fn features() -> Result<i32> {
    print(&format!("{:#}\n", features::features()))
}

/// The default config.json: a shell with the field's usual limits.
const SPEC: &str = include_str!("spec.json");

pub fn spec(bundle: &Path) -> Result<i32> {
    let path = bundle.join("config.json");
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = match file {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => bail!("{} exists: remove it first", path.display()),
        other => other.with_context(|| path.display().to_string())?,
    };
    file.write_all(SPEC.as_bytes()).with_context(|| path.display().to_string())?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_config_is_one_that_podrt_takes() {
        let (spec, _, warnings) = crate::container::bundle::parse(super::SPEC.as_bytes()).unwrap();
        assert!(warnings.is_empty());
        crate::container::validate::spec(&spec).unwrap();
    }
}
