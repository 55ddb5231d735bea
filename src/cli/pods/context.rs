//! What every command knows: where everything lies, and how pods are named on the command line.

use super::{Failure, Kind, Result};
use crate::cgroup::systemd;
use crate::manifest::Network;
use crate::net::{bridge, subnet::Subnet};
use crate::pod::spec::{CniSpec, NetworkMode};
use crate::pod::{self, PodRecord};
use crate::store::Roots;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Flags of every command; each is also an environment variable, which the flag overrides.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Where podrt keeps things (each also by environment: PODRT_ROOT, PODRT_STATE, ...)")]
pub struct Global {
    /// Moves all of the following below one folder: DIR/run, DIR/lib, DIR/log
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Sandboxes, status, sockets; lives as long as the boot [/run/podrt]
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Containers' writable layers and volumes [/var/lib/podrt]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Containers' logs, in CRI format [/var/log/podrt]
    #[arg(long, global = true, value_name = "DIR")]
    pub log_root: Option<PathBuf>,
    /// The cgroup that all pods' cgroups are made in, below the cgroup v2 mount; on a systemd host also a slice, such as x.slice
    /// [podrt; podrt.slice where systemd is pid 1]
    #[arg(long, global = true, value_name = "CGROUP")]
    pub cgroup_parent: Option<String>,
    /// The network of pods that do not choose by the annotation podrt.io/network: podrt0 (podrt's bridge), none, cni, cni/NAME [podrt0]
    #[arg(long, global = true, value_name = "MODE")]
    pub network: Option<String>,
    /// Where CNI networks are configured [/etc/cni/net.d]
    #[arg(long, global = true, value_name = "DIR")]
    pub cni_conf_dir: Option<String>,
    /// Where CNI plugins are [/opt/cni/bin:/usr/lib/cni]
    #[arg(long, global = true, value_name = "DIR[:DIR]")]
    pub cni_bin_dirs: Option<String>,
    /// The name of podrt's bridge, and of its table of nftables [podrt0]
    #[arg(long, global = true, value_name = "NAME")]
    pub pod_bridge: Option<String>,
    /// The addresses of pods on it, a range of each family at most [10.61.0.0/16,fd70:6f64:7274:30::/64]
    #[arg(long, global = true, value_name = "RANGE[,RANGE]")]
    pub pod_subnets: Option<String>,
}

