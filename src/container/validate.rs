//! What of config.json is wrong, or not carried out yet: said before anything is made.

use super::Error;
use oci_spec::runtime::{Process, Spec};

/// `linux.` and other parts of the runtime-spec that a later version of podrt brings: an error names each.
fn unsupported(spec: &Spec) -> Option<&'static str> {
    let linux = spec.linux().as_ref();
    let has = |f: bool, name: &'static str| f.then_some(name);
    let hooks = spec.hooks().as_ref().is_some_and(|h| {
        #[allow(deprecated)]
        let prestart = h.prestart();
        [prestart, h.create_runtime(), h.create_container(), h.start_container(), h.poststart(), h.poststop()]
            .iter()
            .any(|list| list.as_ref().is_some_and(|l| !l.is_empty()))
    });
    let text = |t: Option<&Option<String>>| t.and_then(|t| t.as_ref()).is_some_and(|t| !t.is_empty());
    let process = spec.process().as_ref();
    has(hooks, "hooks")
        .or_else(|| has(linux.is_some_and(|l| l.uid_mappings().as_ref().is_some_and(|m| !m.is_empty())), "linux.uidMappings"))
        .or_else(|| has(linux.is_some_and(|l| l.gid_mappings().as_ref().is_some_and(|m| !m.is_empty())), "linux.gidMappings"))
        .or_else(|| has(linux.is_some_and(|l| l.net_devices().as_ref().is_some_and(|m| !m.is_empty())), "linux.netDevices"))
        .or_else(|| has(linux.is_some_and(|l| l.time_offsets().as_ref().is_some_and(|m| !m.is_empty())), "linux.timeOffsets"))
        .or_else(|| has(linux.is_some_and(|l| l.intel_rdt().is_some()), "linux.intelRdt"))
        .or_else(|| has(linux.is_some_and(|l| l.memory_policy().is_some()), "linux.memoryPolicy"))
        .or_else(|| has(linux.is_some_and(|l| l.personality().is_some()), "linux.personality"))
        .or_else(|| has(text(linux.map(|l| l.mount_label())), "linux.mountLabel"))
        .or_else(|| has(text(process.map(|p| p.apparmor_profile())), "process.apparmorProfile"))
        .or_else(|| has(text(process.map(|p| p.selinux_label())), "process.selinuxLabel"))
        .or_else(|| has(process.is_some_and(|p| p.io_priority().is_some()), "process.ioPriority"))
        .or_else(|| has(process.is_some_and(|p| p.scheduler().is_some()), "process.scheduler"))
        .or_else(|| has(process.is_some_and(|p| p.exec_cpu_affinity().is_some()), "process.execCPUAffinity"))
}

/// The first thing that is wrong, by its JSON path.
pub fn spec(spec: &Spec) -> Result<(), Error> {
    version(spec.version())?;
    if let Some(field) = unsupported(spec) {
        return Err(Error::invalid(field, "not supported yet by this version of podrt"));
    }
    match spec.root() {
        None => return Err(Error::invalid("root", "is missing")),
        Some(root) if root.path().as_os_str().is_empty() => return Err(Error::invalid("root.path", "is empty")),
        Some(_) => {}
    }
    process(spec.process().as_ref().ok_or_else(|| Error::invalid("process", "is missing"))?)?;
    for (field, name) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        let Some(name) = name else { continue };
        if name.len() > 64 {
            return Err(Error::invalid(field, format!("is {} bytes long (want at most 64)", name.len())));
        }
        if name.bytes().any(|b| b.is_ascii_control()) {
            return Err(Error::invalid(field, format!("{name:?} holds a control character")));
        }
        let new_uts = spec.linux().iter().flat_map(|l| l.namespaces().iter().flatten());
        let new_uts = new_uts.filter(|n| n.typ() == oci_spec::runtime::LinuxNamespaceType::Uts).count() > 0;
        if !name.is_empty() && !new_uts {
            return Err(Error::invalid(field, "is given, but linux.namespaces has no uts namespace"));
        }
    }
    Ok(())
}

/// runtime-spec, config.md: SemVer 2.0.0, and of major version 1.
fn version(text: &str) -> Result<(), Error> {
    let bad = |problem: String| Err(Error::invalid("ociVersion", problem));
    if text.is_empty() {
        return bad("is missing".into());
    }
    let core = text.split(['-', '+']).next().unwrap_or("");
    let numbers: Vec<Option<u64>> = core.split('.').map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [Some(1), Some(_), Some(_)] => Ok(()),
        [Some(_), Some(_), Some(_)] => bad(format!("version {text:?} is not supported (want 1.x.y)")),
        _ => bad(format!("{text:?} is no version (want 1.x.y)")),
    }
}

/// A process, of a container or of an exec.
pub fn process(p: &Process) -> Result<(), Error> {
    let args = p.args().as_deref().unwrap_or_default();
    match args.first() {
        None => return Err(Error::invalid("process.args", "is empty (want the command and its arguments)")),
        Some(first) if first.is_empty() => return Err(Error::invalid("process.args[0]", "is empty")),
        Some(_) => {}
    }
    if let Some(i) = args.iter().position(|a| a.contains('\0')) {
        return Err(Error::invalid(format!("process.args[{i}]"), "holds a NUL byte"));
    }
    for (i, e) in p.env().iter().flatten().enumerate() {
        let field = format!("process.env[{i}]");
        match e.split_once('=') {
            _ if e.contains('\0') => return Err(Error::invalid(field, "holds a NUL byte")),
            None => return Err(Error::invalid(field, format!("{e:?} has no '=' (want NAME=VALUE)"))),
            Some(("", _)) => return Err(Error::invalid(field, format!("{e:?} has no name (want NAME=VALUE)"))),
            Some(_) => {}
        }
    }
    if p.cwd().as_os_str().is_empty() {
        return Err(Error::invalid("process.cwd", "is missing"));
    }
    if !p.cwd().is_absolute() {
        return Err(Error::invalid("process.cwd", format!("{:?} is not absolute", p.cwd())));
    }
    Ok(())
}
