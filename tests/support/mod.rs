//! What the integration suites share. Each suite is a program (`harness = false`) that lists its tests in [`suite!`]; each test
//! runs in a process of its own ([`runner`]), in a private mount namespace with one cgroup v2 tree, as the reaper of all that it
//! starts, so that whatever it leaves behind is found by [`leaks`] and other tests are not disturbed.
#![allow(dead_code, unused_imports)] // Each suite uses a part of it.

pub mod bundle;
pub mod command;
pub mod console;
pub mod control;
pub mod leaks;
pub mod netns;
#[cfg(feature = "pod")]
pub mod network;
#[cfg(feature = "pod")]
pub mod pod;
#[cfg(feature = "pod")]
pub mod processes;
pub mod runner;
pub mod terminal;
pub mod world;

pub use bundle::Bundle;
pub use command::{Out, Run};
pub use world::Test;

/// `suite!(first_test, second_test)`: the program's `main`.
#[macro_export]
macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        fn main() -> std::process::ExitCode {
            support::runner::main(&[$((stringify!($test), $test as fn(&support::Test))),*])
        }
    };
}
