//! `podrt unit`: units for systemd, to be written where it finds them.

use super::context::{self, Context};
use super::{Failure, Kind, Result, output};
use crate::store::Roots;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  podrt unit > /etc/systemd/system/podrt-restore.service           brings back what was applied at every boot
  systemctl enable podrt-restore.service
  podrt unit web > /etc/systemd/system/podrt-pod-web.service       one pod as a service: active when it is Ready, ended by
                                                                   systemctl stop, known to other units

A pod that has a unit of its own is restored by it, and by podrt restore as well: enable one of them.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A pod that was applied; without it, the unit is that of podrt restore
    #[arg(value_name = "POD")]
    name: Option<String>,
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    namespace: String,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let program = std::env::current_exe().map_err(|e| Failure::new(Kind::Host, format_args!("/proc/self/exe: {e}")))?;
    let mut command = vec![program.to_string_lossy().into_owned()];
    command.extend(flags(&context.roots));
    let text = match &args.name {
        None => all(&command, &context.roots.data),
        Some(name) => {
            let record = context.pod(&args.namespace, name)?;
            one(&command, &record.spec.namespace, context::pod_name(name)?, record.spec.grace_seconds)
        }
    };
    Ok(output::say(text.trim_end())?)
}

/// What the unit's podrt must be told to find the same pods.
fn flags(roots: &Roots) -> Vec<String> {
    let base = Roots { cgroup_parent: crate::cgroup::default_parent(), ..Roots::default() };
    let mut flags = Vec::new();
    for (flag, here, usual) in
        [("--state", &roots.state, &base.state), ("--data", &roots.data, &base.data), ("--log-root", &roots.log, &base.log)]
    {
        if here != usual {
            flags.extend([flag.to_string(), here.to_string_lossy().into_owned()]);
        }
    }
    if roots.cgroup_parent != base.cgroup_parent {
        flags.extend(["--cgroup-parent".into(), roots.cgroup_parent.clone()]);
    }
    flags
}

/// systemd.service(5), "Command lines": quotes, and the two characters that stand for something.
fn quoted(words: &[String]) -> String {
    let word = |w: &String| {
        let mut text = String::from("\"");
        for c in w.chars() {
            match c {
                '%' => text.push_str("%%"),
                '$' => text.push_str("$$"),
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => text.push_str(&format!("\\x{:02x}", c as u32)),
                c => text.push(c),
            }
        }
        text + "\""
    };
    let plain = |w: &String| w.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.=:".contains(&b));
    words.iter().map(|w| if plain(w) { w.clone() } else { word(w) }).collect::<Vec<_>>().join(" ")
}

fn path_of(data: &Path) -> String {
    data.to_string_lossy().replace('%', "%%")
}

fn all(command: &[String], data: &Path) -> String {
    let mut start = command.to_vec();
    start.push("restore".into());
    format!(
        "[Unit]
Description=Pods of podrt that were applied
Documentation=man:podrt(1)
Wants=network-online.target
After=network-online.target local-fs.target
ConditionPathExists={}/applied

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={}

[Install]
WantedBy=multi-user.target
",
        path_of(data),
        quoted(&start)
    )
}

fn one(command: &[String], namespace: &str, name: &str, grace: u64) -> String {
    let mut start = command.to_vec();
    start.extend(["restore", "--namespace", namespace, name, "--notify"].map(String::from));
    // Beyond the pod's own grace period systemd does not wait much longer.
    let stop = grace.saturating_add(15);
    format!(
        "[Unit]
Description=Pod {namespace}/{name} of podrt
Documentation=man:podrt(1)
Wants=network-online.target
After=network-online.target local-fs.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={}
TimeoutStartSec=infinity
TimeoutStopSec={stop}
Restart=on-failure

[Install]
WantedBy=multi-user.target
",
        quoted(&start)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_what_systemd_reads_it_as() {
        let words = ["/usr/bin/podrt", "--state", "/a b/100%", "$x\"\\", "é"].map(String::from);
        assert_eq!(quoted(&words), r#"/usr/bin/podrt --state "/a b/100%%" "$$x\"\\" "é""#);
    }

    #[test]
    fn only_folders_that_were_moved_are_said() {
        let usual = Roots { cgroup_parent: crate::cgroup::default_parent(), ..Roots::default() };
        assert!(flags(&usual).is_empty());
        let moved = Roots { data: "/srv/podrt".into(), cgroup_parent: "x".into(), ..usual };
        assert_eq!(flags(&moved), ["--data", "/srv/podrt", "--cgroup-parent", "x"]);
    }
}
