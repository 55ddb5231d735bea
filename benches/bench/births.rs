//! A further container in a running pod, by the layer that the supervisor calls: from nothing to exec, and to its end.

use crate::measure::{Contender, Measure, compete};
use crate::words;
use crate::world::{CGROUP, World};
use oci_spec::runtime::Spec;
use podrt::cgroup::{Cgroup, Hierarchy, devices};
use podrt::container::{self, Birth, Bundle, Join, Plan, Stdio};
use podrt::pod::sandbox::{self, Pause};
use podrt::pod::spec::SandboxSpec;
use podrt::rootfs::Root;
use podrt::sys::process;
use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio as Pipe};
use std::time::{Duration, Instant};

/// A pause of this process's own, for containers to join.
pub struct Sandbox {
    pub pause: Pause,
    pod: Cgroup,
}

impl Sandbox {
    pub fn new() -> Result<Sandbox, String> {
        let hierarchy = Hierarchy::discover().map_err(text)?;
        let pod = hierarchy.prepare(CGROUP).and_then(|p| p.child("sandbox")).map_err(text)?;
        let leaf = pod.child("pause").map_err(text)?;
        let spec = SandboxSpec { hostname: "bench".into(), ..SandboxSpec::default() };
        Ok(Sandbox { pause: sandbox::birth(&spec, leaf.dir(), &[]).map_err(text)?, pod })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        sandbox::end(self.pause.pidfd.as_fd());
        let _ = self.pod.remove(Duration::from_secs(5));
    }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

pub fn measures(world: &World, sandbox: &Result<Sandbox, String>) -> Vec<Measure> {
    let mut to_exec = Measure::new("birth-exec", "a further container in a pod: start to exec", "us")
        .goal("podrt, bundle's root", Some("floor, joined"), 0.7)
        .goal("podrt, overlay", Some("floor, joined"), 0.7);
    let mut to_end = Measure::new("birth-end", "a further container in a pod: start to its end, cgroup gone", "us");
    match sandbox.as_ref().map_err(String::clone).and_then(|s| run(world, s)) {
        Ok(both) => {
            let (mut ends, mut execs) = (Vec::new(), Vec::new());
            both.rows.into_iter().enumerate().for_each(|(i, row)| if i % 2 == 0 { execs.push(row) } else { ends.push(row) });
            (to_exec.rows, to_end.rows) = (execs, ends);
        }
        Err(why) => to_exec.row("podrt", Err(why)),
    }
    vec![to_exec, to_end]
}

fn run(world: &World, sandbox: &Sandbox) -> Result<Measure, String> {
    let bundle = Bundle::load(&world.bundle("true")).map_err(text)?;
    let null = File::options().read(true).write(true).open("/dev/null").map_err(text)?;
    let null: OwnedFd = null.into();
    let mut spec = bundle.spec.clone();
    // As in a pod: the name is the pod's, the terminal's none.
    spec.set_hostname(None);
    let direct = Root::Direct(world.rootfs());
    let birth = Further { sandbox, bundle: &bundle, spec: &spec, null: null.as_fd(), layers: world.dir.join("layers") };
    let floor = RefCell::new(Floor::new(world, sandbox.pause.process.pid)?);
    let mut both = Measure::new("", "", "us");
    let contenders = vec![
        Contender::new(&["floor, joined", "floor, joined"], world.rounds * 2, || floor.borrow_mut().once()),
        Contender::new(&["podrt, bundle's root"; 2], world.rounds * 2, || birth.once(Some(&direct))),
        Contender::new(&["podrt, overlay"; 2], world.rounds * 2, || birth.once(None)),
    ];
    compete(&mut both, contenders);
    Ok(both)
}

struct Further<'a> {
    sandbox: &'a Sandbox,
    bundle: &'a Bundle,
    spec: &'a Spec,
    null: BorrowedFd<'a>,
    layers: std::path::PathBuf,
}

impl Further<'_> {
    /// Cgroup, device rules, plan, start; the end, the cgroup's removal. Of the writable layer its making, not its removal, which
    /// a helper does in a pod.
    fn once(&self, root: Option<&Root>) -> Result<Vec<f64>, String> {
        let begun = Instant::now();
        let group = self.sandbox.pod.child("further").map_err(text)?;
        devices::install(&devices::rules_for(self.spec.linux().as_ref().and_then(|l| l.resources().as_ref())), &group)
            .map_err(text)?;
        let root = match root {
            Some(Root::Direct(path)) => Root::Direct(path.clone()),
            _ => self.overlay()?,
        };
        let plan = Plan::new(&Birth {
            extra: Default::default(),
            mounts: &[],
            id: "further",
            spec: self.spec,
            bundle: &self.bundle.path,
            root,
            join: Some(Join {
                pause: self.sandbox.pause.pidfd.as_fd(),
                flags: self.sandbox.pause.joins & !(libc::CLONE_NEWPID | libc::CLONE_NEWNS),
                shared_pid: false,
                host_pid: false,
            }),
            cgroup: group.dir(),
            stdio: Stdio::Fds([self.null; 3]),
            gate: None,
            seccomp_cache: None,
        })
        .map_err(text)?;
        let born = container::start(plan).map_err(text)?;
        let execed = begun.elapsed();
        process::wait_pidfd(born.pidfd.as_fd(), true).map_err(text)?;
        group.remove(Duration::from_secs(5)).map_err(text)?;
        let ended = begun.elapsed();
        if self.layers.exists() {
            std::fs::remove_dir_all(&self.layers).map_err(text)?;
        }
        Ok(vec![execed.as_secs_f64() * 1e6, ended.as_secs_f64() * 1e6])
    }

    fn overlay(&self) -> Result<Root, String> {
        let (upper, work) = (self.layers.join("upper"), self.layers.join("work"));
        for folder in [&self.layers, &upper, &work] {
            std::fs::create_dir(folder).map_err(text)?;
        }
        Ok(Root::Overlay { lower: self.bundle.rootfs().map_err(text)?, upper, work })
    }
}

/// The floor program, told by a line to do one birth more.
struct Floor {
    child: std::process::Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Floor {
    fn new(world: &World, pause: i32) -> Result<Floor, String> {
        let argv = words!["births", pause.to_string(), world.rootfs(), world.cgroup("floor"), "--", "/bin/true"];
        let mut child = Command::new(&world.floor).args(argv).stdin(Pipe::piped()).stdout(Pipe::piped()).spawn().map_err(text)?;
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Floor { child, answers })
    }

    fn once(&mut self) -> Result<Vec<f64>, String> {
        self.child.stdin.as_mut().ok_or("no pipe")?.write_all(b"\n").map_err(text)?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(text)?;
        let values: Vec<f64> = line.split_whitespace().filter_map(|v| v.parse().ok()).collect();
        if values.len() == 2 { Ok(values) } else { Err("the floor has failed".into()) }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
