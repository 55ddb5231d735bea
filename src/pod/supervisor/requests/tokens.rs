//! Idempotency: a request that changes something is carried out once for each token. The answers are on record before they are
//! given, so that they hold when the supervisor is started again.

use super::Caller;
use super::wait::{Awaited, Waiting};
use crate::pod::control::{Outcome, Request};
use crate::pod::error::{Code, Error};
use crate::pod::supervisor::state::Supervisor;
use crate::store::atomic;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many answers are kept, the latest ones.
const KEPT: usize = 64;
const FILE: &str = "tokens.json";

#[derive(Debug, Default)]
pub(in crate::pod::supervisor) struct Tokens {
    /// None until the first request with a token.
    known: Option<VecDeque<Known>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    token: String,
    verb: String,
    args: serde_json::Value,
    /// None while it is carried out; by whom.
    answer: Option<Outcome>,
    #[serde(skip)]
    asker: (u64, u64),
}

impl Supervisor {
    /// True where the request was made before: it is answered as the first one was, or will be.
    pub(super) fn seen_before(&mut self, caller: &Caller, request: &Request) -> bool {
        let Some(token) = &caller.token else { return false };
        let path = self.sandbox.dir.join(FILE);
        let known = self.tokens.known.get_or_insert_with(|| {
            // What an earlier supervisor had not finished is begun anew.
            let kept: VecDeque<Known> = atomic::read_json(&path).ok().flatten().unwrap_or_default();
            kept.into_iter().filter(|k| k.answer.is_some()).collect()
        });
        let Some(first) = known.iter().find(|k| k.token == *token) else {
            known.push_back(Known {
                token: token.clone(),
                verb: request.verb.clone(),
                args: request.args.clone(),
                answer: None,
                asker: (caller.client, caller.request),
            });
            if known.len() > KEPT
                && let Some(at) = known.iter().position(|k| k.answer.is_some())
            {
                known.remove(at);
            }
            return false;
        };
        let (client, id) = (caller.client, caller.request);
        if (&first.verb, &first.args) != (&request.verb, &request.args) {
            let e = Error::new(Code::InvalidArgument, format!("token {token:?} was used for another request ({})", first.verb));
            self.server.answer(client, id, Outcome::Error(e.in_field("token")));
        } else if let Some(answer) = first.answer.clone() {
            self.server.answer(client, id, answer);
        } else {
            let what = Awaited::Same { client: first.asker.0, request: first.asker.1 };
            // Its end is the first one's, whose token must not be noted twice.
            let caller = Caller { token: None, ..caller.clone() };
            self.waiting.push(Waiting { caller, what });
        }
        true
    }

    /// The answer is kept, before anybody gets it. One that may be otherwise the next time is not: the request was not carried out.
    /// Returns those who asked the same meanwhile.
    pub(super) fn note_answer(&mut self, caller: &Caller, outcome: &Outcome) -> Vec<Caller> {
        let first = (caller.client, caller.request);
        let same = |w: &Waiting| matches!(w.what, Awaited::Same { client, request } if (client, request) == first);
        let (twins, rest) = std::mem::take(&mut self.waiting).into_iter().partition::<Vec<_>, _>(same);
        self.waiting = rest;
        if let (Some(token), Some(known)) = (&caller.token, &mut self.tokens.known) {
            match (outcome, known.iter().position(|k| k.token == *token)) {
                (Outcome::Error(_), Some(at)) => drop(known.remove(at)),
                (_, Some(at)) => {
                    known[at].answer = Some(outcome.clone());
                    let answered: Vec<&Known> = known.iter().filter(|k| k.answer.is_some()).collect();
                    if let Err(e) = atomic::write_json(&self.sandbox.dir.join(FILE), &answered, atomic::Durable::No) {
                        self.warnings.push(format!("{FILE}: {e}"));
                    }
                }
                _ => {}
            }
        }
        twins.into_iter().map(|w| w.caller).collect()
    }
}
