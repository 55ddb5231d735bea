//! Terminals.
#![forbid(unsafe_code)]
