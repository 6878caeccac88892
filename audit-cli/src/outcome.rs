//! What the rules made of each event, as an audit executed it.
//!
//! What always holds: an event in a block was applied; of a request for access, and of a break-glass, the
//! rules also wrote down whether it is permitted, and that is read from what the execution wrote, not from
//! the event.

use medanchor_ledger::Index;
use medanchor_ledger::event::{Event, EventBody};
use medanchor_ledger::execute::Executed;
use medanchor_ledger::rules::{BreakGlass, Decision, Request, StateValue};
use medanchor_ledger::state::StateKey;

/// What the rules made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was applied.
    Applied,
    /// It is a request for access, which was decided.
    Decided(Decision),
    /// It is a break-glass, which was decided.
    Broken(Decision),
}

impl Outcome {
    /// Whether it let somebody read.
    pub(crate) const fn lets_read(self) -> bool {
        matches!(
            self,
            Self::Decided(Decision::Permitted) | Self::Broken(Decision::Permitted)
        )
    }
}

/// An event of a block that was executed and found to be sound.
#[derive(Clone, Copy)]
pub(crate) struct Judged<'b> {
    pub(crate) index: Index,
    pub(crate) event: &'b Event,
    pub(crate) outcome: Outcome,
}

/// The events of a block in the log's order, each with what the rules made of it. Height, time and
/// the rest of the seal are `block.seal`.
pub(crate) fn judged(block: &Executed) -> impl Iterator<Item = Judged<'_>> {
    (block.seal.first.0..)
        .zip(block.events.iter())
        .map(|(index, event)| Judged {
            index: Index(index),
            event,
            outcome: decided(block, event).unwrap_or(Outcome::Applied),
        })
}

/// What the block's execution wrote down for the request, if the event is one.
fn decided(block: &Executed, event: &Event) -> Option<Outcome> {
    let issuer = event.issuer();
    match event.body() {
        EventBody::AccessRequest(body) => {
            let request: Request = written(block, &Request::key(issuer, &body.request))?;
            Some(Outcome::Decided(request.decision))
        }
        EventBody::AccessBreakGlass(body) => {
            let opened: BreakGlass = written(block, &BreakGlass::key(issuer, &body.request))?;
            Some(Outcome::Broken(opened.decision))
        }
        _ => None,
    }
}

/// What the block's execution left under a key.
pub(crate) fn written<V: StateValue>(block: &Executed, key: &StateKey) -> Option<V> {
    let value = block.changes.get(&key.path())?;
    V::decode(value.as_deref()?).ok()
}
