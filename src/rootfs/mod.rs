//! The container's file tree: a plan half (parent) and an apply half (child).
#![forbid(unsafe_code)]
