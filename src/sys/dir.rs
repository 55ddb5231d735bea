//! Reading folders by fd, with no path and no state shared with other readers.

use super::{Errno, raw};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A name in a folder and its `DT_*` type (`DT_UNKNOWN` where the file system does not say).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: CString,
    pub kind: u8,
}

/// openat2(2) to an owned fd; `O_CLOEXEC` is always added. `resolve` = RESOLVE_* bits.
pub fn open(dir: BorrowedFd, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd, Errno> {
    let fd = raw::openat2(dir.as_raw_fd(), path, flags, 0, resolve)?;
    // SAFETY: the fd is new, and nobody else has its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// All names of the folder but `.` and `..`. The folder is opened anew, so that `dir` keeps its position. Errors are openat's
/// and getdents64's.
pub fn entries(dir: BorrowedFd) -> Result<Vec<Entry>, Errno> {
    let fd = open(dir, c".", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0)?;
    let mut found = Vec::new();
    let mut buf = [0u8; 8192];
    loop {
        let n = getdents(fd.as_raw_fd(), &mut buf)?;
        if n == 0 {
            return Ok(found);
        }
        let mut rest = &buf[..n];
        // struct linux_dirent64: u64 inode, i64 offset, u16 length of this record, u8 type, the name with its NUL.
        while let Some(length) = rest.get(16..18).map(|b| usize::from(u16::from_ne_bytes([b[0], b[1]]))) {
            let Some(record) = rest.get(..length).filter(|r| r.len() > 19) else { return Err(Errno::EBADMSG) };
            let name = CStr::from_bytes_until_nul(&record[19..]).map_err(|_| Errno::EBADMSG)?;
            if name != c"." && name != c".." {
                found.push(Entry { name: name.to_owned(), kind: record[18] });
            }
            rest = &rest[length..];
        }
    }
}

fn getdents(fd: i32, buf: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes at most buf.len() bytes to the buffer that is borrowed for the call.
    unsafe { raw::syscall6(libc::SYS_getdents64, fd as usize, buf.as_mut_ptr() as usize, buf.len(), 0, 0, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn every_name_of_a_large_folder_is_read_twice_alike() {
        let path = std::env::temp_dir().join(format!("podrt-dir-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let long = "n".repeat(200);
        for i in 0..300 {
            std::fs::write(path.join(format!("{long}{i}")), "").unwrap();
        }
        std::fs::create_dir(path.join("sub")).unwrap();
        let dir = std::fs::File::open(&path).unwrap();
        let first = entries(dir.as_fd()).unwrap();
        let again = entries(dir.as_fd()).unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(first.len(), 301);
        assert_eq!(first, again);
        let folders: Vec<_> = first.iter().filter(|e| e.kind == libc::DT_DIR).map(|e| e.name.to_str().unwrap()).collect();
        assert!(folders == ["sub"] || folders.is_empty(), "{folders:?}");
    }
}
