//! Processes as procfs shows them.
#![forbid(unsafe_code)]
