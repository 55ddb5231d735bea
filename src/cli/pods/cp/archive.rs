//! A tree as a tar stream (POSIX.1-2001 pax where a header has no room, as every tar reads it), and back.

use super::walk::{Meta, Sink};
use super::write::{Writer, fill_stream};
use crate::cli::pods::{Failure, Result, output};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use tar::{Archive, Builder, EntryType, Header};

/// Writes what it is given.
pub struct Out<W: Write>(Builder<W>);

impl<W: Write> Out<W> {
    pub fn new(to: W) -> Out<W> {
        Out(Builder::new(to))
    }

    pub fn finish(self) -> Result {
        let mut to = self.0.into_inner()?;
        Ok(to.flush()?)
    }
}

fn header(kind: EntryType, meta: Meta, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(meta.mode);
    header.set_uid(meta.uid.into());
    header.set_gid(meta.gid.into());
    header.set_mtime(u64::try_from(meta.modified).unwrap_or(0));
    header.set_size(size);
    header
}

impl<W: Write> Sink for Out<W> {
    fn folder(&mut self, path: &Path, meta: Meta) -> Result {
        let mut header = header(EntryType::Directory, meta, 0);
        Ok(self.0.append_data(&mut header, path.join(""), std::io::empty())?)
    }

    fn file(&mut self, path: &Path, meta: Meta, content: &File, size: u64) -> Result {
        // As long as the header says, whatever happens to the file meanwhile.
        let content = content.take(size).chain(std::io::repeat(0)).take(size);
        Ok(self.0.append_data(&mut header(EntryType::Regular, meta, size), path, content)?)
    }

    fn link(&mut self, path: &Path, meta: Meta, target: &OsStr) -> Result {
        Ok(self.0.append_link(&mut header(EntryType::Symlink, meta, 0), path, Path::new(target))?)
    }
}

/// Writes a stream's entries. Errors: not a tar; an entry whose name leads out of the destination.
pub fn unpack(from: impl Read, writer: &mut Writer) -> Result {
    let broken = |e: std::io::Error| Failure::failed(format_args!("stdin: not a tar stream, or not all of one: {e}"));
    let mut archive = Archive::new(from);
    let mut any = false;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        any = true;
        let path = plain(&entry.path_bytes())?;
        let header = entry.header();
        let number = |n: std::io::Result<u64>| n.ok().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let meta = Meta {
            mode: header.mode().unwrap_or(0o644) & 0o7777,
            uid: number(header.uid()),
            gid: number(header.gid()),
            modified: header.mtime().ok().and_then(|t| i64::try_from(t).ok()).unwrap_or(0),
        };
        match header.entry_type() {
            EntryType::Directory if path.as_os_str().is_empty() => {}
            _ if path.as_os_str().is_empty() => return Err(Failure::failed("stdin: an entry without a name")),
            EntryType::Directory => writer.folder(&path, meta)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let size = entry.size();
                writer.file_from(&path, meta, |target| fill_stream(target, &mut entry, size))?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| super::refused(&path, "a link to nothing"))?;
                writer.link(&path, meta, OsStr::from_bytes(&target))?;
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().ok_or_else(|| super::refused(&path, "a link to nothing"))?;
                let (first, meta) = writer.written(&plain(&target)?)?;
                let size = first.metadata().map_err(super::io(&path))?.len();
                writer.file(&path, meta, &first, size)?;
            }
            _ => output::complain(format_args!("Warning: {}: a device or a FIFO is not copied", path.display())),
        }
    }
    if any { Ok(()) } else { Err(Failure::failed("stdin: an empty tar stream")) }
}

/// A name as it is used: without `.` parts and leading slashes, as tar does it, and refused with `..` parts.
fn plain(name: &[u8]) -> Result<PathBuf> {
    let path = Path::new(OsStr::from_bytes(name));
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(super::refused(path, "leads out of the destination; nothing of it was written")),
        }
    }
    if name.contains(&0) {
        return Err(super::refused(path, "holds a NUL byte"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_is_refused() {
        for (name, want) in [
            ("a/b", Some("a/b")),
            ("./a//b/", Some("a/b")),
            ("/etc/passwd", Some("etc/passwd")),
            ("./", Some("")),
            ("a/../../b", None),
        ] {
            assert_eq!(plain(name.as_bytes()).ok().as_deref(), want.map(Path::new), "{name}");
        }
        assert!(plain(b"..").is_err() && plain(b"a\0b").is_err());
    }
}
