//! Who anchors what, and in which order.
//!
//! What always holds: every item of the import is either in the plan, once, or among the plan's
//! `left_out` with a reason; the same import and roster give the same plan; and a step stands in a
//! later wave than all it depends on (a lot before its units, a prescription before its dispense,
//! each unit's steps one after another), so that all steps of a wave may be posted at once.

mod actors;
mod prescriptions;
mod units;

pub use actors::{Member, Role, Roster};

use super::item::{ConsentGrant, Items, LeftOut, Location};
use super::reason::Reason;
use crate::fhir::{Setting, Terms};
use actors::Directory;
use medanchor_ledger::{ParticipantName, Time};

/// How long a consent without an end of its own holds: a year from when the plan is made.
pub const CONSENT_MILLIS: u64 = 365 * 24 * 3600 * 1000;

/// What is to be anchored, and what is not.
#[derive(Clone, Default)]
pub struct Plan {
    /// The production lots to open.
    pub lots: Vec<Lot>,
    /// The steps; waves ascend.
    pub steps: Vec<Planned>,
    /// Items of the import that are not anchored, and why.
    pub left_out: Vec<LeftOut>,
}

/// A production lot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lot {
    /// Who makes it.
    pub maker: ParticipantName,
    /// What it is a lot of: the part of its units' codes that says so, which may be empty.
    pub product: String,
    /// Its number, if the input gives one. Units without one share a lot per maker and product.
    pub number: Option<String>,
}

/// One step of the plan: an event for the ledger.
#[derive(Clone)]
pub struct Planned {
    /// Steps of a wave depend on steps of earlier waves only.
    pub wave: u32,
    /// Who signs and posts it.
    pub by: ParticipantName,
    /// What it says.
    pub action: Action,
}

/// A unit in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedUnit {
    /// Index into [`Items::units`].
    pub step: usize,
    /// Index into [`Plan::lots`].
    pub lot: usize,
}

/// What a step anchors. Numbers are indexes into the import's [`Items`] or the plan's lots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A prescription is sealed and issued.
    Issue {
        /// Index into [`Items::prescriptions`].
        prescription: usize,
    },
    /// A prescription is redeemed.
    Redeem {
        /// Index into [`Items::dispenses`].
        dispense: usize,
        /// Index into [`Items::prescriptions`].
        prescription: usize,
        /// Who issued the prescription.
        issuer: ParticipantName,
        /// How much of what was ordered, in millionths: 1 to 1,000,000.
        fraction: u32,
    },
    /// A consent is granted.
    Grant {
        /// Index into [`Items::consents`].
        consent: usize,
        /// What it grants.
        terms: Terms,
    },
    /// A lot is opened.
    OpenLot {
        /// Index into [`Plan::lots`].
        lot: usize,
    },
    /// Units are given their codes.
    Commission {
        /// The lot they all belong to.
        lot: usize,
        /// 1 to 128 units.
        units: Vec<PlannedUnit>,
    },
    /// Units are sent.
    Ship {
        /// Who made them all.
        maker: ParticipantName,
        /// 1 to 128 units.
        units: Vec<PlannedUnit>,
        /// To whom.
        to: ParticipantName,
    },
    /// Units arrive.
    Receive {
        /// Who made them all.
        maker: ParticipantName,
        /// 1 to 128 units.
        units: Vec<PlannedUnit>,
        /// From whom.
        from: ParticipantName,
    },
    /// Units are given out.
    Dispense {
        /// Who made them all.
        maker: ParticipantName,
        /// 1 to 128 units.
        units: Vec<PlannedUnit>,
    },
}

impl Action {
    /// How many items of the import the step anchors.
    #[must_use]
    pub fn items(&self) -> usize {
        match self {
            Self::OpenLot { .. } => 0,
            Self::Issue { .. } | Self::Redeem { .. } | Self::Grant { .. } => 1,
            Self::Commission { units, .. }
            | Self::Ship { units, .. }
            | Self::Receive { units, .. }
            | Self::Dispense { units, .. } => units.len(),
        }
    }
}

/// Plans how the participants of `roster` anchor `items` at the time `now`.
///
/// Who acts is decided by a stable rule. If the input names an institution that a participant
/// stands for (an Organization whose id is the participant's name, or one of its identifiers, such
/// as its GS1 location number), that participant acts. If it names nobody the network knows, the
/// participant is drawn among those of the fitting role by a hash of what the input says (the
/// requester, the performer, the place, or else the file), so that one prescriber stays with one
/// hospital. Recipients of consents are never drawn: whom the network does not know gets nothing, and a
/// consent grants what [`crate::fhir::Consent::terms`] says, or is left out.
#[must_use]
pub fn plan(items: &Items, roster: &Roster, now: Time) -> Plan {
    let directory = Directory::new(roster, &items.institutions);
    let mut plan = Plan::default();
    prescriptions::plan(&mut plan, items, &directory);
    for (index, consent) in items.consents.iter().enumerate() {
        let outcome = grant(items, index, consent, &directory, now);
        plan.settle(&consent.source, 0, outcome);
    }
    units::plan(&mut plan, items, &directory);
    plan.steps.sort_by_key(|step| step.wave);
    plan
}

impl Plan {
    fn leave_out(&mut self, source: &Location, reason: Reason) {
        self.left_out.push(LeftOut {
            source: source.clone(),
            reason,
        });
    }

    fn settle(
        &mut self,
        source: &Location,
        wave: u32,
        outcome: Result<(ParticipantName, Action), Reason>,
    ) {
        match outcome {
            Ok((by, action)) => self.steps.push(Planned { wave, by, action }),
            Err(reason) => self.leave_out(source, reason),
        }
    }
}

fn grant(
    items: &Items,
    index: usize,
    consent: &ConsentGrant,
    directory: &Directory<'_>,
    now: Time,
) -> Result<(ParticipantName, Action), Reason> {
    let earlier = items.consents.iter().take(index);
    if earlier
        .map(|earlier| &earlier.original)
        .any(|original| *original == consent.original)
    {
        return Err(Reason::Repeated);
    }
    let by = directory.acting(
        consent.custodian.as_deref(),
        &[Role::Hospital],
        &consent.source,
    )?;
    let setting = Setting {
        owner: &by,
        jurisdiction: directory.jurisdiction(&by),
        now,
        no_end: now.plus_millis(CONSENT_MILLIS),
        // All days of an import are UTC's, as those of its documents are.
        utc_offset: 0,
        delegated: false,
        directory: &|who| directory.recipient(who),
    };
    let terms = consent.consent.terms(&setting);
    let terms = terms.map_err(Reason::NotGranted)?;
    let consent = index;
    Ok((by, Action::Grant { consent, terms }))
}
