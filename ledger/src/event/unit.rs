//! Lots and units: packs that a maker brings to life and that change hands.
//!
//! A unit is named by its maker and its handle; nothing else on the ledger says what it is.

use super::list::{HandleSet, read_commitment, read_handle};
use super::{Body, DecodeError, Subject};
use crate::cbor::{Reader, Writer};
use crate::{Commitment, LotHandle, ParticipantName, UnitHandle};

/// The units of one event: all of them move, or none.
pub type Units = HandleSet<UnitHandle, 128>;

const NAME: usize = ParticipantName::MAX_LENGTH;

fn unit_subject<'a>(maker: &'a ParticipantName, units: &Units) -> Subject<'a> {
    Subject::new("unit", maker, units.first())
}

/// `lot.open`: a maker commits to a product and a lot key, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotOpen {
    /// The lot, among the signer's.
    pub lot: LotHandle,
    /// The salted commitment to product and lot key.
    pub commitment: Commitment,
}

impl Body for LotOpen {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("lot", issuer, self.lot)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(2);
        writer.key(1).bytes(self.lot.as_bytes());
        writer.key(2).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(2)?;
        Ok(Self {
            lot: read_handle(reader.key(1)?)?,
            commitment: read_commitment(reader.key(2)?)?,
        })
    }
}

/// `unit.commission`: a maker brings units of one of its lots to life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitCommission {
    /// The lot, among the signer's.
    pub lot: LotHandle,
    /// The new units.
    pub units: Units,
}

impl Body for UnitCommission {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        unit_subject(issuer, &self.units)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(2);
        writer.key(1).bytes(self.lot.as_bytes());
        self.units.write(writer.key(2));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(2)?;
        Ok(Self {
            lot: read_handle(reader.key(1)?)?,
            units: Units::read(reader.key(2)?)?,
        })
    }
}

/// `unit.ship`: the holder sends units to another participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitShip {
    /// Who commissioned the units.
    pub maker: ParticipantName,
    /// The units.
    pub units: Units,
    /// Who shall receive them.
    pub to: ParticipantName,
}

impl Body for UnitShip {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        unit_subject(&self.maker, &self.units)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(3);
        writer.key(1).text(self.maker.as_str());
        self.units.write(writer.key(2));
        writer.key(3).text(self.to.as_str());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(3)?;
        Ok(Self {
            maker: reader.key(1)?.parsed(NAME)?,
            units: Units::read(reader.key(2)?)?,
            to: reader.key(3)?.parsed(NAME)?,
        })
    }
}

/// `unit.receive`: the named receiver takes units over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitReceive {
    /// Who commissioned the units.
    pub maker: ParticipantName,
    /// The units.
    pub units: Units,
    /// Who shipped them.
    pub from: ParticipantName,
}

impl Body for UnitReceive {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        unit_subject(&self.maker, &self.units)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(3);
        writer.key(1).text(self.maker.as_str());
        self.units.write(writer.key(2));
        writer.key(3).text(self.from.as_str());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(3)?;
        Ok(Self {
            maker: reader.key(1)?.parsed(NAME)?,
            units: Units::read(reader.key(2)?)?,
            from: reader.key(3)?.parsed(NAME)?,
        })
    }
}

/// `unit.dispense`: the holder hands units to a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitDispense {
    /// Who commissioned the units.
    pub maker: ParticipantName,
    /// The units.
    pub units: Units,
}

impl Body for UnitDispense {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        unit_subject(&self.maker, &self.units)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(2);
        writer.key(1).text(self.maker.as_str());
        self.units.write(writer.key(2));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(2)?;
        Ok(Self {
            maker: reader.key(1)?.parsed(NAME)?,
            units: Units::read(reader.key(2)?)?,
        })
    }
}
