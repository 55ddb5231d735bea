//! The machine's only notion of time: what comes with an event.

use crate::pod::status::Stamp;
use serde::{Deserialize, Serialize};

pub const SECOND: u64 = 1_000_000_000;

/// One instant on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Nanoseconds on a clock that only goes forward within one boot: the clock of the timerfd that `SetTimer` sets. Policy
    /// counts on it alone. It survives the supervisor, not the boot, as the state does.
    pub mono: u64,
    /// The wall clock at the same instant, for stamps. May jump; nothing depends on it.
    pub wall: Stamp,
}

impl Now {
    /// The instant so many nanoseconds later, on both clocks.
    pub fn after(self, nanos: u64) -> Now {
        Now { mono: self.mono.saturating_add(nanos), wall: self.wall.after(nanos) }
    }
}
