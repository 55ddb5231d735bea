//! Seccomp programs: compiled, cached, built in.
#![forbid(unsafe_code)]
