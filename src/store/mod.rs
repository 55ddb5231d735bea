//! Files as a database: atomic replacement, names, locks.
#![forbid(unsafe_code)]
