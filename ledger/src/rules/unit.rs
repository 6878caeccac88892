//! Units: commissioned once by their maker, then in one participant's hands or on the way between
//! two, until they are dispensed.
//!
//! What always holds: an event moves all the units it names, or none. A unit that is not dispensed may
//! still come into anybody's hands, and the events that bring it there may be on their way by other
//! nodes, such as two institutions' backlogs after an outage; so an event of somebody who does not hold
//! it yet is early and waits, and only what no order of arrival can heal is refused at once.

use super::governance::{Role, require_role};
use super::value::{StateValue, kind, read_name};
use super::{Anchored, Refusal, Rejection, Rule, Turn};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{
    DecodeError, LotOpen, UnitCommission, UnitDispense, UnitReceive, UnitShip, Units,
};
use crate::state::StateKey;
use crate::{LotHandle, ParticipantName, UnitHandle};

/// An open lot, as the state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The `lot.open`.
    pub opened: Anchored,
}

impl Lot {
    /// Where the state holds `maker`'s lot.
    #[must_use]
    pub fn key(maker: &ParticipantName, lot: &LotHandle) -> StateKey {
        StateKey::owned(kind::LOT, maker, lot.as_bytes())
    }
}

impl StateValue for Lot {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.opened.write(writer.array(2));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2..=2)?;
        let opened = Anchored::read(reader)?;
        Ok(Self { opened })
    }
}

/// Where a unit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In somebody's hands.
    InStock {
        /// Whose.
        holder: ParticipantName,
    },
    /// On the way.
    InTransit {
        /// Who shipped it.
        from: ParticipantName,
        /// Who shall receive it.
        to: ParticipantName,
    },
    /// With a patient.
    Dispensed {
        /// Who handed it out.
        by: ParticipantName,
    },
}

/// A unit, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The `unit.commission`.
    pub commissioned: Anchored,
    /// The event that put it where it is.
    pub moved: Anchored,
    /// Its lot.
    pub lot: LotHandle,
    /// Where it is.
    pub place: Place,
}

impl Unit {
    /// Where the state holds `maker`'s unit.
    #[must_use]
    pub fn key(maker: &ParticipantName, unit: &UnitHandle) -> StateKey {
        StateKey::owned(kind::UNIT, maker, unit.as_bytes())
    }

    fn require_holder(&self, name: &ParticipantName) -> Result<(), Rejection> {
        match &self.place {
            Place::InStock { holder } if holder == name => Ok(()),
            Place::InStock { .. } => Err(self.lost(Rule::UnitNotHolder)),
            Place::InTransit { .. } => Err(self.lost(Rule::UnitNotInStock)),
            Place::Dispensed { .. } => Err(self.lost(Rule::UnitDispensed)),
        }
    }

    fn require_shipment(
        &self,
        sender: &ParticipantName,
        receiver: &ParticipantName,
    ) -> Result<(), Rejection> {
        match &self.place {
            Place::InTransit { to, .. } if to != receiver => {
                Err(self.lost(Rule::UnitOtherReceiver))
            }
            Place::InTransit { from, .. } if from != sender => {
                Err(self.lost(Rule::UnitOtherSender))
            }
            Place::InTransit { .. } => Ok(()),
            Place::InStock { .. } => Err(self.lost(Rule::UnitNotShipped)),
            Place::Dispensed { .. } => Err(self.lost(Rule::UnitDispensed)),
        }
    }

    /// A rejection in favour of the event that put the unit where it is.
    const fn lost(&self, rule: Rule) -> Rejection {
        Rejection::lost_to(rule, self.moved)
    }
}

impl StateValue for Unit {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        let (code, first, second) = match &self.place {
            Place::InStock { holder } => (0, holder, None),
            Place::InTransit { from, to } => (1, from, Some(to)),
            Place::Dispensed { by } => (2, by, None),
        };
        self.commissioned.write(writer.array(8));
        self.moved.write(writer);
        writer.bytes(self.lot.as_bytes());
        writer.uint(code).text(first.as_str());
        match second {
            Some(name) => writer.text(name.as_str()),
            None => writer.null(),
        };
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(8..=8)?;
        Ok(Self {
            commissioned: Anchored::read(reader)?,
            moved: Anchored::read(reader)?,
            lot: LotHandle::new(reader.fixed()?),
            place: read_place(reader)?,
        })
    }
}

fn read_place(reader: &mut Reader<'_>) -> Result<Place, DecodeError> {
    let value = reader.fault(CborFault::Value);
    let (code, first) = (reader.uint()?, read_name(reader)?);
    let second = if reader.null() {
        None
    } else {
        Some(read_name(reader)?)
    };
    match (code, second) {
        (0, None) => Ok(Place::InStock { holder: first }),
        (1, Some(to)) => Ok(Place::InTransit { from: first, to }),
        (2, None) => Ok(Place::Dispensed { by: first }),
        _ => Err(value.into()),
    }
}

