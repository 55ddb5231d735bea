//! Id maps of config.json (linux.uidMappings, mounts[].uidMappings) in the kernel's terms, checked.

use super::Error;
use crate::sys::mount::{self, MOUNT_ATTR_IDMAP};
use crate::sys::raw::MountAttr;
use crate::sys::userns::{MAX_RANGES, Maps, Range};
use crate::sys::{Errno, Error as SysError};
use oci_spec::runtime::LinuxIdMapping;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Maps the ids of a detached mount, with those below it when `recursive`: a file of a container's id is the host's.
pub fn apply(mount: BorrowedFd, maps: &Maps, recursive: bool, field: &str) -> Result<(), Error> {
    let namespace = maps.namespace().map_err(Error::sys(field))?;
    let attr = MountAttr { attr_set: MOUNT_ATTR_IDMAP, userns_fd: namespace.as_raw_fd() as u64, ..MountAttr::default() };
    mount::set_attr(mount, &attr, recursive).map_err(|e: SysError| match e.errno {
        Errno::EINVAL | Errno::EOPNOTSUPP => Error::invalid(
            field,
            "this file system of the host cannot be mounted id-mapped (docs/kernel-features.md says which can, from which Linux on)",
        ),
        _ => Error::sys(field)(e),
    })
}

/// `field` is the list's JSON path. What the kernel would refuse with EINVAL is said with its index.
pub fn ranges(list: &[LinuxIdMapping], field: &str) -> Result<Vec<Range>, Error> {
    if list.is_empty() {
        return Err(Error::invalid(field, "is empty (want at least one mapping)"));
    }
    if list.len() > MAX_RANGES {
        let problem = format!("too many mappings (got {}, want at most {MAX_RANGES}: the kernel's limit)", list.len());
        return Err(Error::invalid(field, problem));
    }
    let mut out: Vec<Range> = Vec::with_capacity(list.len());
    for (i, m) in list.iter().enumerate() {
        let range = Range { inside: m.container_id(), outside: m.host_id(), count: m.size() };
        if range.count == 0 {
            return Err(Error::invalid(format!("{field}[{i}].size"), "is 0 (want at least 1)"));
        }
        for (name, first) in [("containerID", range.inside), ("hostID", range.outside)] {
            if first.checked_add(range.count).is_none() {
                return Err(Error::invalid(
                    format!("{field}[{i}].{name}"),
                    format!("{first} and {} more leave the range of ids", range.count),
                ));
            }
        }
        let meet = |a: u32, b: u32, n: u32, m: u32| a < b + m && b < a + n;
        let other = |r: &Range| {
            meet(r.inside, range.inside, r.count, range.count) || meet(r.outside, range.outside, r.count, range.count)
        };
        if let Some(first) = out.iter().position(other) {
            return Err(Error::invalid(format!("{field}[{i}]"), format!("overlaps with {field}[{first}]")));
        }
        out.push(range);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(list: serde_json::Value) -> Result<usize, String> {
        let list: Vec<LinuxIdMapping> = serde_json::from_value(list).unwrap();
        ranges(&list, "linux.uidMappings").map(|r| r.len()).map_err(|e| e.to_string())
    }

    #[test]
    fn what_the_kernel_would_refuse_is_named() {
        let one = |inside: u32, outside: u32, size: u32| json!({"containerID": inside, "hostID": outside, "size": size});
        assert_eq!(of(json!([one(0, 1000, 10), one(10, 5000, 10)])), Ok(2));
        assert_eq!(of(json!([one(0, 0, u32::MAX)])), Ok(1));
        let many: Vec<_> = (0..341).map(|n| one(n, n + 1000, 1)).collect();
        for (list, want) in [
            (json!([]), "linux.uidMappings: is empty"),
            (json!([one(0, 1, 0)]), "linux.uidMappings[0].size"),
            (json!([one(5, 0, u32::MAX)]), "linux.uidMappings[0].containerID"),
            (json!([one(0, 5, u32::MAX)]), "linux.uidMappings[0].hostID"),
            (json!([one(0, 1000, 10), one(9, 5000, 10)]), "linux.uidMappings[1]: overlaps"),
            (json!([one(0, 1000, 10), one(20, 1009, 10)]), "linux.uidMappings[1]: overlaps"),
            (json!(many), "linux.uidMappings: too many"),
        ] {
            let got = of(list).unwrap_err();
            assert!(got.starts_with(want), "{got}");
        }
    }
}
