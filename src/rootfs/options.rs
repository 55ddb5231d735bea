//! Mount options of config.json (runtime-spec, config.md#mounts) to attributes, propagation and file system parameters.

use crate::sys::mount::*;
use crate::sys::raw::MountAttr;
use std::ffi::CString;

/// One mount's options, taken apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// `bind` or `rbind`: the source is a tree of the host.
    pub bind: bool,
    /// `rbind`.
    pub recursive_bind: bool,
    /// For this mount alone.
    pub attr: MountAttr,
    /// `rro`, `rnosuid` ...: for all mounts below it too (mount_setattr(2) `AT_RECURSIVE`).
    pub recursive_attr: MountAttr,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, in order, with true when recursive.
    pub propagation: Vec<(u64, bool)>,
    /// What is left: the file system's own parameters.
    pub data: Vec<(CString, Option<CString>)>,
    /// `tmpcopyup`: the folder's content is copied into the tmpfs.
    pub copy_up: bool,
    /// `idmap`, or with true `ridmap`: ids of the mount are mapped (mount_setattr(2) `MOUNT_ATTR_IDMAP`).
    pub idmap: Option<bool>,
}

/// Attribute names: what is set, what is cleared. An atime mode clears the whole field first, as mount_setattr(2) wants it.
const ATTRS: &[(&str, u64, u64)] = &[
    ("ro", MOUNT_ATTR_RDONLY, 0),
    ("rw", 0, MOUNT_ATTR_RDONLY),
    ("nosuid", MOUNT_ATTR_NOSUID, 0),
    ("suid", 0, MOUNT_ATTR_NOSUID),
    ("nodev", MOUNT_ATTR_NODEV, 0),
    ("dev", 0, MOUNT_ATTR_NODEV),
    ("noexec", MOUNT_ATTR_NOEXEC, 0),
    ("exec", 0, MOUNT_ATTR_NOEXEC),
    ("noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
    ("atime", 0, MOUNT_ATTR__ATIME),
    ("relatime", 0, MOUNT_ATTR__ATIME),
    ("norelatime", 0, MOUNT_ATTR__ATIME),
    ("strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    ("nostrictatime", 0, MOUNT_ATTR__ATIME),
    ("nodiratime", MOUNT_ATTR_NODIRATIME, 0),
    ("diratime", 0, MOUNT_ATTR_NODIRATIME),
    ("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0),
    ("symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
];

const PROPAGATION: &[(&str, u64)] =
    &[("private", libc::MS_PRIVATE), ("shared", libc::MS_SHARED), ("slave", libc::MS_SLAVE), ("unbindable", libc::MS_UNBINDABLE)];

/// Words that change nothing here.
const IGNORED: &[&str] = &["defaults", "async", "loud", "nomand", "remount", "nofail", "auto", "noauto"];

/// Every option that is not a file system's own.
pub fn names() -> Vec<String> {
    let plain = ["bind", "rbind", "tmpcopyup", "idmap", "ridmap"].into_iter().chain(IGNORED.iter().copied()).map(String::from);
    let both = ATTRS.iter().map(|(name, ..)| *name).chain(PROPAGATION.iter().map(|(name, _)| *name));
    plain.chain(both.flat_map(|name| [name.to_string(), format!("r{name}")])).collect()
}

/// A propagation word, `shared` or `rshared`: the flag, and whether it is recursive.
pub fn propagation(word: &str) -> Option<(u64, bool)> {
    let find = |w: &str| PROPAGATION.iter().find(|(n, _)| *n == w).map(|(_, f)| *f);
    find(word).map(|f| (f, false)).or_else(|| word.strip_prefix('r').and_then(find).map(|f| (f, true)))
}

fn set(attr: &mut MountAttr, on: u64, off: u64) {
    attr.attr_clr = (attr.attr_clr | off) & !(if off & MOUNT_ATTR__ATIME != 0 { 0 } else { on });
    attr.attr_set = (attr.attr_set & !off) | on;
}

impl Options {
    /// Takes `options` apart; the problem names the option's index and text.
    pub fn parse(options: &[String]) -> Result<Options, String> {
        let mut o = Options::default();
        for (i, option) in options.iter().enumerate() {
            let c = |s: &str| CString::new(s).map_err(|_| format!("options[{i}]: holds a NUL byte"));
            let find = |w: &str| ATTRS.iter().find(|(n, ..)| *n == w);
            match option.as_str() {
                "" => {}
                word if IGNORED.contains(&word) => {}
                "bind" => o.bind = true,
                "rbind" => (o.bind, o.recursive_bind) = (true, true),
                "tmpcopyup" => o.copy_up = true,
                "idmap" => o.idmap = Some(o.idmap.unwrap_or(false)),
                "ridmap" => o.idmap = Some(true),
                word => {
                    if let Some((_, on, off)) = find(word) {
                        set(&mut o.attr, *on, *off);
                    } else if let Some((_, on, off)) = word.strip_prefix('r').and_then(find) {
                        set(&mut o.recursive_attr, *on, *off);
                    } else if let Some(p) = propagation(word) {
                        o.propagation.push(p);
                    } else {
                        let (key, value) = match word.split_once('=') {
                            Some((k, v)) => (k, Some(v)),
                            None => (word, None),
                        };
                        o.data.push((c(key)?, value.map(c).transpose()?));
                    }
                }
            }
        }
        Ok(o)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Options {
        Options::parse(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn later_attributes_win_and_data_keeps_its_order() {
        let o = parse(&["ro", "nosuid", "rw", "mode=755", "size=64k", "strictatime"]);
        assert_eq!(o.attr.attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
        assert_eq!(o.attr.attr_clr, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
        let data: Vec<_> = o.data.iter().map(|(k, v)| (k.to_str().unwrap(), v.as_ref().unwrap().to_str().unwrap())).collect();
        assert_eq!(data, [("mode", "755"), ("size", "64k")]);
    }

    #[test]
    fn a_leading_r_makes_an_attribute_or_a_propagation_recursive_but_rw_and_ro_stay_themselves() {
        let o = parse(&["rbind", "rro", "rprivate", "slave"]);
        assert!(o.bind && o.recursive_bind);
        assert_eq!(o.attr, MountAttr::default());
        assert_eq!(o.recursive_attr.attr_set, MOUNT_ATTR_RDONLY);
        assert_eq!(o.propagation, [(libc::MS_PRIVATE, true), (libc::MS_SLAVE, false)]);
        assert_eq!(parse(&["ro"]).attr.attr_set, MOUNT_ATTR_RDONLY);
        assert_eq!(parse(&["relatime"]).attr.attr_clr, MOUNT_ATTR__ATIME);
    }
}
