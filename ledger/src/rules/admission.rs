//! What every event must meet, whatever it says.

use super::{Refusal, Rule, Turn, governance};
use crate::event::EventKind;

/// How far an event's not-after may lie ahead of the block's time: 15 minutes.
pub const MAX_AHEAD_MILLIS: u64 = 15 * 60 * 1000;

/// The first rules version under which events of a type apply.
///
/// A body's shape never changes; a new shape is a new type of event and a new line here.
#[must_use]
pub const fn first_rules_version(kind: EventKind) -> u32 {
    match kind {
        EventKind::GovernancePropose
        | EventKind::GovernanceApprove
        | EventKind::RecordSeal
        | EventKind::RecordCustody
        | EventKind::RecordSupersede
        | EventKind::RecordErase
        | EventKind::RecordReshare
        | EventKind::CustodyLog
        | EventKind::ConsentGrant
        | EventKind::ConsentRevoke
        | EventKind::ConsentEnd
        | EventKind::AccessRequest
        | EventKind::AccessBreakGlass
        | EventKind::AccessReview
        | EventKind::AccessEmergency
        | EventKind::EmergencyJournal
        | EventKind::PrescriptionIssue
        | EventKind::PrescriptionRedeem
        | EventKind::PrescriptionVoid
        | EventKind::LotOpen
        | EventKind::UnitCommission
        | EventKind::UnitShip
        | EventKind::UnitReceive
        | EventKind::UnitDispense
        | EventKind::InspectionKey
        | EventKind::InspectionPopulation
        | EventKind::InspectionOpen
        | EventKind::InspectionOutput
        | EventKind::InspectionAnswer => 1,
    }
}

/// The event is for this network, in time, new, and signed by a participant's registered key.
pub(super) fn admit(turn: &mut Turn<'_, '_>) -> Result<(), Refusal> {
    let event = turn.event();
    if event.network() != turn.network() {
        return Err(Rule::EventNetwork.into());
    }
    if turn.rules_version() < first_rules_version(event.kind()) {
        return Err(Rule::EventTypeNotActive.into());
    }
    if event.not_after() < turn.time() {
        return Err(Rule::EventExpired.into());
    }
    if event.not_after() > turn.time().plus_millis(MAX_AHEAD_MILLIS) {
        return Err(Rule::EventTooFarAhead.into());
    }
    // After the window, so that the answer does not depend on what a view has forgotten.
    if turn.is_replay()? {
        return Err(Rule::EventReplayed.into());
    }
    governance::admit_signer(turn)
}
