//! Every rule that an event can break, with its stable code.

use super::Anchored;
use std::fmt;

/// Whose doing it is that an event does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The signer states what it may not, or what is not so.
    Signer,
    /// Another event came first; nobody did wrong.
    Rival,
    /// What it builds on is not there yet, or there is no room now.
    Early,
}

impl Fault {
    /// The word for it in problem documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Rival => "rival",
            Self::Early => "early",
        }
    }
}

/// Why an event does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}; {}", .rule.code(), .rule.broken(), .rule.remedy())]
pub struct Rejection {
    /// The rule that it breaks.
    pub rule: Rule,
    /// The event that stands in its way, where there is one.
    pub winner: Option<Anchored>,
}

impl Rejection {
    /// A rejection in favour of `winner`.
    #[must_use]
    pub const fn lost_to(rule: Rule, winner: Anchored) -> Self {
        Self {
            rule,
            winner: Some(winner),
        }
    }

    /// Whether the same event may apply to a later block.
    #[must_use]
    pub const fn later(&self) -> bool {
        matches!(self.rule.fault(), Fault::Early)
    }
}

impl From<Rule> for Rejection {
    fn from(rule: Rule) -> Self {
        Self { rule, winner: None }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

macro_rules! rules {
    ($($rule:ident $code:literal $fault:ident $broken:literal $remedy:literal;)*) => {
        /// A rule that an event can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $broken] $rule,)*
        }

        impl Rule {
            /// Every rule that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// The code that programs may rely on.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$rule => $code,)*
                }
            }

            /// Whose doing it is when the rule is broken.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self {
                    $(Self::$rule => Fault::$fault,)*
                }
            }

            /// What was broken, in words.
            #[must_use]
            pub const fn broken(self) -> &'static str {
                match self {
                    $(Self::$rule => $broken,)*
                }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$rule => $remedy,)*
                }
            }
        }
    };
}