/// `lot.open`: by a manufacturer, under a new handle.
pub(super) fn open_lot(turn: &mut Turn<'_, '_>, body: &LotOpen) -> Result<(), Refusal> {
    require_role(turn, &[Role::Manufacturer])?;
    let key = Lot::key(turn.signer_name(), &body.lot);
    if let Some(lot) = turn.read::<Lot>(&key)? {
        return Err(Rejection::lost_to(Rule::LotExists, lot.opened).into());
    }
    let opened = turn.anchored();
    turn.write(key, &Lot { opened });
    Ok(())
}

/// `unit.commission`: by the maker that opened the lot, each unit for the first time.
pub(super) fn commission(turn: &mut Turn<'_, '_>, body: &UnitCommission) -> Result<(), Refusal> {
    require_role(turn, &[Role::Manufacturer])?;
    let maker = turn.signer_name();
    let commissioned = turn.anchored();
    let new = Unit {
        commissioned,
        moved: commissioned,
        lot: body.lot,
        place: Place::InStock {
            holder: maker.clone(),
        },
    };
    for handle in &body.units {
        let key = Unit::key(maker, handle);
        if let Some(unit) = turn.read::<Unit>(&key)? {
            return Err(Rejection::lost_to(Rule::UnitExists, unit.commissioned).into());
        }
        turn.write(key, &new);
    }
    // Last, since it alone may pass later.
    turn.read::<Lot>(&Lot::key(maker, &body.lot))?
        .ok_or(Rule::LotUnknown)?;
    Ok(())
}

/// `unit.ship`: by the holder, to another participant.
pub(super) fn ship(turn: &mut Turn<'_, '_>, body: &UnitShip) -> Result<(), Refusal> {
    let holder = turn.signer_name();
    if body.to == *holder {
        return Err(Rule::UnitSelfShipment.into());
    }
    if !turn.is_participant(&body.to)? {
        return Err(Rule::UnitReceiverUnknown.into());
    }
    let place = Place::InTransit {
        from: holder.clone(),
        to: body.to.clone(),
    };
    move_all(turn, &body.maker, &body.units, &place, |unit| {
        unit.require_holder(holder)
    })
}

/// `unit.receive`: by the named receiver, from the named sender, which is another participant.
pub(super) fn receive(turn: &mut Turn<'_, '_>, body: &UnitReceive) -> Result<(), Refusal> {
    let receiver = turn.signer_name();
    if body.from == *receiver {
        return Err(Rule::UnitSelfShipment.into());
    }
    if !turn.is_participant(&body.from)? {
        return Err(Rule::UnitSenderUnknown.into());
    }
    let place = Place::InStock {
        holder: receiver.clone(),
    };
    move_all(turn, &body.maker, &body.units, &place, |unit| {
        unit.require_shipment(&body.from, receiver)
    })
}

/// `unit.dispense`: by the holder, if it is a pharmacy or a hospital.
pub(super) fn dispense(turn: &mut Turn<'_, '_>, body: &UnitDispense) -> Result<(), Refusal> {
    require_role(turn, &[Role::Pharmacy, Role::Hospital])?;
    let holder = turn.signer_name();
    let place = Place::Dispensed { by: holder.clone() };
    move_all(turn, &body.maker, &body.units, &place, |unit| {
        unit.require_holder(holder)
    })
}

/// Moves every unit, or none. Of the reasons against it, one that stays for ever comes before those
/// that may pass, so that nobody waits for an event that can never apply.
fn move_all(
    turn: &mut Turn<'_, '_>,
    maker: &ParticipantName,
    units: &Units,
    place: &Place,
    allowed: impl Fn(&Unit) -> Result<(), Rejection>,
) -> Result<(), Refusal> {
    if !turn.has_role(maker, Role::Manufacturer)? {
        return Err(Rule::UnitMakerUnknown.into());
    }
    let mut early = None;
    for handle in units {
        let key = Unit::key(maker, handle);
        let unit = turn.read::<Unit>(&key)?;
        let unit = unit.ok_or_else(|| Rule::UnitUnknown.into());
        match unit.and_then(|unit| allowed(&unit).map(|()| unit)) {
            Ok(mut unit) => {
                unit.moved = turn.anchored();
                unit.place = place.clone();
                turn.write(key, &unit);
            }
            Err(rejection) if rejection.later() => early = early.or(Some(rejection)),
            Err(rejection) => return Err(rejection.into()),
        }
    }
    early.map_or(Ok(()), |rejection| Err(rejection.into()))
}
