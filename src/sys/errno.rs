use std::fmt;

/// A kernel error number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Errno(pub i32);

macro_rules! names {
    ($($name:ident)*) => {
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*

            /// The symbol, as in errno(3): `ENOENT`.
            pub fn symbol(self) -> &'static str {
                match self.0 {
                    $(libc::$name => stringify!($name),)*
                    _ => "",
                }
            }
        }
    };
}

names! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV
    ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG
    ENOLCK ENOSYS ENOTEMPTY ELOOP ENODATA EOVERFLOW EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTO EOPNOTSUPP EADDRINUSE
    ECANCELED ECONNRESET ECONNREFUSED ETIMEDOUT ESTALE EDQUOT EBADMSG ENETUNREACH ENOTCONN
}

impl Errno {
    /// The current thread's errno, for the calls that go through libc.
    pub fn last() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

/// strerror(3)'s words in lower case: `no such file or directory`.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        let text = text.split(" (os error").next().unwrap_or("");
        let mut chars = text.chars();
        // "I/O error", "RFS-specific" keep their capitals: only a capital followed by a lower case letter is a sentence's.
        match (chars.next(), chars.next()) {
            (Some(a), Some(b)) if a.is_ascii_uppercase() && b.is_ascii_lowercase() => {
                write!(f, "{}{}", a.to_ascii_lowercase(), &text[1..])
            }
            _ => f.write_str(text),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.symbol() {
            "" => write!(f, "errno {}", self.0),
            name => f.write_str(name),
        }
    }
}

impl From<std::io::Error> for Errno {
    fn from(e: std::io::Error) -> Errno {
        Errno(e.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl From<nix::errno::Errno> for Errno {
    fn from(e: nix::errno::Errno) -> Errno {
        Errno(e as i32)
    }
}

/// A failed call with its arguments: `open_tree(/srv/data): no such file or directory`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{call}: {errno}")]
pub struct Error {
    pub call: String,
    pub errno: Errno,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Gives a bare [`Errno`] the call it came from; the words are made only on failure.
pub trait Call<T> {
    fn call(self, words: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Errno>> Call<T> for std::result::Result<T, E> {
    fn call(self, words: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error { call: words(), errno: e.into() })
    }
}