rules! {
    EventNetwork "event.other-network" Signer
        "the event is for another network" "sign it with this network's id";
    EventExpired "event.expired" Signer
        "the event's not-after has passed" "sign a new event for the same thing";
    EventTooFarAhead "event.too-far-ahead" Signer
        "the event's not-after is more than 15 minutes ahead" "sign a new event with a nearer one";
    EventReplayed "event.replayed" Rival
        "the event is in the log already" "ask for its receipt";
    EventTypeNotActive "event.type-not-active" Signer
        "the network's rules do not know this type of event yet" "wait for the network's upgrade";
    BlockFull "block.full" Early
        "the block has no room for the event" "wait for the next one";
    SignerUnknown "signer.unknown" Signer
        "the signer is no participant of this network" "have it registered";
    SignerKey "signer.unknown-key" Signer
        "the signing key is not registered for the signer, or no longer" "sign with a registered key";
    SignerNewKey "signer.new-key" Early
        "the signing key was registered in this very block" "wait for the next one";
    SignerRole "signer.wrong-role" Signer
        "the signer's role does not allow this" "have a participant with the right role sign";
    RecordExists "record.already-sealed" Rival
        "the signer sealed a record under this handle before" "use a new handle";
    RecordVersion "record.first-version" Signer
        "a new record starts with version 1" "seal version 1 first";
    RecordUnknown "record.unknown" Early
        "the signer has sealed no record under this handle" "seal it first";
    RecordErased "record.erased" Rival
        "the record was erased" "seal a new one under a new handle";
    RecordVersionPast "record.version-past" Rival
        "the record has a later version" "sign it for the newest version";
    RecordVersionAhead "record.version-ahead" Early
        "the record has no such version yet" "wait for the versions before, or check the number";
    RecordVersionSoon "record.version-of-this-block" Early
        "the record's newest version is of this very block" "wait for the next one";
    RecordCustodyLost "record.custody-lost" Signer
        "the record's key is shared over custodians, and the new version's would not be" "deal it to the custodians";
    RecordNoCustody "record.not-in-custody" Signer
        "the record's key is not shared over custodians" "name no shares, or supersede the record with a version that is shared";
    RecordReshared "record.already-reshared" Rival
        "the record's key is shared over the custodians of this epoch or a later one" "nothing is left to do";
    RecordOtherSecret "record.other-secret" Signer
        "the first point is not that of the secret that is shared" "share the same secret anew; a new one takes a new version";
    CustodyEpochPast "custody.epoch-past" Rival
        "other custodians have taken over" "take the set of the current epoch";
    CustodyEpochAhead "custody.epoch-ahead" Early
        "the epoch is not the next one, or its custodians have not taken over yet" "wait until they have, or check the epoch";
    CustodyPoints "custody.point-count" Signer
        "the number of points is not that of the custodians that it takes" "give one point for each";
    CustodyOwn "custody.own-custodian" Signer
        "the signer is one of the custodians" "no institution keeps shares of its own records; have another set approved";
    CustodyThreshold "custody.threshold" Signer
        "fewer than two of the custodians do, or more are needed than there are" "ask for two or more of them";
    CustodyRole "custody.not-a-custodian" Signer
        "a member of the set is no participant in the role of custodian" "name custodians only";
    CustodyValidator "custody.validator" Signer
        "a member of the set is a validator" "name participants that do not validate";
    CustodySharedKey "custody.shared-key" Signer
        "two members of the set have one key" "have each make keys of its own";
    CustodyLogShorter "custody.log-shorter" Rival
        "a longer log of the signer's was anchored before" "anchor the newest size";
    CustodyLogTwoRoots "custody.log-two-roots" Signer
        "another root of the same size was anchored before" "keep both events: they show that the log was changed";
    GovernanceNotAuthority "governance.not-an-authority" Signer
        "the signer is none of the network's authorities" "have an authority sign";
    GovernanceExists "governance.already-proposed" Rival
        "the signer made a proposal under this handle before" "use a new handle";
    GovernanceProposerUnknown "governance.proposer-unknown" Signer
        "the proposer that the event names is none of the network's authorities" "check the proposer's name";
    GovernanceUnknown "governance.unknown" Early
        "the proposer has made no such proposal" "wait until it is anchored, or check the handle";
    GovernanceApplied "governance.already-applied" Rival
        "enough authorities have approved the proposal before" "nothing is left to do";
    GovernanceOtherChange "governance.other-change" Signer
        "the proposal is of another change" "read what is proposed, and approve that";
    GovernanceApproved "governance.already-approved" Rival
        "the signer has approved the proposal before" "have another authority approve";
    GovernanceParticipant "governance.unknown-participant" Signer
        "the change is of the keys of somebody who is no participant" "check the participant's name";
    GovernanceSharedKey "governance.shared-key" Signer
        "a key is one that the participant's node has for random outputs" "make a key for each purpose";
    GovernanceKeysPast "governance.keys-past" Rival
        "the participant's keys were changed under this number or a later one" "look at the keys of now, and propose under the next number";
    GovernanceKeysAhead "governance.keys-ahead" Early
        "changes of the participant's keys are missing before this number" "wait until they are made, or check the number";
    GovernanceTooFew "governance.too-few-authorities" Early
        "fewer authorities would have a signing key than it takes to approve" "have a key of theirs registered first";
    ConsentExists "consent.already-granted" Rival
        "the signer granted a consent under this handle before" "use a new handle";
    ConsentPeriod "consent.empty-period" Signer
        "the consent ends before it begins or has ended already" "grant it for a time to come";
    ConsentRootUnknown "consent.unknown-root" Early
        "the signer has granted no consent under the root's handle" "grant the first consent first";
    ConsentRootRevoked "consent.revoked-root" Rival
        "the consent that this one continues was revoked" "ask the subject for a new consent";
    ConsentRootNotFirst "consent.root-not-first" Signer
        "the consent that this one continues continues another" "name the first one of the chain";
    ConsentRootPeriod "consent.outside-root" Signer
        "the consent begins before the one that it continues, or ends after it" "let it hold in the time of the first one of its chain";
    ConsentUnknown "consent.unknown" Early
        "no consent of this owner's is granted under this handle" "wait until it is granted, or check the handle and the owner";
    ConsentRevoked "consent.already-revoked" Rival
        "the consent was revoked before" "nothing is left to do";
    ConsentOwnerUnknown "consent.owner-unknown" Signer
        "the owner that the event names is no participant of this network" "check the owner's name";
    ConsentNoEnder "consent.no-ender" Signer
        "the consent names no key with which its patient could end it" "have its owner revoke it";
    ConsentOtherEnder "consent.other-ender" Signer
        "the end is signed by another key than the consent names" "have the patient sign it with the card that approved the consent";
    AccessExists "access.already-requested" Rival
        "the signer made a request under this handle before" "use a new handle";
    AccessDenials "access.too-many-denials" Early
        "256 of the signer's requests were denied in this block" "ask less, and later";
    AccessReviewsOverdue "access.reviews-overdue" Early
        "64 records that the signer opened without a consent wait for a review past its time" "have them reviewed first";
    AccessOwnReview "access.own-review" Signer
        "the signer reviews what it opened itself" "have the record's owner or a regulator review it";
    AccessRequesterUnknown "access.requester-unknown" Signer
        "the requester that the event names is no hospital of this network" "check the requester's name";
    AccessBreakGlassUnknown "access.unknown-break-glass" Early
        "the requester has opened nothing under this handle" "wait until it is anchored, or check the handle";
    AccessNothingToReview "access.nothing-to-review" Signer
        "under this handle nothing was opened without a consent" "review what was opened by break-glass";
    AccessReviewer "access.not-a-reviewer" Signer
        "the signer is neither the record's owner nor a regulator" "have one of them review it";
    AccessReviewed "access.already-reviewed" Rival
        "it was reviewed before" "nothing is left to do";
    EmergencyUnregistered "emergency.unregistered" Early
        "the signer has no emergency journal yet" "state an empty journal first";
    EmergencyCounterUsed "emergency.counter-used" Rival
        "the journal is past this entry" "go on from the winning event; two journals under one name cannot both stand";
    EmergencyCounterAhead "emergency.counter-ahead" Early
        "entries before this one are not anchored" "anchor them in their order";
    EmergencyOtherHead "emergency.other-head" Signer
        "the journal's head is another one" "go on from the winning event; two journals under one name cannot both stand";
    EmergencyRecordUnknown "emergency.unknown-record" Early
        "the signer has sealed no record under this handle" "anchor its seal first";
    EmergencyVersionUnknown "emergency.unknown-version" Early
        "the record has no such version yet" "anchor that version first";
    PrescriptionExists "prescription.already-issued" Rival
        "the signer issued a prescription under this handle before" "use a new handle";
    PrescriptionExpiresEarly "prescription.expires-early" Signer
        "the prescription would expire before it is issued" "issue it for a time to come";
    PrescriptionRecordUnknown "prescription.unknown-record" Early
        "the signer has sealed no record under the handle that the prescription names" "seal the record first";
    PrescriptionIssuerUnknown "prescription.issuer-unknown" Signer
        "the issuer that the event names is no hospital of this network" "check the issuer's name";
    PrescriptionUnknown "prescription.unknown" Early
        "the issuer has issued no such prescription" "wait until it is anchored, or check the handle";
    PrescriptionRedeemed "prescription.already-redeemed" Rival
        "the prescription was redeemed before" "hand nothing out; the winning event says who did";
    PrescriptionVoided "prescription.already-voided" Rival
        "the prescription was voided" "hand nothing out; ask the issuer for a new one";
    PrescriptionExpired "prescription.expired" Signer
        "the prescription has expired" "hand nothing out; ask the issuer for a new one";
    PrescriptionToken "prescription.other-token" Signer
        "the claim is signed by another token than the prescription's" "ask the patient for a claim";
    PrescriptionClaimNumber "prescription.claim-number" Signer
        "the claim's number is not the next one" "ask the patient for a claim with the next number";
    PrescriptionClaimExpired "prescription.claim-expired" Signer
        "the claim has expired" "ask the patient for a new claim";
    PrescriptionLines "prescription.line-count" Signer
        "the number of lines is not the one that was ordered" "give one fraction for each line";
    PrescriptionQuantity "prescription.over-ordered-quantity" Signer
        "more would be handed out than was ordered" "hand out what was ordered and no more";
    LotExists "lot.already-open" Rival
        "the signer opened a lot under this handle before" "use a new handle";
    LotUnknown "lot.unknown" Early
        "the signer has opened no lot under this handle" "open the lot first";
    UnitExists "unit.already-commissioned" Rival
        "a unit was commissioned before" "leave it out; one code cannot live twice";
    UnitUnknown "unit.unknown" Early
        "a unit is not commissioned yet" "wait until it is, or check maker and handle";
    UnitNotInStock "unit.not-in-stock" Early
        "a unit is on its way and not received yet" "wait until its receiver has it";
    UnitNotHolder "unit.other-holder" Early
        "a unit is in another participant's hands" "wait until the signer has received it";
    UnitNotShipped "unit.not-shipped" Early
        "a unit was not shipped to the signer yet" "wait until it is shipped";
    UnitOtherSender "unit.other-sender" Early
        "a unit is on its way from another sender" "name the participant that shipped it";
    UnitOtherReceiver "unit.other-receiver" Early
        "a unit is on its way to another receiver" "have its receiver sign";
    UnitMakerUnknown "unit.maker-unknown" Signer
        "the maker that the event names is no manufacturer of this network" "check the maker's name";
    UnitSenderUnknown "unit.sender-unknown" Signer
        "the sender is no participant of this network" "name the participant that shipped it";
    UnitReceiverUnknown "unit.receiver-unknown" Signer
        "the receiver is no participant of this network" "ship to a participant";
    UnitSelfShipment "unit.self-shipment" Signer
        "sender and receiver are one participant" "name two participants";
    UnitDispensed "unit.already-dispensed" Rival
        "a unit was dispensed before" "take it out of circulation; the winning event says who did";
    InspectionValidator "inspection.not-a-validator" Signer
        "the signer is no validator" "have a validator's node give its output";
    InspectionKeyExists "inspection.key-already-registered" Rival
        "the signer registered keys for random outputs under this number or a later one" "look at the keys of now, and replace them under the next number";
    InspectionKeyShared "inspection.shared-key" Signer
        "the two keys are one, or one of them has another use already" "make a key for each purpose";
    InspectionKeyAhead "inspection.key-ahead" Early
        "registrations of the signer's keys are missing before this one" "wait until they are made, or check the number";
    InspectionKeyServes "inspection.replaced-key-serves" Early
        "a draw may still take an output under the keys before the present ones" "wait until its time for outputs has passed";
    InspectionPopulationExists "inspection.population-already-fixed" Rival
        "the signer fixed a population under this handle before" "use a new handle";
    InspectionExists "inspection.already-open" Rival
        "the signer opened an inspection under this handle before" "use a new handle";
    InspectionPeriod "inspection.no-time-to-answer" Signer
        "answers are due less than an hour after the time for outputs" "leave an hour or more after the window of the outputs";
    InspectionOwnerUnknown "inspection.owner-unknown" Signer
        "the owner that the event names is no participant" "check the owner's name";
    InspectionSample "inspection.sample-above-population" Signer
        "more items would be drawn than there are" "draw at most the whole population";
    InspectionPopulationUnknown "inspection.unknown-population" Early
        "the owner has fixed no population under this handle" "have the owner fix it first";
    InspectionKeysMissing "inspection.keys-missing" Early
        "fewer than a quorum of validators have registered keys for random outputs" "have them register theirs";
    InspectionTooMany "inspection.too-many-running" Early
        "16 draws wait for outputs already" "wait until one of them is over";
    InspectionTooManyOwn "inspection.too-many-of-the-signer" Early
        "4 draws that the signer opened wait for outputs already" "wait until one of them is over";
    InspectionOpenerUnknown "inspection.opener-unknown" Signer
        "the opener that the event names is no regulator" "check the opener's name";
    InspectionUnknown "inspection.unknown" Early
        "the opener has opened no such inspection" "wait until it is anchored, or check the handle";
    InspectionKeyLate "inspection.key-too-late" Signer
        "the signer had registered no keys when the inspection was opened" "give outputs for later ones";
    InspectionOutputExists "inspection.output-already-given" Rival
        "the signer's output for this inspection is there" "nothing is left to do";
    InspectionOutputLate "inspection.outputs-closed" Signer
        "the time for outputs has passed" "nothing can be done; the draw goes without this one";
    InspectionUnsealed "inspection.not-sealed" Early
        "the block that opens the inspection is not sealed yet" "wait for the next one";
    InspectionProof "inspection.wrong-proof" Signer
        "the output's proof does not hold for this inspection" "prove it with the registered key";
    InspectionNotOwner "inspection.not-the-owner" Signer
        "another participant's population is inspected" "have its owner answer";
    InspectionNumber "inspection.no-such-draw" Signer
        "the inspection draws fewer items" "number the draws from 0";
    InspectionAnswered "inspection.already-answered" Rival
        "the draw was answered before" "nothing is left to do";
    InspectionAnswerLate "inspection.answers-closed" Signer
        "the time for answers has passed" "show the item to the regulator; the draw stays unanswered";
    InspectionVoid "inspection.void" Signer
        "too few outputs came, so nothing was drawn" "have the regulator open another inspection";
    InspectionUndrawn "inspection.not-drawn" Early
        "what is drawn is not known yet" "wait until the time for outputs has passed";
    InspectionItem "inspection.wrong-item" Signer
        "the item does not stand at the drawn place of the population" "show the drawn item with its proof";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_code_of_its_own() {
        let codes: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        assert_eq!(codes.len(), Rule::ALL.len());
    }

    #[test]
    fn a_message_names_the_rule_and_what_to_do() {
        let rejection = Rejection::from(Rule::PrescriptionExpired);
        let words = "prescription.expired: the prescription has expired; hand nothing out; ask the issuer for a new one";
        assert_eq!(rejection.to_string(), words);
        assert!(!rejection.later());
        assert!(Rejection::from(Rule::UnitUnknown).later());
    }
}
