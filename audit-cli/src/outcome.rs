//! What the rules made of each event, as an audit executed it.
//!
//! What always holds: an event in a block was applied; of a request for access the rules also wrote
//! down whether it is permitted, and that is read from what the execution wrote, not from the event.

use medanchor_ledger::Index;
use medanchor_ledger::event::{Event, EventBody};
use medanchor_ledger::execute::Executed;
use medanchor_ledger::rules::{Decision, Request, StateValue};

/// What the rules made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was applied.
    Applied,
    /// It is a request for access, which was decided.
    Decided(Decision),
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
            outcome: decision(block, event).map_or(Outcome::Applied, Outcome::Decided),
        })
}

/// What the block's execution wrote down for the request, if the event is one.
fn decision(block: &Executed, event: &Event) -> Option<Decision> {
    let EventBody::AccessRequest(body) = event.body() else {
        return None;
    };
    let written = block
        .changes
        .get(&Request::key(event.issuer(), &body.request).path())?;
    let request = Request::decode(written.as_deref()?).ok()?;
    Some(request.decision)
}