impl Global {
    /// `env`: what the environment says.
    pub fn roots(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Roots> {
        let variable = |name: &str| env(name).filter(|v| !v.is_empty());
        let path = |flag: &Option<PathBuf>, name: &str| flag.clone().or_else(|| variable(name).map(PathBuf::from));
        let base = Roots::default();
        let root = path(&self.root, "PODRT_ROOT");
        let below = |folder: &str, base: PathBuf| root.as_ref().map_or(base, |r| r.join(folder));
        let mut roots = Roots {
            state: path(&self.state, "PODRT_STATE").unwrap_or_else(|| below("run", base.state)),
            data: path(&self.data, "PODRT_DATA").unwrap_or_else(|| below("lib", base.data)),
            log: path(&self.log_root, "PODRT_LOG_ROOT").unwrap_or_else(|| below("log", base.log)),
            cgroup_parent: crate::cgroup::default_parent(),
        };
        for path in [&mut roots.state, &mut roots.data, &mut roots.log] {
            *path = std::path::absolute(&*path)
                .map_err(|e| Failure::usage(format_args!("{}: {}", path.display(), crate::sys::Errno::from(e))))?;
        }
        let parent = self.cgroup_parent.clone().map(OsString::from).or_else(|| variable("PODRT_CGROUP_PARENT"));
        if let Some(parent) = parent {
            roots.cgroup_parent = cgroup(&parent.to_string_lossy(), systemd::booted())?;
        }
        Ok(roots)
    }
}

impl Global {
    /// The network of pods that say nothing of it. `env`: what the environment says.
    pub fn network(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Network> {
        let said = |flag: &Option<String>, name: &str| {
            let variable = || env(name).filter(|v| !v.is_empty()).map(|v| v.to_string_lossy().into_owned());
            flag.clone().or_else(variable)
        };
        let mode = match said(&self.network, "PODRT_NETWORK").as_deref() {
            None | Some("podrt0") => NetworkMode::Bridge,
            Some("none") => NetworkMode::None,
            Some("cni") => NetworkMode::Cni,
            Some(named) if named.starts_with("cni/") => NetworkMode::Cni,
            Some(other) => {
                return Err(Failure::usage(format_args!(
                    "--network: no such network (got {other:?}, want podrt0, none, cni or cni/NAME)"
                )));
            }
        };
        let folders = |flag: &Option<String>, name: &str, base: &str| said(flag, name).unwrap_or_else(|| base.to_owned());
        let cni = CniSpec {
            folder: folders(&self.cni_conf_dir, "PODRT_CNI_CONF_DIR", "/etc/cni/net.d").into(),
            programs: folders(&self.cni_bin_dirs, "PODRT_CNI_BIN_DIRS", "/opt/cni/bin:/usr/lib/cni")
                .split(':')
                .map(PathBuf::from)
                .collect(),
            network: said(&self.network, "PODRT_NETWORK").and_then(|n| n.strip_prefix("cni/").map(str::to_owned)),
        };
        let mut config = bridge::Config::default();
        if let Some(name) = said(&self.pod_bridge, "PODRT_POD_BRIDGE") {
            let fits = name.len() <= bridge::NAME && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            if !fits || name.is_empty() {
                let want = bridge::NAME;
                return Err(Failure::usage(format_args!(
                    "--pod-bridge: not a bridge's name (got {name:?}, want at most {want} letters, digits, - and _)"
                )));
            }
            config.bridge = name;
        }
        if let Some(list) = said(&self.pod_subnets, "PODRT_POD_SUBNETS") {
            let wrong = |problem: &str| Failure::usage(format_args!("--pod-subnets: {problem} (got {list:?})"));
            config.subnets = list.split(',').map(|t| t.trim().parse::<Subnet>().map_err(|e| wrong(&e))).collect::<Result<_>>()?;
            if config.subnets.iter().filter(|s| s.is_v4()).count() > 1 || config.subnets.iter().filter(|s| !s.is_v4()).count() > 1
            {
                return Err(wrong("a range of each family at most"));
            }
        }
        Ok(Network { mode, config, cni })
    }
}

/// With systemd a slice's name means the tree of pods in that slice, which systemd is asked for.
fn cgroup(parent: &str, systemd: bool) -> Result<String> {
    if let Some(tree) = systemd::Tree::of_slice(parent).filter(|_| systemd) {
        return Ok(tree.path());
    }
    let path = parent.trim_matches('/');
    let fine =
        !path.is_empty() && path.split('/').all(|p| !p.is_empty() && p != "." && p != "..") && !path.contains(char::is_control);
    if fine {
        Ok(path.to_string())
    } else {
        Err(Failure::usage(format_args!(
            "--cgroup-parent: not a cgroup (got {parent:?}, want a path like podrt or a/b, without ..)"
        )))
    }
}

#[derive(Debug)]
pub struct Context {
    pub roots: Roots,
    /// Of pods that say nothing of it.
    pub network: Network,
    /// How the program was called, with its name.
    pub argv: Vec<OsString>,
}

impl Context {
    /// Pods are root's: said in one line before anything else fails for a reason harder to read.
    pub fn require_root(&self) -> Result {
        let uid = nix::unistd::geteuid();
        if uid.is_root() {
            return Ok(());
        }
        Err(Failure::new(Kind::Host, format_args!("podrt must be run as root (uid 0, not {uid}); try sudo")))
    }

    /// Errors: NotFound as an API server says it.
    pub fn find(&self, namespace: &str, name: &str) -> Result<PodRecord> {
        self.require_root()?;
        pod::get(&self.roots, namespace, name)?.ok_or_else(|| Failure::not_found(name))
    }

