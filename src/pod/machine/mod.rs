//! The pod's policy, pure: `(state, event, now) -> (state, actions)`. No syscalls, no clock, no logging; the supervisor brings
//! the events, carries out the actions and stores the state. Kubernetes' kubelet (v1.36) is the reference.
//!
//! ```ignore
//! impl Machine {                                                    // Clone, PartialEq, Serialize, Deserialize
//!     pub fn new(spec: &PodSpec, tuning: Tuning, now: Now) -> Machine;
//!     pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action>;
//!     pub fn status(&self) -> PodStatusModel;
//!     pub fn events(&self) -> &[EventRecord];                       // oldest first
//! }
//! ```
//!
//! The supervisor's side: `new`, store, `handle(Event::Start)`; carry out what comes in order; store the state before an
//! action's effect is answered to anybody. Started again: deserialize, look around, `handle(Event::Recovered { .. })`.

mod action;
mod clock;
mod event;
mod state;
mod tuning;

pub use action::Action;
pub use clock::{Now, SECOND};
pub use event::{Event, Exit, Found, SandboxFound, StartFailure};
pub use state::{Ending, Health, Life, Run, Sandbox, Setback, Stage, State, Stop, Why};
pub use tuning::Tuning;
