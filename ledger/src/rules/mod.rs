//! The rules: state machines that say which event applies to which state, and what it changes.
//!
//! What always holds: an event either applies, and changes the state as one, or it is refused with
//! the one [`Rule`] it breaks and changes nothing. Rules read the state and the event alone: no
//! clock but the block's time, no order but the log's. Signatures were checked before. One file a
//! domain, named as in [`crate::event`]; each reads, judges, then writes.

pub mod access;
mod admission;
pub mod break_glass;
pub mod consent;
pub mod custody;
mod draft;
pub mod emergency;
pub mod governance;
pub mod inspection;
pub mod prescription;
pub mod record;
mod rejection;
pub mod tag;
pub mod unit;
mod value;

pub use access::{Decision, DenialReason, Request};
pub use admission::{MAX_AHEAD_MILLIS, first_rules_version};
pub use break_glass::{BreakGlass, OpenReviews, Review};
pub use consent::Consent;
pub use custody::{CustodianEpoch, CustodianSet, ReleaseLog};
pub(crate) use draft::{Draft, Refusal, Turn};
pub use emergency::{EarlierKinds, EmergencyHead, LostEntries};
pub use governance::{KeysChanged, Participant, Proposal, RULES_VERSION, Role, RulesVersion};
pub use inspection::{DrawKey, DrawState, Inspection, OutputKeys, Population, RunningDraws};
pub use prescription::{Prescription, Standing};
pub use record::{Erased, Record, Superseded};
pub use rejection::{Fault, Rejection, Rule};
pub use tag::TagIndex;
pub use unit::{Lot, Place, Unit};
pub use value::{Anchored, StateValue};

use crate::event::EventBody;

/// Applies the event of `turn`, or refuses it.
fn apply(turn: &mut Turn<'_, '_>) -> Result<(), Refusal> {
    admission::admit(turn)?;
    let event = turn.event();
    match event.body() {
        EventBody::GovernancePropose(body) => governance::propose(turn, body),
        EventBody::GovernanceApprove(body) => governance::approve(turn, body),
        EventBody::RecordSeal(body) => record::seal(turn, body),
        EventBody::RecordCustody(body) => record::seal_in_custody(turn, body),
        EventBody::RecordSupersede(body) => record::supersede(turn, body),
        EventBody::RecordErase(body) => record::erase(turn, body),
        EventBody::RecordReshare(body) => record::reshare(turn, body),
        EventBody::CustodyLog(body) => custody::log(turn, body),
        EventBody::ConsentGrant(body) => consent::grant(turn, body),
        EventBody::ConsentRevoke(body) => consent::revoke(turn, body),
        EventBody::ConsentEnd(body) => consent::end(turn, body),
        EventBody::AccessRequest(body) => access::request(turn, body),
        EventBody::AccessBreakGlass(body) => break_glass::break_glass(turn, body),
        EventBody::AccessReview(body) => break_glass::review(turn, body),
        EventBody::AccessEmergency(body) => emergency::opened(turn, body),
        EventBody::EmergencyJournal(body) => emergency::state(turn, body),
        EventBody::PrescriptionIssue(body) => prescription::issue(turn, body),
        EventBody::PrescriptionRedeem(body) => prescription::redeem(turn, body),
        EventBody::PrescriptionVoid(body) => prescription::void(turn, body),
        EventBody::LotOpen(body) => unit::open_lot(turn, body),
        EventBody::UnitCommission(body) => unit::commission(turn, body),
        EventBody::UnitShip(body) => unit::ship(turn, body),
        EventBody::UnitReceive(body) => unit::receive(turn, body),
        EventBody::UnitDispense(body) => unit::dispense(turn, body),
        EventBody::InspectionKey(body) => inspection::register(turn, body),
        EventBody::InspectionPopulation(body) => inspection::fix(turn, body),
        EventBody::InspectionOpen(body) => inspection::open(turn, body),
        EventBody::InspectionOutput(body) => inspection::output(turn, body),
        EventBody::InspectionAnswer(body) => inspection::answer(turn, body),
    }
}
