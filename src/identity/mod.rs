//! Who a process is: ids, groups, capabilities, limits.
#![forbid(unsafe_code)]
