//! What of config.json is wrong, or not carried out yet: said before anything is made.

use super::Error;
use oci_spec::runtime::{Process, Spec};

fn text(t: &Option<String>) -> bool {
    t.as_ref().is_some_and(|t| !t.is_empty())
}

type Given = fn(&Spec) -> bool;

/// Parts of the runtime-spec that a later version of podrt brings: an error names each.
const REFUSED: &[(&str, Given)] = &[
    ("linux.netDevices", |s| linux(s, |l| l.net_devices().as_ref().is_some_and(|m| !m.is_empty()))),
    ("linux.intelRdt", |s| linux(s, |l| l.intel_rdt().is_some())),
    ("linux.mountLabel", |s| linux(s, |l| text(l.mount_label()))),
];

fn linux(spec: &Spec, f: impl Fn(&oci_spec::runtime::Linux) -> bool) -> bool {
    spec.linux().as_ref().is_some_and(f)
}

/// Whether a config.json with that field is refused, whatever its value.
pub fn refuses(field: &str) -> bool {
    REFUSED.iter().any(|(name, _)| *name == field)
}

/// The first thing that is wrong, by its JSON path.
pub fn spec(spec: &Spec) -> Result<(), Error> {
    version(spec.version())?;
    if let Some((field, _)) = REFUSED.iter().find(|(_, given)| given(spec)) {
        return Err(Error::invalid(*field, "not supported yet by this version of podrt"));
    }
    match spec.root() {
        None => return Err(Error::invalid("root", "is missing")),
        Some(root) if root.path().as_os_str().is_empty() => return Err(Error::invalid("root.path", "is empty")),
        Some(_) => {}
    }
    process(spec.process().as_ref().ok_or_else(|| Error::invalid("process", "is missing"))?)?;
    hooks(spec)?;
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

/// runtime-spec, config.md#posix-platform-hooks.
fn hooks(spec: &Spec) -> Result<(), Error> {
    let Some(hooks) = spec.hooks() else { return Ok(()) };
    for name in super::HOOKS {
        for (i, hook) in super::hooks_named(hooks, name).iter().enumerate() {
            let bad = |field: &str, problem: String| Err(Error::invalid(format!("hooks.{name}[{i}].{field}"), problem));
            if !hook.path().is_absolute() {
                return bad("path", format!("{:?} is not absolute", hook.path()));
            }
            if let Some(t) = hook.timeout().filter(|t| *t <= 0) {
                return bad("timeout", format!("{t} (want seconds, above zero)"));
            }
            for (field, list) in [("args", hook.args()), ("env", hook.env())] {
                if list.iter().flatten().any(|s| s.contains('\0')) {
                    return bad(field, "holds a NUL byte".into());
                }
            }
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