    /// `web` or `pod/web`.
    pub fn pod(&self, namespace: &str, argument: &str) -> Result<PodRecord> {
        self.find(namespace, pod_name(argument)?)
    }
}

/// Which pods: `pods`, `pods NAME...`, `pod/NAME...`.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    pub names: Vec<String>,
    /// Written as `pod/NAME`: one such is one object, no list.
    pub by_slash: bool,
}

/// `arguments` as kubectl takes them after `get`, `describe` and `delete`.
pub fn wanted(arguments: &[String]) -> Result<Wanted> {
    let Some(first) = arguments.first() else {
        return Err(Failure::usage("say which resource: pods (podrt get pods)"));
    };
    if first.contains('/') {
        let names = arguments.iter().map(|a| match a.contains('/') {
            true => pod_name(a).map(str::to_owned),
            false => Err(Failure::usage("there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'podrt get pod/<name>')")),
        });
        return Ok(Wanted { names: names.collect::<Result<_>>()?, by_slash: true });
    }
    resource(first)?;
    let mut names: Vec<String> = arguments[1..].to_vec();
    if let Some(slash) = names.iter().find(|n| n.contains('/')) {
        return Err(Failure::usage(format_args!("{slash:?} is not a pod's name")));
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|n| seen.insert(n.clone()));
    Ok(Wanted { names, by_slash: false })
}

/// Only pods, under the names that kubectl knows them by.
fn resource(word: &str) -> Result {
    if matches!(word.to_ascii_lowercase().as_str(), "pods" | "pod" | "po") {
        return Ok(());
    }
    Err(Failure::failed(format_args!("the server doesn't have a resource type {word:?} (podrt has pods)")))
}

pub fn pod_name(argument: &str) -> Result<&str> {
    match argument.split_once('/') {
        None => Ok(argument),
        Some((kind, name)) => resource(kind).map(|()| name),
    }
}

/// Of a container of the pod. Errors as kubectl words them.
pub fn container_named<'a>(pod: &'a PodRecord, name: &str) -> Result<&'a crate::pod::spec::ContainerSpec> {
    pod.spec
        .all_containers()
        .find(|c| c.name == name)
        .ok_or_else(|| Failure::failed(format_args!("container {name} is not valid for pod {}", pod.spec.name)))
}

/// The one that is meant when none is named: the annotation's, else the first; said on stderr where there is a choice.
pub fn default_container(pod: &PodRecord, annotated: Option<&str>, quiet: bool) -> Result<String> {
    if let Some(name) = annotated.filter(|n| pod.spec.all_containers().any(|c| c.name == **n)) {
        return Ok(name.to_owned());
    }
    let all: Vec<&str> = pod.spec.containers.iter().chain(&pod.spec.init_containers).map(|c| c.name.as_str()).collect();
    let Some(first) = all.first() else { return Err(Failure::failed("the pod has no container")) };
    if all.len() > 1 && !quiet {
        let inits = &pod.spec.init_containers;
        let listed: Vec<String> = all
            .iter()
            .map(|n| if inits.iter().any(|i| i.name == **n) { format!("{n} (init)") } else { (*n).to_owned() })
            .collect();
        super::output::complain(format_args!("Defaulted container \"{first}\" out of: {}", listed.join(", ")));
    }
    Ok((*first).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn pods_are_named_as_kubectl_takes_them() {
        for (words, names, by_slash) in [
            (&["pods"][..], &[][..], false),
            (&["po"], &[], false),
            (&["pod", "a", "b", "a"], &["a", "b"], false),
            (&["pod/a"], &["a"], true),
            (&["pods/a", "po/b"], &["a", "b"], true),
        ] {
            let want = Wanted { names: strings(names), by_slash };
            assert_eq!(wanted(&strings(words)).unwrap(), want, "{words:?}");
        }
        for words in [&[][..], &["services"], &["pod/a", "b"], &["pod", "x/y"], &["svc/a"]] {
            assert!(wanted(&strings(words)).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_root_moves_all_folders_a_flag_beats_the_environment_and_a_special_one_beats_root() {
        let env = |name: &str| match name {
            "PODRT_ROOT" => Some("/env".into()),
            "PODRT_DATA" => Some("/data".into()),
            "PODRT_CGROUP_PARENT" => Some("/a/b/".into()),
            _ => None,
        };
        let roots = Global::default().roots(env).unwrap();
        let at = |p: &Path| p.display().to_string();
        assert_eq!((at(&roots.state), at(&roots.data), at(&roots.log)), ("/env/run".into(), "/data".into(), "/env/log".into()));
        assert_eq!(roots.cgroup_parent, "a/b");
        let flags = Global { root: Some("/flag".into()), log_root: Some("/l/../log".into()), ..Global::default() };
        assert_eq!(flags.roots(env).unwrap().state, Path::new("/flag/run"));
        let usual = Roots { cgroup_parent: crate::cgroup::default_parent(), ..Roots::default() };
        assert_eq!(Global::default().roots(|_| None).unwrap(), usual);
        assert_eq!(cgroup("x.slice", false).unwrap(), "x.slice");
        assert_eq!(cgroup("x.slice", true).unwrap(), "x.slice/x-pods.scope");
        for bad in ["", "/", "..", "a/../b", "a//b", "a\nb"] {
            let flags = Global { cgroup_parent: Some(bad.into()), ..Global::default() };
            assert!(flags.roots(|_| None).is_err(), "{bad:?}");
        }
    }
}
